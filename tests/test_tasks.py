"""measure.tasks: the eleven tasks agree with what the judge asks for and with the real rows."""

import random
from collections import Counter
from typing import Any

import pytest

from judge.baselines import GLUE, TASKS, load_baselines
from measure.recipe import protocol_of
from measure.tasks import CHEAP, FineTuned, Split, task_of
from measure.tasks import TASKS as FINE_TUNED
from tests.finetuned import MIRROR
from tests.project import ROOT

BASELINES = load_baselines(ROOT / "baselines")
SPLITS = [
    pytest.param(task, split, id=f"{task.name}-{split.name}") for task in FINE_TUNED.values() for split in task.splits
]
ABSENT = {"mnli", "qqp"}  # from the mirror, and QNLI's training rows


def table(task: FineTuned, split: Split) -> Any:
    parquet = pytest.importorskip("pyarrow.parquet", reason="needs pyarrow to read the published data sets")
    if not MIRROR.is_dir():
        pytest.skip("needs the published rows beside the checkout, in ../shared/hub-mirror")
    path = MIRROR / task.dataset / task.config / f"{split.name}-00000-of-00001.parquet"
    if not path.is_file():
        assert task.name in ABSENT or (task.name, split.name) == ("qnli", "train")
        pytest.skip(f"{task.label}'s {split.name} rows are not in the mirror")
    return parquet.read_table(path)


def test_every_judged_score_comes_from_one_task() -> None:
    judged = Counter(name for task in FINE_TUNED.values() for name in task.judged)
    assert judged == dict.fromkeys(TASKS, 1)
    assert {name: task_of(name).name for name in TASKS} == {
        **{name: name for name in (*GLUE, "imdb")},
        "squad_em": "squad",
        "squad_f1": "squad",
    }
    assert all(name == task.name for name, task in FINE_TUNED.items())


@pytest.mark.parametrize("task", FINE_TUNED.values(), ids=FINE_TUNED)
def test_quantities_and_examples_are_those_that_the_judge_asks_for(task: FineTuned) -> None:
    measured = {quantity: split.rows for split in task.evaluation for _, quantity in split.quantities}
    asked = {part.quantity: part.examples for name in task.judged for part in BASELINES.tasks[name].parts}
    assert measured == asked
    assert list(measured) == list(asked), "the metrics of a task are in the judge's order"
    labels = [BASELINES.tasks[name].label for name in task.judged]
    assert all(label.startswith(task.label.removesuffix(" v1.1")) for label in labels)
    assert task.train.quantities == ()


def test_a_head_is_as_wide_as_the_task() -> None:
    assert {name: task.outputs for name, task in FINE_TUNED.items()} == {
        **dict.fromkeys(FINE_TUNED, 2), "mnli": 3, "stsb": 1
    }  # fmt: skip


def test_the_cheap_tasks_are_the_five_smallest() -> None:
    assert sorted(CHEAP) == sorted(sorted(FINE_TUNED, key=lambda name: FINE_TUNED[name].train.rows)[:5])


def test_data_sets_are_pinned_to_a_commit() -> None:
    assert {(task.dataset, task.revision[:12]) for task in FINE_TUNED.values()} == {
        ("nyu-mll/glue", "bcdcba79d07b"),
        ("rajpurkar/squad", "7b6d24c440a3"),
        ("stanfordnlp/imdb", "e6281661ce1c"),
    }
    assert {len(task.revision) for task in FINE_TUNED.values()} == {40}


@pytest.mark.parametrize(("task", "split"), SPLITS)
def test_rows_columns_and_labels_are_those_of_the_published_files(task: FineTuned, split: Split) -> None:
    rows = table(task, split)
    assert len(rows) == split.rows
    assert set(task.needed) <= set(rows.column_names)
    datasets = pytest.importorskip("datasets", reason="needs datasets to read the names of classes")
    if task.kind == "classification":
        assert datasets.Features.from_arrow_schema(rows.schema)["label"].names == list(task.classes)
        assert set(rows["label"].to_pylist()) == set(range(len(task.classes)))
    elif task.kind == "regression":
        assert (min(rows["label"].to_pylist()), max(rows["label"].to_pylist())) == (0.0, 5.0)


def test_the_order_of_the_classes_is_not_the_other_way_round() -> None:
    # Known of the data sets from elsewhere: how many rows of a split have the first of the task's classes.
    first = {
        ("mrpc", 0): 1194,
        ("rte", 0): 1249,
        ("qnli", 1): 2702,
        ("wnli", 1): 40,
        ("cola", 1): 322,
        ("sst2", 1): 428,
    }
    for (name, which), count in first.items():
        labels = table(FINE_TUNED[name], FINE_TUNED[name].splits[which])["label"].to_pylist()
        assert labels.count(0) == count, name
    cola, sst2 = FINE_TUNED["cola"], FINE_TUNED["sst2"]
    judged = {row["sentence"]: cola.classes[row["label"]] for row in table(cola, cola.train).to_pylist()}
    assert (judged["They drank the pub."], judged["They drank the pub dry."]) == cola.classes
    worst = [row["label"] for row in table(sst2, sst2.train).to_pylist() if "worst" in row["sentence"].split()]
    assert len(worst) > 100
    assert sst2.classes[round(sum(worst) / len(worst))] == "negative"


@pytest.fixture(scope="module")
def tokenizer() -> Any:
    transformers = pytest.importorskip("transformers", reason="counting tokens needs a tokenizer")
    folder = MIRROR / "google-bert" / "bert-base-uncased"
    if not folder.is_dir():
        pytest.skip("needs BERT's vocabulary beside the checkout, in ../shared/hub-mirror")
    return transformers.AutoTokenizer.from_pretrained(str(folder), local_files_only=True)


@pytest.mark.parametrize("name", ["cola", "mrpc", "rte", "stsb", "wnli"])
def test_tokens_and_padding_were_counted_on_the_text(name: str, tokenizer: Any) -> None:
    task = FINE_TUNED[name]
    assert task.counted
    recipe = protocol_of(BASELINES, "paper", task, "teacher").recipe
    columns = [table(task, task.train)[column].to_pylist() for column in task.columns]
    lengths = [len(ids) for ids in tokenizer(*columns, truncation=True, max_length=recipe.max_length)["input_ids"]]
    assert task.tokens == pytest.approx(sum(lengths) / len(lengths), rel=0.02)
    random.Random(1).shuffle(lengths)
    batches = [lengths[i : i + recipe.batch_size] for i in range(0, len(lengths), recipe.batch_size)]
    padded = sum(max(batch) * len(batch) for batch in batches)
    assert task.padded == pytest.approx(padded / sum(lengths), rel=0.10)


def test_what_the_mirror_lacks_was_not_counted() -> None:
    assert {name for name, task in FINE_TUNED.items() if not task.counted} == {"mnli", "qnli", "qqp"}
    assert all(task.tokens > 5 and task.padded > 1 for task in FINE_TUNED.values())
