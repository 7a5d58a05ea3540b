"""Every claim can fail: a measurement well outside its margin is "not reproduced", and the printed value is not."""

import math
from pathlib import Path
from typing import Any

import pytest

from judge.baselines import load_baselines
from judge.claims import ROLE_NAMES
from tests import synthetic
from tests.project import ROOT, Project

BASELINES = load_baselines(ROOT / "baselines")
ABOUT_MODELS = {name for name, claim in BASELINES.claims.items() if claim.about and not claim.not_run}
ABOUT_TEXT = {name for name, claim in BASELINES.claims.items() if not claim.about}
# The majority class scores what the paper prints, so no measurement decides these two; the rule says so.
UNDECIDABLE = {"glue.wnli.bert", "glue.wnli.distilbert"}


@pytest.fixture(scope="module")
def judged(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, str]]:
    """The verdicts on evidence at the printed values, and on evidence well outside."""
    project = Project(tmp_path_factory.mktemp("falsifiable"))
    words = {}
    for name in ("printed", "outside"):
        synthetic.write(project.path / f"{name}.json", wrong=name == "outside")
        project.run("claims/", "--evidence", f"{name}.json", "--results", name)
        words[name] = project.words(name)
    return words


@pytest.mark.full
def test_what_one_seed_can_decide_is_what_the_readme_says(tmp_path: Path) -> None:
    project = Project(tmp_path)
    records = [
        record
        for role in ROLE_NAMES
        for task in synthetic.tasks_of(role)
        for record in synthetic.recorded(task, role, (synthetic.printed(task, role, BASELINES),), BASELINES)
    ]
    synthetic.keep(project.path / "one.json", records)
    project.run("claims/", "--evidence", "one.json")
    words = project.words()
    cells = {f"glue.{task}.{model}" for task in ("mnli", "sst2") for model in ("bert", "distilbert")}
    decided = cells | {"imdb.bert", "imdb.distilbert", "glue.score.distilbert"}
    assert {name for name in ABOUT_MODELS if words[name] == "reproduced"} == decided


@pytest.mark.parametrize("name", sorted(ABOUT_MODELS - UNDECIDABLE))
def test_a_measurement_well_outside_is_not_reproduced(name: str, judged: dict[str, dict[str, str]]) -> None:
    assert judged["outside"][name] == "not reproduced"


@pytest.mark.parametrize("name", sorted(ABOUT_MODELS))
def test_the_printed_value_is_not_called_not_reproduced(name: str, judged: dict[str, dict[str, str]]) -> None:
    assert judged["printed"][name] in ("reproduced", "inconclusive")


def test_what_the_majority_class_satisfies_is_never_decided(judged: dict[str, dict[str, str]]) -> None:
    assert {judged[run][name] for run in judged for name in UNDECIDABLE} == {"inconclusive"}


def test_most_claims_are_reproduced_at_their_printed_values(judged: dict[str, dict[str, str]]) -> None:
    open_ = {name for name in ABOUT_MODELS if judged["printed"][name] == "inconclusive"}
    # 96.86 % against 96.5 %, steps of 0.3 between ablations, 207 MB at an unknown precision, gaps that their printed
    # cells fill up to the bound: open, as they should be.
    gaps = {"imdb.gap", "squad.gap", "squad.gap_d"}
    assert open_ <= UNDECIDABLE | gaps | {"glue.retention", "distillation.order", "size.mobile"}


def shift(data: dict[str, Any]) -> None:
    """Move every published number out of reach; cells would catch that, so they are taken out too."""
    for claim in data["claims"]:
        claim.pop("cell", None)
        claim["published"] += {"at_most": -1000}.get(claim["rule"], 1000)
        claim.pop("contradiction", None)


def mend(data: dict[str, Any], values: dict[str, float]) -> None:
    """Publish what the text itself gives, so that every known contradiction turns true."""
    for claim in data["claims"]:
        if "contradiction" in claim:
            claim.pop("cell", None)
            claim["published"], claim["rule"] = values[claim["id"]], "exact"


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A copy in which the fast tier ran with every published number moved."""
    project = Project(tmp_path_factory.mktemp("live"))
    for name in ("paper", "prior-study"):
        project.change(f"baselines/{name}.json", shift)
    project.run("claims/", "-m", "fast", "--benchmark-skip")
    return project


def test_a_changed_published_number_flips_every_live_claim(live: Project) -> None:
    words = live.words()
    live_claims = {name for name, claim in BASELINES.claims.items() if "fast" in claim.marks} - {"speed.cpu"}
    assert {name: words[name] for name in live_claims} == dict.fromkeys(live_claims, "not reproduced")


def test_a_contradiction_that_turns_true_is_an_error(tmp_path: Path) -> None:
    project = Project(tmp_path)
    project.run("claims/test_text.py", "claims/test_prior_study.py")
    values = {name: v["value"] for name, v in project.verdicts().items() if v.get("contradiction")}
    known = {name for name in ABOUT_TEXT if BASELINES.claims[name].contradiction}
    assert {name for name in values if math.isfinite(values[name])} == known != set()
    for name in ("paper", "prior-study"):
        project.change(f"baselines/{name}.json", lambda data: mend(data, values))
    result = project.run("claims/test_text.py", "claims/test_prior_study.py")
    assert result.returncode == pytest.ExitCode.TESTS_FAILED
    assert {name for name, word in project.words().items() if word == "error"} == known
