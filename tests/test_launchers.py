"""A run that a launcher started, or that finds what one left behind: refused before anything runs, or left alone."""

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from judge.files import Mistake
from measure.launchers import check_alone, launched, unlaunched
from measure.recipe import steps_of
from measure.results import Result
from measure.store import Store
from tests.finetuned import job, run
from tests.madedata import miniature, write_task
from tests.project import Project

pytest.importorskip("accelerate", reason="it is what reads these variables")

REHEARSE = ("claims/test_glue.py", "--rehearse", "--tasks", "stsb", "-k", "stsb")
RENDEZVOUS = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "29511"}
# What tells of several processes, by who sets it, and the variable that has to be named.
SEVERAL: dict[str, tuple[str, dict[str, str]]] = {
    "torchrun": (
        "WORLD_SIZE",
        {"RANK": "1", "LOCAL_RANK": "1", "WORLD_SIZE": "2", "TORCHELASTIC_RUN_ID": "x", **RENDEZVOUS},
    ),
    "a notebook service": ("WORLD_SIZE", {"RANK": "0", "WORLD_SIZE": "2", **RENDEZVOUS}),
    "the second host of two": ("WORLD_SIZE", {"WORLD_SIZE": " 2 ", "LOCAL_WORLD_SIZE": "1"}),
    "a rank alone": ("RANK", {"RANK": "3", "WORLD_SIZE": ""}),
    "a local rank alone": ("LOCAL_RANK", {"LOCAL_RANK": "1"}),
    "mpirun of Open MPI": ("OMPI_COMM_WORLD_SIZE", {"OMPI_COMM_WORLD_SIZE": "4", "OMPI_COMM_WORLD_RANK": "0"}),
    "mpirun of MPICH": ("PMI_SIZE", {"PMI_SIZE": "2", "PMI_RANK": "0"}),
    "mpirun of MVAPICH": ("MV2_COMM_WORLD_SIZE", {"MV2_COMM_WORLD_SIZE": "2"}),
    "prun": ("PMIX_RANK", {"PMIX_RANK": "1"}),
    "srun": (
        "SLURM_STEP_NUM_TASKS",
        {"SLURM_STEP_NUM_TASKS": "2", "SLURM_NTASKS": "2", "SLURM_PROCID": "0", "SLURM_LOCALID": "0"},
    ),
    "sbatch": ("SLURM_NTASKS", {"SLURM_NTASKS": "8", "SLURM_PROCID": "0"}),
}
ALONE: dict[str, dict[str, str]] = {
    "nothing": {},
    "torchrun with one process": {"RANK": "0", "LOCAL_RANK": "0", "WORLD_SIZE": "1", "LOCAL_WORLD_SIZE": "1"},
    "mpirun -n 1": {"OMPI_COMM_WORLD_SIZE": "1", "OMPI_COMM_WORLD_RANK": "0", "PMIX_RANK": "0"},
    "a SLURM job with one task": {"SLURM_NTASKS": "1", "SLURM_PROCID": "0", "SLURM_JOB_NUM_NODES": "1"},
    "srun --ntasks=1 in a job of four": {"SLURM_STEP_NUM_TASKS": "1", "SLURM_NTASKS": "4", "SLURM_PROCID": "0"},
    "an address alone": RENDEZVOUS,
    "what is no number": {"WORLD_SIZE": "auto", "RANK": "-1", "LOCAL_RANK": "", "PMI_SIZE": "1.5"},
}


@pytest.mark.parametrize("who", SEVERAL)
def test_several_processes_are_refused_with_the_variable_and_what_to_do(who: str) -> None:
    name, environment = SEVERAL[who]
    with pytest.raises(Mistake) as refused:
        check_alone(environment)
    said = str(refused.value)
    assert said.startswith(f"{name}={environment[name]} ")
    assert "one process per GPU, no launcher" in said
    assert (said.count(". "), said[-1], "\n" in said) == (0, ".", False)
    # Who does what it says is refused no more.
    [unset] = re.findall(r"\bunset ([A-Z0-9_ ]+) if\b", said)
    check_alone({key: value for key, value in environment.items() if key not in unset.split()})


@pytest.mark.parametrize("who", ALONE)
def test_one_process_is_not_refused(who: str) -> None:
    check_alone(ALONE[who])


def test_what_launchers_set_is_hidden_from_the_libraries_and_there_again_afterwards(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    names = {name for _, environment in SEVERAL.values() for name in environment} - {"SLURM_LOCALID"}
    for name in names | {"ACCELERATE_USE_FSDP", "FSDP_VERSION", "OMP_NUM_THREADS"}:
        monkeypatch.setenv(name, "1")
    before = dict(os.environ)
    with unlaunched():
        assert not any(map(launched, os.environ))
        assert before.keys() - os.environ.keys() == names | {"ACCELERATE_USE_FSDP", "FSDP_VERSION"}
        os.environ["MASTER_PORT"] = os.environ["ACCELERATE_USE_CPU"] = "set by a library"
    assert dict(os.environ) == before


# As a user types it.


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path)


def assert_nothing_was_done(project: Project, said: str, name: str) -> None:
    assert re.search(rf"\b{name}=\d", said), said
    assert "one process per GPU, no launcher" in said
    assert "Traceback" not in said
    assert "INTERNALERROR" not in said
    assert not list(project.path.glob("**/result.json")), "no job is left in a store"
    assert not list(project.path.glob("results/**/*.json")), "and no verdict"


