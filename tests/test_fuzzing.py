"""Random damage to whatever comes from outside, always the same: each is read, or refused in one sentence.

Every test has a budget of seconds. ``derandomize`` makes hypothesis try the same examples everywhere; what it finds is
mended, and stands below its test as an example.
"""

from __future__ import annotations

import json
import shutil
import unicodedata
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
import soundfile
from conftest import speech_like
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from little_project import execute, make_project, run_project

from asr_helpers.audio.measuring import measure
from asr_helpers.audio.reading import read_audio
from asr_helpers.audio.recording import AudioError
from asr_helpers.corpus.checks.transcripts import check_transcripts
from asr_helpers.corpus.layouts.registry import LAYOUTS
from asr_helpers.corpus.problems import CorpusError, problems_table
from asr_helpers.corpus.reading import read_corpus
from asr_helpers.run import parameters, runner
from asr_helpers.run.folder import MissingArtifact, StaleArtifact, open_run
from asr_helpers.run.manifest import BrokenRecord
from asr_helpers.run.parameters import ParameterError, all_parameters, read_parameters
from asr_helpers.text.languages import LANGUAGES
from asr_helpers.text.normaliser import Normaliser
from asr_helpers.text.sentences import count_spoken_letters, sentence_key


def budget(examples: int) -> Callable:
    """The same examples everywhere, none kept on the disk, no clock; fixtures stay as they are between examples."""
    checks = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large]
    return settings(max_examples=examples, derandomize=True, database=None, deadline=None, suppress_health_check=checks)


# -- damaged bytes --

PIECES = [
    *(b'"', b"'", b",", b"\t", b"|", b"\n", b"\r", b"\0", b"{", b"}", b"[", b"]", b" ", b"=", b"#", b"-1", b'""'),
    *(b"\xef\xbb\xbf", b"\xff\xfe", b"\x85", b"\xe2\x80\xa8", b"\xed\xa0\x80", b"\xc3", b"\\ud800", b"\x1b[31m"),
    *(b"../../x.wav", b"/etc/passwd", b"C:\\x", b"\\\\x\\y", b"null", b"NaN", b"1e999", b"<script>", b"{{7*7}}"),
    *(b"file_name", b"id", b"split", b"1.wav" * 300, b"a" * 5_000, b"9" * 5_000, b"[" * 3_000),
]
HEADERS = [
    *(b"\xff" * 4, b"\xff" * 8, b"\0" * 4, b"\0" * 64, b"\x7f\xff\xff\xff", b"\x80\0\0\0", b"\1\0\0\0", b"\0\0\0\1"),
    *(b"OggS", b"RIFF", b"fmt ", b"data", b"ID3\4\0\0\x7f\x7f\x7f\x7f", b"fLaC", b"Xing", b"OpusHead"),
]


def edits(pieces: list[bytes]) -> st.SearchStrategy:
    """Some changes of a file: where (as a share of its length), what, and how many bytes it takes the place of."""
    place = st.one_of(st.floats(0, 0.05), st.floats(0, 1))
    piece = st.one_of(st.sampled_from(pieces), st.binary(max_size=8))
    return st.lists(st.tuples(place, piece, st.sampled_from([0, 0, 1, 4, 20, 10_000_000])), min_size=1, max_size=6)


def damaged(data: bytes, changes: list[tuple[float, bytes, int]]) -> bytes:
    for place, piece, gone in changes:
        at = round(place * len(data))
        data = data[:at] + piece + data[at + gone :]
    return data


# -- readers --

GRID = """File type = "ooTextFile"
Object class = "TextGrid"

xmin = 0
xmax = 1
tiers? <exists>
size = 1
item []:
    item [1]:
        class = "IntervalTier"
        name = "sentence"
        xmin = 0
        xmax = 1
        intervals: size = 1
        intervals [1]:
            xmin = 0
            xmax = 1
            text = "ایک دو"
"""
CORPORA = {  # layout → its text files, the first of which is damaged
    "numbered": {"text.txt": "ایک دو\nتین چار\nپانچ چھ\n", "speakers.txt": "a\nb\na\n"},
    "kaldi": {"wav.scp": "a 1.wav\nb 2.wav\nc 3.wav\n", "text": "a ایک\nb دو\nc تین\n", "utt2spk": "a x\nb y\n"},
    "nemo": {"m.json": '{"audio_filepath": "1.wav", "text": "ایک"}\n{"audio_filepath": "2.wav", "text": "دو"}\n'},
    "ljspeech": {"metadata.csv": "1|ایک|ایک\n2|دو|دو\n3|تین|تین\n", "wavs/1.wav": ""},
    "audiofolder": {"metadata.csv": 'file_name,text,speaker,age\n1.wav,ایک,a,20\n2.wav,"دو, ""تین""",b,30\n'},
    "audiofolder of JSON": {"metadata.jsonl": '{"file_name": "1.wav", "text": "ایک", "x": [1]}\n{"file_name": ""}\n'},
    "common_voice": {"validated.tsv": "client_id\tpath\tsentence\tage\na\t1.wav\tایک\t20\nb\t2.wav\tدو\t\n"},
    "textgrid": {"1.TextGrid": GRID, "2.TextGrid": GRID},
}


