"""The rule of judge/verdicts.py: which of the five words, from an interval and the claim's bounds."""

import doctest
import math
import re
from dataclasses import replace

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st
from scipy import stats

from judge import verdicts
from judge.rule import Part, judge, judge_all
from judge.statistics import Estimate, Term, between, contrast, exact, median, undecided
from judge.verdicts import BadMeasurement, Outcome, Verdict, agrees, digits, without_measurement
from tests.made import claim

REPRODUCED, NOT_REPRODUCED, INCONCLUSIVE = Outcome.REPRODUCED, Outcome.NOT_REPRODUCED, Outcome.INCONCLUSIVE
INSIDE = between(50.0, 49.5, 50.5)
ACROSS = between(50.9, 50.4, 51.4)
ACROSS_OUTSIDE = between(51.1, 50.6, 51.6)
OUTSIDE = between(53.0, 52.5, 53.5)


def guard(outcome: Outcome, value: float | None = 45.0) -> Verdict:
    """A verdict on the teacher's own score, printed as 50, which lies on the low side unless another value is given."""
    about = claim().model_copy(update={"id": "teacher.score"})
    return without_measurement(about, outcome, "as made up").model_copy(update={"value": value})


# Each rule at, just inside and just outside its bounds


@pytest.mark.parametrize(
    ("value", "outcome"),
    [(6.0, REPRODUCED), (6.0 + 1e-12, REPRODUCED), (6.0 + 1e-6, NOT_REPRODUCED), (6.0 - 1e-6, NOT_REPRODUCED)],
)
def test_exact_admits_the_printed_value_and_binary_rounding_only(value, outcome):
    assert judge(claim("exact", 6.0, 0.0), exact(value)).verdict is outcome


@pytest.mark.parametrize(
    ("low", "high", "outcome"),
    [
        (49.0, 51.0, REPRODUCED),
        (49.001, 50.999, REPRODUCED),
        (48.999, 50.0, INCONCLUSIVE),
        (50.0, 51.001, INCONCLUSIVE),
        (48.0, 52.0, INCONCLUSIVE),
        (48.0, 49.0, INCONCLUSIVE),
        (48.0, 48.999, NOT_REPRODUCED),
        (51.0, 52.0, INCONCLUSIVE),
        (51.001, 52.0, NOT_REPRODUCED),
    ],
)
def test_within_needs_the_whole_interval_on_one_side_of_each_bound(low, high, outcome):
    assert judge(claim("within"), between((low + high) / 2, low, high)).verdict is outcome


@pytest.mark.parametrize(
    ("low", "high", "outcome"),
    [
        (49.0, 55.0, REPRODUCED),
        (49.001, math.inf, REPRODUCED),
        (48.999, 55.0, INCONCLUSIVE),
        (48.0, 49.0, INCONCLUSIVE),
        (48.0, 48.999, NOT_REPRODUCED),
        (-math.inf, 48.0, NOT_REPRODUCED),
    ],
)
def test_at_least_asks_the_low_end_to_reach_the_bound(low, high, outcome):
    assert judge(claim("at_least"), between(max(low, 40.0), low, high)).verdict is outcome


@pytest.mark.parametrize(
    ("low", "high", "outcome"),
    [
        (45.0, 51.0, REPRODUCED),
        (-math.inf, 50.999, REPRODUCED),
        (45.0, 51.001, INCONCLUSIVE),
        (51.0, 52.0, INCONCLUSIVE),
        (51.001, 52.0, NOT_REPRODUCED),
        (52.0, math.inf, NOT_REPRODUCED),
    ],
)
def test_at_most_asks_the_high_end_to_stay_below_the_bound(low, high, outcome):
    assert judge(claim("at_most"), between(min(high, 60.0), low, high)).verdict is outcome


@pytest.mark.parametrize("open_side", [(-math.inf, 50.0), (50.0, math.inf), (-math.inf, math.inf)])
def test_an_interval_without_an_end_is_open_where_the_bounds_are_not(open_side):
    verdict = judge(claim("within"), between(50.0, *open_side))
    assert verdict.verdict is INCONCLUSIVE
    assert verdict.interval is None


