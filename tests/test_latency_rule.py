"""When a ratio of times may be judged: judge/latency.py, and the pairs of judge/pool.py."""

import math
import re

import pytest
from scipy import stats

from judge.baselines import load_baselines
from judge.checks import FEWEST_PAIRS
from judge.claims import Claim, Margin
from judge.evidence import SCHEMA, Evidence, Host, Measurement, Model
from judge.files import Mistake
from judge.latency import CLOSE, LAUNCHES, single_pass, speedup
from judge.pool import Launches, Pool
from judge.rule import judge
from judge.statistics import Estimate, Pair, pair_ratio
from judge.verdicts import BadMeasurement, Outcome, Verdict
from tests.project import ROOT

BASELINES = load_baselines(ROOT / "baselines")

BOUND = 1.595
TEACHER, STUDENT = Model(role="teacher", id="bert"), Model(role="student", id="distilbert")
CLAIM = Claim(
    id="speed.made_up",
    title="60 % faster",
    sentence="It is 60% faster.",
    where="nowhere",
    quantity="teacher's seconds over student's",
    published=1.6,
    precision=0.1,
    unit="x",
    rule="at_least",
    margin=Margin(value=0.005, name="rounding", reason="made up", fixed_on="2020-01-01"),
    about=("teacher", "student"),
    marks=("slow",),
)


