"""`python -m report merge`: evidence files put together, one file for each host, and nothing lost on the way.

What a file says of a measurement is kept as it was recorded: which seeds belong together is decided when they are
judged (judge/pool.py). So nothing stronger is ever replaced, and the same files in another order make the same bytes.
"""

import hashlib
import json
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from judge.evidence import SCHEMA, Evidence, Host, Measurement, evidence_files, read_evidence, write_evidence
from judge.files import Mistake, json_files
from judge.pool import Pool

LONGEST_NAME = 48
Named = tuple[str, Evidence]


class Written(NamedTuple):
    """One file that was written: where, from which files, how many measurements it holds, and how many were twice."""

    path: Path
    files: tuple[str, ...]
    measurements: int
    twice: int

    def __str__(self) -> str:
        """One line for the terminal."""
        said = f"{self.path}: {self.measurements} measurements from {', '.join(self.files)}"
        return said + (f"; {self.twice} were there more than once" if self.twice else "")


def merge(out: Path, given: Sequence[Path]) -> list[Written]:
    """Put evidence files together in one file of one host (`out` ends in .json) or in a folder with one for each.

    What `out` holds already takes part, and files in it keep their names.

    Raises:
        Mistake: a file cannot be read or was edited; the same measurement has two values; `out` is one file and the
            hosts are several; a folder holds two files of one host; nothing can be written.
    """
    files = {path: read_evidence(path) for path in evidence_files([*given, *_present(out)])}
    named = [(str(path), evidence) for path, evidence in sorted(files.items())]
    groups = _by_host(named)
    for group in groups:
        _check(group)
    if out.suffix == ".json":
        if len(groups) > 1:
            raise Mistake(_several(out, groups))
        return [_write(out, groups[0])]
    return [_write(path, group) for path, group in _places(out, groups)]


def _check(group: Sequence[Named]) -> None:
    """Raise Mistake where two files have two values for the same measurement; times are never the same twice."""
    Pool(
        (name, evidence.model_copy(update={"measurements": tuple(m for m in evidence.measurements if not m.pairs)}))
        for name, evidence in group
    )


def merged(group: Sequence[Named], out: Path | None = None) -> Evidence:
    """The evidence of one host in one record: every measurement once, in an order that the files do not decide.

    Where the file that lies at `out` holds all of them already, they stay in its order.
    """
    if len(group) == 1 and Path(group[0][0]) == out:
        return group[0][1]
    records = [evidence for _, evidence in group]
    host = records[0].host
    measurements = _renumbered({m.model_dump_json(): m for record in records for m in record.measurements}, host)
    versions = {name for record in records for name in record.versions}
    whole = Evidence(
        schema_=SCHEMA,
        suite_version=_all([record.suite_version for record in records]) or "",
        commit=_all([record.commit for record in records]),
        created=max(record.created for record in records),
        about=_all([record.about for record in records], "; "),
        host=host,
        versions={name: _all([record.versions.get(name) for record in records]) or "" for name in sorted(versions)},
        measurements=_ordered(group, out, measurements),
    )
    # The same in every word: also in the order of its versions.
    unchanged = [e for name, e in group if Path(name) == out and e.model_copy(update={"schema_": SCHEMA}) == whole]
    return unchanged[0] if unchanged else whole


def _ordered(group: Sequence[Named], out: Path | None, measurements: list[Measurement]) -> tuple[Measurement, ...]:
    for name, evidence in group:
        if Path(name) == out and _alike(evidence.measurements, measurements):
            return evidence.measurements
    host = group[0][1].host
    return tuple(sorted(measurements, key=lambda m: (m.group(host), m.launch, m.model_dump_json())))


def _alike(some: Iterable[Measurement], others: Iterable[Measurement]) -> bool:
    """Whether these are the same measurements in whatever order."""
    return sorted(m.model_dump_json() for m in some) == sorted(m.model_dump_json() for m in others)


def _renumbered(once: Mapping[str, Measurement], host: Host) -> list[Measurement]:
    """Times of two launches with the same number get different ones: the second is a further measurement."""
    timed: dict[str, dict[str, Measurement]] = {}
    for measurement in sorted((m for m in once.values() if m.pairs), key=_by_launch):
        # The same times under two numbers are one launch, and the larger number stays.
        timed.setdefault(measurement.group(host), {})[str(measurement.pairs)] = measurement
    kept = [m for m in once.values() if not m.pairs]
    for launches in timed.values():
        number = -1
        for measurement in sorted(launches.values(), key=_by_launch):
            number = max(measurement.launch, number + 1)
            kept.append(measurement.model_copy(update={"launch": number}))
    return kept


