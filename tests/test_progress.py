"""fixtures.progress: what is seen of a long run, on a real terminal, in a pipe, in CI, quietly and by workers."""

import importlib.util
import os
import re
import signal
import subprocess
import sys
import threading
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from fixtures import progress as module
from fixtures.progress import Progress
from fixtures.stopping import stopping
from measure.tasks import TASKS
from tests.project import LEAN, ROOT

# Three jobs that cost 1, 2 and 3, of two steps each; the second says something, a fourth was not expected.
INNER = """
import os, time
from types import SimpleNamespace
import pytest
from fixtures.progress import Progress
from measure.tasks import TASKS

class Job:
    def __init__(self, task, seed):
        self.task, self.role, self.seed = TASKS[task], "student", seed

    def __str__(self):
        return f"DistilBERT on {self.task.label}, seed {self.seed}"

@pytest.fixture(scope="session")
def progress(request):
    made = Progress(request.config, None)
    made.expect({("rte", "student", seed): float(seed) for seed in (1, 2, 3)})
    return made

def run(progress, job):
    with progress.job(job) as watch:
        for step in (1, 2):
            time.sleep(0.06)
            assert watch(step, 2) is False

def test_first(progress):
    print("what a test prints is not shown")
    run(progress, Job("rte", 1))
    progress.say("A sentence.")

def test_others(progress):
    for job in (Job("rte", 2), Job("rte", 3), Job("wnli", 9)):
        run(progress, job)

def test_that_stops(progress):
    try:
        with progress.job(Job("cola", 1)) as watch:
            watch(1, 100)
            raise RuntimeError
    except RuntimeError:
        pass
"""
# What must be seen of it: the sentence, and of each job its count, its name, and how many lengths of time.
DONE = [
    ((1, 3), "DistilBERT on RTE, seed 1", 2),
    "A sentence.",
    ((2, 3), "DistilBERT on RTE, seed 2", 2),
    ((3, 3), "DistilBERT on RTE, seed 3", 1),
    ((4, 4), "DistilBERT on WNLI, seed 9", 1),
]


@pytest.fixture
def command(tmp_path: Path) -> list[str]:
    (tmp_path / "test_inner.py").write_text(INNER)
    (tmp_path / "pytest.ini").write_text("[pytest]\n")
    plugins = ["-p", "no:hypothesispytest", "-p", "no:pytest-benchmark", "-p", "no:benchmark"]
    return [sys.executable, "-m", "pytest", *LEAN, *plugins, str(tmp_path)]


def environment(**variables: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if name not in ("CI", "BUILD_NUMBER", "COLUMNS")}
    return {**kept, "PYTHONPATH": str(ROOT), "TERM": "xterm", **variables}


def piped(command: list[str], *options: str, **variables: str) -> str:
    done = subprocess.run(
        [*command, *options], env=environment(**variables), capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def on_a_terminal(command: list[str], *options: str, columns: int = 200) -> str:
    """What pytest writes to a pseudo-terminal."""
    pty = pytest.importorskip("pty", reason="needs pseudo-terminals")
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [*command, *options], env=environment(COLUMNS=str(columns)), stdin=theirs, stdout=theirs, stderr=theirs
    )
    os.close(theirs)
    written = b""
    while True:
        try:
            part = os.read(ours, 65536)
        except OSError:  # how Linux says that the other side is closed
            break
        if not part:
            break
        written += part
    os.close(ours)
    assert process.wait(60) == 0, written.decode()
    return written.decode()


def lines(text: str) -> list[str]:
    """The lines that speak of jobs, and the sentence."""
    return [line for line in text.splitlines() if re.search(r"\bjob \d|A sentence", line)]


def count(line: str) -> tuple[int, int]:
    """Which job a line is about, and of how many."""
    [(number, total)] = re.findall(r"\bjob (\d+) of (\d+)\b", line)
    return int(number), int(total)


def times(line: str) -> list[str]:
    """How long a job took, and how long all that are left will take."""
    return re.findall(r"\b[\d.]+ (?:s|min|h|days)\b", line)


def meaning(line: str) -> Any:
    """What a line says, without the times themselves, which a busy machine makes longer."""
    name = re.search(r"DistilBERT on [\w-]+, seed \d+", line)
    return (count(line), name.group(), len(times(line))) if name else line


