"""measure.quiet: models are trained side by side, and timed while nobody trains."""

import os
import re
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from judge.files import Mistake
from measure import quiet
from measure.quiet import Busy, Machine
from tests.project import ROOT

pytest.importorskip("filelock", reason="torch brings it along")

# Takes a turn, says so, and keeps it until it is killed or its input ends.
HOLD = """
import sys
from pathlib import Path
from measure.quiet import Machine
with getattr(Machine(Path(sys.argv[1])), sys.argv[2])():
    print("mine", flush=True)
    sys.stdin.read()
"""


@contextmanager
def holding(folder: Path, what: str) -> Iterator["subprocess.Popen[str]"]:
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(folder), what],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "mine\n"
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def test_several_train_at_once_and_nobody_times_meanwhile(tmp_path: Path) -> None:
    machine, told = Machine(tmp_path), []
    with holding(tmp_path, "training"), machine.training():
        pass  # beside the other
    with holding(tmp_path, "training"), pytest.raises(Busy), machine.timing(lambda: told.append(1), seconds=0.3):
        pytest.fail("it was timed beside somebody who trains")
    assert told == [1]
    with machine.timing(lambda: told.append(2), seconds=0.3):
        pass
    assert told == [1], "who need not wait is told nothing"


def test_who_times_keeps_others_from_training_and_from_timing(tmp_path: Path) -> None:
    began: list[float] = []

    def train() -> None:
        with Machine(tmp_path).training():
            began.append(time.monotonic())

    with holding(tmp_path, "timing") as other:
        with pytest.raises(Busy), Machine(tmp_path).timing(seconds=0.2):
            pytest.fail("two timed at once")
        waiting = threading.Thread(target=train)
        waiting.start()
        waiting.join(0.5)
        assert not began
        other.kill()  # its locks end with it, however it ends
        other.wait()
        waiting.join(5)
    assert began


def test_who_waits_for_quiet_lets_nobody_new_begin(tmp_path: Path) -> None:
    # Else two processes that train job after job would keep a third from ever timing.
    timed: list[float] = []

    def measure() -> None:
        with Machine(tmp_path).timing():
            timed.append(time.monotonic())

    with holding(tmp_path, "training") as first:
        timing = threading.Thread(target=measure)
        timing.start()
        time.sleep(0.3)
        begun: list[float] = []

        def train() -> None:
            with Machine(tmp_path).training():
                begun.append(time.monotonic())

        later = threading.Thread(target=train)
        later.start()
        later.join(0.5)
        assert not begun
        first.kill()
        first.wait()
        timing.join(5)
        later.join(5)
    assert timed[0] < begun[0]


def test_there_is_an_end_to_how_many_train(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(quiet, "PLACES", 1)
    refused = pytest.raises(Mistake, match=r"\b1 process.*\bmachine\b")
    with Machine(tmp_path).training(), refused, Machine(tmp_path).training():
        pytest.fail("there was no place left")


def test_a_folder_that_cannot_be_used_is_said_with_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    refused = pytest.raises(Mistake, match=rf"{re.escape(str(tmp_path / 'file' / 'folder'))}.*TMPDIR")
    with refused, Machine(tmp_path / "file" / "folder").training():
        pytest.fail("it was locked")


def test_the_folder_is_of_this_user_and_machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    # It is removed when its user logs out, and the run may go on.
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    assert quiet.default_folder() == Path(tempfile.gettempdir()) / f"distilbert-claims-{os.getuid()}"
    assert (tmp_path / "new").exists() is False
    with Machine(tmp_path / "new").training():
        assert (tmp_path / "new").stat().st_mode & 0o077 == 0, "nobody else can hold our locks"
