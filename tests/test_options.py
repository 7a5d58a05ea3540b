"""Options as a user reads them, and what asking for them costs: torch stays out until something is measured."""

import os
import re
import subprocess
import sys

import pytest

import conftest
from tests.goldens import assert_golden
from tests.project import ROOT

CODE = """
import sys, pytest
code = pytest.main(sys.argv[1:])
loaded = {"torch", "transformers", "datasets", "evaluate"} & set(sys.modules)
print("loaded:", sorted(loaded), "code:", int(code))
"""


def python(*arguments: str) -> str:
    environment = {**os.environ, "COLUMNS": "80"}
    done = subprocess.run(
        [sys.executable, *arguments], cwd=ROOT, env=environment, capture_output=True, text=True, timeout=120
    )
    return done.stdout + done.stderr


def test_help_shows_every_option_with_its_default_and_word_for_word_what_is_recorded() -> None:
    block = python("-m", "pytest", "--help").split("paper claims:")[1].split("\n\n")[0]
    shown = re.split(r"^  (?=--)", block, flags=re.MULTILINE)[1:]
    assert [re.match(r"--[a-z-]+", entry)[0] for entry in shown] == list(conftest.OPTIONS)  # type: ignore[index]
    assert all("Default: " in " ".join(entry.split()) for entry in shown)
    assert_golden("help.txt", block)


def test_markers_are_explained() -> None:
    shown = python("-m", "pytest", "--markers")
    for mark, words in (
        ("fast", ("CPU",)),
        ("slow", ("--runslow", "--evidence")),
        ("gpu", ("GPU",)),
        ("claim(id)", ()),
    ):
        [said] = re.findall(rf"@pytest\.mark\.{re.escape(mark)}: (\S.*)", shown)
        assert all(word in said for word in words)


@pytest.mark.parametrize(
    "arguments",
    [
        ["--help"],
        ["claims/", "--collect-only", "-q"],
        ["claims/", "--evidence", "evidence/prior-study.json"],
        ["claims/test_text.py"],
    ],
    ids=["help", "collect-only", "evidence", "text"],
)
def test_torch_is_never_imported(arguments: list[str], tmp_path: object) -> None:
    results = [] if "--help" in arguments else ["--results", str(tmp_path)]
    shown = python("-c", CODE, "-p", "no:cacheprovider", *arguments, *results)
    assert "loaded: []" in shown


def test_the_header_says_what_changes_a_verdict() -> None:
    shown = python("-m", "pytest", "claims/", "--collect-only", "-q", "--evidence", "evidence/prior-study.json")
    assert "paper claims" not in shown, "-q leaves the header out"
    shown = python("-m", "pytest", "claims/", "--collect-only", "--evidence", "evidence/prior-study.json")
    [about] = [line for line in shown.splitlines() if line.startswith("paper claims: ")]
    assert all(word in about for word in ("evidence/prior-study.json", "without --runslow"))
    for model in (
        "teacher google-bert/bert-base-uncased@86b5e09",
        "student distilbert/distilbert-base-uncased@12040ac",
    ):
        assert model in shown


def test_a_run_of_the_tests_is_untouched_by_the_hooks() -> None:
    shown = python("-m", "pytest", "tests/test_options.py::test_markers_are_explained", "--evidence", "nowhere.json")
    assert "1 passed" in shown
    assert "paper claims" not in shown