def test_elsewhere_than_on_a_terminal_each_finished_job_is_a_line(command: list[str]) -> None:
    shown = piped(command)
    assert [meaning(line) for line in lines(shown)] == DONE
    assert "\x1b[2K" not in shown
    assert "what a test prints" not in shown
    assert "3 passed" in shown


@pytest.mark.parametrize("options", [["-s"], ["--capture=sys"], ["-v"]], ids=["no capture", "sys", "verbose"])
def test_however_output_is_captured_the_lines_are_shown(options: list[str], command: list[str]) -> None:
    assert len(lines(piped(command, *options))) == len(DONE)


@pytest.mark.parametrize(
    ("options", "variables", "shown"),
    [(["-q"], {}, []), ([], {"CI": "1"}, ["A sentence."]), (["-q"], {"CI": "true"}, [])],
    ids=["-q", "CI", "both"],
)
def test_quietly_and_in_ci_no_job_is_shown(
    options: list[str], variables: dict[str, str], shown: list[str], command: list[str]
) -> None:
    assert lines(piped(command, *options, **variables)) == shown


@pytest.mark.skipif(not importlib.util.find_spec("xdist"), reason="needs pytest-xdist")
def test_workers_say_nothing(command: list[str]) -> None:
    assert lines(piped(command, "-n2")) == []


WAITS = """
from fixtures.progress import Progress

def test_that_waits(request):
    Progress(request.config, None).waits("waiting for another process")
"""


