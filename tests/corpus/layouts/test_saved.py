"""Corpora as the datasets library stores them: bytes become files once, undecoded; the Hub fails by name."""

import csv
import io
import os
import subprocess
import sys
import types

import pandas as pd
import pytest
import soundfile
from conftest import RATE, sentences, speech_like

from asr_helpers.corpus.layouts import saved as datasets_layout
from asr_helpers.corpus.layouts.saved import looks_like_hub_id
from asr_helpers.corpus.problems import ERROR, CorpusError
from asr_helpers.corpus.reading import read_corpus
from asr_helpers.corpus.writing import write_corpus

datasets = pytest.importorskip("datasets")
LINES = sentences(4)
REAL_LOAD = datasets.load_dataset


def encoded(seed, kind="WAV"):
    buffer = io.BytesIO()
    soundfile.write(buffer, speech_like(0.2, seed=seed), RATE, format=kind)
    return buffer.getvalue()


def undecoded(audio, text=LINES, **more):
    """A dataset whose audio is still a struct: making one of type Audio from Python would need FFmpeg."""
    string = datasets.Value("string")
    features = {"audio": {"bytes": datasets.Value("binary"), "path": string}, "sentence": string}
    features |= dict.fromkeys(more, string)
    columns = {"audio": audio, "sentence": text[: len(audio)], **more}
    return datasets.Dataset.from_dict(columns, features=datasets.Features(features))


def dataset(audio, text=LINES, **more):
    return undecoded(audio, text, **more).cast_column("audio", datasets.Audio())


def test_a_saved_dataset_becomes_files(tmp_path):
    audio = [
        {"bytes": encoded(i, kind), "path": name}
        for i, (name, kind) in enumerate([("a.wav", "WAV"), ("deep/b.flac", "FLAC"), ("c", "OGG"), (None, "MP3")])
    ]
    dataset(audio, speaker_id=["s1", None, "s2", "s1"]).save_to_disk(tmp_path / "saved")
    corpus = read_corpus(tmp_path / "saved", cache_dir=tmp_path / "cache")
    assert corpus.layout == "datasets"
    assert corpus.problems == []
    assert corpus.rows["audio"].tolist() == ["a.wav", "b.flac", "c.ogg", "000003.mp3"]
    assert corpus.rows["transcript"].tolist() == LINES
    assert corpus.rows["speaker"].isna().tolist() == [False, True, False, False]
    for i, name in enumerate(corpus.rows["audio"]):
        assert (corpus.root / name).read_bytes() == audio[i]["bytes"]
    assert corpus.root.parent == tmp_path / "cache"


def test_what_was_published_is_read_again(tmp_path, recordings):
    said = [("b", "test", "schön"), ("c", "test", ""), ("a", "train", "gut")]  # the splits in the order of their names
    rows = [(name, f"clips/{name}.wav", split, text) for name, split, text in said]
    table = pd.DataFrame(rows, columns=["id", "audio", "split", "transcript"]).assign(text="", speaker="x", seconds=0.2)
    write_corpus(table, recordings, tmp_path / "published" / "data")
    corpus = read_corpus(tmp_path / "published", cache_dir=tmp_path / "cache")
    assert corpus.layout == "datasets" and list(corpus.rows.transcript) == ["schön", "", "gut"]
    for row, (_, audio, *_) in zip(corpus.rows.itertuples(), rows, strict=True):
        assert (corpus.root / row.audio).read_bytes() == (recordings / audio).read_bytes() and row.speaker == "x"
    chosen = read_corpus(tmp_path / "published", cache_dir=tmp_path / "cache", transcripts_file="test")
    assert list(chosen.rows.transcript) == ["schön", ""]


def test_stored_paths_as_long_as_they_like_become_files(tmp_path):
    audio = [{"bytes": encoded(i), "path": f"{'گھر' * 100}{i}.wav"} for i in range(3)]
    dataset(audio).save_to_disk(tmp_path / "saved")
    corpus = read_corpus(tmp_path / "saved", cache_dir=tmp_path / "cache")
    assert corpus.problems == [] and corpus.rows["audio"].nunique() == 3
    assert [(corpus.root / name).read_bytes() for name in corpus.rows["audio"]] == [each["bytes"] for each in audio]


