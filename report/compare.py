"""`python -m report compare`: which verdicts changed between two runs, and why, as Markdown for a pull request."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence

from judge.files import Mistake
from judge.verdicts import Outcome, Verdict, VerdictFile
from report.badges import LOOKS, WORST_FIRST
from report.message import bound, measured, number
from report.summary import escaped
from report.whose import require_same_pair

# The text of a pull request holds 65,536 characters; the rest is for whoever writes around it.
LIMIT = 60_000
CUT = "\n*Cut here: `python -m report compare` prints the rest where there is more room.*\n"
UNCHANGED = "No verdict changed: the same claims with the same words, numbers and marks.\n"
HEAD = "| claim | before | after | why |\n|---|---|---|---|\n"
# What decides how a number is judged, by the words that a reader knows it by.
RULES: dict[str, Callable[[Verdict], str]] = {
    "printed number": lambda v: number(v, v.published),
    "rule": lambda v: v.rule,
    "margin": lambda v: f"{v.margin} ({v.margin_reason})",
    "bounds": bound,
    "reading": lambda v: v.reading or "none",
    "level of the interval": lambda v: f"{v.level}",
    "contradiction": lambda v: v.contradiction or "none",
}
JUDGED_ELSEWHERE = "another host wrote last"
Change = tuple[str, Verdict | None, Verdict | None]


def changes(before: VerdictFile, after: VerdictFile) -> list[Change]:
    """Claims whose verdict changed, in word, number or marks: what needs attention first, whatever the files' order."""
    names = sorted(before.verdicts.keys() | after.verdicts.keys())
    pairs = [(name, before.verdicts.get(name), after.verdicts.get(name)) for name in names]
    return sorted((pair for pair in pairs if _core(pair[1]) != _core(pair[2])), key=_attention)


def _attention(change: Change) -> tuple[int, str]:
    verdict = change[2]
    return [*WORST_FIRST, Outcome.NOT_RUN].index(verdict.verdict) if verdict else len(LOOKS), change[0]


def words_changed(before: VerdictFile, after: VerdictFile) -> int:
    """How many claims came to another word, were added or are gone."""
    return sum(_word(one) != _word(other) for _, one, other in changes(before, after))


def comparison(before: VerdictFile, after: VerdictFile, limit: int = LIMIT) -> str:
    """The Markdown: verdicts that changed, then numbers and marks that changed without one, then the two runs.

    Raises:
        Mistake: a verdict's numbers cannot be shown, or the two are about different pairs.
    """
    require_same_pair(before, after, ("BEFORE", "AFTER"))
    found = changes(before, after)
    if not found:
        return UNCHANGED
    decided = [change for change in found if _word(change[1]) != _word(change[2])]
    others = [change for change in found if change not in decided]
    count = f"{len(decided) or 'no'} verdict{'s' * (len(decided) != 1)} changed"
    more = f", and {len(others)} more came out the same with other numbers or marks" if others else ""
    text = f"### {count[0].upper()}{count[1:]}{more}\n\n"
    facts = _facts(before, after)
    for piece in (*_rows(decided, facts), *_fold("the same verdict, other numbers or marks", others, facts)):
        if len(text) + len(piece) + len(CUT) > limit:
            return text + CUT
        text += piece
    runs = _runs(before, after)
    return text + runs if len(text) + len(runs) <= limit else text + CUT


def reasons(before: Verdict | None, after: Verdict | None, facts: Sequence[str] = ()) -> list[str]:
    """Why a verdict is another one, in plain words: rule, evidence, number, marks; `facts` differ between the runs."""
    if before is None or after is None:
        return ["the claim is new" if before is None else "the claim is gone"]
    absent = [verdict for verdict in (before, after) if verdict.verdict in (Outcome.NOT_RUN, Outcome.ERROR)]
    if absent and before.verdict is not after.verdict:
        return [_event(before, after)]
    rules = [f"{name}: {show(before)} → {show(after)}" for name, show in RULES.items() if show(before) != show(after)]
    measured_anew = [*_numbers(before, after), *_sources(before, after)]
    if measured_anew or not rules:
        # Who judged is said of verdicts that do not say who measured.
        measured_anew += [
            fact for fact in facts if fact != JUDGED_ELSEWHERE or not (before.machines and after.machines)
        ]
    return [*rules, *measured_anew] or [after.reason]


def _numbers(before: Verdict, after: Verdict) -> Iterator[str]:
    """Whether the measured number is another one, or only its interval."""
    if _plain(before.raw) != _plain(after.raw) or _plain(before.value) != _plain(after.value):
        seeds = [max((len(values) for values in verdict.raw.values()), default=0) for verdict in (before, after)]
        yield "another number" + (f", of {seeds[1]} values instead of {seeds[0]}" if seeds[0] != seeds[1] else "")


