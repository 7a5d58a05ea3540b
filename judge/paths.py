"""Paths and names of models as users write them in options."""

import argparse
import re
from pathlib import Path, PurePosixPath

# OWNER/NAME, as the hub calls a model.
HUB_ID = re.compile(r"[\w-][\w.-]*/[\w.-]+")


def home(text: str) -> str:
    """A path with the user's home folder for the `~` it begins with: no shell expands that of `--record=~/x.json`.

    It is the `type` of every option that takes a path, here and in the commands.

    Raises:
        argparse.ArgumentTypeError: whose home folder it is, or where that lies, is not known.
    """
    if not text.startswith("~"):
        return text
    try:
        return str(Path(text).expanduser())
    except RuntimeError:
        raise argparse.ArgumentTypeError(
            f"the home folder in {text!r} is not known: write the whole path, or ./{text} for a folder of that name"
        ) from None


def one_spelling(model: str) -> str:
    """The one name of a model: a hub id as it is, and a folder however its path was spelled.

    A folder two levels deep keeps its `./`, since `distilbert/distilbert-base-uncased` is the hub's. `..` stays, since
    what it stands for behind a symbolic link is known to the file system alone.

    Examples:
        >>> [one_spelling(text) for text in ("owner/name", "./mine/", "m/x/", ".//m/x/.", "link/../x/y")]
        ['owner/name', 'mine', './m/x', './m/x', 'link/../x/y']
    """
    if HUB_ID.fullmatch(model):
        return model
    path = str(PurePosixPath(model))
    return f"./{path}" if HUB_ID.fullmatch(path) else path
