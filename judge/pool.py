"""All evidence at hand, merged by identity: who measured what, and which record is the stronger one."""

import math
from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace

from judge.claims import Role
from judge.evidence import Evidence, Host, Measurement
from judge.files import Mistake


@dataclass(frozen=True)
class Found:
    """Seeds of one measurement, merged over the files that hold some of them.

    `values` are in points (percent) for scores and as recorded otherwise; `files` names where each seed was found.
    """

    first: Measurement
    host: Host
    values: dict[int | None, float]
    files: dict[int | None, str]
    planned: frozenset[int]
    constant: frozenset[int]
    look: int

    @property
    def origins(self) -> tuple[str, ...]:
        """The files that it was merged from, in order."""
        return tuple(dict.fromkeys(self.files.values()))

    @property
    def strength(self) -> tuple[bool, int]:
        """More is stronger: the paper's recipe first, then the number of seeds."""
        recipe = self.first.recipe
        return recipe is not None and recipe.name == "paper", len(self.values)

    def same_run(self, other: "Found") -> bool:
        """Whether two quantities come from the same runs: model, recipe, engine, precision and host agree."""
        mine, theirs = self.first, other.first
        return (mine.model.identity, mine.recipe, mine.engine, mine.precision, self.host) == (
            theirs.model.identity,
            theirs.recipe,
            theirs.engine,
            theirs.precision,
            other.host,
        )


class Pool:
    """Every measurement of the evidence files given, each kept once."""

    def __init__(self, files: Iterable[tuple[str, Evidence]]) -> None:
        """Merge files, each with the name to call it by.

        Raises:
            Mistake: the same measurement (quantity, model, data, recipe, engine, precision, seed, host) has two values.
        """
        self._groups: dict[str, Found] = {}
        self._paired: dict[tuple[str, int], tuple[str, Measurement]] = {}
        for name, evidence in files:
            for measurement in evidence.measurements:
                self._add(name, evidence.host, measurement)

    def find(self, quantity: str, role: Role, ids: Collection[str] | None) -> list[Found]:
        """The records of a quantity in a role for one of these models (None: any), the strongest first.

        Of equally strong ones the first given comes first.
        """
        found = [
            group
            for group in self._groups.values()
            if group.first.quantity == quantity
            and group.first.model.role == role
            and (ids is None or group.first.model.id in ids)
        ]
        return sorted(found, key=lambda group: group.strength, reverse=True)

    def paired(self, quantity: str, teachers: Collection[str], students: Collection[str]) -> list[list[Measurement]]:
        """Times of both models, grouped by identity, a list of launches each, the one with most pairs first.

        A quantity that ends in a dot stands for all that begin so.
        """
        groups: dict[str, list[Measurement]] = {}
        for (group, _), (_, measurement) in sorted(self._paired.items(), key=lambda item: item[0][1]):
            versus = measurement.versus
            known = versus is not None and versus.id in teachers and measurement.model.id in students
            wanted = (
                measurement.quantity.startswith(quantity)
                if quantity.endswith(".")
                else measurement.quantity == quantity
            )
            if wanted and known:
                groups.setdefault(group, []).append(measurement)
        return sorted(groups.values(), key=lambda launches: sum(len(m.pairs) for m in launches), reverse=True)

    def origin(self, measurement: Measurement) -> str:
        """The file that a paired measurement came from."""
        return next(name for name, other in self._paired.values() if other is measurement)

    def related(self, prefix: str, role: Role) -> list[Found]:
        """Every record of quantities that begin so, whatever the model: for a reason that says what there is."""
        return [g for g in self._groups.values() if g.first.quantity.startswith(prefix) and g.first.model.role == role]

    def _add(self, name: str, host: Host, new: Measurement) -> None:
        key = new.group(host)
        if new.pairs:
            self._add_pairs(name, key, new)
            return
        values = dict(zip(new.seeds or (None,), (scaled(new, value) for value in new.values), strict=True))
        old = self._groups.get(key)
        if old is None:
            files = dict.fromkeys(values, name)
            sets = frozenset(new.planned), frozenset(new.constant)
            self._groups[key] = Found(new, host, values, files, *sets, new.look)
            return
        for seed in old.values.keys() & values.keys():
            if not _same(old.values[seed], values[seed]):
                raise Mistake(_conflict(new, seed, old.files[seed], name))
        self._groups[key] = replace(
            old,
            values=old.values | values,
            files=old.files | {seed: name for seed in values if seed not in old.files},
            planned=old.planned | set(new.planned),
            constant=old.constant | set(new.constant),
            look=max(old.look, new.look),
        )

    def _add_pairs(self, name: str, key: str, new: Measurement) -> None:
        old = self._paired.setdefault((key, new.launch), (name, new))
        if old[1].pairs != new.pairs:
            raise Mistake(_conflict(new, new.launch, old[0], name))


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
