"""What a user of the hub does: huggingface_hub and datasets as they are, whole runs against a hub on 127.0.0.1."""

import json
import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from judge.datasets import GLUE
from measure import hub as places
from measure.hub import find_config, find_model, find_split, find_task
from measure.manifest import MirroredFile, MirroredRepository, new_manifest, sha256_of, write_manifest
from measure.models import load, weights_folder
from measure.naming import ModelName, parse_model
from measure.tasks import TASKS
from tests.hubclient import absence, connected, model_in, refused
from tests.hubserver import REVISION, Hub, serving
from tests.madedata import miniature, write_task
from tests.project import LEAN, Project
from tests.test_full_run import small

constants = pytest.importorskip("huggingface_hub.constants", reason="the hub's client is huggingface_hub")

NAME, OTHER = "owner/mini", "c" * 40
PINNED = {
    "google-bert/bert-base-uncased": "86b5e0934494bd15c9632b12f734a8a67f723594",
    "distilbert/distilbert-base-uncased": "12040accade4e8a0f71eabdb258fecc2e7e948be",
}
# As the data set's own page on the hub names its parts.
CARD = """---
configs:
- config_name: wnli
  data_files:
  - split: train
    path: wnli/train-*
  - split: validation
    path: wnli/validation-*
---
"""


