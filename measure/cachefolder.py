"""A folder that several processes keep finished work in: laid out, locked, and changed by renames alone.

    jobs/KEY/         a finished job: see measure.results
    work/KEY/         what the job in flight keeps for itself, as its newest mid-run checkpoint
    locks/KEY.lock    held while somebody runs the job
    temporary/KEY.*   a finished job before it is renamed into jobs/, and what is being removed
    damaged/KEY.N     what did not have its digest when it was read
    features/         tokenised data, which is looked after elsewhere
    looks/            which seeds were judged together: see measure.looks; never pruned
    rehearsal/        a folder like this one, for what counts for nothing: see measure.rehearsal
    made/             the rehearsal's miniatures and data sets

A reader needs no lock: folders appear in jobs/ and leave it in one rename each.
"""

import contextlib
import errno
import os
import re
import secrets
import shutil
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from judge.files import Mistake

if TYPE_CHECKING:
    from filelock import BaseFileLock

FOLDERS = ("jobs", "work", "locks", "temporary", "damaged", "features", "looks")
# What may lie there besides.
BESIDES = ("rehearsal", "made")
# https://bford.info/cachedir: backup programs skip a folder with this file in it, and we know it by it as ours.
TAG, SIGNATURE = "CACHEDIR.TAG", "Signature: 8a477f597d28d172789f06886806bc55\n# Finished jobs of distilbert-claims.\n"
KEY = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,127}")
# The key of the lock under which the folder itself is looked after.
ITSELF = "store"
# Bytes that must fit before a job is begun: more than a file system keeps beside the name of a small file.
PROBE = 1 << 16
NO_ROOM = (errno.ENOSPC, errno.EDQUOT)
# Seconds to wait for a lock: before it is said, as most are held for less, and then for as long as it takes.
MOMENT, FOREVER = 0.5, -1


def default_cache() -> Path:
    """Where jobs are kept unless the user says otherwise: distilbert-claims in $XDG_CACHE_HOME or ~/.cache.

    Raises:
        Mistake: there is no home folder.
    """
    named = Path(os.environ.get("XDG_CACHE_HOME", ""))
    try:
        # The specification of XDG_CACHE_HOME has relative paths ignored.
        return (named if named.is_absolute() else Path.home() / ".cache") / "distilbert-claims"
    except RuntimeError:
        raise Mistake("there is no home folder to keep finished jobs in: give one with --cache DIR.") from None


def to_stderr(sentence: str) -> None:
    """Print a sentence to stderr, at once."""
    print(sentence, file=sys.stderr, flush=True)


