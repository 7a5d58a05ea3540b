"""Speed: how the ratios of teacher's to student's time are distributed over the pairs that were timed."""

import math
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from judge.verdicts import Verdict, digits
from report.message import measured
from report.page.safe import finite, needs, said
from report.page.sheet import Picture, Shapes, Sheet, ticks
from report.page.sources import Look, Source, judged, look

TEACHER, STUDENT = "teacher (s)", "student (s)"
BINS = 48
# A span of ratios that no axis could show.
WIDEST = 1e9
# An axis spans at least this part of its highest ratio, or of 1: its ticks are printed to six digits.
NARROWEST = 0.01
# With more sources than these, a setting that shares a verdict (a backend) is drawn for the first alone that timed it.
MANY = 3
# The picture in pixels: its size, how high the highest bar is, and where interval and ticks stand under the bars.
WIDTH, HEIGHT, BARS, INTERVAL, TICKS = 330.0, 96.0, 72.0, 77.0, 94.0
# Of the pairs, how many may lie beyond either end of the axis: one slow pair must not flatten all the others.
BEYOND = 0.005
MOST_TICKS = 8


class Histogram(NamedTuple):
    """The ratios of one setting of one source, on the axis that all histograms share.

    `inside` are the ratios on the axis; interval, value and bound are None where there is none, or none on it.
    """

    title: str
    part: str
    source: Source
    look: Look
    text: str
    needs: str
    inside: list[float]
    interval: tuple[float, float] | None
    value: float | None
    bound: float | None
    note: str


class Axis(NamedTuple):
    """The axis of all histograms, in times as fast, from its first tick to its last."""

    ticks: list[float]

    @property
    def low(self) -> float:
        """The left edge."""
        return self.ticks[0]

    @property
    def high(self) -> float:
        """The right edge."""
        return self.ticks[-1]

    def has(self, value: float | None) -> bool:
        """Whether a ratio lies on the axis."""
        return value is not None and finite(value) and self.low <= value <= self.high

    def place(self, value: float | None) -> float | None:
        """A ratio, or None where it is no number or off the axis."""
        return value if self.has(value) else None

    def within(self, interval: tuple[float, float]) -> tuple[float, float] | None:
        """What of an interval lies on the axis, or None where nothing does."""
        low, high = max(interval[0], self.low), min(interval[1], self.high)
        return (low, high) if low <= high else None


class Speeds(NamedTuple):
    """All histograms and their axis, None where no pairs were timed; whether there are settings that none shows."""

    axis: Axis | None
    histograms: list[Histogram]
    left_out: bool


def ratios(verdict: Verdict) -> dict[str, list[float]]:
    """Teacher's seconds by student's of every pair, for each setting that a verdict was made from."""
    found: dict[str, list[float]] = {}
    for name, teacher in verdict.raw.items():
        student = verdict.raw.get(name.removesuffix(TEACHER) + STUDENT, [])
        if name.endswith(TEACHER) and teacher and len(teacher) == len(student):
            pairs = zip(teacher, student, strict=True)
            found[name.removesuffix(TEACHER).rstrip(": ")] = [t / s if s else math.nan for t, s in pairs]
    return found


def speeds(verdicts: Sequence[tuple[Source, Verdict]]) -> Speeds:
    """A histogram for each setting of each verdict on speed; where many sources timed it, a setting's first alone."""
    found: list[tuple[Source, Verdict, str, list[float]]] = []
    many = len({source.name for source, verdict in verdicts if ratios(verdict)}) > MANY
    left_out = False
    for source, verdict in verdicts:
        for part, values in ratios(verdict).items() if judged(verdict) else ():
            alike = [known for _, v, p, known in found if (verdict.id, part) == (v.id, p)]
            # The same pairs judged by two runs are one measurement.
            if values in alike:
                continue
            if part and many and alike:
                left_out = True
                continue
            found.append((source, verdict, part, values))
    good = [sorted(ratio for ratio in r if finite(ratio)) for *_, r in found]
    axis = _axis([v for _, v, *_ in found], [ordered for ordered in good if ordered]) if any(good) else None
    if axis is None:  # nothing was timed, or the ratios are too far apart, or too large to be told apart
        return Speeds(None, [], left_out=False)
    return Speeds(axis, [_histogram(axis, *entry) for entry in found], left_out)


def drawings(speeds: Speeds, shapes: Shapes) -> list[Picture]:
    """Every histogram's picture."""
    if speeds.axis is None:
        return []
    sheet = Sheet(WIDTH, (speeds.axis.low, speeds.axis.high))
    for histogram in speeds.histograms:
        _draw(sheet, speeds.axis, histogram)
    scale = sheet.picture(HEIGHT)
    for tick in speeds.axis.ticks:
        sheet.text(scale, "words", tick, TICKS, f"{tick:.6g}x")
    *drawn, words = sheet.pictures(shapes)
    return [picture._replace(inside=picture.inside + words.inside) for picture in drawn]


def _draw(sheet: Sheet, axis: Axis, histogram: Histogram) -> None:
    import numpy as np  # late, with matplotlib, which needs it

    picture = sheet.picture(HEIGHT)
    counts, edges = np.histogram(histogram.inside, bins=BINS, range=(axis.low, axis.high))
    tops = BARS - BARS * counts / max(1, counts.max())
    sheet.steps(picture, "bars", tops.tolist(), edges.tolist(), BARS)
    if histogram.bound is not None:
        sheet.lines(picture, "bound", [(histogram.bound, 0.0, histogram.bound, BARS)])
    if histogram.interval:
        low, high = histogram.interval
        sheet.lines(picture, "interval", [(low, INTERVAL, high, INTERVAL)], 4.0)
    if histogram.value is not None:
        sheet.lines(picture, "value", [(histogram.value, BARS, histogram.value, BARS + 10)])


def _axis(verdicts: Sequence[Verdict], ordered: Sequence[Sequence[float]]) -> Axis | None:
    wanted = [end for v in verdicts for end in (v.published, *v.bounds)]
    ends = [end for end in wanted if end is not None and finite(end)]
    lows = [values[int(BEYOND * (len(values) - 1))] for values in ordered]
    highs = [values[math.ceil((1 - BEYOND) * (len(values) - 1))] for values in ordered]
    low, high = min([*ends, *lows]), max([*ends, *highs])
    if not high - low < WIDEST:
        return None
    room = NARROWEST * max(abs(high), 1.0)
    if high - low < room:
        low, high = low - room, high + room
    found = ticks(low, high, MOST_TICKS)
    return Axis(found) if len(found) > 1 and found[0] < found[-1] else None


def _histogram(axis: Axis, source: Source, verdict: Verdict, part: str, values: Sequence[float]) -> Histogram:
    inside = [value for value in values if axis.has(value)]
    # The interval is that of the verdict: of several settings it belongs to one only, which is not told here.
    interval = axis.within(verdict.interval) if verdict.interval and not part else None
    return Histogram(
        title=verdict.title or verdict.id,
        part=part,
        source=source,
        look=look(verdict),
        text=said(verdict, measured),
        needs=needs(verdict),
        inside=inside,
        interval=interval,
        value=axis.place(None if part else verdict.value),
        bound=axis.place(next((end for end in verdict.bounds if end is not None), None)),
        note="".join(_note(values, inside)),
    )


def _note(values: Sequence[float], inside: Sequence[float]) -> Iterator[str]:
    ordered = sorted(inside)
    yield f"{len(values):,} pairs, the middle one {digits(ordered[len(ordered) // 2], 0.1) if ordered else '-'}x"
    if len(inside) < len(values):
        yield f"; {len(values) - len(inside):,} beyond the axis"
