"""Where files of models and data sets come from: a folder of the user's own, the mirror, the hub's cache, the hub.

Revisions are pinned, weights are safetensors, and nothing that runs code is fetched. huggingface_hub comes late; its
variables HF_HOME, HF_ENDPOINT, HF_HUB_OFFLINE and HF_TOKEN keep their meaning.
"""

import functools
import hashlib
import json
import re
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from judge.files import Mistake
from measure.architecture import check_folder
from measure.tasks import FineTuned

WEIGHTS = ("model.safetensors", "model.safetensors.index.json")
PICKLES = ("pytorch_model.bin", "pytorch_model.bin.index.json")
# What decides how text becomes tokens.
TOKENIZER = (
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "vocab.txt",
    "vocab.json",
    "merges.txt",
    "spiece.model",
    "sentencepiece.bpe.model",
)
# Without one of these there is no tokenizer, whatever else is said of it.
VOCABULARIES = ("tokenizer.json", "vocab.txt", "vocab.json", "spiece.model", "sentencepiece.bpe.model")
# A hub that is up answers within this; its own client would go on asking for 23 seconds for every data set.
PROBE_SECONDS = 2.0


class Absent(Exception):
    """What is needed is not at hand; the message is one sentence that says where it was looked for."""


@dataclass(frozen=True)
class Files:
    """Files of one model or of one task's data set, by the name that they are used under.

    `digest` is the SHA-256 of their names and contents, the same wherever they came from.
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


def find_model(model: str, revision: str | None, mirror: Path | None, *, fetch: bool = True) -> Files:
    """The configuration, tokenizer and weights of a model.

    Args:
        model: a folder, or a hub id.
        revision: the commit of a hub id; None for a model of the user's own.
        mirror: a folder that holds OWNER/NAME folders as the hub has them, or None.
        fetch: whether to download what is not here.

    Raises:
        Absent: neither here nor to be had.
        Mistake: the folder holds no model, or only pickled weights.
    """
    check_folder(model)
    for folder in (Path(model), *([mirror / model] if mirror else [])):
        if (folder / "config.json").is_file() and _whole(folder, given=folder == Path(model)):
            return _model_files(model, revision, folder)
    if Path(model).is_dir():
        raise Mistake(f"{model} has no model.safetensors, or lacks parts of it: save the model there with its weights.")
    patterns = ["config.json", "*.safetensors", "model.safetensors.index.json", *TOKENIZER]
    folder = _snapshot(model, revision, patterns, "model", _complete, fetch)
    if not _whole(folder, given=True):
        raise Mistake(f"{model} has no safetensors on the hub: convert its weights, this suite loads nothing pickled.")
    return _model_files(model, revision, folder)


def find_split(
    dataset: str, revision: str, config: str, split: str, mirror: Path | None, *, fetch: bool = True
) -> list[Path]:
    """The parquet files of one split, in their order.

    Raises:
        Absent: neither in the mirror nor to be had from the hub.
    """
    pattern = f"{config}/{split}-*.parquet"
    held = _shards(mirror / dataset, pattern) if mirror else []
    if held:
        return held
    folder = _snapshot(dataset, revision, [pattern], "dataset", lambda folder: bool(_shards(folder, pattern)), fetch)
    found = _shards(folder, pattern)
    if not found:
        raise Absent(f"split missing: {dataset} has no whole {pattern} at its pinned revision")
    return found


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


@functools.cache
def hub_answers() -> bool:
    """Whether the hub can be asked: one probe for each process, two seconds at most."""
    from huggingface_hub import constants

    if constants.HF_HUB_OFFLINE:
        return False
    answers = threading.Event()

    def probe() -> None:
        try:
            request = urllib.request.Request(constants.ENDPOINT, method="HEAD")
            urllib.request.urlopen(request, timeout=PROBE_SECONDS).close()
            answers.set()
        except urllib.error.HTTPError:
            answers.set()  # it refuses this page, so it is there
        except (OSError, ValueError):
            pass

    # Looking up a name can take longer than any timeout that a socket knows.
    thread = threading.Thread(target=probe, daemon=True)
    thread.start()
    thread.join(PROBE_SECONDS)
    return answers.is_set()


def digest_of(paths: Sequence[tuple[str, Path]]) -> str:
    """SHA-256 over (name, SHA-256 of the content), in the order of names."""
    total = hashlib.sha256()
    for name, path in sorted(paths):
        with path.open("rb") as file:
            total.update(f"{name} {hashlib.file_digest(file, 'sha256').hexdigest()}\n".encode())
    return total.hexdigest()


def _model_files(model: str, revision: str | None, folder: Path) -> Files:
    names = ["config.json", *sorted(path.name for path in folder.glob("*.safetensors")), *WEIGHTS[1:], *TOKENIZER]
    return Files(model, revision, tuple((name, folder / name) for name in names if (folder / name).is_file()))


def _shards(folder: Path, pattern: str) -> list[Path]:
    """The files of a split in their order; none where one of those that their names count is not there."""
    found = sorted(folder.glob(pattern))
    counted = re.search(r"-of-(\d+)\.parquet$", found[0].name) if found else None
    return found if counted is None or len(found) == int(counted.group(1)) else []


def _complete(folder: Path) -> bool:
    """Whether the hub's cache has all of a model: what else loaded it may have fetched its weights alone."""
    names = [folder / "config.json", *(folder / name for name in VOCABULARIES)]
    return names[0].is_file() and any(name.is_file() for name in names[1:]) and _whole(folder, given=False)


