"""The store of finished fine-tuning jobs: a job is in it whole or not at all, and never runs twice at once.

Run a job so, and it is run once, whoever else wants it, and whatever is killed when:

    if (result := store.find(key)) is None:
        with store.lock(key):
            if (result := store.find(key)) is None:
                result = store.keep(*train(key, store.work(key)))
"""

import contextlib
import gzip
import itertools
import json
import os
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from judge.files import Mistake
from measure.cachefolder import KEY, CacheFolder, checked, default_cache, erase, listed, to_stderr
from measure.launchers import RULE
from measure.results import (
    CHECKPOINT,
    Damaged,
    Result,
    check_steps,
    flush_folder,
    read_predictions,
    read_result,
    verify_checkpoint,
    write_folder,
)

__all__ = ["Store", "default_cache"]


class Store(CacheFolder):
    """The finished jobs in a folder. `remarks` collects, in sentences, what was found damaged or not replaced."""

    def __init__(self, folder: Path, on_wait: Callable[[str], None] = to_stderr) -> None:
        super().__init__(folder, on_wait)
        self.remarks: list[str] = []

    def find(self, key: str) -> Result | None:
        """The record of a finished job, its predictions verified; None if it has to be run.

        What is damaged is moved to damaged/ with a remark. The checkpoint is not read: see `checkpoint`. Without the
        job's lock, None means that nobody had finished it yet: ask again once it is locked.

        Raises:
            Mistake: the record is of a newer schema than this suite's.
        """
        folder = self.jobs / checked(key)
        before = self._identity(folder)
        if before is None:
            return None
        try:
            result = read_result(folder)
            read_predictions(folder, result)
        except Damaged as damage:
            # Unless somebody else has set it aside, or run it again, while it was read.
            if self._identity(folder) == before:
                where = self._set_aside(folder, key)
                self._say(f"The stored job {key} is damaged ({damage}): it {where}, and the job is run again.")
            return None
        return result

    def predictions(self, key: str) -> dict[str, list[Any]]:
        """The stored predictions of a finished job by split, verified.

        Raises:
            Mistake: the job is not there, or damaged.
        """
        folder = self.jobs / checked(key)
        try:
            content = read_predictions(folder, read_result(folder))
        except Damaged as damage:
            raise Mistake(f"{self.folder} has no predictions of job {key} ({damage}): run the job again.") from None
        predictions: dict[str, list[Any]] = json.loads(gzip.decompress(content))
        return predictions

    def checkpoint(self, key: str) -> Path | None:
        """The folder of a finished job's checkpoint, every file of it verified; None if none is kept.

        A damaged checkpoint alone is moved to damaged/, with a remark: the job stays finished.
        """
        folder = self.jobs / checked(key) / CHECKPOINT
        before = self._identity(folder)
        if before is None:
            return None
        try:
            verify_checkpoint(folder.parent, read_result(folder.parent))
        except Damaged as damage:
            if self._identity(folder) == before:
                where = self._set_aside(folder, f"{key}.{CHECKPOINT}")
                self._say(f"The checkpoint of job {key} is damaged ({damage}): it {where}, and is not used.")
            return None
        return folder

    def keep(self, result: Result, predictions: Mapping[str, Sequence[Any]], checkpoint: Path | None) -> Result:
        """Store a finished job, remove its work folder, and return its record as it is stored.

        A job that is there already is never replaced: its own record is returned then, and where its metrics are
        others there is a remark.

        Args:
            result: the record without `files` and `digest`.
            predictions: what the model said of every example by split, as JSON can hold it.
            checkpoint: a folder of files to store with it, or None. What lies in the work folder is linked rather
                than copied. Pickles, as training_args.bin, are left out.

        Raises:
            Mistake: the job did not take the steps of its recipe, the disk is full, or the folder cannot be written
                to. Nothing is in jobs/ then, and the work folder stays.
        """
        try:
            check_steps(result)
        except Damaged as damage:
            raise Mistake(
                f"the job {result.key} is not kept ({damage}): run it again, {RULE}, and report it if it happens twice."
            ) from None
        work = self.folder / "work" / checked(result.key)
        with self.lock(result.key), self.writing():
            kept = self.find(result.key)
            if kept is None:
                with self._draft(result.key) as draft:
                    kept = write_folder(draft, result, predictions, checkpoint, work)
            elif _scores(kept) != _scores(result):
                self._say(
                    f"Job {kept.key} came out with other metrics than those stored on {kept.provenance.created}: the "
                    f"stored ones stay, unless that job is removed (python -m measure.cache prune {kept.key})."
                )
            shutil.rmtree(work, ignore_errors=True)
        return kept

    def drop_checkpoints(self, family: str) -> list[str]:
        """Remove every checkpoint of a family but that of the job that ended last; the keys of the jobs that lost it.

        They come in the order in which the jobs ended. Which one stays does not depend on who calls this when, so two
        processes never drop each other's.
        """
        ended = []
        for key in self.stored_keys():
            # A damaged job is dealt with when it is needed.
            with contextlib.suppress(Damaged, Mistake):
                result = read_result(self.jobs / key)
                if result.family == family and (self.jobs / key / CHECKPOINT).exists():
                    ended.append((result.provenance.when, key))
        dropped = [key for _, key in sorted(ended)[:-1]]
        for key in dropped:
            self.discard(self.jobs / key / CHECKPOINT, key)
        return dropped

    def stored_keys(self) -> list[str]:
        """The keys of all jobs that have a folder, damaged or not, in order."""
        with self.writing("read"):
            return [path.name for path in listed(self.jobs) if KEY.fullmatch(path.name)]

    @contextlib.contextmanager
    def _draft(self, key: str) -> Iterator[Path]:
        """An empty folder that becomes the job's in one rename, or is removed if anything is raised."""
        draft = self.temporary(key)
        draft.mkdir()
        try:
            yield draft
            draft.rename(self.jobs / key)
        except BaseException:
            erase(draft)
            raise
        flush_folder(self.jobs)

    def _set_aside(self, path: Path, name: str) -> str:
        """Move what is damaged out of the way, and say where it went, or that it could not be moved."""
        for number in itertools.count(1):
            place = self.folder / "damaged" / f"{name}.{number}"
            if os.path.lexists(place):
                continue
            try:
                place.parent.mkdir(exist_ok=True)
                path.rename(place)
            except OSError as error:
                return f"cannot be set aside ({error.strerror})"
            return f"was set aside in {place}"
        raise AssertionError("numbers do not end")

    def _identity(self, path: Path) -> tuple[int, int] | None:
        """Which file or folder it is that has this name now; None where there is none."""
        with self.writing("read"):
            try:
                status = path.lstat()
            except (FileNotFoundError, NotADirectoryError):
                return None
            return status.st_dev, status.st_ino

    def _say(self, remark: str) -> None:
        if remark not in self.remarks:
            self.remarks.append(remark)


def _scores(result: Result) -> str:
    # As text, in which a metric that is no number equals itself.
    return repr(sorted(result.metrics.items()))
