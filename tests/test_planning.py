"""`--plan` as a user meets it: what would run, on this machine, and then nothing runs."""

import re
from pathlib import Path

import pytest

from tests.madedata import miniature, write_task
from tests.project import Project
from tests.test_full_run import MODELS, small

pytest.importorskip("torch", reason="the plan times a training step")


@pytest.fixture(scope="module")
def mirror(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A mirror with a miniature pair of the user's own, and one task."""
    folder = tmp_path_factory.mktemp("mirror")
    miniature(folder / "me" / "teacher", "bert", hidden_size=128)
    miniature(folder / "me" / "student", "distilbert", dim=128)
    write_task(folder, "wnli")
    return folder


def plan(project: Project, *arguments: str, code: int = pytest.ExitCode.OK) -> str:
    done = project.run("claims/", "--runslow", "--plan", *arguments)
    said = done.stdout + done.stderr
    assert done.returncode == code, said
    assert "Traceback" not in said
    assert "INTERNALERROR" not in said
    return said


def test_a_pair_of_ones_own_in_a_mirror_is_planned_without_a_network(mirror: Path, tmp_path: Path) -> None:
    own = ("--teacher", "me/teacher", "--student", "me/student", "--mirror", str(mirror))
    said = plan(Project(tmp_path), *own)
    rows = [line.split() for line in said.splitlines()]
    assert ["CoLA", "8,551", "804"] in [row[:3] for row in rows]
    assert ["total", "1,063,257"] in [row[:2] for row in rows]
    planned = said.split("collected ")[1]
    assert re.search(r"^teacher\b.*\b8 x 16\b", planned, re.MULTILINE)
    assert re.search(r"\b0 of 110\b", planned)
    assert "--tasks cola,mrpc,rte,stsb,wnli" in planned
    assert re.search(r"\bnyu-mll/glue\b.* mnli/train-\*\.parquet .*--mirror", planned)
    assert not re.search(r"\bwnli/train|\bme/(teacher|student)\b", planned), "they are in the mirror"
    assert " passed" not in said
    assert not (tmp_path / "results" / "verdicts.json").exists()


def test_only_what_is_selected_is_planned(mirror: Path, tmp_path: Path) -> None:
    said = plan(small(tmp_path), "--tasks", "rte,wnli", "--seeds", "3", "--mirror", str(mirror), "-k", "rte or wnli")
    assert re.search(r"\b0 of 12\b", said)
    assert "RTE " in said
    assert "CoLA" not in said
    assert re.search(r"\bweights\b.*\bgoogle-bert/bert-base-uncased\b.*--mirror", said)


def test_the_cased_models_of_the_prior_study_are_said_not_to_be_had(tmp_path: Path) -> None:
    said = plan(small(tmp_path), "--recipe", "prior-study", "-k", "squad or rte")
    assert re.search(r"\bSQuAD v1\.1\b.*'prior-study'.*\bcased\b", said)
    assert "RTE " in said


@pytest.mark.parametrize(
    ("arguments", "word"), [(("--evidence", "evidence/prior-study.json"), "--evidence"), (("-k", "text"), "selected")]
)
def test_where_nothing_would_run_it_says_so(arguments: tuple[str, ...], word: str, tmp_path: Path) -> None:
    said = plan(Project(tmp_path), *arguments)
    assert "PFLOP" not in said
    assert any("fine-tuned" in line and word in line for line in said.splitlines()), said


def test_several_processes_make_no_plan(tmp_path: Path) -> None:
    said = plan(Project(tmp_path), "-n", "2", code=pytest.ExitCode.USAGE_ERROR)
    assert re.search(r"--plan\b.* -n\b", said)


def test_without_torch_it_says_what_to_install(tmp_path: Path) -> None:
    project = Project(tmp_path)
    before = (
        "import importlib.util; real = importlib.util.find_spec; "
        "importlib.util.find_spec = lambda name, *more: None if name == 'torch' else real(name, *more)"
    )
    done = project.run("claims/", "--plan", "-p", "no:benchmark", before=before)
    assert re.search(r'\btorch\b.*pip install -e "\.\[run\]"', done.stdout + done.stderr)
    assert "INTERNALERROR" not in done.stdout + done.stderr


def test_a_disk_that_is_too_small_for_what_is_kept_stops_the_run_before_it_begins(tmp_path: Path) -> None:
    project, mirror = small(tmp_path / "project"), tmp_path / "mirror"
    for model, kind in zip(MODELS, ("bert", "distilbert"), strict=True):
        miniature(mirror / model, kind)
    write_task(mirror, "wnli")
    full = "import measure.store; measure.store.Store.free_bytes = lambda self: 100_000"
    slow = ("claims/test_glue.py", "--runslow", "--keep-checkpoints", "all")
    done = project.run(*slow, "--mirror", str(mirror), before=full)
    said = done.stdout + done.stderr
    assert done.returncode == pytest.ExitCode.USAGE_ERROR, said
    assert all(word in said for word in ("10 jobs", "0.1 MB", "--keep-checkpoints none", "--cache"))
    # Without weights nothing would be kept, so the same disk is no reason to refuse.
    assert project.run(*slow, before=full).returncode == pytest.ExitCode.OK


def test_collecting_reads_no_weights_and_plans_nothing(tmp_path: Path) -> None:
    done = Project(tmp_path).run("claims/", "--runslow", "--plan", "--collect-only", "-q")
    assert done.returncode == pytest.ExitCode.OK
    assert "PFLOP" not in done.stdout
    assert "claims/test_glue.py::" in done.stdout
