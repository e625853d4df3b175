"""A Hugging Face Hub in memory, on a port of this machine: the HTTP calls that huggingface_hub makes to make a
repository, upload into it (git blobs, LFS, Xet) and fetch from it, and the ways in which the real one says no."""

from __future__ import annotations

import base64
import hashlib
import json
import struct
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit

import huggingface_hub
import pytest
from huggingface_hub import constants

TOKEN = "hf_notARealToken1234567890"
XET_TOKEN = "of this hour"  # what the Hub gives hf_xet in its place
OWNER = "me"


@dataclass
class Repository:
    """Files by path, and the commit that they are at."""

    private: bool = False
    files: dict[str, bytes] = field(default_factory=dict)
    commits: int = 0

    @property
    def commit(self) -> str:
        return f"{self.commits:040x}"


class Hub(ThreadingHTTPServer):
    """What the Hub holds, and what it was asked.

    Attributes:
        repositories: By ``models/owner/name`` or ``datasets/owner/name``.
        objects: What LFS or Xet uploads brought, by SHA-256.
        xorbs: What Xet uploads brought: pieces of files, by the hash of a number of them.
        asked: Every request: ``("PUT", "/stored/…")``.
        refusals: ``(method, part of the path)`` → ``(status, headers)``: the answer to such requests from now on.
        silent: Parts of paths at which the connection breaks off instead of an answer.
    """

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.repositories: dict[str, Repository] = {}
        self.objects: dict[str, bytes] = {}
        self.xorbs: dict[str, list[bytes]] = {}
        self.asked: list[tuple[str, str]] = []
        self.refusals: dict[tuple[str, str], tuple[int, dict[str, str]]] = {}
        self.silent: set[str] = set()

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def fetched(self) -> set[str]:
        """Names of the files that were read."""
        return {path.partition("/resolve/")[2].partition("/")[2] for _, path in self.asked if "/resolve/" in path}

    def uploads(self) -> int:
        """How many objects were sent."""
        return sum(method == "PUT" or "/xorbs/" in path for method, path in self.asked)


