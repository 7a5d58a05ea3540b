"""The environment variables of launchers such as torchrun, which start one program as several processes.

They are refused when a run begins and hidden while a model is trained. The Trainer would split every batch over the
processes that they announce: each process would take a part of the recipe's steps, or wait for the others without end.
"""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from judge.files import Mistake

# How many processes there are, by torchrun and accelerate, Open MPI, Hydra (MPICH, Intel MPI), MVAPICH, and srun. Only
# more than one is refused.
STEP = "SLURM_STEP_NUM_TASKS"
COUNTS = ("WORLD_SIZE", "OMPI_COMM_WORLD_SIZE", "PMI_SIZE", "MV2_COMM_WORLD_SIZE", STEP)
# The tasks of a whole SLURM job: what `srun --ntasks=1` starts inside of it is one process.
WHOLE = "SLURM_NTASKS"
# Which of them this one is, counted from 0: the first may be the only one.
RANKS = (
    "RANK",
    "LOCAL_RANK",
    "OMPI_COMM_WORLD_RANK",
    "PMI_RANK",
    "PMIX_RANK",
    "MV2_COMM_WORLD_RANK",
    "SLURM_PROCID",
)
# What the libraries read besides, of processes or of the ways of training that `accelerate launch` sets for them.
OTHERS = (
    "LOCAL_WORLD_SIZE",
    "MASTER_ADDR",
    "MASTER_PORT",
    "OMPI_COMM_WORLD_LOCAL_RANK",
    "OMPI_COMM_WORLD_LOCAL_SIZE",
    "MPI_LOCALRANKID",
    "MPI_LOCALNRANKS",
    "MV2_COMM_WORLD_LOCAL_RANK",
    "MV2_COMM_WORLD_LOCAL_SIZE",
    "FORK_LAUNCHED",
)
PREFIXES = ("ACCELERATE_", "FSDP_", "PARALLELISM_CONFIG_", "TORCHELASTIC_")
RULE = "one process per GPU, no launcher"


def check_alone(environment: Mapping[str, str]) -> None:
    """Refuse to be one of several processes.

    Raises:
        Mistake: a variable announces several, whether a launcher set it or it was left behind.
    """
    found = [name for name in COUNTS if _number(environment, name) > 1]
    if _number(environment, STEP) != 1 and _number(environment, WHOLE) > 1:
        found.append(WHOLE)
    found += [name for name in RANKS if _number(environment, name) > 0]
    if found:
        raise Mistake(
            f"{found[0]}={environment[found[0]]} says that a launcher started several processes, and this suite runs "
            f"as {RULE}: start pytest itself, or unset {' '.join(found)} if no launcher did."
        )


def launched(name: str) -> bool:
    """Whether a variable is one by which launchers tell libraries how to train."""
    return name in (*COUNTS, WHOLE, *RANKS, *OTHERS) or name.startswith(PREFIXES)


@contextmanager
def unlaunched() -> Iterator[None]:
    """Hide these variables from the libraries, so that a job is trained by one process as its recipe says.

    Afterwards they have their values again, and those that a library has set in the meantime are removed.
    """
    hidden = {name: os.environ.pop(name) for name in list(os.environ) if launched(name)}
    try:
        yield
    finally:
        for name in filter(launched, list(os.environ)):
            del os.environ[name]
        os.environ.update(hidden)


def _number(environment: Mapping[str, str], name: str) -> int:
    """The value of a variable; 0 where it is not set or not a number."""
    try:
        return int(environment.get(name, ""))
    except ValueError:
        return 0
