"""Whether a job has room, asked before the training and not found out after an hour."""

import gc
from pathlib import Path
from typing import Any

import torch

from judge.files import Mistake
from measure.jobs import Job
from measure.models import free_memory

# Weights, gradients and Adam's two moments in fp32, in bytes a parameter (PERFORMANCE: 4 + 4 + 8).
STATES = 16
# On disk: a mid-run checkpoint (weights and moments) while the next is written, and the fine-tuned weights.
ON_DISK = 12 + 12 + 4
# What torch, its libraries and its other devices say where they raise a plain RuntimeError.
SHORT = ("out of memory", "can't allocate memory", "ALLOC_FAILED")


def check_disk(job: Job, parameters: int, free: int) -> None:
    """Refuse a job for which the store's disk is too small. `free` is in bytes.

    Raises:
        Mistake: with what is needed and what there is.
    """
    needed = parameters * ON_DISK
    if needed > free:
        raise Mistake(
            f"{job} needs {needed / 2**30:.1f} GiB of disk while it runs and {free / 2**30:.1f} GiB are free: "
            "make room, or name another disk with --cache DIR."
        )


def check_memory(job: Job, model: Any, device: str, free: int | None = None) -> None:
    """Refuse a job whose weights, gradients and optimiser states alone do not fit.

    Raises:
        Mistake: with what is needed and what there is.
    """
    needed = sum(p.numel() for p in model.parameters()) * STATES
    if free is None:
        free = _free_on_gpu() if device == "cuda" else free_memory()
    if free is not None and needed > free:
        raise Mistake(
            f"{job} needs {needed / 2**30:.1f} GiB of memory before the first example, and {free / 2**30:.1f} GiB are "
            f"free on {device}: free some, or use a larger device."
        )


def cannot_write(what: str, folder: Path, error: Exception) -> Mistake:
    """The sentence for something that a library could not write into a folder, whatever kind of error it raised."""
    reason = (str(error).splitlines() or [type(error).__name__])[0].rstrip(".")
    return Mistake(
        f"{what} cannot be written to {folder} ({reason}): make room, or name another disk with --cache DIR."
    )


def memory_is_short(error: BaseException) -> bool:
    """Whether an error says that memory ran out: torch has a class for it on a GPU, and words alone elsewhere."""
    return isinstance(error, MemoryError | torch.OutOfMemoryError) or (
        isinstance(error, RuntimeError) and any(words in str(error) for words in SHORT)
    )


def give_back_memory(device: str) -> None:
    """Free what an earlier run left behind: a Trainer refers to itself, so its model goes when it is looked for."""
    gc.collect()
    if device == "cuda":
        torch.cuda.empty_cache()


def _free_on_gpu() -> int:
    """Bytes that the GPU has free, or that torch holds and does not use."""
    return int(torch.cuda.mem_get_info()[0] + torch.cuda.memory_reserved() - torch.cuda.memory_allocated())