@pytest.mark.parametrize(("published", "margin", "value"), [(3.5, 0.1, 3.4), (0.9, 0.3, 0.6), (1.1, 0.2, 0.9)])
def test_a_value_on_the_printed_bound_is_inside_despite_binary_rounding(published, margin, value):
    assert judge(claim("at_least", published, margin), exact(value)).verdict is REPRODUCED


def test_no_more_than_binary_rounding_is_forgiven():
    assert claim("at_least", 0.9, 0.3).bounds[0] > 0.6
    assert agrees(0.6 - 1e-10, (0.6, 1.0))
    assert not agrees(0.6 - 1e-8, (0.6, 1.0))
    assert agrees(1.0 + 1e-10, (0.6, 1.0))
    assert not agrees(1.0 + 1e-8, (0.6, 1.0))


# The outcomes of judge(), in the order of its docstring


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_a_value_that_is_not_finite_is_never_judged(value):
    with pytest.raises(BadMeasurement, match=re.escape(f"{value}")):
        judge(claim("at_least"), between(value, 60.0, 61.0))


@pytest.mark.parametrize("ends", [(math.nan, 51.0), (49.0, math.nan)])
def test_an_interval_that_is_not_a_number_is_never_judged_even_on_hold(ends):
    with pytest.raises(BadMeasurement, match="interval"):
        judge(claim(), between(50.0, *ends).with_(hold="the majority class does"))


@pytest.mark.parametrize("estimate", [INSIDE, ACROSS, OUTSIDE])
def test_a_hold_keeps_any_interval_undecided_and_gives_its_reason(estimate):
    verdict = judge(claim(), estimate.with_(hold="the majority class does"))
    assert (verdict.verdict, verdict.reason) == (INCONCLUSIVE, "the majority class does")
    assert verdict.to_settle is None


@pytest.mark.parametrize(
    ("teacher", "outcome"),
    [
        (NOT_REPRODUCED, INCONCLUSIVE),
        (INCONCLUSIVE, REPRODUCED),
        (REPRODUCED, REPRODUCED),
        (Outcome.NOT_RUN, REPRODUCED),
    ],
)
def test_only_a_teacher_that_is_not_reproduced_withholds_a_yes(teacher, outcome):
    verdict = judge(claim(), INSIDE, guard=guard(teacher))
    assert verdict.verdict is outcome
    assert ("teacher.score" in verdict.reason) == (outcome is INCONCLUSIVE)


def test_a_teacher_above_its_own_score_withholds_nothing():
    assert judge(claim(), INSIDE, guard=guard(NOT_REPRODUCED, 55.0)).verdict is REPRODUCED


def test_a_guard_does_not_soften_a_no():
    assert judge(claim(), OUTSIDE, guard=guard(NOT_REPRODUCED)).verdict is NOT_REPRODUCED


def test_a_hold_comes_before_the_guard():
    verdict = judge(claim(), INSIDE.with_(hold="the majority class does"), guard=guard(NOT_REPRODUCED))
    assert verdict.reason == "the majority class does"


# What another reading, or another host, says


@pytest.mark.parametrize(
    ("estimate", "other"),
    [
        (INSIDE, ACROSS),
        (INSIDE, OUTSIDE),
        (INSIDE, INSIDE.with_(hold="too few")),
        (ACROSS, INSIDE),
        (OUTSIDE, INSIDE),
    ],
)
def test_a_part_that_turns_the_verdict_decides_nothing(estimate, other):
    verdict = judge(claim(), replace(estimate, instead=(("WNLI", other),)))
    assert verdict.verdict is INCONCLUSIVE
    outcomes = judge(claim(), estimate).verdict, judge(claim(), other).verdict
    assert all(word in verdict.reason for word in ("WNLI", *outcomes))
    assert (verdict.value, verdict.to_settle) == (estimate.value, None)


@pytest.mark.parametrize("estimate", [INSIDE, ACROSS, OUTSIDE])
def test_a_part_that_turns_nothing_leaves_the_verdict_alone(estimate):
    assert judge(claim(), replace(estimate, instead=(("WNLI", estimate),))) == judge(claim(), estimate)


def test_each_other_reading_must_say_the_same():
    other = replace(INSIDE, instead=(("WNLI", INSIDE), ("a failed run on RTE", OUTSIDE)))
    assert "RTE" in judge(claim(), other).reason
    assert "WNLI" not in judge(claim(), other).reason


