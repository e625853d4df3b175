"""Widgets to look through a corpus and through predictions."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import ipywidgets as widgets
import numpy as np
import pandas as pd
import soundfile
from matplotlib.figure import Figure

from asr_helpers.analysis.edits import Edit, align_words
from asr_helpers.audio.reading import SAMPLING_RATE
from asr_helpers.corpus.corrections import Corrections
from asr_helpers.wording import percent

from .aligned import aligned, legend
from .correcting import Correcting
from .figures import picture
from .fragments import Fragment, join, note, speech
from .markup import element, render
from .players import PLAYER_SECONDS, read_beginning, word_player
from .plots import spectrogram
from .row_browser import Masks, RowBrowser, equal_parts, options_of
from .tables import table

__all__ = ["prediction_browser", "sample_browser"]

Groups = Mapping[str, Mapping[str, Collection[str]]]

MOST_CHOICES = 300  # of a filter: a corpus may have as many speakers as utterances


def sample_browser(
    utterances: pd.DataFrame,
    corpus_root: str | Path,
    *,
    groups: Groups | None = None,
    page_rows: int = 8,
    language: str = "none",
    corrections: Corrections | None = None,
) -> widgets.VBox:
    """Look through a corpus: filter, sort, search; a row's button plays it and shows its spectrogram.

    :func:`asr_helpers.show.utterance_table` is the same without a kernel.

    Args:
        utterances: One row an utterance: ``id``, ``audio``, ``transcript``, ``seconds``; ``split``, ``speaker`` and
            the level measures are used where they are.
        corpus_root: The corpus folder.
        groups: More filters: label → choice → ids.
        page_rows: Utterances of a page.
        language: Code of the language of the transcripts.
        corrections: Where marks and corrected transcripts are kept; None: nothing can be marked.
    """
    rows = utterances.reset_index(drop=True)
    letters = rows["transcript"].fillna("").str.replace(r"\s", "", regex=True).str.len()
    pace = letters / rows["seconds"].clip(lower=1e-3)
    orders = {
        "as in the corpus": np.arange(len(rows)),
        "longest": _order(-rows["seconds"]),
        "shortest": _order(rows["seconds"]),
        "fastest speech": _order(-pace),
        "slowest speech": _order(pace),
        **({"noisiest": _order(rows["snr_db"])} if "snr_db" in rows else {}),
    }
    filters = {
        **_filters(rows, ("split", "speaker")),
        "duration": equal_parts(rows["seconds"], "s"),
        **_grouped(rows["id"], groups),
    }
    transcripts = rows["transcript"].fillna("").tolist()
    correcting = _correcting(corrections, rows["id"], transcripts, language)

    def row(i: int) -> str:
        facts = [
            f"{rows['seconds'].iat[i]:.2f} s",
            *(str(rows[c].iat[i]) for c in ("speaker", "split") if _has(rows, c, i)),
        ]
        facts = [" · ".join(facts), *_mark(correcting, i)]
        return render("listed", facts=facts, text=speech(transcripts[i], language=language))

    def detail(i: int) -> str:
        text = element("p", speech(transcripts[i], language=language))
        player = _heard(corpus_root, rows["audio"].iat[i], (), language, with_spectrogram=True)
        return render("opened", name=rows["id"].iat[i], text=text, player=player, more=_measures(rows, i))

    return RowBrowser(
        filters=filters,
        orders=orders,
        texts=_texts(rows, "id", "transcript", "speaker"),
        name=lambda i: str(rows["id"].iat[i]),
        row=row,
        detail=detail,
        page_rows=page_rows,
        correcting=correcting,
    ).widget


def prediction_browser(
    predictions: pd.DataFrame,
    corpus_root: str | Path,
    *,
    groups: Groups | None = None,
    page_rows: int = 8,
    language: str = "none",
    corrections: Corrections | None = None,
    first: Sequence[str] = (),
) -> widgets.VBox:
    """Look through predictions under their references; a row's button plays it, with its words over its waveform.

    :func:`asr_helpers.show.prediction_table` is the same without a kernel.

    Args:
        predictions: One row an utterance: ``id``, ``audio``, ``reference``, ``hypothesis``; ``words``,
            ``raw_reference``, ``confidence``, ``speaker``, ``seconds`` and ``snr_db`` are used where they are.
        corpus_root: The corpus folder.
        groups: More filters: label → choice → ids, e.g. the slices and the kinds of error of notebook 05.
        page_rows: Utterances of a page.
        language: Code of the language of the texts.
        corrections: Where marks and corrected transcripts are kept; None: nothing can be marked.
        first: Ids in the order in which they are best corrected.
    """
    rows = predictions.reset_index(drop=True)
    pairs = list(zip(rows["reference"], rows["hypothesis"], strict=True))
    found = [align_words(reference.split(), hypothesis.split()) for reference, hypothesis in pairs]
    wrong = np.array([sum(e.errors for e in edits) for edits in found], dtype=int)
    said = rows["reference"].str.split().str.len()
    rate = wrong / said.clip(lower=1)
    orders = {
        "most wrong words": np.lexsort((-rate, -wrong)),
        "largest share of wrong words": _order(-rate),
        "fewest wrong words": _order(wrong),
        **_orders_by(rows, wrong),
        "as in the test set": np.arange(len(rows)),
    }
    if len(first):
        orders["to correct first"] = _order(rows["id"].map({name: place for place, name in enumerate(first)}))
    filters = {
        "errors": _kinds(found),
        **_filters(rows, ("speaker",)),
        **_number_filters(rows),
        **_grouped(rows["id"], groups),
    }
    transcripts = rows["raw_reference" if "raw_reference" in rows else "reference"].tolist()
    correcting = _correcting(corrections, rows["id"], transcripts, language)

    def row(i: int) -> str:
        facts = [f"{wrong[i]} of {said[i]} words wrong"]
        if _has(rows, "confidence", i):
            facts.append(f"confidence {rows['confidence'].iat[i]:.2f}")
        facts += [str(rows["speaker"].iat[i])] if _has(rows, "speaker", i) else []
        facts += _mark(correcting, i)
        return render("listed", facts=facts, text=aligned(*pairs[i], language=language))

    def detail(i: int) -> str:
        words = rows["words"].iat[i] if "words" in rows else ()
        words = [] if words is None else list(words)
        text, more = aligned(*pairs[i], language=language), join([legend(), _measures(rows, i)])
        player = _heard(corpus_root, rows["audio"].iat[i], words, language)
        return render("opened", name=rows["id"].iat[i], text=text, player=player, more=more)

    return RowBrowser(
        filters=filters,
        orders=orders,
        texts=_texts(rows, "id", "reference", "hypothesis", "speaker"),
        name=lambda i: str(rows["id"].iat[i]),
        row=row,
        detail=detail,
        page_rows=page_rows,
        correcting=correcting,
    ).widget


def _correcting(
    corrections: Corrections | None, ids: pd.Series, transcripts: list[str], language: str
) -> Correcting | None:
    return Correcting(corrections, ids.tolist(), transcripts, language=language) if corrections else None


def _mark(correcting: Correcting | None, i: int) -> list[str]:
    """What a person has said of a row, among its facts."""
    return [f"✎ {mark}"] if correcting and (mark := correcting.mark_of(i)) else []


def _order(values: Any) -> np.ndarray:
    """Rows by rising value, equal ones as they came, missing ones last."""
    return np.argsort(np.asarray(values, dtype=float), kind="stable")


def _orders_by(rows: pd.DataFrame, wrong: np.ndarray) -> dict[str, np.ndarray]:
    orders = {}
    if "confidence" in rows:
        sure = rows["confidence"].to_numpy(float)
        orders["least confident"] = _order(sure)
        orders["confident but wrong"] = _order(np.where(wrong > 0, -sure, np.inf))
    if "seconds" in rows:
        orders["longest"] = _order(-rows["seconds"])
    return orders


def _filters(rows: pd.DataFrame, columns: Sequence[str]) -> dict[str, Masks]:
    """Filters by columns that are there and hold more than one value; of too many a search finds one sooner."""
    return {c: options_of(rows[c]) for c in columns if c in rows and 1 < rows[c].nunique() <= MOST_CHOICES}


def _number_filters(rows: pd.DataFrame) -> dict[str, Masks]:
    kinds = {"duration": ("seconds", "s"), "noise": ("snr_db", "dB SNR"), "confidence": ("confidence", "")}
    return {label: equal_parts(rows[c], unit) for label, (c, unit) in kinds.items() if c in rows}


def _grouped(ids: pd.Series, groups: Groups | None) -> dict[str, Masks]:
    return {
        label: {str(name): ids.isin(list(members)).to_numpy() for name, members in choices.items()}
        for label, choices in (groups or {}).items()
    }


def _texts(rows: pd.DataFrame, *columns: str) -> list[str]:
    """What the search looks through."""
    said = rows[[c for c in columns if c in rows]].astype(object).fillna("")
    return [" ".join(map(str, row)) for row in said.itertuples(index=False, name=None)]


def _kinds(found: list[list[Edit]]) -> dict[str, np.ndarray]:
    """Which utterances have errors of a kind."""
    kinds = [{e.kind for e in edits if e.errors} for edits in found]
    names = {
        "substitution": "a misread word", "deletion": "a missing word", "insertion": "an inserted word",
        "joined": "words written as one", "split": "a word written as several",
    }  # fmt: skip
    some = np.array([bool(k) for k in kinds], dtype=bool)
    by_kind = {name: np.array([kind in k for k in kinds], dtype=bool) for kind, name in names.items()}
    return {"none": ~some, "at least one": some, **by_kind}


def _has(rows: pd.DataFrame, column: str, i: int) -> bool:
    return column in rows and pd.notna(rows[column].iat[i]) and rows[column].iat[i] != ""


def _measures(rows: pd.DataFrame, i: int) -> Fragment:
    """What is known of one recording, as a one-row table."""
    formats = {
        "speaker": "{}", "split": "{}", "seconds": "{:.2f} s", "sampling_rate": "{:,} Hz", "channels": "{}",
        "peak": "{:.2f}", "rms_db": "{:.1f} dBFS", "clipped": lambda share: percent(share, 2), "snr_db": "{:.1f} dB",
        "confidence": "{:.2f}",
    }  # fmt: skip
    known = [column for column in formats if _has(rows, column, i)]
    return table(rows[known].iloc[[i]], formats=formats) if known else join([])


def _heard(
    root: str | Path,
    audio: str,
    words: Sequence[Mapping[str, Any]],
    language: str,
    *,
    with_spectrogram: bool = False,
) -> Fragment:
    """Read one recording and make its player; what cannot be read is said in its place."""
    label = f"recording {Path(audio).stem}"
    try:
        samples = read_beginning(Path(root) / audio)
        player = Fragment(word_player(samples, words, label=label, language=language, autoplay=True), label)
    except (OSError, ValueError, soundfile.LibsndfileError) as error:
        return note(f"no audio: {error}")
    return join([player, _spectrogram(samples)]) if with_spectrogram else player


def _spectrogram(samples: np.ndarray) -> Fragment:
    fig = Figure(figsize=(9, 2.4), dpi=80, layout="constrained", facecolor="white")
    spectrogram(samples[: PLAYER_SECONDS * SAMPLING_RATE], SAMPLING_RATE, fig.subplots())
    return picture(fig, alt="spectrogram of the recording")
