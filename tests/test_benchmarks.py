"""The benchmarks run and mean what they say: on a tiny model and noise, whose figures nobody quotes."""

import json
import sys
from itertools import pairwise

import bench_tables
import cells
import convergence
import corpora
import frozen
import ladder
import measuring
import numpy as np
import original_recipe as original
import pandas as pd
import pytest
import side_by_side
import soundfile
import throughput
import torch
from tiny import VOCAB, tiny_model, tiny_processor

from asr_helpers.corpus import read_corpus
from asr_helpers.dataset.collator import Collator


@pytest.fixture
def clips(tmp_path):
    """Two recordings as PRUS might have them: one at 16 kHz with two channels, one at another rate."""
    rng = np.random.default_rng(0)
    soundfile.write(tmp_path / "1.wav", rng.normal(0, 0.1, (16_000, 2)), 16_000)
    soundfile.write(tmp_path / "2.wav", rng.normal(0, 0.1, 11_025), 22_050)
    return pd.DataFrame({"audio": ["1.wav", "2.wav"], "text": ["اب", "با ب"]})


@pytest.fixture
def processor(tmp_path):
    return tiny_processor(tmp_path / "processor")


def test_the_original_prepares_lists_of_floats(clips, processor, tmp_path):
    rows = original.prepare(clips, root=tmp_path, processor=processor, cache=tmp_path / "cache")
    assert rows.features["input_values"].feature.dtype.startswith("float")
    assert [row["input_length"] for row in rows] == [16_000, 8_000]
    for row in rows:
        assert np.mean(row["input_values"]) == pytest.approx(0, abs=1e-3)
        assert np.var(row["input_values"]) == pytest.approx(1, abs=1e-3)
    first, _ = soundfile.read(tmp_path / "1.wav", dtype="int16")
    assert np.corrcoef(rows[0]["input_values"], first[:, 0])[0, 1] > 0.999
    assert rows[1]["labels"] == [VOCAB[c] for c in "با|ب"]


def test_its_batches_are_those_of_this_projects_collator(clips, processor, tmp_path):
    rows = original.prepare(clips, root=tmp_path, processor=processor, cache=tmp_path / "cache")
    theirs = original.PaddingCollator(processor)([rows[0], rows[1]])
    audio = [np.array(soundfile.read(tmp_path / "1.wav", dtype="int16")[0][:, 0])]
    ours = Collator.of(processor)([{"audio": audio[0], "labels": rows[0]["labels"]}])
    assert theirs["labels"].tolist() == [[*rows[0]["labels"], -100, -100], rows[1]["labels"]]
    assert torch.allclose(theirs["input_values"][0], ours["input_values"][0], atol=1e-3)
    assert theirs["attention_mask"].sum(-1).tolist() == [16_000, 8_000]


def test_group_norm_checkpoints_get_no_mask_from_it(processor):
    model = tiny_model()
    assert original.processor_for(model, processor).feature_extractor.return_attention_mask
    model.config.feat_extract_norm = "group"
    assert not original.processor_for(model, processor).feature_extractor.return_attention_mask
    assert processor.feature_extractor.return_attention_mask  # a copy was changed


def test_the_work_of_a_linear_layer_is_counted_by_hand():
    class Output(torch.nn.Module):
        device = torch.device("cpu")

        def __init__(self) -> None:
            super().__init__()
            self.layer = torch.nn.Linear(100, 10, bias=False)

        def forward(self, samples, attention_mask):
            self.logits = self.layer(samples.reshape(-1, 100))
            return self

    rows = 16_000 / 100  # of one second; a product forward, and one backward, since the samples need no gradient
    assert measuring.flops_per_second(Output(), seconds=2.0) == 2 * (2 * rows * 100 * 10)


@pytest.mark.parametrize(("device", "fast"), [("cpu", True), ("cpu", False), ("cuda", True), ("cuda", False)])
def test_the_ladder_has_only_rungs_that_mean_something(device, fast, monkeypatch):
    monkeypatch.setattr(ladder, "has_fast_bf16", lambda device: fast)
    rungs = ladder.variants(torch.device(device))
    assert [rungs[0].name, rungs[-1].name] == ["original", "this project's trainer"] and rungs[0].settings == {}
    assert ("plain attention on a CPU" in {rung.name for rung in rungs}) == (device == "cpu")
    assert any((rung.settings or {}).get("bf16") for rung in rungs) == fast
    assert rungs[-1].settings is None


def test_padding_share_counts_by_hand():
    assert measuring.padding_share([1.0, 2.0, 4.0], [[0, 1], [2]]) == pytest.approx(1 / 8)
    assert measuring.padding_share([], []) == 0


def test_a_table_is_markdown():
    assert bench_tables.markdown([{"a": 1, "b": "x"}, {"a": 2, "b": "y"}]).splitlines() == [
        "| a | b |",
        "| --- | --- |",
        "| 1 | x |",
        "| 2 | y |",
    ]


