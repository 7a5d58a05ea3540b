"""Faults at random points of a run: no finished job is lost or trained twice, and nothing damaged becomes a score."""

import json
import math
import os
import random
import re
import shutil
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from judge.files import Mistake
from tests.hubclient import connected
from tests.hubserver import Fault, Hub
from tests.test_hub_states import mounted

pytest.importorskip("torch", reason="models are trained")
for name in ("transformers", "datasets", "evaluate", "accelerate", "resource"):
    pytest.importorskip(name)
faults = pytest.importorskip("tests.faults")

pytestmark = [
    pytest.mark.skipif(not hasattr(os, "fork"), reason="processes are forked"),
    # What Python 3.12 says of a process with threads: those of the hub take no part in what the fork does.
    pytest.mark.filterwarnings("ignore:.*use of fork:DeprecationWarning"),
]
TASKS = ("stsb", "squad")
KILLED, SAID, FINISHED = -signal.SIGKILL, faults.SAID, faults.FINISHED
# Seconds that a phase of a job takes, or a little more.
SECONDS = {"tokenising": 0.04, "training": 0.15, "scoring": 0.05, "keeping": 0.01}
# What is said of a disk that is full, and of a file that may not grow.
NO_ROOM = r"\broom\b|No space left on device|File too large"
Trial = Any
New = Callable[..., Trial]
Touches = dict[str, int]


