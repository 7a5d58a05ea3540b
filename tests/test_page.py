import base64
import hashlib
import html
import json
import math
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections import Counter
from html.parser import HTMLParser
from pathlib import Path
from xml.dom import minidom

import pytest

from judge.baselines import load_baselines
from judge.evidence import Evidence, Host, Measurement, Model, RecipeUsed, digest, read_evidence, write_evidence
from judge.files import Mistake, pretty
from judge.verdicts import SCHEMA, Outcome, Verdict, VerdictFile, without_measurement
from report.page.answer import QUESTION, answer
from report.page.forest import PIXEL, SPAN, row
from report.page.origins import NOT_DESCRIBED, NOT_GIVEN
from report.page.render import write_page
from report.page.safe import sampled
from report.page.sources import Source
from report.page.sources import look as look_of
from tests.project import ROOT, Project

BASELINES = load_baselines(ROOT / "baselines")
STUDY = ROOT / "evidence" / "prior-study.json"
CPU = ROOT / "evidence" / "cpu.json"
STUDYS_HOST = str(read_evidence(STUDY).host.name)
MEASURED = [claim.id for claim in BASELINES.paper.claims if claim.about]
PROMISES = ("size.reduction", "speed.cpu_full_pass", "glue.retention")
VOID = {"meta", "br", "link", "img", "hr", "input"}
EVIL = "<script>alert(1)</script>\" onclick='x' javascript:alert(2) &amp; \u202e\x00</title>"


class Parsed(HTMLParser):
    """A page as its elements: (tag, attributes) in order, and all of its text outside the style sheet."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.text = ""
        self.open: list[str] = []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "style" not in self.open:
            self.text += data

    def all(self, tag: str) -> list[dict[str, str]]:
        return [attributes for name, attributes in self.elements if name == tag]


def judged(name: str, outcome: Outcome, value: float | None = None, **fields) -> Verdict:
    base = without_measurement(BASELINES.claims[name], outcome, "because")
    return base.model_copy(update={"value": value, **fields})


def verdict_file(*verdicts: Verdict, **fields) -> VerdictFile:
    """A run that judged these claims, and no other."""
    never = {c.id: without_measurement(c, Outcome.NOT_RUN, "not asked for") for c in BASELINES.claims.values()}
    facts = {
        "schema_": SCHEMA,
        "suite_version": "0.1.0",
        "paper_sha256": BASELINES.digest,
        "created": "2026-11-22T15:01:10+00:00",
        "command": "pytest claims/",
        "host": {"cpu": "made", "cores": 2},
    }
    return VerdictFile(**{**facts, "verdicts": never | {v.id: v for v in verdicts}, **fields})


def write(path: Path, file: VerdictFile) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(pretty(file), encoding="utf-8")
    return path


def rendered(folder: Path, file: VerdictFile, **options) -> str:
    made = write_page(write(folder / "verdicts.json", file), folder / "site", **options)
    return made.path.read_text(encoding="utf-8")


def sentence(page: str) -> str:
    found = re.search(r'<p class="answer">(.*?)</p>', page, re.DOTALL)
    assert found
    return Parsed(found[1]).text.replace("\u00a0", " ")


def told(said: str, number: str, word: str, first: str = "") -> bool:
    """Whether the answer says of so many promises how they came out, and names this one first."""
    return bool(re.search(rf"\b{number}\b[^(;]*(?<!not ){word} \({re.escape(first)}", said))


def findings(page: str) -> list[str]:
    """What the page says is wrong with the files that it was made from."""
    found = re.search(r'<div class="notice".*?</div>', page, re.DOTALL)
    return re.findall(r"<li>(.*?)</li>", found[0]) if found else []


def ran(page: str) -> str:
    """Who measured, and who judged when."""
    found = re.search(r'<p class="run">(.*?)</p>', page)
    assert found
    return html.unescape(found[1])


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Real evidence, judged: `mixed` from both files, `prior` from the prior study's alone."""
    project = Project(tmp_path_factory.mktemp("judged"))
    for name, files in (("mixed", (CPU, STUDY)), ("prior", (STUDY,))):
        options = [word for file in files for word in ("--evidence", f"evidence/{file.name}")]
        done = project.run("claims/", "-q", f"--results={name}", *options)
        assert "reproduced" in done.stdout, done.stdout + done.stderr
    return project.path


@pytest.fixture(scope="module")
def real(runs: Path) -> str:
    """The page of both, with the prior study beside."""
    beside = [f"the prior study={runs / 'prior'}"]
    made = write_page(runs / "mixed", runs / "site", beside=beside, evidence=[ROOT / "evidence"])
    return made.path.read_text(encoding="utf-8")