def test_further_columns_are_kept_classes_by_name_and_what_is_nested_is_said(tmp_path):
    audio = [{"bytes": encoded(i), "path": f"{i}.wav"} for i in range(3)]
    rows = undecoded(audio, text=LINES[:3], path=["p0", "p1", "p2"])
    rows = rows.add_column("age", [20, None, 41]).add_column("f0", [[1.5], [2.0], []])
    rows = rows.add_column("gender", [1, 0, None]).cast_column("gender", datasets.ClassLabel(names=["زن", "مرد"]))
    rows.save_to_disk(tmp_path / "saved")
    corpus = read_corpus(tmp_path / "saved", cache_dir=tmp_path / "cache")
    assert corpus.further == ["path", "age", "gender"]
    assert corpus.rows["path"].tolist() == ["p0", "p1", "p2"]
    assert corpus.rows["age"].fillna(-1).tolist() == [20, -1, 41]
    assert corpus.rows["gender"].fillna("-").tolist() == ["مرد", "زن", "-"]
    assert [p.value for p in corpus.problems] == ["f0: lists or objects"]


def test_recordings_are_written_once_and_a_killed_run_goes_on(tmp_path, monkeypatch):
    dataset([{"bytes": encoded(i), "path": f"{i}.wav"} for i in range(4)]).save_to_disk(tmp_path / "saved")
    written = []
    write = datasets_layout.write_bytes

    def count(data, path):
        if len(written) == 2 and not (tmp_path / "resumed").exists():
            raise KeyboardInterrupt
        written.append(path.name)
        write(data, path)

    monkeypatch.setattr(datasets_layout, "write_bytes", count)
    with pytest.raises(KeyboardInterrupt):
        read_corpus(tmp_path / "saved", cache_dir=tmp_path / "cache")
    (tmp_path / "resumed").touch()
    first = read_corpus(tmp_path / "saved", cache_dir=tmp_path / "cache")
    second = read_corpus(tmp_path / "saved", cache_dir=tmp_path / "cache")
    assert written == ["0.wav", "1.wav", "2.wav", "3.wav"]
    assert first.rows.equals(second.rows)


def test_splits_are_joined_or_chosen_and_equal_names_told_apart(tmp_path):
    parts = {
        "train": dataset([{"bytes": encoded(1), "path": "x.wav"}, {"bytes": encoded(2), "path": "X.wav"}]),
        "test": dataset([{"bytes": encoded(3), "path": "x.wav"}], text=["آخری"]),
    }
    datasets.DatasetDict(parts).save_to_disk(tmp_path / "saved")
    every = read_corpus(tmp_path / "saved", cache_dir=tmp_path / "cache").rows
    assert every["id"].tolist() == ["x", "X-000001", "x-000002"], "also where file systems ignore case"
    only = read_corpus(tmp_path / "saved", cache_dir=tmp_path / "cache", transcripts_file="test").rows
    assert only["transcript"].tolist() == ["آخری"]
    with pytest.raises(CorpusError, match=r"no split 'dev'; it has train, test"):
        read_corpus(tmp_path / "saved", cache_dir=tmp_path / "cache", transcripts_file="dev")


