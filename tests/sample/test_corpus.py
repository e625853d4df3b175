import hashlib
from collections import Counter

import soundfile

from asr_helpers.sample.corpus import READ_TWICE, SPEAKERS, TWO_CHANNEL, make_sample, script, spoken
from asr_helpers.sample.synthesis import NATIVE_RATE

SENTENCES = [
    "بچہ پانی پیتا ہے۔",
    "استاد نے سبق پڑھایا۔",
    "گاڑی دیر سے آئی۔",
    "چاند نکل آیا ہے۔",
    "دکان بند ہو گئی۔",
    "بلی چھت پر ہے۔",
]


def digests(folder):
    return {p.name: hashlib.sha256(p.read_bytes()).hexdigest() for p in sorted(folder.glob("*.*"))}


def made(tmp_path, name):
    transcripts = tmp_path / "sentences.txt"
    transcripts.write_text("\n".join(SENTENCES) + "\n", encoding="utf-8")
    return make_sample(transcripts, tmp_path / name)


def test_line_n_belongs_to_recording_n(tmp_path):
    folder = made(tmp_path, "a")
    lines = (folder / "transcripts.txt").read_text(encoding="utf-8").splitlines()
    speakers = (folder / "speakers.txt").read_text(encoding="utf-8").splitlines()
    assert len(lines) == len(speakers) == len(list(folder.glob("*.wav")))
    assert Counter(lines) == Counter(dict.fromkeys(SENTENCES, 2))  # few sentences: each is read twice
    for number, speaker in enumerate(speakers, start=1):
        info = soundfile.info(folder / f"{number}.wav")
        assert info.samplerate == NATIVE_RATE
        assert info.channels == (2 if speaker in TWO_CHANNEL else 1)


def test_it_is_made_again_with_the_same_bytes_and_only_when_needed(tmp_path):
    first, second = made(tmp_path, "a"), made(tmp_path, "b")
    assert digests(first) == digests(second)
    untouched = (first / "1.wav").stat().st_mtime_ns
    made(tmp_path, "a")
    assert (first / "1.wav").stat().st_mtime_ns == untouched
    (first / ".recipe").unlink()  # killed before the end
    (first / "2.wav").unlink()
    assert digests(made(tmp_path, "a")) == digests(second)


def test_the_second_reading_is_by_another_speaker():
    readings = script([f"جملہ {i}" for i in range(200)], seed=7)
    speakers = {}
    for reading in readings:
        speakers.setdefault(reading.sentence, []).append(reading.speaker)
    twice = [names for names in speakers.values() if len(names) == 2]
    assert len(readings) == 200 + READ_TWICE and len(twice) == READ_TWICE
    assert all(a != b for a, b in twice)
    assert set(SPEAKERS) == {r.speaker for r in readings}
    assert script(["الف", "ب"], seed=1) != script(["الف", "ب"], seed=2)


def test_numbers_are_spoken_as_words():
    assert spoken("اس کا وزن ۵۰ کلو ہے۔") == "اس کا وزن پچاس کلو ہے۔"
    assert spoken("بس نمبر 7 آئی۔") == "بس نمبر سات آئی۔"
