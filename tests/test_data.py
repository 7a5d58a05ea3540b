"""measure.finetuning.data: rows are what the table of tasks says they are, or there is one sentence about it."""

import math
import os
import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from judge.files import Mistake
from measure.store import Store
from measure.tasks import TASKS, FineTuned, Split
from tests.finetuned import MIRROR, job
from tests.madedata import made_rows, miniature, write_split, write_task

datasets = pytest.importorskip("datasets", reason="rows are read with datasets")
pytest.importorskip("torch", reason="jobs are made of models")

import pyarrow  # noqa: E402
from pyarrow import parquet  # noqa: E402

from measure.finetuning.data import load_rows  # noqa: E402
from measure.finetuning.features import rows_of, tokens_of  # noqa: E402
from measure.finetuning.pretrained import load_tokenizer  # noqa: E402

Rows = list[dict[str, Any]]


def small(name: str, rows: int = 20) -> FineTuned:
    """A task as it is, but for the number of its rows."""
    task = TASKS[name]
    return replace(task, evaluation=tuple(replace(split, rows=rows) for split in task.evaluation))


def written(tmp_path: Path, task: FineTuned, change: Callable[[Rows], object] = lambda _: None) -> tuple[Split, Path]:
    """An evaluation split of made rows, which were changed before they were written."""
    split = task.evaluation[0]
    rows = list(made_rows(task, split.rows, "a"))
    change(rows)
    return split, write_split(tmp_path, task, split, rows)


def complaint(task: FineTuned, split: Split, *files: Path) -> str:
    with pytest.raises(Mistake) as mistake:
        load_rows(task, split, files)
    said = str(mistake.value)
    assert "\n" not in said
    assert all(word in said for word in (task.dataset, task.config, split.name, "download"))
    assert said.endswith(".")
    return said


@pytest.mark.parametrize("name", TASKS)
def test_rows_come_with_the_columns_of_the_task_and_no_others(name: str, tmp_path: Path) -> None:
    task = small(name)
    split, path = written(tmp_path, task)
    rows = load_rows(task, split, [path])
    assert rows.column_names == list(task.needed)
    assert len(rows) == 20
    expected = list(made_rows(task, 20, "a"))
    assert rows[3] == {name: expected[3][name] for name in task.needed}


@pytest.mark.parametrize(
    ("limit", "kept"),
    [(0, []), (1, [0]), (3, [0, 6, 13]), (19, range(19)), (20, range(20)), (50, range(20)), (None, range(20))],
)
def test_a_limit_keeps_rows_of_all_parts_of_a_split_that_was_whole(
    limit: int | None, kept: Sequence[int], tmp_path: Path
) -> None:
    task = small("rte")
    split, path = written(tmp_path, task)
    texts = [row["sentence1"] for row in made_rows(task, 20, "a")]
    assert load_rows(task, split, [path], limit)["sentence1"][:] == [texts[index] for index in kept]
    with pytest.raises(Mistake, match=r"\b20\b.*\b277\b"):
        load_rows(TASKS["rte"], TASKS["rte"].evaluation[0], [path], limit)


def test_a_thousand_rows_are_not_all_of_mnli(tmp_path: Path) -> None:
    task = TASKS["mnli"]
    split = task.evaluation[0]
    path = write_split(tmp_path, task, split, list(made_rows(task, 1000, "a")))
    said = complaint(task, split, path)
    assert all(word in said for word in ("validation_matched", "1,000", "9,815"))


@pytest.mark.parametrize(("name", "column"), [("rte", "sentence2"), ("rte", "label"), ("squad", "answers")])
def test_a_missing_column_is_named_beside_those_that_are_there(name: str, column: str, tmp_path: Path) -> None:
    task = small(name)
    said = complaint(task, *written(tmp_path, task, lambda rows: [row.pop(column) for row in rows]))
    there = ", ".join(key for key in next(made_rows(task, 1, "a")) if key != column)
    assert repr(column) in said
    assert there in said


