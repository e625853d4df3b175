"""The benchmark of people's voices: nested parts with one test split, one reader's corpus, a table of the cells."""

import human
import numpy as np
import pandas as pd
import pytest


def utterances():
    rng = np.random.default_rng(0)
    split = ["train"] * 200 + ["validation"] * 20 + ["test"] * 30
    return pd.DataFrame({"id": [f"{i:03}" for i in range(250)], "split": split, "seconds": rng.uniform(2, 9, 250)})


def test_a_larger_part_holds_the_smaller_ones_and_the_test_split_stays():
    rows = utterances()
    parts = [human.part_of(rows, minutes, seed=1) for minutes in (1, 5, 10, human.ALL)]
    for minutes, part, larger in zip((1, 5, 10), parts, parts[1:], strict=False):
        seconds = part.loc[part["split"] == "train", "seconds"].sum()
        assert 60 * minutes - 9 < seconds <= 60 * minutes and set(part["id"]) < set(larger["id"])
        assert part[part["split"] != "train"].equals(rows[rows["split"] != "train"])
    assert parts[-1].equals(rows)
    shuffled = human.part_of(rows.sample(frac=1, random_state=2), 5, seed=1)
    assert set(shuffled["id"]) == set(parts[1]["id"]) != set(human.part_of(rows, 5, seed=2)["id"])


def test_the_most_active_reader_gets_a_corpus_of_the_same_layout(tmp_path):
    (tmp_path / "release" / "clips").mkdir(parents=True)
    head = "client_id\tpath\tsentence\n"
    (tmp_path / "release" / "other.tsv").write_text(f'{head}a\t1.mp3\tاو "آمد\na\t2.mp3\tدو\nb\t3.mp3\tسه\n', "utf-8")
    (tmp_path / "release" / "validated.tsv").write_text(f"{head}b\t4.mp3\tیک\na\t5.mp3\tپنج\na\t2.mp3\tدو\n", "utf-8")
    (tmp_path / "release" / "reported.tsv").write_text("sentence\treason\nدو\tx\n", "utf-8")
    for number in range(1, 6):
        (tmp_path / "release" / "clips" / f"{number}.mp3").write_bytes(bytes([number]))
    folder = human.one_reader(tmp_path / "release", tmp_path / "own")
    assert sorted(path.name for path in (folder / "clips").iterdir()) == ["1.mp3", "2.mp3", "5.mp3"]
    lines = (folder / "other.tsv").read_text("utf-8").splitlines()
    assert lines[0] == head.strip() and sorted(lines[1:]) == ['a\t1.mp3\tاو "آمد', "a\t2.mp3\tدو", "a\t5.mp3\tپنج"]


def test_a_corpus_without_tables_of_common_voice_is_named(tmp_path):
    (tmp_path / "metadata.csv").write_text("file_name,text\n1.wav,ایک\n", "utf-8")
    with pytest.raises(ValueError, match=rf"{tmp_path} has no Common Voice table.*--kinds"):
        human.one_reader(tmp_path, tmp_path / "reader")


def test_cells_become_a_table_and_a_picture(tmp_path):
    scores = {"greedy": {"word": [0.9, 0.85, 0.95], "character": [0.4, None, None]}}
    cell = {"name": "first", "kind": "one reader", "training minutes": 14.9, "test utterances": 80, "scores": scores}
    told = human.table([cell])
    assert "| one reader | 15 min | first | 80 | 90.0 % (85.0–95.0) | 40.0 % |  |  |" in told
    human.picture([cell], tmp_path / "human.png")
    assert (tmp_path / "human.png").stat().st_size > 1000
