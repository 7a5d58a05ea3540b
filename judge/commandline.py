"""How the commands of this project (`python -m ...`) read their arguments."""

import argparse
import sys
from collections.abc import Iterable, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

from judge.paths import home


class Parser(argparse.ArgumentParser):
    """Options and positionals in any order, and the usage of the command that was meant where they are wrong.

    argparse alone gives an optional positional its default as soon as an option follows, leaves to the whole program
    what a subcommand does not know, and its own parse_intermixed_args knows neither subcommands nor `--`. Options
    take one value or none here where there are positionals.
    """

    def parse_known_args(self, args: Iterable[str] | None = None, namespace: Any = None) -> tuple[Any, list[str]]:
        """Parse all of it: what is not known is an error of this very command."""
        words = list(sys.argv[1:] if args is None else args)
        if self._subparsers is not None:
            self._require_command_first(words)
        elif self._get_positional_actions():
            words = self._options_first(words)
        known, unknown = super().parse_known_args(words, namespace)
        if unknown:
            self.error(f"unrecognized arguments: {' '.join(unknown)}")
        return known, unknown

    def _require_command_first(self, words: Sequence[str]) -> None:
        if words and words[0].startswith("--") and not self._meant(words[0]):
            self.error(f"{words[0]} stands before the command: give the command first, then its options")

    def _options_first(self, words: Sequence[str]) -> list[str]:
        """The same arguments with the options first, and `--` before the positionals."""
        options: list[str] = []
        others: list[str] = []
        rest = iter(words)
        for word in rest:
            if word == "--":
                others += rest
            elif word.startswith("-") and word != "-":
                options.append(word)
                if any(action.nargs != 0 for action in self._meant(word)):
                    options += islice(rest, 1)
            else:
                others.append(word)
        return [*options, "--", *others] if others else options

    def _meant(self, word: str) -> list[argparse.Action]:
        """The options that a word names or abbreviates; none where it brings its value along."""
        named = {name: action for action in self._actions for name in action.option_strings}
        return [named[word]] if word in named else [named[name] for name in named if name.startswith(word)]


def as_count(text: str) -> int:
    """The type of an argument that says how many: a whole number from 1.

    Raises:
        argparse.ArgumentTypeError: it is none.
    """
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number of at least 1")
    return int(text)


def as_path(text: str) -> Path:
    """The type of every argument that is a path: with the home folder for `~`, as in pytest's options."""
    return Path(home(text))


def as_folder(text: str) -> Path:
    """The type of an argument that is a folder with something in it.

    Raises:
        argparse.ArgumentTypeError: there is no such folder.
    """
    folder = as_path(text)
    if not folder.is_dir():
        raise argparse.ArgumentTypeError(f"{text} is not a folder")
    return folder
