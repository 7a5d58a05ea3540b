"""What the commands of `python -m report` are given: verdicts or the folder of a run, and a folder to write to."""

from pathlib import Path

from judge.files import Mistake, read
from judge.verdicts import FILE_NAME, SCHEMA, VerdictFile


def verdicts_path(given: Path) -> Path:
    """The file of verdicts: the one that was given, or the one in the folder that was given."""
    return given / FILE_NAME if given.is_dir() else given


def read_verdicts(given: Path) -> VerdictFile:
    """The verdicts of a run, by their file or its folder.

    Raises:
        Mistake: there are none, or the file cannot be read.
    """
    path = verdicts_path(given)
    if path != given and not path.exists():
        raise Mistake(f"{given} is a folder without {FILE_NAME}: give the one that a run wrote its verdicts to.")
    return read(VerdictFile, path, schema=SCHEMA)
