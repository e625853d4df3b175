"""An ONNX file in the place of a model: what `export` writes is heard with like any other."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import torch
from torch import nn

__all__ = ["INT8", "MASK", "PLAIN", "OnnxModel", "onnx_file"]

PLAIN, INT8 = "model.onnx", "model_int8.onnx"
MASK = "attention_mask"


def onnx_file(place: str | Path) -> Path | None:
    """The ONNX file that is meant: a file, or the exact one of a folder without other weights; None: there is none."""
    path = Path(place).expanduser()
    file = path if path.suffix == ".onnx" else path / PLAIN
    return file if file.is_file() and not list(path.glob("*.safetensors")) else None


class OnnxModel(nn.Module):
    """An ONNX file in the place of a model: called alike, on the CPU, with as many threads as torch.

    Args:
        path: The file, as `write_onnx` writes it.
        config: That of the model it was made of, by which frames are counted.

    Raises:
        ImportError: onnxruntime is not installed; names the extra that brings it.
        ValueError: onnxruntime cannot read the file, or it is not called as those that `export` writes.
    """

    def __init__(self, path: Path, config: Any) -> None:
        try:
            import onnxruntime
        except ImportError as error:
            raise ImportError(f"hearing with {path} needs onnxruntime: pip install -e '.[export]'") from error

        super().__init__()
        self.config, self.place = config, nn.Parameter(torch.empty(0))  # where a model is, its parameters say
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = torch.get_num_threads()
        try:
            self.session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        except Exception as error:  # onnxruntime's own errors share no class below this one
            told = str(error).partition("\n")[0]
            raise ValueError(f"onnxruntime cannot read {path} ({told}); export the run again") from error
        sides = self.session.get_inputs(), self.session.get_outputs()
        taken, given = ([each.name for each in side] for side in sides)
        if MASK not in taken or given != ["logits"]:
            called = f"{', '.join(taken)} to {', '.join(given)}"
            raise ValueError(f"{path} is of another program: it turns {called}; give a file that `export` wrote")

    def forward(self, **inputs: torch.Tensor) -> SimpleNamespace:
        """``logits`` (batch, frames, vocabulary) of a padded batch."""
        given = {name: (value.long() if name == MASK else value).numpy() for name, value in inputs.items()}
        (logits,) = self.session.run(["logits"], given)
        return SimpleNamespace(logits=torch.from_numpy(logits))
