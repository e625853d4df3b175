import gzip
import json
import os
import shutil

import pandas as pd
import pytest

from asr_helpers.corpus.checking import without_errors
from asr_helpers.corpus.corrections import Corrections
from asr_helpers.corpus.problems import CorpusError, Problem, problems_table
from asr_helpers.decoding.recogniser import read_normaliser
from asr_helpers.run import fingerprints, places
from asr_helpers.run.fingerprints import fingerprint
from asr_helpers.run.folder import MissingArtifact, StaleArtifact, open_run, parameters_of, read_lines
from asr_helpers.run.manifest import Manifest
from asr_helpers.run.places import source
from asr_helpers.text.normaliser import Normaliser

UTTERANCES = pd.DataFrame({"id": ["1", "2", "3"], "transcript": ["الف", "ب", "پ"]})


def test_a_missing_artifact_names_the_notebook_that_makes_it(tmp_path):
    run = open_run(tmp_path / "run")
    with pytest.raises(MissingArtifact, match=r"utterances\.parquet is missing: run notebook 01_data_inspection"):
        run.need("utterances")
    run.write_table("utterances", UTTERANCES)
    pd.testing.assert_frame_equal(pd.read_parquet(run.need("utterances")), UTTERANCES)


def test_what_left_no_record_is_no_artifact_yet(tmp_path):
    open_run(tmp_path / "run").write_table("utterances", UTTERANCES)
    with pytest.raises(StaleArtifact, match=r"no record of notebook 01_data_inspection\): run notebook 01_data_insp"):
        open_run(tmp_path / "run").need("utterances")


class Saved:
    """Stands for a model and its processor."""

    def __init__(self, name, error=None):
        self.name, self.error = name, error

    def save_pretrained(self, folder):
        (folder / self.name).write_text("new")
        if self.error:
            raise self.error


def test_a_model_that_cannot_be_written_leaves_the_one_of_before(tmp_path):
    run = open_run(tmp_path / "run")
    run.write_model(Saved("model"), Saved("vocab"))
    with pytest.raises(OSError, match="disk is full; free some space"):
        run.write_model(Saved("model"), Saved("other", OSError(28, "No space left on device")))
    assert sorted(path.name for path in run.need("model").iterdir()) == ["model", "vocab"]
    assert [path.name for path in run.folder.iterdir()] == ["model"]


def test_a_model_that_a_killed_write_moved_aside_is_found(tmp_path):
    run = open_run(tmp_path / "run")
    run.write_model(Saved("model"), Saved("vocab"))
    run.path("model").rename(run.folder / ".model.old")
    assert run.need("model").is_dir()


def test_the_manifest_grows_and_checks_what_a_notebook_promised(tmp_path):
    run = open_run(tmp_path / "run")
    with pytest.raises(MissingArtifact):
        run.record("01", parameters={"seed": 1}, artifacts=["utterances"])
    run.write_table("utterances", UTTERANCES)
    run.record("01", parameters={"seed": 1}, artifacts=["utterances"], inputs={"corpus": "abc"})
    run.write_json("normalisation", {})
    run.record("02", parameters={"seed": 2}, artifacts=["normalisation"])
    manifest = json.loads((tmp_path / "run" / "manifest.json").read_text())
    assert list(manifest) == ["01", "02"]
    assert manifest["01"]["parameters"] == {"seed": 1} and manifest["01"]["inputs"] == {"corpus": "abc"}
    assert manifest["01"]["artifacts"]["utterances.parquet"] == fingerprint(run.path("utterances"))
    assert manifest["02"]["versions"]["torch"] and manifest["02"]["device"]


def test_a_parameter_that_differs_from_an_earlier_notebooks_is_refused(tmp_path):
    run = open_run(tmp_path / "run")
    run.write_json("corpus", {})
    run.record("01", parameters={"language": "ur", "digits": "words", "seed": 1}, artifacts=["corpus"])
    run.require_same("01", language="ur", digits="words")
    with pytest.raises(
        ValueError, match=r"^language is 'fa' here, and notebook 01_data_\w+ ran with 'ur': give .* lan"
    ):
        run.require_same("01", language="fa", digits="words")
    with pytest.raises(ValueError, match=r"^digits is 'keep' here, .* ran with 'words'"):
        run.require_same("01", language="ur", digits="keep")
    with pytest.raises(ValueError, match=r"notebook 02_vocab_and_tokenizer ran with None"):
        run.require_same("02", language="ur")


def test_later_notebooks_take_the_language_that_the_first_found(tmp_path):
    run = open_run(tmp_path / "run")
    run.write_json("corpus", {"language": "de", "script": "latin"})
    assert run.language() == run.language("auto") == run.language("de") == "de"
    with pytest.raises(ValueError, match=r"^language is 'ur' here, and notebook 01_data_\w+ took 'de': give .*'auto'"):
        run.language("ur")


