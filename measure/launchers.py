"""Launchers, which start one program as several processes: refused where a run begins, unseen where a model is trained.

The Trainer splits every batch over the processes that such variables speak of: each would take a part of the recipe's
steps, and wait for the others for as long as they do not come.
"""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from judge.files import Mistake

# How many processes there are, by torchrun and accelerate, Open MPI, Hydra (MPICH, Intel MPI), MVAPICH, and srun. One
# is no launcher's doing.
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
        Mistake: a variable says so, be there others or be it left behind by something else.
    """
    found = [name for name in COUNTS if _number(environment, name) > 1]
    if _number(environment, STEP) != 1 and _number(environment, WHOLE) > 1:
        found.append(WHOLE)
    found += [name for name in RANKS if _number(environment, name) > 0]
    if found:
        raise Mistake(
            f"{found[0]}={environment[found[0]]} says that a launcher started several processes, which would share "
            f"every batch, and this suite runs as {RULE}: start pytest itself, once for each GPU (see the README), or "
            f"unset {' '.join(found)} if no launcher started this process."
        )


def launched(name: str) -> bool:
    """Whether a variable is one by which launchers tell libraries how to train."""
    return name in (*COUNTS, WHOLE, *RANKS, *OTHERS) or name.startswith(PREFIXES)


@contextmanager
def unlaunched() -> Iterator[None]:
    """Hide such variables from the libraries: a job is one process's, and trained as its recipe says, whatever is set.

    What the libraries set meanwhile is gone afterwards.
    """
    hidden = {name: os.environ.pop(name) for name in list(os.environ) if launched(name)}
    try:
        yield
    finally:
        for name in filter(launched, list(os.environ)):
            del os.environ[name]
        os.environ.update(hidden)


def _number(environment: Mapping[str, str], name: str) -> int:
    """The value of a variable; 0 where it is not set or no number, by which nothing could be started."""
    value = environment.get(name, "").strip()
    return int(value) if value.isdecimal() else 0
