"""Badges: what each says and looks like, that nothing in them breaks out, and that grey never replaces a verdict."""

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from judge.baselines import load_baselines
from judge.files import pretty
from judge.verdicts import SCHEMA, Outcome, Verdict, VerdictFile
from report.__main__ import main
from report.badges import (
    LONGEST_LABEL,
    LOOKS,
    TOTAL_LABEL,
    WITHHOLDING,
    Shown,
    badge,
    endpoint,
    shortened,
    shown,
    svg,
    total,
    write_badges,
)
from tests.project import ROOT

# badgepy reads its table of letter widths in a way that Python 3.11 and 3.12 call deprecated and 3.13 does not.
pytestmark = pytest.mark.filterwarnings(r"ignore::DeprecationWarning:badgepy\b")

SVG = "{http://www.w3.org/2000/svg}"
NASTY = ["size & speed <1 %", "<script>alert(1)</script>", "\"'><svg onload=x>", "]]>&amp;", "a\x00b\x1b[31m\u202ec"]
R, N, INCONCLUSIVE, NOT_RUN, E = Outcome
KNOWN = Shown(verdict=N, basis="text", contradiction=True)


def verdict(name: str, outcome: Outcome = R, **fields: Any) -> Verdict:
    return Verdict(id=name, verdict=outcome, **{"reason": "why", "title": f"title of {name}", **fields})


def verdicts(*given: Verdict) -> VerdictFile:
    return VerdictFile(
        schema_=SCHEMA,
        suite_version="1",
        paper_sha256="0",
        created="2026-01-01",
        command="pytest",
        verdicts={v.id: v for v in given},
    )


def said(folder: Path, name: str) -> str:
    message: str = json.loads((folder / f"{name}.json").read_text())["message"]
    return message


def counted(message: str) -> str:
    """A total's numbers, the words of verdicts beside them, and on what they rest; what was not judged is a number."""
    return " ".join(re.findall(r"\d+|(?:not )?reproduced|inconclusive|error|measured|text|study", message))


def files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.mark.parametrize("title", NASTY)
def test_an_image_is_valid_and_shows_any_title_as_text(title: str) -> None:
    drawn = badge(title, shown(verdict("a.b")))
    root = ElementTree.fromstring(svg(drawn, "a.b"))
    assert {element.tag for element in root.iter()} <= {
        SVG + tag for tag in ("svg", "title", "g", "rect", "text", "clipPath", "linearGradient", "stop")
    }
    texts = [element.text for element in root.iter(f"{SVG}text")]
    assert set(texts) == {drawn.label, "✓ reproduced"}
    assert drawn.label == title.replace("\x00", "").replace("\x1b", "").replace("\u202e", "")


def test_an_image_can_be_read_out_and_says_what_a_cut_label_leaves_out() -> None:
    title = "within 3 points of BERT on SQuAD after two distillations"
    drawn = badge(title, Shown(verdict=INCONCLUSIVE))
    root = ElementTree.fromstring(svg(drawn, "a.b"))
    assert drawn.label == "within 3 points of BERT on SQuAD after two…"
    assert root.get("role") == "img"
    assert root.get("aria-label") == root[0].text == f"{title}: ? inconclusive"
    assert root[0].tag == f"{SVG}title"


def test_images_on_one_page_share_no_id() -> None:
    ids = [
        {element.get("id") for element in ElementTree.fromstring(svg(badge("x", KNOWN), name)).iter()} - {None}
        for name in ("a.b", "a.c")
    ]
    assert ids[0]
    assert not ids[0] & ids[1]


def test_the_five_looks_differ_in_symbol_colour_and_word() -> None:
    badges = [badge("x", Shown(verdict=outcome)) for outcome in Outcome]
    assert len({drawn.message for drawn in badges}) == len({look.symbol for look in LOOKS.values()}) == 5
    assert len({look.colour for look in LOOKS.values()}) == 5
    for drawn, outcome in zip(badges, Outcome, strict=True):
        assert drawn.message == f"{LOOKS[outcome].symbol} {outcome}"
        fills = {element.get("fill") for element in ElementTree.fromstring(svg(drawn, "x")).iter(f"{SVG}rect")}
        assert LOOKS[outcome].colour in fills
        assert json.loads(endpoint(drawn))["color"] == LOOKS[outcome].colour


def luminance(colour: str) -> Iterator[float]:
    for at, weight in ((1, 0.2126), (3, 0.7152), (5, 0.0722)):
        part = int(colour[at : at + 2], 16) / 255
        yield weight * (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4)


