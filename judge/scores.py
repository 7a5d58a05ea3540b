"""Scores of a model on a task, from evidence: checked, with failed runs told apart, ready for a contrast."""

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from judge.baselines import Baselines, Task
from judge.checks import require_sound
from judge.claims import ROLE_NAMES, Role
from judge.pool import Found, Pool, host_name
from judge.statistics import Interval, Term, level_of
from judge.verdicts import BadMeasurement, agrees


class NotRecorded(Exception):
    """No evidence given holds what is asked for."""


@dataclass(frozen=True)
class Scores:
    """A task's score in points for each seed, with what there is to say about how it came about.

    Attributes:
        records: one for each metric of the task.
        printed: what stands for the score where it cannot be decided by itself, since the margin of its printed cell
            admits the trivial predictor: the printed cell, or the trivial predictor's score for a model of the user's
            own. None for every other task.
        others: the same from other runs and hosts, the strongest first; they are shown and not judged.
        left_out: what other records cannot even be shown for.
        remark: what to say of a model that stands in for another.
    """

    name: str
    task: Task
    role: Role
    values: dict[int | None, float]
    records: tuple[Found, ...]
    printed: float | None = None
    others: tuple["Scores", ...] = ()
    left_out: tuple[str, ...] = ()
    remark: str = ""
    fixed: bool = False

    @property
    def failed(self) -> list[int | None]:
        """Seeds whose predictions were nearly constant.

        Where predictions are not on record, seeds that score what the trivial predictor does, to within half an
        example. Where the trivial predictor satisfies the printed cell, a constant answer is what was printed.
        """
        if self.printed is not None:
            return []
        constant = frozenset().union(*(record.constant for record in self.records))
        unseen = frozenset.intersection(*(record.unseen for record in self.records))
        return [
            seed for seed, value in self.values.items() if seed in constant or (seed in unseen and self._trivial(value))
        ]

    def _trivial(self, value: float) -> bool:
        return abs(value - self.task.trivial.value) <= 50 / self.task.parts[0].examples

    @property
    def level(self) -> float:
        """90 %, or 95 % where seeds were added after a first verdict: two looks share the error of one."""
        return level_of(self.looks)

    @property
    def looks(self) -> int:
        """How many sets of seeds were chosen."""
        return max((record.looks for record in self.records), default=1)

    @property
    def origins(self) -> list[str]:
        """The files that it comes from."""
        return list(dict.fromkeys(name for record in self.records for name in record.origins))

    @property
    def host(self) -> str:
        """The host that measured."""
        return host_name(self.records[0].host)

    def term(self, weight: float = 1.0) -> Term:
        """This cell in a contrast."""
        return Term(weight, tuple(self.values.values()), 0.0 if self.fixed else self.task.spread.value)

    def as_printed(self) -> "Scores":
        """The cell at its printed value, which has no spread, where it cannot be decided by itself; else as it is."""
        return self if self.printed is None else replace(self, values={None: self.printed}, fixed=True)

    def without_failed(self) -> "Scores":
        """The cell without its failed runs."""
        failed = self.failed
        return replace(self, values={seed: value for seed, value in self.values.items() if seed not in failed})

    def at(self, host: str) -> "Scores":
        """The strongest of these scores that a host measured; these, where it measured none."""
        return next((scores for scores in (self, *self.others) if scores.host == host), self)

    def notes(self) -> list[str]:
        """What a reader must know about these numbers beyond their spread: median, failed runs, other records."""
        label, trivial = self.task.label, self.task.trivial
        said = []
        if len(self.values) > 2:
            said.append(f"{label}: median {statistics.median(self.values.values()):.2f} of {len(self.values)} seeds")
        said += self.failures()
        if self.printed is not None and self.task.adversarial and min(self.values.values()) <= trivial.value:
            said.append(f"{label}: at or below {trivial.predictor} ({trivial.value:.2f}); {self.task.adversarial}")
        if self.remark:
            said.append(f"{label}: measured on {self.records[0].first.model.id}, {self.remark}")
        if any(None not in record.values and not record.planned for record in self.records):
            said.append(f"{label}: which seeds were planned is not on record")
        if self.looks > 1:
            said.append(f"{label}: seeds were chosen {self.looks} times, so it is judged at {100 * self.level:.3g} %")
        said += [f"{label}: {one.note}" for record in self.records for one in record.records if one.note]
        said += [
            f"{label}: {', '.join(other.origins)} also has {other.records[0].first.quantity} ({other.host}, seeds: "
            f"{len(other.values)}, mean {statistics.fmean(other.values.values()):.2f}), not judged"
            for other in self.others
        ]
        return [*dict.fromkeys(said), *self.left_out]

    def failures(self) -> list[str]:
        """One sentence for each kind of failed run."""
        label, trivial = self.task.label, self.task.trivial
        constant = frozenset().union(*(record.constant for record in self.records))
        kinds: dict[str, list[int | None]] = {
            "constant answers": [seed for seed in self.failed if seed in constant],
            f"the score of {trivial.predictor} ({trivial.value:.2f})": [s for s in self.failed if s not in constant],
        }
        return [f"{label}: failed run ({self._runs(seeds)}): {what}" for what, seeds in kinds.items() if seeds]

    def _runs(self, seeds: Sequence[int | None]) -> str:
        return ", ".join(f"{'' if seed is None else f'seed {seed}: '}{self.values[seed]:.2f}" for seed in seeds)

    def raw(self) -> dict[str, list[float]]:
        """The values by name, for the verdict's record."""
        return {f"{self.task.label} ({self.role})": list(self.values.values())}


