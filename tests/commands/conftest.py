"""A run folder as the notebooks leave it, with a random model that writes gibberish, and a few recordings."""

import json

import numpy as np
import pytest
import soundfile
from tiny import tiny_model, tiny_processor


@pytest.fixture(scope="session")
def model(tmp_path_factory):
    folder = tmp_path_factory.mktemp("run") / "model"
    tiny_model().save_pretrained(folder)
    tiny_processor(folder).save_pretrained(folder)
    (folder / "normalisation.json").write_text(json.dumps({"language": "ur", "digits": "words"}), encoding="utf-8")
    return folder


@pytest.fixture
def tapes(tmp_path):
    """``tapes/a.wav``, ``tapes/day 2/b.flac``, and what is no recording."""
    folder = tmp_path / "tapes"
    (folder / "day 2").mkdir(parents=True)
    rng = np.random.default_rng(0)
    soundfile.write(folder / "a.wav", rng.normal(0, 0.1, 19_200), 16_000)
    soundfile.write(folder / "day 2" / "b.flac", rng.normal(0, 0.1, 16_000), 16_000)
    (folder / "notes.txt").write_text("اب", encoding="utf-8")
    (folder / "._a.wav").write_bytes(b"of macOS")
    return folder
