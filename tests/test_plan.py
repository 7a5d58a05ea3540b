"""measure.plan: what a run would cost and how it is said, and forecasts held against real training."""

import re
import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from judge.baselines import load_baselines
from judge.claims import Role
from judge.files import Mistake
from measure.flops import Calibration, fitted, shape_of, training
from measure.plan import Plan, duration, make_plan, table
from measure.recipe import Protocol, protocol_of
from measure.tasks import CHEAP, TASKS
from tests.project import ROOT

BASELINES = load_baselines(ROOT / "baselines")
ROLES: tuple[Role, ...] = ("teacher", "student")
NAMES: dict[Role, str] = {"teacher": "BERT-base", "student": "DistilBERT"}
SHAPES = {role: shape_of(getattr(BASELINES.models, role).config) for role in ROLES}
TIMED = {
    "teacher": fitted(SHAPES["teacher"], "a processor", "fp32", [(8, 16, 0.7), (8, 64, 2.2)]),
    "student": fitted(SHAPES["student"], "a processor", "fp32", [(8, 16, 0.4), (8, 64, 1.2)]),
}
chosen_tasks = st.sets(st.sampled_from(sorted(TASKS)), min_size=1)
chosen_roles = st.sampled_from([("teacher",), ("student",), ROLES])


def protocols(
    tasks: Any = TASKS, roles: Any = ROLES, seeds: tuple[int, ...] = (42, 43, 44, 45, 46), recipe: Any = "paper"
) -> Mapping[tuple[str, Role], Protocol]:
    return {
        (task, role): replace(protocol_of(BASELINES, recipe, TASKS[task], role), seeds=seeds)
        for task in tasks
        for role in roles
    }


def plan_of(tasks: Any = TASKS, roles: Any = ROLES, seeds: tuple[int, ...] = (42, 43), **more: Any) -> Plan:
    return make_plan(protocols(tasks, roles, seeds), SHAPES, NAMES, **more)


def cells(lines: list[str], label: str) -> list[str]:
    line = next(line for line in lines if line.startswith(label))
    # Columns are set apart by two spaces; numbers and units by one.
    return [cell.strip() for cell in line.split("  ") if cell.strip()]


@given(tasks=chosen_tasks, roles=chosen_roles, seeds=st.sets(st.integers(0, 99), min_size=1, max_size=5))
def test_the_total_is_the_sum_of_the_rows(tasks: set[str], roles: Any, seeds: set[int]) -> None:
    plan = plan_of(tasks, roles, tuple(seeds))
    alone = [plan_of({task}, roles, tuple(seeds)) for task in tasks]
    assert plan.flops() == pytest.approx(sum(part.flops() for part in alone))
    assert plan.seconds(TIMED) == pytest.approx(sum(part.seconds(TIMED) for part in alone))
    assert plan.jobs() == (len(tasks) * len(roles) * len(seeds),) * 2
    assert [part.task.name for part in plan.tasks] == [name for name in TASKS if name in tasks]
    assert plan.roles == roles


@given(data=st.data(), tasks=chosen_tasks)
def test_jobs_in_the_cache_cost_nothing(data: st.DataObject, tasks: set[str]) -> None:
    jobs = [(task, role, seed) for task in sorted(tasks) for role in ROLES for seed in (42, 43)]
    cached = data.draw(st.sets(st.sampled_from(jobs)))
    plan, whole = plan_of(tasks, cached=cached), plan_of(tasks)
    spent = sum(
        part.costs[role].seconds(TIMED[role])
        for part in plan.tasks
        for role in ROLES
        for seed in (42, 43)
        if (part.task.name, role, seed) not in cached
    )
    assert plan.seconds(TIMED) == pytest.approx(spent)
    assert plan.jobs() == (len(jobs), len(jobs) - len(cached))
    assert plan.flops() <= whole.flops()
    assert plan.disk()[0] <= whole.disk()[0]
    done = plan_of(tasks, cached=jobs)
    assert (done.flops(), done.seconds(TIMED), done.disk(), done.download()) == (0, 0, (0, 0), (0, 0))


