"""The loss against an enumeration of all paths, and losses that are no numbers."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
import torch

from asr_helpers.training.loss import ctc_losses, require_finite


def collapse(path: tuple[int, ...], blank: int) -> list[int]:
    kept = [a for a, before in zip(path, (None, *path), strict=False) if a != before]
    return [a for a in kept if a != blank]


def enumerated(log_probs: np.ndarray, label: list[int], blank: int) -> float:
    """-log of the summed probability of every path that collapses to the label."""
    frames, size = log_probs.shape
    total = 0.0
    for path in product(range(size), repeat=frames):
        if collapse(path, blank) == label:
            total += np.exp(sum(log_probs[t, k] for t, k in enumerate(path)))
    return -np.log(total)


@pytest.mark.parametrize("blank", [0, 2])
@pytest.mark.parametrize("label", [[1], [3, 1], [1, 1], [3, 1, 3]])
def test_every_path_counts(label: list[int], blank: int) -> None:
    logits = torch.randn(1, 5, 4, generator=torch.Generator().manual_seed(len(label)))
    loss = ctc_losses(logits, torch.tensor([label]), frames=[5], label_lengths=[len(label)], blank=blank)
    expected = enumerated(logits[0].double().log_softmax(-1).numpy(), label, blank) / len(label)
    assert loss.item() == pytest.approx(expected, rel=1e-5)


def test_padding_of_frames_and_labels_changes_nothing() -> None:
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(2, 9, 6, generator=generator)
    labels = torch.tensor([[1, 2, 3, 2], [4, 5, -100, -100]])
    together = ctc_losses(logits, labels, frames=[9, 6], label_lengths=[4, 2], blank=0)
    first = ctc_losses(logits[:1], labels[:1], frames=[9], label_lengths=[4], blank=0)
    second = ctc_losses(logits[1:, :6], labels[1:, :2], frames=[6], label_lengths=[2], blank=0)
    torch.testing.assert_close(together, torch.cat([first, second]))


def test_bf16_logits_are_summed_in_fp32() -> None:
    logits = torch.randn(1, 200, 40, generator=torch.Generator().manual_seed(1)).bfloat16()
    labels = torch.arange(1, 31)[None]
    loss = ctc_losses(logits, labels, frames=[200], label_lengths=[30], blank=0)
    exact = ctc_losses(logits.double(), labels, frames=[200], label_lengths=[30], blank=0)
    assert loss.dtype == torch.float32
    assert loss.item() == pytest.approx(exact.item(), rel=1e-5)


def test_a_label_too_long_for_its_frames_gives_nothing_and_spoils_nothing() -> None:
    logits = torch.randn(2, 3, 5, requires_grad=True)
    labels = torch.tensor([[1, 1, 1], [1, 2, -100]])  # 1 1 1 needs five frames
    losses = ctc_losses(logits, labels, frames=[3, 3], label_lengths=[3, 2], blank=0)
    losses.sum().backward()
    assert losses[0] == 0 and losses[1] > 0
    assert torch.all(logits.grad[0] == 0) and torch.isfinite(logits.grad[1]).all() and logits.grad[1].any()


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_a_loss_that_is_no_number_is_named(bad: float) -> None:
    require_finite(torch.tensor([1.0, 2.0], requires_grad=True), ["u1", "u2"], step=6)
    with pytest.raises(FloatingPointError, match=r"step 7 for 1 of the 3 utterances of the batch: u4\."):
        require_finite(torch.tensor([1.0, bad, 2.0]), ["u3", "u4", "u5"], step=7)
