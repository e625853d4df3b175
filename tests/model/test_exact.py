"""A padded batch must give each clip what it gets alone: the oracle is the clip alone in the untouched model."""

import copy

import pytest
import torch
from transformers import Wav2Vec2Config, Wav2Vec2ForCTC

from asr_helpers.model.exact import MaskedGroupNorm, is_exact, make_exact
from asr_helpers.model.frames import output_frames

LENGTHS = (16_000, 12_345, 5_001, 1_040)  # the last one gives 3 frames
STILL = dict.fromkeys(
    ("hidden_dropout", "attention_dropout", "activation_dropout", "feat_proj_dropout", "final_dropout", "layerdrop"),
    0.0,
)
KINDS = {
    "base": {"feat_extract_norm": "group"},
    "base, biased convolutions": {"feat_extract_norm": "group", "conv_bias": True},
    "large-lv60": {"feat_extract_norm": "layer", "conv_bias": True, "do_stable_layer_norm": True},
    "base with adapter": {"feat_extract_norm": "group", "add_adapter": True, "output_hidden_size": 48},
    "odd strides": {"conv_kernel": (7, 5, 2), "conv_stride": (4, 3, 2), "conv_dim": (24, 24, 24), "mask_time_prob": 0},
}


def tiny(seed=0, **settings):
    """A randomly initialised model whose group norm has something to do: weights and biases off 1 and 0."""
    torch.manual_seed(seed)
    shape = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 64}
    shape |= {"conv_dim": (24,) * 7, "num_conv_pos_embeddings": 16, "num_conv_pos_embedding_groups": 4}
    shape |= {"vocab_size": 12, "ctc_loss_reduction": "mean", "mask_time_prob": 0.0, "initializer_range": 0.2, **STILL}
    model = Wav2Vec2ForCTC(Wav2Vec2Config(**shape | settings))
    norm = getattr(model.wav2vec2.feature_extractor.conv_layers[0], "layer_norm", None)
    if norm is not None:
        torch.nn.init.uniform_(norm.weight, 0.5, 2)
        torch.nn.init.uniform_(norm.bias, -1, 1)
    return model


def clips_of(lengths, seed=1):
    """Noise of different loudness, so that statistics over several clips would be wrong for each."""
    rng = torch.Generator().manual_seed(seed)
    return [torch.randn(n, generator=rng) * (1 + i) + 0.3 * i for i, n in enumerate(lengths)]


def padded(clips, extra=0):
    values = torch.nn.utils.rnn.pad_sequence(clips, batch_first=True)
    values = torch.nn.functional.pad(values, (0, extra))
    mask = torch.arange(values.shape[1]) < torch.tensor([clip.numel() for clip in clips])[:, None]
    return {"input_values": values, "attention_mask": mask.int()}


def alone(model, clips):
    return [model(clip[None]).logits[0] for clip in clips]


def difference(batch, single):
    return max((rows[: len(own)] - own).abs().max().item() for rows, own in zip(batch, single, strict=True))


@pytest.mark.parametrize("attention", ["eager", "sdpa"])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("training", [True, False], ids=["training", "evaluation"])
def test_a_padded_batch_gives_the_logits_of_single_clips(kind, attention, training):
    plain = tiny(attn_implementation=attention, **KINDS[kind]).train(training)
    clips = clips_of(LENGTHS)
    expected = alone(plain, clips)
    exact = make_exact(copy.deepcopy(plain))
    with torch.set_grad_enabled(training):
        assert difference(exact(**padded(clips)).logits, expected) < 2e-5
        assert difference(exact(**padded(clips, extra=777)).logits, expected) < 2e-5
        assert difference(alone(exact, clips), expected) == 0  # no mask: what it did before


@pytest.mark.parametrize("kind", ["base", "base with adapter"])
def test_the_untouched_model_fails_what_is_tested_here(kind):
    plain = tiny(**KINDS[kind]).eval()
    clips = clips_of(LENGTHS)
    with torch.no_grad():
        assert difference(plain(**padded(clips)).logits, alone(plain, clips)) > 0.05


def gradients_of_single_clips(model, clips, labels):
    for clip, label in zip(clips, labels, strict=True):
        (model(clip[None], labels=torch.tensor([label])).loss / len(clips)).backward()
    return {name: p.grad for name, p in model.named_parameters() if p.grad is not None}


def gradients_of_the_batch(model, clips, labels):
    table = torch.nn.utils.rnn.pad_sequence([torch.tensor(label) for label in labels], True, -100)
    model(**padded(clips), labels=table).loss.backward()
    return {name: p.grad for name, p in model.named_parameters() if p.grad is not None}


def worst(gradients, expected):
    """Largest difference as a share of a parameter's largest gradient; gradients below 1 count as 1, or noise would."""
    off = {name: (gradients[name] - g).abs().max() / g.abs().max().clamp(min=1) for name, g in expected.items()}
    return max(off.values()).item()


