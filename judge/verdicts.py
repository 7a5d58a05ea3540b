"""Verdicts: the five words, the rule that chooses between them, and the record that is stored."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, Literal

from pydantic import Field

from judge.claims import Claim
from judge.evidence import Plain
from judge.files import Record
from judge.statistics import Estimate, Interval, seeds_to_settle

# 2 came with the digests of the evidence that was judged. A file of schema 1 is still read.
SCHEMA = 2
# Bounds and values are decimal fractions held in binary: 3.5 - 0.1 must not miss 3.4 by the last bit.
ROUNDING_ERROR = 1e-9
Mode = Literal["skip", "fail", "side"]


class Outcome(StrEnum):
    """The five verdicts, spelt the same in code, terminal, JSON, page and badge."""

    REPRODUCED = "reproduced"
    NOT_REPRODUCED = "not reproduced"
    INCONCLUSIVE = "inconclusive"
    NOT_RUN = "not run"
    ERROR = "error"


class BadMeasurement(Exception):
    """A measurement that must not be judged: not finite, a missing seed, a wrong number of examples."""


class Verdict(Record):
    """What was decided about one claim, with all that is needed to see why.

    `value`, `interval` (low, high; None where there is none), `published` and `bounds` (None on an open side) are in
    `unit`. `raw` are the measured numbers by name, `evidence` the files they came from and `digests` those of their
    measurements, in the same order, `machines` those that measured what the claim is about, `versions` their main
    versions. `marks` are short labels that restrict the use of the verdict, `notes` second readings and remarks.
    `to_settle` is the number of seeds with an 80 % chance of deciding an inconclusive claim; 0 says that more than 50
    would be needed.
    """

    id: str
    verdict: Outcome
    reason: str
    title: str = ""
    sentence: str = ""
    where: str = ""
    unit: str = ""
    rule: str = ""
    published: float | None = None
    precision: float = 1
    margin: float | None = None
    margin_reason: str = ""
    bounds: tuple[float | None, float | None] = (None, None)
    value: float | None = None
    interval: tuple[float, float] | None = None
    level: float | None = None
    to_settle: int | None = None
    reading: str | None = None
    contradiction: str | None = None
    marks: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    raw: dict[str, list[float]] = {}
    evidence: tuple[str, ...] = ()
    digests: tuple[str, ...] = ()
    machines: tuple[str, ...] = ()
    versions: tuple[str, ...] = ()
    nodeid: str = ""


class VerdictFile(Record):
    """results/verdicts.json: every claim's last verdict, and the run that wrote last."""

    schema_: Annotated[int, Field(alias="schema")]
    suite_version: str
    commit: str | None = None
    paper_sha256: str
    created: str
    command: str
    host: dict[str, Plain] = {}
    versions: dict[str, str] = {}
    verdicts: dict[str, Verdict]


@dataclass(frozen=True)
class Part:
    """One of the k statements that a claim about all of them needs: its own estimate and its own bounds."""

    name: str
    estimate: Estimate
    bounds: Interval


def judge(claim: Claim, estimate: Estimate, *, mode: Mode = "skip", guard: Verdict | None = None) -> Verdict:
    """Decide a claim. The outcomes, in the order in which they are considered:

    * BadMeasurement is raised: the value or its interval is not a number.
    * inconclusive: the estimate says why it may not be decided (`hold`), as a cell that the majority class satisfies.
    * reproduced: the interval lies inside the bounds.
    * inconclusive: it does, but `guard`, the verdict on the teacher's own score, is "not reproduced".
    * not reproduced: the interval lies wholly outside the bounds.
    * inconclusive: anything else, with the side on which the value fell and the seeds that would settle it.
    * with mode `side`, an inconclusive claim is decided by its value alone and marked so.

    Args:
        claim: what was printed and what counts as yes.
        estimate: what was measured.
        mode: what to do with an inconclusive claim; `fail` changes the test's outcome, not the verdict.
        guard: for ratios of scores, the verdict on the denominator.
    """
    interval = _finite_interval(estimate, estimate.level)
    outcome = _compare(interval, claim.bounds)
    reason = _reason(claim, estimate, outcome)
    if estimate.hold:
        outcome, reason = Outcome.INCONCLUSIVE, estimate.hold
    elif outcome is Outcome.REPRODUCED and guard is not None and guard.verdict is Outcome.NOT_REPRODUCED:
        outcome = Outcome.INCONCLUSIVE
        reason = f"{claim.id} holds, but {guard.id} is not reproduced: a weak teacher flatters every student"
    verdict = _record(claim, estimate, claim.bounds, outcome, reason, mode)
    # Seeds settle nothing where the interval has decided already and only the guard keeps the verdict open.
    decided = _compare(interval, claim.bounds) is not Outcome.INCONCLUSIVE
    return verdict.model_copy(update={"to_settle": None}) if decided else verdict