def made_by_hand(run, number, artifact, *, needs=(), content=0, **parameters):
    """What a notebook does that somebody runs in Jupyter: in a kernel of its own, so with a run of its own."""
    own = open_run(run.folder)
    for name in needs:
        own.need(name)
    own.write_table(artifact, pd.DataFrame({"n": [content]}))
    own.record(number, parameters=parameters, artifacts=[artifact])


@pytest.fixture
def by_hand(tmp_path):
    """A run whose notebooks 01 to 03 ran one by one, over a corpus of two files and a checkpoint."""
    (tmp_path / "corpus").mkdir()
    (tmp_path / "corpus" / "1.wav").write_text("one")
    (tmp_path / "corpus" / "text.txt").write_text("ایک")
    (tmp_path / "checkpoint").mkdir()
    (tmp_path / "checkpoint" / "config.json").write_text("{}")
    run = open_run(tmp_path / "run")
    made_by_hand(run, "01", "utterances", corpus=str(tmp_path / "corpus"), corrections="run")
    made_by_hand(run, "02", "texts", needs=["utterances"], checkpoint=str(tmp_path / "checkpoint"))
    made_by_hand(run, "03", "left_out", needs=["utterances", "texts"], checkpoint=str(tmp_path / "checkpoint"))
    return run


STALE = {
    # what happens, and what notebook 04 or 05 is told when it asks for what 03 made
    "another transcript": (
        lambda run: (run.folder.parent / "corpus/text.txt").write_text("دو"),
        r"run/left_out.parquet no longer fits .* \(1 other file changed \(text.txt\) in .*corpus\): run "
        r"notebook 01_data_inspection and those after it again with run_folder=",
    ),
    "a correction": (
        lambda run: Corrections(run.folder / "corrections.csv").mark("1", "ایک", "bad audio"),
        r"run/corrections.csv changed\): run notebook 01_data_inspection",
    ),
    "another checkpoint": (
        lambda run: (run.folder.parent / "checkpoint/config.json").write_text("[]"),
        r"1 other file changed \(config.json\) in .*checkpoint\): run notebook 02_vocab",
    ),
    "only 01 ran again": (
        lambda run: made_by_hand(run, "01", "utterances", content=1, corpus=str(run.folder.parent / "corpus")),
        r"utterances.parquet changed\): run notebook 02_vocab_and_tokenizer and those",
    ),
    "01 and 02 ran again": (
        lambda run: [
            made_by_hand(run, "01", "utterances", content=1, corpus=str(run.folder.parent / "corpus")),
            made_by_hand(run, "02", "texts", needs=["utterances"], checkpoint=str(run.folder.parent / "checkpoint")),
        ],
        r"utterances.parquet changed\): run notebook 03_preprocessing",
    ),
    "the artifact was cut": (
        lambda run: run.path("left_out").write_bytes(b"PAR1"),
        r"left_out.parquet is not as it was written\): run notebook 03_preprocessing",
    ),
    "03 left no record": (
        lambda run: Manifest(run.folder).forget("03"),
        r"run/left_out.parquet cannot be compared with what it was made from \(manifest.json has no record of notebook "
        r"03_preprocessing\): run notebook 03_preprocessing and those after it again with run_folder=",
    ),
    "01 left no record": (lambda run: Manifest(run.folder).forget("01"), r"no record .*\): run notebook 01_data_insp"),
    "the manifest was deleted": (lambda run: (run.folder / "manifest.json").unlink(), r"\): run notebook 03_prepro"),
    "03 was stopped before its end": (
        lambda run: open_run(run.folder).write_table("left_out", pd.DataFrame({"n": [5]})),
        r"left_out.parquet is not as it was written\): run notebook 03",
    ),
}


@pytest.mark.parametrize("case", STALE)
def test_an_artifact_that_no_longer_fits_what_it_was_made_from_is_an_error(by_hand, case):
    happens, said = STALE[case]
    by_hand.need("left_out")
    happens(by_hand)
    with pytest.raises(StaleArtifact, match=said):
        open_run(by_hand.folder).need("left_out")


CORRECTED = {
    # where corrections are kept; where the file lies → whether notebook 05, which corrects, and others go on
    ("run", "run"): (True, False),
    ("corpus", "corpus"): (True, False),
    ("run", "corpus"): (True, True),  # nobody reads it
    ("off", "run"): (True, True),
}


