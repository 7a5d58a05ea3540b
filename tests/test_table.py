"""The table that ends a run and the message of a failing claim, line by line."""

import re

import pytest

from judge.verdicts import Outcome
from report.message import bound, full, measured, settle
from report.table import BASES, KNOWN, counts, lines, totals
from tests.goldens import assert_golden
from tests.made import verdict

WIDTHS = {120: "table.txt", 80: "table-80.txt"}
UNDECIDABLE = "the precision of the phone's file is not stated, and no uniform one gives this size: it lies between"
LONG = (
    "needs fine-tuned models: give recorded scores with --evidence FILE, or run the suite with --runslow on a host "
    "with a GPU, which takes about a day"
)


RETENTION = verdict(
    "glue.retention",
    Outcome.INCONCLUSIVE,
    title="97 % of BERT's GLUE Score",
    sentence="retaining 97% of its language understanding capabilities",
    unit="%",
    rule="at_least",
    published=97.0,
    precision=1.0,
    margin=0.5,
    margin_reason="rounding: half a unit of the last printed digit",
    bounds=(96.5, None),
    value=95.03442,
    interval=(92.47098, 97.66405),
    level=0.9,
    to_settle=7,
    reason="the interval reaches across the bound; the value itself falls outside",
    reading="the ratio of the nine-task Scores",
    marks=("unlike recipes",),
    notes=("without WNLI: 95.66 %",),
    raw={"CoLA (teacher)": [57.2966], "seconds": [float(n) for n in range(15)]},
    evidence=("evidence/prior-study.json",),
)
CONTRADICTION = verdict(
    "text.elmo_stsb",
    Outcome.NOT_REPRODUCED,
    basis="text",
    published=19.0,
    precision=1.0,
    value=16.5,
    bounds=(18.5, 19.5),
    reason="the value does not agree",
    contradiction="86.9 - 70.4 is 16.5; BERT-base's lead over ELMo on STS-B, 18.6, is perhaps what was meant",
)
FAILED = verdict(
    "glue.score.bert",
    Outcome.NOT_REPRODUCED,
    published=79.5,
    value=75.6397,
    interval=(74.1, 77.18),
    level=0.9,
    bounds=(77.9, 81.1),
    reason="the interval lies wholly outside the bounds",
)
# In the order of the baselines, so that the order of the table is the table's own doing.
VERDICTS = [
    CONTRADICTION,
    verdict("size.reduction", Outcome.REPRODUCED, unit="%", published=40.0, precision=1.0, value=39.3847),
    verdict("size.teacher", Outcome.REPRODUCED, unit="M", published=110.0, precision=1.0, value=109.48224),
    verdict(
        "size.mobile",
        Outcome.INCONCLUSIVE,
        unit="MB",
        published=207.0,
        precision=1.0,
        value=265.45,
        interval=(66.36, 265.45),
        range_of="precisions",
        bounds=(206.5, 207.5),
        reason=UNDECIDABLE,
    ),
    verdict("speed.cpu", Outcome.ERROR, unit="x", published=1.6, reason="BadMeasurement: a time of 0 s is no measure"),
    verdict("speed.phone", Outcome.NOT_RUN, reason="it needs an iPhone 7 Plus"),
    verdict("glue.cola.bert", Outcome.NOT_RUN, reason=LONG),
    FAILED,
    verdict("glue.sst2.distilbert", Outcome.REPRODUCED, value=91.17, interval=(90.9, 91.44), marks=("own pair",)),
    RETENTION,
    verdict("glue.rte.bert", Outcome.NOT_RUN, reason=LONG),
    verdict("distillation.no_mlm", Outcome.INCONCLUSIVE, value=77.1, interval=(75.0, 79.2), to_settle=0),
    verdict(
        "imdb.gap",
        Outcome.NOT_REPRODUCED,
        published=0.6,
        bounds=(None, 1.1),
        value=2.5,
        marks=("unlike recipes", "by side"),
    ),
]


def shown(width: int) -> list[str]:
    return [text for text, _ in lines(VERDICTS, width=width, absent=4)]


