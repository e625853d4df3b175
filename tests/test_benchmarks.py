"""The benchmarks run and mean what they say: on a tiny model and noise, whose figures nobody quotes."""

import json
import sys
from itertools import pairwise

import bench_tables
import convergence
import corpora
import frozen
import gpu_check
import ladder
import measuring
import numpy as np
import original_recipe as original
import pandas as pd
import pytest
import soundfile
import throughput
import torch
from tiny import VOCAB, tiny_model, tiny_processor

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
def test_throughput_measures_all_three_parts(tmp_path, monkeypatch, capsys):
    out = tmp_path / "throughput.json"
    monkeypatch.setattr(throughput, "TRAINED_EPOCHS", 1)
    monkeypatch.setattr(sys, "argv", ["throughput.py", "--size", "tiny", "--rounds", "1", "--out", str(out)])
    throughput.main()
    results = json.loads(out.read_text())
    preparing, training, evaluation = (results[part] for part in ("preprocessing", "training", "evaluation"))
    assert preparing["original"]["speedup"] == preparing["original"]["bytes_ratio"] == 1
    assert 0 < preparing["project"]["bytes_ratio"] < 0.3
    assert training[0]["variant"] == "original" and training[0]["speedup"] == 1
    assert training[-1]["variant"] == "this project's trainer"
    for before, row in zip([training[0], *training], training, strict=False):
        assert row["speedup"] == pytest.approx(training[0]["seconds"][0] / row["seconds"][0])
        assert row["brought"] == pytest.approx(before["seconds"][0] / row["seconds"][0])
        assert 0 <= row["padding_share"] < 0.5 and 0 < row["matrix_rate_share"] < 1
    assert evaluation[1]["way"] == "batches, fp32"
    assert evaluation[1]["hypotheses_that_differ"] <= 1  # two letters as likely as each other may fall either way
    assert evaluation[1]["wer"] == pytest.approx(evaluation[0]["wer"], abs=0.1)
    said = capsys.readouterr().out
    assert all(f"| {part} |" in said for part in ("preprocessing", "training", "evaluation"))
    assert all(value >= 0 for value in gpu_check._ladder(out).values())


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
    seen = [[reading["examples"] for reading in readings[name]] for name in ("original", "project")]
    assert seen == [[16, 32, 36, 52, 68, 72], [8, 16, 24, 32, 36, 44, 52, 60, 68, 72]]  # fewer steps than readings
    for run in readings.values():
        assert all(a["seconds"] < b["seconds"] for a, b in pairwise(run))
        assert all(r["wer"] >= 0 and 0 <= r["blank_share"] <= 1 for r in run)
    assert readings["original"][0]["learning_rate"] < 1e-6  # in the long warmup
    assert (tmp_path / "convergence.png").stat().st_size > 10_000


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
