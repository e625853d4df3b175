"""Greedy decoding against brute-force collapsing and transformers' tokenizer; frames and times by hand."""

import itertools
import json
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from transformers import Wav2Vec2Config, Wav2Vec2CTCTokenizer, Wav2Vec2ForCTC

from asr_helpers.decoding.hypotheses import FrameClock, frame_table, greedy, hypothesis_of
from asr_helpers.decoding.inference import log_probs_of
from asr_helpers.model.vocabulary import Alphabet, collapse

TOKENS = ("[PAD]", "[UNK]", "|", "ا", "ب", "س")
BLANK, UNK, BOUNDARY, ALEF, BE, SIN = range(6)
ALPHABET = Alphabet(TOKENS, BLANK, BOUNDARY)
CLOCK = FrameClock(320, 400)


def emissions(path: list[int], probability: float = 0.9) -> np.ndarray:
    """Log-probabilities whose likeliest path is ``path``, each frame with the given probability."""
    other = (1 - probability) / (len(TOKENS) - 1)
    probs = np.full((len(path), len(TOKENS)), other)
    probs[np.arange(len(path)), path] = probability
    return np.log(probs).astype(np.float32)


def collapse_letter_by_letter(ids: list[int]) -> list[int]:
    """The oracle: walk the frames with a memory of one."""
    out, last = [], None
    for i in ids:
        if i not in (last, BLANK):
            out.append(i)
        last = i
    return out


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory):
    file = tmp_path_factory.mktemp("vocab") / "vocab.json"
    file.write_text(json.dumps({t: i for i, t in enumerate(TOKENS)}), encoding="utf-8")
    options = {"unk_token": "[UNK]", "pad_token": "[PAD]", "bos_token": None, "eos_token": None}
    return Wav2Vec2CTCTokenizer(str(file), word_delimiter_token="|", **options)


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(0)
    config = Wav2Vec2Config(
        hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16, vocab_size=6,
        conv_dim=(8, 8), conv_kernel=(10, 8), conv_stride=(10, 8), feat_extract_norm="layer",
        num_conv_pos_embeddings=8, num_conv_pos_embedding_groups=2, do_stable_layer_norm=True,
    )  # fmt: skip
    return Wav2Vec2ForCTC(config)


def collate(rows):
    samples = [len(row["audio"]) for row in rows]
    values = torch.zeros(len(rows), max(samples))
    mask = torch.zeros(len(rows), max(samples), dtype=torch.long)
    for i, row in enumerate(rows):
        values[i, : samples[i]] = torch.from_numpy(np.asarray(row["audio"], dtype=np.float32) / 32768)
        mask[i, : samples[i]] = 1
    return {"input_values": values, "attention_mask": mask}


def noise(samples: list[int]) -> list[dict]:
    rng = np.random.default_rng(0)
    return [{"audio": rng.integers(-8000, 8000, n).astype(np.int16)} for n in samples]


def test_collapse_agrees_with_a_letter_by_letter_walk_on_every_short_path():
    for length in range(6):
        for path in itertools.product((BLANK, BOUNDARY, ALEF, BE), repeat=length):
            assert collapse(path, BLANK) == collapse_letter_by_letter(path)


def test_greedy_text_is_what_the_tokenizer_decodes(tokenizer):
    rng = np.random.default_rng(1)
    for _ in range(50):
        path = rng.integers(0, len(TOKENS), 30)
        expected = " ".join(tokenizer.decode(path).split())
        assert greedy(emissions(path), Alphabet.of(tokenizer), CLOCK).text == expected


def test_alphabet_is_read_off_the_tokenizer(tokenizer):
    assert Alphabet.of(tokenizer) == Alphabet.of(SimpleNamespace(tokenizer=tokenizer)) == ALPHABET


class Tokenizer:
    """Says what its vocabulary is, like transformers' one."""

    word_delimiter_token_id = 1

    def __init__(self, vocab, pad_token_id):
        self.pad_token_id = pad_token_id
        self.get_vocab = lambda: vocab


@pytest.mark.parametrize(
    ("vocab", "blank", "says"),
    [
        ({}, 0, "vocabulary is empty"),
        ({"[PAD]": 0, "|": 1, "ا": 3}, 0, "3 tokens have ids from 0 to 3; the head needs every id from 0 on"),
        ({"[PAD]": 0, "|": 1, "ا": 1}, 0, "3 tokens have ids from 0 to 1"),
        ({"[PAD]": 0, "|": 1}, 2, "the blank is 2, and the vocabulary has ids 0 to 1"),
        ({"[PAD]": 0, "|": 1}, None, "the blank is None"),
    ],
)
def test_a_tokenizer_whose_ids_are_no_outputs_is_refused(vocab, blank, says):
    with pytest.raises(ValueError, match=says):
        Alphabet.of(Tokenizer(vocab, blank))