@pytest.mark.parametrize("outcome", Outcome)
def test_white_text_can_be_read_on_every_colour(outcome: Outcome) -> None:
    assert 1.05 / (sum(luminance(LOOKS[outcome].colour)) + 0.05) >= 4.5  # WCAG 2.2, level AA


def test_no_two_colours_are_red_and_green() -> None:
    for look in LOOKS.values():
        red, green, blue = (int(look.colour[at : at + 2], 16) for at in (1, 3, 5))
        assert green <= max(red, blue), look


@pytest.mark.parametrize("outcome", Outcome)
def test_an_endpoint_has_the_keys_that_servers_know_and_no_other(outcome: Outcome) -> None:
    data = json.loads(endpoint(badge("size & speed <1 %", Shown(verdict=outcome))))
    keys = {"schemaVersion", "label", "message", "color"}
    assert set(data) == (keys | {"isError"} if outcome is E else keys)
    assert data["schemaVersion"] == 1
    assert data["label"] == "size & speed <1 %"
    assert data["message"]
    assert data.get("isError", True) is True


def test_a_known_contradiction_says_so() -> None:
    known = shown(verdict("a.b", N, contradiction="the cells do not add up"))
    assert badge("x", known).message.startswith("✗ not reproduced")
    assert "contradict" in badge("x", known).message
    assert not shown(verdict("a.b", N)).contradiction
    assert not shown(verdict("a.b", R, contradiction="the cells do not add up")).contradiction


@pytest.mark.parametrize("outcome", [R, N, INCONCLUSIVE, E])
@pytest.mark.parametrize("mark", WITHHOLDING)
def test_a_mark_that_restricts_a_verdict_leaves_a_grey_badge_with_the_mark(mark: str, outcome: Outcome) -> None:
    held = shown(verdict("a.b", outcome, marks=("seen before", mark), contradiction="x"))
    drawn = badge("x", held)
    assert not held.judged
    assert not held.contradiction
    assert (drawn.message, drawn.outcome) == (mark, NOT_RUN)
    assert counted(total([held]).message) == ""


def test_the_marks_that_restrict_are_those_that_verdicts_carry() -> None:
    assert {"unlike recipes", "rehearsal", "by side", "own pair"} == set(WITHHOLDING)
    assert badge("x", shown(verdict("a.b", R, marks=("rehearsal", "by side")))).message == "rehearsal, by side"
    assert badge("x", shown(verdict("a.b", R, marks=("harmless",)))).message == "✓ reproduced"
    assert badge("x", shown(verdict("a.b", NOT_RUN, marks=("own pair",)))).message == "– not run"  # noqa: RUF001


@pytest.mark.parametrize(
    ("counts", "said", "look"),
    [
        ({}, "", NOT_RUN),
        ({NOT_RUN: 45}, "", NOT_RUN),
        ({R: 3}, "measured 3 3 reproduced", R),
        ({R: 17, INCONCLUSIVE: 7}, "measured 17 24 reproduced 7 inconclusive", INCONCLUSIVE),
        ({R: 17, INCONCLUSIVE: 5, N: 2}, "measured 17 24 reproduced 2 not reproduced", N),
        ({R: 1, INCONCLUSIVE: 1, N: 1, E: 1, NOT_RUN: 1}, "measured 1 4 reproduced 1 error 1", E),
        ({N: 1}, "measured 0 1 reproduced 1 not reproduced", N),
        ({R: 23, "known": 9, "text": 3, NOT_RUN: 45}, "measured 23 23 reproduced 45 text 3 12", R),
        ({N: 1, "text": 3}, "measured 0 1 reproduced 1 not reproduced text 3 3", N),
        ({"text": 12, "known": 5, NOT_RUN: 45}, "measured 45 text 12 17", NOT_RUN),
        ({"known": 1}, "text 0 1", NOT_RUN),
        ({R: 3, "text": 1, "slip": 1}, "measured 3 3 reproduced text 1 2 1 error", E),
        ({"study": 9}, "", NOT_RUN),
        ({R: 3, "study": 9}, "measured 3 3 reproduced", R),
    ],
)
def test_the_total_never_mixes_what_was_measured_with_what_was_read_from_a_text(
    counts: dict[Any, int], said: str, look: Outcome
) -> None:
    kinds = {"known": KNOWN, "text": Shown(verdict=R, basis="text"), "study": Shown(verdict=R, basis="study")}
    kinds["slip"] = Shown(verdict=E, basis="text")
    drawn = total(kinds.get(kind) or Shown(verdict=kind) for kind, n in counts.items() for _ in range(n))
    assert drawn.message
    assert (counted(drawn.message), drawn.outcome, drawn.label) == (said, look, TOTAL_LABEL)


