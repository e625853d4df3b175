"""Every family that is taken, tiny and random: exact batches, gradients, frames. The oracle is the clip alone."""

import copy
import json

import numpy as np
import pytest
import torch
from shapes import NAMES, SHAPES, batch_of, hears_features, model_of, one_by_one
from transformers import AutoModelForCTC, Wav2Vec2Config

from asr_helpers.dataset.collator import Collator
from asr_helpers.decoding.hypotheses import FrameClock
from asr_helpers.model.exact import make_exact
from asr_helpers.model.families import FAMILIES, family_of
from asr_helpers.model.frames import output_frames, receptive_field, samples_needed
from asr_helpers.model.loading import load_config, load_for_ctc
from asr_helpers.model.processor import make_feature_extractor, make_processor

LABELS = [[1, 2, 2, 3], [4, 5], [6]]
LEAKS = ("base", "conformer", "adapter", "batch norm", "data2vec")
LEAKY = [name for name in NAMES if any(word in name for word in LEAKS)]  # where transformers' own model is inexact
BATCH_NORM = [name for name in NAMES if "conformer" in name or "batch norm" in name]


def lengths_of(name):
    return (60, 47, 26) if hears_features(name) else (16_000, 12_345, 5_001)


def difference(together, alone):
    return max((rows[: len(own)] - own).abs().max().item() for rows, own in zip(together, alone, strict=True))


def alone(model, batch):
    return [model(**clip).logits[0] for clip in one_by_one(batch)]


def test_every_family_is_here():
    assert {kind for kind, _ in SHAPES.values()} == set(FAMILIES)


@pytest.mark.parametrize("name", NAMES)
def test_a_padded_batch_gives_the_logits_of_single_clips(name):
    plain = model_of(name).eval()
    exact, batch = make_exact(copy.deepcopy(plain)), batch_of(name, lengths_of(name))
    with torch.no_grad():
        expected = alone(plain, batch)
        assert min(own.abs().max() for own in expected) > 0.1
        assert (difference(plain(**batch).logits, expected) > 0.01) == (name in LEAKY)
        assert difference(exact(**batch).logits, expected) < 1e-4
        assert difference(alone(exact, batch), expected) == 0
        exact.train()  # nothing is dropped here: training gives the same
        assert difference(exact(**batch).logits, expected) < 1e-4


@pytest.mark.parametrize("name", NAMES)
def test_under_bf16_a_batch_differs_by_no_more_than_bf16_rounds(name):
    model, batch = make_exact(model_of(name)).eval(), batch_of(name, lengths_of(name))
    with torch.no_grad():
        precise = alone(model, batch)
        with torch.autocast("cpu", torch.bfloat16):
            single, together = alone(model, batch), model(**batch).logits
    rounding = difference([row.float() for row in single], precise)
    assert rounding > 0
    assert difference(together.float(), [row.float() for row in single]) < 2 * rounding


@pytest.mark.parametrize("checkpointing", [False, True], ids=["", "gradient checkpointing"])
@pytest.mark.parametrize("name", NAMES)
def test_gradients_are_the_mean_of_single_clips(name, checkpointing):
    model, batch = make_exact(model_of(name)).train(), batch_of(name, lengths_of(name))
    for clip, label in zip(one_by_one(batch), LABELS, strict=True):
        (model(**clip, labels=torch.tensor([label])).loss / len(LABELS)).backward()
    expected = {name: p.grad for name, p in model.named_parameters() if p.grad is not None}
    model.zero_grad()
    if checkpointing:
        model.gradient_checkpointing_enable()
    table = torch.nn.utils.rnn.pad_sequence([torch.tensor(label) for label in LABELS], True, -100)
    model(**batch, labels=table).loss.backward()
    gradients = {name: p.grad for name, p in model.named_parameters() if p.grad is not None}
    assert gradients.keys() == expected.keys() and len(gradients) > 30
    off = {name: (gradients[name] - g).abs().max() / g.abs().max().clamp(min=1) for name, g in expected.items()}
    assert max(off.values()) < 1e-4, max(off, key=off.get)


@pytest.mark.parametrize("name", [name for name in NAMES if "conformer" in name or "w2v-bert" in name])
def test_the_fused_attention_gives_what_the_plain_one_gives(name):
    plain, batch = make_exact(model_of(name)).eval(), batch_of(name, lengths_of(name))
    fused = copy.deepcopy(plain)
    fused.set_attn_implementation("sdpa")
    with torch.no_grad():
        assert difference(fused(**batch).logits, alone(plain, batch)) < 1e-4


