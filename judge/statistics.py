"""Intervals: what a few measured numbers say about the value behind them; README.md, "How it is judged", has the rules.

Every estimate can give its interval at any level; a verdict uses the two-sided 90 % interval, which is two one-sided
tests at 5 %. scipy is imported when the first interval is asked for: `--help` must not pay for it.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

LEVEL = 0.90
PRIOR_DEGREES = 4
MOST_SEEDS = 50
NEEDED_CHANCE = 0.8

Interval = tuple[float, float]
Pair = tuple[Literal["teacher", "student"], float, float]


@dataclass(frozen=True)
class Estimate:
    """A value and how sure it is.

    Attributes:
        value: the estimate, in the claim's unit.
        interval: level (0 to 1) -> (low, high).
        forecast: number of seeds -> (standard error, degrees of freedom) if so many were run; None where seeds are
            not what the uncertainty comes from.
        level: the level to judge at: 0.90, or higher where the same thing was looked at more than once.
        hold: why the verdict stays inconclusive whatever the interval says; None where it may be decided.
        instead: the same with a doubtful part taken out or replaced, by what the part is. A verdict stands only if each
            of these gives the same one.
        elsewhere: the same from another host's measurements, by the host. They are shown and never decide.
        range_of: what the interval is the range over, as "precisions"; None where it is a confidence interval.
        notes: sentences that belong beside the value.
        marks: short labels that restrict what the verdict may be used for, as "unlike recipes".
        raw: the numbers it was made from, by name.
    """

    value: float
    interval: Callable[[float], Interval]
    forecast: Callable[[int], tuple[float, float]] | None = None
    level: float = LEVEL
    hold: str | None = None
    instead: tuple[tuple[str, "Estimate"], ...] = ()
    elsewhere: tuple[tuple[str, "Estimate"], ...] = ()
    range_of: str | None = None
    notes: tuple[str, ...] = ()
    marks: tuple[str, ...] = ()
    raw: dict[str, list[float]] = field(default_factory=dict)

    def with_(self, *, notes: Sequence[str] = (), marks: Sequence[str] = (), hold: str | None = None) -> "Estimate":
        """The same estimate with more said about it; repeated notes and marks are kept once."""
        return replace(
            self,
            notes=tuple(dict.fromkeys((*self.notes, *notes))),
            marks=tuple(dict.fromkeys((*self.marks, *marks))),
            hold=self.hold or hold,
        )


@dataclass(frozen=True)
class Term:
    """One cell of a contrast: weight times the mean of per-seed values (points) with a published seed spread."""

    weight: float
    values: tuple[float, ...]
    spread: float

    def variance(self, seeds: int | None = None) -> float:
        """Moderated variance of the weighted mean, for the seeds at hand or for another number of them.

        s^2 = (4 S^2 + sum of squares) / (n + 3): the published spread S counts as four degrees of freedom, so that
        seeds that are equal by chance never give an interval of zero width (after Smyth 2004, the moderated t).
        """
        n = len(self.values)
        mean = math.fsum(self.values) / n
        squares = math.fsum((value - mean) ** 2 for value in self.values)
        s2 = (PRIOR_DEGREES * self.spread**2 + squares) / (n + PRIOR_DEGREES - 1)
        return self.weight**2 * s2 / (seeds or n)

    def degrees(self, seeds: int | None = None) -> int:
        """Degrees of freedom of that variance, n + 3."""
        return (seeds or len(self.values)) + PRIOR_DEGREES - 1


def level_of(looks: int) -> float:
    """The level to judge at after so many looks at the same thing, which share the error of one: 90 %, 95 %, 96.7 %."""
    return 1 - (1 - LEVEL) / looks


def exact(value: float) -> Estimate:
    """A number without uncertainty: an integer, or arithmetic on printed text."""
    return between(value, value, value)


def between(value: float, low: float, high: float, range_of: str | None = None) -> Estimate:
    """A value of which only the range is known, whatever the level; `range_of` says over what."""
    return Estimate(value, lambda _level: (low, high), range_of=range_of)


def undecided(reason: str) -> Estimate:
    """What has no value at all, and why."""
    return Estimate(math.nan, lambda _level: (-math.inf, math.inf), hold=reason)


def contrast(terms: Sequence[Term]) -> Estimate:
    """A weighted sum of means over seeds: a cell (one term), a Score (weights 1/K), a gap (weights 1 and -1).

    mean +- t(level) * sqrt(V), V the sum of the terms' variances, with Satterthwaite's degrees of freedom
    (V^2 / sum of V_i^2 / d_i), which for a single term are n + 3.
    """
    value = math.fsum(term.weight * math.fsum(term.values) / len(term.values) for term in terms)

    def forecast(seeds: int | None = None) -> tuple[float, float]:
        variances = [term.variance(seeds) for term in terms]
        total = math.fsum(variances)
        degrees = total**2 / math.fsum(v**2 / t.degrees(seeds) for v, t in zip(variances, terms, strict=True))
        return math.sqrt(total), degrees

    def interval(level: float) -> Interval:
        error, degrees = forecast()
        half = t_quantile(level, degrees) * error
        return value - half, value + half

    return Estimate(value, interval, forecast)


def ratio(numerator: Sequence[Term], denominator: Sequence[Term]) -> Estimate:
    """A ratio of two contrasts, in percent, with Fieller's interval.

    The interval is the set of bounds b at which the contrast numerator - b * denominator does not differ from 0, each
    with its own degrees of freedom, so that "low >= bound" and the contrast's own test at that bound always agree.
    Seeds of the two models are never paired: which seed meets which is arbitrary. Over a denominator of 0 the ratio has
    no value, and says so.
    """
    if contrast(denominator).value == 0:
        return undecided("it would be a ratio to 0, which has no value")
    value = contrast(numerator).value / contrast(denominator).value

    def minus(b: float) -> Estimate:
        return contrast([*numerator, *(replace(term, weight=-b * term.weight) for term in denominator)])

    def interval(level: float) -> Interval:
        return (
            100 * _root(lambda b: minus(b).interval(level)[0], value, downwards=True),
            100 * _root(lambda b: minus(b).interval(level)[1], value, downwards=False),
        )

    def forecast(seeds: int) -> tuple[float, float]:
        at_value = minus(value).forecast
        assert at_value is not None
        error, degrees = at_value(seeds)
        return 100 * error / abs(contrast(denominator).value), degrees

    return Estimate(100 * value, interval, forecast)


def median(values: Sequence[float], level: float = LEVEL) -> Estimate:
    """The median with its sign interval, for seeds among which a run failed.

    The interval runs from the k-th smallest to the k-th largest value, k the largest with at least the level's
    coverage: the extremes for 5 seeds, the 2nd and the 7th for 8. Fewer than 5 seeds have none at 90 %, fewer than 6
    none at 95 %; the estimate then says that `level` cannot be reached.
    """
    ordered = sorted(values)
    n = len(ordered)
    middle = (ordered[(n - 1) // 2] + ordered[n // 2]) / 2

    def interval(at: float) -> Interval:
        k = _sign_rank(n, at)
        return (ordered[k - 1], ordered[n - k]) if k else (-math.inf, math.inf)

    few = f"a run failed, and {n} {_seeds(n)} too few for a median with an interval"
    return Estimate(middle, interval, level=level, hold=None if _sign_rank(n, level) else few)


def pair_ratio(pairs: Sequence[Pair], resamples: int = 2000) -> Estimate:
    """Teacher's seconds over student's from interleaved pairs (which ran first, teacher s, student s).

    The median of the log ratios of each order, the two averaged, so that what the first place costs cancels; the
    interval is a bootstrap over pairs within each order, from a fixed stream, so that judging again gives the same.
    """
    import numpy

    orders = [
        numpy.log([teacher / student for first, teacher, student in pairs if first == role])
        for role in ("teacher", "student")
    ]
    if any(len(order) == 0 for order in orders):
        raise ValueError("pairs of both orders are needed")
    value = math.exp(float(numpy.mean([numpy.median(order) for order in orders])))

    def interval(level: float) -> Interval:
        stream = numpy.random.default_rng(191001108)
        draws = [order[stream.integers(len(order), size=(resamples, len(order)))] for order in orders]
        centres = numpy.mean([numpy.median(draw, axis=1) for draw in draws], axis=0)
        low, high = numpy.exp(numpy.quantile(centres, [(1 - level) / 2, (1 + level) / 2]))
        return float(low), float(high)

    sums = math.fsum(pair[1] for pair in pairs) / math.fsum(pair[2] for pair in pairs)
    return Estimate(value, interval, notes=(f"ratio of the summed seconds, shown and never judged: {sums:.3f}",))


def over_launches(ratios: Sequence[float]) -> Estimate:
    """The geometric mean of one ratio per launch of the program, with Student's t over launches."""
    logs = [math.log(value) for value in ratios]
    n = len(logs)
    mean = math.fsum(logs) / n
    error = math.sqrt(math.fsum((value - mean) ** 2 for value in logs) / (n - 1) / n)

    def interval(level: float) -> Interval:
        half = t_quantile(level, n - 1) * error
        return math.exp(mean - half), math.exp(mean + half)

    return Estimate(math.exp(mean), interval)


