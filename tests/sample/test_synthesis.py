import numpy as np
import pytest

from asr_helpers.sample.synthesis import NATIVE_RATE, Line, Voice, speak, speak_lines

SHORT = "کتاب"
LONG = "کتاب میز پر رکھی ہے اور قلم دراز میں"


def test_more_words_take_longer_and_a_faster_voice_is_shorter():
    lines = [(SHORT, 150), (LONG, 150), (LONG, 220)]
    short, long, fast = (speak(Line(text, Voice("m3", rate=rate))) for text, rate in lines)
    assert short.dtype == np.int16 and short.ndim == 1
    assert 0.3 < len(short) / NATIVE_RATE < 2
    assert len(long) > 2 * len(short)
    assert len(fast) < 0.85 * len(long)


def test_a_gap_sets_the_words_apart():
    together, apart = (len(speak(Line(LONG, Voice("m3", word_gap=gap)))) / NATIVE_RATE for gap in (0, 3))
    gaps = len(LONG.split()) - 1
    assert 0.04 * gaps < apart - together < 0.09 * gaps


def test_the_same_script_gives_the_same_samples_whatever_the_number_of_processes():
    voices = (Voice("m3"), Voice("f2", pitch=60), Voice("klatt2"))
    lines = [Line(f"{LONG} {number}", voices[number % 3]) for number in range(70)]  # more than one process's block
    one = list(speak_lines(lines, workers=1))
    two = list(speak_lines(lines, workers=2))
    assert len(one) == len(two) == 70
    assert all(np.array_equal(a, b) for a, b in zip(one, two, strict=True))
    assert not np.array_equal(one[0][:1000], one[1][:1000])


def test_an_unknown_voice_and_an_empty_text_are_named():
    with pytest.raises(ValueError, match=r"no voice 'ur\+nobody'"):
        speak(Line(SHORT, Voice("nobody")))
    with pytest.raises(ValueError, match="empty"):
        speak(Line("", Voice("m3")))


def test_a_failing_process_is_an_error_with_its_reason():
    with pytest.raises(RuntimeError, match="nobody"):
        list(speak_lines([Line(SHORT, Voice("nobody"))]))
