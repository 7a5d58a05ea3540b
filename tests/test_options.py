"""Options as a user reads them, and what asking for them costs: torch stays out until something is measured."""

import os
import subprocess
import sys

import pytest

from tests.project import ROOT

HELP = """\
paper claims:
  --runslow             also run the claims marked slow, which time or fine-tune
                        models. Default: False
  --rehearse            run the whole slow path in minutes, with miniature
                        models on little data: is all ready for --runslow?
                        Nothing of it is a result. Default: False
  --plan                print what --runslow would fine-tune, how long it takes
                        on this device, and what it needs, then stop. Default:
                        False
  --tasks=LIST          fine-tune for these tasks only, with commas between;
                        cola,mrpc,rte,stsb,wnli is the cheap set. Default: all
                        11
  --recipe={paper,prior-study}
                        how to fine-tune, from baselines/recipes.json. Default:
                        paper
  --seeds=N|LIST        how many of the recipe's seeds to run, as 5, or which
                        ones, as 42,43. Default: the recipe's
  --cache=DIR           where fine-tuned models and their scores are kept
                        between runs. Default: distilbert-claims in the user's
                        cache folder
  --keep-checkpoints={none,last,all}
                        whose weights stay in the cache beside the scores:
                        nobody's, the last seed's of each model and task, or
                        everybody's. Default: last
  --evidence=FILE       judge this file of recorded measurements, or all in this
                        folder, and measure nothing; can be repeated. Default:
                        measure
  --record=FILE         write what was measured to this file, or add it there,
                        to be judged elsewhere. Default: not recorded
  --results=DIR         the folder that verdicts.json is written to. Default:
                        results
  --inconclusive={skip,fail,side}
                        what an inconclusive claim does to the run: skip it,
                        fail it, or decide it by the side of the bound on which
                        its value fell, which the verdict then says. Default:
                        skip
  --threads=N           threads that models may use while they are timed on a
                        CPU. Default: 1
  --latency-budget=SECONDS
                        how long to time one pair of models; it fixes the number
                        of pairs before the first. Default: 12.0
  --mirror=DIR          a folder that holds models and data as OWNER/NAME
                        folders, as `python -m measure.mirror DIR` makes it for
                        hosts without network. Default: the hub
  --teacher=ID          a teacher of your own: its folder, or its hub id as
                        OWNER/NAME or OWNER/NAME@REVISION. Default: BERT-base
  --student=ID          a student of your own: its folder, or its hub id as
                        OWNER/NAME or OWNER/NAME@REVISION. Default: DistilBERT
"""

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


def test_help_line_by_line() -> None:
    shown = python("-m", "pytest", "--help")
    block = shown[shown.index("paper claims:") :].split("\n\n")[0].splitlines()
    assert block == HELP.splitlines()


def test_markers_are_sentences() -> None:
    shown = python("-m", "pytest", "--markers")
    for mark in ("fast: decided on any CPU", "slow: times or fine-tunes", "gpu: needs a GPU", "claim(id): the claim"):
        assert f"@pytest.mark.{mark}" in shown


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
    assert "judged from evidence/prior-study.json, without --runslow" in shown
    assert "teacher google-bert/bert-base-uncased@86b5e09, student distilbert/distilbert-base-uncased@12040ac" in shown


def test_a_run_of_the_tests_is_untouched_by_the_hooks() -> None:
    shown = python("-m", "pytest", "tests/test_options.py::test_markers_are_sentences", "--evidence", "nowhere.json")
    assert "1 passed" in shown
    assert "paper claims" not in shown
