"""What a fine-tuning run does with a recipe: batches, steps, seeds and arithmetic are those that it states."""

import functools
import math
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from judge.files import Mistake
from measure.jobs import Job
from measure.store import Store
from tests.finetuned import GOES_ON, job, run, with_rows
from tests.madedata import miniature, write_task

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")
pytest.importorskip("accelerate")

ROWS = 53  # one whole batch of 32 and one of 21
CALM = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
CALM_DISTILBERT = {"dropout": 0.0, "attention_dropout": 0.0, "qa_dropout": 0.0, "seq_classif_dropout": 0.0}
HUGE = 1e9  # a norm that no gradient is clipped to


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Models, with dropout and without, and data of every kind."""
    folder = tmp_path_factory.mktemp("made")
    miniature(folder / "bert")
    miniature(folder / "calm", **CALM)
    miniature(folder / "calm-distilbert", "distilbert", **CALM_DISTILBERT)
    write_task(folder / "mirror", "wnli")
    for task in ("stsb", "squad", "mnli"):
        write_task(folder / "mirror", task, rows=ROWS)
    return folder


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


def small(made: Path, task: str = "wnli", model: str = "bert", **changes: Any) -> Job:
    """A job of a few steps."""
    whole = job(task, str(made / model), made / "mirror", **{"limit": ROWS, **changes})
    return whole if task == "wnli" else with_rows(whole, ROWS)


@dataclass
class Seen:
    """What a Trainer did: the model that it began with, its batches, and each step's gradients and learning rate."""

    trainer: Any
    began: dict[str, Any]
    batches: list[dict[str, Any]] = field(default_factory=list)
    gradients: list[dict[str, Any]] = field(default_factory=list)
    rates: list[float] = field(default_factory=list)

    @classmethod
    def by(cls, trainer: Any) -> "Seen":
        """Look on while a Trainer works, without changing what it does."""
        seen = cls(trainer, weights(trainer.model))
        collate = trainer.data_collator

        def looked_at(rows: Any) -> Any:
            batch = collate(rows)
            if trainer.is_in_train:
                seen.batches.append({**batch, "lengths": [len(row["input_ids"]) for row in rows]})
            return batch

        class Reader(transformers.TrainerCallback):  # type: ignore[name-defined]
            def on_pre_optimizer_step(self, args: Any, state: Any, control: Any, **given: Any) -> None:
                seen.gradients.append({n: p.grad.clone() for n, p in given["model"].named_parameters()})
                seen.rates.append(given["optimizer"].param_groups[0]["lr"])

        trainer.data_collator = looked_at
        trainer.add_callback(Reader())
        return seen


def weights(model: Any) -> dict[str, Any]:
    return {name: parameter.detach().clone() for name, parameter in model.named_parameters()}


def trained(made: Job, store: Store, micro_batch: int, *, stock: bool = False) -> Seen:
    """Train without scoring, in micro-batches of a given size; `stock` by the library's own Trainer."""
    from measure.finetuning.features import tokens_of
    from measure.finetuning.pretrained import load_model, load_tokenizer
    from measure.finetuning.trainer import columns_of, make_trainer

    transformers.set_seed(made.seed)
    tokenizer = load_tokenizer(made.model)
    model, _ = load_model(made.model, made.task, made.protocol.recipe.max_length)
    rows = columns_of(model, tokens_of(made, made.task.train, tokenizer, store, training=True))
    trainer: Any = make_trainer(made, model, tokenizer, rows, store.work(made.key), "cpu", micro_batch, GOES_ON)
    if stock:
        trainer = transformers.Trainer(
            model=model, args=trainer.args, train_dataset=rows, data_collator=trainer.data_collator
        )
    seen = Seen.by(trainer)
    trainer.train()
    return seen


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch) -> list[Seen]:
    """What every Trainer of this test's runs did."""
    from measure.finetuning.trainer import make_trainer

    found: list[Seen] = []

    def make(*arguments: Any) -> Any:
        trainer = make_trainer(*arguments)
        found.append(Seen.by(trainer))
        return trainer

    monkeypatch.setattr("measure.finetuning.run.make_trainer", make)
    return found


def distance(one: dict[str, Any], other: dict[str, Any]) -> float:
    """The norm of the difference, relative to the norm of the first."""
    return float(_norm({name: one[name] - other[name] for name in one}) / _norm(one))


def _norm(values: dict[str, Any]) -> Any:
    return torch.cat([value.flatten() for value in values.values()]).norm()


