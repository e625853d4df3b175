"""Prepare what models/starter_people heard: people in 42 languages and synthetic Urdu, with phones as targets for all.

espeak-ng reads every transcript in the language that it is in, and its phones (IPA, without length, stress and tone)
are what a clip's frames are to say, in Urdu its letters too. Some speakers of every language are held out: a speaker is
on one side only.

    python scripts/starter_corpus.py --human HUMAN --sentences SENTENCES --work build/starter

``HUMAN`` holds folders with ``metadata.csv`` (file_name, transcript, speaker, language, seconds), ``SENTENCES`` is a
text file with one Urdu sentence a line. Written are ``train/`` and ``held_out/``, each with ``audio.i16`` (16 kHz mono
PCM, clip after clip) and ``clips.parquet`` (path, speaker, language, seconds, phones, letters, and end: the sample
behind the clip), and ``phones.json``: the phones that are frequent enough to be learnt.
"""

from __future__ import annotations

import argparse
import ctypes
import multiprocessing
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from hashlib import sha256
from itertools import chain
from pathlib import Path

import numpy as np
import pandas as pd
import soxr
from tqdm import tqdm

from asr_helpers.audio import SAMPLING_RATE, read_audio
from asr_helpers.sample.synthesis import LANGUAGE, NATIVE_RATE, Line, Voice, espeak, speak_lines
from asr_helpers.storage import write_json
from asr_helpers.text.normaliser import Normaliser

# language of a set → espeak-ng's voice: its own, an American for English, a relative where it has none
READ_AS = {"en": "en-US", "zh-HK": "yue", "zh-TW": "cmn", "ga-IE": "ga", "sv-SE": "sv", "fy-NL": "nl", "hsb": "cs"}
READ_AS |= {"rm-sursilv": "it", "rm-vallader": "it", "lg": "sw", "rw": "sw", "sah": "ky", "mn": "kk", "vot": "fi"}
UNREAD = ("ab", "br", "cnh", "dv", "ja", "kab", "tw")  # espeak-ng has neither them nor a relative, or spells them out

HELD_OUT = 40  # one of so many clips of a language is held out, and at least
FEWEST = 4
SHORTEST = 3  # phones of a clip
FREQUENT = 200  # times that a phone must be heard to be learnt

SYNTHETIC = f"{LANGUAGE.code} (synthetic)"
MOST_WORDS = 15  # of a synthetic sentence

# espeak-ng's variants that sound like somebody; not those four that the sample corpus speaks with
SPEAKERS = """
Alex Alicia Andrea Andy Annie Denis Diogo Gene Gene2 Henrique Hugo Jacky Lee Marco Mario Michael Mike Reed
RicishayMax RicishayMax2 RicishayMax3 Storm Tweaky adam anika announcer antonio aunty belinda benjamin boris
caleb david ed edward edward2 f1 f3 f5 grandma grandpa gustave ian iven iven2 iven3 iven4 john kaukovalta
klatt klatt2 klatt3 klatt4 linda m1 m2 m4 m5 m6 m8 marcelo max michel miguel mike2 norbert pablo paul pedro
quincy rob robert sandro shelby steph steph2 steph3 travis victor zac
""".split()  # noqa: SIM905

_UTF8, _IPA = 1, 2  # from espeak-ng's public header, as text and as phonemes


def phones(ipa: str) -> str:
    """Keep of espeak-ng's IPA what tells words apart in most languages.

    Letters, aspiration (ʰ) and nasality (~) stay; length, stress, tone and marks of another language go.

    Args:
        ipa: Words with spaces between them.

    Returns:
        The same with ``|`` between words.
    """
    plain = unicodedata.normalize("NFD", re.sub(r"\([a-z-]+\)", "", ipa)).replace("\N{COMBINING TILDE}", "~")
    kept = "".join(c for c in plain if c.isspace() or c in "~ʰ" or unicodedata.category(c) in ("Ll", "Lo"))
    return "|".join(kept.split())


def read(voice: str, texts: Sequence[str]) -> list[str]:
    """Let one of espeak-ng's voices read texts, in this process, into phones.

    Raises:
        ValueError: espeak-ng has no such voice.
    """
    engine = espeak()
    engine.espeak_TextToPhonemes.restype = ctypes.c_char_p
    if engine.espeak_SetVoiceByName(voice.encode()) != 0:
        raise ValueError(f"espeak-ng has no voice {voice!r}; name a relative in READ_AS")
    found = []
    for text in texts:
        raw = ctypes.create_string_buffer(text.encode())
        rest, clauses = ctypes.c_void_p(ctypes.addressof(raw)), []
        while rest.value:  # a clause at a time
            clauses.append(engine.espeak_TextToPhonemes(ctypes.byref(rest), _UTF8, _IPA).decode())
        found.append(phones(" ".join(clauses)))
    return found


def letters(text: str) -> str:
    """Urdu as a model writes it: normalised, with ``|`` between words."""
    return Normaliser(language=LANGUAGE.code)(text).replace(" ", "|")


