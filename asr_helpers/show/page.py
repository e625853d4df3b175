"""The page of the command ``serve``: a microphone or a file above, what was recognised below."""

from __future__ import annotations

from asr_helpers.audio.files import AUDIO_SUFFIXES

from .markup import asset, policy, render

__all__ = ["serve_page"]


def serve_page(title: str, *, limit: int) -> tuple[str, str]:
    """Make the page, and the policy with which it has to be sent.

    Args:
        title: What it is called: the model.
        limit: Bytes of a recording at most.

    Returns:
        HTML; and the value of the header ``Content-Security-Policy``: no script but the page's own and the players'
        two handlers runs, and it calls nobody but the program that sent it.
    """
    script = f"{asset('record.js')} {asset('serve.js')}"
    accept = ",".join((*AUDIO_SUFFIXES, "audio/*", "video/*"))
    page = render("serve", title=title, limit=limit, script=script, accept=accept)
    return str(page), f"{policy(script)}; connect-src 'self'; frame-ancestors 'none'"
