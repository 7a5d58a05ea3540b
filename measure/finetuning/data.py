"""Rows of a task's split, checked against what it must hold: a truncated download is an error and no lower score."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import datasets
from pyarrow import parquet, types

from judge.files import Mistake, first_line
from measure.tasks import FineTuned, Split

# STS-B's similarity runs from 0 to 5.
SIMILARITY = (0.0, 5.0)


def load_rows(task: FineTuned, split: Split, files: Iterable[Path], limit: int | None = None) -> Any:
    """The rows of a split as a `datasets.Dataset` in memory, with the task's columns only.

    The files are read themselves: the library's cache knows them by name and time, and would go on giving the rows of
    a file that was replaced by another.

    Args:
        task: which columns and labels there must be.
        split: how many rows there must be.
        files: its parquet files, in order.
        limit: how many rows to keep, evenly spread over the split; None for all.

    Raises:
        Mistake: a file cannot be read, a column is missing or of another kind, the number of rows is not the official
            one, a text is missing, or a label is none of the task's.
    """
    where = f"{task.dataset} ({task.config}, {split.name})"
    rows = _joined([_read(path, where) for path in files], where)
    missing = [name for name in task.needed if name not in rows.column_names]
    if missing:
        raise Mistake(f"{where} has no column {missing[0]!r}, only {', '.join(rows.column_names)}: download it again.")
    if len(rows) != split.rows:
        raise Mistake(f"{where} has {len(rows):,} rows and the official one {split.rows:,}: download it again.")
    rows = rows.select_columns(list(task.needed))
    _check_texts(rows, task, where)
    if task.kind != "question answering":
        _check_labels(rows, task, where)
    if limit is None or limit >= len(rows):
        return rows
    # Evenly spread: IMDb's first 12,500 reviews are all negative.
    return rows.select([index * len(rows) // limit for index in range(limit)])


def _read(path: Path, where: str) -> Any:
    try:
        # With a name of its own: the library would make one from all of the content.
        return datasets.Dataset(parquet.read_table(path), fingerprint=path.name)
    except Exception as error:  # pyarrow's and the library's own, which differ from version to version
        raise Mistake(f"{where} cannot be read from {path} ({first_line(error)}): download it again.") from None


def _joined(parts: list[Any], where: str) -> Any:
    """The rows of several files as those of one."""
    if not parts:
        raise Mistake(f"{where} has no files: download it again.")
    if any(part.features != parts[0].features for part in parts):
        raise Mistake(f"{where} has files whose columns differ: download them again.")
    return datasets.concatenate_datasets(parts)


def _check_texts(rows: Any, task: FineTuned, where: str) -> None:
    for name in task.columns:
        column = rows.data.column(name)
        if not (types.is_string(column.type) or types.is_large_string(column.type)):
            raise Mistake(f"{where} has {column.type} in the column {name!r}, not text: download it again.")
        if column.null_count:
            raise Mistake(f"{where} has no text in {name!r} in {column.null_count:,} of its rows: download it again.")


def _check_labels(rows: Any, task: FineTuned, where: str) -> None:
    """Every label is one of the task's, in the task's order where the file names its classes."""
    names = getattr(rows.features["label"], "names", None)
    if names is not None and task.classes and tuple(names) != task.classes:
        raise Mistake(f"{where} has the labels {', '.join(names)}, not {', '.join(task.classes)}: download it again.")
    low, high = SIMILARITY if task.kind == "regression" else (0, len(task.classes) - 1)
    column = rows.data.column("label")
    for value in sorted(set(column.to_pylist()), key=str):
        # 1.0 is no class and 1 no similarity: what a loss makes of labels depends on their type.
        if type(value) is not type(low) or not low <= value <= high:
            what = "unlabelled rows" if value in (-1, None) else f"the label {value!r}"
            raise Mistake(f"{where} has {what}, and {task.label} has labels from {low} to {high}: download it again.")
