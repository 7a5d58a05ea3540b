"""What the paper says of GLUE as a whole: the Score, how much of it is retained, and the comparison with ELMo."""

import math
from collections.abc import Sequence
from dataclasses import replace

from judge.baselines import GLUE, Baselines
from judge.cells import cell, combined, over, unlike_recipes
from judge.claims import Claim
from judge.rule import Part
from judge.scores import Scores, printed_cell
from judge.statistics import Estimate, exact, ratio, seeds_to_settle
from judge.verdicts import agrees, digits


def score(all_scores: Sequence[Scores]) -> Estimate:
    """The macro-score: the plain mean of the task scores, WNLI included, as the paper's (ELMo's row proves it)."""
    return combined([(1 / len(all_scores), scores) for scores in all_scores])


def retention(teachers: Sequence[Scores], students: Sequence[Scores], claim: Claim) -> Estimate:
    """Student's Score over teacher's, in percent, with Fieller's interval; without WNLI as a note."""
    estimate = _share(teachers, students)
    notes = [f"Scores: teacher {score(teachers).value:.2f}, student {score(students).value:.2f}"]
    rest = [decidable(side) for side in (teachers, students)]
    if 0 < len(rest[0]) < len(teachers):
        gone = ", ".join(scores.task.label for scores in teachers if scores not in rest[0])
        notes.append(_second_reading(f"without {gone}", _share(*rest), claim))
    recipes = unlike_recipes(teachers, students)
    return estimate.with_(notes=notes + ([recipes] if recipes else []), marks=["unlike recipes"] if recipes else [])


def decidable_tasks(baselines: Baselines) -> list[str]:
    """The tasks that can be decided by themselves, by the printed cells of the student."""
    cells = {task: printed_cell(baselines, task, "student") for task in GLUE}
    return [task for task, cell in cells.items() if cell and not agrees(baselines.tasks[task].trivial.value, cell[1])]


def decidable(all_scores: Sequence[Scores]) -> list[Scores]:
    """The tasks that can be decided by themselves: all but WNLI, whose printed cells the majority class satisfies."""
    return [scores for scores in all_scores if scores.printed is None]


def on_par_with_elmo(students: Sequence[Scores], baselines: Baselines) -> list[Part]:
    """One part per task: the student's score less ELMo's printed one.

    It may be below 0 by the margin of the student's printed cell, but not below the trivial predictor's score. Where
    the trivial predictor satisfies the printed cell, a verdict must be the same with the printed cell in its place.
    """
    table, parts = baselines.paper.tables["table1"], []
    for scores in students:
        elmo = table.number("ELMo", scores.task.label)
        printed = printed_cell(baselines, scores.name, scores.role)
        assert printed is not None
        published, bounds = printed
        low, estimate = bounds[0] - published, cell(scores)
        if scores.printed is None:
            low = max(low, scores.task.trivial.value - elmo)
        else:
            instead = ((scores.task.label, exact(scores.printed)),)
            elsewhere = tuple((host, replace(other, instead=instead)) for host, other in estimate.elsewhere)
            estimate = replace(estimate, instead=instead, elsewhere=elsewhere)
        parts.append(Part(scores.task.label, shifted(estimate, -elmo), (low, math.inf)))
    return parts


def gap(teacher: Scores, student: Scores) -> Estimate:
    """How far the student is behind, in points, with a mark where the two were not fine-tuned alike."""
    estimate = combined([(1.0, teacher), (-1.0, student)])
    recipes = unlike_recipes([teacher], [student])
    return estimate.with_(notes=[recipes], marks=["unlike recipes"]) if recipes else estimate


def shifted(estimate: Estimate, by: float) -> Estimate:
    """The estimate of a value plus a constant, which moves its interval as far."""

    def interval(level: float) -> tuple[float, float]:
        low, high = estimate.interval(level)
        return low + by, high + by

    return replace(
        estimate,
        value=estimate.value + by,
        interval=interval,
        instead=tuple((what, shifted(other, by)) for what, other in estimate.instead),
        elsewhere=tuple((host, shifted(other, by)) for host, other in estimate.elsewhere),
    )


def _share(teachers: Sequence[Scores], students: Sequence[Scores]) -> Estimate:
    number, weight = len(teachers), 1 / len(teachers)

    def share(cells: Sequence[Scores]) -> Estimate:
        return ratio([s.term(weight) for s in cells[number:]], [t.term(weight) for t in cells[:number]])

    return over([*teachers, *students], share)


def _second_reading(name: str, estimate: Estimate, claim: Claim) -> str:
    if math.isnan(estimate.value):
        return f"{name}: no value"
    low, high = estimate.interval(estimate.level)
    value, low_text, high_text = (digits(v, claim.precision, claim.bounds) for v in (estimate.value, low, high))
    settle = seeds_to_settle(estimate, claim.bounds)
    after = f", about {settle} seeds would settle it" if settle and low < claim.bounds[0] <= high else ""
    return f"{name}: {value} % [{low_text}, {high_text}]{after}"
