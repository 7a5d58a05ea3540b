"""Ratios of time, from recorded pairs: which estimate applies, and when a ratio is too close to its bound."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

from judge.baselines import Baselines
from judge.checks import require_sound
from judge.claims import Claim
from judge.evidence import Measurement, Plain
from judge.pool import Launches, host_name
from judge.statistics import Estimate, between, over_launches, pair_ratio
from judge.verdicts import BadMeasurement, digits

CLOSE = 0.05
LAUNCHES = 5
# What tells times of the same quantity apart.
SHOWN = ("device", "batch", "threads", "tokenisation")


def speedup(groups: Sequence[Launches], claim: Claim, baselines: Baselines) -> Estimate:
    """How many times as fast the student is, from the strongest group of launches; the others are listed.

    Args:
        groups: launches by host and setting, the strongest first, as `Pool.paired` gives them.
        claim: for its bound and the setting that it asks for.
        baselines: to check the times against.

    Raises:
        BadMeasurement: what is judged is not whole, or was timed otherwise than the claim says.
    """
    first, *others = groups
    setting = claim.setting or {}
    estimate = _ratio(first, claim, baselines)
    notes = [
        f"timed with {deviation}, and the claim asks for {_wanted(deviation, setting)}"
        for deviation in first.deviations(setting)
    ]
    elsewhere = []
    for group in others:
        try:
            other = _ratio(group, claim, baselines)
        except BadMeasurement as error:
            notes.append(f"left out: {error}")
            continue
        if host_name(group.host) != host_name(first.host) and group.deviations(setting) == first.deviations(setting):
            elsewhere.append((host_name(group.host), other))
        else:
            notes.append(f"{_which(group, first)}: {interval_text(other)}, not judged")
    return replace(estimate.with_(notes=notes), elsewhere=tuple(elsewhere))


def _ratio(group: Launches, claim: Claim, baselines: Baselines) -> Estimate:
    """The ratio from the pairs of one launch, or of a few taken together.

    One within 5 % of the bound needs 5 launches or more, since what differs between launches (memory layout, clock,
    neighbours) is not in the pairs of one, and is then judged by t over launches.
    """
    launches, bound = group.measurements, claim.bounds[0]
    require_sound(launches, list(dict.fromkeys(group.files)), baselines)
    ratios = [pair_ratio(m.pairs).value for m in launches]
    pooled = pair_ratio([pair for m in launches for pair in m.pairs])
    estimate = over_launches(ratios) if len(launches) >= LAUNCHES else pooled
    count = f"{sum(len(m.pairs) for m in launches)} interleaved pairs in {len(launches)} launch(es)"
    hold = None
    if len(launches) < LAUNCHES and abs(pooled.value / bound - 1) <= CLOSE:
        hold = f"{pooled.value:.3f} is within 5 % of the bound {bound:g}: it takes {LAUNCHES} launches to decide that"
    raw = {
        "teacher (s)": [teacher for m in launches for _, teacher, _ in m.pairs],
        "student (s)": [student for m in launches for _, _, student in m.pairs],
    }
    return replace(estimate.with_(notes=[count, *pooled.notes], hold=hold), raw=raw)


def interval_text(estimate: Estimate) -> str:
    """A ratio with its interval: `1.99x [1.96, 2.04]`."""
    low, high = (digits(end, 0.01) for end in estimate.interval(estimate.level))
    return f"{digits(estimate.value, 0.01)}x [{low}, {high}]"


def _wanted(deviation: str, setting: Mapping[str, Plain]) -> str:
    name = deviation.split(" ", 1)[0]
    return f"{name} {setting[name]}"


def _which(group: Launches, first: Launches) -> str:
    """What tells other launches from those that are judged: the precision, the threads, the host."""
    one, other = first.measurements[0], group.measurements[0]
    said = [str(other.precision)] if other.precision != one.precision else []
    said += [f"{name} {value}" for name, value in other.how.items() if name in SHOWN and one.how.get(name) != value]
    said += [f"on {host_name(group.host)}"] if group.host != first.host else []
    return ", ".join(said) or "timed otherwise"


def remarks(measurement: Measurement, baselines: Baselines) -> list[str]:
    """What a reader must know of the pass, the machine and the models that were timed."""
    how, said = measurement.how, []
    if how.get("tokenisation"):
        said += _pass_remarks(measurement, baselines)
    if how.get("parameters_narrow") and how.get("parameters_student"):
        other = measurement.versus.id if measurement.versus else ""
        counts = [int(how.get(f"parameters_{name}") or 0) / 1e6 for name in ("narrow", "student")]
        said.append(f"{other}: {counts[0]:.1f} M parameters, the student {counts[1]:.1f} M")
    if how.get("processor_quota"):
        said.append(f"the container may use {how['processor_quota']} processors, and pauses when it has used them up")
    if how.get("neighbours"):
        said.append(f"the GPU was busy: {how['neighbours']} ran on it too")
    return [*said, *([f"weights: {how['weights']}"] if how.get("weights") else [])]


def _pass_remarks(measurement: Measurement, baselines: Baselines) -> list[str]:
    """Totals of a full pass, the ratio without tokenisation, and the overhead that the pass implies."""
    teacher, student = sum(pair[1] for pair in measurement.pairs), sum(pair[2] for pair in measurement.pairs)
    texts = [measurement.how.get(f"tokenisation_{role}_s") for role in ("teacher", "student")]
    table, column = baselines.paper.tables["table3"], "Inf. time (seconds)"
    papers = table.number("BERT-base", column) / table.number("DistilBERT", column)
    layers = overhead_in_layers(teacher / student)
    said = [f"it implies an overhead of {layers:.2f} layers' time, the paper's own {overhead_in_layers(papers):.2f}"]
    one, two = (float(text) if isinstance(text, int | float) else math.nan for text in texts)
    if one < teacher and two < student:
        return [
            f"full pass: {teacher:.1f} s v {student:.1f} s, of it tokenisation {one:.1f} s v {two:.1f} s",
            f"forward only, over the same pairs: {(teacher - one) / (student - two):.3f}x",
            *said,
        ]
    return [f"full pass: {teacher:.1f} s v {student:.1f} s", *said]


def single_pass(teacher: float, student: float) -> Estimate:
    """A ratio of two totals that were taken once each: a value without an interval.

    Raises:
        BadMeasurement: a time is not a positive number.
    """
    for seconds in (teacher, student):
        if not (math.isfinite(seconds) and seconds > 0):
            raise BadMeasurement(f"a time of {seconds} s is not a measurement")
    estimate = between(teacher / student, -math.inf, math.inf)
    return estimate.with_(hold="each model was timed once, so nothing says how far the ratio would move")


def overhead_in_layers(ratio: float, teacher: int = 12, student: int = 6) -> float:
    """How many layers' worth of time both models spend on something else, if only layers tell them apart.

    (teacher + x) / (student + x) = ratio. The paper's 668/410 gives 3.53 for 12 and 6 layers; infinite at a ratio of 1.
    """
    return math.inf if ratio == 1 else (teacher - ratio * student) / (ratio - 1)