# A key's bias has no influence and no gradient but rounding, from which Adam makes steps of full size.
def _counted(values: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if not name.endswith(("key.bias", "k_lin.bias"))}


KINDS = [("wnli", "calm"), ("squad", "calm-distilbert"), ("stsb", "calm")]


@pytest.mark.parametrize(("task", "model"), KINDS)
def test_micro_batches_add_up_to_the_recipes_batch(task: str, model: str, made: Path, store: Store) -> None:
    asked = small(made, task, model, batch_size=32, epochs=1, learning_rate=1e-3, max_grad_norm=HUGE)
    whole = trained(asked, store, 32)
    assert [len(batch["input_ids"]) for batch in whole.batches] == [32, 21]
    for size, sizes in ((16, [16, 16, 16, 5]), (8, [8, 8, 8, 8, 8, 8, 5])):
        cut = trained(asked, store, size)
        assert [len(batch["input_ids"]) for batch in cut.batches] == sizes
        assert size > 8 or len({batch["input_ids"].shape[1] for batch in cut.batches}) > 1
        assert len(cut.gradients) == 2
        for one, other in zip(whole.gradients, cut.gradients, strict=True):
            assert distance(_counted(one), _counted(other)) < 1e-4
        after, expected = weights(cut.trainer.model), weights(whole.trainer.model)
        moved = distance(_counted(expected), whole.began)
        assert distance(_counted(expected), _counted(after)) < moved / 100


# Why there is a FineTuner. Should this fail with a new version of transformers, there may be no need for it any more.
def test_the_librarys_own_trainer_adds_up_what_it_should_average(made: Path, store: Store) -> None:
    asked = small(made, "wnli", "calm", epochs=1, max_grad_norm=HUGE)
    whole, stock = trained(asked, store, 32), trained(asked, store, 8, stock=True)
    first, last = (
        distance(one, {name: value / times for name, value in other.items()})
        for one, other, times in zip(whole.gradients, stock.gradients, (4, 3), strict=True)
    )
    assert first < 1e-3, "four times too large"
    assert last > 1e-2, "three times too large, and the last micro-batch counts as much as a whole one"


# An answer is sought among the padding too, which differs from micro-batch to micro-batch, and the last one counts as
# much as a whole one.
def test_the_librarys_own_trainer_learns_something_else_of_questions(made: Path, store: Store) -> None:
    asked = small(made, "squad", "calm", batch_size=32, epochs=1, max_grad_norm=HUGE)
    whole, stock = trained(asked, store, 32), trained(asked, store, 8, stock=True)
    for one, other in zip(whole.gradients, stock.gradients, strict=True):
        assert distance(_counted(one), _counted(other)) > 1e-2


def test_a_run_does_what_the_recipe_says(made: Path, store: Store, seen: list[Seen]) -> None:
    recipe = {"epochs": 3, "batch_size": 16, "learning_rate": 3e-4, "warmup_steps": 5}
    asked = small(made, weight_decay=0.01, max_grad_norm=0.25, **recipe)
    result = run(asked, store)
    optimizer = seen[0].trainer.optimizer.optimizer
    assert type(optimizer) is torch.optim.AdamW
    assert (optimizer.defaults["betas"], optimizer.defaults["eps"]) == ((0.9, 0.999), 1e-8)
    assert [group["weight_decay"] for group in optimizer.param_groups] == [0.01, 0.0]
    assert {parameter.ndim for parameter in optimizer.param_groups[0]["params"]} == {2}
    assert {parameter.ndim for parameter in optimizer.param_groups[1]["params"]} == {1}
    steps = math.ceil(ROWS / 16) * 3
    assert result.provenance.steps == len(seen[0].rates) == steps
    assert result.provenance.micro_batch == 16
    expected = [3e-4 * min(done / 5, (steps - done) / (steps - 5)) for done in range(steps)]
    assert seen[0].rates == pytest.approx(expected)
    assert seen[0].trainer.lr_scheduler.get_last_lr() == [0.0, 0.0]
    assert max(float(_norm(gradients)) for gradients in seen[0].gradients) == pytest.approx(0.25, rel=1e-3)


def test_a_constant_schedule_has_its_warm_up(made: Path, store: Store) -> None:
    found = trained(small(made, schedule="constant", warmup_steps=2, learning_rate=1e-4), store, 32)
    assert found.rates == pytest.approx([0, 5e-5, 1e-4, 1e-4, 1e-4, 1e-4])


