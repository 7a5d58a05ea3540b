"""JUnit properties: every verdict, also one without a measurement, tells a CI service what it is and why."""

import math
from pathlib import Path
from xml.etree import ElementTree

import pytest

from judge.baselines import load_baselines
from judge.verdicts import Outcome
from report.junit import LONGEST, properties
from tests.made import verdict
from tests.project import ROOT, Project

CLAIMS = """
@pytest.mark.fast
@pytest.mark.claim("size.student")
def test_judged(verdict):
    verdict(66.4)

@pytest.mark.fast
@pytest.mark.claim("size.teacher")
def test_not_reproduced(verdict):
    verdict(200.0)

@pytest.mark.fast
@pytest.mark.claim("size.reduction")
def test_not_run():
    pytest.skip("no \\x00 evidence \\x1b[31m <b>&amp; \\ufffe at hand")

@pytest.mark.fast
@pytest.mark.claim("text.retention")
def test_error():
    raise ValueError("a \\x01 broken ]]> test")

@pytest.fixture
def breaking():
    yield
    raise ValueError("the end went wrong")

@pytest.mark.fast
@pytest.mark.claim("text.size")
def test_broken_at_its_end(verdict, breaking):
    verdict(40.0)

def test_of_something_else():
    pass
"""


def read(path: Path) -> dict[str, dict[str, str]]:
    """The properties of every test by its name; each of them must be there once."""
    found: dict[str, dict[str, str]] = {}
    for case in ElementTree.parse(path).iter("testcase"):
        pairs = [(p.get("name", ""), p.get("value", "")) for p in case.iter("property")]
        assert len(dict(pairs)) == len(pairs), pairs
        found[case.get("name", "")] = found.get(case.get("name", ""), {}) | dict(pairs)
    return found


@pytest.fixture(scope="module", params=[[], ["-n2"]], ids=["alone", "workers"])
def reported(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, str]]:
    project = Project(tmp_path_factory.mktemp("junit"), claims=False)
    project.write_claims(CLAIMS)
    done = project.run("claims/test_example.py", "--junit-xml=junit.xml", *request.param, crash=True)
    assert done.returncode == pytest.ExitCode.TESTS_FAILED, done.stdout + done.stderr
    return read(project.path / "junit.xml")


def test_a_judged_claim_says_all_that_its_verdict_means(reported: dict[str, dict[str, str]]) -> None:
    claim = load_baselines(ROOT / "baselines").claims["size.student"]
    said = dict(reported["test_judged"])
    assert said.pop("claim.reason")
    assert said == {
        "claim.id": "size.student",
        "claim.verdict": "reproduced",
        "claim.value": "66.4",
        "claim.published": "66.0",
        "claim.bounds": "65.0 67.0",
        "claim.unit": claim.unit,
        "claim.paper": load_baselines(ROOT / "baselines").digest,
    }


def test_a_claim_that_failed_says_so_too(reported: dict[str, dict[str, str]]) -> None:
    assert reported["test_not_reproduced"]["claim.verdict"] == "not reproduced"
    assert reported["test_not_reproduced"]["claim.value"] == "200.0"


def test_a_claim_without_a_measurement_says_why_and_nothing_that_xml_forbids(
    reported: dict[str, dict[str, str]],
) -> None:
    assert reported["test_not_run"]["claim.verdict"] == "not run"
    assert reported["test_not_run"]["claim.reason"] == "no  evidence [31m <b>&amp;  at hand"
    assert reported["test_error"]["claim.verdict"] == "error"
    assert reported["test_error"]["claim.reason"] == "ValueError: a  broken ]]> test"
    for name in ("test_not_run", "test_error"):
        assert "claim.value" not in reported[name]
        assert reported[name]["claim.published"]
        assert len(reported[name]["claim.paper"]) == 64


def test_what_breaks_after_the_verdict_takes_its_place(reported: dict[str, dict[str, str]]) -> None:
    assert reported["test_broken_at_its_end"]["claim.verdict"] == "error"
    assert reported["test_broken_at_its_end"]["claim.reason"] == "ValueError: the end went wrong"
    assert "claim.value" not in reported["test_broken_at_its_end"]


def test_a_test_of_something_else_carries_none(reported: dict[str, dict[str, str]]) -> None:
    assert reported["test_of_something_else"] == {}


def test_interval_level_marks_and_open_bounds_are_said() -> None:
    made = verdict(
        "glue.retention",
        Outcome.INCONCLUSIVE,
        value=95.03,
        interval=(92.47, 97.66),
        level=0.9,
        bounds=(96.5, None),
        marks=("unlike recipes", "by side"),
        evidence=("a.json", "b.json"),
        contradiction="the text says otherwise",
    )
    said = dict(properties(made, "abc"))
    assert said["claim.interval"] == "92.47 97.66"
    assert said["claim.bounds"] == "96.5 -"
    assert (said["claim.level"], said["claim.value"]) == (0.9, 95.03)
    assert (said["claim.marks"], said["claim.evidence"]) == ("unlike recipes, by side", "a.json, b.json")
    assert said["claim.contradiction"] == "the text says otherwise"
    assert said["claim.paper"] == "abc"


def test_what_is_not_a_number_and_what_is_long_is_said_as_it_is() -> None:
    said = dict(properties(verdict("a.b", Outcome.ERROR, value=math.nan, reason="long " * 1000), ""))
    assert math.isnan(float(said["claim.value"]))
    assert len(str(said["claim.reason"])) <= LONGEST
    assert "claim.paper" not in said
