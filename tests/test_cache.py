"""`python -m measure.cache`: what it lists, what it would remove, and what it removes."""

import os
import re
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from measure.cache import main
from measure.store import Store
from tests.test_store import PREDICTIONS, ROOT, checkpoint_in, result_of

pytest.importorskip("filelock", reason="jobs are locked with filelock, which comes with torch")
OLD, NEW = "aaaaaaaaaa" + "0" * 22, "aaaaaaaaab" + "1" * 22
BIG = 3 * 1024 * 1024
TOTALS = r"\b2 jobs\b.*\b3\.0 MiB\b.*\bcheckpoints\b.*\b3\.0 MiB\b"


def ago(days: float) -> str:
    return (datetime.now(UTC) - timedelta(days=days)).isoformat()


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """Two finished jobs, one with a checkpoint of 3 MiB."""
    store = Store(tmp_path / "cache")
    job = {"task": "squad", "model": "distilbert-base-uncased", "seed": 13, "precision": "bf16"}
    job |= {"recipe.batch_size": 32, "recipe.epochs": 3}
    scores = {"squad.exact_match": 0.7912, "squad.f1": float("nan")}
    store.keep(result_of(OLD, created=ago(40), constant=True), PREDICTIONS, checkpoint_in(tmp_path / "trained", BIG))
    store.keep(result_of(NEW, created=ago(0.25), job=job, metrics=scores), PREDICTIONS, None)
    return store


@pytest.fixture
def run(store: Store, capsys: pytest.CaptureFixture[str]):
    def run(command: str, *arguments: str, code: int = 0) -> list[str]:
        assert main([command, "--cache", str(store.folder), *arguments]) == code
        said = capsys.readouterr()
        assert bool(said.err) == bool(code)
        return (said.err or said.out).splitlines()

    return run


def assert_sentence(lines: list[str]) -> str:
    assert len(lines) == 1
    assert re.fullmatch(r"[^\n]+[^.]\.", lines[0])
    assert not re.search(r"\. [A-Z]|Error|Traceback", lines[0])
    return lines[0]


def columns(header: str, row: str) -> dict[str, str]:
    """The cells of a row: those of numbers end where their heading ends, the others begin where it begins."""
    starts = {match.group(): match.span() for match in re.finditer(r"\S+", header)}
    cells = {}
    for name, (start, end) in starts.items():
        right = name in ("seed", "size", "age")
        text = row[:end].rsplit("  ", 1)[-1] if right else row[start:].split("  ", 1)[0]
        cells[name] = text.strip()
    return cells


def test_jobs_are_listed_in_columns(run, store: Store) -> None:
    header, first, second, empty, totals, folder = run("list")
    cells = columns(header, first)
    score, remark = cells.pop("score").split(" ", 1)
    assert score == "0.6640"
    assert "predictions" in remark
    assert cells == {
        "task": "rte",
        "model": "bert-base-uncased",
        "seed": "1",
        "precision": "fp32",
        "size": "3.0 MiB",
        "age": "40 d",
        "checkpoint": "yes",
        "key": "aaaaaaaaaa",
    }
    cells = columns(header, second)
    assert cells["score"] == "0.7912 / nan"
    assert re.fullmatch(r"9\d\d B|1\.\d KiB", cells["size"])
    assert [cells[name] for name in ("task", "seed", "age", "checkpoint", "key")] == [
        *("squad", "13", "6 h", "no", "aaaaaaaaab"),
    ]
    assert empty == ""
    assert re.search(TOTALS + r".*\b[\d.]+ [GT]iB free\b", totals)
    assert str(store.folder) in folder


def test_damage_is_listed_and_nothing_is_moved(run, store: Store) -> None:
    (store.jobs / NEW / "predictions.json.gz").write_bytes(b"")
    checkpoint_in(store.folder / "damaged" / f"{OLD}.1")
    checkpoint_in(store.work("b" * 32), 2048)
    (store.folder / "features" / "mrpc.arrow").write_bytes(bytes(4096))
    lines = run("list")
    assert columns(lines[0], lines[2])["score"] == "damaged"
    assert "aaaaaaaaab " in lines[4]
    assert "predictions.json.gz" in lines[4]
    assert all(part in lines[5] for part in ("damaged 1010 B", "work 2.0 KiB", "features 4.0 KiB"))
    assert (store.jobs / NEW / "predictions.json.gz").exists()


def test_checkpoints_are_removed_once_it_is_confirmed(run, store: Store) -> None:
    part, total = run("prune", "--checkpoints")
    assert f"checkpoint {OLD}" in part
    assert "3.0 MiB" in part
    assert "3.0 MiB" in total
    assert "--yes" in total
    assert store.checkpoint(OLD) is not None
    part, total = run("prune", "--checkpoints", "--yes")
    assert f"checkpoint {OLD}" in part
    assert "3.0 MiB" in total
    assert "--yes" not in total
    assert store.checkpoint(OLD) is None
    assert store.find(OLD) is not None
    assert store.remarks == []
    said = assert_sentence(run("prune", "--checkpoints", "--yes"))
    assert str(store.folder) in said
    assert "nothing" in said


def test_jobs_are_removed_by_the_beginning_of_their_keys(run, store: Store) -> None:
    assert f"job {NEW}" in run("prune", "aaaaaaaaab", "--yes")[0]
    assert store.stored_keys() == [OLD]
    # Now that it is the only one, fewer digits name it.
    assert f"job {OLD}" in run("prune", "a", "--yes")[0]
    assert store.stored_keys() == []
    assert list((store.folder / "temporary").iterdir()) == []
    assert_sentence(run("prune", "--damaged"))


