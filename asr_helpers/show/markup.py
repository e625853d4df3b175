"""The files in ``templates`` as markup: fragments, style sheets, and the handlers of the players."""

from __future__ import annotations

import base64
import hashlib
import re
from functools import cache
from typing import Any

import jinja2
from markupsafe import Markup
from markupsafe import escape as _escape

from asr_helpers.wording import visible

__all__ = ["asset", "element", "escape", "policy", "render"]

HANDLERS = ("play_word.js", "next_word.js", "follow.js")  # what a page runs


def _shown(value: Any) -> Any:
    return value if hasattr(value, "__html__") else visible(str(value))


def escape(value: object) -> Markup:
    """Turn any value into text that HTML shows as it is, in an element and in a quoted attribute; markup stays."""
    return _escape(_shown(value))


# `finalize` comes before escaping: whatever a template is given is made visible and escaped, unless it is markup.
_ENVIRONMENT = jinja2.Environment(
    loader=jinja2.PackageLoader("asr_helpers.show"),
    autoescape=True,
    finalize=_shown,
    undefined=jinja2.StrictUndefined,
    trim_blocks=True,
)


@cache
def asset(name: str) -> str:
    """A style sheet or a handler without its comments, on one line: every output of a notebook carries the style.

    The handlers of the players are the same text everywhere, so that a page's security policy can name them by their
    hashes. They are attributes and no script, because a widget runs the one and not the other.
    """
    source, _, _ = _ENVIRONMENT.loader.get_source(_ENVIRONMENT, name)
    return " ".join(re.sub(r"/\*.*?\*/", "", source, flags=re.DOTALL).split())


_ENVIRONMENT.globals["asset"] = asset


def render(name: str, /, **values: Any) -> Markup:
    """Fill a template of this package; strings are escaped, markup and fragments are held as they are."""
    return Markup(_ENVIRONMENT.get_template(f"{name}.html").render(values))


def policy(*scripts: str) -> str:
    """Allow what a page holds and nothing else: no request leaves it, and no script runs but the page's handlers.

    Even a transcript that somehow got into the page as markup could neither run nor call out.

    Args:
        scripts: Further scripts that run, as they stand in the page.
    """
    hashes = " ".join(_hash(script) for script in (*map(asset, HANDLERS), *scripts))
    return (
        "default-src 'none'; img-src data:; media-src data:; style-src 'unsafe-inline'; "
        f"script-src 'unsafe-hashes' {hashes}; base-uri 'none'; form-action 'none'"
    )


def _hash(source: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(source.encode('utf-8')).digest()).decode('ascii')}'"


def element(tag: str, content: object = "", /, **attributes: object) -> Markup:
    """Make one element; attributes that are empty are left out, and ``class_`` stands for ``class``."""
    marks = "".join(f' {name.rstrip("_")}="{escape(value)}"' for name, value in attributes.items() if value)
    return Markup(f"<{tag}{marks}>{escape(content)}</{tag}>")
