"""Processes that fine-tune and are killed, cut off, or left without room on the disk; and what must hold after that.

Every process is a copy (fork) of the one that runs the tests, which has imported everything: it takes milliseconds to
start. It does what the fixture `checkpoints` does, through that class itself, and tells over a pipe what it is at.
"""

import errno
import hashlib
import json
import logging
import os
import random
import re
import resource
import select
import shutil
import signal
import sys
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple

import pytest

from fixtures.checkpoints import Checkpoints
from fixtures.outcomes import NotRun
from judge.baselines import load_baselines
from judge.datasets import GLUE, SQUAD
from judge.files import Mistake
from measure.jobs import Job
from measure.requests import ROLES, Request
from measure.results import CHECKPOINT, RESULT, Result
from measure.store import Store
from measure.tasks import TASKS, FineTuned
from tests.hubserver import REVISION
from tests.madedata import miniature, write_task
from tests.project import ROOT

# Another one injects other faults: FAULTS_SEED=6 pytest tests/test_faults.py --full
SEED = int(os.environ.get("FAULTS_SEED", "5"))
SEEDS, ROWS = (1, 2), 48
# Six steps, in which a miniature learns enough for every seed to come out with a score of its own.
RECIPE = {"learning_rate": 3e-3, "batch_size": 16, "epochs": 2, "max_length": 64}
MODELS = {role: f"lab/{role}" for role in ROLES}
SERVED = {**dict.fromkeys(MODELS.values(), REVISION), GLUE[0]: GLUE[1], SQUAD[0]: SQUAD[1]}
# How a process ends that finished, that said in a sentence why it could not, and that did neither.
FINISHED, SAID, RAISED = 0, 3, 4
PHASES = ("tokenising", "training", "scoring", "keeping")
# What is in a store. Not looks/: it says what somebody saw, which nobody can make again.
STORED = {
    "record": "jobs/*/*",
    "checkpoint": "jobs/*/checkpoint/*",
    "tokens": "features/*",
    "midrun": "work/*/checkpoint-*/*",
    "work": "work/*/finished/*",
    "lock": "locks/*",
    "temporary": "temporary/**/*",
}
WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT
# What a process may take before it is taken to hang, in seconds: a hundred times what it needs.
PATIENCE = 120


class Tiny(Request):
    """A request whose every job takes a fifth of a second."""

    def protocol(self, task: FineTuned, role: Any) -> Any:
        real = super().protocol(task, role)
        changed = {**RECIPE, "doc_stride": 16} if real.recipe.doc_stride else RECIPE
        return replace(real, recipe=replace(real.recipe, **changed))

    def task(self, task: FineTuned) -> FineTuned:
        train, *others = (replace(split, rows=ROWS) for split in task.splits)
        return replace(task, train=train, evaluation=tuple(others))


def request(mirror: Path | None, tasks: tuple[str, ...]) -> Tiny:
    own = {role: f"{name}@{REVISION}" for role, name in MODELS.items()}
    return Tiny(load_baselines(ROOT / "baselines"), own, mirror, "paper", tasks, SEEDS)


def write_content(folder: Path, tasks: tuple[str, ...]) -> None:
    """What the hub has, laid out as there: both models and the data of the tasks."""
    miniature(folder / MODELS["teacher"], "bert")
    miniature(folder / MODELS["student"], "distilbert")
    for task in tasks:
        write_task(folder, task, rows=ROWS)


def jobs_of(asked: Request) -> list[Job]:
    return [job for task in asked.tasks for role in ROLES for job in asked.jobs(TASKS[task], role, "cpu")]


def outcome(result: Result) -> dict[str, Any]:
    """What a job came out with, as JSON: scores, and the digests of its predictions and weights."""
    found = {"metrics": result.metrics, "constant": result.constant, "files": result.files}
    return dict(json.loads(json.dumps(found)))


class Told(NamedTuple):
    """What a process said: what it is at, and with which job."""

    process: int
    what: str
    key: str
    more: Any


