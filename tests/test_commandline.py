"""The commands of the project: arguments in any order, and where they are wrong, the usage of the command meant."""

import argparse
import ast
import itertools
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from judge.commandline import Parser, as_count, as_folder, as_path
from judge.files import pretty
from measure.cache import main as cache
from measure.mirror import main as mirror
from measure.prior_study import main as prior_study
from report.__main__ import main as report
from report.readme import main as readme
from tests.project import ROOT
from tests.test_badges import verdict, verdicts


def mixed(positionals: list[str], options: list[list[str]]) -> Iterator[list[str]]:
    """The arguments in every order that leaves the positionals in theirs."""
    parts = [[word] for word in positionals] + options
    for order in itertools.permutations(range(len(parts))):
        if [n for n in order if n < len(positionals)] == list(range(len(positionals))):
            yield [word for n in order for word in parts[n]]


def program(nargs: str | int | None = None) -> Parser:
    parser = Parser(prog="program")
    commands = parser.add_subparsers(dest="command", required=True)
    command = commands.add_parser("do")
    command.add_argument("first")
    command.add_argument("rest", nargs=nargs)
    command.add_argument("--flag", action="store_true")
    command.add_argument("--many", action="append")
    commands.add_parser("other")
    return parser


@pytest.mark.parametrize(
    ("nargs", "words", "rest"),
    [
        ("?", ["one", "two"], "two"),
        ("?", ["one"], None),
        ("*", ["one", "two", "three"], ["two", "three"]),
        ("*", ["one"], []),
        ("+", ["one", "two", "three"], ["two", "three"]),
        (None, ["one", "two"], "two"),
        (None, ["one", "-"], "-"),
    ],
)
def test_options_and_positionals_stand_in_any_order(nargs: str | None, words: list[str], rest: Any) -> None:
    options = [["--flag"], ["--many", "a"], ["--many=b=c"]]
    orders = list(mixed(words, options))
    assert len(orders) >= 24
    for order in orders:
        read = program(nargs).parse_args(["do", *order])
        assert (read.first, read.rest, read.flag) == ("one", rest, True), order
        assert sorted(read.many) == ["a", "b=c"], order


def test_an_abbreviated_option_takes_its_value_along() -> None:
    read = program("?").parse_args(["do", "one", "--ma", "a", "two"])
    assert (read.first, read.rest, read.many) == ("one", "two", ["a"])


@pytest.mark.parametrize(
    ("words", "read"),
    [
        (["--", "-one", "--many"], ("-one", "--many", False)),
        (["--flag", "--", "-one", "--many"], ("-one", "--many", True)),
        (["one", "--flag", "--", "--many"], ("one", "--many", True)),
        (["one", "--", "--flag"], ("one", "--flag", False)),
    ],
)
def test_after_two_dashes_everything_is_a_positional(words: list[str], read: tuple[str, str, bool]) -> None:
    found = program("?").parse_args(["do", *words])
    assert (found.first, found.rest, found.flag) == read


@pytest.mark.parametrize(
    ("words", "usage", "named"),
    [
        (["do", "one", "--bogus"], "program do", "--bogus"),
        (["do", "one", "two", "three"], "program do", "three"),
        (["do", "one", "--many"], "program do", "--many"),
        (["do", "one", "--many", "--flag"], "program do", "--many"),
        (["do", "--flag"], "program do", "first"),
        (["other", "--flag"], "program other", "--flag"),
        (["--flag", "do", "one"], "program", "--flag"),
        (["undo"], "program", "'undo'"),
        ([], "program", "command"),
    ],
)
def test_wrong_usage_shows_the_usage_of_the_command_that_was_meant(
    words: list[str], usage: str, named: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit, match=r"^2$"):
        program("?").parse_args(words)
    said = capsys.readouterr().err
    assert said.startswith(f"usage: {usage} [-h]")
    assert named in said.splitlines()[-1]


def test_a_command_that_takes_options_alone_reads_a_list_of_values() -> None:
    parser = Parser()
    parser.add_argument("--seeds", nargs="+", type=as_count)
    parser.add_argument("--flag", action="store_true")
    assert parser.parse_args(["--seeds", "1", "5", "20", "--flag"]).seeds == [1, 5, 20]


@pytest.mark.parametrize(
    ("kind", "text"),
    [(as_count, "0"), (as_count, "-1"), (as_count, "many"), (as_count, "1.5"), (as_folder, "no/such/folder")],
)
def test_an_argument_of_no_use_is_named(kind: Callable[[str], Any], text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError, match=text):
        kind(text)


def test_a_path_may_begin_at_home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    assert as_path("~/a") == tmp_path / "a"
    assert as_folder("~") == tmp_path


