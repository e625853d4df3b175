"""A passive wait policy before torch loads, and cores shared out, unless the user has decided otherwise."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from asr_helpers.run.environment import unless_set
from asr_helpers.run.kernel import ThisPython

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(autouse=True)
def untouched(monkeypatch):
    for name in ("OMP_WAIT_POLICY", "OMP_NUM_THREADS"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize(
    ("already", "processes", "wanted"),
    [
        ({}, 1, {"OMP_WAIT_POLICY": "PASSIVE"}),
        ({}, 2, {"OMP_WAIT_POLICY": "PASSIVE", "OMP_NUM_THREADS": "3"}),
        ({}, 4, {"OMP_WAIT_POLICY": "PASSIVE", "OMP_NUM_THREADS": "1"}),
        ({}, 8, {"OMP_WAIT_POLICY": "PASSIVE", "OMP_NUM_THREADS": "1"}),
        ({"OMP_WAIT_POLICY": "ACTIVE"}, 1, {}),
        ({"OMP_NUM_THREADS": "5"}, 2, {"OMP_WAIT_POLICY": "PASSIVE"}),
    ],
)
def test_what_the_user_has_not_set(monkeypatch, already, processes, wanted):
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(6)), raising=False)
    for name, value in already.items():
        monkeypatch.setenv(name, value)
    assert unless_set(processes) == wanted


def test_kernels_have_it(monkeypatch):
    assert ThisPython().kernel_spec.env["OMP_WAIT_POLICY"] == "PASSIVE"
    monkeypatch.setenv("OMP_WAIT_POLICY", "ACTIVE")
    assert "OMP_WAIT_POLICY" not in ThisPython().kernel_spec.env


@pytest.mark.parametrize("command", ["run", "train"])
def test_commands_have_it_before_torch_loads(command):
    """Every command starts with ``main``; the parameter file is the first thing that both look for."""
    program = (
        "import os, sys, asr_helpers.__main__ as door; torch = 'torch' in sys.modules; "
        f"status = door.main([{command!r}, 'params/none.yaml']); print(torch, status, os.environ['OMP_WAIT_POLICY'])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=ROOT)
    assert done.stdout.strip() == "False 1 PASSIVE"
