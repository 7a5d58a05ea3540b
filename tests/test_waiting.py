"""Whoever waits for another process says so in a line, and for what, however quiet the run was asked to be."""

import os
import re
import signal
import time
from pathlib import Path

import pytest

from measure.quiet import Machine
from measure.rehearsal import FORM
from measure.store import Store
from tests.project import Project, Running

pytest.importorskip("torch", reason="who waits is about to train")
ASKED = ("claims/test_glue.py", "--tasks", "wnli", "-k", "wnli", "-q")


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path)


def machine_of(project: Project) -> Machine:
    return Machine(project.path / "tmp" / f"distilbert-claims-{os.getuid()}")


def wait_for(running: Running, project: Project, pattern: str) -> None:
    """Until the run has said it, for a minute at most."""
    end = time.monotonic() + 60
    while True:
        said = "".join(path.read_text() for path in sorted((project.path / "tmp").glob("std*")))
        if re.search(pattern, said):
            return
        assert running.code() is None, f"it has ended: {said}"
        assert time.monotonic() < end, f"it has not said {pattern}: {said}"
        time.sleep(0.1)


@pytest.mark.full
def test_a_rehearsal_says_that_it_waits_for_its_miniatures_and_for_who_times(project: Project) -> None:
    store = Store(project.path / "caches" / "distilbert-claims" / "rehearsal")
    with machine_of(project).timing():
        with store.lock(f"made-{FORM}"):
            running = project.start(*ASKED, "--rehearse", "--seeds", "1")
            wait_for(running, project, rf"waiting for .*miniatures.*{re.escape(str(store.folder))}")
        wait_for(running, project, r"waiting: .*times models")
    done = running.end()
    assert done.returncode == pytest.ExitCode.OK, done.stdout + done.stderr


def test_a_job_that_another_process_runs_is_named(project: Project) -> None:
    cache = project.path / "caches" / "distilbert-claims"
    assert project.run(*ASKED, "--rehearse", "--seeds", "1").returncode == pytest.ExitCode.OK
    store = Store(cache / "rehearsal")
    key = store.stored_keys()[0]
    result = store.find(key)
    assert result is not None
    store.discard(store.jobs / key, key)
    with store.lock(key):
        running = project.start(*ASKED, "--rehearse", "--seeds", "1")
        wait_for(running, project, rf"waiting for .*{re.escape(str(result.job['model']))} on WNLI, seed 42\b")
    assert running.end().returncode == pytest.ExitCode.OK


def test_a_plan_says_that_it_waits_for_who_times_and_can_be_stopped_meanwhile(project: Project) -> None:
    with machine_of(project).timing():
        running = project.start(*ASKED, "--plan")
        wait_for(running, project, r"waiting: .*times models")
        running.stop(signal.SIGINT)
        assert running.end().returncode == pytest.ExitCode.INTERRUPTED
