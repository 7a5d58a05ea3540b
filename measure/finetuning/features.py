"""Rows of a task and their tokens, made once for every model with the same tokenizer and kept in the store."""

import hashlib
import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import datasets

from judge.files import Mistake, write
from measure.cachefolder import erase
from measure.finetuning.data import load_rows
from measure.finetuning.windows import evaluation_windows, training_windows
from measure.hub import digest_of
from measure.identity import tokenizer_form
from measure.jobs import Job
from measure.store import Store
from measure.tasks import Split

# How many rows are tokenised at a time: what bounds the memory that it takes.
ROWS_AT_A_TIME = 1000
# Raised when a change of this suite changes the tokens.
FORM = 1


def rows_of(job: Job, split: Split, store: Store) -> Any:
    """The rows of a split, checked, as a memory-mapped `datasets.Dataset`. Raises Mistake as `load_rows` does."""

    def make(path: Path) -> None:
        files = [path for name, path in job.data.paths if name.startswith(f"{split.name}-")]
        rows = load_rows(job.task, split, files, job.limit)
        rows.flatten_indices(cache_file_name=str(path), new_fingerprint=name)

    name = _named({"rows": FORM, "task": job.task.name, "data": [job.data.digest, split.name, job.limit]})
    return datasets.Dataset.from_file(str(_kept(store, name, f"the rows of {job.task.label}", make)))


def tokens_of(job: Job, split: Split, tokenizer: Any, store: Store, *, training: bool) -> Any:
    """Tokenise a split, or take the tokens from the store; nothing is padded.

    Args:
        job: its task, recipe and data.
        split: which rows.
        tokenizer: a fast tokenizer.
        store: where tokens are kept.
        training: with labels, or with start and end positions of the answer; else with what scoring needs.

    Returns:
        A memory-mapped `datasets.Dataset` with `input_ids`, `token_type_ids`, and `labels` or what an answer needs.

    Raises:
        Mistake: the rows are not what they must be, or the store cannot be written to.
    """
    facts = {
        "form": FORM,
        "tokenizer": tokenizer_form(tokenizer),
        "task": job.task.name,
        "data": [job.data.digest, split.name, job.limit],
        "training": training,
        "lengths": [job.protocol.recipe.max_length, job.protocol.recipe.doc_stride],
    }
    name = _named(facts)

    def make(path: Path) -> None:
        rows = rows_of(job, split, store)
        rows.map(
            _function(job, tokenizer, training),
            batched=True,
            batch_size=ROWS_AT_A_TIME,
            remove_columns=rows.column_names,
            cache_file_name=str(path),
            load_from_cache_file=False,
            new_fingerprint=name,
        )

    return datasets.Dataset.from_file(str(_kept(store, name, f"the tokens of {job.task.label}", make)))


def _named(facts: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:32]


def _kept(store: Store, name: str, what: str, make: Callable[[Path], None]) -> Path:
    """The file of that name in the store: made once, whoever asks, and made again where it is not what was made."""
    folder = store.folder / "features"
    path, digest = folder / f"{name}.arrow", folder / f"{name}.sha256"
    key = f"features-{name}"
    with store.lock(key, what), store.writing():
        if not _whole(path, digest):
            draft = store.temporary(key)  # which the store tidies up after a process that was killed
            draft.mkdir()
            try:
                make(draft / path.name)
                write(digest, digest_of([(name, draft / path.name)]) + "\n")
                (draft / path.name).replace(path)
            except Exception as error:
                raise _first(error) from None
            finally:
                erase(draft)
    return path


def _first(error: BaseException) -> BaseException:
    """The system's error under this one, if any: where a disk is full, `datasets` fails again as it closes the file."""
    under: BaseException | None = error
    while under is not None and not isinstance(under, Mistake | OSError):
        under = under.__cause__ or under.__context__
    return under or error


def _whole(path: Path, digest: Path) -> bool:
    try:
        return digest.read_text(encoding="ascii").strip() == digest_of([(path.stem, path)])
    except (OSError, ValueError):
        return False


def _function(job: Job, tokenizer: Any, training: bool) -> Callable[[Any], Any]:
    recipe = job.protocol.recipe
    if job.task.kind == "question answering":
        windows = training_windows if training else evaluation_windows
        return partial(windows, tokenizer=tokenizer, max_length=recipe.max_length, doc_stride=recipe.doc_stride or 0)
    return partial(_encode, columns=job.task.columns, tokenizer=tokenizer, max_length=recipe.max_length)


def _encode(rows: Any, columns: tuple[str, ...], tokenizer: Any, max_length: int) -> dict[str, list[Any]]:
    """Tokens of sentences or pairs of them, the longer one of a pair cut first, and the labels."""
    encoded = tokenizer(
        *[rows[column] for column in columns],
        truncation=True,
        max_length=max_length,
        padding=False,
        return_attention_mask=False,
        return_token_type_ids=True,  # also where the model has none, so that both models share the tokens
    )
    return {
        "input_ids": encoded["input_ids"],
        "token_type_ids": encoded["token_type_ids"],
        "labels": rows["label"],
    }
