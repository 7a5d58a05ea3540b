"""What can be wrong with evidence that is well formed: numbers, seeds, examples, revisions, recipes."""

import math
from collections.abc import Iterable, Iterator
from itertools import chain

from judge.baselines import Baselines, RecipeName, Stated
from judge.claims import Role
from judge.datasets import pinned, split
from judge.evidence import Evidence, Measurement, Model
from judge.pool import scaled
from report.findings import Finding, listed, remark, wrong

ROLES: tuple[Role, Role] = ("teacher", "student")


def evidence_findings(name: str, evidence: Evidence, baselines: Baselines) -> Iterator[Finding]:
    """Everything to say about one file of evidence.

    Args:
        name: what to call it.
        evidence: its content.
        baselines: official numbers of examples, pinned revisions, recipes.
    """
    if not evidence.measurements:
        yield wrong(name, "it holds no measurement")
    unpinned: dict[str, None] = {}
    for number, measurement in enumerate(evidence.measurements):
        place = f"{name}, /measurements/{number} ({measurement.quantity}, {measurement.model.role})"
        for what in chain(_numbers(measurement), _data(measurement, baselines), _recipe(measurement, baselines)):
            yield wrong(place, what)
        for model in (measurement.model, measurement.versus):
            if model is not None:
                yield from (wrong(place, what) for what in _revision(model, baselines))
                if not model.revision and not model.digest:
                    unpinned[model.id] = None
    if unpinned:
        yield remark(name, f"neither revision nor digest is recorded of {listed(unpinned)}")
    yield from _seeds(name, evidence)
    yield from _recipes(name, evidence, baselines)


def _numbers(measurement: Measurement) -> Iterator[str]:
    """Numbers that are none, or that a score or a time cannot be."""
    odd = [value for value in measurement.values if not math.isfinite(value)]
    if odd:
        yield f"{len(odd):,} of {len(measurement.values):,} values are not finite ({listed(odd)})"
    far = [value for value in measurement.values if measurement.unit in ("fraction", "percent")]
    far = [value for value in far if math.isfinite(value) and abs(scaled(measurement, value)) > 100]
    if far:
        yield f"{listed(far)} is no score in {measurement.unit}"
    times = [time for pair in measurement.pairs for time in pair[1:] if not (math.isfinite(time) and time > 0)]
    if times:
        yield f"{len(times):,} times are no seconds above 0 ({listed(times)})"
    if measurement.duration_s is not None and not math.isfinite(measurement.duration_s):
        yield f"duration_s is {measurement.duration_s}"
    strange = sorted(set(measurement.constant) - set(measurement.seeds))
    if strange:
        yield f"'constant' names seeds without a value: {listed(strange)}"


def _data(measurement: Measurement, baselines: Baselines) -> Iterator[str]:
    """Scores must be taken over all examples of the pinned data sets."""
    part, data = baselines.parts().get(measurement.quantity), measurement.dataset
    if part is None:
        return
    if data is None:
        yield "it does not say which examples were scored"
        return
    if data.examples != part.examples:
        yield f"it was taken over {data.examples:,} examples, and the data set has {part.examples:,}"
    pin = pinned(measurement.quantity)
    if pin is not None and data.id != pin.id:
        yield f"it was taken on {data.id}, and the claims are about {pin.id}"
    elif pin is not None and data.revision not in (None, pin.revision):
        yield f"{data.id} was taken at revision {data.revision}, and {pin.revision} is pinned"
    if data.split != split(measurement.quantity):
        yield f"it was taken on the split {data.split}, and the claims are about {split(measurement.quantity)}"


def _revision(model: Model, baselines: Baselines) -> Iterator[str]:
    for card in (baselines.models.teacher, baselines.models.student):
        if model.id == card.id and model.revision not in (None, card.revision):
            yield f"{model.id} was taken at revision {model.revision}, and {card.revision} is pinned"


def _recipe(measurement: Measurement, baselines: Baselines) -> Iterator[str]:
    """Values that are not those of the recipe that the measurement names."""
    stated = _stated(measurement, baselines)
    recipe = measurement.recipe
    if stated is None or recipe is None:
        return
    for name, value in recipe.values.items():
        if name in stated and value != stated[name].value:
            yield f"{name} was {value}, and the recipe {recipe.name!r} says {stated[name].value}"
    if measurement.precision and "precision" in stated:
        allowed = str(stated["precision"].value)
        if measurement.precision not in allowed.split(" or "):
            yield f"precision was {measurement.precision}, and the recipe {recipe.name!r} says {allowed}"


def _stated(measurement: Measurement, baselines: Baselines) -> dict[str, Stated] | None:
    """What the named recipe says for the measurement's task; None where there is no such recipe or task."""
    name = recipe_name(measurement, baselines)
    for task, about in baselines.tasks.items():
        if name and measurement.quantity in [part.quantity for part in about.parts]:
            return baselines.recipes[name].fields(task, measurement.model.role)
    return None


def recipe_name(measurement: Measurement, baselines: Baselines) -> RecipeName | None:
    """The recipe of baselines/recipes.json that a measurement names, if it is one of them."""
    said = measurement.recipe.name if measurement.recipe else None
    return next((name for name in baselines.recipes if name == said), None)


def _seeds(name: str, evidence: Evidence) -> Iterator[Finding]:
    """Planned seeds that no record of the same measurement has, and seeds that nobody planned."""
    groups: dict[str, list[Measurement]] = {}
    for measurement in evidence.measurements:
        if measurement.seeds or measurement.planned:
            groups.setdefault(measurement.group(evidence.host), []).append(measurement)
    for records in groups.values():
        planned = {seed for record in records for seed in record.planned}
        present = {seed for record in records for seed in record.seeds}
        place = f"{name} ({records[0].quantity}, {records[0].model.role})"
        if planned - present:
            yield wrong(place, f"of {len(planned):,} planned seeds it lacks {listed(sorted(planned - present))}")
        if planned and present - planned:
            yield wrong(place, f"it has seeds that were not planned: {listed(sorted(present - planned))}")


def _recipes(name: str, evidence: Evidence, baselines: Baselines) -> Iterator[Finding]:
    """Recipes that nothing can be held against, and those in which teacher and student differ."""
    known = [m for m in evidence.measurements if m.recipe]
    others = dict.fromkeys(m.recipe.name for m in known if m.recipe and recipe_name(m, baselines) is None)
    if others:
        yield remark(
            name, f"{listed(map(repr, others))} is no recipe of baselines/recipes.json, so its values stand alone"
        )
    unlike: dict[str, dict[str, None]] = {}
    for measurement in known:
        for text in _differences(measurement, known):
            unlike.setdefault(text, {})[measurement.quantity.rsplit(".", 1)[0]] = None
    for text, tasks in unlike.items():
        yield remark(
            name,
            f"unlike recipes, teacher v student: {text} ({listed(tasks, 9)}); verdicts from them are marked so and "
            "make no badge",
        )


def _differences(teacher: Measurement, others: Iterable[Measurement]) -> Iterator[str]:
    """Values that the student's record of the same quantity and recipe has otherwise."""
    for student in others:
        one, two = teacher.recipe, student.recipe
        if (teacher.model.role, student.model.role) != ROLES or one is None or two is None:
            continue
        if (teacher.quantity, one.name) == (student.quantity, two.name):
            for key in sorted(one.values.keys() | two.values.keys()):
                if one.values.get(key) != two.values.get(key):
                    yield f"{key} {one.values.get(key)} v {two.values.get(key)}"
