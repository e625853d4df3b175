"""Which attention is chosen, and that the choice changes no number."""

import pytest
import torch
from tiny import collate, tiny_model, tiny_rows

from asr_helpers.training.device import LONGEST_PLAIN, choose_attention


@pytest.mark.parametrize(
    ("device", "longest", "expected"),
    [
        ("cpu", 4.0, "eager"),
        ("cpu", LONGEST_PLAIN, "eager"),
        ("cpu", LONGEST_PLAIN + 0.1, "sdpa"),
        ("cuda", 4.0, "sdpa"),
        (torch.device("cuda", 1), 30.0, "sdpa"),
        ("mps", 4.0, "sdpa"),
    ],
)
def test_plain_attention_is_for_short_clips_on_a_cpu(device, longest, expected):
    assert choose_attention(device, longest) == expected


def test_both_give_the_same_gradient():
    batch, gradients = collate(tiny_rows(4)), []
    for attention in ("eager", "sdpa"):
        model = tiny_model()
        model.set_attn_implementation(attention)
        assert model.config._attn_implementation == attention
        model.train()(**batch).loss.backward()
        gradients.append(torch.cat([p.grad.flatten() for p in model.parameters() if p.grad is not None]))
    assert (gradients[0] - gradients[1]).norm() / gradients[0].norm() < 1e-5
