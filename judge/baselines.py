"""Everything that is known before a measurement: the files of baselines/, loaded and checked once."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, model_validator

from judge.claims import Claim, Finite, Role, Source, Text
from judge.files import Mistake, Record, read

GLUE = ("cola", "mnli", "mrpc", "qnli", "qqp", "rte", "sst2", "stsb", "wnli")
TASKS = (*GLUE, "imdb", "squad_em", "squad_f1")
RecipeName = Literal["paper", "prior-study"]
Value = int | float | str | bool | tuple[int, ...]


class Spread(Record):
    """A published standard deviation over seeds, in points, and the model and source that it is borrowed from."""

    value: Annotated[Finite, Field(gt=0)]
    model: Text
    source: Text
    assumed: bool = False


class Trivial(Record):
    """The score, in points, of the best predictor that ignores its input."""

    value: Finite
    predictor: Text


class Part(Record):
    """One metric of a task's score: the quantity as evidence names it, and how many examples it is taken over."""

    quantity: Text
    examples: Annotated[int, Field(gt=0)]


class Task(Record):
    """A task as the paper scores it: the score is the mean of its parts, in points.

    `adversarial` says why a score below the trivial predictor is no failed run on this task.
    """

    label: Text
    metric: Text
    parts: Annotated[tuple[Part, ...], Field(min_length=1)]
    spread: Spread
    trivial: Trivial
    adversarial: Text | None = None


class Stated(Record):
    """One value of a recipe and who says so: the source itself, or whoever assumed it where the source is silent."""

    value: Value
    stated: Text | None = None
    assumed: Text | None = None

    @model_validator(mode="after")
    def _one_authority(self) -> "Stated":
        if (self.stated is None) == (self.assumed is None):
            raise ValueError("exactly one of 'stated' and 'assumed' must say where the value comes from")
        return self


class Setting(Record):
    """Values that hold for some tasks, and for one model only where `role` names it; a later setting wins."""

    tasks: tuple[str, ...]
    role: Role | None = None
    values: dict[str, Stated]


class Recipe(Record):
    """How models are fine-tuned, setting by setting."""

    about: Text
    settings: tuple[Setting, ...]

    def fields(self, task: str, role: Role) -> dict[str, Stated]:
        """The values for one task and model, with their authority."""
        merged: dict[str, Stated] = {}
        for setting in self.settings:
            if task in setting.tasks and setting.role in (None, role):
                merged |= setting.values
        return merged


class ModelCard(Record):
    """One of the two models: hub id, pinned revision, configuration as plain values, and ids of close relatives."""

    name: Text
    id: Text
    revision: Annotated[str, Field(pattern=r"^[0-9a-f]{40}$")]
    config: dict[str, int | float | str | bool]
    relatives: dict[str, str] = {}


class Models(Record):
    """baselines/models.json."""

    teacher: ModelCard
    student: ModelCard


class Recipes(Record):
    """baselines/recipes.json."""

    recipes: dict[RecipeName, Recipe]


class Tasks(Record):
    """baselines/tasks.json."""

    tasks: dict[str, Task]


@dataclass(frozen=True)
class Baselines:
    """All of baselines/. `digest` is the SHA-256 of paper.json, so that a verdict says which edition judged it."""

    paper: Source
    study: Source
    tasks: dict[str, Task]
    recipes: dict[RecipeName, Recipe]
    models: Models
    digest: str

    @property
    def claims(self) -> dict[str, Claim]:
        """Every claim by its id, the paper's before the prior study's."""
        return {claim.id: claim for source in (self.paper, self.study) for claim in source.claims}

    def source(self, claim: Claim) -> Source:
        """The text that a claim is made in."""
        return self.paper if claim in self.paper.claims else self.study

    def parts(self) -> dict[str, Part]:
        """Every scored quantity by its name."""
        return {part.quantity: part for task in self.tasks.values() for part in task.parts}


def load_baselines(folder: Path) -> Baselines:
    """Read and validate the five files of baselines/.

    Raises:
        Mistake: with the file, the JSON pointer of the place and what is wrong there.
    """
    paper, study = read(Source, folder / "paper.json"), read(Source, folder / "prior-study.json")
    twice = {claim.id for claim in paper.claims} & {claim.id for claim in study.claims}
    if twice:
        raise Mistake(f"{folder / 'prior-study.json'}: the id {min(twice)!r} is in paper.json too: rename it.")
    tasks = read(Tasks, folder / "tasks.json").tasks
    recipes = read(Recipes, folder / "recipes.json").recipes
    _check_names(folder, tasks, recipes)
    return Baselines(
        paper=paper,
        study=study,
        tasks=tasks,
        recipes=recipes,
        models=read(Models, folder / "models.json"),
        digest=hashlib.sha256((folder / "paper.json").read_bytes()).hexdigest(),
    )


def _check_names(folder: Path, tasks: dict[str, Task], recipes: Mapping[RecipeName, Recipe]) -> None:
    """Every task that the paper scores is there, and recipes speak of no other."""
    missing = [name for name in TASKS if name not in tasks]
    if missing:
        raise Mistake(f"{folder / 'tasks.json'}, /tasks: {missing[0]!r} is missing: add it.")
    if "paper" not in recipes:
        raise Mistake(f"{folder / 'recipes.json'}, /recipes: 'paper' is missing: add it.")
    for name, recipe in recipes.items():
        for number, setting in enumerate(recipe.settings):
            unknown = [task for task in setting.tasks if task not in tasks]
            if unknown:
                place = f"/recipes/{name}/settings/{number}/tasks"
                raise Mistake(
                    f"{folder / 'recipes.json'}, {place}: {unknown[0]!r} is no task of tasks.json: correct it."
                )
