"""What the paper says of GLUE as a whole: the Score, how much of it is retained, and the comparison with ELMo."""

from collections.abc import Sequence
from dataclasses import replace

from judge.baselines import Baselines
from judge.claims import Claim
from judge.scores import Scores, cell, combined, unlike_recipes, with_remarks
from judge.statistics import Estimate, ratio, seeds_to_settle
from judge.verdicts import Part, digits


def score(all_scores: Sequence[Scores]) -> Estimate:
    """The macro-score: the plain mean of the task scores, WNLI included, as the paper's (ELMo's row proves it)."""
    return combined([(1 / len(all_scores), scores) for scores in all_scores])


def retention(teachers: Sequence[Scores], students: Sequence[Scores], claim: Claim) -> Estimate:
    """Student's Score over teacher's, in percent, with Fieller's interval; without WNLI as a note."""
    estimate = with_remarks(_share(teachers, students), [*teachers, *students])
    notes = [f"Scores: teacher {score(teachers).value:.2f}, student {score(students).value:.2f}"]
    rest = [[s for s in side if s.name != "wnli"] for side in (teachers, students)]
    if 0 < len(rest[0]) < len(teachers):
        notes.append(_second_reading("without WNLI", _share(*rest), claim))
    recipes = unlike_recipes(teachers, students)
    return estimate.with_(notes=notes + ([recipes] if recipes else []), marks=["unlike recipes"] if recipes else [])


def on_par_with_elmo(students: Sequence[Scores], baselines: Baselines) -> list[Part]:
    """One part per task: the student's score less ELMo's printed one, which may be below 0 by the cell's margin."""
    table, parts = baselines.paper.tables["table1"], []
    for scores in students:
        elmo = table.number("ELMo", scores.task.label)
        margin = baselines.claims[f"glue.{scores.name}.distilbert"].margin.value
        parts.append(Part(scores.task.label, shifted(cell(scores), -elmo), (-margin, float("inf"))))
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

    return replace(estimate, value=estimate.value + by, interval=interval)


def _share(teachers: Sequence[Scores], students: Sequence[Scores]) -> Estimate:
    weight = 1 / len(teachers)
    return ratio([s.term(weight) for s in students], [t.term(weight) for t in teachers])


def _second_reading(name: str, estimate: Estimate, claim: Claim) -> str:
    low, high = estimate.interval(estimate.level)
    value, low_text, high_text = (digits(v, claim.precision, claim.bounds) for v in (estimate.value, low, high))
    settle = seeds_to_settle(estimate, claim.bounds)
    after = f", about {settle} seeds would settle it" if settle and low < claim.bounds[0] <= high else ""
    return f"{name}: {value} % [{low_text}, {high_text}]{after}"
