"""Claims of speed, timed for real on miniatures: the right verdict, and one sentence where there can be none."""

import json
import os
import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests import minis
from tests.project import ROOT, Project

pytest.importorskip("torch", reason="timing needs torch and transformers")
pytest.importorskip("pytest_benchmark", reason="timing needs pytest-benchmark")
MIRROR = ROOT.parent / "shared" / "hub-mirror"
CPU = "claims/test_speed.py::test_60_percent_faster_on_a_cpu"
DEPTH = "claims/test_speed.py::test_fewer_layers_beat_narrower_ones_on_a_cpu"
FULL_PASS = "claims/test_speed.py::test_60_percent_faster_over_a_full_pass"


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path)


def pair(project: Project, teacher: dict[str, Any], student: dict[str, Any]) -> list[str]:
    """Options for a pair of miniatures."""
    folders = [minis.save(project.path / name, **made) for name, made in (("large", teacher), ("small", student))]
    return ["--teacher", folders[0], "--student", folders[1], "--latency-budget", "1", "--results", "results"]


def twelve_and_six(project: Project) -> list[str]:
    """Twelve layers against three: far enough above 1.6 to be told in a second."""
    return pair(project, {"layers": 12, "width": 256}, {"layers": 3, "width": 256})


@pytest.fixture(scope="module")
def timed(tmp_path_factory: pytest.TempPathFactory) -> SimpleNamespace:
    """A copy in which the same pair was timed twice and recorded, and judged from the record once and twice."""
    project = Project(tmp_path_factory.mktemp("timed"))
    options = [CPU, *twelve_and_six(project)]
    saved = ["--benchmark-json", "b.json", "--benchmark-save", "one"]
    first = project.run(*options, "--record", "times.json", "--results", "live", *saved)
    project.run(*options, "--evidence", "times.json", "--results", "judged")
    second = project.run(*options, "--record", "times.json", "--benchmark-compare", "0001")
    project.run(*options, "--evidence", "times.json", "--results", "twice")
    records = json.loads((project.path / "times.json").read_text())["measurements"]
    return SimpleNamespace(project=project, first=first, second=second, records=records)


@pytest.mark.times
def test_a_faster_student_is_told_from_pairs_that_reproduce_the_verdict(timed: SimpleNamespace) -> None:
    assert timed.first.returncode == pytest.ExitCode.OK, timed.first.stdout
    live, judged = (timed.project.verdicts(name)["speed.cpu"] for name in ("live", "judged"))
    assert live["verdict"] == "reproduced"
    assert live["interval"][0] > 1.595
    assert judged.pop("evidence") == ["times.json"]
    assert len(judged.pop("digests")) == 1
    assert judged == live
    [machine], [versions] = live["machines"], live["versions"]
    assert "cores" in machine
    assert versions.startswith("python 3.")


@pytest.mark.times
def test_the_record_says_how_times_were_taken(timed: SimpleNamespace) -> None:
    measurement = timed.records[0]
    assert len(measurement["pairs"]) % 2 == 0
    assert [first for first, _, _ in measurement["pairs"][:4]] == ["teacher", "student"] * 2
    assert {name: measurement["how"][name] for name in ("threads", "batch", "device", "order", "budget_s")} == {
        "threads": 1,
        "batch": 1,
        "device": "cpu",
        "order": "ABBA",
        "budget_s": 1.0,
    }
    assert measurement["how"]["weights"].startswith("random")


@pytest.mark.times
def test_real_weights_are_timed_and_the_record_says_so(project: Project) -> None:
    options = pair(project, {"layers": 6, "width": 128, "weights": 0.01}, {"layers": 1, "width": 128})
    project.run(CPU, *options, "--record", "times.json")
    [measurement] = json.loads((project.path / "times.json").read_text())["measurements"]
    assert measurement["how"]["weights"].split("; ")[0] == "real"
    assert measurement["how"]["weights"].split("; ")[1].startswith("random")


@pytest.mark.times
def test_a_second_launch_is_recorded_beside_the_first(timed: SimpleNamespace) -> None:
    assert [record.get("launch", 0) for record in timed.records] == [0, 1]
    notes = timed.project.verdicts("twice")["speed.cpu"]["notes"]
    assert any("2 launch" in note for note in notes)


@pytest.mark.times
def test_pytest_benchmark_shows_saves_and_compares_two_entries(timed: SimpleNamespace) -> None:
    entries = json.loads((timed.project.path / "b.json").read_text())["benchmarks"]
    names = [entry["name"] for entry in entries]
    assert names == ["test_60_percent_faster_on_a_cpu[teacher]", "test_60_percent_faster_on_a_cpu[student]"]
    assert len({len(entry["stats"]["data"]) for entry in entries}) == 1
    assert "benchmark: 2 tests" in timed.first.stdout
    assert "(0001_one)" in timed.second.stdout
    assert timed.second.returncode == pytest.ExitCode.OK


