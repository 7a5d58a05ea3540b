"""What is written for readers is true today: README.md, its table, example and files, and every command shown."""

import argparse
import re
import shlex
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from judge.commandline import Parser
from measure.cache import main as cache
from measure.mirror import main as mirror
from report.__main__ import main as report
from report.readme import main as readme
from tests.project import ROOT, Project

README = (ROOT / "README.md").read_text(encoding="utf-8")
EXAMPLE = re.search(r"```python\n(.*?)```", README, re.DOTALL)


def test_the_table_of_verdicts_is_up_to_date(tmp_path: Path) -> None:
    project = Project(tmp_path)
    project.run("claims/", "--evidence", "evidence/cpu.json", "--results", "here")
    project.run("claims/", "--evidence", "evidence/prior-study.json", "--results", "prior")
    (tmp_path / "README.md").write_text(README, encoding="utf-8")
    done = project.python("-m", "report.readme", "here/verdicts.json", "--check", "prior")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "README.md" in done.stdout


def test_a_stale_table_is_noticed_and_mended(tmp_path: Path) -> None:
    project = Project(tmp_path)
    project.run("claims/test_text.py", "--results", "here")
    (tmp_path / "README.md").write_text("# x\n<!-- verdicts: begin -->\nold\n<!-- verdicts: end -->\nrest\n")
    command = ["-m", "report.readme", "here/verdicts.json", "here/verdicts.json"]
    codes = [project.python(*command, *more).returncode for more in (["--check"], [], ["--check"])]
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


MAINS: dict[str, Callable[[list[str]], int]] = {
    "report": report,
    "report.readme": readme,
    "measure.mirror": mirror,
    "measure.cache": cache,
}
# Commands stand alone on their line, with a remark behind them at most.
SHOWN = re.compile(r"^ *(?:\$ )?((?:python -m|pytest) [^#>\n]*[^#>\s])", re.MULTILINE)


def helps(capsys: pytest.CaptureFixture[str]) -> str:
    """What every command says of itself."""
    inside = {report: ["badges", "check", "compare", "merge", "pair", "render", "summary"], cache: ["list", "prune"]}
    for main in MAINS.values():
        for words in ([], *([name] for name in inside.get(main, ()))):
            with pytest.raises(SystemExit, match=r"^0$"):
                main([*words, "--help"])
    return capsys.readouterr().out


class Parsed(Exception):
    """The arguments of a command were understood."""


def test_every_command_that_is_shown_is_understood(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def only_parse(self: Parser, args: list[str]) -> None:
        argparse.ArgumentParser.parse_args(self, args)
        raise Parsed

    text = "\n".join([README, (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8"), helps(capsys)])
    commands = [shlex.split(line) for line in SHOWN.findall(text)]
    monkeypatch.setattr(Parser, "parse_args", only_parse)
    understood = []
    for _, _, name, *words in (words for words in commands if words[0] == "python"):
        if name in MAINS:
            with pytest.raises(Parsed):
                MAINS[name](words)
            understood.append(name)
    assert set(understood) == MAINS.keys()
    assert len(understood) > 20


def test_every_option_of_pytest_that_is_shown_exists(capsys: pytest.CaptureFixture[str]) -> None:
    text = "\n".join([README, (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8"), helps(capsys)])
    shown = {word for line in SHOWN.findall(text) for word in line.split() if line.startswith("pytest ")}
    options = {word.split("=")[0] for word in shown if word.startswith("--")}
    command = [sys.executable, "-m", "pytest", "tests/test_files.py", "--help"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60)
    known = set(re.findall(r"--[a-z-]+", done.stdout))
    assert len(options) > 8
    assert options - known == set()
