"""Where files of models and data sets come from: a folder of the user's own, the mirror, the hub's cache, the hub.

Revisions are pinned, weights are safetensors, and nothing that runs code is fetched. huggingface_hub comes late; its
variables HF_HOME, HF_ENDPOINT, HF_HUB_OFFLINE and HF_TOKEN keep their meaning.
"""

import functools
import hashlib
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from judge.files import Mistake, refuse_lfs_pointers
from measure.downloads import Absent, Repository, hub_answers, hub_trouble
from measure.manifest import read_manifest, verify
from measure.modelfiles import (
    CONFIG,
    PICKLES,
    SURE,
    TOKENIZER,
    VOCABULARIES,
    WEIGHTS,
    parts_named,
    refuse_code,
    weights_in,
)
from measure.naming import check_model_name, folder_of_that_name
from measure.tasks import FineTuned

__all__ = [
    "Absent",
    "Files",
    "check_mirror",
    "digest_of",
    "find_config",
    "find_model",
    "find_split",
    "find_task",
    "hub_answers",
    "matching",
]

# Folders of the hub's cache, as models--owner--name.
CACHED = re.compile("(models|datasets)--.")
SOURCES = "neither in --mirror nor in the hub's cache"


@dataclass(frozen=True)
class Files:
    """Files of one model or of one task's data set, by the name that they are used under.

    `revision` is the commit where it is known. `digest` is the SHA-256 of names and contents, the same wherever the
    files came from.
    """

    id: str
    revision: str | None
    paths: tuple[tuple[str, Path], ...]

    @functools.cached_property
    def digest(self) -> str:
        """SHA-256 over names and contents, in hexadecimal; 440 MB take less than a second."""
        return digest_of(self.paths)

    @property
    def folder(self) -> Path:
        """The folder that the first file lies in."""
        return self.paths[0][1].parent


def check_mirror(folder: Path) -> None:
    """Refuse a folder that is laid out in another way than a mirror, in which nothing would be found.

    Raises:
        Mistake: it is a cache of the hub's client, or has no OWNER/NAME folder.
    """
    for cache in (folder, folder / "hub", folder.parent):
        if any(CACHED.match(path.name) for path in ([folder] if cache == folder.parent else cache.glob("*--*"))):
            raise Mistake(
                f"--mirror {folder} is a cache of huggingface_hub, where files lie in another way than on the hub: "
                f"leave --mirror out and set HF_HUB_CACHE={cache}."
            )
    if not any(path.is_dir() for path in folder.glob("*/*")):
        raise Mistake(
            f"--mirror {folder} holds no OWNER/NAME folder as the hub has them: give the folder above those, or fill "
            f"it with python -m measure.mirror {folder}."
        )


def find_model(model: str, revision: str | None, mirror: Path | None, *, fetch: bool = True) -> Files:
    """The configuration, tokenizer and weights of a model.

    Args:
        model: a hub id, which may have its revision behind an @, or a folder, which no OWNER/NAME is.
        revision: the commit of a hub id; None for a model of the user's own.
        mirror: a folder that holds OWNER/NAME folders as the hub has them, or None.
        fetch: whether to download what is not here.

    Raises:
        Absent: neither here nor to be had.
        Mistake: there is no such model, it has pickled weights only, or it has code of its own.
    """
    return _find(model, revision, mirror, fetch, tokenizer=True, weights=True)


def find_config(
    model: str, revision: str | None, mirror: Path | None, *, fetch: bool = True, tokenizer: bool = False
) -> Files:
    """The configuration of a model, and its tokenizer's files where asked for, without weights.

    Raises:
        Absent, Mistake: as `find_model`, weights left aside.
    """
    return _find(model, revision, mirror, fetch, tokenizer=tokenizer, weights=False)