def test_the_order_of_the_ids_counts_not_that_of_the_file():
    alphabet = Alphabet.of(Tokenizer({"ب": 3, "|": 1, "ا": 0, "<pad>": 2}, 2))
    assert alphabet == Alphabet(("ا", "|", "<pad>", "ب"), 2, 1)
    assert alphabet.spell([0, 0, 2, 0, 1, 1, 3, 2, 1]) == "اا ب" and alphabet.encode("اا ب") == [0, 0, 1, 3]


DIFFERENCES = [
    (ALPHABET, ""),
    (Alphabet(TOKENS, BLANK, UNK), ""),  # which token parts words does not change what the outputs are
    (Alphabet(TOKENS, UNK, BOUNDARY), "the blanks are 0 and 1"),
    (Alphabet((*TOKENS, "پ"), BLANK), "only the processor has 'پ'"),
    (Alphabet(TOKENS[:-1], BLANK), "only the checkpoint has 'س'"),
    (Alphabet((*TOKENS[:4], "س", "ب"), BLANK), "2 tokens have other ids (first 'ب': 4, 5)"),
    (Alphabet((*TOKENS, *"تثجحخدذ"), BLANK), "only the processor has 'ت', 'ث', 'ج', 'ح', 'خ' and 2 more"),
]


@pytest.mark.parametrize(("other", "says"), DIFFERENCES)
def test_alphabets_say_how_they_differ(other, says):
    assert ALPHABET.difference(other) == (says and f"the vocabularies differ: {says}")


def test_alphabet_spells_text_as_the_tokenizer_does(tokenizer):
    assert ALPHABET.encode("  باس  اب ") == tokenizer("باس اب").input_ids


def test_an_unknown_letter_is_named_with_its_code_point():
    with pytest.raises(ValueError, match=r"پ \(U\+067E\)"):
        ALPHABET.encode("باپ")


def test_words_and_letters_meet_in_the_middle_and_reach_no_further_than_two_frames():
    path = [BLANK] * 4 + [BE, BE, BLANK, BLANK, ALEF, BLANK, BOUNDARY, SIN, BLANK]
    found = greedy(emissions(path), ALPHABET, CLOCK)
    assert found.text == "با س"
    first, second = found.words
    assert (first.start, first.end) == pytest.approx((0.0425, 0.2025))  # two frames early; half of two frames late
    assert (second.start, second.end) == pytest.approx((0.2025, CLOCK.end(12)))  # only one frame is left
    assert [(x.start, x.end) for x in first.letters] == [
        pytest.approx((0.0425, 0.1425)),
        pytest.approx((0.1425, 0.2025)),
    ]
    assert [(x.first, x.last) for x in first.letters] == [(4, 5), (8, 8)]


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ([BE, *[BLANK] * 24, ALEF], "با"),  # 0.48 s
        ([BE, *[BLANK] * 25, ALEF], "ب ا"),
        ([BE, *[BLANK] * 50, BE], "ب ب"),
        ([BE, *[BLANK] * 20, BOUNDARY, *[BLANK] * 20, ALEF], "ب ا"),
        ([*[BLANK] * 50, BE, ALEF, *[BLANK] * 50], "با"),  # silence at the edges parts nothing
    ],
)
def test_no_word_runs_across_a_pause(path, text):
    log_probs = emissions(path)
    found = greedy(log_probs, ALPHABET, CLOCK)
    assert found.text == text
    assert all(word.end - word.start < 0.6 for word in found.words)
    table = frame_table(log_probs, ALPHABET, CLOCK)
    assert " ".join("".join(table.token[table.kept]).replace("|", " ").split()) == text
    (parted,) = {"word boundary in a pause"} & set(table.why) or {""}
    assert (parted != "") == (" " in text and BOUNDARY not in path)


def test_times_grow_and_stay_inside_the_frames_whatever_is_heard():
    rng = np.random.default_rng(2)
    for _ in range(50):
        path = rng.choice([BLANK, BOUNDARY, ALEF, BE], 30)
        words = greedy(emissions(path), ALPHABET, CLOCK).words
        times = [t for w in words for x in w.letters for t in (x.start, x.end)]
        assert times == sorted(times)
        assert all(x.start < x.end for w in words for x in w.letters)
        assert not times or (times[0] >= CLOCK.start(0) and times[-1] <= CLOCK.end(29))


def chance(log_probs: np.ndarray, target: list[int]) -> float:
    """Probability that the frames say ``target``: every path there is, one after the other."""
    frames, tokens = log_probs.shape
    paths = itertools.product(range(tokens), repeat=frames)
    return sum(np.exp(log_probs[range(frames), p].sum()) for p in paths if collapse(p, BLANK) == target)


def test_a_words_confidence_is_its_chance_between_its_neighbours_letters():
    logits = np.random.default_rng(0).normal(0, 1, (8, len(TOKENS)))
    path = np.array([BLANK, BE, BLANK, BE, BOUNDARY, BLANK, SIN, BLANK])
    logits[range(8), path] += 3
    log_probs = logits - np.log(np.exp(logits).sum(-1, keepdims=True))
    found = greedy(log_probs, ALPHABET, CLOCK)
    expected = [chance(log_probs[:6], [BE, BE, BOUNDARY]), chance(log_probs[4:], [BOUNDARY, SIN])]
    assert found.text == "بب س"
    assert [w.confidence for w in found.words] == pytest.approx(expected)
    assert found.confidence == pytest.approx(np.mean(expected))
    assert [x.confidence for x in found.words[1].letters] == pytest.approx([np.exp(log_probs[6, SIN])])


