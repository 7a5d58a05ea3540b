"""judge.evidence: what is written is read back bit for bit, and what is not whole is refused."""

import json
import math
import re
import struct
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from judge.evidence import SCHEMA, Dataset, Evidence, Host, Measurement, Model, digest, read_evidence, write_evidence
from judge.files import Mistake

TEACHER, STUDENT = Model(role="teacher", id="a/teacher"), Model(role="student", id="a/student")
TINY, HUGE = 5e-324, 1.7976931348623157e308
# One more digit than a double holds, the two zeros, and what JSON has no word for.
HARD = [0.1 + 0.2, 1 / 3, TINY, -TINY, HUGE, -HUGE, 0.0, -0.0, math.nan, math.inf, -math.inf, 2**53 + 1.0]

numbers = st.floats(allow_nan=True, allow_infinity=True)
plain = st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | numbers | st.text(max_size=5)
orders = st.sampled_from(["teacher", "student"])


def scored(values: list[float], how: dict[str, Any]) -> Measurement:
    seeds = tuple(range(len(values)))
    return Measurement(
        quantity="glue.sst2.accuracy", model=STUDENT, unit="fraction", values=tuple(values), seeds=seeds, how=how
    )


def timed(pairs: list[tuple[Any, float, float]]) -> Measurement:
    return Measurement(quantity="speed.cpu", model=STUDENT, versus=TEACHER, unit="seconds", pairs=tuple(pairs))


def evidence(*measurements: Measurement, **changes: Any) -> Evidence:
    fields = {"schema": SCHEMA, "suite_version": "0.1.0", "created": "2026-11-22", "host": Host(cpu="a processor")}
    return Evidence(**{**fields, "measurements": measurements, **changes})


def bits(value: Any) -> Any:
    """A number as its type and its 64 bits; NaN is one value, whatever its payload."""
    if isinstance(value, float):
        return "NaN" if math.isnan(value) else struct.pack(">d", value)
    if isinstance(value, list | tuple):
        return [bits(part) for part in value]
    if isinstance(value, dict):
        return {key: bits(part) for key, part in value.items()}
    return type(value), value


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("evidence")


def round_trip(written: Evidence, folder: Path) -> Evidence:
    write_evidence(folder / "evidence.json", written)
    return read_evidence(folder / "evidence.json")


@given(values=st.lists(numbers, min_size=1, max_size=8), how=st.dictionaries(st.text(max_size=5), plain, max_size=4))
@example(values=HARD, how={"nan": math.nan, "one": 1.0, "also one": 1, "true": True, "nothing": None, "1": "1"})
def test_values_come_back_bit_for_bit(values: list[float], how: dict[str, Any], folder: Path) -> None:
    written = evidence(scored(values, how))
    assert bits(round_trip(written, folder).model_dump()) == bits(written.model_dump())


@given(pairs=st.lists(st.tuples(orders, numbers, numbers), min_size=1, max_size=8))
@example(pairs=[("teacher", one, other) for one, other in zip(HARD, reversed(HARD), strict=True)])
def test_pairs_come_back_bit_for_bit(pairs: list[tuple[Any, float, float]], folder: Path) -> None:
    written = evidence(timed(pairs))
    assert bits(round_trip(written, folder).model_dump()) == bits(written.model_dump())


def test_everything_about_a_measurement_comes_back(folder: Path) -> None:
    whole = Measurement(
        quantity="glue.cola.matthews_correlation",
        model=Model(role="student", id="a/student", revision="abc", digest="def", config={"layers": 6}, note="ours"),
        dataset=Dataset(id="nyu-mll/glue", config="cola", revision="r", digest="d", split="validation", examples=1043),
        recipe={"name": "paper", "values": {"epochs": 3, "learning_rate": 2e-5, "lower_case": True}},
        engine="trainer",
        precision="fp32",
        unit="fraction",
        values=(0.5, 0.25),
        seeds=(42, 43),
        planned=(42, 43, 44),
        look=2,
        constant=(43,),
        launch=3,
        duration_s=12.5,
        note="a note",
    )
    written = evidence(whole, commit="c0ffee", about="a run", versions={"torch": "2.13.0"}, host=Host(memory=15.6))
    assert round_trip(written, folder) == written


def test_schema_is_in_the_file(folder: Path) -> None:
    write_evidence(folder / "schema.json", evidence(scored([0.9], {})))
    text = (folder / "schema.json").read_text(encoding="utf-8")
    assert json.loads(text)["schema"] == SCHEMA == 2
    assert text.startswith('{\n  "schema": 2,\n')


def test_what_stands_for_nothing_is_left_out_of_the_file(folder: Path) -> None:
    write_evidence(folder / "short.json", evidence(scored([0.9], {})))
    [measurement] = json.loads((folder / "short.json").read_text(encoding="utf-8"))["measurements"]
    assert set(measurement) == {"quantity", "model", "unit", "values", "seeds"}


