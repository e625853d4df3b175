"""What containers promise and hold: placeholder lengths, missing ends, joined files, and what is no file at all."""

import os
import socket
import struct
from functools import partial

import numpy as np
import pandas as pd
import pytest
import soundfile
from conftest import speech_like

from asr_helpers.audio import recording
from asr_helpers.audio.files import AUDIO_SUFFIXES
from asr_helpers.audio.measuring import measure
from asr_helpers.audio.reading import read_audio, read_blocks
from asr_helpers.audio.recording import AudioError
from asr_helpers.corpus.checking import measure_corpus
from asr_helpers.corpus.reading import Corpus
from asr_helpers.dataset.shards import Clip, ClipSettings, Shard, write_shard

RATE = 16_000

KINDS = {  # suffix: container and coding
    ".wav": ("WAV", "PCM_16"),
    ".rf64": ("RF64", "PCM_16"),
    ".w64": ("W64", "PCM_16"),
    ".aiff": ("AIFF", "PCM_16"),
    ".aifc": ("AIFF", "ULAW"),
    ".caf": ("CAF", "PCM_16"),
    ".au": ("AU", "PCM_16"),
    ".sph": ("NIST", "PCM_16"),
    ".flac": ("FLAC", "PCM_16"),
    ".ogg": ("OGG", "VORBIS"),
    ".opus": ("OGG", "OPUS"),
    ".mp3": ("MP3", "MPEG_LAYER_III"),
}


def write(path, seconds, *, seed=0, rate=RATE, channels=1):
    container, coding = KINDS[path.suffix]
    samples = np.repeat(speech_like(seconds, rate=rate, seed=seed)[:, None], channels, axis=1)
    soundfile.write(path, samples, rate, format=container, subtype=coding)
    return path


def joined(path, *parts):
    path.write_bytes(b"".join(part.read_bytes() for part in parts))
    return path


@pytest.mark.parametrize("suffix", KINDS)
def test_every_container_is_read_whole(tmp_path, suffix):
    assert suffix in AUDIO_SUFFIXES
    path = write(tmp_path / f"x{suffix}", 2.0)
    assert (measure(path).truncated, measure(path).seconds) == ("", pytest.approx(2.0, abs=1e-3))
    assert len(read_audio(path)[0]) == pytest.approx(2 * RATE, abs=16)


@pytest.mark.parametrize("suffix", KINDS)
@pytest.mark.parametrize("kept", [0.9, 0.5])
def test_every_missing_end_is_told(tmp_path, suffix, kept):
    path = write(tmp_path / f"x{suffix}", 4.0)
    path.write_bytes(path.read_bytes()[: int(kept * path.stat().st_size)])
    try:
        told = measure(path).truncated
    except AudioError as error:
        told = error.found
    assert told
    if suffix in (".wav", ".rf64", ".w64", ".aiff", ".aifc", ".au", ".sph"):
        assert told.startswith("the header promises 4.0"), told
        assert float(told.split("the last ")[1].split(" s ")[0]) == pytest.approx(4 * (1 - kept), abs=0.05)


@pytest.mark.parametrize("suffix", KINDS)
def test_joined_files_are_heard_whole_or_refused(tmp_path, suffix):
    one, two = write(tmp_path / f"1{suffix}", 2.0, seed=1), write(tmp_path / f"2{suffix}", 4.0, seed=2)
    both = joined(tmp_path / f"both{suffix}", one, two)
    if suffix in (".ogg", ".opus", ".mp3"):
        assert measure(both).seconds == pytest.approx(6.0, abs=0.3 if suffix == ".mp3" else 1e-3)
        assert measure(both).truncated == ""
        assert len(read_audio(both)[0]) == pytest.approx(6 * RATE, abs=0.3 * RATE)
        return
    for read in (read_audio, lambda path: list(read_blocks(path))):
        with pytest.raises(AudioError, match=r"joined to its end|breaks off"):
            read(both)


def test_a_flac_joined_to_one_that_ends_where_a_block_does_is_refused(tmp_path):
    one = write(tmp_path / "1.flac", recording.BLOCK_SAMPLES / RATE)
    for other in (one, write(tmp_path / "2.flac", 2.0, seed=2)):
        with pytest.raises(AudioError, match="breaks off"):
            read_audio(joined(tmp_path / "both.flac", one, other))
    assert (measure(one).seconds, measure(one).truncated) == (recording.BLOCK_SAMPLES / RATE, "")


