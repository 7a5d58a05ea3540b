"""Recorded measurements: the records of an evidence file. Raw values per seed, never a mean."""

import hashlib
import json
import re
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, model_validator

from judge.claims import Role, Text
from judge.files import Mistake, Record, contents, json_files, pretty, read, write
from judge.machine import machine
from judge.paths import one_spelling
from judge.statistics import Pair

# 2 came with digests. A file of schema 1 is still read: it was recorded before there were any.
SCHEMA, SCHEMA_WITHOUT_DIGESTS = 2, 1
# Enough letters to tell the measurements of a file apart; the digest over all of them is whole.
LETTERS = 16
Plain = int | float | str | bool | None
# What makes times of the same models different measurements.
SETTING = ("device", "batch", "threads", "tokenisation")


class Host(Record):
    """The machine that measured. `memory` is in GiB; what is not known is left out."""

    name: str | None = None
    cpu: str | None = None
    cores: int | None = None
    gpu: str | None = None
    driver: str | None = None
    memory: float | None = None


class Model(Record):
    """Which model: its role in the claim, its hub id or folder, and its revision or the digest of its files."""

    role: Role
    id: Text
    revision: str | None = None
    digest: str | None = None
    config: dict[str, Plain] = {}
    note: str | None = None

    @property
    def name(self) -> str:
        """Its id as it is compared with others."""
        return one_spelling(self.id)

    @property
    def identity(self) -> tuple[str, str, str]:
        """What makes it this model and no other."""
        return self.role, self.name, self.digest or self.revision or ""

    @property
    def casing(self) -> str | None:
        """Whether it is a cased or an uncased model, as far as its id says so."""
        found = re.search(r"(?:^|[^a-z])(un)?cased(?:$|[^a-z])", self.id.lower())
        return f"{found[1] or ''}cased" if found else None


class Dataset(Record):
    """Which examples: hub id, configuration, revision or digest, split, and how many of them were scored."""

    id: Text
    config: str | None = None
    revision: str | None = None
    digest: str | None = None
    split: Text
    examples: Annotated[int, Field(gt=0)]


class RecipeUsed(Record):
    """The recipe's name and every value that was used."""

    name: Text
    values: dict[str, Plain] = {}


class Measurement(Record):
    """One quantity of one model: a value per seed, or interleaved pairs of seconds against another model.

    `unit` is fraction (0 to 1), percent, seconds, parameters, or a word of the quantity's own. `seeds` names the seed
    of each value and is empty for what needs none. `planned` are the seeds fixed before the run; `look` is 2 when
    seeds were added after a first verdict. `constant` are the seeds of which at least 99 % of the predictions were the
    same; None where predictions are not on record.
    `pairs` are (which model ran first, teacher's seconds, student's seconds), then `versus` is the teacher.
    """

    quantity: Text
    model: Model
    versus: Model | None = None
    dataset: Dataset | None = None
    recipe: RecipeUsed | None = None
    engine: str | None = None
    precision: str | None = None
    unit: Text
    values: tuple[float, ...] = ()
    seeds: tuple[int, ...] = ()
    pairs: tuple[Pair, ...] = ()
    launch: int = 0
    planned: tuple[int, ...] = ()
    look: Literal[1, 2] = 1
    constant: tuple[int, ...] | None = None
    how: dict[str, Plain] = {}
    duration_s: float | None = None
    note: str | None = None

    @property
    def models(self) -> tuple[Model, ...]:
        """The model that was measured, and the one that it was timed against."""
        return (self.model, self.versus) if self.versus else (self.model,)

    @model_validator(mode="after")
    def _whole(self) -> "Measurement":
        if bool(self.values) == bool(self.pairs):
            raise ValueError("exactly one of 'values' and 'pairs' must hold numbers")
        if self.seeds and len(self.seeds) != len(self.values):
            raise ValueError(f"{len(self.values)} values have {len(self.seeds)} seeds: give one seed for each value")
        if len(set(self.seeds)) != len(self.seeds):
            raise ValueError("a seed occurs twice: each seed is one run")
        if not self.seeds and len(self.values) > 1:
            raise ValueError("several values need a seed each")
        if (self.versus is not None) != bool(self.pairs):
            raise ValueError("'pairs' and 'versus' go together")
        return self

    def group(self, host: Host) -> str:
        """Everything but the seed that makes this the measurement it is, as one comparable text."""
        parts = {
            "quantity": self.quantity,
            "model": self.model.identity,
            "versus": self.versus.identity if self.versus else None,
            "data": self.dataset.model_dump() if self.dataset else None,
            "recipe": self.recipe.model_dump() if self.recipe else None,
            "engine": self.engine,
            "precision": self.precision,
            "host": host.model_dump(),
            "setting": [self.how.get(name) for name in SETTING] if self.pairs else None,
        }
        return json.dumps(parts, sort_keys=True)


