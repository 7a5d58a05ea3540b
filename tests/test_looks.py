"""measure.looks and measure.scored: what is judged of results, how often, and that the judge accepts it."""

import json
import math
import multiprocessing
from collections.abc import Sequence
from multiprocessing.synchronize import Barrier
from pathlib import Path
from typing import Any

import pytest

from judge.baselines import load_baselines
from judge.claims import Role
from judge.evidence import SCHEMA as EVIDENCE_SCHEMA
from judge.evidence import Evidence, Host, read_evidence, write_evidence
from judge.files import Mistake
from judge.pool import Pool
from judge.scores import Scores, find_scores
from judge.statistics import LEVEL, level_of
from judge.verdicts import BadMeasurement
from measure.hub import Files
from measure.identity import model_identity
from measure.jobs import ENGINE, Job
from measure.looks import Looks
from measure.recipe import protocol_of
from measure.requests import precision_on
from measure.results import SCHEMA, Provenance, Result
from measure.scored import measurements_of
from measure.tasks import TASKS
from tests.project import ROOT

pytest.importorskip("filelock", reason="looks are locked with filelock, which comes with torch")
BASELINES = load_baselines(ROOT / "baselines")
FAMILY = "f0" * 16
SEEDS = (42, 43, 44)
CLEAN = multiprocessing.get_context("forkserver")
CLEAN.set_forkserver_preload([__name__])


@pytest.fixture
def looks(tmp_path: Path) -> Path:
    return tmp_path / "cache" / "looks"


def refused(looks: Path, seeds: Sequence[int], family: str = FAMILY) -> str:
    with pytest.raises(Mistake) as mistake:
        Looks(looks, family).take(seeds, "BERT-base on RTE")
    said = str(mistake.value)
    assert "\n" not in said
    assert said.endswith(".")
    return said


def test_the_recipes_own_seeds_may_be_judged_whatever_was_tried_before(looks: Path) -> None:
    asked = Looks(looks, FAMILY, planned=(42, 43, 44))
    assert [asked.take(seeds, "") for seeds in ((42,), (42, 43))] == [1, 2]
    with pytest.raises(Mistake):
        asked.allow((42, 44), "BERT-base on RTE")
    assert asked.take((42, 43, 44), "") == 2
    assert asked.take((42,), "") == 2
    with pytest.raises(Mistake):
        asked.take((42, 44), "BERT-base on RTE")


def test_a_set_of_seeds_that_was_judged_before_needs_nothing_written(looks: Path) -> None:
    Looks(looks, FAMILY).take((42, 43), "")
    before = {path: path.stat().st_mtime_ns for path in looks.parent.rglob("*")}
    assert Looks(looks, FAMILY).take((43, 42), "") == 1
    assert {path: path.stat().st_mtime_ns for path in looks.parent.rglob("*")} == before


def test_seeds_may_be_added_once_and_then_both_sets_count_as_two_looks(looks: Path) -> None:
    for _ in range(3):
        assert Looks(looks, FAMILY).take((42, 43), "") == 1
    for _ in range(3):
        assert Looks(looks, FAMILY).take((42, 43, 44), "") == 2
    assert Looks(looks, FAMILY).take((43, 42), "") == 2
    for seeds in ((42,), (42, 43, 44, 45), (7, 8)):
        said = refused(looks, seeds)
        assert all(word in said for word in ("BERT-base on RTE", "42, 43 ", "42, 43, 44", "--seeds"))
    assert Looks(looks, FAMILY).take((44, 43, 42), "") == 2
    assert json.loads((looks / f"{FAMILY}.json").read_text()) == [[42, 43], [42, 43, 44]]


def test_runs_that_differ_by_more_than_the_seed_are_looked_at_apart(looks: Path) -> None:
    assert Looks(looks, FAMILY).take((1,), "") == 1
    assert Looks(looks, FAMILY).take((2,), "") == 2
    assert Looks(looks, "a0" * 16).take((3,), "") == 1


@pytest.mark.parametrize(
    "text",
    [
        "", "{", "{}", "null", "3", "[]", "[[]]", "[1, 2]", '[["42"]]', "[[1.5]]", "[[1], [2], [3], [4]]", "[[true]]",
        "\0", "[" * 10_000,
    ],
)  # fmt: skip
def test_a_damaged_file_is_a_sentence_and_stays(text: str, looks: Path) -> None:
    Looks(looks, FAMILY).take((42,), "")
    path = looks / f"{FAMILY}.json"
    path.write_text(text)
    said = refused(looks, (42,))
    assert str(path) in said
    assert "remove" in said
    assert path.read_text() == text


