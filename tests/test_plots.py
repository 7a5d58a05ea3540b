import os
import re
import subprocess
import sys
from itertools import pairwise
from pathlib import Path
from xml.etree import ElementTree

import pytest

from judge.baselines import load_baselines
from judge.verdicts import Outcome, Verdict, without_measurement
from report.page import dots, forest, speed
from report.page.sheet import MARKERS, Picture, Shapes, Sheet, source_marks, ticks
from report.page.sources import SHAPES, Source
from tests.project import ROOT
from tests.test_page import verdict_file

pytest.importorskip("matplotlib", reason="it draws the plots")
BASELINES = load_baselines(ROOT / "baselines")
HERE = Source("this run", "disc", "", verdict_file())
OTHER = Source("a phone", "diamond-open", "", verdict_file())
MIDDLE = forest.WIDTH / 2
MARGIN = 1 / forest.PIXEL  # in pixels


def verdict(name: str, value: float, **fields: object) -> Verdict:
    base = without_measurement(BASELINES.claims[name], Outcome.REPRODUCED, "because")
    return base.model_copy(update={"value": value, **fields})


def parts(picture: Picture, look: str) -> list[ElementTree.Element]:
    """The elements of a picture that have a class."""
    root = ElementTree.fromstring(f"<svg>{picture.inside}</svg>")
    return [element for group in root.findall("g") if group.get("class") == look for element in group]


def places(element: ElementTree.Element) -> list[float]:
    """Every number of a path."""
    return [float(number) for number in re.findall(r"-?[\d.]+", element.get("d", ""))]


def row_of(*marked: tuple[Source, Verdict]) -> tuple[Picture, Shapes]:
    shapes: Shapes = {}
    return forest.drawings([forest.row(list(marked))], shapes)[0], shapes


def test_a_mark_and_its_interval_stand_where_their_margins_say() -> None:
    picture, _ = row_of((HERE, verdict("glue.sst2.bert", 93.7, interval=(91.7, 95.7))))
    assert (picture.width, picture.height) == (forest.WIDTH, forest.LINE_HEIGHT)
    band, (interval, mark), (line,) = (parts(picture, look) for look in ("band", "reproduced", "printed"))
    assert sorted(set(places(band[0]))) == pytest.approx([0, 20, MIDDLE - MARGIN, MIDDLE + MARGIN])
    assert places(interval) == pytest.approx([MIDDLE - MARGIN, 10, MIDDLE + 3 * MARGIN, 10], abs=0.05)
    assert float(mark.get("x", "")) == pytest.approx(MIDDLE + MARGIN, abs=0.05)
    assert mark.get("y") == "10"
    assert places(line) == [MIDDLE, 0, MIDDLE, 20]


@pytest.mark.parametrize(("value", "side"), [(0.0, "left"), (199.0, "right")])
def test_an_arrow_at_either_edge_points_at_what_lies_beyond(value: float, side: str) -> None:
    picture, shapes = row_of((HERE, verdict("glue.sst2.bert", value)))
    arrow, mark = parts(picture, "reproduced")
    assert abs(float(arrow.get("x", "")) - MIDDLE) > abs(float(mark.get("x", "")) - MIDDLE) > 3 * MARGIN
    assert (float(arrow.get("x", "")) < MIDDLE) is (side == "left")
    path = next(path for name, path in shapes.values() if f"#{name}" == arrow.get("href"))
    # Its tip, the point that stands alone, is on the outer side.
    x = places(ElementTree.fromstring(path))[::2]
    assert x.count(min(x) if side == "left" else max(x)) == 1


def test_an_interval_that_leaves_the_plot_has_an_arrow_and_its_mark_none() -> None:
    picture, _ = row_of((HERE, verdict("glue.sst2.bert", 92.7, interval=(50.0, 93.7))))
    uses = [element for element in parts(picture, "reproduced") if element.tag == "use"]
    assert [float(use.get("x", "")) for use in uses] == [pytest.approx(6, abs=0.1), MIDDLE]


def test_every_source_has_a_line_and_only_this_runs_has_the_colour_of_its_verdict() -> None:
    name = "glue.sst2.bert"
    picture, _ = row_of((HERE, verdict(name, 92.7)), (OTHER, verdict(name, 92.7)), (HERE, verdict(name, 92.7)))
    assert [use.get("y") for use in parts(picture, "reproduced")] == ["10", "50"]
    assert [use.get("y") for use in parts(picture, "beside")] == ["30"]
    assert picture.height == 3 * forest.LINE_HEIGHT


def test_ticks_are_words_that_can_be_selected() -> None:
    *_, picture = forest.drawings([], {})
    words = parts(picture, "words")
    assert [word.text for word in words] == ["-3", "-2", "-1", "printed", "+1", "+2", "+3"]
    assert {word.tag for word in words} == {"text"}
    assert float(words[3].get("x", "")) == MIDDLE


