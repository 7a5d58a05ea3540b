"""Badges: one endpoint JSON and one SVG per claim and one of each in total, from verdicts and never from exit codes.

The JSON is what a badge server reads over https, the SVG needs no server. A run that judged some claims refreshes their
badges only: grey never replaces a verdict, so a CPU run leaves what a GPU host found.
"""

import json
import re
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Annotated, NamedTuple
from xml.dom import minidom

from pydantic import Field

from judge.claims import Basis
from judge.files import Mistake, Record, pretty, read, write
from judge.verdicts import OWN_PAIR, REHEARSAL, Outcome, Subject, Verdict, VerdictFile
from report.whose import require_same_subject, require_the_papers_pair

# 2 came with what the badges are about.
SCHEMA = 2
INDEX = "index.json"
TOTAL = "total"
TOTAL_LABEL = "DistilBERT claims"
LONGEST_LABEL = 50
# Verdicts under these marks are not the paper's: teacher and student were trained unlike, the models were miniatures or
# the user's own, or the value alone decided.
WITHHOLDING = ("unlike recipes", REHEARSAL, "by side", OWN_PAIR)
ID = r"^[a-z0-9]+(\.[a-z0-9_]+)+$"


class Look(NamedTuple):
    """How a verdict looks besides its word: a symbol and a colour, dark enough for white text."""

    symbol: str
    colour: str


# Never red v green: blue, crimson and ochre stay apart for the colour-blind, and each verdict has a symbol besides.
LOOKS = {
    Outcome.REPRODUCED: Look("✓", "#0072b2"),
    Outcome.NOT_REPRODUCED: Look("✗", "#a30f3d"),
    Outcome.INCONCLUSIVE: Look("?", "#a86200"),
    Outcome.NOT_RUN: Look("–", "#737373"),  # noqa: RUF001
    Outcome.ERROR: Look("!", "#1a1a1a"),
}
WORST_FIRST = (Outcome.ERROR, Outcome.NOT_REPRODUCED, Outcome.INCONCLUSIVE, Outcome.REPRODUCED)


class Badge(NamedTuple):
    """What a badge says: the short label on its left, the message and look on its right, and the label in full."""

    label: str
    message: str
    outcome: Outcome
    title: str


class Shown(Record):
    """What is known of one claim's badge: the verdict that it shows, and what was withheld from it.

    `basis`: what the verdict rests on. `contradiction`: "not reproduced" because the text contradicts itself.
    `withheld`: the marks for which the badge shows no verdict; `verdict` is "not run" then, as the badge's look is.
    """

    verdict: Outcome
    basis: Basis = "measured"
    contradiction: bool = False
    withheld: tuple[str, ...] = ()

    @property
    def judged(self) -> bool:
        """Whether the badge shows a verdict."""
        return self.verdict is not Outcome.NOT_RUN


class Index(Record):
    """index.json: what the badges in the folder show and are about, as an endpoint's JSON has no room for it."""

    schema_: Annotated[int, Field(alias="schema")]
    subject: Subject | None = None
    badges: dict[Annotated[str, Field(pattern=ID)], Shown]


class Written(NamedTuple):
    """The ids of the badges that were made now, of those kept, and of those kept that the verdicts do not list."""

    made: list[str]
    kept: list[str]
    unlisted: list[str]


def write_badges(file: VerdictFile, folder: Path) -> Written:
    """Write the badges of a verdicts file into a folder, and the total of all badges there.

    Raises:
        Mistake: the verdicts are about another pair than the paper's, an id is none, badgepy is absent, or the folder
            is not one of badges or cannot be written to.
    """
    require_the_papers_pair(file, "use `python -m report pair RESULTS FOLDER NAME` for badges of your own pair")
    for name in file.verdicts:
        _check_id(name)
    _library()
    subject, earlier = _earlier(folder, file.verdicts)
    require_same_subject(folder / INDEX, subject, file.subject)
    now = {name: shown(verdict) for name, verdict in file.verdicts.items()}
    kept = [name for name, new in now.items() if not new.judged and name in earlier and earlier[name].judged]
    made = [name for name in now if name not in kept]
    for name in made:
        _write(folder, name, badge(file.verdicts[name].title or name, now[name]))
    known = earlier | {name: now[name] for name in made}
    write(folder / INDEX, pretty(Index(schema_=SCHEMA, subject=file.subject or subject, badges=known)))
    _write(folder, TOTAL, total(known.values()))
    return Written(made, kept, [name for name in earlier if name not in now])


def shown(verdict: Verdict) -> Shown:
    """What a verdict's badge may show."""
    withheld = tuple(mark for mark in verdict.marks if mark in WITHHOLDING)
    if verdict.verdict is Outcome.NOT_RUN or withheld:
        kept = withheld if verdict.verdict is not Outcome.NOT_RUN else ()
        return Shown(verdict=Outcome.NOT_RUN, basis=verdict.basis, withheld=kept)
    known = verdict.verdict is Outcome.NOT_REPRODUCED and verdict.contradiction is not None
    return Shown(verdict=verdict.verdict, basis=verdict.basis, contradiction=known)


def badge(title: str, shown: Shown) -> Badge:
    """The badge of one claim."""
    said = f"{LOOKS[shown.verdict].symbol} {shown.verdict}" + (": the text contradicts itself" * shown.contradiction)
    title = plain(title)
    return Badge(shortened(title, LONGEST_LABEL), ", ".join(shown.withheld) or said, shown.verdict, title)


