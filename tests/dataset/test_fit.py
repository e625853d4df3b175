"""A dataset that was prepared for another vocabulary, checkpoint or spelling is refused, and says what differs."""

import json
import os
import shutil
from pathlib import Path

import pytest
from tiny import tiny_model
from tiny_run import tiny_run
from transformers import Wav2Vec2Processor

from asr_helpers.dataset.fit import DatasetMisfit, made_for, require_fit
from asr_helpers.run.fingerprints import fingerprint
from asr_helpers.run.folder import open_run
from asr_helpers.run.manifest import REPORTS
from asr_helpers.run.training import start_training

SPELLING = {"language": "ur", "digits": "words", "rules": [{"rule": "spaces", "places": 3}]}


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    folder = tmp_path_factory.mktemp("fit") / "tiny"
    return folder, tiny_run(folder)


@pytest.fixture
def parts(prepared, tmp_path):
    """A dataset, the processor and the config that it was made for."""
    folder, _ = prepared
    shutil.copytree(folder / "run", tmp_path / "run")
    processor = Wav2Vec2Processor.from_pretrained(folder / "run/processor", trust_remote_code=False)
    config = tiny_model().config
    root = tmp_path / "run/dataset/dataset_dict.json"
    root.write_text(json.dumps({"splits": ["train"], "made_for": made_for(processor, config, normalisation=SPELLING)}))
    return root, processor, config


def swapped(processor, folder):
    """The same letters, as many of them, two of them with each other's ids."""
    processor.save_pretrained(folder)
    ids = json.loads((folder / "vocab.json").read_text())
    a, b = sorted(token for token in ids if len(token) == 1 and token != "|")[:2]
    ids[a], ids[b] = ids[b], ids[a]
    (folder / "vocab.json").write_text(json.dumps(ids))
    return Wav2Vec2Processor.from_pretrained(folder, trust_remote_code=False)


def test_what_it_was_made_for_fits(parts):
    root, processor, config = parts
    require_fit(root.parent, processor, config, normalisation={**SPELLING, "rules": []})  # counts are no spelling


def test_another_vocabulary_of_the_same_size(parts, tmp_path):
    root, processor, config = parts
    other = swapped(processor, tmp_path / "other")
    assert len(other.tokenizer) == len(processor.tokenizer)
    with pytest.raises(DatasetMisfit, match=r"2 tokens have other ids \(first .*\); run notebook 03 again"):
        require_fit(root.parent, other, config, normalisation=SPELLING)


def test_another_family_of_checkpoints(parts):
    root, processor, config = parts
    config.conv_stride = [*config.conv_stride[:-1], config.conv_stride[-1] + 1]
    with pytest.raises(DatasetMisfit, match=r"its frames are those of convolutions \[\["):
        require_fit(root.parent, processor, config, normalisation=SPELLING)


def test_another_spelling(parts):
    root, processor, config = parts
    with pytest.raises(DatasetMisfit, match=r"normalised with .*'words'.*, the run's .*'keep'.*; run notebook 03"):
        require_fit(root.parent, processor, config, normalisation={**SPELLING, "digits": "keep"})
    require_fit(root.parent, processor, config)


@pytest.mark.parametrize("text", ["", "[]", '{"splits": []}', '{"made_for": 3}', '{"made_for": {"vocabulary": []}}'])
def test_one_that_does_not_say(parts, text):
    root, processor, config = parts
    root.write_text(text)
    with pytest.raises(DatasetMisfit, match=r"does not say what it was prepared for; run notebook 03 again"):
        require_fit(root.parent, processor, config, normalisation=SPELLING)
    root.unlink()
    with pytest.raises(FileNotFoundError, match="run notebook 03"):
        require_fit(root.parent, processor, config, normalisation=SPELLING)


def test_train_refuses_it(prepared, tmp_path):
    """A run whose processor was made again, with as many letters, and whose dataset was not."""
    folder, given = prepared
    shutil.copytree(folder / "run", tmp_path / "run")
    run = open_run(tmp_path / "run")
    swapped(Wav2Vec2Processor.from_pretrained(run.path("processor"), trust_remote_code=False), run.path("processor"))
    run.record("02", parameters={}, artifacts=["processor"])
    with pytest.raises(DatasetMisfit, match="2 tokens have other ids"):
        start_training(run, {**given, "max_steps": 1})
    assert not run.path("checkpoints").exists()


def test_the_same_recordings_written_anew_give_the_same_dataset(tmp_path):
    """Only times of change differ: what is learnt from, and so the training, stays what it was."""
    tiny_run(tmp_path / "a")
    dataset = tmp_path / "a/run/dataset"
    before, states = (
        fingerprint(dataset, leave_out=REPORTS),
        [p.read_text() for p in sorted(dataset.glob("*/state.json"))],
    )
    reports = [p.read_text() for p in sorted(dataset.glob("*/0*.json"))]
    for wav in Path(tmp_path / "a").glob("*.wav"):
        os.utime(wav, ns=(0, wav.stat().st_mtime_ns + 10**9))
    tiny_run(tmp_path / "a")
    assert [p.read_text() for p in sorted(dataset.glob("*/0*.json"))] != reports
    assert [p.read_text() for p in sorted(dataset.glob("*/state.json"))] == states
    assert fingerprint(dataset, leave_out=REPORTS) == before
    shard = next(dataset.glob("train/*.arrow"))
    shard.write_bytes(shard.read_bytes()[:-100])
    assert fingerprint(dataset, leave_out=REPORTS) != before


def test_its_limits_are_part_of_it(prepared):
    folder, _ = prepared
    told = json.loads((folder / "run/dataset/dataset_dict.json").read_text())["made_for"]
    assert (told["min_seconds"], told["max_seconds"], told["channel"]) == (0.3, 30.0, None)
