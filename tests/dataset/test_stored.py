"""Frames come back from the disk as they were, as exactly as their format says; what is half written is not there."""

import numpy as np
import pytest

from asr_helpers.dataset.stored import FORMATS, StoredFrames, StoredShard, bytes_a_frame

WIDTH = 192


@pytest.fixture
def frames():
    """Two utterances, with a channel that is a thousand times as loud as the others, and a frame of silence."""
    rng = np.random.default_rng(0)
    clips = [rng.standard_normal((count, WIDTH)).astype(np.float32) for count in (5, 7)]
    for clip in clips:
        clip[:, 3] *= 1000
    clips[1][2] = 0
    return clips


def written(folder, frames, kind):
    shard = StoredShard(folder / "train" / "00000.npy", "made from this", range(2), 1.0)
    shard.write(["a", "b"], frames, kind)
    return shard


# Half of what the last digit is worth: bf16 has 8 digits, int8 127 steps up to the loudest of a block.
@pytest.mark.parametrize(("kind", "size"), [("fp32", 4 * WIDTH), ("bf16", 2 * WIDTH), ("int8", WIDTH + 4 * 3)])
def test_frames_come_back(kind, size, frames, tmp_path):
    shard = written(tmp_path, frames, kind)
    read = StoredFrames([shard], kind=kind, width=WIDTH)
    assert bytes_a_frame(WIDTH, kind) == size and kind in FORMATS
    assert 0 <= shard.path.stat().st_size - 12 * size < 200
    for name, clip in zip("ab", frames, strict=True):
        again = read({"id": name})
        assert again.dtype == np.float32 and again.shape == clip.shape
        blocks = np.abs(clip).reshape(len(clip), -1, 64).max(-1).repeat(64, axis=-1)
        allowed = {"fp32": 0.0, "bf16": np.abs(clip) / 2**8, "int8": blocks / 127 / 2 * 1.001}[kind]
        assert (np.abs(again - clip) <= allowed).all()
        assert kind == "fp32" or not np.array_equal(again, clip)


def test_what_is_half_written_or_made_from_something_else_is_not_there(frames, tmp_path):
    shard = written(tmp_path, frames, "bf16")
    assert shard.there
    assert not StoredShard(shard.path, "made from something else", range(2), 1.0).there
    content = shard.path.read_bytes()
    shard.path.write_bytes(content[:-1])
    assert not shard.there
    shard.path.write_bytes(content)
    shard.path.with_suffix(".json").write_text("{")
    assert not shard.there
    shard.path.with_suffix(".json").unlink()
    assert not shard.there
