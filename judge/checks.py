"""What must be right with a measurement before it is judged: `report check` and the judge ask the same questions.

Whatever fails here is an error with its reason, never a verdict.
"""

import difflib
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence

from judge.baselines import Baselines, RecipeName, Stated
from judge.claims import Claim
from judge.datasets import pinned, split
from judge.evidence import Measurement, Model, Plain
from judge.quantities import quantities
from judge.verdicts import BadMeasurement

SCORE_UNITS = ("fraction", "percent")
COUNT_UNITS = ("count", "parameters", "M")
FEWEST_PAIRS = 10
# What an encoder may lack altogether.
MAY_BE_NONE = ("pooler", "token_types", "heads")
MOST_NAMED = 3


def require_sound(records: Sequence[Measurement], origins: Sequence[str], baselines: Baselines) -> None:
    """Refuse records of one measurement for the first thing that is wrong with them.

    Args:
        records: what is about to be judged together.
        origins: the files that they came from.
        baselines: what they are held against.

    Raises:
        BadMeasurement: something is.
    """
    for record in records:
        for problem in problems(record, baselines):
            raise BadMeasurement(f"{record.quantity} in {', '.join(origins)}: {problem}")
    for problem in seed_problems(records):
        raise BadMeasurement(f"{records[0].quantity} in {', '.join(origins)}: {problem}")


def problems(measurement: Measurement, baselines: Baselines) -> Iterator[str]:
    """Everything that keeps one measurement from being judged, each as a part of a sentence.

    Args:
        measurement: what was recorded.
        baselines: official numbers of examples, pinned revisions, recipes, and the settings that claims ask for.
    """
    yield from _unit(measurement, baselines)
    yield from _numbers(measurement)
    yield from _data(measurement, baselines)
    yield from _recipe(measurement, baselines)
    yield from _times(measurement, baselines)
    for model in measurement.models:
        yield from _revision(model, baselines)


def seed_problems(records: Sequence[Measurement]) -> Iterator[str]:
    """What is wrong with the seeds of the records of one measurement, taken together."""
    planned = {seed for record in records for seed in record.planned}
    present = {seed for record in records for seed in record.seeds}
    chosen = {seed for record in records if record.planned for seed in record.seeds}
    if planned - present:
        yield f"of {len(planned):,} planned seeds it lacks {listed(sorted(planned - present))}"
    if chosen - planned:
        yield f"it has seeds that were not planned: {listed(sorted(chosen - planned))}"
    if present and any(record.values and not record.seeds for record in records):
        yield "it has a value without a seed beside values with seeds, which may be one of them again"


def unknown_quantity(quantity: str, baselines: Baselines) -> str | None:
    """The nearest known name of a quantity that no claim is about; empty where none is near, None for a known one."""
    found = [quantities(claim.id, baselines) for claim in baselines.paper.claims if claim.about]
    names = {name for known, _ in found for name in known}
    if quantity in names or any(quantity.startswith(prefixes) for _, prefixes in found if prefixes):
        return None
    return next(iter(difflib.get_close_matches(quantity, sorted(names), n=1, cutoff=0.8)), "")


def known_model(model: str, baselines: Baselines) -> str | None:
    """The id that was meant by one without its owner, as distilbert-base-uncased; None where nothing is amiss."""
    return next((name for name in baselines.models.ids if name != model and name.split("/")[-1] == model), None)


def recipe_name(measurement: Measurement, baselines: Baselines) -> RecipeName | None:
    """The recipe of baselines/recipes.json that a measurement names, if it is one of them."""
    said = measurement.recipe.name if measurement.recipe else None
    return next((name for name in baselines.recipes if name == said), None)


def listed(things: Iterable[object], most: int = MOST_NAMED) -> str:
    """The first few, and how many more there are: `1, 2, 3 and 9,997 more`."""
    said = [str(thing) for thing in things]
    return ", ".join(said[:most]) + (f" and {len(said) - most:,} more" if len(said) > most else "")


def _unit(measurement: Measurement, baselines: Baselines) -> Iterator[str]:
    """A unit that the quantity cannot have, and scores on the other scale than their unit says."""
    unit, values = measurement.unit, [value for value in measurement.values if math.isfinite(value)]
    allowed = _units(measurement, baselines)
    if allowed and unit not in allowed:
        yield f"its unit is {unit!r}, which is not a unit of this quantity: {' or '.join(allowed)}"
    elif unit == "fraction" and allowed and any(abs(value) > 1 for value in values):
        above = [value for value in values if abs(value) > 1]
        yield f"{listed(above)} in 'fraction' is a scale error: a fraction is at most 1, so the unit may be 'percent'"
    elif unit == "percent" and allowed and any(values) and all(abs(value) < 1 for value in values):
        yield f"{listed(values)} in 'percent' is a scale error: all are below 1, so the unit may be 'fraction'"


