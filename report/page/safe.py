"""Text and numbers from files that anybody may have written, made fit to be shown."""

import math
import re
from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar

from judge.verdicts import Verdict
from report.badges import shortened
from report.message import bound

LONGEST = 2000
FIRM = "\u00a0"  # a space that no line breaks at
T = TypeVar("T")


def tidy(value: object) -> object:
    """What a template prints: strings in one line, without control characters, and cut where they never end."""
    # What a template has made of others is HTML already and left alone; a plain string is escaped after this.
    if type(value) is not str:
        return value
    kept = (letter if letter.isprintable() or letter == FIRM else " " if letter.isspace() else "" for letter in value)
    return shortened("".join(kept), LONGEST)


def moment(text: str) -> str:
    """`2026-11-22 15:01 UTC` from the time as files hold it; anything else as it is."""
    found = re.fullmatch(r"(\d{4}-\d\d-\d\d)T(\d\d:\d\d):\d\d\+00:00", text)
    return f"{found[1]} {found[2]} UTC" if found else text


def said(verdict: Verdict, show: Callable[[Verdict], str]) -> str:
    """What `show` makes of a verdict, or a sentence where the file lacks the numbers for it."""
    try:
        return shortened(show(verdict), 120)
    except (TypeError, ValueError, OverflowError) as error:
        return f"cannot be shown ({error})"


def needs(verdict: Verdict) -> str:
    """What the value must satisfy."""
    return said(verdict, bound)


def finite(value: float | None) -> bool:
    """Whether there is a number to draw."""
    return value is not None and math.isfinite(value)


def sampled(values: Sequence[float], most: int) -> list[float]:
    """At most `most` of the values in ascending order, evenly spaced by rank, the lowest and the highest among them."""
    ordered = sorted(values)
    if len(ordered) <= most:
        return ordered
    return [ordered[round(n * (len(ordered) - 1) / (most - 1))] for n in range(most)]


def shown_number(value: float) -> str:
    """Six digits, and whole numbers of any size in full."""
    whole = finite(value) and abs(value) < 1e15 and value == int(value)
    return f"{value:,.0f}" if whole else f"{value:,.6g}"


def some(items: Sequence[T], most: int) -> tuple[Sequence[T], int]:
    """The first items, and how many are left out."""
    return items[:most], max(0, len(items) - most)


def listed(words: Iterable[str]) -> str:
    """`a`, `a and b`, `a, b and c`."""
    *most, last = list(words) or [""]
    return f"{', '.join(most)} and {last}" if most else last
