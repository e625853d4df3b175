"""NeMo's manifests: one object a line."""

import json

import pytest
from conftest import found

from asr_helpers.corpus.problems import ERROR, CorpusError
from asr_helpers.corpus.reading import read_corpus


def manifest(*rows):
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)


def test_a_manifest_is_read_and_its_duration_kept(recordings):
    rows = [
        {"audio_filepath": f"{recordings}/clips/a.wav", "duration": 0.2, "text": "ایک", "speaker": "s1"},
        {"audio_filepath": "clips/b.wav", "duration": 0.2, "text": "دو", "offset": 0},
        {"audio_filepath": "clips/c.wav", "duration": 0.1, "text": "تین", "offset": 0.1},
        {"audio_filepath": "/data/other/clips/a.wav", "duration": 0.1, "text": "x"},
    ]
    (recordings / "train_manifest.json").write_text(manifest(*rows), encoding="utf-8")
    corpus = read_corpus(recordings)
    assert (corpus.layout, corpus.told) == ("nemo", "train_manifest.json")
    assert corpus.rows[["audio", "transcript"]].values.tolist() == [["clips/a.wav", "ایک"], ["clips/b.wav", "دو"]]
    assert corpus.rows["duration"].tolist() == [0.2, 0.2]
    assert found(corpus) == [
        (ERROR, "part of a recording", "line 3 of train_manifest.json"),
        (ERROR, "outside the folder", "_data_other_clips_a"),
    ]
    assert "(the folder has 'clips/a.wav')" in corpus.problems[1].advice


def test_one_of_several_manifests_is_named(recordings):
    for name, text in (("train.json", "x"), ("test.jsonl", "y")):
        (recordings / name).write_text(manifest({"audio_filepath": "clips/a.wav", "text": text}))
    with pytest.raises(CorpusError, match=r"With audio_filepath: train\.json, test\.jsonl\. .*transcripts_file"):
        read_corpus(recordings)
    assert read_corpus(recordings, transcripts_file="test.jsonl").rows["transcript"].tolist() == ["y"]
