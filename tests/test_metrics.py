"""measure/finetuning/metrics.py: GLUE's metrics by hand and against scikit-learn and scipy, and what is refused."""

import math
import os
import random
import re
import subprocess
import sys
import warnings
from collections.abc import Sequence
from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy import stats

from judge.baselines import load_baselines
from judge.evidence import SCHEMA, Dataset, Evidence, Host, Measurement, Model, RecipeUsed
from judge.pool import Pool
from judge.scores import Scores, find_scores
from measure.tasks import TASKS, FineTuned
from tests.project import ROOT

pytest.importorskip("evaluate", reason="the metrics need evaluate")
from measure.finetuning.metrics import (
    Accuracy,
    MatthewsCorrelation,
    OfflineMetric,
    PearsonAndSpearman,
    Unscorable,
    metric_for,
    score,
)

BASELINES = load_baselines(ROOT / "baselines")
COLA, MNLI, MRPC, STSB, SQUAD = (TASKS[name] for name in ("cola", "mnli", "mrpc", "stsb", "squad"))

# Derandomized: a property that fails must fail for everybody.
binary = st.lists(st.tuples(st.integers(0, 1), st.integers(0, 1)), min_size=1, max_size=30)
three = st.lists(st.tuples(st.integers(0, 2), st.integers(0, 2)), min_size=1, max_size=30)
# Hundredths, so that ties occur, and any finite number, so that extremes do.
figures = st.integers(0, 500).map(lambda hundredths: hundredths / 100) | st.floats(-1e6, 1e6)
pairs = st.lists(st.tuples(figures, figures), min_size=2, max_size=30)


def of(task: FineTuned, examples: list[tuple[Any, Any]]) -> dict[str, float]:
    """The task's metrics over (prediction, reference) pairs."""
    return score(task, [one for one, _ in examples], [other for _, other in examples])


def answered(texts: Sequence[str | None], golds: Sequence[list[str]]) -> tuple[list[Any], list[Any]]:
    """Predictions and references to questions with made-up ids."""
    predictions = [{"id": f"q{i}", "prediction_text": text} for i, text in enumerate(texts)]
    references = [{"id": f"q{i}", "answers": {"text": texts, "answer_start": [0]}} for i, texts in enumerate(golds)]
    return predictions, references


def made(kind: str, n: int, seed: int, classes: int = 2) -> tuple[list[Any], list[Any]]:
    """Predictions and references that agree more often than not."""
    rng = random.Random(seed)
    if kind == "regression":
        references = [rng.randint(0, 25) / 5 for _ in range(n)]
        return [reference + rng.gauss(0, 1) for reference in references], references
    references = [int(rng.random() < 0.6) if classes == 2 else rng.randrange(classes) for _ in range(n)]
    return [ref if rng.random() < 0.7 else rng.randrange(classes) for ref in references], references


# Which metric, and under which names


@pytest.mark.parametrize("task", TASKS.values(), ids=TASKS)
def test_a_metric_returns_the_names_that_each_of_its_tasks_splits_asks_for(task: FineTuned) -> None:
    predictions, references = made(task.kind, 20, 1, len(task.classes) or 2)
    if task is SQUAD:
        predictions, references = answered(["a cat", None], [["the cat"], ["dog", "dogs"]])
    found = score(task, predictions, references)
    for split in task.evaluation:
        assert tuple(found) == tuple(name for name, _ in split.quantities)
    assert all(type(value) is float for value in found.values())


def test_every_scored_quantity_of_the_baselines_is_measured_under_that_name() -> None:
    measured = chain.from_iterable(split.quantities for task in TASKS.values() for split in task.evaluation)
    assert sorted(quantity for _, quantity in measured) == sorted(BASELINES.parts())


