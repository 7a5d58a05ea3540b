"""measure.flops: counts against transformers and torch's own, published totals, and the line through timed steps."""

import math
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from judge.baselines import load_baselines
from judge.claims import Role
from judge.files import Mistake
from measure.flops import (
    DOWNLOAD,
    Calibration,
    Shape,
    activation_bytes,
    checkpoint_bytes,
    fitted,
    forward,
    job_cost,
    memory_bytes,
    shape_from,
    shape_of,
    training,
)
from measure.recipe import Recipe, protocol_of
from measure.tasks import TASKS
from tests.project import ROOT

BASELINES = load_baselines(ROOT / "baselines")
CARDS = {"teacher": BASELINES.models.teacher, "student": BASELINES.models.student}
TEACHER, STUDENT = (shape_of(CARDS[role].config) for role in ("teacher", "student"))
SIZES = {"vocab_size": 997, "max_position_embeddings": 130}
BERT = SIZES | {"num_hidden_layers": 3, "hidden_size": 48, "num_attention_heads": 3, "intermediate_size": 160}
DISTILBERT = SIZES | {"n_layers": 3, "dim": 48, "n_heads": 3, "hidden_dim": 160}
# Parameters of the uncased models with heads of 1, 2 and 3 outputs and for spans, and of the cased ones with 2.
COUNTS = {
    "teacher": (109_483_009, 109_483_778, 109_484_547, 108_893_186, 108_311_810),
    "student": (66_954_241, 66_955_010, 66_955_779, 66_364_418, 65_783_042),
}
# PFLOP of training BERT-base at batch 32 for 3 epochs without padding, and steps, counted on real lengths once.
PUBLISHED = {
    "mnli": (23.6, 36816),
    "qqp": (17.2, 34113),
    "qnli": (8.3, 9822),
    "sst2": (1.4, 6315),
    "cola": (0.15, 804),
    "stsb": (0.25, 540),
    "mrpc": (0.30, 345),
    "rte": (0.26, 234),
    "wnli": (0.04, 60),
    "imdb": (11.3, 2346),
    "squad": (24.2, 8301),
}


def recipe_of(task: str, role: Role = "teacher", **changes: Any) -> Recipe:
    return replace(protocol_of(BASELINES, "paper", TASKS[task], role).recipe, **changes)


def configs() -> Iterator[Any]:
    transformers = pytest.importorskip("transformers", reason="real models need torch and transformers")
    pytest.importorskip("torch", reason="real models need torch and transformers")
    yield transformers.BertConfig(**BERT)
    yield transformers.DistilBertConfig(**DISTILBERT)


@pytest.mark.parametrize("role", COUNTS)
def test_parameters_are_those_that_were_counted_on_the_real_models(role: Role) -> None:
    shape, cased = (shape_of(dict(CARDS[role].config) | more) for more in ({}, {"vocab_size": 28996}))
    found = [shape.parameters(TASKS[task]) for task in ("stsb", "rte", "mnli", "squad")]
    assert (*found, cased.parameters(TASKS["rte"])) == COUNTS[role]


def test_parameters_of_miniatures_are_those_of_transformers() -> None:
    import transformers

    for config in configs():
        for task in ("stsb", "rte", "mnli", "squad"):
            config.num_labels = TASKS[task].outputs
            head = "QuestionAnswering" if task == "squad" else "SequenceClassification"
            model = getattr(transformers, f"AutoModelFor{head}").from_config(config)
            assert shape_of(config).parameters(TASKS[task]) == sum(p.numel() for p in model.parameters())


def test_flops_are_those_that_torch_counts() -> None:
    import torch
    import transformers
    from torch.utils.flop_counter import FlopCounterMode

    for config in configs():
        model = transformers.AutoModel.from_config(config, attn_implementation="eager")
        shape, tokens = shape_of(config), torch.randint(1, 997, (4, 100))
        with FlopCounterMode(display=False) as passed:
            hidden = model(input_ids=tokens).last_hidden_state
        with FlopCounterMode(display=False) as back:
            hidden.sum().backward()
        # BERT's pooler sees one token of a hundred; its gradient is not asked for.
        assert forward(shape, 400, 100) == pytest.approx(passed.get_total_flops(), rel=0.002)
        both = passed.get_total_flops() + back.get_total_flops()
        assert training(shape, 400, 100) == pytest.approx(both, rel=0.002)


def test_a_token_of_bert_base_costs_six_flops_for_each_weight_and_its_share_of_attention() -> None:
    assert TEACHER.linear == 12 * 7_077_888
    for length in (40, 384):
        assert training(TEACHER, 1, length) == 6 * TEACHER.linear + 12 * 12 * 768 * length
        assert training(STUDENT, 1, length) == training(TEACHER, 1, length) / 2
        assert training(TEACHER, 1, length) == 3 * forward(TEACHER, 1, length)


