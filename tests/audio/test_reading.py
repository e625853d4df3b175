"""Decoding, measuring and rounding of audio, against numpy and files made to measure."""

import hashlib
import struct
import tracemalloc

import numpy as np
import pytest
import soundfile
from conftest import speech_like

from asr_helpers.audio import measuring
from asr_helpers.audio import recording as audio
from asr_helpers.audio.files import kind_of_bytes, suffix_of_bytes
from asr_helpers.audio.measuring import measure
from asr_helpers.audio.reading import read_audio, to_int16
from asr_helpers.audio.recording import AudioError

FORMATS = {
    "wav": {},
    "flac": {},
    "ogg": {},
    "mp3": {},
    "opus": {"format": "OGG", "subtype": "OPUS"},
}


def write(path, samples, rate=16_000, **options):
    soundfile.write(path, samples, rate, **options)
    return path


def sine(seconds, rate, hertz=440.0, level=0.5):
    return (level * np.sin(2 * np.pi * hertz * np.arange(round(seconds * rate)) / rate)).astype("f4")


@pytest.mark.parametrize("suffix", FORMATS)
@pytest.mark.parametrize("channels", [1, 2])
def test_every_format_decodes_to_the_same_sound(tmp_path, suffix, channels):
    samples = np.repeat(sine(1.0, 48_000)[:, None], channels, axis=1)
    path = write(tmp_path / f"x.{suffix}", samples, 48_000, **FORMATS[suffix])
    decoded, rate = read_audio(path)
    assert rate == 16_000
    assert decoded.dtype == np.float32
    assert decoded.ndim == 1
    assert abs(len(decoded) - 16_000) <= 16
    middle = slice(4000, 12_000)
    assert np.abs(np.fft.rfft(decoded[middle])).argmax() == 440 * 8000 // 16_000
    assert decoded[middle].std() == pytest.approx(0.5 / np.sqrt(2), rel=0.02)
    measures = measure(path)
    assert (measures.sampling_rate, measures.channels, measures.truncated) == (48_000, channels, "")
    assert measures.seconds == pytest.approx(1.0, abs=1e-3)


def test_mixing_down_is_the_mean_and_a_channel_can_be_picked(tmp_path):
    left, right = sine(0.2, 16_000, 300), sine(0.2, 16_000, 500)
    path = write(tmp_path / "x.wav", np.stack([left, right], axis=1), subtype="FLOAT")
    np.testing.assert_allclose(read_audio(path)[0], (left + right) / 2, atol=1e-7)
    np.testing.assert_array_equal(read_audio(path, channel=0)[0], left)
    np.testing.assert_array_equal(read_audio(path, channel=1)[0], right)
    with pytest.raises(
        AudioError, match=r"2 channels, and channel 2 was asked for; choose 0 to 1, or leave channel out"
    ):
        read_audio(path, channel=2)


def test_a_mono_file_has_only_its_own_channel(tmp_path):
    samples = sine(0.1, 16_000)
    path = write(tmp_path / "x.wav", samples, subtype="FLOAT")
    np.testing.assert_array_equal(read_audio(path, channel=1)[0], samples)


@pytest.mark.parametrize("rate", [8_000, 11_025, 22_050, 44_100])
def test_resampling_keeps_duration_and_pitch(tmp_path, rate):
    path = write(tmp_path / "x.wav", sine(1.0, rate), rate)
    decoded, _ = read_audio(path)
    assert abs(len(decoded) - 16_000) <= 1
    assert np.abs(np.fft.rfft(decoded, 16_000)).argmax() == 440


def test_the_stored_rate_can_be_kept(tmp_path):
    path = write(tmp_path / "x.wav", sine(0.5, 22_050), 22_050)
    decoded, rate = read_audio(path, sampling_rate=None)
    assert (len(decoded), rate) == (11_025, 22_050)


def test_sixteen_bits_come_back_and_what_lies_beyond_is_clipped():
    every = np.arange(-32768, 32768, dtype=np.int16)
    np.testing.assert_array_equal(to_int16(every / np.float32(32768)), every)
    assert to_int16(np.array([1.5, -1.5, 1.0, -1.0])).tolist() == [32767, -32768, 32767, -32768]
    assert to_int16(np.array([0.4, 0.6]) / 32768).tolist() == [0, 1], "rounded, not cut"
    with pytest.raises(ValueError, match=r"sample 1 is nan"):
        to_int16(np.array([0.0, np.nan]))