def find_scores(pool: Pool, baselines: Baselines, name: str, role: Role, ids: Mapping[str, str] | None) -> Scores:
    """The scores of a model on a task.

    Args:
        pool: the evidence.
        baselines: for the task's parts, example counts and spread.
        name: the task, as `mrpc`.
        role: whose scores.
        ids: the models that may stand for the role, with a remark on each that is not the model itself; None: any.

    Raises:
        NotRecorded: a part of the task is in no evidence given.
        BadMeasurement: no record is whole and what its names say.
    """
    sound: list[Scores] = []
    errors: list[BadMeasurement] = []
    for run in _runs(pool, baselines.tasks[name], role, ids):
        try:
            sound.append(_scores(baselines, name, role, ids or {}, run))
        except BadMeasurement as error:
            errors.append(error)
    if not sound:
        raise errors[0]
    return replace(sound[0], others=tuple(sound[1:]), left_out=tuple(f"left out: {error}" for error in errors))


def printed_cell(baselines: Baselines, name: str, role: Role) -> tuple[float, Interval] | None:
    """The printed score of a model on a task, and the bounds that its margin gives; an ablation has the student's."""
    label = baselines.tasks[name].label
    for wanted in (role, "student"):
        for claim in baselines.paper.claims:
            if claim.about == (wanted,) and claim.cell is not None and claim.cell.column == label:
                return claim.published, claim.bounds
    return None


def _scores(baselines: Baselines, name: str, role: Role, ids: Mapping[str, str], run: tuple[Found, ...]) -> Scores:
    task = baselines.tasks[name]
    for record in run:
        require_sound(record.records, record.origins, baselines)
    seeds = set(run[0].values)
    for part, record in zip(task.parts, run, strict=True):
        odd = sorted(seeds ^ set(record.values), key=str)
        if odd:
            what = f"{task.parts[0].quantity} and {part.quantity} in {', '.join(record.origins)}"
            raise BadMeasurement(f"{what} are recorded for different seeds, one lacks {odd[0]}: run it")
    values = {
        seed: math.fsum(record.values[seed] for record in run) / len(run)
        for seed in sorted(seeds, key=lambda seed: (seed is not None, seed or 0))
    }
    model = run[0].first.model.name
    return Scores(name, task, role, values, run, _stand_in(baselines, name, role, model), remark=ids.get(model, ""))


def _stand_in(baselines: Baselines, name: str, role: Role, model: str) -> float | None:
    """See `Scores.printed`."""
    trivial, cell = baselines.tasks[name].trivial.value, printed_cell(baselines, name, role)
    if cell is None or not agrees(trivial, cell[1]):
        return None
    card = {"teacher": baselines.models.teacher, "student": baselines.models.student}.get(role)
    return cell[0] if card is None or model in (card.id, *card.relatives) else trivial


def _runs(pool: Pool, task: Task, role: Role, ids: Mapping[str, str] | None) -> list[tuple[Found, ...]]:
    """Runs that have every metric of a task, the strongest first: metrics of different runs are never averaged."""
    candidates = [pool.find(part.quantity, role, ids) for part in task.parts]
    for part, found in zip(task.parts, candidates, strict=True):
        if not found:
            raise NotRecorded(f"no evidence given has {part.quantity} of {ROLE_NAMES[role]}")
    whole = []
    for first in candidates[0]:
        others = [[record for record in found if record.same_run(first)] for found in candidates[1:]]
        if all(others):
            whole.append((first, *(found[0] for found in others)))
    if not whole:
        names = " and ".join(part.quantity for part in task.parts)
        raise NotRecorded(f"no evidence given has {names} of {ROLE_NAMES[role]} from the same runs")
    return whole