@pytest.mark.parametrize("task", PUBLISHED)
def test_training_costs_what_was_published_for_the_task(task: str) -> None:
    work, steps = PUBLISHED[task]
    cost = job_cost(TASKS[task], recipe_of(task, epochs=3, batch_size=32), TEACHER, "fp32", padding=False)
    # Attention at the mean length instead of each example's own makes 2 % at most; the rest is rounding.
    rounding = 0.5 * 10 ** -len(str(work).split(".")[1])
    assert cost.training / 1e15 == pytest.approx(work, abs=0.02 * work + rounding)
    assert cost.steps == steps


@pytest.mark.parametrize(("shape", "published"), [(TEACHER, 86.9), (STUDENT, 43.4)], ids=["teacher", "student"])
def test_one_seed_of_all_tasks_costs_what_was_published(shape: Shape, published: float) -> None:
    costs = [
        job_cost(task, recipe_of(task.name, epochs=3, batch_size=32), shape, "fp32", padding=False)
        for task in TASKS.values()
    ]
    assert sum(cost.training for cost in costs) / 1e15 == pytest.approx(published, rel=0.006)
    assert sum(cost.steps for cost in costs) == 99_696


def test_squad_is_counted_in_windows_and_at_its_own_recipe() -> None:
    cost = job_cost(TASKS["squad"], recipe_of("squad"), TEACHER, "fp32")
    assert (cost.rows, cost.steps) == (88_524, 2 * math.ceil(88_524 / 12))
    assert cost.batches == pytest.approx(10_784 / 12, rel=0.01)


def test_a_shape_from_counted_parameters_is_within_one_percent() -> None:
    pytest.importorskip("torch", reason="counting needs torch and transformers")
    from transformers import RobertaConfig

    from measure.architecture import describe
    from measure.configuration import pinned_config

    for role, exact in (("teacher", TEACHER), ("student", STUDENT)):
        found = shape_from(describe(pinned_config(CARDS[role])))
        assert found == replace(exact, linear=found.linear)
        assert exact.linear <= found.linear <= 1.015 * exact.linear
    assert shape_from(describe(RobertaConfig())).linear == pytest.approx(TEACHER.linear, rel=0.01)


def test_what_no_formula_knows_is_refused_in_a_sentence() -> None:
    with pytest.raises(Mistake, match=r"\broberta\b"):
        shape_of({"model_type": "roberta"})
    with pytest.raises(Mistake, match=r"\bintermediate_size\b"):
        shape_of({"model_type": "bert", **{name: size for name, size in BERT.items() if "inter" not in name}})


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize("size", [(8, 32), (2, 256)], ids=["short", "long"])
def test_the_estimate_of_activations_is_near_what_autograd_keeps(precision: str, size: tuple[int, int]) -> None:
    import transformers

    torch = pytest.importorskip("torch")
    for config in configs():
        shrunk = {"hidden_size": 192, "intermediate_size": 768, "max_position_embeddings": 512}
        config = type(config)(**config.to_dict() | shrunk | {"dim": 192, "hidden_dim": 768})
        model = transformers.AutoModel.from_config(config).train()
        weights = {p.untyped_storage().data_ptr(): p.numel() for p in model.parameters()}
        kept: dict[int, Any] = {}

        def keep(tensor: Any, kept: dict[int, Any] = kept) -> Any:
            kept[tensor.untyped_storage().data_ptr()] = tensor
            return tensor

        tokens = torch.randint(1, 997, size)
        with (
            torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor),
            torch.autocast("cpu", dtype=torch.bfloat16, enabled=precision == "bf16"),
        ):
            output = model(input_ids=tokens, attention_mask=torch.ones_like(tokens))
        found = sum(t.untyped_storage().nbytes() for at, t in kept.items() if at not in weights)
        shape = shape_of(config)
        # Autocast's copies of the weights are memory_bytes' business.
        found -= 2 * shape.linear if precision == "bf16" else 0
        assert activation_bytes(shape, tokens.numel(), size[1], precision) == pytest.approx(found, rel=0.25)
        assert output is not None


def test_bytes_are_sixteen_a_parameter_and_a_resumable_checkpoint_twelve() -> None:
    parameters = TEACHER.parameters(TASKS["rte"])
    assert memory_bytes(TEACHER, parameters, 0, 128, "fp32") == 16 * parameters
    assert checkpoint_bytes(parameters, resumable=True) / 1e9 == pytest.approx(1.31, abs=0.005)
    assert checkpoint_bytes(STUDENT.parameters(TASKS["rte"]), resumable=True) / 1e9 == pytest.approx(0.80, abs=0.005)


