"""From files to text: the same words as in testing, any length, every format, and bad files named."""

import io
import json
import sys

import numpy as np
import pytest
import soundfile
from tiny import tiny_model, tiny_processor

from asr_helpers.audio.reading import read_audio, to_int16
from asr_helpers.audio.recording import AudioError
from asr_helpers.dataset.collator import Collator
from asr_helpers.decoding.beam_search import BeamSearch, Weights, write_language_model
from asr_helpers.decoding.hypotheses import FrameClock, greedy
from asr_helpers.decoding.inference import log_probs_of
from asr_helpers.decoding.transcribe import FORMATS, render, transcribe_file, transcribe_files
from asr_helpers.model.vocabulary import Alphabet


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A folder as notebook 04 leaves it; the model is random and writes gibberish, the same every time."""
    folder = tmp_path_factory.mktemp("model")
    model = tiny_model()
    model.save_pretrained(folder)
    processor = tiny_processor(folder)
    processor.save_pretrained(folder)
    return folder, model.eval(), processor


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


def heard_whole(path, model, processor):
    """What the test split's way through collator and model makes of a recording."""
    audio = to_int16(read_audio(path)[0])
    (log_probs,) = log_probs_of(model, [{"audio": audio}], collate=Collator.of(processor))
    return log_probs, Alphabet.of(processor.tokenizer), FrameClock.of(model)


@pytest.mark.parametrize("name", ["short.wav", "long.flac"])
def test_a_recording_shorter_than_a_window_is_heard_as_in_testing(name, trained, recordings):
    _, model, processor = trained
    found = transcribe_file(recordings / name, model, processor)
    assert found.hypothesis == greedy(*heard_whole(recordings / name, model, processor))
    assert found.hypothesis.text
    assert found.seconds == pytest.approx({"short.wav": 1.2, "long.flac": 9.7}[name], abs=1e-4)


def test_a_longer_one_is_cut_and_its_words_keep_their_order_and_place(trained, recordings):
    _, model, processor = trained
    reached = []
    found = transcribe_file(
        recordings / "long.flac", model, processor, window_seconds=2.0, overlap_seconds=0.5, progress=reached.append
    )
    words = found.hypothesis.words
    assert [w.start for w in words] == sorted(w.start for w in words)
    assert words[0].start >= 0
    assert words[-1].end <= found.seconds
    assert found.seconds - 0.1 < reached[-1] <= found.seconds
    assert words[-1].end > 2 * 2.0


def test_a_recording_too_short_for_a_frame_is_no_text_in_every_format(trained, tmp_path):
    _, model, processor = trained
    soundfile.write(tmp_path / "a.wav", np.zeros(100), 16_000)
    found = transcribe_file(tmp_path / "a.wav", model, processor)
    assert (found.hypothesis.text, found.seconds) == ("", 100 / 16_000)
    rendered = {form: render(found, form=form) for form in FORMATS}
    assert (rendered["text"], rendered["srt"], rendered["audacity"]) == ("\n", "", "")
    assert json.loads(rendered["json"])["words"] == []


def test_an_empty_recording_is_refused(trained, tmp_path):
    soundfile.write(tmp_path / "a.wav", np.zeros(0), 16_000)
    with pytest.raises(AudioError, match=r"a\.wav: the recording is empty"):
        transcribe_file(tmp_path / "a.wav", *trained[1:])


def test_beam_search_writes_only_words_of_its_text(trained, recordings, tmp_path):
    pytest.importorskip("flashlight.lib.text")
    folder, _, processor = trained
    alphabet = Alphabet.of(processor.tokenizer)
    texts = ["اب تپ", "پاپ باٹ", "ٹاٹ"]
    arpa = write_language_model(texts, tmp_path, unit="word", alphabet=alphabet)
    BeamSearch(arpa, alphabet, weights=Weights(1.0, 2.0)).save_weights()
    output = io.StringIO()
    assert transcribe_files(folder, [recordings / "long.flac"], language_model=arpa, output=output) == 0
    words = output.getvalue().split()
    assert words
    assert set(words) <= {word for text in texts for word in text.split()}


