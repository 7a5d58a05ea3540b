"""`python -m report check`: what is wrong with evidence and verdicts is found, named and counted, and nothing else."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from judge.baselines import Baselines, load_baselines
from judge.checks import require_sound
from judge.evidence import Dataset, Model, RecipeUsed, digest, read_evidence
from judge.files import pretty
from judge.verdicts import SCHEMA, BadMeasurement, Outcome, Verdict, VerdictFile
from report.__main__ import main
from report.check import LONGEST_LINE, check, lines
from tests import synthetic
from tests.project import ROOT, Project
from tests.test_merge import CPU, GPU, STUDY, file, scored, timed

MRPC = {"id": "nyu-mll/glue", "config": "mrpc", "split": "validation", "examples": 408}


@pytest.fixture(scope="module")
def baselines() -> Baselines:
    return load_baselines(ROOT / "baselines")


def mrpc(**changes: Any) -> Any:
    """A score of MRPC as it should be."""
    data = changes.pop("data", {})
    fields = {"quantity": "glue.mrpc.f1", "dataset": Dataset(**{**MRPC, **data}), "planned": (42, 43)}
    return scored({42: 0.9, 43: 0.91}, **{**fields, **changes})


def count(value: float, **changes: Any) -> Any:
    """A number of layers as it should be, but for what is changed."""
    made = scored({1: value}, quantity="architecture.layers", unit="count")
    return made.model_copy(update={"seeds": (), "planned": (), **changes})


def said(baselines: Baselines, *paths: Path) -> list[str]:
    """What is wrong, with the files' folders left out."""
    return [f"{f.place}: {f.what}".replace(f"{paths[0].parent}/", "") for f in check(paths, baselines) if f.wrong]


def counts(line: str) -> list[str]:
    """The numbers of the last line: what is wrong, files, remarks."""
    return re.findall(r"\d+", line)


def test_nothing_is_wrong_with_the_evidence_at_hand(baselines: Baselines, capsys: pytest.CaptureFixture) -> None:
    assert main(["check", str(ROOT / "evidence")]) == 0
    shown = capsys.readouterr().out.splitlines()
    assert counts(shown[-1]) == ["2", "5"]
    assert [line.startswith("remark") for line in shown] == [True] * 5 + [False]
    # The study has no score on IMDb, and kept the loss instead.
    assert len([line for line in shown if "imdb.train_loss" in line]) == 2
    unlike = r"unlike recipes.*\bbatch_size 32\b.*\b64\b.*glue\.cola, glue\.mrpc"
    assert len([line for line in shown if re.search(unlike, line)]) == 1


def test_nothing_is_wrong_with_a_measurement_as_it_should_be(baselines: Baselines, tmp_path: Path) -> None:
    assert said(baselines, file(tmp_path / "a.json", mrpc(), timed(1.0))) == []


