"""Recorded measurements: the records of an evidence file. Raw values per seed, never a mean."""

import hashlib
import json
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, model_validator

from judge.claims import Role, Text
from judge.files import Record, pretty, read, write
from judge.statistics import Pair

SCHEMA = 1
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
    def identity(self) -> tuple[str, str, str]:
        """What makes it this model and no other."""
        return self.role, self.id, self.digest or self.revision or ""


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
    seeds were added after a first verdict. `constant` are the seeds whose predictions were all the same.
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
    constant: tuple[int, ...] = ()
    how: dict[str, Plain] = {}
    duration_s: float | None = None
    note: str | None = None

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


def read_evidence(path: Path) -> Evidence:
    """Read and validate an evidence file.

    Raises:
        Mistake: it is missing, not JSON, of a newer schema, or a record in it is not whole.
    """
    return read(Evidence, path, schema=SCHEMA)


def write_evidence(path: Path, evidence: Evidence) -> None:
    """Write an evidence file in one rename. Raises Mistake where that cannot be."""
    write(path, pretty(evidence))


def digest(evidence: Evidence) -> str:
    """SHA-256 of the measurements alone, whenever and with whichever versions they were recorded."""
    text = json.dumps([m.model_dump(mode="json") for m in evidence.measurements], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()
