"""The folder of a finished fine-tuning job: its record, its predictions, its checkpoint, and their digests.

result.json           scores, what produced them, and the SHA-256 of every file beside it
predictions.json.gz   what the model said of every example, by split
checkpoint/           weights as safetensors, configuration and tokenizer, if they are kept
"""

import contextlib
import gzip
import hashlib
import json
import os
import shutil
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, ValidationError, field_validator

from judge.claims import Text
from judge.evidence import Host, Plain
from judge.files import Mistake, Record, pretty
from measure.recipe import steps_of

# 2 came with `rows`. Records of schema 1 do not say how many steps there had to be, so their jobs are run again.
SCHEMA = 2
RESULT, PREDICTIONS, CHECKPOINT = "result.json", "predictions.json.gz", "checkpoint"
# Never stored: they are pickles, which can run code when they are read.
PICKLES = {".bin", ".pt", ".pth", ".pkl", ".pickle", ".ckpt"}


class Damaged(Exception):
    """A stored file is not what was stored; the message says which and how, as a part of a sentence."""


class Provenance(Record):
    """Where and how a job ran.

    `created` is the ISO 8601 time at which it ended, `duration_s` is in seconds, `rows` are training examples (windows
    where questions are answered), `steps` are optimiser steps, `micro_batch` is in examples, `peak_memory_gib` is the
    accelerator's, None on a CPU.
    """

    host: Host
    versions: dict[str, str]
    suite_version: Text
    commit: str | None = None
    created: Text
    duration_s: float
    rows: int
    steps: int
    micro_batch: int
    device: Text
    peak_memory_gib: float | None = None
    notes: tuple[str, ...] = ()

    @field_validator("created")
    @classmethod
    def _is_a_time(cls, text: str) -> str:
        try:
            datetime.fromisoformat(text)
        except ValueError:
            raise ValueError(f"{text!r} is no ISO 8601 time") from None
        return text

    @property
    def when(self) -> datetime:
        """The time at which the job ended, with its zone; UTC where none was written."""
        time = datetime.fromisoformat(self.created)
        return time if time.tzinfo else time.replace(tzinfo=UTC)


class Result(Record):
    """The record of a finished job.

    `key` stands for everything that the job's outcome depends on, `family` for all of that but the seed. `job` says
    the same for readers, as `recipe.learning_rate`. `metrics` are fractions by quantity; one that is not finite is
    stored as it is, for the judge to report. `examples` is how many examples each was computed from, `splits` how many
    predictions each split has. `constant` says that nearly all predictions were the same. `files` are the SHA-256 of
    what was stored beside the record, by relative name, also of a checkpoint that was dropped since. `digest` is the
    SHA-256 of the record without it.
    """

    schema_: Annotated[int, Field(alias="schema")]
    key: Text
    family: Text
    job: dict[str, Plain]
    metrics: dict[str, float]
    examples: dict[str, int]
    constant: bool
    splits: dict[str, int]
    provenance: Provenance
    files: dict[str, str] = {}
    digest: str = ""


def check_steps(result: Result) -> None:
    """Hold the steps of a job against its recipe: with fewer it has not seen all of the data that it was to learn from.

    Raises:
        Damaged: it took another number of optimiser steps than the recipe gives, or its record does not say what that
            is.
    """
    batch, epochs = (result.job.get(f"recipe.{name}") for name in ("batch_size", "epochs"))
    rows, steps = result.provenance.rows, result.provenance.steps
    if not (type(batch) is int and batch > 0 and type(epochs) is int):
        raise Damaged("its record lacks recipe.batch_size or recipe.epochs")
    if steps != (expected := steps_of(rows, batch, epochs)):
        raise Damaged(
            f"it took {steps:,} steps, and {rows:,} examples in batches of {batch} for {epochs} epochs are {expected:,}"
        )


def write_folder(
    folder: Path,
    result: Result,
    predictions: Mapping[str, Sequence[Any]],
    checkpoint: Path | None,
    work: Path | None = None,
) -> Result:
    """Write a job's files into an empty folder, on the disk for good when this returns, and return its whole record.

    Files of the checkpoint that lie in `work`, which is about to be removed, are linked rather than copied.

    Raises:
        OSError: the disk is full, or a file cannot be read or written.
        ValueError: the checkpoint has no files.
    """
    text = json.dumps({split: list(rows) for split, rows in predictions.items()})
    # Without a time in it, equal predictions are equal files.
    _write(folder / PREDICTIONS, gzip.compress(text.encode(), mtime=0))
    names = [PREDICTIONS]
    if checkpoint is not None:
        sources = [path for path in _files(checkpoint) if path.suffix not in PICKLES]
        if not sources:
            raise ValueError(f"{checkpoint} has no files: it is no checkpoint")
        for source in sources:
            names.append(f"{CHECKPOINT}/{source.relative_to(checkpoint).as_posix()}")
            _copy(source, folder / names[-1], work)
    files = {name: _digest_of(folder / name, flush=True) for name in names}
    whole = result.model_copy(update={"files": files, "digest": ""})
    whole = whole.model_copy(update={"digest": _digest(json.loads(pretty(whole)))})
    _write(folder / RESULT, pretty(whole).encode())
    _digest_of(folder / RESULT, flush=True)
    for path in (folder, *(path for path in folder.rglob("*") if path.is_dir())):
        flush_folder(path)
    return whole


