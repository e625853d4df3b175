"""The collator against transformers' own feature extractor, clip by clip."""

import numpy as np
import pytest
import torch
from transformers import Wav2Vec2FeatureExtractor

from asr_helpers.dataset.collator import IGNORED, Collator


def rows_of(*lengths, seed=0):
    rng = np.random.default_rng(seed)
    return [
        {
            "id": f"u{i}",
            "audio": np.clip(rng.normal(500 * i, 3_000, n), -32_768, 32_767).astype(np.int16),
            "labels": np.arange(1, 2 + i, dtype=np.int32),
        }
        for i, n in enumerate(lengths)
    ]


@pytest.mark.parametrize("normalise", [True, False])
@pytest.mark.parametrize("padding", [0.0, -1.0])
def test_it_gives_what_the_feature_extractor_gives(normalise, padding):
    extractor = Wav2Vec2FeatureExtractor(do_normalize=normalise, return_attention_mask=True, padding_value=padding)
    rows = rows_of(16_000, 1, 400, 15_999)
    expected = extractor(
        [row["audio"] / np.float32(32_768) for row in rows], sampling_rate=16_000, padding=True, return_tensors="pt"
    )
    batch = Collator.of(extractor)(rows)
    torch.testing.assert_close(batch["input_values"], expected["input_values"], rtol=1e-5, atol=2e-6)
    assert torch.equal(batch["attention_mask"], expected["attention_mask"])
    assert batch["attention_mask"].dtype == expected["attention_mask"].dtype


def test_loud_quiet_and_silent_clips_are_brought_to_one_level():
    loud, quiet = (np.array([-1, 1] * 500) * level for level in (32_767, 3))
    batch = Collator()([{"audio": clip.astype(np.int16)} for clip in (loud, quiet, 0 * quiet)])["input_values"]
    assert batch[0].std(correction=0).item() == pytest.approx(1, abs=1e-4)
    assert batch[1].std(correction=0).item() == pytest.approx(1 / np.sqrt(1 + 1e-7 / (3 / 32_768) ** 2), rel=1e-4)
    assert not batch[2].any()


@pytest.mark.parametrize("kind", [list, np.array, lambda x: np.array(x, np.int64), torch.tensor])
def test_audio_may_come_as_any_row_of_integers(kind):
    rows = rows_of(700, 300)
    others = [{**row, "audio": kind(row["audio"].tolist()), "labels": kind(row["labels"].tolist())} for row in rows]
    for name, value in Collator()(rows).items():
        assert torch.equal(value, Collator()(others)[name])


def test_labels_are_padded_with_what_the_loss_ignores():
    labels = Collator()(rows_of(400, 400, 400))["labels"]
    assert labels.tolist() == [[1, IGNORED, IGNORED], [1, 2, IGNORED], [1, 2, 3]]
    assert labels.dtype == torch.int64


def test_rows_are_left_as_they_were():
    rows = rows_of(500, 400)
    before = [row["audio"].copy() for row in rows]
    for row in rows:
        row["audio"].flags.writeable = False  # a view of a memory-mapped file
    Collator()(rows)
    assert all(np.array_equal(row["audio"], old) for row, old in zip(rows, before, strict=True))


def test_without_labels_there_are_none_and_columns_are_kept_on_request():
    rows = [{name: row[name] for name in ("id", "audio")} for row in rows_of(500, 400)]
    assert set(Collator()(rows)) == {"input_values", "attention_mask"}
    assert Collator(keep=("id",))(rows)["id"] == ["u0", "u1"]


@pytest.mark.parametrize(
    ("rows", "text"),
    [
        ([], "no rows"),
        ([{"id": "u7", "audio": np.zeros(0, np.int16)}], "'u7' has audio of shape .0,."),
        ([{"id": "u7", "audio": np.zeros((5, 2), np.int16)}], "'u7' has audio of shape .5, 2."),
    ],
)
def test_rows_without_sound_are_named(rows, text):
    with pytest.raises(ValueError, match=text):
        Collator()(rows)
