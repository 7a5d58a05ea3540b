"""`--rehearse`: the whole slow path on this machine, as a user types it, and what must never come of it."""

import json
import subprocess
import sys
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
from tests.project import LEAN, ROOT, Project
from tests.test_full_run import quiet_environment

pytest.importorskip("torch", reason="a rehearsal trains")

# Claims that no host decides, and those that a host without a GPU does not.
NOWHERE = {"distillation.compute", "speed.phone", "squad.em.distilbert_d", "squad.f1.distilbert_d", "squad.gap_d"}
GPU = {"speed.gpu_batch1", "speed.gpu_batch32", "speed.gpu_full_pass"}


def rehearse(project: Project, cache: Path, *more: str, code: int = 0) -> str:
    command = [sys.executable, "-m", "pytest", *LEAN, "claims/", "--rehearse", "--cache", str(cache), *more]
    environment = {**quiet_environment(), "HF_HUB_OFFLINE": "1", "XDG_CACHE_HOME": str(project.path / "caches")}
    done = subprocess.run(
        command, cwd=project.path, env=environment, capture_output=True, text=True, timeout=500, check=False
    )
    assert done.returncode == code, done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> tuple[Project, Path, str]:
    """A project after a rehearsal without network or mirror, its cache, and what it said."""
    folder = tmp_path_factory.mktemp("rehearsal")
    (folder / "project").mkdir()
    project, cache = Project(folder / "project"), folder / "cache"
    return project, cache, rehearse(project, cache)


def judged(project: Project) -> dict[str, dict[str, Any]]:
    return {
        name: verdict
        for name, verdict in project.verdicts("results/rehearsal").items()
        if verdict["reason"] != "not part of any run so far"
    }


def results(cache: Path) -> list[dict[str, Any]]:
    return [json.loads(path.read_text()) for path in cache.glob("rehearsal/jobs/*/result.json")]


def test_every_task_both_models_and_two_seeds_are_trained_scored_and_kept(finished: tuple[Project, Path, str]) -> None:
    _, cache, said = finished
    jobs = [result["job"] for result in results(cache)]
    assert sorted({(job["task"], job["role"], job["seed"]) for job in jobs}) == sorted(
        (task, role, seed) for task in TASKS for role in ("teacher", "student") for seed in (42, 43)
    )
    assert len(jobs) == 44
    assert {job["recipe"] for job in jobs} == {"paper, rehearsed"}
    assert "job 1 of 44: miniature of bert-base-uncased on CoLA, seed 42" in said
    assert "job 44 of 44: miniature of distilbert-base-uncased on SQuAD v1.1, seed 43" in said


def test_the_miniatures_learn_every_task(finished: tuple[Project, Path, str]) -> None:
    _, cache, _ = finished
    tasks = load_baselines(ROOT / "baselines").tasks.values()
    trivial = {part.quantity: task.trivial.value for task in tasks for part in task.parts}
    for result in results(cache):
        assert not result["constant"]
        for quantity, value in result["metrics"].items():
            assert 100 * value > trivial[quantity], (quantity, result["job"])
            assert result["examples"][quantity] == ROWS


def test_every_claim_of_the_slow_path_goes_through_or_says_why_not(finished: tuple[Project, Path, str]) -> None:
    project, _, said = finished
    verdicts = judged(project)
    words = {name: verdict["verdict"] for name, verdict in verdicts.items()}
    distilled = {name for name in words if name.startswith("distillation.")}
    assert {name for name, word in words.items() if word == "not run"} - GPU == NOWHERE | distilled
    assert "error" not in words.values()
    assert {"glue.retention", "imdb.gap", "squad.gap", "speed.cpu_full_pass", "speed.cpu_backends"} <= words.keys()
    assert "size.reduction" not in words, "the fast tier needs no rehearsal"
    assert f"{len(words) - list(words.values()).count('not run')} claims went through" in " ".join(said.split())
    assert "not reproduced" not in said, "a verdict on miniatures says nothing"


def test_a_page_before_the_first_job_says_what_there_is_and_what_will_be_skipped(
    finished: tuple[Project, Path, str],
) -> None:
    _, cache, said = finished
    page = " ".join(said[said.index("before the first job") : said.index("job 1 of 44")].split())
    for text in (
        "device",
        f"free in {cache}",
        "hub HF_HUB_OFFLINE is set: what is not here stays away",
        "teacher miniature of bert-base-uncased",
        f"MNLI {TRAINED}+{ROWS}+{ROWS}",
        "44 of 44 jobs to do",
        "speed.phone: it needs the paper's phone",
        "distillation.no_ce",
    ):
        assert text in page, text
    assert "IMDb, SQuAD v1.1, as the real ones were not to be had" in " ".join(said.split())


def test_nothing_of_it_is_a_result(finished: tuple[Project, Path, str]) -> None:
    project, cache, _ = finished
    assert not (project.path / "results" / "verdicts.json").exists()
    assert not list(cache.glob("jobs/*")), "a real run must find none of it"
    for name, verdict in judged(project).items():
        assert "rehearsal" in verdict["marks"]
        drawn = badge(name, shown(Verdict.model_validate(verdict, strict=False)))
        assert drawn.message == ("– not run" if verdict["verdict"] == "not run" else "rehearsal"), drawn  # noqa: RUF001


def test_the_second_time_nothing_is_trained_and_two_workers_say_the_same(
    finished: tuple[Project, Path, str],
) -> None:
    project, cache, _ = finished
    before = judged(project)
    said = rehearse(project, cache, "-n", "2", "-k", "not speed")
    assert "job 1" not in said
    again = judged(project)
    scores = {name: verdict.get("raw") for name, verdict in before.items() if not name.startswith("speed")}
    assert {name: again[name].get("raw") for name in scores} == scores
    assert len(results(cache)) == 44


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (("--evidence", "evidence/prior-study.json"), "--rehearse runs the slow path, and --evidence runs nothing"),
        (("--record", "mine.json"), "a rehearsal measures nothing that could be evidence: leave --record"),
        (("--plan",), "--plan is about the real run, and a rehearsal takes two minutes"),
        (("-m", "fast"), "--rehearse runs the slow path, and no slow claim is selected"),
    ],
)
def test_what_a_rehearsal_has_nothing_to_do_with_is_refused(
    options: tuple[str, ...], sentence: str, tmp_path: Path
) -> None:
    done = Project(tmp_path).run("claims/", "--rehearse", *options)
    assert done.returncode == pytest.ExitCode.USAGE_ERROR, done.stdout
    assert sentence in done.stdout + done.stderr
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
    with pytest.raises(Mistake, match="give another folder with --cache"):
        request(tmp_path / "file").model("teacher")
