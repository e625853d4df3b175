"""Long recordings in pieces: the pieces have to be the whole again, sample for sample and frame for frame."""

import itertools

import numpy as np
import pytest
import soundfile
from tiny import tiny_model, tiny_processor

from asr_helpers.audio import recording as audio
from asr_helpers.audio.reading import read_audio, read_blocks, to_int16
from asr_helpers.audio.recording import AudioError
from asr_helpers.dataset.collator import Collator
from asr_helpers.decoding.hypotheses import FrameClock, greedy
from asr_helpers.decoding.inference import log_probs_of
from asr_helpers.decoding.windows import Windows, segments, stitch
from asr_helpers.model.frames import output_frames
from asr_helpers.model.vocabulary import Alphabet

ALPHABET = Alphabet(("[PAD]", "[UNK]", "|", *"ابپتٹ"), 0, 2)
CLOCK = FrameClock(320, 400)


def emissions(path, sure=0.9):
    probs = np.full((len(path), 8), (1 - sure) / 7)
    probs[range(len(path)), path] = sure
    return np.log(probs).astype(np.float32)


def speech(words: int, seed: int, pause: int = 6) -> np.ndarray:
    """A path of random words: letters with blanks between, a boundary in every pause."""
    rng = np.random.default_rng(seed)
    path = []
    for _ in range(words):
        for letter in rng.integers(3, 8, rng.integers(1, 6)):
            path += [letter] * rng.integers(1, 3) + [0] * rng.integers(1, 3)
        path += [0] * rng.integers(0, pause) + [2] + [0] * rng.integers(0, pause)
    return np.array(path)


@pytest.mark.parametrize(("rate", "channels"), [(8000, 1), (16_000, 2), (22_050, 2), (44_100, 1)])
def test_blocks_are_the_samples_of_the_prepared_dataset(rate, channels, tmp_path, monkeypatch):
    noise = np.random.default_rng(0).normal(0, 0.1, (3 * rate + 137, channels))
    soundfile.write(tmp_path / "a.wav", noise, rate)
    whole = to_int16(read_audio(tmp_path / "a.wav")[0])
    monkeypatch.setattr(audio, "BLOCK_SAMPLES", 5000)
    blocks = list(read_blocks(tmp_path / "a.wav"))
    assert len(blocks) > 5
    np.testing.assert_array_equal(np.concatenate(blocks), whole)


def test_a_channel_can_be_chosen(tmp_path):
    soundfile.write(tmp_path / "a.wav", np.array([[0.5, -0.25]] * 100), 16_000)
    assert set(np.concatenate(list(read_blocks(tmp_path / "a.wav", channel=1)))) == {-8192}


def test_samples_that_are_no_sound_are_refused_with_the_files_name(tmp_path):
    soundfile.write(tmp_path / "a.wav", np.array([0.1, np.nan]), 16_000, subtype="FLOAT")
    with pytest.raises(AudioError, match=r"a\.wav: sample 1 is nan.*export the recording again"):
        list(read_blocks(tmp_path / "a.wav"))


def babble(samples: int, pauses: list[tuple[int, int]], seed: int = 0) -> np.ndarray:
    """Noise like speech, with silences (first sample, last sample) that are quiet but not digital silence."""
    rng = np.random.default_rng(seed)
    level = np.full(samples, 3000.0)
    for first, stop in pauses:
        level[first:stop] = 30
    return (rng.normal(0, 1, samples) * level).astype(np.int16)


