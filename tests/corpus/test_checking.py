"""The whole check on small corpora: every fault found, named by its utterance, in a fixed order, and none invented."""

import os
import shutil
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
import soundfile
from conftest import RATE, speech_like

from asr_helpers.corpus import checking as checks
from asr_helpers.corpus.checking import MEASURES, check_corpus, measure_corpus
from asr_helpers.corpus.checks.rate import check_speaking_rate, expected_seconds
from asr_helpers.corpus.checks.recordings import check_recordings
from asr_helpers.corpus.problems import ERROR, WARNING, Problem, problems_table
from asr_helpers.corpus.reading import Corpus, read_corpus
from asr_helpers.text.normaliser import Normaliser
from asr_helpers.text.sentences import sentence_key


def with_keys(utterances):
    keys = [sentence_key(Normaliser("ur")(text)) for text in utterances["transcript"]]
    return utterances.assign(sentence_key=pd.Series(keys, dtype="str", index=utterances.index))


def check(root, **options):
    corpus = read_corpus(root)
    utterances, measured = measure_corpus(corpus, progress=False)
    return check_corpus(corpus, with_keys(utterances), measured=measured, script="arabic", **options)


def named(problems):
    return [(p.severity, p.check, p.utterance) for p in problems]


def rewrite(root, number, text):
    path = root / "text.txt"
    lines = path.read_text(encoding="utf-8").split("\n")
    lines[number - 1] = text
    path.write_text("\n".join(lines), encoding="utf-8")


def test_a_sound_corpus_has_no_problem(numbered_corpus):
    assert check(numbered_corpus(40)) == []


def test_measures_have_their_columns_and_types(numbered_corpus):
    root = numbered_corpus(15)
    corpus = read_corpus(root)
    utterances, problems = measure_corpus(corpus, progress=False)
    assert problems == []
    assert utterances.columns.tolist() == [*corpus.rows.columns, *MEASURES]
    assert {name: str(utterances[name].dtype) for name in MEASURES} == MEASURES
    assert utterances["id"].tolist() == corpus.rows["id"].tolist()
    expected = [soundfile.info(root / audio).duration for audio in utterances["audio"]]
    assert utterances["seconds"].tolist() == pytest.approx(expected)


def test_measuring_is_the_same_with_any_number_of_workers(numbered_corpus):
    corpus = read_corpus(numbered_corpus(20))
    one, _ = measure_corpus(corpus, workers=1, progress=False)
    four, _ = measure_corpus(corpus, workers=4, progress=False)
    pd.testing.assert_frame_equal(one, four)


def test_a_progress_bar_counts_recordings(numbered_corpus, capsys):
    measure_corpus(read_corpus(numbered_corpus(3)))
    assert "measuring recordings: 100%" in capsys.readouterr().err


def test_an_empty_corpus_is_measured_and_too_small(tmp_path):
    rows = pd.DataFrame({c: pd.Series([], dtype="str") for c in ("id", "audio", "transcript", "speaker")})
    corpus = Corpus(tmp_path, "numbered", rows, [])
    utterances, problems = measure_corpus(corpus, progress=False)
    assert len(utterances) == 0
    assert utterances.columns.tolist() == [*rows.columns, *MEASURES]
    assert named(check_corpus(corpus, with_keys(utterances), measured=problems)) == [(ERROR, "too small to split", "")]


