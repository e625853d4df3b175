"""A model on what its frozen part gave: for every family what the whole model gives, which is the oracle."""

import copy

import numpy as np
import pytest
import torch
from shapes import NAMES, batch_of, hears_features, model_of

from asr_helpers.model.exact import make_exact
from asr_helpers.model.families import inputs_of
from asr_helpers.model.frames import encoder_layers, model_layers, output_frames
from asr_helpers.model.frozen import freeze_lowest, frozen_values, lowest_output
from asr_helpers.model.masking import spec_augment

LAYERS = 2  # of every shape


def frozen_model(name, layers, **settings):
    model = make_exact(model_of(name, **settings))
    freeze_lowest(model, layers)
    return model


def recordings(name):
    return batch_of(name, (60, 47, 26) if hears_features(name) else (16_000, 12_345, 5_001))


def stored(model, batch, layers):
    """What lies below gives, with anything but zeros as padding."""
    mode = model.training
    hidden = lowest_output(model.eval(), batch, layers)
    model.train(mode)
    frames = output_frames(encoder_layers(model.config), batch["attention_mask"].sum(-1))
    mask = torch.arange(hidden.shape[1]) < frames[:, None]
    return {"hidden_states": torch.where(mask[..., None], hidden, 7.0), "attention_mask": mask.int()}


def logits_and_gradients(model, batch):
    """Logits, and the gradients of what three frames say, which are real in every clip, by name."""
    model.zero_grad()
    logits = model(**batch).logits
    logits[:, :3].log_softmax(-1).square().mean().backward()
    return logits.detach(), {name: p.grad for name, p in model.named_parameters() if p.grad is not None}


@pytest.mark.parametrize(
    ("name", "layers"), [*((name, 1) for name in NAMES), *((name, LAYERS) for name in ("mms", "wavlm with adapter"))]
)
def test_logits_and_gradients_are_those_of_the_whole_model(name, layers):
    plain, batch = make_exact(model_of(name)), recordings(name)
    expected, everything = logits_and_gradients(plain, batch)  # nothing is dropped: training and evaluation agree
    model = frozen_model(name, layers)
    given = stored(model, batch, layers)
    before = {key: value.clone() for key, value in given.items()}
    found, gradients = logits_and_gradients(model, given)
    frames = output_frames(model_layers(model.config), batch["attention_mask"].sum(-1))
    for own, theirs, length in zip(found, expected, frames, strict=True):
        torch.testing.assert_close(own[:length], theirs[:length], rtol=0, atol=1e-5)
    for key, gradient in gradients.items():
        torch.testing.assert_close(gradient, everything[key], rtol=1e-5, atol=1e-5)
    assert max(gradient.abs().max() for gradient in gradients.values()) > 0.1
    above = {key for key in everything if key.startswith("lm_head") or ("encoder.layers.1." in key and layers == 1)}
    assert above <= gradients.keys() < everything.keys()
    assert not [key for key in gradients if "feature" in key or "pos_conv" in key or "encoder.layers.0." in key]
    assert all(torch.equal(value, given[key]) for key, value in before.items())  # a batch may be computed again
    for own, theirs, length in zip(model(**batch).logits, expected, frames, strict=True):  # still takes a recording
        torch.testing.assert_close(own[:length], theirs[:length], rtol=0, atol=1e-5)


@pytest.mark.parametrize("name", ["xls-r", "wavlm-base", "w2v-bert"])
def test_gradient_checkpointing_changes_nothing(name):
    model, batch = frozen_model(name, 1), recordings(name)
    given = stored(model, batch, 1)
    expected = logits_and_gradients(model, given)[1]
    expected = {key: value.clone() for key, value in expected.items()}
    model.gradient_checkpointing_enable()
    gradients = logits_and_gradients(model.train(), given)[1]
    assert gradients.keys() == expected.keys()
    for key, value in expected.items():
        torch.testing.assert_close(gradients[key], value, rtol=1e-5, atol=1e-6)


def test_a_failed_call_leaves_no_trace_and_a_copy_is_a_model_of_its_own():
    model, batch = frozen_model("wavlm-base", 1).eval(), recordings("wavlm-base")
    given = stored(model, batch, 1)
    with torch.no_grad():
        expected = model(**batch).logits
        with pytest.raises(RuntimeError):
            model(**{**given, "hidden_states": given["hidden_states"][..., :5]})
        assert torch.equal(model(**batch).logits, expected)
        other = copy.deepcopy(model)
        for value in frozen_values(model, 1):
            value.zero_()
        torch.testing.assert_close(other(**given).logits[0], expected[0], rtol=0, atol=1e-5)


def test_masks_hide_frames_of_what_is_stored_in_training_alone():
    model, batch = frozen_model("xls-r", 2, mask_time_prob=0.3, mask_time_length=2), recordings("xls-r")
    given = {name: value[:1] for name, value in stored(model, batch, 2).items()}
    asked, trained = spec_augment(model, given, seed=1)
    assert np.array_equal(asked, given["hidden_states"][0].numpy())
    hidden = (asked != trained).any(axis=1)
    assert 0.1 < hidden.mean() < 0.6
    vector = model.base_model.masked_spec_embed
    assert all(np.array_equal(frame, vector.detach().numpy()) for frame in trained[hidden])
    model.train()(**inputs_of(given)).logits.sum().backward()
    assert vector.grad.abs().sum() > 0


@pytest.mark.parametrize("layers", [-1, 3])
def test_more_layers_than_there_are_cannot_be_frozen(layers):
    with pytest.raises(ValueError, match=rf"frozen_layers is {layers} and the checkpoint has 2 layers; .* 0 to 2"):
        freeze_lowest(model_of("xls-r"), layers)