def test_a_guard_is_asked_where_other_readings_agree():
    estimate = replace(INSIDE, instead=(("WNLI", INSIDE),))
    assert judge(claim(), estimate, guard=guard(NOT_REPRODUCED)).verdict is INCONCLUSIVE


@pytest.mark.parametrize(
    ("there", "marks"), [(INSIDE, ()), (ACROSS, ("hosts disagree",)), (OUTSIDE, ("hosts disagree",))]
)
def test_what_another_host_measured_is_listed_and_never_decides(there, marks):
    verdict = judge(claim(), replace(INSIDE, elsewhere=(("two", there),)))
    assert (verdict.verdict, verdict.value, verdict.marks) == (REPRODUCED, 50.0, marks)
    [note] = verdict.notes
    assert all(word in note for word in ("two", f"{there.value:g}", judge(claim(), there).verdict))


def test_what_has_no_value_is_inconclusive_in_a_sentence():
    for mode in ("skip", "fail", "side"):
        verdict = judge(claim(), undecided("a ratio to 0"), mode=mode)
        assert (verdict.verdict, verdict.reason) == (INCONCLUSIVE, "a ratio to 0")
        assert (verdict.value, verdict.interval, verdict.level, verdict.to_settle) == (None, None, None, None)


def test_a_range_is_recorded_as_one_and_has_no_level():
    verdict = judge(claim(), between(50.0, 49.5, 50.5, "precisions"))
    assert (verdict.verdict, verdict.interval) == (REPRODUCED, (49.5, 50.5))
    assert (verdict.level, verdict.range_of) == (None, "precisions")
    assert judge(claim(), INSIDE).range_of is None


@pytest.mark.parametrize(
    ("estimate", "words"),
    [
        (INSIDE, ("interval", "inside")),
        (OUTSIDE, ("interval", "outside")),
        (ACROSS, ("interval", "across", "value", "inside")),
        (ACROSS_OUTSIDE, ("interval", "across", "value", "outside")),
        (exact(50.0), ("value",)),
        (exact(53.0), ("value",)),
    ],
)
def test_each_outcome_says_why(estimate, words):
    known = ("interval", "across", "value", "inside", "outside")
    reason = judge(claim(), estimate).reason
    assert tuple(word for word in known if word in reason) == words


def test_no_two_outcomes_have_the_same_reason():
    estimates = (INSIDE, OUTSIDE, ACROSS, ACROSS_OUTSIDE, exact(50.0), exact(53.0))
    assert len({judge(claim(), estimate).reason for estimate in estimates}) == 6


@pytest.mark.parametrize(("estimate", "outcome"), [(ACROSS, REPRODUCED), (ACROSS_OUTSIDE, NOT_REPRODUCED)])
def test_mode_side_decides_by_the_value_and_is_marked(estimate, outcome):
    verdict = judge(claim(), estimate.with_(marks=["unlike recipes"]), mode="side")
    assert verdict.verdict is outcome
    assert verdict.marks == ("unlike recipes", "by side")
    assert judge(claim(), estimate).reason in verdict.reason
    assert "inconclusive" in verdict.reason


@pytest.mark.parametrize("estimate", [INSIDE, OUTSIDE])
def test_mode_side_leaves_a_decided_claim_alone(estimate):
    assert judge(claim(), estimate, mode="side") == judge(claim(), estimate)


def test_mode_side_decides_what_is_on_hold_too():
    verdict = judge(claim(), INSIDE.with_(hold="the majority class does"), mode="side")
    assert (verdict.verdict, verdict.marks) == (REPRODUCED, ("by side",))
    assert verdict.reason.endswith("the majority class does")


@pytest.mark.parametrize("estimate", [INSIDE, ACROSS, OUTSIDE])
def test_mode_fail_does_not_change_the_verdict(estimate):
    assert judge(claim(), estimate, mode="fail") == judge(claim(), estimate)


# What is recorded


def test_a_verdict_carries_the_claim_and_the_measurement():
    estimate = replace(ACROSS, level=0.95, notes=("a remark",), raw={"SST-2": [50.9]})
    verdict = judge(claim("at_most"), estimate)
    assert (verdict.id, verdict.published, verdict.margin, verdict.rule) == ("made.up", 50.0, 1.0, "at_most")
    assert verdict.bounds == (None, 51.0)
    assert (verdict.value, verdict.interval, verdict.level) == (50.9, (50.4, 51.4), 0.95)
    assert (verdict.notes, verdict.raw) == (("a remark",), {"SST-2": [50.9]})