@pytest.mark.parametrize("changes", [{"optimizer": "lamb"}, {"schedule": "cosine"}])
def test_a_recipe_that_nobody_can_follow_is_refused(changes: dict[str, str], made: Path, store: Store) -> None:
    with pytest.raises(Mistake, match=rf"\b{next(iter(changes.values()))}\b.*baselines/recipes\.json"):
        run(small(made, **changes), store)


def test_batches_are_as_long_as_their_longest_example_and_shuffled_anew_in_every_epoch(
    made: Path, store: Store
) -> None:
    batches = trained(small(made, batch_size=8), store, 8).batches
    assert [batch["input_ids"].shape[1] for batch in batches] == [max(batch["lengths"]) for batch in batches]
    assert all(batch["attention_mask"].sum(axis=1).tolist() == batch["lengths"] for batch in batches)
    assert len({batch["input_ids"].shape[1] for batch in batches}) > 2
    first, *others = orders(batches, 3)
    assert all(sorted(order) == sorted(first) and order != first for order in others)
    assert others[0] != others[1]


def orders(batches: list[dict[str, Any]], epochs: int) -> list[list[tuple[int, ...]]]:
    """The examples of each epoch in their order."""
    tokens = [
        tuple(row[: int(mask.sum())].tolist())
        for batch in batches
        for row, mask in zip(batch["input_ids"], batch["attention_mask"], strict=True)
    ]
    rows = len(tokens) // epochs
    return [tokens[start : start + rows] for start in range(0, len(tokens), rows)]


