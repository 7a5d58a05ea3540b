"""The workflow for CI: it runs what the README says, may read and nothing else, and pins what it runs."""

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]

from tests.project import ROOT

PATH = ROOT / ".github" / "workflows" / "claims.yml"
TEXT = PATH.read_text(encoding="utf-8")
WORKFLOW: dict[Any, Any] = yaml.safe_load(TEXT)
JOB: dict[str, Any] = WORKFLOW["jobs"]["claims"]
STEPS: list[dict[str, Any]] = JOB["steps"]
SUMMARY = 'python -m report summary results/verdicts.json >> "$GITHUB_STEP_SUMMARY"'
BADGES = "python -m report badges results/verdicts.json badges"


def runs() -> list[str]:
    return [step["run"] for step in STEPS if "run" in step]


def step(said: str) -> dict[str, Any]:
    (found,) = [step for step in STEPS if step.get("run") == said or step.get("uses", "").startswith(f"{said}@")]
    return found


def test_it_runs_on_pushes_and_pull_requests_only() -> None:
    # YAML 1.1 reads the key `on` as true. pull_request_target would run strangers' code with this repository's rights.
    assert set(WORKFLOW[True]) == {"push", "pull_request"}


def test_every_python_that_the_project_admits_is_tried() -> None:
    assert JOB["strategy"]["matrix"]["python-version"] == ["3.11", "3.12", "3.13"]
    assert 'requires-python = ">=3.11"' in (ROOT / "pyproject.toml").read_text()
    assert step("actions/setup-python")["with"]["python-version"] == "${{ matrix.python-version }}"
    assert JOB["strategy"]["fail-fast"] is False


def test_it_may_read_and_nothing_else() -> None:
    assert WORKFLOW["permissions"] == {"contents": "read"}
    assert list(WORKFLOW["jobs"]) == ["claims"]
    assert "permissions" not in JOB
    assert step("actions/checkout")["with"] == {"persist-credentials": False}
    assert "secrets." not in TEXT


def test_every_action_is_pinned_by_commit_with_its_version_beside_it() -> None:
    used = re.findall(r"^ *-? *uses: *(.*)$", TEXT, re.MULTILINE)
    assert len(used) == sum("uses" in step for step in STEPS) == 3
    assert [line for line in used if not re.fullmatch(r"actions/[\w-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", line)] == []


def test_it_calls_exactly_the_commands_of_the_readme() -> None:
    block = re.search(r"## The two commands.*?```\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    assert block is not None
    commands = block.group(1).splitlines()
    assert len(commands) == 2
    assert [run for run in runs() if run in commands] == commands
    assert runs()[2:] == ["ruff check . && ruff format --check . && mypy .", SUMMARY, BADGES]


def test_it_lints_as_anybody_does_before_a_commit() -> None:
    linters = "ruff check . && ruff format --check . && mypy ."
    assert linters in runs()
    assert f"\n    {linters}\n" in (ROOT / ".ci" / "run").read_text()


def test_a_claim_that_is_not_reproduced_hides_neither_summary_nor_badges_nor_a_broken_suite() -> None:
    one = "always() && matrix.python-version == '3.13'"
    conditions = [step.get("if", "") for step in STEPS]
    assert conditions == ["", "", "", "!cancelled()", "!cancelled()", "always()", one, one]


def test_the_badges_that_are_kept_are_the_ones_that_were_made() -> None:
    assert step("actions/upload-artifact")["with"]["path"] == f"{BADGES.split()[-1]}/"
    assert STEPS.index(step(BADGES)) < STEPS.index(step("actions/upload-artifact"))


def test_a_run_ends_and_makes_way_for_the_next_one() -> None:
    assert 10 <= JOB["timeout-minutes"] <= 120
    assert WORKFLOW["concurrency"] == {
        "group": "${{ github.workflow }}-${{ github.ref }}",
        "cancel-in-progress": True,
    }


def test_nothing_that_a_stranger_writes_reaches_the_shell() -> None:
    assert [run for run in runs() if "${{" in run] == []


LINTERS = {
    "check-jsonschema": ["--builtin-schema", "vendor.github-workflows"],
    "zizmor": ["--offline", "--quiet", "--no-progress", "--persona", "auditor"],
}
# What each of them must find: a misspelt key, and an action that is pinned by a tag, which can be moved.
BROKEN = {"check-jsonschema": ("runs-on:", "runs_on:"), "zizmor": (r"@[0-9a-f]{40} # v\d", "@v")}


@pytest.mark.parametrize("linter", LINTERS)
def test_linters_of_workflows_find_nothing_here_and_something_in_a_broken_one(linter: str, tmp_path: Path) -> None:
    tool = Path(sys.executable).with_name(linter)
    if not tool.exists():
        pytest.skip(f"needs {linter}")
    broken = tmp_path / ".github" / "workflows" / "broken.yml"
    broken.parent.mkdir(parents=True)
    broken.write_text(re.sub(*BROKEN[linter], TEXT))
    good, bad = (
        subprocess.run([tool, *LINTERS[linter], path], capture_output=True, text=True, timeout=60)
        for path in (PATH, broken)
    )
    assert good.returncode == 0, good.stdout + good.stderr
    assert bad.returncode != 0
