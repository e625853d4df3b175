"""Broken and hostile folders of datasets: one sentence that names the file, and nothing outside is read."""

import json
import shutil

import pytest

from asr_helpers.corpus.problems import CorpusError
from asr_helpers.corpus.reading import read_corpus
from asr_helpers.dataset.reading import load_prepared, stream_prepared
from asr_helpers.saved_folder import plain_name, saved_files

datasets = pytest.importorskip("datasets")


@pytest.fixture(scope="module")
def good(tmp_path_factory):
    folder = tmp_path_factory.mktemp("good") / "saved"
    features = {"audio": {"bytes": datasets.Value("binary"), "path": datasets.Value("string")}}
    features |= {"text": datasets.Value("string"), "number": datasets.Value("int64")}
    columns = {"audio": [{"bytes": b"RIFF", "path": "a.wav"}] * 3, "text": ["x"] * 3, "number": [1, 2, 3]}
    one = datasets.Dataset.from_dict(columns, features=datasets.Features(features))
    datasets.DatasetDict({"train": one, "test": one}).save_to_disk(folder)
    return folder


@pytest.fixture
def saved(good, tmp_path):
    shutil.copytree(good, tmp_path / "saved")
    shutil.copytree(good, tmp_path / "elsewhere")
    return tmp_path / "saved"


def change(path, **fields):
    path.write_text(json.dumps(json.loads(path.read_text()) | fields))


STATE, INFO, DICT, DATA = (
    "train/state.json",
    "train/dataset_info.json",
    "dataset_dict.json",
    "train/data-00000-of-00001.arrow",
)

BROKEN = {
    **{f"{name} is missing": lambda s, name=name: (s / name).unlink() for name in (STATE, INFO, DATA)},
    **{
        f"{name} holds {content[:9]!r}": lambda s, name=name, content=content: (s / name).write_bytes(content)
        for name in (STATE, INFO, DICT)
        for content in (b"", b"{", b"[]", b"null", b'"x"', b"\xff\xfe", b"[" * 100_000)
    },
    **{f"the data holds {c[:9]!r}": lambda s, c=c: (s / DATA).write_bytes(c) for c in (b"", b"ARROW1\0\0", b"x" * 999)},
    "the data breaks off": lambda s: (s / DATA).write_bytes((s / DATA).read_bytes()[:400]),
    "a data file is a folder": lambda s: ((s / DATA).unlink(), (s / DATA).mkdir()),
    "the state names no file": lambda s: change(s / STATE, _data_files=[]),
    "the state names numbers": lambda s: change(s / STATE, _data_files=[1, 2]),
    "the state names objects": lambda s: change(s / STATE, _data_files=[{"file": "x"}]),
    "the state has no list": lambda s: change(s / STATE, _data_files="data"),
    "the splits are no list": lambda s: change(s / DICT, splits={"train": 1}),
    "the splits are numbers": lambda s: change(s / DICT, splits=[1]),
    "there are no splits": lambda s: change(s / DICT, splits=[]),
    "a split is missing": lambda s: shutil.rmtree(s / "test"),
    "a split is a file": lambda s: (shutil.rmtree(s / "test"), (s / "test").write_text("x")),
    "the features are text": lambda s: change(s / INFO, features="x"),
    "a feature is unknown": lambda s: change(s / INFO, features={"audio": {"_type": "Nonsense"}}),
    "the features are other": lambda s: change(s / INFO, features={"x": {"dtype": "string", "_type": "Value"}}),
    "the format is unknown": lambda s: change(s / STATE, _format_type="nonsense"),
    "the data leads up": lambda s: change(s / STATE, _data_files=[{"filename": f"../../elsewhere/{DATA}"}]),
    "the data is absolute": lambda s: change(s / STATE, _data_files=[{"filename": str(s.parent / "elsewhere" / DATA)}]),
    "a split leads up": lambda s: change(s / DICT, splits=["../elsewhere/train"]),
    "a split is the folder above": lambda s: change(s / DICT, splits=[".."]),
    "the data is a link": lambda s: ((s / DATA).unlink(), (s / DATA).symlink_to(s.parent / "elsewhere" / DATA)),
    "the state is a link": lambda s: ((s / STATE).unlink(), (s / STATE).symlink_to(s.parent / "elsewhere" / STATE)),
    "a split is a link": lambda s: (shutil.rmtree(s / "test"),
                                    (s / "test").symlink_to(s.parent / "elsewhere" / "test")),
}  # fmt: skip


@pytest.mark.parametrize("way", BROKEN)
def test_a_broken_folder_is_one_sentence(saved, tmp_path, way):
    BROKEN[way](saved)
    with pytest.raises(CorpusError) as caught:
        read_corpus(saved, cache_dir=tmp_path / "cache")
    text = str(caught.value)
    assert "saved" in text and "\n" not in text and len(text) < 700
    assert "save_to_disk" in text or "no column of type Audio" in text


@pytest.mark.parametrize("way", [way for way in BROKEN if " lead" in way or "absolute" in way or "link" in way])
def test_no_prepared_dataset_leads_elsewhere(saved, way):
    assert load_prepared(saved)["train"].num_rows == 3
    BROKEN[way](saved)
    with pytest.raises(ValueError, match=r"no name of a file|leads out of"):
        load_prepared(saved)


def test_a_stream_follows_no_name_out_of_its_folder(saved):
    assert len(list(stream_prepared(saved))) == 3
    change(saved / STATE, _data_files=[{"filename": f"../../elsewhere/{DATA}"}])
    with pytest.raises(ValueError, match="no name of a file"):
        stream_prepared(saved)


def test_a_column_that_is_no_text_is_named(saved, tmp_path):
    with pytest.raises(CorpusError, match=r"'number' is a int, «1», where text belongs"):
        read_corpus(saved, cache_dir=tmp_path / "cache", text_column="number")
    assert len(read_corpus(saved, cache_dir=tmp_path / "cache").rows) == 6, "and the recordings are written once"


def test_other_data_under_the_same_fingerprint_is_read_anew(saved, tmp_path):
    def texts():
        return read_corpus(saved, cache_dir=tmp_path / "cache", transcripts_file="train").rows["transcript"].tolist()

    assert texts() == ["x"] * 3
    other = datasets.load_from_disk(str(saved))["test"].map(lambda row: {"text": row["text"] + "y"})
    other.save_to_disk(tmp_path / "other")
    shutil.copy(tmp_path / "other" / "data-00000-of-00001.arrow", saved / DATA)
    assert texts() == ["xy"] * 3


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "../a", "a\\b", "a\0", None, 3, ["a"]])
def test_names_that_are_none(name):
    with pytest.raises(ValueError, match="no name of a file"):
        plain_name(name)


def test_the_files_of_a_good_folder(good):
    assert {split: [f.name for f in files] for split, files in saved_files(good).items()} == {
        "train": ["data-00000-of-00001.arrow"],
        "test": ["data-00000-of-00001.arrow"],
    }
