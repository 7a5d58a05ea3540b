"""The intervals of judge/statistics.py: properties that must hold for any numbers, and values worked out by hand."""

import math
import re
from dataclasses import replace

import numpy
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy import stats

from judge.claims import Claim, Rule
from judge.rule import judge
from judge.statistics import (
    LEVEL,
    MOST_SEEDS,
    Estimate,
    Pair,
    Term,
    between,
    contrast,
    level_of,
    median,
    over_launches,
    pair_ratio,
    ratio,
    seeds_to_settle,
    t_quantile,
)
from judge.verdicts import BadMeasurement, Outcome
from tests.made import claim

RULES: tuple[Rule, ...] = ("within", "at_least", "at_most")
RANK = {Outcome.NOT_REPRODUCED: 0, Outcome.INCONCLUSIVE: 1, Outcome.REPRODUCED: 2}

# Derandomized: a property that fails must fail for everybody.

points = st.integers(0, 10_000).map(lambda hundredths: hundredths / 100)
spreads = st.integers(10, 700).map(lambda hundredths: hundredths / 100)
margins = st.integers(0, 2_000).map(lambda hundredths: hundredths / 100)
seeds = st.lists(points, min_size=1, max_size=10)
rules = st.sampled_from(RULES)


def cell(values: list[float], spread: float, weight: float = 1.0) -> Estimate:
    return contrast([Term(weight, tuple(values), spread)])


def width(estimate: Estimate, level: float = LEVEL) -> float:
    low, high = estimate.interval(level)
    return high - low


def is_clear(estimate: Estimate, bounds: tuple[float, float], least: float = 1e-6) -> bool:
    """Neither end of the interval lies so near a bound that rounding decides."""
    return all(abs(end - bound) > least for end in estimate.interval(LEVEL) for bound in bounds)


# Properties of a verdict


@given(seeds, spreads, points, rules, margins, margins)
def test_widening_a_margin_never_weakens_a_verdict(values, spread, published, rule, one, other):
    narrow, wide = sorted((one, other))
    estimate = replace(cell(values, spread), forecast=None)
    before, after = (judge(claim(rule, published, margin), estimate).verdict for margin in (narrow, wide))
    assert RANK[after] >= RANK[before]


@given(st.data(), seeds, spreads, points, rules, margins)
def test_the_order_of_seeds_is_irrelevant(data, values, spread, published, rule, margin):
    shuffled = data.draw(st.permutations(values))
    said = claim(rule, published, margin)
    assert cell(shuffled, spread).interval(LEVEL) == cell(values, spread).interval(LEVEL)
    assert judge(said, cell(shuffled, spread)).verdict is judge(said, cell(values, spread)).verdict


@given(seeds, spreads, points, rules, margins, st.floats(0.01, 1000))
def test_another_unit_scales_the_interval_and_keeps_the_verdict(values, spread, published, rule, margin, c):
    estimate, said = cell(values, spread), claim(rule, published, margin)
    assume(is_clear(estimate, said.bounds))
    scaled = cell([c * value for value in values], c * spread)
    assert scaled.interval(LEVEL) == pytest.approx([c * end for end in estimate.interval(LEVEL)], rel=1e-9, abs=1e-9)
    assert judge(claim(rule, c * published, c * margin), scaled).verdict is judge(said, estimate).verdict


@given(seeds, spreads, points, rules, margins)
def test_a_further_seed_at_the_mean_never_weakens_a_verdict(values, spread, published, rule, margin):
    mean = math.fsum(values) / len(values)
    before, after = cell(values, spread), cell([*values, mean], spread)
    said = claim(rule, published, margin)
    assume(is_clear(before, said.bounds) and is_clear(after, said.bounds))
    assert width(after) < width(before)
    was, now = judge(said, before).verdict, judge(said, after).verdict
    assert was in (now, Outcome.INCONCLUSIVE)


@given(points, spreads, st.integers(1, 20))
def test_one_seed_or_equal_seeds_have_a_finite_interval_of_some_width(value, spread, count):
    low, high = cell([value] * count, spread).interval(LEVEL)
    assert math.isfinite(low)
    assert math.isfinite(high)
    assert low < value < high


@given(seeds, spreads, st.floats(0.5, 0.99), st.floats(0.5, 0.99))
def test_a_higher_level_never_narrows_an_interval(values, spread, one, other):
    estimate = cell(values, spread)
    assert width(estimate, max(one, other)) >= width(estimate, min(one, other))


