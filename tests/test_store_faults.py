"""The store of finished jobs when something goes wrong: killed processes, damaged files, full and read-only disks."""

import errno
import hashlib
import json
import multiprocessing
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import pytest

from judge.files import Mistake
from measure.results import SCHEMA, Result
from measure.store import Store
from tests.test_store import KEY, OTHER, PREDICTIONS, ROOT, checkpoint_in, files_in, refused, result_of

pytest.importorskip("filelock", reason="jobs are locked with filelock, which comes with torch")
pytestmark = pytest.mark.skipif(os.name != "posix", reason="signals and mounts are POSIX's")
KEYS = [f"job{number}" for number in range(6)]
FILES = ["result.json", "predictions.json.gz", "checkpoint/config.json", "checkpoint/model.safetensors"]
# Processes begin as copies of one that has imported everything: milliseconds each, and no threads of pytest's in them.
CLEAN = multiprocessing.get_context("forkserver")
CLEAN.set_forkserver_preload([__name__])


def run_once(store: Store, key: str, log: Path, seconds: float = 0.05) -> Result:
    """What a fixture does with a job, which here takes its time and notes that it was run."""
    found = store.find(key)
    if found is None:
        with store.lock(key):
            found = store.find(key)
            if found is None:
                with log.open("a") as file:
                    file.write(f"{key}\n")
                checkpoint = checkpoint_in(store.work(key) / "step-1")
                time.sleep(seconds)
                found = store.keep(result_of(key), PREDICTIONS, checkpoint)
    return found


def keep_and_be_killed_at(folder: str, nth: int) -> None:
    """Store a job, and kill -9 this process right before it touches the file system for the nth time."""
    store, seen = Store(Path(folder)), 0
    checkpoint = checkpoint_in(store.work(KEY) / "step-1")

    def hook(event: str, arguments: Any) -> None:
        nonlocal seen
        if event == "open" or event.startswith(("os.", "shutil.")):
            seen += 1
            if seen == nth:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(hook)
    store.keep(result_of(), PREDICTIONS, checkpoint)


def keep_one_after_another(folder: str, said: Connection) -> None:
    """Store jobs that are not there yet until this process is killed, and say how many seconds each took."""
    store = Store(Path(folder))
    for number in range(10**6):
        key = f"job{number}"
        with store.lock(key):
            if store.find(key) is None:
                start = time.monotonic()
                store.keep(result_of(key), PREDICTIONS, checkpoint_in(store.work(key) / "a", 300_000))
                said.send(time.monotonic() - start)


def run_all(folder: str, log: str, keys: list[str]) -> None:
    store = Store(Path(folder))
    store.check()
    for key in keys:
        assert run_once(store, key, Path(log)).key == key
    assert store.remarks == []


def hold(folder: str, started: Connection) -> None:
    with Store(Path(folder)).lock(KEY):
        started.send("held")
        time.sleep(60)


def ended(target: Callable[..., None], *arguments: Any) -> int | None:
    process = CLEAN.Process(target=target, args=arguments)
    process.start()
    process.join(60)
    return process.exitcode


def assert_whole(folder: Path) -> int:
    """Every job there is complete and verified; how many there are."""
    store = Store(folder)
    keys = store.stored_keys()
    assert all(store.find(key) and store.checkpoint(key) and store.predictions(key) for key in keys)
    assert store.remarks == []
    assert [path.name for path in store.jobs.iterdir() if path.name not in keys] == []
    return len(keys)


def test_a_process_killed_at_any_step_leaves_the_job_whole_or_absent(tmp_path: Path) -> None:
    outcomes = []
    for nth in range(1, 1000):
        folder = tmp_path / str(nth)
        code = ended(keep_and_be_killed_at, str(folder), nth)
        assert code in (0, -signal.SIGKILL)
        store = Store(folder)
        outcomes.append(assert_whole(folder))
        # The work is there to go on from, unless the job is finished.
        assert outcomes[-1] or (store.work(KEY) / "step-1" / "model.safetensors").is_file()
        store.check()
        assert list((folder / "temporary").iterdir()) == []
        store.keep(result_of(), PREDICTIONS, checkpoint_in(tmp_path / f"again-{nth}"))
        assert assert_whole(folder) == 1
        assert list((folder / "work").iterdir()) == []
        if code == 0:
            break
    assert code == 0
    assert outcomes.count(0) > 10
    # Killed after the rename: the job is there, though its process never said so.
    assert outcomes.count(1) > 1


