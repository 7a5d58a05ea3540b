"""How a run was asked for: paths spelled in any way, options with their values, and tests chosen in any way."""

import json
import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest

import conftest
from judge.paths import home
from tests.project import ROOT, Project

pytest.importorskip("torch", reason="parameters are counted")
USAGE = pytest.ExitCode.USAGE_ERROR
[INSTALLED] = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["entry-points"]["pytest11"].values()
VALUED = [name for name, settings in conftest.OPTIONS.items() if settings.get("action") != "store_true"]
PATHS = [name for name in VALUED if conftest.OPTIONS[name]["metavar"] in ("DIR", "FILE", "ID")]
MINE = """
import pytest

@pytest.mark.fast
@pytest.mark.claim("size.student")
def test_mine(parameters, verdict):
    verdict(parameters("student") / 1e6)
"""


def model(folder: Path) -> None:
    """A configuration of a small BERT."""
    folder.mkdir(parents=True)
    (folder / "config.json").write_text(json.dumps({"model_type": "bert", "num_hidden_layers": 3}))


@pytest.fixture
def project(tmp_path: Path) -> Project:
    (tmp_path / "project").mkdir()
    return Project(tmp_path / "project")


# How a file of claims is spelled, where links are made for it, and where the run is started.


def from_elsewhere(folder: Path) -> tuple[Path, list[str]]:
    (folder / "other").mkdir()
    return folder / "other", ["../project/claims/test_size.py"]


def with_dots(folder: Path) -> tuple[Path, list[str]]:
    return folder / "project", ["../project/claims/test_size.py"]


def as_a_module(folder: Path) -> tuple[Path, list[str]]:
    return folder / "project", ["--pyargs", "claims.test_size"]


def by_a_linked_file(folder: Path) -> tuple[Path, list[str]]:
    (folder / "project" / "test_linked.py").symlink_to(folder / "project" / "claims" / "test_size.py")
    return folder / "project", ["test_linked.py"]


def by_a_linked_folder(folder: Path) -> tuple[Path, list[str]]:
    (folder / "project" / "linked").symlink_to(folder / "project" / "claims")
    return folder / "project", ["linked/test_size.py"]


def by_a_linked_project(folder: Path) -> tuple[Path, list[str]]:
    (folder / "linked").symlink_to(folder / "project")
    return folder / "project", ["../linked/claims/test_size.py"]


def marked_in_another_folder(folder: Path) -> tuple[Path, list[str]]:
    (folder / "project" / "mine").mkdir()
    (folder / "project" / "mine" / "test_mine.py").write_text(MINE)
    return folder / "project", ["mine"]


SPELLINGS = [
    from_elsewhere,
    with_dots,
    as_a_module,
    by_a_linked_file,
    by_a_linked_folder,
    by_a_linked_project,
    marked_in_another_folder,
]
spellings = pytest.mark.parametrize("spelled", SPELLINGS, ids=[spelled.__name__ for spelled in SPELLINGS])


@spellings
@pytest.mark.parametrize("workers", [(), pytest.param(("-n2",), marks=pytest.mark.full)], ids=["alone", "n2"])
def test_what_was_collected_decides(
    spelled: Callable[[Path], tuple[Path, list[str]]], workers: tuple[str, ...], project: Project, tmp_path: Path
) -> None:
    cwd, arguments = spelled(tmp_path)
    kept = [f"--results={tmp_path / 'kept'}", f"--record={tmp_path / 'recorded.json'}"]
    done = project.run(*arguments, *kept, *workers, cwd=cwd)
    assert done.returncode == pytest.ExitCode.OK, done.stdout + done.stderr
    for row in (r"^paper claims: suite .*measured here", r"^models: teacher \S+, student ", r"^reproduced \(\d\)$"):
        assert len(re.findall(row, done.stdout, re.MULTILINE)) == 1, row
    for name in ("verdicts.json", "recorded.json"):
        assert re.search(rf"^written: .*{re.escape(name)}", done.stdout, re.MULTILINE), name
    verdicts = json.loads((tmp_path / "kept" / "verdicts.json").read_text())["verdicts"]
    assert verdicts["size.student"]["verdict"] == "reproduced"
    recorded = json.loads((tmp_path / "recorded.json").read_text())["measurements"]
    assert any(measurement["model"]["role"] == "student" for measurement in recorded)


