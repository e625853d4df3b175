"""Where a checkpoint lies: a folder, or the local copy of an id on the Hugging Face Hub."""

from __future__ import annotations

import re
from pathlib import Path

from .hub_errors import hub_answer

__all__ = ["CheckpointUnavailable", "HubUnavailable", "has_safe_weights", "locate_checkpoint"]

HUB_ID = re.compile(r"^[\w.-]+(/[\w.-]+)?$")
TEXTS = ["*.json", "*.txt"]
ADDITION = "adapter_config.json"
SAFE_WEIGHTS = ["model*.safetensors"]
PICKLED_WEIGHTS = ["pytorch_model*.bin"]


class CheckpointUnavailable(OSError):
    """A checkpoint is neither a folder nor reachable on the Hub; the text names it and says what to do."""


class HubUnavailable(CheckpointUnavailable):
    """A checkpoint is an id on the Hub, the Hub cannot be reached, and no copy lies on this machine."""


def locate_checkpoint(checkpoint: str | Path, *, weights: bool = True, also: str = "") -> Path:
    """Find a checkpoint on this machine, fetching it from the Hub first if need be.

    Safetensors are preferred; a pickled ``pytorch_model.bin`` is fetched only where there is nothing else.

    Args:
        checkpoint: A folder, or an id on the Hub such as ``facebook/wav2vec2-base``.
        weights: Fetch the weights too; otherwise only configs and vocabulary.
        also: Name of a further file to fetch, where the checkpoint has it.

    Returns:
        The folder, with ``config.json`` and weights in it.

    Raises:
        HubUnavailable: It is no folder, and the Hub cannot be reached.
        CheckpointUnavailable: Neither a folder nor an id that the Hub shows to this user, or there are no
            weights in it.
    """
    folder = Path(checkpoint).expanduser()
    if not folder.is_dir():
        name = checkpoint.as_posix() if isinstance(checkpoint, Path) else checkpoint  # Windows turns slashes round
        folder = _fetch(name, weights, also)
    if not (folder / "config.json").is_file():
        meant = f"{checkpoint}/model" if (folder / "model").is_dir() else "a folder with one, such as runs/<name>/model"
        raise CheckpointUnavailable(
            f"{checkpoint} has no config.json: it is no checkpoint of transformers; give {meant}"
        )
    if (folder / ADDITION).exists():  # it names another checkpoint, which transformers would load in this one's place
        raise CheckpointUnavailable(
            f"{checkpoint} has an {ADDITION}: it is peft's addition to another model; give the merged model's folder"
        )
    if weights and not has_safe_weights(folder) and not _has(folder, PICKLED_WEIGHTS):
        raise CheckpointUnavailable(
            f"{checkpoint} has no weights here (no model.safetensors or pytorch_model.bin in {folder}); "
            "if its training was stopped, run notebook 04 again, otherwise fetch the checkpoint again"
        )
    return folder


def has_safe_weights(folder: Path) -> bool:
    """Say whether the weights lie in ``folder`` as safetensors; what else does (MMS's adapters) are not the weights."""
    return _has(folder, SAFE_WEIGHTS)


def _has(folder: Path, patterns: list[str]) -> bool:
    return any(True for pattern in patterns for _ in folder.glob(pattern))


def _fetch(checkpoint: str, weights: bool, also: str = "") -> Path:
    """Fetch an id from the Hub, or find its copy in the cache."""
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError, RepositoryNotFoundError

    network_error = HfHubHTTPError.__bases__[0]  # HTTPError of httpx; from huggingface_hub 2 on, of httpx2
    if not HUB_ID.match(checkpoint):
        raise CheckpointUnavailable(f"there is no folder {checkpoint} (seen from {Path.cwd()}); correct the path")
    wanted = (TEXTS + SAFE_WEIGHTS if weights else TEXTS) + ([also] if also else [])
    try:
        folder = Path(snapshot_download(checkpoint, allow_patterns=wanted))
        if weights and not has_safe_weights(folder):
            snapshot_download(checkpoint, allow_patterns=PICKLED_WEIGHTS)
    except RepositoryNotFoundError as error:  # also: private, or its terms not yet accepted
        raise CheckpointUnavailable(
            f"there is no folder {checkpoint} (seen from {Path.cwd()}), and the Hugging Face Hub has no such id, "
            "or not for you: check its spelling; for a private or gated one, run `hf auth login` first"
        ) from error
    except (OSError, network_error) as error:
        if answer := hub_answer(error, checkpoint, to="read"):
            raise CheckpointUnavailable(f"{checkpoint} could not be fetched: {answer}") from error
        if not isinstance(error, (LocalEntryNotFoundError, ConnectionError, network_error)):
            raise
        raise HubUnavailable(
            f"{checkpoint} is no folder here (seen from {Path.cwd()}), and the Hugging Face Hub cannot be reached to "
            f"fetch it. Connect to the network, or fetch it elsewhere with `hf download {checkpoint}` and give the "
            f"folder's path as the checkpoint ({str(error).splitlines()[0] if str(error) else type(error).__name__})"
        ) from error
    return folder
