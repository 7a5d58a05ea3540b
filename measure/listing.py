"""What a set of options needs of each repository, and which files the hub says that is."""

import json
import re
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from judge.claims import Role
from judge.datasets import GLUE
from judge.files import Mistake, first_line
from measure.downloads import LIST_SECONDS, PAUSES, endpoint
from measure.hub import Absent, matching
from measure.manifest import Kind
from measure.modelfiles import PICKLES, TOKENIZER, VOCABULARIES, WEIGHTS
from measure.naming import check_model_name, parse_model
from measure.requests import ROLES, Request
from measure.stsb import CONFIG as TIMED_CONFIG
from measure.stsb import SPLIT as TIMED_SPLIT
from measure.tasks import TASKS

# The content of a small file of a repository at a commit.
Read = Callable[["Wanted", str, "Remote"], bytes]


class Unreachable(Mistake):
    """The hub does not answer, so it need not be asked for anything else."""


@dataclass(frozen=True)
class Wanted:
    """What is needed of one repository: of a data set the patterns of its splits; of a model its files, with weights.

    `revision` is a commit, a branch or a tag; None is the newest. `own` says that the user named it.
    """

    name: str
    kind: Kind
    revision: str | None
    patterns: tuple[str, ...] = ()
    weights: bool = True
    own: bool = False


@dataclass(frozen=True)
class Remote:
    """A file as the hub lists it: size in bytes, SHA-256 where it is kept in LFS, and git's digest of what is not."""

    path: str
    size: int
    sha256: str | None
    oid: str


@dataclass(frozen=True)
class Listing:
    """The files that are wanted of a repository, at the commit that its revision stands for."""

    wanted: Wanted
    revision: str
    files: tuple[Remote, ...]


def wanted_of(request: Request) -> tuple[list[Wanted], list[str]]:
    """What a request needs, models first, and remarks on what it does not fetch and why.

    Raises:
        Mistake: a model's name is none, or both models are one repository at two revisions.
    """
    models: dict[str, Wanted] = {}
    notes: list[str] = []
    for role in ROLES:
        model = request.own.get(role)
        if model and check_model_name(model, request.baselines.models.ids).folder:
            notes.append(f"{model} is a folder, which is not fetched: copy it to the other host yourself.")
            continue
        found = _model(request, role)
        other = models.setdefault(found.name, found)
        if other.revision != found.revision:
            raise Mistake(
                f"{found.name} is asked for at two revisions, and a mirror has room for one: fill two folders."
            )
    splits, left_out = _splits(request)
    return [*models.values(), *splits], [*notes, *left_out]


def list_files(wanted: Wanted, api: Any, held: str | None, read: Read) -> Listing:
    """Ask the hub which files are wanted.

    Args:
        wanted: a repository.
        api: huggingface_hub's HfApi.
        held: the commit that the mirror has of it, which stays where the user names none.
        read: gives the content of a small file.

    Raises:
        Mistake: the hub does not know it, does not let us have it, or lacks a part of it.
        Unreachable: the hub does not answer.
    """
    told = _told(wanted, held if wanted.own and wanted.revision is None else wanted.revision, api)
    files = {sibling.rfilename: _remote(sibling) for sibling in told.siblings or []}
    listing = Listing(wanted, str(told.sha), ())
    names = _of_model(listing, files, read) if wanted.kind == "model" else _of_splits(listing, files)
    return Listing(wanted, listing.revision, tuple(files[name] for name in names))


@contextmanager
def asking(name: str, revision: str | None) -> Iterator[None]:
    """Turn what the hub answers where it refuses into one sentence.

    Raises:
        Mistake: instead of what huggingface_hub raises.
    """
    from huggingface_hub import errors, get_token

    hub = endpoint()
    try:
        yield
    except errors.GatedRepoError:
        how = "with the account of your token" if get_token() else "and set HF_TOKEN to a token of yours"
        raise Mistake(f"{name} is gated: accept its terms at {hub}/{name} {how}.") from None
    except errors.RepositoryNotFoundError:
        absent = f"{name} does not exist at {hub}"
        if get_token():
            raise Mistake(f"{absent}, or your token may not read it: check the spelling.") from None
        raise Mistake(f"{absent}: check the spelling, or set HF_TOKEN if it is private.") from None
    except errors.RevisionNotFoundError:
        raise Mistake(
            f"{name} has no revision {revision} at {hub}: give a commit, tag or branch that it has, or look at "
            "HF_ENDPOINT if it is none of yours."
        ) from None
    except (errors.HFValidationError, errors.EntryNotFoundError) as error:
        raise Mistake(f"{name} cannot be had from {hub} ({first_line(error)}): check the name.") from None
    except errors.HfHubHTTPError as error:
        status = error.response.status_code
        how = "look at HF_TOKEN" if status in (401, 403) else "run the same command again later"
        raise Mistake(f"{hub} answers with error {status} when asked for {name}: {how}.") from None


def _model(request: Request, role: Role) -> Wanted:
    model, own = request.own.get(role), role in request.own
    needed = any(_refusal(request, task, role) is None for task in request.tasks)
    if model is None:
        models = request.baselines.models
        card = models.teacher if role == "teacher" else models.student
        return Wanted(card.id, "model", card.revision, weights=needed)
    named = parse_model(model)
    return Wanted(named.id, "model", named.revision, weights=needed, own=own)


