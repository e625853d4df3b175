"""Language models as others write them: names, zips, binaries, capitals, marks."""

import base64
import gzip

import pytest

from asr_helpers.decoding.beam_search import BeamSearch, Weights
from asr_helpers.decoding.language_files import NoLanguageModel, lexicon_of
from asr_helpers.model.vocabulary import Alphabet
from asr_helpers.text.normaliser import Normaliser

URDU = Alphabet(("[PAD]", "[UNK]", "|", *"ابدیک"), 0, 2)
LATIN = Alphabet(("[PAD]", "[UNK]", "|", *"abdet"), 0, 2)

# با and دا, by KenLM's build_binary (probing)
BINARY = base64.b64decode(
    "bW1hcCBsbSBodHRwOi8va2hlYWZpZWxkLmNvbS9jb2RlIGZvcm1hdCB2ZXJzaW9uIDUKAAAAAAAAAAAAAACAPwAAAL8BAAAA/////wAAAAABAAAAAAAAAAIAAAAAAMA/AAAAAAEAAAAAAAAABQAAAAAAAAAEAAAAAAAAAAAAAAAAAAAABQAAAHB+Ib05hnUAAQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAANt5PeVcRyeZAwAAAAps9/F9c+BrAgAAAAAAAAAAAAAAAAAAADZuggtVVUg3BAAAAAAAgL8AAACAAADGwpqZmb7NzEw/AAAAgDMzMz+amZm+MzMzP5qZmb4AAAAAAAAAAAjyAmiEsTMTzczMvoFy7fB9e3yFmpmZvqyN2xQDYWasAAAAvwAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAACmGN9C8woMgzczMvjx1bms+ADxzPgA8L3M+ANio2KcA2K/YpwA="
)


def arpa(*words: str, unknown: str = "<unk>") -> str:
    """A bigram model in which all words are as likely, and each may follow each."""
    every = [unknown, "<s>", "</s>", *words] if unknown else ["<s>", "</s>", *words]
    ones = "".join(f"-1.0\t{word}\t-0.3\n" for word in every)
    counts = f"\\data\\\nngram 1={len(every)}\nngram 2=1\n"
    return f"{counts}\n\\1-grams:\n{ones}\n\\2-grams:\n-0.3\t<s> {words[0]}\n\n\\end\\\n"


@pytest.mark.parametrize("name", ["3gram.arpa", "model.lm", "no suffix"])
@pytest.mark.parametrize("packed", [str.encode, lambda text: gzip.compress(text.encode(), mtime=0)])
@pytest.mark.parametrize("unknown", ["<unk>", "<UNK>", ""])
def test_an_arpa_file_is_known_by_what_it_holds(name, packed, unknown, tmp_path):
    (tmp_path / name).write_bytes(packed(arpa("با", "دا", "تب", unknown=unknown)))
    found = lexicon_of(tmp_path / name, URDU)
    assert (found.unit, found.words, found.left_out) == ("word", ["با", "دا"], ["تب"])
    pytest.importorskip("flashlight.lib.text")
    assert BeamSearch(tmp_path / name, URDU).name == "words"


def test_a_binary_of_kenlm_is_read_with_its_words(tmp_path):
    (tmp_path / "lm.bin").write_bytes(BINARY)
    assert sorted(lexicon_of(tmp_path / "lm.bin", URDU).words) == ["با", "دا"]
    pytest.importorskip("flashlight.lib.text")
    assert BeamSearch(tmp_path / "lm.bin", URDU, weights=Weights(1.0)).unit == "word"


@pytest.mark.parametrize(
    ("alphabet", "words", "normaliser", "written"),
    [
        (LATIN, ("BAD", "TAB"), None, ["bad", "tab"]),
        (LATIN, ("bad", "Tab"), None, ["bad", "tab"]),
        (Alphabet(("[PAD]", "|", *"ABDET"), 0, 1), ("bad", "tab"), None, ["BAD", "TAB"]),
        (URDU, ("\u0643ا", "بي"), Normaliser("ur"), ["کا", "بی"]),  # Arabic kaf and yeh
        (URDU, ("\u0643ا", "با"), None, ["با"]),
    ],
)
def test_words_are_found_whatever_their_case_and_spelling(alphabet, words, normaliser, written, tmp_path):
    (tmp_path / "a.arpa").write_text(arpa(*words), encoding="utf-8")
    found = lexicon_of(tmp_path / "a.arpa", alphabet, normaliser)
    assert found.words == written
    assert len(found.entries) == len(written) and set(found.entries) <= set(words)


def test_letters_of_others_are_found_with_their_name_for_the_space(tmp_path):
    (tmp_path / "a.arpa").write_text(arpa("A", "B", "<space>", "X"), encoding="utf-8")
    found = lexicon_of(tmp_path / "a.arpa", LATIN)
    assert (found.unit, found.entries) == ("character", ["[PAD]", "[UNK]", "<space>", "A", "B", "d", "e", "t"])


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"just some\ntext\n", "is no language model: give an ARPA file"),
        (b"", "is no language model"),
        (gzip.compress(arpa("با").encode(), mtime=0)[:-30], "is cut off"),
        (BINARY[:200], "is no language model"),
        (arpa("guten", "tag").encode(), r"another language than the model: nothing of guten, tag can be written"),
        (arpa("x", "y").encode(), "another language than the model"),
    ],
)
def test_what_is_no_language_model_of_this_language_says_so(content, message, tmp_path):
    (tmp_path / "a.arpa").write_bytes(content)
    with pytest.raises(NoLanguageModel, match=message):
        lexicon_of(tmp_path / "a.arpa", URDU)


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("ngram 2=1", "ngram 2=7", r"[^/]*"),
        ("ngram 2=1\n", "", r"[^/]*bigram[^/]*"),
        ("\t", " ", r"[^/]*tab[^/]*"),  # as CMU's toolkit writes it
        ("\\data", "\ufeff\\data", r"first non-empty line was [^/]*"),
    ],
)
def test_what_kenlm_cannot_read_is_told_in_its_words_alone(old, new, told, tmp_path):
    pytest.importorskip("flashlight.lib.text")
    (tmp_path / "a.arpa").write_text(arpa("با", "دا").replace(old, new), encoding="utf-8")
    with pytest.raises(NoLanguageModel, match=rf"KenLM cannot read .*/a\.arpa \({told}\); save it as an ARPA file"):
        BeamSearch(tmp_path / "a.arpa", URDU)
