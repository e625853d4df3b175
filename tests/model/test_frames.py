"""Frame arithmetic against convolutions that are really run, and against transformers' own formula."""

import numpy as np
import pytest
import torch
from transformers import Wav2Vec2Config, Wav2Vec2Model

from asr_helpers.model.frames import (
    conv_layers,
    ctc_frames_needed,
    frame_seconds,
    hop,
    output_frames,
    receptive_field,
    samples_needed,
)

PUBLISHED = Wav2Vec2Config()
SMALL = {"hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 8}
SMALL |= {"num_conv_pos_embeddings": 4, "num_conv_pos_embedding_groups": 2}
CONFIGS = {
    "published": Wav2Vec2Config(**SMALL, conv_dim=(4,) * 7),
    "10-4-4-2": Wav2Vec2Config(**SMALL, conv_dim=(4,) * 4, conv_kernel=(10, 8, 4, 4), conv_stride=(10, 4, 4, 2)),
    "stride above kernel": Wav2Vec2Config(**SMALL, conv_dim=(4, 4), conv_kernel=(3, 2), conv_stride=(5, 3)),
    "adapter": Wav2Vec2Config(**SMALL, conv_dim=(4,) * 7, add_adapter=True),
    "adapter, kernel 5": Wav2Vec2Config(**SMALL, conv_dim=(4,) * 7, add_adapter=True, adapter_kernel_size=5),
}


@pytest.mark.parametrize("name", CONFIGS)
def test_frames_are_those_that_the_model_makes(name):
    config = CONFIGS[name]
    model = Wav2Vec2Model(config).eval()
    least = receptive_field(config)
    with torch.no_grad():
        for samples in {*range(least, least + 9), 5_000, 5_001, 9_999}:
            assert output_frames(config, samples) == model(torch.randn(1, samples)).last_hidden_state.shape[1], samples


def test_published_checkpoints_hear_25_ms_every_20_ms():
    assert receptive_field(PUBLISHED) == 400 and hop(PUBLISHED) == 320
    assert frame_seconds(PUBLISHED) == 0.02


@pytest.mark.parametrize("name", CONFIGS)
def test_too_short_is_no_frame_and_never_a_negative_count(name):
    layers = conv_layers(CONFIGS[name])
    field = receptive_field(layers)
    counts = [output_frames(layers, n) for n in range(0, 3 * field)]
    assert not any(counts[:field]) and counts[field] == 1
    assert counts == sorted(counts)


@pytest.mark.parametrize("make", [np.array, torch.tensor], ids=["numpy", "torch"])
def test_arrays_are_counted_as_numbers_are(make):
    lengths = [0, 399, 400, 719, 720, 16_000]
    frames = output_frames(PUBLISHED, make(lengths))
    assert frames.tolist() == [output_frames(PUBLISHED, n) for n in lengths] == [0, 0, 1, 1, 2, 49]
    assert frames.dtype == make(lengths).dtype


@pytest.mark.parametrize("name", CONFIGS)
def test_samples_needed_is_the_least_that_gives_the_frames(name):
    for frames in (1, 2, 3, 50):
        samples = samples_needed(CONFIGS[name], frames)
        assert output_frames(CONFIGS[name], samples) == frames > output_frames(CONFIGS[name], samples - 1)
    assert samples_needed(PUBLISHED, 0) == 0


def test_a_frame_hears_nothing_outside_its_field():
    """Change one sample at a time: the frames that change must be those whose field holds it."""
    config = CONFIGS["published"]
    extractor = Wav2Vec2Model(config).eval().feature_extractor
    extractor.conv_layers[0].layer_norm = torch.nn.Identity()  # group norm hears the whole clip
    samples, middle = torch.randn(1, 3_000), (receptive_field(config) - 1) / 2
    centres = middle + hop(config) * np.arange(output_frames(config, 3_000))
    with torch.no_grad():
        before = extractor(samples)
        for place in (0, 399, 400, 1_500, 2_999):
            changed = samples.clone()
            changed[0, place] += 5
            heard = (extractor(changed) - before).abs().sum(1)[0] > 0
            assert heard.tolist() == (np.abs(centres - place) <= 199.5).tolist(), place


@pytest.mark.parametrize(
    ("labels", "frames"),
    [([], 0), ([5], 1), ([5, 6], 2), ([5, 5], 3), ([5, 5, 5], 5), ([5, 6, 5], 3), ([5, 5, 6, 6], 6)],
)
def test_repeated_letters_need_a_blank_between_them(labels, frames):
    assert ctc_frames_needed(labels) == frames


def test_the_frames_needed_are_the_least_that_torch_gives_a_finite_loss_for():
    for labels in ([1], [1, 1], [1, 2, 1], [2, 2, 2, 1, 1]):
        for frames in range(1, 10):
            log_probs = torch.full((frames, 1, 4), 0.25).log()
            loss = torch.nn.functional.ctc_loss(log_probs, torch.tensor([labels]), (frames,), (len(labels),))
            assert torch.isfinite(loss).item() == (frames >= ctc_frames_needed(labels)), (labels, frames)


def test_what_has_no_convolutions_is_refused():
    with pytest.raises(TypeError, match="dict"):
        output_frames({}, 400)