def read_result(folder: Path) -> Result:
    """The record in a job's folder.

    Raises:
        Damaged: it is not what was stored, by so much as a digit, is another job's than the folder is named after, or
            is of a job that did not take the steps of its recipe.
        Mistake: it is whole, and of a newer schema than this suite's.
    """
    content = _read(folder / RESULT)
    raw = _parsed(content)
    # Before anything is understood of it, and over what is written rather than over what this version of the suite
    # knows of it: so a newer record is told from a damaged one.
    if raw.get("digest") != _digest(raw):
        raise Damaged(f"{RESULT} does not have the digest that it records")
    schema = raw.get("schema")
    if isinstance(schema, int) and schema < SCHEMA:
        raise Damaged(f"{RESULT} has schema {schema}, which does not say how many steps the job had to take")
    if isinstance(schema, int) and schema > SCHEMA:
        raise Mistake(
            f"{folder / RESULT} has schema {schema}, and this suite reads up to {SCHEMA}: update the suite, or give "
            "another folder with --cache."
        )
    try:
        result = Result.model_validate_json(content)
    except ValidationError:
        raise Damaged(f"{RESULT} is no record of this suite's") from None
    if result.key != folder.name:
        raise Damaged(f"{RESULT} is the record of job {result.key}")
    check_steps(result)
    return result


def read_predictions(folder: Path, result: Result) -> bytes:
    """The compressed predictions in a job's folder. Raises Damaged where they are not those that were stored."""
    content = _read(folder / PREDICTIONS)
    if hashlib.sha256(content).hexdigest() != result.files.get(PREDICTIONS):
        raise Damaged(f"{PREDICTIONS} is not what was stored")
    return content


def verify_checkpoint(folder: Path, result: Result) -> None:
    """Read every file of the checkpoint in a job's folder.

    Raises:
        Damaged: one is not what was stored, is missing, or was added: what loads a checkpoint might take it up.
    """
    stored = {name: digest for name, digest in result.files.items() if name != PREDICTIONS}
    found = {path.relative_to(folder).as_posix(): path for path in _files(folder / CHECKPOINT)}
    for name in sorted(stored.keys() ^ found.keys()):
        raise Damaged(f"{name} {'is missing' if name in stored else 'was not stored with it'}")
    for name, path in found.items():
        try:
            same = _digest_of(path) == stored[name]
        except OSError as error:
            raise Damaged(f"{name} cannot be read: {error.strerror}") from None
        if not same:
            raise Damaged(f"{name} is not what was stored")


def flush_folder(folder: Path) -> None:
    """Have the names in a folder on the disk for good, where the system can: a power cut then loses none of them."""
    with contextlib.suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def _files(folder: Path) -> Iterable[Path]:
    return sorted(path for path in folder.rglob("*") if not path.is_dir())


def _write(path: Path, content: bytes) -> None:
    with path.open("xb") as file:
        file.write(content)


def _copy(source: Path, target: Path, work: Path | None) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    source = source.resolve()
    if work is not None and source.is_relative_to(work.resolve()):
        # A second name for the same bytes costs nothing, and the job's work is still whole if storing it fails.
        with contextlib.suppress(OSError):
            target.hardlink_to(source)
            return
    shutil.copyfile(source, target)


def _digest_of(path: Path, *, flush: bool = False) -> str:
    """SHA-256 of a file; with `flush` its content is on the disk for good."""
    with path.open("rb") as file:
        if flush:
            os.fsync(file.fileno())
        return hashlib.file_digest(file, "sha256").hexdigest()


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise Damaged(f"{path.name} cannot be read: {error.strerror}") from None


def _parsed(content: bytes) -> dict[str, Any]:
    try:
        raw = json.loads(content)
    except (ValueError, RecursionError):
        raise Damaged(f"{RESULT} is not JSON") from None
    if not isinstance(raw, dict):
        raise Damaged(f"{RESULT} is no record of this suite's")
    return raw


def _digest(raw: Mapping[str, Any]) -> str:
    """SHA-256 of a record's canonical JSON: its keys sorted, its own digest left out."""
    text = json.dumps({name: value for name, value in raw.items() if name != "digest"}, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()