@pytest.mark.parametrize(
    ("name", "label", "words"),
    [
        ("rte", -1, ("unlabelled", "RTE", "0", "1")),
        ("rte", None, ("unlabelled", "RTE", "0", "1")),
        ("rte", 7, ("label 7", "RTE", "0", "1")),
        ("rte", 2, ("label 2", "RTE", "0", "1")),
        ("mnli", 3, ("label 3", "MNLI", "0", "2")),
        ("stsb", 5.1, ("label 5.1", "STS-B", "0.0", "5.0")),
        ("stsb", -0.5, ("label -0.5", "STS-B", "0.0", "5.0")),
        ("stsb", -1.0, ("unlabelled", "STS-B", "0.0", "5.0")),
        ("stsb", math.nan, ("label nan", "STS-B", "0.0", "5.0")),
        ("stsb", math.inf, ("label inf", "STS-B", "0.0", "5.0")),
        ("stsb", None, ("unlabelled", "STS-B", "0.0", "5.0")),
    ],
)
def test_one_label_that_cannot_be_is_enough(name: str, label: Any, words: tuple[str, ...], tmp_path: Path) -> None:
    task = small(name)
    said = complaint(task, *written(tmp_path, task, lambda rows: rows[13].update(label=label)))
    assert all(word in said for word in words), said


@pytest.mark.parametrize(
    ("name", "kind", "said"),
    [
        ("rte", float, r"\b0\.0\b"),
        ("rte", bool, r"\bFalse\b"),
        ("rte", str, r"'0'"),
        ("stsb", int, r"\b0\b(?!\.\d)"),
    ],
)
def test_labels_are_of_the_type_that_the_loss_takes(name: str, kind: Any, said: str, tmp_path: Path) -> None:
    task = small(name)
    path = written(tmp_path, task, lambda rows: [row.update(label=kind(row["label"])) for row in rows])
    assert re.search(said, complaint(task, *path))


@pytest.mark.parametrize(
    ("classes", "whole"),
    [(("entailment", "not_entailment"), True), (("not_entailment", "entailment"), False), (("0", "1"), False)],
)
def test_classes_named_in_the_file_are_in_the_tasks_order(classes: Any, whole: bool, tmp_path: Path) -> None:
    task = small("rte")
    split, path = written(tmp_path, task)
    rows = datasets.Dataset(parquet.read_table(path))
    rows.cast_column("label", datasets.ClassLabel(names=list(classes))).to_parquet(path)
    if whole:
        assert load_rows(task, split, [path]).features["label"].names == list(classes)
    else:
        said = complaint(task, split, path)
        assert ", ".join(classes) in said
        assert "entailment, not_entailment" in said


@pytest.mark.parametrize(
    ("text", "words"),
    [(None, ("'sentence2'", " 1 ")), (5, ("'sentence2'", "int64"))],
)
def test_a_text_that_is_none_is_refused(text: Any, words: tuple[str, ...], tmp_path: Path) -> None:
    task = small("rte")

    def change(rows: Rows) -> None:
        for row in rows if text == 5 else rows[:1]:
            row["sentence2"] = text

    said = complaint(task, *written(tmp_path, task, change))
    assert all(word in said for word in words), said


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-30])


@pytest.mark.parametrize(
    "damage",
    [
        cut,
        lambda path: path.write_bytes(b""),
        lambda path: path.write_text("<html>not found</html>" * 10),
        lambda path: path.write_bytes(path.read_bytes()[:4] + bytes(200) + path.read_bytes()[204:]),
        Path.unlink,
    ],
    ids=["cut short", "empty", "a web page", "zeroes in it", "gone"],
)
def test_a_file_that_cannot_be_read_is_named(damage: Callable[[Path], Any], tmp_path: Path) -> None:
    task = small("rte", 400)
    split, path = written(tmp_path, task)
    damage(path)
    assert str(path) in complaint(task, split, path)


def in_shards(folder: Path, rows: Rows, sizes: list[int]) -> list[Path]:
    paths, start = [], 0
    for number, size in enumerate(sizes):
        paths.append(folder / f"validation-{number:05d}-of-{len(sizes):05d}.parquet")
        parquet.write_table(pyarrow.Table.from_pylist(rows[start : start + size]), paths[-1])
        start += size
    return paths


