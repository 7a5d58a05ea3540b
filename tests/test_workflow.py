"""The workflows and the action: what they use is pinned, who may write is known, and nothing typed becomes a script."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]

from tests.project import ROOT

ALL = sorted((ROOT / ".github").rglob("*.yml"))
CONTENT: dict[str, dict[Any, Any]] = {path.stem: yaml.safe_load(path.read_text(encoding="utf-8")) for path in ALL}
JOBS = {
    f"{workflow}.{name}": job for workflow, content in CONTENT.items() for name, job in content.get("jobs", {}).items()
}
# YAML 1.1 reads the key `on` as true.
ON: Any = True
each = pytest.mark.parametrize("path", ALL, ids=lambda path: path.stem)


def steps(path: Path) -> list[dict[str, Any]]:
    """Every step of a workflow's jobs, or of an action."""
    content = CONTENT[path.stem]
    jobs = content["jobs"].values() if "jobs" in content else [content["runs"]]
    return [step for job in jobs for step in job["steps"]]


def may_write(permissions: dict[str, str] | None) -> bool:
    return "write" in (permissions or {}).values()


@each
def test_whatever_is_used_is_pinned_by_commit_with_its_version_beside_it(path: Path) -> None:
    used = re.findall(r"^ *-? *uses: *(.*)$", path.read_text(encoding="utf-8"), re.MULTILINE)
    assert len(used) == sum("uses" in step for step in steps(path))
    assert [line for line in used if not re.fullmatch(r"actions/[\w-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", line)] == []


def test_an_action_has_the_same_commit_everywhere() -> None:
    used = {line for path in ALL for line in re.findall(r"uses: *(\S+)", path.read_text(encoding="utf-8"))}
    assert len(used) == len({line.split("@")[0] for line in used})


@each
def test_nothing_that_is_typed_becomes_a_part_of_a_script(path: Path) -> None:
    assert [step["run"] for step in steps(path) if "${{" in step.get("run", "")] == []


@each
def test_no_secret_and_no_credential_is_at_hand_for_a_pull_request(path: Path) -> None:
    text, content = path.read_text(encoding="utf-8"), CONTENT[path.stem]
    triggers = set(content.get(ON, {}))
    # These run a stranger's code with this repository's rights.
    assert not triggers & {"pull_request_target", "workflow_run", "issue_comment"}
    assert "secrets." not in text
    for step in steps(path):
        if step.get("uses", "").startswith("actions/checkout@"):
            assert step["with"] == {"persist-credentials": False}
    if "pull_request" in triggers:
        assert not may_write(content["permissions"])
        assert not any(may_write(job.get("permissions")) for job in content["jobs"].values())
        assert "self-hosted" not in text
        assert "github.token" not in text


@pytest.mark.parametrize("name", JOBS)
def test_who_may_write_runs_on_a_fresh_machine_and_gets_the_token_last(name: str) -> None:
    job, workflow = JOBS[name], CONTENT[name.split(".")[0]]
    assert not may_write(workflow["permissions"]), "what a job may do is said by the job"
    assert job["timeout-minutes"]
    if may_write(job.get("permissions")):
        assert job["runs-on"].startswith("ubuntu-")
        # Only after all that was installed has run.
        tokens = [step for step in job["steps"] if "GH_TOKEN" in step.get("env", {})]
        assert tokens == job["steps"][-1:]


def test_some_job_may_write_or_the_rule_above_says_nothing() -> None:
    assert any(may_write(job.get("permissions")) for job in JOBS.values())


def test_what_took_days_is_never_cancelled_and_never_runs_twice_at_once() -> None:
    assert JOBS["slow.measure"]["runs-on"] == ["self-hosted", "gpu"]
    for name in ("slow", "publish"):
        assert CONTENT[name]["concurrency"]["cancel-in-progress"] is False


def test_ci_runs_the_commands_of_the_readme_and_every_night_all_tests() -> None:
    block = re.search(r"## The two commands.*?```\n(.*?)```", (ROOT / "README.md").read_text("utf-8"), re.DOTALL)
    assert block is not None
    claims, tests = block.group(1).splitlines()
    local = (ROOT / ".ci" / "run").read_text(encoding="utf-8").splitlines()
    runs = {
        stem: [step.get("run") for job in content.get("jobs", {}).values() for step in job["steps"]]
        for stem, content in CONTENT.items()
    }
    linters = "ruff check . && ruff format --check . && mypy ."
    for command in (claims, tests, linters):
        assert command in runs["claims"]
        assert command in [line.strip() for line in local]
    assert f"{tests} --full" in runs["full-tests"]
    assert "schedule" in CONTENT["full-tests"][ON]


def test_ci_begins_with_the_oldest_python_that_the_project_admits() -> None:
    oldest = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["requires-python"]
    assert JOBS["claims.claims"]["strategy"]["matrix"]["python-version"][0] == oldest.removeprefix(">=")


def test_a_claim_that_is_not_reproduced_keeps_no_later_step_from_running() -> None:
    all_steps = JOBS["claims.claims"]["steps"]
    after = next(n for n, step in enumerate(all_steps) if "pytest claims/" in step.get("run", "")) + 1
    assert len(all_steps) > after
    for step in all_steps[after:]:
        assert re.match(r"always\(\)|!cancelled\(\)", step["if"]), step


LINTERS = {
    "check-jsonschema": ["--builtin-schema", "vendor.github-workflows"],
    "zizmor": ["--offline", "--quiet", "--no-progress", "--persona", "auditor"],
}
# What each of them must find: a misspelt key, and an action that is pinned by a tag, which can be moved.
BROKEN = {"check-jsonschema": ("runs-on:", "runs_on:"), "zizmor": (r"@[0-9a-f]{40} # v\d", "@v")}


def lint(linter: str, path: Path, *options: str) -> subprocess.CompletedProcess[str]:
    tool = Path(sys.executable).with_name(linter)
    if not tool.exists():
        pytest.skip(f"needs {linter}")
    return subprocess.run([tool, *options, path], capture_output=True, text=True, timeout=60)


@pytest.mark.parametrize("path", [path for path in ALL if "jobs" in path.read_text()], ids=lambda path: path.stem)
@pytest.mark.parametrize("linter", LINTERS)
def test_linters_of_workflows_find_nothing_here_and_something_in_a_broken_one(
    linter: str, path: Path, tmp_path: Path
) -> None:
    broken = tmp_path / ".github" / "workflows" / "broken.yml"
    broken.parent.mkdir(parents=True)
    broken.write_text(re.sub(*BROKEN[linter], path.read_text(encoding="utf-8")))
    good, bad = (lint(linter, file, *LINTERS[linter]) for file in (path, broken))
    assert good.returncode == 0, good.stdout + good.stderr
    assert bad.returncode != 0


def test_linters_find_nothing_in_the_action_either(tmp_path: Path) -> None:
    [path] = [path for path in ALL if path.name == "action.yml"]
    schema = lint("check-jsonschema", path, "--builtin-schema", "vendor.github-actions")
    assert schema.returncode == 0, schema.stdout
    rules = lint("zizmor", path, *LINTERS["zizmor"])
    assert rules.returncode == 0, rules.stdout
    broken = tmp_path / "action.yml"
    broken.write_text(path.read_text(encoding="utf-8").replace('cd "$suite"', 'cd "${{ inputs.student }}"'))
    assert lint("zizmor", broken, *LINTERS["zizmor"]).returncode != 0
