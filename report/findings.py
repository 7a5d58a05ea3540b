"""What a check comes to: findings."""

from typing import NamedTuple


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
