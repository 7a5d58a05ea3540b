"""`--rehearse`: the whole slow path on this machine, as a user types it, and what must never come of it."""

import itertools
import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from judge.baselines import load_baselines
from judge.files import Mistake
from judge.verdicts import Verdict
from measure.rehearsal import LEARNING, ROWS, TRAINED, Rehearsal, rehearsed
from measure.tasks import TASKS
from report.badges import badge, shown
from tests.finetuned import MIRROR
from tests.project import ROOT, Project

pytest.importorskip("torch", reason="a rehearsal trains")

# Claims that no host decides, and those that a host without a GPU does not.
NOWHERE = {"distillation.compute", "speed.phone"}
NOWHERE |= {"squad.em.distilbert_d", "squad.f1.distilbert_d", "squad.gap_d", "squad.d_gain"}
# A task of each kind: a label, a number, and a span of text.
FEW = ("rte", "stsb", "squad")
GPU = {"speed.gpu_batch1", "speed.gpu_batch32", "speed.gpu_full_pass"}
GPU |= {"speed.depth_gpu_batch1", "speed.depth_gpu_batch32"}


@dataclass
class Rehearsed:
    """A rehearsal without network or mirror: the project, its cache, what it said, and what it was asked to train."""

    project: Project
    cache: Path
    tasks: tuple[str, ...]
    seeds: tuple[int, ...]
    options: tuple[str, ...]
    said: str = ""

    @property
    def jobs(self) -> int:
        return len(self.tasks) * 2 * len(self.seeds)

    def run(self, *more: str) -> str:
        done = self.project.run("claims/", "--rehearse", "--cache", str(self.cache), *self.options, *more, timeout=900)
        assert done.returncode == pytest.ExitCode.OK, done.stdout + done.stderr
        assert "Traceback" not in done.stdout + done.stderr
        return done.stdout


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Rehearsed:
    """With --full a whole rehearsal, else one task of each kind with one seed."""
    folder = tmp_path_factory.mktemp("rehearsal")
    (folder / "project").mkdir()
    project, cache = Project(folder / "project"), folder / "cache"
    if request.config.getoption("full"):
        asked = Rehearsed(project, cache, tuple(TASKS), (42, 43), ())
    else:
        asked = Rehearsed(project, cache, FEW, (42,), ("--tasks", ",".join(FEW), "--seeds", "1"))
    asked.said = asked.run()
    return asked


def judged(project: Project) -> dict[str, dict[str, Any]]:
    """The verdicts of claims that the run was about: all but those with the reason of one that no rehearsal runs."""
    verdicts = project.verdicts("results/rehearsal")
    absent = verdicts["size.reduction"]
    assert absent["verdict"] == "not run", "the fast tier needs no rehearsal"
    return {name: verdict for name, verdict in verdicts.items() if verdict["reason"] != absent["reason"]}


def results(cache: Path) -> list[dict[str, Any]]:
    return [json.loads(path.read_text()) for path in cache.glob("rehearsal/jobs/*/result.json")]


def test_every_task_is_trained_for_both_models_and_each_seed_scored_and_kept(finished: Rehearsed) -> None:
    jobs = [result["job"] for result in results(finished.cache)]
    assert sorted((job["task"], job["role"], job["seed"]) for job in jobs) == sorted(
        itertools.product(finished.tasks, ("teacher", "student"), finished.seeds)
    )
    assert {job["recipe"] for job in jobs} == {"paper, rehearsed"}
    counted = re.findall(r"\bjob (\d+) of (\d+)\b.*\bminiature of ([\w-]+) on (.+), seed (\d+)", finished.said)
    assert [(int(number), int(total)) for number, total, *_ in counted] == [
        (number, finished.jobs) for number in range(1, finished.jobs + 1)
    ]
    assert len({tuple(rest) for _, _, *rest in counted}) == finished.jobs


def test_the_miniatures_learn_every_task(finished: Rehearsed) -> None:
    tasks = load_baselines(ROOT / "baselines").tasks.values()
    trivial = {part.quantity: task.trivial.value for task in tasks for part in task.parts}
    found = results(finished.cache)
    assert len(found) == finished.jobs
    for result in found:
        assert not result["constant"]
        for quantity, value in result["metrics"].items():
            assert 100 * value > trivial[quantity], (quantity, result["job"])
            assert result["examples"][quantity] == ROWS


def test_every_claim_of_the_slow_path_goes_through_or_says_why_not(finished: Rehearsed) -> None:
    verdicts = judged(finished.project)
    words = {name: verdict["verdict"] for name, verdict in verdicts.items()}
    distilled = {name for name in words if name.startswith("distillation.")}
    left_out = {name for name, verdict in verdicts.items() if "--tasks" in verdict["reason"]}
    assert {name for name, word in words.items() if word == "not run"} - GPU - left_out == (
        NOWHERE | distilled
    ) - left_out
    assert "error" not in words.values()
    went = {name for name, word in words.items() if word != "not run"}
    assert went >= {"squad.gap", "speed.cpu_full_pass", "speed.cpu_backends", "speed.depth"}
    assert (went >= {"glue.retention", "imdb.gap"}) == (len(finished.tasks) == len(TASKS))
    assert re.search(rf"\b{len(went)} claims", finished.said)
    assert "not reproduced" not in finished.said, "a verdict on miniatures says nothing"