def test_without_the_package_of_beam_search_a_line_says_so_and_the_text_is_the_greedy_one(
    trained, recordings, monkeypatch
):
    monkeypatch.setitem(sys.modules, "flashlight.lib.text", None)
    greedy_text, output, errors = io.StringIO(), io.StringIO(), io.StringIO()
    transcribe_files(trained[0], [recordings / "short.wav"], output=greedy_text)
    given = {"language_model": "letters.arpa", "output": output, "errors": errors}
    assert transcribe_files(trained[0], [recordings / "short.wav"], **given) == 0
    assert output.getvalue() == greedy_text.getvalue() != ""
    [line] = errors.getvalue().splitlines()
    assert line.startswith("beam search needs the package flashlight-text") and line.endswith(
        "the text is the greedy one"
    )


@pytest.mark.parametrize(("form", "suffix"), FORMATS.items())
def test_every_format_is_written_to_a_folder(form, suffix, trained, recordings, tmp_path):
    files = [recordings / "long.flac", recordings / "short.wav"]
    assert transcribe_files(trained[0], files, format=form, out=tmp_path / "out") == 0
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == [f"long{suffix}", f"short{suffix}"]
    text = (tmp_path / "out" / f"long{suffix}").read_text(encoding="utf-8")
    word = transcribe_file(files[0], *trained[1:]).hypothesis.words[0]
    assert word.text in text
    if form == "json":
        content = json.loads(text)
        assert content["file"] == str(files[0])
        assert content["words"][0] == pytest.approx(
            {"word": word.text, "start": word.start, "end": word.end, "confidence": word.confidence}
        )


@pytest.mark.parametrize("form", FORMATS)
def test_a_recording_whose_name_is_as_long_as_names_can_be_gets_its_file(form, trained, recordings, tmp_path):
    files = [tmp_path / f"{'گھر' * 41}{last}.wav" for last in "ab"]  # 251 bytes
    for file in files:
        file.write_bytes((recordings / "short.wav").read_bytes())
    assert transcribe_files(trained[0], files, format=form, out=tmp_path / "out") == 0
    written = [path.name for path in (tmp_path / "out").iterdir()]
    assert len(written) == 2
    assert all(name.startswith("گھر" * 30) and name.endswith(FORMATS[form]) for name in written)


def test_one_recording_prints_its_text_and_several_their_names_too(trained, recordings):
    texts = {n: transcribe_file(recordings / n, *trained[1:]).hypothesis.text for n in ("short.wav", "long.flac")}
    one, several = io.StringIO(), io.StringIO()
    transcribe_files(trained[0], [recordings / "short.wav"], output=one)
    transcribe_files(trained[0], [recordings / n for n in texts], output=several)
    assert one.getvalue() == texts["short.wav"] + "\n"
    assert several.getvalue() == "".join(f"{recordings / n}\t{text}\n" for n, text in texts.items())


def test_bad_files_are_named_with_their_fix_and_the_others_are_done(trained, recordings, tmp_path):
    (tmp_path / "notes.wav").write_text("not audio at all", encoding="utf-8")
    files = [tmp_path / "missing.wav", tmp_path / "notes.wav", recordings / "short.wav"]
    output, errors = io.StringIO(), io.StringIO()
    assert transcribe_files(trained[0], files, output=output, errors=errors) == 1
    lines = errors.getvalue().splitlines()
    assert str(files[0]) in lines[0] and "no such file; correct the name" in lines[0]
    assert str(files[1]) in lines[1] and "convert or export" in lines[1]
    assert lines[2] == "2 of 3 recordings could not be transcribed"
    assert output.getvalue().startswith(str(files[2]))


@pytest.mark.parametrize(
    ("names", "options", "message"),
    [
        (["a.wav"], {"format": "docx"}, "format is 'docx'; use one of text, json"),
        (["a.wav", "b.wav"], {"format": "srt"}, "2 recordings as srt need a folder"),
        (["x/a.wav", "y/a.mp3"], {"out": "out"}, r"x/a\.wav, y/a\.mp3 would all be written to out/a\.txt"),
    ],
)
def test_what_cannot_be_written_is_refused_before_the_model_is_loaded(names, options, message, tmp_path):
    with pytest.raises(ValueError, match=message):
        transcribe_files(tmp_path / "no model", names, **options)


def test_a_folder_without_a_model_is_named(tmp_path):
    with pytest.raises(OSError, match="there is no folder"):
        transcribe_files(tmp_path / "no model", ["a.wav"])
