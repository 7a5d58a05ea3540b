"""`pytest --runslow` from end to end: miniatures under the paper models' names, made data, real processes."""

import json
import re
import shutil
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from measure.tasks import TASKS as ALL_TASKS
from tests.madedata import BERT, DISTILBERT, VOCABULARY, miniature, write_task
from tests.project import Project, Running

TASKS = ("wnli", "rte")
MODELS = ("google-bert/bert-base-uncased", "distilbert/distilbert-base-uncased")
# Eight short jobs: for what is about processes and not about scores.
QUICK = ("--tasks", "wnli", "--seeds", "4")
COMMAND = ("claims/test_glue.py", "--runslow", "--tasks", ",".join(TASKS), "--seeds", "2")


@pytest.fixture(scope="module")
def mirror(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A mirror whose models are miniatures, and whose two tasks are made."""
    folder = tmp_path_factory.mktemp("mirror")
    for model, kind in zip(MODELS, ("bert", "distilbert"), strict=True):
        miniature(folder / model, kind)
    for task in TASKS:
        write_task(folder, task)
    return folder


def small(folder: Path) -> Project:
    """The suite with configurations and a recipe for miniatures, which its own claims know nothing of."""
    folder.mkdir(exist_ok=True)
    project = Project(folder)

    def models(data: Any) -> None:
        for role, sizes in (("teacher", BERT), ("student", DISTILBERT)):
            data[role]["config"].update({**sizes, "vocab_size": len(VOCABULARY)})

    def recipes(data: Any) -> None:
        for setting in data["recipes"]["paper"]["settings"]:
            for name, value in (("learning_rate", 2e-3), ("epochs", 1), ("max_length", 64)):
                if name in setting["values"] and "squad_em" not in setting["tasks"]:
                    setting["values"][name]["value"] = value

    project.change("baselines/models.json", models)
    project.change("baselines/recipes.json", recipes)
    return project


@pytest.fixture(scope="module")
def finished(mirror: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Project, Path, str]:
    """A project after a whole run, the cache that it left, and what it said."""
    folder = tmp_path_factory.mktemp("finished")
    project, cache = small(folder / "project"), folder / "cache"
    done = run(project, mirror, cache, "--record", "recorded.json")
    return project, cache, done


def run(project: Project, mirror: Path, cache: Path, *more: str, code: int = pytest.ExitCode.TESTS_FAILED) -> str:
    done = project.run(*COMMAND, "--mirror", str(mirror), "--cache", str(cache), *more)
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout


def keys(cache: Path) -> dict[str, int]:
    """Every finished job with the time at which its record was written."""
    return {path.parent.name: path.stat().st_mtime_ns for path in cache.glob("jobs/*/result.json")}


def test_every_job_is_trained_scored_kept_and_judged(finished: tuple[Project, Path, str]) -> None:
    project, cache, said = finished
    words = project.words()
    assert {words[f"glue.rte.{model}"] for model in ("bert", "distilbert")} == {"not reproduced"}  # they learn it all
    assert {words[f"glue.wnli.{model}"] for model in ("bert", "distilbert")} == {"inconclusive"}  # nothing could decide
    assert project.verdicts()["glue.rte.bert"]["value"] > 95
    assert "--tasks" in project.verdicts()["glue.cola.bert"]["reason"]
    assert re.search(r"\bSTS-B\b.*--tasks", project.verdicts()["glue.retention"]["reason"])
    assert len(keys(cache)) == 8
    assert re.search(r"\bjob 1 of 8\b.*\bbert-base-uncased on RTE, seed 42\b", said)
    assert re.search(r"\bjob 8 of 8\b.*\bdistilbert-base-uncased on WNLI, seed 43\b", said)
    assert not list((cache / "work").iterdir())


def test_the_last_seed_of_each_model_and_task_keeps_its_weights(finished: tuple[Project, Path, str]) -> None:
    _, cache, _ = finished
    weights = sorted(cache.glob("jobs/*/checkpoint/model.safetensors"))
    jobs = [json.loads((path.parents[1] / "result.json").read_text())["job"] for path in weights]
    assert sorted((job["task"], job["role"], job["seed"]) for job in jobs) == [
        (task, role, 43) for task in sorted(TASKS) for role in ("student", "teacher")
    ]
    assert not [path for path in cache.rglob("*") if path.suffix in (".bin", ".pt", ".pkl")]


# Without a `claim` mark, it decides nothing; it asks for a fine-tuned model as any test of a user's own could.
ASKS = """
from measure.tasks import TASKS

def test_weights(checkpoints):
    kept = checkpoints.folder(TASKS["rte"], "teacher", 43)
    assert (kept / "model.safetensors").is_file()
    assert checkpoints.folder(TASKS["rte"], "teacher", 42) is None  # its scores are kept, its weights are not
    assert checkpoints.folder(TASKS["rte"], "teacher", 7) is None  # no seed of this run
"""


def test_the_fixture_gives_the_weights_that_were_kept(
    finished: tuple[Project, Path, str], mirror: Path, tmp_path: Path
) -> None:
    other = small(tmp_path / "project")
    other.write_claims(ASKS)
    _, cache, _ = finished
    done = other.run("claims/test_example.py", *COMMAND[1:], "--mirror", str(mirror), "--cache", str(cache))
    assert "1 passed" in done.stdout, done.stdout


def test_a_second_run_trains_nothing_and_says_the_same(finished: tuple[Project, Path, str], mirror: Path) -> None:
    project, cache, _ = finished
    before, verdicts = keys(cache), project.verdicts()
    said = run(project, mirror, cache, "--record", "recorded.json")
    assert "job 1" not in said
    assert keys(cache) == before
    assert project.verdicts() == verdicts


def test_recorded_evidence_gives_the_same_verdicts_elsewhere_to_the_byte(
    finished: tuple[Project, Path, str], tmp_path: Path
) -> None:
    project, _, _ = finished
    judged = []
    for name in ("here", "elsewhere"):
        other = small(tmp_path / name)
        shutil.copy(project.path / "recorded.json", other.path)
        other.run("claims/test_glue.py", "--evidence", "recorded.json")
        judged.append(other.verdicts())
    assert json.dumps(judged[0]) == json.dumps(judged[1])
    live = project.verdicts()
    for name in (f"glue.{task}.{model}" for task in TASKS for model in ("bert", "distilbert")):
        elsewhere = judged[0][name]
        assert elsewhere.pop("evidence") == ["recorded.json"]  # this and its digest are all that tells them apart
        assert len(elsewhere.pop("digests")) == 1
        assert json.dumps(elsewhere) == json.dumps(live[name])


@pytest.mark.full
def test_two_workers_share_the_work_and_come_to_the_same_verdicts(
    finished: tuple[Project, Path, str], mirror: Path, tmp_path: Path
) -> None:
    project, cache, _ = finished
    other = small(tmp_path / "project")
    run(other, mirror, tmp_path / "cache", "-n", "2", "--tasks", "wnli", code=pytest.ExitCode.OK)
    alone, together = keys(cache).keys(), keys(tmp_path / "cache").keys()
    assert together < alone
    assert len(together) == 4
    for name in ("glue.wnli.bert", "glue.wnli.distilbert"):
        assert other.verdicts()[name] == project.verdicts()[name]


def test_two_processes_on_one_cache_share_the_jobs_and_run_none_twice(mirror: Path, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    options = (*COMMAND, *QUICK, "--mirror", str(mirror), "--cache", str(cache))
    both = [small(tmp_path / name).start(*options) for name in ("one", "other")]
    trained = [len(re.findall(r"\bjob \d+ of \d+\b", run.end().stdout)) for run in both]
    assert sum(trained) == len(keys(cache)) == 8
    assert min(trained) >= 1


def test_a_damaged_result_is_set_aside_said_and_made_again(
    finished: tuple[Project, Path, str], mirror: Path, tmp_path: Path
) -> None:
    project, cache, _ = finished
    copy = shutil.copytree(cache, tmp_path / "cache")
    key = next(path for path in copy.glob("jobs/*") if '"wnli"' in (path / "result.json").read_text())
    text = (key / "result.json").read_text()
    (key / "result.json").write_text(text.replace('"glue.wnli.accuracy": 0.', '"glue.wnli.accuracy": 0.9'))
    other = small(tmp_path / "project")
    said = run(other, mirror, copy)
    [aside] = copy.glob("damaged/*")
    assert key.name in aside.name
    assert str(aside) in said
    assert len(re.findall(r"\bjob 1 of 1\b", said)) == 1
    assert other.verdicts() == project.verdicts()


def test_a_run_that_is_killed_loses_no_finished_job(mirror: Path, tmp_path: Path) -> None:
    project, cache = small(tmp_path / "project"), tmp_path / "cache"
    first = project.start(*COMMAND, *QUICK, "--mirror", str(mirror), "--cache", str(cache))
    wait_for(lambda: len(keys(cache)) >= 2, first)
    first.stop(signal.SIGKILL)
    assert first.code(60) == -signal.SIGKILL
    kept = keys(cache)
    assert 2 <= len(kept) < 8
    said = run(project, mirror, cache, *QUICK, code=pytest.ExitCode.OK)
    after = keys(cache)
    assert {key: after[key] for key in kept} == kept
    assert re.search(rf"\bjob {8 - len(kept)} of {8 - len(kept)}\b", said)
    assert len(after) == 8


def test_an_interrupt_stops_after_the_step_and_says_how_to_go_on(mirror: Path, tmp_path: Path) -> None:
    project, cache = small(tmp_path / "project"), tmp_path / "cache"
    first = project.start(*COMMAND, *QUICK, "--mirror", str(mirror), "--cache", str(cache))
    wait_for(lambda: len(keys(cache)) == 1, first)
    wait_for(lambda: any((cache / "work").iterdir()), first)
    first.stop(signal.SIGINT)
    done = first.end(120)
    said = done.stdout
    assert done.returncode == pytest.ExitCode.INTERRUPTED, said
    assert any(str(cache) in line and "same command" in line for line in said.splitlines())
    assert 1 <= len(keys(cache)) < 8
    assert not list((cache / "temporary").iterdir())


def wait_for(condition: Callable[[], bool], run: Running) -> None:
    for _ in range(1200):
        if condition():
            return
        assert run.code() is None, "it ended before it could be stopped"
        time.sleep(0.05)
    raise AssertionError("nothing happened for a minute")


def test_without_weights_nothing_is_trained_and_the_reason_says_what_is_missing(mirror: Path, tmp_path: Path) -> None:
    project = small(tmp_path / "project")
    empty = tmp_path / "mirror"
    (empty / "other" / "model").mkdir(parents=True)
    run(project, empty, tmp_path / "c", code=pytest.ExitCode.OK)
    reason = project.verdicts()["glue.rte.bert"]["reason"]
    assert all(word in reason for word in ("weights", "google-bert/bert-base-uncased", "--mirror"))
    shutil.copytree(mirror / "google-bert", empty / "google-bert")
    shutil.copytree(mirror / "distilbert", empty / "distilbert")
    run(project, empty, tmp_path / "c", code=pytest.ExitCode.OK)
    reason = project.verdicts()["glue.rte.bert"]["reason"]
    assert all(word in reason for word in ("nyu-mll/glue", "rte/train-*.parquet", "--mirror"))
    assert not list((tmp_path / "c").glob("jobs/*"))


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--tasks", "rte,cola2"), ("--tasks", "'cola2'", ",".join(ALL_TASKS))),
        (("--tasks", "rte,rte"), ("--tasks", "'rte'", "twice")),
        (("--seeds", "42,42"), ("--seeds", "42", "twice")),
        (("--seeds", "many"), ("--seeds", "many", "42,43,44")),
        (("--recipe", "mine"), ("--recipe", "'mine'", "prior-study")),
        (("--keep-checkpoints", "some"), ("--keep-checkpoints", "'some'", "last")),
    ],
)
def test_a_mistake_in_an_option_is_one_sentence_before_anything_runs(
    options: tuple[str, ...], words: tuple[str, ...], tmp_path: Path
) -> None:
    done = Project(tmp_path).run("claims/", "--runslow", *options)
    assert done.returncode == pytest.ExitCode.USAGE_ERROR
    assert all(word in done.stdout + done.stderr for word in words), done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr


def test_a_truncated_data_set_is_an_error_and_no_lower_score(mirror: Path, tmp_path: Path) -> None:
    import pyarrow.parquet

    project, other = small(tmp_path / "project"), shutil.copytree(mirror, tmp_path / "mirror")
    path = next((other / "nyu-mll" / "glue" / "wnli").glob("validation-*"))
    pyarrow.parquet.write_table(pyarrow.parquet.read_table(path).slice(0, 40), path)
    command = ("claims/test_glue.py", "--runslow", "--tasks", "wnli", "--mirror", str(other), "--seeds", "1")
    unseen = "import measure.preflight; measure.preflight.check_rows = lambda *_: ''"  # as under xdist
    done = project.run(*command, "--cache", str(tmp_path / "cache"), before=unseen)
    assert project.words()["glue.wnli.bert"] == "error"
    assert re.search(r"\b40\b.*\b71\b.*\bdownload", done.stdout)
    assert "Traceback" not in done.stdout
