"""How a model is fine-tuned: the values of baselines/recipes.json for one task and model, whole and typed."""

import math
from dataclasses import MISSING, asdict, dataclass, fields
from typing import Any

from judge.baselines import Baselines, RecipeName
from judge.claims import Role
from judge.files import Mistake
from measure.tasks import FineTuned

# What questions need beside the values that every task needs.
OF_ANSWERS = ("doc_stride", "n_best", "max_answer_length")


@dataclass(frozen=True)
class Recipe:
    """Every value that changes what a fine-tuning run does; None where the task has no such thing.

    `batch_size` is in examples, `max_length` and `doc_stride` in tokens, `max_answer_length` in tokens, `warmup_steps`
    in optimiser steps. `n_best` is how many starts and ends of an answer are considered.
    """

    learning_rate: float
    batch_size: int
    epochs: int
    max_length: int
    optimizer: str
    schedule: str
    warmup_steps: int
    weight_decay: float
    max_grad_norm: float
    doc_stride: int | None = None
    n_best: int | None = None
    max_answer_length: int | None = None

    def steps(self, rows: int) -> int:
        """How many optimiser steps it takes on so many training examples: windows where questions are answered."""
        return steps_of(rows, self.batch_size, self.epochs)

    def values(self) -> dict[str, Any]:
        """The values that are set, by name, as evidence records them."""
        return {name: value for name, value in asdict(self).items() if value is not None}


@dataclass(frozen=True)
class Protocol:
    """A recipe with its name, the seeds fixed before the run, and what it asks of model and arithmetic."""

    name: str
    recipe: Recipe
    seeds: tuple[int, ...]
    lower_case: bool
    precision: str


def steps_of(rows: int, batch_size: int, epochs: int) -> int:
    """The optimiser steps of a whole run: the last batch of an epoch may be smaller than the others."""
    return math.ceil(rows / batch_size) * epochs


def protocol_of(baselines: Baselines, name: RecipeName, task: FineTuned, role: Role) -> Protocol:
    """The named recipe for one task and model.

    Raises:
        Mistake: it lacks a value that fine-tuning needs, or scores of the same run are given unlike values.
    """
    where = f"baselines/recipes.json, /recipes/{name}"
    stated, *others = (
        {key: field.value for key, field in baselines.recipes[name].fields(judged, role).items()}
        for judged in task.judged
    )
    needed = [*_required(), "seeds", "lower_case", "precision"]
    missing = [
        key for key in (*needed, *(OF_ANSWERS if task.kind == "question answering" else ())) if key not in stated
    ]
    if missing:
        raise Mistake(f"{where}: {task.label} has no {missing[0]}: add it.")
    if any(other != stated for other in others):
        raise Mistake(f"{where}: {' and '.join(task.judged)} come from the same run: give them the same values.")
    # A learning rate of 1 and one of 1.0 are the same, also for the key of a job.
    values: dict[str, Any] = {
        field.name: float(stated[field.name]) if field.type is float else stated[field.name]  # type: ignore[arg-type]
        for field in fields(Recipe)
        if field.name in stated
    }
    seeds = stated["seeds"]
    assert isinstance(seeds, tuple)
    return Protocol(name, Recipe(**values), seeds, bool(stated["lower_case"]), str(stated["precision"]))


def _required() -> list[str]:
    """What every recipe must say, whatever the task."""
    return [field.name for field in fields(Recipe) if field.default is MISSING]
