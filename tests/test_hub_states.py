"""Every bad state of a hub, its network and this machine's disk: one sentence each, and what happens afterwards."""

import json
import re
import resource
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from measure import downloads
from measure.hub import find_config, find_model, find_split
from measure.modelfiles import TOKENIZER
from measure.models import weights_folder
from tests.hubclient import CHUNK, absence, connected, forget, model_in, refused, split_in
from tests.hubserver import REVISION, Fault, Hub

constants = pytest.importorskip("huggingface_hub.constants", reason="the hub's client is huggingface_hub")

NAME, DATA = "owner/model", "owner/data"
BIG = "weights " * CHUNK
SHARD = "validation-00000-of-00001.parquet"


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    """A hub with a model, whose weights are eight times what is read at once, and a data set."""
    with connected(tmp_path / "home", monkeypatch) as server:
        server.add(NAME, model_in(tmp_path / "there", **{"model.safetensors": BIG, "pytorch_model.bin": "pickle"}))
        split_in(tmp_path / "data" / "task", SHARD)
        server.add(DATA, tmp_path / "data", "dataset")
        yield server


@contextmanager
def mounted(folder: Path, options: str = "size=1m") -> Iterator[None]:
    """A file system in memory at a folder, where this test may mount one; otherwise it is skipped."""
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)]
    if not shutil.which("mount") or subprocess.run(command, capture_output=True).returncode:
        pytest.skip("needs the right to mount a file system")
    try:
        yield
    finally:
        subprocess.run(["umount", str(folder)], check=True)


def asked(hub: Hub, end: str = "") -> list[str]:
    return [path for method, path, _ in hub.requests if path.endswith(end) and method == "GET" and path != "/"]


def split() -> list[Path]:
    return find_split(DATA, REVISION, "task", "validation", None)


@pytest.mark.parametrize("revision", ["b" * 40, "v9"])
def test_a_revision_that_is_missing(revision: str, hub: Hub) -> None:
    say = absence if revision.startswith("b") else refused  # a pinned commit is gone, a name is a slip
    for said in (say(find_model, NAME, revision, None), say(find_config, f"{NAME}@{revision}", None, None)):
        assert all(word in said for word in (revision, f"{hub.url}/owner/model/commits/main")), said
    if say is absence:
        said = absence(find_split, DATA, revision, "task", "validation", None)
        assert all(word in said for word in (revision, f"{hub.url}/datasets/owner/data/commits/main")), said