def test_several_files_are_one_split_in_their_order(tmp_path: Path) -> None:
    task = small("rte")
    rows = list(made_rows(task, 20, "a"))
    paths = in_shards(tmp_path, rows, [7, 1, 12])
    assert load_rows(task, task.evaluation[0], paths)["sentence1"][:] == [row["sentence1"] for row in rows]
    assert load_rows(task, task.evaluation[0], paths, 10)["sentence1"][:] == [row["sentence1"] for row in rows[::2]]
    assert re.search(r"\b8\b.*\b20\b", complaint(task, task.evaluation[0], *paths[:2]))
    cut(paths[1])
    assert str(paths[1]) in complaint(task, task.evaluation[0], *paths)
    assert "files" in complaint(task, task.evaluation[0])


def test_files_of_one_split_have_the_same_columns(tmp_path: Path) -> None:
    task = small("rte")
    rows = list(made_rows(task, 20, "a"))
    for row in rows[10:]:
        row["label"] = float(row["label"])
    said = complaint(task, task.evaluation[0], *in_shards(tmp_path, rows, [10, 10]))
    assert "columns" in said


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "cache")


def made_job(tmp_path: Path, name: str = "wnli") -> Any:
    """A job on made rows of a small task, and of a miniature model."""
    mirror = tmp_path / "mirror"
    write_task(mirror, name)
    return job(name, miniature(tmp_path / "model"), mirror, max_length=32)


BROKEN: dict[str, tuple[Callable[[Rows], object], str]] = {
    "missing column": (lambda rows: [row.pop("sentence2") for row in rows], "column 'sentence2'"),
    "unseen label": (lambda rows: rows[5].update(label=-1), "unlabelled"),
    "too few rows": (lambda rows: rows.pop(), r"\b634\b.*\b635\b"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_what_is_wrong_with_rows_is_said_of_a_jobs_rows_and_of_its_tokens(
    name: str, store: Store, tmp_path: Path
) -> None:
    change, said = BROKEN[name]
    made = made_job(tmp_path)
    rows = list(made_rows(made.task, made.task.train.rows, "train"))
    change(rows)
    write_split(tmp_path / "mirror", made.task, made.task.train, rows)
    tokenizer = load_tokenizer(made.model)
    for _ in range(2):  # nothing of it was kept
        with pytest.raises(Mistake, match=said):
            rows_of(made, made.task.train, store)
        with pytest.raises(Mistake, match=said):
            tokens_of(made, made.task.train, tokenizer, store, training=True)
    assert len(rows_of(made, made.task.evaluation[0], store)) == 71
    assert list((store.folder / "temporary").iterdir()) == []


def test_rows_are_those_of_the_files_and_not_of_files_that_had_their_name_and_time(
    store: Store, tmp_path: Path
) -> None:
    made = made_job(tmp_path)
    train = made.task.train
    path = dict(made.data.paths)["train-00000"]
    first = rows_of(made, train, store)["sentence1"][:]
    before = path.stat()
    write_split(tmp_path / "mirror", made.task, train, list(made_rows(made.task, train.rows, "others")))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    again = job("wnli", str(tmp_path / "model"), tmp_path / "mirror", max_length=32)
    assert again.key != made.key
    assert rows_of(again, train, store)["sentence1"][:] != first


def test_rows_that_are_kept_are_verified_and_read_again_where_they_are_damaged(store: Store, tmp_path: Path) -> None:
    made = made_job(tmp_path)
    train = made.task.train
    whole = rows_of(made, train, store)[:]
    [kept] = (store.folder / "features").glob("*.arrow")
    content = bytearray(kept.read_bytes())
    content[len(content) // 2] ^= 1
    kept.write_bytes(content)
    assert rows_of(made, train, store)[:] == whole
    made.data.paths[0][1].unlink()
    assert rows_of(made, train, store)[:] == whole


@pytest.mark.parametrize("name", ["rte", "stsb", "cola", "mrpc", "wnli", "squad"])
def test_the_published_rows_pass_their_own_check(name: str) -> None:
    if not MIRROR.is_dir():
        pytest.skip("needs the published rows beside the checkout, in ../shared/hub-mirror")
    task = TASKS[name]
    for split in task.splits:
        path = MIRROR / task.dataset / task.config / f"{split.name}-00000-of-00001.parquet"
        assert len(load_rows(task, split, [path])) == split.rows
