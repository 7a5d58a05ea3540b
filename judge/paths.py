"""Paths as users write them in options."""

import argparse
from pathlib import Path


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
