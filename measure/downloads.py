"""What is asked of the hub: whether it is there, what a repository holds, its files; and a sentence for each failure.

huggingface_hub does the work, in its own cache; it comes late. No request waits for ever, and a hub that failed is
probed again before it is asked for more.
"""

import errno
import functools
import hashlib
import http.client
import logging
import os
import re
import ssl
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from judge.files import Mistake, first_line

# A hub that is up answers within this; its own client would go on asking for 23 seconds for every data set.
PROBE_SECONDS = 2.0
# For a list of files, which the client itself would wait for without end.
LIST_SECONDS = 10.0
# Before the second and the third time that a list is asked for.
PAUSES = (1.0, 2.0)
# Failures of the hub or the network, one after the other, after which a process asks no more.
PATIENCE = 2
# What the next attempt may find repaired.
PASSING = {408, 429, 500, 502, 503, 504}
FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_failures: list[str] = []


class Absent(Exception):
    """What is needed is not to be had now; the message is one sentence that says where it was looked for."""


@dataclass(frozen=True)
class Repository:
    """A model or data set of the hub at a commit, tag or branch; None is its newest state."""

    id: str
    revision: str | None
    kind: Literal["model", "dataset"] = "model"

    def cached(self) -> Path | None:
        """The folder in the hub's cache that holds some of its files, perhaps not all; nothing is asked.

        Raises:
            Mistake: the id is none.
        """
        from huggingface_hub import snapshot_download
        from huggingface_hub.errors import HFValidationError, LocalEntryNotFoundError

        try:
            return Path(snapshot_download(self.id, **self._place(), local_files_only=True))
        except LocalEntryNotFoundError as error:  # whose subclass for a cache with gaps knows where it lies
            found = getattr(error, "snapshot_path", None)
            return Path(found) if found else None
        except HFValidationError:
            said = f"{self.id} is neither a folder here nor a hub id such as owner/name: check the spelling."
            raise Mistake(said) from None

    def knows(self, names: Iterable[str]) -> bool:
        """Whether the hub's cache has each of these files, or knows that there is none of that name."""
        from huggingface_hub import try_to_load_from_cache

        return all(try_to_load_from_cache(self.id, name, **self._place()) is not None for name in names)

    def listed(self) -> tuple[str, frozenset[str]]:
        """The commit that the revision stands for, and the paths of all files in it; asked once for each process.

        Raises:
            Absent: the hub does not say.
            Mistake: there is no such repository or revision.
        """
        return _listed(self)

    def fetch(self, names: Iterable[str], *, optional: bool = False) -> Path:
        """Have these files in the hub's cache, downloaded where missing, and return their folder.

        Args:
            names: paths in the repository; at least one of them must be there.
            optional: whether files that the repository has not are left out; the cache then knows of it.

        Raises:
            Absent: one of them cannot be had.
            Mistake: there is no such repository or revision.
        """
        from huggingface_hub import hf_hub_download
        from huggingface_hub.errors import EntryNotFoundError

        paths = []
        for name in names:
            old = self.knows([name])
            try:
                path = Path(hf_hub_download(self.id, name, **self._place()))
            except Exception as error:  # of the network, the disk, the hub or its client, which change with versions
                if optional and isinstance(error, EntryNotFoundError) and _status(error) == 404:
                    continue
                raise _said(error, self, name) from None
            if not old:
                self._verify(path, name)
            paths.append((path, name))
        _failures.clear()
        path, name = paths[0]
        return path.parents[name.count("/")]

    def _place(self) -> dict[str, Any]:
        return {"revision": self.revision, "repo_type": self.kind}

    def _verify(self, path: Path, name: str) -> None:
        """Refuse a file whose content is not what the hub stores it under; the client compares sizes only."""
        blob = path.resolve()
        if not re.fullmatch("[0-9a-f]{64}", blob.name):
            return  # small files are stored under another digest
        with blob.open("rb") as file:
            if hashlib.file_digest(file, "sha256").hexdigest() == blob.name:
                return
        path.unlink()
        blob.unlink(missing_ok=True)
        raise Absent(f"{self.id}'s {name} came from {endpoint()} damaged, and was removed: run again")


