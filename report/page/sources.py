"""Whose verdicts the page shows: this run's, and those of other runs beside it, each with a mark of its own."""

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from judge.baselines import Baselines
from judge.evidence import holds_evidence
from judge.files import Mistake
from judge.machine import machine
from judge.verdicts import FILE_NAME, REHEARSAL, SCHEMA, Outcome, Verdict, VerdictFile, without_measurement
from report.badges import shortened
from report.given import read_verdicts, verdicts_path
from report.whose import require_one_pair, require_same_pair

THIS_RUN = "this run"
# Shapes of the marks in the plots; the first is this run's. Filled and hollow ones take turns: tone differs too.
SHAPES = (
    "disc",
    "diamond-open",
    "triangle",
    "square-open",
    "diamond",
    "triangle-open",
    "square",
    "down-open",
    "down",
    "disc-open",
    "bar",
    "cross",
    "plus",
)
LONGEST_NAME = 40


class Look(NamedTuple):
    """How a verdict looks: the name of its icon and colour, its word, and what to add to the word."""

    icon: str
    word: str
    remark: str = ""


@dataclass(frozen=True)
class Source:
    """A file of verdicts, the name to call it by and the shape of its marks; `path` is empty where there is no file."""

    name: str
    shape: str
    path: str
    file: VerdictFile

    @property
    def first(self) -> bool:
        """Whether it is this run, which the page is about."""
        return self.shape == SHAPES[0]

    @property
    def empty(self) -> bool:
        """Whether there is no run behind it."""
        return not self.path

    @property
    def judged(self) -> list[Verdict]:
        """The verdicts that say something, in the file's order."""
        return [v for v in self.file.verdicts.values() if judged(v)]

    @property
    def coverage(self) -> str:
        """On how many claims it says something, apart by what they rest on: `24 of 62 measured, 17 of 17 text`."""
        every, said = ([v.basis for v in verdicts] for verdicts in (self.file.verdicts.values(), self.judged))
        return ", ".join(f"{said.count(basis)} of {every.count(basis)} {basis}" for basis in dict.fromkeys(every))

    @property
    def host(self) -> str:
        """`AMD EPYC, 2 cores, 23.5 GiB`."""
        return machine(self.file.host)


def read_sources(results: Path, beside: Sequence[str], baselines: Baselines) -> list[Source]:
    """This run, and each `NAME=FILE` beside it.

    Raises:
        Mistake: a file cannot be read or is about another pair, a name is missing, too long or given twice, or there
            are more than shapes.
    """
    if len(beside) >= len(SHAPES):
        raise Mistake(
            f"{len(beside)} files beside this run are more than the {len(SHAPES) - 1} kinds of marks: leave some out."
        )
    sources = [_this_run(results, baselines)]
    for text in beside:
        name, equals, path = text.partition("=")
        if not (equals and name.strip() and path):
            raise Mistake(
                f"--beside {text!r} names no file: write it as NAME=VERDICTS, as in prior=results/prior/{FILE_NAME}."
            )
        if name in {source.name for source in sources}:
            raise Mistake(f"--beside {name!r} is given twice: call one of the two something else.")
        if len(name) > LONGEST_NAME:
            raise Mistake(f"--beside {shortened(name, LONGEST_NAME)!r}: a name has at most {LONGEST_NAME} letters.")
        sources.append(Source(name, SHAPES[len(sources)], path, read_verdicts(Path(path))))
        if not sources[0].empty:
            require_same_pair(sources[0].file, sources[-1].file, (str(results), path))
    return sources


def look(verdict: Verdict) -> Look:
    """How a verdict is shown; one of a rehearsal is shown as a rehearsal and as no verdict."""
    if REHEARSAL in verdict.marks and verdict.verdict not in (Outcome.NOT_RUN, Outcome.ERROR):
        return Look("rehearsed", "went through")
    if verdict.verdict is Outcome.NOT_REPRODUCED and verdict.contradiction:
        return Look("known", verdict.verdict.value, "the text contradicts itself")
    return Look(verdict.verdict.value.replace(" ", "-"), verdict.verdict.value)


def judged(verdict: Verdict) -> bool:
    """Whether it is a verdict, and none of a rehearsal."""
    return verdict.verdict is not Outcome.NOT_RUN and REHEARSAL not in verdict.marks


def own_models(source: Source) -> list[str]:
    """`student my-model`: the models of the user's own that a run was given; of older files the command names them."""
    if source.file.subject is not None:
        names = {"teacher": source.file.subject.teacher, "student": source.file.subject.student}
        return [f"{role} {names[role]}" for role in source.file.subject.own if role in names]
    try:
        words = shlex.split(source.file.command)
    except ValueError:  # an open quote
        words = source.file.command.split()
    named = [word.split("=", 1) if "=" in word else [word, *words[n + 1 : n + 2]] for n, word in enumerate(words)]
    return [
        f"{word[0].removeprefix('--')} {word[1]}"
        for word in named
        if word[0] in ("--teacher", "--student") and word[1:]
    ]


def _this_run(results: Path, baselines: Baselines) -> Source:
    path = verdicts_path(results)
    if results.is_dir() and not path.exists():
        if evidence := holds_evidence(results):
            raise Mistake(
                f"{results} holds evidence ({evidence.name}) and no {FILE_NAME}: judge it with `pytest claims/ "
                f"--evidence {results}`, then give the folder of that run, and this one with --evidence."
            )
        return Source(THIS_RUN, SHAPES[0], "", _nothing(baselines))
    file = read_verdicts(results)
    require_one_pair(file, str(path))
    return Source(THIS_RUN, SHAPES[0], str(path), file)


def _nothing(baselines: Baselines) -> VerdictFile:
    """Every claim as it stands before the first run."""
    reason = "nothing has been run yet"
    verdicts = {c.id: without_measurement(c, Outcome.NOT_RUN, reason) for c in baselines.claims.values()}
    return VerdictFile(
        schema_=SCHEMA, suite_version="", paper_sha256=baselines.digest, created="", command="", verdicts=verdicts
    )