@pytest.mark.parametrize("who", ["a notebook service", "mpirun of Open MPI", "mpirun of MPICH", "srun", "sbatch"])
def test_the_variables_alone_end_a_run_at_once(who: str, project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    name, environment = SEVERAL[who]
    for key, value in environment.items():
        monkeypatch.setenv(key, value)
    done = project.run(*REHEARSE, timeout=60)
    assert done.returncode == pytest.ExitCode.USAGE_ERROR, done.stdout + done.stderr
    assert_nothing_was_done(project, done.stdout + done.stderr, name)


@pytest.mark.parametrize("arguments", [("-m", "fast"), ("--runslow",), ("--plan",)], ids=" ".join)
def test_whatever_measures_is_refused(
    arguments: tuple[str, ...], project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    done = project.run("claims/", *arguments, timeout=60)
    assert done.returncode == pytest.ExitCode.USAGE_ERROR, done.stdout + done.stderr
    assert_nothing_was_done(project, done.stdout + done.stderr, "WORLD_SIZE")


def test_what_measures_nothing_is_not_refused(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    collected = project.run("claims/test_size.py", "--collect-only")
    assert collected.returncode == pytest.ExitCode.OK, collected.stdout + collected.stderr
    judged = project.run("claims/test_size.py", "--evidence", "evidence/cpu.json")
    assert judged.returncode == pytest.ExitCode.OK, judged.stdout + judged.stderr
    assert project.words()["size.reduction"] == "reproduced"


def free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


def refused(project: Project, launcher: tuple[str, ...], name: str) -> None:
    """Have a launcher start two processes, which must end at once and leave nothing."""
    process = subprocess.Popen(
        [*launcher, "-m", "pytest", *REHEARSE],
        cwd=project.path,
        env=project.environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        said = process.communicate(timeout=120)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        raise
    assert process.returncode != 0
    # Launchers make a traceback of their own of it.
    errors = [line for line in "".join(said).splitlines() if line.startswith(("ERROR:", "INTERNALERROR"))]
    assert_nothing_was_done(project, "\n".join(errors), name)


def test_torchrun_is_refused(project: Project) -> None:
    launcher = (sys.executable, "-m", "torch.distributed.run", "--nproc_per_node", "2")
    refused(project, (*launcher, "--master_port", str(free_port())), "WORLD_SIZE")


@pytest.mark.full
def test_accelerate_launch_is_refused(project: Project) -> None:
    launcher = (sys.executable, "-m", "accelerate.commands.launch", "--multi_gpu", "--num_processes", "2")
    options = ("--num_machines", "1", "--mixed_precision", "no", "--dynamo_backend", "no")
    refused(project, (*launcher, *options, "--main_process_port", str(free_port())), "WORLD_SIZE")


@pytest.mark.full
@pytest.mark.skipif(not shutil.which("mpirun"), reason="needs mpirun, as of Open MPI")
def test_mpirun_is_refused(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("ALLOW_RUN_AS_ROOT", "ALLOW_RUN_AS_ROOT_CONFIRM", "MCA_rmaps_base_oversubscribe"):
        monkeypatch.setenv(f"OMPI_{name}", "1")
    refused(project, ("mpirun", "-n", "2", sys.executable), "(?:OMPI_COMM_WORLD|PMI)_SIZE")


# What one process is told by a launcher changes nothing: on a CPU each of these would begin a rendezvous or shard.


@pytest.mark.full
def test_a_rehearsal_by_a_launcher_of_one_process_takes_all_of_its_steps(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    for key, value in {"LOCAL_RANK": "0", "RANK": "0", "WORLD_SIZE": "1", "SLURM_NTASKS": "1"}.items():
        monkeypatch.setenv(key, value)
    done = project.run(*REHEARSE)
    assert done.returncode == pytest.ExitCode.OK, done.stdout + done.stderr
    kept = [json.loads(path.read_text()) for path in project.path.glob("caches/**/jobs/*/result.json")]
    assert len(kept) == 4
    for record in kept:
        asked = record["job"]
        steps = steps_of(record["provenance"]["rows"], asked["recipe.batch_size"], asked["recipe.epochs"])
        assert record["provenance"]["steps"] == steps > 1


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("made")
    miniature(folder / "bert")
    write_task(folder / "mirror", "wnli")
    return folder


@pytest.fixture(scope="module")
def undisturbed(made: Path) -> Result:
    return run(asked_of(made), Store(made / "undisturbed"))


def asked_of(made: Path, seed: int = 1) -> Any:
    return job("wnli", str(made / "bert"), made / "mirror", limit=64, batch_size=16, epochs=3, seed=seed)


@pytest.mark.parametrize(
    "environment",
    [
        {"RANK": "0", "WORLD_SIZE": "2"},
        {"LOCAL_RANK": "0"},
        {"OMPI_COMM_WORLD_SIZE": "2", "OMPI_COMM_WORLD_RANK": "0"},
        {"ACCELERATE_USE_DEEPSPEED": "true"},
        {"ACCELERATE_TORCH_DEVICE": "meta", "ACCELERATE_USE_CPU": "maybe"},
        {"ACCELERATE_GRADIENT_ACCUMULATION_STEPS": "4", "ACCELERATE_SPLIT_BATCHES": "true", "FORK_LAUNCHED": "maybe"},
    ],
    ids=lambda environment: next(iter(environment)),
)
def test_whatever_is_set_a_job_comes_out_as_its_recipe_says(
    environment: dict[str, str], made: Path, undisturbed: Result, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for key, value in environment.items():
        monkeypatch.setenv(key, value)
    found = run(asked_of(made), Store(tmp_path / "store"))
    assert found.provenance.steps == 12
    assert (found.metrics, found.files) == (undisturbed.metrics, undisturbed.files)


def test_seeds_have_predictions_of_their_own(made: Path, undisturbed: Result, tmp_path: Path) -> None:
    other = run(asked_of(made, seed=2), Store(tmp_path / "store"))
    assert other.files["predictions.json.gz"] != undisturbed.files["predictions.json.gz"]