def test_the_papers_recipe_as_a_table() -> None:
    lines = table(make_plan(protocols(), SHAPES, NAMES, keep="all"), TIMED)
    assert cells(lines, "task") == [
        "task", "rows", "steps", "tokens", "jobs", "cached", "PFLOP", "BERT-base", "DistilBERT", "together"
    ]  # fmt: skip
    tokens = f"{88_524 * 2 * TASKS['squad'].tokens * TASKS['squad'].padded / 1e6:.1f} M"
    assert cells(lines, "SQuAD")[:6] == ["SQuAD v1.1", "88,524", "14,754", tokens, "10", "0"]
    assert cells(lines, "MNLI")[:3] == ["MNLI", "392,702", "36,816"]
    assert cells(lines, "total")[1] == f"{sum(task.train.rows for task in TASKS.values()) + 88_524 - 87_599:,}"
    assert cells(lines, "total")[4:6] == ["110", "0"]
    text = " ".join(line.strip() for line in lines)
    assert "MNLI, QNLI, QQP" in text, "whose lengths are estimates"
    assert re.search(r"\b0 of 110\b.*\b110\b", text)
    assert re.search(r"BERT-base\b.*\ba processor, fp32\b.*\b8 x 16\b.*\b700 ms\b.*\b8 x 64\b.*\b2,200 ms\b", text)
    assert re.search(rf"--tasks {','.join(CHEAP)}\b[^.]*\b50 jobs\b", text)
    assert re.search(r"\b38\.8 GB\b.*--keep-checkpoints all\b.*\b1\.3 GB\b", text)
    assert re.search(r"\b174 MB\b.*\b706 MB\b", text)


def test_only_what_is_selected_is_shown() -> None:
    lines = table(plan_of({"rte", "wnli"}, ("student",), (7,)), TIMED)
    text = "\n".join(lines)
    assert [line.split()[0] for line in lines[2:4]] == ["RTE", "WNLI"]
    assert cells(lines, "total")[4] == "2"
    # Neither the cheap set, which would be more than what is selected, nor lengths that were not counted.
    for absent in ("BERT-base", "MNLI", "--tasks", "RTE, WNLI"):
        assert absent not in text
    [sentence] = table(plan_of(set()), TIMED)
    assert "task" in sentence


def test_unlike_batches_of_teacher_and_student_are_both_shown() -> None:
    plan = make_plan(protocols({"mnli", "wnli"}, recipe="prior-study"), SHAPES, NAMES)
    assert cells(table(plan, TIMED), "MNLI")[2] == "73,632/36,816"
    assert cells(table(plan, TIMED), "total")[2] == "73,732/36,866"


def test_a_model_of_the_users_own_is_called_by_the_end_of_its_name() -> None:
    names = {"teacher": "somebody/a-large-model-of-theirs", "student": "here/runs/distilled/"}
    lines = table(make_plan(protocols({"rte"}), SHAPES, names), TIMED)
    assert cells(lines, "task")[-3:-1] == ["a-large-mo", "distilled"]
    assert any(line.startswith("somebody/a-large-model-of-theirs ") and "a processor, fp32" in line for line in lines)


def test_a_model_that_was_not_timed_has_no_hours() -> None:
    lines = table(plan_of({"rte"}), {"teacher": TIMED["teacher"]})
    assert cells(lines, "RTE")[-2:] == ["?", "?"]
    assert cells(lines, "RTE")[-3] != "?"
    assert any("PFLOP" in line and "not timed" in line for line in lines)


def test_checkpoints_are_kept_as_asked() -> None:
    size = {role: 4 * SHAPES[role].parameters(TASKS["rte"]) for role in ROLES}
    both = sum(size.values())
    for keep, kept in (("none", 0), ("last", both), ("all", 2 * both)):
        assert plan_of({"rte"}, keep=keep).disk() == (kept, 3 * size["teacher"])
    assert plan_of({"rte"}, keep="all", cached=[("rte", "teacher", 42)]).disk()[0] == 2 * both - size["teacher"]


def test_what_is_at_hand_is_not_downloaded() -> None:
    data, weights = plan_of({"rte", "qqp"}).download()
    assert data == pytest.approx(38.0e6)
    # The hub's files hold the pre-training heads too: 440 and 268 MB.
    assert weights == pytest.approx(708e6, rel=0.01)
    assert plan_of({"rte", "qqp"}, at_hand=["rte", "qqp", "teacher", "student"]).download() == (0, 0)
    assert plan_of({"rte"}, ("student",), at_hand=["rte"]).download()[0] == 0


@given(
    tasks=chosen_tasks,
    names=st.tuples(st.text("abc-/ ", min_size=1, max_size=80), st.text("xyz", min_size=1, max_size=80)),
    slow=st.floats(1e-6, 100),
    recipe=st.sampled_from(["paper", "prior-study"]),
    seeds=st.integers(1, 50),
)
def test_no_line_is_wider_than_100_columns(
    tasks: set[str], names: tuple[str, str], slow: float, recipe: Any, seeds: int
) -> None:
    timed = {role: replace(line, rate=line.rate / slow) for role, line in TIMED.items()}
    asked = protocols(tasks, seeds=tuple(range(seeds)), recipe=recipe)
    lines = table(make_plan(asked, SHAPES, dict(zip(ROLES, names, strict=True))), timed)
    assert max(map(len, lines)) <= 100


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (0, "0 s"),
        (45.2, "45 s"),
        (59.7, "1 min"),
        (180, "3 min"),
        (3590, "1.0 h"),
        (2.4 * 3600, "2.4 h"),
        (9.96 * 3600, "10 h"),
        (47.6 * 3600, "2.0 days"),
        (11 * 86400, "11 days"),
        (1e9, "11,574 days"),
    ],
)
def test_a_length_of_time_is_said_as_one_says_it(seconds: float, said: str) -> None:
    assert duration(seconds) == said


