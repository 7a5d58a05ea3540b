"""A user's mistakes: one sentence with what is wrong, where, and what to do; never a traceback, never a pass."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.project import Project

USAGE = pytest.ExitCode.USAGE_ERROR
EVIDENCE = "evidence/prior-study.json"


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path)


def refusal(project: Project, *arguments: str) -> str:
    """The sentences after ERROR: of a run that must end with exit code 4 and without a traceback."""
    result = project.run(*arguments)
    output = result.stdout + result.stderr
    assert result.returncode == USAGE, output
    assert "Traceback" not in output
    assert "INTERNALERROR" not in output
    return output.split("ERROR: ", 1)[1].strip()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["-m", "typo"], ("marker", "typo")),
        (["--evidence", "nowhere.json"], ("nowhere.json", "exist")),
        (["--results", "pytest.ini/results"], ("pytest.ini/results", "Not a directory")),
        (["--record", "pytest.ini/record.json"], ("pytest.ini", "File exists")),
        (["--teacher", "evidence"], ("evidence", "config.json")),
        (["--student", "pytest.ini"], ("pytest.ini", " file", "hub id")),
        (["--student", "./nowhere"], ("./nowhere", "hub id", "owner/name")),
        (["--evidence", EVIDENCE, "--record", "r.json"], ("--record", "--evidence")),
        (["--latency-budget", "nan"], ("--latency-budget", "nan", "seconds")),
        (["--latency-budget", "0"], ("--latency-budget 0", "seconds")),
        (["--inconclusive", "maybe"], ("--inconclusive", "maybe", "choice")),
    ],
)
def test_an_option_that_cannot_work(project: Project, arguments: list[str], words: tuple[str, ...]) -> None:
    result = project.run("claims/", *arguments)
    output = result.stdout + result.stderr
    assert result.returncode == USAGE, output
    assert all(word in output.split("ERROR: ", 1)[1] for word in words), output
    assert "Traceback" not in output


def misspell(data: dict[str, Any]) -> None:
    data["claims"][0]["marign"] = data["claims"][0].pop("margin")


def drop_reason(data: dict[str, Any]) -> None:
    del data["claims"][0]["margin"]["reason"]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (misspell, ("/claims/0/marign", "text.score.elmo", "'margin'")),
        (drop_reason, ("/claims/0/margin/reason", "text.score.elmo", "'reason'")),
    ],
)
def test_a_mistake_in_the_data(
    project: Project, change: Callable[[dict[str, Any]], None], words: tuple[str, ...]
) -> None:
    project.change("baselines/paper.json", change)
    said = refusal(project, "claims/", "-m", "fast")
    assert all(word in said for word in words), said


UNKNOWN = """
@pytest.mark.fast
@pytest.mark.claim("size.typo")
def test_unknown(verdict):
    verdict(1)
