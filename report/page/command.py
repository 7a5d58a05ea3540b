"""`python -m report render`: its help, and the file that it writes."""

import argparse
from typing import Any

from judge.baselines import load_baselines
from judge.commandline import as_path
from judge.paths import home
from judge.verdicts import require_no_evidence
from report.given import verdicts_path
from report.model_card import write_model_cards
from report.page.render import ROOT, write_page

HELP = """Write OUT/index.html, the page that a reviewer reads: one file that needs no network and no server.

The answer in a sentence, a forest plot with a row for each claim, the paper's four tables with what was measured, every
claim's sentence, rule, raw values, recipe and host under a fold, and the distribution of timed pairs. RESULTS is this
run's verdicts.json or its folder; where a folder has none yet, the page says how to make it. Other runs are drawn
beside it in marks of their own. Scores that were fine-tuned here also go to OUT/model-cards, a block for the head of
each model's card. A folder of evidence is refused as OUT. The same input gives the same
bytes. It needs pip install -e ".[report]"."""
EXAMPLES = """examples:
  python -m report render results/verdicts.json --evidence evidence
  python -m report render results site --evidence evidence --beside "prior study=results/prior"

Link to a claim as index.html#size.reduction: its fold opens."""


def add_render(commands: Any) -> None:
    """Add the command to the subparsers of `python -m report`."""
    command = commands.add_parser(
        "render",
        help=HELP.splitlines()[0],
        description=HELP,
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    command.add_argument("results", type=as_path, metavar="RESULTS", help="verdicts.json of this run, or its folder")
    command.add_argument(
        "out",
        type=as_path,
        nargs="?",
        metavar="OUT",
        help="the page's folder. Default: that of RESULTS",
    )
    command.add_argument(
        "--beside",
        action="append",
        default=[],
        type=_beside,
        metavar="NAME=VERDICTS",
        help="another run's verdicts.json, drawn beside this one under this name; may be repeated. Default: none",
    )
    command.add_argument(
        "--evidence",
        action="append",
        default=[],
        type=as_path,
        metavar="FILE",
        help="what was judged, or a folder of it: seeds, recipes, hosts, versions; may be repeated. Default: none",
    )
    command.add_argument(
        "--paper", type=as_path, default=ROOT / "baselines", metavar="DIR", help="what was printed. Default: baselines/"
    )
    command.set_defaults(run=_run)


def _beside(text: str) -> str:
    name, equals, file = text.partition("=")
    return f"{name}{equals}{home(file)}"


def _run(options: argparse.Namespace) -> tuple[str, int]:
    # Beside the verdicts, so that the page of one pair never takes the place of another's.
    out = options.out or verdicts_path(options.results).parent
    require_no_evidence(out, "pages")
    made = write_page(options.results, out, beside=options.beside, evidence=options.evidence, baselines=options.paper)
    said = f"{made.path}: {made.claims} claims, {made.size / 1000:,.0f} kB\n"
    files = [(file.name, file.evidence) for file in made.recorded]
    said += "".join(f"{path}\n" for path in write_model_cards(out, files, load_baselines(options.paper)))
    if made.empty:
        said += f"{options.results} holds no verdicts.json yet: the page says how to make one.\n"
    return said, 0
