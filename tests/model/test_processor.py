"""Vocabulary, tokenizer and processor: what goes in comes back, on every machine alike."""

import json
import os
import random
import subprocess
import sys

import pytest

from asr_helpers.model.hub import CheckpointUnavailable
from asr_helpers.model.processor import make_processor, make_tokenizer, round_trip
from asr_helpers.model.vocabulary import BLANK, SPECIALS, build_vocab, unseen_letters
from asr_helpers.text.normaliser import letters

TEXTS = ["یہ بللی ممکن ہے", "آم کھاؤ", "جذبۂ دل abc", "گئی"]


@pytest.fixture(scope="module")
def vocab():
    return build_vocab(TEXTS)


@pytest.fixture(scope="module")
def processor(vocab, tmp_path_factory):
    return make_processor(vocab, tmp_path_factory.mktemp("processor"))


def test_specials_first_then_letters_by_code_point(vocab):
    assert list(vocab)[:3] == list(SPECIALS)
    assert list(vocab)[3:] == sorted(set("".join(TEXTS)) - {" "}) == list(letters(TEXTS))
    assert list(vocab.values()) == list(range(len(vocab)))  # contiguous, hence a bijection


def test_vocabulary_ignores_the_order_of_transcripts_and_the_hash_seed():
    shuffled = TEXTS[:]
    random.Random(0).shuffle(shuffled)
    assert build_vocab(shuffled) == build_vocab(TEXTS)
    script = f"from asr_helpers.model.vocabulary import build_vocab; print(ascii(build_vocab({TEXTS!a})))"
    runs = {
        subprocess.run(
            [sys.executable, "-c", script], env=os.environ | {"PYTHONHASHSEED": seed}, capture_output=True, check=True
        ).stdout
        for seed in ("1", "2")
    }
    assert runs == {(ascii(build_vocab(TEXTS)) + "\n").encode()}


@pytest.mark.parametrize("text, token", [("یہ|ہے", "|"), ("یہ [UNK] ہے", "[UNK]"), ("[PAD]", "[PAD]")])
def test_reserved_tokens_are_refused_with_their_row(text, token):
    with pytest.raises(ValueError, match="transcript 1") as error:
        build_vocab(["یہ", text])
    assert repr(token) in str(error.value) and repr(text) in str(error.value)


def test_no_letter_at_all_is_refused():
    with pytest.raises(ValueError, match="no letter in 2 training transcripts"):
        build_vocab(["", " "])


def test_no_stray_tokens(processor, vocab):
    assert len(processor.tokenizer) == processor.tokenizer.vocab_size == len(vocab)
    assert processor.tokenizer.bos_token is None and processor.tokenizer.eos_token is None
    assert processor.tokenizer.pad_token_id == BLANK == vocab["[PAD]"]


def test_saved_processor_loads_as_it_was(processor, vocab, tmp_path):
    from transformers import AutoProcessor, Wav2Vec2Processor

    processor.save_pretrained(tmp_path)
    for loaded in (Wav2Vec2Processor.from_pretrained(tmp_path), AutoProcessor.from_pretrained(tmp_path)):
        assert loaded.tokenizer.get_vocab() == vocab and len(loaded.tokenizer) == len(vocab)
        assert loaded.tokenizer.bos_token is None and loaded.tokenizer.word_delimiter_token == "|"
        assert loaded.feature_extractor.return_attention_mask is True
        assert loaded(text=TEXTS[0]).input_ids == [vocab["|" if letter == " " else letter] for letter in TEXTS[0]]
    assert json.loads((tmp_path / "vocab.json").read_text(encoding="utf-8")) == vocab


def test_round_trip_lists_what_does_not_come_back(processor):
    assert round_trip(processor.tokenizer, TEXTS) == []
    assert round_trip(processor.tokenizer, ["یہ ژ ہے", " یہ", "یہ  ہے", *TEXTS]) == ["یہ ژ ہے", " یہ"]


def test_unseen_letters():
    table = unseen_letters(["اب"], ["اژ ژب", "ڑا", "ژ"])
    assert table.values.tolist() == [
        ["ژ", "U+0698 ARABIC LETTER JEH", 3, 2, "اژ ژب"],
        ["ڑ", "U+0691 ARABIC LETTER RREH", 1, 1, "ڑا"],
    ]
    assert unseen_letters(["اب"], ["ب ا"]).empty


@pytest.fixture
def checkpoint(tmp_path, vocab):
    """A folder that looks like a CTC checkpoint with this vocabulary; every test changes one thing."""

    def write(architecture="Wav2Vec2ForCTC", tokens=vocab, **config):
        config = {
            "model_type": "wav2vec2",
            "architectures": [architecture],
            "vocab_size": len(vocab),
            "pad_token_id": 0,
        } | config
        if tokens is not None:
            make_tokenizer(tokens, tmp_path)
        (tmp_path / "config.json").write_text(json.dumps(config))
        return tmp_path

    return write


@pytest.mark.parametrize("nested", [False, True], ids=["preprocessor_config.json", "processor_config.json"])
def test_feature_extractor_of_the_checkpoint_is_used_with_the_mask_on(checkpoint, tmp_path, vocab, nested):
    config = {"do_normalize": False, "sampling_rate": 16000, "return_attention_mask": False}
    name, content = "preprocessor_config.json", config
    if nested:
        name, content = "processor_config.json", {"feature_extractor": config}
    folder = checkpoint()
    (folder / name).write_text(json.dumps(content))
    extractor = make_processor(vocab, tmp_path / "made", checkpoint=folder).feature_extractor
    assert extractor.do_normalize is False and extractor.return_attention_mask is True


def test_checkpoint_without_feature_extractor_gets_the_default(checkpoint, tmp_path, vocab):
    assert make_processor(vocab, tmp_path / "made", checkpoint=checkpoint()).feature_extractor.do_normalize is True


def test_other_sampling_rates_are_refused(checkpoint, tmp_path, vocab):
    folder = checkpoint()
    (folder / "preprocessor_config.json").write_text(json.dumps({"sampling_rate": 8000}))
    with pytest.raises(ValueError, match="expects 8000 Hz"):
        make_processor(vocab, tmp_path / "made", checkpoint=folder)


def test_missing_checkpoint_is_named(tmp_path, vocab):
    with pytest.raises(CheckpointUnavailable, match="no such folder at all"):
        make_processor(vocab, tmp_path / "made", checkpoint=tmp_path / "no such folder at all")


def test_repeated_letter_needs_no_grouping(tmp_path):
    tokenizer = make_tokenizer(build_vocab(["ممکن"]), tmp_path)
    ids = tokenizer("ممکن").input_ids
    assert tokenizer.decode(ids) == "مکن" and tokenizer.decode(ids, group_tokens=False) == "ممکن"
