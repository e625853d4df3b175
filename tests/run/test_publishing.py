"""What a run gives to others: a folder with a card that says what is known, a model and a corpus that load anywhere."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import datasets
import pandas as pd
import pytest
import soundfile
import torch
from finished_run import ABOUT, SPLITS, evaluated, finished_run
from huggingface_hub import DatasetCard, ModelCard
from stand_in_hub import log_in, on_another_machine, stand_in_hub
from tiny import tiny_model
from transformers import AutoModelForCTC

from asr_helpers.corpus.writing import write_corpus
from asr_helpers.decoding import Recogniser, transcribe_file
from asr_helpers.model.loading import load_for_ctc, load_trained
from asr_helpers.model.processor import load_processor
from asr_helpers.run.folder import MissingArtifact, Run, open_run
from asr_helpers.run.publishing import publish, publishable_corpus, publishable_model
from asr_helpers.run.training import start_training

BESIDE = {"README.md", "metrics.json", "report.html", "language_model/letters.arpa"}


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("finished")
    finished_run(folder)
    return folder


@pytest.fixture
def run(made: Path, tmp_path: Path) -> Run:
    shutil.copytree(made / "run", tmp_path / "run")
    return open_run(tmp_path / "run")


def files(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def test_the_folder_holds_the_model_and_what_is_known_of_it(run: Run):
    folder = publishable_model(run)
    model = files(run.path("model")) - {"lora/adapter_config.json"}  # of LoRA, the merged model
    assert {"model.safetensors", "vocab.json", "normalisation.json"} < model
    assert files(folder) == model | BESIDE | {"language_model/letters.weights.json"}  # of words no weights were found
    assert files(publishable_model(run, report=False)) == files(folder) - {"report.html"} | model


def test_programs_read_the_figures_with_their_intervals(run: Run):
    data = ModelCard.load(publishable_model(run, repository="me/urdu", licence="cc-by-4.0") / "README.md").data
    assert (data.language, data.license, data.model_name) == ("ur", "cc-by-4.0", "urdu")
    assert (data.library_name, data.pipeline_tag) == ("transformers", "automatic-speech-recognition")
    wer, cer, searched = data.eval_results
    assert (wer.metric_type, wer.metric_value, wer.dataset_split, wer.dataset_name) == (
        "wer",
        25.0,
        "test",
        "tones (a, b)",
    )
    assert wer.metric_args | {"low": 12.5, "high": 40.0, "level": 0.95, "drawn_by": "utterance"} == wer.metric_args
    assert (cer.metric_type, cer.metric_value) == ("cer", 10.0) and "low" not in cer.metric_args
    assert (searched.metric_type, searched.metric_value) == ("wer", 20.0) and "language model" in searched.metric_name


def test_people_read_what_it_is_and_is_not(run: Run, made: Path):
    card = (publishable_model(run, repository="me/urdu") / "README.md").read_text(encoding="utf-8")
    for said in (
        "recogniser for Urdu, fine-tuned from the folder `checkpoint`",
        "| words | in the model's spelling | 25.0 % | 12.5 % to 40.0 % | utterance |",
        "| characters | in the model's spelling | 10.0 % | too few to say |",
        "made of the training transcripts: WER 20.0 %",
        "| train | 6 | 0.00 | 2 |",
        "2 of the speakers of the test split are in training too",
        "best validation WER 25.0 % at step 4",
        "Nobody has said under which licence",
    ):
        assert said in card, said
    assert str(made) not in card and "synthetic" not in card
    corpus = run.read_json("corpus") | {"about": "synthetic speech"}
    run.write_json("corpus", corpus)
    assert "**Its speech is synthetic**" in (publishable_model(run) / "README.md").read_text(encoding="utf-8")


def test_figures_of_another_model_are_not_in_the_card(run: Run):
    run.write_model(tiny_model(seed=6), load_processor(run.path("processor")))
    run.record("04", parameters=run.manifest["04"]["parameters"], artifacts=["model", "training_log"])
    folder = publishable_model(open_run(run.folder))
    card = (folder / "README.md").read_text(encoding="utf-8")
    assert "It has not been tested yet. On the validation split" in card and "model-index" not in card
    assert files(folder) == files(run.path("model")) | {"README.md"}
    evaluated(run)
    assert "25.0 %" in (publishable_model(open_run(run.folder)) / "README.md").read_text(encoding="utf-8")


def test_without_a_model_it_names_the_notebook(run: Run):
    shutil.rmtree(run.path("model"))
    with pytest.raises(MissingArtifact, match="model is missing: run notebook 04_training"):
        publishable_model(run)
    assert not (run.folder / "published" / "model").exists()


def test_the_lines_of_the_card_write_what_our_command_writes(run: Run, made: Path, tmp_path: Path, monkeypatch, capsys):
    """Plain transformers, as a stranger types it, with the folder in the place of the repository."""
    folder = publishable_model(run)
    [lines] = re.findall(r"```python\n(.*?)```", (folder / "README.md").read_text(encoding="utf-8"), re.S)
    monkeypatch.chdir(tmp_path)
    shutil.copyfile(made / "tones" / "test-2-0.wav", "recording.wav")
    exec(lines, {})
    ours = transcribe_file("recording.wav", Recogniser.load(folder)).hypothesis.text
    assert ours and capsys.readouterr().out.strip() == ours


def test_a_run_starts_on_another_machine_from_what_was_pushed(run: Run, made: Path, tmp_path: Path, monkeypatch):
    with stand_in_hub(monkeypatch, tmp_path / "here" / "cache") as hub:
        assert publish(run, "me/urdu").endswith("/me/urdu (private)")
        assert set(hub.repositories["models/me/urdu"].files) >= BESIDE
        on_another_machine(monkeypatch, tmp_path / "there" / "cache")
        processor = load_processor(run.path("processor"))
        begun = load_for_ctc("me/urdu", processor=processor, head_seed=1, keep_head=True)
        left = AutoModelForCTC.from_pretrained(run.path("model"))
        assert torch.equal(begun.lm_head.weight, left.lm_head.weight)
        (tmp_path / "next").mkdir()
        for name in ("processor", "dataset"):
            shutil.copytree(run.path(name), tmp_path / "next" / name)
        following = open_run(tmp_path / "next")
        for number, name in (("02", "processor"), ("03", "dataset")):
            following.record(number, parameters=run.manifest[number]["parameters"], artifacts=[name])
        parameters = {"checkpoint": "me/urdu", "max_steps": 1, "evaluations": 1, "precision": "fp32"}
        training = start_training(following, parameters)
        assert len(training.kept_outputs) == len(processor.tokenizer)
        assert torch.equal(training.model.lm_head.weight, left.lm_head.weight)
        assert training.fit().steps == 1
        log_in(monkeypatch, None)
        on_another_machine(monkeypatch, tmp_path / "stranger" / "cache")
        with pytest.raises(OSError, match="hf auth login"):
            load_trained("me/urdu")


def test_the_corpus_loads_with_its_splits_and_the_recordings_as_they_were(run: Run, made: Path, tmp_path: Path):
    folder = publishable_corpus(run, repository="me/tones", licence="cc0-1.0")
    loaded = datasets.load_dataset(str(folder), cache_dir=str(tmp_path / "cache"))
    assert {split: len(rows) for split, rows in loaded.items()} == SPLITS
    assert isinstance(loaded["test"].features["audio"], datasets.Audio)
    utterances = pd.read_parquet(run.path("utterances")).set_index("id")
    for split, rows in loaded.items():
        for row in rows.cast_column("audio", datasets.Audio(decode=False)):
            known = utterances.loc[row["id"]]
            assert (known["split"], known["transcript"], known["speaker"]) == (
                split,
                row["transcription"],
                row["speaker"],
            )
            assert row["audio"]["bytes"] == (made / "tones" / known["audio"]).read_bytes() and row["room"] == "hall"
            assert row["text"] == known["transcript"] and row["audio"]["path"] == f"{row['id']}.wav"
    card = DatasetCard.load(folder / "README.md")
    assert (card.data.language, card.data.license, card.data.pretty_name) == ("ur", "cc0-1.0", "tones")
    assert ABOUT in card.text and 'load_dataset("me/tones")' in card.text


def test_a_large_corpus_goes_into_several_files(run: Run, made: Path, tmp_path: Path):
    utterances = pd.read_parquet(run.path("utterances")).assign(text="")
    size = max(soundfile.info(made / "tones" / audio).frames * 2 for audio in utterances["audio"])
    write_corpus(utterances, made / "tones", tmp_path / "data", shard_bytes=2 * size)
    names = sorted(path.name for path in (tmp_path / "data").iterdir())
    trained = [name for name in names if name.startswith("train-")]
    assert len(trained) > 1 and trained[0] == f"train-00000-of-{len(trained):05d}.parquet"
    found = datasets.load_dataset("parquet", data_dir=str(tmp_path / "data"), cache_dir=str(tmp_path / "cache"))
    assert found["train"]["id"] == utterances.loc[utterances["split"] == "train", "id"].tolist()


def test_the_corpus_is_pushed_as_a_dataset(run: Run, tmp_path: Path, monkeypatch):
    from asr_helpers.model.upload import upload

    folder = publishable_corpus(run, repository="me/tones")
    with stand_in_hub(monkeypatch, tmp_path / "cache") as hub:
        upload(folder, "me/tones", kind="dataset")
        assert set(hub.repositories["datasets/me/tones"].files) == files(folder)
    assert json.loads((run.folder / "corpus.json").read_text())["about"] == ABOUT
