"""Properties of the judge's rules on any numbers: what no combination of measurements may do to a verdict."""

import math
from dataclasses import replace
from functools import cache
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from judge.baselines import GLUE, load_baselines
from judge.cells import cell
from judge.claims import Role
from judge.evidence import SCHEMA, Evidence, Host, Measurement
from judge.glue import on_par_with_elmo, retention, score
from judge.pool import Pool
from judge.rule import Part, judge, judge_all
from judge.scores import Scores, find_scores
from judge.statistics import Estimate, between
from judge.verdicts import BadMeasurement, Outcome, Verdict
from tests import made, synthetic

BASELINES = load_baselines(Path(__file__).parents[1] / "baselines")
POINTS = st.floats(1, 99)


def evidence(host: str, measurements: list[Measurement]) -> Evidence:
    return Evidence(
        schema_=SCHEMA, suite_version="0", created="now", host=Host(name=host), measurements=tuple(measurements)
    )


@cache
def teacher() -> list[Scores]:
    """BERT-base's nine tasks as printed."""
    return whole({}, "teacher")


def whole(values: dict[str, tuple[float, ...]], role: Role, constant: tuple[int, ...] | None = ()) -> list[Scores]:
    """The nine tasks with these values, and as printed where none are given."""
    records = [
        record.model_copy(update={"constant": constant})
        for task in GLUE
        for record in synthetic.recorded(
            task, role, values.get(task, (synthetic.printed(task, role, BASELINES),) * 5), BASELINES
        )
    ]
    pool = Pool([("made", evidence("made", records))])
    return [find_scores(pool, BASELINES, task, role, None) for task in GLUE]


def bare(verdict: Verdict) -> Verdict:
    """A verdict without its remarks."""
    return verdict.model_copy(update={"notes": (), "marks": (), "raw": {}})


# Files


@st.composite
def files(draw: st.DrawFn) -> list[tuple[str, Evidence]]:
    """Some files with RTE scores of the student, from one or two hosts, no seed twice on one host."""
    names = draw(st.lists(st.sampled_from(["a.json", "b.json", "c.json", "d.json"]), min_size=2, unique=True))
    taken: dict[str, int] = {}
    made_files = []
    for name in names:
        host = draw(st.sampled_from(["one", "two"]))
        values = draw(st.lists(st.floats(40, 90), min_size=1, max_size=4))
        [record] = synthetic.recorded("rte", "student", tuple(values), BASELINES)
        first = taken.get(host, 0)
        seeds = tuple(range(first, first + len(values)))
        taken[host] = first + len(values)
        made_files.append((name, evidence(host, [record.model_copy(update={"seeds": seeds, "planned": seeds})])))
    return made_files


@given(files(), st.randoms(use_true_random=False))
def test_the_order_of_files_is_irrelevant(given_files, random) -> None:
    claim = BASELINES.claims["glue.rte.distilbert"]

    def verdict(chosen: list[tuple[str, Evidence]]) -> Verdict:
        return judge(claim, cell(find_scores(Pool(chosen), BASELINES, "rte", "student", None), claim.bounds))

    shuffled = list(given_files)
    random.shuffle(shuffled)
    assert verdict(shuffled) == verdict(given_files)


@given(files())
def test_another_host_never_decides(given_files) -> None:
    claim = BASELINES.claims["glue.rte.distilbert"]
    scores = find_scores(Pool(given_files), BASELINES, "rte", "student", None)
    alone = [(name, file) for name, file in given_files if file.host.name == scores.host]
    judged, single = (
        judge(claim, cell(find_scores(Pool(chosen), BASELINES, "rte", "student", None), claim.bounds))
        for chosen in (given_files, alone)
    )
    assert bare(judged) == bare(single)
    assert set(judged.marks) <= {*single.marks, "hosts disagree"}