def test_a_metric_is_one_of_evaluate_and_takes_batches_single_examples_and_all_at_once() -> None:
    import evaluate

    predictions, references = made("classification", 37, 2)
    whole = metric_for(MRPC)
    assert isinstance(whole, evaluate.Metric)
    expected = whole.compute(predictions=predictions, references=references)
    batches, single = metric_for(MRPC), metric_for(MRPC)
    for start in range(0, 37, 8):
        batches.add_batch(predictions=predictions[start : start + 8], references=references[start : start + 8])
    for one, other in zip(predictions, references, strict=True):
        single.add(prediction=one, reference=other)
    assert len(batches) == 37
    assert batches.compute() == single.compute() == expected
    # What was scored is forgotten.
    assert whole.compute(predictions=[1], references=[1]) == {"accuracy": 1.0, "f1": 1.0}


def test_arrays_are_taken_as_lists_are() -> None:
    predictions, references = made("classification", 50, 3)
    for kind in (np.int8, np.int32, np.uint64):
        assert score(MRPC, np.array(predictions, kind), np.array(references)) == score(MRPC, predictions, references)
    predictions, references = made("regression", 50, 3)
    single = np.array(predictions, np.float32)
    assert score(STSB, single, references) == score(STSB, [float(value) for value in single], references)


def test_tensors_are_taken_as_lists_are() -> None:
    torch = pytest.importorskip("torch", reason="needs torch for its tensors")
    predictions, references = made("classification", 50, 4)
    assert score(MRPC, torch.tensor(predictions), torch.tensor(references)) == score(MRPC, predictions, references)


# By hand


def test_accuracy_is_the_share_of_right_classes() -> None:
    assert score(MNLI, [0, 1, 2, 2, 0], [0, 2, 2, 1, 0]) == {"accuracy": 0.6}


def test_f1_is_that_of_class_1() -> None:
    # 3 of 4 predicted positives are right and 3 of 5 positives are found: precision 0.75, recall 0.6.
    predictions, references = [1, 1, 1, 1, 0, 0, 0, 0], [1, 1, 1, 0, 1, 1, 0, 0]
    assert score(MRPC, predictions, references) == {"accuracy": 5 / 8, "f1": pytest.approx(2 / 3)}


def test_matthews_correlation_of_a_table_worked_by_hand() -> None:
    # TP 6, FN 2, FP 1, TN 3: (18 - 2) / sqrt(7 * 8 * 4 * 5).
    predictions = [1] * 6 + [0] * 2 + [1] * 1 + [0] * 3
    references = [1] * 8 + [0] * 4
    found = score(COLA, predictions, references)
    assert found == {"matthews_correlation": pytest.approx(16 / math.sqrt(1120))}


def test_pearson_and_spearman_worked_by_hand() -> None:
    # Deviations (-1.5, -0.5, 0.5, 1.5) and (-2, -1, 0, 3): 8 / sqrt(5 * 14). The ranks agree.
    assert score(STSB, [1, 2, 3, 4], [0, 1, 2, 5]) == {
        "pearson": pytest.approx(8 / math.sqrt(70)),
        "spearman": pytest.approx(1.0),
    }
    # Ranks 1, 2.5, 2.5, 4 and 1, 2, 3, 4: 4.5 / sqrt(4.5 * 5).
    assert score(STSB, [1, 2, 2, 9], [0, 1, 2, 3])["spearman"] == pytest.approx(4.5 / math.sqrt(22.5))


@pytest.mark.parametrize("constant", [0, 1])
def test_constant_classes_correlate_with_nothing(constant: int) -> None:
    mixed = [0, 1, 1, 0, 1]
    assert score(COLA, [constant] * 5, mixed) == {"matthews_correlation": 0.0}
    assert score(COLA, mixed, [constant] * 5) == {"matthews_correlation": 0.0}
    assert score(COLA, [constant] * 5, [constant] * 5) == {"matthews_correlation": 0.0}


def test_f1_is_0_where_nothing_is_predicted_positive() -> None:
    assert score(MRPC, [0, 0, 0, 0], [1, 0, 1, 0]) == {"accuracy": 0.5, "f1": 0.0}
    assert score(MRPC, [0, 0], [0, 0]) == {"accuracy": 1.0, "f1": 0.0}
    assert score(MRPC, [1, 1], [0, 0]) == {"accuracy": 0.0, "f1": 0.0}


