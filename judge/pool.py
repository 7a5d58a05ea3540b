"""All evidence at hand, merged by identity: who measured what, and which record is the stronger one.

Nothing here depends on the order in which files were given.
"""

import math
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace

from judge.claims import Role
from judge.evidence import Evidence, Host, Measurement, Plain
from judge.files import Mistake
from judge.machine import machine


@dataclass(frozen=True)
class Found:
    """Seeds of one measurement, merged over the records that hold some of them.

    `values` are in points (percent) for scores and as recorded otherwise; `files` names where each seed was found.
    `records` are the measurements that it was merged from.
    """

    host: Host
    values: dict[int | None, float]
    files: dict[int | None, str]
    records: tuple[Measurement, ...]

    @property
    def first(self) -> Measurement:
        """A record that stands for all: they differ in their seeds alone."""
        return self.records[0]

    @property
    def origins(self) -> tuple[str, ...]:
        """The files that it was merged from, in order."""
        return tuple(dict.fromkeys(self.files.values()))

    @property
    def planned(self) -> frozenset[int]:
        """The seeds that were fixed before a run, as far as that is on record."""
        return frozenset(seed for record in self.records for seed in record.planned)

    @property
    def constant(self) -> frozenset[int]:
        """The seeds whose predictions are on record as nearly constant."""
        return frozenset(seed for record in self.records for seed in record.constant or ())

    @property
    def unseen(self) -> frozenset[int | None]:
        """The seeds whose predictions are on no record."""
        seen = {seed for m in self.records if m.constant is not None for seed in m.seeds or (None,)}
        return frozenset(self.values.keys() - seen)

    @property
    def looks(self) -> int:
        """How often this was looked at: the sets of seeds that were chosen, or what a record says itself.

        Seeds of which no plan is on record are one set for each file. A set within another was not chosen anew.
        """
        chosen = {frozenset(record.planned) for record in self.records if record.planned}
        unplanned = {seed for record in self.records if not record.planned for seed in record.seeds}
        for name in self.origins:
            chosen.add(frozenset(seed for seed in unplanned if self.files[seed] == name))
        whole = [one for one in chosen if not any(one < other for other in chosen)]
        return max(len(whole), *(record.look for record in self.records))

    @property
    def strength(self) -> tuple[bool, int]:
        """More is stronger: the paper's recipe first, then the number of seeds."""
        recipe = self.first.recipe
        return recipe is not None and recipe.name == "paper", len(self.values)

    def same_run(self, other: "Found") -> bool:
        """Whether two quantities come from the same runs: model, data, recipe, engine, precision and host agree."""
        return self._run == other._run

    @property
    def _run(self) -> tuple[object, ...]:
        one = self.first
        data = one.dataset and (one.dataset.id, one.dataset.revision, one.dataset.digest)
        return one.model.identity, data, one.recipe, one.engine, one.precision, self.host


@dataclass(frozen=True)
class Launches:
    """What one host timed of a pair of models in one setting: a measurement for each launch, in order, and its file."""

    host: Host
    measurements: tuple[Measurement, ...]
    files: tuple[str, ...]

    def follows(self, setting: Mapping[str, Plain]) -> bool:
        """Whether it was timed as a claim asks, as {"threads": 1, "precision": "fp32"}."""
        return not self.deviations(setting)

    def deviations(self, setting: Mapping[str, Plain]) -> list[str]:
        """Where it was not, in words: `threads 8`."""
        how = {**self.measurements[0].how, "precision": self.measurements[0].precision}
        return [f"{name} {how.get(name)}" for name, value in setting.items() if how.get(name) != value]


