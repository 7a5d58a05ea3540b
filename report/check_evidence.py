"""What can be wrong with evidence that is well formed: numbers, seeds, examples, revisions, recipes."""

from collections.abc import Iterable, Iterator

from judge.baselines import Baselines
from judge.checks import known_model, listed, problems, recipe_name, seed_problems, unknown_quantity
from judge.claims import Role
from judge.evidence import Evidence, Measurement
from report.findings import Finding, remark, wrong

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
        yield from (wrong(place, what) for what in problems(measurement, baselines))
        yield from _names(place, measurement, baselines)
        for model in (measurement.model, measurement.versus):
            # What `speed.depth` times beside the student is made by this suite and has neither.
            if model and model.role != "student_narrow" and not model.revision and not model.digest:
                unpinned[model.id] = None
    if unpinned:
        yield remark(name, f"neither revision nor digest is recorded of {listed(unpinned)}")
    yield from _seeds(name, evidence)
    yield from _recipes(name, evidence, baselines)


def _seeds(name: str, evidence: Evidence) -> Iterator[Finding]:
    """Planned seeds that no record of the same measurement has, and seeds that nobody planned."""
    groups: dict[str, list[Measurement]] = {}
    for measurement in evidence.measurements:
        if measurement.values:
            groups.setdefault(measurement.group(evidence.host), []).append(measurement)
    for records in groups.values():
        place = f"{name} ({records[0].quantity}, {records[0].model.role})"
        yield from (wrong(place, what) for what in seed_problems(records))


def _names(place: str, measurement: Measurement, baselines: Baselines) -> Iterator[Finding]:
    """A quantity that no claim is about, and a model's id without its owner."""
    near = unknown_quantity(measurement.quantity, baselines)
    if near:
        yield wrong(place, f"no claim is about this quantity: did you mean {near}?")
    elif near is not None:
        yield remark(place, "no claim is about this quantity")
    for model in (measurement.model, measurement.versus):
        if model is not None and (meant := known_model(model.id, baselines)):
            yield wrong(place, f"{model.id} is not a model of the claims: did you mean {meant}?")


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
