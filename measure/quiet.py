"""Whose turn it is on this machine: models are trained side by side, and timed while nobody trains.

Every process that trains holds a place of its own; who times takes all places, and nobody takes a new one meanwhile.
The locks are the operating system's (flock): they end with a process, however that ends.
"""

import errno
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from judge.files import Mistake

if TYPE_CHECKING:
    from filelock import BaseFileLock

# More processes than anybody starts on one host: one for each GPU.
PLACES = 64
SECONDS_BETWEEN_LOOKS = 0.2


class Busy(Exception):
    """Somebody trains for longer than one is willing to wait."""


def default_folder() -> Path:
    """A folder of this user on this machine: the locks are about the machine, not about a cache.

    Not XDG_RUNTIME_DIR, which is removed when its user logs out, while a run may go on.
    """
    return Path(tempfile.gettempdir()) / f"distilbert-claims-{os.getuid()}"


class Machine:
    """The machine's places. `folder` holds their locks.

    Raises:
        Mistake: from both methods, where the folder cannot be used.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self.folder = folder or default_folder()

    @contextmanager
    def training(self, on_wait: Callable[[], None] = lambda: None) -> Iterator[None]:
        """Train beside others; waits while somebody times, of which `on_wait` tells once."""
        with self._gate(on_wait):
            place = next((lock for number in range(PLACES) if (lock := self._taken(f"place-{number}"))), None)
        if place is None:
            raise Mistake(f"{PLACES} processes train on this machine already: wait for one of them.")
        try:
            yield
        finally:
            place.release()

    @contextmanager
    def timing(self, on_wait: Callable[[], None] = lambda: None, seconds: float | None = None) -> Iterator[None]:
        """Have the machine for oneself.

        Args:
            on_wait: called once where somebody trains or times.
            seconds: how long to wait for them; None is until they are done, each with the job in flight.

        Raises:
            Busy: they were not done by then.
        """
        end = None if seconds is None else time.monotonic() + seconds
        waited = False
        held: list[BaseFileLock] = []
        try:
            for name in ("gate", *(f"place-{number}" for number in range(PLACES))):
                while (lock := self._taken(name)) is None:
                    if not waited:
                        waited = True
                        on_wait()
                    if end is not None and time.monotonic() >= end:
                        raise Busy
                    time.sleep(SECONDS_BETWEEN_LOOKS)
                held.append(lock)
            yield
        finally:
            for lock in reversed(held):
                lock.release()

    @contextmanager
    def _gate(self, on_wait: Callable[[], None]) -> Iterator[None]:
        """Held for a moment by who takes a place, and by who times for as long as that takes."""
        looks = 0
        while (lock := self._taken("gate")) is None:
            looks += 1
            if looks == 5:  # more than the moment that others take
                on_wait()
            time.sleep(SECONDS_BETWEEN_LOOKS)
        try:
            yield
        finally:
            lock.release()

    def _taken(self, name: str) -> "BaseFileLock | None":
        """The lock of that name, or None where another process has it."""
        import filelock

        try:
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            lock = filelock.FileLock(self.folder / f"{name}.lock", thread_local=False)
            lock.acquire(timeout=0)
            if isinstance(lock, filelock.SoftFileLock):
                # What it falls back to without flock would outlive a killed process.
                lock.release()
                raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))
        except filelock.Timeout:
            return None
        except (OSError, NotImplementedError) as error:
            raise Mistake(
                f"{self.folder} cannot be locked ({error}), which keeps one process from training while another times: "
                "set TMPDIR to a local folder that can be written to."
            ) from None
        return lock