@pytest.mark.parametrize("checkpointing", [False, True], ids=["", "gradient checkpointing"])
@pytest.mark.parametrize("kind", ["base", "base with adapter", "large-lv60"])
def test_gradients_are_the_mean_of_single_clips(kind, checkpointing):
    plain = tiny(**KINDS[kind]).train()
    exact = make_exact(copy.deepcopy(plain))
    if checkpointing:
        exact.gradient_checkpointing_enable()
    clips, labels = clips_of(LENGTHS[:3]), [[1, 2, 2, 3], [4, 5], [6]]
    expected = gradients_of_single_clips(copy.deepcopy(plain), clips, labels)
    gradients = gradients_of_the_batch(exact, clips, labels)
    assert gradients.keys() == expected.keys() and len(gradients) > 30
    assert worst(gradients, expected) < 1e-4
    if kind != "large-lv60":
        assert worst(gradients_of_the_batch(plain, clips, labels), expected) > 0.05


def test_a_layer_computed_again_sees_the_lengths_of_its_own_batch():
    model = make_exact(tiny()).train()
    first, second = padded(clips_of((9_000, 4_000))), padded(clips_of((9_000, 8_999)))

    def gradient(*batches):
        model.zero_grad()
        sum(model(**batch).logits.square().sum() for batch in batches).backward()
        return model.wav2vec2.feature_extractor.conv_layers[0].conv.weight.grad.clone()

    expected = gradient(first) + gradient(second)
    model.gradient_checkpointing_enable()
    torch.testing.assert_close(gradient(first, second), expected, rtol=1e-4, atol=1e-4 * expected.abs().max().item())


@pytest.mark.parametrize("training", [True, False], ids=["training", "evaluation"])
def test_under_bf16_a_batch_differs_by_no_more_than_bf16_rounds(training):
    plain = tiny().train(training)
    clips = clips_of(LENGTHS)
    exact = make_exact(copy.deepcopy(plain))
    with torch.set_grad_enabled(training):
        precise = alone(plain, clips)
        with torch.autocast("cpu", torch.bfloat16):
            single, batch = alone(plain, clips), exact(**padded(clips)).logits
    assert batch.dtype == single[0].dtype
    rounding = difference([row.float() for row in single], precise)
    assert 0 < rounding < 0.2
    assert difference(batch.float(), [row.float() for row in single]) < 2 * rounding


def test_masked_group_norm_is_group_norm_of_each_clip():
    torch.manual_seed(0)
    norm = MaskedGroupNorm(6, 6)
    torch.nn.init.normal_(norm.weight)
    torch.nn.init.normal_(norm.bias)
    values = torch.randn(4, 6, 50) * 10 + 5
    frames = torch.tensor([50, 20, 2, 1])
    out = norm(values.clone(), frames)
    for row, own, count in zip(out, values, frames.tolist(), strict=True):
        # torch refuses a single value a channel; its normalised value is 0, which leaves the bias
        expected = torch.nn.GroupNorm.forward(norm, own[None, :, :count])[0] if count > 1 else norm.bias[:, None]
        torch.testing.assert_close(row[:, :count], expected, rtol=1e-4, atol=1e-4)


def test_silence_and_clips_too_short_for_a_frame_give_finite_numbers():
    model = make_exact(tiny()).eval()
    clips = [torch.zeros(8_000), torch.randn(8_000), torch.randn(5)]
    with torch.no_grad():
        logits = model(**padded(clips)).logits
    assert torch.isfinite(logits).all()


def test_nothing_that_is_saved_changes(tmp_path):
    plain = tiny(add_adapter=True, output_hidden_size=48)
    before, config = copy.deepcopy(plain.state_dict()), plain.config.to_dict()
    exact = make_exact(plain)
    assert is_exact(exact) and make_exact(exact) is exact
    assert list(exact.state_dict()) == list(before)
    exact.eval()(**padded(clips_of(LENGTHS)))
    exact.save_pretrained(tmp_path)
    again = Wav2Vec2ForCTC.from_pretrained(tmp_path)  # plain transformers
    assert not is_exact(again)
    assert all(torch.equal(again.state_dict()[name], value) for name, value in before.items())
    saved = Wav2Vec2Config.from_pretrained(tmp_path).to_dict()
    assert saved == config | {"architectures": ["Wav2Vec2ForCTC"], "dtype": "float32"}  # what saving always adds


def test_lengths_do_not_outlive_their_batch():
    model = make_exact(tiny()).eval()
    clip = clips_of((8_000,))[0][None]
    with torch.no_grad():
        expected = model(clip).logits
        broken = padded(clips_of((8_000, 4_000)))
        with pytest.raises(IndexError):  # transformers' own, after the feature encoder: a mask of fewer clips
            model(broken["input_values"], attention_mask=broken["attention_mask"][:, :0])
        model(**broken)
        assert torch.equal(model(clip).logits, expected)