def test_a_checkpoint_on_disk_has_the_size_that_is_forecast(tmp_path: Any) -> None:
    import transformers

    for config in configs():
        transformers.AutoModelForSequenceClassification.from_config(config).save_pretrained(tmp_path)
        size = (tmp_path / "model.safetensors").stat().st_size
        assert size == pytest.approx(checkpoint_bytes(shape_of(config).parameters(TASKS["rte"])), rel=0.03)


@given(task=st.sampled_from(sorted(TASKS)), rows=st.integers(1, 300_000), more=st.integers(1, 100_000))
def test_cost_grows_with_rows(task: str, rows: int, more: int) -> None:
    few, many = (job_cost(TASKS[task], recipe_of(task), STUDENT, "fp32", limit=n) for n in (rows, rows + more))
    assert few.steps <= many.steps
    assert few.flops <= many.flops
    if rows < TASKS[task].train.rows:
        assert few.training < many.training


@given(task=st.sampled_from(sorted(TASKS)), epochs=st.integers(1, 10), length=st.integers(2, 512))
def test_cost_grows_with_epochs_and_with_length(task: str, epochs: int, length: int) -> None:
    def cost(epochs: int, tokens: float, limit: int) -> Any:
        recipe = recipe_of(task, epochs=epochs, max_length=limit)
        return job_cost(replace(TASKS[task], tokens=tokens), recipe, TEACHER, "fp32")

    one = cost(epochs, length, 512)
    assert cost(epochs + 1, length, 512).training == pytest.approx(one.training * (epochs + 1) / epochs)
    assert cost(epochs + 1, length, 512).steps * epochs == one.steps * (epochs + 1)
    assert cost(epochs, length + 1, 10_000).training > cost(epochs, length, 10_000).training
    assert cost(epochs, length, 512).memory >= cost(epochs, length - 1, 512).memory
    # No example is longer than the recipe lets it be.
    assert cost(epochs, 10_000, length).tokens == one.rows * length * epochs


@given(rate=st.floats(1e9, 1e15), fixed=st.floats(0, 1), sizes=st.lists(st.integers(8, 512), min_size=2, unique=True))
def test_the_line_through_exact_times_is_found_again(rate: float, fixed: float, sizes: list[int]) -> None:
    samples = [(4, size, fixed + training(TEACHER, 4 * size, size) / rate) for size in sizes]
    line = fitted(TEACHER, "a device", "fp32", samples)
    assert (line.note, line.samples) == ("", tuple(samples))
    for batch, size, seconds in samples:
        assert line.seconds(1, training(TEACHER, batch * size, size)) == pytest.approx(seconds, rel=1e-6)


@given(times=st.lists(st.floats(1e-6, 1e3), min_size=1, max_size=6))
def test_no_part_of_the_line_is_negative_and_no_forecast_is_free(times: list[float]) -> None:
    line = fitted(TEACHER, "a device", "fp32", [(4, 8 * (n + 1), seconds) for n, seconds in enumerate(times)])
    assert line.fixed >= 0
    assert 0 < line.rate < math.inf
    assert line.seconds(1, 0) >= 0
    assert line.seconds(2, 1e18) > line.seconds(1, 1e15) > 0


def test_a_device_that_waits_for_launches_gets_an_upper_estimate_that_says_so() -> None:
    samples = [(32, 32, 0.020), (32, 128, 0.019)]
    line = fitted(TEACHER, "a device", "bf16", samples)
    assert "upper" in line.note
    for batch, length, seconds in samples:
        assert seconds <= line.seconds(1, training(TEACHER, batch * length, length)) <= 2.2 * seconds


def test_a_line_that_would_start_below_zero_runs_through_the_origin() -> None:
    line = fitted(TEACHER, "a device", "fp32", [(4, 32, 0.01), (4, 128, 1.0)])
    assert (line.fixed, line.note) == (0.0, "")


def test_a_calibration_without_time_is_refused() -> None:
    for samples in ([], [(4, 32, 0.0)]):
        with pytest.raises(ValueError, match="calibration"):
            fitted(TEACHER, "a device", "fp32", samples)


def test_evaluation_and_the_trainer_are_part_of_a_jobs_seconds() -> None:
    cost = job_cost(TASKS["rte"], recipe_of("rte"), STUDENT, "fp32")
    steps = cost.steps + cost.batches / 3
    line = Calibration("a device", "fp32", (), 1e12, 0.25)
    trainer = 0.005 * (cost.steps + cost.batches)
    assert cost.seconds(line) == pytest.approx(steps * 0.25 + (cost.training + cost.evaluation) / 1e12 + trainer)
    # 277 rows once and forward only, beside 2,490 three times forward and back.
    assert cost.evaluation / cost.training == pytest.approx(277 / 2490 / 9)


def test_every_task_has_a_size_on_the_hub() -> None:
    assert set(DOWNLOAD) == set(TASKS)
