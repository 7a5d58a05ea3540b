"""The full run in two minutes, before anybody rents a GPU: every job, with miniature models on little data.

Models are miniatures of the paper's two architectures with random weights, or the user's own pair. Data are the first
examples of the real sets where the mirror, the hub's cache or the hub has them, else sets that are made here, which the
miniatures learn. Nothing of it is a result.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from judge.baselines import Baselines, ModelCard
from judge.claims import Role
from judge.files import Mistake, first_line
from measure.cachefolder import erase
from measure.hub import Absent, Files, find_model, find_task, hub_answers
from measure.made import BERT, DISTILBERT, VOCABULARY, made_rows, miniature, write_split
from measure.recipe import Protocol
from measure.requests import ROLES, Request
from measure.store import Store
from measure.tasks import TASKS, FineTuned

# Rows of a made training set: what the miniatures need to learn any of the tasks in a second.
TRAINED = 384
# Rows of every evaluation split, and of every split of a real set; WNLI's has 71.
ROWS = 64
# What a miniature of 64 dimensions with random weights learns with. A model of the user's own keeps its recipe's.
LEARNING = {"learning_rate": 3e-3, "batch_size": 32, "epochs": 6}
LENGTHS = {"max_length": 128, "doc_stride": 32}
SEEDS = 2
# Raised when what is made changes.
FORM = 1
MINIATURES: dict[Role, tuple[str, dict[str, int]]] = {"teacher": ("bert", BERT), "student": ("distilbert", DISTILBERT)}


@dataclass(frozen=True)
class Rehearsal(Request):
    """A request whose every job takes a second. `store` is where jobs, made models and made data are kept."""

    store: Path = Path()
    # Why a task's data are made ones.
    remarks: dict[str, str] = field(default_factory=dict)

    def protocol(self, task: FineTuned, role: Role) -> Protocol:
        """The recipe, cut down to seconds, with two of its seeds unless the user chose."""
        real = super().protocol(task, role)
        changed: dict[str, Any] = {"epochs": 1} if role in self.own else dict(LEARNING)
        changed |= {name: min(value, most) for name, most in LENGTHS.items() if (value := getattr(real.recipe, name))}
        recipe = replace(real.recipe, **changed)
        return replace(real, name=f"{real.name}, rehearsed", recipe=recipe, seeds=real.seeds[:SEEDS])

    def model(self, role: Role) -> Files:
        """The miniature of a role, or the user's own model."""
        if role in self.own:
            return super().model(role)

        def find() -> Files:
            return replace(find_model(str(self._made() / role), None, None), id=_name(self._card(role)))

        return self._once(role, find)

    def data(self, task: FineTuned) -> Files:
        """The files of the real data set, or of one that was made."""

        def find() -> Files:
            try:
                found = find_task(task, self.mirror, fetch=self.fetch)
                self.remarks.pop(task.name, None)
                return found
            except Absent as absent:
                if not self.fetch and hub_answers():
                    raise  # it may be had, and nobody has asked yet
                self.remarks[task.name] = str(absent)
                return replace(find_task(task, self._made(), fetch=False), revision=None)

        return self._once(task.name, find)

    def pairs(self) -> tuple[list[Path], int, int | None]:
        """The first pairs of STS-B's development set, or those that were made for it."""
        data, task = self.data(TASKS["stsb"]), self.task(TASKS["stsb"])
        split = task.evaluation[0]
        return [path for name, path in data.paths if name.startswith(split.name)], split.rows, ROWS

    def task(self, task: FineTuned) -> FineTuned:
        """The task with the number of rows that its data have."""
        if task.name not in self.remarks:
            return task
        train, *others = task.splits
        evaluation = tuple(replace(split, rows=ROWS) for split in others)
        return replace(task, revision="made", train=replace(train, rows=TRAINED), evaluation=evaluation)

    def limit_of(self, task: FineTuned) -> int | None:
        """How many rows of each split are used: a part of a real set, all of a made one."""
        return None if task.name in self.remarks else ROWS

    def _card(self, role: Role) -> ModelCard:
        return self.baselines.models.teacher if role == "teacher" else self.baselines.models.student

    def _made(self) -> Path:
        """The folder with miniatures and made data, laid out like the hub; made where missing, once for all."""
        store = Store(self.store)
        folder = store.folder / "made" / str(FORM)
        with store.lock(f"made-{FORM}", "the rehearsal's miniatures"), store.writing():
            if not folder.is_dir():
                folder.parent.mkdir(exist_ok=True)
                draft = store.temporary(f"made-{FORM}")
                try:
                    _make(draft)
                    draft.rename(folder)
                except OSError:
                    raise
                except Exception as error:  # safetensors' and pyarrow's, which are no class of the language's
                    raise Mistake(
                        f"the rehearsal's miniatures cannot be written to {store.folder} ({first_line(error)}): make "
                        "room, or give another folder with --cache."
                    ) from None
                finally:
                    erase(draft)
        return folder


@contextmanager
def one_thread() -> Iterator[None]:
    """Let torch compute in one thread: a miniature has no work for two, which wait for each other on a busy machine."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def rehearsed(baselines: Baselines) -> Baselines:
    """The baselines for a rehearsal: miniatures for the two models, and the numbers of rows that it evaluates on."""
    tasks = {
        name: task.model_copy(
            update={"parts": tuple(part.model_copy(update={"examples": ROWS}) for part in task.parts)}
        )
        for name, task in baselines.tasks.items()
    }
    cards: dict[str, ModelCard] = {role: _small(getattr(baselines.models, role), role) for role in ROLES}
    return replace(baselines, tasks=tasks, models=baselines.models.model_copy(update=cards))


def _small(card: ModelCard, role: Role) -> ModelCard:
    config = {**card.config, **MINIATURES[role][1], "vocab_size": len(VOCABULARY)}
    return card.model_copy(update={"name": f"miniature of {card.name}", "id": _name(card), "config": config})


def _name(card: ModelCard) -> str:
    name = card.id.rsplit("/", 1)[-1]
    return name if name.startswith("miniature") else f"miniature of {name}"


def _make(folder: Path) -> None:
    """Write both miniatures and all data sets."""
    for role, (kind, _) in MINIATURES.items():
        with _quietly():
            miniature(folder / role, kind)
    for task in TASKS.values():
        for split in task.splits:
            rows = made_rows(task, TRAINED if split.name == "train" else ROWS, split.name)
            write_split(folder, task, split, list(rows))


@contextmanager
def _quietly() -> Iterator[None]:
    """Without the bar that transformers draws while it saves."""
    from transformers.utils import logging

    shown = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        if shown:
            logging.enable_progress_bar()