@pytest.mark.times
def test_a_slower_student_is_not_reproduced(project: Project) -> None:
    options = pair(project, {"layers": 3, "width": 256}, {"layers": 12, "width": 256})
    result = project.run(CPU, *options)
    assert result.returncode == pytest.ExitCode.TESTS_FAILED
    verdict = project.verdicts()["speed.cpu"]
    assert (verdict["verdict"], verdict["value"] < 1) == ("not reproduced", True)


def test_a_model_that_returns_nan_is_an_error(project: Project) -> None:
    options = pair(project, {"layers": 2}, {"layers": 1, "weights": float("nan")})
    result = project.run(CPU, *options)
    assert result.returncode == pytest.ExitCode.TESTS_FAILED
    assert "Traceback" not in result.stdout
    verdict = project.verdicts()["speed.cpu"]
    assert verdict["verdict"] == "error"
    assert all(word in verdict["reason"] for word in ("student", "numbers"))
    assert "machines" not in verdict  # nothing was measured


def test_a_model_that_does_not_fit_in_memory_is_not_run(project: Project) -> None:
    options = pair(project, {"layers": 1, "width": 65536, "intermediate_size": 2**22}, {"layers": 1})
    result = project.run(CPU, *options)
    assert result.returncode == pytest.ExitCode.OK
    verdict = project.verdicts()["speed.cpu"]
    assert verdict["verdict"] == "not run"
    assert all(word in verdict["reason"] for word in ("teacher", "GiB"))


@pytest.mark.times
@pytest.mark.parametrize(
    "teacher", [pytest.param([], id="papers"), pytest.param(["--teacher", "deep"], id="own", marks=pytest.mark.full)]
)
def test_the_student_is_timed_against_a_model_as_deep_as_bert_and_no_larger(
    teacher: list[str], project: Project
) -> None:
    def models(data: Any) -> None:
        data["teacher"]["config"].update({"hidden_size": 240, "intermediate_size": 960})
        data["student"]["config"].update({"dim": 240, "hidden_dim": 960, "n_layers": 2})

    project.change("baselines/models.json", models)
    minis.save(project.path / "deep", layers=24)
    options = ["--runslow", "--latency-budget", "1", *teacher]
    live = project.run(DEPTH, *options, "--record", "depth.json", "--results", "live")
    assert live.returncode == pytest.ExitCode.OK, live.stdout
    [measurement] = json.loads((project.path / "depth.json").read_text())["measurements"]
    assert (measurement["model"]["role"], measurement["versus"]["role"]) == ("student", "student_narrow")
    assert re.match(r"12 layers, \d+ wide", measurement["versus"]["id"])
    counts = [measurement["how"][f"parameters_{name}"] for name in ("narrow", "student")]
    assert 0.9 < counts[0] / counts[1] <= 1
    verdict = project.verdicts("live")["speed.depth"]
    assert (verdict["verdict"], verdict["bounds"]) == ("reproduced", [1.0, None])
    assert "marks" not in verdict, "it is about the student, whoever taught it"
    assert any(measurement["versus"]["id"] in note for note in verdict["notes"])
    project.run(DEPTH, "--evidence", "depth.json", "--results", "judged")
    judged = project.verdicts("judged")["speed.depth"]
    assert (judged["verdict"], judged["value"], judged["notes"]) == ("reproduced", verdict["value"], verdict["notes"])


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["-n2"], ("xdist", "-n")),
        (["--benchmark-disable"], ("--benchmark-disable",)),
        (["--benchmark-skip"], ("--benchmark-skip",)),
        (["-p", "no:benchmark"], ("pytest-benchmark", 'pip install -e ".[run]"')),
    ],
)
def test_what_keeps_times_from_being_taken_is_not_run_never_a_pass(
    project: Project, options: list[str], words: tuple[str, ...]
) -> None:
    result = project.run(CPU, *options)
    assert result.returncode == pytest.ExitCode.OK
    verdict = project.verdicts()["speed.cpu"]
    assert verdict["verdict"] == "not run"
    assert all(word in verdict["reason"] for word in words)


@pytest.mark.times
@pytest.mark.parametrize(
    "options", [("--benchmark-only", "--benchmark-skip"), ("--benchmark-disable", "--benchmark-enable")]
)
def test_what_lets_benchmarks_run_lets_times_be_taken(project: Project, options: tuple[str, str]) -> None:
    result = project.run(CPU, "claims/test_text.py", *twelve_and_six(project), *options)
    assert result.returncode == pytest.ExitCode.OK, result.stdout
    assert "benchmark: 2 tests" in result.stdout
    words = project.words()
    assert words["speed.cpu"] == "reproduced"
    # Only benchmarks means only these, and says so of what is none.
    only = "--benchmark-only" in options
    assert words["text.size"] == ("not run" if only else "reproduced")
    assert ("--benchmark-only" in project.verdicts()["text.size"]["reason"]) == only


