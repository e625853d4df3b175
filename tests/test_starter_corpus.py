"""The starter's corpus: phones of many languages in one alphabet, and no speaker on both sides."""

import importlib.util
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile

from asr_helpers.audio import SAMPLING_RATE

SCRIPT = Path(__file__).resolve().parents[1] / "scripts" / "starter_corpus.py"
spec = importlib.util.spec_from_file_location("starter_corpus", SCRIPT)
starter_corpus = importlib.util.module_from_spec(spec)
spec.loader.exec_module(starter_corpus)

SAID = ["میں تھا", "کیا آپ نے کہا؟ چلو", "اچھا"]


@pytest.mark.parametrize(
    ("ipa", "kept"),
    [
        ("mˈẽː tʰaː", "me~|tʰa"),  # nasal, aspirated, long
        ("həlˈoʊ  wˈɜːld", "həloʊ|wɜld"),
        ("ni2χˈɑu2", "niχɑu"),  # tones
        ("bɔ̃ʒˈuʁ (en)wˈʌn(fr) ç", "bɔ~ʒuʁ|wʌn|c"),  # an English word in French; every other mark under a letter goes
        ("ˈ ː", ""),
    ],
)
def test_phones_are_letters_aspiration_and_nasality(ipa, kept):
    assert starter_corpus.phones(ipa) == kept


@pytest.mark.parametrize(
    ("voice", "text", "phones"),
    [
        ("ur", "میں تھا", "me~|tʰa"),
        ("ur", "کہا تھا۔ چلو!", "kʌha|tʰa|cʌlo"),  # two clauses
        ("en-US", "The choices", "ðə|tʃɔɪsᵻz"),
        ("fr", "bonjour, un enfant", "bɔ~ʒuʁ|œ~n|ɑ~fɑ~"),
        ("cmn", "你好", "niχɑu"),
        ("ur", "", ""),
    ],
)
def test_espeak_reads_every_language_into_one_alphabet(voice, text, phones):
    pytest.importorskip("espeakng_loader")
    assert starter_corpus.read(voice, [text]) == [phones]


def test_a_language_without_a_voice_is_named():
    pytest.importorskip("espeakng_loader")
    with pytest.raises(ValueError, match="no voice 'xx'; name a relative in READ_AS"):
        starter_corpus.read("xx", ["a"])


def test_speakers_are_held_out_until_a_language_has_enough():
    speakers = (
        [f"fr-{i // 2}" for i in range(400)] + ["nl-reader"] * 300 + [f"nl-{i}" for i in range(100)] + ["vot"] * 3
    )
    clips = pd.DataFrame({"speaker": speakers, "language": [name.split("-")[0] for name in speakers]})
    held = starter_corpus.held_out_speakers(clips)
    assert sum(name.startswith("fr") for name in held) == 5 and sum(name.startswith("nl") for name in held) == 10
    assert "vot" in held and "nl-reader" not in held  # whose 300 clips are most of what there is
    assert held == starter_corpus.held_out_speakers(clips.sample(frac=1, random_state=1))


def test_the_sets_become_clips_with_phones(tmp_path):
    pytest.importorskip("espeakng_loader")
    rng, rows = np.random.default_rng(0), []
    for number in range(12):
        name, seconds = f"{number:02}.flac", 0.5 + number / 10
        samples = rng.integers(-9000, 9000, round(seconds * SAMPLING_RATE)).astype(np.int16)
        (tmp_path / "human" / "ur_set").mkdir(parents=True, exist_ok=True)
        soundfile.write(tmp_path / "human" / "ur_set" / name, samples, SAMPLING_RATE)
        rows.append((name, SAID[number % 3] if number < 11 else "", f"ur-{number // 2}", "ur", seconds))
    columns = ["file_name", "transcript", "speaker", "language", "seconds"]
    pd.DataFrame(rows, columns=columns).to_csv(tmp_path / "human" / "ur_set" / "metadata.csv", index=False)
    (tmp_path / "s.txt").write_text("یہ کتاب ہے۔\nآج موسم اچھا ہے\n\n", encoding="utf-8")

    command = [sys.executable, SCRIPT, "--human", tmp_path / "human", "--sentences", tmp_path / "s.txt"]
    subprocess.run([*command, "--work", tmp_path / "work", "--synthetic", "9"], check=True)
    train, held = (pd.read_parquet(tmp_path / "work" / side / "clips.parquet") for side in ("train", "held_out"))
    assert len(held) in (4, 5) and len(held) + len(train) == 11 + 2  # one clip has no transcript
    assert not set(held["speaker"]) & set(train["speaker"])
    assert list(train["language"]) == ["ur"] * (len(train) - 2) + ["ur (synthetic)"] * 2
    assert set(train["phones"][-2:]) == {"jeh|kɪtab|hɛ", "aɟ|mosəm|acʰa|hɛ"}
    assert set(train["letters"]) == {"میں|تھا", "کیا|آپ|نے|کہا|چلو", "اچھا", "یہ|کتاب|ہے", "آج|موسم|اچھا|ہے"}
    for side, table in (("train", train), ("held_out", held)):
        audio, end = np.fromfile(tmp_path / "work" / side / "audio.i16", dtype=np.int16), 0
        assert len(audio) == table["end"].iloc[-1]
        for clip in table.dropna(subset="path").itertuples():
            samples, _ = soundfile.read(clip.path, dtype="int16")
            assert np.array_equal(audio[end : clip.end], samples)
            end = clip.end
    assert (tmp_path / "work" / "phones.json").read_text(encoding="utf-8").split() == ["[", '"_"', "]"]
