"""The report: one file, verdict first, nothing from outside, no script but the players' handlers, a bounded size."""

import base64
import hashlib
import html
import re

import numpy as np
import pandas as pd
import pytest
from matplotlib import pyplot as plt
from matplotlib.figure import Figure

from asr_helpers.analysis.compare import compare_runs
from asr_helpers.show.figures import finish
from asr_helpers.show.fragments import Fragment
from asr_helpers.show.players import word_player
from asr_helpers.show.report import LEFT_OUT, Report, Section, comparison_sections, report_html, verdict, write_report
from asr_helpers.show.tables import table

VERDICT = verdict(wer=0.152, low=0.121, high=0.184, utterances=1_062, data="the sample corpus (synthetic speech)")
TONE = 0.1 * np.sin(np.arange(16_000) / 5)


def page(*content, **options) -> str:
    return report_html(title="run", verdict=VERDICT, sections=[Section("All", content)], **options)


def test_the_verdict_says_rate_interval_and_data():
    assert VERDICT == (
        "Of 100 words about 15 are wrong: WER 15.2 % (95 % interval 12.1 to 18.4 %), "
        "measured on 1,062 test utterances of the sample corpus (synthetic speech)."
    )
    assert "Nothing usable" in verdict(wer=1.2, low=1.1, high=1.3, utterances=3, data="x")
    thai = verdict(wer=0.152, low=0.121, high=0.184, utterances=10, data="x", unit="character")
    assert thai.startswith("Of 100 characters about 15 are wrong: CER 15.2")


@pytest.mark.parametrize(("utterances", "few"), [(1, "1 utterance"), (3, "3 utterances")])
def test_the_verdict_on_few_utterances_claims_no_interval(utterances, few):
    nan = float("nan")
    said = verdict(wer=0.0, low=nan, high=nan, utterances=utterances, data="x")
    assert f"WER 0.0 % (no interval: {few} cannot say how far others would be from it)" in said
    assert said.endswith(f"measured on {utterances} test utterance{'s' * (utterances > 1)} of x.")


def test_the_verdict_comes_before_everything_else():
    markup = page(table(pd.DataFrame({"x": [1]})), facts={"model": "m"})
    unbroken = VERDICT.replace(" %", "\u00a0%")  # no line ends between a number and its unit
    assert markup.index(unbroken) < markup.index("<dl>") < markup.index("<h2") < markup.index("<table")


def test_every_kind_of_content_is_held():
    fig = Figure()
    ax = fig.subplots()
    ax.set_title("a finding", loc="left")
    markup = page(Fragment("<b>x</b>", "x"), fig, table(pd.DataFrame({"col": ["سلام"]})), "a < sentence")
    for expected in ("<b>x</b>", 'alt="a finding"', 'dir="rtl"', ">a &lt; sentence</span></p>"):
        assert expected in markup


def test_titles_and_facts_are_escaped():
    attack = "<script>alert(1)</script>"
    markup = report_html(title=attack, verdict=attack, sections=[Section(attack, [attack])], facts={attack: attack})
    assert "<script" not in markup and markup.count("&lt;script&gt;") >= 7


def test_nothing_is_fetched():
    markup = page(Fragment(word_player(TONE, [{"word": "کتاب", "start": 0.2, "end": 0.5}]), ""))
    addresses = re.findall(r'(?:src|href|action|data|poster)="([^"]*)"', markup)
    assert addresses and all(a.startswith(("data:", "#part-")) for a in addresses)
    assert not re.findall(r"@import|url\(|<link|<script|<iframe|http://|https://", markup)


def test_the_policy_allows_exactly_the_handlers_that_the_page_has():
    markup = page(Fragment(word_player(TONE, [{"word": "کتاب", "start": 0.2, "end": 0.5}]), ""))
    policy = html.unescape(re.search(r'Content-Security-Policy" content="([^"]*)"', markup)[1])
    assert policy.startswith("default-src 'none'") and "http" not in policy and "unsafe-eval" not in policy
    handlers = {html.unescape(h) for h in re.findall(r'\son\w+="([^"]*)"', markup)}
    hashes = {base64.b64encode(hashlib.sha256(h.encode()).digest()).decode() for h in handlers}
    assert set(re.findall(r"'sha256-([^']*)'", policy)) == hashes and len(hashes) == 3
    assert "'unsafe-inline'" not in policy.split("script-src")[1]