def test_only_benchmarks_judges_times_from_evidence(project: Project) -> None:
    project.run("claims/test_speed.py", "--evidence", "evidence/cpu.json", "--benchmark-only")
    assert project.words()["speed.cpu"] == project.words()["speed.cpu_full_pass"] == "reproduced"


@pytest.mark.times
def test_one_core_is_enough_and_more_threads_than_cores_are_refused(project: Project) -> None:
    if not hasattr(os, "sched_setaffinity"):
        pytest.skip("needs a system on which a process can be bound to a processor")
    bind = "import os; os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})"
    arguments = [CPU, *twelve_and_six(project)]
    one = project.run(*arguments, before=bind)
    assert one.returncode == pytest.ExitCode.OK, one.stdout
    assert project.words()["speed.cpu"] == "reproduced"
    two = project.run(*arguments, "--threads", "2", before=bind)
    assert two.returncode == pytest.ExitCode.USAGE_ERROR
    assert re.search(r"--threads 2\b.*\b1 processor", two.stdout + two.stderr)


def test_what_is_slow_says_what_would_run_it(project: Project) -> None:
    project.run("claims/test_speed.py", "-k", "not 60_percent_faster_on_a_cpu")
    slow = [f"{name}_{kind}" for name in ("gpu", "depth_gpu") for kind in ("batch1", "batch32")]
    verdicts = project.verdicts()
    for claim in (*slow, "gpu_full_pass", "cpu_full_pass", "cpu_backends", "depth"):
        assert "--runslow" in verdicts[f"speed.{claim}"]["reason"], claim


def test_without_a_gpu_its_claims_are_not_run(project: Project) -> None:
    import torch

    if torch.cuda.is_available():
        pytest.skip("there is a GPU here")
    project.run("claims/test_speed.py", "-m", "gpu", "--runslow")
    for name in ("gpu_batch1", "gpu_batch32", "gpu_full_pass", "depth_gpu_batch1", "depth_gpu_batch32"):
        verdict = project.verdicts()[f"speed.{name}"]
        assert verdict["verdict"] == "not run"
        assert all(word in verdict["reason"] for word in ("GPU", "--evidence"))
        assert "--runslow" not in verdict["reason"]


def test_the_phone_stays_not_run_with_the_nearest_thing_measured(project: Project) -> None:
    project.run("claims/test_speed.py", "--evidence", "evidence/cpu.json")
    verdict = project.verdicts()["speed.phone"]
    assert verdict["verdict"] == "not run"
    assert all(word in verdict["reason"] for word in ("iPhone 7 Plus", "int8", "1.98x [1.97, 2.00]"))


def test_what_was_recorded_on_a_real_pair_is_judged(project: Project) -> None:
    project.run("claims/test_speed.py", "--evidence", "evidence/cpu.json")
    verdicts = project.verdicts()
    for name in ("speed.cpu", "speed.cpu_full_pass", "speed.cpu_backends"):
        assert verdicts[name]["verdict"] == "reproduced"
    notes = verdicts["speed.cpu_full_pass"]["notes"]
    assert any(all(word in note for word in ("166.6 s", "83.2 s", "tokenisation")) for note in notes)


def test_a_full_pass_without_the_data_says_what_it_needs(project: Project) -> None:
    project.run(FULL_PASS, "--runslow")
    assert "--mirror" in project.verdicts()["speed.cpu_full_pass"]["reason"]
    refused = project.run("claims/test_speed.py", "--runslow", "--mirror", "nowhere")
    assert refused.returncode == pytest.ExitCode.USAGE_ERROR
    assert "--mirror" in refused.stdout + refused.stderr


@pytest.mark.full
@pytest.mark.skipif(not MIRROR.is_dir(), reason="needs ../shared/hub-mirror, which is not here")
def test_a_full_pass_takes_all_1500_real_pairs_with_tokenisation(project: Project) -> None:
    options = pair(project, {"layers": 4, "width": 32}, {"layers": 1, "width": 32})
    for name in ("large", "small"):
        vocabulary = MIRROR / "google-bert" / "bert-base-uncased"
        for file in ("vocab.txt", "tokenizer_config.json"):
            (project.path / name / file).symlink_to(vocabulary / file)
    result = project.run(FULL_PASS, *options, "--runslow", "--mirror", str(MIRROR), "--record", "pass.json")
    [measurement] = json.loads((project.path / "pass.json").read_text())["measurements"]
    assert len(measurement["pairs"]) == 1500, result.stdout
    assert measurement["how"]["tokenisation"] is True
    notes = " ".join(project.verdicts()["speed.cpu_full_pass"]["notes"])
    assert all(word in notes for word in ("tokenisation", "forward only", "3.53"))