@pytest.mark.parametrize("name", BATCH_NORM)
def test_statistics_of_batch_norm_stay_those_of_pretraining(name):
    model, batch = make_exact(model_of(name)).train(), batch_of(name, lengths_of(name))
    before = {key: value.clone() for key, value in model.named_buffers()}
    model(**batch)
    assert all(torch.equal(value, before[key]) for key, value in model.named_buffers())


# ---- frames --------------------------------------------------------------------


def collator_for(name, folder):
    (folder / "config.json").write_text(json.dumps({"model_type": SHAPES[name][0]}))
    return Collator.of(make_feature_extractor(folder))


@pytest.mark.parametrize("name", NAMES)
def test_frames_are_counted_as_the_model_makes_them(name, tmp_path):
    model, collate = make_exact(model_of(name)).eval(), collator_for(name, tmp_path)
    rng, field = np.random.default_rng(0), receptive_field(model)
    for samples in (field, field + 1, samples_needed(model, 2) - 1, samples_needed(model, 2), 5_000, 9_999):
        batch = collate([{"audio": rng.integers(-9_000, 9_000, samples).astype(np.int16)}])
        with torch.no_grad():
            assert model(**batch).logits.shape[1] == output_frames(model, samples), samples


@pytest.mark.parametrize("name", NAMES)
def test_a_click_lands_in_the_frame_that_the_clock_gives_it(name, tmp_path):
    """Without the layers that hear everything, and a click that changes a clip's mean and variance but little."""
    model, collate = make_exact(model_of(name, num_hidden_layers=0)).eval(), collator_for(name, tmp_path)
    for key, parameter in model.named_parameters():
        if "pos_conv_embed" in key and not key.endswith("original1"):  # hears a third of a second
            parameter.data.zero_()
    clock, noise = FrameClock.of(model), np.random.default_rng(0).normal(0, 900, 16_000)
    for place in (3_210, 8_000, 12_345):
        clicked = noise.copy()
        clicked[place - 80 : place + 80] += 4_000 * np.hanning(160)
        rows = [{"audio": np.clip(clip, -32_768, 32_767).astype(np.int16)} for clip in (noise, clicked)]
        with torch.no_grad():
            before, after = model.base_model(**collate(rows)).last_hidden_state
        frame = (after - before).norm(dim=-1).argmax().item()
        assert clock.start(frame - 1) <= place / 16_000 <= clock.end(frame + 1), (place, frame)


# ---- what is refused, what is chosen -------------------------------------------


def test_the_input_of_each_family_is_made_by_its_own_extractor(tmp_path):
    vocab = {"[PAD]": 0, "[UNK]": 1, "|": 2, "ا": 3}
    for kind, family in FAMILIES.items():
        (tmp_path / "config.json").write_text(json.dumps({"model_type": kind}))
        processor = make_processor(vocab, tmp_path / kind, checkpoint=tmp_path)
        assert type(processor).__name__ == family.processor
        assert type(processor.feature_extractor).__name__ == family.feature_extractor


def test_a_family_that_is_not_taken_is_refused_with_those_that_are(tmp_path):
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "whisper"}))
    for act in (make_feature_extractor, load_config):
        with pytest.raises(ValueError, match=r"'whisper'.*wav2vec2 .*hubert .*wavlm .*wav2vec2-bert ") as error:
            act(tmp_path)
        assert str(tmp_path) in str(error.value)


def test_a_setting_of_another_family_is_no_setting(tmp_path):
    model_of("hubert-base").save_pretrained(tmp_path)
    processor = make_processor({"[PAD]": 0, "[UNK]": 1, "|": 2, "ا": 3}, tmp_path, checkpoint=tmp_path)
    with pytest.raises(ValueError, match="'conformer_conv_dropout' is no dropout of hubert"):
        load_for_ctc(tmp_path, processor=processor, head_seed=1, dropout={"conformer_conv_dropout": 0.1})
    assert family_of(Wav2Vec2Config()) is FAMILIES["wav2vec2"]
    assert type(AutoModelForCTC.from_pretrained(tmp_path)).__name__ == "HubertForCTC"