@pytest.mark.parametrize("constant", [0.0, 2.5, -1e300, 5e-324])
def test_a_constant_number_scores_0_and_warns_of_nothing(constant: float) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert score(STSB, [constant] * 4, [0, 1, 2, 5]) == {"pearson": 0.0, "spearman": 0.0}


def test_numbers_that_differ_by_rounding_alone_are_constant_and_warn_of_nothing() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        nearly = [2.5, math.nextafter(2.5, 3), 2.5, math.nextafter(2.5, 2)]
        assert score(STSB, nearly, [0, 1, 2, 5]) == {"pearson": 0.0, "spearman": 0.0}
        # One step of 32-bit arithmetic is a difference.
        assert score(STSB, [2.5, 2.5, 2.5, 2.5 + 2**-22], [0, 1, 2, 5])["pearson"] > 0.8


@pytest.mark.parametrize("scale", [1e-320, 1e-200, 1e150, 1.9e307])
def test_the_size_of_predictions_says_nothing(scale: float) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = score(STSB, [scale * value for value in (-3, -1, 1, 9)], [0, 1, 2, 5])
    assert found == pytest.approx(score(STSB, [-3, -1, 1, 9], [0, 1, 2, 5]), abs=1e-3)


# Against scikit-learn and scipy


@given(examples=binary)
def test_metrics_of_two_classes_are_those_of_scikit_learn(examples: list[tuple[int, int]]) -> None:
    metrics = pytest.importorskip("sklearn.metrics", reason="compares with scikit-learn")
    predictions, references = zip(*examples, strict=True)
    assert of(MRPC, examples) == {
        "accuracy": pytest.approx(metrics.accuracy_score(references, predictions), abs=1e-12),
        "f1": pytest.approx(metrics.f1_score(references, predictions, zero_division=0), abs=1e-12),
    }
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of a single class
        expected = metrics.matthews_corrcoef(references, predictions)
    assert of(COLA, examples) == {"matthews_correlation": pytest.approx(expected, abs=1e-12)}


@given(examples=three)
def test_accuracy_of_three_classes_is_that_of_scikit_learn(examples: list[tuple[int, int]]) -> None:
    metrics = pytest.importorskip("sklearn.metrics", reason="compares with scikit-learn")
    predictions, references = zip(*examples, strict=True)
    assert of(MNLI, examples) == {"accuracy": pytest.approx(metrics.accuracy_score(references, predictions))}


@pytest.mark.parametrize("seed", range(3))
def test_metrics_of_many_examples_are_those_of_scikit_learn(seed: int) -> None:
    metrics = pytest.importorskip("sklearn.metrics", reason="compares with scikit-learn")
    # As many as QQP has: the product in Matthews's formula overflows 64 bits here.
    predictions, references = made("classification", 40430, seed)
    assert score(MRPC, predictions, references) == {
        "accuracy": pytest.approx(metrics.accuracy_score(references, predictions), abs=1e-12),
        "f1": pytest.approx(metrics.f1_score(references, predictions), abs=1e-12),
    }
    expected = metrics.matthews_corrcoef(references, predictions)
    assert score(COLA, predictions, references) == {"matthews_correlation": pytest.approx(expected, abs=1e-12)}


@given(examples=pairs)
def test_correlations_are_those_of_scipy(examples: list[tuple[float, float]]) -> None:
    predictions, references = zip(*examples, strict=True)
    for values in (predictions, references):
        assume(max(values) - min(values) > 1e-6 * max(map(abs, values)))
    assert of(STSB, examples) == {
        "pearson": pytest.approx(stats.pearsonr(predictions, references)[0], abs=1e-9),
        "spearman": pytest.approx(stats.spearmanr(predictions, references)[0], abs=1e-9),
    }


@pytest.mark.parametrize("seed", range(3))
def test_pearson_is_numpys_and_spearman_is_pearson_of_the_ranks(seed: int) -> None:
    predictions, references = made("regression", 1500, seed)
    predictions = [round(value, 1) for value in predictions]  # with ties

    def ranks(values: list[float]) -> list[float]:
        ordered = sorted(values)
        return [ordered.index(value) + (ordered.count(value) + 1) / 2 for value in values]

    found = score(STSB, predictions, references)
    assert found["pearson"] == pytest.approx(np.corrcoef(predictions, references)[0, 1], abs=1e-12)
    assert found["spearman"] == pytest.approx(np.corrcoef(ranks(predictions), ranks(references))[0, 1], abs=1e-12)


