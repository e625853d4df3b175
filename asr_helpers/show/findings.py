"""The sentences under the report's headings: what to look at, and what that says about this run.

Each function takes the table that its section shows, and makes its sentences of the figures in it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from asr_helpers.analysis.causes import RARE
from asr_helpers.analysis.metrics import count_errors
from asr_helpers.wording import counted, listed, percent

__all__ = [
    "calibration",
    "causes",
    "classes",
    "confusions",
    "data_check",
    "errors_of_words",
    "first_screen",
    "frames",
    "kinds",
    "label_errors",
    "letters",
    "scores",
    "slices",
    "training",
    "word_times",
    "words_heard",
    "worst",
]

OFTEN = 3  # a word error that occurs as often is a habit


def _chosen(table: pd.DataFrame, **wanted: str) -> Mapping[str, Any] | None:
    """The first row that has these values."""
    fits = np.logical_and.reduce([table[name] == value for name, value in wanted.items()])
    return table[fits].iloc[0] if fits.any() else None


def first_screen(
    table: pd.DataFrame, trained: Mapping[str, Any], log: pd.DataFrame, *, beam_wer: float | None = None
) -> dict[str, str]:
    """Say below the verdict what else was measured, and how the model was made.

    Args:
        table: From `analysis.score_table`.
        trained: The training's entry in the manifest.
        log: The training log.
        beam_wer: The WER with a language model, where there is one.
    """
    row, used = _chosen(table, text="normalised", by="utterance", unit="character"), trained["parameters"]
    span = "" if pd.isna(row["low"]) else f" ({100 * row['low']:.1f} to {percent(row['high'])})"
    steps = f"{log['step'].max():,.0f} steps of {used['batch_size']} ({counted(round(log['epoch'].max()), 'epoch')})"
    return {
        "characters wrong": f"CER {percent(row['value'])}{span}",
        "with a language model": "not tried (language_model)" if beam_wer is None else f"WER {percent(beam_wer)}",
        "fine-tuned from": used["checkpoint"],
        "training": f"{steps}, learning rate {used['learning_rate']:g}, seed {used['seed']}",
        "took": f"{log['seconds'].max():.0f} s on {trained['device']}",
    }


def scores(table: pd.DataFrame) -> str:
    """Of `analysis.score_table`: what the errors are, and what a new speaker has to expect."""
    row = _chosen(table, text="normalised", by="utterance", unit="word")
    wrong = f"{row['substitutions']:,} misread, {row['deletions']:,} missing and {row['insertions']:,} too many"
    said = f"The first row is the one to compare with others: of {row['length']:,} words are {wrong}."
    speakers = _chosen(table, text="normalised", by="speaker", unit="word")
    if speakers is not None and not pd.isna(speakers["low"]):
        span = f"{percent(speakers['low'])} to {percent(speakers['high'])}"
        said += f" Other speakers of this kind would have {span}, judged by the {speakers['groups']} of the test; "
        said += "where training heard these too, a new voice fares worse."
    raw = _chosen(table, text="raw", by="utterance", unit="word")
    return f"{said} Against the transcripts as typed, punctuation included, the WER is {percent(raw['value'])}."


def slices(table: pd.DataFrame, overall: float) -> str:
    """Of `analysis.slice_table`: which parts differ from the whole by more than chance."""
    names = table["by"] + ": " + table["slice"].astype(str)
    worse, better = list(names[table["low"] > overall]), list(names[table["high"] < overall])
    return (
        "Each line is the interval of one part of the test; one that does not touch the dashed line differs from the "
        f"whole by more than chance. Worse here: {listed(worse)}. Better: {listed(better)}."
    )


def words_heard(table: pd.DataFrame) -> str:
    """Of `analysis.word_slices`: what more text would win."""
    said = [f"{row['slice']}: {percent(row['value'])}" for row in table.to_dict("records")]
    return (
        "The further the rates of rare and of frequent words lie apart, the more a larger corpus, or a language model, "
        f"would win. Wrong here, by how often training has the word: {listed(said)}."
    )


def worst(predictions: pd.DataFrame, shown: int) -> str:
    """Of predictions: how the errors are spread over the utterances."""
    errors = count_errors(predictions["reference"], predictions["hypothesis"])["errors"].sort_values(ascending=False)
    part = errors.head(shown).sum() / max(1, errors.sum())
    whole = f"{(errors == 0).sum():,} of {counted(len(errors), 'utterance')} are without a mistake"
    return (
        f"{whole}; the worst {min(shown, len(errors))}, shown here, hold {percent(part, 0)} of all word errors. Listen "
        "before you blame the recogniser: the transcript may be wrong. A click on a word plays it; on the keyboard the "
        "arrow keys go from word to word."
    )


def kinds(table: pd.DataFrame) -> str:
    """Of `analysis.kind_table`: which kind is the most frequent."""
    most = table.loc[table["errors"].idxmax()]
    spaces = table[table["kind"].isin(["joined", "split"])]["share"].sum()
    return (
        f"Work on the largest share first. Here: {most['kind']} ({most['meaning']}), {percent(most['share'], 0)} "
        f"of the word errors; {percent(spaces, 0)} are spaces alone, which a reader hardly notices."
    )


def errors_of_words(table: pd.DataFrame) -> str:
    """Of `analysis.confused_words`: whether there are habits."""
    often = table[table["count"] >= OFTEN]
    pairs = often[["reference", "hypothesis", "count"]].itertuples(index=False)
    said = [f"{a or 'nothing'} as {b or 'nothing'} ({n})" for a, b, n in pairs]
    habit = f"Here that is {listed(said)}." if said else "Here no word is: the errors are all over the vocabulary."
    return f"What was said, and what was written for it. An error that occurs {OFTEN} times or more is a habit. {habit}"


def confusions(table: pd.DataFrame) -> str:
    """Of `analysis.confusion_matrix`: how to read it."""
    pairs = table.stack().sort_values(ascending=False).head(3)
    names = {"–": "no letter", " ": "a space"}
    said = [f"{names.get(a, a)} as {names.get(b, b)} ({n})" for (a, b), n in pairs[pairs > 0].items()]
    return (
        "A row is what was said, a column what was written, a cell how often; the darkest first. Letters of one sound "
        f"change places by spelling, others by hearing. Most often here: {listed(said)}."
    )


def letters(table: pd.DataFrame) -> str:
    """Of `analysis.letter_table`: whether the bad ones are the rare ones."""
    bad = table[(table["rate"] > 0.5) & (table["errors"] > 1)]
    rare = bad[bad["training_count"] < RARE]
    return (
        "Compare the rate with how much training there was: a letter that is rare there needs sentences that hold it. "
        f"More than half wrong here: {listed(bad['letter'], most=9)}; training has fewer than {RARE} of "
        f"{listed(rare['letter'], most=9)}."
    )


def classes(table: pd.DataFrame) -> str:
    """Of `analysis.folded_scores`: how much of the error is spelling."""
    written, heard = (_chosen(table, text=text, unit="word")["value"] for text in ("as written", "as heard"))
    part = (written - heard) / written if written else 0.0
    return (
        "As heard, letters that sound alike count as one; what is left are errors of hearing. Here the WER falls from "
        f"{percent(written)} to {percent(heard)}: {percent(part, 0)} of it is spelling, which text can teach and "
        "recordings cannot."
    )


def causes(table: pd.DataFrame) -> str:
    """Of `analysis.errors_by_cause`: with which to begin."""
    clear = table[table["clear"] & (table["cause"] != "none of these")]
    said = [f"{row.cause} (about {row.excess:.0f} errors to win)" for row in clear.head(2).itertuples()]
    doubtful = list(table["cause"][~table["clear"].astype(bool)])
    return (
        "The largest excess comes first: so many errors would go if these words were recognised like all others. Begin "
        f"with {listed(said)}. Not clear, so nothing to act on: {listed(doubtful)}."
    )


def label_errors(found: int, *, synthetic: bool) -> str:
    """Say what to do about so many possible label errors."""
    if synthetic:
        return (
            f"Words of which the recogniser is sure and which the transcript denies: {found} here, every one a false "
            "alarm, since this speech is made from its transcripts. On recordings of people they are worth hearing."
        )
    return (
        f"Words of which the recogniser is sure and which the transcript denies: {found} here. Listen to each, and "
        "correct the transcript where it is wrong: such errors count against the model, and mislead the next training."
    )


def calibration(outcomes: pd.DataFrame) -> str:
    """Of `analysis.word_outcomes`: whether confidences can be believed."""
    sure, right = outcomes["confidence"].mean(), outcomes["correct"].mean()
    way = "about as sure as it is right" if abs(sure - right) < 0.02 else f"too {'sure' if sure > right else 'modest'}"
    return (
        "Of words with a confidence of 0.8 about 80 % should be right: points on the dotted line. Points below it are "
        f"too sure. Here the mean confidence is {sure:.2f} and {percent(right, 0)} of the words are right: {way}."
    )


def frames(table: pd.DataFrame) -> str:
    """Of `decoding.frame_table`: how the text comes out of the frames."""
    blank = (table["why"] == "blank").sum()
    return (
        f"Time runs to the right; of {counted(len(table), 'frame')} {blank:,} say only the blank, and "
        f"{table['kept'].sum():,} reach the text. Two letters in one column are what the recogniser wavered between."
    )


def word_times(table: pd.DataFrame) -> str:
    """Of words aligned to their recording: which of them the model does not hear there."""
    doubted = list(table["word"][table["confidence"] < 0.1])
    return (
        "When each word of the transcript is said. A confidence near 0 says that the model reads something else. "
        f"Here: {listed(doubted)}."
    )


def training(log: pd.DataFrame) -> str:
    """Of the training log: whether it was long enough."""
    loss = log[(log["split"] == "validation") & (log["name"] == "loss")].sort_values("step")
    if loss.empty:
        return "The loss should fall and level out; nothing was validated here."
    best, last = loss.loc[loss["value"].idxmin()], loss.iloc[-1]
    late = best["step"] >= 0.9 * last["step"]
    verdict = "it had not begun to overfit" if late else "from there on it learnt its training sentences by heart"
    return (
        "Validation loss should fall with that of training and level out; where it rises, training was too long. "
        f"Here it is lowest ({best['value']:.2f}) at step {best['step']:,.0f} of {last['step']:,.0f}: {verdict}."
    )


def data_check(problems: pd.DataFrame, left_out: Sequence[object]) -> str:
    """Of the data check: how clean the corpus was."""
    errors = int((problems["severity"] == "error").sum())
    return (
        "What is wrong in the corpus is wrong in every figure above. The check found "
        f"{counted(errors, 'error')} and {counted(len(problems) - errors, 'warning')}; left out of training and test: "
        f"{counted(len(left_out), 'utterance')}."
    )
