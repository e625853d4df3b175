"""Spelling against hearing: how many errors are letters that sound the same, which nobody can tell by ear.

Urdu keeps the spelling of Arabic and Persian words but not their sounds, so that one sound has several letters. An
error that disappears when such letters count as one was heard rightly and spelt wrongly: a language model or a speller
can win it, more recordings hardly can. The rest is acoustic.

Folding is generous, so that the difference is an upper bound: chains close (a final ح folds to ہ, and a final ہ to ا),
and a final ہ that is pronounced (جگہ) folds as the silent one of پتہ does.

Sources for Urdu: s, aamozish.com/more_on_suaad; z, aamozish.com/toey_wordformation; t and a, Zer o Zabar (Northwestern
University, openbooks.library.northwestern.edu/zerozabar), chapters 9 and 10; h and final a, Pritchett, Urdu script
(franpritchett.com/00urdu/urduscript), sections 2 and 8. For Persian: persiandee.com, alphabet, lesson 9, for all but
gh, which is the pronunciation of Tehran. Hussain, "Letter-to-Sound Conversion for Urdu Text-to-Speech System" (2004),
describes how regular Urdu's spelling is otherwise.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

import pandas as pd

from asr_helpers.text.languages import language_of

from .edits import word_edits
from .metrics import LEVEL, RESAMPLES, UNITS, count_errors, score

__all__ = ["class_table", "folded_scores"]


def folded(texts: Iterable[str], language: str, only: str | None = None) -> list[str]:
    """Fold many texts, as one: line breaks part words as spaces do, and one pass is several times faster."""
    lines = [" ".join(text.split()) for text in texts]
    return language_of(language).fold("\n".join(lines), only=only).split("\n")[: len(lines)]


def folded_scores(
    predictions: pd.DataFrame,
    *,
    seed: int,
    language: str,
    resamples: int = RESAMPLES,
    level: float = LEVEL,
) -> pd.DataFrame:
    """Error rates as written and as heard; what lies between is spelling.

    Args:
        predictions: With reference and hypothesis.
        seed: For the intervals.
        language: For the letters that sound alike.
        resamples: For the intervals.
        level: For the intervals.

    Returns:
        One row for each of (as written, as heard) × (word, character): text, then the fields of `metrics.Score`.
    """
    rows = []
    for text, prepare in (("as written", list), ("as heard", lambda texts: folded(texts, language))):
        references, hypotheses = prepare(predictions.reference), prepare(predictions.hypothesis)
        for unit in UNITS:
            found = score(references, hypotheses, seed=seed, unit=unit, resamples=resamples, level=level)
            rows.append({"text": text} | vars(found))
    return pd.DataFrame(rows)


def class_table(predictions: pd.DataFrame, *, language: str, examples: int = 5) -> pd.DataFrame:
    """Which sounds are misspelt: for each class the word errors that go when this class alone is folded.

    Args:
        predictions: With id, reference and hypothesis.
        language: For the letters that sound alike.
        examples: Utterances and word pairs listed for each class, at most.

    Returns:
        One row a class, and a last one for all of them together: sound, letters, ipa, errors (word errors that fold
        away), share (of all word errors), utterances (how many have one), pairs (the most frequent, "reference ←
        hypothesis"), examples (ids of utterances). Words with letters of two classes count only in the last row.
    """
    written = count_errors(predictions.reference, predictions.hypothesis).errors
    edits = word_edits(predictions)
    swapped = edits[edits.kind == "substitution"]
    rows = []
    for sound in (*language_of(language).sounds, None):
        name = sound.name if sound else None
        heard = count_errors(*(folded(predictions[c], language, name) for c in ("reference", "hypothesis"))).errors
        alike = [
            a == b
            for a, b in zip(*(folded(swapped[c], language, name) for c in ("reference", "hypothesis")), strict=True)
        ]
        pairs = Counter(zip(swapped.reference[alike], swapped.hypothesis[alike], strict=True)).most_common(examples)
        gone = (written - heard).to_numpy()
        rows.append(
            {
                "sound": name or "all",
                "letters": " ".join(sound.letters) if sound else "",
                "ipa": sound.sound if sound else "",
                "errors": int(gone.sum()),
                "share": gone.sum() / max(1, written.sum()),
                "utterances": int((gone > 0).sum()),
                "pairs": [f"{said} ← {spelt}" for (said, spelt), _ in pairs],
                "examples": predictions.id[gone > 0].tolist()[:examples],
            }
        )
    return pd.DataFrame(rows)
