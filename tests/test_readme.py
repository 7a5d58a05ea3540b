"""README.md is true today: its generated table, its commands, its example, and every file that it names."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.project import ROOT, Project

README = (ROOT / "README.md").read_text(encoding="utf-8")
EXAMPLE = re.search(r"```python\n(.*?)```", README, re.DOTALL)


def test_the_table_of_verdicts_is_up_to_date(tmp_path: Path) -> None:
    project = Project(tmp_path)
    project.run("claims/", "--evidence", "evidence/cpu.json", "--results", "here")
    project.run("claims/", "--evidence", "evidence/prior-study.json", "--results", "prior")
    (tmp_path / "README.md").write_text(README, encoding="utf-8")
    command = [sys.executable, "-m", "report.readme", "here/verdicts.json", "prior/verdicts.json", "--check"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "README.md" in done.stdout


def test_a_stale_table_is_noticed_and_mended(tmp_path: Path) -> None:
    project = Project(tmp_path)
    project.run("claims/test_text.py", "--results", "here")
    (tmp_path / "README.md").write_text("# x\n<!-- verdicts: begin -->\nold\n<!-- verdicts: end -->\nrest\n")
    command = [sys.executable, "-m", "report.readme", "here/verdicts.json", "here/verdicts.json"]
    codes = [subprocess.run([*command, *more], cwd=tmp_path).returncode for more in (["--check"], [], ["--check"])]
    assert codes == [1, 0, 0]
    text = (tmp_path / "README.md").read_text()
    assert "old" not in text
    assert re.search(r"\*\*not reproduced\*\* \(.*contradict.*\), 79\.72 points", text)
    assert text.endswith("<!-- verdicts: end -->\nrest\n")


@pytest.mark.parametrize(
    "command",
    [
        "pip install -r requirements.txt && pytest claims/ -m fast",
        "pip install -r requirements.txt && pytest tests/ -n auto --dist loadfile",
    ],
)
def test_ci_calls_exactly_the_commands_of_the_readme(command: str) -> None:
    assert f"\n{command}\n" in README
    assert f"\n{command}\n" in (ROOT / ".ci" / "run").read_text()


def test_the_example_of_a_claim_works_as_printed(tmp_path: Path) -> None:
    assert EXAMPLE is not None
    project = Project(tmp_path, claims=False)
    project.write_claims(EXAMPLE.group(1))
    result = project.run("claims/test_example.py")
    assert result.returncode == pytest.ExitCode.OK, result.stdout
    assert project.words()["size.reduction"] == "reproduced"


def test_every_file_that_the_readme_names_exists() -> None:
    names = set(
        re.findall(r"`((?:baselines|claims|evidence|fixtures|judge|measure|report|benchmarks)/[\w./-]*)`", README)
    )
    assert len(names) > 5
    assert not [name for name in names if not (ROOT / name).exists()]
