"""The page that a CI job shows: Markdown of a verdicts file, counts first, then what is worst.

Whatever stands in the file is text here: a title or a model id that looks like Markdown or HTML is shown, not obeyed.
"""

import html
import re
from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

from judge.files import Mistake
from judge.verdicts import Outcome, Verdict, VerdictFile
from report.badges import LOOKS, plain, shortened
from report.message import bound, full, measured, number, settle
from report.table import KNOWN, totals
from report.whose import require_one_pair

# A CI service takes a mebibyte for one step and drops the whole page of a longer one.
LIMIT = 1024 * 1024
# What the sentence at a cut and the ends of folds need.
RESERVE = 512
LONGEST_CELL, LONGEST_LINE = 400, 2000
CUT = "\n*Cut here, since a job summary holds 1 MiB at most: the file of verdicts has the rest.*\n"
FOLD, END_OF_FOLD = "<details><summary>{}</summary>\n\n", "\n</details>\n\n"
# As references these letters are shown and never mean anything to Markdown. A name that is called with @, a link and
# a sum in dollars would come alive too.
MEANING = re.compile(r"[&<>|\\`*_~\[\]#@$\"']|:(?=//)|(?<=www)\.", re.IGNORECASE)
T = TypeVar("T")
# Markdown, and what ends the fold it stands in should nothing follow.
Piece = tuple[str, str]
Cells = Callable[[Verdict], Sequence[str]]


def summary(file: VerdictFile, limit: int = LIMIT) -> str:
    """The whole page in fewer bytes of UTF-8 than `limit`, cut with a sentence where there is more.

    Raises:
        Mistake: a verdict's numbers cannot be shown, or are about another pair than the file is.
    """
    require_one_pair(file)
    text, size, end = "", 0, ""
    for piece, end_of_fold in _pieces(file):
        size += len(piece.encode())
        if size + RESERVE > limit:
            return text + end + CUT
        text, end = text + piece, end_of_fold
    return text


def escaped(text: str, most: int = LONGEST_CELL) -> str:
    """One line of text that Markdown and HTML show as it is, also in a table's cell."""
    return MEANING.sub(lambda found: f"&#{ord(found.group())};", shortened(plain(text), most))


def _pieces(file: VerdictFile) -> Iterator[Piece]:
    verdicts = list(file.verdicts.values())
    totals_ = "".join(f"- {escaped(line)}\n" for line in totals(verdicts)) or "nothing judged\n"
    own = f", asked of {file.subject.student} beside {file.subject.teacher}" if file.subject and file.own_pair else ""
    yield f"### Claims of the DistilBERT paper{escaped(own)}\n\n{totals_}\n", ""
    known = [v for v in verdicts if v.verdict is Outcome.NOT_REPRODUCED and v.contradiction]
    rest = [v for v in verdicts if v not in known]
    for outcome in (Outcome.ERROR, Outcome.NOT_REPRODUCED, Outcome.INCONCLUSIVE):
        yield from _open_group(outcome, [v for v in rest if v.verdict is outcome])
    good = [v for v in rest if v.verdict is Outcome.REPRODUCED]
    yield from _folded_group(_title(Outcome.REPRODUCED), good, "needed", lambda v: [*v.marks, bound(v)])
    title = f"{LOOKS[Outcome.NOT_REPRODUCED].symbol} {KNOWN}"
    yield from _folded_group(title, known, "why", lambda v: [*v.marks, v.contradiction or ""])
    left = [v for v in rest if v.verdict is Outcome.NOT_RUN]
    yield from _folded_group(_title(Outcome.NOT_RUN), left, "why", lambda v: [v.reason])
    yield from _run(file)


def _title(outcome: Outcome) -> str:
    return f"{LOOKS[outcome].symbol} {outcome}"


def _open_group(outcome: Outcome, verdicts: Sequence[Verdict]) -> Iterator[Piece]:
    """What needs attention: a table to be seen at once, and each verdict in full under a fold."""
    if not verdicts:
        return
    yield f"#### {_title(outcome)} ({len(verdicts)})\n\n", ""
    yield from _table(verdicts, "why", lambda v: [*v.marks, v.reason, _needs(v), settle(v)], "")
    yield "\n" + FOLD.format("in full"), END_OF_FOLD
    for verdict in verdicts:
        lines = _shown(verdict, full).splitlines()
        text = "\n".join(html.escape(_column(line)) for line in lines)
        yield f"<pre>\n{text}\n</pre>\n", END_OF_FOLD
    yield END_OF_FOLD, ""


def _folded_group(title: str, verdicts: Sequence[Verdict], last: str, cells: Cells) -> Iterator[Piece]:
    if not verdicts:
        return
    yield f"#### {title} ({len(verdicts)})\n\n" + FOLD.format("the claims"), END_OF_FOLD
    yield from _table(verdicts, last, cells, END_OF_FOLD)
    yield END_OF_FOLD, ""


def _table(verdicts: Sequence[Verdict], last: str, cells: Cells, end: str) -> Iterator[Piece]:
    yield f"| claim | printed | measured | {last} |\n|---|---|---|---|\n", end
    for verdict in verdicts:
        title = f"{escaped(verdict.title)} (<code>{escaped(verdict.id)}</code>)"
        printed = _shown(verdict, lambda v: number(v, v.published))
        said = "; ".join(part for part in _shown(verdict, cells) if part)
        yield f"| {title} | {escaped(printed)} | {escaped(_shown(verdict, measured))} | {escaped(said)} |\n", end


def _needs(verdict: Verdict) -> str:
    return f"needs {bound(verdict)}" if verdict.value is not None else ""


def _run(file: VerdictFile) -> Iterator[Piece]:
    """Where the verdicts come from."""
    facts = {
        **({"about": str(file.subject)} if file.subject else {}),
        "suite": file.suite_version,
        "commit": file.commit or "unknown",
        "paper.json": file.paper_sha256,
        "written": file.created,
        "command": file.command,
        **{name: str(value) for name, value in file.host.items()},
        **file.versions,
    }
    yield FOLD.format("the run that wrote last"), END_OF_FOLD
    yield "| | |\n|---|---|\n", END_OF_FOLD
    for name, value in facts.items():
        yield f"| {escaped(name)} | {escaped(value)} |\n", END_OF_FOLD
    yield END_OF_FOLD, ""


def _column(line: str) -> str:
    """A line of `full`, cut and rid of control characters, with the spaces that make its columns."""
    return shortened("".join(letter for letter in line if letter.isprintable()), LONGEST_LINE)


def _shown(verdict: Verdict, show: Callable[[Verdict], T]) -> T:
    """What `show` makes of a verdict. Raises Mistake where a file written by hand lacks the numbers for it."""
    try:
        return show(verdict)
    except (TypeError, ValueError, OverflowError) as error:
        raise Mistake(f"the verdict on {verdict.id!r} cannot be shown ({error}): judge the claim again.") from None