def test_processes_killed_at_any_time_lose_at_most_the_job_in_flight(tmp_path: Path) -> None:
    folder, dice, counts = tmp_path / "cache", random.Random(4), [0]
    for _ in range(30):
        ours, theirs = CLEAN.Pipe()
        process = CLEAN.Process(target=keep_one_after_another, args=(str(folder), theirs))
        process.start()
        assert ours.poll(60)
        # Somewhere in the next two jobs, however slow this machine is today.
        time.sleep(dice.uniform(0, 2 * ours.recv()))
        process.kill()
        process.join()
        counts.append(assert_whole(folder))
        assert counts[-1] > counts[-2]
        Store(folder).check()
        assert list((folder / "temporary").iterdir()) == []


def test_a_killed_process_holds_nobody_up(tmp_path: Path) -> None:
    ours, theirs = CLEAN.Pipe()
    process = CLEAN.Process(target=hold, args=(str(tmp_path / "cache"), theirs))
    process.start()
    assert ours.recv() == "held"
    store = Store(tmp_path / "cache")
    with store.unless_held(KEY) as free:
        assert not free
    process.kill()
    process.join()
    with store.unless_held(KEY) as free:
        assert free


def test_processes_that_want_the_same_jobs_run_each_once(tmp_path: Path) -> None:
    log, orders = tmp_path / "log", [KEYS, KEYS[::-1], KEYS[3:] + KEYS[:3]]
    arguments = [(str(tmp_path / "cache"), str(log), keys) for keys in orders]
    processes = [CLEAN.Process(target=run_all, args=these) for these in arguments]
    for process in processes:
        process.start()
    for process in processes:
        process.join(60)
    assert [process.exitcode for process in processes] == [0, 0, 0]
    assert Counter(log.read_text().split()) == dict.fromkeys(KEYS, 1)
    assert assert_whole(tmp_path / "cache") == len(KEYS)


WORKERS = """
import os
from pathlib import Path
import pytest
from measure.store import Store
from tests.test_store_faults import KEYS, run_once

@pytest.mark.parametrize("time", range(3))
@pytest.mark.parametrize("key", KEYS)
def test_job(key, time):
    here = Path(__file__).parent
    (here / os.environ["PYTEST_XDIST_WORKER"]).touch()
    assert run_once(Store(here / "cache"), key, here / "log", 0.1).key == key
"""