@pytest.mark.parametrize("pauses", [[], [(40_000, 50_000), (90_000, 91_000)], [(0, 60_000)]])
@pytest.mark.parametrize("samples", [1, 31_999, 32_079, 32_080, 32_399, 32_400, 64_000, 100_001, 200_000])
def test_windows_hold_every_frame_of_the_recording_once_but_for_those_shared(samples, pauses):
    config = tiny_model(layers=0).config
    windows = Windows.of(config, seconds=2.0, overlap_seconds=0.4, shortest_seconds=0.5)
    recording = babble(samples, pauses)
    cut = list(windows.cut(np.array_split(recording, 1 + samples // 7000)))
    frames, begun = 0, 0
    for window in cut:
        begun = frames - window.shared
        np.testing.assert_array_equal(window.samples, recording[begun * 320 :][: len(window.samples)])
        frames = begun + output_frames(config, len(window.samples))
        assert len(window.samples) < windows.size + 320
    assert frames == output_frames(config, samples)


def test_a_recording_is_cut_in_its_pauses_and_where_there_is_none_windows_overlap():
    config = tiny_model(layers=0).config
    windows = Windows.of(config, seconds=4.0, overlap_seconds=1.0)
    pauses = [(20_000, 28_000), (50_000, 58_000), (80_000, 82_000)]  # too early; a pause; too short for one
    cut = list(windows.cut([babble(200_000, pauses)]))
    assert [window.shared for window in cut] == [0, 0, 50, 50]
    assert len(cut[0].samples) == pytest.approx(54_000, abs=500)
    assert [len(window.samples) for window in cut[1:3]] == [windows.size] * 2


@pytest.mark.parametrize(("seconds", "overlap"), [(2.0, 1.5), (2.0, 0.02), (0.5, 0.4)])
def test_windows_that_would_not_move_on_are_refused(seconds, overlap):
    with pytest.raises(ValueError, match="use an overlap of at least 4 frames"):
        Windows.of(tiny_model(layers=0).config, seconds=seconds, overlap_seconds=overlap)


def test_stitching_gives_the_frames_of_the_whole_recording():
    whole = emissions(np.random.default_rng(0).integers(0, 8, 500))
    pieces = [(whole[start : start + 100], 20 * (start > 0)) for start in range(0, 400, 80)]
    pieces[-1] = (whole[320:], 20)
    np.testing.assert_array_equal(np.concatenate(list(stitch(pieces, alphabet=ALPHABET))), whole)


@pytest.mark.parametrize(("last", "said"), [(0, "اب پ"), (5, "ابپپ")])
def test_words_end_where_windows_were_cut_in_a_pause_unless_a_letter_is_heard_there(last, said):
    before, after = emissions([3, 0, 4, 0, last]), emissions([0, 5, 0])
    found = np.concatenate(list(stitch([(before, 0), (after, 0)], alphabet=ALPHABET)))
    assert greedy(found, ALPHABET, CLOCK).text == said
    changed = np.flatnonzero((found != np.concatenate([before, after])).any(-1))
    assert list(changed) == ([4] if last == 0 else [])
    assert found[4, 0] == before[4, 0]  # silence stays as likely: a text that goes on across it can be aligned


def test_a_letter_that_windows_place_differently_is_neither_lost_nor_doubled():
    for shift in (-1, 1):
        for seed in range(20):
            path = speech(40, seed)
            path = np.pad(path, 2)
            moved = np.roll(path, shift)  # the second window says everything a frame earlier or later
            pieces = [(emissions(path[:120]), 0), (emissions(moved[80:]), 40)]
            found = np.concatenate(list(stitch(pieces, alphabet=ALPHABET)))
            assert greedy(found, ALPHABET, CLOCK).text == greedy(emissions(path), ALPHABET, CLOCK).text


def test_segments_are_the_whole_again_cut_between_words():
    for seed in range(20):
        whole = emissions(speech(60, seed))
        found = list(segments(np.array_split(whole, 7), longest=150, alphabet=ALPHABET))
        np.testing.assert_array_equal(np.concatenate([part for _, part in found]), whole)
        assert [first for first, _ in found] == [0, *itertools.accumulate(len(part) for _, part in found[:-1])]
        assert all(75 <= len(part) <= 150 for _, part in found[:-1])
        texts = [greedy(part, ALPHABET, CLOCK).text for _, part in found]
        assert " ".join(filter(None, texts)) == greedy(whole, ALPHABET, CLOCK).text


@pytest.mark.parametrize("path", [[0] * 500, [3] * 500, [3, 0] * 250, [2] * 500, [3, 4] * 250])
def test_segments_move_on_where_there_is_no_pause(path):
    found = list(segments([emissions(path)], longest=100, alphabet=ALPHABET))
    assert sum(len(part) for _, part in found) == 500
    assert all(50 <= len(part) <= 100 for _, part in found[:-1])


def test_nothing_is_read_before_it_is_needed():
    def endless():
        for i in itertools.count():
            assert i < 40, "the whole recording was read"
            yield np.zeros(16_000, dtype=np.int16)

    windows = Windows.of(tiny_model(layers=0).config, seconds=4.0, overlap_seconds=1.0)
    layers = ((16, 10), (8, 8), (6, 4))
    heard = ((emissions([0] * output_frames(layers, len(w.samples))), w.shared) for w in windows.cut(endless()))
    stream = segments(stitch(heard, alphabet=ALPHABET), longest=500, alphabet=ALPHABET)
    assert next(stream)[0] == 0


@pytest.mark.parametrize("pauses", [[], [(50_000, 58_000), (100_000, 110_000)]])
def test_windows_through_a_model_give_what_the_whole_recording_gives(pauses, tmp_path):
    model = tiny_model(layers=0).eval()  # convolutions only, whose frames know nothing beyond their neighbours
    processor = tiny_processor(tmp_path / "processor")
    processor.feature_extractor.do_normalize = False  # by window it would not be that of the whole
    recording = babble(160_123, pauses)
    collate = Collator.of(processor)
    cut = list(Windows.of(model, seconds=4.0, overlap_seconds=0.6, shortest_seconds=1.0).cut([recording]))
    heard = log_probs_of(model, [{"audio": window.samples} for window in cut], collate=collate, window=1)
    joined = np.concatenate(list(stitch(zip(heard, [w.shared for w in cut], strict=True), alphabet=ALPHABET)))
    (whole,) = log_probs_of(model, [{"audio": recording}], collate=collate)
    assert joined.shape == whole.shape
    ends = np.flatnonzero([w.shared == 0 for w in cut[1:]])
    different = np.flatnonzero(np.abs(joined - whole).max(-1) > 1e-4)
    edges = np.cumsum([output_frames(model, len(w.samples)) - w.shared for w in cut])[:-1][ends]
    assert all(np.abs(edges - frame).min() <= 9 for frame in different)  # only where a pause was cut, within reach
    assert len(ends) == len(pauses)
