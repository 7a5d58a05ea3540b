"""Estimates from scores: a cell, several cells together, and what a verdict on them must survive."""

from collections.abc import Callable, Sequence
from dataclasses import replace

from judge.scores import Scores
from judge.statistics import Estimate, Interval, contrast, median
from judge.verdicts import agrees

# A failed run leaves at least so many others, or nothing is left that could be judged without it.
FEWEST_BESIDE_FAILED = 3


def cell(scores: Scores, bounds: Interval | None = None) -> Estimate:
    """The estimate of one cell: the mean over seeds, or the median where a run failed.

    `bounds` are the claim's where it prints this cell: if the trivial predictor lies inside them, nothing measured
    can decide the claim, and the estimate says so.
    """
    trivial = scores.task.trivial
    estimate = _cell(scores)
    if bounds is not None and agrees(trivial.value, bounds):
        hold = f"the margin admits {trivial.predictor} ({trivial.value:.1f}), so no measurement can decide this"
        estimate = replace(estimate, hold=hold)
    elsewhere = tuple((host, _cell(scores.at(host))) for host in _hosts([scores]))
    return replace(_with(estimate, [scores]), elsewhere=elsewhere)


def _cell(scores: Scores) -> Estimate:
    values, failed = list(scores.values.values()), scores.failed
    if not failed:
        return replace(contrast([scores.term()]), level=scores.level)
    estimate = median(values, scores.level)
    return replace(estimate, hold=_all_failed([scores]) or estimate.hold)


def over(cells: Sequence[Scores], make: Callable[[Sequence[Scores]], Estimate]) -> Estimate:
    """An estimate over several cells, with the other readings that a verdict on it must survive.

    Those are: the cells that nothing can decide at their printed values, and the cells without their failed runs. What
    other hosts measured is made into an estimate too, and shown.
    """
    level = max(scores.level for scores in cells)

    def estimate(chosen: Sequence[Scores]) -> Estimate:
        return replace(make(chosen), level=level)

    open_ = list(dict.fromkeys(scores.task.label for scores in cells if scores.printed is not None))
    failed = list(dict.fromkeys(scores.task.label for scores in cells if scores.failed))
    instead = []
    if open_:
        instead.append((", ".join(open_), estimate([scores.as_printed() for scores in cells])))
    hold = _all_failed(cells)
    if failed and not hold:
        what = f"a failed run on {', '.join(failed)}"
        instead.append((what, estimate([scores.without_failed() for scores in cells])))
    elsewhere = [(host, estimate([scores.at(host) for scores in cells])) for host in _hosts(cells)]
    whole = replace(estimate(cells), instead=tuple(instead), elsewhere=tuple(elsewhere))
    return _with(whole, cells, hold)


def combined(terms: Sequence[tuple[float, Scores]]) -> Estimate:
    """A weighted sum of cells: a Score, a gap, a difference of Scores."""
    weights = [weight for weight, _ in terms]
    return over(
        [scores for _, scores in terms],
        lambda cells: contrast([one.term(weight) for weight, one in zip(weights, cells, strict=True)]),
    )


def unlike_recipes(teachers: Sequence[Scores], students: Sequence[Scores]) -> str | None:
    """A sentence on what differs between the recipes of teacher and student, task by task; None if nothing does.

    A recipe that is not on record differs from any, and so do a cased and an uncased model.
    """
    differences: dict[str, list[str]] = {}
    for teacher, student in zip(teachers, students, strict=True):
        for text in _differences(teacher, student):
            differences.setdefault(text, []).append(teacher.task.label)
    if not differences:
        return None
    return "unlike recipes, teacher v student: " + "; ".join(f"{k} ({', '.join(v)})" for k, v in differences.items())


def _differences(teacher: Scores, student: Scores) -> list[str]:
    one, two = (scores.records[0].first for scores in (teacher, student))
    said = [
        f"the {role}'s recipe is not on record"
        for role, first in (("teacher", one), ("student", two))
        if first.recipe is None
    ]
    casing = [first.model.casing for first in (one, two)]
    if None not in casing and casing[0] != casing[1]:
        said.append(f"{casing[0]} v {casing[1]}")
    if one.recipe is None or two.recipe is None:
        return said
    values = (one.recipe.values, two.recipe.values)
    keys = sorted(values[0].keys() | values[1].keys())
    return said + [
        f"{key} {values[0].get(key)} v {values[1].get(key)}" for key in keys if values[0].get(key) != values[1].get(key)
    ]


def _hosts(cells: Sequence[Scores]) -> list[str]:
    """The other hosts and runs that measured some of these cells."""
    return sorted({other.host for scores in cells for other in scores.others if other.host != scores.host})


def _all_failed(cells: Sequence[Scores]) -> str | None:
    """Why nothing can be said where hardly a run of a cell is left that did not fail."""
    for scores in cells:
        left = len(scores.values) - len(scores.failed)
        if scores.failed and left < FEWEST_BESIDE_FAILED:
            kind = scores.failures()[0].rsplit(": ", 1)[1]
            return f"{len(scores.failed)} of {len(scores.values)} runs on {scores.task.label} failed ({kind})"
    return None


def _with(estimate: Estimate, all_scores: Sequence[Scores], hold: str | None = None) -> Estimate:
    raw = {name: values for scores in all_scores for name, values in scores.raw().items()}
    notes = [*_borrowed(all_scores), *(note for scores in all_scores for note in scores.notes())]
    return replace(estimate.with_(notes=notes, hold=hold), raw=raw)


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
