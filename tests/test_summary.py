"""The job summary: counts first, worst first, within its limit, and nothing in it but text."""

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from judge.files import pretty
from judge.verdicts import SCHEMA, Outcome, Verdict, VerdictFile
from report.__main__ import main
from report.summary import CUT, LIMIT, RESERVE, escaped, summary
from report.table import BASES, KNOWN
from tests import made
from tests.goldens import assert_golden
from tests.project import ROOT

R, N, INCONCLUSIVE, NOT_RUN, E = Outcome
NASTY = (
    "a|b <script>alert(1)</script> <!-- x --> **bold** `code` [l](https://x.y) www.x.y @you #1 $x$ ~~s~~ \\| &lt; _i_"
)


def verdict(name: str, outcome: Outcome, **fields: Any) -> Verdict:
    return made.verdict(name, outcome, **{"title": "what the claim says", "value": 77.2, **fields})


def verdicts(*given: Verdict, **fields: Any) -> VerdictFile:
    about: dict[str, Any] = {
        "suite_version": "0.1.0",
        "commit": "0123456789abcdef0123456789abcdef01234567",
        "paper_sha256": "ab" * 32,
        "created": "2026-11-22T13:28:46+00:00",
        "command": "pytest claims/ --evidence evidence/prior-study.json",
        "host": {"cpu": "a processor", "cores": 2, "memory": 23.5},
        "versions": {"python": "3.11.7", "scipy": "1.17.1"},
    }
    return VerdictFile(schema_=SCHEMA, verdicts={v.id: v for v in given}, **{**about, **fields})


# In the order of the paper, which is not the order of the page.
PAGE = verdicts(
    verdict("size.reduction", R, title="size & speed <1 %", unit="%", rule="at_least", bounds=(39.273, None)),
    verdict("speed.phone", NOT_RUN, title="71 % faster on a phone", value=None, reason="an iPhone 7 Plus is needed"),
    verdict(
        "text.elmo_stsb", N, title="19 points over ELMo", basis="text", value=16.5, contradiction="Table 1 says 16.5"
    ),
    verdict(
        "glue.retention",
        INCONCLUSIVE,
        title="97 % of BERT's GLUE Score",
        reason="the interval reaches across the bound; the value itself falls outside",
        interval=(74.8, 79.1),
        level=0.9,
        value=75.2,
        to_settle=7,
        marks=("unlike recipes",),
        notes=("one seed only, so the spread is borrowed",),
        raw={"CoLA (student)": [43.5615, 44.0]},
    ),
    verdict("glue.mnli.bert", N, value=70.0, reason="the value does not agree"),
    verdict("squad.em.bert", E, value=None, reason="the model <b>evil|id</b> has no score for seed 3"),
)


def test_the_page_is_as_recorded() -> None:
    assert_golden("summary.md", summary(PAGE))


def test_counts_come_first() -> None:
    lines = summary(PAGE).splitlines()
    assert re.match("### .*DistilBERT", lines[0])
    names = {basis: escaped(name) for basis, name in BASES.items()}
    assert lines[2:5] == [
        f"- {names['measured']} (5): 1 reproduced; 1 not reproduced; 1 error; 1 inconclusive; 1 not run",
        f"- {names['text']} (1): 1 {KNOWN}",
        "",
    ]


def test_the_worst_comes_first() -> None:
    headings = [line for line in summary(PAGE).splitlines() if line.startswith("#")]
    assert headings[1:] == [
        "#### ! error (1)",
        "#### ✗ not reproduced (1)",
        "#### ? inconclusive (1)",
        "#### ✓ reproduced (1)",
        f"#### ✗ {KNOWN} (1)",
        "#### – not run (1)",  # noqa: RUF001
    ]


def test_a_group_without_claims_and_a_run_without_verdicts_leave_no_empty_table() -> None:
    assert "####" not in summary(verdicts())
    assert re.fullmatch(r"[^\d*-]+", summary(verdicts()).splitlines()[2])
    page = summary(verdicts(verdict("a.b", R)))
    assert [line for line in page.splitlines() if line.startswith("####")] == ["#### ✓ reproduced (1)"]


def test_what_needs_attention_is_seen_without_opening_a_fold_and_explained_in_one() -> None:
    page = summary(PAGE)
    seen = re.sub(r"<details>.*?</details>", "", page, flags=re.DOTALL)
    assert all(name in seen for name in ("squad.em.bert", "glue.retention", "glue.mnli.bert"))
    assert not any(name in seen for name in ("size.reduction", "speed.phone", "text.elmo&#95;stsb", "0123456789"))
    retention = PAGE.verdicts["glue.retention"]
    assert f"unlike recipes; {retention.reason}" in seen
    assert "7 seeds" in seen
    folded = "".join(re.findall(r"<details>.*?</details>", page, flags=re.DOTALL))
    assert f" {retention.notes[0]}\n" in folded
    assert "CoLA (student): 43.5615 44" in folded


def nasty_page() -> str:
    told: dict[str, Any] = dict.fromkeys(("title", "reason", "sentence", "where", "reading", "unit"), NASTY)
    told |= {"margin_reason": NASTY, "marks": (NASTY,), "notes": (NASTY + "\n\n</pre># x",), "evidence": (NASTY,)}
    told |= {"raw": {NASTY: [1.0]}, "nodeid": NASTY}
    given = [verdict(f"{NASTY}{outcome}", outcome, **told) for outcome in Outcome]
    given.append(verdict(f"{NASTY} known", N, **told, contradiction=NASTY))
    run = {"commit": NASTY, "command": NASTY, "created": NASTY, "suite_version": NASTY, "paper_sha256": NASTY}
    return summary(verdicts(*given, **run, host={NASTY: NASTY}, versions={NASTY: NASTY}))


