"""Files as other programs leave them: with a byte order mark in front, with hidden files beside, written by hand."""

import codecs
import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from judge.baselines import load_baselines
from judge.evidence import SCHEMA, digest, evidence_files, read_evidence, write_evidence
from judge.files import Mistake, pretty
from measure.manifest import new_manifest, read_manifest, write_manifest
from measure.prior_study import main as prior_study
from measure.stsb import length_counts
from report.__main__ import main
from tests.project import ROOT, Project
from tests.test_badges import verdict, verdicts
from tests.test_check import counts, mrpc
from tests.test_merge import CPU, STUDY, file

RAW = ROOT.parent / "shared" / "prior-study" / "results.json"


def marked(path: Path) -> Path:
    """The same file as Notepad or PowerShell write it."""
    path.write_bytes(codecs.BOM_UTF8 + path.read_bytes())
    return path


def test_evidence_with_a_byte_order_mark_is_judged_checked_and_merged(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    project = Project(tmp_path)
    path = marked(project.path / "evidence" / "prior-study.json")
    assert read_evidence(path) == read_evidence(STUDY)
    assert project.run("claims/test_glue.py", "--evidence", str(path)).returncode == pytest.ExitCode.TESTS_FAILED
    assert project.words()["glue.cola.distilbert"] == "not reproduced"
    assert project.verdicts()["glue.cola.distilbert"]["digests"] == [digest(read_evidence(STUDY))]
    assert main(["check", str(path), str(project.path / "results")]) == 0
    assert counts(capsys.readouterr().out.splitlines()[-1])[0] == "2"
    assert main(["merge", str(tmp_path / "merged"), str(path)]) == 0
    [merged] = (tmp_path / "merged").iterdir()
    assert read_evidence(merged).measurements


def test_evidence_that_git_lfs_did_not_fetch_is_called_a_pointer(tmp_path: Path) -> None:
    path = tmp_path / "cpu.json"
    path.write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 61234\n")
    with pytest.raises(Mistake, match=r"cpu\.json\b.*\bgit lfs pull\b"):
        read_evidence(path)


@pytest.mark.parametrize("schema", [1, 99])
def test_verdicts_are_no_evidence_of_a_newer_suite(schema: int, tmp_path: Path) -> None:
    path = tmp_path / "verdicts.json"
    path.write_text(json.dumps({"schema": schema, "verdicts": {}}))
    with pytest.raises(Mistake, match=r"verdicts\.json is a file of verdicts\b.*\bevidence\b"):
        read_evidence(path)


def test_an_edited_number_behind_a_byte_order_mark_is_noticed(tmp_path: Path) -> None:
    path = file(tmp_path / "a.json", mrpc())
    path.write_text(path.read_text().replace("0.91", "0.92"))
    with pytest.raises(Mistake, match=r"a\.json.*/measurements/0\b.*\bdigest"):
        read_evidence(marked(path))


@pytest.mark.filterwarnings(r"ignore::DeprecationWarning:badgepy\b")
def test_verdicts_with_a_byte_order_mark_are_read(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "verdicts.json"
    path.write_text(pretty(verdicts(verdict("size.reduction"))), encoding="utf-8")
    said = []
    for given in (path, marked(shutil.copy(path, tmp_path / "marked.json"))):
        assert main(["summary", str(given)]) == 0
        assert main(["compare", "--fail", str(path), str(given)]) == 0
        assert main(["badges", str(given), str(tmp_path / "badges")]) == 0
        marked(tmp_path / "badges" / "index.json")
        said.append(capsys.readouterr().out)
    assert said[0] == said[1]
    assert "size.reduction" in said[0]


def test_a_run_keeps_the_verdicts_of_a_file_with_a_byte_order_mark(tmp_path: Path) -> None:
    project = Project(tmp_path)
    project.run("claims/test_text.py")
    marked(project.path / "results" / "verdicts.json")
    assert project.run("claims/test_architecture.py", "--evidence", str(CPU)).returncode == pytest.ExitCode.OK
    words = project.words()
    assert (words["text.size"], words["architecture.layers"]) == ("reproduced", "reproduced")


def test_baselines_with_byte_order_marks_are_the_same_edition(tmp_path: Path) -> None:
    folder = shutil.copytree(ROOT / "baselines", tmp_path / "baselines")
    files = [marked(path) for path in folder.glob("*.json")]
    assert len(files) == 6
    known = load_baselines(ROOT / "baselines")
    assert load_baselines(folder) == known
    assert load_baselines(folder).digest == known.digest
    assert length_counts(folder) == length_counts(ROOT / "baselines")


def test_the_list_of_a_mirror_may_have_a_byte_order_mark(tmp_path: Path) -> None:
    manifest = new_manifest()
    write_manifest(tmp_path, manifest)
    marked(tmp_path / "mirror.json")
    assert read_manifest(tmp_path) == manifest


def test_raw_results_of_the_study_may_have_a_byte_order_mark(tmp_path: Path) -> None:
    if not RAW.is_file():
        pytest.skip("needs the study's raw results beside the checkout, in ../shared/prior-study")
    raw = marked(Path(shutil.copy(RAW, tmp_path / "raw.json")))
    assert prior_study([str(raw), str(tmp_path / "out.json"), "--created", "2026-11-22"]) == 0
    assert read_evidence(tmp_path / "out.json").measurements == read_evidence(STUDY).measurements


@pytest.mark.parametrize("encoding", ["utf-16", "utf-32"])
def test_other_encodings_are_named(encoding: str, tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_text(CPU.read_text(encoding="utf-8"), encoding=encoding)
    with pytest.raises(Mistake, match=r"a\.json.*\bUTF-8\b"):
        read_evidence(path)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with one file of evidence, and with what macOS, editors and notebooks leave beside it."""
    folder = tmp_path / "recorded"
    folder.mkdir()
    shutil.copy(STUDY, folder / "prior-study.json")
    (folder / "._prior-study.json").write_bytes(b"\x00\x05\x16\x07\x00\x02\x00\x00Mac OS X")
    (folder / ".DS_Store").write_bytes(b"\x00\x00\x00\x01Bud1")
    (folder / ".prior-study.json.swp.json").write_text("b0VIM 9.0")
    (folder / ".#prior-study.json").symlink_to("user@host.1234")
    (folder / ".ipynb_checkpoints.json").mkdir()
    return folder


def test_hidden_files_are_no_evidence(folder: Path) -> None:
    assert evidence_files([folder]) == [folder / "prior-study.json"]
    hidden = folder / ".mine.json"
    shutil.copy(STUDY, hidden)
    assert evidence_files([folder]) == [folder / "prior-study.json"]
    assert evidence_files([folder, hidden]) == [folder / "prior-study.json", hidden]


def test_a_folder_of_hidden_files_holds_no_evidence(folder: Path) -> None:
    (folder / "prior-study.json").unlink()
    with pytest.raises(Mistake, match=rf"{folder}.*\.json"):
        evidence_files([folder])


def test_a_run_judges_what_lies_beside_hidden_files(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "project").mkdir()
    project = Project(tmp_path / "project")
    done = project.run("claims/test_glue.py", "--evidence", str(folder))
    assert done.returncode == pytest.ExitCode.TESTS_FAILED
    assert project.words()["glue.cola.distilbert"] == "not reproduced"
    assert project.verdicts()["glue.cola.distilbert"]["evidence"] == [str(folder / "prior-study.json")]


def test_hidden_files_are_not_checked(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", str(folder)]) == 0
    assert counts(capsys.readouterr().out.splitlines()[-1])[0] == "1"


def test_hidden_files_are_not_merged_and_stay(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = {path.name for path in folder.iterdir()}
    assert main(["merge", str(folder), str(CPU)]) == 0
    after = {path.name for path in folder.iterdir()}
    assert len(after - before) == 1
    assert before < after
    assert main(["merge", str(folder.parent / "out"), str(folder)]) == 0
    assert "._" not in capsys.readouterr().out


def test_hidden_files_are_not_on_the_page(folder: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    run.mkdir()
    (run / "verdicts.json").write_text(pretty(verdicts(verdict("size.reduction"))), encoding="utf-8")
    assert main(["render", str(run), str(tmp_path / "site"), "--evidence", str(folder)]) == 0
    page = (tmp_path / "site" / "index.html").read_text(encoding="utf-8")
    assert "prior-study.json" in page
    assert "._prior-study.json" not in page


def test_hidden_evidence_keeps_nobody_from_writing_beside_it(folder: Path, tmp_path: Path) -> None:
    (folder / "prior-study.json").rename(folder / ".prior-study.json")
    run = tmp_path / "run"
    run.mkdir()
    (run / "verdicts.json").write_text(pretty(verdicts(verdict("size.reduction"))), encoding="utf-8")
    assert main(["render", str(run), str(folder)]) == 0


def by_hand(path: Path, **changes: Any) -> Path:
    """Evidence as somebody types it: of the newest schema, and without digests."""
    raw = json.loads(file(path, mrpc(), mrpc(quantity="glue.mrpc.accuracy")).read_text())
    kept = {key: value for key, value in raw.items() if key not in ("digest", "digests")}
    path.write_text(json.dumps({**kept, **changes}))
    return path


def test_evidence_without_digests_says_how_to_have_them_written_and_then_is_read(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = by_hand(tmp_path / "my evidence.json")
    with pytest.raises(Mistake, match=r"my evidence\.json.*\bdigests\b") as mistake:
        read_evidence(path)
    # The very command, quoted for a shell, is in the sentence.
    [command] = [part for part in str(mistake.value).split("`") if part.startswith("python -m report ")]
    assert command == f"python -m report check --write-digests '{path}'"
    assert main(["check", "--write-digests", str(path)]) == 0
    assert counts(capsys.readouterr().out.splitlines()[-1])[0] == "1"
    assert len(read_evidence(path).measurements) == 2
    stored = json.loads(path.read_text())
    assert (stored["schema"], len(stored["digests"])) == (SCHEMA, 2)
    path.write_text(path.read_text().replace("0.91", "0.92", 1))
    with pytest.raises(Mistake, match=r"/measurements/0\b.*\bdigest"):
        read_evidence(path)


def test_a_run_says_how_to_have_digests_written(tmp_path: Path) -> None:
    project = Project(tmp_path)
    by_hand(project.path / "mine.json")
    done = project.run("claims/", "--evidence", "mine.json")
    said = done.stdout + done.stderr
    assert done.returncode == pytest.ExitCode.USAGE_ERROR
    assert "python -m report check --write-digests mine.json" in said
    assert "Traceback" not in said


def test_digests_are_written_into_every_file_that_has_none(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "evidence"
    folder.mkdir()
    old, new = by_hand(folder / "old.json", schema=1), by_hand(folder / "new.json")
    marked(new)
    (folder / "verdicts.json").write_text(pretty(verdicts(verdict("size.reduction"))), encoding="utf-8")
    write_evidence(folder / "whole.json", read_evidence(CPU))
    others = {name: (folder / name).read_bytes() for name in ("verdicts.json", "whole.json")}
    main(["check", str(folder), "--write-digests"])
    said = capsys.readouterr().out
    for path in (old, new):
        assert len(json.loads(path.read_text())["digests"]) == 2
        assert any(str(path) in line and "digests" in line for line in said.splitlines())
    assert {name: (folder / name).read_bytes() for name in others} == others
    assert not any("whole.json" in line and "written" in line for line in said.splitlines())


@pytest.mark.parametrize("change", ["number", "one measurement less", "half of the digests"])
def test_digests_that_differ_are_never_written_over(
    change: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = file(tmp_path / "a.json", mrpc(), mrpc(quantity="glue.mrpc.accuracy"))
    raw = json.loads(path.read_text())
    if change == "number":
        raw["measurements"][0]["values"][0] = 0.99
    elif change == "one measurement less":
        del raw["measurements"][1]
    else:
        del raw["digests"]
    path.write_text(json.dumps(raw))
    before = path.read_bytes()
    assert main(["check", "--write-digests", str(path)]) == 1
    assert path.read_bytes() == before
    said = capsys.readouterr().out.splitlines()[0]
    assert str(path) in said
    assert "digest" in said


def test_what_is_wrong_is_still_said_when_digests_are_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = by_hand(tmp_path / "a.json")
    path.write_text(path.read_text().replace('"examples": 408', '"examples": 50', 1))
    assert main(["check", "--write-digests", str(path)]) == 1
    assert " 50 " in capsys.readouterr().out.splitlines()[0]


def test_a_folder_that_cannot_be_written_to_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = by_hand(tmp_path / "a.json")

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("judge.files.os.fsync", full)
        assert main(["check", "--write-digests", str(path)]) == 1
    assert "No space left on device" in capsys.readouterr().out
