"""The rule that chooses between verdicts: an estimate against bounds, and what keeps it from being decided."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from judge.claims import Claim
from judge.statistics import Estimate, Interval, seeds_to_settle
from judge.verdicts import ROUNDING_ERROR, BadMeasurement, Mode, Outcome, Verdict, agrees, digits, printed


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
    * inconclusive: without a doubtful part (`instead`) the verdict would be another one, so that part decides.
    * reproduced: the interval lies inside the bounds.
    * inconclusive: it does, but `guard`, the verdict on the teacher's own score, is "not reproduced" on the low side.
    * not reproduced: the interval lies wholly outside the bounds.
    * inconclusive: anything else, with the side on which the value fell and the seeds that would settle it.
    * with mode `side`, an inconclusive claim is decided by its value alone and marked so.

    What other hosts measured is listed, and never decides. The mark "hosts disagree" says that it would be judged
    otherwise.

    Args:
        claim: what was printed and what counts as yes.
        estimate: what was measured.
        mode: what to do with an inconclusive claim; `fail` changes the test's outcome, not the verdict.
        guard: for ratios of scores, the verdict on the denominator.
    """
    outcome, reason = _guarded(claim, *_decide(estimate, claim.bounds), guard)
    others = [
        (host, _guarded(claim, *_decide(other, claim.bounds), guard)[0], _interval_text(claim, other))
        for host, other in estimate.elsewhere
    ]
    estimate = _with_hosts(claim, estimate, outcome, others)
    verdict = _record(claim, estimate, claim.bounds, outcome, reason, mode)
    # Seeds settle only what the interval alone has left open.
    seeds = not estimate.hold and _at(estimate, estimate.level, claim.bounds) is Outcome.INCONCLUSIVE
    doubtful = any(_at(other, other.level, claim.bounds) is not Outcome.INCONCLUSIVE for _, other in estimate.instead)
    return verdict if seeds and not doubtful else verdict.model_copy(update={"to_settle": None})


def judge_all(claim: Claim, parts: Sequence[Part], *, mode: Mode = "skip") -> Verdict:
    """Decide a claim that says something of all of k things.

    Not reproduced if one part's interval lies wholly outside its bounds at 5 %/k, so that k chances to fail are not k
    times as likely, whatever is open elsewhere; reproduced if each part's lies inside; else inconclusive. A part that
    nothing can decide by itself refutes nothing, and may keep the claim from being reproduced. The value shown is that
    of the worst part that can be decided.
    """
    decidable = [part for part in parts if not _doubtful(part)] or list(parts)
    worst = min(decidable, key=lambda part: _room(part.estimate.value, part.bounds))
    outcome, reason = _decide_all(parts)
    hosts = list(dict.fromkeys(host for part in parts for host, _ in part.estimate.elsewhere))
    others = [(host, _elsewhere(parts, host)) for host in hosts]
    estimate = worst.estimate.with_(
        notes=[
            *(f"{part.name}: {_interval_text(claim, part.estimate)}" for part in parts),
            *(note for part in parts for note in part.estimate.notes),
        ],
        marks=[mark for part in parts for mark in part.estimate.marks],
    )
    shown = [
        (
            host,
            _decide_all(theirs)[0],
            ", ".join(
                f"{part.name} {_interval_text(claim, part.estimate)}"
                for part, mine in zip(theirs, parts, strict=True)
                if part.estimate is not mine.estimate
            ),
        )
        for host, theirs in others
    ]
    estimate = _with_hosts(claim, estimate, outcome, shown)
    raw = {f"{part.name}: {name}": values for part in parts for name, values in part.estimate.raw.items()}
    verdict = _record(claim, estimate, worst.bounds, outcome, reason, mode)
    return verdict.model_copy(update={"raw": raw, "to_settle": None})


def _guarded(claim: Claim, outcome: Outcome, reason: str, guard: Verdict | None) -> tuple[Outcome, str]:
    """The outcome, withheld where it is a yes and the teacher's own score is too low."""
    if outcome is not Outcome.REPRODUCED or guard is None or not _too_low(guard):
        return outcome, reason
    what = f"{claim.id} holds, but {guard.id} is not reproduced, on the low side: a weak teacher flatters a student"
    return Outcome.INCONCLUSIVE, what


def _decide(estimate: Estimate, bounds: Interval) -> tuple[Outcome, str]:
    """The outcome of one estimate, and why."""
    outcome = _at(estimate, estimate.level, bounds)
    if estimate.hold:
        return outcome, estimate.hold
    for what, other in estimate.instead:
        without = _at(other, other.level, bounds)
        if without is not outcome:
            return Outcome.INCONCLUSIVE, f"{what} decides: with it this would be {outcome}, without it {without}"
    return outcome, _reason(estimate, bounds, outcome)


