"""A run that is stopped or killed goes on where it was, and comes out as if nothing had happened."""

import functools
import json
import os
import re
import shutil
import signal
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from judge.files import Mistake
from measure.jobs import Job
from measure.results import Result
from measure.store import Store
from tests.finetuned import GOES_ON, job, run, with_rows
from tests.madedata import miniature, write_task

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")
pytest.importorskip("accelerate")

ROWS, BATCH, STEPS = 53, 16, 12  # 4 steps in each of 3 epochs, the last of 5 rows


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("made")
    miniature(folder / "bert")
    miniature(folder / "distilbert", "distilbert")
    write_task(folder / "mirror", "wnli")
    write_task(folder / "mirror", "squad", rows=ROWS)
    return folder


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


def asked_of(made: Path, task: str = "wnli", model: str = "bert") -> Job:
    whole = job(task, str(made / model), made / "mirror", limit=ROWS, batch_size=BATCH, epochs=3, learning_rate=1e-3)
    return whole if task == "wnli" else with_rows(whole, ROWS)


@dataclass
class Watcher:
    """Stops a run after a step, and writes down which steps there were and what lay in the work folder at each."""

    store: Store
    made: Job
    stop: int | None = None

    def __post_init__(self) -> None:
        self.steps: list[int] = []
        self.held: list[list[str]] = []

    def __call__(self, done: int, total: int) -> bool:
        assert total == STEPS
        self.steps.append(done)
        self.held.append(checkpoints(self.store, self.made))
        return done == self.stop


def checkpoints(store: Store, made: Job) -> list[str]:
    """What lies in the folder of a job in flight; empty without a folder."""
    work = store.folder / "work" / made.key
    return sorted(path.name for path in work.iterdir()) if work.exists() else []


def stopped(made: Job, store: Store, step: int) -> Watcher:
    """Run a job until it is stopped after a step."""
    from measure.finetuning.run import Stopped

    watch = Watcher(store, made, step)
    with pytest.raises(Stopped):
        run(made, store, watch=watch)
    assert checkpoints(store, made) == [f"checkpoint-{step}"]
    return watch


@functools.cache
def _undisturbed(made: Path, task: str, model: str) -> Result:
    return run(asked_of(made, task, model), Store(made / f"undisturbed-{task}"), keep=True)


def assert_as_undisturbed(result: Result, made: Path, task: str = "wnli", model: str = "bert") -> None:
    """Weights, predictions and metrics are the same to the last bit."""
    expected = _undisturbed(made, task, model)
    assert "checkpoint/model.safetensors" in result.files
    assert result.files == expected.files
    assert result.metrics == expected.metrics
    assert result.provenance.steps == STEPS


# In the first epoch, at its end, in the last one, and before the last step.
@pytest.mark.parametrize("step", [2, 4, 9, 11])
def test_a_run_that_was_stopped_goes_on_where_it_was(step: int, made: Path, store: Store) -> None:
    asked = asked_of(made)
    assert stopped(asked, store, step).steps == list(range(1, step + 1))
    watch = Watcher(store, asked)
    result = run(asked, store, watch=watch, keep=True)
    assert watch.steps == list(range(step + 1, STEPS + 1))
    assert_as_undisturbed(result, made)
    [note] = result.provenance.notes
    assert re.search(rf"\bstep {step}\b", note)
    assert not (store.folder / "work" / asked.key).exists()


def test_a_run_can_be_stopped_twice_and_questions_too(made: Path, store: Store) -> None:
    asked = asked_of(made, "squad", "distilbert")
    assert stopped(asked, store, 3).steps == [1, 2, 3]
    assert stopped(asked, store, 6).steps == [4, 5, 6]
    watch = Watcher(store, asked)
    assert_as_undisturbed(run(asked, store, watch=watch, keep=True), made, "squad", "distilbert")
    assert watch.steps == [*range(7, STEPS + 1)]


def test_a_run_asked_to_stop_after_its_last_step_is_finished(made: Path, store: Store) -> None:
    asked = asked_of(made)
    assert_as_undisturbed(run(asked, store, watch=Watcher(store, asked, STEPS), keep=True), made)