def pairs(ratio: float, count: int = 40, wobble: float = 0.01) -> tuple[Pair, ...]:
    """Pairs in alternating order whose ratios lie evenly around this one in each order."""
    made: list[Pair] = []
    for i in range(count // 2):
        factor = 1 + wobble * (2 * i / (count // 2 - 1) - 1)
        made += [("teacher", 0.1 * ratio * factor, 0.1), ("student", 0.1 * ratio * factor, 0.1)]
    return tuple(made)


def launch(ratio: float, number: int = 0, **changes: object) -> Measurement:
    fields: dict[str, object] = {
        "quantity": "latency.cpu",
        "model": STUDENT,
        "versus": TEACHER,
        "unit": "seconds",
        "pairs": pairs(ratio),
        "launch": number,
    }
    return Measurement(**(fields | changes))


def launches(*ratios: float) -> list[Measurement]:
    return [launch(ratio, number) for number, ratio in enumerate(ratios)]


def speed(measurements: list[Measurement]) -> Estimate:
    """The ratio from launches of one host in one setting."""
    group = Launches(Host(name="one"), tuple(measurements), ("one.json",) * len(measurements))
    return speedup([group], CLAIM, BASELINES)


def evidence(*measurements: Measurement, host: str = "one") -> Evidence:
    return Evidence(
        schema_=SCHEMA, suite_version="0", created="2020-01-01", host=Host(name=host), measurements=measurements
    )


# How many launches it takes


def test_the_rule_is_five_percent_and_five_launches():
    assert (CLOSE, LAUNCHES) == (0.05, 5)


@pytest.mark.parametrize("ratio", [BOUND * 0.951, BOUND * 0.999, BOUND, BOUND * 1.001, BOUND * 1.049])
@pytest.mark.parametrize("count", [1, 4])
def test_a_ratio_within_5_percent_of_its_bound_is_held_below_five_launches(ratio, count):
    estimate = speed(launches(*[ratio] * count))
    assert estimate.hold is not None
    assert all(word in estimate.hold for word in (f"{ratio:.3f}", "5 %", "1.595", "5 launches"))
    assert judge(CLAIM, estimate).verdict is Outcome.INCONCLUSIVE


@pytest.mark.parametrize(
    ("ratio", "outcome"), [(BOUND * 0.949, Outcome.NOT_REPRODUCED), (BOUND * 1.051, Outcome.REPRODUCED)]
)
@pytest.mark.parametrize("count", [1, 4])
def test_a_ratio_further_off_is_decided_by_one_launch(ratio, outcome, count):
    estimate = speed(launches(*[ratio] * count))
    assert estimate.hold is None
    assert judge(CLAIM, estimate).verdict is outcome


def test_below_five_launches_the_pairs_are_judged_together():
    made = launches(1.8, 1.9)
    estimate, pooled = speed(made), pair_ratio([*made[0].pairs, *made[1].pairs])
    assert estimate.value == pooled.value
    assert estimate.interval(0.90) == pooled.interval(0.90)


def test_five_launches_are_judged_by_students_t_over_launches():
    ratios = [1.62, 1.66, 1.60, 1.64, 1.68]
    logs = [math.log(ratio) for ratio in ratios]
    low, high = stats.t.interval(0.90, 4, loc=sum(logs) / 5, scale=stats.sem(logs))
    estimate = speed(launches(*ratios))
    assert estimate.hold is None
    assert estimate.value == pytest.approx(stats.gmean(ratios))
    assert estimate.interval(0.90) == pytest.approx((math.exp(low), math.exp(high)))


@pytest.mark.parametrize(
    ("ratios", "outcome"),
    [
        ([1.62, 1.63, 1.64, 1.63, 1.62], Outcome.REPRODUCED),
        ([1.56, 1.57, 1.56, 1.55, 1.57], Outcome.NOT_REPRODUCED),
        ([1.50, 1.72, 1.55, 1.68, 1.63], Outcome.INCONCLUSIVE),
    ],
)
def test_five_launches_decide_what_is_close_unless_they_differ_too_much(ratios, outcome):
    assert judge(CLAIM, speed(launches(*ratios))).verdict is outcome


def test_the_count_of_pairs_and_the_ratio_of_sums_are_said():
    notes = speed(launches(1.8, 1.8)).notes
    assert any(re.search(r"\b80\b.*\bpairs\b.*\b2\b.*\blaunch", note) for note in notes)
    assert any(re.search(r"\bsum.*\b1\.800\b", note) for note in notes)


def test_what_launches_cannot_settle_has_no_number_of_seeds():
    assert judge(CLAIM, speed(launches(1.6))).to_settle is None


# What must not be judged


@pytest.mark.parametrize("seconds", [0.0, -0.1, math.nan, math.inf])
@pytest.mark.parametrize("place", [1, 2])
def test_a_time_that_is_not_positive_and_finite_is_refused(seconds, place):
    broken = list(pairs(1.8)[7])
    broken[place] = seconds
    bad = launch(1.8, 1, pairs=(*pairs(1.8), tuple(broken)))
    with pytest.raises(BadMeasurement, match=rf"latency\.cpu\b.*{seconds}"):
        speed([launch(1.8), bad])


@pytest.mark.parametrize("first", ["teacher", "student"])
def test_pairs_in_one_order_only_are_refused(first):
    bad = launch(1.8, 1, pairs=tuple(pair for pair in pairs(1.8) if pair[0] == first))
    with pytest.raises(BadMeasurement, match=r"latency\.cpu\b.*\border\b"):
        speed([launch(1.8), bad])


def test_fewer_than_ten_pairs_are_refused():
    assert FEWEST_PAIRS == 10
    assert speed([launch(1.8, pairs=pairs(1.8, 10))]).value == pytest.approx(1.8, rel=0.01)
    with pytest.raises(BadMeasurement, match=r"latency\.cpu\b.*\bone\.json\b.*\b9\b.*\b10\b"):
        speed([launch(1.8, pairs=pairs(1.8, 10)[:9])])


def test_times_in_another_unit_are_refused():
    with pytest.raises(BadMeasurement, match=r"'milliseconds'.*\bseconds\b"):
        speed([launch(1.8, unit="milliseconds")])


@pytest.mark.parametrize(
    ("quantity", "how", "words"),
    [
        ("speed.gpu_batch1", {"device": "cpu", "batch": 1}, r"\bcpu\b.*\bcuda\b"),
        ("speed.gpu_batch32", {"device": "cuda", "batch": 1}, r"\bbatch 1\b.*\bbatch 32\b"),
        ("speed.cpu", {"device": "cuda", "batch": 1}, r"\bcuda\b.*\bcpu\b"),
        ("speed.cpu_backends.int8", {"device": "cuda", "batch": 1}, r"\bcuda\b.*\bcpu\b"),
    ],
)
def test_times_of_another_device_or_batch_than_the_claims_are_refused(quantity, how, words):
    group = Launches(Host(name="one"), (launch(1.8, quantity=quantity, how=how),), ("one.json",))
    with pytest.raises(BadMeasurement, match=rf"{re.escape(quantity)}\b.*\bone\.json\b.*{words}"):
        speedup([group], CLAIM, BASELINES)


# Each model timed once


@pytest.mark.parametrize(("teacher", "student"), [(668.0, 410.0), (10.0, 1.0), (1.0, 10.0)])
def test_models_timed_once_are_shown_and_never_decided(teacher, student):
    verdict = judge(CLAIM, single_pass(teacher, student))
    assert verdict.value == pytest.approx(teacher / student)
    assert (verdict.verdict, verdict.interval) == (Outcome.INCONCLUSIVE, None)
    assert "once" in verdict.reason


@pytest.mark.parametrize("seconds", [0.0, -1.0, math.nan, math.inf])
def test_a_total_that_is_not_positive_and_finite_is_refused(seconds):
    for teacher, student in ((seconds, 1.0), (1.0, seconds)):
        with pytest.raises(BadMeasurement, match=str(seconds)):
            single_pass(teacher, student)


# Launches from several files


def found(*files: tuple[str, Evidence]) -> list[list[float]]:
    groups = Pool(files).paired("latency.cpu", {"bert"}, {"distilbert"})
    return [[round(pair_ratio(m.pairs).value, 3) for m in group.measurements] for group in groups]


def test_launches_of_one_host_are_grouped_in_order_over_files():
    files = ("two.json", evidence(launch(1.7, 1))), ("one.json", evidence(launch(1.6, 0), launch(1.8, 2)))
    assert found(*files) == [[1.6, 1.7, 1.8]]


def test_launches_of_two_hosts_stay_apart_and_more_pairs_come_first():
    one, two = evidence(launch(1.6)), evidence(launch(1.7, 0), launch(1.8, 1), host="two")
    assert found(("one.json", one), ("two.json", two)) == [[1.7, 1.8], [1.6]]


def test_the_same_launch_recorded_twice_counts_once():
    assert found(("one.json", evidence(launch(1.6))), ("copy.json", evidence(launch(1.6)))) == [[1.6]]


def test_the_same_launch_with_other_pairs_names_both_files():
    with pytest.raises(Mistake, match=r"latency\.cpu\b.*\blaunch 0\b.*\bone\.json\b.*\btwo\.json\b"):
        found(("one.json", evidence(launch(1.6))), ("two.json", evidence(launch(1.7))))


def test_pairs_of_other_models_or_quantities_are_not_taken():
    stranger = Model(role="teacher", id="somebody/else")
    others = evidence(launch(1.6, versus=stranger), launch(1.7, quantity="latency.gpu"))
    assert found(("one.json", others)) == []


def test_a_launch_remembers_its_file():
    given = Pool([("one.json", evidence(launch(1.7, 1))), ("two.json", evidence(launch(1.6)))])
    [group] = given.paired("latency.cpu", {"bert"}, {"distilbert"})
    assert [m.launch for m in group.measurements] == [0, 1]
    assert group.files == ("two.json", "one.json")


# Which of several groups is judged


SETTING = CLAIM.model_copy(update={"setting": {"device": "cpu", "batch": 1, "threads": 1, "precision": "fp32"}})
HOW = {"device": "cpu", "batch": 1, "threads": 1}


def timed(ratio: float, number: int = 0, precision: str = "fp32", **how: object) -> Measurement:
    """A launch in the claim's own setting, except for what is changed."""
    return launch(ratio, number, how=HOW | how, precision=precision)


def judged(*files: tuple[str, Evidence]) -> Verdict:
    groups = Pool(files).paired("latency.cpu", {"bert"}, {"distilbert"}, SETTING.setting)
    return judge(SETTING, speedup(groups, SETTING, BASELINES))


@pytest.mark.parametrize("order", [1, -1])
@pytest.mark.parametrize(("changes", "words"), [({"threads": 8}, ("threads 8",)), ({"precision": "int8"}, ("int8",))])
def test_the_claims_own_setting_is_judged_and_another_listed(changes, words, order):
    """More launches of it do not make another setting the claim's."""
    own = evidence(timed(1.8), host="own")
    other = evidence(*(timed(1.2, number, **changes) for number in range(5)), host="another")
    verdict = judged(*[("one.json", own), ("two.json", other)][::order])
    assert (verdict.verdict, verdict.marks) == (Outcome.REPRODUCED, ())
    assert verdict.value == pytest.approx(1.8, rel=0.01)
    [note] = [note for note in verdict.notes if "1.2x" in note]
    assert all(word in note for word in words)


def test_times_in_another_setting_alone_are_judged_and_said_to_be_so():
    verdict = judged(("one.json", evidence(timed(1.8, threads=8))))
    assert verdict.verdict is Outcome.REPRODUCED
    assert any("threads 8" in note and "threads 1" in note for note in verdict.notes)


@pytest.mark.parametrize("order", [1, -1])
@pytest.mark.parametrize(("there", "disagree"), [(1.2, True), (1.9, False)])
def test_another_host_in_the_same_setting_is_listed_and_may_disagree(there, disagree, order):
    files = [("b.json", evidence(timed(1.8), host="alpha")), ("a.json", evidence(timed(there), host="beta"))]
    verdict = judged(*files[::order])
    assert verdict.value == pytest.approx(1.8, rel=0.01)
    assert verdict.marks == ("hosts disagree",) * disagree
    [note] = [note for note in verdict.notes if "beta" in note]
    assert f"{there:g}" in note
    assert (Outcome.NOT_REPRODUCED in note) is disagree


def test_other_times_that_are_not_whole_are_left_out_and_named():
    short = launch(1.2, how=HOW, precision="fp32", pairs=pairs(1.2, 8))
    verdict = judged(("one.json", evidence(timed(1.8))), ("two.json", evidence(short, host="two")))
    assert verdict.verdict is Outcome.REPRODUCED
    assert any("two.json" in note and re.search(r"\b8\b.*\b10\b", note) for note in verdict.notes)