def say_waits(say: Callable[[str], None]) -> None:
    """Call `say` every ten seconds while the hub's client waits for another process that fetches the same file."""
    # It waits without end, and logs it at a level that is not shown.

    def told(record: logging.LogRecord) -> bool:
        if waits := record.levelno == logging.INFO and "lock" in record.getMessage():
            say("waiting: another process fetches the same file from the hub")
        return not waits

    logger = logging.getLogger("huggingface_hub.utils._fixes")
    logger.setLevel(logging.INFO)
    logger.filters = [told]


def endpoint() -> str:
    """The address of the hub, from HF_ENDPOINT, without any password in it."""
    from huggingface_hub import constants

    return re.sub("//[^/@]*@", "//", constants.ENDPOINT)


def hub_answers() -> bool:
    """Whether the hub can be asked."""
    return not hub_trouble()


@functools.cache
def hub_trouble() -> str:
    """Why the hub cannot be asked, or an empty text: one probe for each process and failure, two seconds at most."""
    address = os.environ.get("HF_ENDPOINT", "")
    try:
        int(urllib.parse.urlsplit(address).port or 0)
    except ValueError:  # with which the client would not even be imported
        return f"HF_ENDPOINT={address} is no address such as https://huggingface.co"
    from huggingface_hub import constants

    if constants.HF_HUB_OFFLINE:
        return "HF_HUB_OFFLINE is set"
    if len(_failures) >= PATIENCE:
        return f"{endpoint()} failed {PATIENCE} times in this run ({_failures[-1]})"
    said = [f"{endpoint()} did not answer within {PROBE_SECONDS:g} s"]
    # Looking up a name can take longer than any timeout that a socket knows.
    thread = threading.Thread(target=lambda: said.insert(0, _probe(endpoint())), daemon=True)
    thread.start()
    thread.join(PROBE_SECONDS)
    return said[0]


def _probe(address: str) -> str:
    try:
        # Longer than it is waited for, so that a hub that does not answer is always said to be silent.
        urllib.request.urlopen(urllib.request.Request(address, method="HEAD"), timeout=2 * PROBE_SECONDS).close()
    except urllib.error.HTTPError as error:
        # One that refuses this page is there; a gateway speaks for one that is not.
        return f"{endpoint()} answers with error {error.code}" if error.code in (502, 503, 504) else ""
    except http.client.HTTPException as error:
        return f"{endpoint()} is no hub ({_line(error)})"
    except OSError as error:
        reason = getattr(error, "reason", error)
        if isinstance(reason, ssl.SSLError):
            return ""  # it is there; the client knows other certificates than Python, and says what it makes of it
        return f"{endpoint()} cannot be reached ({getattr(reason, 'strerror', None) or _line(reason)})"
    except ValueError:
        return f"HF_ENDPOINT={endpoint()} is no address such as https://huggingface.co"
    return ""


@functools.cache
def _listed(repository: Repository) -> tuple[str, frozenset[str]]:
    from huggingface_hub import HfApi

    ask = HfApi().model_info if repository.kind == "model" else HfApi().dataset_info
    for pause in (*PAUSES, None):
        try:
            found = ask(repository.id, revision=repository.revision, timeout=LIST_SECONDS)
            return str(found.sha), frozenset(file.rfilename for file in found.siblings or [])
        except Exception as error:
            if pause is None or not _passes(error):
                raise _said(error, repository, "list of files") from None
            time.sleep(pause)
    raise AssertionError("the last attempt returns or raises")


def _said(error: Exception, repository: Repository, name: str) -> Exception:
    """The sentence for a failure. One that may pass is remembered, and makes the next probe a new one."""
    cause = error.__cause__
    if not _status(error) and isinstance(cause, Exception) and (_status(cause) or _passes(cause)):
        error = cause  # the client says "not in the cache" of what it could not ask for
    if _passes(error):
        _failures.append(_line(error))
        hub_trouble.cache_clear()
    return _refused(error, repository) or _broken(error, f"{repository.id}'s {name}")


