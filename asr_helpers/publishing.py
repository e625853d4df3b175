"""Give a finished model to the Hub, when asked to, and never stand in the way of what comes next."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import huggingface_hub

__all__ = ["publish"]

SECRET = "(token)"


def publish(model: Any, processor: Any, repository: str, *, private: bool = True) -> str:
    """Upload a model with its processor.

    Nobody is asked for anything: without a token, a network or a right, the sentence says so and the run goes
    on. The token is taken from where ``hf auth login`` or ``HF_TOKEN`` put it and is neither shown nor
    stored.

    Args:
        model: ``Wav2Vec2ForCTC``.
        processor: Its ``Wav2Vec2Processor``.
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
