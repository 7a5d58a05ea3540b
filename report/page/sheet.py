"""A sheet of small pictures of one width: drawn by matplotlib in one go, then taken apart into SVG."""

import io
import logging
import math
import re
from collections.abc import Callable, Sequence
from itertools import groupby
from operator import itemgetter
from typing import Any, NamedTuple
from xml.etree import ElementTree

from judge.files import Mistake, first_line
from report.page.sources import SHAPES

INK = "#000000"
SVG, LINK = "{http://www.w3.org/2000/svg}", "{http://www.w3.org/1999/xlink}href"
# The marks of sources, a value's dot and the arrows at an edge, as matplotlib calls them, with their sizes in pixels.
MARKERS = {
    "disc": ("o", 10.0),
    "diamond": ("D", 8.4),
    "triangle": ("^", 11.0),
    "down": ("v", 11.0),
    "square": ("s", 9.2),
    "bar": ("|", 12.0),
    "cross": ("x", 9.0),
    "plus": ("+", 12.0),
    "dot": ("o", 6.0),
    "left": ("<", 9.0),
    "right": (">", 9.0),
}
EDGES = {"bar": 4.0, "cross": 1.8, "plus": 1.8}
HOLLOW_EDGE = 1.7
MARK_ROOM = 16.0  # the side of the square that a mark has in running text
FONT_SIZE = 11.0
OURS = {"svg.fonttype": "none", "svg.hashsalt": "page", "path.simplify": False}
ROUND = (1, 2, 2.5, 5, 10)
Line = tuple[float, float, float, float]
# Every mark that any picture uses, by matplotlib's name of it: the id it has in the page, and its path.
Shapes = dict[str, tuple[str, str]]


class Picture(NamedTuple):
    """The inside of an SVG element, and the width and height in pixels that it was drawn for."""

    width: float
    height: float
    inside: str

    @property
    def box(self) -> str:
        """The attribute that gives the element its proportions."""
        return f'viewBox="0 0 {self.width:g} {self.height:g}"'


class Sheet:
    """Pictures over one another in one figure, told apart by the names that their parts carry.

    One figure for all, since a figure takes matplotlib 5 ms and a part of it 0.2 ms. Everything is drawn in one
    ink; the page's style sheet gives it its colour by the class of each part, in the light, in the dark and in print.

    Args:
        width: of every picture, in pixels.
        span: the values at the left and the right edge; upright, places are pixels from the top.
    """

    def __init__(self, width: float, span: tuple[float, float] = (0.0, 1.0)) -> None:
        self.width, self.span, self.heights = width, span, list[float]()
        self._parts: list[tuple[str, Callable[[Any], Any]]] = []

    def picture(self, height: float) -> int:
        """Begin a picture of so many pixels; its number, which its parts are drawn with."""
        self.heights.append(height)
        return len(self.heights) - 1

    def band(self, picture: int, look: str, low: float, high: float) -> None:
        """A rectangle over the whole height."""
        size = (high - low, self.heights[picture])
        self._add(picture, look, lambda m: m.patches.Rectangle((low, 0), *size, color=INK, linewidth=0))

    def lines(self, picture: int, look: str, ends: Sequence[Line], width: float = 2.0) -> None:
        """Straight lines, each as (x, y, x, y)."""
        gap = float("nan")
        x = [value for x1, _, x2, _ in ends for value in (x1, x2, gap)]
        y = [value for _, y1, _, y2 in ends for value in (y1, y2, gap)]
        style = {"color": INK, "linewidth": width, "solid_capstyle": "butt"}
        if ends:
            self._add(picture, look, lambda m: m.lines.Line2D(x, y, **style))

    def marks(self, picture: int, look: str, shape: str, x: Sequence[float], y: Sequence[float]) -> None:
        """One mark of a shape, filled or hollow (`-open`), at each place."""
        name = shape.removesuffix("-open")
        marker, size = MARKERS[name]
        style = {"color": INK, "linestyle": "none", "marker": marker, "markersize": size}
        style["markeredgewidth"] = EDGES.get(name, 0.0)
        if name != shape:
            style |= {"fillstyle": "none", "markeredgewidth": HOLLOW_EDGE, "markersize": size - 1}
        if x:
            self._add(picture, look, lambda m: m.lines.Line2D(x, y, **style))

    def steps(self, picture: int, look: str, tops: Sequence[float], edges: Sequence[float], ground: float) -> None:
        """A histogram as one filled outline: between two edges it reaches from `ground` up to its top."""
        style = {"baseline": ground, "color": INK, "fill": True, "linewidth": 0}
        self._add(picture, look, lambda m: m.patches.StepPatch(tops, edges, **style))

    def text(self, picture: int, look: str, x: float, y: float, said: str) -> None:
        """A word centred at its place, as text that can be selected."""
        style = {"ha": "center", "color": INK, "fontsize": FONT_SIZE, "parse_math": False}
        self._add(picture, look, lambda m: m.text.Text(x, y, said, **style))

    def pictures(self, shapes: Shapes) -> list[Picture]:
        """Every picture, in the order in which they were begun; `shapes` collects the marks that they use.

        Raises:
            Mistake: matplotlib is absent.
        """
        parts: list[list[tuple[str, str]]] = [[] for _ in self.heights]
        for group in ElementTree.fromstring(self._drawn()).iter(f"{SVG}g"):
            number, _, look = group.get("id", "").partition(" ")
            if look:
                parts[int(number)].append((look, _elements(group, shapes)))
        return [Picture(self.width, *drawn) for drawn in zip(self.heights, map(_grouped, parts), strict=True)]

    def _add(self, picture: int, look: str, make: Callable[[Any], Any]) -> None:
        self._parts.append((f"{picture} {look}", make))

    def _drawn(self) -> str:
        matplotlib, drawn = _matplotlib(), io.StringIO()
        height = max([*self.heights, 1.0])
        with _defaults(matplotlib):
            figure = matplotlib.figure.Figure((self.width / 72, height / 72), dpi=72, frameon=False)
            low, high = self.span
            # matplotlib counts pixels from the bottom.
            places = matplotlib.transforms.Affine2D().translate(-low, -height).scale(self.width / (high - low), -1)
            for name, make in self._parts:
                artist = make(matplotlib)
                artist.set_gid(name)
                artist.set_transform(places)
                figure.add_artist(artist)
            figure.savefig(drawn, format="svg", metadata=dict.fromkeys(("Creator", "Date", "Format", "Type")))
        return drawn.getvalue()


