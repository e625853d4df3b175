"""A folder of any layout becomes a corpus: which layout, which parameters, which further columns."""

from pathlib import Path

import nbformat
import pandas as pd
import pytest
from conftest import sentences, write_csv, write_tsv

from asr_helpers.corpus.checking import measure_corpus
from asr_helpers.corpus.layouts.registry import LAYOUTS
from asr_helpers.corpus.problems import CorpusError
from asr_helpers.corpus.reading import find_layout, read_corpus


def texts(root):
    return (root / "text.txt").read_text(encoding="utf-8").splitlines()


def test_layouts_are_recognised_in_a_fixed_order(numbered_corpus):
    root = numbered_corpus(3)
    assert find_layout(root).name == "numbered"
    write_tsv(root / "x.tsv", [["client_id", "path", "sentence"]])
    assert find_layout(root).name == "common_voice"
    write_csv(root / "metadata.csv", [["file_name", "text"]])
    assert find_layout(root).name == "audiofolder"
    (root / "state.json").write_text("{}")
    assert find_layout(root).name == "datasets"
    assert read_corpus(root, layout="numbered").rows["transcript"].tolist() == texts(root)


def test_what_is_no_corpus_is_said_clearly(tmp_path):
    with pytest.raises(CorpusError, match=r"no known layout .* in it: none"):
        read_corpus(tmp_path)
    (tmp_path / "x.txt").write_text("x")
    with pytest.raises(CorpusError, match=r"in it: x\.txt"):
        read_corpus(tmp_path)
    with pytest.raises(CorpusError, match="is a file; give the folder"):
        read_corpus(tmp_path / "x.txt")
    with pytest.raises(CorpusError, match="there is no folder"):
        read_corpus(tmp_path / "no" / "such")
    with pytest.raises(CorpusError, match="there is no folder"):
        read_corpus(tmp_path / "none", layout="numbered")
    with pytest.raises(CorpusError, match="layout is 'elan'; use 'auto', 'datasets'"):
        read_corpus(tmp_path, layout="elan")
    for layout, says in (("numbered", "no numbered recordings"), ("audiofolder", "no metadata.csv")):
        with pytest.raises(CorpusError, match=says):
            read_corpus(tmp_path, layout=layout)
    with pytest.raises(CorpusError, match="With the columns path and sentence: none"):
        read_corpus(tmp_path, layout="common_voice")


def test_parameters_of_another_layout_are_refused(numbered_corpus, recordings):
    with pytest.raises(CorpusError, match=r"speaker_column is 'who', and the layout numbered knows .*speakers_file"):
        read_corpus(numbered_corpus(2, folder="numbered"), speaker_column="who")
    write_csv(recordings / "metadata.csv", [["file_name", "text"], ["clips/a.wav", "one"]])
    with pytest.raises(CorpusError, match=r"speakers_file is 's\.txt', and the layout audiofolder .*speaker_column"):
        read_corpus(recordings, speakers_file="s.txt")


def test_rows_are_the_same_every_time(numbered_corpus):
    root = numbered_corpus(25)
    first, second = read_corpus(root), read_corpus(root)
    assert first.rows.equals(second.rows)
    assert first.rows["transcript"].tolist() == sentences(25)


NOTEBOOKS = Path(__file__).resolve().parents[2] / "notebooks"


def test_every_layout_is_in_the_readme_and_takes_parameters_that_exist():
    readme = (NOTEBOOKS.parent / "data" / "README.md").read_text(encoding="utf-8")
    (cell,) = [
        c for c in nbformat.read(NOTEBOOKS / "01_data_inspection.ipynb", 4).cells if "parameters" in str(c.metadata)
    ]
    for layout in LAYOUTS.values():
        assert f"\n| `{layout.name}` |" in readme
        assert layout.options and all(f"\n{option}: str = " in cell.source for option in layout.options)


FURTHER = {
    "metadata.csv": (
        "file_name,text,speaker,accent,age,seconds,empty,code\n"
        "clips/a.wav,ایک,s1,پنجابی,31,x,,007\nclips/b.wav,دو,s2,,40.5,y,,008\n"
    ),
    "metadata.jsonl": (
        '{"file_name": "clips/a.wav", "text": "ایک",'
        ' "accent": "پنجابی", "age": 31, "seconds": "x", "code": "007", "f": [1]}\n'
        '{"file_name": "clips/b.wav", "text": "دو", "age": 40.5, "seconds": "y", "code": "008", "empty": NaN}\n'
    ),
    "validated.tsv": (
        "client_id\tpath\tsentence\taccent\tage\tseconds\tempty\tcode\n"
        "s1\ta.wav\tایک\tپنجابی\t31\tx\t\t007\ns2\tb.wav\tدو\t\t40.5\ty\t\t008\n"
    ),
}


@pytest.mark.parametrize("name", FURTHER)
def test_what_a_corpus_says_beyond_transcript_and_speaker_is_kept(recordings, name):
    (recordings / name).write_text(FURTHER[name], encoding="utf-8")
    corpus = read_corpus(recordings)
    assert corpus.further == ["accent", "age", "corpus_seconds", "code"], (
        "an empty column is none, ours keep their names"
    )
    assert corpus.rows["accent"].tolist()[0] == "پنجابی" and pd.isna(corpus.rows["accent"].iloc[1])
    assert corpus.rows["age"].tolist() == [31, 40.5] and corpus.rows["age"].dtype == "float64"
    assert corpus.rows["code"].tolist() == ["007", "008"], "leading zeros belong to a name"
    assert [p.value for p in corpus.problems] == (["f: lists or objects"] if name.endswith("jsonl") else [])
    measured, _ = measure_corpus(corpus, progress=False)
    assert set(corpus.further) < set(measured.columns) and measured.columns.is_unique
