"""Claims and the printed tables they come from: the records of baselines/paper.json and baselines/prior-study.json."""

import math
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from judge.files import Record

Rule = Literal["exact", "within", "at_least", "at_most"]
Role = Literal[
    "teacher",
    "student",
    "student_d",
    "student_no_ce",
    "student_no_cosine",
    "student_no_mlm",
    "student_random_init",
    "student_narrow",
]
Mark = Literal["fast", "slow", "gpu"]
# What a verdict rests on: a measurement of models, arithmetic on the paper's text, or the prior study's own files.
Basis = Literal["measured", "text", "study"]

ROLE_NAMES: dict[Role, str] = {
    "teacher": "the teacher",
    "student": "the student",
    "student_d": "the student distilled twice",
    "student_no_ce": "the student without the CE loss",
    "student_no_cosine": "the student without the cosine loss",
    "student_no_mlm": "the student without the MLM loss",
    "student_random_init": "the student from random weights",
    "student_narrow": "a model as deep as the teacher with no more parameters than the student",
}


def _finite(value: float) -> float:
    if not math.isfinite(value):
        raise ValueError("this must be a finite number")
    return value


def _said(text: str) -> str:
    if not text.strip():
        raise ValueError("this must say something")
    return text


Finite = Annotated[float, AfterValidator(_finite)]
Text = Annotated[str, AfterValidator(_said)]


class Margin(Record):
    """How far a measured value may lie from the printed one, fixed before any number was seen.

    `value` is in the claim's unit; `name` is a kind (rounding, seed, point, exact); `fixed_on` is an ISO date.
    """

    value: Annotated[Finite, Field(ge=0)]
    name: Text
    reason: Text
    fixed_on: Annotated[str, Field(pattern=r"^\d{4}-\d{2}-\d{2}$")]


class Reason(Record):
    """Why a claim contradicts its own source, or why it cannot be run anywhere."""

    reason: Text


class Cell(Record):
    """The printed cell that a claim's published number is; `part` counts the numbers in it, as in `81.2/88.5`."""

    table: str
    row: str
    column: str
    part: Annotated[int, Field(ge=0)] = 0


class AnyPair(Record):
    """How the claim is read for a teacher and student of the user's own: a promise, hence mostly `at_least`."""

    rule: Rule
    reading: Text


class Claim(Record):
    """One claim: what was printed, where, and what counts as yes.

    `published`, `precision` (the unit of the last printed digit) and `margin.value` are in `unit`.
    `about` names the models whose measurement decides it; a claim about no model is arithmetic on printed text.
    `setting` is how a claim about time asks for it to be taken: device, batch, threads, precision, tokenisation.
    `source` is the text that makes the claim; it follows from the file that the claim stands in.
    """

    id: Annotated[str, Field(pattern=r"^[a-z0-9]+(\.[a-z0-9_]+)+$")]
    title: Text
    sentence: Text
    where: Text
    quantity: Text
    published: Finite
    precision: Annotated[Finite, Field(gt=0)]
    unit: str
    rule: Rule
    margin: Margin
    about: tuple[Role, ...]
    marks: tuple[Mark, ...]
    cell: Cell | None = None
    reading: Text | None = None
    contradiction: Reason | None = None
    not_run: Reason | None = None
    any_pair: AnyPair | None = None
    setting: dict[str, bool | int | str] | None = None
    source: Literal["paper", "study"] = "paper"

    @model_validator(mode="after")
    def _consistent(self) -> "Claim":
        if ("fast" in self.marks) == ("slow" in self.marks):
            raise ValueError("'marks' must hold exactly one of fast and slow")
        if self.contradiction and self.not_run:
            raise ValueError("'contradiction' and 'not_run' exclude each other: keep one")
        if self.contradiction and self.about:
            raise ValueError("only a claim about printed text ('about': []) can be a contradiction")
        return self

    @property
    def basis(self) -> Basis:
        """What a verdict on this claim rests on."""
        if self.source == "study":
            return "study"
        return "measured" if self.about else "text"

    @property
    def bounds(self) -> tuple[float, float]:
        """The lowest and the highest value that agrees with the claim; infinite on an open side."""
        low, high = self.published - self.margin.value, self.published + self.margin.value
        return {
            "at_least": (low, math.inf),
            "at_most": (-math.inf, high),
        }.get(self.rule, (low, high))


class Table(Record):
    """A printed table, cell by cell, as text: rows by name, each with every column."""

    caption: Text
    columns: tuple[str, ...]
    rows: dict[str, dict[str, str]]

    @model_validator(mode="after")
    def _rectangular(self) -> "Table":
        for name, row in self.rows.items():
            if tuple(row) != self.columns:
                raise ValueError(f"row {name!r} must have the columns {', '.join(self.columns)}, in this order")
        return self

    def numbers(self, row: str, column: str) -> tuple[float, ...]:
        """The numbers of a cell: one, two for `81.2/88.5`, none for `-`."""
        text = self.rows[row][column]
        try:
            return () if text == "-" else tuple(float(part) for part in text.split("/"))
        except ValueError:
            raise ValueError(f"row {row!r}, column {column!r} prints {text!r}, which is no number") from None

    def number(self, row: str, column: str, part: int = 0) -> float:
        """One number of a cell."""
        return self.numbers(row, column)[part]


class Misprint(Record):
    """A printed cell that other text by the same authors corrects; claims are judged against what was printed."""

    cell: Cell
    corrected: Finite
    reason: Text


class Source(Record):
    """A text whose claims are judged: its tables as printed, the figures of its running text, and its claims."""

    title: Text
    reference: Text
    tables: dict[str, Table]
    misprints: tuple[Misprint, ...] = ()
    figures: dict[str, Finite] = {}
    claims: tuple[Claim, ...]

    @model_validator(mode="after")
    def _agrees_with_its_tables(self) -> "Source":
        seen: set[str] = set()
        for misprint in self.misprints:
            self.printed(misprint.cell)
        for claim in self.claims:
            if claim.id in seen:
                raise ValueError(f"the id {claim.id!r} occurs twice: rename one")
            seen.add(claim.id)
            if claim.cell is not None and claim.published != self.printed(claim.cell, claim.id):
                raise ValueError(
                    f"claim {claim.id!r} publishes {claim.published}, but its cell in {claim.cell.table} "
                    f"prints {self.printed(claim.cell)}: correct one of them"
                )
        return self

    def printed(self, cell: Cell, whose: str = "a misprint") -> float:
        """The number that stands in a cell; `whose` is named where there is none.

        Raises:
            ValueError: there is no such cell, or no number in it.
        """
        try:
            return self.tables[cell.table].number(cell.row, cell.column, cell.part)
        except (KeyError, IndexError):
            where = f"{cell.table}, {cell.row}, {cell.column}"
            raise ValueError(f"{whose}: there is no number at {where}: correct the cell") from None
