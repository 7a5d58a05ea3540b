"""Run steps of a workflow for real: the text of the workflow file, in a checkout with a repository of its own."""

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import yaml  # type: ignore[import-untyped]

from tests.project import ROOT, checked

GITHUB = ROOT / ".github"
# Stands for GitHub's client: it writes down what it was asked for, and how git logs in is the remote's business.
GH = '#!/bin/sh\nprintf "%s\\n" "$*" >> "$GH_LOG"\n'
FOLDERS = ("baselines", "claims", "conftest.py", "evidence", "fixtures", "judge", "measure", "pytest.ini", "report")


def load(name: str) -> dict[Any, Any]:
    """A workflow or action by its path inside .github."""
    content: dict[Any, Any] = yaml.safe_load((GITHUB / name).read_text(encoding="utf-8"))
    return content


class Checkout:
    """A clone of a bare repository that stands for the one on GitHub, with a runner's folders and a recorded gh."""

    def __init__(self, path: Path) -> None:
        self.path, self.remote, self.temporary = path / "work", path / "remote.git", path / "runner"
        self.log, self.summary = path / "gh.log", path / "summary.md"
        for folder in (self.path, self.temporary, path / "bin"):
            folder.mkdir(parents=True)
        for name in FOLDERS:
            copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy2
            copy(ROOT / name, self.path / name)
        (self.path / ".gitignore").write_text("__pycache__/\nresults/\n.benchmarks/\n")
        self.summary.touch()
        self.log.touch()
        (path / "bin" / "gh").write_text(GH)
        (path / "bin" / "gh").chmod(0o755)
        self.bin = path / "bin"
        self.git("init", "--quiet", "--bare", str(self.remote))
        self.git("init", "--quiet", "--initial-branch=main")
        self.git("remote", "add", "origin", str(self.remote))
        self.git("add", "--all")
        self.git("-c", "user.name=me", "-c", "user.email=me@example.org", "commit", "--quiet", "-m", "start")
        self.git("push", "--quiet", "origin", "main")

    def git(self, *arguments: str, cwd: Path | None = None) -> str:
        """Run git in the checkout, or elsewhere; its output."""
        done = subprocess.run(["git", *arguments], cwd=cwd or self.path, capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def run(self, script: str, cwd: Path | None = None, **env: str) -> subprocess.CompletedProcess[str]:
        """Run a step's script as a runner does: bash that stops at the first error. Nothing in it may crash."""
        python = Path(sys.executable).parent
        known = {
            "PATH": f"{self.bin}:{python}:{os.environ['PATH']}",
            "RUNNER_TEMP": str(self.temporary),
            "GITHUB_STEP_SUMMARY": str(self.summary),
            "GITHUB_RUN_ID": "7",
            "GITHUB_RUN_ATTEMPT": "1",
            "GITHUB_REF_NAME": "main",
            "GITHUB_REF_TYPE": "branch",
            "GITHUB_SHA": "0123abc",
            "GH_LOG": str(self.log),
            "GH_TOKEN": "secret",
            "GIT_CONFIG_GLOBAL": "/dev/null",
        }
        done = subprocess.run(
            ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", script],
            cwd=cwd or self.path,
            env={**os.environ, **known, **env},
            capture_output=True,
            text=True,
            timeout=240,
        )
        return checked(done, crash=False)

    def step(self, job: dict[str, Any], name: str, cwd: Path | None = None, **env: str) -> str:
        """Run a step of a job by its name with what it sets itself; its output. It must succeed."""
        done = self.run(script(job, name), cwd, **fixed(job, name), **env)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout


def step_of(job: dict[str, Any], name: str) -> dict[str, Any]:
    """A step by its name."""
    [found] = [step for step in job["steps"] if step.get("name") == name]
    return found


def script(job: dict[str, Any], name: str) -> str:
    """The text that a step runs."""
    text: str = step_of(job, name)["run"]
    return text


def fixed(job: dict[str, Any], name: str) -> dict[str, str]:
    """What a step sets in its environment without asking GitHub."""
    return {key: value for key, value in step_of(job, name).get("env", {}).items() if "${{" not in value}
