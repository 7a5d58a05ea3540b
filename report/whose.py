"""Whose verdicts a file holds: reports about one pair refuse those of another."""

from pathlib import Path

from judge.files import Mistake
from judge.verdicts import OWN_PAIR, Subject, VerdictFile


def require_one_pair(file: VerdictFile, name: str = "RESULTS") -> None:
    """Refuse a file in which verdicts are about another pair than it says. `name` is what to call it.

    Raises:
        Mistake: there are some. Files of before they said their pair are taken as they are.
    """
    others = file.marked(OWN_PAIR)
    if file.subject is not None and not file.subject.own and others:
        raise Mistake(
            f"{name} is about {file.subject}, and its verdict on {others[0]} is about another pair: give the file that "
            "a run of that pair wrote."
        )


def require_the_papers_pair(file: VerdictFile, remedy: str, name: str = "RESULTS") -> None:
    """Refuse verdicts on a pair of the user's own where the paper's are shown; `remedy` says what to do with them.

    Raises:
        Mistake: the file says that it is about another pair, or holds verdicts on one.
    """
    require_one_pair(file, name)
    if file.subject is not None and file.subject.own:
        raise Mistake(f"{name} is about {file.subject}, which is not the paper's pair: {remedy}.")


def require_same_pair(one: VerdictFile, other: VerdictFile, names: tuple[str, str]) -> None:
    """Refuse to show side by side what is about different pairs or papers; `names` are what to call the two files.

    Raises:
        Mistake: they are. Where a file does not say its models, whether they are the paper's decides.
    """
    for file, name in zip((one, other), names, strict=True):
        require_one_pair(file, name)
    known = bool(one.subject and other.subject)
    pairs = [file.subject.pair if file.subject and known else file.own_pair for file in (one, other)]
    if pairs[0] != pairs[1]:
        first, second = (str(file.subject or _unnamed(file)) for file in (one, other))
        raise Mistake(f"{names[0]} is about {first}, and {names[1]} is about {second}: give files about one pair.")


def require_same_subject(path: Path, earlier: Subject | None, now: Subject | None) -> None:
    """Refuse to add badges to those of another pair, recipe or paper.

    Args:
        path: the index of the folder with the badges.
        earlier: what that says they are about.
        now: what the verdicts are about; None where a file does not say it.

    Raises:
        Mistake: they are about something else.
    """
    if earlier and now and (earlier.pair, earlier.recipe) != (now.pair, now.recipe):
        raise Mistake(f"{path} is about {earlier}, and RESULTS is about {now}: give a folder of its own.")


def _unnamed(file: VerdictFile) -> str:
    return "a pair of your own" if file.own_pair else "the paper's pair"
