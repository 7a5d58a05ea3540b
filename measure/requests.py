"""Which fine-tuning runs a set of options asks for: models, data and recipe put together into jobs."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from judge.baselines import LARGEST_SEED, Baselines, RecipeName
from judge.claims import ROLE_NAMES, Role
from judge.files import Mistake
from measure.hub import Absent, Files, find_model, find_split, find_task
from measure.jobs import Job
from measure.modelfiles import CONFIG, read_json
from measure.recipe import Protocol, protocol_of
from measure.tasks import TASKS, FineTuned

ROLES: tuple[Role, Role] = ("teacher", "student")
# What a recipe says of precision where nobody stated it: bf16 on a GPU that has it, fp32 elsewhere.
EITHER = "bf16 or fp32"


@dataclass(frozen=True)
class Request:
    """What a run asks for. `seeds` is None (the recipe's), how many, or which; `own` are models of the user's own.

    `limit` keeps so many rows of every split; `fetch` says whether what is not at hand may be downloaded.
    """

    baselines: Baselines
    own: Mapping[Role, str]
    mirror: Path | None
    recipe: RecipeName
    tasks: tuple[str, ...]
    seeds: int | tuple[int, ...] | None = None
    limit: int | None = None
    fetch: bool = True
    _found: dict[str, Files | Absent | Mistake] = field(default_factory=dict)

    def jobs(self, task: FineTuned, role: Role, device: str) -> list[Job]:
        """One job for each seed.

        Raises:
            Absent: weights or data are not at hand, or nothing trains such a model; the message says which.
            Mistake: what is at hand is not what it should be.
        """
        self.check(task, role)
        protocol = self.protocol(task, role)
        model, data = self.model(role), self.data(task)
        precision, task = precision_on(device, protocol), self.task(task)
        limit = self.limit_of(task)
        return [Job(task, role, model, data, seed, protocol, precision, limit) for seed in self.seeds_of(protocol)]

    def pairs(self) -> tuple[list[Path], int, int | None]:
        """STS-B's development set, over which models are timed: its files, their rows, and how many are used.

        Raises:
            Absent: it is not to be had.
        """
        task = TASKS["stsb"]
        split = task.evaluation[0]
        files = find_split(task.dataset, task.revision, task.config, split.name, self.mirror, fetch=self.fetch)
        return files, split.rows, self.limit

    def model_name(self, role: Role) -> str:
        """What a reader knows the model of a role by: the user's own id or folder, or the paper's hub id."""
        card = self.baselines.models.teacher if role == "teacher" else self.baselines.models.student
        return self.own.get(role) or card.id

    def at_hand(self, name: str) -> bool:
        """Whether the files of a task or role were found before."""
        return isinstance(self._found.get(name), Files)

    def task(self, task: FineTuned) -> FineTuned:
        """The task as this request runs it, once its data are found; a rehearsal's may have fewer rows."""
        return task

    def limit_of(self, task: FineTuned) -> int | None:  # noqa: ARG002
        """How many rows of each of a task's splits are used; None for all."""
        return self.limit

    def check(self, task: FineTuned, role: Role) -> None:
        """Raise Absent where this request has no such job, whatever files are at hand."""
        if task.name not in self.tasks:
            raise Absent("left out by --tasks")
        if role not in ROLES:
            raise Absent(f"nothing here distils {ROLE_NAMES[role]}: give recorded scores with --evidence FILE")
        if role not in self.own and not self.protocol(task, role).lower_case:
            raise Absent(
                f"the recipe {self.recipe!r} fine-tuned a cased model on {task.label}, and only uncased ones are pinned"
            )

    def protocol(self, task: FineTuned, role: Role) -> Protocol:
        """The recipe for a task and model."""
        return protocol_of(self.baselines, self.recipe, task, role)

    def seeds_of(self, protocol: Protocol) -> tuple[int, ...]:
        """The seeds of this request: the recipe's; so many of them, and the numbers after them; or those given."""
        if self.seeds is None:
            return protocol.seeds
        if isinstance(self.seeds, tuple):
            return self.seeds
        more = range(max(protocol.seeds) + 1, max(protocol.seeds) + 1 + self.seeds)
        return (*protocol.seeds, *more)[: self.seeds]

    def model(self, role: Role) -> Files:
        """The files of the model in a role, looked for once."""

        def find() -> Files:
            card = self.baselines.models.teacher if role == "teacher" else self.baselines.models.student
            own = self.own.get(role)
            files = find_model(own or card.id, None if own else card.revision, self.mirror, fetch=self.fetch)
            if not own:
                _check_architecture(files, card.config)
            return files

        return self._once(role, find)

    def data(self, task: FineTuned) -> Files:
        """The files of a task's splits, looked for once."""
        return self._once(task.name, lambda: find_task(task, self.mirror, fetch=self.fetch))

    def _once(self, name: str, find: Callable[[], Files]) -> Files:
        """What `find` found or missed the first time: a hub that is down makes its client wait again and again."""
        found = self._found.get(name)
        if found is None:
            try:
                found = find()
            except (Absent, Mistake) as trouble:
                if not self.fetch:
                    raise
                found = trouble
            self._found[name] = found
        if isinstance(found, Files):
            return found
        raise type(found)(str(found))


def precision_on(device: str, protocol: Protocol) -> str:
    """The arithmetic of a run: as the recipe states, or bf16 where the recipe leaves it open and the GPU has it."""
    if protocol.precision != EITHER:
        return protocol.precision
    if device != "cuda":
        return "fp32"
    import torch

    return "bf16" if torch.cuda.is_bf16_supported(including_emulation=False) else "fp32"


def best_device() -> str:
    """cuda, mps or cpu: the first of them that is there."""
    import torch

    if torch.cuda.is_available():
        return "cuda"
    return "mps" if torch.backends.mps.is_available() else "cpu"


def parse_tasks(text: str | None) -> tuple[str, ...]:
    """`cola,rte` as names of tasks; None is all of them.

    Raises:
        Mistake: a name is unknown or given twice.
    """
    if text is None:
        return tuple(TASKS)
    names = [name.strip() for name in text.split(",") if name.strip()]
    for name in names:
        if name not in TASKS:
            raise Mistake(f"--tasks: {name!r} is no task: give some of {','.join(TASKS)}.")
        if names.count(name) > 1:
            raise Mistake(f"--tasks: {name!r} stands there twice: give each task once.")
    if not names:
        raise Mistake(f"--tasks names no task: give some of {','.join(TASKS)}.")
    return tuple(name for name in TASKS if name in names)


def parse_seeds(text: str | None) -> int | tuple[int, ...] | None:
    """`3` as how many seeds, `42,43` as which ones; None is the recipe's.

    Raises:
        Mistake: not a number, beyond what a seed can be, or given twice.
    """
    if text is None:
        return None
    one, *others = parts = [part.strip() for part in text.split(",")]
    if others and not others[-1]:  # a comma at the end makes a single seed of a number
        parts = parts[:-1]
    if not all(re.fullmatch("[0-9]+", part) for part in parts):
        shown = repr(text) if not text.strip() else text
        raise Mistake(f"--seeds {shown} is neither how many seeds nor seeds with commas between: give 5 or 42,43,44.")
    if any(len(part) > 10 or int(part) > LARGEST_SEED for part in parts):
        raise Mistake(f"--seeds: a seed is at most {LARGEST_SEED:,}: give smaller ones.")
    seeds = [int(part) for part in parts]
    if not others:
        if not 1 <= seeds[0] <= 100:
            raise Mistake(f"--seeds {one} asks for {one} runs: give 1 to 100, or one seed with a comma behind it.")
        return seeds[0]
    for seed in seeds:
        if seeds.count(seed) > 1:
            raise Mistake(f"--seeds: {seed} stands there twice, and the same seed gives the same run: give it once.")
    return tuple(seeds)


def _check_architecture(files: Files, expected: Mapping[str, object]) -> None:
    """A folder that is called as the paper's model must hold a model of that shape."""
    try:
        config = dict(read_json(files.folder / CONFIG))
    except (OSError, ValueError, TypeError):
        raise Mistake(f"{files.folder}/config.json is no JSON: download {files.id} again.") from None
    for name, value in expected.items():
        # What a configuration leaves out has the architecture's default, which is the paper's.
        found = config.get(name, None if name == "model_type" else value)
        if found != value:
            raise Mistake(
                f"{files.folder} is called {files.id} and has {name} {found}, not {value}: download it again, "
                "or give a model of your own with --teacher or --student."
            )
