"""`python -m report merge`: one file for each host, nothing lost or replaced, the same bytes in whatever order."""

import json
import re
import shutil
from itertools import permutations
from pathlib import Path
from typing import Any

import pytest

from judge.baselines import load_baselines
from judge.evidence import (
    SCHEMA,
    Evidence,
    Host,
    Measurement,
    Model,
    RecipeUsed,
    digest,
    read_evidence,
    write_evidence,
)
from judge.files import Mistake
from judge.pool import Pool
from judge.scores import find_scores
from report.__main__ import main
from report.merge import merge
from tests.project import ROOT, Project

CPU, STUDY = ROOT / "evidence" / "cpu.json", ROOT / "evidence" / "prior-study.json"
HOST = Host(cpu="a processor", cores=8, memory=64.0)
GPU = HOST.model_copy(update={"gpu": "a GPU", "driver": "CUDA 13.0"})
TEACHER, STUDENT = Model(role="teacher", id="a/teacher"), Model(role="student", id="a/student")


def scored(seeds: dict[int, float], **changes: Any) -> Measurement:
    fields: dict[str, Any] = {
        "quantity": "glue.sst2.accuracy",
        "model": STUDENT,
        "recipe": RecipeUsed(name="paper"),
        "unit": "fraction",
        "values": tuple(seeds.values()),
        "seeds": tuple(seeds),
    }
    return Measurement(**{**fields, **changes})


def timed(seconds: float, launch: int = 0, **changes: Any) -> Measurement:
    """As few pairs as may be judged, in both orders."""
    fields: dict[str, Any] = {
        "quantity": "speed.cpu",
        "model": STUDENT,
        "versus": TEACHER,
        "unit": "seconds",
        "pairs": 5 * (("teacher", 2 * seconds, seconds), ("student", 2 * seconds, seconds)),
        "launch": launch,
    }
    return Measurement(**{**fields, **changes})


def file(path: Path, *measurements: Measurement, host: Host = HOST, **changes: Any) -> Path:
    fields = {"schema": SCHEMA, "suite_version": "0.1.0", "created": "2026-11-22", "host": host}
    write_evidence(path, Evidence(**{**fields, "measurements": measurements, **changes}))
    return path


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    """Three recordings of one machine: seeds that overlap, a launch of times in two of them, and a newer version."""
    return [
        file(tmp_path / "a.json", scored({1: 0.91, 2: 0.92}), timed(1.0), versions={"torch": "2.13.0"}, commit="aa"),
        file(tmp_path / "b.json", scored({2: 0.92, 3: 0.93}), timed(1.1), created="2026-11-23", host=GPU),
        file(tmp_path / "c.json", scored({1: 0.91, 2: 0.92}), versions={"torch": "2.14.0"}, about="c", commit="cc"),
    ]


def test_files_of_one_host_make_the_same_bytes_in_whatever_order(files: list[Path], tmp_path: Path) -> None:
    made = set()
    for number, order in enumerate(permutations(files)):
        out = tmp_path / str(number) / "out.json"
        merge(out, order)
        made.add(out.read_bytes())
    assert len(made) == 1


def test_in_steps_or_at_once_the_measurements_are_the_same(files: list[Path], tmp_path: Path) -> None:
    steps, once = tmp_path / "steps" / "out.json", tmp_path / "once" / "out.json"
    for path in files:
        merge(steps, [path])
    merge(once, files)
    assert steps.read_bytes() == once.read_bytes()
    before = once.read_bytes()
    merge(once, files)
    assert once.read_bytes() == before


def test_every_seed_and_every_launch_is_kept_once(files: list[Path], tmp_path: Path) -> None:
    [written] = merge(tmp_path / "out.json", files)
    whole = read_evidence(tmp_path / "out.json")
    assert (written.measurements, written.twice) == (4, 1)
    [found] = Pool([("out.json", whole)]).find("glue.sst2.accuracy", "student", None)
    assert found.values == {1: 91.0, 2: 92.0, 3: 93.0}
    [launches] = Pool([("out.json", whole)]).paired("speed.cpu", ["a/teacher"], ["a/student"])
    assert [(m.launch, m.pairs[0][2]) for m in launches.measurements] == [(0, 1.0), (1, 1.1)]


