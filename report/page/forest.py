"""The forest plot: one row per claim, each on the scale of its own margin, with a line for each source."""

from collections.abc import Sequence
from typing import NamedTuple

from judge.verdicts import ROUNDING_ERROR, Outcome, Verdict
from report.message import measured, with_unit
from report.page.safe import finite, percent, said
from report.page.sources import REHEARSAL, Look, Source, look

# How many margins the plot shows on each side of the printed value.
SPAN = 4.0
TICKS = tuple((percent(0.5 + n / (2 * SPAN)), f"{n:+d}" if n else "printed") for n in (-3, -2, -1, 0, 1, 2, 3))
LINE_HEIGHT = 20


class Mark(NamedTuple):
    """A line of a row: whose value, where it lies, its interval, and on which side they leave the plot (-1, 0, 1).

    Places are percentages of the plot's width; `y` is in pixels. `at` is empty where there is nothing to draw.
    """

    source: Source
    look: Look
    text: str
    remarks: tuple[str, ...]
    at: str = ""
    beyond: int = 0
    low: str = ""
    high: str = ""
    y: int = 0


class Row(NamedTuple):
    """What the plot of a claim shows: the band of values that agree, from edge to edge, and a mark for each source."""

    band: tuple[str, str]
    marks: list[Mark]
    title: str
    height: int


def row(verdicts: Sequence[tuple[Source, Verdict]]) -> Row:
    """The row of one claim from the verdicts of the sources that say something of it, this run's first."""
    first = verdicts[0][1]
    unit = scale(first)
    marks = [_mark(source, verdict, unit) for source, verdict in verdicts]
    marks = [mark._replace(y=LINE_HEIGHT * n + LINE_HEIGHT // 2) for n, mark in enumerate(marks)]
    where = [_where(verdict, mark) for (_, verdict), mark in zip(verdicts, marks, strict=True) if mark.at]
    title = "; ".join(where) or "nothing measured"
    return Row(_band(first, unit), marks, title, LINE_HEIGHT * max(1, len(marks)))


def scale(verdict: Verdict) -> float | None:
    """The distance from the printed value to the nearest bound, in the claim's unit; None where there is none."""
    printed = verdict.published
    if not finite(printed):
        return None
    ends = [abs(end - (printed or 0.0)) for end in verdict.bounds if end is not None and finite(end)]
    known = [distance for distance in (*ends, verdict.margin) if finite(distance)]
    return next((distance for distance in known if distance and distance > ROUNDING_ERROR), None)


def margins(verdict: Verdict, value: float | None, unit: float | None) -> float | None:
    """How many margins a value lies above the printed one; infinite where nothing but the printed value agrees."""
    if value is None or verdict.published is None or not (finite(value) and finite(verdict.published)):
        return None
    distance = value - verdict.published
    if abs(distance) <= ROUNDING_ERROR:
        return 0.0
    return distance / unit if unit else float("inf") * distance


def _mark(source: Source, verdict: Verdict, unit: float | None) -> Mark:
    remarks = verdict.marks if verdict.verdict is not Outcome.NOT_RUN else ()
    mark = Mark(source, look(verdict), "", remarks)
    if verdict.value is None or REHEARSAL in verdict.marks:
        return mark
    mark = mark._replace(text=said(verdict, measured))
    x = margins(verdict, verdict.value, unit)
    if x is None:
        return mark
    mark = mark._replace(at=_place(x), beyond=(x > SPAN) - (x < -SPAN))
    ends = [margins(verdict, end, unit) for end in verdict.interval or ()]
    low, high = ends if len(ends) == 2 else (None, None)
    if low is None or high is None:
        return mark
    return mark._replace(low=_place(low), high=_place(high))


def _place(x: float) -> str:
    return percent(0.5 + x / (2 * SPAN))


def _band(verdict: Verdict, unit: float | None) -> tuple[str, str]:
    """Left edge and width of the band; a hair's breadth where only the printed value agrees."""
    low, high = (margins(verdict, end, unit) if finite(end) else None for end in verdict.bounds)
    left = 0.0 if low is None else max(0.0, 0.5 + low / (2 * SPAN))
    right = 1.0 if high is None else min(1.0, 0.5 + high / (2 * SPAN))
    if right - left < 0.01:
        left, right = left - 0.005, left + 0.005
    return percent(left), percent(right - left)


def _where(verdict: Verdict, mark: Mark) -> str:
    """`this run: 3.9 margins below the printed 97 %`."""
    x = margins(verdict, verdict.value, scale(verdict)) or 0.0
    side = "above" if x > 0 else "below"
    far = "far " + side if abs(x) == float("inf") else f"{abs(x):.3g} margin{'s' * (abs(x) != 1)} {side}"
    printed = with_unit(f"{verdict.published:g}", verdict.unit)
    return f"{mark.source.name}: {far if x else 'equal to'} the printed {printed}"
