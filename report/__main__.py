"""`python -m report`: what a CI job makes of results/verdicts.json, without measuring or judging anything again."""

import argparse
import io
import os
import sys

from judge.commandline import Parser, as_path
from judge.files import Mistake, require_utf8
from judge.verdicts import require_no_evidence
from report.badges import write_badges
from report.commands import add_commands
from report.given import read_verdicts
from report.page.command import add_render
from report.summary import summary

DESCRIPTION = "What is made of recorded evidence and of verdicts.json, without measuring or judging anything again."
BADGES = """Write one badge per claim and one in total into FOLDER.

For each claim FOLDER/ID.json, which a badge server reads over https, and FOLDER/ID.svg, which needs no server; the same
as total.json and total.svg, and index.json with what the badges show. A claim that is "not run" in RESULTS keeps the
badge of an earlier verdict, so keep FOLDER between runs. A verdict that is not the paper's (marked "unlike recipes",
"rehearsal", "by side" or "own pair") gets a grey badge with its mark."""
SUMMARY = """Print a job summary as Markdown: counts, then the claims, worst first, with details under folds.

It stays under the 1 MiB that a job summary may hold, and whatever RESULTS says is shown as text."""
EXAMPLES = """examples:
  python -m report badges results/verdicts.json badges
  python -m report summary results/verdicts.json >> "$GITHUB_STEP_SUMMARY"
  python -m report check evidence results/verdicts.json
  python -m report render results/verdicts.json --evidence evidence

Exits with 0, with 2 and one sentence where something cannot be read or written, with 130 after Ctrl-C; check and
compare --fail also with 1. Whether a claim holds never changes the exit code. `python -m report COMMAND --help` says
more."""


def main(arguments: list[str]) -> int:
    """Run one command; its exit code, or 2 after one sentence on stderr, or 130 after Ctrl-C."""
    options = _parser().parse_args(arguments)
    try:
        require_utf8(arguments)
        text, code = options.run(options)
        _print(text)
    except Mistake as mistake:
        print(mistake, file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("\ninterrupted: every file is the old one or the new one, whole; run the command again.", file=sys.stderr)
        return 130
    return int(code)


def _parser() -> argparse.ArgumentParser:
    raw = argparse.RawDescriptionHelpFormatter
    parser = Parser(prog="python -m report", description=DESCRIPTION, epilog=EXAMPLES, formatter_class=raw)
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for name, description in (("badges", BADGES), ("summary", SUMMARY)):
        command = commands.add_parser(
            name, help=description.splitlines()[0], description=description, formatter_class=raw
        )
        command.add_argument("results", type=as_path, metavar="RESULTS", help="verdicts.json of a run, or its folder")
    commands.choices["badges"].add_argument(
        "folder", type=as_path, metavar="FOLDER", help="where the badges lie; made where it is missing"
    )
    commands.choices["badges"].set_defaults(run=_badges)
    commands.choices["summary"].set_defaults(run=_summary)
    add_commands(commands)
    add_render(commands)
    return parser


def _summary(options: argparse.Namespace) -> tuple[str, int]:
    return summary(read_verdicts(options.results)), 0


def _badges(options: argparse.Namespace) -> tuple[str, int]:
    folder = options.folder
    require_no_evidence(folder, "badges")
    made, kept, unlisted = write_badges(read_verdicts(options.results), folder)
    said = f"{folder}: {len(made)} badges written, {len(kept)} kept with the verdicts of earlier runs\n"
    if unlisted:
        said += f"not in the verdicts, but still there and in the total: {', '.join(unlisted)}\n"
    return said, 0


def _print(text: str) -> None:
    """Print in UTF-8 whatever the locale says, since a summary is appended to a file that is read as UTF-8."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(encoding="utf-8")
    try:
        sys.stdout.write(text)
        sys.stdout.flush()
    except OSError as error:
        # What is left in the buffer must not fail once more when Python ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if not isinstance(error, BrokenPipeError):
            raise Mistake(f"the output cannot be written ({error.strerror}): send it elsewhere.") from None


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
