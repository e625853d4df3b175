"""Copies of a recording at another gain or in another container: told, and kept in one split."""

import pytest
import soundfile

from asr_helpers.corpus.checking import check_corpus, measure_corpus
from asr_helpers.corpus.problems import ERROR, WARNING
from asr_helpers.corpus.reading import read_corpus
from asr_helpers.corpus.splits import shared_between_splits, split_utterances
from asr_helpers.text.normaliser import Normaliser
from asr_helpers.text.sentences import sentence_key


@pytest.fixture
def copied(numbered_corpus):
    """Forty recordings; 41 is 5 as AIFF at half the gain with another text, 42 to 46 are 7 at other gains."""
    root = numbered_corpus(40)
    lines = (root / "text.txt").read_text(encoding="utf-8").splitlines()
    for number, of, gain, suffix in [(41, 5, 0.5, "aiff"), *((n, 7, 1 / n, "flac") for n in range(42, 47))]:
        samples, rate = soundfile.read(root / f"{of}.wav")
        soundfile.write(root / f"{number}.{suffix}", gain * samples, rate)
        lines.append("ایک اور جملہ یہاں ہے" if of == 5 else lines[of - 1])
    (root / "text.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return root


def with_keys(utterances):
    return utterances.assign(sentence_key=[sentence_key(Normaliser("ur")(t)) for t in utterances["transcript"]])


def test_copies_are_told_with_the_texts_they_carry(copied):
    corpus = read_corpus(copied)
    utterances, measured = measure_corpus(corpus, progress=False)
    assert utterances["recording"].nunique() == 40
    assert utterances["digest"].nunique() == 46
    problems = check_corpus(corpus, with_keys(utterances), measured=measured)
    told = [(p.severity, p.check, p.utterance) for p in problems if p.check.startswith("same recording")]
    assert told == [
        (ERROR, "same recording, other text", "5"),
        (ERROR, "same recording, other text", "41"),
        (WARNING, "same recording", "7"),
    ]
    assert "the sound of 42, 43, 44, 45, 46" in next(p.value for p in problems if p.check == "same recording")


@pytest.mark.parametrize("seed", range(5))
def test_copies_stay_in_one_split_even_where_sentences_do_not(copied, seed):
    utterances, _ = measure_corpus(read_corpus(copied), progress=False)
    utterances["sentence_key"] = utterances["id"]  # each its own sentence: what keeps copies together is their sound
    utterances["split"] = split_utterances(utterances, seed=seed, validation=0.2, test=0.2)
    assert shared_between_splits(utterances).set_index("what").loc["recordings"].tolist() == [40, 0, 0, 0]
    by_id = utterances.set_index("id")["split"]
    assert by_id["5"] == by_id["41"]
    assert by_id[["7", "42", "43", "44", "45", "46"]].nunique() == 1


@pytest.mark.parametrize("suffix", ["aiff", "au", "caf", "w64", "flac"])
def test_recordings_are_numbered_in_every_container(numbered_corpus, suffix):
    root = numbered_corpus(12)
    for path in root.glob("*.wav"):
        samples, rate = soundfile.read(path)
        soundfile.write(path.with_suffix(f".{suffix}"), samples, rate)
        path.unlink()
    corpus = read_corpus(root)
    assert corpus.problems == []
    assert corpus.rows["audio"].tolist() == [f"{n}.{suffix}" for n in range(1, 13)]
    utterances, problems = measure_corpus(corpus, progress=False)
    assert (len(utterances), problems) == (12, [])