@given(st.lists(st.floats(40, 90), min_size=3, max_size=8), st.data())
def test_seeds_chosen_in_two_goes_are_judged_at_95_percent(values, data) -> None:
    number = data.draw(st.integers(1, len(values) - 1))
    goes = []
    for name, chosen in (("a.json", range(number)), ("b.json", range(number, len(values)))):
        [record] = synthetic.recorded("rte", "student", tuple(values[seed] for seed in chosen), BASELINES)
        seeds = tuple(chosen)
        goes.append((name, evidence("one", [record.model_copy(update={"seeds": seeds, "planned": seeds})])))
    [once] = synthetic.recorded("rte", "student", tuple(values), BASELINES)
    two = find_scores(Pool(goes), BASELINES, "rte", "student", None)
    one = find_scores(Pool([("a.json", evidence("one", [once]))]), BASELINES, "rte", "student", None)
    assert one.level == pytest.approx(0.90)
    assert two.level == pytest.approx(0.95)
    (low, high), (lower, higher) = (cell(scores).interval(scores.level) for scores in (one, two))
    assert lower <= low <= high <= higher


# What cannot be decided by itself


def printed(all_scores: list[Scores]) -> list[Scores]:
    """The same with the printed cell, which has no spread, for what cannot be decided by itself."""
    return [scores.as_printed() for scores in all_scores]


@given(st.tuples(POINTS, POINTS, POINTS), st.sampled_from(["cola", "rte", "sst2"]), POINTS)
def test_wnli_never_turns_a_score_or_a_retention(wnli, task, value) -> None:
    values = {task: (value,) * 5, "wnli": wnli}
    cells: dict[Role, list[Scores]] = {"teacher": teacher(), "student": whole(values, "student")}
    claim, of_ratio = (BASELINES.claims[f"glue.{name}"] for name in ("score.distilbert", "retention"))
    without = {role: printed(scores) for role, scores in cells.items()}
    pairs = [
        [judge(claim, score(side["student"])).verdict for side in (cells, without)],
        [judge(of_ratio, retention(side["teacher"], side["student"], of_ratio)).verdict for side in (cells, without)],
    ]
    assert all(measured in (judged, Outcome.INCONCLUSIVE) for measured, judged in pairs)


@given(st.tuples(POINTS, POINTS, POINTS), st.floats(20, 99))
def test_wnli_never_turns_the_comparison_with_elmo(wnli, cola) -> None:
    claim = BASELINES.claims["glue.elmo"]
    as_measured, as_printed = (
        judge_all(claim, on_par_with_elmo(whole(values, "student"), BASELINES)).verdict
        for values in ({"cola": (cola,) * 5, "wnli": wnli}, {"cola": (cola,) * 5})
    )
    assert as_measured in (as_printed, Outcome.INCONCLUSIVE)
    # A refutation by another task stands whatever WNLI is.
    assert (as_printed is Outcome.NOT_REPRODUCED) <= (as_measured is Outcome.NOT_REPRODUCED)


@given(st.lists(st.floats(40, 90), min_size=5, max_size=5))
def test_no_task_need_beat_elmo_below_its_own_trivial_predictor(values) -> None:
    parts = on_par_with_elmo(whole({"rte": tuple(values)}, "student"), BASELINES)
    table = BASELINES.paper.tables["table1"]
    for part in parts:
        task = next(task for task in BASELINES.tasks.values() if task.label == part.name)
        if part.name != "WNLI":
            assert part.bounds[0] + table.number("ELMo", part.name) >= task.trivial.value - 1e-9


RETENTION = BASELINES.claims["glue.retention"]


def test_two_doubtful_parts_are_taken_out_together() -> None:
    printed_values = {task: synthetic.printed(task, "student", BASELINES) for task in GLUE}
    better = {task: (value + 1,) * 6 for task, value in printed_values.items()}
    better["wnli"] = (16.3,) * 6
    better["cola"] = (0.0, printed_values["cola"] + 1) * 3
    students = whole(better, "student", constant=None)
    verdict = judge(RETENTION, retention(teacher(), students, RETENTION))
    assert verdict.verdict is Outcome.INCONCLUSIVE
    assert "decides" in verdict.reason


def found(*files: tuple[str, Evidence], task: str = "rte") -> Scores:
    return find_scores(Pool(files), BASELINES, task, "student", None)