def test_a_page_before_the_first_job_says_what_there_is_and_what_will_be_skipped(finished: Rehearsed) -> None:
    page = " ".join(finished.said.split("collected ")[1].split("job 1 of")[0].split())
    for text in (
        "device",
        str(finished.cache),
        "HF_HUB_OFFLINE",
        "miniature of bert-base-uncased",
        f"{TRAINED}+{ROWS}",
        f"{finished.jobs} of {finished.jobs} jobs",
        "speed.phone",
        "distillation.no_ce",
    ):
        assert text in page, text
    after = finished.said.split(f"job {finished.jobs} of {finished.jobs}")[1].splitlines()
    assert any(all(TASKS[task].label in line for task in finished.tasks) for line in after), "whose data were made"


def test_nothing_of_it_is_a_result(finished: Rehearsed) -> None:
    assert not (finished.project.path / "results" / "verdicts.json").exists()
    assert not list(finished.cache.glob("jobs/*")), "a real run must find none of it"
    for name, verdict in judged(finished.project).items():
        assert "rehearsal" in verdict["marks"]
        drawn = badge(name, shown(Verdict.model_validate(verdict, strict=False)))
        assert drawn.message == ("– not run" if verdict["verdict"] == "not run" else "rehearsal"), drawn  # noqa: RUF001


@pytest.mark.parametrize("workers", [(), pytest.param(("-n", "2"), marks=pytest.mark.full)], ids=["alone", "n2"])
def test_the_second_time_nothing_is_trained(workers: tuple[str, ...], finished: Rehearsed) -> None:
    before = judged(finished.project)
    said = finished.run("-k", "not speed", *workers)
    assert "job 1" not in said
    again = judged(finished.project)
    scores = {name: verdict.get("raw") for name, verdict in before.items() if not name.startswith("speed")}
    assert {name: again[name].get("raw") for name in scores} == scores
    assert len(results(finished.cache)) == finished.jobs


@pytest.mark.full
def test_the_real_data_go_through_where_the_mirror_has_them(tmp_path: Path) -> None:
    if not MIRROR.is_dir():
        pytest.skip("needs ../shared/hub-mirror")
    (tmp_path / "project").mkdir()
    asked = Rehearsed(
        Project(tmp_path / "project"),
        tmp_path / "cache",
        tuple(TASKS),
        (42,),
        ("--mirror", str(MIRROR), "--seeds", "1"),
    )
    asked.run("-k", "not speed")
    found = results(asked.cache)
    assert len(found) == asked.jobs
    assert all(-1 <= value <= 1 for result in found for value in result["metrics"].values())


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--evidence", "evidence/prior-study.json"), ("--rehearse", "--evidence")),
        (("--record", "mine.json"), ("--rehearse", "--record")),
        (("--plan",), ("rehears", "--plan")),
        (("-m", "fast"), ("--rehearse", "slow", "select")),
    ],
)
def test_what_a_rehearsal_has_nothing_to_do_with_is_refused(
    options: tuple[str, ...], words: tuple[str, ...], tmp_path: Path
) -> None:
    done = Project(tmp_path).run("claims/", "--rehearse", *options)
    assert done.returncode == pytest.ExitCode.USAGE_ERROR, done.stdout
    [error] = [line for line in (done.stdout + done.stderr).splitlines() if line.startswith("ERROR: ")]
    assert all(word in error for word in words), error
    assert not (tmp_path / "caches").exists()


def request(folder: Path, mirror: Path | None = None, **more: Any) -> Rehearsal:
    baselines = rehearsed(load_baselines(ROOT / "baselines"))
    options = {"own": {}, "recipe": "paper", "tasks": tuple(TASKS), "fetch": False, **more}
    return Rehearsal(baselines, mirror=mirror, store=folder, **options)


def test_real_data_are_used_where_they_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if not MIRROR.is_dir():
        pytest.skip("needs ../shared/hub-mirror")
    monkeypatch.setenv("HF_HOME", str(tmp_path / "home"))
    asked = request(tmp_path, MIRROR)
    real, made = asked.jobs(TASKS["wnli"], "teacher", "cpu")[0], asked.jobs(TASKS["mnli"], "teacher", "cpu")[0]
    assert (real.limit, real.task.train.rows) == (ROWS, 635)
    assert (made.limit, made.task.train.rows, made.task.revision) == (None, TRAINED, "made")
    assert real.data.paths[0][1].is_relative_to(MIRROR)
    assert made.data.paths[0][1].is_relative_to(tmp_path)
    assert list(asked.remarks) == ["mnli"]


def test_a_model_of_ones_own_keeps_its_recipe_but_for_one_epoch(tmp_path: Path) -> None:
    asked = request(tmp_path, own={"student": "me/mine"})
    task = TASKS["rte"]
    mine, miniature = (asked.protocol(task, role).recipe for role in ("student", "teacher"))
    paper = load_baselines(ROOT / "baselines").recipes["paper"].fields("rte", "student")
    assert mine.learning_rate == paper["learning_rate"].value
    assert mine.epochs == 1
    assert miniature.learning_rate == LEARNING["learning_rate"]
    assert mine.max_length == miniature.max_length == 128


def test_what_is_made_is_made_once_and_is_the_same_for_everybody(tmp_path: Path) -> None:
    one, other = request(tmp_path / "one"), request(tmp_path / "other")
    task = TASKS["squad"]
    assert one.data(task).digest == other.data(task).digest
    assert one.model("teacher").digest == other.model("teacher").digest
    before = one.model("teacher").paths[0][1].stat().st_mtime_ns
    assert request(tmp_path / "one").model("teacher").paths[0][1].stat().st_mtime_ns == before
    assert [path.name for path in (tmp_path / "one" / "temporary").iterdir()] == []


def test_the_made_folder_cannot_be_written_to_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(Mistake) as mistake:
        request(tmp_path / "file").model("teacher")
    assert all(word in str(mistake.value) for word in (str(tmp_path / "file"), "--cache"))
