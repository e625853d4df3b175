"""Which recordings are meant, and where what is written of them goes."""

import pytest

from asr_helpers.commands.recordings import ARGUMENT_FORMATS, find_recordings, still_to_do, where_to
from asr_helpers.decoding.export import FORMATS

BOTH = ["a.wav", "day 2/b.flac"]


def test_the_arguments_are_the_formats_there_are():
    assert tuple(FORMATS) == ARGUMENT_FORMATS


@pytest.mark.parametrize(
    ("names", "found"),
    [
        (["."], BOTH),
        (["**/*.flac", "*.wav"], ["day 2/b.flac", "a.wav"]),
        (["*"], ["a.wav", "day 2/b.flac", "notes.txt"]),
        (["a.wav", ".", "a.wav"], BOTH),
        (["missing.wav", "-"], ["missing.wav", "-"]),  # named when its turn comes
    ],
)
def test_files_folders_and_patterns_name_each_recording_once(names, found, tapes, monkeypatch):
    monkeypatch.chdir(tapes)
    assert [source.name for source in find_recordings(names)] == found


def test_a_name_with_brackets_is_a_name_where_such_a_file_is(tapes, monkeypatch):
    monkeypatch.chdir(tapes)
    (tapes / "a.wav").rename("a [1].wav")
    assert [source.name for source in find_recordings(["a [1].wav"])] == ["a [1].wav"]
    assert [source.name for source in find_recordings(["a*.wav"])] == ["a [1].wav"]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_a_list_names_recordings_one_a_line(encoding, tapes, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "list.txt").write_bytes('tapes/a.wav\r\n\r\n tapes/day 2 \r\n"آواز.wav"\r\n'.encode(encoding))
    found = [source.path.as_posix() for source in find_recordings([], tmp_path / "list.txt")]
    assert found == ["tapes/a.wav", "tapes/day 2/b.flac", "آواز.wav"]


@pytest.mark.parametrize(
    ("names", "message"),
    [
        ([], r"no recording to work on; name files.*--list"),
        (["*.mp3"], r"no file fits \*\.mp3; correct the pattern"),
        (["empty"], "the folder empty holds no recording"),
    ],
)
def test_what_names_no_recording_says_so(names, message, tapes, monkeypatch):
    monkeypatch.chdir(tapes)
    (tapes / "empty").mkdir()
    with pytest.raises(ValueError, match=message):
        find_recordings(names)


def targets(names, **where):
    where = {"out": None, "beside": False} | where
    found = where_to(find_recordings(names), ".srt", **where)
    return [target and target.as_posix() for target in found.values()]


def test_files_go_to_the_stream_beside_or_into_a_folder_like_that_of_the_recordings(tapes, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert targets(["tapes"]) == [None, None]
    assert targets(["tapes"], beside=True) == ["tapes/a.srt", "tapes/day 2/b.srt"]
    assert targets(["tapes"], out="out") == ["out/a.srt", "out/day 2/b.srt"]
    assert targets(["tapes", "tapes/**/*.flac"], out="out") == ["out/a.srt", "out/day 2/b.srt"]
    assert targets(["tapes/day 2/b.flac", "-"], out="out") == ["out/b.srt", "out/standard input.srt"]


@pytest.mark.parametrize(
    ("names", "where", "message"),
    [
        (["x/a.wav", "y/A.mp3"], {"out": "out"}, r"x/a\.wav, y/A\.mp3 would all be written to out/a\.srt"),
        (["-"], {"beside": True}, r"standard input has no place beside it; name a folder \(--out\)"),
    ],
)
def test_what_has_no_place_of_its_own_is_refused(names, where, message):
    with pytest.raises(ValueError, match=message):
        targets(names, **where)


def test_what_is_there_already_is_kept_unless_it_is_asked_for_again(tapes, capsys):
    found = where_to(find_recordings([str(tapes)]), ".srt", out=None, beside=True)
    (tapes / "a.srt").write_text("by hand")
    assert [source.path.name for source in still_to_do(found, again=False)] == ["b.flac"]
    assert "1 of 2 files there already and kept (--again writes them anew)" in capsys.readouterr().err
    assert len(still_to_do(found, again=True)) == 2
