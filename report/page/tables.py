"""The paper's four tables, cell by cell: what it printed, and what each source measured."""

import math
import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from judge.baselines import Baselines
from judge.claims import Claim, Table
from judge.verdicts import OWN_PAIR, Verdict, digits
from report.page.safe import finite
from report.page.sources import Look, Source, judged, look
from report.page.speed import STUDENT, TEACHER

# Seconds of a full pass belong to no claim's cell: the paper's hardware is nobody else's. They are the pairs' sums.
FULL_PASS = "speed.cpu_full_pass"
SECONDS = {"BERT-base": TEACHER, "DistilBERT": STUDENT}


class Measured(NamedTuple):
    """What one source measured for a cell: each number with the look of its verdict, None where none was asked for."""

    source: Source
    numbers: list[tuple[str, Look | None]]


class Cell(NamedTuple):
    """A cell: the text as printed and, for each source that has any, what was measured."""

    printed: str
    measured: list[Measured]


class Shown(NamedTuple):
    """A table with its number, caption, columns, rows by name, and remarks."""

    name: str
    caption: str
    columns: Sequence[str]
    rows: list[tuple[str, list[Cell]]]
    remarks: list[str]


def tables(baselines: Baselines, sources: Sequence[Source]) -> list[Shown]:
    """Every table of the paper."""
    return [_table(name, table, baselines, sources) for name, table in baselines.paper.tables.items()]


def _table(name: str, table: Table, baselines: Baselines, sources: Sequence[Source]) -> Shown:
    claims = _by_cell(baselines, name)
    rows = [
        (row, [_cell(cells[column], claims.get((row, column), ()), row, column, sources) for column in table.columns])
        for row, cells in table.rows.items()
    ]
    remarks = [
        f"{m.cell.row}, {m.cell.column}: printed {digits(baselines.paper.printed(m.cell), 0.1)}, "
        f"most likely a misprint for {digits(m.corrected, 0.1)}: {m.reason}."
        for m in baselines.paper.misprints
        if m.cell.table == name
    ]
    return Shown(re.sub(r"^table(\d+)$", r"Table \1", name), table.caption, table.columns, rows, remarks)


def _by_cell(baselines: Baselines, table: str) -> dict[tuple[str, str], Sequence[Claim]]:
    """The claims about models whose printed number stands in a cell, in the order in which they stand there."""
    found: dict[tuple[str, str], list[Claim]] = {}
    for claim in baselines.paper.claims:
        if claim.cell is not None and claim.cell.table == table and claim.about:
            found.setdefault((claim.cell.row, claim.cell.column), []).append(claim)
    return {
        place: sorted(claims, key=lambda claim: claim.cell.part if claim.cell else 0) for place, claims in found.items()
    }


def _cell(printed: str, claims: Sequence[Claim], row: str, column: str, sources: Sequence[Source]) -> Cell:
    made = [Measured(source, [*_numbers(source, claims), *_seconds(source, row, column)]) for source in sources]
    return Cell(printed, [measured for measured in made if measured.numbers])


def _numbers(source: Source, claims: Sequence[Claim]) -> Iterator[tuple[str, Look | None]]:
    for claim in claims:
        verdict = source.file.verdicts.get(claim.id)
        # What is about somebody's own models stands in no cell of the paper's.
        if verdict is not None and judged(verdict) and verdict.value is not None and OWN_PAIR not in verdict.marks:
            yield _number(verdict), look(verdict)


def _number(verdict: Verdict) -> str:
    return digits(verdict.value, verdict.precision) if 0 < verdict.precision < math.inf else str(verdict.value)


def _seconds(source: Source, row: str, column: str) -> Iterator[tuple[str, Look | None]]:
    """A model's seconds for the full pass, added up over its pairs."""
    verdict = source.file.verdicts.get(FULL_PASS)
    if "seconds" in column and verdict is not None and judged(verdict) and OWN_PAIR not in verdict.marks:
        total = sum(verdict.raw.get(SECONDS.get(row, ""), []))
        if total and finite(total):
            yield f"{total:.1f}", None