def people(human: Path) -> pd.DataFrame:
    """The transcribed clips of all sets with their phones and Urdu's letters, in the order of their paths."""
    tables = []
    for file in sorted(human.glob("*/metadata.csv")):
        table = pd.read_csv(file, keep_default_na=False)
        tables.append(table.assign(path=[str(file.parent / name) for name in table["file_name"]]))
    clips = pd.concat(tables, ignore_index=True)
    clips = clips[(clips["transcript"] != "") & ~clips["language"].isin(UNREAD)]
    groups = dict(list(clips.groupby("language")["transcript"]))
    fresh = multiprocessing.get_context("spawn")  # espeak-ng has one state a process, which the next language inherits
    with ProcessPoolExecutor(mp_context=fresh, max_tasks_per_child=1) as pool:
        voices = [READ_AS.get(language, language) for language in groups]
        for texts, read_out in zip(groups.values(), pool.map(read, voices, map(list, groups.values())), strict=True):
            clips.loc[texts.index, "phones"] = read_out
    urdu = clips["language"] == LANGUAGE.code
    return clips.assign(letters=clips["transcript"].where(urdu, "").map(letters))


def held_out_speakers(clips: pd.DataFrame) -> set[str]:
    """Speakers that training never hears: of each language, in the order of their names' hashes, until clips enough.

    Who alone has more clips than are to be held out is kept for training.
    """
    held = set()
    for _, group in clips.groupby("language"):
        wanted, counts = max(FEWEST, len(group) // HELD_OUT), group["speaker"].value_counts()
        few = counts[counts <= wanted]
        order = sorted(few.index, key=lambda name: sha256(name.encode()).hexdigest())
        before = few[order].cumsum() - few[order]
        held |= set(before.index[before < wanted])
    return held


def any_voice(variants: Sequence[str], rng: np.random.Generator) -> Voice:
    """One of espeak-ng's variants at some speed, pitch and liveliness."""
    return Voice(
        variant=str(rng.choice(variants)),
        rate=int(rng.integers(120, 221)),
        pitch=int(rng.integers(25, 76)),
        pitch_range=int(rng.integers(30, 71)),
    )


def usable_sentences(file: Path) -> list[str]:
    """The different Urdu sentences of a file, normalised and sorted, without long ones."""
    normalise = Normaliser(language=LANGUAGE.code)
    texts = {normalise(line) for line in file.read_text(encoding="utf-8").splitlines()}
    return sorted(text for text in texts if 0 < len(text.split()) <= MOST_WORDS)


def synthetic_script(sentences: Path, count: int, rng: np.random.Generator) -> list[Line]:
    """``count`` different sentences, each read by somebody else at some other speed and pitch."""
    usable = usable_sentences(sentences)
    chosen = rng.choice(len(usable), size=min(count, len(usable)), replace=False)
    return [Line(usable[i], any_voice(SPEAKERS, rng)) for i in chosen]


def spoken(lines: Sequence[Line]) -> Iterable[np.ndarray]:
    """Synthetic clips, int16 at 16 kHz."""
    for clip in speak_lines(lines):
        yield soxr.resample(clip, NATIVE_RATE, SAMPLING_RATE)


def recorded(paths: Iterable[str]) -> Iterable[np.ndarray]:
    """Recorded clips, int16 at 16 kHz."""
    for path in paths:
        samples, _ = read_audio(path)
        yield np.clip(np.rint(samples * 32768), -32768, 32767).astype(np.int16)


def write_clips(folder: Path, table: pd.DataFrame, clips: Iterable[np.ndarray]) -> None:
    """Write ``audio.i16`` and, last, ``clips.parquet``."""
    folder.mkdir(parents=True, exist_ok=True)
    ends, total = [], 0
    with open(folder / "audio.i16", "wb") as file:
        for clip in tqdm(clips, total=len(table), desc=folder.name, mininterval=10):
            file.write(clip.tobytes())
            total += len(clip)
            ends.append(total)
    columns = ["path", "speaker", "language", "seconds", "phones", "letters"]
    table[columns].assign(end=ends).to_parquet(folder / "clips.parquet", index=False)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--human", type=Path, required=True, help="folder of sets, each with metadata.csv")
    parser.add_argument("--sentences", type=Path, required=True, help="Urdu sentences, one a line")
    parser.add_argument("--work", type=Path, default=Path("build/starter"))
    parser.add_argument("--synthetic", type=int, default=9000, metavar="COUNT", help="synthetic clips")
    parser.add_argument("--seed", type=int, default=20, help="of the synthetic sentences and voices")
    args = parser.parse_args()

    args.work.mkdir(parents=True, exist_ok=True)
    clips = people(args.human)
    clips = clips.assign(held_out=clips["speaker"].isin(held_out_speakers(clips)))
    clips = clips[clips["phones"].str.count(r"[^|]") >= SHORTEST]
    held_out, train = (clips[clips["held_out"] == side] for side in (True, False))
    lines = synthetic_script(args.sentences, args.synthetic, np.random.default_rng(args.seed))
    texts = [line.text for line in lines]
    synthetic = pd.DataFrame({"phones": read(LANGUAGE.voice, texts), "letters": map(letters, texts)})

    write_clips(args.work / "held_out", held_out, recorded(held_out["path"]))
    everything = pd.concat([train, synthetic.assign(language=SYNTHETIC)], ignore_index=True)
    write_clips(args.work / "train", everything, chain(recorded(train["path"]), spoken(lines)))
    heard = Counter("".join(everything["phones"])) | Counter({"_": FREQUENT})  # _ is the blank
    write_json(sorted(phone for phone, times in heard.items() if times >= FREQUENT), args.work / "phones.json")


if __name__ == "__main__":
    main()