@pytest.mark.parametrize("suffix", [".ogg", ".opus"])
def test_the_links_of_a_chain_sound_as_they_do_alone(tmp_path, suffix):
    parts = [write(tmp_path / f"{i}{suffix}", 0.5 + i, seed=i) for i in range(3)]
    both = joined(tmp_path / f"chain{suffix}", *parts)
    alone = np.concatenate([read_audio(part, sampling_rate=None)[0] for part in parts])
    np.testing.assert_array_equal(read_audio(both, sampling_rate=None)[0], alone)


def test_chains_whose_links_differ_are_refused(tmp_path):
    one = write(tmp_path / "1.ogg", 1.0)
    for other in (write(tmp_path / "2.ogg", 1.0, rate=22_050), write(tmp_path / "3.ogg", 1.0, channels=2)):
        both = joined(tmp_path / "both.ogg", one, other)
        for read in (read_audio, measure):
            with pytest.raises(AudioError, match=r"joined streams of 16000 Hz and 1 channels, and of .*; cut it into"):
                read(both)


def pages(data):
    starts = [i for i in range(len(data)) if data.startswith(b"OggS", i)]
    return [data[start:stop] for start, stop in zip(starts, [*starts[1:], len(data)], strict=True)]


@pytest.mark.parametrize("suffix", [".ogg", ".opus"])
def test_lost_and_damaged_pages_within_a_file_are_told(tmp_path, suffix):
    path = write(tmp_path / f"x{suffix}", 8.0)
    whole = pages(path.read_bytes())
    middle = len(whole) - 3
    path.write_bytes(b"".join(whole[:middle] + whole[middle + 1 :]))
    assert measure(path).truncated == "Ogg pages are missing or damaged in 1 place"
    path.write_bytes(b"".join([*whole[:middle], b"????" + whole[middle][4:], *whole[middle + 1 :]]))
    assert "Ogg pages are missing or damaged" in measure(path).truncated


def test_streams_side_by_side_are_refused(tmp_path):
    one, two = (pages(write(tmp_path / f"{i}.opus", 2.0, seed=i).read_bytes()) for i in (1, 2))
    path = tmp_path / "both.opus"
    path.write_bytes(one[0] + two[0] + b"".join(page for pair in zip(one[1:], two[1:], strict=True) for page in pair))
    with pytest.raises(AudioError, match="2 recordings run side by side"):
        read_audio(path)


def with_length(path, length, *, riff=None):
    data = bytearray(path.read_bytes())
    start = data.index(b"data") + 4
    data[start : start + 4] = struct.pack("<I", length)
    data[4:8] = struct.pack("<I", length + 36 & 0xFFFFFFFF if riff is None else riff)
    path.write_bytes(data)
    return path


@pytest.mark.parametrize(
    "length",
    [
        *(0, 0x7FFFF000, 0x7FFFFF00, 0x7FFFFFFF, 0x7FFFFFDB, 0x80000000, 0x80000024),
        *(0xFFFFFFFF, 0xFFFFFFDB, 0xFFFFFFD7, 0xFFFFFF00, 0xFFFF0000),
    ],
)
def test_a_wav_from_a_pipe_promises_nothing_and_is_heard_whole(tmp_path, length):
    for riff in (None, 0, 0xFFFFFFFF):
        measures = measure(with_length(write(tmp_path / "x.wav", 1.0), length, riff=riff))
        assert (measures.seconds, measures.truncated) == (1.0, "")


@pytest.mark.parametrize("length", [0x7FFF0000 - 2, 64_000, 1_000_000, 0xF0000000])
def test_a_wav_that_promises_more_than_it_has_is_truncated(tmp_path, length):
    measures = measure(with_length(write(tmp_path / "x.wav", 1.0), length))
    assert measures.truncated.startswith(f"the header promises {length / 2 / RATE:.2f} s, the last ")


@pytest.mark.parametrize("long", [0, 2**31 - 1, 2**32 - 1, 2**63 - 1, 2**64 - 1])
@pytest.mark.parametrize("short", [0xFFFFFFFF, 0x7FFFF000, 0])
def test_an_rf64_from_a_pipe_promises_nothing(tmp_path, long, short):
    data = bytearray(write(tmp_path / "x.rf64", 1.0).read_bytes())
    start = data.index(b"ds64") + 8
    data[start : start + 24] = struct.pack("<QQQ", long, long, 0)
    path = tmp_path / "x.rf64"
    path.write_bytes(data)
    measures = measure(with_length(path, short, riff=0xFFFFFFFF))
    assert (measures.seconds, measures.truncated) == (1.0, "")