@given(st.data(), seeds, spreads, rules)
def test_a_seed_that_is_not_a_number_cannot_be_judged(data, values, spread, rule):
    place = data.draw(st.integers(0, len(values)))
    with pytest.raises(BadMeasurement, match="nan"):
        judge(claim(rule), cell([*values[:place], math.nan, *values[place:]], spread))


def test_an_interval_that_is_not_a_number_cannot_be_judged():
    with pytest.raises(BadMeasurement, match="interval"):
        judge(claim(), between(50.0, math.nan, 51.0))


# Seeds


def test_two_seeds_give_the_interval_worked_out_by_hand():
    # s^2 = (4 * 1.5^2 + 2) / 5 = 2.2, the error sqrt(2.2 / 2) = 1.04881, and t(0.95, 5) = 2.01505
    low, high = cell([57.0, 59.0], 1.5).interval(0.90)
    assert (low, high) == pytest.approx((58 - 2.11340, 58 + 2.11340), abs=1e-4)


@pytest.mark.parametrize("level", [0.90, 0.95])
@pytest.mark.parametrize("values", [[61.7], [90.9, 91.4], [56.0, 58.1, 57.2], [88.0] * 5, [70.1, 64.3, 69, 71, 66, 68]])
def test_one_term_is_mean_and_t_with_the_published_spread_as_four_degrees(values, level):
    n, spread = len(values), 1.3
    s2 = (4 * spread**2 + n * numpy.var(values)) / (n + 3)
    half = stats.t.ppf((1 + level) / 2, n + 3) * math.sqrt(s2 / n)
    mean = float(numpy.mean(values))
    assert cell(values, spread).value == pytest.approx(mean)
    assert cell(values, spread).interval(level) == pytest.approx((mean - half, mean + half))


def test_a_difference_adds_variances_with_satterthwaites_degrees():
    ours, theirs = Term(1.0, (92.0, 93.0, 93.4), 0.42), Term(-1.0, (70.0, 66.0), 2.2)
    first = (4 * 0.42**2 + 3 * numpy.var(ours.values)) / 6 / 3
    second = (4 * 2.2**2 + 2 * numpy.var(theirs.values)) / 5 / 2
    degrees = (first + second) ** 2 / (first**2 / 6 + second**2 / 5)
    half = stats.t.ppf(0.95, degrees) * math.sqrt(first + second)
    estimate = contrast([ours, theirs])
    assert estimate.value == pytest.approx(92.8 - 68.0)
    assert estimate.interval(0.90) == pytest.approx((24.8 - half, 24.8 + half))


@given(seeds, spreads, st.floats(-3, 3).filter(lambda weight: abs(weight) > 0.01))
def test_a_weight_scales_value_and_width(values, spread, weight):
    plain, weighted = cell(values, spread), cell(values, spread, weight)
    assert weighted.value == pytest.approx(weight * plain.value, abs=1e-9)
    assert width(weighted) == pytest.approx(abs(weight) * width(plain))


# Ratios of scores

scores = st.integers(4_000, 10_000).map(lambda hundredths: hundredths / 100)
cells = st.builds(
    lambda values, spread: Term(1.0, tuple(values), spread), st.lists(scores, min_size=1, max_size=5), spreads
)
tables = st.integers(1, 4).flatmap(lambda k: st.tuples(*[st.lists(cells, min_size=k, max_size=k)] * 2))


def difference(numerator: list[Term], denominator: list[Term], percent: float) -> Estimate:
    """The contrast that is judged against 0 for the bound of so many percent."""
    return contrast([*numerator, *(replace(term, weight=-percent / 100) for term in denominator)])


@given(tables, st.integers(5_000, 15_000).map(lambda hundredths: hundredths / 100))
def test_fiellers_interval_clears_a_bound_exactly_when_the_contrast_does(table, bound):
    students, teachers = table
    low, high = ratio(students, teachers).interval(LEVEL)
    below, above = difference(students, teachers, bound).interval(LEVEL)
    assume(min(abs(low - bound), abs(high - bound)) > 1e-6)
    assert (low >= bound) == (below >= 0)
    assert (high < bound) == (above < 0)


@given(tables)
def test_at_the_ends_of_fiellers_interval_the_contrast_touches_zero(table):
    students, teachers = table
    low, high = ratio(students, teachers).interval(LEVEL)
    assert difference(students, teachers, low).interval(LEVEL)[0] == pytest.approx(0, abs=1e-8)
    assert difference(students, teachers, high).interval(LEVEL)[1] == pytest.approx(0, abs=1e-8)
    assert low < ratio(students, teachers).value < high


