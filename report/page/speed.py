"""Speed: how the ratios of teacher's to student's time are distributed over the pairs that were timed."""

import math
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from judge.verdicts import Verdict, digits
from report.message import measured
from report.page.safe import finite, needs, percent, said
from report.page.sources import Look, Source, judged, look

TEACHER, STUDENT = "teacher (s)", "student (s)"
BINS = 48
# A span of ratios that no axis could show.
WIDEST = 1e9
# With more sources than these, settings that share a verdict (backends) are drawn for the first alone.
MANY = 3
BARS = 72  # pixels that the highest bar has, as the template draws it
# Of the pairs, how many may lie beyond either end of the axis: one slow pair must not flatten all the others.
BEYOND = 0.005
Bar = tuple[str, str, float, float]


class Histogram(NamedTuple):
    """The ratios of one setting of one source, on the axis that all histograms share.

    Bars are (left, width) in percent of the width and (top, height) in pixels; `low`, `high`, `value`, `bound` and
    `printed` are places along the axis, empty where there is none.
    """

    claim: str
    title: str
    part: str
    source: Source
    look: Look
    text: str
    needs: str
    bars: list[Bar]
    low: str
    high: str
    value: str
    bound: str
    printed: str
    note: str


class Axis(NamedTuple):
    """The axis of all histograms, in times as fast, with its ticks as (place, text)."""

    low: float
    high: float
    ticks: list[tuple[str, str]]

    def place(self, value: float | None) -> str:
        """Where a ratio lies; empty where it is no number or off the axis."""
        if value is None or not finite(value) or not self.low <= value <= self.high:
            return ""
        return percent((value - self.low) / (self.high - self.low))


def ratios(verdict: Verdict) -> dict[str, list[float]]:
    """Teacher's seconds by student's of every pair, for each setting that a verdict was made from."""
    found: dict[str, list[float]] = {}
    for name, teacher in verdict.raw.items():
        student = verdict.raw.get(name.removesuffix(TEACHER) + STUDENT, [])
        if name.endswith(TEACHER) and teacher and len(teacher) == len(student):
            pairs = zip(teacher, student, strict=True)
            found[name.removesuffix(TEACHER).rstrip(": ")] = [t / s if s else math.nan for t, s in pairs]
    return found


def histograms(verdicts: Sequence[tuple[Source, Verdict]]) -> tuple[Axis | None, list[Histogram]]:
    """A histogram for each setting of each verdict on speed, and their axis; None where no pairs were timed."""
    found: list[tuple[Source, Verdict, str, list[float]]] = []
    many = len({source.name for source, verdict in verdicts if ratios(verdict)}) > MANY
    for source, verdict in verdicts:
        for part, values in ratios(verdict).items() if judged(verdict) else ():
            if part and many and source is not verdicts[0][0]:
                continue
            # The same pairs judged by two runs are one measurement.
            if all((verdict.id, part, values) != (v.id, p, r) for _, v, p, r in found):
                found.append((source, verdict, part, values))
    good = [sorted(ratio for ratio in r if finite(ratio)) for *_, r in found]
    if not any(good):
        return None, []
    axis = _axis([v for _, v, *_ in found], [ordered for ordered in good if ordered])
    if axis is None:  # the ratios are too far apart, or too large to be told apart
        return None, []
    return axis, [_histogram(axis, *entry) for entry in found]


def _axis(verdicts: Sequence[Verdict], ordered: Sequence[Sequence[float]]) -> Axis | None:
    ends = [v.published for v in verdicts if v.published is not None and finite(v.published)]
    lows = [values[int(BEYOND * (len(values) - 1))] for values in ordered]
    highs = [values[math.ceil((1 - BEYOND) * (len(values) - 1))] for values in ordered]
    low, high = min([*ends, *lows]), max([*ends, *highs])
    if not high - low < WIDEST:
        return None
    step = _step(high - low)
    low, high = step * math.floor(low / step), step * math.ceil(high / step)
    high += step if high == low else 0
    if not high > low:
        return None
    number = min(20, round((high - low) / step))
    ticks = [low + n * step for n in range(number + 1)]
    return Axis(low, high, [(percent((tick - low) / (high - low)), f"{tick:.3g}x") for tick in ticks])


def _step(width: float) -> float:
    """A round distance between ticks, so that there are five to ten of them."""
    power = 10.0 ** math.floor(math.log10(max(width, 1e-3) / 5))
    return next(step for step in (power, 2 * power, 2.5 * power, 5 * power, 10 * power) if width / step <= 6)


def _histogram(axis: Axis, source: Source, verdict: Verdict, part: str, values: Sequence[float]) -> Histogram:
    inside = [value for value in values if finite(value) and axis.low <= value <= axis.high]
    # The interval is that of the verdict: of several settings it belongs to one only, which is not told here.
    low, high = verdict.interval if verdict.interval and not part else (None, None)
    return Histogram(
        claim=verdict.id,
        title=verdict.title or verdict.id,
        part=part,
        source=source,
        look=look(verdict),
        text=said(verdict, measured),
        needs=needs(verdict),
        bars=list(_bars(axis, inside)),
        low=axis.place(low),
        high=axis.place(high),
        value=axis.place(None if part else verdict.value),
        bound=axis.place(next((end for end in verdict.bounds if end is not None), None)),
        printed=axis.place(verdict.published),
        note=_note(values, inside),
    )


def _bars(axis: Axis, values: Sequence[float]) -> Iterator[Bar]:
    counts = [0] * BINS
    for value in values:
        counts[min(BINS - 1, int(BINS * (value - axis.low) / (axis.high - axis.low)))] += 1
    most = max(counts) or 1
    for number, count in enumerate(counts):
        if count:
            height = round(BARS * count / most, 1)
            yield percent(number / BINS), percent(1 / BINS), BARS - height, height


def _note(values: Sequence[float], inside: Sequence[float]) -> str:
    ordered = sorted(inside)
    middle = digits(ordered[len(ordered) // 2], 0.1) if ordered else "-"
    beyond = len(values) - len(inside)
    return f"{len(values):,} pairs, the middle one {middle}x" + (f"; {beyond:,} beyond the axis" if beyond else "")
