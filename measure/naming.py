"""What a model is called by: a folder of the user's own, or an id of the hub.

What reads as OWNER/NAME is an id, whatever folder of that name is here: `./owner/name` is the folder.
"""

import difflib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from judge.files import Mistake
from judge.paths import HUB_ID, one_spelling
from measure.modelfiles import CONFIG

WITH_REVISION = re.compile(rf"(?P<id>{HUB_ID.pattern})(?:@(?P<revision>[\w.][\w./-]*))?")
PAGE = re.compile(rf"https?://[^/]+/(?P<id>{HUB_ID.pattern})/?")


@dataclass(frozen=True)
class ModelName:
    """A model by its name: `id` is what it is recorded as; a folder has no revision, an id of the hub no folder."""

    id: str
    revision: str | None = None
    folder: Path | None = None

    def __str__(self) -> str:
        """What to give as an option, from the same working directory."""
        return f"{self.id}@{self.revision}" if self.revision else self.id


def parse_model(text: str) -> ModelName:
    """`OWNER/NAME` or `OWNER/NAME@REVISION`, a commit, tag or branch, as an id of the hub; all else as a folder.

    However a folder is spelled, it has one id.

    Examples:
        >>> parse_model("owner/name@v2")
        ModelName(id='owner/name', revision='v2', folder=None)
        >>> [parse_model(text).id for text in ("./my-model/", "./runs/7", "runs//7/", "../runs/7/.")]
        ['my-model', './runs/7', './runs/7', '../runs/7']
    """
    if found := WITH_REVISION.fullmatch(text):
        return ModelName(found["id"], found["revision"])
    return ModelName(one_spelling(text), folder=Path(text))


def check_model_name(text: str, known: Iterable[str] = ()) -> ModelName:
    """Refuse what is plainly no model, before anything is imported.

    Args:
        text: what the user gave.
        known: ids of the hub that may be meant by a name without an owner.

    Raises:
        Mistake: a folder without config.json, a file, or a path at which there is nothing.
    """
    model = parse_model(text)
    folder = model.folder
    if page := PAGE.fullmatch(text):
        raise Mistake(f"{text} is the address of a page: write {page['id']}.")
    if folder is None or (folder / CONFIG).is_file():
        return model
    if folder.is_dir():
        raise Mistake(f"{text} is a folder without a config.json: give the folder that the model was saved to.")
    if folder.exists():
        raise Mistake(f"{text} is a file: give the folder that the model was saved to, or a hub id.")
    raise Mistake(f"{text} is neither a folder here nor a hub id such as owner/name: {_remedy(folder, known)}")


def folder_of_that_name(model: ModelName) -> str:
    """How to give the folder here that has the same name as an id of the hub; empty where there is none."""
    return f"./{model}" if model.folder is None and (Path(str(model)) / CONFIG).is_file() else ""


def _remedy(folder: Path, known: Iterable[str]) -> str:
    """What is most likely meant, or which forms there are."""
    bare = folder.name == str(folder)
    ids = {name.split("/")[-1]: name for name in known} if bare else {}
    beside = {path.parent.name: _typed(path.parent) for path in folder.parent.glob(f"*/{CONFIG}")}
    near = difflib.get_close_matches(folder.name, sorted(ids | beside), n=1)
    if near:
        return f"did you mean {(ids | beside)[near[0]]}?"
    return "check the spelling, and write OWNER/NAME or ./folder." if bare else "check the spelling."


def _typed(path: Path) -> str:
    """A path in a form that cannot be mistaken for a hub id."""
    return str(path) if path.is_absolute() or path.parts[0] == ".." else f"./{path}"