class CacheFolder:
    """The folder. Methods that write raise Mistake where it cannot be written to, is full or holds something else.

    Nothing is created before something is written. `on_wait` is told in a sentence what another process is waited for.
    """

    def __init__(self, folder: Path, on_wait: Callable[[str], None] = to_stderr) -> None:
        self.folder, self.on_wait = folder, on_wait
        self.jobs = folder / "jobs"
        self._held: set[tuple[str, int]] = set()

    def check(self) -> None:
        """Make sure, before hours of training, that jobs can be kept here; remove what killed processes left behind.

        Raises:
            Mistake: the folder cannot be written to or locked, has no room, or holds something else.
        """
        # Under a lock, so that a file system without locks is found out now too.
        with self.lock(ITSELF), self.writing():
            probe = self.temporary(ITSELF)
            try:
                probe.mkdir()
                (probe / "probe").write_bytes(bytes(PROBE))
                # Jobs are renamed into place, which fails where jobs/ is a link to another disk.
                probe = probe.rename(self.jobs / f".{probe.name}")
            finally:
                erase(probe)
            self._tidy()

    @contextlib.contextmanager
    def lock(self, key: str, what: str = "") -> Iterator[None]:
        """Hold a job, so that no other process or thread runs it; the same thread may lock it again.

        It is the operating system's lock on a file (flock), which ends with the process, however that ends, once the
        processes that it forked have ended too. The file system must have such locks: local ones do, and NFS does
        between hosts unless it is mounted with nolock or local_lock.

        Args:
            key: the job's.
            what: the job in words, for who waits longer than a moment; empty is its key.

        Raises:
            Mistake: the folder cannot be written to, or its file system has no locks.
        """
        mine = (key, threading.get_ident())
        if mine in self._held:
            yield
            return
        lock = self._acquired(key, MOMENT)
        if lock is None:
            self.on_wait(f"waiting for another process, which is at work on {what or key} in {self.folder}")
            lock = self._acquired(key, FOREVER)
        assert lock is not None
        self._held.add(mine)
        try:
            yield
        finally:
            self._held.discard(mine)
            lock.release()

    @contextlib.contextmanager
    def unless_held(self, key: str) -> Iterator[bool]:
        """Hold a job if nobody does, this process included, and say whether that was so; never waits."""
        lock = self._acquired(key)
        try:
            yield lock is not None
        finally:
            if lock is not None:
                lock.release()

    def work(self, key: str) -> Path:
        """The folder for what the job in flight keeps for itself, made where missing; lock the job first."""
        folder = self.folder / "work" / checked(key)
        self.prepare()
        with self.writing():
            folder.mkdir(exist_ok=True)
        return folder

    def temporary(self, key: str) -> Path:
        """A name that nobody else uses, in the folder that is cleaned of what nobody holds."""
        return self.folder / "temporary" / f"{checked(key)}.{secrets.token_hex(8)}"

    def discard(self, path: Path, key: str) -> None:
        """Remove a file or folder: first out of everybody's sight in one rename, then for good."""
        self.prepare()
        # Somebody else may be removing the same.
        with self.writing(), contextlib.suppress(FileNotFoundError):
            erase(path.rename(self.temporary(key)))

    def free_bytes(self) -> int:
        """Bytes that are free where the folder is, or will be."""
        absolute = self.folder.absolute()
        return shutil.disk_usage(next(path for path in (absolute, *absolute.parents) if path.exists())).free

    def is_ours(self) -> bool:
        """Whether the folder is a store, or empty, or not there yet: never one with somebody's own files.

        Raises:
            Mistake: it is no folder, or cannot be listed.
        """
        if (self.folder / TAG).is_file():
            return True
        with self.writing("read"):
            return {path.name for path in listed(self.folder)} <= {*FOLDERS, *BESIDES, TAG}

    def check_ours(self) -> None:
        """Raise Mistake where the folder holds somebody's own files."""
        if not self.is_ours():
            raise Mistake(f"{self.folder} holds other files than finished jobs: give an empty or new folder instead.")

    def prepare(self) -> None:
        """Make the folder and what it is laid out in, where missing."""
        self.check_ours()
        with self.writing():
            self.folder.mkdir(parents=True, exist_ok=True)
            # First of all, so that another process that looks meanwhile sees no stranger's files.
            with contextlib.suppress(FileExistsError), (self.folder / TAG).open("x", encoding="ascii") as file:
                file.write(SIGNATURE)
            for name in FOLDERS:
                (self.folder / name).mkdir(exist_ok=True)

    @contextlib.contextmanager
    def writing(self, what: str = "written to") -> Iterator[None]:
        """Turn what the operating system refuses into a sentence."""
        try:
            yield
        except OSError as error:
            if error.errno in NO_ROOM:
                advice = "free some there (python -m measure.cache prune), or give another folder with --cache"
                raise Mistake(f"{self.folder} has no room left for finished jobs: {advice}.") from None
            why = error.strerror or error
            place = Path(error.filename or self.folder)
            where = "" if place == self.folder else f" at {place.name}"
            raise Mistake(f"{self.folder} cannot be {what}{where} ({why}): give another folder with --cache.") from None

    def _acquired(self, key: str, seconds: float = 0) -> "BaseFileLock | None":
        """The lock of a job; None if another process still holds it after so many seconds."""
        try:
            # Comes with torch, without which nothing is run that would need a lock.
            import filelock
        except ImportError:
            raise Mistake(
                "filelock is not installed, without which no job can be held: pip install filelock."
            ) from None
        path = self.folder / "locks" / f"{checked(key)}.lock"
        self.prepare()
        lock = filelock.FileLock(path)
        with self.writing("locked"):
            try:
                lock.acquire(timeout=seconds)
            except filelock.Timeout:
                return None
            except NotImplementedError:
                raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK)) from None
        if isinstance(lock, filelock.SoftFileLock):
            # What it falls back to without flock would outlive a killed process.
            lock.release()
            raise Mistake(f"{self.folder} is on a file system without locks: give a local folder with --cache.")
        return lock

    def _tidy(self) -> None:
        """Remove what a killed process left: half-stored jobs, half-removed ones, and the work of finished ones."""
        for probe in self.jobs.glob(f".{ITSELF}.*"):
            erase(probe)
        for path in (*listed(self.folder / "temporary"), *listed(self.folder / "work")):
            key = path.name.split(".")[0]
            if not KEY.fullmatch(key) or (path.parent.name == "work" and not (self.jobs / key).exists()):
                continue
            if key == ITSELF:
                erase(path)
                continue
            with self.unless_held(key) as free:
                if free:
                    erase(path)


def checked(key: str) -> str:
    """The key, which must do as the name of a file. Raises ValueError where it does not."""
    if not KEY.fullmatch(key):
        raise ValueError(f"{key!r} cannot be a key: it has to do as the name of a file")
    return key


def listed(folder: Path) -> list[Path]:
    """What is in a folder, in order of name; nothing where there is no such folder."""
    return sorted(folder.iterdir()) if os.path.lexists(folder) else []


def erase(path: Path) -> None:
    """Remove a file, a link or a whole folder; nothing happens where somebody else did it meanwhile."""
    if path.is_symlink() or not path.is_dir():
        path.unlink(missing_ok=True)
    else:
        shutil.rmtree(path, ignore_errors=True)
