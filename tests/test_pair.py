"""Badges for a pair of somebody's own: the model's name and its number, and no verdict on the paper."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from judge.baselines import load_baselines
from judge.files import pretty
from judge.verdicts import Outcome, Verdict
from report.__main__ import main
from report.badges import LOOKS, shown
from report.pair import PHRASES, pair_badge
from tests.project import ROOT
from tests.test_badges import verdicts

# badgepy reads its table of letter widths in a way that Python 3.11 and 3.12 call deprecated and 3.13 does not.
pytestmark = pytest.mark.filterwarnings(r"ignore::DeprecationWarning:badgepy\b")
R, N, INCONCLUSIVE, NOT_RUN, E = Outcome


def own(name: str = "size.reduction", outcome: Outcome = R, **fields: Any) -> Verdict:
    about: dict[str, Any] = {"reason": "", "value": 79.3, "unit": "%", "marks": ("own pair",), "bounds": (39.27, None)}
    return Verdict(id=name, verdict=outcome, **{**about, **fields})


def write(tmp_path: Path, *given: Verdict) -> str:
    (tmp_path / "verdicts.json").write_text(pretty(verdicts(*given)))
    return str(tmp_path / "verdicts.json")


def test_every_claim_about_any_pair_has_its_words_and_no_other_has() -> None:
    claims = load_baselines(ROOT / "baselines").claims
    assert set(PHRASES) == {name for name, claim in claims.items() if claim.any_pair}


@pytest.mark.parametrize(
    ("verdict", "symbol", "number"),
    [
        (own(), "✓", "79.3 %"),
        (own("speed.cpu", N, value=1.2, unit="x"), "✗", "1.2x"),
        (own("glue.retention", INCONCLUSIVE, value=96.6), "?", "96.6 %"),
    ],
)
def test_a_badge_bears_the_models_name_and_its_number(
    verdict: Verdict, symbol: str, number: str, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    results = write(tmp_path, verdict)
    assert main(["pair", results, str(tmp_path / "badges"), "me/my-model"]) == 0
    said = capsys.readouterr().out.replace(str(tmp_path), "")
    assert re.search(r"\b1\b", said)
    assert all(word in said for word in ("me/my-model", verdict.id))
    raw = json.loads((tmp_path / "badges" / f"{verdict.id}.json").read_text())
    assert (raw["label"], raw["message"]) == ("me/my-model", f"{symbol} {PHRASES[verdict.id].format(number)}")
    assert raw["color"] == LOOKS[verdict.verdict].colour
    image = (tmp_path / "badges" / f"{verdict.id}.svg").read_text()
    assert "me/my-model" in image
    assert str(verdict.verdict) not in image
    # The claim's own badge still withholds it.
    assert shown(verdict).verdict is NOT_RUN


@pytest.mark.parametrize(
    "verdict",
    [
        own(marks=()),
        own(marks=("own pair", "rehearsal")),
        own(marks=("own pair", "by side")),
        own(marks=("own pair", "unlike recipes")),
        own(outcome=NOT_RUN, value=None),
        own(outcome=E, value=None),
        own("size.student"),
    ],
)
def test_nothing_else_gets_a_badge_of_a_pair(verdict: Verdict, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    assert main(["pair", write(tmp_path, verdict), str(tmp_path / "badges"), "mine"]) == 2
    said = capsys.readouterr().err
    assert all(word in said for word in ("RESULTS", "pytest claims/ --student"))
    assert not (tmp_path / "badges").exists()


def test_a_run_without_a_gpu_keeps_what_a_gpu_host_found(tmp_path: Path) -> None:
    fast = own("speed.gpu_batch1", value=1.9, unit="x")
    main(["pair", write(tmp_path, own(), fast), str(tmp_path / "badges"), "mine"])
    before = (tmp_path / "badges" / "speed.gpu_batch1.svg").read_bytes()
    absent = own("speed.gpu_batch1", NOT_RUN, value=None)
    main(["pair", write(tmp_path, own(), absent), str(tmp_path / "badges"), "mine"])
    assert (tmp_path / "badges" / "speed.gpu_batch1.svg").read_bytes() == before


def test_markup_in_the_name_is_text_and_an_empty_name_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    results = write(tmp_path, own())
    nasty = "<script>alert(1)</script>\x00\u202e&"
    assert pair_badge(own(), nasty).label == "<script>alert(1)</script>&"
    assert main(["pair", results, str(tmp_path / "badges"), nasty]) == 0
    assert "<script>" not in (tmp_path / "badges" / "size.reduction.svg").read_text()
    assert main(["pair", results, str(tmp_path / "badges"), "\x00 "]) == 2
    assert "NAME" in capsys.readouterr().err