def bad_corpus(root):
    """Spoil a corpus of 40 with one fault in each of many utterances."""

    def write(number, samples, **options):
        soundfile.write(root / f"{number}.wav", samples, RATE, **options)

    (root / "2.wav").write_bytes(b"")
    (root / "3.wav").write_text("یہ آواز نہیں ہے")
    (root / "4.wav").write_bytes((root / "4.wav").read_bytes()[:12_000])
    write(5, np.zeros(0, dtype="f4"))
    write(6, np.zeros(RATE, dtype="f4"))
    write(7, 5e-2 * speech_like(1.0))
    broken = speech_like(1.0)
    broken[100] = np.nan
    write(8, broken, subtype="FLOAT")
    write(9, np.clip(20 * speech_like(1.0), -1, 1))
    write(10, speech_like(0.1))
    write(11, speech_like(12.0))
    rng = np.random.default_rng(0)
    write(12, 0.1 * rng.standard_normal(RATE).astype("f4"))
    rewrite(root, 15, "")
    rewrite(root, 16, "not Urdu at all")
    rewrite(root, 17, "ایک | دو")
    rewrite(root, 18, "ایک\x07 دو تین")
    rewrite(root, 19, "\u200fایک دو چار")
    rewrite(root, 21, (root / "text.txt").read_text(encoding="utf-8").split("\n")[19] + "۔")
    shutil.copy(root / "22.wav", root / "23.wav")
    (root / "25.wav").unlink()
    return root


EXPECTED = {
    (WARNING, "counts differ", ""),
    (ERROR, "missing recording", "25"),
    (ERROR, "unreadable", "2"),
    (ERROR, "unreadable", "3"),
    (ERROR, "truncated", "4"),
    (ERROR, "not a number", "8"),
    (ERROR, "empty transcript", "15"),
    (ERROR, "wrong script", "16"),
    (ERROR, "reserved token", "17"),
    (ERROR, "control character", "18"),
    (WARNING, "bidi character", "19"),
    (ERROR, "zero length", "5"),
    (ERROR, "silence", "6"),
    (WARNING, "near silence", "7"),
    (WARNING, "no speech heard", "12"),
    (WARNING, "clipping", "9"),
    (WARNING, "too short", "10"),
    (WARNING, "too long", "11"),
    (ERROR, "same recording, other text", "22"),
    (ERROR, "same recording, other text", "23"),
    (WARNING, "same sentence", "20"),
}


def test_all_faults_come_at_once_each_with_its_utterance_and_a_fix(numbered_corpus):
    problems = check(bad_corpus(numbered_corpus(40)), max_seconds=10)
    found = {entry for entry in named(problems) if not entry[1].startswith("speech too")}
    assert found == EXPECTED
    assert {p.utterance for p in problems if p.check == "speech too slow"} >= {"11"}
    assert len(named(problems)) == len(set(named(problems))), "nothing is said twice"
    assert all(p.value and p.advice for p in problems)
    assert not any(str(p).count("/tmp") for p in problems), "no path of this machine"


def test_dropping_what_has_an_error_mends_the_corpus(numbered_corpus):
    root = bad_corpus(numbered_corpus(40))
    corpus = read_corpus(root)
    utterances, measured = measure_corpus(corpus, progress=False)
    utterances = with_keys(utterances)
    problems = check_corpus(corpus, utterances, measured=measured, script="arabic")
    faulty = {p.utterance for p in problems if p.severity == ERROR}
    assert "" not in faulty
    kept = Corpus(root, corpus.layout, corpus.rows[~corpus.rows["id"].isin(faulty)], [])
    rest = utterances[~utterances["id"].isin(faulty)]
    assert [p for p in check_corpus(kept, rest, script="arabic") if p.severity == ERROR] == []


