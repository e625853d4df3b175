"""LoRA: in every family its additions learn, with the head, alone; peft and plain transformers read what is saved."""

import sys

import pytest
import torch
from peft import PeftModel
from safetensors.torch import load_file
from shapes import SHAPES, batch_of, hears_features, model_of
from transformers import AutoModelForCTC

from asr_helpers.model.exact import is_exact
from asr_helpers.model.families import family_of
from asr_helpers.model.hub import CheckpointUnavailable
from asr_helpers.model.loading import load_config, load_for_ctc, load_trained
from asr_helpers.model.lora import merge_lora, save_lora
from asr_helpers.model.processor import make_processor

VOCAB = {"[PAD]": 0, "[UNK]": 1, "|": 2, "ا": 3, "ب": 4}
CHOSEN = list({kind: name for name, (kind, _) in reversed(SHAPES.items())}.values())  # of each family the first shape
CHOSEN += ["mms", "xls-r", "w2v-bert with adapter"]
LORA = {"lora_rank": 4, "lora_alpha": 8.0}


def load(folder, **options):
    processor = make_processor(VOCAB, folder / "letters", checkpoint=folder)
    return load_for_ctc(folder, processor=processor, head_seed=1, **options)


def learning(model):
    return {name for name, parameter in model.named_parameters() if parameter.requires_grad}


def logits(model, batch):
    with torch.no_grad():
        return model.eval()(**batch).logits


def clip(name):
    return batch_of(name, (50,) if hears_features(name) else (9_000,))


@torch.no_grad()
def learn(model):
    """Move all that learns, as a training would."""
    torch.manual_seed(3)
    for parameter in model.parameters():
        if parameter.requires_grad:
            parameter.add_(torch.randn_like(parameter) * 0.1)


@pytest.mark.parametrize("name", CHOSEN)
def test_in_every_family_it_learns_alone_and_peft_and_transformers_read_it(name, tmp_path):
    model_of(name).save_pretrained(tmp_path)
    before, model = load(tmp_path), load(tmp_path, **LORA)
    batch, layers = clip(name), family_of(model).low_rank
    assert torch.equal(logits(before, batch), logits(model, batch))  # nothing is added yet

    learn_now = learning(model)
    assert len(learn_now) == 2 * (2 * len(layers)) + 2  # two matrices a layer, in two layers; the head
    assert all("lora_" in key or key.startswith("lm_head.") for key in learn_now)
    model.train()(**batch, labels=torch.tensor([[3, 4]])).loss.backward()
    asked = {key for key, parameter in model.named_parameters() if parameter.grad is not None}
    assert asked == learn_now and is_exact(model)
    gradients = dict(model.named_parameters())
    assert all(gradients[key].grad.abs().max() > 0 for key in learn_now if "lora_B" in key)

    learn(model)
    trained = logits(model, batch)
    assert (trained - logits(before, batch)).abs().max() > 0.01
    save_lora(model, tmp_path / "lora", checkpoint="somebody/base")
    merge_lora(model)
    model.save_pretrained(tmp_path / "merged")
    assert model.state_dict().keys() == before.state_dict().keys()

    plain = AutoModelForCTC.from_pretrained(tmp_path / "merged")
    torch.testing.assert_close(logits(plain, batch), trained, rtol=0, atol=1e-4)
    base = AutoModelForCTC.from_pretrained(
        tmp_path, vocab_size=len(VOCAB), pad_token_id=0, ignore_mismatched_sizes=True
    )
    theirs = PeftModel.from_pretrained(base, tmp_path / "lora")
    torch.testing.assert_close(logits(theirs, batch), trained, rtol=0, atol=1e-4)
    assert theirs.peft_config["default"].base_model_name_or_path == "somebody/base"


def test_what_is_saved_is_small_and_safetensors_alone(tmp_path):
    model_of("xls-r").save_pretrained(tmp_path)
    model = load(tmp_path, **LORA)
    save_lora(model, tmp_path / "lora", checkpoint="base")
    assert {path.name for path in (tmp_path / "lora").iterdir()} == {"adapter_config.json", "adapter_model.safetensors"}
    assert len(load_file(tmp_path / "lora" / "adapter_model.safetensors")) == len(learning(model))


def test_it_follows_from_the_heads_seed_alone(tmp_path):
    model_of("xls-r").save_pretrained(tmp_path)
    torch.manual_seed(5)
    state = torch.get_rng_state()
    first = load(tmp_path, **LORA)
    assert torch.equal(torch.get_rng_state(), state)
    torch.manual_seed(6)
    second = load(tmp_path, **LORA)
    assert all(torch.equal(value, second.state_dict()[key]) for key, value in first.state_dict().items())


