"""Own recordings with near-copies through all five notebooks, and notebooks that somebody then runs one by one."""

import json
import shutil
from itertools import combinations

import numpy as np
import pandas as pd
import pytest
import soundfile
from chain import different, make_checkpoint, make_corpus, run_by_hand, run_chain
from tiny import RATE, tones

from asr_helpers.dataset.fit import DatasetMisfit
from asr_helpers.dataset.reading import load_prepared
from asr_helpers.run.folder import StaleArtifact, open_run
from asr_helpers.run.manifest import Manifest

SAME = (  # ways to write a sentence that are one once they are normalised
    "{}۔",
    "\N{RIGHT-TO-LEFT MARK}{} !",
    "«{}»",
    "{}\N{ARABIC FATHA}",
    "\N{ARABIC TATWEEL}{}",
)
COPIES = ((0.5, "flac"), (0.25, "aiff"), (0.7, "wav"), (0.9, "au"), (1.0, "flac"))  # gain, container


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """Twelve sentences; 13 to 37 repeat five in other spellings, 38 to 62 are copies, 63 has another text."""
    folder = tmp_path_factory.mktemp("chain")
    sentences = different(12, letters=(3, 5), words=(3, 4))
    corpus, lines = make_corpus(folder / "own", sentences), list(sentences)
    for sentence in sentences[:5]:
        for slower, way in enumerate(SAME, start=1):
            sound = tones(sentence, np.random.default_rng(len(lines)), 0.06 + 0.015 * slower)
            soundfile.write(corpus / f"{len(lines) + 1}.wav", sound, RATE)
            lines.append(way.format(sentence))
    for of in range(6, 11):
        for gain, suffix in COPIES:
            copy(corpus, of, gain, f"{len(lines) + 1}.{suffix}")
            lines.append(SAME[len(lines) % 5].format(lines[of - 1]))
    copy(corpus, 12, 0.5, f"{len(lines) + 1}.flac")
    lines.append("تات پٹ باپ")
    (corpus / "text.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
    with pytest.MonkeyPatch.context() as patch:
        checkpoint = str(make_checkpoint(folder / "checkpoint"))
        run = run_chain(patch, folder, corpus=str(corpus), checkpoint=checkpoint, on_error="drop", test_share=0.3)
    return run.folder, {"corpus": str(corpus), "checkpoint": checkpoint}


def copy(corpus, of, gain, name):
    samples, rate = soundfile.read(corpus / f"{of}.wav")
    soundfile.write(corpus / name, gain * samples, rate)


def test_no_sentence_and_no_recording_comes_into_two_splits(finished):
    folder, _ = finished
    prepared = load_prepared(folder / "dataset")
    texts = {split: set(rows["text"]) for split, rows in prepared.items()}
    assert sum(map(len, texts.values())) == 11  # twelve sentences less the one whose sound has two texts
    assert not any(texts[a] & texts[b] for a, b in combinations(texts, 2))
    place = {name: split for split, rows in prepared.items() for name in rows["id"]}
    assert len(place) == 61
    for first, others in [(n, range(8 + 5 * n, 13 + 5 * n)) for n in (*range(1, 6), *range(6, 11))]:
        assert {place[str(other)] for other in others} == {place[str(first)]}
    predictions = pd.read_parquet(folder / "predictions.parquet")
    assert not set(predictions["reference"]) & (texts["train"] | texts["validation"])


def test_the_data_check_says_so(finished):
    folder, _ = finished
    found = pd.read_parquet(folder / "data_check.parquet").set_index("utterance")
    same = found[found["check"] == "same recording"]
    assert list(same.index) == [str(n) for n in range(6, 11)]
    assert same.loc["6", "value"] == "the sound of 38, 39, 40, 41, 42, and its text"
    assert set(found.index[found["check"] == "same recording, other text"]) == {"12", "63"}
    assert set(map(str, range(1, 11))) == set(found.index[found["check"] == "same sentence"])
    assert found.loc["12", "severity"] == "error"


@pytest.fixture
def run_folder(finished, tmp_path):
    return shutil.copytree(finished[0], tmp_path / "run")


def swap_letters(vocabulary):
    """The same letters, as many of them, two of them with each other's ids."""
    ids = json.loads(vocabulary.read_text(encoding="utf-8"))
    ids["ا"], ids["ب"] = ids["ب"], ids["ا"]
    vocabulary.write_text(json.dumps(ids), encoding="utf-8")


def recorded(run_folder, number, artifact):
    """Let the manifest say that this is what the notebook wrote."""
    manifest = Manifest(run_folder)
    entry = manifest.entries[number]
    entry["artifacts"][open_run(run_folder).path(artifact).name] = manifest.artifact(artifact)
    manifest.enter(number, entry)


def of_another_vocabulary(run_folder):
    swap_letters(run_folder / "model" / "vocab.json")


def recorded_with_another_vocabulary(run_folder):
    of_another_vocabulary(run_folder)
    recorded(run_folder, "04", "model")


def of_another_dataset(run_folder):
    """Notebook 03 ran again, and learnt from something else than the model did."""
    told = run_folder / "dataset" / "dataset_dict.json"
    told.write_text(told.read_text(encoding="utf-8") + "\n", encoding="utf-8")
    recorded(run_folder, "03", "dataset")


def in_another_spelling(run_folder):
    told = run_folder / "dataset" / "dataset_dict.json"
    content = json.loads(told.read_text(encoding="utf-8"))
    content["made_for"]["normalisation"]["digits"] = "keep"
    told.write_text(json.dumps(content), encoding="utf-8")
    for number, artifact in (("03", "dataset"), ("04", "model")):
        recorded(run_folder, number, artifact)
    manifest = Manifest(run_folder)
    manifest.entries["04"]["reads"]["dataset"] = manifest.artifact("dataset")
    manifest.enter("04", manifest.entries["04"])


REFUSED = {
    of_another_vocabulary: (StaleArtifact, r"run/model no longer .* \(model is not as it was written\).* notebook 04"),
    recorded_with_another_vocabulary: (DatasetMisfit, r"2 tokens have other ids .*; run notebook 03 again"),
    of_another_dataset: (StaleArtifact, r"run/model no longer .* \(dataset changed\).* notebook 04_training"),
    in_another_spelling: (DatasetMisfit, r"its texts were normalised with .*'keep'.*; run notebook 03 again"),
}


@pytest.mark.parametrize("change", REFUSED)
def test_notebook_05_refuses_what_does_not_fit(finished, run_folder, change):
    error, says = REFUSED[change]
    change(run_folder)
    with pytest.raises(error, match=says):
        run_by_hand(run_folder, "05", **finished[1])


@pytest.mark.parametrize(
    ("number", "lost"),
    [(number, lost) for number in ("02", "03", "04", "05") for lost in ("01", "02", "03", "04") if lost < number],
)
def test_a_notebook_before_which_one_left_no_record_says_which(finished, run_folder, number, lost):
    Manifest(run_folder).forget(lost)
    with pytest.raises(
        StaleArtifact, match=rf"no record of notebook {lost}_\w+\): run notebook {lost}_.*again with run"
    ):
        run_by_hand(run_folder, number, **finished[1])


def test_with_every_record_in_its_place_a_notebook_runs_by_hand(finished, run_folder):
    before = open_run(run_folder).manifest["02"]["artifacts"]
    run_by_hand(run_folder, "02", **finished[1])
    assert open_run(run_folder).manifest["02"]["artifacts"] == before
    assert np.isfinite(open_run(run_folder).manifest["02"]["seconds"])
