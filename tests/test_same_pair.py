"""The same pair through the hub, a mirror and folders: the same keys in the store, and the same verdict."""

import json
import os
from pathlib import Path
from typing import Any

import pytest

from tests.hubserver import serving
from tests.madedata import miniature
from tests.project import LEAN, Project

pytest.importorskip("torch", reason="models are fine-tuned")

PAIR = {"teacher": "me/teacher", "student": "me/student"}


def rehearse(folder: Path, cache: Path, models: dict[str, str], *more: str, **variables: str) -> tuple[Any, str]:
    """The verdict on the pair's gap on IMDb, and what was said, from a project of its own on the shared cache."""
    folder.mkdir()
    project = Project(folder)
    pair = [text for role, model in models.items() for text in (f"--{role}", model)]
    command = (
        *LEAN,
        "claims/test_imdb.py",
        "-k",
        "behind",
        "--rehearse",
        "--seeds",
        "1",
        *pair,
        "--cache",
        str(cache),
        "--results=results",
        *more,
    )
    done = project.python("-m", "pytest", *command, **variables) if variables else project.run(*command)
    assert done.returncode == 0, done.stdout + done.stderr
    return project.verdicts("results/rehearsal")["imdb.gap"], done.stdout


def keys(cache: Path) -> dict[str, int]:
    return {path.parent.name: path.stat().st_mtime_ns for path in cache.glob("rehearsal/jobs/*/result.json")}


@pytest.mark.full
def test_hub_mirror_and_folder_give_the_same_keys_and_the_same_verdict(tmp_path: Path) -> None:
    mirror, cache = tmp_path / "mirror", tmp_path / "cache"
    for (role, name), kind in zip(PAIR.items(), ("bert", "distilbert"), strict=True):
        miniature(mirror / name, kind)
        # What saves a model again writes of itself, and what the hub's repositories hold beside.
        other = tmp_path / "hub" / role
        miniature(other, kind)
        about = json.loads((other / "config.json").read_text())
        (other / "config.json").write_text(json.dumps({**about, "transformers_version": "4.0", "_name_or_path": "x"}))
        from transformers import AutoTokenizer

        AutoTokenizer.from_pretrained(str(other)).save_pretrained(other)
    assert (tmp_path / "hub" / "teacher" / "tokenizer.json").exists()
    with serving() as hub:
        for role, name in PAIR.items():
            hub.add(name, tmp_path / "hub" / role)
        by_hub, said = rehearse(tmp_path / "one", cache, PAIR, **hub.environment(tmp_path / "home"))
    assert "job 2 of 2" in said
    trained = keys(cache)
    assert len(trained) == 2
    by_mirror, said = rehearse(tmp_path / "two", cache, PAIR, "--mirror", str(mirror))
    assert "job 1" not in said
    folders = {role: os.path.relpath(mirror / name, tmp_path / "three") for role, name in PAIR.items()}
    by_folder, said = rehearse(tmp_path / "three", cache, folders)
    assert "job 1" not in said
    assert keys(cache) == trained
    assert by_hub["verdict"] in ("reproduced", "inconclusive", "not reproduced")
    assert by_hub["marks"] == ["own pair", "rehearsal"]
    assert by_hub == by_mirror == by_folder