def test_workers_of_xdist_run_each_job_once(tmp_path: Path) -> None:
    pytest.importorskip("xdist")
    (tmp_path / "test_jobs.py").write_text(WORKERS)
    (tmp_path / "pytest.ini").write_text("[pytest]\n")
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "xdist", "-n", "2", "test_jobs.py"],
        cwd=tmp_path,
        # Other plugins take seconds to import, in three processes.
        env={**os.environ, "PYTHONPATH": str(ROOT), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert "18 passed" in done.stdout, done.stdout + done.stderr
    assert (tmp_path / "gw0").exists()
    assert (tmp_path / "gw1").exists()
    assert Counter((tmp_path / "log").read_text().split()) == dict.fromkeys(KEYS, 1)


def flip(place: float) -> Callable[[Path], object]:
    def change(path: Path) -> None:
        content = bytearray(path.read_bytes())
        content[int(place * (len(content) - 1))] ^= 0x04
        path.write_bytes(content)

    return change


def replace_by_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


DAMAGES: dict[str, Callable[[Path], object]] = {
    "first byte": flip(0),
    "middle byte": flip(0.5),
    "last byte but one": flip(0.999),
    "truncated": lambda path: os.truncate(path, path.stat().st_size - 2),
    "emptied": lambda path: os.truncate(path, 0),
    "longer": lambda path: path.write_bytes(path.read_bytes() + b"x"),
    "deleted": lambda path: path.unlink(),
    "a folder": replace_by_folder,
}


@pytest.fixture
def store(tmp_path: Path) -> Store:
    store = Store(tmp_path / "cache")
    store.keep(result_of(), PREDICTIONS, checkpoint_in(tmp_path / "trained"))
    return store


def assert_set_aside(store: Store, key: str = KEY, number: int = 1) -> str:
    """The job is not used, was moved, and that is said in one sentence, which is returned."""
    assert store.find(key) is None
    place = store.folder / "damaged" / f"{key}.{number}"
    assert place.exists()
    assert not (store.jobs / key).exists()
    said = store.remarks[-1]
    assert key in said
    assert str(place) in said
    assert said.endswith(".")
    assert "\n" not in said
    return said


@pytest.mark.parametrize("name", FILES[:2])
@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_job_is_set_aside_said_and_run_again(store: Store, damage: str, name: str) -> None:
    DAMAGES[damage](store.jobs / KEY / name)
    assert name in assert_set_aside(store)
    assert len(store.remarks) == 1
    store.keep(result_of(), PREDICTIONS, None)
    assert store.find(KEY) is not None


@pytest.mark.parametrize("name", FILES[2:])
@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_checkpoint_is_set_aside_and_the_job_stays(store: Store, damage: str, name: str) -> None:
    DAMAGES[damage](store.jobs / KEY / name)
    assert store.find(KEY) is not None
    assert store.checkpoint(KEY) is None
    assert name in store.remarks[0]
    assert str(store.folder / "damaged" / f"{KEY}.checkpoint.1") in store.remarks[0]
    assert store.find(KEY) is not None
    assert store.checkpoint(KEY) is None
    assert len(store.remarks) == 1


def test_a_file_that_was_added_to_a_checkpoint_is_damage(store: Store) -> None:
    (store.jobs / KEY / "checkpoint" / "pytorch_model.bin").write_bytes(b"loaded first")
    assert store.checkpoint(KEY) is None
    assert "pytorch_model.bin" in store.remarks[0]


def edit(store: Store, change: Callable[[dict[str, Any]], object], key: str = KEY) -> None:
    path = store.jobs / key / "result.json"
    raw = json.loads(path.read_text())
    change(raw)
    path.write_text(json.dumps(raw, indent=2))


EDITS: dict[str, Callable[[dict[str, Any]], object]] = {
    "a metric": lambda raw: raw["metrics"].update({"glue.rte.accuracy": 0.664001}),
    "a seed": lambda raw: raw["job"].update(seed=2),
    "a file's digest": lambda raw: raw["files"].update({"predictions.json.gz": "0" * 64}),
    "its own digest": lambda raw: raw.update(digest="0" * 64),
    "a newer schema": lambda raw: raw.update(schema=SCHEMA + 1),
    "no digest": lambda raw: raw.pop("digest"),
    "one more key": lambda raw: raw.update(note="mine"),
}


@pytest.mark.parametrize("name", EDITS)
def test_a_record_edited_by_hand_is_damaged(store: Store, name: str) -> None:
    edit(store, EDITS[name])
    assert "digest" in assert_set_aside(store)


def written_as(change: Callable[[dict[str, Any]], object]) -> Callable[[dict[str, Any]], object]:
    """The change of a record that was written so: with the digest of what it says."""

    def both(raw: dict[str, Any]) -> None:
        change(raw)
        text = json.dumps({name: value for name, value in raw.items() if name != "digest"}, sort_keys=True)
        raw["digest"] = hashlib.sha256(text.encode()).hexdigest()

    return both


# What two processes of a launcher took, a step too many, fewer epochs under the key of more, and what says too little.
STEPS: dict[str, tuple[Callable[[dict[str, Any]], object], str]] = {
    "half": (lambda raw: raw["provenance"].update(steps=117), r"\b117\b.*\b2,490\b.*\b32\b.*\b3\b.*\b234\b"),
    "one more": (lambda raw: raw["provenance"].update(steps=235), r"\b235\b.*\b234\b"),
    "the recipe's epochs": (lambda raw: raw["job"].update({"recipe.epochs": 4}), r"\b234\b.*\b312\b"),
    "no batch": (lambda raw: raw["job"].pop("recipe.batch_size"), r"recipe\.batch_size"),
    "no batch at all": (lambda raw: raw["job"].update({"recipe.batch_size": 0}), r"recipe\.batch_size"),
    "before rows were kept": (lambda raw: (raw.update(schema=1), raw["provenance"].pop("rows")), r"schema 1\b.*steps"),
    "no rows": (lambda raw: raw["provenance"].pop("rows"), "no record"),
}


@pytest.mark.parametrize("name", STEPS)
def test_a_job_that_did_not_take_the_steps_of_its_recipe_is_never_found(store: Store, name: str) -> None:
    change, said = STEPS[name]
    edit(store, written_as(change))
    assert re.search(said, assert_set_aside(store))


@pytest.mark.parametrize("steps", [117, 233, 235, 0])
def test_a_job_that_did_not_take_the_steps_of_its_recipe_is_never_kept(store: Store, steps: int) -> None:
    result = result_of(OTHER)
    result = result.model_copy(update={"provenance": result.provenance.model_copy(update={"steps": steps})})
    checkpoint = checkpoint_in(store.work(OTHER) / "finished")
    said = refused(store.keep, result, PREDICTIONS, checkpoint)
    assert re.search(rf"{OTHER}.*\b{steps}\b.*\b234\b.*no launcher", said), said
    assert store.find(OTHER) is None
    assert checkpoint.is_dir()


@pytest.mark.parametrize("text", ["[]", "null", "[" * 100_000, "1" * 5000, "{}", '{"digest": 3}'])
def test_json_of_another_kind_is_damage(store: Store, text: str) -> None:
    (store.jobs / KEY / "result.json").write_text(text)
    assert_set_aside(store)


def test_jobs_in_each_others_folders_are_damaged(store: Store) -> None:
    store.keep(result_of(OTHER), PREDICTIONS, None)
    one, other, between = store.jobs / KEY, store.jobs / OTHER, store.folder / "between"
    for source, target in ((one, between), (other, one), (between, other)):
        source.rename(target)
    assert OTHER in assert_set_aside(store, KEY)
    assert KEY in assert_set_aside(store, OTHER)


def test_what_is_damaged_again_is_set_aside_beside_the_first(store: Store) -> None:
    for number in (1, 2, 3):
        (store.jobs / KEY / "result.json").unlink()
        assert_set_aside(store, number=number)
        store.keep(result_of(), PREDICTIONS, None)


@pytest.mark.parametrize("make", [Path.mkdir, Path.touch], ids=["empty folder", "file"])
def test_something_else_in_the_place_of_a_job_is_set_aside(store: Store, make: Callable[[Path], None]) -> None:
    make(store.jobs / OTHER)
    assert_set_aside(store, OTHER)
    kept = store.keep(result_of(OTHER), PREDICTIONS, None)
    assert store.find(OTHER) == kept


def test_a_damaged_job_that_is_kept_anew_is_set_aside_first(store: Store) -> None:
    (store.jobs / KEY / "predictions.json.gz").unlink()
    store.keep(result_of(metrics={"new": 1.0}), PREDICTIONS, None)
    found = store.find(KEY)
    assert found is not None
    assert found.metrics == {"new": 1.0}
    assert len(store.remarks) == 1


def test_a_newer_record_is_neither_used_nor_touched(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    before = {name: (store.jobs / KEY / name).read_bytes() for name in files_in(store.jobs / KEY)}
    monkeypatch.setattr("measure.results.SCHEMA", 0)
    said = refused(store.find, KEY)
    assert all(word in said for word in (str(store.jobs / KEY / "result.json"), f"schema {SCHEMA}", "--cache")), said
    assert {name: (store.jobs / KEY / name).read_bytes() for name in files_in(store.jobs / KEY)} == before


@pytest.mark.parametrize("function", ["os.fsync", "shutil.copyfile", "gzip.compress"])
def test_a_full_disk_leaves_nothing_half_stored(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, function: str) -> None:
    module, name = function.split(".")
    real, calls = getattr(sys.modules[module], name), 0

    def full(*arguments: Any, **named: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == nth:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "model.safetensors")
        return real(*arguments, **named)

    trained = checkpoint_in(tmp_path / "trained")
    failures = 0
    for nth in range(1, 100):
        store, calls = Store(tmp_path / str(nth)), 0
        store.work(KEY)
        with monkeypatch.context() as patch:
            patch.setattr(function, full)
            try:
                store.keep(result_of(), PREDICTIONS, trained)
            except Mistake as mistake:
                said = str(mistake)
        if calls < nth:
            break
        if store.find(KEY) is None:
            assert all(word in said for word in (str(store.folder), "measure.cache prune", "--cache")), said
            assert list(store.jobs.iterdir()) == []
            assert (store.folder / "work" / KEY).is_dir()
            failures += 1
        assert list((store.folder / "temporary").iterdir()) == []
    assert store.find(KEY) is not None
    assert failures >= 1


# Run as root of a namespace of its own, in which it may mount.
SMALL = """
import subprocess, sys
from pathlib import Path
from measure.store import Store
from judge.files import Mistake
from tests.test_store import KEY, OTHER, PREDICTIONS, checkpoint_in, files_in, result_of

disk = Path(sys.argv[1])
store = Store(disk / "cache")
"""
FULL = """
store.check()
store.keep(result_of(), PREDICTIONS, None)
for checkpoint in (Path(sys.argv[2]), None):
    try:
        store.keep(result_of(OTHER), {"validation": [0.5]}, checkpoint)
        raise SystemExit("kept")
    except Mistake as mistake:
        print(mistake)
    assert store.stored_keys() == [KEY] and store.find(KEY) and not store.remarks
    assert list((store.folder / "temporary").iterdir()) == []
    with (disk / "filler").open("ab") as filler:
        filler.write(bytes(store.free_bytes()))
try:
    store.check()
    raise SystemExit("checked")
except Mistake as mistake:
    print(mistake)
"""
READ_ONLY = """
for key in (KEY, OTHER):
    store.keep(result_of(key), PREDICTIONS, Path(sys.argv[2]))
(store.jobs / OTHER / "predictions.json.gz").write_bytes(b"")
(store.jobs / KEY / "checkpoint" / "config.json").write_bytes(b"")
subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
assert store.find(KEY) and store.predictions(KEY)
for _ in range(2):
    assert store.find(OTHER) is None and store.checkpoint(KEY) is None
print("\\n".join(store.remarks))
for action in (store.check, lambda: store.work("new"), lambda: store.keep(result_of("new"), {}, None)):
    try:
        action()
        raise SystemExit("written")
    except Mistake as mistake:
        print(mistake)
"""


def on_a_small_disk(tmp_path: Path, script: str, checkpoint: Path) -> list[str]:
    disk = tmp_path / "disk"
    disk.mkdir()
    enter = ["unshare", "--map-root-user", "--mount"]
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "none", str(disk)]
    if not shutil.which("unshare") or subprocess.run([*enter, *mount], capture_output=True, timeout=30).returncode:
        pytest.skip("needs to mount a file system of its own")
    run = [sys.executable, "-c", SMALL + script, str(disk), str(checkpoint)]
    inside = 'mount -t tmpfs -o size=1m none "$1" && shift && exec "$@"'
    done = subprocess.run(
        [*enter, "sh", "-c", inside, "sh", str(disk), *run], cwd=ROOT, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def test_a_disk_that_is_full_is_said_and_what_is_stored_stays(tmp_path: Path) -> None:
    said = on_a_small_disk(tmp_path, FULL, checkpoint_in(tmp_path / "trained", 2_000_000))
    assert len(said) == 3
    assert all("measure.cache prune" in line and "--cache" in line for line in said)


def test_a_read_only_store_is_read_and_what_is_damaged_in_it_is_not_used(tmp_path: Path) -> None:
    said = on_a_small_disk(tmp_path, READ_ONLY, checkpoint_in(tmp_path / "trained"))
    assert len(said) == 5
    for line, words in zip(said, ((OTHER, "predictions.json.gz"), (KEY, "checkpoint/config.json")), strict=False):
        assert all(word in line for word in (*words, "Read-only file system")), line
        assert "--cache" not in line, "the run goes on"
    assert all("Read-only file system" in line and "--cache" in line for line in said[2:])