def test_every_layout_of_text_files_is_tried():
    assert {name.split()[0] for name in CORPORA} == LAYOUTS.keys() - {"datasets"}


@pytest.mark.parametrize("layout", CORPORA)
@budget(60)
@given(changes=edits(PIECES), said=st.booleans())
def test_a_damaged_corpus_is_read_within_its_folder_or_refused(tmp_path, layout, changes, said):
    shutil.rmtree(tmp_path)
    (tmp_path / "wavs").mkdir(parents=True)
    for i, (name, text) in enumerate(CORPORA[layout].items()):
        (tmp_path / name).write_bytes(text.encode() if i else damaged(text.encode(), changes))
    for name in ("1.wav", "2.wav", "3.wav"):
        (tmp_path / name).write_bytes(b"RIFF")
    if layout != "ljspeech":
        (tmp_path / "wavs").rmdir()
    try:
        corpus = read_corpus(tmp_path, layout=layout.split()[0] if said else "auto")
    except CorpusError as error:
        assert "\n" not in str(error)
        return
    rows = corpus.rows
    assert rows["id"].is_unique
    assert all((tmp_path / audio).resolve().parent in (tmp_path, tmp_path / "wavs") for audio in rows["audio"])
    assert not any(set(name) & set("/\\\0") or name in ("", ".", "..") for name in rows["id"])
    said = [*corpus.problems, *check_transcripts(zip(rows["id"], rows["transcript"], strict=True), script="arabic")]
    for table in (rows, problems_table(said)):  # every letter of it can be filed
        table.to_parquet(tmp_path / "x.parquet")


# -- recordings --

KINDS = {
    **{".wav": ("WAV", "PCM_16"), ".bwf": ("WAV", "FLOAT"), ".rf64": ("RF64", "PCM_16"), ".w64": ("W64", "PCM_16")},
    **{".aiff": ("AIFF", "PCM_16"), ".caf": ("CAF", "PCM_16"), ".au": ("AU", "PCM_16"), ".sph": ("NIST", "PCM_16")},
    **{".flac": ("FLAC", "PCM_16"), ".ogg": ("OGG", "VORBIS"), ".opus": ("OGG", "OPUS")},
    ".mp3": ("MP3", "MPEG_LAYER_III"),
}


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> dict[str, bytes]:
    """A quarter of a second in every container."""
    folder = tmp_path_factory.mktemp("whole")
    for suffix, (container, coding) in KINDS.items():
        path = folder / f"x{suffix}"
        soundfile.write(path, speech_like(0.25), 16_000, format=container, subtype=coding)
    return {path.suffix: path.read_bytes() for path in folder.iterdir()}


@pytest.mark.filterwarnings("ignore:invalid value encountered")  # a sample that is not a number: `finite` says so
@pytest.mark.parametrize("suffix", KINDS)
@budget(150)
@given(changes=edits(HEADERS))
@example(changes=[(0.0, b"OggS" + bytes(200), 10_000_000)])  # a stream that never begins
@example(changes=[(0.0, b"caff\0\1\0\0" + b"desc" + b"\xff" * 8, 10_000_000)])  # a chunk that ends beyond every file
@example(changes=[(0.0, b"RIFF\xff\xff\xff\xffWAVE" + b"none\0\0\0\0" * 200_000, 10_000_000)])  # chunks without end
def test_a_damaged_recording_is_decoded_or_refused(tmp_path, whole, suffix, changes):
    path = tmp_path / f"x{suffix}"
    path.write_bytes(damaged(whole[suffix], changes))
    for read in (measure, read_audio):
        try:
            found = read(path)
        except AudioError as error:
            assert "\n" not in str(error)
        else:
            seconds = found.seconds if read is measure else len(found[0]) / 16_000
            assert seconds <= 0.25 * 4 + path.stat().st_size / 100  # a rate of a quarter, or what was put in


# -- texts --

NEAR = (  # what rules are about
    "ابپتٹکگھہیےءئؤآۂ يكىةه\u0653\u0654\u064e\u0670\u0640\u200c\u200d\u200b\u200f\u00a0\u2028۰۱٢3٪%.,،۔؟'’-ﷺﻻ"
    "½²①İıßẞéе́ßक़ि०ਕਿกำ你"
)
TEXTS = st.text(st.one_of(st.sampled_from(NEAR), st.characters()), max_size=30)


