"""Filling a mirror: ask the hub what there is, say what is missing, fetch it file by file, and keep mirror.json."""

import contextlib
import os
import shutil
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from judge.files import Mistake
from measure.downloads import hub_trouble
from measure.listing import Listing, Remote, Unreachable, Wanted, list_files
from measure.manifest import (
    COMMIT,
    Manifest,
    MirroredFile,
    MirroredRepository,
    new_manifest,
    read_manifest,
    write_manifest,
)
from measure.transfer import content, fetch, no_room, part_of, whole

# Bytes that stay free beside what is fetched.
SPARE = 50_000_000


@dataclass(frozen=True)
class Item:
    """A file that the mirror should hold; `digest` is its SHA-256 where it does already."""

    listing: Listing
    remote: Remote
    target: Path
    digest: str | None

    def __str__(self) -> str:
        """As progress shows it."""
        return f"{self.listing.wanted.name} {self.remote.path} {megabytes(self.remote.size)}"


def fill(folder: Path, wanted: Sequence[Wanted], notes: Sequence[str], *, dry: bool) -> None:
    """Fetch what is wanted and missing; with `dry` say what that is and write nothing.

    Raises:
        Mistake: the hub, the network or the disk refuses, or the folder holds something else. What was fetched stays.
    """
    api = _api(folder)
    with _quiet():
        listings = _listings(folder, wanted, api)
    with contextlib.nullcontext() if dry else _locked(folder):
        # Read again: another process may have filled it while this one asked and waited.
        manifest = _begun(folder, listings)
        items = _items(folder, manifest, listings)
        missing = [item for item in items if item.digest is None]
        for line in (*_plan(folder, items), *notes):
            say(line)
        if dry:
            for item in missing:
                say(f"  would fetch {item}")
            return
        _check_room(folder, missing)
        for item in items:
            manifest = _noted(manifest, item, item.digest)
        write_manifest(folder, manifest)
        for number, item in enumerate(missing, 1):
            manifest = _noted(manifest, item, _fetch(item, f"[{number}/{len(missing)}] {item}"))
            write_manifest(folder, manifest)


def say(line: str, end: str = "\n") -> None:
    """Print a line at once; who closed the pipe does not stop the work."""
    try:
        print(line, end=end, flush=True)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def megabytes(count: int) -> str:
    """A size as people read it: in MB from 100 kB on, in bytes below 1 kB."""
    if count < 1000:
        return f"{count} B"
    return f"{count / 1e6:,.1f} MB" if count >= 100_000 else f"{count / 1e3:,.1f} kB"


def _api(folder: Path) -> Any:
    """The client of a hub that answers."""
    try:
        import huggingface_hub
        from huggingface_hub import constants
    except ImportError:
        raise Mistake('huggingface_hub is not installed: pip install -e ".[run]".') from None
    if constants.HF_HUB_OFFLINE:
        raise Mistake(
            "HF_HUB_OFFLINE is set, so nothing can be fetched: unset it, or look at what is there with "
            f"python -m measure.mirror {folder} --check."
        )
    trouble = hub_trouble()
    if trouble:
        raise Mistake(f"{trouble}: run this where the hub can be reached, and look at HF_ENDPOINT and HTTPS_PROXY.")
    return huggingface_hub.HfApi(endpoint=constants.ENDPOINT)


def _listings(folder: Path, wanted: Sequence[Wanted], api: Any) -> list[Listing]:
    """What the hub lists of each repository; what is wrong with any of them is said at once, a line for each."""
    manifest = read_manifest(folder)
    held = {name: repository.revision for name, repository in manifest.repositories.items()} if manifest else {}

    def read(one: Wanted, revision: str, remote: Remote) -> bytes:
        kept = folder / one.name / remote.path
        return kept.read_bytes() if whole(kept, remote) else content(one.name, one.kind, revision, remote)

    listings, mistakes = [], []
    for one in wanted:
        try:
            listings.append(list_files(one, api, held.get(one.name), read))
        except Unreachable:
            raise
        except Mistake as mistake:
            mistakes.append(str(mistake))
    if mistakes:
        raise Mistake("\n".join(mistakes))
    return listings


def _begun(folder: Path, listings: Sequence[Listing]) -> Manifest:
    """The list of a mirror with an entry for every repository, at the revision that is wanted."""
    manifest = read_manifest(folder) or new_manifest()
    for listing in listings:
        name, wanted = listing.wanted.name, listing.wanted
        held = manifest.repositories.get(name)
        if held and held.revision != listing.revision:
            if any((folder / name / file).exists() for file in held.files):
                raise Mistake(
                    f"{folder} holds {name} at revision {held.revision[:12]}, and {listing.revision[:12]} is asked "
                    f"for: fill another folder, or remove {folder / name} first."
                )
            held = None
        asked = wanted.revision if wanted.own and not COMMIT.fullmatch(wanted.revision or "") else None
        entry = MirroredRepository(
            kind=wanted.kind,
            revision=listing.revision,
            asked=asked or (held.asked if held else None),
            files=held.files if held else {},
        )
        manifest = manifest.with_repository(name, entry)
    return manifest


