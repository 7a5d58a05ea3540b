"""The five behaviours that matter, each without xdist, with -n0 and with -n2."""

import pytest

from tests.project import LEAN, Project

pytest_plugins = ["pytester"]

FLOW = """
from judge.statistics import Term, contrast

@pytest.mark.fast
@pytest.mark.claim("size.reduction")
def test_holds(verdict):
    verdict(39.38, teacher=109482240)

@pytest.mark.fast
@pytest.mark.claim("size.student")
def test_fails(verdict):
    verdict(80.0)

@pytest.mark.slow
@pytest.mark.claim("glue.rte.bert")
def test_open(verdict):
    verdict(contrast([Term(1.0, (66.0,), 2.2)]))

@pytest.mark.fast
@pytest.mark.claim("size.teacher")
def test_crashes(verdict):
    verdict(1 / 0)

@pytest.mark.fast
@pytest.mark.claim("architecture.layers")
def test_forgets(verdict):
    pass

@pytest.mark.slow
@pytest.mark.claim("speed.phone")
def test_cannot_run(verdict):
    verdict(1.71)
"""

SLOW = """
@pytest.mark.slow
@pytest.mark.claim("glue.rte.bert")
def test_slow(scores, verdict):
    verdict(scores("rte", "teacher"))
"""

OPEN = """
from judge.statistics import Term, contrast

@pytest.mark.slow
@pytest.mark.claim("glue.rte.bert")
def test_inside(verdict):
    verdict(contrast([Term(1.0, (66.0,), 2.2)]))

@pytest.mark.slow
@pytest.mark.claim("glue.rte.distilbert")
def test_outside(verdict):
    verdict(contrast([Term(1.0, (54.5,), 2.2)]))
"""

CONTRADICTION = """
@pytest.mark.fast
@pytest.mark.claim("text.score.bert")
def test_contradiction(verdict):
    verdict({value})
"""


@pytest.fixture(params=[[], ["-n0"], ["-n2"]], ids=["none", "n0", "n2"])
def workers(request: pytest.FixtureRequest) -> list[str]:
    return request.param


@pytest.fixture
def project(pytester: pytest.Pytester) -> Project:
    return Project(pytester.path, claims=False)


def test_verdict_flow(project: Project, pytester: pytest.Pytester, workers: list[str]) -> None:
    project.write_claims(FLOW)
    result = pytester.runpytest_subprocess(*LEAN, "claims/test_example.py", *workers)
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines(["*3 failed, 1 passed, 1 skipped*1 inconclusive*"])
    # What failed is printed last, nearest to the prompt.
    result.stdout.fnmatch_lines(
        [
            "*= paper claims =*",
            "not run (1)",
            "reproduced (1)",
            "inconclusive (1)",
            "error (2)",
            "not reproduced (1)",
            "  size.student*80 M*needs 65 to 67 M",
            "1 reproduced; 1 not reproduced; 2 error; 1 inconclusive; 1 not run; * not asked for",
            "written: results/verdicts.json",
        ]
    )
    words = project.words()
    assert {name: word for name, word in words.items() if word != "not run"} == {
        "size.reduction": "reproduced",
        "size.student": "not reproduced",
        "size.teacher": "error",
        "architecture.layers": "error",
        "glue.rte.bert": "inconclusive",
    }
    assert project.verdicts()["size.teacher"]["reason"] == "ZeroDivisionError: division by zero"
    assert "without a verdict" in project.verdicts()["architecture.layers"]["reason"]
    assert "iPhone" in project.verdicts()["speed.phone"]["reason"]
    assert project.verdicts()["size.reduction"]["raw"] == {"teacher": [109482240.0]}


def test_runslow(
    project: Project, pytester: pytest.Pytester, workers: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    project.write_claims(SLOW)
    reasons = []
    for option in ([], ["--runslow"]):
        result = pytester.runpytest_subprocess(*LEAN, "claims/test_example.py", *option, *workers)
        assert result.ret == pytest.ExitCode.OK
        result.assert_outcomes(skipped=1)
        reasons.append(project.verdicts()["glue.rte.bert"]["reason"])
    assert reasons[0].startswith("needs fine-tuned models: pass --runslow")
    assert reasons[1].startswith("weights missing: those of google-bert/bert-base-uncased")


def test_a_slow_claim_with_evidence_is_judged_without_runslow(
    project: Project, pytester: pytest.Pytester, workers: list[str]
) -> None:
    project.write_claims(SLOW.replace("verdict(scores", "verdict(cell(scores").replace('"teacher"))', '"teacher")))'))
    source = project.path / "claims" / "test_example.py"
    source.write_text("from judge.scores import cell\n" + source.read_text())
    result = pytester.runpytest_subprocess(
        *LEAN, "claims/test_example.py", "--evidence=evidence/prior-study.json", *workers
    )
    assert result.ret == pytest.ExitCode.OK
    verdict = project.verdicts()["glue.rte.bert"]
    assert verdict["verdict"] == "inconclusive"
    assert verdict["value"] == pytest.approx(61.7329, abs=1e-4)
    assert verdict["evidence"] == ["evidence/prior-study.json"]
    assert any("one seed only" in note for note in verdict["notes"])


@pytest.mark.parametrize(
    ("mode", "code", "words"),
    [
        ("skip", pytest.ExitCode.OK, ["inconclusive", "inconclusive"]),
        ("fail", pytest.ExitCode.TESTS_FAILED, ["inconclusive", "inconclusive"]),
        ("side", pytest.ExitCode.TESTS_FAILED, ["reproduced", "not reproduced"]),
    ],
)
def test_inconclusive(
    project: Project, pytester: pytest.Pytester, workers: list[str], mode: str, code: int, words: list[str]
) -> None:
    project.write_claims(OPEN)
    options = [f"--inconclusive={mode}", "--junit-xml=junit.xml", *workers]
    result = pytester.runpytest_subprocess(*LEAN, "claims/test_example.py", *options)
    assert result.ret == code
    verdicts = [project.verdicts()[name] for name in ("glue.rte.bert", "glue.rte.distilbert")]
    assert [verdict["verdict"] for verdict in verdicts] == words
    assert all(("by side" in verdict.get("marks", [])) == (mode == "side") for verdict in verdicts)
    # JUnit calls an inconclusive claim skipped; its properties tell the two apart.
    xml = (project.path / "junit.xml").read_text()
    for name, value in (("id", "glue.rte.bert"), ("verdict", words[0]), ("value", "66.0")):
        assert f'<property name="claim.{name}" value="{value}"' in xml


@pytest.mark.parametrize(
    ("value", "outcomes", "word"),
    [
        ("79.7222", {"xfailed": 1}, "not reproduced"),
        ("79.5", {"failed": 1}, "error"),
        ("1 / 0", {"failed": 1}, "error"),
    ],
    ids=["known", "turned true", "crash"],
)
def test_contradiction(
    project: Project, pytester: pytest.Pytester, workers: list[str], value: str, outcomes: dict[str, int], word: str
) -> None:
    project.write_claims(CONTRADICTION.format(value=value))
    result = pytester.runpytest_subprocess(*LEAN, "claims/test_example.py", *workers)
    result.assert_outcomes(**outcomes)
    assert project.words()["text.score.bert"] == word
    if word == "not reproduced":
        result.stdout.fnmatch_lines(["not reproduced, as the text contradicts itself (1)"])
