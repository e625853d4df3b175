"""Why errors happen and what would help: causes that can be read off the data, each with advice and its own numbers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
import pandas as pd

from asr_helpers.audio.measuring import CLIPPED
from asr_helpers.text.languages import language_of
from asr_helpers.wording import listed, percent

from .confusions import first_few, letter_audio
from .edits import word_edits
from .label_errors import suspicious_edits
from .metrics import RESAMPLES, bootstrap_rates, interval_of

__all__ = ["errors_by_cause", "ids_by_cause"]

RARE = 50  # times in training: a letter heard less often than this is called rare
FAST = 0.95  # quantile of the training utterances' letters per second

NOISY = 15.0  # dB, speech over background

COLUMNS = [
    "cause", "utterances", "words", "errors", "share", "wer", "wer_elsewhere", "excess", "clear", "advice", "examples",
]  # fmt: skip


@dataclass(frozen=True)
class Evidence:
    """What every cause is looked for in.

    Attributes:
        edits: Every word of the test set (`word_edits` with the right ones), one row an edit.
        test: The predictions, by id, with letters_per_second and, where known, clipped.
        training: The training utterances, with text, seconds and letters_per_second.
        audio: `letter_audio` of the training utterances.
        language: For the letters that sound alike.
    """

    edits: pd.DataFrame
    test: pd.DataFrame
    training: pd.DataFrame
    audio: pd.DataFrame
    language: str

    def in_utterances(self, ids: Iterable[str]) -> pd.Series:
        """The edits of some utterances."""
        return self.edits.utterance.isin(set(ids))

    def with_words(self, wanted: Callable[[str], bool]) -> pd.Series:
        """The edits that touch a wanted word of the reference."""
        answers = {word: wanted(word) for text in set(self.edits.reference) for word in text.split()}
        return self.edits.reference.map(lambda text: any(answers[word] for word in text.split())).astype(bool)


@dataclass(frozen=True)
class Found:
    """Where one cause is at work.

    Attributes:
        cause: Its name.
        touched: Which edits, right words included, it could have spoilt.
        advice: What to do, with numbers from the data.
        always: The cause is made of errors only, so that comparing error rates says nothing.
    """

    cause: str
    touched: pd.Series
    advice: str
    always: bool = False


def errors_by_cause(
    predictions: pd.DataFrame,
    utterances: pd.DataFrame,
    *,
    seed: int,
    language: str,
    examples: int = 5,
    resamples: int = RESAMPLES,
) -> pd.DataFrame:
    """Sort the word errors by causes that can be read off the data, and say what would help.

    Causes overlap (a fast utterance may be noisy too), so shares add up to more than one. *Excess* is the number of
    errors beyond what these words would have at the error rate of all others: about what removing the cause can win.

    Args:
        predictions: With id, reference, hypothesis, seconds, snr_db, confidence and words.
        utterances: All of them, with id, split, text, seconds and clipped.
        seed: For deciding whether a cause's error rate is clearly higher than the rest's.
        language: For the letters that sound alike.
        examples: Ids listed for each cause, at most; those with most errors first.
        resamples: For the same.

    Returns:
        One row a cause that occurs, most excess first: cause, utterances, words (of the references that it touches),
        errors, share (of all word errors), wer, wer_elsewhere, excess, clear (a bootstrap over utterances leaves no
        doubt, at 95 %, that wer is above wer_elsewhere; fewer than about four utterances are never enough), advice,
        examples. Errors that no clear cause touches come last.
    """
    evidence = gather(predictions, utterances, language)
    found = [cause for look in LOOK_FOR if (cause := look(evidence)) is not None]
    found = [cause for cause in found if cause.touched.any()]
    rows = [measure(cause, evidence, seed=seed, resamples=resamples, examples=examples) for cause in found]
    table = pd.DataFrame(rows, columns=COLUMNS).sort_values("excess", ascending=False, kind="stable")
    rest = evidence.edits.errors > 0
    for cause, row in zip(found, rows, strict=True):
        if row["clear"]:
            rest &= ~cause.touched
    rest = Found("none of these", rest, REST, always=True)
    if rest.touched.any():
        last = pd.DataFrame([measure(rest, evidence, seed=seed, resamples=resamples, examples=examples)])
        table = pd.concat([table, last]) if len(table) else last
    return table.reset_index(drop=True)


def ids_by_cause(predictions: pd.DataFrame, utterances: pd.DataFrame, *, language: str) -> dict[str, list[str]]:
    """The utterances with an error that each cause touches, for a browser's filter."""
    evidence = gather(predictions, utterances, language)
    wrong = evidence.edits.errors > 0
    found = [cause for look in LOOK_FOR if (cause := look(evidence)) is not None]
    return {c.cause: list(evidence.edits.utterance[c.touched & wrong].unique()) for c in found}


