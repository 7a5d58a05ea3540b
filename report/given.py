"""What the commands of `python -m report` are given: verdicts or the folder of a run, and a folder to write to."""

from pathlib import Path

from judge.evidence import holds_evidence
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


def require_no_evidence(folder: Path, what: str) -> None:
    """Refuse to write beside evidence, where the next `--evidence FOLDER` would stumble on it.

    A folder with the verdicts of a run is one of results, whatever was recorded there.

    Raises:
        Mistake: the folder holds evidence and no verdicts.
    """
    found = holds_evidence(folder)
    if found and not (folder / FILE_NAME).exists():
        raise Mistake(f"{folder} holds evidence ({found.name}), where {what} do not belong: give another folder.")
