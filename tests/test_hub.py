"""measure.hub: where files are looked for and in which order, and what is said where they are not to be had."""

import json
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from measure import downloads
from measure.hub import Files, check_mirror, digest_of, find_config, find_model, find_split, find_task
from measure.models import weights_folder
from measure.tasks import TASKS
from tests.hubclient import absence, model_in, refused, split_in
from tests.project import ROOT

constants = pytest.importorskip("huggingface_hub.constants", reason="the hub's cache is huggingface_hub's")

NAME, REVISION = "owner/model", "a" * 40
GLUE, WNLI = "nyu-mll/glue", TASKS["wnli"]


@pytest.fixture
def cached(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Path]:
    """Make a snapshot in a hub's cache of our own, and give its folder; there is no hub."""
    cache = tmp_path / "hub"
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(cache))
    monkeypatch.setattr("measure.hub.hub_answers", lambda: False)
    monkeypatch.setattr("measure.hub.hub_trouble", lambda: "no hub answers")

    def snapshot(name: str = NAME, kind: str = "models", revision: str = REVISION) -> Path:
        repository = cache / f"{kind}--{name.replace('/', '--')}"
        (repository / "refs").mkdir(parents=True, exist_ok=True)
        (repository / "refs" / "main").write_text(revision)
        folder = repository / "snapshots" / revision
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    return snapshot


