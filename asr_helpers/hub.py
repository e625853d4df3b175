"""Where a checkpoint lies: a folder, or the local copy of an id on the Hugging Face Hub."""

from __future__ import annotations

import re
from pathlib import Path

from .tokenizer import CheckpointUnavailable

__all__ = ["HubUnavailable", "locate_checkpoint"]

HUB_ID = re.compile(r"^[\w.-]+(/[\w.-]+)?$")
TEXTS = ["*.json", "*.txt"]
SAFE_WEIGHTS = ["model*.safetensors"]
PICKLED_WEIGHTS = ["pytorch_model*.bin"]


class HubUnavailable(CheckpointUnavailable):
    """A checkpoint is an id on the Hub, the Hub cannot be reached, and no copy lies on this machine."""


def locate_checkpoint(checkpoint: str | Path, *, revision: str | None = None, weights: bool = True) -> Path:
    """Find a checkpoint on this machine, fetching it from the Hub first if need be.

    Safetensors are preferred; a pickled ``pytorch_model.bin`` is fetched only where there is nothing else.

    Args:
        checkpoint: A folder, or an id on the Hub such as ``facebook/wav2vec2-base``.
        revision: Branch, tag or commit on the Hub.
        weights: Fetch the weights too; otherwise only configs and vocabulary.

    Returns:
        The folder, with ``config.json`` and weights in it.

    Raises:
        HubUnavailable: It is no folder, and the Hub cannot be reached.
        CheckpointUnavailable: Neither a folder nor an id that the Hub shows to this user, or there are no
            weights in it.
    """
    folder = Path(checkpoint).expanduser()
    if not folder.is_dir():
        folder = _fetch(str(checkpoint), revision, weights)
    if not (folder / "config.json").is_file():
        raise CheckpointUnavailable(f"{checkpoint} has no config.json: it is no checkpoint of transformers")
    if weights and not _has(folder, SAFE_WEIGHTS) and not _has(folder, PICKLED_WEIGHTS):
        raise CheckpointUnavailable(
            f"{checkpoint} has no weights here (no model.safetensors or pytorch_model.bin in {folder}); "
            "if its training was stopped, run notebook 04 again, otherwise fetch the checkpoint again"
        )
    return folder


def _has(folder: Path, patterns: list[str]) -> bool:
    return any(True for pattern in patterns for _ in folder.glob(pattern))


def _fetch(checkpoint: str, revision: str | None, weights: bool) -> Path:
    """Fetch an id from the Hub, or find its copy in the cache."""
    import httpx
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import (
        HfHubHTTPError,
        LocalEntryNotFoundError,
        RepositoryNotFoundError,
        RevisionNotFoundError,
    )

    if not HUB_ID.match(checkpoint):
        raise CheckpointUnavailable(f"there is no folder {checkpoint} (seen from {Path.cwd()})")
    wanted = TEXTS + SAFE_WEIGHTS if weights else TEXTS
    try:
        folder = Path(snapshot_download(checkpoint, revision=revision, allow_patterns=wanted))
        if weights and not _has(folder, SAFE_WEIGHTS):
            snapshot_download(checkpoint, revision=revision, allow_patterns=PICKLED_WEIGHTS)
    except RepositoryNotFoundError as error:  # also: private, or its terms not yet accepted
        raise CheckpointUnavailable(
            f"there is no folder {checkpoint} (seen from {Path.cwd()}), and the Hugging Face Hub has no such id, "
            "or not for you: check its spelling; for a private or gated one, run `hf auth login` first"
        ) from error
    except RevisionNotFoundError as error:
        raise CheckpointUnavailable(f"{checkpoint} has no revision {revision!r} on the Hugging Face Hub") from error
    except (LocalEntryNotFoundError, ConnectionError, httpx.TransportError, HfHubHTTPError) as error:
        raise HubUnavailable(
            f"{checkpoint} is no folder here (seen from {Path.cwd()}), and the Hugging Face Hub cannot be reached to "
            f"fetch it. Connect to the network, or fetch it elsewhere with `hf download {checkpoint}` and give the "
            f"folder's path as the checkpoint ({str(error).splitlines()[0] if str(error) else type(error).__name__})"
        ) from error
    return folder
