"""Loading checkpoints for CTC: the head, the vocabulary, and every way in which a checkpoint can be wrong."""

import json
import os
import pickle
import random

import numpy as np
import pytest
import torch
from small_checkpoint import SMALL, tokenizer
from transformers import (
    Wav2Vec2Config,
    Wav2Vec2CTCTokenizer,
    Wav2Vec2ForCTC,
    WhisperConfig,
)
from transformers.models.wav2vec2.modeling_wav2vec2 import _compute_mask_indices

from asr_helpers.model.exact import is_exact
from asr_helpers.model.hub import CheckpointUnavailable, HubUnavailable
from asr_helpers.model.loading import (
    check_vocabulary,
    load_config,
    load_for_ctc,
    load_trained,
    spec_augment_for,
)

HEAD = ("lm_head.weight", "lm_head.bias")


class Tokens:
    """What loading asks of a tokenizer: nameless tokens, and which is the blank."""

    def __init__(self, size: int, blank: int) -> None:
        self.size, self.pad_token_id, self.word_delimiter_token_id = size, blank, 2

    def get_vocab(self) -> dict[str, int]:
        return {f"<{i}>": i for i in range(self.size)}


def load(folder, *, vocab_size=20, blank_id=0, head_seed=1, **options):
    return load_for_ctc(folder, processor=Tokens(vocab_size, blank_id), head_seed=head_seed, **options)


@pytest.mark.parametrize("kind", ["tuned", "pretrained", "pickled"])
@pytest.mark.parametrize("size", [12, 20])
def test_the_encoder_is_the_checkpoints_and_the_head_is_new(checkpoints, kind, size):
    source = Wav2Vec2ForCTC.from_pretrained(checkpoints / "tuned")
    model = load(checkpoints / kind, vocab_size=size)
    state = source.wav2vec2.state_dict()
    assert all(torch.equal(value, state[name]) for name, value in model.wav2vec2.state_dict().items())
    assert model.lm_head.weight.shape == (size, 32)
    assert size != 12 or not torch.equal(model.lm_head.weight, source.lm_head.weight)
    assert model.training and is_exact(model) and model.dtype == torch.float32


def test_the_head_follows_from_its_seed_alone(checkpoints):
    heads = []
    for seed, global_seed in ((1, 5), (1, 6), (2, 5)):
        torch.manual_seed(global_seed)
        heads.append(load(checkpoints / "pretrained", head_seed=seed).lm_head.weight)
    assert torch.equal(heads[0], heads[1]) and not torch.equal(heads[0], heads[2])
    assert heads[0].std().item() == pytest.approx(Wav2Vec2Config().initializer_range, rel=0.1)


def test_a_head_of_the_seed_that_made_the_checkpoint_is_not_the_old_head(checkpoints):
    """The checkpoint was made under torch.manual_seed(3); the trap is a new head that starts where the old one did."""
    old = Wav2Vec2ForCTC.from_pretrained(checkpoints / "tuned").lm_head.weight.flatten()
    new = load(checkpoints / "tuned", vocab_size=12, head_seed=3).lm_head.weight.flatten()
    torch.manual_seed(3)
    plain = torch.empty_like(new).normal_(0, 0.02)
    for other in (old, plain):
        assert abs(torch.corrcoef(torch.stack([new, other]))[0, 1].item()) < 0.2


def test_random_states_are_left_as_they_were(checkpoints):
    torch.manual_seed(0), np.random.seed(0), random.seed(0)
    states = torch.get_rng_state(), np.random.get_state()[1].copy(), random.getstate()
    load(checkpoints / "pretrained", spec_augment={"mask_time_prob": 0.1})
    assert torch.equal(torch.get_rng_state(), states[0])
    assert np.array_equal(np.random.get_state()[1], states[1]) and random.getstate() == states[2]


def test_a_mask_vector_that_the_checkpoint_lacks_follows_from_the_seed_too(tmp_path):
    Wav2Vec2ForCTC(Wav2Vec2Config(**SMALL, mask_time_prob=0.0)).save_pretrained(tmp_path)
    vectors = []
    for global_seed in (5, 6):
        torch.manual_seed(global_seed)
        model = load(tmp_path, spec_augment={"mask_time_prob": 0.05})
        vectors.append(model.wav2vec2.masked_spec_embed)
    assert torch.equal(*vectors) and vectors[0].requires_grad