def test_the_interval_is_asked_for_at_the_level_of_the_estimate():
    by_level = Estimate(50.0, lambda level: (50 - 10 * (level - 0.8), 50.0))
    assert judge(claim(margin=1.2), by_level).verdict is REPRODUCED
    assert judge(claim(margin=1.2), replace(by_level, level=0.95)).verdict is INCONCLUSIVE


def test_a_number_without_uncertainty_has_no_interval_and_no_level():
    verdict = judge(claim("exact", 6.0, 0.0), exact(6.0))
    assert (verdict.value, verdict.interval, verdict.level) == (6.0, None, None)


def one_seed(value: float) -> Estimate:
    return contrast([Term(1.0, (value,), 1.5)])


def test_an_open_claim_says_how_many_seeds_would_settle_it():
    # 12 seeds: (t(0.95, 15) + z(0.8)) * 1.5 / sqrt(12) = 1.12; 11 seeds: 1.18
    assert judge(claim("at_least"), one_seed(50.15)).to_settle == 12


def test_more_than_fifty_seeds_are_recorded_as_none_that_would_do():
    assert judge(claim("at_least"), one_seed(49.1)).to_settle == 0


@pytest.mark.parametrize("estimate", [one_seed(60.0), one_seed(40.0), ACROSS, one_seed(50.0).with_(hold="no")])
def test_what_is_decided_on_hold_or_not_about_seeds_has_no_number_that_settles_it(estimate):
    assert judge(claim("at_least") if estimate is not ACROSS else claim(), estimate).to_settle is None


def test_without_a_measurement_the_claim_alone_is_recorded():
    verdict = without_measurement(claim("at_least"), Outcome.NOT_RUN, "needs a GPU")
    assert (verdict.verdict, verdict.reason, verdict.bounds) == (Outcome.NOT_RUN, "needs a GPU", (49.0, None))
    assert (verdict.value, verdict.interval) == (None, None)


# Claims about all of k


def five_seeds(name: str, value: float) -> Part:
    """Five equal seeds with S = 1, hence an error of sqrt(4 / 8 / 5), that may not fall below 0."""
    return Part(name, contrast([Term(1.0, (value,) * 5, 1.0)]), (0.0, math.inf))


def reach(one_sided: float) -> float:
    """How far below 0 five seeds must fall to be wholly outside at this one-sided error."""
    return stats.t.ppf(1 - one_sided, 8) * math.sqrt(4 / 8 / 5)


def nine(value: float) -> list[Part]:
    return [five_seeds(f"task {i}", 5.0) for i in range(8)] + [five_seeds("RTE", value)]


ELMO = claim("at_least", 0.0, 0.0)


def test_all_of_k_is_reproduced_if_each_is():
    verdict = judge_all(ELMO, nine(reach(0.05) + 0.001))
    assert verdict.verdict is REPRODUCED
    assert "9" in verdict.reason
    assert "RTE" not in verdict.reason


def test_all_of_k_is_open_if_one_is():
    verdict = judge_all(ELMO, nine(reach(0.05) - 0.001))
    assert verdict.verdict is INCONCLUSIVE
    assert "RTE" in verdict.reason
    assert "task " not in verdict.reason


def test_one_of_k_outside_at_5_percent_alone_leaves_all_of_k_open():
    value = -(reach(0.05) + reach(0.05 / 9)) / 2
    assert judge(ELMO, five_seeds("RTE", value).estimate).verdict is NOT_REPRODUCED
    assert judge_all(ELMO, nine(value)).verdict is INCONCLUSIVE


@pytest.mark.parametrize(("beyond", "outcome"), [(-0.001, INCONCLUSIVE), (0.001, NOT_REPRODUCED)])
def test_all_of_k_fails_where_one_is_outside_at_5_percent_over_k(beyond, outcome):
    assert judge_all(ELMO, nine(-reach(0.05 / 9) - beyond)).verdict is outcome


