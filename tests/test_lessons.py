"""What a learner reads: exercises whose collapsed answers run and are right, and Urdu that no line scrambles."""

import re
from itertools import product

import nbformat
import numpy as np
import pandas as pd
import pytest
from transformers import Wav2Vec2Config

from asr_helpers import analysis, audio, corpus, model
from asr_helpers.run.places import NOTEBOOKS, repository

ANSWER = re.compile(r"<details><summary>Answer</summary>\n\n```python\n(.*?)```\n\n(.+?)\n\n</details>", re.DOTALL)


def book(number):
    return nbformat.read(repository() / "notebooks" / f"{NOTEBOOKS[number]}.ipynb", 4)


def inspected():
    """200 utterances of 120 sentences, split by sentence, as notebook 01 has them."""
    rows = pd.DataFrame({"id": [str(i) for i in range(200)]})
    rows["sentence_key"] = [f"s{i % 120}" for i in range(200)]
    rows["split"] = [("train", "train", "train", "validation", "test")[i % 120 % 5] for i in range(200)]
    rows["audio"], rows["transcript"] = rows["id"] + ".wav", rows["sentence_key"]
    return rows.assign(speaker="a", digest=rows["id"], recording=rows["id"])


def recognised():
    """100 utterances of two speakers, every fifth with one wrong word of four."""
    said = ["یہ کتاب میز پر"] * 100
    heard = [text.replace("میز", "چیز") if i % 5 == 0 else text for i, text in enumerate(said)]
    return pd.DataFrame(
        {
            "id": [str(i) for i in range(100)], "speaker": ["a", "b"] * 50, "reference": said, "raw_reference": said,
            "hypothesis": heard,
        }
    )  # fmt: skip


def known_to(number):
    """What the names of an answer mean at the end of the notebook."""
    train = pd.Series(["کتاب", "یہ", "سو\u06c2ہ"])
    config = Wav2Vec2Config(conv_dim=(8, 8, 8, 8), conv_kernel=(10, 8, 4, 4), conv_stride=(10, 4, 4, 2))
    return {
        "01": lambda: {"utterances": inspected(), "seed": 13, "corpora": corpus},
        "02": lambda: {"train": train, "model": model, "vocab": model.build_vocab(train)},
        "03": lambda: {"model": model, "audio": audio, "config": config},
        "04": lambda: {"product": product, "read": read_of_notebook()},
        "05": lambda: {
            "pd": pd, "np": np, "analysis": analysis, "seed": 13, "predictions": recognised(),
            "scores": analysis.score_table(recognised(), seed=13),
        },
    }[number]()  # fmt: skip


def read_of_notebook():
    """The function by which notebook 04 collapses frames."""
    (source,) = [cell.source for cell in book("04").cells if cell["id"] == "collapse"]
    names: dict = {}
    exec(source, names)
    return names["read"]


@pytest.mark.parametrize("number", NOTEBOOKS)
def test_each_notebook_ends_with_an_exercise_whose_answer_is_right(number, capsys):
    exercise, recap = book(number).cells[-2:]
    assert exercise.source.startswith("## Exercise\n\n") and recap.source.startswith("## Recap")
    ((code, told),) = ANSWER.findall(exercise.source)
    assert "?" in exercise.source.split("<details>")[0] and len(told) > 80
    assert re.search(r"(?m)^assert ", code), "an answer that claims nothing cannot be wrong"
    exec(code, known_to(number))
    assert capsys.readouterr().out


@pytest.mark.parametrize("number", NOTEBOOKS)
def test_no_line_of_code_holds_two_texts_of_arabic_script(number):
    """An editor would show them in the other order, with the commas and brackets between them mirrored."""
    for cell in book(number).cells:
        for line in cell.source.splitlines() if cell.cell_type == "code" else ():
            runs = re.findall(r"[\u0600-\u06ff][\u0600-\u06ff ]*", line)
            assert len(runs) <= 1, f"{cell['id']}: {line}"


@pytest.mark.parametrize("number", NOTEBOOKS)
def test_urdu_words_that_prose_lists_are_isolated(number):
    """What stands between two of them, a comma or a slash, would make them change places."""
    for cell in book(number).cells:
        for line in cell.source.splitlines() if cell.cell_type == "markdown" else ():
            text = re.sub(r"<bdi>.*?</bdi>|`[^`]*`", "x", line)
            listed = re.search(r"[\u0600-\u06ff][^A-Za-z]*[^A-Za-z\s\u0600-\u06ff][^A-Za-z]*[\u0600-\u06ff]", text)
            assert not listed, f"{cell['id']}: {listed.group()}"


@pytest.mark.parametrize("number", NOTEBOOKS)
def test_no_kept_line_of_print_has_anything_behind_its_urdu(number):
    """Code first, Urdu last: what follows it on a line would be drawn in front of it."""
    for cell in book(number).cells:
        for output in cell.get("outputs", ()):
            for line in output.get("text", "").splitlines():
                runs = re.findall(r"[\u0600-\u06ff][\u0600-\u06ff ]*", line)
                assert len(runs) <= 1, f"{cell['id']}: {line}"
                assert not re.search(r"[\u0600-\u06ff]\W*[A-Za-z0-9]", line), f"{cell['id']}: {line}"