class Handler(BaseHTTPRequestHandler):
    """One request; the paths are those of huggingface_hub 1 and 2."""

    server: Hub
    protocol_version = "HTTP/1.1"

    def do(self) -> None:
        self.path = urlsplit(self.path).path
        self.server.asked.append((self.command, self.path))
        self.body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if any(part in self.path for part in self.server.silent) and self.command != "HEAD":
            self.close_connection = True
            return
        for (method, part), (status, headers) in self.server.refusals.items():
            if method == self.command and part in self.path:
                return self.answer(status, {"error": headers.get("X-Error-Message", "")}, **headers)
        token = self.headers.get("Authorization", "").removeprefix("Bearer ")
        meant = XET_TOKEN if self.path.startswith(("/v1/", "/v2/")) else TOKEN
        if token not in ("", meant) and not self.path.startswith("/stored/"):
            return self.answer(401, {}, **{"X-Error-Message": "Invalid credentials in Authorization header"})
        self.known = token == TOKEN
        for part, act in (
            ("/api/repos/create", self.create),
            ("/api/validate-yaml", lambda: self.answer(200, {"errors": [], "warnings": []})),
            ("/stored/", self.store),
            ("/xet-write-token/", self.hand_over),
            ("/v1/xorbs/", self.take_pieces),
            ("/v1/shards", self.put_together),
            (".git/info/lfs/objects/batch", self.batch),
            ("/preupload/", self.preupload),
            ("/commit/", self.commit),
            ("/resolve/", self.resolve),
            ("/api/", self.describe),
        ):
            if part in self.path:
                return act()
        self.answer(404, {})  # the client asks for news too; there are none

    do_GET = do_HEAD = do_POST = do_PUT = do

    def repository(self, name: str) -> Repository | None:
        """Find a repository that may be seen; otherwise answer as the Hub does."""
        found = self.server.repositories.get(name)
        if found and (self.known or not found.private):
            return found
        self.answer(404 if self.known else 401, {}, **{"X-Error-Code": "RepoNotFound"})
        return None

    def create(self) -> None:
        asked = json.loads(self.body)
        owner, kind = asked.get("organization") or OWNER, asked.get("type") or "model"
        if owner != OWNER:
            said = f'You don\'t have the rights to create a {kind} under the namespace "{owner}"'
            return self.answer(403, {"error": said})
        name = f"{kind}s/{owner}/{asked['name']}"
        private = asked.get("private") or asked.get("visibility") == "private"
        status = 409 if name in self.server.repositories else 200
        self.server.repositories.setdefault(name, Repository(bool(private)))
        self.answer(status, {"url": f"{self.server.address}/{name.removeprefix('models/')}"})

    def preupload(self) -> None:
        if repository := self.repository(self.api_name()):
            files = [
                {
                    "path": file["path"],
                    "uploadMode": "lfs" if file["path"].endswith((".safetensors", ".parquet")) else "regular",
                    "shouldIgnore": False,
                    "oid": self.oid(repository.files.get(file["path"]), file["path"]),
                }
                for file in json.loads(self.body)["files"]
            ]
            self.answer(200, {"files": files})

    def oid(self, data: bytes | None, path: str) -> str | None:
        """How git, or LFS, calls the content that a repository has."""
        if data is None:
            return None
        if path.endswith((".safetensors", ".parquet")):
            return hashlib.sha256(data).hexdigest()
        return hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()

    def batch(self) -> None:
        objects = []
        for asked in json.loads(self.body)["objects"]:
            href = {"upload": {"href": f"{self.server.address}/stored/{asked['oid']}"}}
            new = {} if asked["oid"] in self.server.objects else {"actions": href}
            objects.append(asked | new)
        self.answer(200, {"transfer": "basic", "objects": objects})

    def store(self) -> None:
        assert hashlib.sha256(self.body).hexdigest() == self.path.removeprefix("/stored/")
        self.server.objects[self.path.removeprefix("/stored/")] = self.body
        self.answer(200, {})

    def hand_over(self) -> None:
        """Say where large files go with which token."""
        self.answer(200, {"casUrl": self.server.address, "accessToken": XET_TOKEN, "exp": 99_999_999_999})

    def take_pieces(self) -> None:
        """Each piece has 8 bytes before it: a zero, its length in 3, and how it is packed; a list of them follows."""
        assert self.headers["Authorization"] == f"Bearer {XET_TOKEN}"
        at, pieces = 0, []
        while self.body[at : at + 1] == b"\0":
            length, packed = int.from_bytes(self.body[at + 1 : at + 4], "little"), self.body[at + 4]
            assert not packed
            pieces.append(self.body[at + 8 : at + 8 + length])
            at += 8 + length
        self.server.xorbs[self.path.rpartition("/")[2]] = pieces
        self.answer(200, {"was_inserted": True})

    def put_together(self) -> None:
        """After 48 bytes come rows of a hash and four numbers: for a file a head, the pieces, proofs, its SHA-256."""
        rows = struct.iter_unpack("<32s4I", self.body[48 : len(self.body) // 48 * 48])
        for name, flags, count, *_ in rows:
            if name == b"\xff" * 32:
                break
            parts = [next(rows) for _ in range(count)]
            proofs = [next(rows) for _ in range(count if flags & 1 << 31 else 0)]
            assert len(proofs) in (0, count) and flags & 1 << 30
            held = (self.server.xorbs[said(xorb)][first:end] for xorb, *_, first, end in parts)
            data, oid = b"".join(b"".join(pieces) for pieces in held), said(next(rows)[0])
            assert hashlib.sha256(data).hexdigest() == oid
            self.server.objects[oid] = data
        self.answer(200, {"result": 1})

    def commit(self) -> None:
        if repository := self.repository(self.api_name()):
            for line in map(json.loads, self.body.splitlines()):
                value = line["value"]
                if line["key"] == "file":
                    repository.files[value["path"]] = base64.b64decode(value["content"])
                elif line["key"] == "lfsFile":
                    repository.files[value["path"]] = self.server.objects[value["oid"]]
            repository.commits += 1
            place = f"{self.server.address}/{self.api_name().removeprefix('models/')}"
            self.answer(200, {"commitUrl": f"{place}/commit/{repository.commit}", "commitOid": repository.commit})

    def api_name(self) -> str:
        return "/".join(self.path.removeprefix("/api/").split("/")[:3])

    def describe(self) -> None:
        if repository := self.repository(self.api_name()):
            files = repository.files.items()
            tree = [{"type": "file", "path": name, "size": len(data), "oid": name} for name, data in files]
            about = {"id": self.api_name().partition("/")[2], "sha": repository.commit, "private": repository.private}
            about["siblings"] = [{"rfilename": name} for name, _ in files]
            self.answer(200, tree if "/tree/" in self.path else about)

    def resolve(self) -> None:
        name, _, rest = self.path.removeprefix("/").partition("/resolve/")
        if repository := self.repository(name if name.startswith("datasets/") else f"models/{name}"):
            data = repository.files.get(rest.partition("/")[2])
            if data is None:
                return self.answer(404, {}, **{"X-Error-Code": "EntryNotFound"})
            etag = f'"{hashlib.sha256(data).hexdigest()}"'
            self.answer(200, data, **{"ETag": etag, "X-Repo-Commit": repository.commit})

    def answer(self, status: int, content: object, **headers: str) -> None:
        data = content if isinstance(content, bytes) else json.dumps(content).encode()
        self.send_response(status)
        for name, value in {"Content-Length": str(len(data)), "Content-Type": "application/json", **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)

    def log_message(self, *_: object) -> None:
        pass


def said(name: bytes) -> str:
    """How Xet writes a hash: four numbers of 8 bytes."""
    return "".join(f"{number:016x}" for number in struct.unpack("<4Q", name))


@contextmanager
def stand_in_hub(monkeypatch: pytest.MonkeyPatch, cache: Path) -> Iterator[Hub]:
    """Play the Hub for huggingface_hub in this process; what is fetched goes into ``cache``. Nobody waits.

    Large files come by LFS unless a test has it otherwise: a client without hf_xet sends them so.
    """
    server = Hub()
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    monkeypatch.setattr(constants, "ENDPOINT", server.address)
    template = f"{server.address}/{{repo_id}}/resolve/{{revision}}/{{filename}}"
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
    monkeypatch.setenv("HF_XET_XORB_COMPRESSION_POLICY", "none")
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_PROGRESS_BARS", True)
    monkeypatch.setattr(time, "sleep", lambda seconds: None)  # between the client's own attempts
    on_another_machine(monkeypatch, cache)
    log_in(monkeypatch, TOKEN)
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()


def on_another_machine(monkeypatch: pytest.MonkeyPatch, cache: Path) -> None:
    """Nothing has been fetched yet."""
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(cache))


def log_in(monkeypatch: pytest.MonkeyPatch, token: str | None) -> None:
    """Put a token where ``hf auth login`` would; None: no token at all."""
    monkeypatch.delenv("HF_TOKEN", raising=False)
    monkeypatch.delenv("HUGGING_FACE_HUB_TOKEN", raising=False)
    path = Path(constants.HF_HUB_CACHE).parent / "token"
    path.parent.mkdir(parents=True, exist_ok=True)
    monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(path))
    path.unlink(missing_ok=True)
    if token:
        path.write_text(token)
    assert huggingface_hub.get_token() == token
