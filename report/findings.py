"""What a check comes to: findings, and how a long list of numbers is said in a few words."""

from collections.abc import Iterable
from typing import NamedTuple

MOST_NAMED = 3


class Finding(NamedTuple):
    """Something to say about a file: where it is, what it is, and whether it is wrong or only to be known."""

    place: str
    what: str
    wrong: bool


def wrong(place: str, what: str) -> Finding:
    """What must be put right."""
    return Finding(place, what, True)


def remark(place: str, what: str) -> Finding:
    """What a reader must know, and what is as it should be."""
    return Finding(place, what, False)


def listed(things: Iterable[object], most: int = MOST_NAMED) -> str:
    """The first few, and how many more there are: `1, 2, 3 and 9,997 more`."""
    said = [str(thing) for thing in things]
    return ", ".join(said[:most]) + (f" and {len(said) - most:,} more" if len(said) > most else "")
