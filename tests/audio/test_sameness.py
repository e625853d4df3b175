"""Copies of a recording are found at any gain and in any container; different recordings are never taken for copies."""

import numpy as np
import pytest
import soundfile
from conftest import speech_like

from asr_helpers.audio import sameness
from asr_helpers.audio.measuring import CELLS, DEPTH, measure
from asr_helpers.audio.sameness import copies

RATE = 16_000


def voice(seed, seconds=4.0):
    """Noise in bands that come and go at random, as syllables do."""
    rng = np.random.default_rng(seed)
    count = round(seconds * RATE)
    points = count // 2400 + 2
    gates = np.interp(np.arange(count), 2400 * np.arange(points), rng.uniform(0, 1, points) ** 3)
    noise = np.convolve(rng.standard_normal(count), [1, 0.9, 0.5], "same")
    return (0.15 * gates * noise).astype("f4")


def write(path, samples, rate=RATE, **options):
    soundfile.write(path, samples, rate, **options)
    return path


def dither(samples):
    rng = np.random.default_rng(0)
    return samples + (rng.random(len(samples)) - rng.random(len(samples))) / 32768


COPIES = {
    "half": lambda x, p: write(p / "half.wav", 0.5 * x),
    "tenth": lambda x, p: write(p / "tenth.wav", 0.1 * x),
    "upside down": lambda x, p: write(p / "upside.wav", -x),
    "loud FLAC": lambda x, p: write(p / "loud.flac", 0.99 * x / np.abs(x).max()),
    "float": lambda x, p: write(p / "float.wav", 0.7 * x, subtype="FLOAT"),
    "dither": lambda x, p: write(p / "dither.wav", dither(x)),
    "stereo": lambda x, p: write(p / "stereo.wav", np.stack([x, x], axis=1)),
    "AIFF": lambda x, p: write(p / "x.aiff", 0.3 * x),
    "8 bits": lambda x, p: write(p / "ulaw.wav", x, subtype="ULAW"),
    "MP3": lambda x, p: write(p / "x.mp3", 0.6 * x),
    "Vorbis": lambda x, p: write(p / "x.ogg", 0.6 * x),
    "Opus": lambda x, p: write(p / "x.opus", 0.6 * x, format="OGG", subtype="OPUS"),
    "other rate": lambda x, p: write(p / "rate.wav", np.repeat(x, 3), 3 * RATE),
}


@pytest.mark.parametrize("sort", COPIES)
def test_a_copy_is_found_among_others(tmp_path, sort):
    paths = [write(tmp_path / f"{i}.wav", voice(i)) for i in range(6)]
    paths.append(COPIES[sort](voice(3), tmp_path))
    measured = [measure(path) for path in paths]
    assert measured[6].digest not in {one.digest for one in measured[:6]} or sort == "other rate"
    named = copies(measured, paths)
    assert named[6] == named[3] == min(measured[3].digest, measured[6].digest)
    others = [0, 1, 2, 4, 5]
    assert [named[i] for i in others] == [measured[i].digest for i in others]


def test_the_name_does_not_depend_on_the_order(tmp_path):
    paths = [write(tmp_path / f"{i}.wav", voice(i // 3) / (1 + i % 3)) for i in range(9)]
    measured = [measure(path) for path in paths]
    named = copies(measured, paths)
    assert len(set(named)) == 3
    assert copies(measured[::-1], paths[::-1]) == named[::-1]


def test_recordings_of_one_length_and_rhythm_are_told_apart_by_their_waveforms(tmp_path):
    paths = [write(tmp_path / f"{i}.wav", speech_like(3.0, seed=i)) for i in range(30)]
    measured = [measure(path) for path in paths]
    assert sameness._candidates(measured, list(range(30))), "their envelopes are alike"
    assert len(set(copies(measured, paths))) == 30


def test_silence_and_noise_are_the_same_only_sample_by_sample(tmp_path):
    rng = np.random.default_rng(0)
    noise = (0.1 * rng.standard_normal(3 * RATE)).astype("f4")
    sounds = [np.zeros(3 * RATE), np.zeros(3 * RATE), np.zeros(2 * RATE), noise, noise, 0.5 * noise]
    paths = [write(tmp_path / f"{i}.wav", sound) for i, sound in enumerate(sounds)]
    measured = [measure(path) for path in paths]
    assert {one.envelope for one in measured} == {()}
    named = copies(measured, paths)
    assert [named.index(name) for name in named] == [0, 0, 2, 3, 3, 5]
    assert copies([], []) == []


def test_a_file_that_is_gone_meanwhile_is_no_copy(tmp_path):
    paths = [write(tmp_path / f"{i}.wav", voice(1) / (1 + i)) for i in range(2)]
    measured = [measure(path) for path in paths]
    paths[0].unlink()
    assert copies(measured, paths) == [one.digest for one in measured]


def test_an_envelope_is_the_level_of_equal_stretches(tmp_path):
    samples = voice(5, 4.8)
    envelope = np.array(measure(write(tmp_path / "x.wav", samples, subtype="FLOAT")).envelope)
    power = (samples.astype("f8").reshape(CELLS, -1, 320)).var(axis=2).mean(axis=1)
    level = 10 * np.log10(power)
    level = np.maximum(level, level.max() - DEPTH)
    np.testing.assert_allclose(envelope, level - level.mean(), atol=1e-3)


def test_candidates_are_few_however_many_recordings_there_are():
    class Measured:
        def __init__(self, rng):
            self.seconds, self.envelope = float(rng.choice([2.0, 3.0, 4.0])), tuple(11 * rng.standard_normal(CELLS))

    rng = np.random.default_rng(0)
    measured = [Measured(rng) for _ in range(2000)]
    measured += measured[:50]
    pairs = sameness._candidates(measured, list(range(2050)))
    assert pairs == [(i, 2000 + i) for i in range(50)]