@pytest.fixture(scope="module")
def content(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("content")
    faults.write_content(folder, TASKS)
    return folder


@pytest.fixture(scope="module")
def expected(content: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    """What every job comes out with where nothing happens; made here, so that all is imported before a fork."""
    from measure.finetuning.run import run
    from measure.store import Store

    store, found = Store(tmp_path_factory.mktemp("undisturbed")), {}
    for job in faults.jobs_of(faults.request(content, TASKS)):
        with store.lock(job.key):
            found[job.key] = faults.outcome(run(job, store, "cpu", lambda *_: False, keep_checkpoint=True))
    scores = {json.dumps(one["metrics"]) for one in found.values()}
    assert len(scores) > len(found) / 2, "a score in the wrong place would not be seen"
    return found


@pytest.fixture
def dice(request: pytest.FixtureRequest) -> random.Random:
    return random.Random(f"{faults.SEED} {request.node.name}")


@pytest.fixture
def full(request: pytest.FixtureRequest) -> bool:
    """Whether there is time for many faults, enough for every kind in every phase; else there are some."""
    return bool(request.config.getoption("full"))


@pytest.fixture
def new(
    content: Path,
    expected: dict[str, dict[str, Any]],
    tmp_path: Path,
    dice: random.Random,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[New]:
    """Begin a trial: an empty store, and the jobs that are wanted of it."""
    # Also where there is a GPU, which a copy of a process cannot use.
    monkeypatch.setattr("fixtures.checkpoints.best_device", lambda: "cpu")
    trials: list[Trial] = []

    def begin(folder: Path | None = None, mirror: Path | None = content, tasks: Any = TASKS) -> Trial:
        wanted = {job.key: expected[job.key] for job in faults.jobs_of(faults.request(content, tasks))}
        keep = dice.choice(("all", "none"))
        trials.append(faults.Trial(folder or tmp_path / f"trial-{len(trials)}", mirror, wanted, tasks, dice, keep))
        return trials[-1]

    yield begin
    for trial in trials:
        trial.close()


@pytest.fixture(scope="module")
def touches(content: Path, expected: dict[str, dict[str, Any]], tmp_path_factory: pytest.TempPathFactory) -> Touches:
    """How often an undisturbed job touches the file system in each of its phases, on average."""
    folder = tmp_path_factory.mktemp("counted")
    trial = faults.Trial(folder / "trial", content, expected, TASKS, random.Random(0))
    seen: Counter[str] = Counter()

    def counted() -> None:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("fixtures.checkpoints.best_device", lambda: "cpu")
            trial.work()
        trial.tell("count", "", dict(seen))

    trial.attempt(partial(faults.at_touch, trial, None, 1, lambda *_: seen.update([trial.now])), action=counted)
    assert trial.log[-1].what == "count"
    trial.close()
    return {phase: trial.log[-1].more[phase] // len(expected) for phase in faults.PHASES}


def often(dice: random.Random) -> None:
    """Save runs in training at every step, mostly, or now and then, or never, as chance has it."""
    from measure.finetuning import trainer

    trainer.SECONDS_BETWEEN_CHECKPOINTS = dice.choice((-1.0, -1.0, 0.02, 600.0))


def attempt_at(
    trial: Trial, touches: Touches, action: Callable[..., None], phases: tuple[str, ...] = faults.PHASES
) -> tuple[int, str]:
    """Work until the file system has been touched so and so often in one of the phases; see `faults.at_touch`."""
    phase = phases[len(trial.history) % len(phases)]
    nth = trial.dice.randrange(1, 2 + 5 * touches[phase] // 4)

    def prepare() -> None:
        often(random.Random(nth))
        faults.at_touch(trial, phase, nth, action)

    return trial.attempt(prepare)


def hit(process: int) -> bool:
    """Kill a process from outside; one that has just ended takes no notice."""
    with suppress(ProcessLookupError):
        os.kill(process, signal.SIGKILL)
    return True


def after(moment: float, process: int) -> None:
    if time.monotonic() > moment:
        hit(process)


def until(number: int, new: New, attempt: Callable[[Trial], Any]) -> Counter[str]:
    """Inject so many faults, in one store after the other: one that is filled is looked through and left."""
    total: Counter[str] = Counter()
    while total.total() < number:
        trial = new()
        with trial.explained():
            while trial.finished != trial.expected.keys() and (total + trial.struck).total() < number:
                attempt(trial)
                assert len(trial.history) < 5 * number, "faults come too late again and again"
            trial.complete()
        total += trial.struck
        shutil.rmtree(trial.folder)
    return total


def test_killed_wherever_the_disk_is_touched(new: New, touches: Touches, full: bool) -> None:
    def attempt(trial: Trial) -> None:
        code, phase = attempt_at(trial, touches, faults.kill)
        trial.strike(f"killed {phase}", code == KILLED)

    struck = until(24 if full else 8, new, attempt)
    assert len(struck) > 2, struck
    assert not full or struck.keys() >= {f"killed {phase}" for phase in faults.PHASES}, struck


def test_killed_at_any_moment(new: New, dice: random.Random, full: bool) -> None:
    def attempt(trial: Trial) -> None:
        planned = faults.PHASES[len(trial.history) % len(faults.PHASES)]
        delay, begun = dice.uniform(0, SECONDS[planned]), 0.0

        def during(process: int) -> None:
            nonlocal begun
            if not begun and trial.phase(process) == planned:
                begun = time.monotonic()
            if begun and time.monotonic() - begun > delay:
                hit(process)

        code, phase = trial.attempt(partial(often, random.Random(dice.random())), during=during)
        trial.strike(f"killed {phase}", code == KILLED)

    struck = until(16 if full else 5, new, attempt)
    assert not full or struck.keys() >= {"killed tokenising", "killed training"}, struck


def test_no_room_for_anything_new_or_in_the_middle_of_a_file(
    new: New, touches: Touches, dice: random.Random, full: bool
) -> None:
    def attempt(trial: Trial) -> None:
        limit = partial(faults.limit, dice.choice((0, 100, 5_000, 100_000)))
        kind, action = dice.choice((("refused", faults.refuse), ("limited", limit)))
        code, phase = attempt_at(trial, touches, action)
        if trial.strike(f"{kind} {phase}", code == SAID):
            assert re.search(NO_ROOM, trial.log[-1].more), trial.log[-1].more

    struck = until(14 if full else 6, new, attempt)
    assert not full or {name.split()[0] for name in struck} == {"refused", "limited"}, struck


def test_a_disk_that_somebody_else_fills(
    new: New, touches: Touches, dice: random.Random, tmp_path: Path, full: bool
) -> None:
    disk = tmp_path / "disk"

    def attempt(trial: Trial) -> None:
        left = dice.choice((0, 4_096, 70_000, 600_000))
        code, phase = attempt_at(trial, touches, partial(faults.fill, disk, left))
        if trial.strike(f"full {phase}", code == SAID):
            assert re.search(NO_ROOM, trial.log[-1].more), trial.log[-1].more
        (disk / "filler").unlink(missing_ok=True)

    with mounted(disk, "size=64m"):
        struck = until(8 if full else 3, partial(new, disk / "trial"), attempt)
    assert not full or len(struck) > 1, struck


def test_damaged_between_two_runs(new: New, touches: Touches, dice: random.Random, full: bool) -> None:
    trial = new()
    with trial.explained():
        for number in range(24 if full else 8):
            if number % 8 < 7:
                code, _ = attempt_at(trial, touches, faults.kill, ("training", "scoring", "keeping"))
                trial.strike("killed", code == KILLED)
            else:
                code, _ = trial.attempt()
                assert code == FINISHED
            for _ in range(dice.randrange(1, 4)):
                trial.strike(f"damaged {trial.damage()}", happened=True)
        trial.complete()
    assert trial.struck.total() > (40 if full else 10)
    kinds = ("record", "tokens", "midrun") if full else ("record",)
    assert trial.struck.keys() >= {f"damaged {kind}" for kind in kinds}, trial.struck
    said = "\n".join(told.more for told in trial.log if told.what == "said")
    assert re.search(r"\bjob (\w+) .*/damaged/\1\.\d", said), said


def test_two_processes_of_which_one_may_be_killed(new: New, dice: random.Random, full: bool) -> None:
    killed = 0
    for number in range(6 if full else 3):
        trial = new(tasks=TASKS[:1])
        with trial.explained():
            first, second = trial.start(partial(often, random.Random(dice.random()))), trial.start()
            moment = time.monotonic() + (dice.uniform(0, 0.8) if number % 3 else math.inf)
            codes = trial.wait(first, second, during=partial(after, moment, first))
            assert codes[0] == FINISHED or (codes[0] == KILLED and moment < math.inf)
            assert codes[1] == FINISHED
            trial.check()
            trial.complete()
        killed += codes[0] == KILLED
    assert killed


@pytest.fixture
def hub(content: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    """A hub that has the content, for processes that take it for the real one and do not wait long."""
    from huggingface_hub import constants

    with connected(tmp_path / "home", monkeypatch) as server:
        server.add_mirror(content, faults.SERVED)
        monkeypatch.setattr(constants, "HF_HUB_DOWNLOAD_TIMEOUT", 0.4)
        monkeypatch.setattr("measure.listing.PAUSES", (0.0, 0.0))
        yield server


def broken_downloads(content: Path, dice: random.Random, what: str) -> list[Fault]:
    """Downloads of some files that end at a random byte, or bring zeros, once or again and again."""
    paths = dice.sample(sorted(path for path in content.rglob("*") if path.is_file()), 4)
    return [
        Fault(
            "/".join(path.relative_to(content).parts[2:]),
            what,
            dice.randrange(path.stat().st_size),
            times=1 if what == "stall" else dice.choice((1, 2, 8)),
            seconds=1.0,
        )
        for path in paths
    ]


def filled(mirror: Path, trial: Trial) -> None:
    """Fill the mirror with what is wanted, and work with what is there."""
    from measure.mirror import main

    models = [word for role, name in faults.MODELS.items() for word in (f"--{role}", f"{name}@{faults.REVISION}")]
    if main([str(mirror), "--tasks", ",".join(TASKS), *models]):
        raise Mistake("it is not filled.")
    trial.work()


@pytest.mark.parametrize("to", ["cache", pytest.param("mirror", marks=pytest.mark.full)])
def test_cut_off_from_the_hub(
    to: str, new: New, hub: Hub, content: Path, dice: random.Random, tmp_path: Path, full: bool
) -> None:
    place = tmp_path / {"cache": "home", "mirror": "mirror"}[to]
    trial = new(mirror=place if to == "mirror" else None)
    action = partial(filled, place, trial) if to == "mirror" else None

    codes: list[int] = [FINISHED]

    def attempt(what: str, *, kill: bool) -> None:
        hub.faults = broken_downloads(content, dice, what)
        before = [fault.times for fault in hub.faults]

        def met() -> list[str]:
            return [str(fault.what) for fault, times in zip(hub.faults, before, strict=True) if fault.times < times]

        code, _ = trial.attempt(action=action, during=lambda process: kill and met() and hit(process))
        codes.append(code)
        for kind in ["killed"] if code == KILLED else met():
            trial.strike(kind, happened=True)
        if code == FINISHED:  # all of it is here: once more from the start
            shutil.rmtree(place)

    with trial.explained():
        while min(trial.struck[kind] for kind in ("cut", "stall", "blank", "killed")) < (3 if full else 1):
            for kind in ("cut", "stall", "blank"):
                attempt(kind, kill=False)
                attempt("stall", kill=True)
            assert FINISHED in codes[-18:], "nothing is downloaded any more"
        hub.faults = []
        code, _ = trial.attempt(action=action)
        assert code == FINISHED
        trial.complete()
