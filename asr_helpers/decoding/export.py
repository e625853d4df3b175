"""Times of words and letters for other programs: Praat, ELAN, subtitles, Audacity, spreadsheets, JSON.

`render` writes one of ``FORMATS``, which is what most callers want.
"""

from __future__ import annotations

import json
import mimetypes
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory

import pandas as pd

from asr_helpers.storage import csv_text

from .hypotheses import Hypothesis
from .subtitles import Timed, cues, to_srt, to_vtt

__all__ = ["FORMATS", "render", "tiers_of", "to_audacity", "to_elan", "to_json", "to_table", "to_textgrid"]

NO_XML = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f]")  # characters that XML 1.0 has no way to write

MISSING = "{} needs the package {name}: pip install {name}=={version}"


def tiers_of(hypothesis: Hypothesis, reference: Hypothesis | None = None) -> dict[str, Sequence[Timed]]:
    """Lay out words and letters as tiers, and the words of the aligned reference where there is one."""
    letters = [letter for word in hypothesis.words for letter in word.letters]
    tiers: dict[str, Sequence[Timed]] = {"words": hypothesis.words, "letters": letters}
    return tiers | ({"reference": reference.words} if reference else {})


def to_textgrid(tiers: Mapping[str, Sequence[Timed]], *, seconds: float) -> str:
    """Write tiers as a Praat TextGrid; the time between texts becomes empty intervals, as Praat expects.

    Args:
        tiers: Texts of each tier by its name, in the order of time and without overlap.
        seconds: Length of the recording; a text that ends later, by a rounding, ends with it.

    Raises:
        ImportError: praatio is not installed; says how to go on.
        ValueError: Texts overlap or lie outside the recording; names the tier and the text.
    """
    try:
        from praatio import textgrid
    except ImportError as error:
        raise ImportError(MISSING.format("a TextGrid", name="praatio", version="6.2.2")) from error
    grid = textgrid.Textgrid()
    for name, texts in tiers.items():
        _check(name, texts, seconds)
        entries = [(each.start, min(each.end, seconds), each.text) for each in texts]
        grid.addTier(textgrid.IntervalTier(name, entries, 0, seconds))
    with TemporaryDirectory() as folder:  # praatio writes to files only
        path = Path(folder) / "all.TextGrid"
        grid.save(str(path), format="long_textgrid", includeBlankSpaces=True, reportingMode="error")
        return path.read_text(encoding="utf-8")


def to_elan(tiers: Mapping[str, Sequence[Timed]], *, seconds: float, file: str = "") -> str:
    """Write tiers as an ELAN document (``.eaf``), to the millisecond, that opens with its recording.

    Args:
        tiers: As in `to_textgrid`.
        seconds: Length of the recording.
        file: The recording; ELAN also looks for it beside the document.

    Raises:
        ImportError: pympi-ling is not installed; says how to go on.
        ValueError: As in `to_textgrid`.
    """
    try:
        from pympi import Elan
    except ImportError as error:
        raise ImportError(MISSING.format("an ELAN file", name="pympi-ling", version="1.71")) from error
    document = Elan.Eaf(author="asr_helpers")
    document.remove_tier("default")
    if file:
        kind = mimetypes.guess_type(file)[0] or "audio/*"
        document.add_linked_file(Path(file).absolute().as_uri(), f"./{Path(file).name}", mimetype=kind)
    for name, texts in tiers.items():
        _check(name, texts, seconds)
        document.add_tier(name)
        for each in texts:
            start, end = round(each.start * 1000), round(min(each.end, seconds) * 1000)
            document.add_annotation(name, start, end, NO_XML.sub("", each.text))
    with TemporaryDirectory() as folder:  # pympi writes to files only
        path = Path(folder) / "all.eaf"
        document.to_file(str(path))
        return path.read_text(encoding="utf-8")


