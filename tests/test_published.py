"""The workflows' own steps, run for real: a GPU host's evidence proposed and published, and an own pair's badges.

A bare repository stands for GitHub's and a script for its client `gh`, which writes down what it was asked.
"""

import json
import re
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest

from judge.evidence import SCHEMA, Evidence, Host, Measurement, read_evidence, write_evidence
from report.compare import UNCHANGED
from tests import synthetic
from tests.project import ROOT
from tests.steps import Checkout, load, script

SLOW, PUBLISH = load("workflows/slow.yml")["jobs"], load("workflows/publish.yml")["jobs"]
OWN_PAIR = load("actions/own-pair/action.yml")["runs"]
GPU = Host(cpu="a processor", cores=64, memory=512.0, gpu="a GPU", driver="CUDA 13.0")
MADE = ("Check", "Merge and compare", "Pull request")


def recorded(path: Path, *measurements: Measurement, host: Host = GPU) -> None:
    """What a GPU host would have recorded."""
    fields: dict[str, Any] = {"suite_version": "0.1.0", "created": "2026-11-23", "host": host}
    write_evidence(path, Evidence(schema_=SCHEMA, measurements=measurements, **fields))


def gpu_times(tmp_path: Path) -> tuple[Measurement, ...]:
    """Times on a GPU as the paper printed them."""
    synthetic.write(tmp_path / "made.json")
    made = read_evidence(tmp_path / "made.json").measurements
    return tuple(m for m in made if m.quantity.startswith("speed.gpu_batch"))


def messages(site: Path) -> dict[str, str]:
    """What the badges of a folder say."""
    badges = [path for path in site.glob("*.json") if path.stem not in ("index", "pair")]
    return {path.stem: json.loads(path.read_text())["message"] for path in badges}


def publish(checkout: Checkout) -> dict[str, str]:
    """Every step of the workflow that publishes, but for installations; what the badges say afterwards."""
    for name in ("The site so far", "Judge", "Check", "Page and badges"):
        checkout.step(PUBLISH["make"], name)
    checkout.step(PUBLISH["push"], "Push")
    shutil.rmtree(checkout.path / "site")
    (checkout.temporary / "index").unlink()
    shutil.rmtree(checkout.path / "results")
    site = checkout.temporary / "published"
    shutil.rmtree(site, ignore_errors=True)
    checkout.git("clone", "--quiet", "--branch", "gh-pages", str(checkout.remote), str(site))
    return messages(site / "badges")


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    if not shutil.which("git") or not shutil.which("bash"):
        pytest.skip("needs git and bash")
    return Checkout(tmp_path / "github")


@pytest.mark.full
def test_what_a_gpu_host_measured_is_proposed_published_and_never_lost(checkout: Checkout, tmp_path: Path) -> None:
    (checkout.path / "recorded").mkdir()
    recorded(checkout.path / "recorded" / "run.json", *gpu_times(tmp_path))
    for name in MADE:
        checkout.step(SLOW["propose"], name)
    branch = "evidence/run-7-1"
    asked = checkout.log.read_text().splitlines()[-1]
    assert asked.startswith(f"pr create --base main --head {branch} --title ")
    assert asked.endswith(f" 7 --body-file {checkout.temporary}/body.md")
    text = (checkout.temporary / "body.md").read_text()
    assert re.match(r"### .*\b2\b", text), text
    assert "evidence/a-gpu-" in text
    changed = checkout.git("diff", "--name-only", "main", branch, cwd=checkout.remote).split()
    assert [name.rsplit("-", 1)[0] for name in changed] == ["evidence/a-gpu"]
    # Merged, it is published; taken out of evidence/ again, as by a run of a CPU alone, its badges stay.
    merged = publish(checkout)
    assert merged["size.reduction"] == merged["speed.gpu_batch1"] == "✓ reproduced"
    assert merged["imdb.gap"] == "– not run"  # noqa: RUF001
    for path in (checkout.path / "evidence").glob("a-gpu-*"):
        path.unlink()
    kept = publish(checkout)
    assert kept == merged
    assert len(checkout.git("log", "--oneline", "gh-pages", cwd=checkout.remote).splitlines()) == 2
    published = checkout.temporary / "published"
    assert (published / "index.html").is_file()
    assert (published / ".nojekyll").is_file()
    assert not (published / "conftest.py").exists()