def test_so_it_does_where_workers_collect(project: Project, tmp_path: Path) -> None:
    kept = f"--results={tmp_path / 'kept'}"
    done = project.run("../project/claims/test_text.py", kept, "-n2", cwd=from_elsewhere(tmp_path)[0])
    assert done.returncode == pytest.ExitCode.OK, done.stdout + done.stderr
    assert len(re.findall(r"^paper claims: suite .*measured here", done.stdout, re.MULTILINE)) == 1
    assert (
        json.loads((tmp_path / "kept" / "verdicts.json").read_text())["verdicts"]["text.size"]["verdict"]
        == "reproduced"
    )


@spellings
def test_and_a_mistake_is_refused(
    spelled: Callable[[Path], tuple[Path, list[str]]], project: Project, tmp_path: Path
) -> None:
    cwd, arguments = spelled(tmp_path)
    done = project.run(*arguments, "--evidence=nowhere.json", cwd=cwd)
    assert done.returncode == USAGE, done.stdout + done.stderr
    assert "nowhere.json" in (done.stdout + done.stderr).split("ERROR: ")[1]


@pytest.fixture
def loaded(tmp_path: Path) -> Path:
    """What is there once pytest has imported the conftest.py beside somebody's model."""
    model(tmp_path / "repo" / "model")
    (tmp_path / "repo" / "conftest.py").write_text(f"open({str(tmp_path / 'loaded')!r}, 'w').close()\n")
    return tmp_path / "loaded"


@pytest.mark.parametrize("option", VALUED)
def test_no_value_of_an_option_loads_anything(option: str, project: Project, loaded: Path) -> None:
    chosen = ("claims/test_text.py", "--collect-only", "-q")
    apart, joined = (
        project.run(*chosen, *words) for words in ((option, "../repo/model"), (f"{option}=../repo/model",))
    )
    assert not loaded.exists()
    assert apart.returncode == joined.returncode, apart.stdout + apart.stderr
    assert (apart.returncode == pytest.ExitCode.OK) == ("claims/test_text.py::" in apart.stdout)
    assert "Traceback" not in apart.stdout + apart.stderr


def test_nor_does_one_that_comes_first(project: Project, loaded: Path) -> None:
    done = project.run("--student", "../repo/model", "claims/test_size.py")
    assert done.returncode == pytest.ExitCode.OK, done.stdout + done.stderr
    assert "student ../repo/model" in done.stdout
    assert not loaded.exists()


def test_where_another_configuration_is_read_the_run_says_to_write_an_equals_sign(
    project: Project, loaded: Path, tmp_path: Path
) -> None:
    (tmp_path / "pytest.ini").write_text("[pytest]\n")
    done = project.run("claims/test_size.py", "--student", "../repo/model")
    said = (done.stdout + done.stderr).split("ERROR: ")[1]
    assert done.returncode == USAGE
    assert all(word in said for word in (f"{tmp_path}/pytest.ini", "--student=../repo/model"))
    assert not loaded.exists()
    done = project.run("claims/test_size.py", "--student=../repo/model")
    assert done.returncode == pytest.ExitCode.OK, done.stdout + done.stderr
    assert not loaded.exists()


