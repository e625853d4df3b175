"""Inline sound: it decodes to what went in, at the right time, and words know their part of it."""

import base64
import io
import re
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest
import soundfile

from asr_helpers.show import players
from asr_helpers.show.markup import asset
from asr_helpers.show.players import (
    COMPRESSION,
    PLAYER_SECONDS,
    audio_uri,
    beside_player,
    clip_button,
    read_beginning,
    read_player,
    without_audio,
    word_player,
    word_span,
)
from asr_helpers.show.tables import utterance_table, with_players

RATE = 16_000


def clicks(seconds: float = 3.0) -> np.ndarray:
    """A quiet recording with a short tone burst every half second."""
    samples = np.zeros(round(seconds * RATE), dtype=np.float32)
    tone = 0.5 * np.sin(2 * np.pi * 1_000 * np.arange(800) / RATE).astype(np.float32)
    for start in range(0, len(samples) - 800, RATE // 2):
        samples[start : start + 800] += tone
    return samples


def decoded(uri: str) -> tuple[np.ndarray, int]:
    kind, data = uri.split(",", 1)
    assert kind == "data:audio/mpeg;base64"
    return soundfile.read(io.BytesIO(base64.b64decode(data)), dtype="float32")


@pytest.mark.parametrize("samples", [1, 100, 1_600, 48_001])
def test_sound_comes_back_with_its_length(samples):
    heard, rate = decoded(audio_uri(np.full(samples, 0.1, dtype=np.float32)))
    assert rate == RATE and len(heard) == samples


def test_sound_comes_back_at_its_time():
    said = clicks()
    heard, _ = decoded(audio_uri(said))
    lags = range(-1_500, 1_501)
    inner = slice(2_000, len(said) - 2_000)
    likeness = [float(np.dot(said[inner], heard[inner.start + lag : inner.stop + lag])) for lag in lags]
    assert lags[int(np.argmax(likeness))] == 0
    assert max(likeness) / float(np.dot(said[inner], said[inner])) > 0.9


def test_the_next_lower_rate_would_shift_every_time():
    file = io.BytesIO()
    soundfile.write(file, clicks(), RATE, format="MP3", compression_level=COMPRESSION + 0.02, bitrate_mode="CONSTANT")
    file.seek(0)
    assert soundfile.info(file).frames != len(clicks())  # why COMPRESSION is what it is


def test_a_second_takes_about_seven_kilobytes_of_page():
    noise = np.random.default_rng(0).normal(0, 0.1, 10 * RATE)
    assert len(audio_uri(noise)) / 10 == pytest.approx(7_000, rel=0.05)


@pytest.mark.parametrize("samples", [np.zeros(0), np.zeros((2, 5))])
def test_what_cannot_be_played_is_an_error(samples):
    with pytest.raises(ValueError, match="cannot be played"):
        audio_uri(samples)


def test_nan_and_overload_are_played_as_silence_and_full_scale():
    heard, _ = decoded(audio_uri(np.array([np.nan, np.inf, 5.0, -5.0] * 400, dtype=np.float32)))
    assert np.isfinite(heard).all()


def test_sound_loads_only_when_asked_for():
    assert 'preload="none"' in word_player(clicks(), []) and "autoplay" not in word_player(clicks(), [])
    assert " autoplay " in word_player(clicks(), [], autoplay=True)


def test_labels_are_escaped():
    seen = []
    reader = HTMLParser()
    reader.handle_starttag = lambda tag, attributes: seen.append((tag, dict(attributes)))
    label = '" onplay="alert(1)"><img src=x onerror=alert(1)>'
    reader.feed(word_player(clicks(), [], label=label))
    [attributes] = [attributes for tag, attributes in seen if tag == "audio"]
    assert attributes["aria-label"] == label and "img" not in {tag for tag, _ in seen}
    assert attributes["onplay"] == asset("follow.js")


def test_words_are_buttons_with_their_times_in_reading_order():
    words = [{"word": "سلام", "start": 0.5, "end": 0.9, "confidence": 0.75}, {"word": "<b>", "start": 1.0, "end": 1.2}]
    markup = word_player(clicks(), words)
    buttons = re.findall(r'data-start="(.*?)" data-end="(.*?)" title="(.*?)">(.*?)</button', markup)
    assert re.findall(r'class="play" tabindex="(.*?)"', markup) == ["0", "-1"]  # the arrow keys go on from the first
    assert [b[3] for b in buttons] == ["سلام", "&lt;b&gt;"]
    assert buttons[0][:3] == ("0.470", "0.930", "0.50 to 0.90 s, confidence 0.75")
    assert 'dir="rtl"' in markup and "<b>" not in markup


def test_a_word_at_the_start_does_not_begin_before_the_recording():
    assert word_span(0.0, 0.2) == {"data-start": "0.000", "data-end": "0.230"}


def test_the_timeline_puts_words_where_they_are_heard():
    markup = word_player(clicks(2.0), [{"word": "کتاب", "start": 0.5, "end": 1.0}])
    assert 'style="left:25.00%;width:25.00%"' in markup
    assert re.findall(r">([\d.]+) s</span>", markup) == ["0", "0.5", "1", "1.5"]


@pytest.mark.parametrize("seconds", [0.05, 40.0])
def test_short_and_long_recordings_have_a_readable_scale(seconds):
    marks = re.findall(r'class="tick"', word_player(np.full(round(seconds * RATE), 0.1), []))
    assert 1 <= len(marks) <= 13


def test_a_file_is_read_with_its_name(tmp_path):
    path = tmp_path / "12.wav"
    soundfile.write(path, np.stack([clicks(), clicks()], axis=1), RATE)
    markup = read_player(path)
    assert 'aria-label="recording 12"' in markup
    heard, rate = decoded(re.search(r'src="(.*?)"', markup)[1])
    assert rate == RATE and len(heard) == len(clicks())


def test_a_bad_file_costs_one_row(tmp_path):
    (tmp_path / "bad.wav").write_text("not sound")
    for name in ("bad.wav", "missing.wav"):
        assert "no audio" in read_player(tmp_path / name)
        assert "the text" in beside_player(tmp_path / name, "the text")


def test_committed_markup_holds_no_sound():
    markup = word_player(clicks(), [{"word": "کتاب", "start": 0.5, "end": 1.0}]) + word_player(clicks(), [])
    bare = without_audio(markup)
    assert "<audio" not in bare and "base64" not in bare and "کتاب" in bare and bare.count("run the notebook") == 2
    assert "run the notebook" not in without_audio(clip_button(clicks(), "▶ 12", label="x"))


@pytest.fixture
def long(tmp_path):
    """A recording of 31.5 s at another rate, with a click in each half second."""
    path = tmp_path / "long.wav"
    soundfile.write(path, np.tile(np.repeat([0.3, 0.0], 2_000), 63), 8_000)
    return path


def seconds_of(markup: str) -> list[float]:
    return [len(decoded(uri)[0]) / RATE for uri in re.findall(r'src="(data:.*?)"', markup)]


def test_players_hold_thirty_seconds_and_say_so(long):
    samples = read_beginning(long)
    words = [{"word": "early", "start": 1.0, "end": 1.4}, {"word": "late", "start": 31.0, "end": 31.4}]
    rows = pd.DataFrame({"id": ["1"], "audio": [long.name], "transcript": ["x"], "seconds": [31.5]})
    made = {
        "file": read_player(long),
        "beside": beside_player(long, "x"),
        "words": word_player(samples, words),
        "clip": clip_button(samples, "▶ 1", label="x"),
        "table": utterance_table(rows, corpus_root=long.parent).html,
    }
    for name, markup in made.items():
        assert seconds_of(markup) == [PLAYER_SECONDS] and "the first 30 s" in markup, name
    assert re.findall(r"<button.*?>(.*?)</button>", made["words"]) == ["early"] and "late" in made["words"]
    assert word_span(30.0, 30.4) == {} and word_span(29.9, 30.4)
    short = word_player(samples[: 30 * RATE], words[:1])
    assert seconds_of(short) == [30] and "the first" not in short


def test_the_button_of_a_late_word_plays_that_word(long):
    words = [{"word": "late", "start": 31.0, "end": 31.4}]
    known = pd.DataFrame({"id": ["1"], "audio": [long.name], "words": [words]})
    frame = pd.DataFrame({"hypothesis": ["late", None], "examples": [["1"], ["1"]]})
    late, whole = with_players(frame, known, long.parent)["examples"]
    assert seconds_of(late.html) == [pytest.approx(0.75, abs=0.001)] and "the first" not in late.html  # with margins
    assert seconds_of(whole.html) == [PLAYER_SECONDS] and "the first 30 s" in whole.html


def test_a_long_recording_is_not_decoded_to_its_end(monkeypatch):
    def endless(path):
        for _ in range(100):
            yield np.zeros(RATE, dtype=np.int16)
        raise AssertionError("decoded on")

    monkeypatch.setattr(players, "read_blocks", endless)
    assert len(read_beginning("x")) == 31 * RATE