def find_split(
    dataset: str, revision: str, config: str, split: str, mirror: Path | None, *, fetch: bool = True
) -> list[Path]:
    """The parquet files of one split, in their order.

    Raises:
        Absent: neither in the mirror nor to be had from the hub.
        Mistake: the mirror's own list says something else of it.
    """
    pattern, repository = f"{config}/{split}-*.parquet", Repository(dataset, revision, "dataset")
    if mirror and (held := _shards(mirror / dataset, pattern)):
        refuse_lfs_pointers(held)
        verify(mirror, held, revision)
        return held
    if (folder := repository.cached()) and (held := _shards(folder, pattern)):
        return held
    _require_hub(f"split missing: {dataset}'s {pattern} is {SOURCES}", "it", fetch=fetch)
    _, names = repository.listed()
    wanted = matching(pattern, names)
    found = _shards(repository.fetch(wanted), pattern) if wanted else []
    if not found:
        raise Absent(f"split missing: {dataset} has no whole {pattern} at its pinned revision")
    return found


def matching(pattern: str, names: Iterable[str]) -> list[str]:
    """The names that a pattern stands for, in order; its star never crosses from one folder into another."""
    expression = "[^/]*".join(re.escape(part) for part in pattern.split("*"))
    return sorted(name for name in names if re.fullmatch(expression, name))


def find_task(task: FineTuned, mirror: Path | None, *, fetch: bool = True) -> Files:
    """The parquet files of every split that a task needs, named `SPLIT-NUMBER`.

    Raises:
        Absent: a split is neither in the mirror nor to be had from the hub.
    """
    paths = [
        (f"{split.name}-{number:05d}", path)
        for split in task.splits
        for number, path in enumerate(
            find_split(task.dataset, task.revision, task.config, split.name, mirror, fetch=fetch)
        )
    ]
    return Files(task.dataset, task.revision, tuple(paths))


def digest_of(paths: Sequence[tuple[str, Path]]) -> str:
    """SHA-256 over (name, SHA-256 of the content), in the order of names."""
    total = hashlib.sha256()
    for name, path in sorted(paths):
        with path.open("rb") as file:
            total.update(f"{name} {hashlib.file_digest(file, 'sha256').hexdigest()}\n".encode())
    return total.hexdigest()


def _find(
    model: str, revision: str | None, mirror: Path | None, fetch: bool, *, tokenizer: bool, weights: bool
) -> Files:
    called = check_model_name(model)
    if called.folder:
        return _own(called.id, called.folder, tokenizer=tokenizer, weights=weights)
    name, pinned = called.id, revision or called.revision
    need = {"tokenizer": tokenizer, "weights": weights}
    if mirror and _holds(mirror / name, tokenizer=tokenizer and not weights, weights=weights):
        return _mirrored(_files(name, pinned, mirror / name, **need), mirror)
    repository = Repository(name, pinned)
    folder = repository.cached()
    held = _files(name, folder.name, folder, **need) if folder and _holds(folder, **need) else None
    if held and (not tokenizer or repository.knows(TOKENIZER)):
        return held
    # What another program left there may lack a file that only the hub knows of.
    usable = held if held and any((held.folder / sure).is_file() for sure in SURE) else None
    needed = [*["weights"] * weights, *["tokenizer"] * tokenizer, "configuration"][0]
    those = f"those of {name} and its tokenizer are" if weights else f"that of {name} is"
    try:
        _require_hub(f"{needed} missing: {those} {SOURCES}", "them" if weights else "it", fetch=fetch)
        folder = _download(repository, **need)
    except (Absent, Mistake) as error:
        if usable and (fetch or not hub_answers()):  # else somebody may ask later, and get another answer
            return usable
        if revision is None and (here := folder_of_that_name(called)):
            raise Mistake(f"{str(error).rstrip('.')}; for the folder of that name here write {here}.") from None
        raise
    return _files(name, folder.name, folder, **need)