class Evidence(Record):
    """A file of evidence/: what one run measured, on what, with which versions."""

    schema_: Annotated[int, Field(alias="schema")]
    suite_version: Text
    commit: str | None = None
    created: Text
    about: str | None = None
    host: Host
    versions: dict[str, str] = {}
    measurements: tuple[Measurement, ...]

    @property
    def machine(self) -> str:
        """The machine that measured, in words."""
        return machine(self.host.model_dump(exclude_none=True))


class Stored(Evidence):
    """Evidence as its file holds it: with the digest of its measurements, and the first letters of each one's own.

    The first says that something was edited, the second which measurement. Both are made of what was measured, not of
    the file's bytes, so that a file may be indented anew. They find slips, not forgers: whoever edits a number on
    purpose can write a new digest too.
    """

    digest: str = ""
    digests: tuple[str, ...] = ()

    @property
    def digested(self) -> bool:
        """Whether it holds any digest; a file written by hand has none."""
        return bool(self.digest or self.digests)


def read_evidence(path: Path) -> Evidence:
    """Read and validate an evidence file, and hold its measurements against their digests.

    Raises:
        Mistake: it is missing, not JSON, of a newer schema, a record in it is not whole, or one was edited since.
    """
    stored = read(Stored, path, schema=SCHEMA)
    if stored.digested:
        _verify(path, stored)
    elif stored.schema_ > SCHEMA_WITHOUT_DIGESTS:
        raise Mistake(
            f"{path} has no digests, by which an edited number is noticed: if it was written by hand, have them added "
            f"with `python -m report check --write-digests {shlex.quote(str(path))}`."
        )
    return Evidence.model_construct(**{name: getattr(stored, name) for name in Evidence.model_fields})


def evidence_files(given: Sequence[Path]) -> list[Path]:
    """The files given, and those of every folder given: its .json files in the order of their names, no hidden ones.

    Raises:
        Mistake: a folder holds none, or cannot be read.
    """
    files: list[Path] = []
    for path in given:
        if not path.is_dir():
            files.append(path)
            continue
        try:
            inside = json_files(path)
        except OSError as error:
            raise Mistake(f"{path} cannot be read ({error.strerror}): give a folder of evidence files.") from None
        if not inside:
            raise Mistake(f"{path} is a folder without a .json file: give one that holds evidence.")
        files += inside
    return files


def holds_evidence(folder: Path) -> Path | None:
    """The first evidence file in a folder; None if it has none or cannot be read."""
    try:
        inside = json_files(folder) if folder.is_dir() else []
    except OSError:
        return None
    return next((path for path in inside if "evidence" in (contents(path) or ())), None)


def write_evidence(path: Path, evidence: Evidence) -> None:
    """Write an evidence file with its digests in one rename. Raises Mistake where that cannot be."""
    fields = {name: getattr(evidence, name) for name in Evidence.model_fields} | {"schema_": SCHEMA}
    each = tuple(_digest(measurement) for measurement in evidence.measurements)
    write(path, pretty(Stored.model_construct(**fields, digest=digest(evidence), digests=each)))


def write_digests(path: Path) -> bool:
    """Write digests into an evidence file that has none; False where it has them already.

    Raises:
        Mistake: it cannot be read, its digests are others than its measurements', or it cannot be written.
    """
    stored = read(Stored, path, schema=SCHEMA)
    if stored.digested:
        _verify(path, stored)
        return False
    write_evidence(path, stored)
    return True


def digest(evidence: Evidence) -> str:
    """SHA-256 of the measurements alone, whenever and with whichever versions they were recorded."""
    return _sha256([_plain(measurement) for measurement in evidence.measurements])


def _verify(path: Path, stored: Stored) -> None:
    """Say which measurement is not what was written; of one that was added or taken out, that there is one."""
    found = [_digest(measurement) for measurement in stored.measurements]
    if stored.digest == digest(stored) and list(stored.digests) == found:
        return
    what = "the measurements are not those that were written"
    if len(found) == len(stored.digests):
        changed = [n for n, (now, then) in enumerate(zip(found, stored.digests, strict=True)) if now != then]
        if changed:
            measurement, others = stored.measurements[changed[0]], len(changed) - 1
            more = f" (and {others} more)" if others else ""
            where = f"/measurements/{changed[0]} ({measurement.quantity} of {measurement.model.id}){more}"
            what = f"{where}: this is not what was written"
    else:
        what += f", {len(stored.digests)} of them, of which the file now holds {len(found)}"
    raise Mistake(f"{path}, {what}, since the digest differs: restore the file, or record it again.")


def _digest(measurement: Measurement) -> str:
    return _sha256(_plain(measurement))[:LETTERS]


def _plain(measurement: Measurement) -> dict[str, object]:
    """What was recorded, without what was left out, so that a field of a later version changes no older digest."""
    return measurement.model_dump(mode="json", exclude_defaults=True)


def _sha256(plain: object) -> str:
    return hashlib.sha256(json.dumps(plain, sort_keys=True).encode()).hexdigest()