def test_all_of_k_names_what_failed_and_shows_the_worst():
    parts = [*nine(-3.0), five_seeds("CoLA", -9.0)]
    verdict = judge_all(ELMO, parts)
    assert all(word in verdict.reason for word in ("RTE", "CoLA", "10"))
    assert "task " not in verdict.reason
    assert verdict.value == pytest.approx(-9.0)
    assert [note.split(":")[0] for note in verdict.notes] == [part.name for part in parts]


def test_the_worst_of_k_is_the_furthest_beyond_either_of_its_bounds():
    parts = [Part(str(value), between(value, value - 9, value + 9), (-2.0, 2.0)) for value in (-2.5, 3.0, 0.0)]
    assert judge_all(ELMO, parts).value == 3.0


@pytest.mark.parametrize(("value", "outcome", "name"), [(5.0, INCONCLUSIVE, "WNLI"), (-9.0, NOT_REPRODUCED, "RTE")])
def test_a_hold_on_one_part_keeps_all_of_k_open_unless_another_refutes_it(value, outcome, name):
    held = Part("WNLI", five_seeds("WNLI", 5.0).estimate.with_(hold="a run failed"), (0.0, math.inf))
    verdict = judge_all(ELMO, [*nine(value), held])
    assert verdict.verdict is outcome
    assert [known for known in ("RTE", "WNLI") if known in verdict.reason] == [name]
    assert ("a run failed" in verdict.reason) is (outcome is INCONCLUSIVE)


@pytest.mark.parametrize("value", [5.0, -9.0])
def test_a_part_on_hold_refutes_nothing(value):
    held = Part("WNLI", five_seeds("WNLI", value).estimate.with_(hold="a run failed"), (0.0, math.inf))
    verdict = judge_all(ELMO, [*nine(5.0), held])
    assert (verdict.verdict, verdict.value) == (INCONCLUSIVE, 5.0)


def doubtful(name: str, value: float, printed: float) -> Part:
    """A part that is judged with what was printed in its place, too."""
    part = five_seeds(name, value)
    return replace(part, estimate=replace(part.estimate, instead=((name, exact(printed)),)))


@pytest.mark.parametrize(
    ("wnli", "printed", "outcome"),
    [
        (5.0, 0.0, REPRODUCED),
        (-9.0, 0.0, INCONCLUSIVE),
        (5.0, -1.0, INCONCLUSIVE),
        (-9.0, -1.0, NOT_REPRODUCED),
        (0.0, 0.0, INCONCLUSIVE),
    ],
)
def test_a_doubtful_part_of_k_counts_where_both_of_its_readings_agree(wnli, printed, outcome):
    verdict = judge_all(ELMO, [*nine(5.0), doubtful("WNLI", wnli, printed)])
    assert verdict.verdict is outcome
    assert ("WNLI" in verdict.reason) is (outcome is not REPRODUCED)


@given(st.floats(-20, 20), st.floats(-20, 20), st.floats(-20, 20))
def test_a_doubtful_part_never_cancels_what_another_refutes(rte, wnli, printed):
    without = judge_all(ELMO, [*nine(rte), five_seeds("WNLI", 5.0)])
    verdict = judge_all(ELMO, [*nine(rte), doubtful("WNLI", wnli, printed)])
    if without.verdict is NOT_REPRODUCED:
        assert verdict.verdict is NOT_REPRODUCED
    if verdict.verdict is REPRODUCED:
        assert without.verdict is REPRODUCED


def test_what_another_host_measured_of_a_part_is_judged_with_the_rest_of_this_one():
    parts = nine(5.0)
    there = five_seeds("RTE", -9.0).estimate
    parts[8] = replace(parts[8], estimate=replace(parts[8].estimate, elsewhere=(("two", there),)))
    verdict = judge_all(ELMO, parts)
    assert (verdict.verdict, verdict.marks) == (REPRODUCED, ("hosts disagree",))
    [note] = [note for note in verdict.notes if "two" in note]
    assert all(word in note for word in ("RTE -9", NOT_REPRODUCED))


def test_all_of_k_with_mode_side_is_decided_by_the_worst_value():
    assert judge_all(ELMO, nine(0.1), mode="side").verdict is REPRODUCED
    verdict = judge_all(ELMO, nine(-0.1), mode="side")
    assert (verdict.verdict, verdict.marks) == (NOT_REPRODUCED, ("by side",))