def _check(name: str, texts: Sequence[Timed], seconds: float) -> None:
    """Refuse what a tier cannot hold."""
    for each in texts:
        if not 0 <= each.start < min(each.end, seconds):
            raise ValueError(
                f"{each.text!r} in tier {name!r} lasts from {each.start:.3f} to {each.end:.3f} s, "
                f"in a recording of {seconds:.3f} s; check that both belong together"
            )
    for one, other in pairwise(texts):
        if other.start < one.end:
            raise ValueError(
                f"{one.text!r} and {other.text!r} in tier {name!r} overlap at {other.start:.3f} s; "
                "give texts in the order of time, one at a time"
            )


def to_audacity(spans: Sequence[Timed]) -> str:
    """Write labels for Audacity (File, Import, Labels): start, end and text, one a line.

    Source: the Audacity manual, "Importing and Exporting Labels".
    """
    return "".join(f"{span.start:.6f}\t{span.end:.6f}\t{span.text}\n" for span in spans)


def to_json(hypothesis: Hypothesis, **more: object) -> str:
    """Write text, confidence, and words with their letters (each with start, end, confidence) as JSON.

    Args:
        hypothesis: What was said.
        more: Comes first, e.g. ``file`` and ``seconds``.
    """
    words = [
        {
            **row,
            "letters": [
                {"letter": x.text, "start": x.start, "end": x.end, "confidence": x.confidence} for x in word.letters
            ],
        }
        for row, word in zip(hypothesis.rows(), hypothesis.words, strict=True)
    ]
    content = {**more, "text": hypothesis.text, "confidence": hypothesis.confidence, "words": words}
    return json.dumps(content, ensure_ascii=False, indent=2) + "\n"


def to_table(hypothesis: Hypothesis, *, file: str = "") -> pd.DataFrame:
    """Lay out words, and the letters of each after it, as rows: file, tier, text, start, end (seconds), confidence."""
    rows = []
    for word in hypothesis.words:
        for tier, each in (("word", word), *(("letter", x) for x in word.letters)):
            rows.append((file, tier, each.text, round(each.start, 3), round(each.end, 3), round(each.confidence, 4)))
    return pd.DataFrame(rows, columns=["file", "tier", "text", "start", "end", "confidence"])


@dataclass(frozen=True)
class Format:
    """How a format's files end, and how a hypothesis is written: of it, the seconds and the name of its recording."""

    suffix: str
    write: Callable[[Hypothesis, float, str], str]


FORMATS = {
    "text": Format(".txt", lambda heard, seconds, file: heard.text + "\n"),
    "json": Format(".json", lambda heard, seconds, file: to_json(heard, file=file, seconds=seconds)),
    "csv": Format(".csv", lambda heard, seconds, file: csv_text(to_table(heard, file=file))),
    "srt": Format(".srt", lambda heard, seconds, file: to_srt(cues(heard.words))),
    "vtt": Format(".vtt", lambda heard, seconds, file: to_vtt(cues(heard.words))),
    "textgrid": Format(".TextGrid", lambda heard, seconds, file: to_textgrid(tiers_of(heard), seconds=seconds)),
    "elan": Format(".eaf", lambda heard, seconds, file: to_elan(tiers_of(heard), seconds=seconds, file=file)),
    "audacity": Format(".labels.txt", lambda heard, seconds, file: to_audacity(heard.words)),
}


def render(hypothesis: Hypothesis, *, form: str, seconds: float, file: str = "") -> str:
    """Write what was said in one of ``FORMATS``.

    Args:
        hypothesis: Text with times, heard or aligned.
        form: One of ``FORMATS``.
        seconds: Length of the recording.
        file: The recording's name, for the formats that hold one.

    Raises:
        ValueError: There is no such format.
    """
    if form not in FORMATS:
        raise ValueError(f"format is {form!r}; use one of {', '.join(FORMATS)}")
    return FORMATS[form].write(hypothesis, seconds, file)