def test_words_are_drawn_as_they_are_and_escaped() -> None:
    sheet = Sheet(100.0)
    sheet.text(sheet.picture(10.0), "words", 0.5, 5.0, "$x^2$ <b> & 'y'")
    (picture,) = sheet.pictures({})
    assert "<b>" not in picture.inside
    assert parts(picture, "words")[0].text == "$x^2$ <b> & 'y'"


def test_every_source_has_a_shape_of_its_own_and_hollow_ones_are_not_filled() -> None:
    shapes: Shapes = {}
    marks = source_marks(shapes)
    assert list(marks) == list(SHAPES)
    used = {shape: parts(mark, "mark")[0] for shape, mark in marks.items()}
    looks = {(use.get("href"), use.get("fill")) for use in used.values()}
    assert len(looks) == len(SHAPES)
    assert {shape for shape, use in used.items() if use.get("fill") == "none"} >= {s for s in SHAPES if "-open" in s}
    assert {(use.get("x"), use.get("y")) for use in used.values()} == {("8", "8")}
    assert {shape.removesuffix("-open") for shape in SHAPES} <= set(MARKERS)


def test_pictures_share_their_shapes_and_leave_colours_to_the_style_sheet() -> None:
    shapes: Shapes = {}
    marks = source_marks(shapes)
    (picture, _) = forest.drawings([forest.row([(HERE, verdict("glue.sst2.bert", 92.7))])], shapes)
    mark = next(element for element in parts(picture, "reproduced") if element.tag == "use")
    assert mark.get("href") == parts(marks["disc"], "mark")[0].get("href")
    text = picture.inside + "".join(path for _, path in shapes.values())
    assert "style=" not in text
    assert "#000" not in text
    assert set(re.findall(r'(?:fill|stroke)="(\w+)"', text)) <= {"none", "currentColor"}


def test_dots_of_a_strip_stand_where_their_values_lie() -> None:
    found = verdict("glue.sst2.bert", 92.0, raw={"SST-2 (teacher)": [91.0, 92.0, 93.0]})
    strips = dots.strips(HERE, found)
    (picture,) = dots.drawings(strips, {})
    x = [float(dot.get("x", "")) for dot in parts(picture, "dots")]
    assert len(x) == 3
    assert x[1] - x[0] == pytest.approx(x[2] - x[1], abs=0.2)
    left, right = min(places(parts(picture, "band")[0])), max(places(parts(picture, "band")[0]))
    assert left < x[1] < right


def timed(ratios: list[float], **fields: object) -> Verdict:
    raw = {speed.TEACHER: ratios, speed.STUDENT: [1.0] * len(ratios)}
    return verdict("speed.cpu", 2.0, **{"raw": raw, "interval": (1.9, 2.1), **fields})


def test_bars_of_a_histogram_count_the_pairs_between_their_edges() -> None:
    found = speed.speeds([(HERE, timed([1.9, 2.0, 2.0, 2.0, 2.1]))])
    assert found.axis is not None
    assert found.histograms[0].inside == [1.9, 2.0, 2.0, 2.0, 2.1]
    (picture,) = speed.drawings(found, {})
    x, y = (places(parts(picture, "bars")[0])[side::2] for side in (0, 1))
    assert min(y) == 0  # three pairs make the highest bar
    assert sorted({round((speed.BARS - top) / speed.BARS * 3, 2) for top in y}) == [0, 1, 3]
    width = speed.WIDTH / speed.BINS
    middle = speed.WIDTH * (2.0 - found.axis.low) / (found.axis.high - found.axis.low)
    assert [left for left, top in zip(x, y, strict=True) if top == 0] == pytest.approx(
        [middle, middle], abs=1.01 * width
    )
    low, _, high, _ = places(parts(picture, "interval")[0])
    assert (high - low) / speed.WIDTH == pytest.approx(0.2 / (found.axis.high - found.axis.low), rel=0.01)
    assert [word.text for word in parts(picture, "words")] == [f"{tick:.4g}x" for tick in found.axis.ticks]


def test_one_slow_pair_does_not_flatten_all_others() -> None:
    found = speed.speeds([(HERE, timed([2.0 + n / 1000 for n in range(500)] + [90.0]))])
    assert found.axis is not None
    assert found.axis.high < 3
    assert re.search(r"\b1 beyond\b", found.histograms[0].note)


def test_the_bound_is_on_the_axis_where_every_pair_lies_above_it() -> None:
    found = speed.speeds([(HERE, timed([1.7, 1.9, 2.1], interval=(1.0, 1.9)))])
    (drawn,) = found.histograms
    assert drawn.bound == pytest.approx(1.595)
    assert found.axis is not None
    assert drawn.interval == (found.axis.low, 1.9)  # as far as the axis goes