def _sources(before: Verdict, after: Verdict) -> Iterator[str]:
    """Whether other evidence was judged, measured on another host or with other versions, and other marks."""
    if (before.evidence, before.digests) != (after.evidence, after.digests):
        yield f"evidence: {_origin(before)} → {_origin(after)}"
    for what, one, other in (
        ("host", before.machines, after.machines),
        ("versions", before.versions, after.versions),
    ):
        if one and other and set(one) != set(other):
            yield f"{what}: {'; '.join(one)} → {'; '.join(other)}"
    if before.marks != after.marks:
        yield f"marks: {', '.join(before.marks) or 'none'} → {', '.join(after.marks) or 'none'}"


def _event(before: Verdict, after: Verdict) -> str:
    if after.verdict is Outcome.NOT_RUN:
        return f"no longer run: {after.reason}"
    if after.verdict is Outcome.ERROR:
        return f"an error: {after.reason}"
    if before.verdict is Outcome.NOT_RUN:
        return f"newly run, from {_origin(after)}" if after.evidence else "newly run"
    return f"no longer an error ({before.reason})"


def _core(verdict: Verdict | None) -> str:
    """What a reader calls the verdict. The reason of "not run" is the run's, and the test's address is nobody's."""
    if verdict is None:
        return ""
    known = [verdict.verdict, verdict.value, verdict.interval, verdict.raw, verdict.marks, verdict.contradiction]
    rules = [verdict.published, verdict.rule, verdict.margin, verdict.bounds, verdict.reading]
    return _plain([*known, *(rules if verdict.verdict is not Outcome.NOT_RUN else [])])


def _plain(value: object) -> str:
    """A value as text, so that one that is not a number equals itself."""
    return json.dumps(value, sort_keys=True)


def _word(verdict: Verdict | None) -> str:
    return verdict.verdict if verdict else ""


def _rows(found: Sequence[Change], facts: Sequence[str]) -> Iterator[str]:
    if not found:
        return
    yield HEAD
    for change in found:
        try:
            yield _row(change, facts)
        except (TypeError, ValueError, OverflowError) as error:
            raise Mistake(f"the verdict on {change[0]!r} cannot be shown ({error}): judge the claim again.") from None


def _row(change: Change, facts: Sequence[str]) -> str:
    name, before, after = change
    either = after or before
    assert either is not None
    why = "; ".join(reasons(before, after, facts))
    claim = f"{escaped(either.title)} (<code>{escaped(name)}</code>)"
    return f"| {claim} | {_cell(before)} | {_cell(after)} | {escaped(why)} |\n"


def _fold(title: str, found: Sequence[Change], facts: Sequence[str]) -> Iterator[str]:
    """A table under a fold, in one piece, so that a cut leaves no fold open."""
    rows = list(_rows(found, facts))
    if rows:
        body = "".join(rows)
        yield f"\n<details><summary>{title} ({len(found)})</summary>\n\n{body}\n</details>\n"


def _cell(verdict: Verdict | None) -> str:
    """`✓ **reproduced**, 39.38 %; own pair`."""
    if verdict is None:
        return "–"  # noqa: RUF001
    text = f"{LOOKS[verdict.verdict].symbol} **{verdict.verdict}**"
    if verdict.value is not None:
        text += f", {escaped(measured(verdict))}"
    return "; ".join([text, *map(escaped, verdict.marks)])


def _origin(verdict: Verdict) -> str:
    digests = [*verdict.digests, *[""] * len(verdict.evidence)]
    named = [
        f"{name}@{digest[:8]}" if digest else name for name, digest in zip(verdict.evidence, digests, strict=False)
    ]
    return ", ".join(named) or "measured in the run"


def _facts(before: VerdictFile, after: VerdictFile) -> list[str]:
    """What differs between the two runs and may be why, in the words of a reason."""
    said = []
    if before.host != after.host:
        said.append(JUDGED_ELSEWHERE)
    if before.versions != after.versions:
        said.append("other versions")
    return said


def _runs(before: VerdictFile, after: VerdictFile) -> str:
    """Where the two runs differ: suite, edition of paper.json, host, versions."""
    one, other = _about(before), _about(after)
    rows = [
        f"| {escaped(name)} | {escaped(one.get(name, '–'))} | {escaped(other.get(name, '–'))} |\n"  # noqa: RUF001
        for name in dict.fromkeys([*one, *other])
        if one.get(name) != other.get(name)
    ]
    if not rows:
        return ""
    table = "| | before | after |\n|---|---|---|\n" + "".join(rows)
    return f"\n<details><summary>the two runs</summary>\n\n{table}\n</details>\n"


def _about(file: VerdictFile) -> Mapping[str, str]:
    return {
        **({"about": str(file.subject)} if file.subject else {}),
        "suite": file.suite_version,
        "commit": file.commit or "unknown",
        "paper.json": file.paper_sha256[:12],
        **{name: str(value) for name, value in sorted(file.host.items())},
        **dict(sorted(file.versions.items())),
    }