def test_boundaries_at_the_edges_of_an_utterance_cost_its_words_nothing():
    plain = greedy(emissions([BE, ALEF], 0.999), ALPHABET, CLOCK)
    edged = greedy(emissions([BOUNDARY, BLANK, BE, ALEF, BOUNDARY], 0.999), ALPHABET, CLOCK)
    assert plain.words[0].confidence == pytest.approx(0.998, abs=1e-3)
    assert edged.words[0].confidence > 0.99


def test_a_word_that_the_model_rules_out_has_no_confidence_rather_than_none():
    log_probs = emissions([BE, ALEF])
    log_probs[:, BE] = -np.inf
    found = hypothesis_of(np.array([BE, ALEF]), log_probs, ALPHABET, CLOCK)
    assert found.words[0].confidence == 0


@pytest.mark.parametrize("path", [[], [BLANK] * 4, [BOUNDARY, BLANK, BOUNDARY]])
def test_nothing_heard_is_an_empty_hypothesis(path):
    found = greedy(emissions(path), ALPHABET, CLOCK)
    assert (found.text, found.words) == ("", ())
    assert 0 <= found.confidence <= 1


def test_the_clock_of_wav2vec2_base_is_20_ms_with_a_field_of_400_samples():
    clock = FrameClock.of(Wav2Vec2Config())
    assert (clock.hop, clock.field) == (320, 400)
    assert clock.seconds == 0.02


def test_the_receptive_field_is_the_shortest_input_that_gives_a_frame(model):
    clock = FrameClock.of(model.config)
    frames = model._get_feat_extract_output_lengths
    assert (int(frames(clock.field - 1)), int(frames(clock.field))) == (0, 1)
    assert int(frames(clock.field + clock.hop)) == 2


@pytest.mark.parametrize("samples", [400, 719, 720, 16_000, 16_001])
def test_no_frame_lies_outside_the_recording(samples):
    last = (samples - CLOCK.field) // CLOCK.hop
    assert CLOCK.start(0) >= 0
    assert CLOCK.end(last) <= samples / 16_000


def test_frames_of_a_later_part_keep_the_time_of_the_recording():
    later = FrameClock(320, 400, origin=7)
    assert [later.start(f) for f in range(3)] == [CLOCK.start(f) for f in range(7, 10)]


def test_frame_table_says_why_each_frame_stays_or_goes():
    table = frame_table(emissions([BE, BE, BLANK, BE, BOUNDARY, BOUNDARY]), ALPHABET, CLOCK)
    assert table.why.tolist() == [
        "new letter", "repeats the frame before", "blank",
        "new letter", "word boundary", "repeats the frame before",
    ]  # fmt: skip
    assert "".join(table.token[table.kept]) == "بب|"
    assert table.probability.tolist() == pytest.approx([0.9] * 6)
    assert table.end[:-1].tolist() == pytest.approx(table.start[1:].tolist())


def test_batched_log_probs_equal_those_of_single_clips_in_the_order_given(model):
    rows = noise([900, 4000, 700, 2500, 2500, 1201, 3300])
    batched = list(log_probs_of(model, rows, collate=collate, batch_seconds=0.5, window=3))
    for row, found in zip(rows, batched, strict=True):
        (alone,) = log_probs_of(model, [row], collate=collate)
        assert found.shape == (int(model._get_feat_extract_output_lengths(len(row["audio"]))), len(TOKENS))
        np.testing.assert_allclose(found, alone, atol=1e-5)
        np.testing.assert_allclose(np.exp(found).sum(-1), 1, atol=1e-5)


def test_batches_stay_within_the_budget_and_the_window_bounds_what_is_read(model):
    sizes, read = [], 0

    def counted():
        nonlocal read
        for row in noise([1600] * 20):
            read += 1
            yield row

    def watch(rows):
        sizes.append(len(rows))
        return collate(rows)

    stream = log_probs_of(model, counted(), collate=watch, batch_seconds=0.4, window=8)
    next(stream)
    assert read == 8
    list(stream)
    assert sizes == [4, 4, 4, 4, 4]


def test_a_dataset_gives_what_a_list_gives(model):
    datasets = pytest.importorskip("datasets")
    rows = noise([800, 1500])
    feature = datasets.Features({"audio": datasets.Sequence(datasets.Value("int16"))})
    table = datasets.Dataset.from_list([{"audio": r["audio"].tolist()} for r in rows], features=feature)
    pairs = zip(*(log_probs_of(model, x, collate=collate) for x in (rows, table)), strict=True)
    for one, other in pairs:
        np.testing.assert_array_equal(one, other)
