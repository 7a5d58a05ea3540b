"""Raw values as dots: a strip for each list of numbers that a verdict was made from."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

from judge.verdicts import Verdict
from report.page.safe import finite, sampled, shown_number, some
from report.page.sheet import Picture, Shapes, Sheet
from report.page.sources import Source

MOST_DOTS, MOST_LISTED, MOST_STRIPS = 200, 12, 40
WIDTH, HEIGHT = 400.0, 18.0  # of a strip, in pixels
ROOM = 0.06  # left free at either end of a strip, in parts of its width


class Strip(NamedTuple):
    """One list of values: dots along a line from `low` to `high`, and the first values as text.

    Places are parts of the strip's width. `band` and `printed` are None where the values are not in the claim's unit.
    `note` says what is not shown.
    """

    source: Source
    name: str
    values: str
    dots: list[float]
    low: str
    high: str
    band: tuple[float, float] | None
    printed: float | None
    note: str


def strips(source: Source, verdict: Verdict) -> list[Strip]:
    """A strip for each of a verdict's raw lists; those of one value have no dots."""
    lists = [(name, values) for name, values in verdict.raw.items() if values]
    shown, more = some(lists, MOST_STRIPS)
    made = [_strip(source, verdict, name, values) for name, values in shown]
    if more:
        note = "they are in the file of verdicts"
        made.append(Strip(source, f"and {more} more lists", "", [], "", "", None, None, note))
    return made


def drawings(strips: Sequence[Strip], shapes: Shapes) -> list[Picture]:
    """Every strip's picture."""
    sheet = Sheet(WIDTH)
    for strip in strips:
        picture = sheet.picture(HEIGHT)
        if strip.band:
            sheet.band(picture, "band", *strip.band)
        if strip.printed is not None:
            sheet.lines(picture, "printed", [(strip.printed, 0.0, strip.printed, HEIGHT)], 1.5)
        sheet.marks(picture, "dots", "dot", strip.dots, [HEIGHT / 2] * len(strip.dots))
    return sheet.pictures(shapes)


def _strip(source: Source, verdict: Verdict, name: str, values: Sequence[float]) -> Strip:
    good = [value for value in values if finite(value)]
    note = "; ".join(_notes(values, good))
    strip = Strip(source, name, _text(values), [], "", "", None, None, note)
    if len(good) < 2:
        return strip
    ends = [min(good), max(good)]
    # One list around the value itself is in its unit, and the printed value and the band belong beside it.
    alike = len(verdict.raw) == 1 and finite(verdict.value) and ends[0] <= (verdict.value or 0) <= ends[1]
    wanted = [*ends, *_near(verdict)] if alike else ends
    low, high = min(wanted), max(wanted)
    room = (high - low or abs(high) or 1.0) * ROOM
    low, high = low - room, high + room
    if not (finite(high - low) and high > low):  # the numbers are too far apart to be drawn
        return strip

    def place(value: float) -> float:
        return (value - low) / (high - low)

    # Dots that fall on the same tenth of a pixel are one.
    dots = list(dict.fromkeys(round(place(value), 4) for value in sampled(good, MOST_DOTS)))
    strip = strip._replace(dots=dots, low=f"{low:.5g}", high=f"{high:.5g}")
    return strip._replace(**_reference(verdict, place)) if alike else strip


def _near(verdict: Verdict) -> Iterator[float]:
    for value in (verdict.published, *verdict.bounds):
        if value is not None and finite(value):
            yield value


def _reference(verdict: Verdict, place: Callable[[float], float]) -> dict[str, Any]:
    low, high = verdict.bounds
    left = place(low) if low is not None and finite(low) else 0.0
    right = place(high) if high is not None and finite(high) else 1.0
    left, right = max(0.0, left), min(1.0, right)
    printed = verdict.published
    return {
        "band": (left, max(right, left + 0.004)),
        "printed": place(printed) if printed is not None and finite(printed) else None,
    }


def _text(values: Sequence[float]) -> str:
    first, more = some(values, MOST_LISTED)
    return " ".join(shown_number(value) for value in first) + (f" and {more:,} more" if more else "")


def _notes(values: Sequence[float], good: Sequence[float]) -> Iterator[str]:
    if len(good) > MOST_DOTS:
        yield f"{MOST_DOTS} of {len(good):,} values drawn, evenly spaced by rank, the lowest and the highest among them"
    if len(good) < len(values):
        yield f"{len(values) - len(good):,} of {len(values):,} are no finite numbers"