def judge_all(claim: Claim, parts: Sequence[Part], *, mode: Mode = "skip") -> Verdict:
    """Decide a claim that says something of all of k things.

    Reproduced if each part's interval lies inside its bounds; not reproduced if one lies wholly outside at 5 %/k, so
    that k chances to fail are not k times as likely; else inconclusive. The value shown is the worst part's.
    """
    worst = min(parts, key=lambda part: _room(part.estimate.value, part.bounds))
    estimate = worst.estimate.with_(
        notes=[f"{part.name}: {_interval_text(claim, part.estimate)}" for part in parts],
        marks=[mark for part in parts for mark in part.estimate.marks],
    )
    open_ = [p.name for p in parts if p.estimate.hold or _at(p, p.estimate.level) is not Outcome.REPRODUCED]
    failed = [p.name for p in parts if _at(p, _shared(p.estimate.level, len(parts))) is Outcome.NOT_REPRODUCED]
    if failed and not any(part.estimate.hold for part in parts):
        outcome, reason = (
            Outcome.NOT_REPRODUCED,
            f"{', '.join(failed)}: wholly outside, at an error shared by {len(parts)}",
        )
    elif not open_:
        outcome, reason = Outcome.REPRODUCED, f"each of the {len(parts)} lies inside its bounds"
    else:
        outcome, reason = Outcome.INCONCLUSIVE, f"open for {', '.join(open_)}"
    raw = {f"{part.name}: {name}": values for part in parts for name, values in part.estimate.raw.items()}
    verdict = _record(claim, estimate, worst.bounds, outcome, reason, mode)
    return verdict.model_copy(update={"raw": raw, "to_settle": None})


def without_measurement(claim: Claim, outcome: Outcome, reason: str) -> Verdict:
    """A verdict for a claim that was not run, or whose measurement cannot be judged."""
    return _printed(claim, claim.bounds, outcome, reason)


def agrees(value: float, bounds: Interval) -> bool:
    """Whether a value lies inside the bounds, but for the rounding of binary numbers."""
    return bounds[0] - ROUNDING_ERROR <= value <= bounds[1] + ROUNDING_ERROR


def digits(value: float | None, precision: float, bounds: Sequence[float | None] = ()) -> str:
    """A number with two decimals or one more than printed, and as many as it takes to tell it from the bounds.

    Examples:
        >>> digits(38.84, 1, [39.273])
        '38.84'
        >>> digits(96.4996, 1, [96.5])
        '96.4996'
    """
    if value is None:
        return "-"
    if not math.isfinite(value):
        return str(value)
    places = max(2, 1 - math.floor(math.log10(precision) + ROUNDING_ERROR))
    places += 1 if 0 < abs(value) < 0.1 else 0
    places = 0 if value == int(value) and abs(value) >= 1000 else places
    value += 0.0  # no negative zero
    rivals = [bound + 0.0 for bound in bounds if bound is not None and abs(bound - value) > ROUNDING_ERROR]
    while places < 9 and any(_fixed(value, places) == _fixed(bound, places) for bound in rivals):
        places += 1
    text = f"{value:,.{places}f}"
    text = text.rstrip("0").rstrip(".") if "." in text else text
    return "0" if text == "-0" else text