def test_nothing_is_written_beside_the_result(
    made: Path, store: Store, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    asked = small(made)
    found: list[Path] = []

    def watch(_done: int, _total: int) -> bool:
        found.extend(store.work(asked.key).rglob("*"))
        return False

    run(asked, store, watch=watch)
    assert found == list((tmp_path / "here").iterdir()) == []
    assert sorted(path.name for path in (store.jobs / asked.key).iterdir()) == ["predictions.json.gz", "result.json"]
    assert not list((store.folder / "work").iterdir())
    assert capfd.readouterr() == ("", "")


def test_another_seed_is_another_head_another_order_and_another_dropout(
    made: Path, store: Store, seen: list[Seen]
) -> None:
    for seed in (1, 2):
        run(small(made, seed=seed), store)
    one, other = seen
    assert not torch.equal(one.began["classifier.weight"], other.began["classifier.weight"])
    assert all(torch.equal(one.began[name], other.began[name]) for name in one.began if name.startswith("bert."))
    # Of all epochs: the second one of a seed must not be the first one of the next.
    shuffled = [tuple(order) for found in seen for order in orders(found.batches, 3)]
    assert len(set(shuffled)) == 6
    assert len({frozenset(order) for order in shuffled}) == 1


@pytest.mark.parametrize(("model", "differ"), [("calm", False), ("bert", True)])
def test_dropout_differs_from_seed_to_seed(model: str, differ: bool, made: Path, store: Store, tmp_path: Path) -> None:
    # With a head of its own, and one row only, nothing else differs.
    whole = transformers.BertForSequenceClassification.from_pretrained(made / model, num_labels=2)
    own = Path(miniature(tmp_path / "own", **({} if differ else CALM)))
    whole.save_pretrained(own)
    asked = job("wnli", str(own), made / "mirror", limit=1, batch_size=1, epochs=1)
    one, other = (trained(replace(asked, seed=seed), store, 1) for seed in (1, 2))
    assert all(torch.equal(one.began[name], other.began[name]) for name in one.began)
    assert (distance(_counted(one.gradients[0]), _counted(other.gradients[0])) > 1e-2) == differ


def test_the_same_seed_comes_out_the_same_to_the_last_bit(made: Path, tmp_path: Path) -> None:
    asked = small(made, learning_rate=1e-3)
    results = [run(asked, Store(tmp_path / name), keep=True) for name in "ab"]
    assert results[0].metrics == results[1].metrics
    assert results[0].files == results[1].files
    assert "checkpoint/model.safetensors" in results[0].files
    assert run(replace(asked, seed=2), Store(tmp_path / "a"), keep=True).files != results[0].files


def test_precision_is_the_jobs_and_nobody_elses(
    made: Path, store: Store, monkeypatch: pytest.MonkeyPatch, seen: list[Seen]
) -> None:
    found: list[str] = []
    linear = torch.nn.Linear.forward

    def looked_at(self: Any, given: Any) -> Any:
        made = linear(self, given)
        found.append(str(made.dtype))
        return made

    monkeypatch.setattr(torch.nn.Linear, "forward", looked_at)
    for environment, precision, dtype in (("no", "bf16", "torch.bfloat16"), ("bf16", "fp32", "torch.float32")):
        monkeypatch.setenv("ACCELERATE_MIXED_PRECISION", environment)
        found.clear()
        result = run(replace(small(made), precision=precision), store)
        assert set(found) == {dtype}
        assert result.job["precision"] == precision
        assert all(math.isfinite(value) for value in result.metrics.values())
    assert {parameter.dtype for each in seen for parameter in each.trainer.model.parameters()} == {torch.float32}
    assert {batch["input_ids"].shape[1] % 8 for batch in seen[0].batches} == {0}


@pytest.mark.parametrize("length", [20, 24])
def test_padding_to_a_multiple_never_makes_an_example_longer_than_the_model_reads(
    length: int, made: Path, store: Store, tmp_path: Path
) -> None:
    short = miniature(tmp_path / "short", max_position_embeddings=length)
    asked = replace(job("wnli", short, made / "mirror", limit=ROWS, max_length=length), precision="bf16")
    assert run(asked, store).provenance.steps == 6


def fails_above(
    monkeypatch: pytest.MonkeyPatch, limit: int, error: Exception, *, after: int = 0, scoring: bool = False
) -> list[int]:
    """Have forward passes over more examples than fit raise an error; returns the sizes that were tried."""
    original, tried = transformers.BertForSequenceClassification.forward, []

    @functools.wraps(original)
    def forward(self: Any, **given: Any) -> Any:
        if self.training != scoring:
            tried.append(len(given["input_ids"]))
            if tried[-1] > limit and len(tried) > after:
                raise error
        return original(self, **given)

    monkeypatch.setattr(transformers.BertForSequenceClassification, "forward", forward)
    return tried


OUT_OF_MEMORY = torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")


@pytest.mark.parametrize(
    ("error", "short"),
    [
        (OUT_OF_MEMORY, True),
        (MemoryError(), True),
        (
            RuntimeError("[enforce fail at alloc_cpu.cpp:127] . DefaultCPUAllocator: can't allocate memory: you tried"),
            True,
        ),
        (RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"), True),
        (RuntimeError("MPS backend out of memory (MPS allocated: 8.00 GB"), True),
        (RuntimeError("The size of tensor a (4) must match the size of tensor b (5)"), False),
        (ValueError("out of memory"), False),
    ],
    ids=["cuda", "python", "cpu", "cublas", "mps", "shape", "value"],
)
def test_lack_of_memory_is_told_from_other_errors(error: Exception, short: bool) -> None:
    from measure.finetuning.room import memory_is_short

    assert memory_is_short(error) == short


def test_a_batch_that_does_not_fit_is_cut_and_the_result_stays(
    made: Path, store: Store, seen: list[Seen], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = small(made, model="calm", batch_size=12, learning_rate=1e-3)
    whole = run(asked, store)
    tried = fails_above(monkeypatch, 4, OUT_OF_MEMORY)
    cut = run(asked, store_beside(store))
    assert list(dict.fromkeys(tried)) == [12, 6, 4, 1]  # 53 rows leave 1 for the last micro-batch
    assert (whole.provenance.micro_batch, cut.provenance.micro_batch) == (12, 4)
    assert (whole.provenance.steps, cut.provenance.steps) == (15, 15)
    assert cut.metrics == whole.metrics
    first, last = (_counted(weights(each.trainer.model)) for each in (seen[0], seen[-1]))
    assert distance(first, last) < 1e-4


def store_beside(store: Store) -> Store:
    """A second store, so that what the first one holds is not returned."""
    return Store(store.folder.with_name("beside"))


def test_another_error_is_no_lack_of_memory(made: Path, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    tried = fails_above(monkeypatch, 4, RuntimeError("The size of tensor a must match the size of tensor b"))
    with pytest.raises(RuntimeError, match="size of tensor"):
        run(small(made), store)
    assert tried == [32]


def test_a_model_of_which_not_one_example_fits_is_refused(
    made: Path, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried = fails_above(monkeypatch, 0, OUT_OF_MEMORY)
    asked = small(made, batch_size=6)
    with pytest.raises(Mistake, match=rf"{asked}.*\bmemory\b.*\bcpu\b"):
        run(asked, store)
    assert tried == [6, 3, 2, 1]


def test_a_run_that_fails_half_way_begins_again_without_what_it_had(
    made: Path, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("measure.finetuning.trainer.SECONDS_BETWEEN_CHECKPOINTS", -1.0)
    asked = small(made, batch_size=16)
    steps: list[int] = []
    held: list[list[str]] = []

    def watch(done: int, _total: int) -> bool:
        steps.append(done)
        held.append(sorted(path.name for path in store.work(asked.key).iterdir()))
        return False

    tried = fails_above(monkeypatch, 8, OUT_OF_MEMORY, after=5)
    result = run(asked, store, watch=watch)
    assert tried[:6] == [16, 16, 16, 5, 16, 16]
    assert steps == [*range(1, 6), *range(1, 13)]
    assert held[4:7] == [["checkpoint-4"], [], ["checkpoint-1"]]
    assert result.provenance.micro_batch == 8
    monkeypatch.undo()
    alike = run(asked, store_beside(store))
    assert alike.provenance.micro_batch == 16


def test_scoring_goes_on_in_smaller_batches_where_memory_is_short(
    made: Path, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = run(small(made), store)
    tried = fails_above(monkeypatch, 20, OUT_OF_MEMORY, scoring=True)
    cut = run(small(made), store_beside(store))
    assert tried == [53, 32, 16, 16, 16, 5]
    assert cut.files == whole.files
    tried = fails_above(monkeypatch, 0, OUT_OF_MEMORY, scoring=True)
    asked = small(made, seed=2)
    with pytest.raises(Mistake, match=rf"{asked}.*\bmemory\b.*\bcpu\b"):
        run(asked, store)
    assert tried[-1] == 1


ROOM: list[tuple[str, Callable[..., int], str]] = [
    ("measure.store.Store.free_bytes", lambda _: 2**20, r"\bdisk\b.*\b0\.0 GiB\b.*--cache"),
    ("measure.finetuning.room.free_memory", lambda: 2**20, r"\bmemory\b.* GiB\b.*\bcpu\b"),
]


@pytest.mark.parametrize(("what", "free", "said"), ROOM, ids=["disk", "memory"])
def test_too_little_room_is_said_before_the_first_step(
    what: str, free: Callable[..., int], said: str, made: Path, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(what, free)
    asked = small(made)
    with pytest.raises(Mistake, match=rf"{asked}.* GiB\b.*{said}"):
        run(asked, store, watch=lambda _done, _total: pytest.fail("a step was taken"))


@pytest.mark.parametrize("task", ["wnli", "stsb", "squad"])
def test_a_model_that_diverged_scores_nothing_and_says_so(task: str, made: Path, store: Store, tmp_path: Path) -> None:
    import safetensors.torch as files

    broken = Path(miniature(tmp_path / "broken"))
    values = files.load_file(broken / "model.safetensors")
    values["embeddings.LayerNorm.bias"][0] = math.nan
    files.save_file(values, broken / "model.safetensors", {"format": "pt"})
    asked = replace(small(made, task, epochs=1), model=job(task, str(broken), made / "mirror").model)
    result = run(asked, store)
    assert result.metrics
    assert all(math.isnan(value) for value in result.metrics.values())
    assert set(result.examples) == set(result.metrics)
    [note] = result.provenance.notes
    assert "finite" in note
    assert (result.splits, result.constant) == ({}, False)
    kept = store.find(asked.key)
    assert kept is not None
    assert all(math.isnan(value) for value in kept.metrics.values())


@pytest.mark.parametrize(("weight", "constant"), [(0.0, True), (1.0, False)])
def test_a_model_that_says_the_same_of_everything_is_found_out(
    weight: float, constant: bool, made: Path, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    from measure.finetuning.pretrained import load_model

    def load(*arguments: Any) -> Any:
        model, remarks = load_model(*arguments)
        for name, parameter in model.named_parameters():
            if parameter.ndim == 2:
                torch.nn.init.normal_(parameter, std=weight if name.startswith("classifier") else 0.5)
        return model, remarks

    monkeypatch.setattr("measure.finetuning.run.load_model", load)
    assert run(small(made, learning_rate=0.0), store).constant == constant


@pytest.mark.parametrize(
    ("task", "loss"), [("stsb", "MSELoss"), ("mnli", "CrossEntropyLoss"), ("wnli", "CrossEntropyLoss")]
)
def test_the_loss_is_the_tasks(task: str, loss: str, made: Path, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    used: list[str] = []
    for name in ("MSELoss", "CrossEntropyLoss", "BCEWithLogitsLoss"):
        original = getattr(torch.nn, name).forward

        def forward(self: Any, *given: Any, _of: Any = original, _name: str = name) -> Any:
            used.append(_name)
            return _of(self, *given)

        monkeypatch.setattr(getattr(torch.nn, name), "forward", forward)
    trained(small(made, task, epochs=1), store, 32)
    assert set(used) == {loss}