def test_recomputed_layers_learn_too(tmp_path):
    """With gradient checkpointing nothing that comes into the first layer asks for a gradient."""
    model_of("xls-r").save_pretrained(tmp_path)
    model = load(tmp_path, **LORA).train()
    model.gradient_checkpointing_enable()
    model(**clip("xls-r"), labels=torch.tensor([[3, 4]])).loss.backward()
    assert {key for key, parameter in model.named_parameters() if parameter.grad is not None} == learning(model)


def test_without_peft_and_with_a_rank_that_saves_nothing_it_says_so(tmp_path, monkeypatch):
    model_of("xls-r").save_pretrained(tmp_path)
    with pytest.raises(ValueError, match="lora_rank is 32, and the layers have 32 channels"):
        load(tmp_path, lora_rank=32)
    monkeypatch.setitem(sys.modules, "peft", None)
    with pytest.raises(ImportError, match=r"lora_rank needs the package peft.*pip install peft"):
        load(tmp_path, lora_rank=4)


def test_a_folder_in_pefts_form_is_no_checkpoint(tmp_path):
    """transformers would follow its base_model_name_or_path to another model, and open its pickles."""
    model_of("xls-r").save_pretrained(tmp_path)
    (tmp_path / "adapter_config.json").write_text('{"peft_type": "LORA", "base_model_name_or_path": "evil/model"}')
    for act in (load, load_config, load_trained):
        with pytest.raises(CheckpointUnavailable, match="peft's addition to another model; give the merged model's"):
            act(tmp_path)


# ---- a new layer that halves the frames ----------------------------------------


@pytest.mark.parametrize("name", ["w2v-bert", "xls-r", "wavlm-base", "data2vec-audio", "conformer-rel-pos"])
def test_a_new_layer_halves_the_frames_and_follows_from_the_heads_seed(name, tmp_path):
    model_of(name).save_pretrained(tmp_path)
    plain, model, again = load(tmp_path), *(load(tmp_path, add_adapter=True) for _ in range(2))
    batch = clip(name)
    frames = logits(plain, batch).shape[1]
    assert logits(model, batch).shape[1] == (frames + 1) // 2
    new = model.state_dict().keys() - plain.state_dict().keys()
    assert new and all(".adapter.layers.0." in key for key in new) and new <= learning(model)
    assert all(torch.equal(value, again.state_dict()[key]) for key, value in model.state_dict().items())
    assert load_config(tmp_path, add_adapter=True).num_adapter_layers == 1
    model.save_pretrained(tmp_path / "saved")
    plain = AutoModelForCTC.from_pretrained(tmp_path / "saved")
    torch.testing.assert_close(logits(plain, batch), logits(model, batch), rtol=0, atol=1e-4)


def test_a_checkpoint_that_has_such_layers_keeps_them(tmp_path):
    model_of("w2v-bert with adapter").save_pretrained(tmp_path)
    asked, plain = load(tmp_path, add_adapter=True), load(tmp_path)
    assert all(torch.equal(value, plain.state_dict()[key]) for key, value in asked.state_dict().items())


def test_a_new_layer_learns_whole_beside_lora_and_is_saved_with_it(tmp_path):
    model_of("w2v-bert").save_pretrained(tmp_path)
    model, batch = load(tmp_path, add_adapter=True, **LORA), clip("w2v-bert")
    assert {key.split(".")[1] for key in learning(model)} == {"encoder", "adapter", "weight", "bias"}
    learn(model)
    trained = logits(model, batch)
    save_lora(model, tmp_path / "lora", checkpoint="base")
    settings = {"vocab_size": len(VOCAB), "add_adapter": True, "num_adapter_layers": 1}
    base = AutoModelForCTC.from_pretrained(tmp_path, ignore_mismatched_sizes=True, **settings)
    theirs = PeftModel.from_pretrained(base, tmp_path / "lora")
    torch.testing.assert_close(logits(theirs, batch), trained, rtol=0, atol=1e-4)


def test_a_new_layer_that_makes_no_sense_is_refused(tmp_path):
    model_of("hubert-base").save_pretrained(tmp_path)
    with pytest.raises(ValueError, match="HuBERT has no such layers; leave it out for"):
        load(tmp_path, add_adapter=True)
