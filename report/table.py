"""The table that ends a run: one line per claim, what failed last, nearest to the prompt."""

import re
import textwrap
from collections.abc import Iterable, Iterator, Sequence

from judge.claims import Basis
from judge.verdicts import Outcome, Verdict
from report.message import bound, measured, number, settle

# Read from the bottom: what needs attention stands next to the prompt.
ORDER = (Outcome.NOT_RUN, Outcome.REPRODUCED, Outcome.INCONCLUSIVE, Outcome.ERROR, Outcome.NOT_REPRODUCED)
KNOWN = "not reproduced, as the text contradicts itself"
# What verdicts rest on, in words.
BASES: dict[Basis, str] = {
    "measured": "the paper's claims, measured",
    "text": "the paper's claims, read from its text",
    "study": "the prior study's claims about itself",
}
Line = tuple[str, str]


def lines(verdicts: Sequence[Verdict], *, width: int = 120, absent: int = 0) -> Iterator[Line]:
    """The table as (text, colour) lines; colour is one of the verdicts, `known`, or empty for plain text.

    Args:
        verdicts: in the order of the baselines.
        width: columns of the terminal.
        absent: claims that this run did not select at all.
    """
    for outcome in ORDER:
        chosen = [v for v in verdicts if v.verdict is outcome]
        if outcome is Outcome.NOT_RUN:
            yield from not_run(chosen, width)
            continue
        known = [v for v in chosen if outcome is Outcome.NOT_REPRODUCED and v.contradiction]
        yield from _group(KNOWN, known, width, "known")
        yield from _group(outcome.value, [v for v in chosen if v not in known], width, outcome.value)
    yield "", ""
    for line in totals(verdicts, absent):
        # Broken between counts, never between a number and its word.
        yield from wrapped(re.sub(r"(?<![;:]) ", "\u00a0", line), width, "")


def totals(verdicts: Sequence[Verdict], absent: int = 0) -> list[str]:
    """How many verdicts of each kind: what was measured and what was read from a text are never added up.

    `measured (58): 20 reproduced; ...`, a line for each basis that there is.
    """
    said = []
    for basis, name in BASES.items():
        chosen = [verdict for verdict in verdicts if verdict.basis == basis]
        if chosen:
            said.append(f"{name} ({len(chosen)}): {counts(chosen)}")
    return said + ([f"{absent} claims not asked for"] if absent else [])


def counts(verdicts: Iterable[Verdict]) -> str:
    """`25 reproduced; 1 inconclusive`: how many of each, leaving out what there is none of."""
    tally: dict[str, int] = {}
    for verdict in verdicts:
        known = verdict.verdict is Outcome.NOT_REPRODUCED and verdict.contradiction
        name = KNOWN if known else verdict.verdict.value
        tally[name] = tally.get(name, 0) + 1
    names = [outcome.value for outcome in reversed(ORDER)]
    names.insert(1, KNOWN)
    said = [f"{tally[name]} {name}" for name in sorted(names, key=lambda n: n != "reproduced") if name in tally]
    return "; ".join(said)


def _group(title: str, verdicts: Sequence[Verdict], width: int, colour: str) -> Iterator[Line]:
    if not verdicts:
        return
    yield f"{title} ({len(verdicts)})", colour
    names = max(len(v.id) for v in verdicts)
    values = min(34, max(len(measured(v)) for v in verdicts))
    printed = max(len(number(v, v.published)) for v in verdicts)
    for verdict in verdicts:
        line = f"  {verdict.id:<{names}}  {number(verdict, verdict.published):>{printed}}"
        line += f"  {measured(verdict):<{values}}  {_remark(verdict)}"
        yield cut(line, width), ""


def _remark(verdict: Verdict) -> str:
    """What one line can say beside the numbers."""
    if verdict.verdict is Outcome.ERROR:
        return verdict.reason
    if verdict.verdict is Outcome.REPRODUCED:
        said = [verdict.title]
    elif verdict.contradiction:
        said = [verdict.contradiction]
    elif verdict.verdict is Outcome.INCONCLUSIVE and verdict.to_settle is None:
        said = [verdict.reason]
    else:
        said = [_side(verdict), f"needs {bound(verdict)}", settle(verdict)]
    return "; ".join(part for part in [*verdict.marks, *said] if part)


def _side(verdict: Verdict) -> str:
    """On which side of the bound an undecided value fell."""
    if verdict.verdict is not Outcome.INCONCLUSIVE or verdict.value is None:
        return ""
    low, high = verdict.bounds
    inside = (low is None or verdict.value >= low) and (high is None or verdict.value <= high)
    return "value inside" if inside else "value outside"


def not_run(verdicts: Sequence[Verdict], width: int) -> Iterator[Line]:
    """Claims without a verdict, gathered by reason: they must be seen, not scrolled past."""
    if not verdicts:
        return
    yield f"not run ({len(verdicts)})", Outcome.NOT_RUN.value
    reasons: dict[str, list[str]] = {}
    for verdict in verdicts:
        reasons.setdefault(verdict.reason, []).append(verdict.id)
    for reason, ids in reasons.items():
        yield from wrapped(f"{reason}:", width, "  ")
        yield from wrapped(" ".join(ids), width, "    ")


def wrapped(text: str, width: int, indent: str) -> Iterator[Line]:
    """A sentence over as many lines as it takes."""
    for line in textwrap.wrap(text, width, initial_indent=indent, subsequent_indent=indent, break_on_hyphens=False):
        yield line.replace("\u00a0", " "), ""


def cut(line: str, width: int) -> str:
    """A line that ends at the terminal's edge."""
    return line if len(line) <= width else line[: width - 3].rstrip() + "..."