@pytest.mark.parametrize("options", [(), ("-q",), ("-qq", "-s"), ("-n1",), ("-p", "no:terminal")], ids=" ".join)
def test_what_a_run_waits_for_is_said_always(options: tuple[str, ...], command: list[str], tmp_path: Path) -> None:
    if "-n1" in options:
        pytest.importorskip("xdist")
    (tmp_path / "test_inner.py").write_text(WAITS)
    done = subprocess.run([*command, *options], env=environment(CI="true"), capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
    assert (done.stdout + done.stderr).count("waiting for another process") == 1


def test_nothing_breaks_without_a_terminal_reporter(command: list[str]) -> None:
    assert piped(command, "-p", "no:terminal") == ""


def test_on_a_terminal_one_line_is_rewritten_and_pytests_own_stay_whole(command: list[str]) -> None:
    written = on_a_terminal(command)
    first, last = (
        rf"[^\r\n\x1b]*job {job}\b[^\r\n]*\b{name}\b[^\r\n]*"
        for job, name in (("1 of 3", "DistilBERT on RTE, seed 1"), ("5 of 5", "DistilBERT on CoLA, seed 1"))
    )
    assert re.search(rf"\n{first}\bstep 1 of 2\b[^\r\n]*\d s\b[^\r\n]*\r\x1b\[2K{first}\r?\n", written)
    # A job that ended early leaves nothing behind.
    assert re.search(rf"{last}\bstep 1 of 100\b[^\r\n]*\r\x1b\[2K", written)
    seen = screen(written)
    assert [meaning(line) for line in lines("\n".join(seen))] == DONE
    assert sum("step" in line for line in seen) == 0
    assert len([line for line in seen if re.match(r"\S*test_inner\.py", line)]) >= 1
    assert "3 passed" in written


def test_a_line_that_is_rewritten_fits_a_narrow_terminal(command: list[str]) -> None:
    written = on_a_terminal(command, columns=50)
    rewritten = re.findall(r"(job [^\r\n\x1b]*)\r\x1b\[2K", written)
    assert rewritten
    assert max(map(len, rewritten)) == 49


def screen(written: str) -> list[str]:
    """The lines that are left to be seen: what was erased is gone, colours are left out."""
    plain = re.sub(r"\x1b\[[\d;]*m", "", written).replace("\r\n", "\n")
    return [line.rsplit("\r\x1b[2K", 1)[-1] for line in plain.split("\n")]


def job_of(task: str, seed: int) -> Any:
    class Named(SimpleNamespace):
        def __str__(self) -> str:
            return f"{task} {seed}"

    return Named(task=TASKS[task], role="teacher", seed=seed)


class Clock:
    """A clock that tests turn, and the real other things of a run that progress asks for."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *, terminal: bool) -> None:
        self.now, self.written = 100.0, ""
        monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=lambda: self.now))
        monkeypatch.delenv("CI", raising=False)
        reporter = SimpleNamespace(isatty=terminal, ensure_newline=lambda: None)
        plugins: dict[str, Any] = {"terminalreporter": reporter}
        self.config: Any = SimpleNamespace(
            pluginmanager=SimpleNamespace(getplugin=plugins.get),
            option=SimpleNamespace(verbose=0),
            get_terminal_writer=lambda: SimpleNamespace(write=self.write, fullwidth=200),
        )
        self.progress = Progress(self.config, None)

    def write(self, text: str, *, flush: bool) -> None:
        assert flush
        self.written += text

    def job(self, task: str, seed: int, seconds: float, steps: int = 0) -> str:
        """Run a job for so long; what was written of it."""
        before = len(self.written)
        with self.progress.job(job_of(task, seed)) as watch:
            for step in range(1, steps + 1):
                self.now += seconds / steps
                watch(step, steps)
            if not steps:
                self.now += seconds
        return self.written[before:]


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock(monkeypatch, terminal=False)


def test_the_time_left_follows_from_what_jobs_cost(clock: Clock) -> None:
    clock.progress.expect({("rte", "teacher", 1): 1e15, ("rte", "teacher", 2): 1e15, ("squad", "teacher", 1): 8e15})
    clock.now += 60  # what is neither training nor scoring counts as well
    first = clock.job("rte", 1, 60)
    assert (count(first), times(first)) == ((1, 3), ["1 min", "18 min"])
    assert times(clock.job("squad", 1, 780)) == ["13 min", "2 min"]
    assert times(clock.job("rte", 2, 100)) == ["2 min"]


def test_many_jobs_are_counted_to_the_last(clock: Clock) -> None:
    clock.progress.expect({("cola", "teacher", seed): 1.0 for seed in range(110)})
    said = [clock.job("cola", seed, 60) for seed in range(110)]
    assert (count(said[2]), times(said[2])) == ((3, 110), ["1 min", "1.8 h"])
    assert (count(said[-1]), times(said[-1])) == ((110, 110), ["1 min"])


def test_a_job_that_was_not_expected_is_counted_too(clock: Clock) -> None:
    assert count(clock.job("rte", 1, 5)) == (1, 1)
    clock.progress.expect({("rte", "teacher", 2): 1.0})
    assert count(clock.job("wnli", 1, 5)) == (1, 2)
    assert count(clock.job("rte", 2, 5)) == (2, 2)


def test_a_job_that_failed_is_not_waited_for(clock: Clock) -> None:
    clock.progress.expect({("rte", "teacher", 1): 5.0, ("rte", "teacher", 2): 1.0, ("rte", "teacher", 3): 1.0})
    with (
        pytest.raises(ValueError, match="broken"),
        clock.progress.job(job_of("rte", 1)),
    ):
        raise ValueError("broken")
    assert clock.written == ""
    assert times(clock.job("rte", 2, 60)) == ["1 min", "1 min"]


def test_a_terminal_is_written_to_twice_a_second_at_most(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock(monkeypatch, terminal=True)
    clock.progress.expect({("rte", "teacher", 1): 1.0})
    assert 19 <= clock.job("rte", 1, 10, steps=1000).count("step ") <= 21
    assert Clock(monkeypatch, terminal=False).job("rte", 1, 10, steps=1000).count("\n") == 1


def test_what_is_said_while_a_line_is_written_comes_after_it(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock(monkeypatch, terminal=True)
    write = clock.write

    def interrupted(text: str, *, flush: bool) -> None:
        write(text, flush=flush)
        if "step 1" in text:
            clock.progress.say("stopping")  # as a signal's handler does, in the midst of writing

    monkeypatch.setattr(clock, "write", interrupted)
    said = clock.job("rte", 1, 10, steps=2)
    assert re.search(r"\bstep 1 of 2\b[^\r\n]*\r\x1b\[2Kstopping\n.*\bstep 2 of 2\b", said)


@pytest.mark.skipif(os.name != "posix", reason="signals are POSIX's")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_first_signal_asks_and_the_second_ends(number: signal.Signals) -> None:
    said: list[str] = []
    before = signal.getsignal(number)
    with stopping(said.append) as asked:
        assert not asked()
        signal.raise_signal(number)
        assert asked()
        [sentence] = said
        assert all(word in sentence for word in ("step", "Ctrl-C"))
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(number)
    assert signal.getsignal(number) is before


def test_a_thread_that_is_not_the_main_one_is_never_asked_to_stop() -> None:
    answers: list[bool] = []

    def work() -> None:
        with stopping(lambda _: None) as asked:
            answers.append(asked())

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert answers == [False]