@pytest.mark.slow
def test_peak_memory_is_that_of_the_training(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["throughput.py", "--size", "tiny", "--peak-of", "this project's trainer"])
    throughput.main()
    assert 0 < json.loads(capsys.readouterr().out.splitlines()[-1])["peak"] < 1e9


@pytest.mark.slow
def test_convergence_reads_both_at_the_same_numbers_of_examples(tmp_path, monkeypatch):
    monkeypatch.setattr(convergence, "sample_corpus", lambda: corpora.noise_corpus("tiny", tmp_path))
    monkeypatch.setattr(sys, "argv", ["convergence.py", "--epochs", "2", "--out", str(tmp_path / "convergence")])
    convergence.main()
    readings = json.loads((tmp_path / "convergence.json").read_text())["readings"]
    seen = [[reading["examples"] for reading in readings[name]] for name in convergence.RECIPES]
    assert seen[1:] == [[32, 36, 68, 72], [8, 16, 24, 32, 36, 44, 52, 60, 68, 72]]  # fewer steps than readings
    assert seen[0] == [16, 32, 36, 52, 68, 72]
    for run in readings.values():
        assert all(a["seconds"] < b["seconds"] for a, b in pairwise(run))
        assert all(r["wer"] >= 0 and 0 <= r["blank_share"] <= 1 for r in run)
    assert readings["original"][0]["learning_rate"] < 1e-6  # in the long warmup
    assert (tmp_path / "convergence.png").stat().st_size > 10_000


def test_how_soon_a_recipe_learns_is_told():
    runs = {
        name: [convergence.Reading(100 * i, 5.0 * i, 1e-4, rate, 0.1, 0.5) for i, rate in enumerate(rates, start=1)]
        for name, rates in {"a": [1.0, 0.31, 0.3], "b": [1.0, 1.0, 0.9], "c": [0.2, 0.5, 0.4]}.items()
    }
    assert convergence.learnt(runs).splitlines()[-3:] == [
        "| a | 300 | 1.00 |",
        "| b | never |  |",
        "| c | 100 | 0.33 |",
    ]


@pytest.mark.slow
def test_recipes_are_measured_side_by_side(monkeypatch, capsys):
    found = {}
    for name in side_by_side.RECIPES:
        given = ("--size", "tiny", "--clips", "12", "--measure", name)
        monkeypatch.setattr(sys, "argv", ["side_by_side.py", *given])
        side_by_side.main()
        found[name] = [json.loads(capsys.readouterr().out.splitlines()[-1])]
    assert all(value > 0 for (one,) in found.values() for value in one.values())
    student, example, own = (one["bytes"] for (one,) in found.values())
    assert 0.4 < example / student < 0.6 and 0.2 < own / student < 0.35  # floats of 8 and of 4 bytes; 16 bits
    assert side_by_side.table(found).splitlines()[2].startswith("| original | 1.00 | 1.00 | ")


def test_a_notebooks_cells_are_measured(tmp_path, monkeypatch):
    corpus = read_corpus(cells.make_corpus(tmp_path / "corpus", 40))
    assert len(corpus.rows) == 40 and corpus.rows["transcript"].duplicated().any() and not corpus.problems
    book = [
        (["parameters"], "many = 1"),
        ([], "# once more\nheld = bytearray(many * 10**8)\nheld[::4096] = held[::4096]"),
    ]
    monkeypatch.setattr(cells, "code_cells", lambda notebook: book)
    first, second = cells.run_cells("01", {"many": 2, "other": 3})
    assert second["cell"] == "held = bytearray(many * 10**8)" and second["peak_bytes"] >= first["peak_bytes"] > 0
    second |= {"cpu_s": 1.26, "peak_bytes": 2e9}
    lines = cells.table({"40 rows": [first, second]}).splitlines()[2:]
    told = "| all of 01_data_inspection; its most memory | 1 s; 2.00 GB |"
    assert lines == ["| `held = bytearray(many * 10**8)` | 1.3 s |", told]


def test_frozen_layers_are_compared_with_the_whole_model(tmp_path, monkeypatch, capsys):
    out = tmp_path / "frozen.json"
    given = ("--size", "tiny", "--clips", "8", "--rounds", "1", "--out", str(out))
    monkeypatch.setattr(sys, "argv", ["frozen.py", *given])
    frozen.main()
    (row,) = json.loads(out.read_text())["frozen"]
    assert row["top"] == row["frozen_layers"] == 1
    for way, share in row["ratio"].items():
        assert share == row["seconds"]["stored"][0] / row["seconds"][way][0]
    assert row["bytes_an_hour"]["fp32"] == 32 * 4 * 50 * 3600  # values, bytes, frames a second
    assert row["stored_differs"]["fp32"] < 1e-5 < row["stored_differs"]["bf16"] < 0.02
    assert "| 1 |" in capsys.readouterr().out