def _items(folder: Path, manifest: Manifest, listings: Sequence[Listing]) -> list[Item]:
    """Every file with its digest where it is there and whole. A damaged file of ours is missing, another's is kept."""
    items = []
    for listing in listings:
        known = manifest.repositories[listing.wanted.name].files
        for remote in listing.files:
            target = folder / listing.wanted.name / remote.path
            try:
                digest = whole(target, remote)
            except OSError as error:
                raise Mistake(f"{target} cannot be read ({error.strerror}): make it readable or remove it.") from None
            if digest is None and os.path.lexists(target) and remote.path not in known:
                raise Mistake(
                    f"{target} is not what the hub has there, and was not put there by this command: move it away, or "
                    "fill another folder."
                )
            items.append(Item(listing, remote, target, digest))
    return items


def _plan(folder: Path, items: Sequence[Item]) -> list[str]:
    """A line for each repository, and the sums."""
    rows = []
    for listing in dict.fromkeys(item.listing for item in items):
        own = [item for item in items if item.listing is listing]
        missing = [item for item in own if item.digest is None]
        left = f"{megabytes(sum(item.remote.size for item in missing))} to fetch" if missing else "all there"
        total = megabytes(sum(item.remote.size for item in own))
        rows.append((listing.wanted.name, listing.revision[:12], f"{len(own)} files", total, left))
    widths = [max(len(row[column]) for row in rows) for column in range(5)]
    aligns: list[Callable[[str, int], str]] = [str.ljust, str.ljust, str.rjust, str.rjust, str.ljust]
    lines = [
        "  " + "  ".join(align(cell, width) for align, cell, width in zip(aligns, row, widths, strict=True)).rstrip()
        for row in rows
    ]
    missing = [item for item in items if item.digest is None]
    sums = [megabytes(sum(item.remote.size for item in some)) for some in (items, missing)]
    left = f"{len(missing)} to fetch, {sums[1]}" if missing else "all there"
    return [f"{folder} is to hold:", *lines, f"{len(items)} files, {sums[0]}: {left}."]


def _check_room(folder: Path, missing: Sequence[Item]) -> None:
    needed = sum(item.remote.size - _begun_bytes(item) for item in missing)
    free = shutil.disk_usage(folder).free
    if missing and free < needed + SPARE:
        raise Mistake(
            f"{folder} has {megabytes(free)} free, and {megabytes(needed)} are to be fetched, with 50 MB to spare: "
            "make room, or give a folder on another disk."
        )


def _begun_bytes(item: Item) -> int:
    part = part_of(item.target, item.remote)
    return part.stat().st_size if part.exists() else 0


def _noted(manifest: Manifest, item: Item, digest: str | None) -> Manifest:
    """The list with one file more, or with its digest."""
    name = item.listing.wanted.name
    held = manifest.repositories[name]
    entry = MirroredFile(size=item.remote.size, sha256=digest)
    return manifest.with_repository(name, held.model_copy(update={"files": {**held.files, item.remote.path: entry}}))


def _fetch(item: Item, line: str) -> str:
    """Fetch one file under its line, which on a terminal also counts percents; returns its SHA-256."""
    counts, shown = sys.stdout.isatty() and not os.environ.get("CI"), -1

    def watch(count: int) -> None:
        nonlocal shown
        percent = 100 * count // max(item.remote.size, 1)
        if percent != shown:
            shown = percent
            say(f"\r{line} {percent} %", end="")

    say(line, end="" if counts else "\n")
    with _quiet():
        digest = fetch(item.listing, item.remote, item.target, watch if counts else lambda _: None)
    if counts:
        say(f"\r{line}\x1b[K")
    return digest


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Without the bars and warnings of the hub's client: a line of ours says what is fetched."""
    from huggingface_hub import utils

    client: Any = utils  # whose names mypy takes for private
    bars, level = not client.are_progress_bars_disabled(), client.logging.get_verbosity()
    if bars:
        client.disable_progress_bars()
    client.logging.set_verbosity_error()
    try:
        yield
    finally:
        client.logging.set_verbosity(level)
        if bars:
            client.enable_progress_bars()


@contextlib.contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Hold the folder, so that two processes do not fetch the same files; without locks both fetch, and both verify."""
    import filelock

    path = folder / ".mirror.lock"
    lock = filelock.FileLock(path)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        try:
            lock.acquire(timeout=0)
        except NotImplementedError:
            pass  # a file system without locks
        except filelock.Timeout:
            say(f"another process is filling {folder}: waiting for it")
            lock.acquire()
    except OSError as error:
        raise no_room(folder, error) from None
    try:
        yield
    finally:
        # Removed while it is held: who waits for it finds that its file has no name any more, and takes a new one.
        path.unlink(missing_ok=True)
        lock.release()
