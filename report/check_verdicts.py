"""What can be wrong with verdicts: other baselines, numbers that are none, words that do not follow, other evidence."""

import math
from collections.abc import Iterator, Mapping

from judge.baselines import Baselines
from judge.checks import listed
from judge.claims import Claim
from judge.verdicts import OWN_PAIR, Outcome, Verdict, VerdictFile, agrees
from report.badges import WITHHOLDING
from report.findings import Finding, remark, wrong


def verdict_findings(
    name: str, file: VerdictFile, baselines: Baselines, digests: Mapping[str, str]
) -> Iterator[Finding]:
    """Everything to say about one verdicts.json.

    Args:
        name: what to call it.
        file: its content.
        baselines: the claims and the edition of the paper's data.
        digests: the names of the evidence files at hand, by the digest of their measurements.
    """
    same_edition = file.paper_sha256 == baselines.digest
    if not same_edition:
        yield wrong(
            name, f"paper.json was another edition ({file.paper_sha256[:12]}) when this was judged: judge again"
        )
    yield from _about(name, file, baselines)
    missing = [claim for claim in baselines.claims if claim not in file.verdicts]
    if missing:
        yield wrong(name, f"it lacks {listed(missing)}: judge again")
    for key, verdict in file.verdicts.items():
        place = f"{name} ({key})"
        claim = baselines.claims.get(key)
        if claim is None or verdict.id != key:
            yield wrong(place, "this is no claim of baselines/" if claim is None else f"its id is {verdict.id!r}")
            continue
        for what in _numbers(verdict):
            yield wrong(place, what)
        for what in [*(_printed(verdict, claim) if same_edition else ()), *_word(verdict)]:
            yield wrong(place, what)
    yield from _origins(name, file, digests)
    marked: dict[str, int] = {}
    for mark in (mark for verdict in file.verdicts.values() for mark in verdict.marks if mark in WITHHOLDING):
        marked[mark] = marked.get(mark, 0) + 1
    if marked:
        said = listed((f"{mark} ({number})" for mark, number in marked.items()), 9)
        yield remark(name, f"marked verdicts, which make no badge: {said}")


def _about(name: str, file: VerdictFile, baselines: Baselines) -> Iterator[Finding]:
    """Whether all of it is about the paper and the pair that it says."""
    if file.subject is None:
        return
    if file.subject.paper != baselines.paper.reference:
        yield wrong(name, f"it is about {file.subject.paper}, and baselines/ about {baselines.paper.reference}")
    others = [] if file.subject.own else file.marked(OWN_PAIR)
    if others:
        yield wrong(name, f"it is about {file.subject}, and {listed(others)} about another pair: judge again")


def _numbers(verdict: Verdict) -> Iterator[str]:
    numbers = [verdict.value, verdict.published, verdict.margin, verdict.level, verdict.precision]
    numbers += [*(verdict.interval or ()), *verdict.bounds]
    odd = [number for number in numbers if number is not None and not math.isfinite(number)]
    odd += [number for values in verdict.raw.values() for number in values if not math.isfinite(number)]
    if odd:
        yield f"{len(odd):,} of its numbers are not finite ({listed(odd)})"
    elif verdict.precision <= 0:
        yield f"its precision is {verdict.precision:g}"
    elif verdict.interval and verdict.interval[0] > verdict.interval[1]:
        yield "its interval ends before it begins"


def _printed(verdict: Verdict, claim: Claim) -> Iterator[str]:
    """What a verdict repeats of its claim; for a pair of somebody's own the rule is read as the data say."""
    if not verdict.rule:
        return
    own = OWN_PAIR in verdict.marks and claim.any_pair is not None
    rule = claim.any_pair.rule if own and claim.any_pair else claim.rule
    said = (verdict.published, verdict.margin, verdict.rule)
    if said != (claim.published, claim.margin.value, rule):
        now = f"{claim.published:g}, {claim.margin.value:g}, {rule}"
        yield f"printed number, margin and rule are {said[0]}, {said[1]}, {said[2]} here and {now} in baselines/"


def _word(verdict: Verdict) -> Iterator[str]:
    """Whether the verdict's word follows from its own numbers, as far as they decide it."""
    if verdict.verdict in (Outcome.NOT_RUN, Outcome.ERROR):
        if verdict.value is not None:
            yield f'it is "{verdict.verdict}" and has a value'
        return
    if verdict.value is None:  # as a ratio to 0, which nothing decides
        if verdict.verdict is not Outcome.INCONCLUSIVE:
            yield f'it is "{verdict.verdict}" and has no value'
        return
    low, high = (math.inf * sign if end is None else end for sign, end in zip((-1, 1), verdict.bounds, strict=True))
    ends = (verdict.value,) if "by side" in verdict.marks else verdict.interval or (verdict.value,)
    inside = all(agrees(end, (low, high)) for end in ends)
    if verdict.verdict is Outcome.REPRODUCED and not inside:
        yield 'it is "reproduced", and its interval reaches out of the bounds'
    if verdict.verdict is Outcome.NOT_REPRODUCED and inside:
        yield 'it is "not reproduced", and its interval lies inside the bounds'


def _origins(name: str, file: VerdictFile, digests: Mapping[str, str]) -> Iterator[Finding]:
    """Whether the evidence given is the evidence that was judged."""
    other: dict[str, dict[str, None]] = {}
    unknown: dict[str, None] = {}
    for key, verdict in file.verdicts.items():
        if verdict.evidence and not verdict.digests:
            unknown[key] = None
        for origin, digest in zip(verdict.evidence, verdict.digests, strict=False):
            if digest not in digests:
                other.setdefault(origin, {})[key] = None
    if unknown:
        yield remark(name, f"{len(unknown)} verdicts were judged before verdicts named the digests of their evidence")
    for origin, claims in other.items():
        if digests:
            what = f"{len(claims)} verdicts ({listed(claims)}) were judged from {origin} with measurements that are in "
            yield wrong(name, what + "none of the evidence files given: judge again, or give that file")
        else:
            yield remark(name, f"{len(claims)} verdicts rest on {origin}, which was not given")
