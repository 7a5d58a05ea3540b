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
    assert [run for run in runs() if run not in commands] == [
        "npm ci --ignore-scripts --prefix tests/web",
        "ruff check . && ruff format --check . && mypy .",
        SUMMARY,
        BADGES,
    ]


def test_it_lints_as_anybody_does_before_a_commit() -> None:
    linters = "ruff check . && ruff format --check . && mypy ."
    assert linters in runs()
    assert f"\n    {linters}\n" in (ROOT / ".ci" / "run").read_text()


def test_a_claim_that_is_not_reproduced_hides_neither_summary_nor_badges_nor_a_broken_suite() -> None:
    one = "always() && matrix.python-version == '3.13'"
    conditions = [step.get("if", "") for step in STEPS]
    assert conditions == ["", "", "", "!cancelled()", "!cancelled()", "!cancelled()", "always()", one, one]


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


ALL = sorted((ROOT / ".github").rglob("*.yml"))
NAMES = {"claims.yml", "slow.yml", "publish.yml", "action.yml"}
JOBS = {
    f"{path.stem}.{name}": job
    for path in ALL
    for name, job in yaml.safe_load(path.read_text(encoding="utf-8")).get("jobs", {}).items()
}


def steps(path: Path) -> list[dict[str, Any]]:
    """Every step of a workflow's jobs, or of an action."""
    content = yaml.safe_load(path.read_text(encoding="utf-8"))
    jobs = content["jobs"].values() if "jobs" in content else [content["runs"]]
    return [step for job in jobs for step in job["steps"]]


def test_these_are_all_the_workflows_and_actions() -> None:
    assert {path.name for path in ALL} == NAMES


@pytest.mark.parametrize("path", ALL, ids=lambda path: path.stem)
def test_whatever_is_used_is_pinned_by_commit_with_its_version_beside_it(path: Path) -> None:
    used = re.findall(r"^ *-? *uses: *(.*)$", path.read_text(encoding="utf-8"), re.MULTILINE)
    assert len(used) == sum("uses" in step for step in steps(path))
    assert [line for line in used if not re.fullmatch(r"actions/[\w-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", line)] == []


def test_an_action_has_the_same_commit_everywhere() -> None:
    used = {line for path in ALL for line in re.findall(r"uses: *(\S+)", path.read_text(encoding="utf-8"))}
    assert len(used) == len({line.split("@")[0] for line in used})


@pytest.mark.parametrize("path", ALL, ids=lambda path: path.stem)
def test_nothing_that_somebody_types_becomes_a_part_of_a_script(path: Path) -> None:
    assert [step["run"] for step in steps(path) if "${{" in step.get("run", "")] == []


@pytest.mark.parametrize("path", ALL, ids=lambda path: path.stem)
def test_no_secret_and_no_credential_is_at_hand_for_a_pull_request(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    content = yaml.safe_load(text)
    triggers = set(content.get(True, {}))
    assert not triggers & {"pull_request_target", "workflow_run", "issue_comment"}
    assert "secrets" not in text.replace("no secret", "")
    for step in steps(path):
        if step.get("uses", "").startswith("actions/checkout@"):
            assert step["with"] == {"persist-credentials": False}
    if "pull_request" in triggers:
        assert content["permissions"] == {"contents": "read"}
        assert "self-hosted" not in text
        assert "github.token" not in text


def test_only_two_jobs_may_write_and_neither_runs_on_somebodys_own_machine() -> None:
    rights = {name: job.get("permissions") for name, job in JOBS.items()}
    assert rights == {
        "claims.claims": None,
        "slow.measure": {"contents": "read"},
        "slow.propose": {"contents": "write", "pull-requests": "write"},
        "publish.make": {"contents": "read"},
        "publish.push": {"contents": "write"},
    }
    assert {name for name, job in JOBS.items() if job["runs-on"] != "ubuntu-24.04"} == {"slow.measure"}
    # Whoever may write is given the token in one step, and only after all that was installed has run.
    for name in ("slow.propose", "publish.push"):
        tokens = [step for step in JOBS[name]["steps"] if "GH_TOKEN" in step.get("env", {})]
        assert tokens == JOBS[name]["steps"][-1:]


@pytest.mark.parametrize("name", ["slow", "publish"])
def test_without_a_word_a_job_has_no_right_and_two_runs_never_overlap(name: str) -> None:
    content = yaml.safe_load((PATH.parent / f"{name}.yml").read_text(encoding="utf-8"))
    assert content["permissions"] == {}
    assert content["concurrency"]["cancel-in-progress"] is False
    assert all(job["timeout-minutes"] for job in content["jobs"].values())


def test_the_full_run_is_started_by_hand_or_by_the_clock_where_somebody_has_a_runner() -> None:
    content = yaml.safe_load((PATH.parent / "slow.yml").read_text(encoding="utf-8"))
    assert set(content[True]) == {"schedule", "workflow_dispatch"}
    assert set(content[True]["workflow_dispatch"]["inputs"]) == {"tasks", "seeds", "recipe"}
    assert JOBS["slow.measure"]["if"] == "github.event_name == 'workflow_dispatch' || vars.GPU_RUNNER == 'true'"
    assert JOBS["slow.measure"]["runs-on"] == ["self-hosted", "gpu"]
    assert JOBS["slow.propose"]["needs"] == "measure"


def test_only_merged_evidence_is_published() -> None:
    content = yaml.safe_load((PATH.parent / "publish.yml").read_text(encoding="utf-8"))
    assert set(content[True]) == {"push", "workflow_dispatch"}
    assert content[True]["push"] == {"branches": ["main"], "paths": ["evidence/**", "baselines/**"]}
    said = [step["run"] for step in JOBS["publish.make"]["steps"] if "pytest" in step.get("run", "")]
    assert said == ["pytest claims/ --evidence evidence --results results || [ $? -eq 1 ]"]


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
