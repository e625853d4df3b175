"""MP3 files whose length tag is missing or wrong decode whole, and those that break off say so."""

import numpy as np
import pytest
import soundfile
from conftest import speech_like

from asr_helpers.audio import mpeg
from asr_helpers.audio.measuring import measure
from asr_helpers.audio.reading import read_audio

RATE = 16_000
MODES = ("CONSTANT", "AVERAGE", "VARIABLE")


def write(path, samples, mode="VARIABLE", rate=RATE):
    soundfile.write(path, samples, rate, format="MP3", bitrate_mode=mode, compression_level=0.5)
    return path


def without_tag(path, prefix=b""):
    """Take the encoder's tag frame off, as recorders and stream savers leave it out."""
    found = mpeg.scan(path)
    assert found.tagged is not None
    data = path.read_bytes()
    second = data.index(data[found.start : found.start + 2], found.start + 100)
    path.write_bytes(prefix + data[second:])
    return path


def loud_then_silent(seconds):
    """Many bits first, few later: what makes a guess from the file's size too small."""
    noise = 0.3 * np.random.default_rng(0).standard_normal(4 * RATE)
    return np.concatenate([noise, np.zeros((seconds - 4) * RATE)]).astype("f4")


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("rate", [8_000, 16_000, 22_050, 44_100, 48_000])
@pytest.mark.parametrize("channels", [1, 2])
def test_frames_are_counted_in_every_version_of_mpeg(tmp_path, mode, rate, channels):
    samples = np.repeat(speech_like(2.0, rate=rate)[:, None], channels, axis=1)
    path = write(tmp_path / "x.mp3", samples, mode, rate)
    found = mpeg.scan(path)
    assert (found.rate, found.samples, found.missing) == (rate, 1152 if rate >= 32_000 else 576, 0)
    assert found.frames == found.tagged
    assert 0 <= found.total - len(samples) <= found.slack
    assert measure(path).truncated == ""
    bare = mpeg.scan(without_tag(path))
    assert (bare.frames, bare.tagged) == (found.frames, None)
    decoded = measure(path)
    assert 0 <= bare.total - round(decoded.seconds * rate) <= 1152, "the decoder takes its own delay off"
    assert decoded.truncated == ""


def test_a_guess_that_is_too_small_loses_nothing(tmp_path):
    path = without_tag(write(tmp_path / "x.mp3", loud_then_silent(20)))
    assert soundfile.info(path).duration < 5, "libsndfile alone would stop here"
    assert measure(path).seconds == pytest.approx(20, abs=0.2)
    assert len(read_audio(path)[0]) == pytest.approx(20 * RATE, abs=0.2 * RATE)
    assert measure(path).truncated == ""


@pytest.mark.parametrize("prefix", [b"ID3\x04\x00\x00\x00\x00\x10\x00" + bytes(2048), b"", b"\xff\xff\x00junk" * 20])
def test_what_stands_before_the_first_frame_is_skipped(tmp_path, prefix):
    path = without_tag(write(tmp_path / "x.mp3", speech_like(2.0)), prefix)
    assert mpeg.scan(path).start == len(prefix)


def test_joined_files_decode_to_their_end(tmp_path):
    one, two = (write(tmp_path / f"{i}.mp3", speech_like(3.0, seed=i)) for i in (1, 2))
    both = tmp_path / "both.mp3"
    both.write_bytes(one.read_bytes() + two.read_bytes())
    assert measure(both).seconds == pytest.approx(6.0, abs=0.4)
    assert measure(both).truncated == ""


def test_the_sound_is_the_same_with_the_inserted_tag(tmp_path):
    samples = np.concatenate([loud_then_silent(8), speech_like(4.0)])
    whole = write(tmp_path / "whole.mp3", samples)
    bare = tmp_path / "bare.mp3"
    bare.write_bytes(whole.read_bytes())
    decoded = read_audio(without_tag(bare))[0]
    expected = read_audio(whole)[0]  # the encoder's tag also says how much padding to take off
    lag = np.argmax(np.correlate(decoded[: 3 * RATE], expected[RATE : 2 * RATE], "valid")) - RATE
    assert 0 < lag < 3 * 1152
    aligned = decoded[lag : lag + len(expected)]
    assert np.abs(aligned - expected[: len(aligned)])[2000:-2000].max() < 1e-3


def test_a_tag_that_promises_more_frames_than_there_are(tmp_path):
    path = write(tmp_path / "x.mp3", speech_like(3.0), "CONSTANT")
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    said = measure(path).truncated
    assert said.startswith("the header promises 3.")
    assert float(said.split("the last ")[1].split(" s ")[0]) == pytest.approx(1.5, abs=0.1)


def test_a_last_frame_that_is_cut(tmp_path):
    path = without_tag(write(tmp_path / "x.mp3", speech_like(1.0), "CONSTANT"))
    path.write_bytes(path.read_bytes()[:-50])
    assert measure(path).truncated == "the last MP3 frame lacks 50 bytes"


@pytest.mark.parametrize("data", [b"", b"ID3", bytes(5000), b"\xff\xfb", "متن".encode() * 100, b"\xff" * 3000])
def test_what_is_no_mp3_has_no_frames(tmp_path, data):
    path = tmp_path / "x.mp3"
    path.write_bytes(data)
    assert mpeg.scan(path) is None


def test_any_bytes_can_be_scanned(tmp_path):
    rng = np.random.default_rng(0)
    path = tmp_path / "x.mp3"
    good = write(tmp_path / "good.mp3", speech_like(0.5)).read_bytes()
    for _ in range(200):
        data = bytearray(good)
        for position in rng.integers(0, len(data), 30):
            data[position] = rng.integers(256)
        path.write_bytes(bytes(data[: rng.integers(1, len(data))]))
        found = mpeg.scan(path)
        assert found is None or found.frames >= 0
