"""One file from the hub: fetched where the last attempt stopped, and named once it is whole and verified.

hf_hub_download would not do: since huggingface_hub 2 it throws away what a broken or killed download has, and beside
the files it keeps a cache that somebody would copy along. What it downloads with, http_get, goes on at any byte.
"""

import errno
import hashlib
import io
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from judge.files import Mistake, first_line
from measure.listing import Listing, Remote, asking
from measure.manifest import Kind, sha256_of

# Told how many bytes of a file are there.
Watch = Callable[[int], None]
NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
AGAIN = "run the same command again, which goes on where this stopped"


class Disk(Exception):
    """The disk refused, not the network; the cause is the OSError."""


class Broken(Exception):
    """The connection ended too early; the message says how."""


class Part(io.FileIO):
    """A file in the making, which is written to at its end. Writing raises Disk."""

    def __init__(self, path: Path, watch: Watch) -> None:
        super().__init__(path, "ab")
        self._watch = watch

    def write(self, data: Any) -> int:
        """Append all of it; a raw file would stop where the disk is nearly full."""
        rest = memoryview(data)
        try:
            while rest:
                rest = rest[super().write(rest) :]
        except OSError as error:
            raise Disk from error
        self._watch(self.tell())
        return len(data)


def part_of(target: Path, remote: Remote) -> Path:
    """Where a file lies until it is whole; another content has another name."""
    return target.with_name(f".{target.name}.{(remote.sha256 or remote.oid)[:12]}.part")


def whole(path: Path, remote: Remote) -> str | None:
    """The SHA-256 of a file that is what the hub lists; None where it is missing or anything else.

    Raises:
        OSError: it cannot be read.
    """
    if not path.is_file() or path.stat().st_size != remote.size:
        return None
    digest = sha256_of(path)
    if remote.sha256:
        return digest if digest == remote.sha256 else None
    return digest if _git_digest(path.read_bytes()) == remote.oid else None


def fetch(listing: Listing, remote: Remote, target: Path, watch: Watch) -> str:
    """Fetch a file into its place; returns its SHA-256.

    Args:
        listing: the repository that it is of.
        remote: the file as the hub lists it.
        target: its place.
        watch: told how many of its bytes are there.

    Raises:
        Mistake: the connection broke off, the hub refused or sent something else, or the disk is full; what is there
            stays for the next attempt.
    """
    part = part_of(target, remote)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        while True:
            had = part.stat().st_size if part.exists() else 0
            if had > remote.size:
                part.unlink()
                continue
            _fill(listing, remote, part, watch)
            digest = whole(part, remote)
            if digest:
                part.replace(target)
                return digest
            part.unlink()
            # What the last attempt left may have been damaged by whatever ended it; a second time is the hub's doing.
            if not had:
                break
    except Disk as error:
        raise no_room(target.parent, error.__cause__) from None
    except OSError as error:
        raise no_room(target.parent, error) from None
    raise Mistake(
        f"{listing.wanted.name} {remote.path} came with another content than the hub lists, so it was thrown away: "
        "run the same command again, and if that does not help, look for a proxy that changes files."
    )


def content(name: str, kind: Kind, revision: str, remote: Remote) -> bytes:
    """The content of a small file, without keeping it.

    Raises:
        Mistake: it cannot be had.
    """
    kept = io.BytesIO()
    try:
        _download(name, kind, revision, remote, kept, 0)
    except Broken as broken:
        raise Mistake(f"{name} {remote.path} broke off ({broken}): {AGAIN}.") from None
    return kept.getvalue()


def no_room(folder: Path, error: BaseException | None) -> Mistake:
    """What to say where a disk refuses."""
    number, why = getattr(error, "errno", None), getattr(error, "strerror", None) or str(error)
    if number in NO_ROOM:
        return Mistake(f"{folder} has no room for more ({why}): make room and {AGAIN}.")
    return Mistake(f"{folder} cannot be written to ({why}): give a folder of your own, or make this one writable.")


def _fill(listing: Listing, remote: Remote, part: Path, watch: Watch) -> None:
    """Append what is missing, for as long as every new connection brings some of it."""
    while True:
        with Part(part, watch) as file:
            start = file.tell()
            watch(start)
            try:
                _download(listing.wanted.name, listing.wanted.kind, listing.revision, remote, file, start)
            except Broken as broken:
                if file.tell() > start:
                    continue
                raise Mistake(
                    f"{listing.wanted.name} {remote.path} broke off after {start / 1e6:,.1f} of "
                    f"{remote.size / 1e6:,.1f} MB ({broken}): {AGAIN}."
                ) from None
            os.fsync(file.fileno())
            return


def _download(name: str, kind: Kind, revision: str, remote: Remote, file: Any, start: int) -> None:
    from huggingface_hub import constants, hf_hub_url, utils
    from huggingface_hub.errors import HfHubHTTPError
    from huggingface_hub.file_download import http_get

    client: Any = utils  # whose names mypy takes for private
    url = hf_hub_url(name, remote.path, repo_type=kind, revision=revision, endpoint=constants.ENDPOINT)
    # Compressed on the way, a file would have no byte to go on at.
    headers = {**client.build_hf_headers(), "Accept-Encoding": "identity"}
    with asking(name, revision):
        try:
            http_get(url, file, resume_size=start, headers=headers, expected_size=remote.size)
        except (Disk, HfHubHTTPError):
            raise
        except Exception as error:  # of the network or the client, whose kinds change with its versions
            raise Broken(first_line(error)) from None


def _git_digest(data: bytes) -> str:
    """What git calls a file of this content; the hub lists it for files that are not kept in LFS."""
    return hashlib.sha1(b"blob %d\0" % len(data) + data, usedforsecurity=False).hexdigest()
