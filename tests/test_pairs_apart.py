"""A verdict file is about one pair, one recipe and one paper: nothing else is written into it, read or shown as it."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from judge.baselines import load_baselines
from judge.files import Mistake, pretty, read
from judge.verdicts import SCHEMA, Outcome, Subject, Verdict, VerdictFile
from report.__main__ import main
from report.badges import write_badges
from report.check_verdicts import verdict_findings
from report.readme import main as readme
from tests.project import ROOT, Project

pytest.importorskip("torch", reason="parameters are counted")
# badgepy reads its table of letter widths in a way that Python 3.11 and 3.12 call deprecated and 3.13 does not.
pytestmark = pytest.mark.filterwarnings(r"ignore::DeprecationWarning:badgepy\b")
USAGE = pytest.ExitCode.USAGE_ERROR
SIZE, TEXT = "claims/test_size.py", "claims/test_text.py"


def model(folder: Path, layers: int = 3) -> str:
    """A configuration of a small BERT; its path."""
    folder.mkdir(parents=True)
    (folder / "config.json").write_text(json.dumps({"model_type": "bert", "num_hidden_layers": layers}))
    return str(folder)


def run(project: Project, *arguments: str, cwd: Path | None = None) -> str:
    """Where a run wrote its verdicts, from its last line but pytest's own."""
    done = project.run(*arguments, cwd=cwd)
    assert done.returncode == pytest.ExitCode.OK, done.stdout + done.stderr
    return done.stdout.splitlines()[-2].removeprefix("written: ")


