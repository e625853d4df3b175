"""``transcribe`` as a person types it: what is written where, what is skipped, what a bad file does."""

import io
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import soundfile

from asr_helpers.__main__ import main
from asr_helpers.commands import recordings
from asr_helpers.commands.recordings import ARGUMENT_FORMATS
from asr_helpers.decoding.export import FORMATS
from asr_helpers.decoding.language_model import estimate, write_arpa

ROOT = Path(__file__).resolve().parents[2]


def transcribe(model, *arguments) -> int:
    return main(["transcribe", "--model", str(model), *map(str, arguments)])


def test_one_recording_gives_its_text_and_several_their_names_too(model, tapes, capsys):
    assert transcribe(model, tapes / "a.wav") == 0
    text = capsys.readouterr().out
    assert text.strip() and text.count("\n") == 1
    assert transcribe(model, tapes) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == f"{tapes / 'a.wav'}\t{text.strip()}"
    assert lines[1].startswith(f"{tapes / 'day 2' / 'b.flac'}\t")


@pytest.mark.parametrize("form", ARGUMENT_FORMATS)
def test_every_format_is_written_beside_and_not_a_second_time(form, model, tapes, capsys):
    assert transcribe(model, tapes, "--format", form, "--beside") == 0
    assert capsys.readouterr().err == "2 files written beside the recordings\n"
    written = [tapes / f"a{FORMATS[form].suffix}", tapes / "day 2" / f"b{FORMATS[form].suffix}"]
    assert all(file.stat().st_size for file in written)
    written[0].write_text("corrected by hand")
    assert transcribe("no model is needed", tapes, "--format", form, "--beside") == 0
    assert written[0].read_text() == "corrected by hand"
    assert "2 of 2 files there already" in capsys.readouterr().err
    assert transcribe(model, tapes, "--format", form, "--beside", "--again") == 0
    assert written[0].read_text(encoding="utf-8") != "corrected by hand"


def test_a_bad_file_is_named_with_its_fix_and_the_others_are_done(model, tapes, capsys):
    (tapes / "bad.wav").write_text("not audio at all", encoding="utf-8")
    opposite = np.random.default_rng(0).normal(0, 0.1, 16_000)
    soundfile.write(tapes / "cancel.wav", np.stack([opposite, -opposite], axis=1), 16_000)
    assert transcribe(model, tapes, tapes / "missing.wav") == 1
    told = capsys.readouterr()
    assert len(told.out.splitlines()) == 2
    bad, cancel, missing, count = told.err.splitlines()
    assert "bad.wav: the file is text" in bad and "convert or export" in bad
    assert "cancel.wav: the mix of its channels is silent" in cancel and "set channel to 0 or 1" in cancel
    assert "missing.wav: no such file; correct the name" in missing
    assert count == "3 of 5 recordings could not be transcribed"
    assert transcribe(model, tapes / "cancel.wav", "--channel", 1) == 0


def test_standard_input_is_a_recording(model, tapes, capsys, monkeypatch):
    transcribe(model, tapes / "a.wav")
    text = capsys.readouterr().out
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO((tapes / "a.wav").read_bytes())))
    assert transcribe(model, "-") == 0
    assert capsys.readouterr().out == text
    monkeypatch.setattr(recordings.sys, "stdin", SimpleNamespace(buffer=io.BytesIO()))
    assert transcribe(model, "-") == 1
    assert capsys.readouterr().err.startswith("standard input: the file is empty")


def test_several_documents_do_not_go_into_one_stream(model, tapes, capsys):
    assert transcribe(model, tapes, "--format", "elan") == 1
    assert "2 recordings as elan do not fit one stream; give them a folder (--out)" in capsys.readouterr().err


def test_beam_search_takes_a_language_model_of_others_and_says_what_it_cannot_write(model, tapes, tmp_path, capsys):
    pytest.importorskip("flashlight.lib.text")
    texts = [["اب", "تپ"], ["پاپ", "باٹ", "کتاب"], ["ٹاٹ"]]
    arpa = write_arpa(estimate(texts, order=2), tmp_path / "3gram.lm")
    assert transcribe(model, tapes / "a.wav", "--language-model", arpa) == 0
    told = capsys.readouterr()
    assert told.out.split() and set(told.out.split()) <= {"اب", "تپ", "پاپ", "باٹ", "ٹاٹ"}
    assert "1 of 6 words of" in told.err and "کتاب" in told.err
    arpa = write_arpa(estimate([["guten", "tag"]], order=2), tmp_path / "german.arpa")
    assert transcribe(model, tapes / "a.wav", "--language-model", arpa) == 1
    assert "german.arpa is of another language than the model" in capsys.readouterr().err


@pytest.mark.parametrize("encoding", ["cp1252", "utf-16"])
def test_what_is_redirected_is_utf8_whatever_the_system_writes(encoding, model, tapes):
    command = [sys.executable, "-m", "asr_helpers", "transcribe", "--model", str(model), str(tapes / "a.wav")]
    done = subprocess.run(command, capture_output=True, cwd=ROOT, env=os.environ | {"PYTHONIOENCODING": encoding})
    assert (done.returncode, done.stderr) == (0, b"")
    assert set(done.stdout.decode("utf-8").strip()) <= set("ابپتٹ []UNK")
