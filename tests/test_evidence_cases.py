"""Files of evidence that an earlier version judged wrongly, each with what is right: ../shared/cases/evidence."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from report.__main__ import main
from tests.project import ROOT, Project

CASES = ROOT.parent / "shared" / "cases" / "evidence"
pytestmark = pytest.mark.skipif(not CASES.is_dir(), reason="../shared/cases/evidence is not there")

# Of each case some claims: the verdict, and words of the reason.
RIGHT: dict[str, dict[str, tuple[str, tuple[str, ...]]]] = {
    "backend_refuted_but_other_held": {"speed.cpu_backends": ("not reproduced", ("int8",))},
    "strong_teacher": {
        "glue.retention": ("reproduced", ()),
        "glue.retention_without_wnli": ("reproduced", ()),
        "glue.score.bert": ("not reproduced", ()),
    },
    "both_exact_zero": {
        "glue.retention": ("inconclusive", ("ratio to 0",)),
        "glue.retention_without_wnli": ("inconclusive", ("ratio to 0",)),
    },
    "constant5": {"glue.cola.bert": ("reproduced", ()), "glue.score.bert": ("reproduced", ())},
    "no_planned_3of5": {"glue.cola.bert": ("reproduced", ()), "glue.score.bert": ("reproduced", ())},
    "unit_seconds": {
        "glue.cola.bert": ("error", ("'seconds'", "fraction", "percent")),
        "glue.score.bert": ("error", ("'seconds'",)),
        "glue.cola.distilbert": ("reproduced", ()),
    },
    "two_pairs": {"speed.cpu": ("error", ("2 pairs", "10"))},
    "gpu_on_cpu": {"speed.gpu_batch1": ("error", ("device cpu", "device cuda"))},
    "threads_differ": {"speed.cpu": ("reproduced", ())},
    "other_data_split": {
        "glue.cola.bert": ("error", ("my/cola", "nyu-mll/glue")),
        "glue.retention": ("error", ("my/cola",)),
        "glue.cola.distilbert": ("reproduced", ()),
    },
    "paper_name_wrong_values": {
        "glue.cola.bert": ("error", ("epochs was 40", "'paper'", "3")),
        "squad.em.distilbert": ("error", ("'paper'",)),
    },
    "misspelt_quantity": {"glue.cola.bert": ("not run", ()), "glue.cola.distilbert": ("reproduced", ())},
    "seedless_plus_seeds": {
        "glue.cola.bert": ("error", ("without a seed",)),
        "glue.cola.distilbert": ("reproduced", ()),
    },
}
# What `report check` finds wrong in a file, by words of it; in the others it finds nothing wrong.
FOUND = {
    "unit_seconds": ("'seconds'",),
    "two_pairs": ("2 pairs", "10"),
    "gpu_on_cpu": ("device cpu", "device cuda"),
    "other_data_split": ("my/cola", "split train"),
    "paper_name_wrong_values": ("epochs was 40", "learning_rate was 1.0"),
    "misspelt_quantity": ("glue.cola.mathews_correlation", "glue.cola.matthews_correlation"),
    "seedless_plus_seeds": ("without a seed",),
}


def judged(folder: Path, *names: str) -> tuple[dict[str, dict[str, Any]], str]:
    """The verdicts on these files in this order, and what the terminal said."""
    folder.mkdir(exist_ok=True)
    project = Project(folder)
    options = [option for name in names for option in ("--evidence", str(CASES / f"{name}.json"))]
    done = project.run("claims/", *options)
    assert done.returncode in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED), done.stdout
    assert "Traceback" not in done.stdout
    return project.verdicts(), done.stdout


def test_every_case_is_tested() -> None:
    pairs = ("two_hosts", "same_host_more_seeds_disagree")
    single = {path.stem for path in CASES.glob("*.json") if not path.stem.startswith(pairs)}
    assert single == RIGHT.keys()


@pytest.mark.parametrize("case", RIGHT)
def test_the_right_verdict(case: str, tmp_path: Path) -> None:
    verdicts, _ = judged(tmp_path, case)
    for name, (word, said) in RIGHT[case].items():
        assert verdicts[name]["verdict"] == word, name
        assert all(part in verdicts[name]["reason"] for part in said), verdicts[name]["reason"]


@pytest.mark.parametrize("case", RIGHT)
def test_check_finds_what_keeps_it_from_being_judged(case: str, capsys: pytest.CaptureFixture[str]) -> None:
    code = main(["check", str(CASES / f"{case}.json")])
    said = capsys.readouterr().out
    assert code == (1 if case in FOUND else 0)
    assert all(part in said for part in FOUND.get(case, ()))


def test_a_constant_answer_is_told_as_one(tmp_path: Path) -> None:
    verdicts, _ = judged(tmp_path, "constant5")
    [note] = [note for note in verdicts["glue.cola.bert"]["notes"] if "failed run" in note]
    assert "seed 42: 56.20" in note
    assert "constant answers" in note
    assert "0.00" not in note


def test_seeds_whose_plan_is_not_on_record_are_told(tmp_path: Path) -> None:
    verdicts, _ = judged(tmp_path, "no_planned_3of5")
    assert any("planned" in note and "CoLA" in note for note in verdicts["glue.cola.bert"]["notes"])
    assert not any("planned" in note for note in verdicts["glue.cola.distilbert"]["notes"])


def test_the_claims_own_setting_is_judged_and_the_other_listed(tmp_path: Path) -> None:
    verdicts, _ = judged(tmp_path, "threads_differ")
    assert verdicts["speed.cpu"]["value"] == pytest.approx(2.0)
    assert any("threads 8" in note and "1.3x" in note for note in verdicts["speed.cpu"]["notes"])


def test_a_misspelt_quantity_is_named_with_the_nearest_at_the_end_of_the_run(tmp_path: Path) -> None:
    _, said = judged(tmp_path, "misspelt_quantity")
    [line] = [line for line in said.splitlines() if "mathews" in line]
    assert "misspelt_quantity.json" in line
    assert "glue.cola.matthews_correlation" in line


def test_a_model_without_its_owner_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    project = Project(tmp_path)
    data = json.loads((CASES / "strong_teacher.json").read_text())
    for measurement in data["measurements"]:
        measurement["model"]["id"] = measurement["model"]["id"].split("/")[1]
    (project.path / "bare.json").write_text(json.dumps(data))
    done = project.run("claims/", "--evidence", "bare.json")
    assert project.words()["glue.cola.distilbert"] == "not run"
    for name in ("google-bert/bert-base-uncased", "distilbert/distilbert-base-uncased"):
        assert any(name in line and name.split("/")[1] in line for line in done.stdout.splitlines() if "bare" in line)
    assert main(["check", str(project.path / "bare.json")]) == 1
    assert "distilbert/distilbert-base-uncased" in capsys.readouterr().out


def same(one: dict[str, dict[str, Any]], other: dict[str, dict[str, Any]]) -> bool:
    """Whether two runs gave the same verdicts, but for the order in which their files were given."""
    dropped = ("evidence", "digests", "machines", "versions")
    return all(
        {key: value for key, value in one[name].items() if key not in dropped}
        == {key: value for key, value in other[name].items() if key not in dropped}
        for name in one.keys() | other.keys()
    )


def test_two_hosts_give_the_same_verdict_in_any_order_and_say_that_they_disagree(tmp_path: Path) -> None:
    verdicts, _ = judged(tmp_path / "one", "two_hosts_0", "two_hosts_1")
    turned, _ = judged(tmp_path / "two", "two_hosts_1", "two_hosts_0")
    assert same(verdicts, turned)
    cell = verdicts["glue.cola.bert"]
    assert (cell["verdict"], cell["value"]) == ("reproduced", pytest.approx(56.3))
    assert cell["marks"] == ["hosts disagree"]
    assert any("h2" in note and "41.3" in note and "not reproduced" in note for note in cell["notes"])


def test_two_sets_of_seeds_on_one_host_are_two_looks(tmp_path: Path) -> None:
    names = [f"same_host_more_seeds_disagree_{number}" for number in (0, 1)]
    verdicts, _ = judged(tmp_path / "one", *names)
    turned, _ = judged(tmp_path / "two", *reversed(names))
    assert same(verdicts, turned)
    cell = verdicts["glue.cola.bert"]
    assert cell["level"] == pytest.approx(0.95)
    assert len(cell["raw"]["CoLA (teacher)"]) == 8
    assert any("2 times" in note and "95 %" in note for note in cell["notes"])


def test_what_is_undecidable_by_itself_decides_nothing_else(tmp_path: Path) -> None:
    """WNLI at 25 for both models, all else as printed."""
    project = Project(tmp_path)
    data = json.loads((CASES / "no_planned_3of5.json").read_text())
    for measurement in data["measurements"]:
        if measurement["quantity"] == "glue.wnli.accuracy":
            measurement["values"] = [25.0] * len(measurement["values"])
    (project.path / "low.json").write_text(json.dumps(data))
    project.run("claims/", "--evidence", "low.json")
    verdicts = project.verdicts()
    for name in ("glue.score.bert", "glue.elmo"):
        assert verdicts[name]["verdict"] == "inconclusive"
        assert "WNLI decides" in verdicts[name]["reason"]
    assert verdicts["glue.retention_without_wnli"]["verdict"] in ("reproduced", "inconclusive")
    assert "WNLI" not in verdicts["glue.retention_without_wnli"]["reason"]


def changed(folder: Path, case: str, change: Callable[[dict[str, Any]], object], *options: str) -> dict[str, Any]:
    """The verdicts on a case with something else in each of its measurements."""
    project = Project(folder)
    data = json.loads((CASES / f"{case}.json").read_text())
    data["measurements"] = [one for one in data["measurements"] if change(one) is not False]
    (project.path / "changed.json").write_text(json.dumps(data))
    done = project.run("claims/", "--evidence", "changed.json", *options)
    assert "Traceback" not in done.stdout
    assert "Error:" not in done.stdout
    return project.verdicts()


def test_a_teacher_timed_without_its_owner_is_named(tmp_path: Path) -> None:
    project = Project(tmp_path)
    data = json.loads((CASES / "threads_differ.json").read_text())
    for measurement in data["measurements"]:
        measurement["versus"]["id"] = "bert-base-uncased"
    data["measurements"].append({**data["measurements"][0], "quantity": "speed.cpu_backends"})
    (project.path / "bare.json").write_text(json.dumps(data))
    said = project.run("claims/", "--evidence", "bare.json").stdout
    assert project.words()["speed.cpu"] == project.words()["speed.cpu_backends"] == "not run"
    assert any("google-bert/bert-base-uncased" in line for line in said.splitlines() if line.startswith("bare.json"))
    assert any(line.startswith("bare.json") and "speed.cpu_backends" in line for line in said.splitlines())


def test_retention_without_wnli_needs_no_wnli(tmp_path: Path) -> None:
    verdicts = changed(tmp_path, "strong_teacher", lambda one: one["quantity"] != "glue.wnli.accuracy")
    assert verdicts["glue.retention"]["verdict"] == "not run"
    verdict = verdicts["glue.retention_without_wnli"]
    assert verdict["verdict"] == "reproduced"
    assert any("weak" in note for note in verdict["notes"])


def test_a_guard_is_not_decided_by_its_side(tmp_path: Path) -> None:
    """With one seed the teacher's own Score is open, a little low; the student lies well above its printed cells."""

    def change(one: dict[str, Any]) -> None:
        shift = 8.0 if one["model"]["role"] == "student" else -1.9
        one.update(values=[min(99.0, one["values"][0] + shift)], seeds=one["seeds"][:1])
        one.pop("planned", None)
        one.pop("constant", None)

    open_ = changed(tmp_path, "no_planned_3of5", change)["glue.score.bert"]["verdict"]
    (tmp_path / "side").mkdir()
    verdicts = changed(tmp_path / "side", "no_planned_3of5", change, "--inconclusive", "side")
    assert (open_, verdicts["glue.score.bert"]["verdict"]) == ("inconclusive", "not reproduced")
    retention = verdicts["glue.retention"]
    assert (retention["verdict"], retention.get("marks", [])) == ("reproduced", [])


@pytest.mark.parametrize(
    ("quantity", "pairs"),
    [
        ("speed.cpu_backends.int8", [["teacher", 2.0, 1.0]] * 20),
        ("speed.cpu_backends.int8", [["teacher", 2.0, 0.0], ["student", 2.0, 0.0]] * 10),
        ("speed.cpu_full_pass", [["teacher", 2.0, 0.0], ["student", 2.0, 0.0]] * 10),
    ],
)
def test_times_that_must_not_be_judged_are_an_error_and_no_crash(
    quantity: str, pairs: list[list[Any]], tmp_path: Path
) -> None:
    def change(one: dict[str, Any]) -> None:
        one.update(quantity=quantity, pairs=pairs)
        one["how"]["threads"] = 1
        if quantity == "speed.cpu_full_pass":
            one["how"].update(tokenisation=True, tokenisation_teacher_s=0.1, tokenisation_student_s=0.0)

    verdicts = changed(tmp_path, "two_pairs", change)
    claim = "speed.cpu_backends" if "backends" in quantity else quantity
    assert verdicts[claim]["verdict"] == "error"
    assert verdicts["speed.phone"]["verdict"] == "not run"