def test_whatever_the_file_says_breaks_out_of_no_cell_and_no_tag() -> None:
    page = nasty_page()
    assert set(re.findall(r"</?\w+|<!", page)) == {
        f"<{slash}{tag}" for slash in ("", "/") for tag in ("details", "summary", "pre", "code")
    }
    tables = [line for line in page.splitlines() if line.startswith("|")]
    # Six claims of four columns, and eleven facts of two, with their heads.
    assert sorted({line.count("|") for line in tables}) == [3, 5]
    assert page.count("<pre>") == page.count("</pre>") == 3


def test_a_reader_of_markdown_finds_the_text_and_no_markup_in_it() -> None:
    markdown = pytest.importorskip("markdown_it").MarkdownIt("commonmark", {"html": True}).enable("table")
    inline = [child for token in markdown.parse(nasty_page()) for child in token.children or []]
    kinds = {child.type for child in inline}
    assert kinds == {"text", "html_inline"}
    assert {child.content for child in inline if child.type == "html_inline"} == {"<code>", "</code>"}
    shown = "".join(child.content for child in inline if child.type == "text")
    assert shown.count(NASTY) >= 6


def test_control_characters_and_line_breaks_are_gone() -> None:
    assert escaped("a\x00b\x1b[0m\n| c\u202e\td") == "ab&#91;0m &#124; c d"


def balanced(page: str) -> bool:
    return page.count("<details>") == page.count("</details>") and page.count("<pre>") == page.count("</pre>")


def test_a_page_is_cut_at_the_limit_with_a_sentence_and_every_fold_closed() -> None:
    whole = summary(PAGE)
    assert CUT not in whole
    assert summary(PAGE, len(whole.encode()) + RESERVE) == whole
    for limit in range(RESERVE + 200, len(whole.encode()) + RESERVE, 37):
        page = summary(PAGE, limit)
        assert page.endswith(CUT), limit
        assert balanced(page), limit
        assert len(page.encode()) < limit


def test_thousands_of_long_verdicts_stay_under_a_mebibyte() -> None:
    long = {"title": "Δ" * 5000, "reason": "|" * 5000, "notes": ("<" * 50_000,), "sentence": "✗" * 5000}
    page = summary(verdicts(*(verdict(f"a.b{n}", E, **long) for n in range(1500))))
    assert LIMIT == 1024 * 1024
    assert LIMIT / 2 < len(page.encode()) < LIMIT
    assert page.endswith(CUT)
    assert balanced(page)


@pytest.mark.parametrize("wrong", [{"precision": 0.0}, {"precision": -1.0}, {"margin": None}])
def test_a_verdict_written_by_hand_that_cannot_be_shown_is_one_sentence(
    wrong: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "v.json").write_text(pretty(verdicts(verdict("a.b", N, **wrong))))
    assert main(["summary", str(tmp_path / "v.json")]) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert re.fullmatch(r".*'a\.b'.*\.\n", printed.err)


def command(shell: str, tmp_path: Path, **environment: str) -> subprocess.CompletedProcess[bytes]:
    (tmp_path / "v.json").write_text(pretty(PAGE))
    line = f"{sys.executable} -m report summary {tmp_path / 'v.json'} {shell}"
    whole = {"PATH": "/usr/bin:/bin", **environment}
    return subprocess.run(["bash", "-c", line], cwd=ROOT, env=whole, capture_output=True, timeout=60)


def test_the_command_prints_utf8_whatever_the_locale(tmp_path: Path) -> None:
    done = command("", tmp_path, PYTHONIOENCODING="ascii")
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout.decode() == summary(PAGE)


def test_a_reader_that_leaves_early_is_no_mistake(tmp_path: Path) -> None:
    done = command("| true; echo ${PIPESTATUS[0]}", tmp_path)
    assert (done.stdout, done.stderr) == (b"0\n", b"")


def test_a_full_disk_is_one_sentence(tmp_path: Path) -> None:
    if not Path("/dev/full").exists():
        pytest.skip("needs /dev/full")
    done = command("> /dev/full", tmp_path)
    assert done.returncode == 2
    assert re.fullmatch(rb".*No space left on device.*\.\n", done.stderr)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], ["badges", "summary", '>> "$GITHUB_STEP_SUMMARY"', "0", "2", "130", "Ctrl-C"]),
        (["badges"], ["RESULTS", "FOLDER", "index.json", "total.svg", "own pair"]),
        (["summary"], ["RESULTS", "Markdown", "1 MiB"]),
    ],
)
def test_help_says_what_is_needed(arguments: list[str], words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main([*arguments, "--help"])
    text = capsys.readouterr().out
    assert ended.value.code == 0
    assert [word for word in words if not re.search(rf"(?<!\w){re.escape(word)}(?!\w)", text)] == []


@pytest.mark.parametrize("arguments", [[], ["page"], ["summary"], ["badges", "v.json"]])
def test_a_command_that_lacks_something_ends_with_2(arguments: list[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2