def test_a_run_on_a_tag_is_proposed_to_the_default_branch(checkout: Checkout, tmp_path: Path) -> None:
    recorded(checkout.path / "evidence" / "a-gpu.json", *gpu_times(tmp_path))
    env = {"GITHUB_REF_NAME": "v1", "GITHUB_REF_TYPE": "tag", "DEFAULT_BRANCH": "trunk"}
    checkout.step(SLOW["propose"], "Pull request", **env)
    assert "pr create --base trunk --head evidence/run-7-1" in checkout.log.read_text()


@pytest.mark.full
def test_a_run_that_measured_nothing_new_proposes_nothing(checkout: Checkout) -> None:
    (checkout.path / "recorded").mkdir()
    shutil.copy2(ROOT / "evidence" / "cpu.json", checkout.path / "recorded" / "run.json")
    for name in MADE:
        checkout.step(SLOW["propose"], name)
    assert checkout.log.read_text() == ""
    _, unchanged, after = checkout.summary.read_text().partition(UNCHANGED)
    assert unchanged
    assert "evidence/" in after


def test_evidence_with_something_wrong_is_never_proposed_or_published(checkout: Checkout, tmp_path: Path) -> None:
    recorded(checkout.path / "recorded" / "run.json", *gpu_times(tmp_path))
    edited = (checkout.path / "recorded" / "run.json").read_text().replace("1.0\n", "1.5\n", 1)
    (checkout.path / "recorded" / "run.json").write_text(edited)
    done = checkout.run(script(SLOW["propose"], "Check"))
    assert done.returncode == 1
    assert all(word in done.stdout for word in ("recorded/run.json", "digest")), done.stdout
    text = (checkout.path / "evidence" / "prior-study.json").read_text()
    (checkout.path / "evidence" / "prior-study.json").write_text(text.replace("0.4356146646972585", "0.5"))
    done = checkout.run(script(PUBLISH["make"], "Judge"))
    assert done.returncode == 1
    assert all(word in done.stderr for word in ("evidence/prior-study.json", "digest")), done.stderr


def test_a_remote_that_does_not_answer_is_no_site_without_badges(checkout: Checkout) -> None:
    checkout.git("remote", "set-url", "origin", str(checkout.path / "nowhere"))
    assert checkout.run(script(PUBLISH["make"], "The site so far")).returncode not in (0, 2)


def test_options_typed_by_somebody_stay_options(checkout: Checkout) -> None:
    env = {
        "CACHE": "/data/my cache",
        "TASKS": "$(touch pwned); `touch pwned` --collect-only",
        "SEEDS": "",
        "RECIPE": "",
    }
    checkout.step(SLOW["measure"], "Options", **env)
    lines = (checkout.temporary / "options").read_text().splitlines()
    assert lines == ["--cache=/data/my cache", f"--tasks={env['TASKS']}"]
    (checkout.temporary / "claims").symlink_to(Path(sys.executable).parents[1])
    done = checkout.run(script(SLOW["measure"], "Plan"))
    assert done.returncode == pytest.ExitCode.USAGE_ERROR
    assert not list(checkout.path.glob("pwned"))
    assert "--tasks" in done.stderr + checkout.summary.read_text()


def test_somebody_elses_model_gets_badges_under_its_own_name(checkout: Checkout, tmp_path: Path) -> None:
    mine = tmp_path / "mine"
    config = json.loads((ROOT / "baselines" / "models.json").read_text())["student"]["config"]
    (mine / "model").mkdir(parents=True)
    (mine / "model" / "config.json").write_text(json.dumps(config | {"n_layers": 4}))
    synthetic.write(mine / "recorded.json")
    (checkout.temporary / "claims").symlink_to(Path(sys.executable).parents[1])
    action = checkout.path / ".github" / "actions" / "own-pair"
    action.mkdir(parents=True)
    model = "distilbert/distilbert-base-uncased"  # as the made evidence calls it
    env = {"GITHUB_ACTION_PATH": str(action), "STUDENT": model, "TEACHER": "", "EVIDENCE": "recorded.json"}
    checkout.step(OWN_PAIR, "The claims", mine, **env)
    checkout.step(OWN_PAIR, "Badges and a summary", mine, NAME="me/mine", FOLDER="badges", **env)
    said = messages(mine / "badges")
    for name, words in (
        ("size.reduction", r"✓ 40 % .*parameters"),
        ("speed.gpu_batch1", r" \d+\.\d+x .*GPU.*\b1$"),
        ("glue.retention", r" [\d.]+ % .*GLUE"),
    ):
        assert re.search(words, said[name]), said[name]
    assert json.loads((mine / "badges" / "size.reduction.json").read_text())["label"] == "me/mine"
    assert not (mine / "badges" / "total.json").exists()
    assert re.search(r"\(\d+\): \d+ .*reproduced", checkout.summary.read_text()), "the counts"