def test_what_stands_behind_the_audio(tmp_path):
    path = write(tmp_path / "x.wav", 1.0)
    data = path.read_bytes()
    sound = data[data.index(b"data") :]
    harmless = {"a chunk": b"LIST" + struct.pack("<I", 4) + b"INFO", "zeros": bytes(5000), "a tag": b"TAG" + bytes(125)}
    for what, behind in harmless.items():
        path.write_bytes(data + behind)
        assert measure(path).truncated == "", what
    path.write_bytes(data + bytes(range(256)) * 40)
    assert measure(path).truncated == "behind the audio that the header counts lie 10240 bytes of something else"
    path.write_bytes(data + sound)
    with pytest.raises(AudioError, match="a second part of audio, of 32000 bytes, which would not be heard"):
        measure(path)


def test_chunks_of_odd_length_are_padded(tmp_path):
    path = write(tmp_path / "x.wav", 1.0)
    data = path.read_bytes()
    start = data.index(b"data")
    path.write_bytes(data[:start] + b"note" + struct.pack("<I", 3) + b"abc\0" + data[start:])
    assert measure(path).truncated == ""
    path.write_bytes(path.read_bytes()[:-3200])
    assert measure(path).truncated == "the header promises 1.00 s, the last 0.10 s are missing"


def with_count(path, samples):
    """Let a FLAC's header count so many samples: the last 36 bits of streaminfo's bytes 10 to 17."""
    data = bytearray(path.read_bytes())
    start = data.index(b"fLaC") + 18
    kept = int.from_bytes(data[start : start + 8], "big") >> 36
    data[start : start + 8] = (kept << 36 | samples).to_bytes(8, "big")
    path.write_bytes(data)
    return path


@pytest.mark.parametrize(("channels", "rate"), [(1, RATE), (2, 44_100), (1, 12_345)])
@pytest.mark.parametrize("before", [b"", b"ID3\x04\0\0\0\0\x01\x10" + bytes(144)])
@pytest.mark.parametrize("share", [0, 0.25, 0.99999])
def test_a_flac_whose_header_counts_too_few_samples_is_heard_whole(tmp_path, channels, rate, before, share):
    path = write(tmp_path / "x.flac", 2.0, channels=channels, rate=rate)
    whole, sound = measure(path), read_audio(path)[0]
    with_count(path, int(share * 2.0 * rate))
    path.write_bytes(before + path.read_bytes())
    assert measure(path) == whole
    np.testing.assert_array_equal(read_audio(path)[0], sound)


def test_a_flac_that_counts_too_few_and_too_many_or_is_cut_says_so(tmp_path):
    path = write(tmp_path / "x.flac", 4.0)
    assert measure(with_count(path, 65_000)).truncated == "of 4.06 s the last 0.06 s do not decode"
    with_count(path, 16_000).write_bytes(path.read_bytes()[:-3000])
    assert "decoding breaks off" in measure(path).truncated


def with_header(path, *, rate=RATE, channels=1):
    data = bytearray(path.read_bytes())
    data[22:28] = struct.pack("<HI", channels, rate)
    data[28:34] = struct.pack("<IH", min(rate * channels * 2, 0xFFFFFFFF), channels * 2)
    path.write_bytes(data)
    return path


@pytest.mark.parametrize(
    ("header", "says"),
    [
        ({"rate": 1}, "its header says 1 Hz"),
        ({"rate": 3_999}, "its header says 3999 Hz"),
        ({"rate": 2_000_000}, "its header says 2000000 Hz"),
        ({"rate": 0}, "damaged"),
        ({"rate": 0xFFFFFFFF}, "damaged|its header says"),
        ({"channels": 1000}, "its header says 1000 channels, at most 64"),
        ({"channels": 0}, "damaged"),
    ],
)
def test_headers_that_no_recording_has_are_refused_at_once(tmp_path, header, says):
    path = with_header(write(tmp_path / "x.wav", 2.0), **header)
    for read in (read_audio, measure, lambda path: list(read_blocks(path))):
        with pytest.raises(AudioError, match=says):
            read(path)


@pytest.mark.parametrize("rate", [4_000, 768_000])
def test_the_outermost_rates_are_read(tmp_path, rate):
    path = write(tmp_path / "x.wav", 0.5, rate=rate)
    assert len(read_audio(path)[0]) == pytest.approx(8_000, abs=1)