SCORED = {"quantity": "glue.sst2.accuracy", "model": {"role": "student", "id": "a/student"}, "unit": "fraction"}
TIMED = SCORED | {"quantity": "speed.cpu", "unit": "seconds"}
PAIRS = [["teacher", 2.0, 1.0], ["student", 2.0, 1.0]]
VERSUS = {"role": "teacher", "id": "a/teacher"}
# What is wrong, where in the measurement, and what must be said of it.
REFUSED: dict[str, tuple[dict[str, Any], str, tuple[str, ...]]] = {
    "unknown key": (SCORED | {"values": [0.9], "sedes": [1]}, "/sedes", ("'seeds'",)),
    "unknown key without a likeness": (SCORED | {"values": [0.9], "weather": "fine"}, "/weather", ("'weather'",)),
    "seed twice": (SCORED | {"values": [0.9, 0.8], "seeds": [1, 1]}, "", ("seed", "twice")),
    "fewer seeds than values": (SCORED | {"values": [0.9, 0.8], "seeds": [1]}, "", ("2 value", "1 seed")),
    "more seeds than values": (SCORED | {"values": [0.9], "seeds": [1, 2]}, "", ("1 value", "2 seed")),
    "values without seeds": (SCORED | {"values": [0.9, 0.8]}, "", ("values", "seed")),
    "neither values nor pairs": (SCORED, "", ("'values'", "'pairs'")),
    "values and pairs": (
        TIMED | {"values": [1.0], "pairs": PAIRS, "versus": VERSUS},
        "",
        ("'values'", "'pairs'"),
    ),
    "pairs without versus": (TIMED | {"pairs": PAIRS}, "", ("'pairs'", "'versus'")),
    "versus without pairs": (TIMED | {"values": [1.0], "versus": VERSUS}, "", ("'pairs'", "'versus'")),
    "no unit": (
        {key: value for key, value in SCORED.items() if key != "unit"} | {"values": [0.9]},
        "/unit",
        ("'unit'",),
    ),
    "no examples": (
        SCORED | {"values": [0.9], "dataset": {"id": "nyu-mll/glue", "split": "validation", "examples": 0}},
        "/dataset/examples",
        (" 0",),
    ),
    "a number as text": (SCORED | {"values": ["0.9"]}, "/values/0", ("number",)),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_record_that_is_not_whole_is_refused(name: str, tmp_path: Path) -> None:
    measurement, place, words = REFUSED[name]
    path = tmp_path / "evidence.json"
    raw = {"schema": 1, "suite_version": "0.1.0", "created": "2026-11-22", "host": {}}
    path.write_text(json.dumps(raw | {"measurements": [measurement]}), encoding="utf-8")
    with pytest.raises(Mistake) as mistake:
        read_evidence(path)
    said = str(mistake.value)
    assert re.search(rf"/measurements/0{place}(?![/\w])", said)
    assert all(word in said for word in (str(path), measurement["quantity"], *words)), said
    assert "\n" not in said


def test_a_newer_schema_is_refused(tmp_path: Path) -> None:
    write_evidence(tmp_path / "new.json", evidence(scored([0.9], {})))
    text = (tmp_path / "new.json").read_text(encoding="utf-8")
    (tmp_path / "new.json").write_text(text.replace('"schema": 2', '"schema": 3'), encoding="utf-8")
    with pytest.raises(Mistake, match=r"\bschema 3\b.*\b2\b.*update"):
        read_evidence(tmp_path / "new.json")


@pytest.mark.parametrize(
    "change",
    [
        {"host": Host(cpu="another", memory=1.5)},
        {"created": "2027-01-01"},
        {"suite_version": "9.9.9"},
        {"commit": "c0ffee"},
        {"about": "somebody else's run"},
        {"versions": {"torch": "2.13.0"}},
    ],
    ids=lambda change: next(iter(change)),
)
def test_digest_does_not_depend_on_who_recorded_the_numbers(change: dict[str, Any]) -> None:
    measurement = scored([0.9, math.nan], {})
    assert digest(evidence(measurement, **change)) == digest(evidence(measurement))


def test_digest_depends_on_every_bit_of_every_number() -> None:
    close = math.nextafter(0.9, 1)
    different = [[0.9], [close], [-0.9], [0.9, 0.9], [math.nan], [math.inf]]
    assert len({digest(evidence(scored(values, {}))) for values in different}) == len(different)
    assert digest(evidence(timed([("teacher", 2.0, 1.0)]))) != digest(evidence(timed([("student", 2.0, 1.0)])))


def test_digest_survives_the_file(folder: Path) -> None:
    written = evidence(scored([value for value in HARD if not math.isnan(value)], {"threads": 1}))
    assert digest(round_trip(written, folder)) == digest(written)


def test_a_measurement_is_the_same_only_on_the_same_host_and_data() -> None:
    one = scored([0.9], {})
    other = one.model_copy(update={"values": (0.8,), "seeds": (7,), "note": "again", "duration_s": 1.0})
    assert one.group(Host()) == other.group(Host())
    assert one.group(Host()) != one.group(Host(cpu="another"))
    for change in ({"engine": "stacked"}, {"precision": "fp16"}, {"quantity": "glue.rte.accuracy"}, {"model": TEACHER}):
        assert one.group(Host()) != one.model_copy(update=change).group(Host()), change
