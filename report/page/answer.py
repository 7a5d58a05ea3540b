"""The answer that the page opens with: one sentence, three promises, and how many claims came out how."""

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from judge.verdicts import OWN_PAIR, REHEARSAL, Outcome, Verdict
from report.badges import WITHHOLDING
from report.page.safe import FIRM, listed
from report.page.sources import Look, Source, judged, look, own_models
from report.table import BASES

# The three promises of the abstract; of several claims for one promise the first that is judged speaks for it.
PROMISES = (
    ("size.reduction",),
    ("speed.cpu_full_pass", "speed.cpu", "speed.gpu_full_pass", "speed.gpu_batch1"),
    ("glue.retention",),
)
# What is shown beside the claim that speaks for a promise, and never instead of it.
BESIDE = {"glue.retention": ("glue.retention_without_wnli",)}
ORDER = ("reproduced", "not-reproduced", "inconclusive", "error", "known", "rehearsed", "not-run")
QUESTION = "Does the DistilBERT paper hold?"


class Count(NamedTuple):
    """How many claims have one look."""

    look: Look
    number: int


class Answer(NamedTuple):
    """The top of the page. `answer` is the first word or words, `sentence` goes on.

    `promises` are ids of claims: of each promise the claim that speaks for it, and what is shown beside that. `counts`
    are apart for what was measured and for what was read from the paper's text, each with its name.
    """

    question: str
    answer: str
    sentence: str
    promises: list[list[str]]
    counts: list[tuple[str, list[Count]]]
    banner: str


def answer(source: Source, paper: Mapping[str, Verdict]) -> Answer:
    """The answer that a run gives.

    Args:
        source: the run.
        paper: its verdicts on the paper's claims, by id.
    """
    verdicts = list(paper.values())
    own = any(OWN_PAIR in v.marks for v in verdicts)
    # Beside verdicts that count, one of a rehearsal is shown as one and says nothing of the page.
    rehearsal = any(REHEARSAL in v.marks for v in verdicts) and not any(judged(v) for v in verdicts)
    if own:  # what was found of the paper's pair says nothing of another
        paper = {name: v if OWN_PAIR in v.marks else _unasked(v) for name, v in paper.items()}
    if not rehearsal:
        paper = {name: _unasked(v) if REHEARSAL in v.marks else v for name, v in paper.items()}
    speakers = [_speaker(names, paper) for names in PROMISES if any(name in paper for name in names)]
    promises = [paper[name] for name in speakers]
    if own:
        verdicts = [v for v in paper.values() if OWN_PAIR in v.marks or v in promises]
    word, sentence = _rehearsed() if rehearsal else _answer(promises, verdicts)
    return Answer(
        question="Does this pair keep DistilBERT's promises?" if own else QUESTION,
        answer=word,
        sentence=sentence.replace(" %", f"{FIRM}%"),
        promises=[[name, *(other for other in BESIDE.get(name, ()) if other in paper)] for name in speakers],
        counts=[
            (f"{name} ({len(chosen)})", counts(chosen))
            for basis, name in BASES.items()
            if (chosen := [verdict for verdict in verdicts if verdict.basis == basis])
        ],
        banner=_banner(source, rehearsal, own),
    )


def counts(verdicts: Iterable[Verdict]) -> list[Count]:
    """How many verdicts have each look, leaving out what there is none of."""
    tally: dict[str, Count] = {}
    for verdict in verdicts:
        shown = look(verdict)
        tally[shown.icon] = Count(shown, tally[shown.icon].number + 1 if shown.icon in tally else 1)
    return [tally[icon] for icon in ORDER if icon in tally]


def _speaker(names: Sequence[str], paper: Mapping[str, Verdict]) -> str:
    """The claim that speaks for a promise: the first that was judged."""
    known = [name for name in names if name in paper]
    return next((name for name in known if judged(paper[name])), known[0])


def _unasked(verdict: Verdict) -> Verdict:
    return verdict.model_copy(update={"verdict": Outcome.NOT_RUN, "value": None, "interval": None, "marks": ()})


