"""JSON files that people edit: read with the place of a mistake, written so that a crash leaves the old one whole."""

import difflib
import errno
import json
import os
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

# A disk without room, and a user who has used up his share of it.
FULL = (errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC))
# What a file of this suite is known by: the key that holds what it is a file of.
CONTENTS = {"measurements": "evidence", "verdicts": "verdicts", "badges": "badges"}
# What Git leaves in a file's place where LFS is not installed: some 130 bytes with the file's digest and size.
LFS_POINTER = b"version https://git-lfs.github.com/spec/"


class Mistake(Exception):
    """A user's mistake: one sentence that says what is wrong, where, and what to do about it."""


class Record(BaseModel):
    """Base of everything that is stored: immutable, strictly typed, and without room for a misspelt key."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, strict=True, populate_by_name=True, ser_json_inf_nan="constants"
    )


R = TypeVar("R", bound=Record)


def read(kind: type[R], path: Path, schema: int | None = None) -> R:
    """Read and validate one JSON file.

    Args:
        kind: the record that the file holds.
        path: where it lies.
        schema: the newest value of the file's `schema` key that this suite reads; None for files without one.

    Raises:
        Mistake: the file is missing, unreadable, not JSON, of a newer schema or not of that kind.
    """
    text = _text(path)
    try:
        raw = json.loads(text)
    except json.JSONDecodeError as error:
        refuse_lfs_pointers([path])
        raise Mistake(f"{path} is not JSON: {error.msg} at line {error.lineno}, column {error.colno}.") from None
    except (RecursionError, ValueError):
        raise Mistake(
            f"{path} is nested too deeply or holds a number of thousands of digits: give a file of this suite."
        ) from None
    if schema is not None:
        # First, or a newer schema of the one kind would be taken for one of the other.
        _check_contents(raw, path, kind)
        _check_schema(raw, path, schema)
    try:
        return kind.model_validate_json(text)
    except ValidationError as error:
        raise Mistake(_sentence(error, raw, kind, path)) from None


def contents(path: Path) -> list[str] | None:
    """What a JSON file holds, as evidence or verdicts; None if it is not a file of this suite."""
    try:
        raw = json.loads(_text(path))
    except (Mistake, ValueError, RecursionError):
        return None
    if not isinstance(raw, dict) or "schema" not in raw:
        return None
    return [name for key, name in CONTENTS.items() if key in raw]


def json_files(folder: Path) -> list[Path]:
    """The .json files in a folder in the order of their names, but for those that begin with a dot.

    Such files are other programs' own, as the ._NAME.json that macOS puts beside a file on a foreign disk.

    Raises:
        OSError: the folder cannot be read.
    """
    return sorted(file for file in folder.iterdir() if file.suffix == ".json" and not file.name.startswith("."))


def write(path: Path, text: str) -> None:
    """Write a text file under a temporary name and rename it, so that a reader sees the old file or the new one.

    Raises:
        Mistake: the folder cannot be created or written to.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".tmp")
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            Path(name).chmod(0o644)
            Path(name).replace(path)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise
    except OSError as error:
        what = "make room there" if error.errno in FULL else "choose a folder that can be written to"
        raise Mistake(f"{path} cannot be written ({error.strerror}): {what}.") from None


def refuse_lfs_pointers(paths: Iterable[Path]) -> None:
    """Raise Mistake where Git LFS left a pointer in a file's place."""
    for path in paths:
        with path.open("rb") as file:
            found = file.read(len(LFS_POINTER))
        if found == LFS_POINTER:
            raise Mistake(
                f"{path} is a Git LFS pointer and not the file itself: install Git LFS and run `git lfs pull` in "
                f"{path.parent}."
            )


def require_utf8(words: Iterable[str]) -> None:
    """Refuse names that no file of this suite could hold: bytes of a path that are no UTF-8 come in as surrogates.

    Raises:
        Mistake: a word has some.
    """
    for word in words:
        if any("\ud800" <= letter <= "\udfff" for letter in word):
            shown = word.encode(errors="replace").decode()
            raise Mistake(f"{shown} is not UTF-8, as files of this suite are: give that file or folder another name.")


def pretty(record: Record) -> str:
    """The stored form of a record: JSON with two spaces, keys in the order of declaration, a final newline."""
    return record.model_dump_json(by_alias=True, exclude_defaults=True, indent=2) + "\n"


def _text(path: Path) -> str:
    try:
        # Editors and shells of Windows put a byte order mark first, which JSON has no place for.
        return path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise Mistake(f"{path} does not exist: check the name.") from None
    except UnicodeDecodeError:
        raise Mistake(f"{path} is not a UTF-8 text file: give a JSON file written by this suite.") from None
    except OSError as error:
        raise Mistake(f"{path} cannot be read ({error.strerror}): give a file.") from None


