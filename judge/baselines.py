"""Everything that is known before a measurement: the files of baselines/, loaded and checked once."""

import difflib
import hashlib
import itertools
import json
from codecs import BOM_UTF8
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from judge.claims import Claim, Finite, Role, Source, Text
from judge.files import Mistake, Record, read

GLUE = ("cola", "mnli", "mrpc", "qnli", "qqp", "rte", "sst2", "stsb", "wnli")
TASKS = (*GLUE, "imdb", "squad_em", "squad_f1")
RecipeName = Literal["paper", "prior-study"]
Value = int | float | str | bool | tuple[int, ...]
# Seeds of numpy end at 2^32; a run may ask for a hundred more than a recipe has.
LARGEST_SEED = 4_000_000_000


def _whole(least: int) -> tuple[str, Callable[[Any], bool]]:
    return f"a whole number of at least {least}", lambda value: type(value) is int and value >= least


def _number(most: int) -> tuple[str, Callable[[Any], bool]]:
    return f"a number from 0 to {most:,}", lambda value: type(value) in (int, float) and 0 <= value <= most


def _one_of(*words: str) -> tuple[str, Callable[[Any], bool]]:
    return " or ".join(f'"{word}"' for word in words), lambda value: value in words


# Every value that a recipe can have: what it must be, in words and as a test.
FIELDS: dict[str, tuple[str, Callable[[Any], bool]]] = {
    "learning_rate": ("a number above 0 and at most 1", lambda value: type(value) in (int, float) and 0 < value <= 1),
    "batch_size": _whole(1),
    "epochs": _whole(1),
    "max_length": _whole(8),
    "doc_stride": _whole(0),
    "n_best": _whole(1),
    "max_answer_length": _whole(1),
    "warmup_steps": _whole(0),
    "weight_decay": _number(1),
    "max_grad_norm": _number(1_000_000),
    "optimizer": ("a name", lambda value: isinstance(value, str)),
    "schedule": ("a name", lambda value: isinstance(value, str)),
    "seeds": (
        f"a list of different whole numbers from 0 to {LARGEST_SEED:,}",
        lambda value: (
            isinstance(value, tuple)
            and 0 < len(value) == len(set(value))
            and all(0 <= seed <= LARGEST_SEED for seed in value)
        ),
    ),
    "number_of_seeds": _whole(1),
    "aggregate": _one_of("median", "mean"),
    "lower_case": ("true or false", lambda value: isinstance(value, bool)),
    "precision": _one_of("fp32", "bf16", "bf16 or fp32"),
}


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

    `adversarial` says why models that learn may score below the trivial predictor on this task.
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

    @property
    def ids(self) -> tuple[str, ...]:
        """The hub ids of both, each followed by those of its relatives."""
        return tuple(name for card in (self.teacher, self.student) for name in (card.id, *card.relatives))


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
    study = study.model_copy(
        update={"claims": tuple(claim.model_copy(update={"source": "study"}) for claim in study.claims)}
    )
    twice = {claim.id for claim in paper.claims} & {claim.id for claim in study.claims}
    if twice:
        raise Mistake(f"{folder / 'prior-study.json'}: the id {min(twice)!r} is in paper.json too: rename it.")
    tasks = read(Tasks, folder / "tasks.json").tasks
    recipes = read(Recipes, folder / "recipes.json").recipes
    _check_names(folder, tasks, recipes)
    for name, recipe in recipes.items():
        place = f"{folder / 'recipes.json'}, /recipes/{name}/settings"
        _check_values(place, recipe)
        _check_stride(place, recipe)
    return Baselines(
        paper=paper,
        study=study,
        tasks=tasks,
        recipes=recipes,
        models=read(Models, folder / "models.json"),
        digest=hashlib.sha256((folder / "paper.json").read_bytes().removeprefix(BOM_UTF8)).hexdigest(),
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


def _check_values(place: str, recipe: Recipe) -> None:
    """Every value of a recipe has a known name and can be what that name says."""
    for number, setting in enumerate(recipe.settings):
        here = f"{place}/{number}/values"
        for name, stated in setting.values.items():
            if name not in FIELDS:
                near = difflib.get_close_matches(name, FIELDS, n=1)
                advice = f", did you mean {near[0]!r}?" if near else ": remove it."
                raise Mistake(f"{here}: unknown field {name!r}{advice}")
            what, fits = FIELDS[name]
            if not fits(stated.value):
                raise Mistake(f"{here}/{name}: {json.dumps(stated.value)} is not {what}: correct it.")


def _check_stride(place: str, recipe: Recipe) -> None:
    """Windows share fewer tokens than they have, whichever settings the two lengths come from."""
    roles: tuple[Role, Role] = ("teacher", "student")
    for task, role in itertools.product(TASKS, roles):
        stated = recipe.fields(task, role)
        if not {"doc_stride", "max_length"} <= stated.keys():
            continue
        stride, length = stated["doc_stride"], stated["max_length"]
        if int(stride.value) >= int(length.value):  # type: ignore[arg-type]
            where = next(n for n, setting in enumerate(recipe.settings) if setting.values.get("doc_stride") is stride)
            raise Mistake(
                f"{place}/{where}/values/doc_stride: windows of {length.value} tokens (max_length) on {task} cannot "
                f"share {stride.value}: correct one of the two."
            )