@pytest.mark.parametrize("width", WIDTHS)
def test_table_is_the_golden_one(width: int) -> None:
    assert_golden(WIDTHS[width], "\n".join(shown(width)) + "\n")


@pytest.mark.parametrize("width", [120, 80, 60])
def test_no_line_is_longer_than_the_terminal_is_wide(width: int) -> None:
    assert [line for line in shown(width) if len(line) > width] == []


@pytest.mark.parametrize("width", [120, 80, 60])
def test_the_tally_is_wrapped_and_nothing_of_it_is_lost(width: int) -> None:
    table = shown(width)
    tally = table[table.index("") + 1 :]
    assert len(tally) > len(totals(VERDICTS, 4)) or width == 120
    assert " ".join(tally) == " ".join(totals(VERDICTS, 4))


def test_what_failed_comes_last_and_what_contradicts_itself_before_it() -> None:
    headings = [text for text, colour in lines(VERDICTS) if colour]
    assert headings == [
        "not run (3)",
        "reproduced (3)",
        "inconclusive (3)",
        "error (1)",
        f"{KNOWN} (1)",
        "not reproduced (2)",
    ]
    table = shown(120)
    assert [line.split(" ")[:3] for line in table[table.index("not reproduced (2)") + 1 : table.index("")]] == [
        ["", "", "glue.score.bert"],
        ["", "", "imdb.gap"],
    ]


def test_headings_carry_the_colour_of_their_verdict_and_nothing_else_does() -> None:
    coloured = [(text.rsplit(" (", 1)[0], colour) for text, colour in lines(VERDICTS) if colour]
    assert [colour for _, colour in coloured if colour != "known"] == [name for name, _ in coloured if name != KNOWN]
    assert (KNOWN, "known") in coloured


def test_every_claim_is_shown_once_however_narrow_the_terminal() -> None:
    for width in (120, 80, 60):
        words = [word for line in shown(width) for word in line.split()]
        assert [words.count(v.id) for v in VERDICTS] == [1] * len(VERDICTS)


def test_claims_that_were_not_run_are_gathered_by_reason() -> None:
    text = "\n".join(shown(120))
    assert "    glue.cola.bert glue.rte.bert\n" in text
    assert text.count("needs fine-tuned models") == 1


def test_a_line_that_is_too_long_says_that_it_was_cut() -> None:
    [line] = [line for line in shown(80) if "text.elmo_stsb" in line]
    assert line.endswith("...")
    assert len(line) <= 80


def test_an_empty_run_has_a_table_without_groups() -> None:
    assert list(lines([])) == [("", "")]


@pytest.mark.parametrize(
    ("outcomes", "said"),
    [
        (["reproduced"], "1 reproduced"),
        (["not run", "reproduced", "error", "reproduced"], "2 reproduced; 1 error; 1 not run"),
        (["inconclusive", "not reproduced"], "1 not reproduced; 1 inconclusive"),
        ([], ""),
    ],
)
def test_tally_counts_each_verdict(outcomes: list[str], said: str) -> None:
    assert counts([verdict("a.b", Outcome(outcome)) for outcome in outcomes]) == said


def test_what_was_measured_and_what_was_read_from_a_text_are_never_added_up() -> None:
    measured, text, study = (
        [verdict(f"{basis}.{n}", Outcome.REPRODUCED, basis=basis) for n in range(number)]
        for basis, number in (("measured", 2), ("text", 3), ("study", 4))
    )
    said = totals([*text, *study, *measured, FAILED, CONTRADICTION])
    assert said == [
        f"{BASES['measured']} (3): 2 reproduced; 1 not reproduced",
        f"{BASES['text']} (4): 3 reproduced; 1 {KNOWN}",
        f"{BASES['study']} (4): 4 reproduced",
    ]
    assert totals(text) == [f"{BASES['text']} (3): 3 reproduced"]