def _check_schema(raw: Any, path: Path, newest: int) -> None:
    found = raw.get("schema") if isinstance(raw, dict) else None
    if not isinstance(found, int) or isinstance(found, bool):
        raise Mistake(f"{path}, /schema: a whole number is missing, so this is no file of this suite's.")
    if found < 1:
        raise Mistake(f"{path} has schema {found}, and there is none before 1: give a file of this suite.")
    if found > newest:
        raise Mistake(f"{path} has schema {found}, and this suite reads up to {newest}: update the suite.")


def _check_contents(raw: Any, path: Path, kind: type[Record]) -> None:
    """Refuse one kind of file in another's place: nobody should be told to remove its keys."""
    wanted = [name for key, name in CONTENTS.items() if key in kind.model_fields]
    found = [name for key, name in CONTENTS.items() if isinstance(raw, dict) and key in raw]
    if wanted and found and wanted[0] not in found:
        raise Mistake(f"{path} is a file of {found[0]}, and not of {wanted[0]}: give one of {wanted[0]}.")


def _sentence(error: ValidationError, raw: Any, kind: type[Record], path: Path) -> str:
    """One sentence for the first of the mistakes, with its JSON pointer and the id of the entry around it."""
    # An unknown key comes first: it is mostly the misspelling of one that is then missing.
    first, *others = sorted(error.errors(include_url=False), key=lambda detail: detail["type"] != "extra_forbidden")
    loc = _place(first, raw)
    pointer = "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in loc)
    what, meant = _what(first, loc, kind)
    # A misspelt key that was required is one slip, though it is reported as unknown and as missing.
    places = {_place(other, raw) for other in others} - {loc, (*loc[:-1], meant)}
    more = f" ({len(places)} more mistake{'s' if len(places) > 1 else ''} in this file)" if places else ""
    end = "" if what.endswith("?") and not more else "."
    return f"{path}{', ' if pointer else ''}{pointer}{_whose(raw, loc)}: {what}{more}{end}"


def _place(detail: Any, raw: Any) -> tuple[int | str, ...]:
    """The path of a mistake as far as it runs through the file: names of types and functions are left out."""
    place: list[int | str] = []
    for part in detail["loc"]:
        try:
            raw = raw[part]
        except (KeyError, IndexError, TypeError):
            if detail["type"] == "missing" and part == detail["loc"][-1]:
                place.append(part)
            continue
        place.append(part)
    return tuple(place)


def _what(detail: Any, loc: tuple[int | str, ...], kind: type[Record]) -> tuple[str, str]:
    """What is wrong, and the key that was meant where one was misspelt."""
    name, known = str(loc[-1]) if loc else "", _field_names(kind)
    if detail["type"] == "extra_forbidden":
        near = difflib.get_close_matches(name, sorted(known), n=1)
        if name in known or not near:
            return f"the key {name!r} does not belong here: remove it", ""
        return f"unknown key {name!r}, did you mean {near[0]!r}?", near[0]
    if detail["type"] == "missing":
        return f"{name!r} is missing: add it", ""
    message = str(detail["msg"]).removeprefix("Value error, ").rstrip(".")
    return (message[:1].lower() + message[1:] if message[1:2].islower() else message), ""


def _whose(raw: Any, loc: tuple[int | str, ...]) -> str:
    """' (size.student)' where the path runs through an entry that has an id or a quantity."""
    for part in loc:
        try:
            raw = raw[part]
        except (KeyError, IndexError, TypeError):
            return ""
        if isinstance(raw, dict):
            for key in ("id", "quantity"):
                if isinstance(raw.get(key), str):
                    return f" ({raw[key]})"
    return ""


def _field_names(kind: type[BaseModel], seen: set[type] | None = None) -> set[str]:
    """Every key that a record or a record inside it knows, to suggest one for a misspelt key."""
    seen = set() if seen is None else seen
    if kind in seen:
        return set()
    seen.add(kind)
    names: set[str] = set()
    for name, field in kind.model_fields.items():
        names.add(field.alias or name)
        for part in _parts(field.annotation):
            names |= _field_names(part, seen)
    return names


def _parts(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [part for argument in getattr(annotation, "__args__", ()) for part in _parts(argument)]


def first_line(error: object) -> str:
    """The first line of what an exception says, to stand inside a sentence; its class where it says nothing."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0].rstrip(".: ") if lines else type(error).__name__
