"""Models of the user's own as options of a run: what is no model ends it, and a model is the same however spelled."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.madedata import miniature
from tests.project import Project

pytest.importorskip("torch", reason="counting needs torch and transformers")
SIZE = "claims/test_size.py"
# What a process without an entry in the list of users finds.
HOMELESS = """
import os, pathlib

def home():
    raise RuntimeError("Could not determine home directory.")

pathlib.Path.home = home
pathlib.Path.expanduser = lambda path: path if str(path)[:1] != "~" else home()
os.path.expanduser = lambda path: path
for name in ("HOME", "XDG_CACHE_HOME"):
    os.environ.pop(name, None)
"""


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """The suite, a student beside it, and a clone of one without its weights."""
    miniature(tmp_path / "my-student", "distilbert")
    (tmp_path / "lfs").mkdir()
    (tmp_path / "lfs" / "config.json").write_bytes((tmp_path / "my-student" / "config.json").read_bytes())
    (tmp_path / "lfs" / "model.safetensors").write_text("version https://git-lfs.github.com/spec/v1\nsize 26795\n")
    (tmp_path / "hub" / "models--owner--name" / "snapshots").mkdir(parents=True)
    return Project(tmp_path)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--student", "my-studnet"], ("my-studnet", "./my-student?")),
        (["--teacher", "distilbert-base-uncased"], ("distilbert-base-uncased", "distilbert/distilbert-base-uncased?")),
        (["--student", "roberta-large"], ("roberta-large", "OWNER/NAME", "./folder")),
        (["--student", "nobody/nothing"], ("nobody/nothing", "HF_HUB_OFFLINE", "--mirror DIR")),
        (["--student", "nobody/nothing", "-n2"], ("nobody/nothing", "HF_HUB_OFFLINE", "--mirror DIR")),
        (["--student", "distilbert/distilbert-base-uncase"], ("did you mean distilbert/distilbert-base-uncased?",)),
        (["--student="], ("--student", "OWNER/NAME")),
        (["--student", "lfs"], ("lfs/model.safetensors", "git lfs pull")),
        (["--mirror", "hub"], ("hub", "HF_HUB_CACHE=")),
    ],
)
def test_a_model_that_is_not_available_ends_the_run(
    project: Project, options: list[str], words: tuple[str, ...]
) -> None:
    done = project.run(SIZE, *options)
    output = done.stdout + done.stderr
    assert done.returncode == pytest.ExitCode.USAGE_ERROR, output
    assert all(word in output.split("ERROR: ", 1)[1] for word in words), output
    assert "Traceback" not in output
    assert not list(project.path.glob("results/**/verdicts.json"))


def test_claims_that_are_not_about_a_model_do_not_need_it(project: Project) -> None:
    done = project.run("claims/test_text.py", "--student", "nobody/nothing", "--results", "results")
    assert done.returncode == pytest.ExitCode.OK, done.stdout
    assert project.words()["text.size"] == "reproduced"


def test_a_model_is_the_same_however_its_folder_is_spelled(project: Project) -> None:
    miniature(project.path / "m" / "slash", "distilbert")
    done = project.run(SIZE, "--student", "m/slash/", "--record", "r.json", "--results", "live")
    assert done.returncode == pytest.ExitCode.OK, done.stdout
    live = project.verdicts("live")["size.reduction"]
    assert (live["verdict"], live["marks"]) == ("reproduced", ["own pair"])
    recorded = json.loads((project.path / "r.json").read_text())["measurements"]
    assert {m["model"]["id"] for m in recorded if m["model"]["role"] == "student"} == {"./m/slash"}
    # As the suite recorded it before, it is still that model.
    (project.path / "old.json").write_text((project.path / "r.json").read_text())
    project.change("old.json", lambda data: [m["model"].update(id="m/slash/") for m in data["measurements"][-9:]])
    for number, (name, file) in enumerate((("m/slash", "r.json"), ("./m//slash/", "r.json"), ("m/slash", "old.json"))):
        judged = project.run(SIZE, "--student", name, "--evidence", file, "--results", f"judged{number}")
        verdict = project.verdicts(f"judged{number}")["size.reduction"]
        assert (verdict["verdict"], verdict["value"]) == ("reproduced", live["value"]), judged.stdout
    for slip, remedy in (("./m/slahs", "./m/slash?"), ("zzz", "it is about ./m/slash, google-bert/bert-base-uncased.")):
        refused = project.run(SIZE, "--student", slip, "--evidence", "r.json")
        assert refused.returncode == pytest.ExitCode.USAGE_ERROR
        assert all(word in refused.stdout + refused.stderr for word in (slip, remedy))


def test_a_copy_in_a_folder_of_the_papers_name_is_never_the_papers_model(project: Project) -> None:
    here = "distilbert/distilbert-base-uncased"
    miniature(project.path / here, "distilbert")
    done = project.run(SIZE, "--student", f"./{here}", "--record", "copy.json")
    assert done.returncode == pytest.ExitCode.OK, done.stdout
    assert project.run(SIZE, "--evidence", "copy.json").returncode == pytest.ExitCode.OK
    assert project.words()["size.student"] == "not run"
    both = project.run(SIZE, "--evidence", "copy.json", "--evidence", "evidence/cpu.json")
    assert both.returncode == pytest.ExitCode.OK, both.stdout
    assert project.verdicts()["size.student"]["value"] == pytest.approx(66.36288)
    mine = project.run(SIZE, "--student", f"./{here}", "--evidence", "copy.json", "--results", "mine")
    assert mine.returncode == pytest.ExitCode.OK, mine.stdout
    assert project.verdicts("mine")["size.reduction"]["marks"] == ["own pair"]


def test_evidence_about_another_revision_is_refused(project: Project) -> None:
    miniature(project.path / "m", "distilbert")
    assert project.run(SIZE, "--student", "m", "--record", "r.json").returncode == pytest.ExitCode.OK

    def published(data: Any) -> None:
        for measurement in data["measurements"]:
            if measurement["model"]["id"] == "m":
                measurement["model"].update(id="me/m", revision="v1")

    project.change("r.json", published)
    for asked, code in (("me/m", pytest.ExitCode.OK), ("me/m@v1", pytest.ExitCode.OK), ("me/m@v2", 4)):
        done = project.run(SIZE, "--student", asked, "--evidence", "r.json", f"--results={asked[-2:]}")
        assert done.returncode == code, done.stdout + done.stderr
    assert all(word in done.stderr for word in ("me/m@v2", "r.json", "revision v1")), done.stderr


def test_without_a_home_folder_all_is_run_that_keeps_nothing_there(project: Project) -> None:
    claims = (SIZE, "claims/test_text.py", "claims/test_imdb.py")
    done = project.run(*claims, before=HOMELESS)
    assert done.returncode == pytest.ExitCode.OK, done.stdout + done.stderr
    words = project.words()
    assert (words["size.reduction"], words["text.size"]) == ("reproduced", "reproduced")
    assert "--runslow" in project.verdicts()["imdb.bert"]["reason"]
    done = project.run(*claims, "--rehearse", before=HOMELESS)
    output = done.stdout + done.stderr
    assert done.returncode == pytest.ExitCode.USAGE_ERROR, output
    assert all(word in output for word in ("home folder", "--cache DIR")), output
