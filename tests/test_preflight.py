"""What is looked at before the first job: a mistake is found now, and not after an hour of a GPU."""

import json
import re
import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from judge.files import Mistake
from measure import preflight
from measure.hub import find_model, find_task
from measure.preflight import check_model, check_rows, device_line, hub_line, machine_line, size_of
from measure.tasks import TASKS
from tests.madedata import VOCABULARY, miniature, write_task
from tests.project import Project
from tests.test_full_run import MODELS, small

transformers = pytest.importorskip("transformers", reason="models are loaded")

# How the page begins, below its heading.
PAGE = re.compile(r"^ *device +cpu, fp32", re.MULTILINE)


@pytest.fixture(scope="module")
def mirror(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A mirror with miniatures under the paper's names, one task, and a pair of the user's own."""
    folder = tmp_path_factory.mktemp("mirror")
    for model, kind in zip(MODELS, ("bert", "distilbert"), strict=True):
        miniature(folder / model, kind)
    miniature(folder / "me" / "good")
    miniature(folder / "me" / "short", max_position_embeddings=16)
    write_task(folder, "wnli")
    return folder


def start(project: Project, mirror: Path, *more: str, code: int) -> str:
    options = ("--runslow", "--mirror", str(mirror), "--cache", str(project.path / "cache"), "--seeds", "1")
    done = project.run("claims/test_glue.py", "claims/test_speed.py", *options, "-k", "wnli or gpu", *more)
    said = done.stdout + done.stderr
    assert done.returncode == code, said
    assert "Traceback" not in said
    assert "INTERNALERROR" not in said
    return said


def test_the_page_comes_before_the_first_job_and_not_where_nothing_is_left_to_do(mirror: Path, tmp_path: Path) -> None:
    project = small(tmp_path / "project")
    said = start(project, mirror, "-k", "wnli or rte or gpu", code=pytest.ExitCode.OK)
    begun = PAGE.search(said)
    assert begun, said
    page = said[begun.start() : said.index("claims/test_glue.py", begun.start())]  # jobs are not shown in CI
    assert all(len(line) <= 100 for line in page.splitlines())
    page = " ".join(page.split())
    for row in (
        r"\d GiB of memory",
        r"disk .* free .* checkpoints",
        r"hub HF_HUB_OFFLINE",
        r"teacher google-bert/bert-base-uncased @ 86b5e0934494, 0\.4 MB",
        r"WNLI 635\+71",
        r"recipe paper, seeds 42",
        r"work 2 of 2 jobs",
        r"skipped glue\.rte\.bert, glue\.rte\.distilbert: .{,30}nyu-mll/glue.{,5}rte/train-\*\.parquet",
        r"skipped speed\.gpu_batch1, speed\.gpu_batch32, speed\.gpu_full_pass, speed\.depth_gpu_batch1, "
        r"speed\.depth_gpu_batch32: .{,30}GPU",
    ):
        assert re.search(row, page), row
    again = start(project, mirror, "--tasks", "wnli", code=pytest.ExitCode.OK)
    assert not PAGE.search(again)


def test_a_data_set_that_was_cut_short_stops_the_run_before_anything_is_trained(mirror: Path, tmp_path: Path) -> None:
    import pyarrow.parquet

    project, other = small(tmp_path / "project"), shutil.copytree(mirror, tmp_path / "mirror")
    path = next((other / "nyu-mll" / "glue" / "wnli").glob("validation-*"))
    pyarrow.parquet.write_table(pyarrow.parquet.read_table(path).slice(0, 40), path)
    said = start(project, other, code=pytest.ExitCode.USAGE_ERROR)
    assert re.search(r"wnli, validation.*\b40\b.*\b71\b.*download", said), said
    assert not list((tmp_path / "project").glob("cache/jobs/*"))


def test_a_model_of_ones_own_that_cannot_do_the_job_stops_it_too(mirror: Path, tmp_path: Path) -> None:
    project = small(tmp_path / "project")
    own = ("--rehearse", "--student", "me/short", "--teacher", "me/good", "-k", "retain")
    said = start(project, mirror, *own, code=pytest.ExitCode.USAGE_ERROR)
    assert re.search(r"me/short.*\b16\b.*\b64\b.*WNLI", said), said
    assert not list((tmp_path / "project").glob("cache/**/result.json"))


def test_rows_are_counted_from_the_files(mirror: Path, tmp_path: Path) -> None:
    task = TASKS["wnli"]
    files = find_task(task, mirror)
    assert check_rows(task, files) == "WNLI 635+71"
    assert size_of(files) == sum(path.stat().st_size for _, path in files.paths)
    other = shutil.copytree(mirror / "nyu-mll", tmp_path / "nyu-mll")
    broken = find_task(task, other.parent)
    broken.paths[0][1].write_bytes(b"no parquet")
    with pytest.raises(Mistake, match=rf"wnli, train.*{re.escape(str(broken.paths[0][1]))}.*download"):
        check_rows(task, broken)


def test_a_model_is_loaded_with_each_kind_of_head(mirror: Path, tmp_path: Path) -> None:
    model = find_model("me/good", None, mirror)
    check_model(model, [(TASKS["wnli"], 64), (TASKS["stsb"], 64), (TASKS["squad"], 128)])
    with pytest.raises(Mistake, match=r"\b512\b.*\b600\b.*IMDb"):
        check_model(model, [(TASKS["imdb"], 600), (TASKS["sst2"], 64), (TASKS["squad"], 64)])
    loaded = transformers.AutoModelForSequenceClassification.from_pretrained(model.folder, num_labels=2)
    loaded.save_pretrained(tmp_path / "two classes")
    for path in model.folder.glob("*token*"), model.folder.glob("vocab*"):
        for file in path:
            shutil.copy(file, tmp_path / "two classes")
    own_head = find_model(str(tmp_path / "two classes"), None, None)
    check_model(own_head, [(TASKS["wnli"], 64)])
    with pytest.raises(Mistake, match=r"\bhead\b.*\b3\b.*MNLI"):
        check_model(own_head, [(TASKS["wnli"], 64), (TASKS["mnli"], 64)])
    other = shutil.copytree(model.folder, tmp_path / "other")
    (other / "vocab.txt").write_text("\n".join([*VOCABULARY, "one", "more"]) + "\n")
    with pytest.raises(Mistake, match=rf"\b{len(VOCABULARY) + 2}\b.*\b{len(VOCABULARY)}\b"):
        check_model(find_model(str(other), None, None), [(TASKS["wnli"], 64)])
    about = json.loads((other / "config.json").read_text())
    (other / "config.json").write_text(json.dumps({**about, "hidden_size": 32}))
    with pytest.raises(Mistake, match=r"config\.json.*embeddings\."):
        check_model(find_model(str(other), None, None), [(TASKS["wnli"], 64)])


@pytest.mark.parametrize(
    ("trouble", "token", "said"),
    [
        ("HF_HUB_OFFLINE is set", None, r"HF_HUB_OFFLINE"),
        ("", "hf_secret", r"http://127\.0\.0\.1:9\b.*\bwith\b.*\btoken\b"),
        ("", None, r"http://127\.0\.0\.1:9\b.*\bwithout\b.*\btoken\b"),
    ],
    ids=["no hub", "with a token", "without a token"],
)
def test_the_hub_in_a_line_that_shows_neither_token_nor_password(
    trouble: str, token: str | None, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "ENDPOINT", "http://me:password@127.0.0.1:9")
    monkeypatch.setattr(preflight, "hub_trouble", lambda: trouble)
    monkeypatch.setattr("huggingface_hub.get_token", lambda: token)
    line = hub_line()
    assert re.search(said, line), line
    assert not re.search("secret|password", line)


def test_the_machine_and_the_device_in_a_line(monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    assert "processors" in machine_line()
    line = device_line("cpu", "fp32")
    assert all(word in line for word in ("cpu", "fp32", f"{torch.get_num_threads()} threads")), line
    made: Any = SimpleNamespace(
        mem_get_info=lambda: (70 * 2**30, 80 * 2**30),
        get_device_name=lambda _: "A GPU",
        device_count=lambda: 2,
    )
    monkeypatch.setattr(torch, "cuda", made)
    line = device_line("cuda", "bf16")
    assert all(word in line for word in ("A GPU", "70 of 80 GiB", "bf16", "1 more", "README")), line