def _fixed(value: float, places: int) -> str:
    text = f"{value:.{places}f}"
    return text.lstrip("-") if float(text) == 0 else text


def _at(part: Part, level: float) -> Outcome:
    return _compare(_finite_interval(part.estimate, level), part.bounds)


def _shared(level: float, number: int) -> float:
    """The level at which each of several parts is judged when they share the error of one."""
    return 1 - (1 - level) / number


def _compare(interval: Interval, bounds: Interval) -> Outcome:
    low, high = interval
    if agrees(low, bounds) and agrees(high, bounds):
        return Outcome.REPRODUCED
    if high < bounds[0] - ROUNDING_ERROR or low > bounds[1] + ROUNDING_ERROR:
        return Outcome.NOT_REPRODUCED
    return Outcome.INCONCLUSIVE


def _finite_interval(estimate: Estimate, level: float) -> Interval:
    if not math.isfinite(estimate.value):
        raise BadMeasurement(f"the measured value is {estimate.value}, which is not a number to judge")
    low, high = estimate.interval(level)
    if math.isnan(low) or math.isnan(high):
        raise BadMeasurement(f"the interval of {estimate.value} is not a number")
    return low, high


def _room(value: float, bounds: Interval) -> float:
    """How far inside its bounds a value lies; negative outside."""
    return min(value - bounds[0], bounds[1] - value)


def _reason(claim: Claim, estimate: Estimate, outcome: Outcome) -> str:
    low, high = estimate.interval(estimate.level)
    inside = agrees(estimate.value, claim.bounds)
    if outcome is Outcome.REPRODUCED:
        return "the interval lies inside the bounds" if low < high else "the value agrees"
    if outcome is Outcome.NOT_REPRODUCED:
        return "the interval lies wholly outside the bounds" if low < high else "the value does not agree"
    return f"the interval reaches across the bound; the value itself falls {'inside' if inside else 'outside'}"


def _record(claim: Claim, estimate: Estimate, bounds: Interval, outcome: Outcome, reason: str, mode: Mode) -> Verdict:
    low, high = estimate.interval(estimate.level)
    marks, to_settle = estimate.marks, None
    if outcome is Outcome.INCONCLUSIVE:
        to_settle = None if estimate.forecast is None or estimate.hold else seeds_to_settle(estimate, bounds) or 0
        if mode == "side":
            outcome = Outcome.REPRODUCED if agrees(estimate.value, bounds) else Outcome.NOT_REPRODUCED
            reason, marks = f"decided by the value alone, as asked; else inconclusive: {reason}", (*marks, "by side")
    spread = low < high and math.isfinite(low) and math.isfinite(high)
    return _printed(claim, bounds, outcome, reason).model_copy(
        update={
            "value": estimate.value,
            "interval": (low, high) if spread else None,
            "level": estimate.level if spread else None,
            "to_settle": to_settle,
            "marks": marks,
            "notes": estimate.notes,
            "raw": estimate.raw,
        }
    )


def _printed(claim: Claim, bounds: Interval, outcome: Outcome, reason: str) -> Verdict:
    """A verdict with the fields that the claim alone decides."""
    low, high = (bound if math.isfinite(bound) else None for bound in bounds)
    return Verdict(
        id=claim.id,
        verdict=outcome,
        reason=reason,
        title=claim.title,
        sentence=claim.sentence,
        where=claim.where,
        unit=claim.unit,
        rule=claim.rule,
        published=claim.published,
        precision=claim.precision,
        margin=claim.margin.value,
        margin_reason=f"{claim.margin.name}: {claim.margin.reason}",
        bounds=(low, high),
        reading=claim.reading,
        contradiction=claim.contradiction.reason if claim.contradiction else None,
    )


def _interval_text(claim: Claim, estimate: Estimate) -> str:
    low, high = estimate.interval(estimate.level)
    text = digits(estimate.value, claim.precision)
    if low == high or math.isinf(high - low):
        return text
    return f"{text} [{digits(low, claim.precision)}, {digits(high, claim.precision)}]"