def test_an_id_is_never_a_folder_here_and_a_folder_never_has_a_revision(
    cached: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mirror = tmp_path / "mirror"
    monkeypatch.chdir(model_in(tmp_path / "here" / NAME).parents[1])
    for find in (find_model, find_config):
        assert NAME in absence(find, NAME, REVISION, mirror)
    said = refused(find_model, NAME, None, mirror)
    assert f"./{NAME}" in said, said
    assert weights_folder(NAME, REVISION, mirror) is None
    places = [model_in(cached()), model_in(mirror / NAME)]
    assert find_model(NAME, REVISION, None).folder == places[0]
    assert find_model(NAME, None, None).folder == places[0]
    assert weights_folder(NAME, REVISION, None) == str(places[0])
    assert find_model(NAME, REVISION, mirror).folder == places[1]
    assert weights_folder(NAME, REVISION, mirror) == str(places[1])
    for name in (f"./{NAME}", f"{NAME}/", str(tmp_path / "here" / NAME)):
        found = find_model(name, REVISION, mirror)
        assert (found.revision, found.folder.resolve()) == (None, tmp_path / "here" / NAME)
        assert Path(str(weights_folder(name, REVISION, mirror))).resolve() == tmp_path / "here" / NAME


def test_a_folder_that_is_laid_out_otherwise_is_no_mirror(cached: Any, tmp_path: Path) -> None:
    model_in(cached())
    (tmp_path / "empty").mkdir()
    for folder in (tmp_path, tmp_path / "hub", tmp_path / "hub" / "models--owner--model"):
        said = refused(check_mirror, folder)
        assert all(word in said for word in (str(folder), f"HF_HUB_CACHE={tmp_path / 'hub'}.", "--mirror")), said
    model_in(tmp_path / "mirror" / NAME)
    check_mirror(tmp_path / "mirror")
    for folder in (tmp_path / "empty", tmp_path / "mirror" / "owner", tmp_path / "mirror" / NAME):
        said = refused(check_mirror, folder)
        assert all(word in said for word in (str(folder), "OWNER/NAME", "measure.mirror")), said


@pytest.mark.parametrize("name", ["config.json", "model.safetensors", "vocab.txt"])
def test_a_pointer_of_git_lfs_is_called_one(name: str, cached: Any, tmp_path: Path) -> None:
    pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 267954768\n"
    for folder in (tmp_path / "own", tmp_path / "mirror" / NAME):
        path = model_in(folder, **{name: pointer}) / name
        said = refused(find_model, str(folder) if folder.name == "own" else NAME, None, tmp_path / "mirror")
        assert all(word in said for word in (str(path), "LFS", "git lfs pull")), said
    # A clone without Git LFS is of no use, whatever is needed of it first.
    assert "git lfs pull" in refused(find_config, str(tmp_path / "own"), None, None)
    [shard] = split_in(tmp_path / "mirror" / GLUE / "wnli", "train-00000-of-00001.parquet")
    shard.write_text(pointer)
    said = refused(find_split, GLUE, WNLI.revision, "wnli", "train", tmp_path / "mirror")
    assert all(word in said for word in (str(shard), "git lfs pull")), said


def test_a_place_without_weights_is_passed_over(cached: Any, tmp_path: Path) -> None:
    mirror = tmp_path / "mirror"
    (model_in(mirror / NAME) / "model.safetensors").unlink()
    said = absence(find_model, NAME, REVISION, mirror)
    assert all(word in said for word in ("weights", NAME, "no hub answers", "--mirror DIR")), said
    model_in(cached())
    assert find_model(NAME, REVISION, mirror).folder == cached()
    assert find_model(NAME, REVISION, tmp_path / "no such mirror", fetch=False).folder == cached()


def test_another_revision_in_the_cache_is_not_the_pinned_one(cached: Any) -> None:
    model_in(cached(revision="b" * 40))
    assert "weights" in absence(find_model, NAME, REVISION, None)
    assert find_model(NAME, "b" * 40, None).revision == "b" * 40


@pytest.mark.parametrize("lacking", ["vocab.txt", "model.safetensors", "config.json"])
def test_a_part_of_a_model_in_the_cache_is_not_a_model(lacking: str, cached: Any) -> None:
    (model_in(cached()) / lacking).unlink()
    said = absence(find_model, NAME, REVISION, None, fetch=False)
    assert all(word in said for word in ("weights", NAME)), said
    assert "hub answers" not in said, "the hub may not be asked, so whether it answers does not matter"


def test_weights_in_several_files_must_all_be_there(cached: Any, tmp_path: Path) -> None:
    index = json.dumps({"weight_map": {"a": "model-1.safetensors", "b": "model-2.safetensors"}})
    for folder in (cached(), tmp_path / "mine"):
        model_in(folder, **{"model.safetensors.index.json": index, "model-1.safetensors": "1"})
        (folder / "model.safetensors").unlink()
    assert "weights" in absence(find_model, NAME, REVISION, None)
    said = refused(find_model, str(tmp_path / "mine"), None, None)
    assert all(word in said for word in (str(tmp_path / "mine"), "model.safetensors")), said
    for folder in (cached(), tmp_path / "mine"):
        (folder / "model-2.safetensors").write_text("2")
    names = [name for name, _ in find_model(NAME, REVISION, None).paths]
    assert names[:4] == ["config.json", "model-1.safetensors", "model-2.safetensors", "model.safetensors.index.json"]
    assert find_model(str(tmp_path / "mine"), None, None).digest == find_model(NAME, REVISION, None).digest
    for text in ("{", "[]", "{}", '{"weight_map": 3}', '{"weight_map": {}}'):
        (tmp_path / "mine" / "model.safetensors.index.json").write_text(text)
        assert "model.safetensors" in refused(find_model, str(tmp_path / "mine"), None, None)


@pytest.mark.parametrize("name", ["pytorch_model.bin", "pytorch_model.bin.index.json"])
def test_pickled_weights_alone_are_refused_in_ones_own_folder(name: str, tmp_path: Path) -> None:
    folder = model_in(tmp_path / "mine", **{name: "pickle"})
    assert find_model(str(folder), None, None).paths[1][0] == "model.safetensors"
    assert name not in dict(find_model(str(folder), None, None).paths)
    (folder / "model.safetensors").unlink()
    said = refused(find_model, str(folder), None, None)
    assert all(word in said for word in (str(folder), "safe_serialization=True")), said


def test_pickled_weights_in_the_cache_are_never_used(cached: Any) -> None:
    (model_in(cached(), **{"pytorch_model.bin": "pickle"}) / "model.safetensors").unlink()
    assert "weights" in absence(find_model, NAME, REVISION, None)


def test_what_is_plainly_no_model_is_refused(tmp_path: Path, cached: Any) -> None:
    (tmp_path / "empty").mkdir()
    (model_in(tmp_path / "bare") / "model.safetensors").unlink()
    for name, lacking in (("empty", "config.json"), ("nowhere", "hub id"), ("bare", "model.safetensors")):
        said = refused(find_model, str(tmp_path / name), None, None)
        assert all(word in said for word in (str(tmp_path / name), lacking)), said
    for name in ("a--b/c", "a..b", "-a", "a/b.", "x" * 100):
        said = refused(find_model, name, None, None)
        assert all(word in said for word in (name, "hub id", "spelling")), said


def test_a_digest_is_of_names_and_contents_wherever_they_lie(cached: Any, tmp_path: Path) -> None:
    mirror, own = tmp_path / "mirror", tmp_path / "own"
    for folder in (cached(), mirror / NAME, own):
        model_in(folder)
    (own / "README.md").write_text("what decides nothing does not count")
    (own / "optimizer.bin").write_text("nor does this")
    digests = {
        find_model(NAME, REVISION, None).digest,
        find_model(NAME, REVISION, mirror).digest,
        find_model(str(own), None, None).digest,
    }
    assert len(digests) == 1
    for name in ("config.json", "vocab.txt", "tokenizer_config.json", "model.safetensors"):
        text = (own / name).read_text()
        (own / name).write_text(text + " ")
        digests.add(find_model(str(own), None, None).digest)
        (own / name).write_text(text)
    model_in(own, **{"tokenizer.json": "{}"})
    digests.add(find_model(str(own), None, None).digest)
    assert len(digests) == 6


def test_a_digest_is_one_of_files_and_not_of_their_order_or_borders(tmp_path: Path) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    one.write_text("ab")
    two.write_text("c")
    assert digest_of([("a", one), ("b", two)]) == digest_of([("b", two), ("a", one)])
    assert digest_of([("a", one), ("b", two)]) != digest_of([("b", one), ("a", two)])
    before = digest_of([("a", one), ("b", two)])
    one.write_text("a")
    two.write_text("bc")
    assert digest_of([("a", one), ("b", two)]) != before
    files = Files("x", None, (("a", one),))
    first = files.digest
    one.write_text("changed after it was read")
    assert files.digest == first


def test_splits_come_from_the_mirror_before_the_cache(cached: Any, tmp_path: Path) -> None:
    name = "validation-00000-of-00001.parquet"
    mirror = tmp_path / "mirror"
    [there] = split_in(cached(GLUE, "datasets", WNLI.revision) / "wnli", name)
    assert find_split(GLUE, WNLI.revision, "wnli", "validation", mirror) == [there]
    [here] = split_in(mirror / GLUE / "wnli", name)
    assert find_split(GLUE, WNLI.revision, "wnli", "validation", mirror) == [here]
    assert find_split(GLUE, WNLI.revision, "wnli", "validation", None, fetch=False) == [there]
    said = absence(find_split, GLUE, WNLI.revision, "wnli", "train", mirror)
    assert all(word in said for word in (GLUE, "wnli/train-*.parquet", "no hub answers", "--mirror DIR")), said
    said = absence(find_task, WNLI, mirror, fetch=False)
    assert "wnli/train-*.parquet" in said
    assert "no hub answers" not in said


def test_files_of_a_split_are_in_order_and_all_there_or_none(cached: Any, tmp_path: Path) -> None:
    names = [f"train-{number:05d}-of-00012.parquet" for number in range(12)]
    folder = cached(GLUE, "datasets", WNLI.revision) / "wnli"
    paths = split_in(folder, *names)
    split_in(folder, "train_extra-00000-of-00001.parquet")
    assert find_split(GLUE, WNLI.revision, "wnli", "train", None) == paths
    paths[7].unlink()  # as a download that was interrupted leaves it
    assert "wnli/train-*.parquet" in absence(find_split, GLUE, WNLI.revision, "wnli", "train", None)


def test_a_task_has_the_files_of_all_its_splits_by_split_and_number(tmp_path: Path) -> None:
    folder = tmp_path / WNLI.dataset / "wnli"
    paths = split_in(
        folder,
        "train-00000-of-00002.parquet",
        "train-00001-of-00002.parquet",
        "validation-00000-of-00001.parquet",
    )
    files = find_task(WNLI, tmp_path)
    assert files.paths == tuple(zip(("train-00000", "train-00001", "validation-00000"), paths, strict=True))
    assert (files.id, files.revision) == (WNLI.dataset, WNLI.revision)


# What a process with an empty cache says, how long it took, and how often it tried to connect and waited to try again.
ASK = """
import sys, time
addresses, waits = [], []
time.sleep = waits.append
sys.addaudithook(lambda event, arguments: event == "socket.connect" and addresses.append(arguments[1]))
import huggingface_hub
from measure.hub import Absent, find_model, find_task
from measure.tasks import TASKS
start, said = time.monotonic(), []
for find in (lambda: find_model("owner/model", "a" * 40, None, fetch=FETCH),
             lambda: find_task(TASKS["wnli"], None, fetch=FETCH)):
    try:
        find()
    except Absent as absent:
        said.append(str(absent))
print(f"{time.monotonic() - start:.3f}", len(addresses) + len(waits), *said, sep="|")
"""


def asked(tmp_path: Path, *, fetch: bool = True, **variables: str) -> tuple[float, int, list[str]]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("HF_", "HUGGING"))}
    environment = {name: value for name, value in environment.items() if not name.lower().endswith("_proxy")}
    done = subprocess.run(
        [sys.executable, "-c", ASK.replace("FETCH", str(fetch))],
        cwd=ROOT,
        env={**environment, "HF_HOME": str(tmp_path / "home"), **variables},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    seconds, tries, *said = done.stdout.strip().split("|")
    return float(seconds), int(tries), said


def name_what_is_missing(said: list[str], *more: str) -> bool:
    """Whether one sentence names the weights, one the split, and both these words."""
    missing = (("weights", "owner/model"), (GLUE, "wnli/train-*.parquet"))
    return all(word in sentence for sentence, words in zip(said, missing, strict=True) for word in (*words, *more))


@pytest.fixture
def silent() -> Iterator[str]:
    """An address that takes connections and never answers."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen(16)
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"


def test_a_hub_that_refuses_is_known_at_once(tmp_path: Path) -> None:
    _, tries, said = asked(tmp_path, HF_ENDPOINT="http://127.0.0.1:9")
    assert name_what_is_missing(said, "http://127.0.0.1:9", "Connection refused", "--mirror DIR"), said
    assert tries == 1, "it is probed once for all of them, and not waited for"


def test_a_hub_that_never_answers_is_given_up_soon(tmp_path: Path, silent: str) -> None:
    seconds, tries, said = asked(tmp_path, HF_ENDPOINT=silent)
    assert name_what_is_missing(said, silent, "2 s", "--mirror DIR"), said
    assert 1.9 < seconds < 3.5
    assert tries == 1, "it is probed once for all of them"


def test_a_hub_that_never_answers_is_always_said_to_be_silent(silent: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(constants, "ENDPOINT", silent)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(downloads, "PROBE_SECONDS", 0.05)
    for _ in range(10):
        downloads.hub_trouble.cache_clear()
        assert downloads.hub_trouble() == f"{silent} did not answer within 0.05 s"
    downloads.hub_trouble.cache_clear()


def test_without_a_network_by_the_users_wish_nothing_is_asked(tmp_path: Path, silent: str) -> None:
    _, tries, said = asked(tmp_path, HF_ENDPOINT=silent, HF_HUB_OFFLINE="1")
    assert name_what_is_missing(said, "HF_HUB_OFFLINE", "unset", "--mirror DIR"), said
    assert tries == 0


def test_without_leave_to_fetch_nothing_is_asked(tmp_path: Path, silent: str) -> None:
    _, tries, said = asked(tmp_path, fetch=False, HF_ENDPOINT=silent)
    assert name_what_is_missing(said), said
    assert silent not in "".join(said)
    assert tries == 0


def test_a_hub_that_refuses_a_page_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        monkeypatch.setattr(constants, "ENDPOINT", f"http://127.0.0.1:{server.getsockname()[1]}")
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
        for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
            monkeypatch.delenv(name, raising=False)

        def answer() -> None:
            connection, _ = server.accept()
            with connection:
                connection.recv(1000)
                connection.sendall(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")

        threading.Thread(target=answer, daemon=True).start()
        start = time.monotonic()
        assert downloads.hub_trouble.__wrapped__() == ""
        assert time.monotonic() - start < 1.5