def test_a_folder_that_cannot_be_written_to_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert str(tmp_path / "file") in refused(tmp_path / "file" / "looks", (1,))


def look_at_once(looks: str, seed: int, ready: Barrier) -> None:
    ready.wait(30)
    try:
        Looks(Path(looks), FAMILY).take((seed,), "")
    except Mistake:
        raise SystemExit(3) from None


def test_looks_at_the_same_time_are_all_counted(looks: Path) -> None:
    ready = CLEAN.Barrier(6)
    processes = [CLEAN.Process(target=look_at_once, args=(str(looks), seed, ready)) for seed in range(6)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(60)
    seen = json.loads((looks / f"{FAMILY}.json").read_text())
    assert len(seen) == 2
    assert [process.exitcode for process in processes] == [0 if [seed] in seen else 3 for seed in range(6)]


def jobs_of(task: str, role: Role = "student", seeds: Sequence[int] = SEEDS, recipe: Any = "paper") -> list[Job]:
    protocol = protocol_of(BASELINES, recipe, TASKS[task], role)
    card = BASELINES.models.teacher if role == "teacher" else BASELINES.models.student
    model, data = Files(card.id, card.revision, ()), Files(TASKS[task].dataset, TASKS[task].revision, ())
    precision = precision_on("cpu", protocol)
    return [Job(TASKS[task], role, model, data, seed, protocol, precision) for seed in seeds]


def result_of(job: Job, value: float, *, constant: bool = False, **provenance: Any) -> Result:
    """A job's result: its first metric is `value`, every further one a tenth more."""
    made: dict[str, Any] = {
        "host": Host(cpu="a processor", gpu=None),
        "versions": {"torch": "2.13.0", "transformers": "5.23.0"},
        "suite_version": "0.1.0",
        "created": "2026-01-02T03:04:05+00:00",
        "duration_s": 60.04,
        "rows": 100,
        "steps": 100,
        "micro_batch": 32,
        "device": "cpu",
    }
    quantities = [(split, quantity) for split in job.task.evaluation for _, quantity in split.quantities]
    return Result(
        schema_=SCHEMA,
        key=job.key,
        family=job.family,
        job=job.facts(),
        metrics={quantity: value + 0.1 * number for number, (_, quantity) in enumerate(quantities)},
        examples={quantity: split.rows for split, quantity in quantities},
        splits={split.name: split.rows for split in job.task.evaluation},
        constant=constant,
        provenance=Provenance(**{**made, **provenance}),
    )


def evidence_of(jobs: Sequence[Job], results: Sequence[Result], number: int = 1) -> Evidence:
    return Evidence(
        schema_=EVIDENCE_SCHEMA,
        suite_version="0.1.0",
        created="now",
        host=Host(cpu="this one"),
        measurements=tuple(measurements_of(jobs, results, number)),
    )


def found(task: str, evidence: Evidence, role: Role = "student") -> Scores:
    return find_scores(Pool([("this run", evidence)]), BASELINES, task, role, None)


VALUES = (0.5, 0.61, 0.55)


@pytest.mark.parametrize(
    ("task", "judged", "more"),
    [
        ("mrpc", "mrpc", 0.05),  # the mean of two metrics
        ("mnli", "mnli", 0.05),  # the mean of two splits
        ("rte", "rte", 0.0),
        ("squad", "squad_em", 0.0),
        ("squad", "squad_f1", 0.1),
    ],
)
def test_the_judge_finds_every_seeds_score_in_points(task: str, judged: str, more: float) -> None:
    jobs = jobs_of(task)
    results = [result_of(job, value) for job, value in zip(jobs, VALUES, strict=True)]
    scores = found(judged, evidence_of(jobs, results))
    assert scores.values == pytest.approx(
        {seed: 100 * (value + more) for seed, value in zip(SEEDS, VALUES, strict=True)}
    )
    assert (scores.level, scores.others, scores.records[0].strength) == (LEVEL, (), (True, 3))


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("recipe", ["paper", "prior-study"])
def test_every_score_that_is_judged_can_be_found(recipe: str, task: str) -> None:
    for role in ("teacher", "student"):
        jobs = jobs_of(task, role, recipe=recipe)
        evidence = evidence_of(jobs, [result_of(job, 0.7) for job in jobs])
        for judged in TASKS[task].judged:
            assert list(found(judged, evidence, role).values) == list(SEEDS)


def test_a_measurement_says_what_it_was_made_from() -> None:
    jobs = jobs_of("mnli")
    matched, mismatched = measurements_of(jobs, [result_of(job, 0.8) for job in jobs], 1)
    assert (matched.quantity, mismatched.quantity) == ("glue.mnli.accuracy", "glue.mnli_mismatched.accuracy")
    assert matched.dataset is not None
    assert mismatched.dataset is not None
    assert (matched.dataset.split, matched.dataset.examples) == ("validation_matched", 9815)
    assert (mismatched.dataset.split, mismatched.dataset.examples) == ("validation_mismatched", 9832)
    assert matched.model.id == "distilbert/distilbert-base-uncased"
    assert matched.model.digest == model_identity(jobs[0].model)
    assert matched.recipe is not None
    assert matched.recipe.values["batch_size"] == 32
    assert "doc_stride" not in matched.recipe.values
    assert (matched.seeds, matched.planned, matched.unit, matched.look) == (SEEDS, SEEDS, "fraction", 1)
    assert (matched.engine, matched.precision, matched.duration_s) == (ENGINE, "fp32", 180.1)
    # They are made up, with a host that this one is not.
    assert matched.note is not None
    assert all(word in matched.note for word in (" host", "a processor"))
    assert matched.constant == ()


def test_what_runs_were_made_on_is_said_once_for_each(tmp_path: Path) -> None:
    jobs = jobs_of("rte")
    gpu, cpu = Host(cpu="a processor", gpu="an accelerator"), Host(cpu="a processor", gpu="an accelerator")
    results = [
        result_of(jobs[0], 0.6, host=gpu, device="cuda", notes=("its head came along",)),
        result_of(jobs[1], 0.6, host=gpu, device="cuda", micro_batch=8, notes=("its head came along", "short of room")),
        # The GPU of the machine was not what this one ran on.
        result_of(jobs[2], 0.6, host=cpu, versions={}),
    ]
    [measurement] = measurements_of(jobs, results, 1)
    assert measurement.how == {
        "device": "an accelerator, a processor",
        "micro_batch": "32, 8",
        "torch": "2.13.0, unknown",
        "transformers": "5.23.0, unknown",
    }
    assert measurement.note is not None
    head, room, elsewhere = measurement.note.split("; ")
    assert (head, room) == ("its head came along", "short of room")
    assert all(word in elsewhere for word in (" host", "an accelerator"))


def test_a_run_of_constant_predictions_is_a_failed_one() -> None:
    jobs = jobs_of("mrpc")
    results = [result_of(job, 0.75, constant=job.seed == 43) for job in jobs]
    for measurement in measurements_of(jobs, results, 1):
        assert measurement.constant == (43,)
    assert found("mrpc", evidence_of(jobs, results)).failed == [43]


def test_a_second_look_is_judged_at_the_higher_level() -> None:
    jobs = jobs_of("rte")
    results = [result_of(job, 0.6) for job in jobs]
    assert found("rte", evidence_of(jobs, results, 2)).level == level_of(2) == pytest.approx(0.95)


@pytest.mark.parametrize(("value", "said"), [(math.nan, r"\bnan\b.*\bseed 44\b"), (math.inf, r"\binf\b.*\bseed 44\b")])
def test_a_score_that_is_no_number_is_never_judged(value: float, said: str, tmp_path: Path) -> None:
    jobs = jobs_of("mrpc")
    results = [result_of(job, value if job.seed == 44 else 0.8) for job in jobs]
    evidence = evidence_of(jobs, results)
    write_evidence(tmp_path / "evidence.json", evidence)
    for known in (evidence, read_evidence(tmp_path / "evidence.json")):
        with pytest.raises(BadMeasurement, match=said):
            found("mrpc", known)


def test_scores_over_a_part_of_the_examples_are_never_judged() -> None:
    jobs = jobs_of("mrpc")
    results = [result_of(job, 0.8) for job in jobs]
    short = results[1].model_copy(update={"examples": dict.fromkeys(results[1].examples, 400)})
    with pytest.raises(BadMeasurement, match=r"\b400\b.*\b408\b"):
        found("mrpc", evidence_of(jobs, [results[0], short, results[2]]))


def test_evidence_on_disk_gives_the_same_scores_to_the_last_digit(tmp_path: Path) -> None:
    jobs = jobs_of("mnli")
    values = (1 / 3, 0.1 + 0.2, math.nextafter(0.7, 1))
    evidence = evidence_of(jobs, [result_of(job, value) for job, value in zip(jobs, values, strict=True)])
    write_evidence(tmp_path / "evidence.json", evidence)
    again = read_evidence(tmp_path / "evidence.json")
    assert again == evidence
    assert found("mnli", again).values == found("mnli", evidence).values
    pool = Pool([("this run", evidence), ("evidence.json", again)])
    assert find_scores(pool, BASELINES, "mnli", "student", None).others == (), "the same runs, not others"
