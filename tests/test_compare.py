"""`python -m report compare`: which verdicts changed and why, as Markdown in which nothing comes alive."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from markdown_it import MarkdownIt

from judge.files import pretty
from judge.verdicts import SCHEMA, Outcome, Verdict, VerdictFile
from report.__main__ import main
from report.compare import CUT, JUDGED_ELSEWHERE, LIMIT, UNCHANGED, comparison, reasons, words_changed
from tests import made
from tests.project import Project
from tests.test_summary import NASTY

R, N, INCONCLUSIVE, NOT_RUN, E = Outcome


def verdict(name: str = "a.b", outcome: Outcome = R, **fields: Any) -> Verdict:
    about = {"value": 77.2, "interval": (76.5, 77.9), "level": 0.9, "raw": {"CoLA": [77.2]}}
    return made.verdict(name, outcome, **{**about, **fields})


def absent(name: str = "a.b", reason: str = "no evidence given") -> Verdict:
    return made.verdict(name, NOT_RUN, reason=reason)


def run(*given: Verdict, **fields: Any) -> VerdictFile:
    about: dict[str, Any] = {
        "suite_version": "0.1.0",
        "paper_sha256": "ab" * 32,
        "created": "2026-11-22",
        "command": "pytest",
        "host": {"cpu": "a processor"},
        "versions": {"scipy": "1.17.1"},
    }
    return VerdictFile(schema_=SCHEMA, verdicts={v.id: v for v in given}, **{**about, **fields})


def rows(text: str) -> list[list[str]]:
    """The cells of every table, as somebody reads them."""
    tokens = MarkdownIt("commonmark").enable("table").parse(text)
    found: list[list[str]] = []
    for number, token in enumerate(tokens):
        if token.type == "tr_open":
            found.append([])
        if token.type == "td_open":
            children = tokens[number + 1].children or []
            found[-1].append("".join(child.content for child in children if child.type in ("text", "text_special")))
    return [row for row in found if row]


def test_nothing_changed_is_one_sentence() -> None:
    before = run(verdict(), absent("c.d"))
    after = run(
        verdict(nodeid="elsewhere", evidence=("other.json",), digests=("d",)),
        absent("c.d", "another reason"),
        created="2027-01-01",
        command="pytest -n2",
        host={"cpu": "another"},
    )
    assert comparison(before, after) == UNCHANGED
    assert UNCHANGED.count("\n") == 1
    assert words_changed(before, after) == 0


# What is changed, and patterns for why the verdict is another one.
WHY: dict[str, tuple[dict[str, Any], tuple[str, ...]]] = {
    "margin": (
        {"margin": 3.2, "bounds": (73.8, 80.2)},
        (r"margin\b.*\b1\.6\b.*two standard deviations.*\b3\.2\b", r"bounds\b.*\b73\.8 to 80\.2 points"),
    ),
    "bounds": ({"bounds": (73.8, 80.2)}, (r"bounds\b.*\b75\.4 to 78\.6 points\b.*\b73\.8 to 80\.2 points\b",)),
    "rule": ({"rule": "at_least"}, (r"rule\b.*\bwithin\b.*\bat_least\b",)),
    "printed": ({"published": 78.0}, (r"printed\b.*\b77 points\b.*\b78 points\b",)),
    "reading": ({"reading": "without WNLI"}, (r"reading\b.*\bwithout WNLI\b",)),
    "level": ({"level": 0.95, "interval": (76.0, 78.0)}, (r"level\b.*\b0\.9\b.*\b0\.95\b",)),
    "contradiction": ({"contradiction": "Table 1 says so"}, (r"contradiction\b.*\bTable 1 says so",)),
    "number": ({"value": 74.0, "raw": {"CoLA": [74.0]}}, (r"\bnumber\b",)),
    "seeds": ({"value": 76.0, "raw": {"CoLA": [76.0] * 5}}, (r"\bnumber\b.*\b5\b.*\b1\b",)),
    "marks": ({"marks": ("by side",)}, (r"marks\b.*\bby side\b",)),
    "evidence": (
        {"value": 76.0, "evidence": ("h100.json",), "digests": ("0123456789abcdef",)},
        (r"\bnumber\b", r"evidence\b.*\bh100\.json@01234567\b"),
    ),
}


@pytest.mark.parametrize("outcome", [R, INCONCLUSIVE], ids=["same word", "another word"])
@pytest.mark.parametrize("name", WHY)
def test_why_a_verdict_changed_is_said(
    name: str,
    outcome: Outcome,
) -> None:
    changes, patterns = WHY[name]
    before, after = run(verdict()), run(verdict(outcome=outcome, **changes))
    [row] = rows(comparison(before, after))
    assert all(re.search(pattern, row[3]) for pattern in patterns), row
    assert (words_changed(before, after) == 1) == (outcome is not R)


def test_the_host_that_measured_is_named_and_not_the_one_that_judged() -> None:
    facts = [JUDGED_ELSEWHERE]
    before = verdict(machines=("a CPU",), versions=("torch 2.13.0",))
    after = verdict(value=76.0, machines=("a GPU", "a CPU"), versions=("torch 2.14.0",))
    number, host, versions = reasons(before, after, facts)
    assert "number" in number
    assert re.search(r"host\b.*\ba CPU\b.*\ba GPU; a CPU\b", host)
    assert re.search(r"versions\b.*\btorch 2\.13\.0\b.*\btorch 2\.14\.0\b", versions)
    turned = after.model_copy(update={"machines": after.machines[::-1], "value": 77.0})
    assert reasons(after, turned, [*facts, "a fact"]) == [number, "a fact"]
    # Verdicts that do not say who measured.
    assert facts[0] in reasons(before, verdict(value=76.0), facts)


def test_a_rule_that_changed_alone_is_not_laid_at_the_hosts_door() -> None:
    before, after = verdict(), verdict(outcome=INCONCLUSIVE, margin=0.1, bounds=(76.9, 77.1))
    facts = [JUDGED_ELSEWHERE]
    assert facts[0] not in reasons(before, after, facts)
    assert facts[0] in reasons(before, verdict(value=76.0), facts)


EVENTS: dict[str, tuple[list[Verdict], list[Verdict], tuple[str, ...]]] = {
    "newly run": ([absent()], [verdict()], ("newly",)),
    "from evidence": (
        [absent()],
        [verdict(evidence=("a.json",), digests=("0" * 64,))],
        ("newly", "a.json@00000000"),
    ),
    "no longer run": ([verdict()], [absent()], ("no longer", "run", "no evidence given")),
    "error": ([verdict()], [made.verdict("a.b", E, reason="a missing seed")], ("error", "a missing seed")),
    "mended": (
        [made.verdict("a.b", E, reason="a missing seed")],
        [verdict()],
        ("no longer", "error", "a missing seed"),
    ),
    "new": ([], [verdict()], ("claim", "new")),
    "gone": ([verdict()], [], ("claim", "gone")),
}


@pytest.mark.parametrize("name", EVENTS)
def test_claims_that_come_and_go_are_said_in_words(name: str) -> None:
    before, after, words = EVENTS[name]
    [row] = rows(comparison(run(*before), run(*after)))
    assert all(word in row[3] for word in words), row
    assert words_changed(run(*before), run(*after)) == 1


def test_the_order_of_the_claims_changes_nothing_and_what_needs_attention_is_first() -> None:
    names = ["d.d", "a.a", "c.c", "b.b"]
    before = [verdict(name) for name in names]
    after = [verdict(name, outcome, value=70.0) for name, outcome in zip(names, (N, INCONCLUSIVE, E, R), strict=True)]
    text = comparison(run(*before), run(*after))
    assert comparison(run(*reversed(before)), run(*after[::-1])) == text
    assert re.findall(r"<code>(.*?)</code>", text) == ["c.c", "d.d", "a.a", "b.b"]
    assert re.search(r"^### .*\b3\b.*\b1\b", text)


def test_host_versions_and_edition_stand_in_a_table_of_their_own() -> None:
    after = run(verdict(value=76.0), host={"cpu": "a processor", "gpu": "H100"}, versions={"scipy": "1.18.0"})
    text = comparison(run(verdict()), after)
    [row] = [row for row in rows(text) if len(row) == 4]
    assert all(word in row[3] for word in ("number", JUDGED_ELSEWHERE, "versions"))
    assert ["gpu", "–", "H100"] in rows(text)  # noqa: RUF001
    assert ["scipy", "1.17.1", "1.18.0"] in rows(text)
    assert not any(row[0] == "cpu" for row in rows(text))


def test_whatever_the_files_say_is_text() -> None:
    before = run(verdict(title=NASTY, marks=(NASTY,)), host={NASTY: "x"})
    after = run(absent(reason=NASTY).model_copy(update={"title": NASTY}), verdict(NASTY), versions={"x": NASTY})
    text = comparison(before, after)
    assert re.findall(r"<(?!/?(?:details|summary|code)>)", text) == []
    tokens = MarkdownIt("commonmark").enable(["table", "strikethrough"]).parse(text)
    kinds = {child.type for token in tokens for child in token.children or []}
    assert kinds <= {"text", "text_special", "strong_open", "strong_close", "html_inline", "softbreak"}
    assert "https://" not in text
    assert "@you" not in text


def test_numbers_that_are_none_equal_themselves() -> None:
    nothing = verdict(value=float("nan"), interval=None, raw={"x": [float("nan")]})
    assert comparison(run(nothing), run(nothing.model_copy())) == UNCHANGED


def test_the_text_stays_within_what_a_pull_request_holds() -> None:
    names = [f"a.n{number}" for number in range(2000)]
    before, after = run(*map(verdict, names)), run(*(verdict(name, N, value=1.0, title="long " * 60) for name in names))
    text = comparison(before, after)
    assert len(text) <= LIMIT < 65_536
    assert text.endswith(CUT)
    same = run(*(verdict(name, value=1.0, title="long " * 60) for name in names))
    assert comparison(before, same).count("<details>") == comparison(before, same).count("</details>")


def files(tmp_path: Path, *given: VerdictFile) -> list[str]:
    for number, file in enumerate(given):
        (tmp_path / f"{number}.json").write_text(pretty(file))
    return [str(tmp_path / f"{number}.json") for number in range(len(given))]


def test_the_exit_code_says_nothing_unless_it_is_asked(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    before, after, number = files(
        tmp_path, run(verdict()), run(verdict(outcome=N, value=1.0)), run(verdict(value=77.0))
    )
    assert main(["compare", before, after]) == 0
    assert re.match(r"### \D*\b1\b\D*\n", capsys.readouterr().out)
    assert main(["compare", "--fail", before, after]) == 1
    assert main(["compare", "--fail", before, number]) == 0
    assert main(["compare", "--fail", before, before]) == 0


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (None, ("exist",)),
        ("{", ("JSON",)),
        ('{"schema": 4}', ("schema 4", " 3", "update")),
        (Path("evidence/cpu.json"), ("evidence", "verdicts")),
        ('{"schema": 1, "verdicts": {"a.b": {"id": "a.b", "verdict": "good"}}}', ("/suite_version", "'suite_version'")),
    ],
)
def test_a_file_that_holds_no_verdicts_is_refused(
    text: Any, words: tuple[str, ...], tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    from tests.project import ROOT

    [good] = files(tmp_path, run(verdict()))
    bad = tmp_path / "bad.json"
    if text is not None:
        bad.write_text((ROOT / text).read_text() if isinstance(text, Path) else text)
    for order in ([str(bad), good], [good, str(bad)]):
        assert main(["compare", *order]) == 2
        said = capsys.readouterr().err
        assert said.startswith(str(bad))
        assert all(word in said.replace(str(bad), "") for word in words), said
        assert said.count("\n") == 1


def test_numbers_that_cannot_be_shown_are_a_sentence(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    before, after = files(tmp_path, run(verdict()), run(verdict(value=76.0, precision=-1.0)))
    assert main(["compare", before, after]) == 2
    assert "'a.b'" in capsys.readouterr().err


def test_verdicts_from_before_digests_can_be_compared(tmp_path: Path) -> None:
    raw = json.loads(pretty(run(verdict()))) | {"schema": 1}
    (tmp_path / "old.json").write_text(json.dumps(raw))
    [new] = files(tmp_path, run(verdict()))
    assert main(["compare", str(tmp_path / "old.json"), new]) == 0


def test_the_prior_study_and_this_machine_are_told_apart(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    project = Project(tmp_path)
    project.run("claims/", "--evidence", "evidence/cpu.json", "--results", "cpu")
    project.run("claims/", "--evidence", "evidence/prior-study.json", "--results", "study")
    project.run("claims/", "--evidence", "evidence", "--results", "both")
    results = {name: str(tmp_path / name / "verdicts.json") for name in ("cpu", "study", "both")}
    assert main(["compare", results["cpu"], results["both"]]) == 0
    found = rows(capsys.readouterr().out)
    studied = [name for name, word in project.words("study").items() if word != "not run"]
    assert len([row for row in found if re.search(r"newly.*\.json@", row[3])]) == len(
        [name for name in studied if project.words("cpu")[name] == "not run"]
    )
    assert not any("no longer" in row[3] for row in found)
    assert main(["compare", "--fail", results["both"], results["both"]]) == 0
    assert capsys.readouterr().out == UNCHANGED