@dataclass
class Trial:
    """One store, the processes that fill it, the faults that they meet, and what is known of its jobs.

    `expected` is what every job comes out with undisturbed. `mirror` is None where files come from the hub.
    """

    folder: Path
    mirror: Path | None
    expected: dict[str, dict[str, Any]]
    tasks: tuple[str, ...]
    dice: random.Random
    keep: str = "all"
    log: list[Told] = field(default_factory=list)
    history: list[str] = field(default_factory=list)
    struck: Counter[str] = field(default_factory=Counter)
    # Jobs that are finished, and those of which a file was damaged since; their checkpoints alone.
    finished: set[str] = field(default_factory=set)
    damaged: dict[str, int] = field(default_factory=dict)
    unusable: set[str] = field(default_factory=set)
    held: dict[str, dict[str, tuple[int, str]]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.store = self.folder / "store"
        self.folder.mkdir(exist_ok=True)
        self._reads, self._writes = os.pipe()
        os.set_blocking(self._reads, False)
        self._unread = b""
        self.now = ""

    def close(self) -> None:
        os.close(self._reads)
        os.close(self._writes)

    @property
    def jobs(self) -> Path:
        return self.store / "jobs"

    # What a process does. It is alone with its copy of everything, so it may change what it likes.

    def start(self, prepare: Callable[[], None] = lambda: None, action: Callable[[], None] | None = None) -> int:
        """Fork a process that prepares for its fault and works; returns its number."""
        process = os.fork()
        if process:
            return process
        code = RAISED
        try:
            sys.stdout = sys.stderr = Path(os.devnull).open("w")  # noqa: SIM115
            self._be_quick()
            prepare()
            (action or self.work)()
            code = FINISHED
        except (Mistake, NotRun) as said:
            self.tell("sentence", "", str(said))
            code = SAID
        except BaseException:
            self.tell("raised", "", traceback.format_exc()[-3000:])
        finally:
            os._exit(code)

    def _be_quick(self) -> None:
        """Leave out what only a power cut would need; keep locks of the machine in a folder of the test's."""
        from tqdm.std import TqdmDefaultWriteLock

        # Copies of a process share this lock, and one that is killed while it holds it would never give it back.
        TqdmDefaultWriteLock.acquire = TqdmDefaultWriteLock.release = lambda *_, **__: None
        vars(os)["fsync"] = lambda _: None
        logging.disable()
        os.environ["XDG_RUNTIME_DIR"] = str(self.folder.parent / "machine")

    def work(self) -> None:
        """Have all results, as the claims do."""
        from measure.finetuning import run as running

        real, train, keep = running.run, running._train, Store.keep

        def run(job: Job, *arguments: Any, **named: Any) -> Result:
            self.tell("began", job.key)
            result = real(job, *arguments, **named)
            self.tell("ended", job.key)
            return result

        def told(what: str, function: Callable[..., Any], key: Callable[..., str], *arguments: Any) -> Any:
            self.tell(what, key(*arguments))
            return function(*arguments)

        vars(running)["run"] = run
        vars(running)["_train"] = partial(told, "training", train, lambda job, *_: job.key)
        Store.keep = lambda store, *arguments: told(  # type: ignore[method-assign]
            "keeping", keep, lambda _, result, *__: result.key, store, *arguments
        )
        asked = request(self.mirror, self.tasks)
        checkpoints = Watched(self, asked)
        for task in self.tasks:
            for role in ROLES:
                checkpoints.measurements(TASKS[task], role)

    def tell(self, what: str, key: str, more: Any = None) -> None:
        """Say something to the test, and note which phase this process is in."""
        # A pipe has no file that could be full, and what was written to it outlives the writer.
        self.now = what if what in PHASES else "" if what == "ended" else self.now
        os.write(self._writes, json.dumps([os.getpid(), what, key, more]).encode() + b"\n")

    # What the test does with it.

    def wait(self, *processes: int, during: Callable[[], Any] = lambda: None) -> list[int]:
        """Read what processes say until they have ended; returns their exit codes, negative for a signal."""
        codes: dict[int, int] = {}
        end = time.monotonic() + PATIENCE
        while len(codes) < len(processes):
            for process in set(processes) - set(codes):
                done, status = os.waitpid(process, os.WNOHANG)
                if done:
                    codes[process] = os.waitstatus_to_exitcode(status)
            select.select([self._reads], [], [], 0.002)
            self._read()
            during()
            if time.monotonic() > end:
                for process in set(processes) - set(codes):
                    os.kill(process, signal.SIGKILL)
                    os.waitpid(process, 0)
                raise AssertionError(f"a process hangs: {self.log[-3:]}")
        self._read()
        return [codes[process] for process in processes]

    def _read(self) -> None:
        with suppress(BlockingIOError):
            while part := os.read(self._reads, 1 << 16):
                self._unread += part
        *lines, self._unread = self._unread.split(b"\n")
        for line in lines:
            self.log.append(told := Told(*json.loads(line)))
            self._understand(told)

    def _understand(self, told: Told) -> None:
        """What may not be said, whatever was done to the store."""
        assert told.what != "raised", told.more
        if told.what == "sentence":
            assert told.more.count("\n") == 0, told.more
        elif told.what == "began":
            assert told.key not in self.finished, f"{told.key} is trained again"
        elif told.what == "ended":
            assert told.key not in self.finished, f"{told.key} was trained twice"
            self.finished.add(told.key)
        elif told.what == "got":
            self._compare(told.key, told.more)

    def _compare(self, key: str, found: dict[str, Any]) -> None:
        expected = self.expected[key]
        assert {**found, "files": {}} == {**expected, "files": {}}, f"{key} has other scores than undisturbed"
        differing = {name for name, digest in found["files"].items() if expected["files"].get(name) != digest}
        assert not differing, f"{key} has other files than undisturbed: {differing}"

    def phase(self, process: int) -> str:
        """What a process was last at."""
        said = [told.what for told in self.log if told.process == process and told.what in (*PHASES, "ended")]
        return said[-1] if said and said[-1] in PHASES else "between jobs"

    def attempt(self, prepare: Callable[[], None] = lambda: None, **more: Any) -> tuple[int, str]:
        """Work in a process of its own; how it ended, and what it was at then. Everything is checked afterwards."""
        during = more.pop("during", lambda _: None)
        self.hold()
        process = self.start(prepare, **more)
        (code,) = self.wait(process, during=partial(during, process))
        assert code in (FINISHED, SAID, -signal.SIGKILL), code
        self.check()
        return code, self.phase(process)

    def strike(self, kind: str, happened: bool) -> bool:
        """Count a fault that happened."""
        self.struck[kind] += happened
        self.history.append(kind if happened else f"({kind} came too late)")
        return happened

    def hold(self) -> None:
        """Write down every file of every finished job before an attempt."""
        self.held = {}
        for key in self.finished:
            files = [path for path in (self.jobs / key).rglob("*") if path.is_file()]
            self.held[key] = {str(path.relative_to(self.jobs / key)): _identity(path) for path in files}

    def check(self) -> None:
        """No job that was finished is lost or changed, and every one that is there has its undisturbed scores."""
        for key, inode in list(self.damaged.items()):
            if not (self.jobs / key).exists() or (self.jobs / key).stat().st_ino != inode:
                del self.damaged[key]  # it was set aside
        there = {path.name for path in self.jobs.glob("*") if not path.name.startswith(".")} - set(self.damaged)
        for key, files in self.held.items():
            for name, identity in files.items():
                path = self.jobs / key / name
                if key not in self.unusable or not name.startswith(CHECKPOINT):
                    assert path.is_file(), f"{key}/{name} is lost"
                    assert _identity(path) == identity, f"{key}/{name} is not what it was"
        assert there <= set(self.expected)
        assert self.finished <= there, "a finished job is lost"
        for key in there:
            store = Store(self.store)
            result = store.find(key)
            assert store.remarks == []
            assert result is not None
            self._compare(key, outcome(result))
            for name, digest in result.files.items():  # on the disk too
                if key not in self.unusable or not name.startswith(CHECKPOINT):
                    assert _identity(self.jobs / key / name)[1] == digest, f"{key}/{name} is not what was stored"
        self.finished |= there  # some processes did not live to say so

    def damage(self) -> str:
        """Flip a bit of a random file of the store, cut it, remove it or change a score in it; returns what it was."""
        found = {kind: [path for path in self.store.glob(where) if path.is_file()] for kind, where in STORED.items()}
        weights = {kind: 2 if kind in ("record", "midrun") else 1 for kind, files in found.items() if files}
        kind = self.dice.choices([*weights], [*weights.values()])[0]
        path = self.dice.choice(sorted(found[kind]))
        how = self.dice.choice((_flip, _cut, _remove))
        if path.name == RESULT and self.dice.random() < 0.8:  # what is still a record is the worst damage
            how = _miscount
        inode, place = path.stat().st_ino, path.relative_to(self.store)
        for other in list(self.jobs.rglob("*")):  # a finished checkpoint can have a second name in work/
            if other == path or (how is not _remove and other.is_file() and other.stat().st_ino == inode):
                self._damaged(other.relative_to(self.jobs))
        how(path, self.dice)
        self.history.append(f"{how.__name__[1:]} {place}")
        return kind

    def _damaged(self, place: Path) -> None:
        key = place.parts[0]
        if place.parts[1] == CHECKPOINT:
            self.unusable.add(key)
            return
        self.damaged.setdefault(key, (self.jobs / key).stat().st_ino)
        self.finished.discard(key)

    def complete(self) -> None:
        """Work undisturbed: everything is there then, and nothing else is left."""
        code, _ = self.attempt()
        assert code == FINISHED, self.log[-1]
        self.damaged.clear()
        self.check()
        assert self.finished == set(self.expected)
        store = Store(self.store)
        store.check()
        for name in ("temporary", "work"):
            assert list((self.store / name).iterdir()) == [], f"{name} is not tidied up"
        assert store.stored_keys() == sorted(self.expected)
        for key in self.expected:
            assert (store.checkpoint(key) is None) <= (key in self.unusable or self.keep == "none")

    @contextmanager
    def explained(self) -> Iterator[None]:
        """How to have a failure again."""
        try:
            yield
        except BaseException as error:
            error.add_note(f"FAULTS_SEED={SEED}; faults so far: {', '.join(self.history)}; last: {self.log[-4:]}")
            raise


class Watched(Checkpoints):
    """The fixture's object without a terminal, which tells what it is at and what it got."""

    def __init__(self, trial: Trial, asked: Request) -> None:
        config: Any = SimpleNamespace(
            pluginmanager=SimpleNamespace(getplugin=lambda _: None), stash=pytest.Stash(), trial=trial
        )
        settings: Any = SimpleNamespace(
            runslow=True, rehearse=False, request=asked, cache=trial.store, keep_checkpoints=trial.keep
        )
        super().__init__(config, settings)
        self._tell = trial.tell
        progress: Any = self.progress
        progress.phase = lambda job, what: trial.tell(what, job.key)
        progress.say = lambda sentence, **_: trial.tell("said", "", sentence)

    def result(self, job: Job) -> Result:
        result = super().result(job)
        self._tell("got", job.key, outcome(result))
        return result


def at_touch(trial: Trial, phase: str | None, nth: int, action: Callable[[str, Any], Any]) -> None:
    """Call this before the nth time that this process touches the trial's files in a phase of jobs, and ever after.

    None counts in all phases, and between jobs.
    """
    seen, busy = 0, False

    def hook(event: str, arguments: Any) -> None:
        nonlocal seen, busy
        if busy or not _touches(event, arguments, str(trial.folder)):
            return
        seen += phase in (None, trial.now)
        if seen >= nth:
            busy = True
            try:
                action(event, arguments)
            finally:
                busy = False

    sys.addaudithook(hook)


def _touches(event: str, arguments: Any, root: str) -> bool:
    if event == "open":
        return isinstance(arguments[0], str | os.PathLike) and os.fspath(arguments[0]).startswith(root)
    return event in ("os.mkdir", "os.rename", "os.remove", "os.rmdir", "os.link", "os.truncate")


def kill(*_: Any) -> None:
    """End this process as nothing can be prepared for."""
    os.kill(os.getpid(), signal.SIGKILL)


def refuse(event: str, arguments: Any) -> None:
    """Have no room for anything new."""
    if event in ("os.mkdir", "os.link") or (event == "open" and arguments[2] & WRITES):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), os.fspath(arguments[0]))


