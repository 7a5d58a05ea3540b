"""Scores of a model on a task, from evidence: checked, with failed runs told apart, ready for a contrast."""

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from judge.baselines import Baselines, Part, Task
from judge.claims import ROLE_NAMES, Role
from judge.pool import Found, Pool
from judge.statistics import LEVEL, LEVEL_AFTER_EXTENSION, Estimate, Interval, Term, contrast, median
from judge.verdicts import BadMeasurement, agrees


class NotRecorded(Exception):
    """No evidence given holds what is asked for."""


@dataclass(frozen=True)
class Scores:
    """A task's score in points for each seed, with what there is to say about how it came about."""

    name: str
    task: Task
    role: Role
    values: dict[int | None, float]
    records: tuple[Found, ...]
    rivals: tuple[str, ...]
    remark: str = ""

    @property
    def failed(self) -> list[int | None]:
        """Seeds at or below the trivial predictor, or whose predictions were all the same.

        On an adversarial task a low score is no failure: models that learn fall below the majority class there.
        """
        constant = frozenset().union(*(record.constant for record in self.records))
        return [seed for seed, value in self.values.items() if seed in constant or (self._low(value) and not self._odd)]

    @property
    def _odd(self) -> bool:
        return self.task.adversarial is not None

    def _low(self, value: float) -> bool:
        return value <= self.task.trivial.value

    @property
    def level(self) -> float:
        """90 %, or 95 % where seeds were added after a first verdict: two looks share the error of one."""
        return LEVEL_AFTER_EXTENSION if any(record.look == 2 for record in self.records) else LEVEL

    def term(self, weight: float = 1.0) -> Term:
        """This cell in a contrast."""
        return Term(weight, tuple(self.values.values()), self.task.spread.value)

    def notes(self) -> list[str]:
        """What a reader must know about these numbers beyond their spread: median, failed runs, other records."""
        label, trivial = self.task.label, self.task.trivial
        said = []
        if len(self.values) > 2:
            said.append(f"{label}: median {statistics.median(self.values.values()):.2f} of {len(self.values)} seeds")
        if self.failed:
            runs = ", ".join(f"{'' if s is None else f'seed {s}: '}{self.values[s]:.2f}" for s in self.failed)
            said.append(f"{label}: failed run ({runs}), at or below {trivial.predictor} ({trivial.value:.2f})")
        if self._odd and any(map(self._low, self.values.values())):
            said.append(f"{label}: at or below {trivial.predictor} ({trivial.value:.2f}); {self.task.adversarial}")
        if self.remark:
            said.append(f"{label}: measured on {self.records[0].first.model.id}, {self.remark}")
        said += [f"{label}: {record.first.note}" for record in self.records if record.first.note]
        return [*dict.fromkeys(said), *self.rivals]

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
        BadMeasurement: not finite, outside -100 to 100, a wrong number of examples, or a seed missing.
    """
    task = baselines.tasks[name]
    runs = _runs(pool, task, role, ids)
    chosen = runs[0]
    for part, record in zip(task.parts, chosen, strict=True):
        _check(part, record)
    seeds = set(chosen[0].values)
    for part, record in zip(task.parts, chosen, strict=True):
        odd = sorted(seeds ^ set(record.values), key=str)
        if odd:
            what = f"{task.parts[0].quantity} and {part.quantity} in {', '.join(record.origins)}"
            raise BadMeasurement(f"{what} are recorded for different seeds, one lacks {odd[0]}: run it")
    values = {
        seed: math.fsum(record.values[seed] for record in chosen) / len(chosen)
        for seed in sorted(seeds, key=lambda seed: (seed is not None, seed or 0))
    }
    rivals = [
        f"{task.label}: {', '.join(other.origins)} also has {other.first.quantity} (seeds: {len(other.values)}), unused"
        for other, *_ in runs[1:]
    ]
    remark = (ids or {}).get(chosen[0].first.model.id, "")
    return Scores(name, task, role, values, chosen, tuple(rivals), remark)


def _runs(pool: Pool, task: Task, role: Role, ids: Mapping[str, str] | None) -> list[tuple[Found, ...]]:
    """Runs that have every metric of a task, the strongest first: metrics of different runs are never averaged."""
    candidates = [pool.find(part.quantity, role, ids) for part in task.parts]
    for part, found in zip(task.parts, candidates, strict=True):
        if not found:
            raise NotRecorded(f"no evidence given has {part.quantity} of {ROLE_NAMES[role]}")
    runs = [
        tuple(record for found in candidates for record in found if record.same_run(first)) for first in candidates[0]
    ]
    whole = [run for run in runs if len(run) == len(task.parts)]
    if not whole:
        names = " and ".join(part.quantity for part in task.parts)
        raise NotRecorded(f"no evidence given has {names} of {ROLE_NAMES[role]} from the same runs")
    return whole


def cell(scores: Scores, bounds: Interval | None = None) -> Estimate:
    """The estimate of one cell: the mean over seeds, or the median where a run failed.

    `bounds` are the claim's where it prints this cell: if the trivial predictor lies inside them, nothing measured
    can decide the claim, and the estimate says so.
    """
    values = list(scores.values.values())
    estimate = median(values, scores.level) if scores.failed else contrast([scores.term()])
    trivial = scores.task.trivial
    if bounds is not None and agrees(trivial.value, bounds):
        hold = f"the margin admits {trivial.predictor} ({trivial.value:.1f}), so no measurement can decide this"
        estimate = replace(estimate, hold=hold)
    return _with(estimate, [scores], scores.level)


def combined(terms: Sequence[tuple[float, Scores]]) -> Estimate:
    """A weighted sum of cells: a Score, a gap, a difference of Scores. A failed run leaves it inconclusive."""
    estimate = contrast([scores.term(weight) for weight, scores in terms])
    return with_remarks(estimate, [scores for _, scores in terms])


def with_remarks(estimate: Estimate, all_scores: Sequence[Scores]) -> Estimate:
    """An estimate over several cells with their notes, marks, level, and a hold if a run among them failed."""
    level = max(scores.level for scores in all_scores)
    failed = dict.fromkeys(s.task.label for s in all_scores if s.failed)
    hold = f"a run failed on {', '.join(failed)}: a mean says more of it than of the model" if failed else None
    return _with(estimate, all_scores, level, hold)


def unlike_recipes(teachers: Sequence[Scores], students: Sequence[Scores]) -> str | None:
    """A sentence on what differs between the recipes of teacher and student, task by task; None if nothing does."""
    differences: dict[str, list[str]] = {}
    for teacher, student in zip(teachers, students, strict=True):
        one, two = (scores.records[0].first.recipe for scores in (teacher, student))
        values = (one.values if one else {}, two.values if two else {})
        for key in sorted(values[0].keys() | values[1].keys()):
            if values[0].get(key) != values[1].get(key):
                text = f"{key} {values[0].get(key)} v {values[1].get(key)}"
                differences.setdefault(text, []).append(teacher.task.label)
    if not differences:
        return None
    return "unlike recipes, teacher v student: " + "; ".join(f"{k} ({', '.join(v)})" for k, v in differences.items())


def _check(part: Part, record: Found) -> None:
    data = record.first.dataset
    if data is None or data.examples != part.examples:
        count = "an unknown number of" if data is None else f"{data.examples:,}"
        raise BadMeasurement(
            f"{part.quantity} in {record.origins[0]} was taken over {count} examples, and the data set has "
            f"{part.examples:,}: evaluate on all of them"
        )
    for seed, value in record.values.items():
        if not math.isfinite(value) or abs(value) > 100:
            which = "" if seed is None else f" for seed {seed}"
            raise BadMeasurement(f"{part.quantity} in {record.files[seed]} is {value}{which}: no score in points")
    missing = sorted(record.planned - {seed for seed in record.values if seed is not None})
    if missing:
        raise BadMeasurement(f"{part.quantity} in {record.origins[0]} lacks the planned seed {missing[0]}: run it")


def _with(estimate: Estimate, all_scores: Sequence[Scores], level: float, hold: str | None = None) -> Estimate:
    raw = {name: values for scores in all_scores for name, values in scores.raw().items()}
    notes = [*_borrowed(all_scores), *(note for scores in all_scores for note in scores.notes())]
    return replace(estimate.with_(notes=notes, hold=hold), level=level, raw=raw)


def _borrowed(all_scores: Sequence[Scores]) -> list[str]:
    """One sentence on the spreads that one or two seeds have to borrow, and from which models."""
    few = [scores for scores in all_scores if len(scores.values) <= 2]
    if not few:
        return []
    most = max(len(scores.values) for scores in few)
    spreads = dict.fromkeys(
        f"{scores.task.label} {spread.value:g} " + ("assumed" if spread.assumed else f"from {spread.model}")
        for scores in few
        for spread in [scores.task.spread]
    )
    return [f"{'one seed' if most == 1 else 'two seeds'} only, so the spread is borrowed: {'; '.join(spreads)}"]
