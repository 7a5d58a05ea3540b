"""Some twenty sentences that users read, word for word: tests/golden/sentences.txt.

Everywhere else tests assert the offending value and the remedy, so that a sentence that is reworded changes one file.
"""

import contextlib
import io
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest

from judge.baselines import load_baselines
from judge.cells import cell
from judge.evidence import Evidence, read_evidence
from judge.files import Mistake
from judge.glue import score
from judge.pool import Pool
from judge.rule import judge
from judge.scores import NotRecorded, find_scores
from judge.statistics import between
from judge.verdicts import BadMeasurement, Outcome, Verdict
from measure import cache
from measure.looks import Looks
from measure.naming import check_model_name
from measure.requests import parse_seeds, parse_tasks
from report.__main__ import main
from tests import made
from tests.goldens import assert_golden
from tests.project import ROOT
from tests.test_scores import BASELINES, evidence, glue, measured, scores, sst2

PRIOR_STUDY = ROOT / "evidence" / "prior-study.json"


def refused(call: Callable[..., object], *arguments: object) -> str:
    """What is said where this is refused."""
    with pytest.raises((Mistake, NotRecorded, BadMeasurement)) as caught:
        call(*arguments)
    return str(caught.value)


def printed(call: Callable[[list[str]], object], *arguments: str) -> str:
    """What a command writes to standard error."""
    with contextlib.redirect_stderr(io.StringIO()) as said:
        call(list(arguments))
    return said.getvalue().strip()


def judged(value: float, low: float, high: float, **how: Any) -> str:
    """The reason of a verdict on a score of 50.0 with a margin of 1 point."""
    return judge(made.claim(), between(value, low, high), **how).reason


def one(*values: float) -> Evidence:
    """A file with one record."""
    return evidence(measured("glue.rte.accuracy", *values))


def weak_teacher() -> str:
    teacher: Verdict = made.verdict("glue.score.bert", Outcome.NOT_REPRODUCED, value=71.0, bounds=(77.9, 81.1))
    return judged(50.1, 49.9, 50.3, guard=teacher)


def wnli() -> str:
    claim = BASELINES.claims["glue.wnli.distilbert"]
    return judge(claim, cell(scores("wnli", measured("glue.wnli.accuracy", 56.3)), claim.bounds)).reason


def undecidable() -> str:
    return judge(BASELINES.claims["glue.score.distilbert"], score(glue(wnli=(25.0,) * 5))).reason


def two_opinions() -> str:
    elsewhere = (("another host", between(53.0, 52.5, 53.5)),)
    return "; ".join(judge(made.claim(), replace(between(50.0, 49.5, 50.5), elsewhere=elsewhere)).notes)


def failed_run() -> str:
    constant = sst2(91.0, 50.92, 91.2, 90.9, 91.1, constant=(2,))
    return "; ".join(cell(constant).notes)


def other_seeds() -> str:
    both = measured("glue.mrpc.accuracy", 84.0, 85.0), measured("glue.mrpc.f1", 88.0)
    return refused(scores, "mrpc", *both)


def read_edited() -> str:
    """A digit of a value changed by hand."""
    path = Path("edited.json")
    path.write_text(PRIOR_STUDY.read_text().replace("0.4356146646972585", "0.5356146646972585"))
    return refused(read_evidence, path)


def read_newer() -> str:
    path = Path("newer.json")
    path.write_text('{"schema": 3}')
    return refused(read_evidence, path)


def third_choice() -> str:
    looks = Looks(Path("store", "looks"), "0" * 32)
    looks.take([1, 2], "RTE of the student")
    looks.take([1, 2, 3], "RTE of the student")
    return refused(looks.take, [4, 5, 6], "RTE of the student")


def two_hosts() -> str:
    for name in ("cpu.json", "prior-study.json"):
        shutil.copy2(ROOT / "evidence" / name, ".")
    return printed(main, "merge", "out.json", "cpu.json", "prior-study.json")


def no_room() -> str:
    from measure.finetuning.room import check_disk

    return refused(check_disk, cast(Any, "SST-2 of the student, seed 1"), 66_955_010, 10**9)


def no_baselines() -> str:
    shutil.copytree(ROOT / "baselines", "baselines")
    path = Path("baselines", "paper.json")
    path.write_text(path.read_text().replace('"margin"', '"marign"', 1))
    return refused(load_baselines, path.parent)


def test_sentences(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("torch", reason="the sentence on disk space comes from what trains")
    monkeypatch.chdir(tmp_path)
    said = {
        "a task that does not exist": refused(parse_tasks, "imbd"),
        "seeds that are not numbers": refused(parse_seeds, "five"),
        "a model that does not exist": refused(check_model_name, "./nowhere"),
        "a key that baselines/ does not know": no_baselines(),
        "an interval inside the bounds": judged(50.2, 49.9, 50.6),
        "an interval outside the bounds": judged(52.0, 51.6, 52.4),
        "an interval across a bound": judged(51.1, 50.6, 51.6),
        "the same, decided by its side": judged(51.1, 50.6, 51.6, mode="side"),
        "a teacher below its own score": weak_teacher(),
        "a cell that the majority class satisfies": wnli(),
        "a task that would decide and cannot be decided": undecidable(),
        "a host that measured something else": two_opinions(),
        "a failed run": failed_run(),
        "a score in seconds": refused(lambda: sst2(91.0, unit="seconds")),
        "a percentage called a fraction": refused(lambda: sst2(91.0, unit="fraction")),
        "a task that nobody ran": refused(find_scores, Pool([]), BASELINES, "rte", "student", None),
        "a score of another metric's seeds": other_seeds(),
        "a measurement with two values": refused(Pool, [("one.json", one(61.0)), ("two.json", one(62.0))]),
        "evidence edited by hand": read_edited(),
        "evidence of a later version": read_newer(),
        "evidence of two hosts in one file": two_hosts(),
        "a third choice of seeds": third_choice(),
        "a disk that is too small": no_room(),
        "a prune of nothing": printed(cache.main, "prune", "--cache", "store"),
        "a file of verdicts that does not exist": printed(main, "summary", "nothing.json"),
    }
    assert_golden("sentences.txt", "".join(f"{name}:\n    {text}\n" for name, text in said.items()))