class Pool:
    """Every measurement of the evidence files given, each kept once."""

    def __init__(self, files: Iterable[tuple[str, Evidence]]) -> None:
        """Merge files, each with the name to call it by.

        Raises:
            Mistake: the same measurement (quantity, model, data, recipe, engine, precision, seed, host) has two values.
        """
        self._groups: dict[str, Found] = {}
        self._paired: dict[str, Launches] = {}
        for name, evidence in sorted(files, key=lambda file: file[0]):
            for measurement in evidence.measurements:
                add = self._add_pairs if measurement.pairs else self._add
                add(name, evidence.host, measurement)

    def find(self, quantity: str, role: Role, ids: Collection[str] | None) -> list[Found]:
        """The records of a quantity in a role for one of these models (None: any), the strongest first.

        The paper's recipe comes first, then more seeds, then the host whose name comes first.
        """
        found = [
            (key, group)
            for key, group in self._groups.items()
            if group.first.quantity == quantity
            and group.first.model.role == role
            and (ids is None or group.first.model.name in ids)
        ]
        found.sort(key=lambda item: (*(-int(part) for part in item[1].strength), host_name(item[1].host), item[0]))
        return [group for _, group in found]

    def paired(
        self,
        quantity: str,
        teachers: Collection[str] | None,
        students: Collection[str],
        setting: Mapping[str, Plain] | None = None,
    ) -> list[Launches]:
        """Times of both models by host and setting, the strongest first.

        The claim's own setting comes first, then more launches, more pairs, and the host whose name comes first.

        Args:
            quantity: what was timed; one that ends in a dot stands for all that begin so.
            teachers: ids of the models that may stand for the teacher; None: any other model.
            students: the same for the student.
            setting: how the claim asks for it to be timed.
        """
        found = []
        for key, timed in self._paired.items():
            one = timed.measurements[0]
            wanted = one.quantity.startswith(quantity) if quantity.endswith(".") else one.quantity == quantity
            known = one.versus is not None and (teachers is None or one.versus.name in teachers)
            if wanted and known and one.model.name in students:
                found.append((key, timed))

        def weakness(item: tuple[str, Launches]) -> tuple[int, int, int, str, str]:
            key, timed = item
            pairs = sum(len(launch.pairs) for launch in timed.measurements)
            return len(timed.deviations(setting or {})), -len(timed.measurements), -pairs, host_name(timed.host), key

        return [timed for _, timed in sorted(found, key=weakness)]

    def related(self, prefix: str, role: Role) -> list[Found]:
        """Every record of quantities that begin so, whatever the model: for a reason that says what there is."""
        return [g for g in self._groups.values() if g.first.quantity.startswith(prefix) and g.first.model.role == role]

    def _add(self, name: str, host: Host, new: Measurement) -> None:
        key = new.group(host)
        values = dict(zip(new.seeds or (None,), (scaled(new, value) for value in new.values), strict=True))
        old = self._groups.get(key)
        if old is None:
            self._groups[key] = Found(host, values, dict.fromkeys(values, name), (new,))
            return
        for seed in old.values.keys() & values.keys():
            if not _same(old.values[seed], values[seed]):
                raise Mistake(_conflict(new, seed, old.files[seed], name))
        self._groups[key] = replace(
            old,
            values=old.values | values,
            files=old.files | {seed: name for seed in values if seed not in old.files},
            records=(*old.records, new),
        )

    def _add_pairs(self, name: str, host: Host, new: Measurement) -> None:
        key = new.group(host)
        old = self._paired.get(key, Launches(host, (), ()))
        for known, file in zip(old.measurements, old.files, strict=True):
            if known.launch == new.launch:
                if known.pairs != new.pairs:
                    raise Mistake(_conflict(new, new.launch, file, name))
                return
        both = sorted(
            zip((*old.measurements, new), (*old.files, name), strict=True), key=lambda launch: launch[0].launch
        )
        self._paired[key] = Launches(host, tuple(one for one, _ in both), tuple(file for _, file in both))


def host_name(host: Host) -> str:
    """What to call a host where several are told apart: all that is known of it, the name first."""
    return machine(host.model_dump(exclude_none=True)) or "a host that is not described"


def scaled(measurement: Measurement, value: float) -> float:
    """A recorded value in points where it is a score recorded as a fraction, else as it is."""
    return 100 * value if measurement.unit == "fraction" else value


def _same(old: float, new: float) -> bool:
    return old == new or (math.isnan(old) and math.isnan(new))


def _conflict(measurement: Measurement, seed: int | None, first: str, second: str) -> str:
    where = f"in {first} twice" if first == second else f"in {first} and in {second}"
    which = "" if seed is None else f" (seed {seed})" if measurement.values else f" (launch {seed})"
    return (
        f"{measurement.quantity} of {measurement.model.id}{which} is recorded {where} with two different values "
        f"for the same host, data and recipe: find out which one is right and leave the other file out."
    )
