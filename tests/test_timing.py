"""measure.latency and fixtures.timing: the order and number of pairs, and clocks that would mislead."""

import math
import os
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import numpy
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fixtures import timing
from judge.datasets import GLUE
from judge.files import Mistake
from judge.latency import overhead_in_layers
from judge.statistics import pair_ratio
from measure.hub import find_split
from measure.latency import FEWEST, MOST, Turn, number_of_pairs, pairs, pilot_seconds, spread_lengths, turns
from measure.models import NoRoom, check_room, gpu_neighbours, processor_quota
from measure.stsb import EXAMPLES, length_counts, load_pairs
from tests.project import ROOT

COUNTS = length_counts(ROOT / "baselines")
MIRROR = ROOT.parent / "shared" / "hub-mirror"


def test_lengths_are_those_of_the_development_set() -> None:
    total = sum(length * count for length, count in COUNTS.items())
    assert (sum(COUNTS.values()), total, max(COUNTS)) == (EXAMPLES, 47209, 87)
    assert total / EXAMPLES == pytest.approx(31.47, abs=0.005)


@pytest.mark.skipif(not MIRROR.is_dir(), reason="needs ../shared/hub-mirror, which is not here")
def test_lengths_are_counted_again_from_the_real_pairs() -> None:
    from measure.stsb import load_tokenizer

    tokenizer = load_tokenizer("google-bert/bert-base-uncased", MIRROR)
    found: dict[int, int] = {}
    for one, other in load_pairs(find_split(*GLUE, "stsb", "validation", MIRROR)):
        length = len(tokenizer(one, other)["input_ids"])
        found[length] = found.get(length, 0) + 1
    assert found == COUNTS


def test_lengths_that_do_not_add_up_are_a_mistake(tmp_path: Path) -> None:
    (tmp_path / "stsb-lengths.json").write_text('{"counts": {"31": 1499}}')
    with pytest.raises(Mistake, match=r"/counts\b.*\b1499\b.*\b1500\b"):
        length_counts(tmp_path)


@given(st.floats(1e-4, 10), st.floats(0.1, 600))
def test_the_number_of_pairs_is_even_within_limits_and_fits_the_budget(seconds: float, budget: float) -> None:
    number = number_of_pairs(seconds, budget)
    assert number % 2 == 0
    assert FEWEST <= number <= MOST
    assert number == FEWEST or number * seconds <= budget * (1 + 1e-9)


@given(st.integers(20, 100).map(lambda half: 2 * half))
def test_lengths_follow_the_distribution_in_both_orders_of_a_pair(number: int) -> None:
    lengths = spread_lengths(COUNTS, number)
    assert len(lengths) == number
    assert numpy.mean(lengths) == pytest.approx(31.47, rel=0.02)
    opened_by_teacher, opened_by_student = lengths[::2], lengths[1::2]
    assert numpy.mean(opened_by_teacher) == pytest.approx(numpy.mean(opened_by_student), rel=0.12)


def test_as_many_lengths_as_examples_are_the_examples() -> None:
    every = sorted(length for length, count in COUNTS.items() for _ in range(count))
    assert sorted(spread_lengths(COUNTS, EXAMPLES)) == every


@given(st.lists(st.integers(1, 512), min_size=2, max_size=60).filter(lambda lengths: len(lengths) % 2 == 0))
def test_turns_are_abba_and_balanced(lengths: list[int]) -> None:
    sequence = turns(lengths)
    sides = "".join(turn.side[0] for turn in sequence)
    assert sides == ("tsst" * len(lengths))[: 2 * len(lengths)]
    assert [turn.length for turn in sequence[::2]] == lengths == [turn.length for turn in sequence[1::2]]
    firsts = [first for first, _, _ in pairs(sequence, [1.0] * len(sequence))]
    assert firsts.count("teacher") == firsts.count("student")
    # Each model runs as late as the other on average, so that a drift of the machine cancels.
    places = {side: [i for i, turn in enumerate(sequence) if turn.side == side] for side in ("teacher", "student")}
    assert sum(places["teacher"][: len(lengths)]) == sum(places["student"][: len(lengths)])


def test_rounds_are_put_together_as_pairs() -> None:
    sequence = turns([10, 20])
    assert sequence == [Turn("teacher", 10), Turn("student", 10), Turn("student", 20), Turn("teacher", 20)]
    assert pairs(sequence, [4.0, 2.0, 3.0, 6.0]) == [("teacher", 4.0, 2.0), ("student", 6.0, 3.0)]
    with pytest.raises(ValueError, match=r"\b4\b.*\b3\b"):
        pairs(sequence, [1.0, 2.0, 3.0])


def test_the_pilot_is_a_typical_pair_and_no_mean() -> None:
    assert pilot_seconds([1.0, 2.0, 1.0, 2.0, 50.0, 2.0]) == 3.0