# Every command with subcommands or without: how it is called, and what it takes before an option that it has not.
COMMANDS: dict[str, tuple[Callable[[list[str]], int], list[str]]] = {
    "report badges": (report, ["badges", "v.json", "folder"]),
    "report summary": (report, ["summary", "v.json"]),
    "report merge": (report, ["merge", "out", "a.json", "b.json"]),
    "report check": (report, ["check", "a.json"]),
    "report compare": (report, ["compare", "a.json", "b.json"]),
    "report pair": (report, ["pair", "v.json", "folder", "name"]),
    "report render": (report, ["render", "v.json", "folder"]),
    "report.readme": (readme, ["a.json", "b.json"]),
    "measure.mirror": (mirror, ["folder"]),
    "measure.cache list": (cache, ["list"]),
    "measure.cache prune": (cache, ["prune", "3f9c", "81d2e"]),
    "measure.prior_study": (prior_study, ["raw.json", "out.json", "--created", "today"]),
}


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_shows_its_own_usage(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    main, words = COMMANDS[name]
    for given in ([*words, "--bogus"], [words[0], "--bogus", *words[1:]], [*words, "too", "--bogus", "many"]):
        with pytest.raises(SystemExit, match=r"^2$"):
            main(given)
        said = capsys.readouterr().err
        assert said.startswith(f"usage: python -m {name} [-h]"), given
        assert "--bogus" in said.splitlines()[-1]


@pytest.mark.parametrize("name", sorted(path.stem for path in (ROOT / "benchmarks").glob("[!_]*.py")))
def test_every_benchmark_shows_its_usage_before_it_measures(name: str) -> None:
    command = [sys.executable, "-m", f"benchmarks.{name}", "--bogus"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert done.returncode == 2
    assert done.stderr.startswith(f"usage: python -m benchmarks.{name} [-h]")


def test_every_command_reads_its_arguments_in_one_way() -> None:
    sources = [path for room in ("benchmarks", "judge", "measure", "report") for path in (ROOT / room).rglob("*.py")]
    made = [
        path.name
        for path in sources
        for call in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(call, ast.Call) and ast.unparse(call.func).endswith("ArgumentParser")
    ]
    assert made == []


def run_of(folder: Path) -> Path:
    """A folder with the verdicts of a run."""
    folder.mkdir()
    (folder / "verdicts.json").write_text(pretty(verdicts(verdict("size.reduction"))), encoding="utf-8")
    return folder


def test_render_takes_its_folder_after_the_evidence(tmp_path: Path) -> None:
    run, evidence = str(run_of(tmp_path / "run")), ["--evidence", str(ROOT / "evidence")]
    pages = []
    for name, order in (("a", [run, *evidence, "{}"]), ("b", [run, "{}", *evidence]), ("c", [*evidence, run, "{}"])):
        site = tmp_path / name
        assert report(["render", *(word.format(site) for word in order)]) == 0
        pages.append((site / "index.html").read_bytes())
    assert pages[0] == pages[1] == pages[2]


@pytest.mark.filterwarnings(r"ignore::DeprecationWarning:badgepy\b")
def test_the_folder_of_a_run_stands_for_its_verdicts(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = run_of(tmp_path / "run")
    said = {}
    for given in (run, run / "verdicts.json"):
        assert report(["badges", str(given), str(tmp_path / "badges")]) == 0
        assert report(["summary", str(given)]) == 0
        assert report(["compare", str(given), "--fail", str(given)]) == 0
        said[given] = capsys.readouterr().out
    assert said[run] == said[run / "verdicts.json"]
    assert "size.reduction" in said[run]


@pytest.mark.parametrize(
    "words",
    [["badges", "{}", "{}/badges"], ["summary", "{}"], ["compare", "{}", "{}"], ["pair", "{}", "{}/badges", "mine"]],
    ids=lambda words: words[0],
)
def test_a_folder_without_verdicts_is_named(
    words: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert report([word.format(tmp_path) for word in words]) == 2
    said = capsys.readouterr().err
    assert str(tmp_path) in said
    assert "verdicts.json" in said
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "words", [["render", "{run}", "{}"], ["badges", "{run}", "{}"], ["pair", "{run}", "{}", "mine"]], ids=lambda w: w[0]
)
def test_nothing_is_written_beside_evidence(
    words: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run, evidence = run_of(tmp_path / "run"), tmp_path / "recorded"
    evidence.mkdir()
    (evidence / "host.json").write_bytes((ROOT / "evidence" / "prior-study.json").read_bytes())
    assert report([word.format(evidence, run=run) for word in words]) == 2
    said = capsys.readouterr().err
    assert str(evidence) in said
    assert "host.json" in said
    assert [path.name for path in evidence.iterdir()] == ["host.json"]


def test_results_that_were_recorded_beside_their_verdicts_get_their_page_there(tmp_path: Path) -> None:
    run = run_of(tmp_path / "run")
    (run / "recorded.json").write_bytes((ROOT / "evidence" / "prior-study.json").read_bytes())
    assert report(["render", str(run), str(run), "--evidence", str(run / "recorded.json")]) == 0
    assert (run / "index.html").exists()


def test_evidence_in_the_place_of_results_is_no_empty_page(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert report(["render", str(ROOT / "evidence"), str(tmp_path / "site")]) == 2
    said = capsys.readouterr().err
    assert all(word in said for word in (str(ROOT / "evidence"), "--evidence", "verdicts.json"))
    assert not (tmp_path / "site").exists()


def test_a_run_beside_may_lie_at_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    run_of(tmp_path / "run")
    run_of(tmp_path / "other")
    site = tmp_path / "site"
    assert report(["render", "~/run", "~/site", "--beside", "earlier=~/other"]) == 0
    assert "earlier" in (site / "index.html").read_text(encoding="utf-8")


@pytest.mark.parametrize("words", [["do", "one", "--help", "two"], ["do", "--help"]])
def test_help_is_that_of_the_command(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match=r"^0$"):
        program("?").parse_args(words)
    said = capsys.readouterr().out
    assert said.startswith("usage: program do [-h]")
    assert "first" in said