def test_a_copy_keeps_its_own_lengths():
    model = make_exact(tiny()).eval()
    clips = clips_of(LENGTHS)
    other = copy.deepcopy(model)
    with torch.no_grad():
        assert torch.equal(other(**padded(clips)).logits, model(**padded(clips)).logits)
        assert difference(other(**padded(clips)).logits, alone(model, clips)) < 2e-5


def replica(module):
    """What DataParallel makes for another device: other module objects, hooks and parameters shared."""
    other = module._replicate_for_data_parallel()
    for name, child in module._modules.items():
        other._modules[name] = None if child is None else replica(child)
    for name, parameter in module._parameters.items():
        setattr(other, name, parameter)
    return other


def test_a_replica_of_data_parallel_gets_the_lengths_of_its_own_batch():
    model = make_exact(tiny(**KINDS["base with adapter"])).eval()
    here, there = clips_of((9_000, 4_000)), clips_of((9_000, 8_999))
    other = replica(model)
    with torch.no_grad():
        expected = alone(model, there)
        other.wav2vec2.register_forward_pre_hook(Between(lambda: model(**padded(here))))
        assert difference(other(**padded(there)).logits, expected) < 2e-5


class Between:
    """A hook that runs another device's batch once, after the lengths are handed out and before they are used."""

    def __init__(self, run):
        self.run = run

    def __call__(self, *_):
        run, self.run = self.run, lambda: None  # replicas share hooks: the batch in between would start it again
        run()


def test_the_base_model_alone_takes_the_mask_by_position_too():
    model = make_exact(tiny().wav2vec2).eval()
    clips = clips_of(LENGTHS)
    batch = padded(clips)
    with torch.no_grad():
        states = model(batch["input_values"], batch["attention_mask"]).last_hidden_state
        single = [model(clip[None]).last_hidden_state[0] for clip in clips]
    assert difference(states, single) < 2e-5


def test_other_models_are_refused():
    with pytest.raises(ValueError, match="Linear"):
        make_exact(torch.nn.Linear(2, 2))


def test_spec_augment_goes_with_padded_batches():
    """Masked frames carry one vector: some of every clip's own frames do, and the padding is silent for the encoder."""
    model = make_exact(tiny(mask_time_prob=0.5, mask_time_length=3, mask_time_min_masks=1)).train()
    seen = {}
    model.wav2vec2.encoder.pos_conv_embed.register_forward_pre_hook(
        lambda _, args: seen.update(states=args[0].detach())
    )
    loss = model(**padded(clips_of(LENGTHS)), labels=torch.tensor([[1, 2]] * 4)).loss
    loss.backward()
    assert torch.isfinite(loss)
    masked = (seen["states"] == model.wav2vec2.masked_spec_embed.detach()).all(-1)
    for row, states, samples in zip(masked, seen["states"], LENGTHS, strict=True):
        own = output_frames(model, samples)
        assert 3 <= row.sum() == row[:own].sum()
        assert not states[own:].any()


@pytest.mark.slow
def test_compiled_it_is_exact_too():
    plain = tiny().eval()
    model = make_exact(copy.deepcopy(plain))
    compiled = torch.compile(model, backend="eager", dynamic=True)
    with torch.no_grad():
        for lengths in (LENGTHS, (7_000, 5_000, 3_000)):  # the second batch must not see the first one's lengths
            clips = clips_of(lengths)
            assert difference(compiled(**padded(clips)).logits, alone(plain, clips)) < 2e-5


@pytest.mark.slow
def test_at_the_size_of_wav2vec2_base():
    shape = {"hidden_size": 768, "num_hidden_layers": 12, "num_attention_heads": 12, "intermediate_size": 3072}
    shape |= {"conv_dim": (512,) * 7, "num_conv_pos_embeddings": 128, "num_conv_pos_embedding_groups": 16}
    plain = tiny(**shape, initializer_range=0.02)
    clips, labels = clips_of((48_000, 32_000, 20_123)), [[1, 2, 2, 3], [4, 5], [6]]
    exact = make_exact(copy.deepcopy(plain))
    for training in (True, False):
        plain.train(training), exact.train(training)
        with torch.no_grad():
            single = alone(plain, clips)
            off = difference(exact(**padded(clips)).logits, single)
            leak = difference(plain(**padded(clips)).logits, single)
        print(f"logits up to {max(row.abs().max() for row in single):.2f}: off by {off:.1e}, untouched by {leak:.2f}")
        assert off < 1e-4 < 0.01 < leak
    expected = gradients_of_single_clips(plain.train(), clips, labels)
    off = worst(gradients_of_the_batch(exact.train(), clips, labels), expected)
    print(f"gradients up to {max(g.abs().max() for g in expected.values()):.2f}: off by {off:.1e}")
    assert off < 1e-4