def test_what_is_no_regular_file_is_refused_without_waiting(tmp_path):
    (tmp_path / "folder.wav").mkdir()
    os.mkfifo(tmp_path / "pipe.wav")
    os.symlink("/dev/zero", tmp_path / "device.wav")
    os.symlink(tmp_path / "loop.wav", tmp_path / "loop.wav")
    told = {"folder": "it is a folder", "pipe": "it is a named pipe", "device": "it is a device", "loop": "symbolic"}
    with socket.socket(socket.AF_UNIX) as server:
        here = os.getcwd()
        os.chdir(tmp_path)  # a socket's path has at most 107 bytes
        server.bind("socket.wav")
        os.chdir(here)
        for name, says in {**told, "socket": "it is a socket", "none": "no such file"}.items():
            for read in (read_audio, measure):
                with pytest.raises(AudioError, match=says):
                    read(tmp_path / f"{name}.wav")
    for name, says in {"a\0b.wav": "null byte", "x" * 300 + ".wav": "too long"}.items():
        with pytest.raises(AudioError, match=says):
            measure(tmp_path / name)


def test_a_full_disk_for_temporary_files_is_no_fault_of_the_recording(tmp_path, monkeypatch):
    parts = [write(tmp_path / f"{name}.ogg", 1.0, seed=i) for i, name in enumerate("ab")]
    path = joined(tmp_path / "x.ogg", *parts)
    assert measure(path).seconds == pytest.approx(2, abs=0.01)
    monkeypatch.setattr(recording, "TemporaryFile", partial(open, "/dev/full", "wb"))
    corpus = Corpus(tmp_path, "numbered", pd.DataFrame({"id": ["x"], "audio": ["x.ogg"]}), [])
    clip = Clip("x", path, (1,), "a", "")
    for read in (
        lambda: read_audio(path),
        lambda: measure_corpus(corpus, progress=False),
        lambda: write_shard(Shard("train", 0, (clip,), 2.0), ClipSettings(int, 0.1, 9.0, None), folder=tmp_path),
    ):
        with pytest.raises(OSError, match="the disk is full; free some space"):
            read()


SIDECAR = b"\x00\x05\x16\x07\x00\x02\x00\x00Mac OS X        " + bytes(4000)


@pytest.mark.parametrize("suffix", KINDS)
@pytest.mark.parametrize("name", ["._{}", ".AppleDouble/{}", "._", ".AppleDouble/"])
def test_sidecars_of_a_mac_are_not_taken_for_the_recording(tmp_path, monkeypatch, suffix, name):
    monkeypatch.chdir(tmp_path)
    path = write(tmp_path / f"1{suffix}", 1.0)
    expected = measure(path).digest
    sidecar = tmp_path / name.format(path.name)
    sidecar.parent.mkdir(exist_ok=True)
    if not sidecar.is_dir():
        sidecar.write_bytes(SIDECAR)
    for same in (path, path.relative_to(tmp_path)):
        assert measure(same).digest == expected


def test_a_sidecar_itself_is_named(tmp_path):
    (tmp_path / "._1.mp3").write_bytes(SIDECAR)
    with pytest.raises(AudioError, match="an AppleDouble sidecar"):
        measure(tmp_path / "._1.mp3")


def test_names_of_other_encodings_are_opened(tmp_path):
    path = write(tmp_path / "x.wav", 0.5)
    other = os.fsencode(tmp_path) + b"/\xff\xfe.wav"
    os.rename(path, other)
    assert measure(os.fsdecode(other)).seconds == 0.5


def test_without_numbered_descriptors_files_are_read_through_python(tmp_path, monkeypatch):
    paths = [write(tmp_path / f"1{suffix}", 1.0) for suffix in KINDS]
    expected = [measure(path).digest for path in paths]
    monkeypatch.setattr(recording.os.path, "exists", lambda path: False)
    assert [measure(path).digest for path in paths] == expected


@pytest.mark.parametrize("container", ["VOC", "SVX", "IRCAM", "MAT5"])
def test_containers_whose_end_nobody_checks_are_refused(tmp_path, container):
    path = tmp_path / "x.wav"
    soundfile.write(path, speech_like(1.0), RATE, format=container)
    with pytest.raises(AudioError, match="is not read; convert or export the recording as WAV or FLAC"):
        read_audio(path)


def test_a_mix_whose_channels_cancel_is_refused_and_one_channel_is_not(tmp_path):
    samples = speech_like(1.0)
    soundfile.write(tmp_path / "x.wav", np.stack([samples, -samples], axis=1), RATE)
    for read in (read_audio, lambda path: list(read_blocks(path))):
        with pytest.raises(AudioError, match=r"the mix of its channels is silent; .*set channel to 0 or 1"):
            read(tmp_path / "x.wav")
    assert len(read_audio(tmp_path / "x.wav", channel=0)[0]) == RATE
    soundfile.write(tmp_path / "quiet.wav", np.zeros((RATE, 2)), RATE)
    assert not read_audio(tmp_path / "quiet.wav")[0].any()
