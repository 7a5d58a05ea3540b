"""The commands of `python -m report` that put evidence together, check it, and compare verdicts."""

import argparse
from collections.abc import Callable
from pathlib import Path

from judge.baselines import load_baselines
from judge.commandline import Parser, as_path
from judge.evidence import evidence_files
from judge.files import Mistake
from judge.verdicts import require_no_evidence
from report.badges import plain, shortened
from report.check import check, lines
from report.compare import comparison, words_changed
from report.given import read_verdicts
from report.merge import merge
from report.pair import write_pair_badges

BASELINES = Path(__file__).parents[1] / "baselines"
MERGE = """Put recorded evidence together, every measurement once: a file for each host.

OUT is one file (it ends in .json), and then every FILE must be of the same host; or a folder, which gets a file for
each host. A FILE may be a folder of evidence files. What OUT holds already takes part, and a file in it keeps its
name: so `merge evidence recorded.json` adds a new recording to what there is of that host, and starts a file where
there is nothing. Nothing is replaced: records with fewer seeds or another recipe stay beside the others, and the
judge takes the strongest. The same FILEs in another order give the same bytes."""
MERGE_EXAMPLES = """examples:
  python -m report merge evidence recorded/h100.json
  python -m report merge both.json monday.json tuesday.json
  pytest claims/ --evidence evidence

exit codes:
  0  written
  2  one sentence says what was not written and why: a FILE cannot be read or was edited since it was written, two FILEs
     have two values for one measurement, OUT is one file and the hosts are several"""
CHECK = """Say what is wrong with evidence and with verdicts, a line for each finding, and count them.

Evidence: schema, digest, finite numbers, planned seeds that are missing, numbers of examples (baselines/tasks.json),
pinned data sets and models, values of the recipe that it names (baselines/recipes.json), and whether two FILEs
disagree. Verdicts: the edition of baselines/paper.json, claims that are missing, words that do not follow from the
numbers beside them, and, where evidence is given too, whether it is the evidence that was judged. A line that begins
with "remark" is nothing wrong: unlike recipes of teacher and student, or a model without a revision. A FILE may be a
folder.

Evidence that was written by hand has no digests: --write-digests adds them, and changes no file that has some."""
CHECK_EXAMPLES = """examples:
  python -m report check evidence
  python -m report check --write-digests mine.json
  python -m report check evidence results/verdicts.json

exit codes:
  0  nothing is wrong (there may be remarks)
  1  something is; so is a FILE that cannot be read, and the others are still checked
  2  the baselines cannot be read"""
COMPARE = """Say which verdicts changed from BEFORE to AFTER and why, as Markdown for a pull request.

A verdict changes with its rule (printed number, margin, bounds, reading), its evidence, its number, its marks, or
because it was newly run or is no longer run; host and versions are named where they differ. Whatever the files say is
shown as text, in at most 60,000 characters. If nothing changed, that is one sentence. BEFORE and AFTER are each
verdicts.json of a run, or its folder."""
COMPARE_EXAMPLES = """examples:
  python -m report compare before/verdicts.json after/verdicts.json > body.md
  python -m report compare --fail before after

exit codes:
  0  printed, whatever changed
  1  with --fail: a claim came to another word, is new or is gone
  2  BEFORE or AFTER cannot be read, and one sentence says why"""
PAIR = """Write badges for a teacher and student of your own into FOLDER.

RESULTS is verdicts.json of a run with --student or --teacher, or its folder. Each badge bears NAME and says what was
measured, as in "my-model | 39.7 % fewer parameters": it is about your models, and none of it is a verdict on the paper.
There is one for each claim that says something about any pair and was judged: a JSON file for a badge server and an
SVG."""
PAIR_EXAMPLES = """examples:
  pytest claims/test_size.py claims/test_speed.py --student my-model
  python -m report pair results/my-model badges my-model

exit codes:
  0  written
  2  RESULTS cannot be read or holds no verdict on a pair of your own, or FOLDER cannot be written to"""
Said = tuple[str, int]
TEXTS = {
    "merge": (MERGE, MERGE_EXAMPLES),
    "check": (CHECK, CHECK_EXAMPLES),
    "compare": (COMPARE, COMPARE_EXAMPLES),
    "pair": (PAIR, PAIR_EXAMPLES),
}


def add_commands(commands: "argparse._SubParsersAction[Parser]") -> None:
    """Add merge, check, compare and pair; each sets `run`, which takes the options and returns text and exit code."""
    made = {
        name: commands.add_parser(
            name,
            help=description.splitlines()[0],
            description=description,
            epilog=examples,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        for name, (description, examples) in TEXTS.items()
    }
    _arguments(made["merge"], _merge, out="where it goes: a .json file, or a folder")
    _arguments(made["check"], _check)
    made["check"].add_argument(
        "--write-digests", action="store_true", help="write digests into evidence that has none, as by hand"
    )
    for name in ("merge", "check"):
        made[name].add_argument("files", type=as_path, nargs="+", metavar="FILE", help="a file, or a folder of them")
    _arguments(made["compare"], _compare, before="verdicts of the earlier run", after="those of the later one")
    made["compare"].add_argument("--fail", action="store_true", help="exit with 1 if a verdict changed")
    _arguments(made["pair"], _pair, results="verdicts.json of the run, or its folder", folder="where the badges go")
    made["pair"].add_argument("name", metavar="NAME", help="what the badges call your model")


def _arguments(parser: argparse.ArgumentParser, run: Callable[[argparse.Namespace], Said], **paths: str) -> None:
    parser.set_defaults(run=run)
    for name, said in paths.items():
        parser.add_argument(name, type=as_path, metavar=name.upper(), help=said)


def _merge(options: argparse.Namespace) -> Said:
    return "".join(f"{_line(str(written))}\n" for written in merge(options.out, options.files)), 0


def _check(options: argparse.Namespace) -> Said:
    findings = check(options.files, load_baselines(BASELINES), add_digests=options.write_digests)
    text = "".join(f"{line}\n" for line in lines(findings, _count(options.files)))
    return text, int(any(finding.wrong for finding in findings))


def _count(given: list[Path]) -> int:
    """How many files were looked at; a folder without any counts as one thing given."""
    try:
        return len(set(evidence_files(given)))
    except Mistake:
        return len(given)


def _compare(options: argparse.Namespace) -> Said:
    before, after = (read_verdicts(given) for given in (options.before, options.after))
    return comparison(before, after), int(options.fail and words_changed(before, after) > 0)


def _pair(options: argparse.Namespace) -> Said:
    require_no_evidence(options.folder, "badges")
    names = write_pair_badges(read_verdicts(options.results), options.folder, options.name)
    return f"{options.folder}: {len(names)} badges of {_line(options.name)} written: {', '.join(names)}\n", 0


def _line(text: str) -> str:
    return shortened(plain(text), 1000)