def total(badges: Iterable[Shown]) -> Badge:
    """All claims of the paper: `measured: 17 of 24 reproduced, 7 inconclusive, 34 not judged; text: 12 of 17`.

    What was measured and what was read from the paper's text are never added up; the prior study's claims about itself
    are no part of it. Claims without a verdict are counted, or 24 would pass for all there are. The worst verdict gives
    the look, and is counted in words, since a colour alone says nothing to many.
    """
    badges = list(badges)
    measured = [badge for badge in badges if badge.basis == "measured"]
    text = [badge for badge in badges if badge.basis == "text" and badge.judged]
    judged = [badge.verdict for badge in measured if badge.judged]
    if not judged and not text:
        return Badge(TOTAL_LABEL, "nothing judged", Outcome.NOT_RUN, TOTAL_LABEL)
    # A text that contradicts itself is known; anything else that is wrong with one is as bad as with a measurement.
    slips = [badge.verdict for badge in text if not badge.contradiction and badge.verdict in WORST_FIRST[:2]]
    worst = next((outcome for outcome in WORST_FIRST if outcome in judged + slips), Outcome.NOT_RUN)
    said = [f"{judged.count(Outcome.REPRODUCED)} of {len(judged)} reproduced"] if judged else []
    others = [
        (judged.count(worst) if worst not in (Outcome.REPRODUCED, Outcome.NOT_RUN) else 0, worst.value),
        (len(measured) - len(judged), "not judged"),
    ]
    said += [f"{number} {what}" for number, what in others if number]
    parts = [f"measured: {', '.join(said)}"] if said else []
    if text:
        holds = sum(badge.verdict is Outcome.REPRODUCED for badge in text)
        wrong = [f"{slips.count(outcome)} {outcome}" for outcome in WORST_FIRST if outcome in slips]
        parts.append(", ".join([f"text: {holds} of {len(text)}", *wrong]))
    return Badge(TOTAL_LABEL, "; ".join(parts), worst, TOTAL_LABEL)


def endpoint(badge: Badge) -> str:
    """The badge as a server reads it: its keys and no other, since servers refuse what they do not know."""
    said: dict[str, object] = {
        "schemaVersion": 1,
        "label": badge.label,
        "message": badge.message,
        "color": LOOKS[badge.outcome].colour,
    }
    if badge.outcome is Outcome.ERROR:
        said["isError"] = True
    return json.dumps(said, ensure_ascii=False, indent=2) + "\n"


def svg(badge: Badge, name: str) -> str:
    """The badge as an image that needs no server; `name` keeps the ids of several badges on one page apart.

    Raises:
        Mistake: badgepy is absent.
    """
    drawn = _library()(
        left_text=badge.label, right_text=badge.message, right_color=LOOKS[badge.outcome].colour, id_suffix=f"-{name}"
    )
    document = minidom.parseString(drawn)
    image = document.documentElement
    assert image is not None
    # badgepy draws text only: a screen reader would spell it twice, shadow and letters, and a cut label stays cut.
    said = f"{badge.title}: {badge.message}"
    image.setAttribute("role", "img")
    image.setAttribute("aria-label", said)
    title = document.createElement("title")
    title.appendChild(document.createTextNode(said))
    image.insertBefore(title, image.firstChild)
    return image.toxml() + "\n"


def plain(text: str) -> str:
    """One line without control characters, which XML forbids and which reverse or hide what follows."""
    return "".join(letter for letter in " ".join(text.split()) if letter.isprintable())


def shortened(text: str, most: int) -> str:
    """The text, cut after its last whole word that leaves room for an ellipsis where it has more letters than `most`.

    Examples:
        >>> shortened("within 3 points of BERT", 16)
        'within 3 points…'
    """
    if len(text) <= most:
        return text
    words = text[:most].rpartition(" ")[0] or text[: most - 1]
    return words.rstrip(" ,;:") + "…"


def _write(folder: Path, name: str, badge: Badge) -> None:
    write(folder / f"{name}.json", endpoint(badge))
    write(folder / f"{name}.svg", svg(badge, name))


def _earlier(folder: Path, names: Mapping[str, Verdict]) -> tuple[Subject | None, dict[str, Shown]]:
    """What the badges in the folder are about and show. Raises Mistake where there are some without an index."""
    try:
        present = {path.name for path in folder.iterdir()}
    except FileNotFoundError:
        return None, {}
    except OSError as error:
        raise Mistake(f"{folder} cannot be read ({error.strerror}): give a folder that can be written to.") from None
    if INDEX in present:
        index = read(Index, folder / INDEX, schema=SCHEMA)
        there = {name: one for name, one in index.badges.items() if {f"{name}.json", f"{name}.svg"} <= present}
        return index.subject, there
    if any(f"{name}.json" in present for name in names):
        raise Mistake(f"{folder} holds badges but no {INDEX} that tells verdicts from grey: restore it or empty it.")
    return None, {}


def _check_id(name: str) -> None:
    """An id becomes a file's name, and the file of verdicts may come from anywhere."""
    if not re.fullmatch(ID, name):
        raise Mistake(f"{name!r} is no claim's id, as size.reduction is one, so no badge can be named after it.")


def _library() -> Callable[..., str]:
    # Late and optional: whoever judges needs no badge.
    try:
        from badgepy import badge
    except ImportError:
        raise Mistake('badges are drawn by badgepy, which is not installed: pip install -e ".[report]"') from None
    return badge
