"""What only a lesson shows: the numbers of a checkpoint in a drawing, the characters that each rule changed."""

import numpy as np
import pandas as pd
import pytest
import torch
from matplotlib.figure import Figure
from tiny import tiny_model

from asr_helpers.decoding.hypotheses import FrameClock
from asr_helpers.model.masking import spec_augment
from asr_helpers.show.fragments import phrase
from asr_helpers.show.lessons import architecture, changes, clips
from asr_helpers.show.tables import table
from asr_helpers.text.normaliser import Normaliser


def test_the_drawing_has_the_numbers_of_the_checkpoint():
    model = tiny_model()
    model.wav2vec2.feature_extractor._freeze_parameters()
    ax = architecture(model, FrameClock.of(model), Figure(figsize=(6, 3.5)).subplots(), head="kept")
    said = " ".join(text.get_text() for text in ax.texts)
    config = model.config
    assert f"{config.num_hidden_layers} layers of {config.hidden_size}" in said
    assert f"{config.vocab_size} probabilities" in said and said.count("frozen") == 1
    head = model.lm_head.weight.numel() + model.lm_head.bias.numel()
    assert f"{head:,} parameters" in said and "head (kept)" in said


@pytest.mark.parametrize(
    ("typed", "rule", "changed"),
    [
        ("\u200fکتاب", "unseen", "U+200F → nothing"),
        ("كتاب", "letters", "U+0643 → U+06A9"),
        ("\u0627\u0653م", "compose", "U+0627 U+0653 → U+0622"),
        ("ہاں ہاں\u060c", "punctuation", "U+060C → space"),
    ],
)
def test_a_change_that_is_not_seen_is_named(typed, rule, changed):
    steps = Normaliser(language="ur").steps(typed)
    shown = changes(typed, steps, language="ur")
    assert [line for line in shown.text.splitlines() if rule in line and changed in line]
    assert changed in shown.html


def test_no_rule_changed_anything():
    typed = "کتاب"
    assert "no rows" in changes(typed, Normaliser(language="ur").steps(typed)).text


def test_a_letter_and_its_count_are_isolated_from_their_neighbours():
    shown = table(pd.DataFrame({"taken_for": [[("ا", 13), ("nothing", 3), ("ئ", 2)]]}), language="ur")
    letter = '<bdi class="naskh">{}</bdi>\u00a0<bdi>{}</bdi>'.format
    nothing = letter("nothing", 3).replace(' class="naskh"', "")
    assert ", ".join([letter("ا", 13), nothing, letter("ئ", 2)]) in shown.html
    assert 'dir="ltr"' in shown.html and "ا 13, nothing 3, ئ 2" in shown.text


def test_an_arrow_between_urdu_words_points_at_what_was_heard():
    """The pair is one right-to-left text: the arrow between two isolated words would point at what was said."""
    marked = phrase("Most often: ڈاکٹر ← ڈاک ٹر (1); کمپنی ← کم پنی (1).", language="ur")
    assert marked.count("<bdi") == 2 and ">ڈاکٹر ← ڈاک ٹر</bdi> (1)" in marked


def test_masking_leaves_the_model_and_the_random_numbers_alone():
    model = tiny_model(mask=0.3).eval()
    batch = {"input_values": torch.randn(1, 16_000), "attention_mask": torch.ones(1, 16_000, dtype=torch.long)}
    np.random.seed(1), torch.manual_seed(1)
    expected = np.random.rand(), torch.rand(1).item()
    np.random.seed(1), torch.manual_seed(1)
    before, after = spec_augment(model, batch, seed=5)
    assert (np.random.rand(), torch.rand(1).item()) == expected and not model.training
    masked = (before != after).any(axis=1)
    assert 0 < masked.sum() < len(masked) and before.shape == after.shape
    assert np.ptp(after[masked], axis=0).max() == pytest.approx(0)  # one learnt vector in place of every hidden frame


def test_clips_stand_side_by_side_under_their_names():
    loud, soft = (np.array([0, level, -level] * 800, dtype=np.int16) for level in (20_000, 2_000))
    shown = clips({"as recorded": loud, "<gain>": soft})
    assert shown.text == "as recorded · <gain>"
    markup = shown.html
    assert markup.count("<audio") == 2 and "&lt;gain&gt;" in markup and "▶ as recorded" in markup
