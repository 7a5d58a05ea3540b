"""`--plan` as a user meets it: what would run, on this machine, and then nothing runs."""

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
    assert "teacher on " in said
    assert "To do: 110, " in said
    assert "--tasks cola,mrpc,rte,stsb,wnli" in said
    assert "Not to be had here: split missing: nyu-mll/glue's mnli/train-*.parquet" in said
    assert "weights missing" not in said
    assert " passed" not in said
    assert not (tmp_path / "results" / "verdicts.json").exists()


def test_only_what_is_selected_is_planned(mirror: Path, tmp_path: Path) -> None:
    said = plan(small(tmp_path), "--tasks", "rte,wnli", "--seeds", "3", "--mirror", str(mirror), "-k", "rte or wnli")
    assert "To do: 12, " in said
    assert "RTE " in said
    assert "CoLA" not in said
    assert "weights missing: those of google-bert/bert-base-uncased" in said


def test_the_cased_models_of_the_prior_study_are_said_not_to_be_had(tmp_path: Path) -> None:
    said = plan(small(tmp_path), "--recipe", "prior-study", "-k", "squad or rte")
    assert "Not to be had here: SQuAD v1.1: the recipe 'prior-study' fine-tuned a cased model on SQuAD v1.1" in said
    assert "RTE " in said


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("--evidence", "evidence/prior-study.json"), "Nothing would be fine-tuned: with --evidence claims are judged"),
        (("-k", "text"), "Nothing would be fine-tuned: no claim that is selected needs a fine-tuned model."),
    ],
)
def test_where_nothing_would_run_it_says_so(arguments: tuple[str, ...], sentence: str, tmp_path: Path) -> None:
    assert sentence in plan(Project(tmp_path), *arguments)


def test_several_processes_make_no_plan(tmp_path: Path) -> None:
    said = plan(Project(tmp_path), "-n", "2", code=pytest.ExitCode.USAGE_ERROR)
    assert "--plan is made by one process: leave -n out." in said


def test_without_torch_it_says_what_to_install(tmp_path: Path) -> None:
    project = Project(tmp_path)
    before = (
        "import importlib.util; real = importlib.util.find_spec; "
        "importlib.util.find_spec = lambda name, *more: None if name == 'torch' else real(name, *more)"
    )
    done = project.run("claims/", "--plan", "-p", "no:benchmark", before=before)
    assert "Nothing can be planned here: torch not installed: pip install -e" in done.stdout + done.stderr
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
    assert "10 jobs need " in said
    assert "0.1 MB are free: make room, pass --keep-checkpoints none, or name another disk with --cache." in said
    # Without weights nothing would be kept, so the same disk is no reason to refuse.
    assert project.run(*slow, before=full).returncode == pytest.ExitCode.OK


def test_collecting_reads_no_weights_and_plans_nothing(tmp_path: Path) -> None:
    done = Project(tmp_path).run("claims/", "--runslow", "--plan", "--collect-only", "-q")
    assert done.returncode == pytest.ExitCode.OK
    assert "To do:" not in done.stdout
    assert "claims/test_glue.py::" in done.stdout
