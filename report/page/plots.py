"""Every plot of the page: rows of the forest, strips of raw values, histograms of ratios, and the marks of sources."""

from collections.abc import Mapping
from typing import NamedTuple

from report.page import dots, forest, speed
from report.page.folds import Fold
from report.page.sheet import Picture, Shapes, source_marks


class Plots(NamedTuple):
    """What was drawn: rows and strips by claim, marks by shape; `shapes` are the paths that all of them use by id."""

    rows: dict[str, Picture]
    ticks: Picture
    strips: dict[str, list[Picture]]
    histograms: list[Picture]
    marks: dict[str, Picture]
    shapes: str


def draw(folds: Mapping[str, Fold], speeds: speed.Speeds) -> Plots:
    """Draw all of them.

    Raises:
        Mistake: matplotlib is absent.
    """
    shapes: Shapes = {}
    marks = source_marks(shapes)
    *rows, ticks = forest.drawings([fold.row for fold in folds.values()], shapes)
    strips = iter(dots.drawings([strip for fold in folds.values() for strip in fold.strips], shapes))
    return Plots(
        rows=dict(zip(folds, rows, strict=True)),
        ticks=ticks,
        strips={name: [next(strips) for _ in fold.strips] for name, fold in folds.items()},
        histograms=speed.drawings(speeds, shapes),
        marks=marks,
        shapes="".join(path for _, path in shapes.values()),
    )