def test_every_claim_gets_both_files_and_so_does_the_total(tmp_path: Path) -> None:
    made = write_badges(verdicts(verdict("a.b"), verdict("c.d", NOT_RUN)), tmp_path / "new" / "badges")
    names = ["a.b.json", "a.b.svg", "c.d.json", "c.d.svg", "index.json", "total.json", "total.svg"]
    assert sorted(files(tmp_path / "new" / "badges")) == names
    assert made == (["a.b", "c.d"], [], [])
    assert said(tmp_path / "new" / "badges", "c.d") == "– not run"  # noqa: RUF001
    assert counted(said(tmp_path / "new" / "badges", "total")) == "measured 1 1 reproduced 1"


def test_a_partial_run_refreshes_only_its_own_badges(tmp_path: Path) -> None:
    write_badges(
        verdicts(verdict("gpu.a", N), verdict("gpu.b"), verdict("cpu.a", E), verdict("x.y", NOT_RUN)), tmp_path
    )
    before = files(tmp_path)
    partial = verdicts(
        verdict("gpu.a", NOT_RUN), verdict("gpu.b", N, marks=("rehearsal",)), verdict("cpu.a"), verdict("x.y", NOT_RUN)
    )
    assert write_badges(partial, tmp_path) == (["cpu.a", "x.y"], ["gpu.a", "gpu.b"], [])
    after = files(tmp_path)
    changed = {name for name in after if after[name] != before[name]}
    assert changed == {"cpu.a.json", "cpu.a.svg", "index.json", "total.json", "total.svg"}
    assert counted(said(tmp_path, "total")) == "measured 2 3 reproduced 1 not reproduced 1"
    shown = json.loads((tmp_path / "index.json").read_text())["badges"]
    assert {name: entry["verdict"] for name, entry in shown.items()} == {
        "gpu.a": "not reproduced",
        "gpu.b": "reproduced",
        "cpu.a": "reproduced",
        "x.y": "not run",
    }


def test_a_new_verdict_replaces_an_old_one(tmp_path: Path) -> None:
    write_badges(verdicts(verdict("a.b", N, basis="text", contradiction="known")), tmp_path)
    assert counted(said(tmp_path, "total")) == "text 0 1"
    write_badges(verdicts(verdict("a.b", E)), tmp_path)
    assert (said(tmp_path, "a.b"), counted(said(tmp_path, "total"))) == ("! error", "measured 0 1 reproduced 1 error")


def test_badges_that_the_verdicts_do_not_list_are_kept_counted_and_named(tmp_path: Path) -> None:
    write_badges(verdicts(verdict("a.b"), verdict("c.d")), tmp_path)
    assert write_badges(verdicts(verdict("c.d")), tmp_path).unlisted == ["a.b"]
    assert counted(said(tmp_path, "total")) == "measured 2 2 reproduced"


@pytest.mark.parametrize("lost", ["a.b.json", "a.b.svg"])
def test_a_badge_whose_file_was_deleted_is_forgotten(lost: str, tmp_path: Path) -> None:
    write_badges(verdicts(verdict("a.b"), verdict("c.d")), tmp_path)
    (tmp_path / lost).unlink()
    write_badges(verdicts(verdict("c.d")), tmp_path)
    assert counted(said(tmp_path, "total")) == "measured 1 1 reproduced"


def test_labels_of_the_papers_claims_are_short_and_tell_them_apart() -> None:
    titles = [claim.title for claim in load_baselines(ROOT / "baselines").claims.values()]
    labels = [badge(title, KNOWN).label for title in titles]
    assert max(map(len, labels)) <= LONGEST_LABEL
    assert len(set(labels)) == len(set(titles)) > 70


@pytest.mark.parametrize(
    ("text", "cut"),
    [("a word", "a word"), ("1234567890", "1234567890"), ("12345678901", "123456789…"), ("two words, 9", "two…")],
)
def test_a_label_is_cut_between_words_where_it_has_some(text: str, cut: str) -> None:
    assert shortened(text, 10) == cut


def test_a_claim_without_a_title_is_named_by_its_id(tmp_path: Path) -> None:
    write_badges(verdicts(verdict("a.b", title="")), tmp_path)
    assert json.loads((tmp_path / "a.b.json").read_text())["label"] == "a.b"


