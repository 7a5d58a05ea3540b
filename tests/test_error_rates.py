"""How often the judge is wrong, by simulation with the paper's own margins and the published spreads over seeds.

The measured rates in the comments are of 2,000 draws. Every bound leaves room for the simulation's own error: a rate of
5 % from 1,000 draws has a standard error of 0.7 %.
"""

import math
from collections.abc import Iterable
from pathlib import Path

import numpy
import pytest

from benchmarks import power
from benchmarks.power import CELLS, claim_of, held, spread_of
from judge.baselines import GLUE, load_baselines
from judge.statistics import LEVEL, Pair, Term, contrast, pair_ratio, ratio
from judge.verdicts import Outcome

BASELINES = load_baselines(Path(__file__).parents[1] / "baselines")
DRAWS = 1000
SEEDS = 5


def rates(task: str, shift: float, noise: float = 1.0, seeds: int = SEEDS) -> dict[Outcome, float]:
    """Shares of outcomes if the true score lies that far from the printed one."""
    return power.rates(task, shift, DRAWS, noise, seeds)


def edge(task: str) -> float:
    return claim_of(task).margin.value


def mean(values: Iterable[float]) -> float:
    return float(numpy.mean(list(values)))


# Measured: 3.7 % and 3.8 % on average over the tasks, 4.5 % at worst.
@pytest.mark.parametrize("side", [1, -1])
def test_a_score_just_outside_its_margin_is_called_reproduced_in_about_5_percent_of_studies(side):
    wrong = [rates(task, side * (edge(task) + 1e-6))[Outcome.REPRODUCED] for task in CELLS]
    assert 0.02 < mean(wrong) < 0.06
    assert max(wrong) < 0.10


# Measured: 4.0 % on average, 4.7 % at worst.
def test_a_score_just_inside_its_margin_is_called_not_reproduced_in_about_5_percent_of_studies():
    wrong = [rates(task, -edge(task) + 1e-6)[Outcome.NOT_REPRODUCED] for task in CELLS]
    assert mean(wrong) < 0.06
    assert max(wrong) < 0.10


# Measured: never, on all tasks.
def test_a_score_far_from_the_printed_one_is_hardly_ever_called_reproduced():
    far = [rates(task, 2 * edge(task) + 4 * spread_of(task)) for task in CELLS]
    assert max(rate[Outcome.REPRODUCED] for rate in far) < 0.007
    assert mean(rate[Outcome.NOT_REPRODUCED] for rate in far) > 0.99


# Measured: 99.1 % on average, 98.5 % at worst, with normal noise; never "not reproduced".
def test_the_printed_score_itself_is_mostly_called_reproduced():
    right = [rates(task, 0.0) for task in CELLS]
    assert mean(rate[Outcome.REPRODUCED] for rate in right) > 0.97
    assert min(rate[Outcome.REPRODUCED] for rate in right) > 0.95
    assert max(rate[Outcome.NOT_REPRODUCED] for rate in right) < 0.007


# Measured at the edge: 0.3 % on average, 1.8 % at worst. A margin of 2 S is too narrow for one seed, whose interval is
# 2.13 S to either side, so that only MNLI (80 %) and SST-2 (20 %), whose margin is wider, can be called reproduced.
def test_one_seed_decides_less_and_is_no_more_often_wrong():
    wrong = [rates(task, edge(task) + 1e-6, seeds=1)[Outcome.REPRODUCED] for task in CELLS]
    right = {task: rates(task, 0.0, seeds=1)[Outcome.REPRODUCED] for task in CELLS}
    assert max(wrong) < 0.06
    assert {task for task, rate in right.items() if rate > 0} == {"mnli", "sst2"}


# Measured at the edge: 7.0 % on average, 7.6 % at worst; far away never.
def test_a_spread_half_as_large_again_as_published_keeps_errors_bounded():
    wrong = [rates(task, edge(task) + 1e-6, noise=1.5)[Outcome.REPRODUCED] for task in CELLS]
    far = [rates(task, 2 * edge(task) + 4 * spread_of(task), noise=1.5)[Outcome.REPRODUCED] for task in CELLS]
    assert mean(wrong) < 0.085
    assert max(wrong) < 0.10
    assert max(far) < 0.007