@given(st.data(), tables)
def test_permuting_the_seeds_of_one_model_changes_nothing(data, table):
    students, teachers = table
    permuted = [replace(term, values=tuple(data.draw(st.permutations(term.values)))) for term in students]
    assert ratio(permuted, teachers).value == ratio(students, teachers).value
    assert ratio(permuted, teachers).interval(LEVEL) == ratio(students, teachers).interval(LEVEL)


def test_a_ratio_to_nearly_nothing_is_open_towards_infinity():
    low, high = ratio([Term(1.0, (50.0,), 1.0)], [Term(1.0, (1.0,), 2.0)]).interval(LEVEL)
    assert 0 < low < 5000
    assert high == math.inf


# Medians


@pytest.mark.parametrize("numerator", [0.0, 50.0])
@pytest.mark.parametrize("denominators", [[0.0, 0.0], [-1.0, 1.0]])
def test_a_ratio_to_nothing_has_no_value_and_says_so(numerator, denominators):
    estimate = ratio([Term(1.0, (numerator,), 1.0)], [Term(1.0, (value,), 1.0) for value in denominators])
    assert math.isnan(estimate.value)
    assert estimate.interval(LEVEL) == (-math.inf, math.inf)
    assert estimate.hold


@pytest.mark.parametrize(("looks", "level"), [(1, 0.90), (2, 0.95), (4, 0.975)])
def test_looks_share_the_error_of_one(looks, level):
    assert level_of(looks) == pytest.approx(level)


def test_five_seeds_give_the_median_an_interval_from_the_lowest_to_the_highest():
    estimate = median([61.0, 52.7, 66.0, 64.0, 65.0])
    assert estimate.value == 64.0
    assert estimate.interval(0.90) == (52.7, 66.0)
    assert estimate.hold is None


def test_eight_seeds_give_the_median_an_interval_from_the_second_to_the_seventh():
    estimate = median([8.0, 3.0, 1.0, 5.0, 7.0, 2.0, 6.0, 4.0])
    assert estimate.value == 4.5
    assert estimate.interval(0.90) == (2.0, 7.0)


@pytest.mark.parametrize("count", range(5, 31))
def test_sign_ranks_are_the_narrowest_that_cover_the_median(count):
    low, high = median([float(i) for i in range(1, count + 1)]).interval(0.90)
    k = int(low)
    assert high == count + 1 - k
    assert 1 - 2 * stats.binom.cdf(k - 1, count, 0.5) >= 0.90 > 1 - 2 * stats.binom.cdf(k, count, 0.5)


@pytest.mark.parametrize("count", [1, 2, 3, 4])
def test_fewer_than_five_seeds_leave_a_median_undecided(count):
    estimate = median([50.0] * count)
    assert f"{count} seed" in (estimate.hold or "")
    assert judge(claim(), estimate).verdict is Outcome.INCONCLUSIVE


# Ratios of time


def interleaved(speedup: float, first_costs: float, teacher_first: int, student_first: int) -> list[Pair]:
    """Pairs without noise, in which whoever runs first takes that many times as long."""
    teachers: list[Pair] = [("teacher", speedup * first_costs, 1.0)] * teacher_first
    students: list[Pair] = [("student", speedup, first_costs)] * student_first
    return teachers + students


def noisy_pairs(count: int = 40) -> list[Pair]:
    noise = numpy.random.default_rng(7).lognormal(0, 0.1, (count, 2))
    return [
        ("teacher" if i % 2 else "student", float(1.6 * teacher), float(student))
        for i, (teacher, student) in enumerate(noise)
    ]


@given(st.floats(0.2, 5), st.floats(0.8, 2), st.integers(1, 30), st.integers(1, 30))
def test_what_the_first_place_costs_cancels(speedup, first_costs, teacher_first, student_first):
    estimate = pair_ratio(interleaved(speedup, first_costs, teacher_first, student_first), resamples=20)
    assert estimate.value == pytest.approx(speedup)
    assert estimate.interval(LEVEL) == pytest.approx((speedup, speedup))


def test_judging_pairs_again_gives_the_same_interval_whatever_the_global_stream():
    numpy.random.seed(1)
    before = pair_ratio(noisy_pairs()).interval(LEVEL)
    numpy.random.seed(2)
    assert pair_ratio(noisy_pairs()).interval(LEVEL) == before


