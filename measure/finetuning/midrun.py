"""The newest checkpoint of a run that was killed or stopped: trusted only where it is known to be whole."""

import json
import shutil
from dataclasses import dataclass
from pathlib import Path

from judge.files import write
from measure.hub import digest_of

MARK = "whole.json"


@dataclass(frozen=True)
class Midrun:
    """A whole checkpoint: its folder, the optimiser steps behind it, and the examples in one forward pass till then."""

    folder: Path
    step: int
    micro_batch: int


def mark_whole(folder: Path) -> None:
    """Write down what a checkpoint consists of, once all of it is on disk, and remove those before it.

    In this order: a run that is killed in between has two, and never none.
    """
    write(folder / MARK, json.dumps({"digest": _digest(folder)}))
    for other in _checkpoints(folder.parent):
        if other != folder:
            shutil.rmtree(other, ignore_errors=True)


def newest(work: Path, steps: int) -> Midrun | None:
    """The newest whole checkpoint in the folder of a job in flight; all others, whole or not, are removed.

    Args:
        work: the folder.
        steps: how many the job has to take. A run that was to take fewer had seen a part of the data only, and is no
            beginning of this one.
    """
    found = None
    for folder in _checkpoints(work):
        found = found or _read(folder, steps)
        if found is None or found.folder != folder:
            shutil.rmtree(folder, ignore_errors=True)
    return found


def forget(work: Path) -> None:
    """Remove the checkpoints of a run that has to begin again."""
    for folder in _checkpoints(work):
        shutil.rmtree(folder, ignore_errors=True)


def _checkpoints(work: Path) -> list[Path]:
    """The Trainer's checkpoints, whole or not, the newest first."""
    steps = {path: path.name.removeprefix("checkpoint-") for path in work.glob("checkpoint-*") if path.is_dir()}
    return sorted((path for path, step in steps.items() if step.isdecimal()), key=lambda path: -int(steps[path]))


def _read(folder: Path, steps: int) -> Midrun | None:
    """What a checkpoint says of itself; None where it is not whole, or of a run of so many steps."""
    try:
        if json.loads((folder / MARK).read_text(encoding="utf-8"))["digest"] != _digest(folder):
            return None
        state = json.loads((folder / "trainer_state.json").read_text(encoding="utf-8"))
        if state["max_steps"] != steps:
            return None
        return Midrun(folder, int(state["global_step"]), int(state["train_batch_size"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _digest(folder: Path) -> str:
    return digest_of([(path.name, path) for path in folder.iterdir() if path.is_file() and path.name != MARK])