def _refused(error: Exception, repository: Repository) -> Exception | None:
    """What the hub answered where it did not give a file; None where it gave no answer."""
    from huggingface_hub import errors, get_token

    status, name, hub, given = _status(error), repository.id, endpoint(), get_token() is not None
    page = f"{hub}/{'datasets/' if repository.kind == 'dataset' else ''}{name}"
    # A pinned commit is no slip of the pen: this hub, perhaps a company's own, does not have all of them.
    pinned = repository.kind == "dataset" or re.fullmatch("[0-9a-f]{40}", repository.revision or "")
    if isinstance(error, errors.GatedRepoError):
        account = "with the account of your token" if given else "and set HF_TOKEN to a token of yours"
        return Absent(f"{name} is gated: accept its terms at {page} {account}")
    if isinstance(error, errors.RevisionNotFoundError):
        said = f"{name} has no revision {repository.revision} at {hub}: choose one of {page}/commits/main"
        return Absent(said) if pinned else Mistake(f"{said}.")
    if isinstance(error, errors.RepositoryNotFoundError):
        access = "give a token with access to it" if given else "set HF_TOKEN"
        said = f"{name} does not exist at {hub}: check the spelling, or, if it is private, {access}"
        return Absent(said) if pinned else Mistake(f"{said}.")
    if status == 401:
        return Absent(
            f"{hub} does not accept the token it is given for {name}: set HF_TOKEN to a valid one, or unset it"
        )
    if status == 403:
        return Absent(f"{hub} does not let you have {name} ({_line(error)}): ask for access at {page}")
    if status == 404:
        return Absent(f"{name} lacks a file that it should have at {hub} ({_line(error)}): choose another revision")
    return Absent(f"{hub} cannot serve {name} now ({_line(error)}): run again later") if status else None


def _broken(error: Exception, file: str) -> Exception:
    """What went wrong on the way, or on this machine's disk."""
    from huggingface_hub import constants

    kinds, cache = _kinds(error), constants.HF_HUB_CACHE
    if isinstance(error, OSError) and error.errno in FULL:
        said = f"no room for {file} in {cache} ({error.strerror}): free some, or set HF_HOME to a folder elsewhere"
    elif isinstance(error, OSError) and error.errno is not None:
        said = f"{cache} cannot take {file} ({error.strerror}): set HF_HOME to a folder that can be written to"
    elif "ConnectError" in kinds or "ConnectTimeout" in kinds:
        said = f"{endpoint()} stopped answering at {file} ({_line(error)}): run again later, or give --mirror DIR"
    elif "TimeoutException" in kinds:
        seconds = constants.HF_HUB_DOWNLOAD_TIMEOUT
        said = (
            f"{file} stalled again and again, for {seconds:g} s each time: run again, or raise HF_HUB_DOWNLOAD_TIMEOUT"
        )
    elif "TransportError" in kinds:
        said = f"{file} was cut off again and again on its way ({_line(error)}): run again, whole files are kept"
    elif "Consistency check" in str(error):
        said = f"{file} came from {endpoint()} in another length than it stated, and was dropped: run again"
    else:
        said = f"{file} cannot be downloaded from {endpoint()} ({_line(error)}): run again, or give --mirror DIR"
    return Absent(said)


def _passes(error: Exception) -> bool:
    """Whether a failure is one of the network or of a hub in trouble, which may pass."""
    return _status(error) in PASSING or "TransportError" in _kinds(error)


def _status(error: Exception) -> int | None:
    status = getattr(getattr(error, "response", None), "status_code", None)
    return status if isinstance(status, int) else None


def _kinds(error: Exception) -> set[str]:
    """Names of an error's classes: which library the client's network errors are of changes with its version."""
    return {kind.__name__ for kind in type(error).__mro__}


def _line(error: object) -> str:
    """The first line of an error, without secrets."""
    from huggingface_hub import get_token

    text = re.sub("//[^/@\\s]*@", "//", str(error).replace(get_token() or "\0", "***"))
    return re.sub(" for url .*", "", first_line(text or type(error).__name__)).rstrip(".")
