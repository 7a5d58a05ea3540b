"""A copy of the suite in a folder of its own, for tests that change its data or its claims and run pytest inside it."""

import functools
import json
import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
# Never changed by a test, so linked: their compiled modules are shared, which saves a second for each inner run.
LINKED = ("fixtures", "judge", "measure", "report")
# What no inner run needs.
LEAN = ("-p", "no:cacheprovider", "-p", "no:anyio", "-p", "no:platformdirs")
# How pytest and Python show an exception that nobody made a sentence of. No outcome of a claim has such lines.
CRASH = re.compile(r"^(?:INTERNALERROR>|E {3,}(?!\[)\S| *Traceback \(most recent call last\))", re.MULTILINE)
COPIED = ("conftest.py", "pytest.ini", "baselines", "evidence")


@functools.cache
def zygote() -> "subprocess.Popen[str]":
    """The process that runs are forked from; it ends with this one."""
    return subprocess.Popen(
        [sys.executable, "-m", "tests.zygote"],
        cwd=ROOT,
        env={**os.environ, "HF_HUB_OFFLINE": "1"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def ask(**request: Any) -> Any:
    """Have the zygote do something."""
    process = zygote()
    assert process.stdin
    assert process.stdout
    print(json.dumps(request), file=process.stdin, flush=True)
    return json.loads(process.stdout.readline())


class Running:
    """A run of pytest in a process of its own."""

    def __init__(
        self, folder: Path, environment: dict[str, str], arguments: tuple[str, ...], cwd: Path | None = None
    ) -> None:
        self._arguments, self._outputs = arguments, (folder / "tmp" / "stdout", folder / "tmp" / "stderr")
        self._number = ask(
            start={
                # That the zygote has imported a plugin already means nothing here.
                "arguments": [*LEAN, "-W", "ignore::pytest.PytestAssertRewriteWarning", *arguments],
                "cwd": str(cwd or folder),
                "env": environment,
                **{path.name: str(path) for path in self._outputs},
            }
        )

    def code(self, seconds: float = 0) -> int | None:
        """Its exit code, once it has ended within so many seconds; ask for no other after that."""
        code: int | None = ask(wait=[self._number, seconds])
        return code

    def stop(self, number: int) -> None:
        """Send a signal to it and to all that it has started."""
        os.killpg(self._number, number)

    def end(self, seconds: float = 240, *, crash: bool = False) -> subprocess.CompletedProcess[str]:
        """Wait for its end; what takes longer is killed and raises TimeoutExpired. `crash` says that it may crash."""
        code = self.code(seconds)
        said = [path.read_text(errors="replace") for path in self._outputs]
        if code is None:
            self.stop(signal.SIGKILL)
            raise subprocess.TimeoutExpired(self._arguments, seconds, *said)
        return checked(subprocess.CompletedProcess(self._arguments, code, *said), crash=crash)


def checked(done: "subprocess.CompletedProcess[str]", *, crash: bool) -> "subprocess.CompletedProcess[str]":
    """The run itself, which must have shown no traceback unless the test brought it about.

    Otherwise an exception of the suite's own would pass for the exit code 1, or the verdict "error", that is expected.
    """
    shown = CRASH.search(f"{done.stdout}\n{done.stderr}")
    assert crash or not shown, f"{shown}:\n{done.stdout}{done.stderr}"
    return done


class Project:
    """The suite at `path`, with all its claims or with none."""

    def __init__(self, path: Path, *, claims: bool = True) -> None:
        self.path = path
        (path / "tmp").mkdir()
        for name in LINKED:
            (path / name).symlink_to(ROOT / name)
        for name in COPIED:
            copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy2
            copy(ROOT / name, path / name)
        if claims:
            shutil.copytree(ROOT / "claims", path / "claims")
        else:
            (path / "claims").mkdir()
            (path / "claims" / "__init__.py").write_text("")

    def run(
        self, *arguments: str, before: str = "", timeout: float = 240, cwd: Path | None = None, crash: bool = False
    ) -> subprocess.CompletedProcess[str]:
        """Run pytest in the copy, in a process of its own: two inner runs that import torch cannot share one.

        `before` is Python that runs first, as to replace what a test cannot have; `cwd` another folder to run in;
        `crash` whether the test brings about a traceback, which is a failure everywhere else.
        """
        if before:
            (self.path / "before.py").write_text(before)
            arguments = ("-p", "before", *arguments)
        return self.start(*arguments, cwd=cwd).end(timeout, crash=crash)

    def start(self, *arguments: str, cwd: Path | None = None) -> Running:
        """Begin a run that the test will stop, or that others run beside."""
        return Running(self.path, self.environment(), arguments, cwd)

    def python(self, *arguments: str, timeout: float = 240, **variables: str) -> subprocess.CompletedProcess[str]:
        """Run a new Python in the copy, for what must read these variables when it is imported."""
        done = subprocess.run(
            [sys.executable, *arguments],
            cwd=self.path,
            env={**self.environment(), **variables},
            capture_output=True,
            text=True,
            timeout=timeout,
        )
        return checked(done, crash=False)

    def environment(self) -> dict[str, str]:
        """Variables of a process with caches and locks of its own, and without a hub."""
        folders = {"XDG_CACHE_HOME": str(self.path / "caches"), "TMPDIR": str(self.path / "tmp")}
        return {**os.environ, **folders, "HF_HUB_OFFLINE": "1"}

    def write_claims(self, text: str, name: str = "test_example.py") -> None:
        """Write a file of claims."""
        (self.path / "claims" / name).write_text(f"import pytest\n{text}")

    def change(self, name: str, change: Any) -> None:
        """Rewrite a JSON file of the copy through a function that changes its content in place.

        Evidence loses its digests, as if it had been recorded before there were any: else every change would be found.
        """
        path = self.path / name
        data = json.loads(path.read_text())
        if data.pop("digest", None):
            del data["digests"]
            data["schema"] = 1
        change(data)
        path.write_text(json.dumps(data))

    def verdicts(self, folder: str = "results") -> dict[str, dict[str, Any]]:
        """Every verdict in results/verdicts.json by its id."""
        verdicts: dict[str, dict[str, Any]] = json.loads((self.path / folder / "verdicts.json").read_text())["verdicts"]
        return verdicts

    def words(self, folder: str = "results") -> dict[str, str]:
        """The word of every verdict by its id."""
        return {name: verdict["verdict"] for name, verdict in self.verdicts(folder).items()}
