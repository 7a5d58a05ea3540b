"""The forest plot: one row per claim, each on the scale of its own margin, with a line for each source."""

from collections.abc import Sequence
from typing import NamedTuple

from judge.verdicts import REHEARSAL, ROUNDING_ERROR, Outcome, Verdict
from report.message import measured, with_unit
from report.page.safe import finite, said
from report.page.sheet import Picture, Shapes, Sheet
from report.page.sources import Look, Source, look

# How many margins the plot shows on each side of the printed value; how wide it is in pixels, and how much of that is
# room for arrows on either side.
SPAN, WIDTH, ROOM = 4.0, 272.0, 12.0
PIXEL = 2 * SPAN / (WIDTH - 2 * ROOM)
EDGE = SPAN + ROOM * PIXEL
TICKS = {n: f"{n:+d}" if n else "printed" for n in (-3, -2, -1, 0, 1, 2, 3)}
LINE_HEIGHT, TICKS_HEIGHT = 20, 16
# At the edge an arrow stands a little outside, and the mark it belongs to a little inside.
ARROW, INSIDE = SPAN + 6 * PIXEL, SPAN - 7 * PIXEL


class Mark(NamedTuple):
    """A line of a row: whose value, where it lies, its interval, and on which side they leave the plot (-1, 0, 1).

    Places are in margins from the printed value, not farther than the edge; `y` is in pixels. `at` is None where there
    is nothing to draw.
    """

    source: Source
    look: Look
    text: str
    remarks: tuple[str, ...]
    at: float | None = None
    beyond: int = 0
    interval: tuple[float, float] | None = None
    y: int = 0


class Row(NamedTuple):
    """What the plot of a claim shows: the band of values that agree, from edge to edge, and a mark for each source."""

    band: tuple[float, float]
    marks: list[Mark]
    title: str
    height: int


def row(verdicts: Sequence[tuple[Source, Verdict]]) -> Row:
    """The row of one claim from the verdicts of the sources that say something of it, this run's first."""
    first = verdicts[0][1]
    unit = scale(first)
    marks = [_mark(source, verdict, unit) for source, verdict in verdicts]
    marks = [mark._replace(y=LINE_HEIGHT * n + LINE_HEIGHT // 2) for n, mark in enumerate(marks)]
    where = [_where(verdict, mark) for (_, verdict), mark in zip(verdicts, marks, strict=True) if mark.at is not None]
    title = "; ".join(where) or "nothing measured"
    return Row(_band(first, unit), marks, title, LINE_HEIGHT * max(1, len(marks)))


def drawings(rows: Sequence[Row], shapes: Shapes) -> list[Picture]:
    """Every row's picture, and at the end that of the ticks."""
    sheet = Sheet(WIDTH, (-EDGE, EDGE))
    for one in rows:
        _draw(sheet, one)
    ticks = sheet.picture(TICKS_HEIGHT)
    for place, text in TICKS.items():
        sheet.text(ticks, "words", place, 12.0, text)
    return sheet.pictures(shapes)


def _draw(sheet: Sheet, row: Row) -> None:
    picture = sheet.picture(row.height)
    sheet.band(picture, "band", *row.band)
    sheet.lines(picture, "printed", [(0.0, 0.0, 0.0, row.height)], 1.5)
    for own in (True, False):
        marks = [mark for mark in row.marks if mark.at is not None and mark.source.first is own]
        tone = marks[0].look.icon if own and marks else "beside"
        intervals = [(*mark.interval, mark.y) for mark in marks if mark.interval]
        sheet.lines(picture, tone, [(low, y, high, y) for low, high, y in intervals])
        for shape, side in (("left", -1), ("right", 1)):
            far = [m.y for m in marks if m.beyond == side or (m.interval and m.interval[side > 0] == side * SPAN)]
            sheet.marks(picture, tone, shape, [side * ARROW] * len(far), far)
        for mark in marks:
            at = mark.beyond * INSIDE if mark.beyond else mark.at or 0.0
            sheet.marks(picture, tone, mark.source.shape, [at], [mark.y])


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
    return mark._replace(interval=(_place(low), _place(high)))


def _place(x: float) -> float:
    return min(SPAN, max(-SPAN, x))


def _band(verdict: Verdict, unit: float | None) -> tuple[float, float]:
    """Left and right edge of the band; a hair's breadth where only the printed value agrees."""
    low, high = (margins(verdict, end, unit) if finite(end) else None for end in verdict.bounds)
    left = -SPAN if low is None else _place(low)
    right = SPAN if high is None else _place(high)
    if right - left < 2 * PIXEL:
        left, right = left - PIXEL, left + PIXEL
    return left, right


def _where(verdict: Verdict, mark: Mark) -> str:
    """`this run: 3.9 margins below the printed 97 %`."""
    x = margins(verdict, verdict.value, scale(verdict)) or 0.0
    side = "above" if x > 0 else "below"
    far = "far " + side if abs(x) == float("inf") else f"{abs(x):.3g} margin{'s' * (abs(x) != 1)} {side}"
    printed = with_unit(f"{verdict.published:g}", verdict.unit)
    return f"{mark.source.name}: {far if x else 'equal to'} the printed {printed}"