BAD = {
    "missing": (None, ("exist",)),
    "broken": ("{", ("JSON",)),
    "binary": ("\udcff", ("UTF-8",)),
    "newer": ('{"schema": 4}', ("schema 4", " 3", "update")),
    "no schema": ("[]", ("/schema",)),
    "misspelt": (
        pretty(verdicts(verdict("a.b"))).replace('"reason"', '"raeson"'),
        ("/verdicts/a.b/raeson", "'reason'"),
    ),
}


@pytest.mark.parametrize("command", ["badges", "summary"])
@pytest.mark.parametrize("kind", BAD)
def test_results_that_cannot_be_read_end_with_one_sentence(
    kind: str, command: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text, words = BAD[kind]
    if text is not None:
        (tmp_path / "v.json").write_bytes(text.encode(errors="surrogateescape"))
    folder = [str(tmp_path / "badges")] if command == "badges" else []
    assert main([command, str(tmp_path / "v.json"), *folder]) == 2
    printed = capsys.readouterr()
    assert all(word in printed.err for word in (str(tmp_path / "v.json"), *words)), printed.err
    assert (printed.err.count("\n"), printed.out) == (1, "")
    assert not (tmp_path / "badges").exists()


@pytest.mark.parametrize("name", ["../../escape", "total", "index", "a.b/c", "A.b", "a.b\n", ""])
def test_an_id_never_leads_out_of_the_folder(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "v.json").write_text(pretty(verdicts(verdict(name))))
    assert main(["badges", str(tmp_path / "v.json"), str(tmp_path / "a" / "badges")]) == 2
    error = capsys.readouterr().err
    assert repr(name) in error
    assert "size.reduction" in error
    assert [path.name for path in tmp_path.iterdir()] == ["v.json"]


@pytest.mark.parametrize(
    ("lies_there", "content", "word"),
    [
        ("", "", "Not a directory"),
        ("index.json", "{}", "/schema"),
        ("index.json", '{"schema": 99, "badges": {}}', "schema 99"),
        ("index.json", '{"schema": 1, "badges": {"../x": {"verdict": "error"}}}', "/badges/..~1x"),
        ("index.json", '{"schema": 1, "badges": {"a.b": {"verdict": "good"}}}', "/badges/a.b/verdict"),
        ("a.b.json", "{}", "index.json"),
    ],
)
def test_a_folder_that_is_not_one_of_badges_is_left_alone(
    lies_there: str, content: str, word: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "v.json").write_text(pretty(verdicts(verdict("a.b"))))
    folder = tmp_path / "badges"
    if lies_there:
        folder.mkdir()
        (folder / lies_there).write_text(content)
    else:
        folder.write_text("a file")
    assert main(["badges", str(tmp_path / "v.json"), str(folder)]) == 2
    error = capsys.readouterr().err
    assert str(folder) in error
    assert word in error
    assert error.count("\n") == 1
    if lies_there:
        assert files(folder) == {lies_there: content.encode()}


def test_a_folder_without_room_is_one_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "v.json").write_text(pretty(verdicts(verdict("a.b"))))
    assert main(["badges", str(tmp_path / "v.json"), "/proc/badges"]) == 2
    error = capsys.readouterr().err
    assert "/proc/badges" in error
    assert "No such file or directory" in error
    assert error.count("\n") == 1


def test_without_badgepy_one_sentence_says_how_to_get_it_and_nothing_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "v.json").write_text(pretty(verdicts(verdict("a.b"))))
    monkeypatch.setitem(sys.modules, "badgepy", None)
    assert main(["badges", str(tmp_path / "v.json"), str(tmp_path / "badges")]) == 2
    error = capsys.readouterr().err
    assert "badgepy" in error
    assert 'pip install -e ".[report]"' in error
    assert error.count("\n") == 1
    assert not (tmp_path / "badges").exists()
    assert main(["summary", str(tmp_path / "v.json")]) == 0


def test_the_command_makes_badges_and_says_how_many(tmp_path: Path) -> None:
    (tmp_path / "v.json").write_text(pretty(verdicts(verdict("a.b"), verdict("c.d", NOT_RUN))))
    command = [sys.executable, "-W", "error:::report", "-m", "report", "badges", str(tmp_path / "v.json"), "badges"]
    environment = {"PYTHONPATH": str(ROOT), "PATH": ""}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")
    assert re.findall(r"\d+", done.stdout) == ["2", "0"]
    assert done.stdout.count("\n") == 1
    assert counted(said(tmp_path / "badges", "total")) == "measured 1 1 reproduced 1"
