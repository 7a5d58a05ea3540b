"""The store of finished jobs: what is kept is found again as it was, and held by one at a time."""

import errno
import gzip
import json
import math
import os
import re
import shutil
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from judge.evidence import Host
from judge.files import Mistake
from measure.cachefolder import default_cache
from measure.results import SCHEMA, Provenance, Result
from measure.store import Store

pytest.importorskip("filelock", reason="jobs are locked with filelock, which comes with torch")
ROOT = Path(__file__).parents[1]
KEY, OTHER = "a1" * 16, "b2" * 16
PREDICTIONS: dict[str, list[Any]] = {"validation": [[0.25, -1.5], [3.0, math.pi]], "test": ["Denver", ""]}


def result_of(
    key: str = KEY, family: str = "rte", created: str = "2026-01-02T03:04:05+00:00", **changes: Any
) -> Result:
    provenance = Provenance(
        host=Host(cpu="a processor", cores=2),
        versions={"python": "3.11.7"},
        suite_version="0.1.0",
        created=created,
        duration_s=61.5,
        rows=2490,
        steps=234,
        micro_batch=32,
        device="cpu",
    )
    job = {"task": "rte", "model": "bert-base-uncased", "seed": 1, "precision": "fp32"}
    job |= {"recipe.learning_rate": 2e-05, "recipe.batch_size": 32, "recipe.epochs": 3}
    fields = {
        "metrics": {"glue.rte.accuracy": 0.664},
        "examples": {"glue.rte.accuracy": 277},
        "constant": False,
        "splits": {"validation": 2, "test": 2},
        "job": job,
    }
    return Result(schema_=SCHEMA, key=key, family=family, provenance=provenance, **{**fields, **changes})


def checkpoint_in(folder: Path, size: int = 1000) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "model.safetensors").write_bytes(b"w" * size)
    (folder / "config.json").write_text("{}")
    (folder / "training_args.bin").write_bytes(b"a pickle")
    return folder


def files_in(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def refused(action: Any, *arguments: Any) -> str:
    with pytest.raises(Mistake) as mistake:
        action(*arguments)
    said = str(mistake.value)
    assert said.endswith(".")
    assert ". " not in said
    assert "\n" not in said
    return said


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "cache")


def test_what_is_kept_is_found_by_the_next_process(store: Store, tmp_path: Path) -> None:
    kept = store.keep(result_of(), PREDICTIONS, checkpoint_in(tmp_path / "trained"))
    again = Store(store.folder)
    assert again.find(KEY) == kept
    assert kept.model_copy(update={"files": {}, "digest": ""}) == result_of()
    assert again.predictions(KEY) == PREDICTIONS
    folder = again.checkpoint(KEY)
    assert folder is not None
    assert files_in(folder) == ["config.json", "model.safetensors"]
    assert sorted(kept.files) == ["checkpoint/config.json", "checkpoint/model.safetensors", "predictions.json.gz"]
    assert again.remarks == []


def test_a_job_without_a_checkpoint_is_as_finished(store: Store) -> None:
    kept = store.keep(result_of(), PREDICTIONS, None)
    assert store.find(KEY) == kept
    assert store.checkpoint(KEY) is None
    assert store.remarks == []


def test_looking_for_a_job_creates_nothing(store: Store) -> None:
    assert store.find(KEY) is None
    assert store.checkpoint(KEY) is None
    assert store.stored_keys() == []
    assert store.drop_checkpoints("rte") == []
    assert store.free_bytes() > 0
    assert not store.folder.exists()
    assert KEY in refused(store.predictions, KEY)


def test_numbers_come_back_bit_for_bit_even_if_they_are_none(store: Store) -> None:
    metrics = {"a": math.nan, "b": math.inf, "c": 0.1 + 0.2, "d": 1.0, "e": 5e-324}
    store.keep(result_of(metrics=metrics), {"validation": [math.nan, 1e300]}, None)
    found = Store(store.folder).find(KEY)
    assert found is not None
    assert repr(found.metrics) == repr(metrics)
    assert repr(store.predictions(KEY)) == repr({"validation": [math.nan, 1e300]})


def test_equal_predictions_are_equal_files(store: Store) -> None:
    one, two = (store.keep(result_of(key), PREDICTIONS, None) for key in (KEY, OTHER))
    assert one.files == two.files
    assert json.loads(gzip.decompress((store.jobs / KEY / "predictions.json.gz").read_bytes())) == PREDICTIONS


def test_a_finished_job_is_not_replaced_and_a_difference_is_said(store: Store) -> None:
    first = store.keep(result_of(metrics={"a": math.nan, "b": 0.5}), PREDICTIONS, None)
    # As text, in which a metric that is no number equals itself.
    assert repr(store.keep(result_of(metrics={"b": 0.5, "a": math.nan}), {}, None)) == repr(first)
    assert store.remarks == []
    for _ in range(2):
        assert repr(store.keep(result_of(metrics={"a": math.nan, "b": 0.6}), {}, None)) == repr(first)
    assert len(store.remarks) == 1
    words = ("metrics", first.provenance.created, f"python -m measure.cache prune {KEY}")
    assert all(word in store.remarks[0] for word in words), store.remarks
    assert store.predictions(KEY) == PREDICTIONS