def limit(most: int, *_: Any) -> None:
    """Let no file grow beyond so many bytes: writing stops in the middle of it. Python ignores the signal of it."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (most, resource.RLIM_INFINITY))


def fill(disk: Path, left: int, *_: Any) -> None:
    """Have somebody else fill the disk, once, but for so many bytes."""
    filler = disk / "filler"
    if not filler.exists():
        with filler.open("wb", buffering=0) as file, suppress(OSError):
            file.write(bytes(max(0, shutil.disk_usage(disk).free - left)))


def _identity(path: Path) -> tuple[int, str]:
    return path.stat().st_ino, hashlib.sha256(path.read_bytes()).hexdigest()


def _flip(path: Path, dice: random.Random) -> None:
    content = bytearray(path.read_bytes() or b"\0")
    content[dice.randrange(len(content))] ^= 1 << dice.randrange(8)
    with path.open("r+b") as file:
        file.write(content)


def _miscount(path: Path, dice: random.Random) -> None:
    """Put another digit behind the point of a score."""
    text = path.read_text(encoding="latin-1")
    digits = list(re.finditer(r'"(?:glue|squad)[a-z_0-9.]*": \d\.(\d)', text.split('"examples"')[0]))
    if digits:
        place = dice.choice(digits).start(1)
        text = f"{text[:place]}{9 - int(text[place])}{text[place + 1 :]}"
    path.write_text(text if digits else "", encoding="latin-1")


def _cut(path: Path, dice: random.Random) -> None:
    os.truncate(path, dice.randrange(path.stat().st_size or 1))


def _remove(path: Path, _: random.Random) -> None:
    path.unlink()
