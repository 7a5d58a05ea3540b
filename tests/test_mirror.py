"""measure.mirror: a folder is filled from a hub, whatever networks and disks do, and stands in for it then."""

import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from judge.baselines import load_baselines
from judge.datasets import GLUE, IMDB, SQUAD
from judge.files import Mistake
from measure import filling
from measure.hub import matching
from measure.listing import Listing, Remote, Wanted, _weights
from measure.manifest import MirroredRepository, read_manifest, verify
from measure.mirror import main
from measure.requests import Request
from measure.tasks import TASKS
from tests.hubclient import connected, forget
from tests.hubserver import Fault, Hub
from tests.project import ROOT

constants = pytest.importorskip("huggingface_hub.constants", reason="the hub's client is huggingface_hub's")

MODELS = load_baselines(ROOT / "baselines").models
TEACHER, STUDENT = MODELS.teacher, MODELS.student
WEIGHTS = 400_000
CHUNK = 10_000
OWN = "lab/small"
COMMITS = {"v1": "1" * 40, "v2": "2" * 40}
# What a task needs, and what is beside it in every repository and must be left there.
MODEL_FILES = ("config.json", "tokenizer_config.json", "vocab.txt", "model.safetensors")
OTHERS = ("README.md", "pytorch_model.bin", "modeling_own.py", "tf_model.h5", "onnx/model.onnx", "coreml/vocab.txt")


def model_in(folder: Path, config: dict[str, Any], seed: int, *others: str) -> Path:
    chance = random.Random(seed)
    folder.mkdir(parents=True)
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "tokenizer_config.json").write_text(json.dumps({"tokenizer_class": "BertTokenizer"}))
    (folder / "vocab.txt").write_text("[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\na\n")
    (folder / "model.safetensors").write_bytes(chance.randbytes(WEIGHTS))
    for name in others:
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(name)
    return folder


