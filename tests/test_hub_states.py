"""Every bad state of a hub, its network and this machine's disk: one sentence each, and what happens afterwards."""

import json
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
    assert say(find_model, NAME, revision, None).rstrip(".") == (
        f"owner/model has no revision {revision} at {hub.url}: choose one of {hub.url}/owner/model/commits/main"
    )
    assert say(find_config, f"{NAME}@{revision}", None, None).startswith(f"owner/model has no revision {revision}")
    if say is absence:
        said = absence(find_split, DATA, revision, "task", "validation", None)
        assert said.endswith(f"choose one of {hub.url}/datasets/owner/data/commits/main")


def test_a_repository_that_does_not_exist_or_is_private(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    said = f"owner/modle does not exist at {hub.url}: check the spelling, or, if it is private, "
    assert refused(find_model, "owner/modle", None, None) == f"{said}set HF_TOKEN."
    assert absence(find_model, "owner/modle", REVISION, None) == f"{said}set HF_TOKEN"
    assert absence(find_split, "owner/modle", REVISION, "task", "validation", None) == f"{said}set HF_TOKEN"
    monkeypatch.setenv("HF_TOKEN", "hf_other")
    hub.repositories["model", NAME].token = "hf_mine"
    said = said.replace("modle", "model")
    assert refused(find_model, NAME, None, None) == f"{said}give a token with access to it."
    monkeypatch.setenv("HF_TOKEN", "hf_mine")
    assert find_model(NAME, None, None).revision == REVISION


def test_a_token_that_is_not_valid(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    hub.tokens = {"hf_mine"}
    monkeypatch.setenv("HF_TOKEN", "hf_wrong")
    for find in (find_model, find_config):
        assert absence(find, NAME, None, None) == (
            f"{hub.url} does not accept the token it is given for owner/model: set HF_TOKEN to a valid one, or unset it"
        )
    monkeypatch.delenv("HF_TOKEN")
    assert find_config(NAME, None, None).revision == REVISION


@pytest.mark.parametrize("listed", [True, False], ids=["files listed", "nothing listed"])
def test_a_gated_model(listed: bool, hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    if listed:  # the hub says to everybody what there is
        downloads.Repository(NAME, None).listed()
    hub.add(NAME, hub.repositories["model", NAME].revisions[REVISION], gated=True, token="hf_mine")
    said = f"owner/model is gated: accept its terms at {hub.url}/owner/model "
    assert absence(find_model, NAME, None, None) == said + "and set HF_TOKEN to a token of yours"
    monkeypatch.setenv("HF_TOKEN", "hf_other")
    assert absence(find_model, NAME, None, None) == said + "with the account of your token"
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
    assert said.startswith("owner/model's model.safetensors was cut off again and again on its way (")
    assert said.endswith("): run again, whole files are kept")
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
    assert absence(find_model, NAME, None, None) == (
        "owner/model's model.safetensors stalled again and again, for 0.05 s each time: run again, or raise "
        "HF_HUB_DOWNLOAD_TIMEOUT"
    )
    assert find_model(NAME, None, None).revision == REVISION


def test_a_hub_that_dies_after_it_was_probed_is_waited_for_once(hub: Hub) -> None:
    assert downloads.hub_answers()
    hub.shutdown()
    hub.server_close()
    start = time.monotonic()
    assert absence(find_model, NAME, None, None) == (
        f"{hub.url} stopped answering at owner/model's list of files ([Errno 111] Connection refused): run again "
        "later, or give --mirror DIR"
    )
    for find in (split, lambda: find_config(NAME, None, None)):
        assert f", and {hub.url} cannot be reached (Connection refused): give it with --mirror DIR, or" in absence(find)
    assert time.monotonic() - start < 2


def test_a_hub_that_dies_between_two_files(hub: Hub) -> None:
    from huggingface_hub import close_session

    config = find_config(NAME, None, None)
    hub.shutdown()
    hub.server_close()
    close_session()  # the list of files is known, and what is asked next needs a new connection
    said = absence(find_model, NAME, None, None)
    assert said.startswith(f"{hub.url} stopped answering at owner/model's tokenizer_config.json (")
    assert find_config(NAME, None, None) == config, "what is in the cache is used"


@pytest.mark.parametrize("status", [500, 503, 429])
def test_a_hub_in_trouble_is_asked_three_times_then_once_more_then_no_more(status: int, hub: Hub) -> None:
    assert downloads.hub_answers()
    hub.status = status
    said = absence(find_model, NAME, None, None)
    assert said.startswith(f"{hub.url} cannot serve owner/model now (")
    assert str(status) in said
    assert said.endswith("): run again later")
    assert len(asked(hub)) == 3
    said = absence(split)
    if status == 503:  # what gateways say of a hub that is down
        assert f", and {hub.url} answers with error 503: give it with --mirror DIR" in said
    else:
        assert f"{hub.url} cannot serve owner/data now" in said
        assert f", and {hub.url} failed 2 times in this run (" in absence(find_config, NAME, None, None)
    assert len(asked(hub)) == (3 if status == 503 else 6)


@pytest.mark.parametrize("status", [500, 503])
def test_a_file_that_the_hub_cannot_serve(status: int, hub: Hub) -> None:
    hub.faults.append(Fault("model.safetensors", status))
    said = absence(find_model, NAME, None, None)
    assert said.startswith(f"{hub.url} cannot serve owner/model now (")
    assert f"{status}" in said
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
    what = "holds pickled weights only, which can run code when they are loaded"
    what = what if pickled else "has no safetensors on the hub"
    assert refused(find_model, NAME, None, None) == (
        f"owner/model {what}: save it as safetensors in a folder, and give that."
    )
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
    said = (
        f" has code of its own (auto_map in its {name}), and this suite runs none that comes with a model: "
        "give one of an architecture that transformers has."
    )
    assert refused(find_model, NAME, None, None) == f"owner/model{said}"
    assert "code.py" not in hub.sent
    assert "model.safetensors" not in hub.sent
    assert refused(find_model, str(folder), None, None) == f"{folder}{said}"
    shutil.copytree(folder, tmp_path / "mirror" / NAME)
    assert refused(find_model, NAME, None, tmp_path / "mirror") == f"owner/model{said}"
    assert refused(find_config, NAME, None, None, tokenizer=True) == f"owner/model{said}"


def test_a_repository_that_is_no_model(hub: Hub) -> None:
    (hub.repositories["model", NAME].revisions[REVISION] / "config.json").unlink()
    assert refused(find_config, NAME, None, None) == (
        "owner/model has no config.json on the hub: give a model that transformers can load."
    )


def test_a_file_that_ends_early(hub: Hub) -> None:
    hub.faults.append(Fault("model.safetensors", "short", 2500))
    assert absence(find_model, NAME, None, None) == (
        f"owner/model's model.safetensors came from {hub.url} in another length than it stated, and was dropped: "
        "run again"
    )
    assert (find_model(NAME, None, None).folder / "model.safetensors").read_text() == BIG


def test_a_file_with_other_content_than_the_hub_says(hub: Hub) -> None:
    hub.faults += [Fault("model.safetensors", "blank"), Fault(SHARD, "blank")]
    for find, name in (
        (lambda: find_model(NAME, None, None), "model's model.safetensors"),
        (split, f"data's task/{SHARD}"),
    ):
        assert absence(find) == f"owner/{name} came from {hub.url} damaged, and was removed: run again"
    assert (find_model(NAME, None, None).folder / "model.safetensors").read_text() == BIG
    assert split()[0].read_text() == SHARD


def test_a_disk_that_is_full(hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    disk = tmp_path / "disk"
    with mounted(disk, "size=64k"):
        monkeypatch.setattr(constants, "HF_HUB_CACHE", str(disk / "hub"))
        folder = hub.repositories["model", NAME].revisions[REVISION]
        (folder / "model.safetensors").write_text(BIG * 16)
        with pytest.warns(UserWarning, match="Not enough free disk space"):
            said = absence(find_model, NAME, None, None)
        assert said == (
            f"no room for owner/model's model.safetensors in {disk}/hub (No space left on device): free some, or set "
            "HF_HOME to a folder elsewhere"
        )
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
    assert said.startswith("no room for owner/model's model.safetensors in ")
    assert "(File too large): free some, or set HF_HOME" in said
    assert find_model(NAME, None, None).revision == REVISION


def test_a_cache_that_cannot_be_written_to(hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "file" / "hub"))
    assert absence(find_config, NAME, None, None) == (
        f"{tmp_path}/file/hub cannot take owner/model's config.json (Not a directory): set HF_HOME to a folder that "
        "can be written to"
    )


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
        assert absence(split) == (
            f"{disk} cannot take owner/data's task/{SHARD} (Read-only file system): set HF_HOME to a folder that can "
            "be written to"
        )


def test_without_network_by_the_users_wish(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    source = "is neither in --mirror nor in the hub's cache, and HF_HUB_OFFLINE is set: give it with --mirror DIR, or"
    assert absence(find_config, NAME, None, None) == f"configuration missing: that of owner/model {source} unset it"
    assert absence(find_config, NAME, None, None, tokenizer=True).startswith("tokenizer missing: that of owner/model")
    assert absence(split) == f"split missing: owner/data's task/validation-*.parquet {source} unset it"
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
    assert "weights missing" in absence(find_model, NAME, None, None, fetch=False)
    hub.status = 503
    assert "weights missing" in absence(find_model, NAME, None, None)
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
    assert said == "HF_ENDPOINT=localhost is no address such as https://huggingface.co"


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
    assert refused(find_model, "owner/odd", None, None) == (
        "owner/odd has a model.safetensors.index.json that names no safetensors beside it: save the model there again."
    )
    assert not asked(hub, ".bin")
    assert "has no model.safetensors, or lacks parts of it" in refused(find_model, str(folder), None, None)


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("http://127.0.0.1:80x", "HF_ENDPOINT=http://127.0.0.1:80x is no address such as https://huggingface.co"),
        ("http://[::1", "HF_ENDPOINT=http://[::1 is no address such as https://huggingface.co"),
    ],
)
def test_an_address_that_is_none_is_said(address: str, said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    forget()
    monkeypatch.setenv("HF_ENDPOINT", address)
    assert downloads.hub_trouble() == said
    forget()


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
    assert " is no hub (" in trouble
    assert "secret" not in trouble