def _splits(request: Request) -> tuple[list[Wanted], list[str]]:
    """The splits of every task that is fine-tuned for one of the models, and of the one that models are timed on."""
    patterns: dict[tuple[str, str], list[str]] = {GLUE: []}
    notes = []
    for name in request.tasks:
        task = TASKS[name]
        reasons = [_refusal(request, name, role) for role in ROLES]
        if all(reasons):
            notes.append(f"{task.label} is left out: {reasons[0]}.")
            continue
        patterns.setdefault((task.dataset, task.revision), []).extend(
            f"{task.config}/{split.name}-*.parquet" for split in task.splits
        )
    timed = f"{TIMED_CONFIG}/{TIMED_SPLIT}-*.parquet"
    if timed not in patterns[GLUE]:
        patterns[GLUE].append(timed)
        notes.append("STS-B's validation split is fetched too: the models are timed on it.")
    wanted = [Wanted(name, "dataset", revision, tuple(found)) for (name, revision), found in patterns.items()]
    return wanted, notes


def _refusal(request: Request, task: str, role: Role) -> str | None:
    """Why a request has no job of a task for a model; None where it has."""
    try:
        request.check(TASKS[task], role)
    except Absent as absent:
        return str(absent)
    return None


def _told(wanted: Wanted, revision: str | None, api: Any) -> Any:
    """What the hub says of a repository and its files; a network that fails is given three chances."""
    for pause in (*PAUSES, None):
        try:
            with asking(wanted.name, revision):
                return api.repo_info(
                    wanted.name, revision=revision, repo_type=wanted.kind, files_metadata=True, timeout=LIST_SECONDS
                )
        except Mistake:
            raise
        except Exception as error:  # of the network or the client, whose kinds change with its versions
            if pause is None:
                raise Unreachable(
                    f"the list of {wanted.name}'s files cannot be had from {endpoint()} ({first_line(error)}): run the "
                    "same command again later."
                ) from None
            time.sleep(pause)
    raise AssertionError("the last attempt returns or raises")


def _remote(sibling: Any) -> Remote:
    sha256 = sibling.lfs.sha256 if sibling.lfs else None
    return Remote(sibling.rfilename, int(sibling.size or 0), sha256, str(sibling.blob_id))


def _check_own(listing: Listing, config: Remote, read: Read) -> None:
    """Refuse a model that is gated, whose list of files everybody may see, and one that comes with code."""
    try:
        told = json.loads(read(listing.wanted, listing.revision, config))
    except ValueError:
        told = None
    if not isinstance(told, dict):
        raise Mistake(f"{listing.wanted.name} has a config.json that is no JSON object: give another model.")
    if told.get("auto_map"):
        raise Mistake(
            f"{listing.wanted.name} has code of its own (auto_map in its config.json), and this suite runs none that "
            "comes with a model: give one of an architecture that transformers has."
        )


def _of_model(listing: Listing, files: Mapping[str, Remote], read: Read) -> list[str]:
    """Configuration, tokenizer and weights: never pickles, never code."""
    name, tokenizer = listing.wanted.name, [file for file in TOKENIZER if file in files]
    if "config.json" not in files:
        raise Mistake(f"{name} has no config.json, so it is no model that transformers loads: give another one.")
    if not any(file in files for file in VOCABULARIES):
        raise Mistake(f"{name} has no tokenizer ({', '.join(VOCABULARIES)}): save the model's tokenizer with it.")
    if listing.wanted.own:
        _check_own(listing, files["config.json"], read)
    return ["config.json", *tokenizer, *(_weights(listing, files, read) if listing.wanted.weights else [])]


def _weights(listing: Listing, files: Mapping[str, Remote], read: Read) -> list[str]:
    name, (single, index) = listing.wanted.name, WEIGHTS
    if single in files:
        return [single]
    if index not in files:
        pickled = ", only pickled weights, which can run code when they are loaded" if set(PICKLES) & set(files) else ""
        raise Mistake(f"{name} has no {single} on the hub{pickled}: save it with safe_serialization=True.")
    try:
        parts = sorted(set(json.loads(read(listing.wanted, listing.revision, files[index]))["weight_map"].values()))
    except (ValueError, LookupError, TypeError, AttributeError):
        parts = []
    plain = all(str(part).endswith(".safetensors") and Path(part).name == part for part in parts)
    if not parts or not plain or not set(parts) <= set(files):
        raise Mistake(f"{name} has not all the weights that its {index} names: save the model there again.")
    return [index, *parts]


def _of_splits(listing: Listing, files: Mapping[str, Remote]) -> list[str]:
    names: list[str] = []
    for pattern in listing.wanted.patterns:
        found = matching(pattern, files)
        counted = re.search(r"-of-(\d+)\.parquet$", found[0]) if found else None
        if not found or (counted and len(found) != int(counted.group(1))):
            raise Mistake(
                f"{listing.wanted.name} has no whole {pattern} at its pinned revision {listing.revision[:12]}: check "
                "HF_ENDPOINT, which should hold what huggingface.co does."
            )
        names += found
    return names
