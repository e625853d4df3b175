"""What SpecAugment hides from the transformer while it trains."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from transformers import PreTrainedModel

from .families import inputs_of

__all__ = ["spec_augment"]


@torch.no_grad()
def spec_augment(
    recogniser: PreTrainedModel, batch: Mapping[str, torch.Tensor], *, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """Look at what the transformer gets of a recording when it is asked, and when it trains.

    Neither the random numbers of a later training nor the mode of the model are changed.

    Args:
        recogniser: A model of any family, with a CTC head.
        batch: The collator's, of one recording or more; the first is looked at.
        seed: Which spans are masked.

    Returns:
        The features of validation and those of training, each ``(frames, channels)`` float32.

    Source: Park et al. (2019), SpecAugment; Baevski et al. (2020), appendix B, for masks in place of features.
    """
    mode, numpy_state = recogniser.training, np.random.get_state()
    seen: list[np.ndarray] = []

    def look(_: torch.nn.Module, given: tuple[torch.Tensor, ...]) -> None:
        seen.append(given[0][0].float().cpu().numpy().copy())

    hook = recogniser.base_model.encoder.register_forward_pre_hook(look)
    try:
        with torch.random.fork_rng():
            for training in (False, True):
                np.random.seed(seed)
                torch.manual_seed(seed)
                recogniser.train(training)
                recogniser(**inputs_of(batch))
    finally:
        hook.remove()
        recogniser.train(mode)
        np.random.set_state(numpy_state)
    return seen[0], seen[1]
