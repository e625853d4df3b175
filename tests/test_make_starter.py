"""The starter's training: letters beside phones, and a training that goes on where it was killed."""

import json
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from transformers import Wav2Vec2Config, Wav2Vec2ForCTC

ROOT = Path(__file__).resolve().parents[1]
SAID = [("kɪtab", "کتاب", "ur"), ("ala", "aala", "ur"), ("bʊk", "", "en"), ("hɛ|na", "ہے|نہ", "ur (synthetic)")]
WIDTHS = {"hidden_size": 32, "intermediate_size": 64, "num_attention_heads": 2, "conv_dim": (8, 8, 8, 8)}


@pytest.fixture(scope="module")
def maker():
    sys.path.insert(0, str(ROOT / "scripts"))
    import make_starter_people

    yield make_starter_people
    sys.path.remove(str(ROOT / "scripts"))


@pytest.fixture
def work(tmp_path):
    """Eight clips of noise on each side, two of every line of SAID."""
    rng = np.random.default_rng(0)
    clips = [rng.integers(-9000, 9000, 12_000 + 500 * i).astype(np.int16) for i in range(8)]
    rows = [(None, "a", language, phones, letters) for phones, letters, language in SAID * 2]
    table = pd.DataFrame(rows, columns=["path", "speaker", "language", "phones", "letters"])
    for side in ("train", "held_out"):
        (tmp_path / side).mkdir()
        np.concatenate(clips).tofile(tmp_path / side / "audio.i16")
        table.assign(end=np.cumsum([len(c) for c in clips])).to_parquet(tmp_path / side / "clips.parquet")
    phones = sorted(set("".join(phones for phones, *_ in SAID)))
    (tmp_path / "phones.json").write_text(json.dumps(phones), encoding="utf-8")
    return tmp_path


@pytest.fixture
def start(maker, tmp_path):
    """A checkpoint of the first edition's form, 20 ms and two layers, that writes Urdu's letters."""
    vocab = maker.letter_vocabulary()
    convolutions = {"conv_stride": (10, 4, 4, 2), "conv_kernel": (20, 8, 8, 4), "conv_bias": True}
    norms = {"feat_extract_norm": "layer", "do_stable_layer_norm": True}
    positions = {"num_conv_pos_embeddings": 16, "num_conv_pos_embedding_groups": 4}
    dropped = ("hidden", "attention", "activation", "feat_proj", "final")
    config = Wav2Vec2Config(
        **WIDTHS,
        **convolutions,
        **norms,
        **positions,
        **{f"{name}_dropout": 0 for name in dropped},
        layerdrop=0,
        num_feat_extract_layers=4,
        num_hidden_layers=2,
        vocab_size=len(vocab),
    )
    torch.manual_seed(1)
    Wav2Vec2ForCTC(config).save_pretrained(tmp_path / "start")
    (tmp_path / "start" / "vocab.json").write_text(json.dumps(vocab), encoding="utf-8")
    return tmp_path / "start"


def begun(maker, start, work):
    model = maker.grown_model(start, maker.Vocabularies.of(work), 3, seed=2)
    return maker.Training(model, {n: v.clone() for n, v in model.state_dict().items()}, maker.make_optimisers(model))


def test_frames_are_twice_as_long_and_what_is_new_does_nothing_yet(maker, start, work):
    old, new = Wav2Vec2ForCTC.from_pretrained(start), begun(maker, start, work).model
    samples = torch.randn(1, 16_000)
    frames = [model.wav2vec2(samples).last_hidden_state.shape[1] for model in (old, new)]
    assert frames == [48, 23]  # their convolutions see 760 and 1,230 samples, and step by 320 and 640
    hidden = torch.randn(1, 9, 32)
    assert torch.equal(old.lm_head(hidden), new.lm_head(hidden))  # it writes the same letters
    assert torch.equal(new.wav2vec2.encoder.layers[2](hidden), hidden)


def test_a_killed_training_goes_on_as_if_it_had_not_been(maker, start, work, monkeypatch):
    monkeypatch.setattr(maker, "BATCH_SECONDS", 4)
    monkeypatch.setattr(maker, "SAVE_EVERY", 2)
    vocab, settings = maker.Vocabularies.of(work), {"steps": 4, "finish": 2, "seed": 3}
    straight = begun(maker, start, work)
    maker.train(work, straight, vocab, **settings)
    (work / "curve.jsonl").unlink()
    (work / "state.pt").unlink()

    killed = begun(maker, start, work)
    real, calls = maker.error_rates, []
    monkeypatch.setattr(maker, "error_rates", lambda *args: calls.append(1) or real(*args))
    monkeypatch.setattr(maker.Training, "advance", stopping_at(maker.Training.advance, 3))
    with pytest.raises(KeyboardInterrupt):
        maker.train(work, killed, vocab, **settings)
    monkeypatch.undo()
    monkeypatch.setattr(maker, "BATCH_SECONDS", 4)
    again = begun(maker, start, work)
    again.load(work / "state.pt")
    assert again.step == 2
    maker.train(work, again, vocab, **settings)
    assert again.hours == straight.hours
    assert all(torch.equal(value, straight.mean[name]) for name, value in again.mean.items())
    (line,) = [json.loads(x) for x in (work / "curve.jsonl").read_text().splitlines() if json.loads(x)["step"] == 4]
    assert {"all", "ur", "en", "letters"} <= set(line["error_rates"])


def stopping_at(advance, step):
    def stopped(training, share):
        if training.step == step:
            raise KeyboardInterrupt
        advance(training, share)

    return stopped


def test_a_clip_in_other_letters_than_urdus_does_not_spoil_the_loss(maker, start, work):
    training, clips = begun(maker, start, work), maker.Clips(work / "train")
    batch = np.arange(4)
    loss = maker.loss_of(training.model, [clips.clip(i) for i in batch], clips, batch, maker.Vocabularies.of(work))
    loss.backward()
    assert loss.isfinite() and all(p.grad is None or p.grad.isfinite().all() for p in training.model.parameters())


def test_no_sentence_and_no_voice_that_is_checked_on_is_trained_on(maker, tmp_path):
    import make_starter

    words = sorted(make_starter.ALPHABET)
    file = tmp_path / "sentences.txt"
    file.write_text("\n".join(f"ب{a}ا ب{b}ا۔" for a in words for b in words[:25]) + "\nabc\n", encoding="utf-8")
    once, scripts = (make_starter.scripts_of_sentences(file, takes, np.random.default_rng(1)) for takes in (1, 2))
    trained, checked = scripts["train"], scripts["unheard_voices_and_sentences"]
    assert len(checked) == make_starter.CHECKED and len(trained) > 3 * len(checked)
    assert once["train"] == trained[: len(trained) // 2] and once["unheard_voices_and_sentences"] == checked
    assert {line.text for line in once["train"]} == {line.text for line in trained}
    assert not {line.text for line in trained} & {line.text for line in checked}
    assert not {line.voice.variant for line in trained} & {line.voice.variant for line in checked}
    assert all(set(line.text) <= {*make_starter.ALPHABET, " "} for line in (*trained, *checked))