class AsynchronousDevice:
    """A device that is asked in a microsecond and computes for 10 ms: its time passes when somebody waits for it."""

    def __init__(self) -> None:
        self.now, self.done = 0.0, 0.0
        self.cuda = SimpleNamespace(synchronize=self.synchronize)

    def run(self, seconds: float) -> None:
        self.now += 1e-6
        self.done = max(self.done, self.now) + seconds

    def synchronize(self) -> None:
        self.now = max(self.now, self.done)


def test_a_clock_that_waits_reads_what_a_naive_one_misses_by_10000(monkeypatch: pytest.MonkeyPatch) -> None:
    device = AsynchronousDevice()
    monkeypatch.setitem(sys.modules, "torch", device)
    monkeypatch.setattr(time, "perf_counter", lambda: device.now)
    take = {"teacher": 0.010, "student": 0.005}

    def run(turn: Turn) -> None:
        device.run(take[turn.side])

    sequence = turns([31] * 40)
    naive = [timing._timed(run, turn, time.perf_counter) for turn in sequence]
    device.synchronize()
    waited = [timing._timed(run, turn, timing._clock("cuda")) for turn in sequence]
    assert pair_ratio(pairs(sequence, naive)).value == pytest.approx(1.0, rel=0.01)
    assert pair_ratio(pairs(sequence, waited)).value == pytest.approx(2.0, rel=0.001)
    assert waited[0] / naive[0] > 9_999


def test_what_the_first_place_costs_cancels() -> None:
    sequence = turns([31] * 40)
    seconds = [
        (2.0 if turn.side == "teacher" else 1.0) * (1.2 if i % 2 == 0 else 1.0) for i, turn in enumerate(sequence)
    ]
    assert pair_ratio(pairs(sequence, seconds)).value == pytest.approx(2.0)


def test_overhead_is_counted_in_layers() -> None:
    assert overhead_in_layers(668 / 410) == pytest.approx(3.535, abs=0.0005)
    assert overhead_in_layers(2.0) == 0
    assert overhead_in_layers(1.0) == math.inf


@pytest.mark.parametrize(
    ("files", "quota"),
    [
        ({"cpu.max": "max 100000"}, None),
        ({"cpu.max": "50000 100000"}, 0.5),
        ({"cpu/cpu.cfs_quota_us": "150000", "cpu/cpu.cfs_period_us": "100000"}, 1.5),
        ({"cpu/cpu.cfs_quota_us": "-1", "cpu/cpu.cfs_period_us": "100000"}, None),
        ({}, None),
    ],
)
def test_a_containers_processor_quota_is_read(files: dict[str, str], quota: float | None, tmp_path: Path) -> None:
    (tmp_path / "cpu").mkdir()
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    assert processor_quota(tmp_path) == quota


def test_other_processes_on_the_gpu_are_named() -> None:
    assert gpu_neighbours(7, "7\n 123 \n[N/A]\n\n456\n") == ["process 123", "process 456"]


def test_a_model_without_room_is_refused_before_it_is_made() -> None:
    with pytest.raises(NoRoom, match=r"\b2200000\.0 GiB\b.* GiB\b"):
        check_room(1e6 * 2**30, "cpu")


def test_a_development_set_of_another_size_is_a_mistake(tmp_path: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet", reason="needs pyarrow")
    import pyarrow

    folder = tmp_path / "nyu-mll" / "glue" / "stsb"
    folder.mkdir(parents=True)
    table = pyarrow.table({"sentence1": ["a"], "sentence2": ["b"]})
    parquet.write_table(table, folder / "validation-00000-of-00001.parquet")
    with pytest.raises(Mistake, match=r" 1 .*\bstsb\b.*\b1,500\b"):
        load_pairs(find_split(*GLUE, "stsb", "validation", tmp_path, fetch=False))


def test_real_weights_are_used_where_they_are_at_hand(tmp_path: Path) -> None:
    """In the model's folder, in the mirror, in the hub's cache at the pinned revision; nothing is downloaded."""
    own, mirror, cache = tmp_path / "own", tmp_path / "mirror", tmp_path / "cache"
    snapshot = cache / "models--owner--name" / "snapshots" / ("a" * 40)
    code = "import sys, pathlib; from measure.models import weights_folder; "
    code += "print(weights_folder(sys.argv[1], sys.argv[2], pathlib.Path(sys.argv[3])))"

    def found(model: str, revision: str = "a" * 40) -> str:
        command = [sys.executable, "-c", code, model, revision, str(mirror)]
        done = subprocess.run(command, cwd=ROOT, env={**os.environ, "HF_HUB_CACHE": str(cache)}, capture_output=True)
        return done.stdout.decode().strip()

    assert [found(str(own)), found("owner/name")] == ["None", "None"]
    for folder in (own, snapshot):
        folder.mkdir(parents=True)
        (folder / "model.safetensors").write_bytes(b"")
    assert [found(str(own)), found("owner/name"), found("owner/name", "b" * 40)] == [str(own), str(snapshot), "None"]
    (mirror / "owner" / "name").mkdir(parents=True)
    (mirror / "owner" / "name" / "model.safetensors").write_bytes(b"")
    assert found("owner/name") == str(mirror / "owner" / "name")