# Measured for 1, 2, 3, 5 and 10 seeds: 96.9, 94.4, 93.3, 92.6 and 90.7 %.
@pytest.mark.parametrize("seeds", [1, 2, 3, 5, 10])
def test_the_90_percent_interval_of_seeds_covers_the_truth(seeds):
    stream = numpy.random.default_rng([1910, 1108, seeds])
    studies = stream.normal(59.9, spread_of("rte"), (3000, seeds)).tolist()
    intervals = (contrast([Term(1.0, tuple(values), spread_of("rte"))]).interval(LEVEL) for values in studies)
    covered = mean(low <= 59.9 <= high for low, high in intervals)
    assert 0.88 <= covered < 0.98


def glue_terms(stream: numpy.random.Generator, model: str) -> list[Term]:
    """Five seeds of a model on nine tasks whose true scores are the printed ones."""
    return [
        Term(
            1 / len(GLUE),
            tuple(stream.normal(BASELINES.claims[f"glue.{task}.{model}"].published, spread_of(task), SEEDS).tolist()),
            spread_of(task),
        )
        for task in GLUE
    ]


# Measured: 90.8 %.
def test_fiellers_90_percent_interval_of_nine_task_retention_covers_the_truth():
    stream = numpy.random.default_rng([1910, 1108])
    truth = 100 * math.fsum(BASELINES.claims[f"glue.{task}.distilbert"].published for task in GLUE)
    truth /= math.fsum(BASELINES.claims[f"glue.{task}.bert"].published for task in GLUE)
    intervals = (
        ratio(glue_terms(stream, "distilbert"), glue_terms(stream, "bert")).interval(LEVEL) for _ in range(1500)
    )
    covered = mean(low <= truth <= high for low, high in intervals)
    assert 0.88 <= covered < 0.95


# Measured with predictions on record: never. Not on record: 0.0 % for 5 and for 20 seeds.
@pytest.mark.parametrize("recorded", [True, False])
def test_a_low_score_is_hardly_ever_taken_for_a_failed_run_and_more_seeds_make_it_no_worse(recorded):
    shares = [held(56.2, seeds, 200, recorded=recorded) for seeds in (5, 20)]
    assert shares[0] <= 0.05
    assert shares[1] <= shares[0]


# Latency on a clock that is not steady


def slowness(stream: numpy.random.Generator, slots: int) -> numpy.ndarray:
    """By how much each slot of a run is slowed: a drift of 15 %, bursts of a neighbour's work, and jitter."""
    drift = numpy.linspace(1.0, 1.15, slots)
    burst, busy = numpy.ones(slots), False
    for slot in range(slots):
        busy = stream.random() < (0.85 if busy else 0.04)
        burst[slot] = 1.5 if busy else 1.0
    return drift * burst * stream.lognormal(0.0, 0.03, slots)


def interleaved(clock: numpy.ndarray, truth: float, first_costs: float = 1.05) -> list[Pair]:
    pairs: list[Pair] = []
    for i, (one, two) in enumerate(clock.reshape(-1, 2).tolist()):
        if i % 2:
            pairs.append(("student", truth * two, first_costs * one))
        else:
            pairs.append(("teacher", first_costs * truth * one, two))
    return pairs


def in_blocks(clock: numpy.ndarray, truth: float) -> float:
    """What one gets who times the teacher first and then the student, and divides the means."""
    teacher, student = numpy.split(clock, 2)
    return truth * float(teacher.mean() / student.mean())


# Measured: the interval covers the truth in 90 % of runs; blocks are off by more than 5 % in 74 %, pairs in none.
def test_interleaved_pairs_cover_the_truth_where_blocks_are_off():
    truth, runs = 1.6, 1000
    stream = numpy.random.default_rng([1910, 1108, 40])
    clocks = [slowness(stream, 80) for _ in range(runs)]
    estimates = [pair_ratio(interleaved(clock, truth), resamples=500) for clock in clocks]
    covered = mean(low <= truth <= high for low, high in (estimate.interval(LEVEL) for estimate in estimates))
    off = mean(abs(in_blocks(clock, truth) / truth - 1) > 0.05 for clock in clocks)
    ours = mean(abs(estimate.value / truth - 1) > 0.05 for estimate in estimates)
    assert covered >= 0.86
    assert off > 0.5
    assert ours < 0.02
