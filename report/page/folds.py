"""What stands under a claim's fold: what was said, how it is judged, what was measured, and how to do it again."""

import re
import shlex
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from judge.baselines import Baselines
from judge.claims import Claim
from judge.verdicts import OWN_PAIR, REHEARSAL, Outcome, Verdict
from report.badges import ID
from report.message import measured, number, settle, with_unit
from report.page.dots import Strip, strips
from report.page.forest import Row, row
from report.page.origins import Origin, Recorded, origins
from report.page.safe import needs, said, some
from report.page.sources import Look, Source, judged, look, own_models
from report.page.speed import ratios

RULES = {
    "within": "the whole interval lies within the bounds",
    "at_least": "the whole interval lies at or above the bound",
    "at_most": "the whole interval lies at or below the bound",
    "exact": "the value is the printed one, to its rounding; nothing is estimated",
}
MOST_NOTES = 40
# Where many runs stand beside this one, their notes and long lists of raw values would bury what differs.
MANY, MOST_BESIDE = 3, 2
NODE = re.compile(r"claims/[\w/]+\.py::[\w\[\].,:-]+")


class Said(NamedTuple):
    """What one source says of a claim."""

    source: Source
    look: Look
    measured: str
    level: str
    why: str
    settle: str
    marks: tuple[str, ...]
    notes: Sequence[str]
    more_notes: int
    evidence: str


class Fold(NamedTuple):
    """A claim: its row of the forest plot and all that stands under it."""

    id: str
    anchor: str
    verdict: Verdict
    look: Look
    printed: str
    needs: str
    margin: str
    rule: str
    row: Row
    sides: list[Said]
    strips: list[Strip]
    more_raw: int
    pairs: bool
    origins: list[Origin]
    commands: list[tuple[str, str]]
    differs: str


def fold(name: str, place: int, sources: Sequence[Source], recorded: Sequence[Recorded], baselines: Baselines) -> Fold:
    """Everything about one claim, from the sources that know it; `place` names its anchor where its id cannot."""
    known = [(s, s.file.verdicts[name]) for s in sources if name in s.file.verdicts]
    # What was not run is said of this run only: of the others it would be a line each for nothing.
    shown = [(s, v) for n, (s, v) in enumerate(known) if n == 0 or v.verdict is not Outcome.NOT_RUN]
    verdict, claim = known[0][1], baselines.claims.get(name)
    return Fold(
        id=name,
        anchor=name if re.fullmatch(ID, name) else f"claim-{place}",
        verdict=verdict,
        look=look(verdict),
        printed=said(verdict, lambda v: number(v, v.published)),
        needs=needs(verdict),
        margin=with_unit(f"{verdict.margin:g}", verdict.unit) if verdict.margin is not None else "",
        rule=RULES.get(verdict.rule, verdict.rule),
        row=row(shown),
        sides=list(_sides(shown)),
        strips=[strip for s, v in _different(shown) if judged(v) and not ratios(v) for strip in strips(s, v)],
        more_raw=len([v for _, v in shown[1:] if len(v.raw) > MOST_BESIDE and judged(v) and not ratios(v)]),
        pairs=any(ratios(v) for _, v in shown if judged(v)),
        origins=origins(name, verdict, claim.about, recorded, baselines) if claim and claim.about else [],
        commands=list(_commands(shown, claim)),
        differs=_differs(shown),
    )


def _said(source: Source, verdict: Verdict) -> Said:
    notes, more = some(verdict.notes, MOST_NOTES)
    counted = REHEARSAL not in verdict.marks
    why = verdict.contradiction if look(verdict).icon == "known" else verdict.reason
    return Said(
        source=source,
        look=look(verdict),
        measured=said(verdict, measured) if verdict.value is not None and counted else "",
        level=f"{verdict.level:.0%} interval" if verdict.level else "",
        why=(why or "") if counted or verdict.verdict in (Outcome.ERROR, Outcome.NOT_RUN) else "the steps went through",
        settle=settle(verdict) if verdict.verdict is Outcome.INCONCLUSIVE and counted else "",
        marks=verdict.marks,
        notes=notes if counted else (),
        more_notes=more,
        evidence=", ".join(verdict.evidence),
    )


def _sides(shown: Sequence[tuple[Source, Verdict]]) -> Iterator[Said]:
    """What each source says; what an earlier one has said word for word is not said twice."""
    before: list[Said] = []
    for source, verdict in shown:
        side = _said(source, verdict)
        yield _shorter(side, before, len(shown) > MANY) if before else side
        before.append(side)


def _shorter(side: Said, before: Sequence[Said], many: bool) -> Said:
    """What a further source says beyond those before it; where many stand beside this run, little of its notes."""
    if side.notes and any(side.notes == other.notes for other in before):
        side = side._replace(notes=() if many else ["the same notes as above"])
    if many:
        few, more = some(side.notes, MOST_BESIDE)
        said = any(side.why == other.why for other in before)
        side = side._replace(
            notes=few,
            more_notes=side.more_notes + more,
            why="" if said else side.why,
            settle="" if said else side.settle,
        )
    return side


def _different(shown: Sequence[tuple[Source, Verdict]]) -> Iterator[tuple[Source, Verdict]]:
    """The verdicts whose raw values are shown: this run's all, of the others short ones that nobody has shown yet."""
    before: list[dict[str, list[float]]] = []
    for source, verdict in shown:
        if not before or (verdict.raw not in before and len(verdict.raw) <= MOST_BESIDE):
            yield source, verdict
        before.append(verdict.raw)


def _differs(shown: Sequence[tuple[Source, Verdict]]) -> str:
    """Which sources came to another verdict than the first that has one; empty where they agree."""
    voices = [(s, v) for s, v in shown if judged(v)]
    if not all(OWN_PAIR in v.marks for _, v in voices):  # another pair's verdict is no other opinion
        voices = [(s, v) for s, v in voices if OWN_PAIR not in v.marks]
    if not voices:
        return ""
    others = [s.name for s, v in voices[1:] if v.verdict is not voices[0][1].verdict]
    return f"{voices[0][0].name} and {', '.join(others)} differ" if others else ""


def _commands(shown: Sequence[tuple[Source, Verdict]], claim: Claim | None) -> Iterator[tuple[str, str]]:
    """What to type: to judge the same evidence again, and to measure anew."""
    source, verdict = next(((s, v) for s, v in shown if NODE.fullmatch(v.nodeid)), shown[0])
    if not NODE.fullmatch(verdict.nodeid):
        return
    test = f"pytest {shlex.quote(verdict.nodeid)}"
    files = [file for file in verdict.evidence if file.endswith(".json")]
    if files:
        yield "judge the same evidence again", " ".join([test, *(f"--evidence {shlex.quote(file)}" for file in files)])
    if claim is None or claim.not_run:
        return
    if not claim.about:
        yield "compute it again from the printed text", test
        return
    pair = own_models(source) if OWN_PAIR in verdict.marks else []
    options = [f"--{role} {shlex.quote(model)}" for role, _, model in (text.partition(" ") for text in pair)]
    slow = ["--runslow"] if "slow" in claim.marks else []
    where = " on a host with a GPU" if "gpu" in claim.marks else ""
    yield f"measure it{where}", " ".join([test, *slow, *options])
