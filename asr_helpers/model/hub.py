"""Where a checkpoint lies: a folder, or the local copy of an id on the Hugging Face Hub."""

from __future__ import annotations

import re
import tempfile
from pathlib import Path
from typing import Any

import huggingface_hub

__all__ = ["CheckpointUnavailable", "HubUnavailable", "has_safe_weights", "locate_checkpoint", "publish"]

HUB_ID = re.compile(r"^[\w.-]+(/[\w.-]+)?$")
TEXTS = ["*.json", "*.txt"]
ADDITION = "adapter_config.json"
SAFE_WEIGHTS = ["model*.safetensors"]
PICKLED_WEIGHTS = ["pytorch_model*.bin"]

SECRET = "(token)"


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
        folder = _fetch(str(checkpoint), weights, also)
    if not (folder / "config.json").is_file():
        raise CheckpointUnavailable(f"{checkpoint} has no config.json: it is no checkpoint of transformers")
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
        raise CheckpointUnavailable(f"there is no folder {checkpoint} (seen from {Path.cwd()})")
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
    except (LocalEntryNotFoundError, ConnectionError, network_error) as error:
        raise HubUnavailable(
            f"{checkpoint} is no folder here (seen from {Path.cwd()}), and the Hugging Face Hub cannot be reached to "
            f"fetch it. Connect to the network, or fetch it elsewhere with `hf download {checkpoint}` and give the "
            f"folder's path as the checkpoint ({str(error).splitlines()[0] if str(error) else type(error).__name__})"
        ) from error
    return folder


def publish(model: Any, processor: Any, repository: str, *, private: bool = True) -> str:
    """Upload a model with its processor.

    Nobody is asked for anything: without a token, a network or a right, the sentence says so and the run goes
    on. The token is taken from where ``hf auth login`` or ``HF_TOKEN`` put it and is neither shown nor
    stored.

    Args:
        model: A CTC model.
        processor: Its processor.
        repository: ``"name/repository"``; made when it does not exist.
        private: Make it visible to its owner alone.

    Returns:
        What happened, in one sentence.
    """
    token = huggingface_hub.get_token()
    if token is None:
        return f"not uploaded to {repository}: there is no Hub token; run `hf auth login` and upload the model folder"
    try:
        with tempfile.TemporaryDirectory() as folder:
            model.save_pretrained(folder)
            processor.save_pretrained(folder)
            hub = huggingface_hub.HfApi(token=token)
            hub.create_repo(repository, private=private, exist_ok=True)
            hub.upload_folder(repo_id=repository, folder_path=Path(folder), commit_message="Upload a fine-tuned model")
    except Exception as error:  # whatever goes wrong on the way to the Hub must not cost the training
        reason = str(error).replace(token, SECRET).strip().splitlines()
        return (
            f"not uploaded to {repository}: {reason[0] if reason else type(error).__name__}; the model folder is whole"
        )
    return f"uploaded to {repository}"