def test_one_checkpoint_at_most_lies_on_disk(made: Path, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    from measure.finetuning.midrun import mark_whole

    saved: list[str] = []
    monkeypatch.setattr("measure.finetuning.trainer.SECONDS_BETWEEN_CHECKPOINTS", -1.0)

    def mark(folder: Path) -> None:
        saved.append(folder.name)
        mark_whole(folder)

    monkeypatch.setattr("measure.finetuning.trainer.mark_whole", mark)
    asked = asked_of(made)
    watch = Watcher(store, asked)
    assert_as_undisturbed(run(asked, store, watch=watch, keep=True), made)
    assert saved == [f"checkpoint-{step}" for step in range(1, STEPS)], "not after the last step"
    assert watch.held == [[], *([name] for name in saved)]


def fits(monkeypatch: pytest.MonkeyPatch, most: int) -> list[int]:
    """Have a training step run out of memory over more examples than `most`; returns the sizes that were tried."""
    original, tried = transformers.BertForSequenceClassification.forward, []

    @functools.wraps(original)
    def forward(self: Any, **given: Any) -> Any:
        if self.training:
            tried.append(len(given["input_ids"]))
            if tried[-1] > most:
                raise torch.OutOfMemoryError("CUDA out of memory.")
        return original(self, **given)

    monkeypatch.setattr(transformers.BertForSequenceClassification, "forward", forward)
    return tried


def test_a_run_in_micro_batches_goes_on_in_them(made: Path, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    tried = fits(monkeypatch, 4)
    asked = asked_of(made)
    whole = run(asked, Store(made / "in-micro-batches"), keep=True)
    stopped(asked, store, 7)
    tried.clear()
    watch = Watcher(store, asked)
    result = run(asked, store, watch=watch, keep=True)
    assert tried[:5] == [4, 1, 4, 4, 4], "the last, short batch of the second epoch, and nothing larger was tried"
    assert watch.steps == [*range(8, STEPS + 1)]
    assert result.provenance.micro_batch == whole.provenance.micro_batch == 4
    assert (result.files, result.metrics) == (whole.files, whole.metrics)


def test_a_run_that_goes_on_with_less_memory_begins_again(
    made: Path, interrupted: Path, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(interrupted, store.folder)
    asked = asked_of(made)
    fits(monkeypatch, 4)
    watch = Watcher(store, asked)
    result = run(asked, store, watch=watch)
    assert watch.steps == [*range(1, STEPS + 1)]
    assert watch.held[0] == []
    assert result.provenance.micro_batch == 4
    assert result.provenance.notes == ()


def _cut(path: Path) -> None:
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])


def _flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[-10] ^= 1
    path.write_bytes(content)


def _empty(folder: Path) -> None:
    shutil.rmtree(folder)
    folder.mkdir()


DAMAGE: dict[str, Callable[[Path], Any]] = {
    "optimiser cut": lambda folder: _cut(folder / "optimizer.pt"),
    "weights with another bit": lambda folder: _flip(folder / "model.safetensors"),
    "random state missing": lambda folder: (folder / "rng_state.pth").unlink(),
    "file added": lambda folder: (folder / "pytorch_model.bin").write_bytes(b"\x80\x04."),
    "state cut": lambda folder: _cut(folder / "trainer_state.json"),
    "mark missing": lambda folder: (folder / "whole.json").unlink(),
    "mark cut": lambda folder: _cut(folder / "whole.json"),
    "mark of another kind": lambda folder: (folder / "whole.json").write_text("[]"),
    "empty": _empty,
}


@pytest.fixture(scope="module")
def interrupted(made: Path) -> Path:
    """A store with a run that was stopped after step 5."""
    stopped(asked_of(made), Store(made / "interrupted"), 5)
    return made / "interrupted"


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE)
def test_a_damaged_checkpoint_is_not_used(damage: Callable[[Path], Any], made: Path, interrupted: Path, store: Store):
    from measure.finetuning.midrun import newest

    shutil.copytree(interrupted, store.folder)
    work = store.work(asked_of(made).key)
    folder = work / "checkpoint-5"
    found = newest(work, STEPS)
    assert found is not None
    assert (found.folder, found.step, found.micro_batch) == (folder, 5, BATCH)
    damage(folder)
    assert newest(work, STEPS) is None
    assert list(work.iterdir()) == []


