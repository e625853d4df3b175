"""``serve``: a page on this machine that records from the microphone or takes a file, and shows what is said in it."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Lock
from urllib.parse import unquote, urlsplit

from asr_helpers.wording import size, visible

from .transcribe import open_search

__all__ = ["add_serve", "listen"]

EXAMPLES = """\
examples:
  python -m asr_helpers serve --model runs/sample/model
  python -m asr_helpers serve --model runs/sample/model --language-model 3gram.arpa.gz --port 8080
"""

LOOPBACK = ("127.0.0.1", "localhost", "::1")

PATIENCE = 60  # seconds without a byte after which a sender is given up

BLOCK = 1 << 20  # bytes of a recording held at once


def add_serve(commands: argparse._SubParsersAction) -> None:
    """Add the command to the parser's commands."""
    command = commands.add_parser(
        "serve",
        help="a local page to speak to the model, or to give it files",
        description=__doc__,
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    command.add_argument("--model", type=Path, required=True, metavar="FOLDER", help="runs/<name>/model, or …/onnx")
    command.add_argument("--language-model", type=Path, metavar="FILE", help="ARPA file or KenLM binary")
    command.add_argument("--port", type=int, default=8765, help="default: 8765; 0: any that is free")
    command.add_argument(
        "--host", default=LOOPBACK[0], help="address to answer on (default: this machine only, 127.0.0.1)"
    )
    command.add_argument("--limit", type=float, default=100.0, metavar="MB", help="of a recording (default: 100)")
    command.set_defaults(command=_serve)


def _serve(options: argparse.Namespace) -> int:
    from asr_helpers.decoding import Recogniser, transcribe_file
    from asr_helpers.show.speaking import heard

    recogniser = Recogniser.load(options.model)
    search = open_search(options.language_model, recogniser)
    language = recogniser.normaliser.language if recogniser.normaliser else "none"

    def hear(file: Path, name: str) -> str:
        return heard(
            file, transcribe_file(file, recogniser, search=search).hypothesis, name=name, language=language
        ).html

    title = f"{options.model.absolute().parent.name}/{options.model.name}"
    with listen(hear, host=options.host, port=options.port, limit=round(1e6 * options.limit), title=title) as server:
        if options.host not in LOOPBACK:
            warning = "whoever reaches this machine can use the page, and browsers give it no microphone without https"
            print(f"{options.host} is not this machine alone: {warning}", file=sys.stderr)
        print(f"open http://{options.host}:{server.server_port}/ in a browser; Ctrl-C ends it", flush=True)
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            print("ended", file=sys.stderr)
    return 0


def listen(hear: Callable[[Path, str], str], *, host: str, port: int, limit: int, title: str) -> ThreadingHTTPServer:
    """Open the server of the page; it answers once it is told to.

    Args:
        hear: Given a recording and its name, gives markup of what is said in it. Called by one thread at a time.
        host: Address to answer on.
        port: 0: any that is free.
        limit: Bytes of a recording at most.
        title: What the page calls the model.

    Raises:
        ValueError: Nobody can answer there.
    """
    from asr_helpers.show.page import serve_page

    page, policy = serve_page(title, limit=limit)
    names = LOOPBACK if host in LOOPBACK else None
    handler = partial(Handler, hear=hear, page=page, policy=policy, limit=limit, names=names, busy=Lock())
    try:
        server = ThreadingHTTPServer((host, port), handler)
    except (OSError, OverflowError) as error:
        why = getattr(error, "strerror", None) or error
        raise ValueError(
            f"no page can be opened on {host}, port {port} ({why}); give another --port or --host"
        ) from error
    server.daemon_threads = True
    return server


class Handler(BaseHTTPRequestHandler):
    """Answers one connection: the page, or what is said in the recording that it was sent."""

    timeout = PATIENCE

    def __init__(self, *connection, hear, page, policy, limit, names, busy) -> None:
        self.hear, self.page, self.policy, self.limit, self.names, self.busy = hear, page, policy, limit, names, busy
        super().__init__(*connection)

    def do_GET(self) -> None:
        """Send the page."""
        if not self._is_meant():
            self._answer(403, "this page is for this machine alone")
        elif self.path != "/":
            self._answer(404, "there is only the page /")
        else:
            self._answer(200, self.page, kind="text/html")

    def do_POST(self) -> None:
        """Take a recording, and send what is said in it as markup, or in one sentence why that cannot be told."""
        length = self.headers.get("Content-Length", "")
        if not self._is_meant() or "X-Name" not in self.headers:  # which no other site's page may send
            self._answer(403, "only the page itself can send recordings")
        elif self.path != "/hear" or not length.isascii() or not length.isdigit():
            self._answer(400, "send a recording of known length to /hear")
        elif int(length) > self.limit:
            told = f"the recording has {size(int(length))}, and {size(self.limit)} are taken at most"
            self._answer(413, f"{told}; start the program with a larger --limit")
        else:
            self._answer(*self._heard(int(length), unquote(self.headers["X-Name"])[:200]))

    def _is_meant(self) -> bool:
        """Whether a request comes from the page: not from another site, nor by another name for this machine."""
        host, origin = self.headers.get("Host", ""), self.headers.get("Origin")
        known = self.names is None or urlsplit(f"//{host}").hostname in self.names
        return known and origin in (None, f"http://{host}")

    def _heard(self, length: int, name: str) -> tuple[int, str]:
        with TemporaryDirectory() as folder:
            file = Path(folder) / "recording"
            try:
                with file.open("wb") as whole:
                    while length > 0 and (block := self.rfile.read(min(BLOCK, length))):
                        length -= whole.write(block)
                if length:
                    return 400, f"{name} did not arrive whole; send it again"
                with self.busy:
                    return 200, self.hear(file, name)
            except (ValueError, OSError, RuntimeError) as error:
                return 422, str(error).replace(str(file), name)

    def _answer(self, status: int, text: str, *, kind: str = "") -> None:
        data = (text if status == 200 else visible(text)).encode(errors="replace")
        self.send_response(status)
        self.send_header("Content-Type", f"{kind or 'text/plain'}; charset=utf-8")
        self.send_header("Content-Length", str(len(data)))
        self.send_header("Content-Security-Policy", self.policy)
        self.send_header("X-Content-Type-Options", "nosniff")
        self.send_header("Cache-Control", "no-store")
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing: what people say to the page is theirs."""