@pytest.fixture(scope="module")
def judged(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A copy in which the paper's pair was judged, and beside it two students of somebody's own."""
    project = Project(tmp_path_factory.mktemp("judged"))
    model(project.path / "first")
    model(project.path / "mine" / "second", 2)
    run(project, SIZE, TEXT)
    run(project, SIZE, "--student", "first")
    run(project, TEXT, "--student", "./mine/second")
    return project


@pytest.fixture
def project(tmp_path: Path) -> Project:
    (tmp_path / "project").mkdir()
    return Project(tmp_path / "project")


def words(judged: Project, folder: str) -> set[str]:
    """The claims about models that were judged in a folder."""
    return {name for name, word in judged.words(folder).items() if word != "not run" and name.startswith("size.")}


def subject(**fields: Any) -> Subject:
    about = {"paper": "arXiv:1", "teacher": "bert", "student": "distilbert", "recipe": "paper"}
    return Subject(**{**about, **fields})


def file(of: Subject | None, *verdicts: Verdict) -> VerdictFile:
    about: dict[str, Any] = {"suite_version": "1", "paper_sha256": "0", "created": "2026-01-01", "command": "pytest"}
    return VerdictFile(schema_=SCHEMA, subject=of, verdicts={v.id: v for v in verdicts}, **about)


def test_another_pair_has_a_folder_of_its_own(judged: Project) -> None:
    assert words(judged, "results") == {"size.teacher", "size.student", "size.reduction", "size.mobile"}
    assert words(judged, "results/first") == {"size.teacher", "size.reduction"}
    assert words(judged, "results/mine--second") == set(), "its size was not asked for"
    assert "marks" not in judged.verdicts()["size.reduction"]
    assert judged.verdicts("results/first")["size.reduction"]["marks"] == ["own pair"]


def test_the_last_line_names_it_and_the_next_run_goes_on_there(project: Project, tmp_path: Path) -> None:
    model(tmp_path / "project" / "mini")
    assert run(project, SIZE, "--student", "mini") == "results/mini/verdicts.json"
    assert run(project, TEXT, "--student", "mini") == "results/mini/verdicts.json"
    assert {"size.reduction", "text.size"} <= {n for n, w in project.words("results/mini").items() if w == "reproduced"}
    assert not (project.path / "results" / "verdicts.json").exists()
    assert run(project, TEXT, "--student=mini", "--teacher=mini", "--results=both") == "both/verdicts.json"
    assert run(project, TEXT, "--teacher", "mini") == "results/distilbert--distilbert-base-uncased+mini/verdicts.json"


def test_so_has_another_recipe(project: Project) -> None:
    assert run(project, TEXT, "--recipe", "prior-study") == "results/recipe-prior-study/verdicts.json"
    assert run(project, TEXT, "--student", "me/x", "--recipe", "prior-study") == (
        "results/me--x+recipe-prior-study/verdicts.json"
    )


@pytest.mark.parametrize(
    ("first", "then"),
    [
        ((), ("--student", "me/x")),
        (("--student", "me/x"), ()),
        (("--student", "me/x"), ("--student", "me/y")),
        (("--student", "me/x"), ("--student", "me/x@v2")),
        (("--student", "distilbert/distilbert-base-uncased"), ()),
        ((), ("--recipe", "prior-study")),
    ],
)
def test_a_folder_that_is_named_takes_nothing_else(
    first: tuple[str, ...], then: tuple[str, ...], project: Project
) -> None:
    run(project, TEXT, "--results=kept", *first)
    before = (project.path / "kept" / "verdicts.json").read_bytes()
    done = project.run(TEXT, "--results=kept", *then)
    said = (done.stdout + done.stderr).split("ERROR: ")[1]
    assert done.returncode == USAGE
    assert all(word in said for word in ("kept/verdicts.json", "--results", *first[1:], *then[1:])), said
    assert (project.path / "kept" / "verdicts.json").read_bytes() == before


def test_one_name_of_two_folders_is_two_models(project: Project, tmp_path: Path) -> None:
    for name in ("a", "b"):
        model(tmp_path / name / "model")
    run(project, "../project/claims/test_size.py", "--student", "model", cwd=tmp_path / "a")
    done = project.run("../project/claims/test_size.py", "--student", "model", cwd=tmp_path / "b")
    said = (done.stdout + done.stderr).split("ERROR: ")[1]
    assert done.returncode == USAGE
    assert all(word in said for word in (f"{tmp_path}/a/model", f"{tmp_path}/b/model", "--results")), said
    # The same folder by another path is the same model.
    again = ("../project/claims/test_text.py", "--student", "../a/model", "--results", "../project/results/model")
    run(project, *again, cwd=tmp_path / "b")
    assert project.words("results/model")["size.reduction"] == "reproduced"


def older(project: Project, *, marked: bool) -> Path:
    """Rewrite the paper's verdicts as a suite of before wrote them, one of them about another pair where `marked`."""
    path = project.path / "results" / "verdicts.json"
    data = json.loads(path.read_text())
    del data["subject"]
    data["schema"] = 2
    data["verdicts"]["size.reduction"]["marks"] = ["own pair"] if marked else []
    path.write_text(json.dumps(data))
    return path


def test_a_file_of_the_schema_before_is_read_and_gone_on_with(project: Project) -> None:
    run(project, SIZE)
    path = older(project, marked=False)
    assert main(["summary", str(path)]) == 0
    run(project, TEXT)
    assert project.words()["size.reduction"] == "reproduced"
    assert read(VerdictFile, path, schema=SCHEMA).subject is not None


def test_one_that_holds_verdicts_of_another_pair_is_left_alone(project: Project) -> None:
    run(project, SIZE)
    path = older(project, marked=True)
    before = path.read_bytes()
    done = project.run(TEXT)
    said = (done.stdout + done.stderr).split("ERROR: ")[1]
    assert done.returncode == USAGE
    assert all(word in said for word in ("results/verdicts.json", "size.reduction", "--results")), said
    assert path.read_bytes() == before


@pytest.mark.parametrize(
    ("command", "words"),
    [
        (["badges", "results/first", "out"], ("first", "google-bert/bert-base-uncased", "report pair")),
        (["pair", "results", "out", "mine"], ("RESULTS", "--student")),
        (["pair", "results/mine--second", "out", "mine"], ("RESULTS", "--student")),
        (["render", "results", "out", "--beside", "mine=results/first"], ("results/first", "distilbert")),
        (["render", "results/first", "out", "--beside", "x=results/mine--second"], ("first", "mine/second")),
        (["compare", "results", "results/first"], ("BEFORE", "AFTER", "first")),
    ],
)
def test_a_report_about_one_pair_refuses_another(
    command: list[str],
    words: tuple[str, ...],
    judged: Project,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(judged.path)
    assert main(command) == 2
    error = capsys.readouterr().err
    assert all(word in error for word in words), error
    assert error.count("\n") == 1
    assert not (judged.path / "out").exists()


def test_the_readme_shows_the_papers_pair_alone(
    judged: Project, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(judged.path)
    assert readme(["results/verdicts.json", "results/first/verdicts.json"]) == 2
    assert "results/first/verdicts.json" in capsys.readouterr().err


def test_a_pair_of_somebodys_own_has_a_summary_and_a_page_under_its_name(
    judged: Project, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(judged.path)
    assert main(["summary", "results/first"]) == 0
    heading = capsys.readouterr().out.splitlines()[0]
    assert all(word in heading for word in ("DistilBERT", "first", "google-bert/bert-base-uncased"))
    assert main(["summary", "results"]) == 0
    assert "beside" not in capsys.readouterr().out.splitlines()[0]
    assert main(["render", "results/first"]) == 0
    # Beside its own verdicts, and not in the place of the paper's page.
    assert not Path("results", "index.html").exists()
    [banner] = re.findall(r'<p class="banner">(.*?)</p>', Path("results", "first", "index.html").read_text())
    assert "student first" in banner


def test_verdicts_on_another_pair_inside_a_file_are_refused_and_found(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    mixed = file(subject(), Verdict(id="size.reduction", verdict=Outcome.REPRODUCED, reason="", marks=("own pair",)))
    (tmp_path / "v.json").write_text(pretty(mixed))
    for command in (["badges"], ["pair"], ["summary"], ["render"]):
        more = {"badges": ["out"], "pair": ["out", "mine"], "render": ["out"]}.get(command[0], [])
        paths = [str(tmp_path / name) if name == "out" else name for name in more]
        assert main([*command, str(tmp_path / "v.json"), *paths]) == 2
        error = capsys.readouterr().err
        assert all(word in error for word in ("distilbert", "size.reduction")), error
    assert not (tmp_path / "out").exists()
    found = [f.what for f in verdict_findings("v.json", mixed, load_baselines(ROOT / "baselines"), {}) if f.wrong]
    assert any("size.reduction" in what and "another pair" in what for what in found)
    assert any("arXiv:1" in what and "arXiv:1910.01108" in what for what in found)


@pytest.mark.parametrize("others", ["the paper's", "another model's"])
def test_badges_of_two_models_never_share_a_folder(
    others: str, judged: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(judged.path)
    folder = tmp_path / "badges"
    first = (
        ["badges", "results", str(folder)] if others == "the paper's" else ["pair", "results/first", str(folder), "a"]
    )
    assert main(first) == 0
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    capsys.readouterr()
    assert main(["pair", "results/first", str(folder), "mine"]) == 2
    error = capsys.readouterr().err
    assert all(word in error for word in (str(folder), "'mine'", "folder of their own")), error
    if others != "the paper's":
        assert main(["badges", "results", str(folder)]) == 2
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


def test_nor_do_badges_of_two_models_that_were_given_one_name(
    judged: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(judged.path)
    run(judged, SIZE, "--student", "./mine/second", "--results=sized")
    folder = tmp_path / "badges"
    for results in ("results/first", "results/first"):
        assert main(["pair", results, str(folder), "mine"]) == 0
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    capsys.readouterr()
    assert main(["pair", "sized", str(folder), "mine"]) == 2
    error = capsys.readouterr().err
    assert all(word in error for word in (str(folder), "first", "mine/second", "folder of its own")), error
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


def test_nor_do_badges_of_two_recipes(tmp_path: Path) -> None:
    size = Verdict(id="size.reduction", verdict=Outcome.REPRODUCED, reason="")
    write_badges(file(None, size), tmp_path)
    for _ in range(2):  # what does not say its recipe is taken for whatever comes first
        write_badges(file(subject(), size), tmp_path)
    with pytest.raises(Mistake, match=r"recipe paper\b.*recipe prior-study\b.*folder of its own"):
        write_badges(file(subject(recipe="prior-study"), size), tmp_path)


def test_an_id_of_the_hub_is_called_one_where_a_folder_could_be_meant() -> None:
    mine = subject(student="me/x", own=("student",))
    assert "hub model me/x" in str(mine)
    assert "hub model" not in str(mine.model_copy(update={"folders": {"student": "/a/me/x"}}))
    assert "hub model" not in str(subject())


def test_what_a_file_is_about_tells_pairs_recipes_papers_and_rehearsals_apart() -> None:
    mine = subject(student="m", own=("student",), folders={"student": "/a/m"})
    others = [
        subject(student="m", own=("student",), folders={"student": "/b/m"}),
        subject(student="m", own=("student",)),
        subject(student="m"),
        mine.model_copy(update={"recipe": "prior-study"}),
        mine.model_copy(update={"paper": "arXiv:2"}),
        mine.model_copy(update={"rehearsal": True}),
        mine.model_copy(update={"teacher": "large"}),
    ]
    assert not [other for other in others if mine.is_about(other) or other.is_about(mine)]
    assert mine.is_about(mine.model_copy(update={"student": "../a/m"}))