def _units(measurement: Measurement, baselines: Baselines) -> tuple[str, ...]:
    """The units that a quantity may be recorded in; empty where the suite does not know it."""
    if measurement.pairs or _timing_claim(measurement.quantity, baselines):
        return ("seconds",)
    if measurement.quantity in baselines.parts():
        return SCORE_UNITS
    return COUNT_UNITS if measurement.quantity.startswith("architecture.") else ()


def _numbers(measurement: Measurement) -> Iterator[str]:
    """Numbers that are none, or that a score, a time or a duration cannot be."""
    odd = [value for value in measurement.values if not math.isfinite(value)]
    if odd:
        which = [f"seed {s}" for s, v in zip(measurement.seeds, measurement.values, strict=False) if v in odd or v != v]
        where = f", {listed(which)}" if which else ""
        yield f"{len(odd):,} of {len(measurement.values):,} values are not finite ({listed(odd)}{where})"
    if measurement.unit == "percent":
        far = [value for value in measurement.values if math.isfinite(value) and abs(value) > 100]
        if far:
            yield f"{listed(far)} is not a score in {measurement.unit}"
    if measurement.quantity.startswith("architecture."):
        if measurement.seeds:
            yield "a count has no seed"
        if measurement.values == (0,) and measurement.quantity.removeprefix("architecture.") not in MAY_BE_NONE:
            yield "it is 0, which no encoder has"
    if measurement.duration_s is not None and not (
        math.isfinite(measurement.duration_s) and measurement.duration_s > 0
    ):
        yield f"duration_s is {measurement.duration_s}, which is not a duration"
    strange = sorted(set(measurement.constant or ()) - set(measurement.seeds))
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
    """The values of the named recipe for the measurement's task; None if the recipe or the task is unknown."""
    name = recipe_name(measurement, baselines)
    for task, about in baselines.tasks.items():
        if name and measurement.quantity in [part.quantity for part in about.parts]:
            return baselines.recipes[name].fields(task, measurement.model.role)
    return None


def _times(measurement: Measurement, baselines: Baselines) -> Iterator[str]:
    """Times that are none, too few of them, one order only, or another device than the claim's."""
    if measurement.unit == "seconds":
        taken = [second for pair in measurement.pairs for second in pair[1:]] or list(measurement.values)
        odd = [second for second in taken if not (math.isfinite(second) and second > 0)]
        if odd:
            yield f"{len(odd):,} times are not seconds above 0 ({listed(odd)})"
    claim = _timing_claim(measurement.quantity, baselines)
    for name, value in _fixed(claim).items():
        found = measurement.how.get(name)
        if found is not None and found != value:
            yield f"it was timed with {name} {found}, and the claim is about {name} {value}"
    if not measurement.pairs:
        return
    if _fixed(claim).get("device") == "cuda" and measurement.how.get("device") is None:
        yield "it does not say on which device it was timed: add 'device' to its 'how'"
    if claim and claim.id.startswith("speed.depth"):
        yield from _narrow(measurement)
    if len(measurement.pairs) < FEWEST_PAIRS:
        yield f"it holds {len(measurement.pairs)} pairs of times, and a ratio takes at least {FEWEST_PAIRS}"
    if len({first for first, _, _ in measurement.pairs}) < 2:
        yield "it was measured in one order only, and pairs must alternate"


def _narrow(measurement: Measurement) -> Iterator[str]:
    """Another model than one with narrower layers and no more parameters than the student."""
    if measurement.versus is not None and measurement.versus.role != "student_narrow":
        yield f"it was timed against {measurement.versus.id}, which is not a model with narrower layers"
    narrow, student = (measurement.how.get(f"parameters_{name}") for name in ("narrow", "student"))
    if isinstance(narrow, int) and isinstance(student, int) and narrow > student:
        yield f"the narrower model has {narrow:,} parameters, more than the student's {student:,}"


def _timing_claim(quantity: str, baselines: Baselines) -> Claim | None:
    """The claim whose times have this name."""
    claims = [claim for claim in baselines.paper.claims if claim.setting is not None]
    return next((claim for claim in claims if quantity == claim.id or quantity.startswith(f"{claim.id}.")), None)


def _fixed(claim: Claim | None) -> Mapping[str, Plain]:
    """The part of a claim's setting without which it would be another claim."""
    setting = (claim.setting or {}) if claim else {}
    return {name: setting[name] for name in ("device", "batch") if name in setting}