def test_a_checkpoint_in_the_work_folder_is_not_copied_and_one_elsewhere_is(store: Store, tmp_path: Path) -> None:
    inside = checkpoint_in(store.work(KEY) / "last")
    number = (inside / "model.safetensors").stat().st_ino
    store.keep(result_of(), PREDICTIONS, inside)
    assert (store.jobs / KEY / "checkpoint" / "model.safetensors").stat().st_ino == number
    assert not (store.folder / "work" / KEY).exists()
    outside = checkpoint_in(tmp_path / "mine")
    store.keep(result_of(OTHER), PREDICTIONS, outside)
    (outside / "model.safetensors").write_bytes(b"trained on")
    assert store.checkpoint(OTHER) is not None


def test_a_folder_without_files_is_no_checkpoint(store: Store, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match=rf"{re.escape(str(tmp_path / 'empty'))}.*checkpoint"):
        store.keep(result_of(), PREDICTIONS, tmp_path / "empty")
    assert files_in(store.folder / "temporary") == []
    assert store.find(KEY) is None


@pytest.mark.parametrize("key", ["", "..", "../jobs", "a/b", ".hidden", "a.1", "x" * 200])
def test_a_key_that_is_a_path_is_refused(store: Store, key: str) -> None:
    for action in (store.find, store.checkpoint, store.predictions, store.work):
        with pytest.raises(ValueError, match=rf"{re.escape(repr(key))}.*\bkey\b"):
            action(key)
    with pytest.raises(ValueError, match=rf"{re.escape(repr(key))}.*\bkey\b"), store.lock(key):
        pass


def test_only_the_checkpoint_of_the_job_that_ended_last_stays(store: Store, tmp_path: Path) -> None:
    trained = checkpoint_in(tmp_path / "trained")
    # The order of time, not that of the text: 10 o'clock in Berlin is before 9:30 in London.
    times = {"k1": "2026-01-01T09:30:00+00:00", "k2": "2026-01-01T10:00:00+01:00", "k3": "2025-12-31T23:00:00+00:00"}
    for key, created in times.items():
        store.keep(result_of(key, created=created), PREDICTIONS, trained)
    store.keep(result_of("other", family="cola", created="2020-01-01"), PREDICTIONS, trained)
    assert store.drop_checkpoints("rte") == ["k3", "k2"]
    assert [key for key in (*times, "other") if store.checkpoint(key)] == ["k1", "other"]
    assert all(store.find(key) for key in times)
    assert store.drop_checkpoints("rte") == []
    assert list((store.folder / "temporary").iterdir()) == []
    assert store.remarks == []


def test_the_holder_of_a_job_may_lock_it_again_and_others_wait_and_are_told_once(tmp_path: Path) -> None:
    told: list[str] = []
    order: list[str] = []
    waits = threading.Event()

    def wait(sentence: str) -> None:
        told.append(sentence)
        waits.set()

    store = Store(tmp_path / "cache", wait)

    def other() -> None:
        with store.lock(KEY, "BERT-base on RTE"):
            order.append("other")

    with store.lock(KEY), store.lock(KEY, "nothing new"), store.lock(OTHER):
        waiting = threading.Thread(target=other)
        waiting.start()
        assert waits.wait(30)
        with store.unless_held(KEY) as free:
            assert not free
        waiting.join(0.2)
        assert waiting.is_alive()
        order.append("holder")
    waiting.join(30)
    assert order == ["holder", "other"]
    assert len(told) == 1
    assert re.search(rf"waiting.*BERT-base on RTE.*{re.escape(str(store.folder))}", told[0])
    with store.unless_held(KEY) as free:
        assert free


def test_whatever_is_held_by_another_process_who_waits_for_it_is_told(
    store: Store, capfd: pytest.CaptureFixture[str]
) -> None:
    with store.lock(KEY):
        waiting = threading.Thread(target=store.keep, args=(result_of(), PREDICTIONS, None))
        waiting.start()
        waiting.join(2)
        assert waiting.is_alive()
        assert re.search(rf"waiting.*{KEY}", capfd.readouterr().err), "who gave nothing to tell is told on stderr"
    waiting.join(30)
    assert store.find(KEY) is not None


def test_a_lock_is_given_back_when_the_job_fails(store: Store) -> None:
    with pytest.raises(ZeroDivisionError), store.lock(KEY):
        raise ZeroDivisionError
    with store.unless_held(KEY) as free:
        assert free


def test_a_lock_file_that_somebody_left_holds_nobody_up(store: Store) -> None:
    store.check()
    (store.folder / "locks" / f"{KEY}.lock").write_text("4711")
    told: list[str] = []
    with store.lock(KEY, told.append):
        assert told == []


def test_check_makes_the_folder_and_leaves_nothing_else(store: Store) -> None:
    store.check()
    store.check()
    assert files_in(store.folder) == ["CACHEDIR.TAG", "locks/store.lock"]
    assert (store.folder / "CACHEDIR.TAG").read_text().startswith("Signature: 8a477f597d28d172789f06886806bc55")
    assert list(store.jobs.iterdir()) == []