def test_the_table_is_the_same_in_every_process(numbered_corpus):
    root = bad_corpus(numbered_corpus(40))
    program = (
        "import sys; from asr_helpers.corpus.reading import read_corpus; from asr_helpers.corpus.checking import *\n"
        "from asr_helpers.corpus.problems import problems_table\n"
        "corpus = read_corpus(sys.argv[1]); utterances, found = measure_corpus(corpus, progress=False)\n"
        "utterances['sentence_key'] = utterances['transcript']\n"
        "print(problems_table(check_corpus(corpus, utterances, measured=found, script='arabic')).to_csv())"
    )
    tables = [
        subprocess.run(
            [sys.executable, "-c", program, str(root)],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    ]
    assert tables[0] == tables[1]
    severities = [line.split(",")[1] for line in tables[0].splitlines()[1:] if line[:1].isdigit()]
    assert severities == sorted(severities), "errors first"


def test_a_file_without_permission_is_unreadable_and_the_rest_is_read(numbered_corpus, monkeypatch):
    root = numbered_corpus(12)
    real = checks.measure

    def measure(path, **options):
        if path.name == "3.wav":
            raise PermissionError(13, "Permission denied")
        return real(path, **options)

    monkeypatch.setattr(checks, "measure", measure)
    utterances, problems = measure_corpus(read_corpus(root), progress=False)
    assert len(utterances) == 11
    assert named(problems) == [(ERROR, "unreadable", "3")]
    assert "Permission denied" in problems[0].value


def test_a_shift_in_a_real_folder_is_found(numbered_corpus):
    root = numbered_corpus(120)
    lines = (root / "text.txt").read_text(encoding="utf-8").splitlines()
    (root / "text.txt").write_text("\n".join([*lines[:60], *lines[61:], "آخری جملہ"]), encoding="utf-8")
    shifted = [p for p in check(root) if p.check == "shifted"]
    assert [(p.severity, p.utterance) for p in shifted] == [(ERROR, "")]
    assert "1 line earlier" in shifted[0].value
    first = int(shifted[0].value.split("'")[1])
    assert abs(first - 61) <= 3


@pytest.mark.parametrize(("count", "small"), [(9, True), (10, False)])
def test_a_corpus_too_small_to_split(numbered_corpus, count, small):
    found = named(check(numbered_corpus(count)))
    assert ((ERROR, "too small to split", "") in found) is small


def test_what_has_an_error_does_not_count_for_the_size(numbered_corpus):
    root = numbered_corpus(10)
    rewrite(root, 4, "")
    (problem,) = [p for p in check(root) if p.check == "too small to split"]
    assert problem.value == "9 usable utterances, 9 different sentences"


def test_what_notebook_03_will_leave_out_does_not_count_for_the_size(numbered_corpus):
    corpus = read_corpus(numbered_corpus(12))
    utterances, problems = measure_corpus(corpus, progress=False)
    longest = utterances["seconds"].nlargest(3).min()
    found = check_corpus(corpus, with_keys(utterances), measured=problems, max_seconds=longest - 1e-3)
    assert [p.value for p in found if p.check == "too small to split"] == ["9 usable utterances, 9 different sentences"]


def test_a_warning_about_most_rows_is_said_once():
    problems = [Problem(ERROR, "silence", "e", "v", "a")]
    problems += [Problem(WARNING, "clipping", str(i), f"{i} %", "gain") for i in range(60)]
    problems += [Problem(WARNING, "too long", str(i), "v", "a") for i in range(50)]
    folded = checks._fold(problems, 100)
    assert named(folded[:2]) == [(ERROR, "silence", "e"), (WARNING, "clipping", "")]
    assert folded[1].value == "60 of 100 utterances, the first: 0, 0 %"
    assert len(folded) == 52
    errors = [Problem(ERROR, "silence", str(i), "v", "a") for i in range(100)]
    assert checks._fold(errors, 100) == errors, "errors are dropped one by one, so they are listed so"


# --- recordings -----------------------------------------------------------------------------------------------------


def recording(**measures):
    usual = {"id": "x", "seconds": 3.0, "sampling_rate": 16_000, "channels": 1, "peak": 0.5, "rms_db": -25.0}
    return pd.DataFrame([usual | {"clipped": 0.0, "snr_db": 30.0} | measures])


@pytest.mark.parametrize(
    ("measures", "expected"),
    [
        ({}, []),
        ({"rms_db": -44.9}, []),
        ({"rms_db": -45.2}, [(WARNING, "near silence")]),  # fa_36756270: its listener doubted it
        ({"rms_db": -51.4}, [(WARNING, "near silence")]),
        ({"rms_db": -62.0}, [(ERROR, "silence")]),
        ({"rms_db": -101.0, "snr_db": 0.0}, [(ERROR, "silence")]),
        ({"snr_db": 2.0}, [(WARNING, "no speech heard")]),
        ({"snr_db": 10.4}, []),
        ({"clipped": 0.0002}, []),
        ({"clipped": 0.01}, [(WARNING, "clipping")]),
        ({"seconds": 0.0, "rms_db": -101.0, "snr_db": 0.0}, [(ERROR, "zero length")]),
        ({"seconds": 0.29}, [(WARNING, "too short")]),
        ({"seconds": 30.1}, [(WARNING, "too long")]),
        ({"sampling_rate": 8_000}, [(WARNING, "low sampling rate")]),
        ({"sampling_rate": 22_050}, []),
    ],
)
def test_levels_and_lengths(measures, expected):
    problems = check_recordings(recording(**measures), min_seconds=0.3, max_seconds=30.0)
    assert [(p.severity, p.check) for p in problems] == expected


def test_hints_for_special_cases():
    cancelled = check_recordings(recording(channels=2, peak=0.5, rms_db=-101.0), min_seconds=0, max_seconds=30)
    assert "channels may cancel" in cancelled[0].advice
    beyond = check_recordings(recording(clipped=0.9, peak=32768.0), min_seconds=0, max_seconds=30)
    assert "3.28e+04 × full scale" in beyond[0].value
    assert "scale the recording" in beyond[0].advice


# --- speaking rate --------------------------------------------------------------------------------------------------


def spoken(count, seed=0):
    rng = np.random.default_rng(seed)
    letters = rng.integers(3, 70, count).astype(float)
    return (1.4 + 0.085 * letters) * rng.lognormal(0, 0.18, count), letters


def rate_problems(seconds, letters):
    return named(check_speaking_rate(list(range(len(seconds))), seconds, letters))


def test_the_fitted_line_is_the_one_that_made_the_data():
    seconds, letters = spoken(2000)
    expected = expected_seconds(seconds, letters)
    assert expected == pytest.approx(1.4 + 0.085 * letters, rel=0.05)


def test_wrong_pairs_do_not_bend_the_line():
    seconds, letters = spoken(2000)
    seconds[:300] *= 8
    assert expected_seconds(seconds, letters) == pytest.approx(1.4 + 0.085 * letters, rel=0.2)


@pytest.mark.parametrize("seed", range(5))
def test_ordinary_variation_is_not_reported(seed):
    assert rate_problems(*spoken(500, seed)) == []


def test_what_is_far_too_long_or_too_short_is_reported():
    seconds, letters = spoken(200)
    seconds[17], letters[17] = 14.0, 10
    seconds[99], letters[99] = 2.2, 66
    assert rate_problems(seconds, letters) == [(WARNING, "speech too slow", 17), (WARNING, "speech too fast", 99)]
    told = check_speaking_rate(list(range(200)), seconds, letters)[0].value
    assert "10 letters in 14.00 s (0.7 a second; so many usually last 2." in told


def test_the_bounds_hold_without_a_corpus_to_compare_with():
    assert rate_problems(np.array([1.0, 30.0, 2.0, 3.0]), np.array([36.0, 7.0, 20.0, 30.0])) == [
        (ERROR, "speech too fast", 0),
        (WARNING, "speech too slow", 1),
    ]


def test_what_has_no_letters_or_no_length_is_passed_over():
    assert rate_problems(np.array([0.0, np.nan, 2.0]), np.array([10.0, 10.0, 0.0])) == []
    assert rate_problems(np.array([]), np.array([])) == []


def test_equal_utterances_have_no_spread_and_no_problem():
    assert rate_problems(np.full(50, 2.0), np.full(50, 20.0)) == []


def test_the_table_puts_errors_first_and_keeps_the_order():
    rows = [Problem(WARNING, "b", "1", "", ""), Problem(ERROR, "z", "9", "", ""), Problem(ERROR, "a", "2", "", "")]
    assert problems_table(rows)["utterance"].tolist() == ["9", "2", "1"]