def test_age_selects_jobs_or_what_else_is_named(run, store: Store) -> None:
    part, _ = run("prune", "--older-than", "30")
    assert f"job {OLD}" in part
    assert len(run("prune", "--older-than", "0.2")) == 3
    assert f"checkpoint {OLD}" in run("prune", "--older-than", "30", "--checkpoints")[0]
    assert_sentence(run("prune", "--older-than", "41"))
    assert_sentence(run("prune", "--older-than", "30", "aaaaaaaaab"))
    # A whole folder's time is today's, however old its copy is.
    os.utime(store.jobs / NEW, (0, 0))
    assert len(run("prune", "--older-than", "30")) == 2


def test_what_was_set_aside_and_what_is_tokenised_go_when_they_are_named(run, store: Store) -> None:
    (store.jobs / NEW / "result.json").write_text("{")
    assert store.find(NEW) is None
    checkpoint_in(store.folder / "features" / "mrpc")
    first, second, _ = run("prune", "--damaged", "--features", "--yes")
    assert f"damaged {NEW}.1" in first
    assert "features" in second
    assert list((store.folder / "damaged").iterdir()) == []
    assert not (store.folder / "features" / "mrpc").exists()
    assert store.find(OLD) is not None


def test_the_work_of_a_running_job_is_left(run, store: Store) -> None:
    for key in ("running", "killed"):
        checkpoint_in(store.work(key))
    checkpoint_in(store.folder / "temporary" / "running.0123")
    with store.lock("running"):
        removed, *left, total = run("prune", "--work", "--yes")
        assert "work killed" in removed
        for line, part in zip(left, ("work running", "work running.0123"), strict=True):
            assert part in line
            assert "running" in line.replace(part, "")
        assert "1010 B" in total
        assert (store.folder / "work" / "running" / "model.safetensors").exists()
        assert (store.folder / "temporary" / "running.0123" / "model.safetensors").exists()
    assert len(run("prune", "--work", "--yes")) == 3
    assert list((store.folder / "work").iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((), ("--checkpoints", "--older-than")),
        (("--yes",), ("--checkpoints", "--older-than")),
        (("feed",), ("'feed'", "measure.cache list")),
        (("aaaa",), ("2 ", "'aaaa'", "digits")),
        (("aaaaaaaaab", "feed", "--yes"), ("'feed'", "measure.cache list")),
    ],
)
def test_a_selection_that_is_none_is_said_and_removes_nothing(run, store: Store, arguments, words) -> None:
    said = assert_sentence(run("prune", *arguments, code=2))
    assert all(word in said for word in words)
    assert len(store.stored_keys()) == 2


@pytest.mark.parametrize("days", ["-1", "soon", "nan", "inf", "1e9"])
def test_an_age_that_is_none_is_said(run, days: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(["prune", f"--older-than={days}"])
    said = capsys.readouterr().err
    assert f"'{days}'" in said
    assert " days" in said


@pytest.mark.parametrize("arguments", [("list",), ("prune", "--checkpoints", "--yes")])
@pytest.mark.parametrize("kind", ["absent", "empty"])
def test_an_empty_or_absent_cache_is_one_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], kind: str, arguments: tuple[str, ...]
) -> None:
    folder = tmp_path / "none"
    if kind == "empty":
        folder.mkdir()
    assert main([*arguments, "--cache", str(folder)]) == 0
    assert str(folder) in assert_sentence(capsys.readouterr().out.splitlines())
    assert folder.exists() == (kind == "empty")
    assert not folder.exists() or list(folder.iterdir()) == []


@pytest.mark.parametrize("command", [("list",), ("prune", "--features", "--yes")])
def test_a_folder_that_is_no_cache_is_left_alone(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], command: tuple[str, ...]
) -> None:
    (tmp_path / "features").mkdir()
    (tmp_path / "features" / "mine.py").write_text("mine")
    (tmp_path / "README.md").write_text("mine")
    assert main([*command, "--cache", str(tmp_path)]) == 2
    said = assert_sentence(capsys.readouterr().err.splitlines())
    assert str(tmp_path) in said
    assert "files" in said
    assert main([*command, "--cache", str(tmp_path / "README.md")]) == 2
    assert "Not a directory" in assert_sentence(capsys.readouterr().err.splitlines())
    assert (tmp_path / "features" / "mine.py").read_text() == "mine"


def test_names_that_are_no_keys_are_neither_listed_nor_removed(run, store: Store) -> None:
    for name in ("jobs/not a key", "work/not a key", "temporary/.x", "damaged/.x"):
        (store.folder / name).mkdir()
    assert re.search(TOTALS, run("list")[4])
    assert_sentence(run("prune", "--work", "--damaged", "--yes"))
    store.check()


def command(*arguments: str, cache: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "measure.cache", *arguments],
        cwd=ROOT,
        env={**os.environ, "XDG_CACHE_HOME": str(cache), "COLUMNS": "100"},
        capture_output=True,
        text=True,
        timeout=60,
    )


def test_the_command_explains_itself(tmp_path: Path) -> None:
    done = command("prune", "--help", cache=tmp_path)
    assert done.returncode == 0
    for words in ("--older-than DAYS", "--yes", "--checkpoints", "KEY"):
        assert words in done.stdout
    assert "python -m measure.cache prune --checkpoints --yes" in command("--help", cache=tmp_path).stdout


def test_the_default_is_the_users_cache(store: Store, tmp_path: Path) -> None:
    said = command("list", cache=tmp_path).stdout
    assert str(tmp_path / "distilbert-claims") in assert_sentence(said.splitlines())
    assert "exist" in said
    store.folder.rename(tmp_path / "distilbert-claims")
    assert re.search(TOTALS, command("list", cache=tmp_path).stdout)
    done = command("prune", cache=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert "--checkpoints" in done.stderr
    assert "--older-than" in done.stderr
