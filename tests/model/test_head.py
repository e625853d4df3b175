"""A checkpoint's head: the outputs that are kept, and why the others are new."""

import shutil

import pytest
import torch
from safetensors.torch import load_file, save_file
from shapes import model_of
from small_checkpoint import LETTERS, tokenizer
from transformers import Wav2Vec2CTCTokenizer, Wav2Vec2ForCTC, Wav2Vec2ForPreTraining

from asr_helpers.model.loading import kept_outputs, load_for_ctc, load_trained
from asr_helpers.model.vocabulary import Alphabet
from asr_helpers.storage import read_json, write_json

HEAD = ("lm_head.weight", "lm_head.bias")


def test_the_old_head_is_kept_on_request(checkpoints):
    own = Wav2Vec2CTCTokenizer.from_pretrained(checkpoints / "tuned")
    model = load_for_ctc(checkpoints / "tuned", processor=own, head_seed=1, keep_head=True)
    source = Wav2Vec2ForCTC.from_pretrained(checkpoints / "tuned").state_dict()
    assert all(torch.equal(model.state_dict()[name], source[name]) for name in HEAD)


OTHERS = {
    "letters in another order": LETTERS | {"ا": LETTERS["ب"], "ب": LETTERS["ا"]},
    "a letter more": LETTERS | {"ڈ": 12},
    "a letter less": {token: i for token, i in LETTERS.items() if i < 11},
    "the blank last": {token: i for i, token in enumerate([*list(LETTERS)[1:], "[PAD]"])},
    "tokens of several letters": LETTERS | {"<s>": 12, "بب": 13},
}


@pytest.mark.parametrize("vocab", OTHERS.values(), ids=OTHERS)
def test_letters_that_the_old_head_knows_keep_their_weights(checkpoints, tmp_path, vocab):
    model = load_for_ctc(checkpoints / "tuned", processor=tokenizer(tmp_path, vocab), head_seed=1, keep_head=True)
    source = Wav2Vec2ForCTC.from_pretrained(checkpoints / "tuned").lm_head
    assert model.lm_head.out_features == model.config.vocab_size == len(vocab)
    assert model.config.pad_token_id == vocab["[PAD]"]
    for token, i in vocab.items():
        if token in LETTERS:
            assert torch.equal(model.lm_head.weight[i], source.weight[LETTERS[token]]), token
            assert model.lm_head.bias[i] == source.bias[LETTERS[token]]
        else:
            assert model.lm_head.weight[i].abs().sum() > 0 and model.lm_head.bias[i] == 0


def pretrained_only(folder):  # as facebook/wav2vec2-base: a vocabulary beside it, and no head
    Wav2Vec2ForPreTraining.from_pretrained(folder).save_pretrained(folder)
    tokenizer(folder, LETTERS)


def without_vocabulary(folder):
    (folder / "vocab.json").unlink()


def with_one_vocabulary_a_language(folder):  # as facebook/mms-1b-all
    write_json({"urd-script_arabic": LETTERS}, folder / "vocab.json")


def in_another_script(folder):
    tokenizer(folder, dict(zip(["[PAD]", "[UNK]", "|", *"abcdefghi"], range(12), strict=True)))


def with_few_of_the_letters(folder):  # four of nine
    tokenizer(folder, dict(zip(["[PAD]", "[UNK]", "|", *"ابپتefghi"], range(12), strict=True)))


def with_gaps(folder):
    tokenizer(folder, LETTERS | {"خ": 13})


def with_another_blank(folder):
    config = read_json(folder / "config.json")
    write_json(config | {"pad_token_id": 4}, folder / "config.json")


def with_a_blank_that_the_head_lacks(folder):  # transformers adds it behind the head's outputs
    tokenizer(folder, {token: i for i, token in enumerate([*list(LETTERS)[1:], "ڈ", "[PAD]"])})


NO_HEAD_TO_KEEP = [pretrained_only, without_vocabulary, with_one_vocabulary_a_language, in_another_script]
NO_HEAD_TO_KEEP += [with_few_of_the_letters, with_gaps, with_another_blank, with_a_blank_that_the_head_lacks]


@pytest.mark.parametrize("change", NO_HEAD_TO_KEEP)
def test_where_no_head_can_be_kept_it_is_new(checkpoints, tmp_path, change):
    folder, processor = shutil.copytree(checkpoints / "tuned", tmp_path / "other"), tokenizer(tmp_path, LETTERS)
    change(folder)
    kept, new = (load_for_ctc(folder, processor=processor, head_seed=1, keep_head=keep) for keep in (True, False))
    assert kept_outputs(folder, Alphabet.of(processor)) == {}
    assert all(torch.equal(value, new.state_dict()[name]) for name, value in kept.state_dict().items())
    assert kept.config.to_dict() == new.config.to_dict()


def test_a_head_without_a_space_is_kept_and_the_space_is_new(checkpoints, tmp_path):
    """transformers names one behind the outputs that the head has."""
    folder = shutil.copytree(checkpoints / "tuned", tmp_path / "other")
    tokenizer(folder, {"[PAD]": 0, "[UNK]": 1, "ڈ": 2} | {token: i for token, i in LETTERS.items() if i > 2})
    own = tokenizer(tmp_path, LETTERS)
    assert kept_outputs(folder, Alphabet.of(own)) == {i: i for i in range(12) if i != 2}
    model, source = load_for_ctc(folder, processor=own, head_seed=1, keep_head=True), load_trained(folder)
    assert [torch.equal(a, b) for a, b in zip(model.lm_head.weight, source.lm_head.weight, strict=True)] == [
        i != 2 for i in range(12)
    ]


def test_what_a_head_would_keep_is_known_without_its_weights(checkpoints, tmp_path):
    alphabet = Alphabet.of(tokenizer(tmp_path, {"[PAD]": 0, "[UNK]": 1, "|": 2, "ب": 3, "ڈ": 4}))
    kept = kept_outputs(checkpoints / "tuned", alphabet)
    assert kept == {0: LETTERS["[PAD]"], 1: LETTERS["[UNK]"], 2: LETTERS["|"], 3: LETTERS["ب"]}


def test_a_head_that_never_heard_a_new_layer_is_not_kept(tmp_path):
    model_of("w2v-bert").save_pretrained(tmp_path)
    alphabet = Alphabet.of(tokenizer(tmp_path, LETTERS))
    assert kept_outputs(tmp_path, alphabet) and not kept_outputs(tmp_path, alphabet, add_adapter=True)


def test_keeping_a_head_leaves_the_global_random_state_alone(checkpoints, tmp_path):
    torch.manual_seed(5)
    before = torch.get_rng_state()
    load_for_ctc(checkpoints / "tuned", processor=tokenizer(tmp_path, LETTERS), head_seed=1, keep_head=True)
    assert torch.equal(before, torch.get_rng_state())


def test_a_checkpoint_that_lost_its_head_is_named(checkpoints, tmp_path):
    folder = shutil.copytree(checkpoints / "tuned", tmp_path / "headless")
    weights = load_file(folder / "model.safetensors")
    save_file(
        {k: v for k, v in weights.items() if not k.startswith("lm_head")},
        folder / "model.safetensors",
        {"format": "pt"},
    )
    with pytest.raises(ValueError, match=r"no CTC head among its weights.*keep_head=False"):
        load_for_ctc(folder, processor=tokenizer(tmp_path, LETTERS), head_seed=1, keep_head=True)
