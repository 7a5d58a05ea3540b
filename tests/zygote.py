"""A process that has imported torch and its kind, and what never changes of the suite, from which runs are forked.

Importing takes seconds in each new process, and nothing in a fork of this one. Libraries that read the environment when
they are imported have read this process's. `python -m tests.zygote` reads a request in JSON from each line of its input
and answers with a line: `start`, with what `_run_pytest` takes, by the number of the process; `wait`, with that number
and how many seconds at most, by its exit code, or null where it still runs.
"""

import atexit
import contextlib
import gc
import importlib
import json
import os
import runpy
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NoReturn

# Also modules that transformers and scipy import only when something of theirs is used.
LIBRARIES = (
    "numpy",
    "pydantic",
    "pytest",
    "execnet",
    "scipy.special",
    "scipy.optimize",
    "pyarrow.parquet",
    "torch",
    "datasets",
    "evaluate",
    "transformers.trainer",
    "transformers.models.auto.modeling_auto",
    "transformers.models.bert.modeling_bert",
    "transformers.models.bert.tokenization_bert",
    "transformers.models.distilbert.modeling_distilbert",
)


def main() -> None:
    """Import what there is, then serve until the input ends."""
    for name in (*LIBRARIES, *_linked()):
        with contextlib.suppress(ImportError):
            importlib.import_module(name)
    gc.freeze()  # each run collects garbage several times, and need not look through all of this
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    for line in sys.stdin:
        asked = json.loads(line)
        print(json.dumps(_wait(*asked["wait"]) if "wait" in asked else _start(asked["start"])), file=answers)


def _linked() -> Iterator[str]:
    """Modules of the suite that copies of it link to and that do not depend on where they lie."""
    for room in ("judge", "measure", "report"):
        for path in sorted(Path(room).glob("*.py")):
            if not path.name.startswith("__") and "__file__" not in path.read_text(encoding="utf-8"):
                yield f"{room}.{path.stem}"


def _start(asked: dict[str, Any]) -> int:
    process = os.fork()
    if process == 0:
        _run_pytest(**asked)
    return process


def _run_pytest(arguments: list[str], cwd: str, env: dict[str, str], stdout: str, stderr: str) -> NoReturn:
    """Be what `python -m pytest` would be in that folder, with files for its output, as far as a fork can."""
    code: Any = 1
    try:
        os.setsid()  # so that it can be stopped with all that it has started
        signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs inherit that it is ignored
        os.chdir(cwd)
        os.environ.clear()
        os.environ.update(env)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        for place, path in ((1, stdout), (2, stderr)):
            os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), place)
        tempfile.tempdir = None
        sys.path[0] = cwd
        sys.modules.pop("tests", None)
        sys.argv = ["pytest", *arguments]
        runpy.run_module("pytest", run_name="__main__", alter_sys=True)
    except SystemExit as ended:
        code = ended.code
    except BaseException:
        traceback.print_exc()
    finally:
        atexit._run_exitfuncs()
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(int(code or 0))


def _wait(process: int, seconds: float) -> int | None:
    """The exit code, negative for a signal; None where the process runs for longer."""
    end = time.monotonic() + seconds
    while True:
        done, status = os.waitpid(process, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status)
        if time.monotonic() >= end:
            return None
        time.sleep(0.005)


if __name__ == "__main__":
    main()