def ticks(low: float, high: float, most: int) -> list[float]:
    """Round values, at most so many and evenly spaced, the first at or below `low` and the last at or above `high`."""
    matplotlib = _matplotlib()
    with _defaults(matplotlib):
        found: list[float] = matplotlib.ticker.MaxNLocator(most - 1, steps=ROUND).tick_values(low, high).tolist()
    # 1.9, where it was 1.9000000000000001.
    digits = 2 - math.floor(math.log10(found[1] - found[0])) if len(found) > 1 else 0
    return [round(tick, digits) for tick in found]


def source_marks(shapes: Shapes) -> dict[str, Picture]:
    """Each source's mark as it stands in running text, in the middle of a square of 16 pixels."""
    sheet, middle = Sheet(MARK_ROOM, (0.0, MARK_ROOM)), [MARK_ROOM / 2]
    for shape in SHAPES:
        sheet.marks(sheet.picture(MARK_ROOM), "mark", shape, middle, middle)
    return dict(zip(SHAPES, sheet.pictures(shapes), strict=True))


def _grouped(parts: Sequence[tuple[str, str]]) -> str:
    """Neighbours of one class in one group."""
    groups = groupby(parts, key=itemgetter(0))
    return "".join(f'<g class="{look}">{"".join(element for _, element in some)}</g>' for look, some in groups)


def _elements(group: ElementTree.Element, shapes: Shapes) -> str:
    """The elements of a part, without what a page has no use for: fonts, colours and groups around groups."""
    for path in group.iter(f"{SVG}path"):
        mark = path.get("id")
        if mark and mark not in shapes:
            name = f"m{len(shapes)}"
            shapes[mark] = (name, _element("path", path, id=name))
    parts = []
    for element in group.iter():
        name = element.tag.removeprefix(SVG)
        if name == "use":
            parts.append(_element(name, element, href=f"#{shapes[element.get(LINK, '')[1:]][0]}"))
        elif name == "text" or (name == "path" and not element.get("id")):
            parts.append(_element(name, element))
    return "".join(parts)


def _element(name: str, drawn: ElementTree.Element, **attributes: str) -> str:
    """An element with its places; of its style, what is no matter of colours."""
    style = dict(re.findall(r"([\w-]+): ([^;]+)", drawn.get("style", "")))
    places = {key: value for key, value in drawn.attrib.items() if key in ("x", "y", "d")}
    attributes |= {key: _shorter(value, 2 if "id" in attributes else 1) for key, value in places.items()}
    if style.get("fill") == "none" or style.get("fill-opacity") == "0":
        attributes["fill"] = "none"
    if "stroke" in style and name == "path":
        attributes |= {"stroke": "currentColor", "stroke-width": style.get("stroke-width", "1")}
    made = ElementTree.Element(name, attributes)
    made.text = drawn.text if name == "text" else None
    return ElementTree.tostring(made, encoding="unicode").replace(" />", "/>")


def _shorter(places: str, digits: int) -> str:
    """Tenths of a pixel for what stands somewhere, hundredths for a shape."""
    rounded = re.sub(r"-?\d+\.\d+", lambda found: f"{round(float(found[0]), digits):g}", places)
    return re.sub(r"\s*([MLCz])\s*", r"\1", rounded).strip()


def _defaults(matplotlib: Any) -> Any:
    """Its defaults, whatever somebody has set for figures of their own: the same input gives the same page."""
    defaults = {name: value for name, value in matplotlib.rcParamsDefault.items() if name != "backend"}
    return matplotlib.rc_context(defaults | OURS)


def _matplotlib() -> Any:
    # Late and optional: whoever judges draws nothing. Where it has no folder for its cache, it takes a temporary one.
    logging.getLogger("matplotlib").setLevel(logging.ERROR)
    try:
        import matplotlib.figure
        import matplotlib.lines
        import matplotlib.patches
        import matplotlib.text
        import matplotlib.ticker
        import matplotlib.transforms
    except ImportError:
        raise Mistake('the plots are drawn by matplotlib, which is not installed: pip install -e ".[report]"') from None
    except ValueError as error:
        raise Mistake(f"matplotlib does not start ({first_line(error)}): correct its settings or unset them.") from None
    return matplotlib
