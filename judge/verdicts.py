"""Verdicts: the five words, the record that is stored, and how its numbers are compared and shown."""

import math
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from judge.claims import Basis, Claim, Role
from judge.evidence import Plain, holds_evidence
from judge.files import Mistake, Record
from judge.statistics import Interval

# 2 came with the digests of the evidence that was judged, 3 with what the verdicts are about. Older files are read too.
SCHEMA = 3
FILE_NAME = "verdicts.json"
# Marks of verdicts that are about other models than the paper's.
OWN_PAIR, REHEARSAL = "own pair", "rehearsal"
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
    `unit`. `level` is the interval's level of confidence; where it is a range instead, `range_of` says over what.
    `raw` are the measured numbers by name, `evidence` the files they came from and `digests` those of their
    measurements, in the same order, `machines` those that measured what the claim is about, `versions` their main
    versions. `marks` are short labels that restrict the use of the verdict, `notes` second readings and remarks.
    `basis` says what the verdict rests on: a total never mixes what was measured with arithmetic on text.
    `to_settle` is the number of seeds with an 80 % chance of deciding an inconclusive claim; 0 says that more than 50
    would be needed.
    """

    id: str
    verdict: Outcome
    reason: str
    title: str = ""
    basis: Basis = "measured"
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
    range_of: str | None = None
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


class Subject(Record):
    """What all verdicts of a file are about: one paper, one pair of models, one recipe.

    `teacher` and `student` are hub ids, or folders as they were given; `own` are the roles of the models that are not
    the paper's, and `folders` says where those of them lie that are folders. In a rehearsal miniatures stand for both.
    """

    paper: str
    teacher: str
    student: str
    recipe: str
    own: tuple[Role, ...] = ()
    folders: dict[Role, str] = {}
    rehearsal: bool = False

    def __str__(self) -> str:
        teacher, student = self.models
        # A hub id of the user's own could be taken for the folder of that name here.
        if "teacher" in self.own and "teacher" not in self.folders:
            teacher = f"hub model {teacher}"
        if "student" in self.own and "student" not in self.folders:
            student = f"hub model {student}"
        return f"{'a rehearsal of ' if self.rehearsal else ''}{student} beside {teacher}, recipe {self.recipe}"

    @property
    def models(self) -> tuple[str, str]:
        """Which teacher and student, by where they lie if they are folders: on one host that tells them apart."""
        return self.folders.get("teacher", self.teacher), self.folders.get("student", self.student)

    @property
    def pair(self) -> tuple[str, str, str, tuple[Role, ...]]:
        """The paper and the models by their names, which are the same on every host, and which of these are own."""
        return self.paper, self.teacher, self.student, self.own

    def is_about(self, other: "Subject") -> bool:
        """Whether verdicts on the two may stand in one file."""
        mine, others = ((s.paper, s.models, s.own, s.recipe, s.rehearsal) for s in (self, other))
        return mine == others


class VerdictFile(Record):
    """results/verdicts.json: every claim's last verdict, and the run that wrote last.

    `subject` is what they are about; files of schema 2 and before do not say it.
    """

    schema_: Annotated[int, Field(alias="schema")]
    suite_version: str
    commit: str | None = None
    paper_sha256: str
    subject: Subject | None = None
    created: str
    command: str
    host: dict[str, Plain] = {}
    versions: dict[str, str] = {}
    verdicts: dict[str, Verdict]

    @property
    def own_pair(self) -> bool:
        """Whether it is about a pair of the user's own; of an older file its verdicts say so."""
        return bool(self.subject.own) if self.subject else bool(self.marked(OWN_PAIR))

    def marked(self, mark: str) -> list[str]:
        """The claims whose verdicts carry a mark."""
        return [name for name, verdict in self.verdicts.items() if mark in verdict.marks]


def require_no_evidence(folder: Path, what: str) -> None:
    """Refuse to write beside evidence, where the next `--evidence FOLDER` would stumble on it.

    A folder with the verdicts of a run is one of results, whatever was recorded there.

    Raises:
        Mistake: the folder holds evidence and no verdicts.
    """
    found = holds_evidence(folder)
    if found and not (folder / FILE_NAME).exists():
        raise Mistake(f"{folder} holds evidence ({found.name}), where {what} do not belong: give another folder.")


def without_measurement(claim: Claim, outcome: Outcome, reason: str) -> Verdict:
    """A verdict for a claim that was not run, or whose measurement cannot be judged."""
    return printed(claim, claim.bounds, outcome, reason)


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


def printed(claim: Claim, bounds: Interval, outcome: Outcome, reason: str) -> Verdict:
    """A verdict with the fields that the claim alone decides."""
    low, high = (bound if math.isfinite(bound) else None for bound in bounds)
    return Verdict(
        id=claim.id,
        verdict=outcome,
        reason=reason,
        title=claim.title,
        basis=claim.basis,
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