def test_a_repository_that_does_not_exist_or_is_private(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    for said in (
        refused(find_model, "owner/modle", None, None),
        absence(find_model, "owner/modle", REVISION, None),
        absence(find_split, "owner/modle", REVISION, "task", "validation", None),
    ):
        assert all(word in said for word in ("owner/modle", hub.url, "spelling", "HF_TOKEN")), said
    monkeypatch.setenv("HF_TOKEN", "hf_other")
    hub.repositories["model", NAME].token = "hf_mine"
    said = refused(find_model, NAME, None, None)
    assert all(word in said for word in (NAME, hub.url, "spelling", "token")), said
    assert "HF_TOKEN" not in said, "it is set"
    monkeypatch.setenv("HF_TOKEN", "hf_mine")
    assert find_model(NAME, None, None).revision == REVISION


def test_a_token_that_is_not_valid(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    hub.tokens = {"hf_mine"}
    monkeypatch.setenv("HF_TOKEN", "hf_wrong")
    for find in (find_model, find_config):
        said = absence(find, NAME, None, None)
        assert all(word in said for word in (hub.url, NAME, "HF_TOKEN", "unset")), said
    monkeypatch.delenv("HF_TOKEN")
    assert find_config(NAME, None, None).revision == REVISION


@pytest.mark.parametrize("listed", [True, False], ids=["files listed", "nothing listed"])
def test_a_gated_model(listed: bool, hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    if listed:  # the hub says to everybody what there is
        downloads.Repository(NAME, None).listed()
    hub.add(NAME, hub.repositories["model", NAME].revisions[REVISION], gated=True, token="hf_mine")
    said = absence(find_model, NAME, None, None)
    assert all(word in said for word in ("gated", f"{hub.url}/owner/model", "HF_TOKEN")), said
    monkeypatch.setenv("HF_TOKEN", "hf_other")
    said = absence(find_model, NAME, None, None)
    assert all(word in said for word in ("gated", f"{hub.url}/owner/model", "token")), said
    assert "HF_TOKEN" not in said, "it is set"
    monkeypatch.setenv("HF_TOKEN", "hf_mine")
    assert find_model(NAME, None, None).revision == REVISION


def test_a_connection_that_is_cut_is_taken_up_where_it_ended(hub: Hub) -> None:
    hub.faults.append(Fault("model.safetensors", "cut", 2500, times=3))
    files = find_model(NAME, None, None)
    assert files.digest == find_model(str(hub.repositories["model", NAME].revisions[REVISION]), None, None).digest
    ranges = [found for _, path, found in hub.requests if path.endswith(".safetensors") and found]
    assert ranges == ["bytes=2000-", "bytes=4000-", "bytes=6000-"]
    # What was under way when the connection ended, less than is read at once, comes again, and nothing else does.
    assert len(BIG) < hub.sent["model.safetensors"] <= len(BIG) + 3 * CHUNK


def test_a_connection_that_is_cut_again_and_again_is_given_up_and_whole_files_are_kept(hub: Hub) -> None:
    hub.faults.append(Fault("model.safetensors", "cut", 0, times=6))
    said = absence(find_model, NAME, None, None)
    assert all(word in said for word in (NAME, "model.safetensors", "cut off", "run again")), said
    assert len(asked(hub, ".safetensors")) == 6
    assert weights_folder(NAME, None, None) is None
    forget()
    before = dict(hub.sent)
    assert find_model(NAME, None, None).revision == REVISION
    assert {name for name in hub.sent if hub.sent[name] != before.get(name)} == {"model.safetensors"}
    assert not list(Path(constants.HF_HUB_CACHE).rglob("*.incomplete"))


def test_a_transfer_that_stalls(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(constants, "HF_HUB_DOWNLOAD_TIMEOUT", 0.05)
    hub.faults.append(Fault("model.safetensors", "stall", 100, times=6, seconds=1))
    said = absence(find_model, NAME, None, None)
    assert all(word in said for word in (NAME, "model.safetensors", "0.05 s", "HF_HUB_DOWNLOAD_TIMEOUT")), said
    assert find_model(NAME, None, None).revision == REVISION


def test_a_hub_that_dies_after_it_was_probed_is_waited_for_once(hub: Hub) -> None:
    assert downloads.hub_answers()
    hub.shutdown()
    hub.server_close()
    start = time.monotonic()
    said = absence(find_model, NAME, None, None)
    assert all(word in said for word in (hub.url, NAME, "Connection refused", "run again", "--mirror DIR")), said
    for find, missing in ((split, "split"), (lambda: find_config(NAME, None, None), "configuration")):
        said = absence(find)
        assert all(word in said for word in (missing, hub.url, "Connection refused", "--mirror DIR")), said
    assert time.monotonic() - start < 2


def test_a_hub_that_dies_between_two_files(hub: Hub) -> None:
    from huggingface_hub import close_session

    config = find_config(NAME, None, None)
    hub.shutdown()
    hub.server_close()
    close_session()  # the list of files is known, and what is asked next needs a new connection
    said = absence(find_model, NAME, None, None)
    words = (hub.url, NAME, "tokenizer_config.json", "Connection refused", "--mirror DIR")
    assert all(word in said for word in words), said
    assert find_config(NAME, None, None) == config, "what is in the cache is used"


@pytest.mark.parametrize("status", [500, 503, 429])
def test_a_hub_in_trouble_is_asked_three_times_then_once_more_then_no_more(status: int, hub: Hub) -> None:
    assert downloads.hub_answers()
    hub.status = status
    said = absence(find_model, NAME, None, None)
    assert all(word in said for word in (hub.url, NAME, "run again")), said
    assert re.search(rf"\b{status}\b", said), said
    assert len(asked(hub)) == 3
    said = absence(split)
    assert re.search(rf"\b{status}\b", said), said
    if status == 503:  # what gateways say of a hub that is down
        assert all(word in said for word in (DATA, hub.url, "--mirror DIR")), said
    else:
        assert all(word in said for word in (DATA, hub.url, "run again")), said
        said = absence(find_config, NAME, None, None)
        assert all(word in said for word in (NAME, hub.url, "2 times", "--mirror DIR")), said
    assert len(asked(hub)) == (3 if status == 503 else 6)


@pytest.mark.parametrize("status", [500, 503])
def test_a_file_that_the_hub_cannot_serve(status: int, hub: Hub) -> None:
    hub.faults.append(Fault("model.safetensors", status))
    said = absence(find_model, NAME, None, None)
    assert all(word in said for word in (hub.url, NAME, "run again")), said
    assert re.search(rf"\b{status}\b", said), said
    assert find_model(NAME, None, None).revision == REVISION


def test_a_short_trouble_is_waited_for(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    assert downloads.hub_answers()
    hub.status = 503
    monkeypatch.setattr(downloads, "time", type("Clock", (), {"sleep": lambda _: setattr(hub, "status", None)}))
    assert find_model(NAME, None, None).revision == REVISION


@pytest.mark.parametrize("pickled", [True, False])
def test_a_model_without_safetensors_is_refused_and_nothing_of_it_is_fetched(pickled: bool, hub: Hub) -> None:
    folder = hub.repositories["model", NAME].revisions[REVISION]
    (folder / "model.safetensors").unlink()
    if not pickled:
        (folder / "pytorch_model.bin").unlink()
    said = refused(find_model, NAME, None, None)
    assert all(word in said for word in (NAME, "safetensors", "folder")), said
    assert ("pickled" in said) == pickled
    assert hub.sent == {}
    assert find_config(NAME, None, None).revision == REVISION
    assert list(hub.sent) == ["config.json"]


def test_pickled_weights_are_never_fetched(hub: Hub) -> None:
    find_model(NAME, None, None)
    assert not [path for _, path, _ in hub.requests if path.endswith(".bin")]


@pytest.mark.parametrize("name", ["config.json", "tokenizer_config.json"])
def test_a_model_with_code_of_its_own_is_refused_wherever_it_is(name: str, hub: Hub, tmp_path: Path) -> None:
    folder = hub.repositories["model", NAME].revisions[REVISION]
    model_in(folder, **{name: json.dumps({"auto_map": {"AutoModel": "code.Model"}}), "code.py": "raise SystemExit"})
    said = refused(find_model, NAME, None, None)
    assert all(word in said for word in (NAME, "auto_map", f" {name}", "transformers")), said
    assert "code.py" not in hub.sent
    assert "model.safetensors" not in hub.sent
    assert refused(find_model, str(folder), None, None) == said.replace(NAME, str(folder))
    shutil.copytree(folder, tmp_path / "mirror" / NAME)
    assert refused(find_model, NAME, None, tmp_path / "mirror") == said
    assert refused(find_config, NAME, None, None, tokenizer=True) == said


def test_a_repository_that_is_no_model(hub: Hub) -> None:
    (hub.repositories["model", NAME].revisions[REVISION] / "config.json").unlink()
    said = refused(find_config, NAME, None, None)
    assert all(word in said for word in (NAME, "config.json", "hub", "transformers")), said


def test_a_file_that_ends_early(hub: Hub) -> None:
    hub.faults.append(Fault("model.safetensors", "short", 2500))
    said = absence(find_model, NAME, None, None)
    assert all(word in said for word in (NAME, "model.safetensors", hub.url, "length", "run again")), said
    assert (find_model(NAME, None, None).folder / "model.safetensors").read_text() == BIG


def test_a_file_with_other_content_than_the_hub_says(hub: Hub) -> None:
    hub.faults += [Fault("model.safetensors", "blank"), Fault(SHARD, "blank")]
    for find, *names in (
        (lambda: find_model(NAME, None, None), NAME, "model.safetensors"),
        (split, DATA, f"task/{SHARD}"),
    ):
        said = absence(find)
        assert all(word in said for word in (*names, hub.url, "damaged", "run again")), said
    assert (find_model(NAME, None, None).folder / "model.safetensors").read_text() == BIG
    assert split()[0].read_text() == SHARD


def test_a_disk_that_is_full(hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    disk = tmp_path / "disk"
    with mounted(disk, "size=64k"):
        monkeypatch.setattr(constants, "HF_HUB_CACHE", str(disk / "hub"))
        folder = hub.repositories["model", NAME].revisions[REVISION]
        (folder / "model.safetensors").write_text(BIG * 16)
        with pytest.warns(UserWarning, match="disk space"):
            said = absence(find_model, NAME, None, None)
        words = (NAME, "model.safetensors", f"{disk}/hub", "No space left on device", "free", "HF_HOME")
        assert all(word in said for word in words), said
        (folder / "model.safetensors").write_text("small")
        assert find_model(NAME, None, None).revision == REVISION


def test_a_file_beyond_what_may_be_written(hub: Hub) -> None:
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    folder = hub.repositories["model", NAME].revisions[REVISION]
    (folder / "model.safetensors").write_bytes(bytes(2**20))
    resource.setrlimit(resource.RLIMIT_FSIZE, (2**19, limits[1]))
    try:
        said = absence(find_model, NAME, None, None)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert all(word in said for word in (NAME, "model.safetensors", "File too large", "free", "HF_HOME")), said
    assert find_model(NAME, None, None).revision == REVISION


def test_a_cache_that_cannot_be_written_to(hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "file" / "hub"))
    said = absence(find_config, NAME, None, None)
    words = (f"{tmp_path}/file/hub", NAME, "config.json", "Not a directory", "HF_HOME")
    assert all(word in said for word in words), said


def test_a_cache_that_may_only_be_read_serves_what_it_has(
    hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk = tmp_path / "disk"
    with mounted(disk):
        monkeypatch.setattr(constants, "HF_HUB_CACHE", str(disk))
        files = find_model(NAME, None, None)
        subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
        hub.requests.clear()
        assert find_model(NAME, None, None) == files
        assert hub.requests == []
        said = absence(split)
        words = (str(disk), DATA, f"task/{SHARD}", "Read-only file system", "HF_HOME")
        assert all(word in said for word in words), said


def test_without_network_by_the_users_wish(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    for said, *missing in (
        (absence(find_config, NAME, None, None), "configuration", NAME),
        (absence(find_config, NAME, None, None, tokenizer=True), "tokenizer", NAME),
        (absence(split), "split", DATA, "task/validation-*.parquet"),
    ):
        assert all(word in said for word in (*missing, "HF_HUB_OFFLINE", "--mirror DIR", "unset")), said
    assert hub.requests == []
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    forget()
    found = find_model(NAME, None, None), split()
    hub.requests.clear()
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    forget()
    assert (find_model(NAME, None, None), split()) == found
    assert hub.requests == []


@pytest.mark.parametrize("held", [["model.safetensors"], ["config.json", "vocab.txt", "model.safetensors"]])
def test_a_cache_that_another_program_filled_in_part_is_completed(held: list[str], hub: Hub) -> None:
    from huggingface_hub import hf_hub_download

    for name in held:
        hf_hub_download(NAME, name)
    downloads.hub_trouble.cache_clear()
    assert "weights" in absence(find_model, NAME, None, None, fetch=False)
    hub.status = 503
    assert "weights" in absence(find_model, NAME, None, None)
    hub.status = None
    downloads.hub_trouble.cache_clear()
    files = find_model(NAME, None, None)
    assert files.digest == find_model(str(hub.repositories["model", NAME].revisions[REVISION]), None, None).digest
    assert hub.sent["model.safetensors"] == len(BIG)
    hub.requests.clear()
    assert find_model(NAME, None, None) == files
    assert hub.requests == [], "it is known to be complete"


def test_a_cache_that_may_lack_a_file_is_completed_where_the_hub_answers_and_used_where_not(hub: Hub) -> None:
    from huggingface_hub import hf_hub_download

    model_in(hub.repositories["model", NAME].revisions[REVISION], **{"tokenizer.json": "{}"})
    for name in ("config.json", "vocab.txt", "tokenizer_config.json", "model.safetensors"):
        hf_hub_download(NAME, name)
    hub.status = 503
    assert "tokenizer.json" not in dict(find_model(NAME, None, None).paths)
    hub.status = None
    forget()
    assert "tokenizer.json" in dict(find_model(NAME, None, None).paths)
    assert downloads.Repository(NAME, None).knows(TOKENIZER)


@pytest.mark.parametrize(
    ("address", "shown"),
    [("https://me:secret@host/hub", "https://host/hub"), ("https://host", "https://host"), ("host:80", "host:80")],
)
def test_no_password_is_shown(address: str, shown: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(constants, "ENDPOINT", address)
    assert downloads.endpoint() == shown
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    assert downloads._line(ValueError(f"\nhf_secret at {address}.\nmore")) == f"*** at {shown}"


def test_an_address_that_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(constants, "ENDPOINT", "localhost")
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    said = downloads.hub_trouble.__wrapped__()
    assert all(word in said for word in ("HF_ENDPOINT", "localhost", "https://huggingface.co")), said


@pytest.mark.parametrize(
    "index",
    [
        '{"weight_map": {"a": "pytorch_model-00001-of-00001.bin"}}',
        '{"weight_map": {"a": "../../weights.safetensors"}}',
        '{"weight_map": {}}',
        "no JSON",
    ],
)
def test_an_index_that_names_anything_but_safetensors_beside_it_is_refused(
    index: str, hub: Hub, tmp_path: Path
) -> None:
    folder = model_in(tmp_path / "odd", **{"model.safetensors.index.json": index})
    (folder / "model.safetensors").unlink()
    (folder / "pytorch_model-00001-of-00001.bin").write_text("pickle")
    hub.add("owner/odd", folder)
    said = refused(find_model, "owner/odd", None, None)
    assert all(word in said for word in ("owner/odd", "model.safetensors.index.json")), said
    assert not asked(hub, ".bin")
    said = refused(find_model, str(folder), None, None)
    assert all(word in said for word in (str(folder), "model.safetensors")), said


@pytest.mark.parametrize("address", ["http://127.0.0.1:80x", "http://[::1"])
def test_an_address_that_is_none_is_said(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    forget()
    monkeypatch.setenv("HF_ENDPOINT", address)
    said = downloads.hub_trouble()
    forget()
    assert all(word in said for word in ("HF_ENDPOINT", address, "https://huggingface.co")), said


def test_what_answers_and_is_no_hub_is_said_and_a_password_is_shown_nowhere(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer() -> None:
            connection, _ = server.accept()
            with connection:
                connection.recv(1000)
                connection.sendall(b"SSH-2.0-something\r\n")

        threading.Thread(target=answer, daemon=True).start()
        forget()
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
        monkeypatch.setattr(constants, "ENDPOINT", f"http://me:secret@127.0.0.1:{server.getsockname()[1]}")
        for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
            monkeypatch.delenv(name, raising=False)
        trouble = downloads.hub_trouble()
    forget()
    assert trouble.startswith("http://127.0.0.1:")
    assert "SSH-2.0-something" in trouble
    assert "secret" not in trouble


def test_waiting_for_another_process_that_fetches_the_same_file_is_said(
    hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(constants, "FILELOCK_LOG_EVERY_SECONDS", 0.05)
    said: list[str] = []
    downloads.say_waits(said.append)
    hub.faults.append(Fault("model.safetensors", "stall", after=2 * CHUNK, seconds=1))
    others = threading.Thread(target=downloads.Repository(NAME, REVISION).fetch, args=(["model.safetensors"],))
    others.start()
    while not hub.sent.get("model.safetensors"):
        time.sleep(0.01)
    try:
        downloads.Repository(NAME, REVISION).fetch(["model.safetensors"])
    finally:
        others.join()
    assert said
    assert set(said) == {"waiting: another process fetches the same file from the hub"}