def test_what_the_heads_say_is_said_once(files: list[Path], tmp_path: Path) -> None:
    merge(tmp_path / "out.json", files)
    whole = read_evidence(tmp_path / "out.json")
    assert whole.host == GPU  # the recordings that name no GPU needed none
    assert (whole.versions, whole.commit, whole.about) == ({"torch": "2.13.0, 2.14.0"}, "aa, cc", "c")
    assert (whole.created, whole.suite_version, whole.schema_) == ("2026-11-23", "0.1.0", SCHEMA)


def test_two_values_of_one_measurement_are_an_error_that_names_both_files(tmp_path: Path) -> None:
    one = file(tmp_path / "one.json", scored({1: 0.91}))
    other = file(tmp_path / "other.json", scored({1: 0.90}))
    for order in ([one, other], [other, one]):
        with pytest.raises(Mistake, match=r"glue\.sst2\.accuracy\b.*\ba/student\b.*\bseed 1\b") as mistake:
            merge(tmp_path / "out.json", order)
        assert str(one) in str(mistake.value)
        assert str(other) in str(mistake.value)
    assert not (tmp_path / "out.json").exists()


def test_a_weaker_record_never_takes_the_place_of_a_stronger_one(tmp_path: Path) -> None:
    out = file(tmp_path / "out.json", scored({seed: 0.9 + seed / 1000 for seed in range(5)}))
    weaker = file(tmp_path / "weaker.json", scored({0: 0.9}), scored({7: 0.8}, recipe=RecipeUsed(name="quick")))
    merge(out, [weaker])
    first, second = Pool([("out", read_evidence(out))]).find("glue.sst2.accuracy", "student", None)
    assert (len(first.values), first.first.recipe) == (5, RecipeUsed(name="paper"))
    assert second.values == {7: 80.0}