@pytest.mark.parametrize("absent", [0, 5])
def test_claims_that_nobody_asked_for_are_counted_by_themselves(absent: int) -> None:
    [*said] = totals([FAILED], absent)
    assert said[0] == f"{BASES['measured']} (1): 1 not reproduced"
    assert [line.split()[0] for line in said[1:]] == ([str(absent)] if absent else [])


def test_tally_tells_contradictions_from_failures() -> None:
    assert counts([FAILED, CONTRADICTION, FAILED]) == f"2 not reproduced; 1 {KNOWN}"


def test_message_stands_alone() -> None:
    # One thing on each line, in this order.
    shown = [
        ("inconclusive", "glue.retention", RETENTION.title),
        (f'"{RETENTION.sentence}"', RETENTION.where),
        (RETENTION.reading or "",),
        (" 97 %",),
        (" 95.03 % [92.47, 97.66]", "90%"),
        (" at least 96.5 %", " 0.5", RETENTION.margin_reason),
        (RETENTION.reason,),
        ("CoLA (teacher): 57.2966", "seconds: 0 1 2 3 4 5 6 7 8 9 10 11 ", " 3 "),
        RETENTION.evidence,
        RETENTION.marks,
        RETENTION.notes,
        ("7 seeds",),
    ]
    for line, words in zip(full(RETENTION).splitlines(), shown, strict=True):
        assert all(word in line for word in words), line


def test_message_of_a_contradiction_says_that_it_is_known() -> None:
    said = full(CONTRADICTION)
    assert all(word in said.splitlines()[0] for word in ("not reproduced", "text.elmo_stsb"))
    assert f" {CONTRADICTION.contradiction}" in said
    assert " 16.5 points\n" in said
    assert " seeds" not in said


def test_message_of_a_decided_claim_asks_for_no_seeds() -> None:
    assert "7 seeds" not in full(FAILED.model_copy(update={"to_settle": 7}))


@pytest.mark.parametrize(
    ("to_settle", "said"),
    [(None, "$"), (0, r".*\bmore than 50\b"), (50, r"(?!.*\bmore than\b).*\b50 seeds\b")],
)
def test_seeds_that_would_settle_it(to_settle: int | None, said: str) -> None:
    assert re.match(said, settle(RETENTION.model_copy(update={"to_settle": to_settle})))


@pytest.mark.parametrize(
    ("bounds", "unit", "said"),
    [
        ((96.5, None), "%", "at least 96.5 %"),
        ((None, 1.1), "points", "at most 1.1 points"),
        ((65.0, 67.0), "M", "65 to 67 M"),
        ((2.0, 2.0), "x", "exactly 2x"),
        ((0.0, 0.0), "cells", "exactly 0 cells"),
    ],
)
def test_bound_in_words(bounds: tuple[float | None, float | None], unit: str, said: str) -> None:
    assert bound(verdict("a.b", Outcome.REPRODUCED, bounds=bounds, unit=unit)) == said


@pytest.mark.parametrize(
    ("margin", "said"),
    [(0.005, "at least 1.595x"), (None, "at least 1.6x"), (-1.0, "at least 1.6x"), (0.0, "at least 1.6x")],
)
def test_a_bound_is_as_fine_as_its_margin(margin: float | None, said: str) -> None:
    fields = {"bounds": (1.6 - 0.005, None), "unit": "x", "precision": 0.1, "margin": margin}
    assert bound(verdict("a.b", Outcome.REPRODUCED, **fields)) == said


def test_value_shows_the_digits_that_tell_it_from_its_bound() -> None:
    close = RETENTION.model_copy(update={"value": 96.4996, "interval": (96.49, 96.51)})
    assert measured(close) == "96.4996 % [96.49, 96.51]"
    assert measured(RETENTION.model_copy(update={"value": None, "interval": None})) == "-"


def test_a_range_is_not_shown_as_an_interval() -> None:
    [mobile] = [one for one in VERDICTS if one.id == "size.mobile"]
    shown = measured(mobile)
    assert all(end in shown for end in ("66.36", "265.45", "MB", "precisions"))
    assert not set("[]") & set(shown)
    assert "90" not in full(mobile)