def test_a_checkpoint_of_a_run_of_fewer_steps_is_not_used(made: Path, interrupted: Path, store: Store) -> None:
    # As a process of a launcher left it, which was to take a part of the steps only.
    from measure.finetuning.midrun import mark_whole

    shutil.copytree(interrupted, store.folder)
    asked = asked_of(made)
    folder = store.work(asked.key) / "checkpoint-5"
    state = json.loads((folder / "trainer_state.json").read_text())
    (folder / "trainer_state.json").write_text(json.dumps({**state, "max_steps": STEPS // 2}))
    mark_whole(folder)
    result = run(asked, store)
    assert result.provenance.steps == STEPS
    assert not any("step 5" in note for note in result.provenance.notes), "it began anew"


def test_a_run_whose_checkpoint_is_damaged_begins_again(made: Path, interrupted: Path, store: Store) -> None:
    shutil.copytree(interrupted, store.folder)
    asked = asked_of(made)
    _cut(store.work(asked.key) / "checkpoint-5" / "optimizer.pt")
    watch = Watcher(store, asked)
    assert_as_undisturbed(run(asked, store, watch=watch, keep=True), made)
    assert watch.steps[0] == 1


def test_the_whole_one_before_a_half_written_one_is_used(made: Path, interrupted: Path, store: Store) -> None:
    shutil.copytree(interrupted, store.folder)
    asked = asked_of(made)
    work = store.work(asked.key)
    shutil.copytree(work / "checkpoint-5", work / "checkpoint-10", ignore=shutil.ignore_patterns("whole.json"))
    (work / "checkpoint-old").mkdir()
    watch = Watcher(store, asked)
    assert_as_undisturbed(run(asked, store, watch=watch, keep=True), made)
    assert watch.steps[0] == 6


def test_other_jobs_have_their_own_checkpoint(made: Path, interrupted: Path, store: Store) -> None:
    shutil.copytree(interrupted, store.folder)
    watch = Watcher(store, asked := replace(asked_of(made), seed=2))
    run(asked, store, watch=watch)
    assert watch.steps[0] == 1
    assert checkpoints(store, asked_of(made)) == ["checkpoint-5"]


def test_a_disk_too_full_for_a_checkpoint_is_said_and_the_one_before_stays(
    made: Path, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("measure.finetuning.trainer.SECONDS_BETWEEN_CHECKPOINTS", -1.0)
    asked, save = asked_of(made), torch.save

    def full(what: Any, where: Any) -> None:
        if "checkpoint-3" in str(where):
            raise OSError(28, "No space left on device")
        save(what, where)

    with monkeypatch.context() as patched:
        patched.setattr(torch, "save", full)
        with pytest.raises(Mistake) as mistake:
            run(asked, store)
    work = str(store.folder / "work" / asked.key)
    assert all(word in str(mistake.value) for word in ("checkpoint", work, "No space left on device", "--cache"))
    assert checkpoints(store, asked) == ["checkpoint-2"]
    assert_as_undisturbed(run(asked, store, keep=True), made)


def kill(*_: Any, **__: Any) -> bool:
    """End this process as nothing can be prepared for."""
    os.kill(os.getpid(), signal.SIGKILL)
    return False


def _in_training() -> Callable[[int, int], bool]:
    return lambda done, _total: done == 5 and kill()


def _while_a_checkpoint_is_written() -> None:
    save = torch.save

    def half(what: Any, where: Any) -> None:
        save(what, where)
        if str(where).endswith("checkpoint-3/optimizer.pt"):
            _cut(Path(where))
            kill()

    torch.save = half


def _before_a_checkpoint_is_known_to_be_whole() -> None:
    from measure.finetuning import trainer
    from measure.finetuning.midrun import mark_whole

    vars(trainer)["mark_whole"] = lambda folder: kill() if folder.name == "checkpoint-3" else mark_whole(folder)


def _before_the_one_before_it_is_removed() -> None:
    from measure.finetuning import midrun

    vars(midrun)["shutil"] = SimpleNamespace(rmtree=kill)


def _while_the_finished_job_is_stored() -> None:
    from measure import store

    vars(store)["write_folder"] = kill


# How a run is killed that saves after every step, and the step from which the next one has to go on.
KILLED: dict[str, tuple[Callable[[], Any], int]] = {
    "in training": (_in_training, 5),
    "while a checkpoint is written": (_while_a_checkpoint_is_written, 3),
    "before it is known to be whole": (_before_a_checkpoint_is_known_to_be_whole, 3),
    "before the one before it is removed": (_before_the_one_before_it_is_removed, 3),
    "while the job is stored": (_while_the_finished_job_is_stored, STEPS),
}


@pytest.fixture(scope="module")
def killed(made: Path) -> Path:
    """A folder of stores, in each of which a run was killed."""
    from measure.finetuning import trainer

    folder, ended = made / "killed", {}
    for name, (prepare, _) in KILLED.items():
        child = os.fork()
        if child == 0:
            try:
                trainer.SECONDS_BETWEEN_CHECKPOINTS = -1.0
                watch = prepare() or GOES_ON
                run(asked_of(made), Store(folder / name), watch=watch, keep=True)
            finally:
                os._exit(0)
        ended[name] = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    assert ended == dict.fromkeys(KILLED, -signal.SIGKILL)
    return folder


@pytest.mark.parametrize("name", KILLED)
def test_a_run_that_was_killed_goes_on_from_its_last_checkpoint(name: str, made: Path, killed: Path) -> None:
    store, asked = Store(killed / name), asked_of(made)
    assert store.find(asked.key) is None
    watch = Watcher(store, asked)
    result = run(asked, store, watch=watch, keep=True)
    assert watch.steps == [*range(KILLED[name][1], STEPS + 1)]
    assert all(len([name for name in held if "checkpoint" in name]) == 1 for held in watch.held)
    assert_as_undisturbed(result, made)
    assert not (store.folder / "work" / asked.key).exists()