def _own(model: str, folder: Path, *, tokenizer: bool, weights: bool) -> Files:
    """The files of a folder of the user's own, which has no revision."""
    refuse_lfs_pointers(
        folder / name for name in (CONFIG, *weights_in(folder), *TOKENIZER) if (folder / name).is_file()
    )
    if weights and not weights_in(folder):
        if any((folder / name).is_file() for name in PICKLES):
            raise Mistake(
                f"{folder} holds pickled weights only, which can run code when they are loaded: "
                "save the model with safe_serialization=True."
            )
        raise Mistake(f"{model} has no model.safetensors, or lacks parts of it: save the model there with its weights.")
    if tokenizer and not weights and not any((folder / name).is_file() for name in VOCABULARIES):
        raise Absent(f"tokenizer missing: {model} holds none: save it there beside the model")
    return _files(model, None, folder, tokenizer=tokenizer, weights=weights)


def _mirrored(files: Files, mirror: Path) -> Files:
    """Files of a mirror, held against its list where it has one, with the commit that stands there."""
    verify(mirror, [path for _, path in files.paths], files.revision)
    manifest = read_manifest(mirror)
    listed = manifest.repositories.get(files.id) if manifest else None
    return replace(files, revision=listed.revision) if listed else files


def _require_hub(missing: str, it: str, *, fetch: bool) -> None:
    """Raise Absent where the hub may not or cannot be asked."""
    if not fetch:
        raise Absent(missing)
    if hub_answers():
        return
    trouble = hub_trouble() or "the hub cannot be asked"
    how = "unset it" if trouble.startswith("HF_HUB_OFFLINE") else "fetch it where the hub can be reached"
    raise Absent(f"{missing}, and {trouble}: give {it} with --mirror DIR, or {how.replace('fetch it', f'fetch {it}')}")


def _download(repository: Repository, *, tokenizer: bool, weights: bool) -> Path:
    """Fetch what is needed of a model, the weights last, and return the folder that it lies in."""
    commit, names = repository.listed()
    if CONFIG not in names:
        raise Mistake(f"{repository.id} has no config.json on the hub: give a model that transformers can load.")
    if weights and not names & set(WEIGHTS):
        pickled = "holds pickled weights only, which can run code when they are loaded"
        what = pickled if names & set(PICKLES) else "has no safetensors on the hub"
        raise Mistake(f"{repository.id} {what}: save it as safetensors in a folder, and give that.")
    folder = repository.fetch([CONFIG])
    repository = replace(repository, revision=folder.name or commit)
    refuse_code(folder, repository.id, (CONFIG,))
    if tokenizer:
        repository.fetch([CONFIG, *TOKENIZER], optional=True)
        refuse_code(folder, repository.id, ("tokenizer_config.json",))
    if weights and WEIGHTS[0] not in names:
        repository.fetch([WEIGHTS[1]])
        if not parts_named(folder):
            raise Mistake(
                f"{repository.id} has a {WEIGHTS[1]} that names no safetensors beside it: save the model there again."
            )
        repository.fetch(sorted(parts_named(folder)))
    elif weights:
        repository.fetch([WEIGHTS[0]])
    return folder


def _files(model: str, revision: str | None, folder: Path, *, tokenizer: bool, weights: bool) -> Files:
    refuse_code(folder, model, (CONFIG, *["tokenizer_config.json"] * tokenizer))
    names = [CONFIG, *(weights_in(folder) if weights else []), *(TOKENIZER if tokenizer else ())]
    paths = tuple((name, folder / name) for name in names if (folder / name).is_file())
    refuse_lfs_pointers(path for _, path in paths)
    return Files(model, revision, paths)


def _shards(folder: Path, pattern: str) -> list[Path]:
    """The files of a split in their order; none where one of those that their names count is not there."""
    found = sorted(folder.glob(pattern))
    counted = re.search(r"-of-(\d+)\.parquet$", found[0].name) if found else None
    return found if counted is None or len(found) == int(counted.group(1)) else []


def _holds(folder: Path, *, tokenizer: bool, weights: bool) -> bool:
    """Whether a folder has what is needed; what else used the hub's cache may have fetched a part alone."""
    if not (folder / CONFIG).is_file() or (weights and not weights_in(folder)):
        return False
    return not tokenizer or any((folder / name).is_file() for name in VOCABULARIES)
