"""results/verdicts.json and --record: only what a run produced is rewritten, and nothing is lost when it is cut off."""

import json
import signal
import time
from pathlib import Path

import pytest

from tests.project import Project

SLEEPY = """
import time

@pytest.mark.fast
@pytest.mark.claim("text.size")
def test_first(verdict):
    verdict(40.0)

@pytest.mark.fast
@pytest.mark.claim("text.speed")
def test_second(verdict):
    time.sleep({first})
    verdict(1.63)

@pytest.mark.fast
@pytest.mark.claim("text.imdb")
def test_third(verdict):
    open("sleeping", "w").close()
    time.sleep(60)
    verdict(0.6)
"""


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path)


def cut_off(project: Project, number: int) -> int:
    """Start a run, wait until its third claim sleeps, and send it a signal; its exit code."""
    run = project.start("claims/test_example.py")
    deadline = time.monotonic() + 60
    while not (project.path / "sleeping").exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    run.stop(number)
    return run.end(60).returncode


def test_a_partial_run_rewrites_only_its_own_verdicts(project: Project) -> None:
    project.run("claims/test_glue.py", "--evidence", "evidence/prior-study.json")
    before = project.verdicts()
    project.run("claims/test_text.py")
    after = project.verdicts()
    assert {name: after[name] for name in after if name.startswith("glue.")} == {
        name: before[name] for name in before if name.startswith("glue.")
    }
    assert before["text.size"]["verdict"] == "not run"
    assert after["text.size"]["verdict"] == "reproduced"


def test_not_run_never_replaces_a_verdict(project: Project) -> None:
    project.run("claims/test_glue.py", "--evidence", "evidence/prior-study.json")
    before = project.verdicts()["glue.retention"]
    project.run("claims/test_glue.py")
    assert project.verdicts()["glue.retention"] == before
    assert before["verdict"] == "inconclusive"


def test_every_claim_is_in_the_file_in_the_order_of_the_data(project: Project) -> None:
    project.run("claims/test_text.py")
    paper = json.loads((project.path / "baselines" / "paper.json").read_text())
    names = list(project.verdicts())
    assert names[: len(paper["claims"])] == [claim["id"] for claim in paper["claims"]]
    never = project.verdicts()["glue.retention"]
    assert never["verdict"] == "not run"
    assert never["reason"]


def test_ctrl_c_keeps_what_was_judged(project: Project) -> None:
    project.write_claims(SLEEPY.format(first=0))
    assert cut_off(project, signal.SIGINT) == pytest.ExitCode.INTERRUPTED
    words = project.words()
    assert (words["text.size"], words["text.speed"], words["text.imdb"]) == ("reproduced", "reproduced", "not run")


def test_kill_9_leaves_the_previous_results_whole(project: Project) -> None:
    project.run("claims/test_text.py")
    before = project.words()
    project.write_claims(SLEEPY.format(first=0))
    assert cut_off(project, signal.SIGKILL) == -signal.SIGKILL
    assert project.words() == before


def test_kill_9_keeps_what_a_long_run_had_judged_until_then(project: Project) -> None:
    project.write_claims(SLEEPY.format(first=2.5))
    cut_off(project, signal.SIGKILL)
    assert project.words()["text.size"] == "reproduced"
    assert project.words()["text.speed"] == "reproduced"


def test_what_is_recorded_here_is_judged_alike_elsewhere(project: Project) -> None:
    claims = ["claims/test_size.py", "claims/test_architecture.py"]
    project.run(*claims, "--record", "here.json", "--results", "live")
    result = project.run(*claims, "--evidence", "here.json", "--results", "judged")
    assert result.returncode == pytest.ExitCode.OK
    live, judged = project.verdicts("live"), project.verdicts("judged")
    for verdict in judged.values():
        assert verdict.pop("evidence", ["here.json"]) == ["here.json"]
        assert len(verdict.pop("digests", ["one"])) == 1
    assert live == judged
    assert live["size.reduction"]["value"] == pytest.approx(39.3848, abs=1e-4)
    # 23,835,648 parameters of embeddings in two bytes each and 42,528,770 others in four.
    assert any("217.8 MB" in note and "207.7 MiB" in note for note in live["size.mobile"]["notes"])
    assert len(json.loads((project.path / "here.json").read_text())["measurements"]) == 20


@pytest.mark.full
def test_workers_record_what_one_process_does(project: Project) -> None:
    claims = ["claims/test_size.py", "claims/test_architecture.py"]
    project.run(*claims, "--record", "here.json", "--results", "live")
    project.run(*claims, "-n2", "--record", "there.json", "--results", "workers")
    assert project.verdicts("workers") == project.verdicts("live")
    here, there = (json.loads((project.path / name).read_text()) for name in ("here.json", "there.json"))
    quantities = [
        sorted((m["quantity"], m["model"]["role"], m["values"][0]) for m in f["measurements"]) for f in (here, there)
    ]
    assert quantities[0] == quantities[1]


def test_a_record_of_another_host_is_not_added_to(project: Project) -> None:
    data = json.loads((project.path / "evidence" / "prior-study.json").read_text())
    (project.path / "other.json").write_text(json.dumps(data))
    result = project.run("claims/test_size.py", "--record", "other.json")
    assert result.returncode == pytest.ExitCode.USAGE_ERROR
    said = (result.stdout + result.stderr).split("ERROR: ", 1)[1]
    assert str(project.path / "other.json") in said
    assert "--record" in said.replace(str(project.path), "")
    assert " host" in said.replace(str(project.path), "")
    assert json.loads((project.path / "other.json").read_text()) == data