def test_check_removes_what_was_left_behind_and_nothing_that_is_held_or_may_go_on(store: Store) -> None:
    store.keep(result_of(), PREDICTIONS, None)
    temporary, work = store.folder / "temporary", store.folder / "work"
    for folder in (temporary / f"{KEY}.01", temporary / f"{OTHER}.02", temporary / "held.03", temporary / "store.04"):
        checkpoint_in(folder)
    # KEY is finished, so nobody goes on with it; OTHER was interrupted, and may.
    for key in (KEY, OTHER, "held"):
        checkpoint_in(store.work(key) / "step-100")
    with store.lock("held"):
        Store(store.folder).check()
    assert [path.name for path in temporary.iterdir()] == ["held.03"]
    assert sorted(path.name for path in work.iterdir()) == [OTHER, "held"]
    store.check()
    assert list(temporary.iterdir()) == []
    assert store.find(KEY) is not None


@pytest.mark.parametrize("action", ["check", "keep", "lock", "work"])
def test_a_folder_with_somebody_elses_files_is_not_used(store: Store, action: str) -> None:
    (store.folder / "temporary").mkdir(parents=True)
    (store.folder / "temporary" / f"{KEY}.mine").write_text("mine")
    (store.folder / "thesis.tex").write_text("mine")
    actions = {
        "check": store.check,
        "keep": lambda: store.keep(result_of(), PREDICTIONS, None),
        "lock": lambda: store.lock(KEY).__enter__(),
        "work": lambda: store.work(KEY),
    }
    said = refused(actions[action])
    assert all(word in said for word in (str(store.folder), "other files")), said
    assert files_in(store.folder) == [f"temporary/{KEY}.mine", "thesis.tex"]


def test_a_file_in_the_place_of_the_folder_is_said(store: Store) -> None:
    store.folder.write_text("a file")
    assert "Not a directory" in refused(store.check)
    assert store.find(KEY) is None
    deeper = Store(store.folder / "deeper")
    assert "Not a directory" in refused(deeper.check)
    assert deeper.find(KEY) is None


@pytest.mark.parametrize("name", ["jobs", "work", "locks", "temporary"])
def test_a_file_in_the_place_of_a_part_of_it_is_said_before_anything_is_trained(store: Store, name: str) -> None:
    store.folder.mkdir()
    (store.folder / name).write_text("a file")
    said = refused(store.check)
    assert all(word in said for word in (f" {name} ", "File exists", "--cache")), said


def test_jobs_on_another_disk_are_found_out_before_anything_is_trained(store: Store) -> None:
    elsewhere = Path("/dev/shm") / f"jobs-{os.getpid()}"
    store.folder.mkdir()
    if not elsewhere.parent.is_dir() or elsewhere.parent.stat().st_dev == store.folder.stat().st_dev:
        pytest.skip("needs a second file system")
    elsewhere.mkdir()
    try:
        store.jobs.symlink_to(elsewhere)
        assert os.strerror(errno.EXDEV) in refused(store.check)
        assert list((store.folder / "temporary").iterdir()) == []
    finally:
        shutil.rmtree(elsewhere)


def test_the_default_folder_is_the_users_cache(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/her")
    for value, parent in (("/scratch/cache", "/scratch/cache"), ("relative", "/home/her/.cache"), ("", None)):
        monkeypatch.setenv("XDG_CACHE_HOME", value)
        assert default_cache() == Path(parent or "/home/her/.cache") / "distilbert-claims"
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert default_cache() == Path("/home/her/.cache/distilbert-claims")


def test_a_record_says_when_its_time_is_none() -> None:
    with pytest.raises(ValueError, match=r"'yesterday'.*ISO 8601"):
        result_of(created="yesterday")
    assert result_of(created="2026-01-02T03:04:05").provenance.when.tzinfo is not None


ALONE = f"""
import sys
sys.modules["filelock"] = None
from pathlib import Path
from judge.files import Mistake
from measure.cache import main
from measure.store import Store
store = Store(Path(sys.argv[1]))
assert store.find({KEY!r}) and store.predictions({KEY!r}) and store.checkpoint({KEY!r})
assert main(["list", "--cache", sys.argv[1]]) == 0
assert main(["prune", "--cache", sys.argv[1], {KEY!r}, "--yes"]) == 0
assert store.find({KEY!r}) is None
try:
    store.check()
except Mistake as mistake:
    print(mistake)
print(sorted({{"torch", "transformers", "datasets", "pandas"}} & set(sys.modules)))
"""


def test_reading_and_pruning_need_nothing_but_the_light_base(store: Store, tmp_path: Path) -> None:
    store.keep(result_of(), PREDICTIONS, checkpoint_in(tmp_path / "trained"))
    done = subprocess.run(
        [sys.executable, "-c", ALONE, str(store.folder)], cwd=ROOT, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    assert "pip install filelock" in done.stdout.splitlines()[-2]
    assert done.stdout.splitlines()[-1] == "[]"
