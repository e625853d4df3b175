"""A trained model with all that it takes to hear a recording of any length: processor, letters, spelling."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import tee
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from asr_helpers.audio.reading import SAMPLING_RATE, read_blocks
from asr_helpers.audio.recording import AudioError
from asr_helpers.dataset.collator import Collator
from asr_helpers.model.vocabulary import Alphabet
from asr_helpers.text.normaliser import Normaliser

from .hypotheses import FrameClock
from .inference import log_probs_of
from .windows import Windows, stitch

if TYPE_CHECKING:
    import torch

__all__ = ["Heard", "Recogniser", "read_normaliser"]

SPELLING_FILE = "normalisation.json"  # in the model's folder, as notebook 04 copies it, or in the run folder around it

ON_CPU, ON_GPU = 1, 8  # windows that go through the model together


@dataclass(frozen=True)
class Recogniser:
    """What it takes to hear with a model.

    Attributes:
        model: A ``Wav2Vec2ForCTC``, on the device where it is to run, or an ONNX file in its place.
        processor: Its processor.
        normaliser: The spelling of the transcripts that it learnt from; None where nobody says.
    """

    model: torch.nn.Module
    processor: Any
    normaliser: Normaliser | None = None

    @classmethod
    def load(cls, folder: str | Path, *, device: str | None = None) -> Recogniser:
        """Open a trained model with its processor beside it.

        Args:
            folder: ``runs/<name>/model``, another folder that transformers reads, a Hub id, or what `export` wrote:
                ``runs/<name>/onnx``, or one of the files in it.
            device: Where to run; by default a CUDA device if there is one. An ONNX file runs on the CPU.

        Raises:
            CheckpointUnavailable: There is no such model.
            ValueError: It has no CTC head, or the processor is another model's, or the ONNX file is another program's.
        """
        import torch

        from asr_helpers.model.hub import locate_checkpoint
        from asr_helpers.model.loading import check_vocabulary, load_config, load_trained
        from asr_helpers.model.processor import load_processor

        from .onnx_session import OnnxModel, onnx_file

        if file := onnx_file(folder):
            model, local, device = OnnxModel(file, load_config(file.parent)), file.parent, "cpu"
        else:
            model, local = load_trained(folder), locate_checkpoint(folder)
        processor = load_processor(local)
        check_vocabulary(model, processor)
        device = device or ("cuda" if torch.cuda.is_available() else "cpu")
        return cls(model.to(device), processor, read_normaliser(local))

    @cached_property
    def alphabet(self) -> Alphabet:
        """What each output of the model means."""
        return Alphabet.of(self.processor)

    @cached_property
    def clock(self) -> FrameClock:
        """Seconds of a frame."""
        return FrameClock.of(self.model)


def read_normaliser(folder: Path) -> Normaliser | None:
    """The spelling that a model was taught, as its folder or the run folder around it says; None where neither does."""
    for place in (folder, folder.absolute().parent):
        if (place / SPELLING_FILE).is_file():
            spelling = json.loads((place / SPELLING_FILE).read_text(encoding="utf-8"))
            return Normaliser(language=spelling["language"], digits=spelling["digits"])
    return None


class Heard:
    """What the model makes of one recording: log-probabilities part by part, in memory that does not grow with it.

    The recording is decoded block by block, cut in its pauses or where need be into overlapping windows. A recording
    shorter than a window is heard whole, as in testing. It is read when it is iterated over, once.

    Attributes:
        seconds: Length of what has been read of the recording; the whole of it in the end.
    """

    def __init__(
        self,
        recogniser: Recogniser,
        path: str | Path,
        *,
        channel: int | None = None,
        window_seconds: float = 20.0,
        overlap_seconds: float = 4.0,
    ) -> None:
        """Say what is to be heard.

        Args:
            recogniser: Who hears it.
            path: A recording of any kind that ``read_audio`` reads.
            channel: 0-based channel to take; None mixes down by the mean.
            window_seconds: What the model hears at once, at most.
            overlap_seconds: What neighbouring windows share where there is no pause.
        """
        self.recogniser, self.path, self.channel, self.window_seconds = recogniser, path, channel, window_seconds
        self.windows = Windows.of(recogniser.model, seconds=window_seconds, overlap_seconds=overlap_seconds)
        self.seconds = 0.0

    def __iter__(self) -> Iterator[np.ndarray]:
        """Yield ``(frames, vocabulary)`` natural logarithms; together they are the recording.

        Raises:
            AudioError: The recording cannot be decoded or is empty; says what to do.
        """
        model = self.recogniser.model
        at_once = ON_CPU if next(model.parameters()).device.type == "cpu" else ON_GPU
        whole = (window for window in self.windows.cut(self._blocks()) if len(window.samples) >= self.windows.field)
        cut, again = tee(whole)
        heard = log_probs_of(
            model,
            ({"id": str(self.path), "audio": window.samples} for window in cut),
            collate=Collator.of(self.recogniser.processor),
            batch_seconds=at_once * self.window_seconds,
            window=at_once,
        )
        shared = (window.shared for window in again)
        yield from stitch(zip(heard, shared, strict=True), alphabet=self.recogniser.alphabet)
        if not self.seconds:
            raise AudioError(self.path, "the recording is empty", "copy or record it again")

    def _blocks(self) -> Iterator[np.ndarray]:
        samples = 0
        for block in read_blocks(self.path, channel=self.channel):
            samples += len(block)
            self.seconds = samples / SAMPLING_RATE
            yield block