def test_what_was_found_of_the_papers_pair_is_no_promise_that_another_keeps(tmp_path: Path) -> None:
    own = judged("size.reduction", YES, 60.0, marks=("own pair",), bounds=(39.273, None))
    whole = judged(
        "speed.cpu_full_pass", YES, 2.0, bounds=(1.595, None), raw={"teacher, s": [9.0], "student, s": [4.0]}
    )
    said = sentence(rendered(tmp_path / "mixed", verdict_file(own, whole, judged("glue.retention", YES, 97.0))))
    assert told(said, "one", "reproduced", "40 % fewer parameters")
    assert told(said, "two", "not run")


def test_the_figure_without_wnli_stands_beside_the_headline(tmp_path: Path) -> None:
    names = ("size.reduction", "speed.cpu_full_pass", "glue.retention", "glue.retention_without_wnli")
    page = rendered(tmp_path / "mixed", verdict_file(*(judged(name, YES, 97.0) for name in names)))
    found = re.search(r'<ul class="promises">(.*?)</ul>', page, re.DOTALL)
    assert found
    shown = [re.findall(r'<a[^>]* href="#(.*?)"', promise) for promise in found[1].split("</li>")[:-1]]
    assert shown == [["size.reduction"], ["speed.cpu_full_pass"], ["glue.retention", "glue.retention_without_wnli"]]
    assert told(sentence(page), "three", "reproduced")


@pytest.mark.parametrize(
    "fields",
    [
        {"precision": math.inf},
        {"precision": 0.0},
        {"published": -1e308},
        {"raw": {"ratios": [1e20, 1e20]}},
        {"raw": {"ratios": [1.7e308, -1.7e308]}},
        {"raw": {"ratios": [5e-324, 1e-323]}},
    ],
)
def test_numbers_that_nothing_can_be_drawn_from_break_no_page(fields: dict[str, object], tmp_path: Path) -> None:
    for name in ("speed.cpu", "glue.cola.bert", "size.reduction"):
        made = rendered(tmp_path / name, verdict_file(judged(name, YES, 2.0, **fields)))
        assert f'id="{name}"' in made