def test_recordings_are_left_out_from_the_end(tmp_path):
    rows = [Fragment(f"<p>row {i}</p>{word_player(TONE, [], label=str(i))}", "") for i in range(20)]
    whole = len(page(*rows).encode())
    limit = whole - 30_000
    size = write_report(
        tmp_path / "report.html", title="run", verdict=VERDICT, sections=[Section("All", rows)], limit=limit
    )
    text = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert size == (tmp_path / "report.html").stat().st_size <= limit
    assert re.findall(r'aria-label="(\d+)"', text) == [str(i) for i in range(20 - text.count(LEFT_OUT))]
    assert text.count(LEFT_OUT) == 4  # of 8 kB each
    assert all(f"<p>row {i}</p>" in text for i in range(20))


def test_a_report_too_large_without_sound_names_the_section(tmp_path):
    sections = [Section("small", ["x"]), Section("big", ["y" * 50_000])]
    with pytest.raises(ValueError, match="'big' smaller"):
        write_report(tmp_path / "report.html", title="t", verdict="v", sections=sections, limit=40_000)
    assert not (tmp_path / "report.html").exists()


def test_sections_with_one_title_are_both_kept():
    markup = report_html(title="t", verdict="v", sections=[Section("same", ["first"]), Section("same", ["second"])])
    assert ">first</span></p>" in markup and ">second</span></p>" in markup


def test_a_comparison_becomes_chapters_that_escape_what_was_said(tmp_path):
    rows = [("1", "کل بارش ہوئی", "کل بارش ہوئی")]
    rows += [("2", "<img src=x onerror=alert(1)> گھر", "گھر"), ("3", "وہ آیا", "وہ آئی")]
    a = pd.DataFrame(rows, columns=["id", "reference", "hypothesis"]).assign(speaker=None)
    b = a.assign(hypothesis=a["reference"])
    comparison = compare_runs(a, b, seed=1, names=("old", "new"))
    sections = comparison_sections(comparison)
    size = write_report(tmp_path / "c.html", title="old and new", verdict=comparison.verdict, sections=sections)
    page = (tmp_path / "c.html").read_text(encoding="utf-8")
    assert size == len(page.encode("utf-8"))
    assert "new on 2" in page and "1 are even" in page
    assert "<img src=x" not in page and "&lt;img src=x" in page


def test_a_part_that_fails_says_so_in_both_places_and_stops_nothing(capsys):
    report = Report()
    with report.section("Bad") as part:
        part.show("before")
        raise ValueError("<b>90</b>\u202e is not in list")
    with report.section("Good") as part:
        part.show(table(pd.DataFrame({"x": [1]})))
    seen = capsys.readouterr()
    assert "this could not be shown: ValueError: <b>90</b>" in seen.out and "Traceback" in seen.err
    markup = report_html(title="t", verdict="v", sections=report.sections)
    assert ">before</span></p>" in markup and "ValueError: &lt;b&gt;90&lt;/b&gt;⟨U+202E⟩ is not in list" in markup
    assert "<table" in markup and [s.title for s in report.sections] == ["Bad", "Good"] and report.failed == ["Bad"]


def test_a_picture_that_cannot_be_drawn_is_closed_and_said(capsys):
    report = Report()
    with report.section("Too large") as part:
        figure, ax = plt.subplots(figsize=(1, 100_000))
        ax.set_title("ten million dots")
        part.show(figure)
    assert report.failed == ["Too large"] and "Image size" in report.sections[0].content[0].text
    assert plt.get_fignums() == []


def test_a_section_may_be_opened_again_and_an_empty_one_is_left_out():
    report = Report()
    for sentence in ("first", "second"):
        with report.section("Twice") as part:
            part.show(sentence)
        with report.section("Only for the notebook"):
            pass
    [section] = report.sections
    assert [part.text for part in section.content] == ["first", "second"]


def test_a_figure_is_drawn_once_and_names_itself(capsys):
    figure, ax = plt.subplots()
    finish(ax, "a finding")
    report = Report()
    with report.section("Figure") as part:
        part.show(figure)
    assert "[picture: a finding]" in capsys.readouterr().out
    assert '<figure><img width="640" alt="a finding" src="data:image/png' in report_html(
        title="t", verdict="v", sections=report.sections
    )


def test_interrupting_a_notebook_is_no_failed_part():
    with pytest.raises(KeyboardInterrupt), Report().section("x"):
        raise KeyboardInterrupt
