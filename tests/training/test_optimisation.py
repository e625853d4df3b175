"""Learning rates over time and the parameter groups."""

from __future__ import annotations

import pytest
import torch
from tiny import tiny_model

from asr_helpers.training.optimisation import Schedule, freeze_encoder, optimizer_for, parameter_groups, scheduler_for

SCHEDULE = Schedule(steps=100, warmup=10, decay_from=50, frozen=20)


@pytest.mark.parametrize(
    ("step", "head", "encoder"),
    [
        (0, 0.1, 0.0),
        (9, 1.0, 0.0),
        (19, 1.0, 0.0),
        (20, 1.0, 0.1),
        (29, 1.0, 1.0),
        (50, 1.0, 1.0),
        (75, 0.5, 0.5),
        (99, 0.02, 0.02),
        (100, 0.0, 0.0),
    ],
)
def test_the_schedule(step: int, head: float, encoder: float) -> None:
    assert SCHEDULE.head(step) == pytest.approx(head)
    assert SCHEDULE.encoder(step) == pytest.approx(encoder)


@pytest.mark.parametrize("steps", [1, 2, 7])
def test_the_shortest_trainings_have_a_rate(steps: int) -> None:
    schedule = Schedule(steps=steps, warmup=1, decay_from=0)
    assert all(0 < schedule.head(step) <= 1 for step in range(steps))


def test_every_trainable_parameter_is_in_one_group() -> None:
    model = tiny_model(mask=0.1)
    groups = parameter_groups(model, head_rate=2.0, encoder_rate=1.0, weight_decay=0.5)
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    grouped = [names[id(parameter)] for group in groups for parameter in group["params"]]
    assert sorted(grouped) == sorted(name for name, p in model.named_parameters() if p.requires_grad)
    assert not any("feature_extractor" in name for name in grouped)
    for group in groups:
        for parameter in group["params"]:
            name = names[id(parameter)]
            assert group["lr"] == (2.0 if name.startswith("lm_head") else 1.0)
            spared = "bias" in name or "layer_norm" in name or "masked" in name or "original0" in name
            assert group["weight_decay"] == (0.0 if spared else 0.5), name


def test_the_optimiser_follows_both_curves() -> None:
    groups = parameter_groups(tiny_model(), head_rate=2.0, encoder_rate=1.0, weight_decay=0.0)
    optimizer = optimizer_for(groups, betas=(0.9, 0.98), eps=1e-8)
    scheduler = scheduler_for(optimizer, SCHEDULE)
    assert optimizer.defaults["fused"]
    for step in range(30):
        rates = {group["name"]: group["lr"] for group in optimizer.param_groups}
        assert rates == pytest.approx({"head": 2 * SCHEDULE.head(step), "encoder": SCHEDULE.encoder(step)})
        optimizer.step()
        scheduler.step()


def test_freezing_spares_the_head_and_thaws_only_what_was_trainable() -> None:
    model = tiny_model()
    before = {name: p.requires_grad for name, p in model.named_parameters()}
    trainable = {name for name, on in before.items() if on}
    freeze_encoder(model, trainable, frozen=True)
    assert {name for name, p in model.named_parameters() if p.requires_grad} == {"lm_head.weight", "lm_head.bias"}
    freeze_encoder(model, trainable, frozen=False)
    assert {name: p.requires_grad for name, p in model.named_parameters()} == before


def test_a_frozen_encoder_builds_no_graph() -> None:
    model = tiny_model()
    freeze_encoder(model, {name for name, _ in model.named_parameters()}, frozen=True)
    model.train()
    logits = model(torch.randn(1, 8000)).logits
    logits.sum().backward()
    assert [name for name, p in model.named_parameters() if p.grad is not None] == ["lm_head.weight", "lm_head.bias"]