def test_the_config_says_what_the_training_needs(checkpoints, tmp_path):
    model = load(checkpoints / "pretrained", vocab_size=20, blank_id=4, dropout={"final_dropout": 0.3})
    config = model.config
    assert (config.vocab_size, config.pad_token_id, config.layerdrop) == (20, 4, 0.0)
    assert (config.ctc_loss_reduction, config.ctc_zero_infinity) == ("mean", True)
    assert (model.dropout.p, config.hidden_dropout) == (0.3, 0.1)
    loss = model(torch.randn(1, 4_000), labels=torch.tensor([[1] * 50])).loss  # 12 frames, 99 needed
    assert loss.item() == 0
    model.save_pretrained(tmp_path)
    again, report = Wav2Vec2ForCTC.from_pretrained(tmp_path, output_loading_info=True)
    assert not any(report[key] for key in ("missing_keys", "unexpected_keys", "mismatched_keys"))
    assert torch.equal(again.lm_head.weight, model.lm_head.weight)
    assert again.config.architectures == ["Wav2Vec2ForCTC"]


def test_one_number_sets_all_dropouts(checkpoints):
    model = load(checkpoints / "pretrained", dropout=0.0)
    assert {m.p for m in model.modules() if isinstance(m, torch.nn.Dropout)} == {0.0}


@pytest.mark.parametrize("options", [{"dropout": {"drop": 0.1}}, {"spec_augment": {"mask_time": 0.1, "vocab_size": 3}}])
def test_a_misspelt_setting_is_refused(checkpoints, options):
    with pytest.raises(ValueError, match=r"'drop'|'mask_time'"):
        load(checkpoints / "pretrained", **options)


@pytest.mark.parametrize("frozen", [True, False])
def test_a_frozen_feature_encoder_gets_no_gradient(checkpoints, frozen):
    model = load(checkpoints / "pretrained", freeze_feature_encoder=frozen)
    model(torch.randn(1, 4_000), labels=torch.tensor([[1, 2]])).loss.backward()
    assert all((p.grad is None) == frozen for p in model.wav2vec2.feature_extractor.parameters())
    assert model.lm_head.weight.grad is not None


@pytest.mark.parametrize(
    ("settings", "asked"),
    [
        ({"mask_time_prob": 0.05}, True),
        ({"mask_time_prob": 0.0, "mask_feature_prob": 0.1}, False),
        ({"apply_spec_augment": False}, False),
    ],
)
def test_every_parameter_that_asks_for_a_gradient_gets_one(checkpoints, settings, asked):
    """DistributedDataParallel waits for all of them."""
    model = load(checkpoints / "tuned", spec_augment=settings)
    model(torch.randn(1, 16_000), labels=torch.tensor([[1, 2]])).loss.backward()
    assert model.wav2vec2.masked_spec_embed.requires_grad == asked
    assert all(p.grad is not None for p in model.parameters() if p.requires_grad)


@pytest.mark.parametrize("attention", ["eager", "sdpa"])
def test_the_attention_asked_for_is_used(checkpoints, attention):
    assert load(checkpoints / "tuned", attn_implementation=attention).config._attn_implementation == attention


def test_nothing_is_printed(checkpoints, capfd):
    load(checkpoints / "pretrained")
    assert capfd.readouterr() == ("", "")


# ---- the vocabulary ---------------------------------------------------------


def test_the_vocabulary_comes_from_the_processor(checkpoints, tmp_path):
    vocab = {"[UNK]": 0, "[PAD]": 1, "|": 2, "ا": 3}
    model = load_for_ctc(checkpoints / "tuned", processor=tokenizer(tmp_path, vocab), head_seed=1)
    assert (model.config.vocab_size, model.config.pad_token_id) == (4, 1)


@pytest.mark.parametrize("blank", [20, -1, None])
def test_a_blank_that_is_no_token_is_refused(checkpoints, blank):
    with pytest.raises(ValueError, match="the blank is"):
        load(checkpoints / "tuned", blank_id=blank)


def test_ids_with_a_gap_are_refused(checkpoints, tmp_path):
    with pytest.raises(ValueError, match="ids from 0 to 7"):
        load_for_ctc(
            checkpoints / "tuned", processor=tokenizer(tmp_path, {"[PAD]": 0, "[UNK]": 1, "ا": 7}), head_seed=1
        )


def test_a_processor_that_does_not_fit_the_model_is_named(checkpoints, tmp_path):
    own = Wav2Vec2CTCTokenizer.from_pretrained(checkpoints / "tuned")
    check_vocabulary(load(checkpoints / "tuned", vocab_size=12), own)
    with pytest.raises(ValueError, match="20 outputs and the tokenizer 12"):
        check_vocabulary(load(checkpoints / "tuned"), own)
    with pytest.raises(ValueError, match="blank is output 5 and the tokenizer's token 0"):
        check_vocabulary(load(checkpoints / "tuned", vocab_size=12, blank_id=5), own)


# ---- checkpoints that are wrong ---------------------------------------------


def test_a_trained_model_comes_back_ready_to_transcribe(checkpoints):
    model = load_trained(checkpoints / "tuned")
    assert not model.training and is_exact(model)
    source = Wav2Vec2ForCTC.from_pretrained(checkpoints / "tuned").eval()
    clip = torch.randn(1, 3_000)
    with torch.no_grad():
        assert torch.equal(model(clip).logits, source(clip).logits)