def test_one_file_does_not_take_two_hosts_and_a_folder_does(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    assert main(["merge", str(tmp_path / "out.json"), str(CPU), str(STUDY)]) == 2
    said = capsys.readouterr().err
    hosts = f"{CPU}.*AMD EPYC, 2 cores.*{STUDY}.*the study's GPU host.*folder.*{tmp_path / 'out.json'}"
    assert re.search(hosts, said)
    assert main(["merge", str(tmp_path / "set"), str(CPU), str(STUDY)]) == 0
    names = sorted(path.name for path in (tmp_path / "set").iterdir())
    assert [name[:-14] for name in names] == ["amd-epyc", "the-study-s-gpu-host-which-it-does-not-describe"]
    assert re.search(rf"\b28 measurements\b.*{CPU}", capsys.readouterr().out)


def test_what_is_new_joins_the_folders_file_of_its_host_and_leaves_the_others_alone(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "evidence", tmp_path / "evidence")
    before = {path.name: path.read_bytes() for path in (tmp_path / "evidence").iterdir()}
    same_host = read_evidence(CPU).host
    new = file(tmp_path / "new.json", scored({1: 0.9}), host=same_host)
    merge(tmp_path / "evidence", [new])
    after = {path.name: path.read_bytes() for path in (tmp_path / "evidence").iterdir()}
    assert after.keys() == before.keys()
    assert after["prior-study.json"] == before["prior-study.json"]
    assert len(read_evidence(tmp_path / "evidence" / "cpu.json").measurements) == 29
    merge(tmp_path / "evidence", [new, CPU, STUDY])
    assert {path.name: path.read_bytes() for path in (tmp_path / "evidence").iterdir()} == after


def test_two_files_of_one_host_in_the_folder_are_not_guessed_between(tmp_path: Path) -> None:
    for name in ("a", "b"):
        file(tmp_path / "set" / f"{name}.json", scored({1: 0.9}))
    new = file(tmp_path / "new.json", scored({2: 0.9}))
    with pytest.raises(Mistake, match=r"\ba\.json\b.*\bb\.json\b.*python -m report merge"):
        merge(tmp_path / "set", [new])


def test_another_gpu_or_driver_is_another_host(tmp_path: Path) -> None:
    one = file(tmp_path / "one.json", scored({1: 0.9}), host=GPU)
    other = file(tmp_path / "other.json", scored({1: 0.8}), host=GPU.model_copy(update={"driver": "CUDA 12.8"}))
    none = file(tmp_path / "none.json", scored({1: 0.7}))
    assert len(merge(tmp_path / "set", [one, other, none])) == 3


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (None, ("exist",)),
        ("{", ("JSON",)),
        ('{"schema": 9}', ("schema 9", " 2", "update")),
        ('{"verdicts": {}}', ("verdicts", "evidence")),
        ('{"host": {}}', ("/schema",)),
        ('{"schema": 1, "verdicts": {}}', ("verdicts", "evidence")),
        ('{"schema": 1, "measurement": []}', ("/measurement", "'measurements'")),
    ],
)
def test_a_file_that_is_no_evidence_is_refused_in_a_sentence(
    text: str | None, words: tuple[str, ...], tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    if text is not None:
        (tmp_path / "bad.json").write_text(text)
    assert main(["merge", str(tmp_path / "out.json"), str(CPU), str(tmp_path / "bad.json")]) == 2
    said = capsys.readouterr().err
    assert said.startswith(str(tmp_path / "bad.json"))
    assert said.count("\n") == 1
    assert "Traceback" not in said
    assert all(word in said.removeprefix(str(tmp_path / "bad.json")) for word in words), said
    assert not (tmp_path / "out.json").exists()


def test_an_empty_folder_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    (tmp_path / "empty").mkdir()
    assert main(["merge", str(tmp_path / "out.json"), str(tmp_path / "empty")]) == 2
    said = capsys.readouterr().err
    assert f"{tmp_path / 'empty'} " in said
    assert ".json" in said.replace(str(tmp_path), "")


def test_an_edited_number_is_not_merged(tmp_path: Path) -> None:
    text = STUDY.read_text(encoding="utf-8")
    (tmp_path / "edited.json").write_text(text.replace("0.4356146646972585", "0.5356146646972585"), encoding="utf-8")
    with pytest.raises(Mistake, match=r"/measurements/1\b.*glue\.cola\.\S+.*distilbert.*\bdigest\b"):
        merge(tmp_path / "out.json", [tmp_path / "edited.json"])


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda raw: raw["measurements"].pop(), r"\b34\b.*\b33\b.*\bdigest\b"),
        (lambda raw: raw["measurements"].reverse(), r"/measurements/0\b.*\b33 more\b.*\bdigest\b"),
        (lambda raw: raw.pop("digest"), r"\bmeasurements\b.*\bdigest\b"),
        (lambda raw: raw["digests"].pop(), r"\b33\b.*\b34\b.*\bdigest\b"),
    ],
)
def test_a_measurement_that_was_taken_out_or_moved_is_noticed(change: Any, words: str, tmp_path: Path) -> None:
    raw = json.loads(STUDY.read_text(encoding="utf-8"))
    change(raw)
    (tmp_path / "edited.json").write_text(json.dumps(raw), encoding="utf-8")
    with pytest.raises(Mistake, match=words):
        read_evidence(tmp_path / "edited.json")


def test_a_file_from_before_digests_is_read_and_gets_them_when_it_is_merged(tmp_path: Path) -> None:
    raw = json.loads(STUDY.read_text(encoding="utf-8"))
    del raw["digest"], raw["digests"]
    (tmp_path / "old.json").write_text(json.dumps(raw | {"schema": 1}), encoding="utf-8")
    assert digest(read_evidence(tmp_path / "old.json")) == digest(read_evidence(STUDY))
    merge(tmp_path / "new.json", [tmp_path / "old.json"])
    assert json.loads((tmp_path / "new.json").read_text(encoding="utf-8"))["schema"] == SCHEMA
    assert {m.model_dump_json() for m in read_evidence(tmp_path / "new.json").measurements} == {
        m.model_dump_json() for m in read_evidence(STUDY).measurements
    }


