"""Fine-tuning jobs put together for tests, without pytest's options."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from judge.baselines import load_baselines
from judge.claims import Role
from measure.jobs import Job
from measure.requests import Request
from measure.results import Result
from measure.store import Store
from measure.tasks import TASKS
from tests.project import ROOT

MIRROR = ROOT.parent / "shared" / "hub-mirror"
VOCABULARY = MIRROR / "google-bert" / "bert-base-uncased" / "vocab.txt"
GOES_ON: Callable[[int, int], bool] = lambda _done, _total: False  # noqa: E731


def job(
    task: str,
    model: str,
    mirror: Path,
    *,
    role: Role = "teacher",
    limit: int | None = None,
    seed: int = 1,
    **recipe: Any,
) -> Job:
    """A job with the paper's recipe, of which `recipe` changes values."""
    request = Request(load_baselines(ROOT / "baselines"), {role: model}, mirror, "paper", tuple(TASKS), (seed,), limit)
    made = request.jobs(TASKS[task], role, "cpu")[0]
    protocol = replace(made.protocol, recipe=replace(made.protocol.recipe, **recipe))
    return replace(made, protocol=protocol)


def run(made: Job, store: Store, *, watch: Callable[[int, int], bool] = GOES_ON, keep: bool = False) -> Result:
    """Run a job on this machine's processor under its lock."""
    from measure.finetuning.run import run as run_job

    with store.lock(made.key):
        return run_job(made, store, "cpu", watch, keep_checkpoint=keep)


def with_rows(made: Job, rows: int) -> Job:
    """The job on a task whose splits officially have so many rows, for made data of that size."""
    train, *evaluation = (replace(split, rows=rows) for split in made.task.splits)
    return replace(made, task=replace(made.task, train=train, evaluation=tuple(evaluation)))
