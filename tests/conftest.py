"""What the tests share: the option --full, and a machine of its own for each process that runs them.

Under xdist every worker is such a process. Neither two workers nor two runs on one machine share a cache or a lock.
"""

import gc
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, nullcontext
from pathlib import Path

import pytest
from hypothesis import settings

from measure.launchers import launched
from measure.quiet import Machine

FOLDER, TURN = pytest.StashKey[Path](), pytest.StashKey[ExitStack]()
UNSET = ("CI", "PYTHONDONTWRITEBYTECODE")
MARKS = (
    "full: takes minutes; run with --full, as the scheduled workflow does",
    "times: times models for real, so that no other worker of this run may compute meanwhile",
)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add --full."""
    parser.addoption("--full", action="store_true", help="also run the tests that take minutes")


def pytest_configure(config: pytest.Config) -> None:
    """Give this process its own caches, before a test module imports a library that looks for its cache."""
    for mark in MARKS:
        config.addinivalue_line("markers", mark)
    folder = config.stash[FOLDER] = Path(tempfile.mkdtemp(prefix="claims-tests-"))
    os.environ["XDG_CACHE_HOME"] = str(folder / "cache")
    os.environ["HF_HOME"] = str(folder / "huggingface")
    # Several threads wait for each other while another process has their core, which takes ten times as long.
    os.environ["OMP_NUM_THREADS"] = "1"
    # Progress is silent in CI, inner runs share compiled modules, and none of them is a worker of this run or of a job
    # of SLURM's.
    for name in [name for name in os.environ if name in UNSET or name.startswith("PYTEST_XDIST") or launched(name)]:
        del os.environ[name]
    examples = 300 if config.getoption("full") else 60
    settings.register_profile("tests", max_examples=examples, deadline=None, derandomize=True)
    settings.load_profile("tests")


def pytest_unconfigure(config: pytest.Config) -> None:
    """Remove the caches."""
    shutil.rmtree(config.stash[FOLDER], ignore_errors=True)


@pytest.fixture(scope="session", autouse=True)
def _locks(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Give this process its own lock of the machine, which lies in the folder for temporary files."""
    os.environ["TMPDIR"] = tempfile.tempdir = str(tmp_path_factory.mktemp("tmp"))


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Skip what takes minutes unless it was asked for."""
    if not config.getoption("full"):
        for item in items:
            if item.get_closest_marker("full"):
                item.add_marker(pytest.mark.skip(reason="takes minutes: add --full"))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item, nextitem: pytest.Item | None) -> Iterator[None]:
    """Run a test, fixtures included, when it is its turn."""
    # Every Trainer collects garbage, which would look through all of torch for half a second.
    gc.freeze()
    if TURN not in item.config.stash:
        item.config.stash[TURN] = ExitStack()
        item.config.stash[TURN].enter_context(turn(item))
    try:
        return (yield)
    finally:
        gc.unfreeze()
        # Tests that time models one after the other wait once for the other workers to finish theirs.
        if not (_times(item) and nextitem is not None and _times(nextitem)):
            item.config.stash[TURN].close()
            del item.config.stash[TURN]


def turn(item: pytest.Item) -> AbstractContextManager[None]:
    """Keep the other workers of this run from computing while models are timed."""
    if not hasattr(item.config, "workerinput"):
        return nullcontext()
    # xdist gives each worker a folder in that of the whole run.
    machine = Machine(Path(item.config.option.basetemp).parent / "turns")
    return machine.timing() if _times(item) else machine.training()


def _times(item: pytest.Item) -> bool:
    return item.get_closest_marker("times") is not None
