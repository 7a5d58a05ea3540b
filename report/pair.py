"""Badges for a teacher and student of somebody's own: what was measured, under the model's name.

A verdict on such a pair is no verdict on the paper, so the badges of the claims (report/badges.py) withhold it. Here
the left side names the model and the right side the number, whose sign and colour say whether it is what DistilBERT
promises.
"""

import json
from pathlib import Path
from typing import Annotated

from pydantic import Field

from judge.files import Mistake, Record, pretty, read, write
from judge.verdicts import OWN_PAIR, Outcome, Subject, Verdict, VerdictFile
from report.badges import LONGEST_LABEL, LOOKS, WITHHOLDING, Badge, endpoint, plain, shortened, svg
from report.message import number
from report.whose import require_one_pair, require_same_subject

INDEX = "pair.json"
# What a claim about any pair is in two or three words; {} is the number with its unit.
PHRASES = {
    "size.reduction": "{} fewer parameters",
    "speed.cpu": "{} as fast on a CPU",
    "speed.cpu_full_pass": "{} as fast on a CPU, full pass",
    "speed.cpu_backends": "{} as fast on a CPU, slowest backend",
    "speed.gpu_batch1": "{} as fast on a GPU, batch 1",
    "speed.gpu_batch32": "{} as fast on a GPU, batch 32",
    "speed.gpu_full_pass": "{} as fast on a GPU, full pass",
    "glue.retention": "{} of the teacher's GLUE Score",
    "glue.retention_without_wnli": "{} of the teacher's GLUE Score, without WNLI",
    "imdb.gap": "{} behind the teacher on IMDb",
    "squad.gap": "{} behind the teacher on SQuAD",
}


class PairIndex(Record):
    """pair.json: what the badges in the folder are about."""

    schema_: Annotated[int, Field(alias="schema")]
    name: str
    subject: Subject | None = None


def write_pair_badges(file: VerdictFile, folder: Path, name: str) -> list[str]:
    """Write an endpoint JSON and an SVG for every claim that was judged for the pair; the ids of those written.

    Others in the folder are left alone, so that a run without a GPU keeps what a GPU host found.

    Raises:
        Mistake: the file holds no verdict on a pair of somebody's own, `name` says nothing, badgepy is absent, or the
            folder holds badges of something else or cannot be written to.
    """
    if not plain(name):
        raise Mistake("NAME says nothing: give what the badges shall call your model.")
    require_one_pair(file)
    judged = [verdict for key, verdict in sorted(file.verdicts.items()) if key in PHRASES and _shown(verdict, key)]
    if not judged:
        raise Mistake(
            "RESULTS holds no verdict on a pair of your own: run `pytest claims/ --student MODEL` first, and give its "
            "verdicts.json."
        )
    _check_whose(folder, name, file.subject)
    for verdict in judged:
        try:
            drawn = pair_badge(verdict, name)
        except (TypeError, ValueError, OverflowError):
            raise Mistake(f"RESULTS has no number that can be shown for {verdict.id}: judge it again.") from None
        image = svg(drawn, verdict.id)
        write(folder / f"{verdict.id}.json", endpoint(drawn))
        write(folder / f"{verdict.id}.svg", image)
    write(folder / INDEX, pretty(PairIndex(schema_=1, name=name, subject=file.subject)))
    return [verdict.id for verdict in judged]


def pair_badge(verdict: Verdict, name: str) -> Badge:
    """The badge of one verdict on an own pair: `my-model | ✓ 39.7 % fewer parameters`."""
    label = plain(name)
    said = PHRASES[verdict.id].format(number(verdict, verdict.value))
    symbol = LOOKS[verdict.verdict].symbol
    return Badge(shortened(label, LONGEST_LABEL), f"{symbol} {said}", verdict.verdict, label)


def _check_whose(folder: Path, name: str, subject: Subject | None) -> None:
    """Refuse a folder with badges of another pair or name: those that are not written now would stay beside these."""
    if (folder / INDEX).exists():
        require_same_subject(folder / INDEX, read(PairIndex, folder / INDEX, schema=1).subject, subject)
    for key in PHRASES:
        try:
            label = json.loads((folder / f"{key}.json").read_text(encoding="utf-8-sig"))["label"]
        except FileNotFoundError:
            continue
        except (OSError, ValueError, KeyError, TypeError):
            label = "something else"
        if label != shortened(plain(name), LONGEST_LABEL):
            raise Mistake(
                f"{folder / key}.json is a badge of {plain(str(label))!r}, and these are badges of {plain(name)!r}: "
                "give a folder of their own."
            )


def _shown(verdict: Verdict, key: str) -> bool:
    """Whether it is about an own pair, was judged, and carries no mark that withholds it for another reason."""
    others = [mark for mark in verdict.marks if mark in WITHHOLDING and mark != OWN_PAIR]
    judged = verdict.verdict not in (Outcome.NOT_RUN, Outcome.ERROR) and verdict.value is not None
    return OWN_PAIR in verdict.marks and judged and not others and verdict.id == key
