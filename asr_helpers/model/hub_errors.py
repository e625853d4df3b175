"""What the Hugging Face Hub answers when it says no, each in half a sentence with its fix, and never with the token."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from asr_helpers.storage import FULL
from asr_helpers.wording import duration

__all__ = ["hub_answer", "without_token"]

TOKEN = re.compile(r"\bhf_\w+|(?<=Bearer )\S+")
SECRET = "(token)"

TOKENS = "huggingface.co/settings/tokens"

ANSWERS = {
    401: f"the Hub does not accept the token; make a new one ({TOKENS}) and run `hf auth login`",
    403: f"the token may not {{to}} {{name}}; give it that right ({TOKENS}), or name a repository of your own",
    404: "the Hub has no {name}, or not for this token; correct the name",
    413: "the Hub takes no more from this account; free some of its storage",
    429: "the Hub was asked too often; run this again {when}, it goes on where it stopped",
}
BROKEN = "the Hub has a fault of its own ({status}); run this again later, it goes on where it stopped"

XET_STATUS = re.compile(r"HTTP status (?:client|server) error \((\d{3})\b")  # all that hf_xet says of an answer

SAID = 120  # characters of what the Hub says itself


def hub_answer(error: BaseException, name: str, *, to: str) -> str:
    """Say why the Hub refused, and what to do; empty where it did not answer at all.

    Args:
        error: What huggingface_hub raised; it often wraps the answer in other errors.
        name: The repository.
        to: What was tried: ``"read"`` or ``"write to"``.
    """
    for cause in _causes(error):
        if getattr(cause, "errno", None) in FULL or "No space left" in str(cause):
            return "the disk is full; free some space and run this again"
        if (response := getattr(cause, "response", None)) is not None:
            status, headers = response.status_code, response.headers
        elif found := XET_STATUS.search(str(cause)):
            status, headers = int(found[1]), {}
        else:
            continue
        told = ANSWERS.get(status) or BROKEN if status in ANSWERS or status >= 500 else "the Hub says no ({status})"
        said = str(getattr(cause, "server_message", "") or "").strip().partition("\n")[0][:SAID]
        told = told.format(to=to, name=name, status=status, when=_when(headers))
        return without_token(f"{told} ({said})" if said else told)
    return ""


def without_token(text: str) -> str:
    """Take out of a text whatever looks like a token of the Hub."""
    return TOKEN.sub(SECRET, text)


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        yield error
        seen.add(id(error))
        error = error.__cause__ or error.__context__


def _when(headers: Mapping[str, str]) -> str:
    """When a request may be repeated, as the answer's headers say."""
    found = re.search(r"\bt=(\d+)", headers.get("RateLimit", "")) or re.match(r"(\d+)$", headers.get("Retry-After", ""))
    return f"in {duration(int(found[1]))}" if found else "in some minutes"