def _rehearsed() -> tuple[str, str]:
    return "This page cannot tell:", "it shows a rehearsal with miniature models, and none of its numbers is a result."


def _answer(promises: Sequence[Verdict], verdicts: Sequence[Verdict]) -> tuple[str, str]:
    """The first word of the answer, and the rest of the sentence."""
    measured = [v for v in verdicts if v.basis == "measured"]
    said, open_ = [v for v in verdicts if judged(v)], sum(not judged(v) for v in measured)
    if not said:
        return "Not known yet:", "none of its claims has been run here."
    return _word(promises, said, open_), f"{_of_promises(promises)}{_of_all(measured, open_)}."


def _word(promises: Sequence[Verdict], said: Sequence[Verdict], open_: int) -> str:
    words = [v.verdict for v in promises]
    failed = [*_failed(said), *(v for v in said if v.verdict is Outcome.ERROR)]
    undecided = [v for v in said if v.verdict is Outcome.INCONCLUSIVE]
    if words and all(word is Outcome.REPRODUCED for word in words):
        if failed:
            return "In the main, but not in all:"
        return "So far as it was run, yes:" if open_ or undecided else "Yes:"
    if Outcome.REPRODUCED in words:
        return "In part:"
    if words and all(word is Outcome.NOT_REPRODUCED for word in words):
        return "No:"
    return "Not as printed:" if Outcome.NOT_REPRODUCED in words else "Not decided:"


def _of_all(measured: Sequence[Verdict], open_: int) -> str:
    """`; of the 58 claims that are measured, 4 are not reproduced and 18 were not run`: what promises do not show."""
    failed, errors = len(_failed(measured)), sum(v.verdict is Outcome.ERROR for v in measured)
    parts = [
        f"{failed} {'is' if failed == 1 else 'are'} not reproduced" if failed else "",
        f"{errors} ended in an error" if errors else "",
        f"{open_} {'was' if open_ == 1 else 'were'} not run" if open_ else "",
    ]
    left = [part for part in parts if part]
    return f"; of the {len(measured)} claims that are measured, {listed(left)}" if left else ""


def _failed(said: Iterable[Verdict]) -> list[Verdict]:
    """What was measured and is not reproduced; a text's contradiction of itself is counted apart."""
    return [v for v in said if v.verdict is Outcome.NOT_REPRODUCED and not v.contradiction]


def _of_promises(promises: Sequence[Verdict]) -> str:
    """`of the three promises, two are reproduced (40 % ..., 60 % ...) and one is inconclusive (97 % ...)`."""
    groups: dict[str, list[str]] = {}
    for verdict in promises:
        held = [mark for mark in verdict.marks if mark in WITHHOLDING and mark != OWN_PAIR]
        groups.setdefault(verdict.verdict.value, []).append(", ".join([verdict.title or verdict.id, *held]))
    if not groups:
        return "none of the three promises is among the claims that were run"
    numbers = ("no", "one", "two", "three")
    if len(groups) == 1 and len(promises) > 1:
        ((word, titles),) = groups.items()
        verb = "were" if word == Outcome.NOT_RUN else "are"
        said = "ended in an error" if word == Outcome.ERROR else f"{verb} {word}"
        return f"all {numbers[len(promises)]} promises {said} ({'; '.join(titles)})"
    parts = []
    for word, titles in groups.items():
        is_ = ("was", "were") if word == Outcome.NOT_RUN else ("is", "are")
        said = "ended in an error" if word == Outcome.ERROR else f"{is_[len(titles) > 1]} {word}"
        parts.append(f"{numbers[len(titles)]} {said} ({'; '.join(titles)})")
    return f"of the {numbers[len(promises)]} promises, {listed(parts)}"


def _banner(source: Source, rehearsal: bool, own: bool) -> str:
    if rehearsal:
        return (
            "This is a rehearsal. Miniature models on little data went through every step to see that it works; "
            "no number on this page says anything of the paper."
        )
    if own:
        models = listed(own_models(source)) or "models of somebody's own"
        return (
            f"Verdicts marked “own pair” are about another pair than the paper's: {models}. "
            "They say nothing of DistilBERT itself."
        )
    return ""
