"""The sentences of the report: their figures are those of the table, and a table without rows has a sentence too."""

import numpy as np
import pandas as pd
import pytest

from asr_helpers.analysis.confusions import confused_words, confusion_matrix, kind_table, letter_table
from asr_helpers.analysis.edits import word_edits
from asr_helpers.analysis.metrics import score_table
from asr_helpers.show import findings

SAID = [
    ("کل بارش ہوئی", "کل بارش"),
    ("سات آدمی", "ثات آدمی"),
    ("سات دن", "ثات دن"),
    ("سات گھر", "ثات گھر"),
    ("آیا", "آیا"),
]
PREDICTIONS = pd.DataFrame(SAID, columns=["reference", "hypothesis"]).assign(
    id=list("abcde"), speaker=list("ppppq"), raw_reference=[said + "۔" for said, _ in SAID], seconds=1.0
)
RIGHT = PREDICTIONS.assign(hypothesis=PREDICTIONS["reference"])
TRAINING = pd.DataFrame({"text": ["سات دن"], "seconds": [2.0]})
LOG = pd.DataFrame({"step": [1, 2, 3], "epoch": 1.0, "split": "validation", "name": "loss", "seconds": 5.0})


def words(predictions):
    return findings.errors_of_words(confused_words(word_edits(predictions)))


def slices(low, high):
    return pd.DataFrame({"by": ["speaker"] * 2, "slice": ["p", "q"], "low": low, "high": high})


TOLD = [
    (findings.scores(score_table(PREDICTIONS, seed=1)), "of 10 words are 3 misread, 1 missing and 0 too many"),
    (findings.slices(slices([0.3, 0.0], [0.5, 0.1]), 0.2), "Worse here: speaker: p. Better: speaker: q."),
    (findings.slices(slices([np.nan] * 2, [np.nan] * 2), 0.2), "Worse here: none. Better: none."),
    (findings.worst(PREDICTIONS, 2), "1 of 5 utterances are without a mistake; the worst 2, shown here, hold 50 %"),
    (findings.worst(RIGHT, 20), "5 of 5 utterances are without a mistake; the worst 5, shown here, hold 0 %"),
    (findings.kinds(kind_table(word_edits(PREDICTIONS))), "substitution (a word became another), 75 % of"),
    (words(PREDICTIONS), "Here that is سات as ثات (3)."),
    (words(RIGHT), "Here no word is"),
    (findings.confusions(confusion_matrix(PREDICTIONS)), "س as ث (3)"),
    (findings.confusions(confusion_matrix(RIGHT)), "Most often here: none."),
    (findings.letters(letter_table(PREDICTIONS, TRAINING)), "wrong here: س; training has fewer than 50 of س"),
    (findings.label_errors(3, synthetic=True), "3 here, every one a false alarm"),
    (findings.label_errors(3, synthetic=False), "Listen to each"),
    (findings.calibration(pd.DataFrame({"confidence": 0.9, "correct": [True, False]})), "50 % of the words are right"),
    (findings.calibration(pd.DataFrame({"confidence": 0.4, "correct": [True]})), "too modest"),
    (findings.word_times(pd.DataFrame({"word": ["دن", "گھر"], "confidence": [0.0, 0.9]})), "Here: دن."),
    (findings.training(LOG.assign(value=[0.3, 0.1, 0.2])), "lowest (0.10) at step 2 of 3: from there on it learnt"),
    (findings.training(LOG.assign(value=[0.3, 0.2, 0.1])), "at step 3 of 3: it had not begun to overfit"),
    (findings.training(LOG.head(0).assign(value=[])), "nothing was validated"),
    (findings.data_check(pd.DataFrame({"severity": ["error", "warning"]}), ["a"]), "1 error and 1 warning; left out"),
]  # fmt: skip


@pytest.mark.parametrize(("sentence", "holds"), TOLD)
def test_a_sentence_says_what_its_table_says(sentence, holds):
    assert holds in sentence and "nan" not in sentence


@pytest.mark.parametrize(("beam", "said"), [(0.123, "WER 12.3 %"), (None, "not tried")])
def test_the_first_screen_says_what_else_was_measured_and_how_the_model_was_made(beam, said):
    used = {"batch_size": 8, "learning_rate": 5e-4, "seed": 13, "checkpoint": "models/starter"}
    entry = {"parameters": used, "device": "CPU, 2 cores"}
    screen = findings.first_screen(score_table(PREDICTIONS, seed=1), entry, LOG.assign(value=1.0), beam_wer=beam)
    assert screen["characters wrong"].startswith("CER 22.2 % (") and said in screen["with a language model"]
    assert screen["training"] == "3 steps of 8 (1 epoch), learning rate 0.0005, seed 13"
    assert screen["took"] == "5 s on CPU, 2 cores" and screen["fine-tuned from"] == "models/starter"
