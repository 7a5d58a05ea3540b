"""The five behaviours that matter, each in one process and with the workers of xdist."""

import re
from pathlib import Path

import pytest

from tests.project import Project

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


ALONE: list[str] = []
WORKERS = ["-n2"]
workers = pytest.mark.parametrize("workers", [ALONE, WORKERS], ids=["alone", "n2"])


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path, claims=False)


def outcomes(said: str) -> dict[str, int]:
    """How many tests ended how, from the last line."""
    return pytest.RunResult.parse_summary_nouns(said.splitlines())


@pytest.mark.parametrize("workers", [ALONE, ["-n0"], WORKERS], ids=["alone", "n0", "n2"])
def test_verdict_flow(project: Project, workers: list[str]) -> None:
    project.write_claims(FLOW)
    done = project.run("claims/test_example.py", *workers, crash=True)
    assert done.returncode == pytest.ExitCode.TESTS_FAILED
    counts = outcomes(done.stdout)
    assert {name: counts[name] for name in ("failed", "passed", "skipped", "inconclusive")} == {
        "failed": 3,
        "passed": 1,
        "skipped": 1,
        "inconclusive": 1,
    }
    # What failed is printed last, nearest to the prompt.
    pytest.LineMatcher(done.stdout.splitlines()).fnmatch_lines(
        [
            "not run (1)",
            "reproduced (1)",
            "inconclusive (1)",
            "error (2)",
            "not reproduced (1)",
            "*size.student*80 M*65 to 67 M*",
            "*1 reproduced*1 not reproduced*2 error*1 inconclusive*1 not run*",
            "*results/verdicts.json*",
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
    assert "ZeroDivisionError" in project.verdicts()["size.teacher"]["reason"]
    assert "verdict" in project.verdicts()["architecture.layers"]["reason"]
    assert "iPhone" in project.verdicts()["speed.phone"]["reason"]
    assert project.verdicts()["size.reduction"]["raw"] == {"teacher": [109482240.0]}


@pytest.mark.parametrize("workers", [ALONE, pytest.param(WORKERS, marks=pytest.mark.full)], ids=["alone", "n2"])
def test_runslow(project: Project, workers: list[str]) -> None:
    project.write_claims(SLOW)
    reasons = []
    for option in ([], ["--runslow"]):
        done = project.run("claims/test_example.py", *option, *workers)
        assert done.returncode == pytest.ExitCode.OK
        assert outcomes(done.stdout)["skipped"] == 1
        reasons.append(project.verdicts()["glue.rte.bert"]["reason"])
    assert "--runslow" in reasons[0]
    assert "google-bert/bert-base-uncased" in reasons[1]


@workers
def test_a_slow_claim_with_evidence_is_judged_without_runslow(project: Project, workers: list[str]) -> None:
    project.write_claims(SLOW.replace("verdict(scores", "verdict(cell(scores").replace('"teacher"))', '"teacher")))'))
    source = project.path / "claims" / "test_example.py"
    source.write_text("from judge.cells import cell\n" + source.read_text())
    done = project.run("claims/test_example.py", "--evidence=evidence/prior-study.json", *workers)
    assert done.returncode == pytest.ExitCode.OK
    verdict = project.verdicts()["glue.rte.bert"]
    assert verdict["verdict"] == "inconclusive"
    assert verdict["value"] == pytest.approx(61.7329, abs=1e-4)
    assert verdict["evidence"] == ["evidence/prior-study.json"]
    assert any(re.search(r"\bone seed\b.*RTE 2\.2\b", note) for note in verdict["notes"])


@pytest.mark.parametrize(
    ("mode", "workers", "code", "words"),
    [
        ("skip", ALONE, pytest.ExitCode.OK, ["inconclusive", "inconclusive"]),
        ("fail", ALONE, pytest.ExitCode.TESTS_FAILED, ["inconclusive", "inconclusive"]),
        ("side", ALONE, pytest.ExitCode.TESTS_FAILED, ["reproduced", "not reproduced"]),
        ("fail", WORKERS, pytest.ExitCode.TESTS_FAILED, ["inconclusive", "inconclusive"]),
    ],
    ids=["skip", "fail", "side", "fail-n2"],
)
def test_inconclusive(project: Project, workers: list[str], mode: str, code: int, words: list[str]) -> None:
    project.write_claims(OPEN)
    options = [f"--inconclusive={mode}", "--junit-xml=junit.xml", *workers]
    assert project.run("claims/test_example.py", *options).returncode == code
    verdicts = [project.verdicts()[name] for name in ("glue.rte.bert", "glue.rte.distilbert")]
    assert [verdict["verdict"] for verdict in verdicts] == words
    assert all(("by side" in verdict.get("marks", [])) == (mode == "side") for verdict in verdicts)
    # JUnit calls an inconclusive claim skipped; its properties tell the two apart.
    xml = (project.path / "junit.xml").read_text()
    for name, value in (("id", "glue.rte.bert"), ("verdict", words[0]), ("value", "66.0")):
        assert f'<property name="claim.{name}" value="{value}"' in xml


@pytest.mark.parametrize(
    ("value", "workers", "outcome", "word"),
    [
        ("79.7222", ALONE, "xfailed", "not reproduced"),
        ("79.7222", WORKERS, "xfailed", "not reproduced"),
        ("79.5", ALONE, "failed", "error"),
        ("79.5", WORKERS, "failed", "error"),
        ("1 / 0", ALONE, "failed", "error"),
    ],
    ids=["known", "known-n2", "turned true", "turned true-n2", "crash"],
)
def test_contradiction(project: Project, workers: list[str], value: str, outcome: str, word: str) -> None:
    project.write_claims(CONTRADICTION.format(value=value))
    done = project.run("claims/test_example.py", *workers, crash=value == "1 / 0")
    assert outcomes(done.stdout)[outcome] == 1
    assert project.words()["text.score.bert"] == word
    # Known contradictions stand under a heading of their own.
    known = re.search(r"^not reproduced\b.*\bcontradict.*\b1\b", done.stdout, re.MULTILINE)
    assert bool(known) == (word == "not reproduced")


BROKEN = """
@pytest.fixture
def broken():
    {setup}
    yield
    {teardown}

@pytest.mark.fast
@pytest.mark.claim("text.score.bert")
def test_contradiction(broken, verdict):
    verdict(79.7222)
"""


@pytest.mark.parametrize("place", ["setup", "teardown"])
def test_a_crash_around_a_known_contradiction_is_an_error_never_expected(project: Project, place: str) -> None:
    project.write_claims(BROKEN.format(**{"setup": "pass", "teardown": "pass", place: "1 / 0"}))
    done = project.run("claims/test_example.py", crash=True)
    assert done.returncode == pytest.ExitCode.TESTS_FAILED
    assert outcomes(done.stdout)["errors"] == 1
    verdict = project.verdicts()["text.score.bert"]
    assert verdict["verdict"] == "error"
    assert "ZeroDivisionError" in verdict["reason"]


CRASHING = """
@pytest.mark.fast
@pytest.mark.claim("size.teacher")
def test_crashes(verdict):
    verdict([].pop())
"""


@pytest.mark.parametrize("claims", [CRASHING, BROKEN.format(setup="[].pop()", teardown="pass"), "import nothing_such"])
@pytest.mark.parametrize("workers", [ALONE, pytest.param(WORKERS, marks=pytest.mark.full)], ids=["alone", "n2"])
def test_no_traceback_passes_for_the_error_that_a_test_expects(
    project: Project, workers: list[str], claims: str
) -> None:
    project.write_claims(claims)
    with pytest.raises(AssertionError, match=r"IndexError|nothing_such"):
        project.run("claims/test_example.py", *workers)


def test_a_plugin_that_crashes_is_a_traceback_too(project: Project) -> None:
    project.write_claims(CRASHING)
    with pytest.raises(AssertionError, match="INTERNALERROR"):
        project.run("claims/test_example.py", before="def pytest_runtest_logreport(report):\n    [].pop()\n")


def test_a_traceback_of_a_command_is_one_too(project: Project) -> None:
    with pytest.raises(AssertionError, match="IndexError"):
        project.python("-c", "[].pop()")
    assert project.python("-m", "report", "summary", "nowhere.json").returncode == 2