def seeds_to_settle(estimate: Estimate, bounds: Interval) -> int | None:
    """The smallest number of seeds with an 80 % chance of a decision if the estimate holds; None above 50.

    With n seeds the mean is normal around the value with standard error e(n), and the decision is an interval that
    lies on one side of each bound: inside both, or wholly outside.
    """
    if estimate.forecast is None:
        return None
    for seeds in range(1, MOST_SEEDS + 1):
        error, degrees = estimate.forecast(seeds)
        if _chance(estimate.value, bounds, error, t_quantile(estimate.level, degrees)) >= NEEDED_CHANCE:
            return seeds
    return None


def t_quantile(level: float, degrees: float) -> float:
    """Student's t for a two-sided interval of this level."""
    from scipy.special import stdtrit

    return float(stdtrit(degrees, (1 + level) / 2))


def _chance(value: float, bounds: Interval, error: float, t: float) -> float:
    from scipy.special import ndtr

    low, high = ((bound - value) / error for bound in bounds)
    inside = float(ndtr(high - t) - ndtr(low + t))
    outside = float(ndtr(low - t)) + float(1 - ndtr(high + t))
    return max(inside, outside)


def _root(end: Callable[[float], float], value: float, *, downwards: bool) -> float:
    """Where an end of the contrast's interval crosses 0, on one side of the ratio; infinite where it never does."""
    from scipy.optimize import brentq

    step = max(abs(value), 1.0) / 8
    edge = value
    for _ in range(60):
        edge += -step if downwards else step
        if (end(edge) > 0) == downwards:
            return float(brentq(end, value, edge, xtol=1e-12))
        step *= 1.5
    return -math.inf if downwards else math.inf


def _sign_rank(n: int, level: float) -> int:
    """The largest k for which the k-th smallest and largest of n values cover the median at this level; 0 if none."""
    tail, k = 0.0, 0
    while k < n // 2:
        tail += math.comb(n, k) * 0.5**n
        if 2 * tail > 1 - level:
            break
        k += 1
    return k


def _seeds(n: int) -> str:
    return "seed is" if n == 1 else "seeds are"