def test_another_hosts_values_are_judged_by_the_same_rules() -> None:
    whole_host = [record for task in GLUE for record in synthetic.recorded(task, "student", (60.0,) * 5, BASELINES)]
    other = list(synthetic.recorded("wnli", "student", (30.0,) * 3, BASELINES))
    files = [("a.json", evidence("h1", whole_host)), ("b.json", evidence("h2", other))]
    claim = BASELINES.claims["glue.wnli.distilbert"]
    verdict = judge(claim, cell(found(*files, task="wnli"), claim.bounds))
    assert (verdict.verdict, verdict.marks) == (Outcome.INCONCLUSIVE, ())
    cells = [found(*files, task=task) for task in GLUE]
    combined_verdict = judge(BASELINES.claims["glue.score.distilbert"], score(cells))
    [note] = [note for note in combined_verdict.notes if note.startswith("on h2")]
    assert "(WNLI only)" in note
    of_all = judge_all(BASELINES.claims["glue.elmo"], on_par_with_elmo(cells, BASELINES))
    [note] = [note for note in of_all.notes if note.startswith("on h2")]
    assert "WNLI" in note
    assert "CoLA" not in note


def test_a_failed_task_of_one_host_says_nothing_of_anothers() -> None:
    claim, trivial = BASELINES.claims["glue.rte.distilbert"], BASELINES.tasks["rte"].trivial.value
    failed = rte(*(trivial,) * 6, constant=(1, 2, 3, 4, 5, 6))
    sound = rte(*(59.9,) * 5)
    verdict = judge(claim, cell(found(("a.json", evidence("h1", [failed])), ("b.json", evidence("h2", [sound])))))
    assert verdict.verdict is Outcome.INCONCLUSIVE
    assert "6 of 6 runs" in verdict.reason
    [note] = [note for note in verdict.notes if note.startswith("on h2")]
    assert note.endswith("would be reproduced")


def test_the_notes_of_every_part_of_a_claim_about_all_are_shown() -> None:
    parts_ = [
        Part("one", between(2.0, 1.9, 2.1).with_(notes=["of one"]), (0.0, math.inf)),
        Part("two", between(1.0, 0.9, 1.1).with_(notes=["of two"]), (0.0, math.inf)),
    ]
    assert {"of one", "of two"} <= set(judge_all(made.claim("at_least", 0.0), parts_).notes)


def test_the_guard_holds_for_another_hosts_values_too() -> None:
    guard = made.verdict("glue.score.bert", Outcome.NOT_REPRODUCED, value=70.0, published=79.5)
    inside = between(50.0, 49.9, 50.1)
    verdict = judge(made.claim(), replace(inside, elsewhere=(("h2", inside),)), guard=guard)
    assert (verdict.verdict, verdict.marks) == (Outcome.INCONCLUSIVE, ())


def rte(*values: float, seeds: tuple[int, ...] = (), **changes: object) -> Measurement:
    [record] = synthetic.recorded("rte", "student", values, BASELINES)
    chosen = seeds or record.seeds
    return record.model_copy(update={"seeds": chosen, "planned": chosen, **changes})


def test_a_record_that_must_not_be_judged_leaves_a_sound_one_alone() -> None:
    sound, data = rte(60.0, 61.0), rte(60.0).dataset
    assert data is not None
    odd = rte(70.0, 71.0, 72.0, dataset=data.model_copy(update={"split": "test"}))
    unpinned = rte(62.0, dataset=data.model_copy(update={"revision": None}))
    scores = found(("a.json", evidence("one", [odd, sound, unpinned])))
    assert list(scores.values.values()) == [60.0, 61.0]
    assert any("split test" in text for text in scores.left_out)
    assert [list(other.values.values()) for other in scores.others] == [[62.0]]


def test_seeds_with_and_without_a_plan_are_two_looks() -> None:
    planned, more = rte(*(60.0,) * 5), rte(*(61.0,) * 5, seeds=(6, 7, 8, 9, 10), planned=())
    scores = found(("a.json", evidence("one", [planned])), ("b.json", evidence("one", [more])))
    assert (len(scores.values), scores.looks) == (10, 2)


