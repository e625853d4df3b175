"""``export`` as a person types it: onnx and onnxruntime read its files, and its table says what they are worth."""

from __future__ import annotations

import io
import json
import re
import shutil
import sys
from contextlib import redirect_stdout

import numpy as np
import onnx
import onnxruntime
import pandas as pd
import pytest
import torch
from finished_run import SPLITS, finished_run
from shapes import model_of
from tiny import VOCAB, collate, tiny_rows
from transformers import AutoModelForCTC

from asr_helpers.__main__ import main
from asr_helpers.decoding import Recogniser, transcribe_file

ROWS = tiny_rows(5, longest=12)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A run whose model has wav2vec2-base's shape: its group norm is what padding harms."""
    model = model_of("wav2vec2-base", vocab_size=len(VOCAB), num_hidden_layers=1)
    return finished_run(tmp_path_factory.mktemp("finished"), model=model)


@pytest.fixture(scope="module")
def exported(made):
    """The folder, and what the command printed."""
    with redirect_stdout(io.StringIO()) as printed:
        assert main(["export", str(made.folder)]) == 0
    return made.folder / "onnx", printed.getvalue()


def logits(file, rows):
    batch = collate(rows)
    given = {name: batch[name].numpy() for name in ("input_values", "attention_mask")}
    return onnxruntime.InferenceSession(file).run(["logits"], given)[0]


@pytest.fixture(scope="module")
def expected(made):
    """The logits that plain transformers gives to each clip alone."""
    model = AutoModelForCTC.from_pretrained(made.path("model")).eval()
    with torch.no_grad():
        return [model(collate([row])["input_values"]).logits[0].numpy() for row in ROWS]


@pytest.mark.parametrize("rows", [slice(0, 5), slice(0, 1), slice(3, 5)])
def test_a_padded_batch_of_any_size_gives_what_each_clip_has_alone(rows, exported, expected):
    for got, want in zip(logits(exported[0] / "model.onnx", ROWS[rows]), expected[rows], strict=True):
        assert np.abs(want).max() > 0.5 and np.abs(got[: len(want)] - want).max() < 1e-4


def test_int8_is_smaller_and_near(exported, expected):
    whole, small = exported[0] / "model.onnx", exported[0] / "model_int8.onnx"
    onnx.checker.check_model(onnx.load(whole), full_check=True)
    kinds = {node.op_type for node in onnx.load(small).graph.node}
    assert small.stat().st_size < whole.stat().st_size
    assert "MatMulInteger" in kinds and "ConvInteger" not in kinds
    for row, want in zip(ROWS, expected, strict=True):
        assert np.corrcoef(logits(small, [row])[0].ravel(), want.ravel())[0, 1] > 0.95


def test_the_table_is_printed_kept_and_in_the_card(exported):
    folder, printed = exported
    table = pd.read_csv(folder / "comparison.csv", encoding="utf-8-sig").set_index("model")
    assert list(table.index) == ["original", "ONNX", "int8"]
    assert table["speed"].gt(0).all() and table.loc["int8", "megabytes"] < table.loc["ONNX", "megabytes"]
    assert table.loc["ONNX", "wer"] == table.loc["original", "wer"] and table.loc["ONNX", "other_texts"] == 0
    assert table.loc["original", "padded"] < 1e-3 and table.loc["ONNX", "padded"] < 1e-3 < table.loc["int8", "padded"]
    card = (folder / "README.md").read_text(encoding="utf-8")
    lines = [line for line in printed.splitlines() if line.startswith("|")]
    assert len(lines) == 5 and all(line in card for line in lines)
    assert f"on {SPLITS['test']} utterances of the test split" in card
    assert "`model.onnx`: padded batches are exact." in card and "`model_int8.onnx`: its activations share" in card


def test_the_lines_of_the_card_read_a_recording(made, exported, monkeypatch, capsys):
    folder = exported[0]
    assert not list(folder.glob("*.safetensors")) and (folder / "normalisation.json").is_file()
    [code] = re.findall(r"```python\n(.*?)```", (folder / "README.md").read_text(encoding="utf-8"), re.S)
    shutil.copyfile(made.folder.parent / "tones" / "test-2-0.wav", folder / "recording.wav")
    monkeypatch.chdir(folder)
    exec(code.replace("model_int8.onnx", "model.onnx"), {})
    ours = transcribe_file("recording.wav", Recogniser.load(made.path("model"))).hypothesis.text
    assert ours and capsys.readouterr().out.strip() == ours


@pytest.mark.parametrize(("place", "same"), [("", True), ("model.onnx", True), ("model_int8.onnx", False)])
def test_the_other_commands_hear_with_what_was_exported(place, same, made, exported, tmp_path, capsys):
    recording = str(made.folder.parent / "tones" / "test-2-0.wav")
    heard = []
    for model in (made.path("model"), exported[0] / place):
        assert main(["transcribe", "--model", str(model), "--format", "json", recording]) == 0
        heard.append(json.loads(capsys.readouterr().out))
    assert heard[1]["text"] and (heard[0]["text"] == heard[1]["text"] or not same)
    assert not same or heard[1]["confidence"] == pytest.approx(heard[0]["confidence"], abs=1e-3)


def test_what_is_no_exported_model_says_so(exported, tmp_path, capsys):
    folder = shutil.copytree(exported[0], tmp_path / "onnx")
    (folder / "model.onnx").write_bytes((folder / "model.onnx").read_bytes()[:1000])
    shape = onnx.helper.make_tensor_value_info("input_values", onnx.TensorProto.FLOAT, ["batch", "samples"])
    node = onnx.helper.make_node("Identity", ["input_values"], ["logits"])
    out = onnx.helper.make_tensor_value_info("logits", onnx.TensorProto.FLOAT, ["batch", "samples"])
    graph = onnx.helper.make_graph([node], "others", [shape], [out])
    onnx.save(onnx.helper.make_model(graph, ir_version=10), folder / "others.onnx")
    for place, told in (
        ("", "onnxruntime cannot read .*; export the run again"),
        ("others.onnx", "it turns input_values to logits; give a file that `export` wrote"),
        ("none.onnx", "there is no folder .*none.onnx .*; correct the path"),
    ):
        assert main(["transcribe", "--model", str(folder / place), "x.wav"]) == 1
        assert re.search(told, capsys.readouterr().err)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["nowhere"], "there is no run folder nowhere"),
        (["{run}", "--utterances", "0"], "--utterances is 0; give 1 or more"),
    ],
)
def test_what_cannot_be_exported_is_one_sentence(arguments, told, made, capsys):
    assert main(["export", *(argument.format(run=made.folder) for argument in arguments)]) == 1
    assert told in capsys.readouterr().err


@pytest.mark.parametrize("package", ["onnx", "onnxruntime", "onnxscript"])
def test_a_missing_package_is_named_with_the_extra_before_anything_is_done(package, made, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, package, None)
    assert main(["export", str(made.folder)]) == 1
    assert re.match(rf"exporting needs {package}, .*: pip install -e '\.\[export\]'\n$", capsys.readouterr().err)