def test_a_pretrained_model_is_not_a_trained_one(checkpoints):
    with pytest.raises(ValueError, match="no CTC head"):
        load_trained(checkpoints / "pretrained")


def test_a_hub_id_without_a_network_says_which_and_what_to_do(monkeypatch, tmp_path):
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", "http://127.0.0.1:9")  # nobody listens there
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    for act in (load, load_config):
        with pytest.raises(HubUnavailable, match="hf download someone/some-model") as caught:
            act("someone/some-model")
        assert "someone/some-model is no folder here" in str(caught.value)


@pytest.mark.parametrize("path", ["no/such/folder", "./models/none", "/none", "C:\\models\\none"])
def test_a_missing_folder_is_not_looked_for_on_the_hub(path):
    with pytest.raises(CheckpointUnavailable, match="there is no folder"):
        load(path)


def test_a_folder_without_weights_or_config_is_named(checkpoints, tmp_path):
    with pytest.raises(CheckpointUnavailable, match=r"no config.*; give a folder with one, such as runs/<name>/model"):
        load(tmp_path)
    (tmp_path / "run" / "model").mkdir(parents=True)
    with pytest.raises(CheckpointUnavailable, match=r"no config.*; give .*run/model$"):
        load(tmp_path / "run")
    load_config(checkpoints / "tuned").save_pretrained(tmp_path)
    assert load_config(tmp_path).vocab_size == 12
    with pytest.raises(CheckpointUnavailable, match="no weights"):
        load(tmp_path)


def test_another_kind_of_model_is_named(tmp_path):
    WhisperConfig().save_pretrained(tmp_path)
    with pytest.raises(ValueError, match="is a 'whisper' model; choose one of wav2vec2"):
        load_config(tmp_path)


def test_weights_that_do_not_fit_the_config_are_refused(checkpoints, tmp_path):
    Wav2Vec2ForCTC.from_pretrained(checkpoints / "tuned").save_pretrained(tmp_path)
    config = json.loads((tmp_path / "config.json").read_text("utf-8"))
    (tmp_path / "config.json").write_text(json.dumps(config | {"num_hidden_layers": 3}), "utf-8")
    with pytest.raises(ValueError, match=r"missing or of another size, first wav2vec2\.encoder\.layers\.2"):
        load(tmp_path)


def test_damaged_weights_are_named(checkpoints, tmp_path):
    for source, name in (("tuned", "model.safetensors"), ("pickled", "pytorch_model.bin")):
        folder = tmp_path / source
        load_config(checkpoints / source).save_pretrained(folder)
        whole = (checkpoints / source / name).read_bytes()
        (folder / name).write_bytes(whole[: len(whole) // 2])
        with pytest.raises(ValueError, match="damaged"):
            load(folder)


class Burglar:
    def __reduce__(self):
        return os.mkdir, (os.environ["BURGLAR"],)


def test_a_pickle_that_would_run_code_is_refused(checkpoints, tmp_path, monkeypatch):
    monkeypatch.setenv("BURGLAR", str(tmp_path / "was here"))
    load_config(checkpoints / "tuned").save_pretrained(tmp_path)
    torch.save({"lm_head.bias": Burglar()}, tmp_path / "pytorch_model.bin", pickle_module=pickle)
    with pytest.raises(ValueError, match="hold more than weights"):
        load(tmp_path)
    assert not (tmp_path / "was here").exists()


# ---- SpecAugment -------------------------------------------------------------


@pytest.mark.parametrize("frames", [1, 2, 3, 6, 9, 10, 11, 19, 20, 39, 40, 41, 200])
def test_masks_fit_the_shortest_clip(frames):
    config = Wav2Vec2Config(mask_time_prob=0.05)
    changes = spec_augment_for(config, frames)
    config.update(changes)
    longest = max(
        _compute_mask_indices((1, frames), 0.0, config.mask_time_length, min_masks=config.mask_time_min_masks).sum()
        for _ in range(20)
    )
    assert longest <= frames / 2
    if frames >= 40:
        assert not changes
    if frames >= 2:
        assert config.mask_time_length == min(10, frames // 2)


def test_a_training_step_on_the_shortest_clip_does_not_stop(checkpoints):
    clip = {"input_values": torch.randn(2, 2_100), "labels": torch.tensor([[1, 2], [3, 4]])}  # 6 frames
    with pytest.raises(ValueError, match="mask_length"):
        load(checkpoints / "tuned")(**clip)
    assert torch.isfinite(load(checkpoints / "tuned", shortest_frames=6)(**clip).loss)


def test_no_frames_at_all_are_refused():
    with pytest.raises(ValueError, match="at least one frame"):
        spec_augment_for(Wav2Vec2Config(), 0)
