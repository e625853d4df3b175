"""The run that README shows."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


@pytest.mark.slow
def test_the_sample_run_reaches_its_promise():
    """The run that README shows; nbval then checks the notebooks on top of it."""
    command = [sys.executable, "-m", "asr_helpers", "run", "params/sample.yaml"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "WER" in done.stdout and "synthetic" in done.stdout and "report.html" in done.stdout
    metrics = json.loads((ROOT / "runs" / "sample" / "metrics.json").read_text(encoding="utf-8"))
    rates = {s["unit"]: s["value"] for s in metrics["scores"] if s["text"] == "normalised" and s["by"] == "utterance"}
    assert rates["word"] <= 0.2 and rates["character"] <= 0.05
    assert "could not be shown" not in (ROOT / "runs" / "sample" / "report.html").read_text(encoding="utf-8")
