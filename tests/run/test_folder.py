import json

import pandas as pd
import pytest

from asr_helpers.corpus.checking import without_errors
from asr_helpers.corpus.problems import CorpusError, Problem, problems_table
from asr_helpers.run import folder as runs
from asr_helpers.run.folder import MissingArtifact, open_run, parameters_of, source
from asr_helpers.run.provenance import fingerprint

UTTERANCES = pd.DataFrame({"id": ["1", "2", "3"], "transcript": ["الف", "ب", "پ"]})


def test_a_missing_artifact_names_the_notebook_that_makes_it(tmp_path):
    run = open_run(tmp_path / "run")
    with pytest.raises(MissingArtifact, match=r"utterances\.parquet is missing: run notebook 01_data_inspection"):
        run.need("utterances")
    run.write_table("utterances", UTTERANCES)
    pd.testing.assert_frame_equal(pd.read_parquet(run.need("utterances")), UTTERANCES)


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
    (run.folder / ".model.old").mkdir()
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
    assert runs.repository() == tmp_path
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
