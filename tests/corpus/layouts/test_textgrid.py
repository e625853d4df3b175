"""TextGrids beside recordings, as Praat writes them and as they break."""

import pytest
from conftest import found
from praatio import textgrid
from praatio.utilities.constants import Interval

from asr_helpers.corpus.problems import ERROR, CorpusError
from asr_helpers.corpus.reading import read_corpus


def write_grid(path, *, encoding="utf-8", form="long_textgrid", **tiers):
    grid = textgrid.Textgrid()
    for name, labels in tiers.items():
        entries = [Interval(0.05 * i, 0.05 * (i + 1), label) for i, label in enumerate(labels)]
        grid.addTier(textgrid.IntervalTier(name, entries, 0, 0.2))
    grid.save(str(path), format=form, includeBlankSpaces=True)
    path.write_bytes(path.read_text(encoding="utf-8").encode(encoding))


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "utf-8-sig"])
@pytest.mark.parametrize("form", ["long_textgrid", "short_textgrid"])
def test_the_only_tier_is_the_transcript(recordings, encoding, form):
    for name, labels in (("a", ["یہ", "", "ہے"]), ("b", ['دو "تین"']), ("c", ["", ""])):
        path = recordings / "clips" / f"{name}.TextGrid"
        write_grid(path, encoding=encoding, form=form, Mary=labels)
    corpus = read_corpus(recordings)
    assert (corpus.layout, corpus.told, corpus.problems) == ("textgrid", "tier 'Mary'", [])
    assert corpus.rows["audio"].tolist() == ["clips/a.wav", "clips/b.wav", "clips/c.wav"]
    assert corpus.rows["transcript"].tolist() == ["یہ ہے", 'دو "تین"', ""]


def test_a_tier_is_known_by_its_name_or_named(recordings):
    for name in "abc":
        path = recordings / "clips" / f"{name}.TextGrid"
        write_grid(path, phones=["x"], Words=["یہ", "ہے"], gloss=["this", "is"])
    corpus = read_corpus(recordings)
    assert corpus.told == "tier 'Words'" and corpus.rows["transcript"].tolist() == ["یہ ہے"] * 3
    assert read_corpus(recordings, text_column="gloss").rows["transcript"].tolist() == ["this is"] * 3
    with pytest.raises(CorpusError, match=r"There are 'phones' \(3\), 'Words' \(3\), 'gloss' \(3\); see text_column"):
        read_corpus(recordings, text_column="glos")


def test_broken_grids_and_missing_tiers_cost_their_own_row(recordings):
    write_grid(recordings / "clips" / "a.TextGrid", text=["ایک"])
    write_grid(recordings / "clips" / "b.TextGrid", other=["دو"])
    good = (recordings / "clips" / "a.TextGrid").read_text(encoding="utf-8")
    (recordings / "clips" / "c.textgrid").write_text(good[: len(good) // 2], encoding="utf-8")
    corpus = read_corpus(recordings, text_column="text")
    assert corpus.rows["id"].tolist() == ["a"]
    assert found(corpus) == [
        (ERROR, "unreadable TextGrid", "clips/c.textgrid"),
        (ERROR, "missing tier", "clips/b.TextGrid"),
    ]


@pytest.mark.parametrize(
    "content", [b"", b"\0" * 100, b"[1, 2]", b'{"tiers": 3}', b'File type = "ooTextFile"\nitem [', b"\xff\xfe"]
)
def test_no_content_stops_the_reading(recordings, content):
    write_grid(recordings / "clips" / "a.TextGrid", text=["ایک"])
    (recordings / "clips" / "b.TextGrid").write_bytes(content)
    corpus = read_corpus(recordings)
    assert corpus.rows["id"].tolist() == ["a"]
    assert any(p.severity == ERROR and "clips/b.TextGrid" in p.utterance + p.value for p in corpus.problems)


@pytest.mark.parametrize("form", ["long_textgrid", "short_textgrid"])
@pytest.mark.parametrize("share", [0.5, 0.8, 0.95])
def test_a_grid_that_breaks_off_is_no_shorter_transcript(recordings, form, share):
    for name in "ab":
        write_grid(recordings / "clips" / f"{name}.TextGrid", form=form, text=["ایک", "دو", "تین"])
    path = recordings / "clips" / "b.TextGrid"
    path.write_text((whole := path.read_text(encoding="utf-8"))[: int(share * len(whole))], encoding="utf-8")
    corpus = read_corpus(recordings)
    assert corpus.rows["transcript"].tolist() == ["ایک دو تین"]
    assert found(corpus) == [(ERROR, "unreadable TextGrid", "clips/b.TextGrid")]


def test_numbered_recordings_with_a_text_file_keep_their_layout(numbered_corpus):
    root = numbered_corpus(3)
    write_grid(root / "1.TextGrid", words=["x"])
    assert read_corpus(root).layout == "numbered"