def gather(predictions: pd.DataFrame, utterances: pd.DataFrame, language: str) -> Evidence:
    def paced(table: pd.DataFrame, text: pd.Series) -> pd.DataFrame:
        letters = text.str.replace(" ", "").str.len()
        return table.assign(letters_per_second=letters / table.seconds.clip(lower=0.01))

    test = predictions.drop(columns="clipped", errors="ignore").merge(
        utterances[["id", "clipped"]], on="id", how="left"
    )
    test = test.set_index("id", drop=False).rename_axis(None)
    training = utterances[utterances.split == "train"]
    return Evidence(
        edits=word_edits(predictions, equal=True),
        test=paced(test, test.reference),
        training=paced(training, training.text),
        audio=letter_audio(training),
        language=language,
    )


def measure(found: Found, evidence: Evidence, *, seed: int, resamples: int, examples: int) -> dict[str, object]:
    """Count what a cause touches, and compare its error rate with the rest's."""
    edits, touched = evidence.edits, found.touched
    words = edits.stop - edits.start
    sides = pd.DataFrame(
        {
            "errors": edits.errors.where(touched, 0), "words": words.where(touched, 0),
            "other_errors": edits.errors.where(~touched, 0), "other_words": words.where(~touched, 0),
        }
    ).groupby(edits.utterance, sort=False).sum()  # fmt: skip
    total = sides.sum()
    wer, elsewhere = (total[e] / max(1, total[w]) for e, w in (("errors", "words"), ("other_errors", "other_words")))
    clear = True
    if not found.always:
        a, n, b, m = bootstrap_rates([sides[c] for c in sides], seed=seed, resamples=resamples)
        difference = a / np.maximum(n, 1) - b / np.maximum(m, 1)
        clear = interval_of(difference, len(sides))[0] > 0
    worst = sides.errors[sides.errors > 0].sort_values(ascending=False, kind="stable")
    return {
        "cause": found.cause,
        "utterances": int(edits.utterance[touched].nunique()),
        "words": int(total.words),
        "errors": int(total.errors),
        "share": total.errors / max(1, edits.errors.sum()),
        "wer": np.nan if found.always else wer,
        "wer_elsewhere": np.nan if found.always else elsewhere,
        "excess": float(total.errors if found.always else max(0, total.errors - elsewhere * total.words)),
        "clear": clear,
        "advice": found.advice if clear else f"{doubt(wer, elsewhere)} {found.advice}",
        "examples": first_few(worst.index, examples),
    }


def doubt(wer: float, elsewhere: float) -> str:
    """What to say before the advice on a cause whose error rate is not clearly above the rest's."""
    if wer <= elsewhere:
        return f"No harm seen: WER {percent(wer)} here, {percent(elsewhere)} elsewhere."
    return f"Perhaps chance: WER {percent(wer)} here, {percent(elsewhere)} elsewhere."


REST = "No check explains these. Look at the confused words and letters; more varied training audio usually helps."


def named(letters: Iterable[str], audio: pd.DataFrame) -> str:
    """Letters with how often, and for about how long, training has them."""
    letters = sorted(letters, key=lambda letter: (audio["count"].get(letter, 0), letter))
    return listed(f"{x} ({audio['count'].get(x, 0)} times, {audio.seconds.get(x, 0.0):.1f} s)" for x in letters)


def unknown_letters(evidence: Evidence) -> Found:
    known = set(evidence.audio.index)
    touched = evidence.with_words(lambda word: not known.issuperset(word))
    missing = sorted(set("".join(evidence.edits.reference[touched])) - known - {" "})
    return Found(
        "letter never in training",
        touched,
        f"{listed(missing, most=10)}: no output of the model stands for them. Add training sentences that hold them, "
        "or let the normaliser map them to letters that training has.",
        always=True,
    )