PAPER = {"learning_rate": 2e-5, "batch_size": 32, "epochs": 3}
WRONG: dict[str, tuple[Any, tuple[str, ...]]] = {
    "not a number": (lambda: scored({1: float("nan")}, quantity="imdb.train_loss"), ("1 ", "nan")),
    "no score": (lambda: mrpc(values=(0.9, 91.0)), ("91.0", "fraction")),
    "another unit": (lambda: mrpc(unit="seconds"), ("'seconds'", "fraction", "percent")),
    "a fraction in percent": (lambda: mrpc(unit="percent"), ("0.9, 0.91", "'percent'", "'fraction'")),
    "no time": (lambda: timed(-1.0), ("20 times", "-2.0, -1.0, -2.0", "17 more")),
    "a time of nothing": (lambda: timed(0.0), ("20 times", "0.0, 0.0, 0.0")),
    "times in another unit": (lambda: timed(1.0, unit="milliseconds"), ("'milliseconds'", " seconds")),
    "a count in another unit": (
        lambda: count(6.0, unit="seconds"),
        ("'seconds'", "count"),
    ),
    "a count with a seed": (
        lambda: count(6.0, seeds=(1,)),
        ("seed",),
    ),
    "no layers": (
        lambda: count(0.0),
        (" 0",),
    ),
    "no device for a claim about a GPU": (
        lambda: timed(1.0, quantity="speed.gpu_batch1", how={"batch": 1}),
        ("'device'",),
    ),
    "totals of another device": (
        lambda: count(83.2, quantity="speed.gpu_full_pass", unit="seconds", how={"device": "cpu"}),
        ("device cpu", "device cuda"),
    ),
    "another model than the narrow one": (
        lambda: timed(1.0, quantity="speed.depth", how={"device": "cpu", "batch": 1}),
        ("a/teacher", "narrower"),
    ),
    "two pairs": (lambda: timed(1.0, pairs=timed(1.0).pairs[:2]), (" 2 pairs", " 10")),
    "one order": (lambda: timed(1.0, pairs=10 * timed(1.0).pairs[:1]), ("order",)),
    "another device": (
        lambda: timed(1.0, quantity="speed.gpu_batch1", how={"device": "cpu", "batch": 1}),
        ("device cpu", "device cuda"),
    ),
    "another batch": (
        lambda: timed(1.0, quantity="speed.gpu_batch32", how={"device": "cuda", "batch": 1}),
        ("batch 1", "batch 32"),
    ),
    "no duration": (lambda: mrpc(duration_s=float("inf")), ("duration_s", "inf")),
    "a duration of nothing": (lambda: mrpc(duration_s=0.0), ("duration_s", "0.0")),
    "a duration below nothing": (lambda: timed(1.0, duration_s=-1.0), ("duration_s", "-1.0")),
    "misspelt": (lambda: mrpc(quantity="glue.mrpc.f2"), ("glue.mrpc.f2", "glue.mrpc.f1")),
    "misspelt time": (lambda: timed(1.0, quantity="speed.cpuu"), ("speed.cpuu", "did you mean speed.cpu?")),
    "a model without its owner": (
        lambda: mrpc(model=Model(role="student", id="distilbert-base-uncased", digest="d")),
        ("distilbert-base-uncased", "distilbert/distilbert-base-uncased"),
    ),
    "a teacher without its owner": (
        lambda: timed(1.0, versus=Model(role="teacher", id="bert-base-uncased", digest="d")),
        ("bert-base-uncased", "google-bert/bert-base-uncased"),
    ),
    "constant": (lambda: mrpc(constant=(42, 99)), ("'constant'", "99")),
    "missing seed": (lambda: mrpc(planned=(42, 43, 44)), ("3 planned", "44")),
    "unplanned seed": (lambda: mrpc(planned=(42,)), ("planned", " 43")),
    "examples": (lambda: mrpc(data={"examples": 50}), (" 50 ", "408")),
    "no data": (lambda: mrpc(dataset=None), ("examples",)),
    "data set": (lambda: mrpc(data={"id": "me/glue"}), (" me/glue", "nyu-mll/glue")),
    "data revision": (lambda: mrpc(data={"revision": "abc"}), ("nyu-mll/glue", "abc", "bcdcba79")),
    "split": (lambda: mrpc(data={"split": "train"}), ("split", "train", "validation")),
    "model revision": (
        lambda: mrpc(model=Model(role="student", id="distilbert/distilbert-base-uncased", revision="abc")),
        ("distilbert/distilbert-base-uncased", "abc", "12040acc"),
    ),
    "recipe": (
        lambda: mrpc(recipe=RecipeUsed(name="paper", values=PAPER | {"epochs": 7})),
        ("epochs", " 7", "'paper'", " 3"),
    ),
    "precision": (
        lambda: mrpc(recipe=RecipeUsed(name="paper", values=PAPER), precision="int8"),
        ("precision", "int8", "'paper'", "bf16 or fp32"),
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_is_wrong_with_a_measurement_is_named_with_its_place(
    name: str, baselines: Baselines, tmp_path: Path
) -> None:
    make, words = WRONG[name]
    found = said(baselines, file(tmp_path / "a.json", make()))
    assert len(found) == 1, found
    assert all(word in found[0] for word in words), found
    assert found[0].startswith("a.json")
    assert make().quantity in found[0]


def test_seeds_that_other_records_of_the_same_runs_hold_are_not_missing(baselines: Baselines, tmp_path: Path) -> None:
    first = scored({42: 0.9}, quantity="glue.mrpc.f1", dataset=Dataset(**MRPC), planned=(42, 43))
    second = scored({43: 0.9}, quantity="glue.mrpc.f1", dataset=Dataset(**MRPC), planned=(42, 43))
    assert said(baselines, file(tmp_path / "a.json", first, second)) == []


def test_a_value_without_a_seed_beside_seeds_is_found(baselines: Baselines, tmp_path: Path) -> None:
    with_seeds = mrpc(planned=())
    without = with_seeds.model_copy(update={"seeds": (), "values": (0.9,)})
    assert said(baselines, file(tmp_path / "a.json", without)) == []
    [found] = said(baselines, file(tmp_path / "b.json", with_seeds, without))
    assert all(word in found for word in ("b.json", "glue.mrpc.f1", "without a seed"))


@pytest.mark.parametrize("name", ["misspelt", "a model without its owner", "two pairs", "another unit"])
def test_what_is_wrong_ends_the_command_with_1(name: str, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    make, words = WRONG[name]
    assert main(["check", str(file(tmp_path / "a.json", make()))]) == 1
    shown = capsys.readouterr().out.splitlines()
    assert all(word in shown[0] for word in words)


def test_a_quantity_that_is_near_no_known_one_is_a_remark(baselines: Baselines, tmp_path: Path) -> None:
    path = file(tmp_path / "a.json", scored({1: 3.0}, quantity="energy", unit="joules"))
    assert said(baselines, path) == []
    assert [f.place.split("(")[1] for f in check([path], baselines) if "no claim" in f.what] == ["energy, student)"]


@pytest.mark.parametrize("name", [name for name in WRONG if "misspelt" not in name and "owner" not in name])
def test_the_judge_refuses_what_is_found_in_the_same_words(name: str, baselines: Baselines, tmp_path: Path) -> None:
    measurement = WRONG[name][0]()
    [found] = [f.what for f in check([file(tmp_path / "a.json", measurement)], baselines) if f.wrong]
    with pytest.raises(BadMeasurement, match=rf"{re.escape(measurement.quantity)}.*a\.json.*{re.escape(found)}"):
        require_sound([measurement], ["a.json"], baselines)


def test_ten_thousand_missing_seeds_are_counted_in_one_line(baselines: Baselines, tmp_path: Path) -> None:
    [found] = said(baselines, file(tmp_path / "a.json", mrpc(planned=tuple(range(10_000)))))
    assert all(words in found for words in ("10,000", "0, 1, 2", "9,995 more"))


def test_unlike_recipes_and_unknown_ones_are_remarks(baselines: Baselines, tmp_path: Path) -> None:
    teacher = mrpc(
        model=Model(role="teacher", id="a/t", digest="d"), recipe=RecipeUsed(name="mine", values={"epochs": 3})
    )
    student = mrpc(
        model=Model(role="student", id="a/s", digest="d"), recipe=RecipeUsed(name="mine", values={"epochs": 9})
    )
    findings = check([file(tmp_path / "a.json", teacher, student)], baselines)
    assert [f.wrong for f in findings] == [False, False]
    assert "'mine'" in findings[0].what
    assert "baselines/recipes.json" in findings[0].what
    assert re.search(r"unlike recipes.*teacher.*student.*\bepochs 3\b.*\b9\b.*glue\.mrpc", findings[1].what)


def test_files_that_disagree_are_found_and_two_hosts_do_not_disagree(baselines: Baselines, tmp_path: Path) -> None:
    one, other = file(tmp_path / "a.json", mrpc()), file(tmp_path / "b.json", mrpc(values=(0.9, 0.5)))
    [found] = said(baselines, one, other)
    assert re.search(r"glue\.mrpc\.f1.*\ba\.json\b.*\bb\.json\b", found)
    file(other, mrpc(values=(0.9, 0.5)), host=GPU)
    assert said(baselines, one, other) == []


def test_an_edited_number_is_found_with_its_measurement(
    baselines: Baselines, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    text = STUDY.read_text(encoding="utf-8").replace("0.4356146646972585", "0.5356146646972585")
    (tmp_path / "edited.json").write_text(text, encoding="utf-8")
    assert main(["check", str(tmp_path / "edited.json"), str(CPU)]) == 1
    shown = capsys.readouterr().out.splitlines()
    of = ("glue.cola.matthews_correlation", "distilbert/distilbert-base-uncased")
    assert all(word in shown[0] for word in (f"{tmp_path}/edited.json", "/measurements/1 ", *of, "digest"))
    assert counts(shown[-1]) == ["1", "2"]


BAD = {
    "missing": (None, ("exist",)),
    "no JSON": ("{", ("JSON",)),
    "another schema": ('{"schema": 9, "measurements": []}', ("schema 9", " 2", "update")),
    "another verdict schema": ('{"schema": 9, "verdicts": {}}', ("schema 9", f" {SCHEMA}", "update")),
    "neither": ('{"schema": 1}', ("measurements", "verdicts.json")),
    "a list": ("[]", ("/schema",)),
    "no digest": (
        '{"schema": 2, "suite_version": "1", "created": "x", "host": {}, "measurements": []}',
        ("digests", "check --write-digests"),
    ),
    "no text": (b"\xff\xfe\x00", ("UTF-8",)),
    "deep": ("[" * 100_000, ("nested",)),
}


@pytest.mark.parametrize("name", BAD)
def test_a_file_that_cannot_be_read_is_a_finding_and_the_others_are_still_checked(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    text, words = BAD[name]
    if text is not None:
        (tmp_path / "bad.json").write_bytes(text if isinstance(text, bytes) else text.encode())
    wrong = file(tmp_path / "wrong.json", mrpc(planned=(42,)))
    assert main(["check", str(tmp_path / "bad.json"), str(wrong)]) == 1
    shown = capsys.readouterr().out.splitlines()
    assert shown[0].startswith(f"{tmp_path}/bad.json")
    assert all(word in shown[0] for word in words), shown[0]
    assert all(word in shown[1] for word in (f"{tmp_path}/wrong.json", "planned", " 43"))
    assert counts(shown[-1]) == ["2", "2", "1"]


def test_an_empty_folder_is_a_finding(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    assert main(["check", str(tmp_path)]) == 1
    said = capsys.readouterr().out
    assert f"{tmp_path} " in said
    assert ".json" in said


def test_evidence_without_a_measurement_and_from_before_digests_is_told(baselines: Baselines, tmp_path: Path) -> None:
    path = file(tmp_path / "a.json")
    [found] = said(baselines, path)
    assert "a.json" in found
    assert "measurement" in found
    raw = json.loads(path.read_text(encoding="utf-8")) | {"schema": 1}
    old = tmp_path / "old.json"
    old.write_text(json.dumps({key: value for key, value in raw.items() if not key.startswith("digest")}))
    assert any("digests" in f.what for f in check([old], baselines) if not f.wrong)


def test_markup_and_control_letters_reach_nobodys_terminal(baselines: Baselines, tmp_path: Path) -> None:
    nasty = Model(role="student", id="<script>\x1b[31m\u202e" + "x" * 5000, digest="d")
    path = file(tmp_path / "a.json", mrpc(model=nasty, data={"id": "a\x00b\nc"}))
    for line in lines(check([path], baselines), 1):
        assert line.isprintable()
        assert len(line) <= LONGEST_LINE


@pytest.fixture(scope="module")
def judged(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """The suite's own verdicts on the study's evidence."""
    project = Project(tmp_path_factory.mktemp("judged"))
    project.run("claims/", "--evidence", "evidence/prior-study.json")
    return project


def test_verdicts_follow_from_the_evidence_they_were_judged_from(judged: Project, baselines: Baselines) -> None:
    results = judged.path / "results" / "verdicts.json"
    assert said(baselines, results) == []
    assert said(baselines, judged.path / "evidence" / "prior-study.json", results) == []
    assert judged.verdicts()["glue.retention"]["digests"] == [digest(read_evidence(STUDY))]
    [found] = said(baselines, judged.path / "evidence" / "cpu.json", results)
    assert "evidence/prior-study.json" in found
    assert "judge again" in found


def test_evidence_that_changed_after_it_was_judged_is_noticed(
    judged: Project, baselines: Baselines, tmp_path: Path
) -> None:
    study = read_evidence(STUDY)
    changed = file(tmp_path / "prior-study.json", *study.measurements[1:], host=study.host)
    [found] = said(baselines, changed, judged.path / "results" / "verdicts.json")
    assert "evidence/prior-study.json" in found
    assert "judge again" in found


CHANGED: dict[str, tuple[Callable[[dict[str, Any]], None], tuple[str, ...]]] = {
    "word": (
        lambda v: v["text.size"].update(verdict="not reproduced"),
        ("text.size", '"not reproduced"', "bounds"),
    ),
    "number": (lambda v: v["text.size"].update(value=99.0), ("text.size", '"reproduced"', "bounds")),
    "interval": (lambda v: v["glue.rte.bert"].update(interval=[70.0, 60.0]), ("glue.rte.bert", "interval")),
    "not a number": (lambda v: v["glue.rte.bert"].update(value=float("nan")), ("glue.rte.bert", "1 ", "nan")),
    "no value": (lambda v: v["text.size"].pop("value"), ("text.size", '"reproduced"', "value")),
    "a value": (lambda v: v["speed.phone"].update(value=1.0), ("speed.phone", '"not run"', "value")),
    "margin": (lambda v: v["text.size"].update(margin=50.0), ("text.size", "margin", "50.0", " 0.5, exact")),
    "rule": (lambda v: v["text.size"].update(rule="at_most"), ("text.size", "rule", "at_most", "0.5, exact")),
    "another claim": (lambda v: v.update({"a.b": v["text.size"] | {"id": "a.b"}}), ("a.b", "baselines/")),
    "another id": (lambda v: v["text.size"].update(id="text.speed"), ("text.size", "'text.speed'")),
    "missing": (lambda v: v.pop("text.size"), ("text.size", "judge again")),
}


@pytest.mark.parametrize("name", CHANGED)
def test_a_verdict_that_does_not_follow_is_found(
    name: str, judged: Project, baselines: Baselines, tmp_path: Path
) -> None:
    change, words = CHANGED[name]
    raw = json.loads((judged.path / "results" / "verdicts.json").read_text())
    change(raw["verdicts"])
    (tmp_path / "verdicts.json").write_text(json.dumps(raw))
    [found] = said(baselines, tmp_path / "verdicts.json")
    assert all(word in found for word in words), found
    assert found.startswith("verdicts.json")


def test_another_edition_of_the_paper_is_wrong_and_its_margins_are_not_held_against_ours(
    judged: Project, baselines: Baselines, tmp_path: Path
) -> None:
    raw = json.loads((judged.path / "results" / "verdicts.json").read_text())
    raw["paper_sha256"] = "0" * 64
    raw["verdicts"]["text.size"]["margin"] = 50.0
    (tmp_path / "verdicts.json").write_text(json.dumps(raw))
    [found] = said(baselines, tmp_path / "verdicts.json")
    assert all(word in found for word in ("verdicts.json", "paper.json", "000000000000", "judge again"))


def test_only_marks_that_withhold_a_badge_are_said_to(judged: Project, baselines: Baselines, tmp_path: Path) -> None:
    raw = json.loads((judged.path / "results" / "verdicts.json").read_text())
    for verdict in raw["verdicts"].values():
        verdict["marks"] = ["hosts disagree"]
    raw["verdicts"]["text.size"]["marks"] = ["unlike recipes"]
    (tmp_path / "verdicts.json").write_text(json.dumps(raw))
    [remark] = [f.what for f in check([tmp_path / "verdicts.json"], baselines) if not f.wrong and "badge" in f.what]
    assert "unlike recipes (1)" in remark
    assert "hosts disagree" not in remark


def test_made_evidence_for_every_claim_is_whole(baselines: Baselines, tmp_path: Path) -> None:
    synthetic.write(tmp_path / "made.json")
    found = [f.what for f in check([tmp_path / "made.json"], baselines) if f.wrong]
    assert found == []


def test_a_verdict_decided_by_its_side_or_on_an_own_pair_follows_from_what_decided_it(baselines: Baselines) -> None:
    from report.check_verdicts import verdict_findings

    claim = baselines.claims["size.reduction"]
    assert claim.any_pair is not None
    fields: dict[str, Any] = {
        "id": claim.id,
        "verdict": Outcome.REPRODUCED,
        "reason": "",
        "published": claim.published,
        "margin": claim.margin.value,
        "bounds": (39.27, None),
        "value": 79.0,
        "interval": (30.0, 90.0),
    }
    pair = Verdict(**fields, rule=claim.any_pair.rule, marks=("own pair", "by side"))
    file = VerdictFile(
        schema_=SCHEMA,
        suite_version="1",
        paper_sha256=baselines.digest,
        created="x",
        command="pytest",
        verdicts={claim.id: pair},
    )
    wrong = [f.what for f in verdict_findings("v", file, baselines, {}) if f.wrong]
    assert len(wrong) == 1
    assert f"{len(baselines.claims) - 4} more" in wrong[0]  # all claims but this one, of which three are named
    assert pretty(file)
