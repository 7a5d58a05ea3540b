"""A claim that is timed more than once in one run: every time is a launch of its own, and all of them are judged."""

import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from fixtures.ledger import Ledger
from fixtures.record import numbered, record_launch
from judge.evidence import Host, Measurement, Model, read_evidence, write_evidence
from report.__main__ import main as report
from tests.project import ROOT, Project
from tests.test_speed_claims import CPU, pair

pytest.importorskip("torch", reason="timing needs torch and transformers")
pytest.importorskip("pytest_benchmark", reason="timing needs pytest-benchmark")
HERE = Host(cpu="a processor", cores=2)
# How pytest-repeat makes a test run more than once.
TWICE = """
import pytest

@pytest.fixture
def turn(request):
    return request.param

def pytest_generate_tests(metafunc):
    metafunc.fixturenames.append("turn")
    metafunc.parametrize("turn", (1, 2), indirect=True)
"""


def alike(project: Project) -> list[str]:
    """Two models of one size: neither is 60 % faster, however often they are timed."""
    return pair(project, {"layers": 3, "width": 128}, {"layers": 3, "width": 128})


def launches(project: Project, name: str = "times.json") -> list[Measurement]:
    return [m for m in read_evidence(project.path / name).measurements if m.pairs]


def assert_judged_as_recorded(project: Project, options: list[str], live: str) -> dict[str, Any]:
    """The file passes the check, and the verdict of its launches is that of the run that recorded them."""
    check = project.python("-m", "report", "check", "times.json")
    assert check.returncode == 0, check.stdout + check.stderr
    project.run(CPU, *options, "--evidence", "times.json", "--results", f"{live}-judged")
    found, judged = (project.verdicts(folder)["speed.cpu"] for folder in (live, f"{live}-judged"))
    for name in ("verdict", "value", "interval", "raw"):
        assert found[name] == judged[name], name
    return found


@pytest.mark.times
@pytest.mark.skipif("pytest_rerunfailures" not in sys.modules, reason="needs pytest-rerunfailures")
def test_a_claim_that_is_run_again_until_it_passes_is_judged_on_all_of_its_times(tmp_path: Path) -> None:
    project = Project(tmp_path)
    options = alike(project)
    done = project.run(CPU, *options, "--reruns", "2", "--record", "times.json", "--results", "live")
    assert done.returncode == pytest.ExitCode.TESTS_FAILED, done.stdout
    assert "2 rerun" in done.stdout, done.stdout
    taken = launches(project)
    assert [m.launch for m in taken] == [0, 1, 2]
    assert len({m.pairs for m in taken}) == 3
    verdict = assert_judged_as_recorded(project, options, "live")
    assert verdict["verdict"] == "not reproduced"
    assert len(verdict["raw"]["teacher (s)"]) == sum(len(m.pairs) for m in taken)
    # A later run adds to them.
    project.run(CPU, *options, "--reruns", "1", "--record", "times.json", "--results", "later")
    assert [m.launch for m in launches(project)] == [0, 1, 2, 3, 4]
    assert launches(project)[:3] == taken
    check = project.python("-m", "report", "check", "times.json")
    assert check.returncode == 0, check.stdout


@pytest.mark.times
def test_a_test_that_runs_twice_is_two_launches(tmp_path: Path) -> None:
    project = Project(tmp_path)
    options = alike(project)
    done = project.run(CPU, *options, "--record", "times.json", "--results", "live", before=TWICE)
    assert "2 failed" in done.stdout, done.stdout
    assert [m.launch for m in launches(project)] == [0, 1]
    assert_judged_as_recorded(project, options, "live")


def times(quantity: str = "speed.cpu", second: float = 1.0, **how: Any) -> Measurement:
    model = Model(role="student", id="a/student")
    pairs = (("teacher", second, 0.5), ("student", 1.1, 0.5)) * 5
    versus = Model(role="teacher", id="a/teacher")
    return Measurement(quantity=quantity, model=model, versus=versus, unit="seconds", pairs=pairs, how=how)


def test_launches_of_one_setting_are_counted_in_one_process() -> None:
    config: Any = SimpleNamespace(stash=pytest.Stash())
    assert [m.launch for m in record_launch(config, times())] == [0]
    assert [m.launch for m in record_launch(config, times(batch=32))] == [0]
    assert [m.launch for m in record_launch(config, times("speed.cpu_backends.int8"))] == [0]
    assert [m.launch for m in record_launch(config, times(second=2.0))] == [0, 1]
    assert [m.launch for m in record_launch(config, times(second=3.0))] == [0, 1, 2]


def test_what_was_kept_before_keeps_its_number_and_scores_have_none() -> None:
    first = times()
    again = numbered(times(second=2.0), [first], HERE)
    assert again.launch == 1
    assert numbered(times(second=2.0), [first, again], HERE) == again
    score = Measurement(quantity="glue.rte.accuracy", model=first.model, unit="fraction", values=(0.5,))
    assert numbered(score, [score, first], HERE) == score


def test_a_recording_is_added_to_as_it_will_be_read_under_one_host(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A driver that was updated makes no other host of it, and the file has one host for all.
    path = tmp_path / "times.json"
    settings: Any = SimpleNamespace(root=ROOT, record=path)

    def recorded(host: Host, *measured: Measurement) -> None:
        ledger = Ledger.__new__(Ledger)
        ledger.settings, ledger.created = settings, "now"
        ledger.measurements = {m.model_dump_json(): m for m in measured}
        monkeypatch.setattr("fixtures.ledger.describe_host", lambda **_: host)
        write_evidence(path, ledger._evidence(path))

    recorded(HERE.model_copy(update={"driver": "1"}), times(), times(second=2.0))
    recorded(HERE.model_copy(update={"driver": "2"}), times(second=3.0))
    assert [m.launch for m in read_evidence(path).measurements] == [0, 1, 2]
    assert report(["check", str(path)]) == 0