def minis() -> dict[str, Any]:
    pytest.importorskip("torch", reason="training needs torch and transformers")
    transformers = pytest.importorskip("transformers", reason="training needs torch and transformers")
    return {
        "bert": transformers.BertConfig(
            num_hidden_layers=2, hidden_size=128, num_attention_heads=2, intermediate_size=512
        ),
        "distilbert": transformers.DistilBertConfig(n_layers=2, dim=128, n_heads=2, hidden_dim=512),
    }


def train_for(config: Any, batch: int, length: int, steps: int) -> float:
    """Seconds that so many optimiser steps really take, labels and loss of a classifier included."""
    import torch
    from transformers import AutoModelForSequenceClassification

    model = AutoModelForSequenceClassification.from_config(config).train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4)
    start = time.perf_counter()
    for _ in range(steps):
        tokens = torch.randint(1, 30000, (batch, length))
        loss = model(input_ids=tokens, attention_mask=torch.ones_like(tokens), labels=tokens[:, 0] % 2).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
    return time.perf_counter() - start


@pytest.mark.times
@pytest.mark.parametrize("kind", [pytest.param("bert", marks=pytest.mark.full), "distilbert"])
def test_the_forecast_for_another_length_and_batch_is_near_the_time_that_training_takes(kind: str) -> None:
    config = minis()[kind]
    from measure.finetuning.calibrate import calibrate

    batch, length, steps, ratios = 16, 48, 60, []
    # Somebody else's work may fall on one half of a comparison, but hardly on the same half of three.
    for _ in range(3):
        line = calibrate(config, "cpu", "fp32", seconds=0.5)
        assert [sample[:2] for sample in line.samples] == [(8, 16), (8, 64)]
        forecast = line.seconds(steps, training(shape_of(config), steps * batch * length, length))
        ratios.append(forecast / train_for(config, batch, length, steps))
        if 1 / 2.5 < ratios[-1] < 2.5:
            return
    pytest.fail(f"forecast / real time: {ratios}")


def test_a_micro_batch_is_halved_where_memory_is_short_and_the_batch_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    config = minis()["bert"]
    from measure import models
    from measure.finetuning import calibrate

    asked: list[float] = []

    def short(needed: float, device: str) -> None:
        asked.append(needed)
        if len(asked) < 3:
            raise models.NoRoom("a model needs too much")

    monkeypatch.setattr(calibrate, "check_room", short)
    line = calibrate.calibrate(config, "cpu", "fp32", batch=4, lengths=(32,), seconds=0.05)
    assert line.samples[0][:2] == (4, 32)
    assert asked == sorted(asked, reverse=True)
    assert len(asked) == 3

    def none(needed: float, device: str) -> None:
        raise models.NoRoom("a model needs too much")

    monkeypatch.setattr(calibrate, "check_room", none)
    with pytest.raises(Mistake, match=r"a model needs too much\b.*\bmemory\b"):
        calibrate.calibrate(config, "cpu", "fp32", batch=4, lengths=(32,), seconds=0.05)


def test_a_calibration_in_bf16_says_so() -> None:
    config = minis()["distilbert"]
    from measure.finetuning.calibrate import calibrate

    line = calibrate(config, "cpu", "bf16", batch=2, lengths=(8, 32), seconds=0.1)
    assert isinstance(line, Calibration)
    assert line.precision == "bf16"
    assert "1 thread" in line.device


@pytest.mark.parametrize(("load", "busy"), [(0.5, False), (400.0, True)])
def test_a_calibration_on_a_busy_machine_says_so(load: float, busy: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    config = minis()["bert"]
    from measure.finetuning import calibrate

    monkeypatch.setattr("os.cpu_count", lambda: 2)
    monkeypatch.setattr("os.getloadavg", lambda: (load, load, load))
    line = calibrate.calibrate(config, "cpu", "fp32", batch=2, lengths=(8, 512), seconds=0.1)
    assert ("400.0" in line.note) if busy else (line.note == "")
    said = "\n".join(table(plan_of({"rte"}, ("teacher",)), {"teacher": line}))
    assert ("400.0" in said) == busy