def _decide_all(parts: Sequence[Part]) -> tuple[Outcome, str]:
    """The outcome of a claim about all of these parts, and why."""
    failed = [part.name for part in parts if _fails(part, len(parts))]
    if failed:
        return Outcome.NOT_REPRODUCED, f"{', '.join(failed)}: wholly outside, at an error shared by {len(parts)}"
    decided = [(part, *_decide(part.estimate, part.bounds)) for part in parts]
    open_ = [(part, reason) for part, outcome, reason in decided if outcome is not Outcome.REPRODUCED]
    if not open_:
        return Outcome.REPRODUCED, f"each of the {len(parts)} lies inside its bounds"
    part, reason = open_[0]
    if len(open_) == 1 and _doubtful(part):
        return Outcome.INCONCLUSIVE, reason if part.name in reason else f"{part.name}: {reason}"
    return Outcome.INCONCLUSIVE, f"open for {', '.join(part.name for part, _ in open_)}"


def _doubtful(part: Part) -> bool:
    """Whether nothing can decide a part by itself."""
    return bool(part.estimate.hold or part.estimate.instead)


def _fails(part: Part, number: int) -> bool:
    """Whether a part is refuted at the error that it shares with the others, doubtful readings of it included."""
    readings = [part.estimate, *(other for _, other in part.estimate.instead)]
    return not part.estimate.hold and all(
        _at(one, _shared(one.level, number), part.bounds) is Outcome.NOT_REPRODUCED for one in readings
    )


def _elsewhere(parts: Sequence[Part], host: str) -> list[Part]:
    """The parts as a host measured them, where it did."""
    return [replace(part, estimate=dict(part.estimate.elsewhere).get(host, part.estimate)) for part in parts]


def _with_hosts(
    claim: Claim, estimate: Estimate, outcome: Outcome, others: Sequence[tuple[str, Outcome, str]]
) -> Estimate:
    """The estimate with what other hosts measured, and a mark where that would be judged otherwise."""
    unit = f" {claim.unit}" if claim.unit else ""
    return estimate.with_(
        notes=[f"on {host}: {text}{unit}, which would be {word}" for host, word, text in others],
        marks=["hosts disagree"] if any(word is not outcome for _, word, _ in others) else [],
    )


def _too_low(guard: Verdict) -> bool:
    """Whether a verdict is "not reproduced" because its value lies below what was printed."""
    low = guard.value is not None and guard.published is not None and guard.value < guard.published
    return guard.verdict is Outcome.NOT_REPRODUCED and low


def _at(estimate: Estimate, level: float, bounds: Interval) -> Outcome:
    """What an interval at this level says; an estimate that may not be decided says nothing."""
    interval = _finite_interval(estimate, level)
    return Outcome.INCONCLUSIVE if estimate.hold else _compare(interval, bounds)


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
    without = math.isnan(estimate.value) and estimate.hold  # a ratio to 0, which says so itself
    if not math.isfinite(estimate.value) and not without:
        raise BadMeasurement(f"the measured value is {estimate.value}, which is not a number to judge")
    low, high = estimate.interval(level)
    if math.isnan(low) or math.isnan(high):
        raise BadMeasurement(f"the interval of {estimate.value} is not a number")
    return low, high


def _room(value: float, bounds: Interval) -> float:
    """How far inside its bounds a value lies; negative outside."""
    return min(value - bounds[0], bounds[1] - value)


def _reason(estimate: Estimate, bounds: Interval, outcome: Outcome) -> str:
    low, high = estimate.interval(estimate.level)
    inside = agrees(estimate.value, bounds)
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
        if mode == "side" and math.isfinite(estimate.value):
            outcome = Outcome.REPRODUCED if agrees(estimate.value, bounds) else Outcome.NOT_REPRODUCED
            reason, marks = f"decided by the value alone, as asked; else inconclusive: {reason}", (*marks, "by side")
    spread = low < high and math.isfinite(low) and math.isfinite(high)
    return printed(claim, bounds, outcome, reason).model_copy(
        update={
            "value": estimate.value if math.isfinite(estimate.value) else None,
            "interval": (low, high) if spread else None,
            "level": estimate.level if spread and estimate.range_of is None else None,
            "range_of": estimate.range_of if spread else None,
            "to_settle": to_settle,
            "marks": marks,
            "notes": estimate.notes,
            "raw": estimate.raw,
        }
    )


def _interval_text(claim: Claim, estimate: Estimate) -> str:
    low, high = estimate.interval(estimate.level)
    if math.isnan(estimate.value):
        return "no value"
    text = digits(estimate.value, claim.precision)
    if low == high or math.isinf(high - low):
        return text
    return f"{text} [{digits(low, claim.precision)}, {digits(high, claim.precision)}]"