def test_the_same_seeds_again_and_runs_recorded_one_by_one_are_one_look() -> None:
    whole_set = rte(*(60.0,) * 6)
    part = rte(*(60.0,) * 3, planned=())
    assert found(("a.json", evidence("one", [whole_set])), ("b.json", evidence("one", [part]))).looks == 1
    singles = [rte(60.0, seeds=(seed,), planned=()) for seed in range(5)]
    assert found(("a.json", evidence("one", singles))).looks == 1


def test_predictions_on_one_record_are_known_for_all() -> None:
    trivial = BASELINES.tasks["rte"].trivial.value
    files = [
        (f"{name}.json", evidence("one", [rte(trivial, 60.0, 61.0, constant=constant)]))
        for name, constant in (("a", ()), ("b", None))
    ]
    assert found(files[1]).failed == [1]
    assert found(*files).failed == []


# All of k


@st.composite
def parts(draw: st.DrawFn) -> list[Part]:
    """Statements with a bound of 0: refuted, held back, undecided or shown to hold."""
    kinds = draw(st.lists(st.sampled_from(["refuted", "held", "open", "holds"]), min_size=1, max_size=6))
    made_parts = []
    for number, kind in enumerate(kinds):
        width = draw(st.floats(0.01, 1))
        value = {"refuted": -2.0, "open": 0.0}.get(kind, 2.0) * (
            1 if kind != "held" else draw(st.sampled_from([1, -1]))
        )
        estimate: Estimate = between(value, value - width, value + width)
        if kind == "held":
            estimate = replace(estimate, hold="too close")
        made_parts.append(Part(f"{kind} {number}", estimate, (0.0, math.inf)))
    return made_parts


@given(parts())
def test_a_refuted_part_always_refutes_the_whole_and_nothing_else_does(all_parts) -> None:
    outcome = judge_all(made.claim("at_least", 0.0), all_parts).verdict
    refuted = any(part.name.startswith("refuted") for part in all_parts)
    open_ = any(part.name.startswith(("held", "open")) for part in all_parts)
    right = Outcome.NOT_REPRODUCED if refuted else Outcome.INCONCLUSIVE if open_ else Outcome.REPRODUCED
    assert outcome is right


@given(parts(), st.randoms(use_true_random=False))
def test_the_order_of_parts_decides_nothing(all_parts, random) -> None:
    shuffled = list(all_parts)
    random.shuffle(shuffled)
    claim = made.claim("at_least", 0.0)
    assert judge_all(claim, shuffled).verdict is judge_all(claim, all_parts).verdict


# The teacher's own Score


@given(st.floats(60, 95))
def test_only_a_teacher_below_its_printed_score_withholds_a_yes(value) -> None:
    claim = made.claim()
    teacher = BASELINES.claims["glue.score.bert"]
    guard = judge(teacher, between(value, value, value))
    judged = judge(claim, between(50.0, 49.9, 50.1), guard=guard).verdict
    assert judged is (Outcome.INCONCLUSIVE if value < teacher.bounds[0] - 1e-9 else Outcome.REPRODUCED)


# Checks


@given(st.sampled_from(["rte", "mnli", "squad_em", "imdb"]), st.text(min_size=1, max_size=12).filter(str.strip))
def test_a_score_in_another_unit_is_never_judged(task, unit) -> None:
    records = synthetic.recorded(task, "student", (0.61, 0.62), BASELINES)
    changed = [record.model_copy(update={"unit": unit}) for record in records]
    pool = Pool([("made", evidence("made", changed))])
    if unit in ("fraction",):
        assert find_scores(pool, BASELINES, task, "student", None).values
        return
    with pytest.raises(BadMeasurement, match="scale" if unit == "percent" else "unit"):
        find_scores(pool, BASELINES, task, "student", None)


@given(st.lists(st.floats(1.01, 100), min_size=1, max_size=5))
def test_percent_called_a_fraction_is_a_scale_error(values) -> None:
    records = synthetic.recorded("rte", "student", tuple(values), BASELINES)
    changed = [record.model_copy(update={"unit": "fraction"}) for record in records]
    with pytest.raises(BadMeasurement, match="scale"):
        find_scores(Pool([("made", evidence("made", changed))]), BASELINES, "rte", "student", None)