def test_the_interval_of_pairs_holds_their_ratio_and_widens_with_the_level():
    estimate = pair_ratio(noisy_pairs())
    (low, high), (lower, higher) = estimate.interval(0.90), estimate.interval(0.99)
    assert lower < low < estimate.value < high < higher


def test_one_stalled_pair_moves_the_ratio_of_sums_and_not_the_estimate():
    pairs = noisy_pairs()
    stalled = [*pairs[:-1], (pairs[-1][0], 100 * pairs[-1][1], pairs[-1][2])]
    assert pair_ratio(stalled).value == pytest.approx(pair_ratio(pairs).value, rel=0.02)
    assert pair_ratio(stalled).interval(LEVEL) == pytest.approx(pair_ratio(pairs).interval(LEVEL), rel=0.02)
    sums = sum(pair[1] for pair in stalled) / sum(pair[2] for pair in stalled)
    [note] = pair_ratio(stalled).notes
    assert re.search(rf"(?<![\d.]){sums:.3f}\b", note)
    assert sums > 3


def test_pairs_of_one_order_are_refused():
    with pytest.raises(ValueError, match="orders"):
        pair_ratio([("teacher", 1.6, 1.0)] * 40)


@pytest.mark.parametrize("ratios", [[1.58, 1.66], [1.61, 1.59, 1.63, 1.6, 1.7], [0.9, 1.1, 1.0, 1.2, 0.95, 1.4]])
def test_launches_give_a_geometric_mean_with_students_t(ratios):
    logs = numpy.log(ratios)
    low, high = stats.t.interval(0.90, len(ratios) - 1, loc=logs.mean(), scale=stats.sem(logs))
    estimate = over_launches(ratios)
    assert estimate.value == pytest.approx(stats.gmean(ratios))
    assert estimate.interval(0.90) == pytest.approx((math.exp(low), math.exp(high)))


# How many seeds would settle it


@given(seeds, spreads, points, margins, margins)
def test_a_value_further_from_its_bound_never_needs_more_seeds(values, spread, bound, one, other):
    def needed(distance: float) -> int:
        shift = bound + distance - math.fsum(values) / len(values)
        return seeds_to_settle(cell([value + shift for value in values], spread), (bound, math.inf)) or MOST_SEEDS + 1

    near, far = sorted((one, other))
    assert needed(far) <= needed(near)


def test_a_value_on_its_bound_cannot_be_settled_by_seeds():
    assert seeds_to_settle(cell([57.0], 1.5), (57.0, math.inf)) is None


def test_the_count_stops_at_fifty_seeds():
    # 50 seeds need a distance of (t(0.95, 53) + z(0.8)) * S / sqrt(50) = 0.3558 S
    distance = (stats.t.ppf(0.95, 53) + stats.norm.ppf(0.8)) / math.sqrt(50)
    assert seeds_to_settle(cell([distance * 1.0001], 1.0), (0.0, math.inf)) == 50
    assert seeds_to_settle(cell([distance * 0.9999], 1.0), (0.0, math.inf)) is None


def test_what_seeds_do_not_explain_is_not_settled_by_seeds():
    assert seeds_to_settle(between(50.0, 49.0, 51.0), (49.5, math.inf)) is None


def chance_of_a_decision(said: Claim, value: float, spread: float, count: int, draws: int = 2000) -> float:
    stream = numpy.random.default_rng(97)
    outcomes = [
        judge(said, replace(cell(drawn.tolist(), spread), forecast=None)).verdict
        for drawn in stream.normal(value, spread, (draws, count))
    ]
    return sum(outcome is not Outcome.INCONCLUSIVE for outcome in outcomes) / draws


@pytest.mark.parametrize(
    ("rule", "published", "margin"),
    [
        ("at_least", 57.0, 0.0),
        ("at_least", 59.4, 0.0),
        ("at_most", 59.4, 0.0),
        ("at_most", 57.0, 0.0),
        ("within", 58, 1.5),
    ],
)
def test_drawing_so_many_seeds_settles_it_four_times_in_five(rule, published, margin):
    value, spread = 58.2, 1.5
    said = claim(rule, published, margin)
    count = seeds_to_settle(cell([value], spread), said.bounds)
    assert count is not None
    assert count > 2
    assert chance_of_a_decision(said, value, spread, count) >= 0.75
    assert chance_of_a_decision(said, value, spread, count - 1) < 0.85


@pytest.mark.parametrize("degrees", [1, 4.7, 8, 53])
def test_students_t_is_scipys(degrees):
    assert t_quantile(0.90, degrees) == pytest.approx(stats.t.ppf(0.95, degrees))