@pytest.mark.parametrize("configuration", ["", "pytest.ini"], ids=["without", "with"])
@pytest.mark.parametrize("paths", [(), ("claims/test_size.py",)], ids=["no path", "path behind"])
def test_so_it_does_where_no_path_comes_first(
    paths: tuple[str, ...], configuration: str, project: Project, loaded: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if configuration:
        (loaded.parent / "repo" / configuration).write_text("[pytest]\n")
    # As pytest loads what is installed, whether or not the suite is installed in this environment.
    monkeypatch.setenv("PYTEST_PLUGINS", INSTALLED)
    done = project.run("-m", "fast", "--student", "../repo/model", "--collect-only", *paths)
    assert not loaded.exists()
    if paths and not configuration:  # then pytest looks for a configuration above the second path too
        assert done.returncode == pytest.ExitCode.OK, done.stdout + done.stderr
    else:
        assert done.returncode == USAGE, done.stdout + done.stderr
        assert "--student=../repo/model" in done.stderr
        assert str(project.path / "pytest.ini") in done.stderr, "which was not read"


def test_elsewhere_the_plugin_does_nothing(tmp_path: Path) -> None:
    test = "def test_other(pytestconfig):\n    assert not hasattr(pytestconfig.option, 'student')\n"
    (tmp_path / "test_other.py").write_text(test)
    environment = {**os.environ, "PYTEST_PLUGINS": INSTALLED, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.returncode == pytest.ExitCode.OK, done.stdout + done.stderr


def test_what_a_shell_makes_of_a_pattern_is_refused(project: Project) -> None:
    done = project.run("claims/", "--evidence", "evidence/cpu.json", "evidence/prior-study.json")
    assert done.returncode == USAGE
    said = (done.stdout + done.stderr).split("ERROR: ")[1]
    assert all(word in said for word in ("--evidence", "evidence/prior-study.json", "folder"))


@pytest.mark.parametrize(
    "chosen",
    [
        ("--ignore", "claims/test_glue.py"),
        ("--ignore-glob", "claims/test_[gs]*.py"),
        ("--deselect", "claims/test_size.py"),
        ("-k", "not speed"),
        ("-m", "slow"),
    ],
)
def test_how_tests_were_chosen_is_no_error(chosen: tuple[str, str], project: Project) -> None:
    done = project.run("claims/", *chosen, "--collect-only", "-q")
    assert done.returncode == pytest.ExitCode.OK, done.stdout + done.stderr
    assert "claims/test_distillation.py::" in done.stdout


def test_nor_is_running_what_failed_last(project: Project) -> None:
    project.write_claims(
        '@pytest.mark.fast\n@pytest.mark.claim("size.student")\ndef test_fails(verdict):\n    verdict(9)\n'
    )
    for path in (project.path / "claims").glob("test_[!e]*.py"):
        if path.name != "test_text.py":
            path.unlink()
    command = ("-m", "pytest", "claims/", "-p", "no:xdist")
    assert project.python(*command).returncode == pytest.ExitCode.TESTS_FAILED
    done = project.python(*command, "--lf")
    assert done.returncode == pytest.ExitCode.TESTS_FAILED, done.stdout + done.stderr
    assert "1 failed" in done.stdout
    assert "passed" not in done.stdout


def test_every_option_that_takes_a_path_knows_the_home_folder() -> None:
    assert {name for name, settings in conftest.OPTIONS.items() if settings.get("type") is home} == set(PATHS)
    assert {"--record", "--results", "--evidence", "--cache", "--mirror", "--student", "--teacher"} == set(PATHS)


def test_paths_in_the_home_folder(project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    model(tmp_path / "home" / "mini")
    kept = ("--record=~/x.json", "--results=~/r", "--cache=~/cache", "--student=~/mini")
    done = project.run("claims/test_size.py", *kept)
    assert done.returncode in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED), done.stdout + done.stderr
    judged = project.run("claims/test_size.py", "--evidence=~/x.json", "--results=~/again", "--student=~/mini")
    values = [
        json.loads((tmp_path / "home" / name / "verdicts.json").read_text())["verdicts"]["size.reduction"]["value"]
        for name in ("r", "again")
    ]
    assert values[0] == values[1], judged.stdout
    assert not [path for path in (*project.path.iterdir(), *tmp_path.iterdir()) if "~" in path.name]


@pytest.mark.parametrize("option", PATHS)
def test_a_home_folder_that_is_not_known_is_refused(option: str, project: Project) -> None:
    done = project.run("claims/test_text.py", f"{option}=~nobody-of-that-name/x")
    said = (done.stdout + done.stderr).split("ERROR: ")[1]
    assert done.returncode == USAGE
    assert all(word in said for word in (option, "~nobody-of-that-name/x", "./~nobody-of-that-name/x"))
    assert not list(project.path.glob("*nobody*"))


def test_verdicts_are_not_written_among_evidence(project: Project) -> None:
    before = sorted((project.path / "evidence").iterdir())
    done = project.run("claims/test_size.py", "--results", "evidence")
    assert done.returncode == USAGE, done.stdout + done.stderr
    assert all(word in done.stderr for word in ("evidence", before[0].name, "another folder")), done.stderr
    assert sorted((project.path / "evidence").iterdir()) == before