@pytest.mark.parametrize("case", CORRECTED, ids=" ".join)
def test_whoever_corrects_goes_on_and_the_correction_waits_for_the_next_run(by_hand, case):
    where, place = case
    made_by_hand(by_hand, "01", "utterances", corpus=str(by_hand.folder.parent / "corpus"), corrections=where)
    by_hand.write_json("corpus", {"corrections": where, "source": str(by_hand.folder.parent / "corpus")})
    file = by_hand.folder.parent / place / "corrections.csv"
    kept = by_hand.corrections()
    assert (kept and kept.file) == (None if where == "off" else by_hand.folder.parent / where / "corrections.csv")
    Corrections(file).mark("1", "ایک", "fine")
    for correcting, goes_on in zip((True, False), CORRECTED[case], strict=True):
        run = open_run(by_hand.folder, correcting=correcting)
        if goes_on:
            run.need("left_out")
        else:
            with pytest.raises(StaleArtifact, match=r"corrections.csv changed"):
                run.need("left_out")


@pytest.mark.parametrize(
    ("where", "corpus", "said"),
    [
        ("corpus", "owner/name", "corrections is 'corpus', and owner/name is no folder; set corrections to run"),
        ("here", "owner/name", "corrections is 'here'; it can be run, corpus, off"),
    ],
)
def test_corrections_need_a_place(tmp_path, where, corpus, said):
    with pytest.raises(ValueError, match=said):
        open_run(tmp_path / "run").corrections(where, corpus)


def test_what_changes_nothing_is_no_error(by_hand):
    corpus = by_hand.folder.parent / "corpus"
    os.utime(corpus / "1.wav")
    made_by_hand(by_hand, "01", "utterances", corpus=str(corpus))  # the same again
    open_run(by_hand.folder).need("left_out")
    shutil.rmtree(corpus)  # on another machine
    open_run(by_hand.folder).need("left_out")


def test_a_notebook_may_ask_for_what_it_has_just_written(by_hand):
    run = open_run(by_hand.folder)
    run.write_json("corpus", {"root": "x"})
    run.write_table("utterances", pd.DataFrame({"n": [7]}))
    assert run.read_json("corpus") == {"root": "x"} and run.need("utterances")


def test_a_damaged_json_artifact_names_its_notebook(tmp_path):
    run = open_run(tmp_path / "run")
    run.path("corpus").write_text("{")
    run.record("01", parameters={}, artifacts=["corpus"])
    with pytest.raises(StaleArtifact, match=r"corpus\.json is damaged .* run notebook 01_data_inspection again"):
        run.read_json("corpus")


LINES = {
    # source, about, speakers, language → what the verdict says
    ("data/mine", "", ("a", "a", "b"), "ur"): "data/mine (3 utterances, 2 speakers, ur)",
    ("data/sample/recordings", "synthetic speech", ("a",), "ur"): (
        "data/sample/recordings (synthetic speech, 1 utterance, 1 speaker, ur)"
    ),
    ("/home/somebody/private/Käse", "", (None,) * 2, "none"): "Käse (2 utterances, speakers unknown)",
    ("owner/name:ur", "", ("a",) * 1200, "ur"): "owner/name:ur (1,200 utterances, 1 speaker, ur)",
}


@pytest.mark.parametrize("case", LINES, ids=lambda case: case[0])
def test_figures_name_the_data_that_they_were_measured_on(tmp_path, case):
    source, about, speakers, language = case
    run = open_run(tmp_path / "run")
    run.write_json("corpus", {"source": source, "root": source, "about": about})
    run.write_json("normalisation", {"language": language})
    assert run.corpus_line(pd.DataFrame({"speaker": list(speakers)})) == LINES[case]


def test_a_corpus_says_what_it_is(tmp_path):
    assert places.about(tmp_path) == ""
    (tmp_path / ".about").write_text("synthetic\n speech\n", encoding="utf-8")
    assert places.about(tmp_path) == "synthetic speech"


def test_a_fingerprint_reads_only_what_changed(tmp_path, monkeypatch):
    for number in range(50):
        (tmp_path / f"{number}.wav").write_text(str(number))
    known = {}
    first = fingerprint(tmp_path, known)
    read = []
    monkeypatch.setattr(fingerprints, "_digest", lambda file: read.append(file.name) or "another")
    assert fingerprint(tmp_path, known) == first and read == []
    (tmp_path / "7.wav").write_text("0")
    assert fingerprint(tmp_path, known) != first and read == ["7.wav"]


def test_what_is_no_ordinary_file_is_not_read(tmp_path):
    (tmp_path / "1.wav").write_text("one")
    first = fingerprint(tmp_path)
    os.mkfifo(tmp_path / "2.wav")  # reading it would wait for ever
    (tmp_path / "3.wav").symlink_to("nowhere")
    (tmp_path / "self").symlink_to(tmp_path)
    (tmp_path / ".hidden").write_text("x")
    assert fingerprint(tmp_path) == first
    (tmp_path / os.fsdecode(b"\xff.wav")).write_text("x")  # a name that is no UTF-8
    assert fingerprint(tmp_path) != first
    assert fingerprint(tmp_path / "2.wav") == fingerprint(tmp_path / "gone") == ""