@pytest.fixture(scope="module")
def content(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Miniatures under the paper's ids and a made task, as the hub has them."""
    folder = tmp_path_factory.mktemp("content")
    for model, kind in zip(PINNED, ("bert", "distilbert"), strict=True):
        miniature(folder / model, kind)
    write_task(folder, "wnli")
    (folder / GLUE[0] / "README.md").write_text(CARD)
    return folder


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    """A hub with one model in two states, the older of them a tag."""
    with connected(tmp_path / "home", monkeypatch) as server:
        server.add(NAME, model_in(tmp_path / "old", **{"config.json": '{"old": true}'}), revision=OTHER)
        server.add(NAME, model_in(tmp_path / "new"), tags={"v1": OTHER})
        yield server


def everything(hub: Hub, content: Path) -> Hub:
    hub.add_mirror(content, {**PINNED, GLUE[0]: GLUE[1]})
    return hub


def asked(hub: Hub) -> list[str]:
    return [path for method, path, _ in hub.requests if method == "GET" and "/resolve/" in path]


def test_an_id_may_name_its_revision_and_a_folder_may_have_an_at(tmp_path: Path) -> None:
    assert parse_model("owner/name@v1.0") == ModelName("owner/name", "v1.0")
    assert parse_model("owner/name@refs/pr/1") == ModelName("owner/name", "refs/pr/1")
    assert parse_model("owner/name") == ModelName("owner/name")
    folder = str(model_in(tmp_path / "run@3"))
    assert parse_model(folder) == ModelName(folder, folder=Path(folder))
    assert find_model(folder, None, None).id == folder
    for name in ("owner/name@", "owner/name@/x", "owner/name@a b", "@v1"):
        said = refused(find_config, name, None, None)
        assert all(word in said for word in (name, "hub id")), said


@pytest.mark.parametrize(
    ("model", "revision", "commit"),
    [(NAME, None, REVISION), (f"{NAME}@v1", None, OTHER), (f"{NAME}@{OTHER}", None, OTHER), (NAME, OTHER, OTHER)],
)
def test_the_commit_that_was_used_is_named(model: str, revision: str | None, commit: str, hub: Hub) -> None:
    for find in (find_config, find_model):
        files = find(model, revision, None)
        assert (files.id, files.revision, files.folder.name) == (NAME, commit, commit)
    hub.requests.clear()
    assert find_model(model, revision, None, fetch=False).revision == commit
    assert weights_folder(model, revision, None) == str(files.folder)
    assert hub.requests == []
    assert ("old" in (files.folder / "config.json").read_text()) == (commit == OTHER)


def test_a_configuration_is_fetched_without_weights(hub: Hub, tmp_path: Path) -> None:
    assert [name for name, _ in find_config(NAME, None, None).paths] == ["config.json"]
    assert list(hub.sent) == ["config.json"]
    names = [name for name, _ in find_config(NAME, None, None, tokenizer=True).paths]
    assert names == ["config.json", "tokenizer_config.json", "vocab.txt"]
    assert set(hub.sent) == set(names)
    assert weights_folder(NAME, None, None) is None
    # An own folder, then the mirror, then the cache.
    mirrored = model_in(tmp_path / "mirror" / NAME).rename(tmp_path / "mirror" / "owner" / "mini")
    assert find_config(NAME, None, tmp_path / "mirror").folder == mirrored
    assert find_config(str(mirrored), None, None).folder == mirrored
    (mirrored / "vocab.txt").unlink()
    assert find_config(NAME, None, tmp_path / "mirror", tokenizer=True).folder.name == REVISION
    said = absence(find_config, str(mirrored), None, None, tokenizer=True)
    assert all(word in said for word in ("tokenizer", str(mirrored))), said
    assert "--mirror" not in said, "it is looked for nowhere else"


@pytest.mark.parametrize("redirect", ["relative", "absolute"])
def test_files_may_come_from_another_address(redirect: str, hub: Hub, content: Path) -> None:
    hub.redirect = redirect
    everything(hub, content)
    for name, revision in PINNED.items():
        assert find_model(name, revision, None).digest == find_model(str(content / name), None, None).digest
    assert find_task(TASKS["wnli"], None).digest == find_task(TASKS["wnli"], content).digest
    assert len([path for method, path, _ in hub.requests if method == "GET" and "/elsewhere/" in path]) == 4


def test_weights_in_several_files_are_fetched_with_their_index_and_nothing_else(hub: Hub) -> None:
    folder = hub.repositories["model", NAME].revisions[REVISION]
    (folder / "model.safetensors").unlink()
    index = '{"weight_map": {"a": "model-1.safetensors", "b": "model-2.safetensors"}}'
    parts = {"model.safetensors.index.json": index, "model-1.safetensors": "1", "model-2.safetensors": "2"}
    model_in(folder, **parts, **{"other.safetensors": "3"}, **{"README.md": "4"})
    (folder / "model.safetensors").unlink()
    (folder / "onnx").mkdir()
    (folder / "onnx" / "model.safetensors").write_text("5")
    files = find_model(NAME, None, None)
    assert set(parts) < set(hub.sent) == {name for name, _ in files.paths}
    assert files.digest == find_model(str(folder), None, None).digest


def test_the_files_of_a_data_set_are_listed_once(hub: Hub, content: Path) -> None:
    everything(hub, content)
    find_task(TASKS["wnli"], None)
    assert [path for _, path, _ in hub.requests if path.startswith("/api/")] == [
        f"/api/datasets/{GLUE[0]}/revision/{GLUE[1]}"
    ]
    assert set(hub.sent) == {f"wnli/{split}-00000-of-00001.parquet" for split in ("train", "validation")}


@pytest.mark.parametrize("lacking", ["train-00000-of-00002.parquet", "train-00001-of-00002.parquet"])
def test_a_split_of_which_the_hub_has_a_part_is_none(lacking: str, hub: Hub, tmp_path: Path) -> None:
    (tmp_path / "data" / "task").mkdir(parents=True)
    for name in {"train-00000-of-00002.parquet", "train-00001-of-00002.parquet"} - {lacking}:
        (tmp_path / "data" / "task" / name).write_text(name)
    hub.add("owner/data", tmp_path / "data", "dataset")
    for split in ("train", "validation"):
        said = absence(find_split, "owner/data", REVISION, "task", split, None)
        assert all(word in said for word in ("owner/data", f"task/{split}-*.parquet", "revision")), said


def test_datasets_gives_the_rows_that_we_read(
    hub: Hub, content: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    datasets = pytest.importorskip("datasets", reason="needs datasets")
    from pyarrow import parquet

    monkeypatch.setattr(datasets.config, "HF_ENDPOINT", hub.url)
    everything(hub, content)
    theirs = datasets.load_dataset(GLUE[0], "wnli", revision=GLUE[1], cache_dir=str(tmp_path / "datasets"))
    for split in TASKS["wnli"].splits:
        [path] = find_split(*GLUE, "wnli", split.name, None)
        ours = parquet.read_table(path).to_pylist()
        assert theirs[split.name].to_list() == ours
        assert len(ours) == split.rows


def test_the_pairs_that_are_timed_come_from_the_hub_too(
    hub: Hub, content: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from measure.stsb import load_pairs, load_tokenizer

    write_task(tmp_path / "data", "stsb")
    hub.add(GLUE[0], tmp_path / "data" / GLUE[0], "dataset", GLUE[1])
    hub.add("owner/words", content / "google-bert" / "bert-base-uncased")
    assert len(load_pairs(find_split(*GLUE, "stsb", "validation", None))) == 1500
    assert load_tokenizer("owner/words", None)("red").input_ids[1] > 4
    assert "model.safetensors" not in hub.sent
    monkeypatch.setattr(places, "hub_answers", lambda: False)
    assert len(load_pairs(find_split(*GLUE, "stsb", "validation", None))) == 1500
    assert load_tokenizer(f"owner/words@{REVISION}", None)("red").input_ids[1] > 4


@pytest.mark.parametrize("revision", [None, "v1", OTHER, REVISION])
def test_a_mirror_with_a_list_names_the_commit_and_is_refused_for_another(
    revision: str | None, hub: Hub, content: Path, tmp_path: Path
) -> None:
    model = "google-bert/bert-base-uncased"
    mirror = shutil.copytree(content, tmp_path / "mirror")
    repository = MirroredRepository(
        kind="model", revision=OTHER, asked="v1", files={"config.json": listed(mirror / model / "config.json")}
    )
    write_manifest(mirror, new_manifest({model: repository}))
    if revision == REVISION:
        said = refused(find_config, model, revision, mirror)
        words = (str(mirror), model, OTHER[:12], REVISION, "python -m measure.mirror")
        assert all(word in said for word in words), said
    else:
        assert find_config(f"{model}@{revision}" if revision else model, None, mirror).revision == OTHER
    assert hub.requests == []


def listed(path: Path) -> MirroredFile:
    return MirroredFile(size=path.stat().st_size, sha256=sha256_of(path))


def test_weights_that_are_no_safetensors_are_refused_when_they_are_loaded(hub: Hub, content: Path) -> None:
    from measure.configuration import config_in
    from measure.finetuning.pretrained import load_model

    folder = hub.repositories["model", NAME].revisions[REVISION]
    model_in(folder, **{"config.json": (content / next(iter(PINNED)) / "config.json").read_text()})
    files = find_model(NAME, None, None)
    said = refused(load_model, files, TASKS["wnli"], 64)
    assert all(word in said for word in ("weights", NAME, "loaded")), said
    config, place = config_in(files.folder, NAME), weights_folder(NAME, None, None)
    said = refused(load, config, place, "fp32", "cpu")
    assert all(word in said for word in (str(place), "loaded")), said


def pytest_in(project: Project, *arguments: str, **variables: str) -> str:
    """What a run says that reaches the hub, or not, by its variables; the cache of jobs is this project's."""
    done = project.python(
        "-m", "pytest", *LEAN, *arguments, "--cache", str(project.path / "cache"), **variables, HF_TOKEN_PATH=os.devnull
    )
    said = done.stdout + done.stderr
    assert "Traceback" not in said, said
    return said


@pytest.mark.full
def test_a_full_run_from_the_hub_and_again_without_it(content: Path, tmp_path: Path) -> None:
    project = small(tmp_path / "project")
    command = ("claims/test_glue.py", "--runslow", "--tasks", "wnli", "--seeds", "1")
    with serving() as hub:
        everything(hub, content)
        environment = hub.environment(tmp_path / "home")
        said = pytest_in(project, *command, **environment)
        assert re.search(r"job 2 of 2\b.*distilbert-base-uncased.*WNLI", said), said
        assert hub.sent["model.safetensors"] == sum(
            (content / name / "model.safetensors").stat().st_size for name in PINNED
        )
        words = project.words()
        assert {words[f"glue.wnli.{model}"] for model in ("bert", "distilbert")} == {"inconclusive"}
        verdicts, before = project.verdicts(), len(hub.requests)
        said = pytest_in(project, *command, **{**environment, "HF_HUB_OFFLINE": "1"})
        assert len(hub.requests) == before
    assert not re.search(r"job \d of \d\b.*WNLI", said), said
    assert project.verdicts() == verdicts


def test_fast_claims_about_models_of_the_hub_fetch_their_configurations_only(content: Path, tmp_path: Path) -> None:
    (tmp_path / "project").mkdir()
    project = Project(tmp_path / "project")
    with serving() as hub:
        for name, model in zip(("owner/big", "owner/little"), PINNED, strict=True):
            hub.add(name, content / model)
            hub.add(name, shutil.copytree(content / model, tmp_path / name), revision=OTHER)
        models = (
            "--teacher",
            "owner/big",
            "--student",
            f"owner/little@{REVISION}",
            "--latency-budget",
            "0.5",
            "--record",
            "r.json",
            "--results=results",
        )
        said = pytest_in(project, "claims/", "-m", "fast", *models, **hub.environment(tmp_path / "home"))
    verdicts = project.verdicts()
    assert verdicts["size.reduction"]["value"] > 0, said
    assert verdicts["speed.cpu"]["value"] > 0, said
    expected = ["/owner/big/resolve/main/config.json", f"/owner/little/resolve/{REVISION}/config.json"]
    assert sorted(asked(hub)) == expected
    recorded = json.loads((project.path / "r.json").read_text())["measurements"]
    named = {json.dumps(m["model"]) for m in recorded if m["quantity"] == "architecture.encoder"}
    assert [(m["id"], m["revision"]) for m in map(json.loads, sorted(named))] == [
        ("owner/little", REVISION),
        ("owner/big", OTHER),
    ]