def test_ten_thousand_seeds_are_merged_and_judged(tmp_path: Path) -> None:
    seeds = {seed: 0.9 + seed / 1e6 for seed in range(10_000)}
    half = file(tmp_path / "half.json", scored(dict(list(seeds.items())[:6000])))
    rest = file(tmp_path / "rest.json", scored(dict(list(seeds.items())[4000:])))
    merge(tmp_path / "out.json", [half, rest])
    pool = Pool([("out", read_evidence(tmp_path / "out.json"))])
    assert len(pool.find("glue.sst2.accuracy", "student", None)[0].values) == 10_000


def test_markup_in_a_hosts_name_stays_out_of_file_names(tmp_path: Path) -> None:
    nasty = file(tmp_path / "nasty.json", scored({1: 0.9}), host=Host(name="../<script>alert(1)</script>\x00"))
    [written] = merge(tmp_path / "set", [nasty])
    assert written.path.parent == tmp_path / "set"
    assert written.path.name.startswith("script-alert-1-script-")


def test_the_merged_set_is_judged_as_the_files_were(tmp_path: Path) -> None:
    baselines = load_baselines(ROOT / "baselines")
    merge(tmp_path / "set", [CPU, STUDY])
    kept = Pool((str(path), read_evidence(path)) for path in sorted((tmp_path / "set").iterdir()))
    given = Pool((str(path), read_evidence(path)) for path in (CPU, STUDY))
    for task in ("cola", "mnli", "stsb"):
        scores = [find_scores(pool, baselines, task, "student", None).values for pool in (kept, given)]
        assert scores[0] == scores[1]


def test_a_folder_of_evidence_is_judged_and_an_empty_one_refused(tmp_path: Path) -> None:
    project = Project(tmp_path)
    done = project.run("claims/test_size.py", "claims/test_glue.py", "--evidence", "evidence")
    assert done.returncode == pytest.ExitCode.TESTS_FAILED, done.stdout + done.stderr
    verdicts = project.verdicts()
    assert verdicts["size.reduction"]["verdict"] == "reproduced"
    assert verdicts["glue.retention"]["verdict"] == "inconclusive"
    assert verdicts["glue.retention"]["evidence"] == ["evidence/cpu.json", "evidence/prior-study.json"]
    expected = [digest(read_evidence(path)) for path in (CPU, STUDY)]
    assert verdicts["glue.retention"]["digests"] == expected
    (tmp_path / "nothing").mkdir()
    done = project.run("claims/", "--evidence", "nothing")
    assert done.returncode == pytest.ExitCode.USAGE_ERROR
    assert re.search(r"\bnothing\b.*\.json\b", (done.stdout + done.stderr).split("ERROR: ", 1)[1])


def test_a_host_keeps_its_file_whatever_drivers_came_between(tmp_path: Path) -> None:
    plain, out = Host(cpu="a processor", cores=4), tmp_path / "evidence"
    hosts = [plain, *(plain.model_copy(update={"gpu": "a GPU", "driver": f"CUDA {n}"}) for n in (12, 13)), plain]
    for number, host in enumerate(hosts):
        path = tmp_path / f"{number}.json"
        write_evidence(path, made(host, f"architecture.layers{number}"))
        merge(out, [path])
    kept = [m.quantity for path in out.glob("*.json") for m in read_evidence(path).measurements]
    assert sorted(kept) == [f"architecture.layers{number}" for number in range(4)]


def test_what_is_new_is_added_also_where_the_file_holds_something_twice(tmp_path: Path) -> None:
    host, out = Host(cpu="a processor"), tmp_path / "all.json"
    twice = made(host, "architecture.layers")
    write_evidence(out, twice.model_copy(update={"measurements": twice.measurements * 2}))
    write_evidence(tmp_path / "new.json", made(host, "architecture.heads"))
    merge(out, [tmp_path / "new.json"])
    found = sorted(m.quantity for m in read_evidence(out).measurements)
    assert found == ["architecture.heads", "architecture.layers"]


def made(host: Host, quantity: str) -> Evidence:
    measurement = Measurement(quantity=quantity, model=Model(role="teacher", id="a/b"), unit="count", values=(1.0,))
    return Evidence(schema_=SCHEMA, suite_version="0.1.0", created="2026", host=host, measurements=(measurement,))