def test_ratios_on_round_edges_are_inside() -> None:
    found = speed.speeds([(HERE, timed([1.9, 1.9, 2.0], published=float("nan"), bounds=(None, None)))])
    assert found.histograms[0].inside == [1.9, 1.9, 2.0]


@pytest.mark.parametrize("ratios", [[2.0], [2.0] * 9, [0.0] * 9, [1.0, 1.003], [1e-20, 2e-20]])
def test_an_axis_is_never_narrower_than_its_ticks_can_say(ratios: list[float]) -> None:
    found = speed.speeds([(HERE, timed(ratios, published=None, bounds=(None, None)))])
    assert found.axis is not None
    words = [float(f"{tick:.6g}") for tick in found.axis.ticks]
    assert words == pytest.approx(found.axis.ticks, abs=1e-9)
    assert len(set(words)) == len(words)
    assert found.histograms[0].inside == ratios


def test_settings_of_further_runs_are_left_out_where_many_timed_them_and_that_is_said() -> None:
    setting = {f"int8: {speed.TEACHER}": [2.0, 2.1], f"int8: {speed.STUDENT}": [1.0, 1.0]}
    sources = [Source(f"host {n}", shape, "", verdict_file()) for n, shape in enumerate(SHAPES[:5])]

    def runs(number: int) -> list[tuple[Source, Verdict]]:
        return [
            (source, verdict("speed.cpu_backends", 2.0, raw={k: [v + n for v in vs] for k, vs in setting.items()}))
            for n, source in enumerate(sources[:number])
        ]

    assert (len(speed.speeds(runs(5)).histograms), speed.speeds(runs(5)).left_out) == (1, True)
    assert (len(speed.speeds(runs(3)).histograms), speed.speeds(runs(3)).left_out) == (3, False)
    # The first that timed it need not be this run.
    others = speed.speeds([(HERE, verdict("speed.cpu_backends", 2.0)), *runs(5)[1:]])
    assert ([h.source.name for h in others.histograms], others.left_out) == (["host 1"], True)
    # The same pairs, judged five times, are one measurement, and nothing is left out.
    same = [(source, runs(1)[0][1]) for source in sources]
    assert (len(speed.speeds(same).histograms), speed.speeds(same).left_out) == (1, False)


@pytest.mark.parametrize(("low", "high"), [(1.55, 2.13), (0.0, 1e8), (1e-9, 2e-9), (-3.0, 4.0)])
def test_ticks_are_few_even_and_reach_over_both_ends(low: float, high: float) -> None:
    found = ticks(low, high, 8)
    assert 3 <= len(found) <= 9
    assert found[0] <= low < high <= found[-1]
    steps = {round((b - a) / (high - low), 6) for a, b in pairwise(found)}
    assert len(steps) == 1


STYLE = """
lines.markersize: 40
lines.linewidth: 9
patch.force_edgecolor: True
font.size: 30
svg.fonttype: path
savefig.bbox: tight
figure.dpi: 300
axes.autolimit_mode: round_numbers
"""
DRAWN = """
from report.page.sheet import Sheet, source_marks, ticks
shapes = {}
sheet = Sheet(100.0)
picture = sheet.picture(20.0)
sheet.band(picture, "band", 0.1, 0.2)
sheet.lines(picture, "line", [(0.1, 1.0, 0.9, 19.0)])
sheet.steps(picture, "bars", [1.0, 2.0], [0.0, 0.5, 1.0], 20.0)
sheet.text(picture, "words", 0.5, 10.0, "said")
print(sheet.pictures(shapes), source_marks(shapes), shapes, ticks(1.55, 2.13, 8))
"""


def test_figures_of_somebodys_own_style_change_nothing(tmp_path: Path) -> None:
    seen = set()
    for number, style in enumerate(("", STYLE)):
        (tmp_path / str(number)).write_text(style)
        done = subprocess.run(
            [sys.executable, "-c", DRAWN],
            env={"PYTHONPATH": str(ROOT), "MATPLOTLIBRC": str(tmp_path / str(number)), "HOME": str(tmp_path)},
            capture_output=True,
            text=True,
            check=True,
            timeout=120,
        )
        seen.add(done.stdout)
        assert done.stderr == ""
    assert len(seen) == 1


def test_settings_that_matplotlib_refuses_are_one_sentence(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "report", "render", str(tmp_path), str(tmp_path)]
    env = {**os.environ, "MPLBACKEND": "nonsense"}
    done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, timeout=120)
    assert done.returncode == 2
    assert re.fullmatch(r".*\bmatplotlib\b.*\bnonsense\b.*\.\n", done.stderr)
