"""What a training does to its utterances: as loud, as noisy, as long as said, and the same wherever it is computed."""

from __future__ import annotations

import numpy as np
import pytest

from asr_helpers.audio import DISTURBANCES, SAMPLING_RATE, Augmentation, change_length, disturb

TIME = np.arange(SAMPLING_RATE) / SAMPLING_RATE
TONE = (8000 * np.sin(2 * np.pi * 1000 * TIME)).astype(np.int16)  # 1 kHz, 12 dB below full scale


def level(samples: np.ndarray) -> float:
    """Decibels relative to the tone."""
    power = [np.mean(np.square(wave, dtype=np.float64)) for wave in (samples, TONE)]
    return 10 * np.log10(power[0] / power[1])


def strengths(kind: str) -> list[np.ndarray]:
    return [disturb(TONE, np.random.default_rng(seed), kinds=(kind,)) for seed in range(60)]


def test_noise_has_the_ratio_to_the_signal_that_it_says():
    ratios = [-level(heard.astype(float) - TONE) for heard in strengths("noise")]
    assert 5 <= min(ratios) < 8 and 36 < max(ratios) <= 40.1


def test_noise_is_hiss_or_rumble():
    shares = []
    for heard in strengths("noise"):
        spectrum = np.abs(np.fft.rfft(heard.astype(float) - TONE)) ** 2
        shares.append(spectrum[: len(spectrum) // 8].sum() / spectrum.sum())  # below 1 kHz
    assert sum(share > 0.95 for share in shares) > 20 and sum(0.1 < share < 0.15 for share in shares) > 15


def test_gain_leaves_the_shape_until_it_clips():
    levels = [level(heard) for heard in strengths("gain")]
    assert -20 <= min(levels) < -18 and 4 < max(levels) <= 6
    loud = disturb(np.full(100, 30_000, np.int16), np.random.default_rng(0), kinds=("gain",) * 20)
    assert set(np.unique(np.abs(loud))) <= {0, *range(32768)} and loud.dtype == np.int16


def test_a_room_keeps_the_level_and_goes_on_after_the_sound():
    click = np.zeros(SAMPLING_RATE, dtype=np.int16)
    click[100] = 30_000
    heard = disturb(click, np.random.default_rng(1), kinds=("room",))
    assert not heard[:100].any() and np.abs(heard[200:1000]).max() > 30 and heard[100] == np.abs(heard).max()
    assert not heard[100 + int(0.41 * SAMPLING_RATE) :].any()
    assert all(abs(level(heard)) < 1 for heard in strengths("room"))  # one of 100 clips


@pytest.mark.parametrize(("hertz", "least", "most"), [(20, -80, -9), (1000, -1, 0.1), (7900, -99, -3)])
def test_a_band_leaves_the_middle_of_speech(hertz, least, most):
    tone = (8000 * np.sin(2 * np.pi * hertz * TIME)).astype(np.int16)
    for seed in range(20):
        heard = disturb(tone, np.random.default_rng(seed), kinds=("band",))[SAMPLING_RATE // 2 :]
        assert least < level(heard) < most


@pytest.mark.parametrize("length", [1, 7, 14_400, 16_000, 17_777])
def test_speed_changes_length_and_pitch_together(length):
    heard = change_length(TONE, length)
    assert heard.shape == (length,) and heard.dtype == np.int16
    if length > 1000:
        peak = np.abs(np.fft.rfft(heard)).argmax() * SAMPLING_RATE / length
        assert peak == pytest.approx(1000 * len(TONE) / length, abs=2)


def test_seed_epoch_and_utterance_decide_and_nothing_else():
    rng = np.random.get_state()[1].copy()
    heard = Augmentation(0.5, 0.1, seed=3)(TONE, epoch=2, utterance="آ-1")
    again = Augmentation(0.5, 0.1, seed=3)(TONE.copy(), epoch=2, utterance="آ-1")
    assert np.array_equal(heard, again) and np.array_equal(np.random.get_state()[1], rng)
    for seed, epoch, utterance in ((4, 2, "آ-1"), (3, 1, "آ-1"), (3, 2, "آ-2")):
        other = Augmentation(0.5, 0.1, seed=seed)(TONE, epoch=epoch, utterance=utterance)
        assert not np.array_equal(other, heard)


def test_each_disturbance_happens_as_often_as_its_chance():
    changed = [not np.array_equal(Augmentation(0.25)(TONE, epoch=e, utterance="a"), TONE) for e in range(400)]
    assert np.mean(changed) == pytest.approx(1 - 0.75 ** len(DISTURBANCES), abs=0.08)
    assert np.array_equal(Augmentation()(TONE, epoch=0, utterance="a"), TONE) and not Augmentation()


def test_speed_stays_within_its_bounds_and_leaves_what_a_label_needs():
    augmentation = Augmentation(speed_change=0.2)
    shortest, longest = (round(len(TONE) * factor) for factor in augmentation.lengths)
    lengths = [len(augmentation(TONE, epoch=e, utterance="a")) for e in range(200)]
    assert shortest <= min(lengths) < 1.02 * shortest and 0.98 * longest < max(lengths) <= longest
    assert np.isclose([shortest, longest], [len(TONE) / 1.2, len(TONE) / 0.8], atol=1).all()
    tight = [len(augmentation(TONE, epoch=e, utterance="a", least=15_500)) for e in range(200)]
    assert tight == [max(length, 15_500) for length in lengths]
    assert len(augmentation(TONE, epoch=0, utterance="a", least=99_000)) >= len(TONE)  # too short already


@pytest.mark.parametrize("samples", [np.zeros(16_000, np.int16), np.ones(3, np.int16), np.full(400, -32768, np.int16)])
def test_silence_and_scraps_come_back_whole(samples):
    for epoch in range(20):
        heard = Augmentation(1.0, 0.5)(samples, epoch=epoch, utterance="a")
        assert heard.dtype == np.int16 and len(samples) / 1.5 - 1 <= len(heard) <= len(samples) * 2 + 1
