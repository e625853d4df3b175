"""From recordings to text and from text to recordings: the same words as in testing, of any length, in every format."""

import json

import numpy as np
import pytest
import soundfile
from tiny import tiny_model, tiny_processor

from asr_helpers.audio.reading import read_audio, to_int16
from asr_helpers.audio.recording import AudioError
from asr_helpers.dataset.collator import Collator
from asr_helpers.decoding.export import FORMATS, render
from asr_helpers.decoding.hypotheses import FrameClock, greedy
from asr_helpers.decoding.inference import log_probs_of
from asr_helpers.decoding.recogniser import Recogniser
from asr_helpers.decoding.transcribe import align_file, transcribe_file


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A folder as notebook 04 leaves it; the model is random and writes gibberish, the same every time."""
    folder = tmp_path_factory.mktemp("model")
    model = tiny_model()
    model.save_pretrained(folder)
    processor = tiny_processor(folder)
    return Recogniser(model.eval(), processor)


@pytest.fixture(scope="module")
def recordings(tmp_path_factory):
    """Sweeps and noise of 1.2 and 9.7 s, one at another rate and in two channels."""
    folder = tmp_path_factory.mktemp("recordings")
    rng = np.random.default_rng(0)
    time = np.arange(int(9.7 * 22_050)) / 22_050
    sweep = 0.3 * np.sin(2 * np.pi * (200 + 300 * np.sin(3 * time)) * time) + rng.normal(0, 0.02, len(time))
    soundfile.write(folder / "long.flac", np.stack([sweep, sweep[::-1]], axis=1), 22_050)
    soundfile.write(folder / "short.wav", rng.normal(0, 0.1, int(1.2 * 16_000)), 16_000)
    return folder


def heard_whole(path, recogniser):
    """What the test split's way through collator and model makes of a recording."""
    audio = to_int16(read_audio(path)[0])
    (log_probs,) = log_probs_of(recogniser.model, [{"audio": audio}], collate=Collator.of(recogniser.processor))
    return log_probs, recogniser.alphabet, FrameClock.of(recogniser.model)


@pytest.mark.parametrize("name", ["short.wav", "long.flac"])
def test_a_recording_shorter_than_a_window_is_heard_as_in_testing(name, trained, recordings):
    found = transcribe_file(recordings / name, trained)
    assert found.hypothesis == greedy(*heard_whole(recordings / name, trained))
    assert found.hypothesis.text
    assert found.seconds == pytest.approx({"short.wav": 1.2, "long.flac": 9.7}[name], abs=1e-4)


def test_a_longer_one_is_cut_and_its_words_keep_their_order_and_place(trained, recordings):
    reached = []
    found = transcribe_file(
        recordings / "long.flac", trained, window_seconds=2.0, overlap_seconds=0.5, progress=reached.append
    )
    words = found.hypothesis.words
    assert [w.start for w in words] == sorted(w.start for w in words)
    assert words[0].start >= 0
    assert words[-1].end <= found.seconds
    assert found.seconds - 0.1 < reached[-1] <= found.seconds
    assert words[-1].end > 2 * 2.0


def test_a_recording_too_short_for_a_frame_is_no_text_in_every_format(trained, tmp_path):
    soundfile.write(tmp_path / "a.wav", np.zeros(100), 16_000)
    found = transcribe_file(tmp_path / "a.wav", trained)
    assert (found.hypothesis.text, found.seconds) == ("", 100 / 16_000)
    rendered = {form: render(found.hypothesis, form=form, seconds=found.seconds) for form in FORMATS}
    assert (rendered["text"], rendered["srt"], rendered["audacity"]) == ("\n", "", "")
    assert json.loads(rendered["json"])["words"] == []


def test_an_empty_recording_is_refused(trained, tmp_path):
    soundfile.write(tmp_path / "a.wav", np.zeros(0), 16_000)
    with pytest.raises(AudioError, match=r"a\.wav: the recording is empty"):
        transcribe_file(tmp_path / "a.wav", trained)


def test_the_text_that_was_heard_is_aligned_and_fits_better_than_another(trained, recordings):
    heard = transcribe_file(recordings / "long.flac", trained, window_seconds=2.0, overlap_seconds=0.5)
    text = heard.hypothesis.text
    right, wrong = (
        align_file(recordings / "long.flac", each, trained, window_seconds=2.0, overlap_seconds=0.5)
        for each in (text, text[::-1])
    )
    assert (right.hypothesis.text, right.seconds) == (text, heard.seconds)
    assert 0 <= wrong.score < right.score <= 1
    assert right.hypothesis.words[-1].end <= right.seconds


def test_a_recording_too_short_for_its_text_says_so(trained, tmp_path):
    soundfile.write(tmp_path / "a.wav", np.zeros(100), 16_000)
    with pytest.raises(ValueError, match="check that the text belongs to this recording"):
        align_file(tmp_path / "a.wav", "اب", trained)
