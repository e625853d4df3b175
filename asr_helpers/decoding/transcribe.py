"""Use what was trained: recordings of any length to text, words with times, subtitles or a TextGrid."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import tee
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

import numpy as np
from tqdm import tqdm

from asr_helpers.audio.reading import SAMPLING_RATE, read_blocks
from asr_helpers.audio.recording import AudioError
from asr_helpers.dataset.collator import Collator
from asr_helpers.model.vocabulary import Alphabet
from asr_helpers.storage import LONGEST_NAME, fitting_name, write_text
from asr_helpers.wording import listed, visible

from .beam_search import BeamSearch, no_search
from .export import cues, tiers_of, to_audacity, to_json, to_srt, to_textgrid
from .hypotheses import FrameClock, Hypothesis, greedy
from .inference import log_probs_of
from .windows import Windows, segments, stitch

if TYPE_CHECKING:
    import torch

__all__ = ["FORMATS", "Transcript", "render", "transcribe_file", "transcribe_files"]

FORMATS = {"text": ".txt", "json": ".json", "srt": ".srt", "textgrid": ".TextGrid", "audacity": ".labels.txt"}

SEGMENT_SECONDS = 30.0  # longest stretch decoded at once; bounds the memory of beam search

ON_CPU, ON_GPU = 1, 8  # windows that go through the model together


@dataclass(frozen=True)
class Transcript:
    """What was said in a recording: its length in seconds, and the hypotheses of its stretches in order."""

    seconds: float
    parts: tuple[Hypothesis, ...]

    @property
    def hypothesis(self) -> Hypothesis:
        """The whole recording as one hypothesis; its confidence is the mean of its words'."""
        words = tuple(word for part in self.parts for word in part.words)
        confidence = [word.confidence for word in words] or [part.confidence for part in self.parts] or [0.0]
        return Hypothesis(" ".join(word.text for word in words), words, float(np.mean(confidence)))


def transcribe_file(
    path: str | Path,
    model: torch.nn.Module,
    processor: Any,
    *,
    search: BeamSearch | None = None,
    channel: int | None = None,
    window_seconds: float = 20.0,
    overlap_seconds: float = 4.0,
    progress: Callable[[float], object] | None = None,
) -> Transcript:
    """Turn a recording of any length into text with times, in memory that does not grow with its audio.

    The recording is decoded block by block, cut in its pauses or where need be into overlapping windows, and decoded
    in stretches of at most 30 s. A recording shorter than a window is heard whole, as in testing.

    Args:
        path: A WAV, FLAC, Ogg or MP3 file of any rate.
        model: A CTC model, on the device where it is to run.
        processor: Its processor.
        search: Beam search with a language model; greedy decoding without.
        channel: 0-based channel to take; None mixes down by the mean.
        window_seconds: What the model hears at once, at most.
        overlap_seconds: What neighbouring windows share where there is no pause.
        progress: Called with the seconds transcribed so far.

    Raises:
        AudioError: The recording cannot be decoded or is empty; says what to do.
    """
    alphabet, clock = Alphabet.of(processor.tokenizer), FrameClock.of(model)
    windows = Windows.of(model, seconds=window_seconds, overlap_seconds=overlap_seconds)
    at_once = ON_CPU if next(model.parameters()).device.type == "cpu" else ON_GPU
    samples = 0

    def counted() -> Iterator[np.ndarray]:
        nonlocal samples
        for block in read_blocks(path, channel=channel):
            samples += len(block)
            yield block

    cut, again = tee(window for window in windows.cut(counted()) if len(window.samples) >= clock.field)
    heard = log_probs_of(
        model,
        ({"id": str(path), "audio": window.samples} for window in cut),
        collate=Collator.of(processor),
        batch_seconds=at_once * window_seconds,
        window=at_once,
    )
    joined = stitch(zip(heard, (window.shared for window in again), strict=True), alphabet=alphabet)
    parts = []
    for first, part in segments(joined, longest=round(SEGMENT_SECONDS / clock.seconds), alphabet=alphabet):
        at = replace(clock, origin=first)
        parts.append(search.hypothesis(part, at) if search else greedy(part, alphabet, at))
        if progress:
            progress(at.start(len(part)))
    if not samples:
        raise AudioError(path, "the recording is empty", "copy or record it again")
    return Transcript(samples / SAMPLING_RATE, tuple(parts))