def test_comments_and_docstrings_are_no_code(tmp_path):
    def book(code, outputs=()):
        cells = [{"cell_type": "code", "metadata": {}, "source": [code], "outputs": list(outputs)}]
        cells += [{"cell_type": "markdown", "metadata": {}, "source": ["prose"]}]
        cells += [{"cell_type": "code", "metadata": {"tags": ["parameters"]}, "source": [f"n: int = {len(code)}"]}]
        path = tmp_path / "b.ipynb"
        path.write_text(json.dumps({"cells": cells}))
        return fingerprints.notebook_fingerprint(path)

    same = ["x = 1\ny = 2", "x=1 # one\n\ny = (2)", "x = 1\n# two\ny = 2"]
    assert len({book(code) for code in same}) == 1 == len({book(same[0], [{"a": 1}]), book(same[0])})
    assert book("x = 1\ny = 3") != book(same[0]) != book("%pip list")
    assert book('def f():\n    "It does."\n    return 1') == book('def f():\n    "It did."\n    return 1')


def test_a_fingerprint_sees_content_and_names(tmp_path):
    a, b = tmp_path / "a", tmp_path / "b"
    for folder in (a, b):
        folder.mkdir()
        (folder / "x.bin").write_bytes(b"1" * 3_000_000)
    assert fingerprint(a) == fingerprint(b) and len(fingerprint(a)) == 16
    (b / "x.bin").rename(b / "y.bin")
    assert fingerprint(a) != fingerprint(b)
    (a / "x.bin").write_bytes(b"1" * 2_999_999 + b"2")
    assert fingerprint(a / "x.bin") != fingerprint(b / "y.bin")


def test_parameters_are_the_annotated_names_with_their_present_values():
    namespace = {}
    exec("epochs: int = 3\nname: str = 'a'\nother = 5\nepochs = 4", namespace)
    assert parameters_of(namespace) == {"epochs": 4, "name": "a"}


def test_a_hub_id_stays_and_a_path_becomes_absolute(monkeypatch, tmp_path):
    for folder in ("notebooks", "asr_helpers", "models/starter"):
        (tmp_path / folder).mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "notebooks")  # as under nbval
    assert places.repository() == tmp_path
    assert source("models/starter") == str(tmp_path / "models/starter")
    assert source("facebook/wav2vec2-base") == "facebook/wav2vec2-base"
    assert source("models/startre") == str(tmp_path / "models/startre")  # a misspelt folder is no Hub id
    assert source("/no/such") == "/no/such"


def problems(*rows):
    found = [Problem(severity, "silence", utterance, "0 dB", "record it again") for severity, utterance in rows]
    return problems_table(found)


def test_errors_stop_or_are_dropped_and_warnings_do_neither():
    both = problems(("warning", "1"), ("error", "2"))
    said = r"1 error.*among them silence in utterance 2: 0 dB \(record it again\).*on_error: drop"
    with pytest.raises(CorpusError, match=said):
        without_errors(UTTERANCES, both, on_error="stop")
    assert list(without_errors(UTTERANCES, both, on_error="drop")["id"]) == ["1", "3"]
    assert len(without_errors(UTTERANCES, problems(("warning", "1")), on_error="stop")) == 3
    with pytest.raises(CorpusError, match="the corpus"):
        without_errors(UTTERANCES, problems(("error", "")), on_error="drop")  # nothing to drop would mend it
    with pytest.raises(ValueError, match="'stop' or 'drop'"):
        without_errors(UTTERANCES, both, on_error="ignore")


def test_a_models_folder_says_the_spelling_that_it_was_taught(tmp_path):
    run = open_run(tmp_path / "run")
    run.write_json("normalisation", {"language": "fa", "digits": "keep", "rules": []})
    run.write_model(Saved("model"), Saved("processor"))
    assert read_normaliser(run.path("model").rename(tmp_path / "elsewhere")) == Normaliser("fa", digits="keep")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"\\data\\\nngram 1=5\n", "it is a finished language model: give the text"),
        (gzip.compress(b"\\data\\", mtime=0), "byte 1 is not UTF-8"),
    ],
)
def test_a_language_model_is_no_text_to_make_one_of(content, message, tmp_path):
    (tmp_path / "a.arpa").write_bytes(content)
    with pytest.raises(ValueError, match=message):
        read_lines(tmp_path / "a.arpa")
