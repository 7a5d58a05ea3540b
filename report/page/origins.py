"""Where a verdict's numbers come from: the recorded measurements behind it, with recipe, host and versions."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from judge.baselines import Baselines
from judge.claims import Role
from judge.evidence import Dataset, Evidence, Measurement, digest, evidence_files, read_evidence
from judge.machine import machine, main_versions
from judge.pool import Pool, scaled
from judge.quantities import quantities
from judge.verdicts import Verdict
from report.page.safe import listed, shown_number, some
from report.page.sources import Source, judged

SHOWN_SEEDS = 12
# Lines of recorded values in one fold, shared by the files; every file has some.
LINES, FEWEST_LINES = 24, 3
NOT_DESCRIBED = "a host that the run does not describe"
NOT_GIVEN = "evidence that this page was not given"


@dataclass(frozen=True)
class Recorded:
    """An evidence file, the name to call it by, and the digest of its measurements."""

    name: str
    evidence: Evidence
    digest: str

    @property
    def host(self) -> str:
        """The machine that measured."""
        return machine(self.evidence.host.model_dump(exclude_none=True))

    @property
    def versions(self) -> str:
        """The versions that change results first."""
        return main_versions(self.evidence.versions)


class Origin(NamedTuple):
    """What one file has of what a claim is about.

    `used`: whether the verdict was judged from this very file; None where the verdict does not say. `about` are lines
    on models, data, recipe and setting, `values` lines on what was recorded, of which `more` are left out.
    """

    number: int
    file: Recorded
    used: bool | None
    about: list[str]
    values: list[str]
    more: int


def read_recorded(given: Sequence[Path]) -> list[Recorded]:
    """The evidence files given, and those of each folder given.

    Raises:
        Mistake: one cannot be read, was edited, or two of them disagree about the same measurement.
    """
    files = [(str(path), read_evidence(path)) for path in evidence_files(given)]
    Pool(files)
    return [Recorded(name, evidence, digest(evidence)) for name, evidence in files]


def measured_on(source: Source, recorded: Sequence[Recorded]) -> str:
    """The machines behind a source's verdicts: those that a verdict names, else those of the evidence it came from.

    Empty where no verdict is about models: text is measured nowhere.
    """
    hosts = {file.digest: file.host for file in recorded} | {file.name: file.host for file in recorded}
    found: dict[str, None] = {}
    for verdict in (v for v in source.file.verdicts.values() if judged(v) and v.basis == "measured"):
        if verdict.machines or not verdict.evidence:
            found |= dict.fromkeys(verdict.machines or [source.host])
        else:
            known = [hosts[name] for name in verdict.digests or verdict.evidence if name in hosts]
            found |= dict.fromkeys(known or [NOT_GIVEN])
    own = [source.host] if source.host in found else []
    return "; ".join(host or NOT_DESCRIBED for host in dict.fromkeys([*own, *found]))


def origins(
    claim: str, verdict: Verdict, about: Sequence[Role], recorded: Sequence[Recorded], baselines: Baselines
) -> list[Origin]:
    """What the files have of the quantities and the models that a claim is about."""
    names, prefixes = quantities(claim, baselines)
    made = []
    for number, file in enumerate(recorded, 1):
        found = [
            m
            for m in file.evidence.measurements
            if (m.quantity in names or m.quantity.startswith(prefixes)) and (m.model.role in about or m.pairs)
        ]
        if found:
            used = file.digest in verdict.digests if verdict.digests else None
            made.append(_origin(number, file, used, found, max(FEWEST_LINES, LINES // len(recorded))))
    return made


def _origin(number: int, file: Recorded, used: bool | None, found: Sequence[Measurement], most: int) -> Origin:
    recipe = _recipe(found)
    about = [
        _once(_model(m) for m in found),
        _once(_data(m.dataset) for m in found if m.dataset),
        f"recipe {recipe}" if recipe else "",
        _merged([{"precision": m.precision, "engine": m.engine, **m.how} for m in found]),
    ]
    values, more = some([_values(m) for m in found], most)
    return Origin(number, file, used, [line for line in about if line], list(values), more)


def _data(dataset: Dataset) -> str:
    name = f"{dataset.id} {dataset.config}" if dataset.config else dataset.id
    return f"{name}, {dataset.split}, {dataset.examples:,} examples"


def _model(measurement: Measurement) -> str:
    models = [m for m in (measurement.model, measurement.versus) if m is not None]
    return " v ".join(f"{m.id}{'@' + m.revision[:7] if m.revision else ''} ({m.role})" for m in models)


def _recipe(found: Sequence[Measurement]) -> str:
    recipes = [m.recipe for m in found if m.recipe]
    names = listed(dict.fromkeys(recipe.name for recipe in recipes))
    values = _merged([dict(recipe.values) for recipe in recipes])
    return f"{names}: {values}" if values else names


def _values(measurement: Measurement) -> str:
    """`glue.rte.accuracy (teacher): seed 42 61.7329`, or how many pairs were timed."""
    head = f"{measurement.quantity} ({measurement.model.role})"
    if measurement.pairs:
        return f"{head}: {len(measurement.pairs):,} pairs of seconds, launch {measurement.launch + 1}"
    first, more = some([shown_number(scaled(measurement, value)) for value in measurement.values], SHOWN_SEEDS)
    seeds = measurement.seeds
    said = [f"seed {seeds[n]} {value}" if seeds else value for n, value in enumerate(first)]
    return f"{head}: {', '.join(said)}" + (f" and {more:,} more" if more else "")


def _merged(records: Iterable[dict[str, object]]) -> str:
    """`epochs 3; batch_size 16 or 32`: each name with every value that it has in any of the records."""
    values: dict[str, list[str]] = {}
    for record in records:
        for name, value in record.items():
            if value is not None and str(value) not in values.setdefault(name, []):
                values[name].append(str(value))
    return "; ".join(f"{name} {' or '.join(some(said, 6)[0])}" for name, said in values.items() if said)


def _once(texts: Iterable[str]) -> str:
    shown, more = some(list(dict.fromkeys(texts)), 6)
    return "; ".join(shown) + (f" and {more} more" if more else "")