"""


def test_an_unknown_id_in_a_mark(project: Project) -> None:
    project.write_claims(UNKNOWN)
    sentence = refusal(project, "claims/test_example.py")
    assert all(word in sentence for word in ("claims/test_example.py::test_unknown", "'size.typo'", "baselines/"))
    assert "\n" not in sentence


def test_an_unknown_id_under_xdist_is_an_error_never_a_pass(project: Project) -> None:
    project.write_claims(UNKNOWN)
    result = project.run("claims/test_example.py", "-n2")
    assert result.returncode == pytest.ExitCode.TESTS_FAILED
    assert any("'size.typo'" in line and "baselines/" in line for line in result.stdout.splitlines())
    assert "Traceback" not in result.stdout
    assert project.words()["size.typo"] == "error"


@pytest.mark.parametrize("marks", ["", "@pytest.mark.fast\n@pytest.mark.slow\n", "@pytest.mark.slow\n"])
def test_a_claim_is_exactly_one_of_fast_and_slow(project: Project, marks: str) -> None:
    project.write_claims(f'{marks}@pytest.mark.claim("size.student")\ndef test_marks(verdict):\n    verdict(66)\n')
    said = refusal(project, "claims/test_example.py")
    given = [name for name in ("fast", "slow") if f".{name}" in marks]
    assert all(word in said for word in ("claims/test_example.py::test_marks", "baselines/", "fast", *given)), said


def test_wrong_marks_under_xdist_are_an_error_never_a_pass(project: Project) -> None:
    project.write_claims('@pytest.mark.claim("size.student")\ndef test_marks(verdict):\n    verdict(66)\n')
    project.run("claims/test_example.py", "-n2")
    assert project.words()["size.student"] == "error"


def newer(data: dict[str, Any]) -> None:
    data["schema"] = 3


def misspell_quantity(data: dict[str, Any]) -> None:
    data["measurements"][3]["quantty"] = data["measurements"][3].pop("quantity")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (newer, ("schema 3", " 2", "update")),
        (misspell_quantity, ("/measurements/3/quantty", "'quantity'")),
    ],
)
def test_evidence_that_cannot_be_read(
    project: Project, change: Callable[[dict[str, Any]], None], words: tuple[str, ...]
) -> None:
    project.change(EVIDENCE, change)
    said = refusal(project, "claims/", "--evidence", EVIDENCE)
    assert all(word in said for word in (EVIDENCE, *words)), said


def not_a_number(data: dict[str, Any]) -> None:
    data["measurements"][0]["values"] = [float("nan")]


def truncated(data: dict[str, Any]) -> None:
    data["measurements"][0]["dataset"]["examples"] = 1000


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (not_a_number, ("nan", "42")),
        (truncated, ("1,000", "1,043")),
    ],
)
def test_evidence_that_must_not_be_judged_is_an_error(
    project: Project, change: Callable[[dict[str, Any]], None], words: tuple[str, ...]
) -> None:
    project.change(EVIDENCE, change)
    result = project.run("claims/test_glue.py", "--evidence", EVIDENCE)
    assert result.returncode == pytest.ExitCode.TESTS_FAILED
    assert "Traceback" not in result.stdout
    verdicts = project.verdicts()
    for name in ("glue.cola.bert", "glue.score.bert", "glue.retention"):
        assert verdicts[name]["verdict"] == "error"
        assert all(word in verdicts[name]["reason"] for word in ("glue.cola.matthews_correlation", EVIDENCE, *words))
    assert verdicts["glue.cola.distilbert"]["verdict"] == "not reproduced"


def test_the_same_measurement_with_two_values(project: Project) -> None:
    shutil.copy2(project.path / EVIDENCE, project.path / "other.json")
    project.change("other.json", lambda data: data["measurements"][0].update(values=[0.6]))
    sentence = refusal(project, "claims/", "--evidence", EVIDENCE, "--evidence", "other.json")
    for word in ("glue.cola.matthews_correlation", "google-bert/bert-base-uncased", "42", EVIDENCE, "other.json"):
        assert word in sentence


def test_a_results_file_that_is_not_ours_is_not_overwritten(project: Project) -> None:
    (project.path / "results").mkdir()
    (project.path / "results" / "verdicts.json").write_text("{broken")
    said = refusal(project, "claims/test_text.py")
    assert "results/verdicts.json" in said
    assert "JSON" in said
    assert (project.path / "results" / "verdicts.json").read_text() == "{broken"


def test_a_missing_library_is_not_run_with_the_command_that_installs_it(project: Project) -> None:
    hidden = "import importlib.util, sys\n_find = importlib.util.find_spec\n"
    hidden += "importlib.util.find_spec = lambda name, *rest: None if name == 'torch' else _find(name, *rest)\n"
    (project.path / "hide_torch.py").write_text(hidden)
    result = project.run("claims/test_size.py", "-p", "hide_torch")
    assert result.returncode == pytest.ExitCode.OK
    reason = project.verdicts()["size.student"]["reason"]
    assert all(word in reason for word in ("torch", 'pip install -e ".[run]"'))
    assert project.words()["size.student"] == "not run"


@pytest.mark.skipif(sys.platform != "linux", reason="other systems have no names that are not UTF-8")
@pytest.mark.parametrize(
    "command",
    [
        ["pytest", "claims/test_size.py", "--junit-xml=junit.xml", "--mirror"],
        ["report", "render"],
        ["measure.mirror"],
        ["measure.cache", "list", "--cache"],
    ],
    ids=["pytest", "report", "mirror", "cache"],
)
def test_a_name_that_is_not_utf_8_is_one_sentence(project: Project, command: list[str]) -> None:
    folder = os.fsencode(project.path) + b"/m\xff"
    Path(os.fsdecode(folder)).mkdir()
    words: list[str | bytes] = [sys.executable, "-m", *command, folder]
    done = subprocess.run(words, cwd=project.path, capture_output=True, timeout=60)
    output = (done.stdout + done.stderr).decode(errors="replace")
    assert done.returncode == (USAGE if command[0] == "pytest" else 2), output
    assert "/m?" in output
    assert "UTF-8" in output
    assert "Traceback" not in output
    assert "INTERNALERROR" not in output
