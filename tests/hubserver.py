"""A small hub on 127.0.0.1 for huggingface_hub and datasets as they are, which can be told to fail as hubs fail.

It answers what their clients ask: repository and revision, the tree, `resolve` with HEAD, GET, Range, ETag and
X-Repo-Commit. What it was asked is in `requests`.
"""

import hashlib
import json
import socket
import threading
import time
import urllib.parse
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

REVISION = "a" * 40


@dataclass
class Repository:
    """What one name holds: folders by revision, of which `main` is the newest. `token` is needed where one is set."""

    kind: str
    revisions: dict[str, Path] = field(default_factory=dict)
    gated: bool = False
    token: str | None = None
    main: str = REVISION
    tags: dict[str, str] = field(default_factory=dict)  # commits by name


@dataclass
class Fault:
    """What happens to the next `times` downloads of files whose path ends so, once `after` bytes of them are out."""

    path: str
    # cut, stall, blank: zeros in place of the content, short: the file ends early as if that were all, or a status
    what: str | int
    after: int = 0
    times: int = 1
    seconds: float = 30.0


class Hub(ThreadingHTTPServer):
    """The server; `url` is what HF_ENDPOINT is set to."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.url = f"http://127.0.0.1:{self.server_address[1]}"
        self.repositories: dict[tuple[str, str], Repository] = {}
        self.faults: list[Fault] = []
        self.requests: list[tuple[str, str, str | None]] = []  # method, path, Range
        self.status: int | None = None  # what every request is answered with, as 503
        self.tokens: set[str] | None = None  # those that are valid, where not everything is
        self.redirect: str | None = None  # "relative" or "absolute": files come from another address of the server
        self.sent: dict[str, int] = {}  # bytes of each file that went out

    def add(self, name: str, folder: Path, kind: str = "model", revision: str = REVISION, **more: Any) -> Repository:
        """Serve a folder as the revision of a model or data set, the newest one."""
        repository = self.repositories.setdefault((kind, name), Repository(kind))
        repository.revisions[revision] = folder
        repository.main = revision
        for what, value in more.items():
            setattr(repository, what, value)
        return repository

    def add_mirror(self, mirror: Path, revisions: dict[str, str]) -> None:
        """Serve OWNER/NAME folders at the revisions given by their names; whose config.json is a model's."""
        for name, revision in revisions.items():
            folder = mirror / name
            if folder.is_dir():
                self.add(name, folder, "model" if (folder / "config.json").exists() else "dataset", revision)

    def environment(self, home: Path) -> dict[str, str]:
        """Variables that send a process with an empty cache here."""
        return {"HF_ENDPOINT": self.url, "HF_HOME": str(home), "HF_HUB_OFFLINE": "0", "HF_HUB_DISABLE_TELEMETRY": "1"}

    def take(self, path: str) -> Fault | None:
        """The fault that this download meets, counted."""
        for fault in self.faults:
            if fault.times > 0 and path.endswith(fault.path):
                fault.times -= 1
                return fault
        return None

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away is no news."""


@contextmanager
def serving() -> Iterator[Hub]:
    """A running hub, which is gone afterwards."""
    hub = Hub()
    thread = threading.Thread(target=hub.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield hub
    finally:
        hub.shutdown()
        hub.server_close()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # else a body waits 40 ms for its headers to be acknowledged
    server: Hub

    def do_HEAD(self) -> None:
        self._answer()

    def do_GET(self) -> None:
        self._answer()

    def do_POST(self) -> None:
        self._answer()

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""

    def _answer(self) -> None:
        path = urllib.parse.unquote(self.path.split("?")[0])
        self.server.requests.append((self.command, path, self.headers.get("Range")))
        self.body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if self.server.status:
            return self._say(self.server.status)
        if self._token and self.server.tokens is not None and self._token not in self.server.tokens:
            return self._say(401, message="Invalid credentials in Authorization header")
        parts = path.strip("/").split("/")
        if parts[0] == "api":
            return self._api(parts[1:])
        if parts[0] == "elsewhere":
            return self._file(self.server.repositories[parts[1], "/".join(parts[2:4])], parts[4], "/".join(parts[5:]))
        kind = "dataset" if parts[0] == "datasets" else "model"
        name, rest = self._split(parts[1:] if kind == "dataset" else parts)
        if len(rest) < 3 or rest[0] != "resolve":
            return self._say(200, b"a hub")
        repository, revision = self._found(kind, name, rest[1])
        if repository is not None:
            self._resolve(repository, name, revision, "/".join(rest[2:]))

    def _split(self, parts: list[str]) -> tuple[str, list[str]]:
        known = {name for _, name in self.server.repositories}
        return (parts[0], parts[1:]) if parts[0] in known else ("/".join(parts[:2]), parts[2:])

    def _found(self, kind: str, name: str, revision: str) -> tuple[Repository | None, str]:
        repository = self.server.repositories.get((kind, name))
        if repository is None or (repository.token and self._token != repository.token and not repository.gated):
            self._say(401, error="RepoNotFound", message="Repository not found")  # as the hub says also of private ones
            return None, ""
        if repository.gated and self._token != repository.token:
            self._say(403 if self._token else 401, error="GatedRepo", message=f"Access to model {name} is restricted")
            return None, ""
        revision = repository.main if revision == "main" else repository.tags.get(revision, revision)
        if revision not in repository.revisions:
            self._say(404, error="RevisionNotFound", message=f"Invalid rev id: {revision}")
            return None, ""
        return repository, revision

    @property
    def _token(self) -> str | None:
        return (self.headers.get("Authorization") or "").removeprefix("Bearer ") or None

    def _api(self, parts: list[str]) -> None:
        kind = {"models": "model", "datasets": "dataset"}.get(parts[0])
        if kind is None:
            return self._say(404)
        name, rest = self._split(parts[1:])
        what = rest[0] if rest else "revision"
        repository, revision = self._found(kind, name, rest[1] if len(rest) > 1 else "main")
        if repository is None:
            return None
        files = _files(repository.revisions[revision])
        if what == "revision":
            facts = {"sha": revision, "id": name, "private": False, "gated": repository.gated, "tags": []}
            about = _blob if "blobs=true" in self.path.lower() else lambda name, _: {"rfilename": name}
            return self._json({**facts, "siblings": [about(name, path) for name, path in files.items()]})
        if what == "tree":
            return self._tree(files, "/".join(rest[2:]), whole="recursive=true" in self.path.lower())
        if what == "paths-info":
            asked = urllib.parse.parse_qs(self.body.decode()).get("paths", [])
            if self.headers.get("Content-Type", "").startswith("application/json"):
                asked = json.loads(self.body)["paths"]
            return self._json([_entry(name, files[name]) for name in asked if name in files])
        return self._say(404)

    def _tree(self, files: dict[str, Path], folder: str, *, whole: bool) -> None:
        """What lies below a folder: all files of it, or files and folders in it."""
        inside = {name: path for name, path in files.items() if name.startswith(f"{folder}/" if folder else "")}
        if not inside:
            return self._say(404, error="EntryNotFound", message=f"{folder} does not exist")
        if whole:
            return self._json([_entry(name, path) for name, path in inside.items()])
        depth = folder.count("/") + 1 if folder else 0
        direct = {name: path for name, path in inside.items() if name.count("/") == depth}
        folders = dict.fromkeys("/".join(name.split("/")[: depth + 1]) for name in inside if name.count("/") > depth)
        entries = [{"type": "directory", "path": name, "size": 0, "oid": "0" * 40} for name in folders]
        return self._json(entries + [_entry(name, path) for name, path in direct.items()])

    def _resolve(self, repository: Repository, name: str, revision: str, path: str) -> None:
        file = repository.revisions[revision] / path
        if not file.is_file():
            return self._say(404, error="EntryNotFound", message=f"{path} does not exist", commit=revision)
        if self.server.redirect and path.endswith((".safetensors", ".parquet")):
            place = f"/elsewhere/{repository.kind}/{name}/{revision}/{path}"
            host = self.server.url if self.server.redirect == "absolute" else ""
            self.send_response(302)
            for header, value in (*_about(file, revision), ("X-Linked-Size", str(file.stat().st_size))):
                self.send_header(header, value)
            self.send_header("X-Linked-Etag", f'"{_digest(file)}"')
            self.send_header("Location", host + place)
            self.send_header("Content-Length", "0")
            return self.end_headers()
        return self._file(repository, revision, path)

    def _file(self, repository: Repository, revision: str, path: str) -> None:
        file = repository.revisions[revision] / path
        content = file.read_bytes()
        start = int((self.headers.get("Range") or "bytes=0-").split("=")[1].split("-")[0])
        part = content[start:]
        fault = self.server.take(path) if self.command == "GET" else None
        if fault is not None and isinstance(fault.what, int):
            return self._say(fault.what)
        if fault is not None and fault.what == "short":
            part, fault = part[: fault.after], None
        self.send_response(206 if start else 200)
        for header, value in _about(file, revision):
            self.send_header(header, value)
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        self.send_header("Content-Length", str(len(part)))
        self.end_headers()
        if self.command == "HEAD":
            return None
        out = part if fault is None else bytes(len(part)) if fault.what == "blank" else part[: fault.after]
        self.wfile.write(out)
        self.wfile.flush()
        self.server.sent[path] = self.server.sent.get(path, 0) + len(out)
        if fault is not None and fault.what == "stall":
            time.sleep(fault.seconds)
        if fault is not None and fault.what != "blank":
            self.close_connection = True
            self.connection.shutdown(socket.SHUT_RDWR)
        return None

    def _json(self, value: Any) -> None:
        self._say(200, json.dumps(value).encode(), kind="application/json")

    def _say(
        self,
        status: int,
        body: bytes = b"",
        *,
        kind: str = "text/plain",
        error: str = "",
        message: str = "",
        commit: str = "",
    ) -> None:
        self.send_response(status)
        for header, value in (("X-Error-Code", error), ("X-Error-Message", message), ("X-Repo-Commit", commit)):
            if value:
                self.send_header(header, value)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)


def _files(folder: Path) -> dict[str, Path]:
    return {path.relative_to(folder).as_posix(): path for path in sorted(folder.rglob("*")) if path.is_file()}


def _entry(name: str, path: Path) -> dict[str, Any]:
    size = path.stat().st_size
    oid = hashlib.sha1(b"blob %d\0" % size + path.read_bytes()).hexdigest()  # git's, which the hub shows
    entry: dict[str, Any] = {"type": "file", "path": name, "size": size, "oid": oid}
    if name.endswith((".safetensors", ".parquet", ".bin")):
        entry["lfs"] = {"oid": _digest(path), "size": size, "pointerSize": 134}
    return entry


def _blob(name: str, path: Path) -> dict[str, Any]:
    entry = _entry(name, path)
    lfs = {"lfs": {**entry["lfs"], "sha256": entry["lfs"]["oid"]}} if "lfs" in entry else {}
    return {"rfilename": name, "size": entry["size"], "blobId": entry["oid"], **lfs}


def _about(file: Path, revision: str) -> list[tuple[str, str]]:
    return [("ETag", f'"{_digest(file)}"'), ("X-Repo-Commit", revision), ("Accept-Ranges", "bytes")]


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
