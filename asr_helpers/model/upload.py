"""Send a folder to the Hugging Face Hub: private unless asked otherwise, and twice only what did not arrive."""

from __future__ import annotations

from pathlib import Path

from .hub_errors import hub_answer, without_token

__all__ = ["UploadFailed", "upload"]


class UploadFailed(OSError):
    """A folder did not get to the Hub; the text names the repository and says what to do."""


def upload(folder: str | Path, repository: str, *, kind: str = "model", private: bool = True) -> str:
    """Make a repository of what is in a folder, or bring it up to date.

    Nobody is asked for anything. The token is taken from where ``hf auth login`` or ``HF_TOKEN`` put it, and is
    neither shown nor stored. What the Hub has already is not sent again: an upload that broke off goes on when it is
    repeated.

    Args:
        folder: What is uploaded, with all below it.
        repository: ``"name/repository"``; made when it does not exist.
        kind: ``"model"`` or ``"dataset"``.
        private: Whether the repository has to be visible to its owner alone; a public one is then left as it is.

    Returns:
        The repository's address, and whether it is private or public.

    Raises:
        UploadFailed: There is no token, no network, no right or no such name, or all could see it; says what to do.
    """
    import huggingface_hub
    from huggingface_hub.utils import HFValidationError

    if huggingface_hub.get_token() is None:
        fix = "run `hf auth login`, or set HF_TOKEN, and run this again"
        raise UploadFailed(f"not uploaded to {repository}: there is no Hub token; {fix}")
    hub, about = huggingface_hub.HfApi(), f"Upload a {kind}"
    try:
        made = hub.create_repo(repository, repo_type=kind, private=private, exist_ok=True)
        public = not hub.repo_info(made.repo_id, repo_type=kind).private
        if private and public:
            fix = "name another repository, or say that all may see it (--public)"
            raise UploadFailed(f"not uploaded to {repository}: it is there already, and public; {fix}")
        hub.upload_folder(repo_id=made.repo_id, repo_type=kind, folder_path=str(folder), commit_message=about)
    except HFValidationError as error:
        raise UploadFailed(f"{repository!r} is no name of a repository; write it as owner/name") from error
    except UploadFailed:
        raise
    except Exception as error:  # huggingface_hub, its HTTP client and its uploader each have errors of their own
        why = without_token(str(error)).strip().partition("\n")[0] or type(error).__name__
        broken = f"the connection to the Hub broke off ({why}); run this again, it goes on where it stopped"
        answer = hub_answer(error, repository, to="write to") or broken
        raise UploadFailed(f"not uploaded to {repository}: {answer}") from error
    return f"{made} ({'public' if public else 'private'})"
