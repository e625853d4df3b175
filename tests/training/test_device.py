"""Which precision a device gets."""

from __future__ import annotations

import pytest
import torch

from asr_helpers.training import device as precision
from asr_helpers.training.device import choose_precision, has_fast_bf16


@pytest.mark.parametrize(
    ("device", "native", "wanted", "expected"),
    [
        ("cpu", True, "auto", "bf16"),
        ("cpu", False, "auto", "fp32"),
        ("cuda", True, "auto", "bf16"),
        ("cuda", False, "auto", "fp16"),
        ("mps", False, "auto", "fp32"),
        ("cpu", False, "bf16", "bf16"),
        ("cuda", True, "fp32", "fp32"),
        ("cuda", True, "fp16", "fp16"),
    ],
)
def test_the_choice(monkeypatch: pytest.MonkeyPatch, device, native, wanted, expected) -> None:
    monkeypatch.setattr(precision, "has_fast_bf16", lambda device: native)
    assert choose_precision(device, wanted) == expected


@pytest.mark.parametrize(
    ("device", "wanted", "message"),
    [("cpu", "fp16", "cpu cannot train in"), ("mps", "bf16", "mps cannot train in"), ("cpu", "fp8", "use 'auto'")],
)
def test_what_a_device_cannot_do_is_refused(device: str, wanted: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        choose_precision(device, wanted)


@pytest.mark.parametrize(("avx", "amx", "expected"), [(True, False, True), (False, True, True), (False, False, False)])
def test_a_cpu_is_asked_for_its_instructions(monkeypatch: pytest.MonkeyPatch, avx, amx, expected) -> None:
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: avx, raising=False)
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: amx, raising=False)
    assert has_fast_bf16("cpu") is expected


def test_a_build_of_torch_that_cannot_tell_has_none(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("_is_avx512_bf16_supported", "_is_amx_tile_supported"):
        monkeypatch.delattr(torch.cpu, name, raising=False)
    assert has_fast_bf16("cpu") is False
