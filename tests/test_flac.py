"""FLAC in memory: exactly the samples, against libsndfile reading the same bytes as a file."""

import numpy as np
import pytest
import soundfile
from conftest import speech_like

from asr_helpers.audio import to_int16
from asr_helpers.flac import decode, encode, samples_of

CLIPS = {
    "speech-like": to_int16(speech_like(1.5)),
    "every value": np.arange(-32_768, 32_768).astype(np.int16),
    "full scale": np.tile(np.array([-32_768, 32_767], np.int16), 4_000),
    "silence": np.zeros(16_000, np.int16),
    "one sample": np.array([7], np.int16),
    "noise": np.random.default_rng(0).integers(-32_768, 32_768, 5_001).astype(np.int16),
}


@pytest.mark.parametrize("name", CLIPS)
def test_what_comes_back_is_what_went_in(name, tmp_path):
    clip = CLIPS[name]
    stream = encode(clip, sampling_rate=16_000)
    for back in (decode(stream), decode(memoryview(stream)), samples_of({"bytes": stream, "path": None})):
        assert back.dtype == np.int16 and np.array_equal(back, clip)
    (tmp_path / "clip.flac").write_bytes(stream)
    read, rate = soundfile.read(tmp_path / "clip.flac", dtype="int16")
    assert rate == 16_000 and np.array_equal(read, clip)


def test_samples_pass_as_they_are():
    assert samples_of(CLIPS["noise"]) is CLIPS["noise"]
    assert samples_of([1, 2]).tolist() == [1, 2]


def test_speech_shrinks_and_the_same_clip_gives_the_same_bytes():
    clip = CLIPS["speech-like"]
    assert len(encode(clip, sampling_rate=16_000)) < 1.2 * clip.size
    assert encode(clip, sampling_rate=16_000) == encode(clip.copy(), sampling_rate=16_000)