def _by_launch(measurement: Measurement) -> tuple[int, str]:
    return measurement.launch, measurement.model_dump_json()


def _all(said: Iterable[str | None], between: str = ", ") -> str | None:
    """Everything that the files say in one place of their heads, each once."""
    parts = {part for text in said if text for part in text.split(between)}
    return between.join(sorted(parts)) or None


def _by_host(named: Sequence[Named]) -> list[list[Named]]:
    """Files of the same machine together; one that names no GPU joins the machine's, since its run needed none."""
    machines: dict[str, list[Named]] = {}
    for name, evidence in named:
        machine = evidence.host.model_copy(update={"gpu": None, "driver": None})
        machines.setdefault(machine.model_dump_json(), []).append((name, evidence))
    groups: list[list[Named]] = []
    for part in machines.values():
        known = {evidence.host.model_dump_json(): evidence.host for _, evidence in part}
        with_gpu = [host for host in known.values() if host.gpu]
        joined = [(name, evidence.model_copy(update={"host": with_gpu[0]})) for name, evidence in part if with_gpu]
        if len(with_gpu) == 1 and _agree(joined):
            groups.append(joined)
        else:
            groups += [[(n, e) for n, e in part if e.host.model_dump_json() == host] for host in known]
    return groups


def _agree(named: Sequence[Named]) -> bool:
    """Whether no measurement has two values in these files."""
    try:
        _check(named)
    except Mistake:
        return False
    return True


def _several(out: Path, groups: Sequence[Sequence[Named]]) -> str:
    (one, first), (other, second) = groups[0][0], groups[1][0]
    return (
        f"{one} was recorded on {described(first.host)} and {other} on {described(second.host)}: a file holds one "
        f"host, so give a folder instead of {out}, which gets a file for each."
    )


def described(host: Host) -> str:
    """The host in a few words, as `AMD EPYC, 2 cores`."""
    cores = f"{host.cores} cores" if host.cores else None
    return ", ".join(part for part in (host.name, host.gpu, host.cpu, cores) if part) or "an unnamed host"


def _present(out: Path) -> list[Path]:
    """What lies at `out` already."""
    if out.suffix == ".json":
        return [out] if out.exists() else []
    return json_files(out) if out.is_dir() else []


def _places(out: Path, groups: Sequence[Sequence[Named]]) -> list[tuple[Path, Sequence[Named]]]:
    """Where each host's evidence goes: into the folder's file of that host, or into a new one named after it."""
    places: list[tuple[Path, Sequence[Named]]] = []
    taken = {*_present(out)}
    for group in groups:
        inside = [name for name, _ in group if Path(name).parent == out]
        if len(inside) > 1:
            raise Mistake(
                f"{inside[0]} and {inside[1]} are of the same host: merge them first (python -m report merge "
                f"{inside[0]} {inside[1]}) and remove the second."
            )
        path = Path(inside[0]) if inside else _free(out / f"{_name(group[0][1].host)}.json", taken)
        taken.add(path)
        places.append((path, group))
    return sorted(places, key=lambda place: place[0])


def _free(path: Path, taken: Collection[Path]) -> Path:
    """The path, or one with a number behind its name where another host's evidence has it."""
    number, found = 1, path
    while found in taken:
        number += 1
        found = path.with_stem(f"{path.stem}-{number}")
    return found


def _name(host: Host) -> str:
    """A file name for a host: its words, and letters that tell it from a host of the same words."""
    words = re.sub(r"[^a-z0-9]+", "-", (host.gpu or host.cpu or host.name or "host").lower()).strip("-")
    letters = hashlib.sha256(json.dumps(host.model_dump(mode="json"), sort_keys=True).encode()).hexdigest()[:8]
    return f"{words[:LONGEST_NAME].strip('-') or 'host'}-{letters}"


def _write(path: Path, group: Sequence[Named]) -> Written:
    whole = merged(group, path)
    write_evidence(path, whole)
    before = sum(len(evidence.measurements) for _, evidence in group)
    return Written(path, tuple(name for name, _ in group), len(whole.measurements), before - len(whole.measurements))