@pytest.mark.parametrize("digits", ["words", "keep"])
@pytest.mark.parametrize("language", LANGUAGES)
@budget(150)
@given(text=TEXTS)
def test_twice_normalised_is_once_normalised(language, digits, text):
    normaliser = Normaliser(language=language, digits=digits)
    once = normaliser(text)
    assert normaliser(once) == once == " ".join(once.split(" "))
    assert unicodedata.is_normalized("NFC", once)
    assert sentence_key(once) == sentence_key(normaliser(once)) and count_spoken_letters(text) >= 0


# -- parameters --

VALUES = [
    *("1", "three", "5e-4", "010", "no", "~", "''", "nan", "inf", "1e999", "-1", "1_0", "0x10", "٣", "2024-05-01"),
    *("!!binary Ijs=", "!!python/object/apply:os.system [ls]", "&a [*a]", "*a", "{a: b}", "[1]", "|\n  x", "<<: *x"),
    *('"\\U00110000"', '"\\UFFFFFFFF"', '"\\x00"', '"\\ud800"', "9" * 400, "9" * 5_000, "a: b", "- x"),
    *("? x", "...", "--- ", "%YAML 9.9", "%TAG ! x", "\x85", "\ufeff", "\0", "\x1b[31m", "#", "'", '"', "@x", "\t"),
]
DECLARED = {name: one.type for notebook in all_parameters().values() for name, one in notebook.items()}
LINES = st.tuples(
    st.one_of(st.sampled_from(sorted(DECLARED)), st.sampled_from(VALUES)),
    st.sampled_from([": ", ": ", ":", "=", "\n"]),
    st.one_of(st.sampled_from(VALUES), st.text(max_size=20)),
).map("".join)


@budget(200)
@given(lines=st.lists(LINES, max_size=3), override=st.one_of(st.just(""), LINES, st.text(max_size=20)))
@example(lines=['corpus: "\\UFFFFFFFF"'], override="")
@example(lines=["["] * 1_000, override="")
@example(lines=[], override="seed=" + "9" * 400)
@example(lines=[], override=f"seed={2**32}")
@example(lines=[], override="\x1b[2J")
def test_parameters_are_typed_or_refused_in_one_short_sentence(tmp_path, monkeypatch, lines, override):
    known = all_parameters()
    monkeypatch.setattr(parameters, "all_parameters", lambda: known)
    file = tmp_path / "p.yaml"
    file.write_bytes("\n".join(lines).encode("utf-8", "surrogatepass"))
    try:
        found = read_parameters(file, [override] if override else [])
    except ParameterError as error:
        assert str(error).isprintable() and len(str(error)) < 1_000
    else:
        assert all(type(value) is DECLARED[name] for name, value in found.items())


# -- the records of a run --

JSON = st.sampled_from(
    [None, True, 0, -1, 10**400, float("inf"), "", "x", "01", "../../x", "\0", "\ud800", [], [1], {}, {"a": 1}, [[]]]
)


@pytest.fixture
def project(tmp_path, monkeypatch) -> Path:
    make_project(tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(runner, "_execute", execute)
    assert run_project(tmp_path) == ["01", "02", "03", "04", "05"]
    return tmp_path


@pytest.mark.parametrize("name", ["manifest.json", "files.json"])
@budget(60)
@given(data=st.data())
def test_a_damaged_record_is_made_again_or_refused(project, name, data):
    file = project / "runs/a" / name
    kept = {path: path.read_bytes() for path in (project / "runs/a").iterdir() if path.is_file()}
    tree = json.loads(file.read_text())
    node, places = tree, []
    while isinstance(node, dict) and node and data.draw(st.integers(0, 4)):
        places.append(data.draw(st.sampled_from(sorted(node))))
        node = node[places[-1]]
    node = tree
    for place in places[:-1]:
        node = node[place]
    if places and data.draw(st.booleans()):
        del node[places[-1]]
    elif places:
        node[places[-1]] = data.draw(JSON)
    broken = json.dumps(tree if places else data.draw(JSON)).encode()
    file.write_bytes(damaged(broken, data.draw(edits(PIECES))) if data.draw(st.booleans()) else broken)
    for attempt in (lambda: open_run("runs/a").need("utterances"), lambda: run_project(project)):
        try:
            attempt()
        except (BrokenRecord, StaleArtifact, MissingArtifact) as error:
            assert "\n" not in str(error)
        else:
            pd.read_parquet(project / "runs/a/utterances.parquet")
    for path, content in kept.items():
        path.write_bytes(content)