def test_the_same_input_gives_the_same_bytes(runs: Path, tmp_path: Path) -> None:
    pages = []
    for seed in ("1", "2"):
        options = ["--evidence", str(ROOT / "evidence"), "--beside", f"prior={runs / 'prior'}"]
        done = subprocess.run(
            [sys.executable, "-m", "report", "render", str(runs / "mixed"), str(tmp_path / seed), *options],
            cwd=ROOT,
            env={**os.environ, "PYTHONHASHSEED": seed, "TZ": f"UTC+{seed}"},
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert (done.returncode, done.stderr) == (0, "")
        assert re.fullmatch(rf".*index\.html: {len(BASELINES.claims)} claims, \d+ kB\n", done.stdout)
        pages.append((tmp_path / seed / "index.html").read_bytes())
    assert pages[0] == pages[1]


def test_every_claim_is_there_with_its_word_its_number_and_an_anchor(real: str, runs: Path) -> None:
    parsed = Parsed(real)
    ids = [attributes["id"] for _, attributes in parsed.elements if "id" in attributes]
    assert [name for name, count in Counter(ids).items() if count > 1] == []
    folds = re.findall(r"<summary>(.*?)</summary>.*?<div class=\"fold\" id=\"(.*?)\">", real, re.DOTALL)
    shown = {name: Parsed(summary).text for summary, name in folds}
    verdicts = json.loads((runs / "mixed" / "verdicts.json").read_text())["verdicts"]
    assert set(shown) == set(verdicts)
    for name, verdict in verdicts.items():
        assert verdict["title"] in shown[name]
        assert verdict["verdict"] in shown[name]
    assert "95.03 % [92.47, 97.66]" in shown["glue.retention"]
    assert "unlike recipes" in shown["glue.retention"]


def test_the_answer_is_one_sentence_and_says_what_was_not_run(real: str, runs: Path) -> None:
    verdicts = json.loads((runs / "mixed" / "verdicts.json").read_text())["verdicts"]
    words = Counter(verdicts[name]["verdict"] for name in MEASURED)
    said = sentence(real)
    assert told(said, "two", "reproduced")
    assert told(said, "one", "inconclusive")
    assert all(BASELINES.claims[name].title in said for name in PROMISES)
    failed, open_ = words["not reproduced"], words["not run"]
    counted = rf"; .*\b{len(MEASURED)}\b.*\b{failed}\b.*\bnot reproduced\b.*\b{open_}\b.*\bnot run\b"
    assert re.search(counted, said)
    assert said.count(".") == 1


def test_counts_keep_what_was_measured_apart_from_what_was_read_from_the_text(real: str, runs: Path) -> None:
    verdicts = json.loads((runs / "mixed" / "verdicts.json").read_text())["verdicts"]
    lists = [Parsed(found).text for found in re.findall(r'<ul class="counts".*?</ul>', real, re.DOTALL)]
    text = [claim.id for claim in BASELINES.paper.claims if not claim.about]
    known = {claim.id for claim in BASELINES.paper.claims if claim.contradiction}
    for names, shown in zip((MEASURED, text), lists, strict=True):
        words = Counter("known" if name in known else verdicts[name]["verdict"] for name in names)
        total, *numbers = map(int, re.findall(r"\b\d+\b", shown))
        assert total == len(names)
        assert sorted(numbers) == sorted(words.values())


YES, NO, OPEN, ERROR = Outcome.REPRODUCED, Outcome.NOT_REPRODUCED, Outcome.INCONCLUSIVE, Outcome.ERROR


@pytest.mark.parametrize(
    ("outcomes", "others", "word"),
    [
        ((YES, YES, YES), YES, "yes"),
        ((YES, YES, YES), Outcome.NOT_RUN, "so far"),
        ((YES, YES, YES), NO, "main"),
        ((YES, NO, OPEN), YES, "part"),
        ((NO, NO, NO), YES, "no"),
        ((OPEN, NO, NO), YES, "printed"),
        ((OPEN, OPEN, ERROR), YES, "decided"),
    ],
)
def test_the_first_word_follows_from_the_verdicts(outcomes: tuple, others: Outcome, word: str) -> None:
    verdicts = {c.id: without_measurement(c, others, "") for c in BASELINES.paper.claims}
    verdicts |= {name: judged(name, outcome, 1.0) for name, outcome in zip(PROMISES, outcomes, strict=True)}
    # What contradicts itself in print is no failure of a measurement.
    verdicts["text.elmo_stsb"] = judged("text.elmo_stsb", NO, 16.5)
    source = Source("this run", "disc", "", verdict_file(*verdicts.values()))
    said = answer(source, verdicts).answer.lower()
    assert re.search(rf"\b{word}\b", said)
    assert bool(re.search(r"\bno\b", said)) == (word == "no")
    assert bool(re.search(r"\byes\b", said)) == (word in ("yes", "so far"))
    assert ("so far" in said) == (word == "so far")


def test_an_error_is_never_told_as_a_verdict(tmp_path: Path) -> None:
    page = rendered(tmp_path, verdict_file(judged("size.reduction", ERROR), judged("speed.cpu", YES, 1.9)))
    said = sentence(page)
    assert told(said, "one", "error", "40 % fewer parameters")
    number = len(MEASURED)
    assert re.search(rf"; .*\b{number}\b.*\b1\b.*\berror\b.*\b{number - 2}\b.*\bnot run\b", said)


def test_a_folder_without_verdicts_gives_a_page_that_says_how_to_make_them(tmp_path: Path) -> None:
    (tmp_path / "results").mkdir()
    made = write_page(tmp_path / "results", tmp_path)
    page = made.path.read_text()
    assert made.empty
    assert sentence(page).startswith("Not known yet:")
    assert "pytest claims/ -m fast" in page
    assert page.count('<details class="claim">') == len(BASELINES.claims)


def test_a_rehearsal_shows_a_banner_and_no_verdict(tmp_path: Path) -> None:
    verdicts = [
        judged(name, outcome, 12.0, interval=(11.0, 13.0), marks=("rehearsal",), raw={"CoLA": [1.0, 2.0]})
        for name, outcome in zip(PROMISES, (YES, NO, OPEN), strict=True)
    ]
    page = rendered(tmp_path, verdict_file(*verdicts))
    banner = re.search(r'<p class="banner">(.*?)</p>', page)
    assert banner
    assert "rehearsal" in banner[1]
    assert "rehearsal" in sentence(page)
    assert not any(outcome.value in sentence(page) for outcome in Outcome)
    body = page.split("</defs></svg>")[1]
    for icon in ("reproduced", "not-reproduced", "inconclusive"):
        assert f"#v-{icon}" not in body
    assert body.count(look_of(verdicts[0]).word) >= 3
    assert "12 %" not in body
    rows = re.findall(r'<svg class="plot".*?</svg>', body)
    assert len(rows) == len(BASELINES.claims)
    assert not any("<use" in row for row in rows)


def test_a_rehearsal_beside_verdicts_that_count_says_nothing_of_the_page(tmp_path: Path) -> None:
    rehearsed = judged("glue.retention", YES, 97.0, marks=("rehearsal",))
    page = rendered(tmp_path, verdict_file(judged("size.reduction", YES, 40.0), rehearsed))
    assert '<p class="banner">' not in page
    assert told(sentence(page), "one", "reproduced", "40 % fewer parameters")
    assert told(sentence(page), "two", "not run")
    assert BASELINES.claims["glue.retention"].title in html.unescape(page)


def test_a_pair_of_somebodys_own_is_named_and_asked_about(tmp_path: Path) -> None:
    verdict = judged("size.reduction", YES, 60.0, marks=("own pair",), bounds=(39.273, None))
    page = rendered(tmp_path, verdict_file(verdict, command="pytest claims/ --student 'my model' --teacher=big"))
    heading = re.search(r"<h1>(.*?)</h1>", page)
    banner = re.search(r'<p class="banner">(.*?)</p>', page)
    assert heading
    assert heading[1] != QUESTION
    assert "pair" in heading[1]
    assert banner
    assert all(word in banner[1] for word in ("own pair", "student my model", "teacher big"))


def test_sources_that_disagree_are_both_shown_and_said(tmp_path: Path) -> None:
    here = verdict_file(judged("speed.cpu", YES, 1.9, interval=(1.8, 2.0)))
    other = verdict_file(judged("speed.cpu", NO, 1.2, interval=(1.1, 1.3)), host={"cpu": "other"})
    path = write(tmp_path / "other" / "verdicts.json", other)
    page = rendered(tmp_path, here, beside=[f"a phone={path}"])
    [differing] = re.findall(r'<p class="notice">(.*?)</p>', page)
    assert re.findall('href="(.*?)"', differing) == ["#speed.cpu"]
    summary = next(s for s in re.findall(r"<summary>(.*?)</summary>", page, re.DOTALL) if "forward pass" in s)
    text = Parsed(summary).text
    assert "1.9x [1.8, 2]" in text
    assert "1.2x [1.1, 1.3]" in text
    assert re.search('class="chip differs">[^<]*this run[^<]*a phone', summary)
    assert {"#s-disc", "#s-diamond-open"} <= {u["href"] for u in Parsed(summary).all("use")}
    plot = re.search(r'<svg class="plot".*?</svg>', summary)
    assert plot
    groups = re.findall(r'<g class="([\w-]+)">', plot[0])
    assert groups == ["band", "printed", "reproduced", "beside"]


def drawn(verdict: Verdict):
    return row([(Source("this run", "disc", "", verdict_file()), verdict)])


def test_a_row_of_the_forest_is_drawn_on_the_scale_of_its_margin() -> None:
    within = judged("glue.sst2.bert", YES, 92.7, interval=(91.7, 93.7))
    assert drawn(within).band == (-1.0, 1.0)
    mark = drawn(within).marks[0]
    assert (mark.at, mark.interval, mark.beyond) == (0.0, (-1.0, 1.0), 0)
    far = drawn(judged("glue.sst2.bert", NO, 99.9, interval=(96.0, 101.0))).marks[0]
    assert (far.at, far.interval, far.beyond) == (SPAN, (pytest.approx(3.3), SPAN), 1)
    assert drawn(judged("glue.sst2.bert", NO, 50.0)).marks[0].beyond == -1


def test_a_bound_on_one_side_leaves_the_band_open_on_the_other() -> None:
    assert drawn(judged("glue.retention", OPEN, 97.0)).band == (-1.0, SPAN)
    assert drawn(judged("squad.gap", OPEN, 3.0)).band[0] == -SPAN


def test_where_only_the_printed_value_agrees_another_lies_beyond() -> None:
    exact = judged("architecture.pooler", YES, 0.0, margin=0.0, bounds=(0.0, 0.0))
    assert drawn(exact).marks[0].at == 0.0
    assert drawn(exact).band == (pytest.approx(-PIXEL), pytest.approx(PIXEL))
    assert drawn(exact.model_copy(update={"value": 5.0})).marks[0].beyond == 1


@pytest.mark.parametrize("odd", [float("nan"), float("inf"), float("-inf"), 1e308, -1e-320])
def test_odd_numbers_are_reported_and_break_nothing(odd: float, tmp_path: Path) -> None:
    verdict = judged("glue.sst2.bert", YES, odd, interval=(odd, odd), bounds=(odd, None), margin=odd, published=odd)
    raw = {"SST-2 (teacher)": [odd, 1.0, 92.0], "teacher (s)": [odd, 0.0], "student (s)": [0.0, odd]}
    speed = judged("speed.cpu", YES, odd, interval=(odd, odd), raw=raw, precision=0.0)
    page = rendered(tmp_path, verdict_file(verdict, speed))
    Parsed(page)
    for svg in re.findall(r"<svg.*?</svg>", re.sub(r"<title>.*?</title>", "", page), re.DOTALL):
        assert not re.search(r'="[^"]*(nan|inf)', svg)
    if odd != odd or abs(odd) == float("inf"):
        assert any("glue.sst2.bert" in line and "finite" in line for line in findings(page))


def test_fields_that_are_missing_are_left_out(tmp_path: Path) -> None:
    bare = {
        name: Verdict(id=name, verdict=outcome, reason="") for name, outcome in [("size.reduction", YES), ("x", NO)]
    }
    page = rendered(tmp_path, verdict_file(verdicts=bare))
    assert page.count('<details class="claim">') == 2
    assert 'id="claim-1"' in page  # "x" is no claim's id, and could be anything
    quotes = re.findall("<blockquote><p>(.*?)</p></blockquote>", page)
    assert len(quotes) == 2
    assert all(quotes)


def test_markup_in_strings_is_shown_and_never_obeyed(tmp_path: Path) -> None:
    fields = dict.fromkeys(("title", "sentence", "where", "unit", "rule", "margin_reason", "reading", "nodeid"), EVIL)
    fields |= {"marks": (EVIL,), "notes": (EVIL, "x" * 100_000), "evidence": (EVIL,), "raw": {EVIL: [1.0, 2.0]}}
    evil = judged("size.reduction", YES, 40.0).model_copy(update=fields)
    verdicts = {"size.reduction": evil, EVIL: evil.model_copy(update={"id": EVIL})}
    file = verdict_file(
        verdicts=verdicts, command=EVIL, commit=EVIL, created=EVIL, host={EVIL: EVIL}, versions={EVIL: EVIL}
    )
    model = Model(role="teacher", id=EVIL, revision=EVIL)
    recipe = RecipeUsed(name=EVIL, values={EVIL: EVIL})
    measurement = Measurement(quantity="architecture.encoder", model=model, recipe=recipe, unit="x", values=(1.0,))
    evidence = tmp_path / "<b>evidence.json"
    host = Host(name=EVIL, gpu=EVIL)
    made = {"schema_": 2, "suite_version": EVIL, "created": EVIL, "about": EVIL, "host": host, "versions": {EVIL: EVIL}}
    write_evidence(evidence, Evidence(**made, measurements=(measurement,)))
    other = write(tmp_path / "other.json", file)
    page = rendered(tmp_path, file, evidence=[evidence], beside=[f"{EVIL.replace('=', '')[:40]}={other}"])
    parsed = Parsed(page)
    assert parsed.all("script") == parsed.all("iframe") == parsed.all("img") == []
    assert [a for _, a in parsed.elements if any(name.startswith("on") for name in a)] == []
    assert {a["href"] for a in parsed.all("a") if not a["href"].startswith("#")} == {"https://arxiv.org/abs/1910.01108"}
    assert "<script>alert(1)</script>" in parsed.text  # as text
    assert "\u202e" not in page
    assert "\x00" not in page
    assert len(page) < 400_000


def test_nothing_is_asked_of_anybody(real: str) -> None:
    parsed = Parsed(real)
    policy = next(m["content"] for m in parsed.all("meta") if m.get("http-equiv") == "Content-Security-Policy")
    style = re.search(r"<style>(.*?)</style>", real, re.DOTALL)
    assert style
    digest_of_style = base64.b64encode(hashlib.sha256(style[1].encode()).digest()).decode()
    assert policy == (f"default-src 'none'; style-src 'sha256-{digest_of_style}'; base-uri 'none'; form-action 'none'")
    assert "url(" not in style[1]
    assert "@import" not in style[1]
    assert [a for _, a in parsed.elements if {"style", "src", "srcset", "data", "action"} & set(a)] == []
    assert parsed.all("script") == []


def test_every_drawing_is_well_formed_and_says_what_it_shows(real: str) -> None:
    drawings = re.findall(r"<svg.*?</svg>", real, re.DOTALL)
    assert len(drawings) > 300
    for svg in drawings:
        root = minidom.parseString(svg).documentElement
        assert root is not None
        title = root.getElementsByTagName("title")
        assert root.getAttribute("aria-hidden") == "true" or (root.getAttribute("role") == "img" and title)
    assert re.search(r"<title>[^<]*\bthis run\b[^<]*\b3\.93\b[^<]*\bbelow\b[^<]*\b97 %", real)


def test_cells_of_the_papers_tables_hold_what_was_printed_and_measured(real: str) -> None:
    tables = [Parsed(t) for t in re.findall(r'<table class="paper">.*?</table>', real, re.DOTALL)]
    assert len(tables) == 4
    text = " ".join(tables[0].text.split())
    assert "DistilBERT" in text
    for printed in BASELINES.paper.tables["table1"].rows["BERT-base"].values():
        assert printed in text
    assert "84.67 not reproduced" in text
    assert "81.79 inconclusive/88.87 inconclusive" in " ".join(tables[1].text.split())
    assert "668this run 166.6" in "".join(tables[2].text.split("\n"))
    assert re.search(r"\bmisprint\b[^<]*\b84\.7\b", real)


def test_the_fold_says_how_to_do_it_again(real: str) -> None:
    fold = real.split('id="glue.mrpc.bert"')[1].split("</details>")[0]
    commands = [
        shlex.split(Parsed(f"<p>{c}</p>").text) for c in re.findall(r"<pre tabindex=\"0\"><code>(.*?)</code>", fold)
    ]
    node = "claims/test_glue.py::test_cell_of_table_1[mrpc-bert]"
    assert commands[0][:2] == ["pytest", node]
    assert commands[0].count("--evidence") == 2
    assert commands[1] == ["pytest", node, "--runslow"]


def test_evidence_gives_seeds_recipe_host_and_versions(real: str) -> None:
    fold = html.unescape(real.split('id="glue.mrpc.bert"')[1].split("</details>")[0])
    assert re.search(r"\bglue\.mrpc\.accuracy\b[^<;]*\bteacher\b[^<;]*\bseed 42\b[^<;]*\b81\.1275\b", fold)
    assert re.search(r"\bprior-study\b[^<]*\bepochs 3\b[^<]*\bbatch_size 32\b", fold)
    assert STUDYS_HOST in fold
    assert "transformers 5.0.0.dev0" in fold


def test_every_pair_that_was_timed_is_in_a_histogram(real: str) -> None:
    assert "1,500 pairs" in real
    timed = {measurement.quantity for measurement in read_evidence(CPU).measurements if measurement.pairs}
    assert real.count('<svg class="histogram"') == len(timed) > 2  # what is judged twice is drawn once


def test_ten_thousand_seeds_are_sampled_and_that_is_said(tmp_path: Path) -> None:
    values = [90 + (seed * 7919 % 10_000) / 2000 for seed in range(10_000)]
    verdict = judged("glue.sst2.bert", YES, 92.7, raw={"SST-2 (teacher)": values})
    page = rendered(tmp_path, verdict_file(verdict))
    assert re.search(r"\b200\b[^<]*\b10,000\b", page)
    assert "9,988" in page
    strip = re.search(r'<svg class="strip".*?</svg>', page)
    assert strip
    assert 150 < strip[0].count("<use") <= 200
    drawn = sampled(values, 200)
    assert (drawn[0], drawn[-1], len(drawn)) == (min(values), max(values), 200)


def test_what_is_wrong_with_the_files_is_said_first(tmp_path: Path) -> None:
    edited = judged("size.reduction", YES, 12.0)
    page = rendered(tmp_path, verdict_file(edited, paper_sha256="0" * 64))
    found = findings(page)
    assert len(found) == 2
    assert all(word in found[0] for word in ("paper.json", "0" * 12))
    assert all(word in found[1] for word in ("size.reduction", "reproduced", "bounds"))
    assert page.index('class="notice"') < page.index('<h2 id="claims">')


def test_evidence_that_was_not_judged_here_is_told_apart(tmp_path: Path) -> None:
    mine = digest(read_evidence(STUDY))
    verdict = judged("glue.sst2.bert", OPEN, 92.5, evidence=("somewhere.json",), digests=("0" * 64,))
    page = rendered(tmp_path, verdict_file(verdict), evidence=[STUDY])
    assert "not judged here" in page
    page = rendered(tmp_path, verdict_file(verdict.model_copy(update={"digests": (mine,)})), evidence=[STUDY])
    assert "not judged here" not in page


def refuse(folder: Path, expected: str, file: VerdictFile | None = None, **options) -> None:
    path = write(folder / "verdicts.json", file or verdict_file())
    (folder / "site").mkdir(exist_ok=True)
    (folder / "site" / "index.html").write_text("the old page")
    with pytest.raises(Mistake, match=expected):
        write_page(path, folder / "site", **options)
    assert (folder / "site" / "index.html").read_text() == "the old page"
    assert [p.name for p in (folder / "site").iterdir()] == ["index.html"]


def test_mistakes_are_one_sentence_and_leave_the_old_page(tmp_path: Path) -> None:
    refuse(tmp_path, "schema 99", verdict_file(schema_=99))
    refuse(tmp_path, "--beside 'prior'.*NAME=VERDICTS", beside=["prior"])
    refuse(tmp_path, "--beside 'a'.*twice", beside=[f"a={tmp_path / 'verdicts.json'}"] * 2)
    refuse(tmp_path, "--beside 'this run'.*twice", beside=[f"this run={tmp_path / 'verdicts.json'}"])
    refuse(tmp_path, r"nowhere\.json", beside=["a=nowhere.json"])
    refuse(tmp_path, r"\b13\b.*\b12\b", beside=[f"{n}=x" for n in range(13)])
    refuse(tmp_path, r"--beside 'nnn.*\b40\b", beside=[f"{'n' * 41}=x"])
    (tmp_path / "nothing").mkdir()
    refuse(tmp_path, r"\bnothing\b.*\.json\b", evidence=[tmp_path / "nothing"])


def test_an_edited_number_and_evidence_that_disagrees_are_refused(tmp_path: Path) -> None:
    text = STUDY.read_text()
    assert "0.5729657494988228" in text
    edited = tmp_path / "edited.json"
    edited.write_text(text.replace("0.5729657494988228", "0.6729657494988228"))
    refuse(tmp_path, r"\bedited\.json\b.*/measurements/\d+ .*\bdigest\b", evidence=[edited])
    evidence = read_evidence(STUDY)
    first = evidence.measurements[0].model_copy(update={"values": (0.5,)})
    write_evidence(edited, evidence.model_copy(update={"measurements": (first,)}))
    refuse(tmp_path, r"(?=.*\bprior-study\.json\b).*\bedited\.json\b", evidence=[STUDY, edited])


@pytest.mark.parametrize("module", ["jinja2", "matplotlib"])
def test_without_a_library_a_sentence_says_what_to_install(module: str, tmp_path: Path) -> None:
    write(tmp_path / "verdicts.json", verdict_file())
    script = (
        f"import sys; sys.modules['{module}'] = None; from report.__main__ import main; sys.exit(main(sys.argv[1:]))"
    )
    command = [sys.executable, "-c", script, "render", str(tmp_path), str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert done.returncode == 2
    assert re.fullmatch(rf'.*\b(?i:{module})\b.*pip install -e "\.\[report\]".*\n', done.stderr)


WEB = Path(__file__).parent / "web"
# What a page of real and of hostile input must come to in a browser.
GOOD = {
    "console": [],
    "requests": [],
    "axe": [],
    "overflow": [],
    "html": [],
    "skip": "skip",
    "outlined": True,
    "keyboard": True,
    "anchor": True,
    "printed": {"hidden": 0, "ground": "rgb(255, 255, 255)"},
}


def look(*pages: Path) -> dict[str, dict]:
    browser = shutil.which("chromium")
    if browser is None or shutil.which("node") is None:
        pytest.skip("needs chromium and node: apt-get install chromium nodejs npm")
    if not (WEB / "node_modules").is_dir():
        pytest.skip("needs the packages of tests/web: npm ci --ignore-scripts --prefix tests/web")
    command = ["node", "look.mjs", browser, *map(str, pages)]
    done = subprocess.run(command, cwd=WEB, capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_browsers_find_nothing_wrong_with_a_page_of_every_outcome(runs: Path, tmp_path: Path) -> None:
    # Of a few claims: the time of a browser's checks grows with the page, and --full looks at whole ones.
    names = ("size.reduction", "speed.cpu", "speed.cpu_backends", "glue.retention", "glue.elmo", "text.elmo_stsb")
    for run in ("mixed", "prior"):
        file = json.loads((runs / run / "verdicts.json").read_text())
        file["verdicts"] = {name: file["verdicts"][name] for name in (*names, "imdb.gap")}
        long = judged("squad.em.bert", ERROR, title="W" * 3000, notes=("<b>" * 999,), marks=("M" * 300,))
        file["verdicts"]["squad.em.bert"] = json.loads(pretty(long))
        (tmp_path / f"{run}.json").write_text(json.dumps(file))
    made = write_page(tmp_path / "mixed.json", tmp_path, beside=[f"the prior study={tmp_path / 'prior.json'}"])
    page = made.path.read_text(encoding="utf-8")
    assert all(outcome.value in page for outcome in Outcome)
    assert look(made.path)[str(made.path)] == GOOD


@pytest.mark.full
def test_browsers_find_nothing_wrong_with_the_page(real: str, tmp_path: Path) -> None:
    mixed, empty, evil = (tmp_path / f"{name}.html" for name in ("mixed", "empty", "evil"))
    mixed.write_text(real, encoding="utf-8")
    (tmp_path / "nothing").mkdir()
    empty.write_text(write_page(tmp_path / "nothing", tmp_path).path.read_text(encoding="utf-8"), encoding="utf-8")
    long = judged("size.reduction", YES, 40.0, title="W" * 3000, notes=("<b>" * 999,), marks=("M" * 300,))
    evil.write_text(rendered(tmp_path, verdict_file(long, judged("speed.cpu", NO, 1e300))), encoding="utf-8")
    for path, found in look(mixed, empty, evil).items():
        assert found == GOOD, path


def test_the_look_in_the_browser_sees_what_is_wrong(tmp_path: Path) -> None:
    bad = tmp_path / "bad.html"
    bad.write_text(
        "<!DOCTYPE html><html><head><title>bad</title></head><body><p id='a' id='a'>bad<img src='http://127.0.0.1:9/x'>"
        "<div style='width:900px'>wide</div><details><summary>x</summary><p class='fold' id='b'>y</p></details>"
        "<script>console.error('said')</script></body></html>"
    )
    found = look(bad)[str(bad)]
    assert "said" in found["console"]
    assert "http://127.0.0.1:9/x" in found["requests"]
    assert any("image-alt" in line for line in found["axe"])
    assert any("900" in line or "wide" in line for line in found["overflow"])
    assert any("no-dup-attr" in line for line in found["html"])
    assert found["skip"] != "skip"


def test_what_only_another_run_measured_is_drawn_in_its_mark_and_tone(tmp_path: Path) -> None:
    other = write(tmp_path / "other.json", verdict_file(judged("speed.gpu_batch1", YES, 1.601, interval=(1.6, 1.602))))
    page = rendered(tmp_path, verdict_file(), beside=[f"a GPU={other}"])
    fold = page.split('id="speed.gpu_batch1"')[0].rsplit("<summary>", 1)[1]
    assert "not run" in fold
    assert '<g class="beside">' in fold
    assert '#s-diamond-open"' in fold
    assert '<g class="reproduced">' not in fold


def test_promises_that_all_came_out_alike_are_said_together(tmp_path: Path) -> None:
    page = rendered(tmp_path, verdict_file(*(judged(name, NO, 0.0) for name in PROMISES)))
    assert re.match(r"No\b.*\bthree\b[^(;]*\bnot reproduced \(40 % fewer parameters; ", sentence(page))


def test_a_bound_is_printed_as_finely_as_its_margin(real: str) -> None:
    fold = real.split('id="speed.cpu"')[1].split("</details>")[0]
    assert "at least 1.595x" in fold


def test_a_verdict_names_the_machines_that_measured_what_it_is_about(runs: Path, tmp_path: Path) -> None:
    verdicts = json.loads((runs / "mixed" / "verdicts.json").read_text())["verdicts"]
    [cpu] = verdicts["speed.cpu"]["machines"]
    assert "cores" in cpu
    assert verdicts["glue.retention"]["machines"] == [STUDYS_HOST]
    assert verdicts["glue.retention"]["versions"] == ["transformers 5.0.0.dev0"]
    assert "machines" not in verdicts["text.size"]
    # Verdicts of an earlier run keep their machine beside those of a later one.
    old = judged(
        "glue.sst2.bert", OPEN, 92.5, machines=("an older host",), evidence=("gone.json",), digests=("0" * 64,)
    )
    page = rendered(tmp_path, verdict_file(old, judged("speed.cpu", YES, 1.9)))
    assert re.search(r"\bmade, 2 cores; an older host\b.*2026-11-22 15:01 UTC", ran(page))


def test_every_machine_that_measured_is_named(tmp_path: Path) -> None:
    recorded = judged("glue.sst2.bert", OPEN, 92.5, digests=(digest(read_evidence(STUDY)),), evidence=("x.json",))
    here = judged("speed.cpu", YES, 1.9)
    page = rendered(tmp_path, verdict_file(recorded, here, judged("text.size", YES, 40.0)), evidence=[STUDY, CPU])
    assert f"made, 2 cores; {STUDYS_HOST}" in ran(page)
    page = rendered(tmp_path, verdict_file(recorded), evidence=[STUDY, CPU])
    assert STUDYS_HOST in ran(page)
    assert "made, 2 cores" not in ran(page)
    assert NOT_GIVEN in ran(rendered(tmp_path, verdict_file(recorded)))


def test_where_no_model_was_measured_only_who_judged_is_said(tmp_path: Path) -> None:
    # A machine that stands before the date has measured, one that stands behind it has judged.
    said = ran(rendered(tmp_path, verdict_file(judged("text.size", YES, 40.0))))
    assert re.search(r"\b2026-11-22 15:01 UTC\b.*\bmade, 2 cores\b.*\bsuite 0\.1\.0\b", said)
    assert said.count("made, 2 cores") == 1
    page = rendered(tmp_path, verdict_file(judged("speed.cpu", YES, 1.9), host={}))
    assert NOT_DESCRIBED in ran(page)


def test_ctrl_c_is_one_sentence_and_leaves_the_old_page(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from report import __main__ as command

    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    (tmp_path / "index.html").write_text("the old page")
    monkeypatch.setattr("report.page.render.page", interrupted)
    assert command.main(["render", str(tmp_path), str(tmp_path)]) == 130
    assert re.fullmatch(r"\n.*\binterrupted\b.*\.\n", capsys.readouterr().err)
    assert (tmp_path / "index.html").read_text() == "the old page"
