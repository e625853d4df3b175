"""The smallest corpora through all five notebooks: a report with honest words, or a refusal that says what to do."""

import ast
import json
import re

import pandas as pd
import pytest
from chain import different, make_checkpoint, make_corpus, run_chain

from asr_helpers.corpus.corrections import Corrections
from asr_helpers.corpus.problems import CorpusError
from asr_helpers.run.fingerprints import code_cells
from asr_helpers.run.places import NOTEBOOKS, repository

LETTERS = ["ا", "ب", "پ", "ت", "ٹ", "اب", "با", "پا", "ات", "تا"]
NESTED = [line for inner in different(8, letters=(2, 3), words=(4, 5)) for line in (inner, f"اب {inner} تا")]


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    return str(make_checkpoint(tmp_path_factory.mktemp("checkpoint")))


def silence(number, source, namespace):
    """Before notebook 05 listens: the blank is the likeliest output of every frame."""
    if number == "05" and source.startswith("alphabet, clock"):
        namespace["recogniser"].lm_head.bias.data[0] += 1e3
    return source


# name: transcripts, parameters and further choices, test utterances, what stands in the report
CORPORA = {
    "the smallest": (different(10), {}, 2, "no interval: 2 utterances cannot say how far others would be from it"),
    "letters, a test of one, and nothing to look at": (
        LETTERS,
        {"letter": 0.25, "validation_share": 0.001, "test_share": 0.001}
        | {"compare_utterances": 0, "exports": 0, "worst": 0, "search_trials": 1},
        1,
        "measured on 1 test utterance of",
    ),
    "single words, as short as can be, all of one length": (
        different(14, letters=(4, 4), words=(1, 1)), {"letter": 0.0575}, 3, "no interval",
    ),
    "sentences within sentences, heard by a frozen layer once": (
        NESTED,
        {"language_model": "train", "frozen_layers": 1, "frozen_format": "int8"},
        3,
        "of 11 lines left out of the language model&#39;s text, since",
    ),
    "ten sentences, five readings, two speakers, corrected, of whom nothing is recognised": (
        different(10) * 5,
        {"before_cell": silence, "speakers": ["آمنہ", "بلال"] * 25, "language_model": "train", "corrections": "corpus"},
        10,
        "WER 100.0\N{NO-BREAK SPACE}% (95\N{NO-BREAK SPACE}% interval 100.0 to 100.0\N{NO-BREAK SPACE}%)",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CORPORA)
def test_a_small_corpus_comes_to_a_report(name, checkpoint, tmp_path, monkeypatch):
    transcripts, choices, tested, says = CORPORA[name]
    choices = dict(choices)
    corpus = make_corpus(tmp_path / "own", transcripts, letter=choices.pop("letter", 0.06))
    if speakers := choices.pop("speakers", None):
        (corpus / "speakers.txt").write_text("\n".join(speakers) + "\n", encoding="utf-8")
    if choices.get("corrections"):
        kept = Corrections(corpus / "corrections.csv")
        kept.mark("1", transcripts[0], "bad audio")
        kept.mark("2", transcripts[1], "wrong transcript", transcripts[1][::-1])
    run = run_chain(monkeypatch, tmp_path, corpus=str(corpus), checkpoint=checkpoint, **choices)
    if choices.get("corrections"):
        said = pd.read_parquet(run.path("utterances")).set_index("id")["transcript"]
        assert (said["2"], said["12"], "1" in said.index) == (transcripts[1][::-1], transcripts[1], False)
    report = (run.folder / "report.html").read_text(encoding="utf-8")
    metrics = json.loads((run.folder / "metrics.json").read_text(encoding="utf-8"))
    assert "could not be shown" not in report and says in report
    assert report.count("<h2") > 15 and not re.findall(r"<h2[^>]*>([^<]*)</h2>(?!<p>)", report)  # a sentence first
    assert metrics["utterances"] == tested == len(pd.read_parquet(run.folder / "predictions.parquet"))
    assert all((score["low"] is None) == (score["groups"] < 4) for score in metrics["scores"])
    assert ("beam_wer" in metrics) == ("language_model" in choices)
    assert set(run.manifest) == set(NOTEBOOKS)


REFUSED = {
    "five": (different(5), {}, "5 usable utterances, 5 different sentences"),
    "eight": (different(8), {}, "8 usable utterances, 8 different sentences"),
    "one sentence, read many times": (different(1) * 12, {}, "12 usable utterances, 1 different sentence "),
    "too short to use": (different(12, letters=(4, 4), words=(1, 1)), {"letter": 0.05}, "0 usable utterances"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_smaller_one_is_refused_at_once_with_the_number_that_is_needed(name, tmp_path, monkeypatch):
    transcripts, choices, found = REFUSED[name]
    corpus = make_corpus(tmp_path / "own", transcripts, **choices)
    with pytest.raises(CorpusError, match=rf"{found}.*record at least 10 different sentences"):
        run_chain(monkeypatch, tmp_path, corpus=str(corpus))
    assert not (tmp_path / "run" / "utterances.parquet").exists()


def sections(tree):
    """The chapters of the report that a cell opens."""
    blocks = [node for node in ast.walk(tree) if isinstance(node, ast.With)]
    return [node for node in blocks if ast.unparse(node.items[0].context_expr).startswith("report.section")]


def failing(place):
    """A cell whose chapters all fail, at the first line or after the last."""

    def change(number, source, namespace):
        tree = ast.parse(source)
        for block in sections(tree) if number == "05" else []:
            block.body.insert(
                {"first": 0, "last": len(block.body)}[place], *ast.parse("raise RuntimeError('injected')").body
            )
        return ast.unparse(tree)

    return change


def test_whatever_cannot_be_shown_the_figures_and_the_report_are_written(checkpoint, tmp_path, monkeypatch):
    corpus = make_corpus(tmp_path / "own", different(10))
    options = {"corpus": str(corpus), "checkpoint": checkpoint, "language_model": "train", "learning_curve": True}
    run = run_chain(monkeypatch, tmp_path, **options)
    whole = json.loads((run.folder / "metrics.json").read_text(encoding="utf-8"))
    source = repository() / "notebooks" / f"{NOTEBOOKS['05']}.ipynb"
    titles = {
        ast.literal_eval(block.items[0].context_expr.args[0])
        for _, cell in code_cells(source)
        for block in sections(ast.parse(cell))
    }
    assert len(titles) > 15
    for place in ("first", "last"):
        for artifact in ("metrics.json", "report.html"):
            (run.folder / artifact).unlink()
        run_chain(monkeypatch, tmp_path, before_cell=failing(place), **options)
        metrics = json.loads((run.folder / "metrics.json").read_text(encoding="utf-8"))
        assert metrics["scores"] == whole["scores"]
        report = (run.folder / "report.html").read_text(encoding="utf-8")
        assert {title for title in titles if f">{title}<" in report} == titles
        assert report.count("could not be shown") >= len(titles) and "injected" in report


def test_what_is_only_to_be_shown_stands_in_a_chapter():
    """Every cell of notebook 05 that draws, shows, aligns or listens again, but for what the figures are made of."""
    source = repository() / "notebooks" / f"{NOTEBOOKS['05']}.ipynb"
    allowed = {"show.Report", "show.verdict", "show.write_report"}
    for _, cell in code_cells(source):
        tree = ast.parse(cell)
        inside = {id(node) for block in sections(tree) for node in ast.walk(block)}
        calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call) and id(node) not in inside]
        names = {ast.unparse(call.func) for call in calls}
        shown = {name for name in names if name.split(".")[0] in ("show", "plt", "display")} - allowed
        assert not shown, f"outside of report.section: {shown}"
