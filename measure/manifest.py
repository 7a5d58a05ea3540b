"""mirror.json: what a mirror holds, at which revisions, with sizes and digests.

A mirror that was laid out by hand has no such list, and nothing can be said against it.
"""

import hashlib
import re
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from judge.files import Mistake, Record, pretty, read, write
from measure.host import SUITE_VERSION

MANIFEST, SCHEMA = "mirror.json", 1
COMMIT = re.compile("[0-9a-f]{40}")

Kind = Literal["model", "dataset"]


class MirroredFile(Record):
    """A file: its size in bytes, and the SHA-256 of its content once it has been fetched."""

    size: Annotated[int, Field(ge=0)]
    sha256: Annotated[str, Field(pattern="^[0-9a-f]{64}$")] | None = None


class MirroredRepository(Record):
    """A model or data set: its commit, the name that the user gave for it, if any, and its files by their paths."""

    kind: Kind
    revision: str
    asked: str | None = None
    files: dict[str, MirroredFile]


class Manifest(Record):
    """The whole list, by OWNER/NAME."""

    schema_: Annotated[int, Field(alias="schema")]
    suite_version: str
    written: datetime
    repositories: dict[str, MirroredRepository]

    def with_repository(self, name: str, repository: MirroredRepository) -> "Manifest":
        """The list with one repository more, or with another entry for it."""
        return new_manifest({**self.repositories, name: repository})


def new_manifest(repositories: dict[str, MirroredRepository] | None = None) -> Manifest:
    """A list that is written now, by this version of the suite."""
    return Manifest(
        schema_=SCHEMA, suite_version=SUITE_VERSION, written=datetime.now(UTC), repositories=repositories or {}
    )


def read_manifest(mirror: Path) -> Manifest | None:
    """The list of a mirror; None where it has none.

    Raises:
        Mistake: it cannot be read, or a newer suite wrote it.
    """
    path = mirror / MANIFEST
    return read(Manifest, path, schema=SCHEMA) if path.exists() else None


def write_manifest(mirror: Path, manifest: Manifest) -> None:
    """Put the list in its place in one rename.

    Raises:
        Mistake: the folder cannot be written to.
    """
    write(mirror / MANIFEST, pretty(manifest))


def verify(mirror: Path, paths: Iterable[Path], revision: str | None) -> None:
    """Compare files that are about to be used with what the mirror's list says of them: revision and sizes, no digests.

    What is not listed, or lies elsewhere, was put there by hand and is left alone.

    Args:
        mirror: the folder given with --mirror.
        paths: files, as found below it.
        revision: the commit that is wanted, the start of one, or a branch or tag; None takes any.

    Raises:
        Mistake: the list cannot be read, a file is missing or has another size, or its revision is another one.
    """
    manifest = read_manifest(mirror)
    for path in paths if manifest else ():
        found = _listed(manifest, mirror, path) if manifest else None
        if found is None:
            continue
        name, repository, file = found
        if not _is_at(repository, revision):
            raise Mistake(
                f"{mirror} holds {name} at revision {repository.revision[:12]}, not {revision}: fill another folder "
                "with python -m measure.mirror."
            )
        size = path.stat().st_size if path.is_file() else None
        if size != file.size:
            state = "is missing" if size is None else f"has {size:,} bytes"
            raise Mistake(
                f"{path} {state}, and {MANIFEST} there says {file.size:,}: copy it again, and check the whole folder "
                f"with python -m measure.mirror {mirror} --check."
            )


def damages(mirror: Path, manifest: Manifest) -> Iterator[tuple[str, str]]:
    """Every listed file, with what is wrong with it: nothing, or a few words. Contents are read in full."""
    for name, repository in manifest.repositories.items():
        for file, listed in repository.files.items():
            yield f"{name}/{file}", _damage(mirror / name / file, listed)


def sha256_of(path: Path) -> str:
    """SHA-256 of a file, in hexadecimal.

    Raises:
        OSError: it cannot be read.
    """
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _damage(path: Path, listed: MirroredFile) -> str:
    if not path.is_file():
        return "is missing" if listed.sha256 else "was not fetched yet"
    try:
        size = path.stat().st_size
        if size != listed.size:
            return f"has {size:,} bytes instead of {listed.size:,}"
        return "" if sha256_of(path) == listed.sha256 else "is damaged: its size is right and its SHA-256 is not"
    except OSError as error:
        return f"cannot be read ({error.strerror})"


def _listed(manifest: Manifest, mirror: Path, path: Path) -> tuple[str, MirroredRepository, MirroredFile] | None:
    """The entry of a file: its repository's name, the repository, and the file itself."""
    for name, repository in manifest.repositories.items():
        folder = mirror / name
        if path.is_relative_to(folder):
            file = repository.files.get(path.relative_to(folder).as_posix())
            return (name, repository, file) if file else None
    return None


def _is_at(repository: MirroredRepository, revision: str | None) -> bool:
    """Whether a repository is at a revision, given as a commit, the start of one, or a name that was asked for."""
    return revision in (None, repository.asked) or (
        re.fullmatch("[0-9a-f]{7,40}", revision or "") is not None and repository.revision.startswith(revision or "")
    )
