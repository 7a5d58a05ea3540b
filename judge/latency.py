"""Ratios of time, from recorded pairs: which estimate applies, and when a ratio is too close to its bound."""

import math
from collections.abc import Sequence
from dataclasses import replace

from judge.evidence import Measurement
from judge.statistics import Estimate, between, over_launches, pair_ratio
from judge.verdicts import BadMeasurement

CLOSE = 0.05
LAUNCHES = 5


def speedup(launches: Sequence[Measurement], bound: float) -> Estimate:
    """How many times as fast the student is.

    From the pairs of one launch, or of a few taken together; a ratio within 5 % of the bound needs 5 launches or
    more, since what differs between launches (memory layout, clock, neighbours) is not in the pairs of one, and is
    then judged by t over launches.

    Raises:
        BadMeasurement: a time is not a positive number, or one of the two orders is missing.
    """
    for measurement in launches:
        _check(measurement)
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


def single_pass(teacher: float, student: float) -> Estimate:
    """A ratio of two totals that were taken once each: a value without an interval.

    Raises:
        BadMeasurement: a time is not a positive number.
    """
    for seconds in (teacher, student):
        if not (math.isfinite(seconds) and seconds > 0):
            raise BadMeasurement(f"a time of {seconds} s is no measurement")
    estimate = between(teacher / student, -math.inf, math.inf)
    return estimate.with_(hold="each model was timed once, so nothing says how far the ratio would move")


def overhead_in_layers(ratio: float, teacher: int = 12, student: int = 6) -> float:
    """How many layers' worth of time both models spend on something else, if only layers tell them apart.

    (teacher + x) / (student + x) = ratio. The paper's 668/410 gives 3.53 for 12 and 6 layers; infinite at a ratio of 1.
    """
    return math.inf if ratio == 1 else (teacher - ratio * student) / (ratio - 1)


def _check(measurement: Measurement) -> None:
    for _, teacher, student in measurement.pairs:
        for seconds in (teacher, student):
            if not (math.isfinite(seconds) and seconds > 0):
                raise BadMeasurement(f"{measurement.quantity} holds a time of {seconds} s, which is no measurement")
    if len({first for first, _, _ in measurement.pairs}) < 2:
        raise BadMeasurement(f"{measurement.quantity} was measured in one order only: pairs must alternate")
