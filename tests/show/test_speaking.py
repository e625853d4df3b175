"""A recording out of the browser, however it arrives, is heard and shown; whatever goes wrong is said."""

import base64
import io
from types import SimpleNamespace

import ipywidgets as widgets
import numpy as np
import pytest
import soundfile

from asr_helpers.audio import read_audio
from asr_helpers.show.speaking import heard, microphone


def wav(seconds: float = 1.0) -> bytes:
    file = io.BytesIO()
    soundfile.write(file, np.full(round(16_000 * seconds), 0.1), 16_000, format="WAV")
    return file.getvalue()


def said(*words: tuple[str, float]) -> SimpleNamespace:
    rows = [{"word": w, "start": end - 0.5, "end": end, "confidence": 0.5} for w, end in words]
    return SimpleNamespace(text=" ".join(w for w, _ in words), confidence=0.25, rows=lambda: rows)


@pytest.fixture
def spoken():
    """The widget, where a recording arrives, the control for a file, and where the answer stands."""
    (row, result) = (whole := microphone(lambda file: said(("یہ", len(read_audio(file)[0]) / 16_000)))).children
    _, upload, box = row.children
    return whole, box, upload, result


def test_a_recording_is_heard_when_it_arrives_and_makes_room_for_the_next(spoken):
    whole, box, _, result = spoken
    assert "asr-microphone" in whole._dom_classes and box.layout.display == "none" and result.value == ""
    for seconds in (1.0, 2.0):
        box.value = "data:audio/wav;base64," + base64.b64encode(wav(seconds)).decode()
        assert f"{seconds:.2f} s" in result.value and "confidence 0.25" in result.value and box.value == ""


FILES = {
    7: {"a.wav": {"metadata": {"name": "a.wav"}, "content": wav()}},
    8: ({"name": "a.wav", "content": memoryview(wav())},),
}


@pytest.mark.parametrize("version", FILES)
def test_a_file_is_heard_whatever_ipywidgets_makes_of_it(spoken, version):
    _, _, upload, result = spoken
    assert isinstance(upload, widgets.FileUpload)
    upload.notify_change({"name": "value", "type": "change", "owner": upload, "old": (), "new": FILES[version]})
    assert "1.00 s" in result.value


@pytest.mark.parametrize("sent", [b"<b>no sound", b"", wav()[:40]])
def test_what_cannot_be_heard_is_said_without_a_path(spoken, sent):
    _, box, _, result = spoken
    box.value = "data:audio/wav;base64," + base64.b64encode(sent).decode()
    assert "the recording: " in result.value and "/tmp" not in result.value and "<b>no" not in result.value


def test_what_the_model_cannot_do_is_said():
    def out_of_memory(file):
        raise RuntimeError("out of memory <script>")

    whole = microphone(out_of_memory)
    whole.children[0].children[2].value = "data:audio/wav;base64," + base64.b64encode(wav()).decode()
    assert "out of memory &lt;script&gt;" in whole.children[1].value


def test_silence_has_no_words_and_a_long_recording_more_than_its_player(tmp_path):
    (tmp_path / "a.wav").write_bytes(wav(40))
    assert "In a.wav no word was recognised" in str(heard(tmp_path / "a.wav", said(), name="a.wav"))
    shown = heard(tmp_path / "a.wav", said(("early", 1.0), ("late", 39.0)))
    assert shown.html.count('class="play"') == 1 and "39.00 s" in shown.html and "early late" in shown.text