@pytest.fixture(scope="module")
def content(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the hub has: both models, three data sets with all splits, and a model of somebody's own."""
    folder = tmp_path_factory.mktemp("hub")
    for seed, card in enumerate((TEACHER, STUDENT)):
        model_in(folder / card.id, dict(card.config), seed, *OTHERS)
    for seed, name in enumerate(COMMITS):
        model_in(folder / name, {"model_type": "bert"}, 10 + seed)
    for task in TASKS.values():
        place = folder / task.dataset / task.config
        place.mkdir(parents=True, exist_ok=True)
        for split in (*(split.name for split in task.splits), "test", "unsupervised"):
            parts = 2 if (task.name, split) == ("squad", "train") else 1
            for part in range(parts):
                name = f"{split}-{part:05d}-of-{parts:05d}.parquet"
                (place / name).write_bytes(f"{task.name} {name}".encode() * 50)
        (folder / task.dataset / "loading.py").write_text("code")
    return folder


@pytest.fixture
def served(content: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    """The hub, which this process takes for the real one."""
    with connected(tmp_path, monkeypatch) as server:
        for card in (TEACHER, STUDENT):
            server.add(card.id, content / card.id, revision=card.revision)
        for name, revision in (GLUE, SQUAD, IMDB):
            server.add(name, content / name, "dataset", revision)
        for name, revision in COMMITS.items():
            server.add(OWN, content / name, revision=revision)
        monkeypatch.setattr(constants, "DOWNLOAD_CHUNK_SIZE", CHUNK)
        monkeypatch.setattr("measure.listing.PAUSES", (0.0, 0.0))
        monkeypatch.setattr(os, "fsync", lambda _: None)  # dozens of small files would wait for the disk
        yield server


@pytest.fixture
def mirror(tmp_path: Path) -> Path:
    return tmp_path / "mirror"


Command = Callable[..., tuple[int, str, str]]


@pytest.fixture
def command(mirror: Path, capsys: pytest.CaptureFixture[str]) -> Command:
    """Run the command on the mirror in this process: its status, what it printed, and its sentence."""

    def run(*arguments: str, folder: Path = mirror) -> tuple[int, str, str]:
        capsys.readouterr()
        status = main([str(folder), *arguments])
        out, err = capsys.readouterr()
        assert "Traceback" not in err
        assert not err or err.endswith(".\n"), err
        return status, out, err

    return run


def held(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if not path.is_dir()}


def expected(*tasks: str) -> set[str]:
    """Paths in a mirror that is filled for some tasks."""
    names = {f"{card.id}/{name}" for card in (TEACHER, STUDENT) for name in MODEL_FILES}
    names |= {f"{GLUE[0]}/stsb/validation-00000-of-00001.parquet", "mirror.json"}
    for task in map(TASKS.__getitem__, tasks):
        for split in task.splits:
            parts = 2 if (task.name, split.name) == ("squad", "train") else 1
            place = f"{task.dataset}/{task.config}/{split.name}"
            names |= {f"{place}-{part:05d}-of-{parts:05d}.parquet" for part in range(parts)}
    return names


def repositories(mirror: Path) -> dict[str, MirroredRepository]:
    manifest = read_manifest(mirror)
    assert manifest is not None
    return manifest.repositories


def asked_for(server: Hub) -> set[str]:
    """Files whose content went out, by their paths in a mirror."""
    got = {path for method, path, _ in server.requests if method == "GET" and "/resolve/" in path}
    parts = [path.removeprefix("/").removeprefix("datasets/").split("/") for path in got]
    return {"/".join((*part[:2], *part[4:])) for part in parts}


def ranges(server: Hub, name: str) -> list[str | None]:
    return [sent for method, path, sent in server.requests if method == "GET" and path.endswith(name)]


def same(mirror: Path, content: Path, names: set[str]) -> bool:
    return all((mirror / name).read_bytes() == (content / name).read_bytes() for name in names - {"mirror.json"})


def test_exactly_what_the_tasks_need_is_fetched_and_nothing_else(
    served: Hub, mirror: Path, content: Path, command: Command
) -> None:
    status, out, err = command("--tasks", "cola,squad")
    assert (status, err) == (0, "")
    names = expected("cola", "squad")
    assert held(mirror) == names
    assert not any(path.is_symlink() for path in mirror.rglob("*"))
    assert asked_for(served) == names - {"mirror.json"}
    assert same(mirror, content, names)
    assert f"[1/14] {TEACHER.id} config.json 3" in out
    assert f"[14/14] {SQUAD[0]} plain_text/validation-00000-of-00001.parquet 1." in out
    assert "STS-B" in out, "it is fetched too, for times"
    assert out.endswith(f"  pytest claims/ --runslow --mirror {mirror} --tasks cola,squad\n")


def test_all_tasks_are_the_default_and_what_is_there_is_not_fetched_again(
    served: Hub, mirror: Path, command: Command
) -> None:
    assert command("--tasks", "wnli")[0] == 0
    served.requests.clear()
    status, out, _ = command()
    assert status == 0
    assert asked_for(served) == expected(*TASKS) - expected("wnli")
    assert "STS-B" not in out
    served.requests.clear()
    before = {path: path.stat().st_mtime_ns for path in mirror.rglob("*.parquet")}
    status, out, _ = command()
    assert (status, asked_for(served)) == (0, set())
    assert "32 files, 0.8 MB" in out
    assert held(mirror) == expected(*TASKS)
    assert {path: path.stat().st_mtime_ns for path in before} == before


def test_a_filled_folder_stands_in_for_the_hub(
    served: Hub, mirror: Path, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert command("--tasks", "cola,squad")[0] == 0
    served.requests.clear()
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    forget()
    request = Request(load_baselines(ROOT / "baselines"), {}, mirror, "paper", ("cola", "squad"))
    for role in ("teacher", "student"):
        for task in request.tasks:
            job = request.jobs(TASKS[task], role, "cpu")[0]
            verify(mirror, [path for _, path in job.model.paths], job.model.revision)
            verify(mirror, [path for _, path in job.data.paths], job.data.revision)
            assert all(path.is_relative_to(mirror) for _, path in (*job.model.paths, *job.data.paths))
    assert len(request.data(TASKS["squad"]).paths) == 3
    assert served.requests == []


def test_a_dry_run_lists_and_writes_nothing(served: Hub, mirror: Path, command: Command) -> None:
    status, out, _ = command("--dry-run", "--tasks", "rte")
    assert status == 0
    assert not mirror.exists()
    assert asked_for(served) == set()
    heading, row = out.splitlines()[:2]
    assert str(mirror) in heading
    assert re.search(rf"{TEACHER.id} +{TEACHER.revision[:12]} +4 files +0\.4 MB +0\.4 MB\b", row), row
    assert f"{GLUE[0]} rte/train-00000-of-00001.parquet 1.6 kB\n" in out


def test_the_list_says_revisions_sizes_and_digests(served: Hub, mirror: Path, command: Command, content: Path) -> None:
    assert command("--tasks", "cola")[0] == 0
    found = repositories(mirror)
    assert {name: entry.revision for name, entry in found.items()} == {
        TEACHER.id: TEACHER.revision,
        STUDENT.id: STUDENT.revision,
        GLUE[0]: GLUE[1],
    }
    listed = {f"{name}/{file}" for name, entry in found.items() for file in entry.files}
    assert listed == expected("cola") - {"mirror.json"}
    weights = found[TEACHER.id].files["model.safetensors"]
    assert (weights.size, len(weights.sha256)) == (WEIGHTS, 64)
    status, out, _ = command("--check")
    assert (status, out.count("\n")) == (0, 1)
    assert all(word in out for word in (str(mirror), "11 files", "3 repositories", "0.8 MB")), out


def test_a_recipe_leaves_out_what_it_cannot_train(served: Hub, mirror: Path, command: Command) -> None:
    status, out, _ = command("--recipe", "prior-study", "--tasks", "cola,squad")
    assert status == 0
    [said] = [line for line in out.splitlines() if "SQuAD v1.1" in line]
    assert all(word in said for word in ("'prior-study'", " cased ")), said
    assert held(mirror) == expected("cola")
    status, _, _ = command("--recipe", "prior-study", "--tasks", "squad", folder=mirror.with_name("other"))
    assert {name for name in held(mirror.with_name("other")) if name.endswith(".safetensors")} == set()


def test_a_model_of_the_users_own_comes_at_the_commit_that_its_name_stands_for(
    served: Hub, mirror: Path, command: Command, content: Path
) -> None:
    assert command("--tasks", "cola", "--student", OWN)[0] == 0
    repository = repositories(mirror)[OWN]
    assert (repository.revision, repository.asked) == (COMMITS["v2"], None)
    assert (mirror / OWN / "model.safetensors").read_bytes() == (content / "v2" / "model.safetensors").read_bytes()
    assert not (mirror / STUDENT.id).exists()
    # What is newest has changed; the folder goes on with what it has, and says which.
    served.add(OWN, content / "v1", revision=COMMITS["v1"])
    (mirror / OWN / "vocab.txt").unlink()
    assert f"  {OWN}                      {COMMITS['v2'][:12]}" in command("--tasks", "cola", "--student", OWN)[1]
    status, _, err = command("--tasks", "cola", "--student", f"{OWN}@{COMMITS['v1']}")
    assert (status, err.count("\n")) == (1, 1)
    assert all(word in err for word in ("1" * 12, "2" * 12, str(mirror / OWN))), err
    shutil.rmtree(mirror / OWN)
    assert command("--tasks", "cola", "--student", f"{OWN}@{COMMITS['v1']}")[0] == 0
    assert command("--check")[0] == 0


def test_a_branch_is_remembered_by_its_name(served: Hub, mirror: Path, command: Command) -> None:
    status, out, _ = command("--tasks", "cola", "--teacher", f"{OWN}@main")
    assert status == 0
    assert out.endswith(f"--tasks cola --teacher {OWN}@main\n")
    paths = [mirror / OWN / "config.json"]
    for revision in ("main", None, COMMITS["v2"], COMMITS["v2"][:8]):
        verify(mirror, paths, revision)
    with pytest.raises(Mistake) as mistake:
        verify(mirror, paths, COMMITS["v1"])
    said = str(mistake.value)
    words = (str(mirror), OWN, "2" * 12, COMMITS["v1"], "python -m measure.mirror")
    assert all(word in said for word in words), said


def test_a_folder_of_the_users_own_is_not_fetched(served: Hub, mirror: Path, command: Command, content: Path) -> None:
    mine = content / "v1"
    status, out, _ = command("--tasks", "cola", "--student", str(mine))
    assert status == 0
    [said] = [line for line in out.splitlines() if str(mine) in line and "--student" not in line]
    assert "copy" in said
    assert {path.name for path in mirror.iterdir()} == {"google-bert", "nyu-mll", "mirror.json"}


def test_weights_in_parts_come_whole(served: Hub, mirror: Path, command: Command, tmp_path: Path) -> None:
    parts = model_in(tmp_path / "parts", {"model_type": "bert"}, 3)
    (parts / "model.safetensors").rename(parts / "model-1.safetensors")
    (parts / "model-2.safetensors").write_bytes(b"second")
    (parts / "other.safetensors").write_bytes(b"not named by the index")
    index = parts / "model.safetensors.index.json"
    index.write_text(json.dumps({"weight_map": {"a": "model-1.safetensors", "b": "model-2.safetensors"}}))
    served.add("lab/parts", parts)
    assert command("--tasks", "cola", "--student", "lab/parts")[0] == 0
    names = ["config.json", "model-1.safetensors", "model-2.safetensors", index.name, "tokenizer_config.json"]
    assert sorted(path.name for path in (mirror / "lab" / "parts").iterdir()) == [*names, "vocab.txt"]
    served.requests.clear()
    assert command("--tasks", "cola", "--student", "lab/parts")[0] == 0
    assert asked_for(served) == set()
    index.write_text(json.dumps({"weight_map": {"a": "../model-1.safetensors"}}))
    status, _, err = command("--tasks", "cola", "--student", "lab/parts", folder=mirror.with_name("other"))
    assert (status, err.count("\n")) == (1, 1)
    assert all(word in err for word in ("lab/parts", index.name)), err


@pytest.mark.parametrize("name", ["../../escaped.safetensors", "deep/er.safetensors", "/tmp/escaped.safetensors"])
def test_weights_that_an_index_names_elsewhere_are_refused(name: str) -> None:
    index = json.dumps({"weight_map": {"a": name}}).encode()
    files = {path: Remote(path, 1, None, "") for path in ("config.json", "model.safetensors.index.json", name)}
    listing = Listing(Wanted("owner/odd", "model", None), "a" * 40, ())
    with pytest.raises(Mistake, match=r"owner/odd.* model\.safetensors\.index\.json"):
        _weights(listing, files, lambda *_: index)


def test_the_star_of_a_split_never_crosses_into_another_folder() -> None:
    names = ["cola/train-0.parquet", "cola/train-/../../../../escaped.parquet", "other/cola/train-0.parquet"]
    assert matching("cola/train-*.parquet", names) == names[:1]


def test_a_cut_connection_goes_on_at_the_byte_where_it_was_cut(
    served: Hub, mirror: Path, content: Path, command: Command
) -> None:
    served.faults += [Fault("model.safetensors", "cut", 123_456, times=2)]
    assert command("--tasks", "cola")[0] == 0
    assert same(mirror, content, expected("cola"))
    first, *more = ranges(served, f"{TEACHER.revision}/model.safetensors")
    assert (first, len(more)) == (None, 2)
    # What the client had of its last chunk is asked for again.
    assert served.sent["model.safetensors"] < 2 * WEIGHTS + 2 * CHUNK
    assert held(mirror) == expected("cola")


def test_a_connection_that_stays_cut_is_said_and_the_next_run_goes_on(
    served: Hub, mirror: Path, content: Path, command: Command
) -> None:
    served.faults = [Fault("model.safetensors", "cut", 150_000), Fault("model.safetensors", "cut", 0, times=99)]
    status, _, err = command("--tasks", "cola")
    assert (status, err.count("\n")) == (1, 1)
    assert all(word in err for word in (TEACHER.id, "model.safetensors", "0.1 of 0.4 MB", "same command")), err
    kept = {f"{TEACHER.id}/{name}" for name in MODEL_FILES[:3]}
    assert {name for name in held(mirror) if not name.endswith(".part")} == {*kept, "mirror.json"}
    status, out, err = command("--check")
    assert (status, err.count("\n")) == (1, 1)
    assert all(word in err for word in ("8 of 11 files", "mirror.json", "copy", "command")), err
    [said] = [line for line in out.splitlines() if str(mirror / TEACHER.id / "model.safetensors") in line]
    assert "fetched" in said
    served.faults.clear()
    served.sent.clear()
    served.requests.clear()
    assert command("--tasks", "cola")[0] == 0
    assert same(mirror, content, expected("cola"))
    assert ranges(served, f"{TEACHER.revision}/model.safetensors") == ["bytes=150000-"]
    assert not {f"{TEACHER.id}/config.json"} & asked_for(served)
    assert held(mirror) == expected("cola")


# A fill of its own process, in small steps.
FILL = """
import signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)  # which is ignored where the tests run in the background
from huggingface_hub import constants
constants.DOWNLOAD_CHUNK_SIZE = 10_000
from measure.mirror import main
sys.exit(main(sys.argv[1:]))
"""


def start(server: Hub, mirror: Path, home: Path, **more: Any) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-c", FILL, str(mirror), "--tasks", "cola"],
        cwd=ROOT,
        env={**os.environ, **server.environment(home), **more},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def wait_for(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)


def grown(mirror: Path) -> bool:
    """Whether the teacher's weights have begun to arrive."""
    return any(part.stat().st_size >= 100_000 for part in (mirror / TEACHER.id).glob(".model*.part"))


def test_a_killed_process_is_gone_on_from(
    served: Hub, mirror: Path, content: Path, command: Command, tmp_path: Path
) -> None:
    served.faults += [Fault("model.safetensors", "stall", 200_000)]
    process = start(served, mirror, tmp_path)
    wait_for(lambda: grown(mirror))
    process.kill()
    process.communicate()
    part = next((mirror / TEACHER.id).glob(".model*.part")).stat().st_size
    served.requests.clear()
    assert command("--tasks", "cola")[0] == 0
    assert ranges(served, f"{TEACHER.revision}/model.safetensors") == [f"bytes={part}-"]
    assert asked_for(served) == expected("cola") - {f"{TEACHER.id}/{name}" for name in MODEL_FILES[:3]} - {
        "mirror.json"
    }
    assert held(mirror) == expected("cola")
    assert same(mirror, content, expected("cola"))


def test_ctrl_c_says_how_to_go_on(served: Hub, mirror: Path, tmp_path: Path) -> None:
    served.faults += [Fault("model.safetensors", "stall", 200_000)]
    process = start(served, mirror, tmp_path)
    wait_for(lambda: grown(mirror))
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=30)
    assert (process.returncode, err[0], err.count("\n")) == (130, "\n", 2)
    assert "same command" in err
    assert not (mirror / ".mirror.lock").exists()


def test_two_processes_that_fill_a_folder_at_once_fetch_everything_once(
    served: Hub, mirror: Path, content: Path, command: Command, tmp_path: Path
) -> None:
    served.faults += [Fault("model.safetensors", "stall", 200_000, seconds=1)]
    process = start(served, mirror, tmp_path)
    wait_for(lambda: grown(mirror))
    status, out, err = command("--tasks", "cola,rte")
    assert (status, err) == (0, "")
    assert any("another process" in line and str(mirror) in line for line in out.splitlines()), out
    assert process.communicate(timeout=30)[1] == ""
    assert process.returncode == 0
    assert held(mirror) == expected("cola", "rte")
    assert same(mirror, content, expected("cola", "rte"))
    assert served.sent["model.safetensors"] < 2 * WEIGHTS + CHUNK
    assert command("--check")[0] == 0


def test_a_damaged_file_is_found_and_fetched_again(served: Hub, mirror: Path, content: Path, command: Command) -> None:
    assert command("--tasks", "cola")[0] == 0
    weights, words = mirror / TEACHER.id / "model.safetensors", mirror / STUDENT.id / "vocab.txt"
    weights.write_bytes(bytes(WEIGHTS))
    words.write_text("short")
    (mirror / GLUE[0] / "cola" / "train-00000-of-00001.parquet").unlink()
    verify(mirror, [weights], TEACHER.revision)  # sizes alone, which cost nothing
    with pytest.raises(Mistake) as mistake:
        verify(mirror, [words], STUDENT.revision)
    said = str(mistake.value)
    assert all(word in said for word in (str(words), "mirror.json", f"python -m measure.mirror {mirror} --check")), said
    assert re.search(r"\b5 bytes\b.*\b33\b", said), said
    status, out, err = command("--check")
    found = (
        (weights, "SHA-256"),
        (words, "5 bytes", " 33"),
        (mirror / GLUE[0] / "cola" / "train-00000-of-00001.parquet", "missing"),
    )
    for line, damage in zip(out.splitlines(), found, strict=True):
        assert all(str(word) in line for word in damage), line
    assert status == 1
    assert all(word in err for word in ("3 of 11 files", "mirror.json")), err
    served.requests.clear()
    assert command("--tasks", "cola")[0] == 0
    assert len(asked_for(served)) == 3
    assert same(mirror, content, expected("cola"))
    assert command("--check")[0] == 0


def test_content_that_the_hub_does_not_list_gets_no_name(
    served: Hub, mirror: Path, content: Path, command: Command
) -> None:
    for card, name in ((TEACHER, "model.safetensors"), (STUDENT, "vocab.txt")):
        served.faults = [Fault(name, "blank")]
        status, _, err = command("--tasks", "cola")
        assert (status, err.count("\n")) == (1, 1)
        assert all(word in err for word in (card.id, name, "same command", "proxy")), err
        assert not list((mirror / card.id).glob(f"*{name}*"))
    assert command("--tasks", "cola")[0] == 0
    assert same(mirror, content, expected("cola"))


def test_the_beginning_of_a_file_that_was_damaged_is_thrown_away(
    served: Hub, mirror: Path, content: Path, command: Command
) -> None:
    served.faults = [Fault("model.safetensors", "cut", 150_000), Fault("model.safetensors", "cut", 0, times=99)]
    assert command("--tasks", "cola")[0] == 1
    part = next((mirror / TEACHER.id).glob(".model*.part"))
    for damaged in (bytes(150_000), bytes(WEIGHTS + 1)):
        part.write_bytes(damaged)
        served.faults.clear()
        assert command("--tasks", "cola")[0] == 0
        assert same(mirror, content, expected("cola"))
        assert held(mirror) == expected("cola")
        (mirror / TEACHER.id / "model.safetensors").unlink()


def test_what_the_hub_refuses_is_one_sentence_for_each_repository(
    served: Hub, mirror: Path, command: Command, content: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    served.add("lab/gated", content / "v1", gated=True, token="right")
    served.add("lab/pickled", pickled := model_in(tmp_path / "pickled", {"model_type": "bert"}, 4, *OTHERS))
    (pickled / "model.safetensors").unlink()
    served.add("lab/code", model_in(tmp_path / "code", {"model_type": "own", "auto_map": {"AutoModel": "m.M"}}, 5))
    served.add("lab/mute", mute := model_in(tmp_path / "mute", {"model_type": "bert"}, 6))
    (mute / "vocab.txt").unlink()
    served.add("lab/empty", empty := tmp_path / "empty")
    empty.mkdir()
    (empty / "README.md").write_text("nothing yet")
    said = {
        "lab/gated": ("gated", f"{served.url}/lab/gated", "HF_TOKEN"),
        "lab/none": (served.url, "spelling", "HF_TOKEN"),
        f"{OWN}@v7": (" v7 ", served.url, "HF_ENDPOINT"),
        "lab/pickled": ("model.safetensors", "pickled weights", "safe_serialization=True"),
        "lab/code": ("auto_map", "config.json", "transformers"),
        "lab/mute": ("tokenizer.json", "vocab.txt", "vocab.json", "spiece.model", "sentencepiece.bpe.model"),
        "lab/empty": ("no config.json", "transformers"),
    }
    for model, words in said.items():
        status, out, err = command("--student", model)
        assert (status, out, err.count("\n")) == (1, "", 1)
        assert all(word in err for word in (model.split("@")[0], *words)), err
    status, _, err = command("--student", "lab/none", "--teacher", "lab/pickled")
    assert (status, err.count("\n")) == (1, 2)
    assert not mirror.exists()
    monkeypatch.setenv("HF_TOKEN", "wrong")
    for model, words in (("lab/gated", ("gated", f"{served.url}/lab/gated")), ("lab/none", (served.url, "spelling"))):
        err = command("--student", model)[2]
        assert all(word in err for word in (model, *words, "token")), err
        assert "HF_TOKEN" not in err, "it is set"
    monkeypatch.setenv("HF_TOKEN", "right")
    assert command("--student", "lab/gated", "--tasks", "cola")[0] == 0


def test_a_hub_that_lacks_a_pinned_split_is_said_before_anything_is_fetched(
    served: Hub, mirror: Path, command: Command, tmp_path: Path, content: Path
) -> None:
    lacking = shutil.copytree(content / SQUAD[0], tmp_path / "squad")
    (lacking / "plain_text" / "train-00001-of-00002.parquet").unlink()
    served.add(SQUAD[0], lacking, "dataset", SQUAD[1])
    status, out, err = command()
    assert (status, out, err.count("\n")) == (1, "", 1)
    words = (SQUAD[0], "plain_text/train-*.parquet", SQUAD[1][:12], "HF_ENDPOINT")
    assert all(word in err for word in words), err
    assert not mirror.exists()


def test_no_hub_is_known_at_once(served: Hub, mirror: Path, command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    assert command("--tasks", "cola")[0] == 0
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    status, out, err = command("--tasks", "cola")
    assert (status, out, err.count("\n")) == (1, "", 1)
    assert all(word in err for word in ("HF_HUB_OFFLINE", "unset", f"python -m measure.mirror {mirror} --check")), err
    assert command("--check")[0] == 0
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")
    forget()
    begun = time.monotonic()
    status, _, err = command("--tasks", "cola")
    assert time.monotonic() - begun < 2
    assert (status, err.count("\n")) == (1, 1)
    words = ("http://127.0.0.1:9", "Connection refused", "HF_ENDPOINT", "HTTPS_PROXY")
    assert all(word in err for word in words), err
    monkeypatch.setattr(filling, "hub_trouble", lambda: "")  # as if it went away just after it was probed
    status, out, err = command("--tasks", "cola", folder=mirror.with_name("other"))
    assert (status, out, err.count("\n")) == (1, "", 1)
    words = (TEACHER.id, "http://127.0.0.1:9", "Connection refused", "same command")
    assert all(word in err for word in words), err


def test_a_hub_that_ends_in_mid_run_is_said(
    served: Hub, mirror: Path, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    served.faults = [Fault("model.safetensors", "cut", 150_000)]
    real, served.status = served.take, None

    def broken(path: str) -> Fault | None:
        served.status = 500 if path.endswith("model.safetensors") else None
        return real(path)

    monkeypatch.setattr(served, "take", broken)
    status, _, err = command("--tasks", "cola")
    assert (status, err.count("\n")) == (1, 1)
    assert all(word in err for word in (served.url, TEACHER.id, "same command")), err
    assert re.search(r"\b500\b", err), err
    assert next((mirror / TEACHER.id).glob(".model*.part")).stat().st_size == 150_000


def test_files_that_come_from_another_address_are_followed(
    served: Hub, mirror: Path, content: Path, command: Command
) -> None:
    for served.redirect in ("relative", "absolute"):
        served.faults = [Fault("model.safetensors", "cut", 123_456)]
        assert command("--tasks", "cola")[0] == 0
        assert same(mirror, content, expected("cola"))
        shutil.rmtree(mirror)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--tasks", "cola,colla"], ("--tasks", "'colla'", "cola,mnli")),
        (["--recipe", "mine"], ("--recipe mine", "baselines/recipes.json", "paper", "prior-study")),
        (["--student", "no/such/model"], ("no/such/model", "hub id")),
        (["--student", f"{OWN}@"], (f"{OWN}@", "hub id")),
        (["--teacher", f"{OWN}@v1", "--student", f"{OWN}@v2"], (OWN, "two revisions")),
        (["--check"], ("{mirror}", "mirror.json", "python -m measure.mirror")),
        (["--check", "--tasks", "cola"], ("{mirror}", "--check", "--tasks")),
        (["--check", "--dry-run"], ("{mirror}", "--check", "--dry-run")),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_what_is_wrong_with_the_command_is_said_before_the_hub_is_asked(
    arguments: list[str], words: tuple[str, ...], served: Hub, mirror: Path, command: Command
) -> None:
    status, out, err = command(*arguments)
    assert (status, out) == (2, "")
    assert all(word.replace("{mirror}", str(mirror)) in err for word in words), err
    assert err.count("\n") == 1
    assert served.requests == []
    assert not mirror.exists()


def test_only_a_mirror_is_filled(served: Hub, mirror: Path, command: Command, content: Path) -> None:
    mirror.write_text("a file")
    status, out, err = command()
    assert (status, out, err.count("\n")) == (2, "", 1)
    assert all(word in err for word in (str(mirror), " file")), err
    mirror.unlink()
    mirror.mkdir()
    (mirror / "thesis.tex").write_text("")
    status, out, err = command()
    assert (status, out, err.count("\n")) == (2, "", 1)
    assert all(word in err for word in (str(mirror), "thesis.tex")), err
    assert served.requests == []
    (mirror / "thesis.tex").rename(mirror / ".hidden")
    assert command("--tasks", "cola", "--dry-run")[0] == 0


def test_a_mirror_that_was_laid_out_by_hand_is_filled_up_and_never_overwritten(
    served: Hub, mirror: Path, command: Command, content: Path
) -> None:
    shutil.copytree(content / TEACHER.id, mirror / TEACHER.id)
    words = mirror / TEACHER.id / "vocab.txt"
    verify(mirror, [words, mirror / "nowhere"], "any")  # without a list nothing can be said against it
    words.write_text("my own words")
    status, out, err = command("--tasks", "cola")
    assert (status, out, err.count("\n")) == (1, "", 1)
    assert all(word in err for word in (str(words), "another folder")), err
    assert words.read_text() == "my own words"
    words.unlink()
    served.requests.clear()
    assert command("--tasks", "cola")[0] == 0
    assert not {f"{TEACHER.id}/model.safetensors", f"{TEACHER.id}/config.json"} & asked_for(served)
    assert held(mirror) == expected("cola") | {f"{TEACHER.id}/{name}" for name in OTHERS}
    verify(mirror, [mirror / TEACHER.id / "README.md"], TEACHER.revision)  # not listed, so by hand


def test_a_list_that_cannot_be_read_is_said(served: Hub, mirror: Path, command: Command) -> None:
    mirror.mkdir()
    for text, wrong in (("{", "JSON"), ('{"schema": 9}', "schema 9"), ('{"schema": 1}', "'suite_version'")):
        (mirror / "mirror.json").write_text(text)
        for arguments in (["--check"], []):
            status, _, err = command(*arguments)
            assert (status, err.count("\n")) == (1, 1)
            assert all(word in err for word in (str(mirror / "mirror.json"), wrong)), err


def test_a_disk_without_room_is_known_beforehand(
    served: Hub, mirror: Path, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("measure.filling.SPARE", 10**18)
    status, _, err = command("--tasks", "cola")
    assert (status, asked_for(served)) == (1, set())
    assert all(word in err for word in (str(mirror), "0.8 MB", "50 MB", "room", "another disk")), err


# On a disk of half a megabyte, which is made read-only afterwards.
DISK = """
import subprocess, sys
from huggingface_hub import constants
from measure import filling
from measure.mirror import main
constants.DOWNLOAD_CHUNK_SIZE = 10_000
disk = sys.argv[1]
# Somebody else takes the room after it was looked at.
filling._check_room = lambda *_: None
arguments = [disk, "--tasks", "cola"]
print("full", main(arguments), flush=True)
subprocess.run(["mount", "-o", "remount,size=4m", disk], check=True)
print("more", main(arguments), flush=True)
print("check", main([disk, "--check"]), flush=True)
subprocess.run(["mount", "-o", "remount,ro", disk], check=True)
print("complete", main(arguments), flush=True)
print("read-only", main([disk, "--tasks", "rte"]), flush=True)
"""


def test_a_full_disk_and_a_read_only_one_are_said(served: Hub, tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    enter = ["unshare", "--map-root-user", "--mount"]
    mount = ["mount", "-t", "tmpfs", "-o", "size=512k", "none", str(disk)]
    if not shutil.which("unshare") or subprocess.run([*enter, *mount], capture_output=True, timeout=30).returncode:
        pytest.skip("needs to mount a file system of its own")
    inside = 'mount -t tmpfs -o size=512k none "$1" && shift && exec "$@"'
    done = subprocess.run(
        [*enter, "sh", "-c", inside, "sh", str(disk), sys.executable, "-c", DISK, str(disk)],
        cwd=ROOT,
        env={**os.environ, **served.environment(tmp_path)},
        capture_output=True,
        text=True,
        timeout=60,
    )
    outcomes = [line for line in done.stdout.splitlines() if line.split()[0] in DISK and line[-1].isdigit()]
    assert outcomes == ["full 1", "more 0", "check 0", "complete 1", "read-only 1"], done.stdout + done.stderr
    full, *read_only = done.stderr.splitlines()
    words = (str(disk / STUDENT.id), "No space left on device", "room", "same command")
    assert all(word in full for word in words), full
    assert len(read_only) == 2
    assert all(word in line for line in read_only for word in (str(disk), "Read-only file system")), read_only
    first, second = ranges(served, f"{STUDENT.revision}/model.safetensors")
    assert first is None
    assert second is not None


class Terminal:
    """Where lines go that are rewritten."""

    def __init__(self) -> None:
        self.text = ""

    def write(self, text: str) -> int:
        self.text += text
        return len(text)

    def flush(self) -> None:
        pass

    def isatty(self) -> bool:
        return True


def test_a_terminal_counts_percents_and_ci_does_not(served: Hub, mirror: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    line = f"{TEACHER.id} model.safetensors 0.4 MB"
    for ci in ("", "true"):
        monkeypatch.setenv("CI", ci)
        monkeypatch.setattr(sys, "stdout", terminal := Terminal())
        assert main([str(mirror), "--tasks", "cola"]) == 0
        assert f"[4/11] {line}" in terminal.text
        assert (f"\r[4/11] {line} 50 %" in terminal.text) == (not ci)
        assert ("\r" in terminal.text) == (not ci)
        shutil.rmtree(mirror)


def test_who_reads_a_few_lines_only_does_not_stop_it(served: Hub, mirror: Path, tmp_path: Path) -> None:
    process = start(served, mirror, tmp_path)
    assert process.stdout
    assert process.stderr
    process.stdout.readline()
    process.stdout.close()
    assert process.wait(timeout=30) == 0
    assert process.stderr.read() == ""
    assert held(mirror) == expected("cola")