def rare_letters(evidence: Evidence) -> Found:
    rare = set(evidence.audio.index[evidence.audio["count"] < RARE]) - {" "}
    touched = evidence.with_words(lambda word: not rare.isdisjoint(word))
    concerned = rare & set("".join(evidence.edits.reference[touched]))
    return Found(
        "letter rare in training",
        touched,
        f"Training has {named(concerned, evidence.audio)}. Record sentences that hold them, until each occurs "
        f"{RARE} times.",
    )


def unseen_words(evidence: Evidence) -> Found:
    seen = {word for text in evidence.training.text for word in text.split()}
    return Found(
        "word never in training",
        evidence.with_words(lambda word: word not in seen),
        f"Training has {len(seen):,} different words. Record sentences with other words, or decode with a language "
        "model estimated from a larger text.",
    )


def spelling(evidence: Evidence) -> Found:
    edits = evidence.edits
    swapped, fold = edits[edits.kind == "substitution"], language_of(evidence.language).fold
    alike = [fold(a) == fold(b) for a, b in zip(swapped.reference, swapped.hypothesis, strict=True)]
    return Found(
        "spelt otherwise, sounds the same",
        pd.Series(edits.index.isin(swapped.index[alike]), index=edits.index),
        "Heard rightly: no recording can settle which letter writes the sound. A language model or a speller can.",
        always=True,
    )


def spaces(evidence: Evidence) -> Found:
    edits = evidence.edits
    touched = edits.kind.isin(["joined", "split"])
    pairs = Counter(zip(edits.reference[touched], edits.hypothesis[touched], strict=True)).most_common(3)
    often = "; ".join(f"{said} ← {written} ({times})" for (said, written), times in pairs)
    return Found(
        "space between words",
        touched,
        f"Most often: {often}. Settle one spelling in the training transcripts; a language model helps too.",
        always=True,
    )


def nothing_recognised(evidence: Evidence) -> Found:
    test = evidence.test
    ids = test.id[test.hypothesis.str.strip().eq("") & test.reference.str.strip().ne("")]
    return Found(
        "nothing recognised",
        evidence.in_utterances(ids),
        "Listen: silence, a cut recording or a wrong transcript. If most of the test set is here, training has not "
        "left the blank.",
        always=True,
    )


def fast_speech(evidence: Evidence) -> Found | None:
    if evidence.training.empty:
        return None
    limit = evidence.training.letters_per_second.quantile(FAST)
    test = evidence.test
    return Found(
        "fast speech",
        evidence.in_utterances(test.id[test.letters_per_second > limit]),
        f"More than {limit:.1f} letters a second, faster than {percent(FAST, 0)} of training. Record fast speech too, "
        "or add copies of training audio played faster.",
    )


def clipping(evidence: Evidence) -> Found:
    test, training = evidence.test, evidence.training
    return Found(
        "clipped recording",
        evidence.in_utterances(test.id[test.clipped > CLIPPED]),
        f"More than {percent(CLIPPED)} of samples at full scale ({(training.clipped > CLIPPED).sum()} such utterances "
        "in training). Record at a lower level, or train with clipped copies if such recordings must be understood.",
    )


def noise(evidence: Evidence) -> Found:
    test, training = evidence.test, evidence.training
    noisy = (training.snr_db < NOISY).mean() if "snr_db" in training and len(training) else 0.0
    return Found(
        "noisy recording",
        evidence.in_utterances(test.id[test.snr_db < NOISY]),
        f"Speech less than {NOISY:.0f} dB over the background ({percent(noisy, 0)} of training is so). Record closer "
        "to the microphone, or mix noise into the training audio.",
    )


def label_errors(evidence: Evidence) -> Found:
    edits = evidence.edits
    suspects = suspicious_edits(edits, evidence.test.reset_index(drop=True), language=evidence.language)
    return Found(
        "possible label error",
        pd.Series(edits.index.isin(suspects.index), index=edits.index),
        "The model is as sure as where it is right, and the reference says otherwise. Listen, and correct the "
        "transcript where it is wrong; until then these errors count against the model.",
        always=True,
    )


LOOK_FOR: tuple[Callable[[Evidence], Found | None], ...] = (
    unknown_letters, rare_letters, unseen_words, spelling, spaces, nothing_recognised, fast_speech, clipping, noise,
    label_errors,
)  # fmt: skip