# Properties


@given(examples=binary, data=st.data())
def test_the_order_of_examples_changes_nothing(examples: list[tuple[int, int]], data: st.DataObject) -> None:
    mixed = data.draw(st.permutations(examples))
    assert of(MRPC, mixed) == of(MRPC, examples)
    assert of(COLA, mixed) == of(COLA, examples)


@given(examples=binary)
def test_values_stay_in_their_range_and_are_symmetric(examples: list[tuple[int, int]]) -> None:
    turned = [(other, one) for one, other in examples]
    assert of(MRPC, examples) == of(MRPC, turned)
    assert of(COLA, examples) == of(COLA, turned)
    assert all(0 <= value <= 1 for value in of(MRPC, examples).values())
    assert -1 <= of(COLA, examples)["matthews_correlation"] <= 1


@given(examples=binary)
def test_matthews_correlation_changes_sign_where_labels_are_swapped(examples: list[tuple[int, int]]) -> None:
    value = of(COLA, examples)["matthews_correlation"]
    assert of(COLA, [(1 - one, other) for one, other in examples])["matthews_correlation"] == -value
    assert of(COLA, [(1 - one, 1 - other) for one, other in examples])["matthews_correlation"] == value


@given(positives=st.integers(1, 300), negatives=st.integers(1, 300))
def test_right_answers_score_1_and_wrong_ones_minus_1_to_the_last_digit(positives: int, negatives: int) -> None:
    references = [1] * positives + [0] * negatives
    assert score(MRPC, references, references) == {"accuracy": 1.0, "f1": 1.0}
    assert score(COLA, references, references) == {"matthews_correlation": 1.0}
    assert score(COLA, [1 - one for one in references], references) == {"matthews_correlation": -1.0}


@given(examples=pairs, factor=st.sampled_from([0.25, 1.0, 3.0]), shift=st.sampled_from([-10.0, 0.0, 2.5]))
def test_correlations_do_not_see_scale_and_sign_turns_them(
    examples: list[tuple[float, float]], factor: float, shift: float
) -> None:
    predictions, references = zip(*examples, strict=True)
    for values in (predictions, references):
        assume(max(values) - min(values) > 1e-6 * max(*map(abs, values), 100))
    found = score(STSB, predictions, references)
    assert all(-1 <= value <= 1 for value in found.values())
    moved = score(STSB, [factor * value + shift for value in predictions], references)
    assert moved["pearson"] == pytest.approx(found["pearson"], abs=1e-6)
    turned = score(STSB, [-value for value in predictions], references)
    assert turned == pytest.approx({name: -value for name, value in found.items()}, abs=1e-9)


@given(examples=st.lists(st.tuples(st.integers(0, 50), st.integers(0, 50)), min_size=2, max_size=30))
def test_spearman_sees_the_order_of_predictions_alone(examples: list[tuple[int, int]]) -> None:
    predictions, references = zip(*examples, strict=True)
    assume(len(set(references)) > 1)
    bent = [math.exp(value / 10) for value in predictions]
    expected = score(STSB, predictions, references)["spearman"]
    assert score(STSB, bent, references)["spearman"] == pytest.approx(expected, abs=1e-12)


def test_scoring_leaves_the_random_numbers_of_a_run_alone() -> None:
    np.random.seed(7)
    expected = np.random.random(3).tolist()
    np.random.seed(7)
    score(MRPC, [1, 0], [1, 1])
    assert np.random.random(3).tolist() == expected


# The paper's means of two metrics


