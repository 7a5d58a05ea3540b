"""Estimates from scores: a cell, several cells together, and what a verdict on them must survive."""

from collections.abc import Callable, Sequence
from dataclasses import replace

from judge.claims import ROLE_NAMES, Role
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
    admits = bounds is not None and agrees(trivial.value, bounds)
    hold = f"the margin admits {trivial.predictor} ({trivial.value:.1f}), so no measurement can decide this"

    def estimate(chosen: Scores) -> Estimate:
        return replace(_cell(chosen), hold=hold) if admits else _cell(chosen)

    elsewhere = tuple((host, estimate(scores.at(host))) for host in _hosts([scores]))
    return replace(_with(estimate(scores), [scores]), elsewhere=elsewhere)


def _cell(scores: Scores) -> Estimate:
    values, failed = list(scores.values.values()), scores.failed
    if not failed:
        return replace(contrast([scores.term()]), level=scores.level)
    estimate = median(values, scores.level)
    return replace(estimate, hold=_all_failed([scores]) or estimate.hold)


def over(cells: Sequence[Scores], make: Callable[[Sequence[Scores]], Estimate]) -> Estimate:
    """An estimate over several cells, with the other readings that a verdict on it must survive.

    Those are: the cells that nothing can decide at their printed values, the cells without their failed runs, and both.
    What other hosts measured, with these cells where they measured none, is made into an estimate too, and shown.
    """
    elsewhere = []
    for host in _hosts(cells):
        theirs = [scores.at(host) for scores in cells]
        labels = dict.fromkeys(there.task.label for there in theirs if there.host == host)
        whole = all(there.host == host for there in theirs)
        elsewhere.append((host if whole else f"{host} ({', '.join(labels)} only)", _readings(theirs, make)))
    return replace(_with(_readings(cells, make), cells), elsewhere=tuple(elsewhere))


def _readings(cells: Sequence[Scores], make: Callable[[Sequence[Scores]], Estimate]) -> Estimate:
    """The estimate over these cells, with its readings without what is doubtful."""
    level = max(scores.level for scores in cells)

    def estimate(chosen: Sequence[Scores]) -> Estimate:
        return replace(make(chosen), level=level)

    hold = _all_failed(cells)
    doubts = {
        ", ".join(dict.fromkeys(scores.task.label for scores in cells if scores.printed is not None)): Scores.as_printed
    }
    failed = ", ".join(dict.fromkeys(scores.task.label for scores in cells if scores.failed))
    if failed and not hold:
        doubts[f"a failed run on {failed}"] = Scores.without_failed
    doubts.pop("", None)
    instead = [(what, estimate([clear(scores) for scores in cells])) for what, clear in doubts.items()]
    if len(doubts) > 1:
        both = [scores.as_printed().without_failed() for scores in cells]
        instead.append((" with ".join(doubts), estimate(both)))
    return replace(estimate(cells), instead=tuple(instead)).with_(hold=hold)


def combined(terms: Sequence[tuple[float, Scores]]) -> Estimate:
    """A weighted sum of cells: a Score, a gap, a difference of Scores."""
    weights = [weight for weight, _ in terms]
    return over(
        [scores for _, scores in terms],
        lambda cells: contrast([one.term(weight) for weight, one in zip(weights, cells, strict=True)]),
    )


def unlike_recipes(teachers: Sequence[Scores], students: Sequence[Scores]) -> str | None:
    """A sentence on what differs between the recipes of teacher and student, task by task; None if nothing does.

    A recipe that is not on record differs from any, and so do a cased and an uncased model. The two are named by their
    roles.
    """
    differences: dict[str, list[str]] = {}
    for teacher, student in zip(teachers, students, strict=True):
        for text in _differences(teacher, student):
            differences.setdefault(text, []).append(teacher.task.label)
    if not differences:
        return None
    names = " v ".join(_name(side[0].role) for side in (teachers, students))
    return f"unlike recipes, {names}: " + "; ".join(f"{k} ({', '.join(v)})" for k, v in differences.items())


def _name(role: Role) -> str:
    return ROLE_NAMES[role].removeprefix("the ")


def _differences(teacher: Scores, student: Scores) -> list[str]:
    one, two = (scores.records[0].first for scores in (teacher, student))
    said = [
        f"the recipe of {ROLE_NAMES[scores.role]} is not on record"
        for scores in (teacher, student)
        if scores.records[0].first.recipe is None
    ]
    casing = [first.model.casing for first in (one, two)]
    if None not in casing and casing[0] != casing[1]:
        said.append(f"{casing[0]} v {casing[1]}")
    if one.recipe is None or two.recipe is None:
        return said
    values = (one.recipe.values, two.recipe.values)
    keys = sorted(values[0].keys() | values[1].keys())
    unlike = [f"{k} {values[0].get(k)} v {values[1].get(k)}" for k in keys if values[0].get(k) != values[1].get(k)]
    if not unlike and one.recipe.name != two.recipe.name:
        unlike = [f"recipe {one.recipe.name} v {two.recipe.name}"]
    return said + unlike


def _hosts(cells: Sequence[Scores]) -> list[str]:
    """The other hosts and runs that measured some of these cells."""
    return sorted({other.host for scores in cells for other in scores.others if other.host != scores.host})


def _all_failed(cells: Sequence[Scores]) -> str | None:
    """Why nothing can be said where hardly a run of a cell is left that did not fail."""
    for scores in cells:
        left = len(scores.values) - len(scores.failed)
        if scores.failed and left < FEWEST_BESIDE_FAILED:
            kinds = " or ".join(said.rsplit(": ", 1)[1] for said in scores.failures())
            return f"{len(scores.failed)} of {len(scores.values)} runs on {scores.task.label} failed ({kinds})"
    return None


def _with(estimate: Estimate, all_scores: Sequence[Scores]) -> Estimate:
    raw = {name: values for scores in all_scores for name, values in scores.raw().items()}
    notes = [*_borrowed(all_scores), *(note for scores in all_scores for note in scores.notes())]
    return replace(estimate.with_(notes=notes), raw=raw)


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