def render(transcript: Transcript, *, form: str, file: str = "") -> str:
    """Write a transcript in one of ``FORMATS``.

    Args:
        transcript: What was said.
        form: One of ``FORMATS``.
        file: The recording's name, for JSON.

    Raises:
        ValueError: There is no such format.
    """
    whole = transcript.hypothesis
    if form == "text":
        return whole.text + "\n"
    if form == "json":
        return to_json(whole, file=file, seconds=transcript.seconds)
    if form == "srt":
        return to_srt(cues(whole.words))
    if form == "textgrid":
        return to_textgrid(tiers_of(whole), seconds=transcript.seconds)
    if form == "audacity":
        return to_audacity(whole.words)
    raise ValueError(f"format is {form!r}; use one of {', '.join(FORMATS)}")


def transcribe_files(
    model_folder: str | Path,
    files: Sequence[str | Path],
    *,
    format: str = "text",
    out: str | Path | None = None,
    language_model: str | Path | None = None,
    channel: int | None = None,
    device: str | None = None,
    output: TextIO | None = None,
    errors: TextIO | None = None,
) -> int:
    """Transcribe recordings one after the other; a bad one is named and the others are still done.

    Args:
        model_folder: A trained model with its processor beside it, ``runs/<name>/model``.
        files: Recordings.
        format: One of ``FORMATS``.
        out: Folder for one file a recording; by default all goes to ``output``.
        language_model: ``letters.arpa`` or ``words.arpa``, for beam search with the weights saved beside it; where
            beam search cannot be had, a line says so and the text is the greedy one.
        channel: 0-based channel to take; None mixes down by the mean.
        device: Where to run; by default a CUDA device if there is one.
        output: Where text goes; standard output by default. With several recordings, each text follows its file's name.
        errors: Where problems go; standard error by default.

    Returns:
        The exit status: 0, or 1 where a recording could not be transcribed.

    Raises:
        ValueError: The format is unknown, two recordings would be written to one file, or several documents to one
            stream.
        OSError: The model cannot be found.
    """
    targets = _targets([Path(file) for file in files], format, out)
    model, processor = _load(model_folder, device)
    if language_model and (why := no_search()):
        print(f"{why}; the text is the greedy one", file=errors or sys.stderr)
        language_model = None
    search = BeamSearch.load(language_model, Alphabet.of(processor.tokenizer)) if language_model else None
    failed = 0
    for file, target in targets.items():
        try:
            with tqdm(desc=file.name, unit=" s", disable=None, leave=False) as bar:  # on a terminal only
                transcript = transcribe_file(
                    file,
                    model,
                    processor,
                    search=search,
                    channel=channel,
                    progress=lambda seconds, bar=bar: bar.update(round(seconds) - bar.n),
                )
            text = render(transcript, form=format, file=str(file))
            if target:
                write_text(text, target)
            elif format == "text" and len(targets) > 1:
                print(f"{visible(str(file))}\t{text}", end="", file=output or sys.stdout, flush=True)
            else:
                print(text, end="", file=output or sys.stdout, flush=True)
        except (ValueError, OSError) as error:
            failed += 1
            said = str(error) if str(file) in str(error) else f"{file}: {error}"
            print(visible(said), file=errors or sys.stderr)
    if failed and len(targets) > 1:
        print(f"{failed} of {len(targets)} recordings could not be transcribed", file=errors or sys.stderr)
    return int(failed > 0)


def _targets(files: Sequence[Path], format: str, out: str | Path | None) -> dict[Path, Path | None]:
    """Where the text of each recording goes: a file, or None for the stream."""
    if format not in FORMATS:
        raise ValueError(f"format is {format!r}; use one of {', '.join(FORMATS)}")
    if out is None:
        if len(files) > 1 and format != "text":
            raise ValueError(f"{len(files)} recordings as {format} need a folder to be written to; give one (--out)")
        return dict.fromkeys(files)
    suffix = FORMATS[format]
    longest = LONGEST_NAME - len(suffix)
    targets = {file: Path(out) / f"{fitting_name(file.stem, longest)}{suffix}" for file in files}
    twice = [target for target, count in Counter(targets.values()).items() if count > 1]
    if twice:
        same = listed(file for file, target in targets.items() if target == twice[0])
        raise ValueError(f"{same} would all be written to {twice[0]}; transcribe them into different folders")
    return targets


def _load(folder: str | Path, device: str | None) -> tuple[torch.nn.Module, Any]:
    """The model on its device, and the processor beside it."""
    import torch

    from asr_helpers.model.hub import locate_checkpoint
    from asr_helpers.model.loading import check_vocabulary, load_trained
    from asr_helpers.model.processor import load_processor

    model = load_trained(folder)
    processor = load_processor(locate_checkpoint(folder))
    check_vocabulary(model, processor)
    return model.to(device or ("cuda" if torch.cuda.is_available() else "cpu")), processor