@pytest.mark.parametrize("name", ["mrpc", "qqp", "stsb", "mnli"])
def test_the_judge_takes_the_mean_of_what_two_metrics_or_two_splits_gave(name: str) -> None:
    task, measurements, values = TASKS[name], [], []
    for seed, split in enumerate(task.evaluation):
        found = score(task, *made(task.kind, split.rows, seed, len(task.classes)))
        values += [found[metric] for metric, _ in split.quantities]
        for metric, quantity in split.quantities:
            measurements.append(_measurement(task, quantity, found[metric], split.name, split.rows))
    judged = _judged(name, measurements)
    one, other = values
    assert abs(one - other) > 1e-4, "equal values would show no mean"
    assert judged.values == {1: pytest.approx(100 * (one + other) / 2)}


def test_the_judge_takes_squads_two_metrics_for_two_scores() -> None:
    rows = SQUAD.evaluation[0].rows
    golds = [["black cat", "cat"]] * (rows // 2) + [["cat"]] * (rows // 2)
    found = score(SQUAD, *answered(["a black cat"] * rows, golds))
    assert found == {"exact_match": 0.5, "f1": pytest.approx((1 + 2 / 3) / 2)}
    measurements = [
        _measurement(SQUAD, quantity, found[metric], "validation", rows)
        for metric, quantity in SQUAD.evaluation[0].quantities
    ]
    assert _judged("squad_em", measurements).values == {1: pytest.approx(50.0)}
    assert _judged("squad_f1", measurements).values == {1: pytest.approx(250 / 3)}


def _measurement(task: FineTuned, quantity: str, value: float, split: str, rows: int) -> Measurement:
    return Measurement(
        quantity=quantity,
        model=Model(role="student", id="made/student"),
        dataset=Dataset(id=task.dataset, config=task.config, revision=task.revision, split=split, examples=rows),
        recipe=RecipeUsed(name="paper"),
        unit="fraction",
        values=(value,),
        seeds=(1,),
    )


def _judged(name: str, measurements: list[Measurement]) -> Scores:
    evidence = Evidence(schema_=SCHEMA, suite_version="0", created="-", host=Host(), measurements=tuple(measurements))
    return find_scores(Pool([("one.json", evidence)]), BASELINES, name, "student", None)


# What cannot be scored

NAN, INFINITY = float("nan"), float("inf")
# The last of each are words of the sentence beside the task's name, in their order, with anything between.
REFUSED: dict[str, tuple[FineTuned, Any, Any, tuple[str, ...]]] = {
    "nothing": (MRPC, [], [], ("nothing",)),
    "no text": (SQUAD, [], [], ("nothing",)),
    "no predictions": (MRPC, None, [1], ("prediction", "missing")),
    "no references": (MRPC, [1], None, ("reference", "missing")),
    "too few": (MRPC, [1], [1, 0], ("prediction", " 1 ", "reference", " 2")),
    "too few texts": (SQUAD, *answered(["a", "b"], [["a"]]), ("prediction", " 2 ", "reference", " 1")),
    "a class too many": (MNLI, [0, 3], [0, 1], ("prediction 1 ", "class 3", "0 to 2")),
    "a hidden label": (COLA, [0, 1], [-1, -1], ("reference 0 ", "class -1", "0 to 1")),
    "a probability": (MRPC, [0.7], [1], ("prediction", "float64", "class")),
    "truth": (MRPC, [True], [1], ("prediction", "bool", "class")),
    "names": (MRPC, [1], ["equivalent"], ("reference", "<U10", "class")),
    "logits": (MRPC, [[0.1, 0.9]], [1], ("prediction", "(1, 2)")),
    "ragged": (MRPC, [[1], [1, 0]], [1, 1], ("prediction", "array")),
    "nan": (STSB, [1.0, NAN], [1, 2], ("prediction 1 ", "nan")),
    "infinite": (STSB, [INFINITY, 1.0], [1, 2], ("prediction 0 ", "inf")),
    "a label of nan": (STSB, [1.0, 2.0], [NAN, 2], ("reference 0 ", "nan")),
    "number as text": (STSB, ["1", "2"], [1, 2], ("prediction", "<U1")),
    "equal labels": (STSB, [1.0, 2.0], [3.0, 3.0], ("reference", " 3")),
    "one label": (STSB, [1.0], [2.5], ("reference", " 2.5")),
    "a number for an answer": (
        SQUAD,
        [{"id": "q0", "prediction_text": 3}],
        answered([], [["a"]])[1],
        ("prediction 0 ", "{'id': 'q0', 'prediction_text': 3}", '{"id", "prediction_text"}'),
    ),
    "an answer without its question": (
        SQUAD,
        ["a"],
        answered([], [["a"]])[1],
        ("prediction 0 ", "'a'", '{"id", "prediction_text"}'),
    ),
    "answers of other questions": (
        SQUAD,
        answered(["a", "b"], [])[0][::-1],
        answered([], [["a"], ["b"]])[1],
        ("prediction 0 ", "'q1'", "reference 0 ", "'q0'"),
    ),
    "no gold": (
        SQUAD,
        *answered(["a"], [[]]),
        ("reference 0 ", "{'id': 'q0', 'answers': {'text': [], 'an...", '{"id", "answers"}', '"text"'),
    ),
    "one gold for a list": (
        SQUAD,
        answered(["a"], [])[0],
        [{"id": "q0", "answers": {"text": "a"}}],
        ("reference 0 ", "{'id': 'q0', 'answers': {'text': 'a'}}", '{"id", "answers"}', '"text"'),
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_scored_is_refused_in_a_sentence(case: str) -> None:
    task, predictions, references, words = REFUSED[case]
    with pytest.raises(Unscorable) as refused:
        score(task, predictions, references)
    assert re.fullmatch(".*".join(map(re.escape, (task.label, *words))) + r".*\.", str(refused.value))


def test_tensors_that_are_no_arrays_are_refused_in_a_sentence() -> None:
    torch = pytest.importorskip("torch", reason="needs torch for its tensors")
    with pytest.raises(Unscorable, match="array"):
        score(STSB, torch.tensor([1.0, 2.0], dtype=torch.bfloat16), [1, 2])


@pytest.mark.parametrize("metric", [Accuracy, MatthewsCorrelation, PearsonAndSpearman])
def test_computing_before_anything_was_added_is_refused(metric: type[OfflineMetric]) -> None:
    with pytest.raises(Unscorable, match="nothing"):
        metric().compute()


def test_a_task_measured_in_what_no_metric_gives_is_refused() -> None:
    split = replace(MRPC.evaluation[0], quantities=(("bleu", "glue.mrpc.bleu"),))
    with pytest.raises(Unscorable, match=r"^MRPC\b.*\bbleu\b"):
        metric_for(replace(MRPC, evaluation=(split,)))


# No network, no files

ALONE = """
import sys

seen = []

def watch(event, arguments):
    if event in ("socket.connect", "socket.getaddrinfo", "socket.sendto", "socket.gethostbyname"):
        raise OSError(f"the network was asked for: {event}")
    writes = event == "open" and isinstance(arguments[1], str) and set(arguments[1]) & set("wax+")
    if writes or event in ("os.mkdir", "os.rename", "shutil.copyfile", "tempfile.mkstemp", "tempfile.mkdtemp"):
        seen.append((event, str(arguments[0])))

sys.addaudithook(watch)
from measure.finetuning.metrics import score
from measure.tasks import TASKS

seen.clear()  # what the libraries do when they are imported is theirs
for task in TASKS.values():
    given = {"classification": ([1, 0], [1, 1]), "regression": ([1.0, 2.0], [1.0, 3.0])}
    answers = [{"id": "q", "prediction_text": "a"}], [{"id": "q", "answers": {"text": ["b"], "answer_start": [0]}}]
    print(task.name, score(task, *given.get(task.kind, answers)))
print(seen)
"""


@pytest.mark.full
def test_metrics_need_no_network_and_write_no_file(tmp_path: Path) -> None:
    home = {"HOME": str(tmp_path), "PATH": os.environ["PATH"], "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(
        [sys.executable, "-c", ALONE], cwd=ROOT, env=home, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    *values, seen = done.stdout.splitlines()
    assert [line.split()[0] for line in values] == list(TASKS)
    assert seen == "[]"