@pytest.fixture
def audiofolder(tmp_path):
    folder = tmp_path / "folder"
    folder.mkdir()
    rows = [["file_name", "transcription"], *([f"{i}.wav", line] for i, line in enumerate(LINES))]
    with open(folder / "metadata.csv", "w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows(rows)
    for i in range(len(LINES)):
        (folder / f"{i}.wav").write_bytes(encoded(i))
    return folder


def load_audiofolder(folder, tmp_path):
    return REAL_LOAD("audiofolder", data_dir=str(folder), cache_dir=str(tmp_path / "hf"))


def test_loose_recordings_need_a_decoder_to_be_loaded_and_the_way_round_is_told(tmp_path, audiofolder, monkeypatch):
    monkeypatch.setitem(sys.modules, "torchcodec.encoders", None)  # as where FFmpeg is missing
    monkeypatch.setattr(datasets, "load_dataset", lambda *_: load_audiofolder(audiofolder, tmp_path))
    says = r"cannot build 'owner/name' \(.*torchcodec.*hf download owner/name --repo-type"
    with pytest.raises(CorpusError, match=says):
        read_corpus("owner/name", cache_dir=tmp_path / "cache")


def test_an_audiofolder_that_datasets_loaded(tmp_path, audiofolder, monkeypatch):
    folder = audiofolder
    for name in ("torchcodec", "torchcodec.encoders"):  # named by datasets before it stores a path; never used for one
        monkeypatch.setitem(sys.modules, name, types.SimpleNamespace(AudioEncoder=None, encoders=None))
    load_audiofolder(folder, tmp_path).save_to_disk(tmp_path / "saved")
    corpus = read_corpus(tmp_path / "saved", cache_dir=tmp_path / "cache")
    assert sorted(corpus.rows["transcript"]) == sorted(LINES)
    for row in corpus.rows.itertuples():
        assert (corpus.root / row.audio).read_bytes() == (folder / f"{row.id}.wav").read_bytes()
        assert row.transcript == LINES[int(row.id)]


def test_a_stored_path_leads_nowhere_else(tmp_path):
    outside = tmp_path / "secret.wav"
    outside.write_bytes(encoded(0))
    audio = [
        {"bytes": None, "path": str(outside)},
        {"bytes": None, "path": "../secret.wav"},
        {"bytes": None, "path": None},
        {"bytes": None, "path": "inside.wav"},
        {"bytes": encoded(1), "path": "../../escape.wav"},
    ]
    undecoded(audio, ["متن"] * 5).save_to_disk(tmp_path / "saved")
    (tmp_path / "saved" / "inside.wav").write_bytes(encoded(2))
    corpus = read_corpus(tmp_path / "saved", cache_dir=tmp_path / "cache")
    assert corpus.rows["id"].tolist() == ["inside", "escape"]
    assert [(p.severity, p.check) for p in corpus.problems] == [(ERROR, "missing file")] * 3
    assert not (tmp_path / "escape.wav").exists()
    assert sorted(p.name for p in corpus.root.iterdir()) == ["escape.wav", "inside.wav", "rows.json"]


def test_missing_columns_are_named(tmp_path):
    dataset([{"bytes": encoded(0), "path": "a.wav"}]).save_to_disk(tmp_path / "saved")
    with pytest.raises(CorpusError, match=r"no column 'urdu': it has 'audio', 'sentence'"):
        read_corpus(tmp_path / "saved", cache_dir=tmp_path / "cache", text_column="urdu")
    with pytest.raises(CorpusError, match=r"no column 'who'"):
        read_corpus(tmp_path / "saved", cache_dir=tmp_path / "cache", speaker_column="who")
    datasets.Dataset.from_dict({"text": ["x"]}).save_to_disk(tmp_path / "silent")
    with pytest.raises(CorpusError, match="no column of type Audio; it has text"):
        read_corpus(tmp_path / "silent", cache_dir=tmp_path / "cache")


def test_a_full_disk_is_noticed_before_anything_is_written(tmp_path, monkeypatch):
    dataset([{"bytes": encoded(0), "path": "a.wav"}]).save_to_disk(tmp_path / "saved")

    def full(folder, needed):
        assert needed > len(encoded(0))
        raise OSError(28, "no room")

    monkeypatch.setattr(datasets_layout, "require_free_space", full)
    with pytest.raises(OSError, match="no room"):
        read_corpus(tmp_path / "saved", cache_dir=tmp_path / "cache")
    assert not (tmp_path / "cache").exists()


def test_a_hub_id_without_network_names_the_id_and_the_fix(tmp_path):
    program = (
        "from asr_helpers.corpus.reading import read_corpus\n"
        "try: read_corpus('someone/urdu_speech', cache_dir='cache')\n"
        "except ValueError as error: print(type(error).__name__, error)\n"
    )
    environment = {**os.environ, "HF_HUB_OFFLINE": "1", "HF_HOME": str(tmp_path / "hf")}
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, env=environment, capture_output=True, text=True, check=True
    )
    assert done.stdout.startswith("CorpusError there is no folder someone/urdu_speech")
    assert "cannot be reached for the dataset 'someone/urdu_speech'" in done.stdout
    assert "connect to the network" in done.stdout
    assert "local folder" in done.stdout


@pytest.mark.parametrize(
    ("error", "says"),
    [
        (datasets.exceptions.DatasetNotFoundError("x"), r"no dataset 'owner/name' on the Hub"),
        (ConnectionError("x"), r"cannot be reached for the dataset 'owner/name'"),
        (ValueError("Config name is missing: ur, hi"), r"Config name is missing: ur, hi; name .* owner/name:CONFIG"),
    ],
)
def test_every_failure_of_the_hub_is_explained(tmp_path, monkeypatch, error, says):
    def fail(name, configuration):
        assert (name, configuration) == ("owner/name", "ur")
        raise error

    monkeypatch.setattr(datasets, "load_dataset", fail)
    with pytest.raises(CorpusError, match=says):
        read_corpus("owner/name:ur", cache_dir=tmp_path)


@pytest.mark.parametrize(
    ("source", "is_id"),
    [
        ("owner/name", True),
        ("owner/name:ur_pk", True),
        ("name", True),
        ("./name", False),
        ("../name", False),
        ("/name", False),
        ("a/b/c", False),
        ("my folder", False),
        ("C:\\corpus", False),
    ],
)
def test_hub_ids_are_told_from_paths(source, is_id):
    assert looks_like_hub_id(source) is is_id
