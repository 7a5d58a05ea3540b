"""A verdict in words: the lines that a failing test prints, made to stand alone."""

from collections.abc import Iterator

from judge.verdicts import Outcome, Verdict, digits

MOST_SHOWN = 12
# A margin below this is no margin, and no reason for more digits.
FINEST = 1e-6


def full(verdict: Verdict) -> str:
    """Everything about a verdict: claim, sentence and where it stands, printed, measured, bound and why, what next."""
    head = f"{verdict.verdict}: {verdict.id}, {verdict.title}"
    return "\n".join([head, *(f"  {name:<9} {text}" for name, text in _lines(verdict))])


def number(verdict: Verdict, value: float | None) -> str:
    """A value of this claim with its unit, with enough digits to tell it from the bounds."""
    return with_unit(digits(value, verdict.precision, verdict.bounds), verdict.unit)


def with_unit(text: str, unit: str) -> str:
    """`1.6x`, `97 %`, `66 M`."""
    return f"{text}{unit}" if unit == "x" else f"{text} {unit}".strip()


def measured(verdict: Verdict) -> str:
    """The value and its interval, `95.03 % [92.47, 97.66]`, or the range that is known: `66.4 to 265 MB over ...`."""
    if verdict.value is None:
        return "-"
    text = number(verdict, verdict.value)
    if verdict.interval is None:
        return text
    low, high = (digits(end, verdict.precision, verdict.bounds) for end in verdict.interval)
    if verdict.range_of:
        return f"{with_unit(f'{low} to {high}', verdict.unit)} over {verdict.range_of}"
    return f"{text} [{low}, {high}]"


def bound(verdict: Verdict) -> str:
    """What the value must satisfy, as finely as its margin (1.595x is no 1.6x): `at least 96.5 %`, `65 to 67 M`."""
    fine = verdict.margin is not None and FINEST < verdict.margin < verdict.precision
    precision = verdict.margin if fine and verdict.margin else verdict.precision
    low, high = (digits(b, precision) if b is not None else "" for b in verdict.bounds)
    if low == high:
        return f"exactly {with_unit(low, verdict.unit)}"
    if not high:
        return f"at least {with_unit(low, verdict.unit)}"
    if not low:
        return f"at most {with_unit(high, verdict.unit)}"
    return f"{low} to {with_unit(high, verdict.unit)}"


def settle(verdict: Verdict) -> str:
    """What would settle an inconclusive verdict; empty where nothing is known to."""
    if verdict.to_settle is None:
        return ""
    if verdict.to_settle == 0:
        return "cannot be settled by seeds (more than 50)"
    return f"about {verdict.to_settle} seeds would settle it"


def _lines(verdict: Verdict) -> Iterator[tuple[str, str]]:
    yield "claimed", f'"{verdict.sentence}" ({verdict.where})'
    if verdict.reading:
        yield "reading", verdict.reading
    yield "printed", number(verdict, verdict.published)
    yield "measured", measured(verdict) + (f", {verdict.level:.0%} interval" if verdict.level else "")
    yield "needed", f"{bound(verdict)} (margin {verdict.margin:g}, {verdict.margin_reason})"
    yield "why", verdict.reason
    if verdict.contradiction:
        yield "known", verdict.contradiction
    if verdict.raw:
        yield "from", "; ".join(f"{name}: {_numbers(values)}" for name, values in verdict.raw.items())
    if verdict.evidence:
        yield "evidence", ", ".join(verdict.evidence)
    for mark in verdict.marks:
        yield "mark", mark
    for note in verdict.notes:
        yield "note", note
    if verdict.verdict is Outcome.INCONCLUSIVE and settle(verdict):
        yield "to settle", settle(verdict)


def _numbers(values: list[float]) -> str:
    shown = " ".join(f"{value:,.6g}" if abs(value) < 1e6 else f"{value:,.0f}" for value in values[:MOST_SHOWN])
    return shown + (f" and {len(values) - MOST_SHOWN} more" if len(values) > MOST_SHOWN else "")