def test_measures_agree_with_numpy(tmp_path):
    rng = np.random.default_rng(1)
    samples = (0.1 * rng.standard_normal((50_000, 2))).astype("f4") + 0.05
    measures = measure(write(tmp_path / "x.wav", samples, subtype="FLOAT"))
    mono = samples.astype("f8").mean(axis=1)
    assert measures.peak == pytest.approx(np.abs(samples).max())
    assert measures.rms_db == pytest.approx(20 * np.log10(mono.std()), abs=1e-3), "the offset of 0.05 is no loudness"
    assert measures.digest == hashlib.sha256(samples.tobytes()).hexdigest()
    assert measures.clipped == 0
    assert measures.finite
    frames = mono[: len(mono) // 320 * 320].reshape(-1, 320)
    levels = 10 * np.log10(frames.var(axis=1))
    oracle = np.percentile(levels, 95) - np.percentile(levels, 15)
    assert measures.snr_db == pytest.approx(oracle, abs=0.15)


@pytest.mark.parametrize("block", [100, 4_096, 1 << 18])
@pytest.mark.parametrize("suffix", ["flac", "mp3", "ogg"])
def test_measures_do_not_depend_on_the_block(tmp_path, monkeypatch, block, suffix):
    path = write(tmp_path / f"x.{suffix}", np.stack([speech_like(1.3), speech_like(1.3, seed=2)], axis=1))
    expected = measure(path)
    monkeypatch.setattr(audio, "BLOCK_SAMPLES", block)
    found = measure(path)
    assert found.digest == expected.digest
    assert found.rms_db == pytest.approx(expected.rms_db, abs=1e-9)
    assert found.snr_db == expected.snr_db
    assert (found.seconds, found.peak, found.clipped) == (expected.seconds, expected.peak, expected.clipped)


def test_the_same_samples_have_the_same_digest_in_another_format(tmp_path):
    samples = to_int16(speech_like(0.5))
    wav, flac = write(tmp_path / "x.wav", samples), write(tmp_path / "x.flac", samples)
    assert measure(wav).digest == measure(flac).digest
    assert measure(write(tmp_path / "y.wav", samples[1:])).digest != measure(wav).digest


@pytest.mark.parametrize("suffix", ["mp3", "ogg"])
def test_lossy_files_decode_alike_every_time(tmp_path, suffix):
    """The header of an MP3 counts frames that do not decode; a buffer read beyond them holds chance values."""
    path = write(tmp_path / f"x.{suffix}", speech_like(2.0, rate=32_000), 32_000)
    assert len({measure(path).digest for _ in range(5)}) == 1
    np.testing.assert_array_equal(read_audio(path)[0], read_audio(path)[0])


def test_memory_does_not_grow_with_the_recording(tmp_path):
    peaks = []
    for minutes in (1, 4):
        path = write(tmp_path / f"{minutes}.wav", np.zeros(minutes * 60 * 16_000, dtype="i2"))
        tracemalloc.start()
        measure(path)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < 1.05 * peaks[0]


@pytest.mark.parametrize(("noise_db", "least", "most"), [(-60, 30, 45), (-40, 12, 28), (-25, 2, 14)])
def test_snr_falls_as_noise_rises(tmp_path, noise_db, least, most):
    rng = np.random.default_rng(0)
    speech = speech_like(4.0)
    noisy = speech + (10 ** (noise_db / 20) * rng.standard_normal(len(speech))).astype("f4")
    assert least < measure(write(tmp_path / "x.wav", noisy)).snr_db < most


def test_digital_silence_and_an_empty_recording_have_the_floor_level(tmp_path):
    silent = measure(write(tmp_path / "silent.wav", np.zeros(16_000, dtype="i2")))
    assert (silent.rms_db, silent.snr_db, silent.peak, silent.seconds) == (measuring.FLOOR_DB, 0.0, 0.0, 1.0)
    empty = measure(write(tmp_path / "empty.wav", np.zeros(0, dtype="i2")))
    assert (empty.rms_db, empty.snr_db, empty.seconds, empty.clipped) == (measuring.FLOOR_DB, 0.0, 0.0, 0.0)
    assert read_audio(tmp_path / "empty.wav")[0].shape == (0,)


def test_channels_that_cancel_are_silent_as_a_mix_but_not_alone(tmp_path):
    tone = sine(0.5, 16_000)
    path = write(tmp_path / "x.wav", np.stack([tone, -tone], axis=1), subtype="FLOAT")
    assert measure(path).rms_db == measuring.FLOOR_DB
    assert measure(path, channel=1).rms_db == pytest.approx(20 * np.log10(0.5 / np.sqrt(2)), abs=0.01)


def test_clipping_is_a_share_of_samples(tmp_path):
    samples = np.clip(2 * sine(1.0, 16_000, level=1.0), -1, 1)
    measures = measure(write(tmp_path / "x.wav", samples))
    share = np.mean(np.abs(samples) >= 1.0)  # two thirds of the time a sine is beyond half its height
    assert measures.clipped == pytest.approx(share, abs=1e-3)
    assert measures.clipped == pytest.approx(2 / 3, abs=0.01)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_value_that_is_no_number_is_found_and_spoils_no_other_measure(tmp_path, value):
    samples = speech_like(1.0)
    whole = measure(write(tmp_path / "whole.wav", samples, subtype="FLOAT"))
    samples[77] = value
    spoilt = measure(write(tmp_path / "x.wav", samples, subtype="FLOAT"))
    assert whole.finite
    assert not spoilt.finite
    assert spoilt.rms_db == pytest.approx(whole.rms_db, abs=0.1)
    assert np.isfinite([spoilt.peak, spoilt.snr_db]).all()


@pytest.mark.parametrize("suffix", FORMATS)
@pytest.mark.parametrize("kept", [0.8, 0.5])
def test_a_file_that_breaks_off_says_so(tmp_path, suffix, kept):
    path = write(tmp_path / f"x.{suffix}", speech_like(3.0), **FORMATS[suffix])
    assert measure(path).truncated == ""
    path.write_bytes(path.read_bytes()[: int(kept * path.stat().st_size)])
    try:
        found = measure(path).truncated
    except AudioError as error:  # Opus does not open without its last page
        found = error.found
    assert found, "nothing was noticed"


def test_an_empty_wav_is_whole(tmp_path):
    empty = write(tmp_path / "empty.wav", np.zeros(0, dtype="i2"))
    assert measure(empty).truncated == ""
    empty.write_bytes(empty.read_bytes() + b"LIST" + struct.pack("<I", 4) + b"INFO")
    assert measure(empty).truncated == "", "a chunk, no data"


def test_a_streamed_flac_of_unknown_length_is_read_to_its_end(tmp_path):
    path = write(tmp_path / "x.flac", speech_like(20.0))
    expected = read_audio(path)[0]
    data = bytearray(path.read_bytes())
    data[21] &= 0xF0  # STREAMINFO, from byte 8: 36 bits for the total of samples, 0 for unknown
    data[22:26] = bytes(4)
    path.write_bytes(data)
    np.testing.assert_array_equal(read_audio(path)[0], expected)
    assert (measure(path).seconds, measure(path).truncated) == (20.0, "")


@pytest.mark.parametrize(
    ("name", "data", "says"),
    [
        ("1.wav", b"", "the file is empty"),
        ("2.wav", "یہ ایک متن ہے\n".encode() * 20, "the file is text"),
        ("3.mp3", b"\x00\x00\x00\x20ftypM4A " + bytes(400), "MP4"),
        ("4.wav", b"RIFF\x24\x00\x00\x00WAVEjunk", "a RIFF file, damaged"),
        ("5.wav", bytes(range(256)), "unknown data"),
        ("6.wav", b"version https://git-lfs.github.com/spec/v1\n", "Git LFS pointer"),
        ("7.flac", b"fLaC" + bytes(40), "a FLAC file, damaged"),
    ],
)
def test_what_is_no_audio_is_named(tmp_path, name, data, says):
    path = tmp_path / name
    path.write_bytes(data)
    with pytest.raises(AudioError, match=says) as caught:
        measure(path)
    assert name in str(caught.value)
    assert caught.value.fix


def test_decoding_that_breaks_off_is_an_error_when_reading(tmp_path):
    path = write(tmp_path / "x.flac", speech_like(3.0))
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(AudioError, match="breaks off while decoding"):
        read_audio(path)


def test_bytes_tell_their_kind():
    assert kind_of_bytes(b"") == "empty (0 bytes)"
    assert kind_of_bytes(b"\xff\xfb\x90\x64") == "an MP3 file"
    assert suffix_of_bytes(b"\xff\xfb\x90\x64") == ".mp3"
    assert suffix_of_bytes(b"hello") == ""
    assert kind_of_bytes("س".encode() * 50 + b"\xd8") == "text", "cut within a letter"