def _has_weights(folder: Path) -> bool:
    """Whether all files of the weights are there."""
    if (folder / WEIGHTS[0]).is_file():
        return True
    try:
        parts = set(json.loads((folder / WEIGHTS[1]).read_text(encoding="utf-8"))["weight_map"].values())
    except (OSError, ValueError, LookupError, TypeError, AttributeError):
        return False
    return bool(parts) and all((folder / name).is_file() for name in parts)


def _whole(folder: Path, *, given: bool) -> bool:
    """Whether a folder holds weights; pickled ones alone are refused where the user named the folder."""
    if _has_weights(folder):
        return True
    if given and any((folder / name).is_file() for name in PICKLES):
        raise Mistake(
            f"{folder} holds pickled weights only, which can run code when they are loaded: "
            "save the model with safe_serialization=True."
        )
    return False


def _snapshot(
    name: str, revision: str | None, patterns: list[str], kind: str, complete: Callable[[Path], bool], fetch: bool
) -> Path:
    """The local folder of a repository's files: from the hub's cache if they are there, else downloaded."""
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HFValidationError, LocalEntryNotFoundError

    arguments: dict[str, Any] = {"repo_id": name, "revision": revision, "allow_patterns": patterns, "repo_type": kind}
    try:
        folder = Path(snapshot_download(**arguments, local_files_only=True))
        if complete(folder):
            return folder
    except LocalEntryNotFoundError:
        pass
    except HFValidationError:
        raise Mistake(f"{name} is neither a folder here nor a hub id such as owner/name: check the spelling.") from None
    if not fetch or not hub_answers():
        what = f"split missing: {name}'s {patterns[0]} is"
        if kind == "model":
            what = f"weights missing: those of {name} and its tokenizer are"
        where = "neither in --mirror nor in the hub's cache"
        raise Absent(f"{what} {where}{', and the hub cannot be asked' if fetch else ''}")
    return _download(arguments, name)


def _download(arguments: dict[str, Any], name: str) -> Path:
    from huggingface_hub import snapshot_download

    try:
        return Path(snapshot_download(**arguments))
    except Exception as error:  # of the network, the disk, the hub or its client, whose kinds change with its versions
        lines = [line.strip() for line in str(error).splitlines() if line.strip()] or [type(error).__name__]
        raise Absent(f"{name} cannot be downloaded from the hub ({lines[0].rstrip('.')})") from None