def test_all_of_k_keeps_the_raw_numbers_and_marks_of_every_part():
    parts = [
        Part(name, replace(INSIDE, raw={"seeds": [value]}, marks=("unlike recipes",)), (0.0, math.inf))
        for name, value in (("SST-2", 50.0), ("RTE", 51.0))
    ]
    verdict = judge_all(ELMO, parts)
    assert verdict.raw == {"SST-2: seeds": [50.0], "RTE: seeds": [51.0]}
    assert verdict.marks == ("unlike recipes",)


def test_all_of_k_refuses_a_part_that_is_not_a_number():
    broken = Part("RTE", between(math.nan, 0.0, 1.0), (0.0, math.inf))
    with pytest.raises(BadMeasurement):
        judge_all(ELMO, [five_seeds("SST-2", 5.0), broken])


def test_all_of_k_is_open_for_a_median_of_too_few_seeds_at_5_percent_over_k():
    # Five seeds cover a median at 90 % but not at 5 %/9, so even five bad runs do not refute the claim.
    low = Part("RTE", median([-9.0, -8.0, -7.0, -6.0, -5.0]), (0.0, math.inf))
    assert judge_all(ELMO, [*nine(5.0)[:8], low]).verdict is INCONCLUSIVE


# How numbers are printed


def test_the_examples_in_the_docstring_of_digits_hold():
    finder, runner = doctest.DocTestFinder(), doctest.DocTestRunner()
    for found in finder.find(digits, "digits", globs={"digits": verdicts.digits}):
        assert runner.run(found) == (0, 2)


@pytest.mark.parametrize(
    ("value", "precision", "text"),
    [
        (50.0, 0.1, "50"),
        (50.126, 0.1, "50.13"),
        (0.0512, 0.1, "0.051"),
        (-2.964, 0.01, "-2.964"),
        (109_482_240.0, 1_000_000, "109,482,240"),
        (None, 0.1, "-"),
        (math.inf, 0.1, "inf"),
    ],
)
def test_numbers_are_printed_a_digit_beyond_what_the_paper_prints(value, precision, text):
    assert digits(value, precision) == text


numbers = st.floats(-1e5, 1e5)
precisions = st.sampled_from([1.0, 0.1, 0.01, 0.001])
nearby = st.floats(1e-6, 1.0).map(lambda distance: 1.001 * distance)


@given(numbers, nearby | st.floats(1e-6, 1e5), precisions)
@example(96.4996, 0.0004, 1.0)
@example(1999.9999985, 1.5e-6, 1.0)
def test_value_and_bound_are_printed_apart_where_they_differ(value, distance, precision):
    bound = value + distance
    assume(bound - value > 1e-6)
    assert digits(value, precision, [bound]) != digits(bound, precision, [value])


@given(numbers, precisions)
def test_a_printed_number_reads_back_as_itself_but_for_the_last_digit(value, precision):
    assert float(digits(value, precision).replace(",", "")) == pytest.approx(value, abs=0.00501)


def test_each_part_is_judged_at_its_own_level():
    def at(value: float, level: float) -> Part:
        estimate = five_seeds("x", value).estimate
        return Part("x", replace(estimate, level=level), (0.0, math.inf))

    low, high = (five_seeds("x", 0.0).estimate.interval(level)[1] for level in (0.90, 0.95))
    between_them = (low + high) / 2
    assert judge_all(ELMO, [at(between_them, 0.90), at(99.0, 0.90)]).verdict is REPRODUCED
    assert judge_all(ELMO, [at(between_them, 0.95), at(between_them - 1e-3, 0.90)]).verdict is INCONCLUSIVE
    assert judge_all(ELMO, [at(between_them, 0.90), at(between_them - 1e-3, 0.95)]).verdict is INCONCLUSIVE


def test_a_guarded_verdict_promises_no_seeds():
    estimate = contrast([Term(1.0, (60.0,), 0.5)])
    verdict = judge(claim("at_least"), estimate, guard=guard(NOT_REPRODUCED))
    assert verdict.verdict is INCONCLUSIVE
    assert verdict.to_settle is None


@pytest.mark.parametrize(("value", "text"), [(-0.0, "0"), (-0.0004, "-0.0004"), (0.0, "0")])
def test_there_is_no_negative_zero(value, text):
    assert digits(value, 0.1, [0.0]) == text
