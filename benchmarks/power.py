"""How often a verdict is wrong and how often there is one: simulated studies, judged by the suite itself.

    python -m benchmarks.power [--studies N] [--draws N] [--seeds N ...]

Prints three Markdown tables. Whole studies: every printed value is true, each seed adds normal noise with the task's
published spread, each launch and each pair adds noise to its ratio of times, and `pytest claims/ --evidence` judges the
records. Single cells: the truth lies just outside the margin, just inside it, or at the printed value. Runs that score
like a constant answer: how often they keep DistilBERT's Score from being decided.
"""

import contextlib
import io
import json
import multiprocessing
import os
import sys
import tempfile
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING

from judge.baselines import GLUE, Baselines, load_baselines
from judge.claims import ROLE_NAMES, Claim
from judge.commandline import Parser, as_count
from judge.evidence import SCHEMA, Evidence, Host, Measurement
from judge.glue import score
from judge.pool import Pool
from judge.rule import judge
from judge.scores import Scores, find_scores
from judge.statistics import Term, contrast
from judge.verdicts import Outcome
from tests import synthetic

if TYPE_CHECKING:
    import numpy

ROOT = Path(__file__).parents[1]
# WNLI is left out: its margin admits the majority class, so its cells are never decided.
CELLS = [task for task in GLUE if task != "wnli"]
BEYOND = 1e-6
LAUNCHES = 5
# Relative noise of the ratio of times: between launches, and between the pairs of one.
LAUNCH_NOISE, PAIR_NOISE = 0.005, 0.03
# What fewer layers gain at the same number of parameters is not printed: this lies well above the bound of 1.
DEPTH_GAIN = 1.3
SHOWN = (Outcome.REPRODUCED, Outcome.INCONCLUSIVE, Outcome.NOT_REPRODUCED, Outcome.NOT_RUN, Outcome.ERROR)
HEADLINES = ("glue.retention", "glue.retention_without_wnli", "glue.elmo", "squad.gap", "imdb.gap")


@cache
def baselines() -> Baselines:
    """The paper's claims, tables and tasks."""
    return load_baselines(ROOT / "baselines")


def claim_of(task: str) -> Claim:
    """DistilBERT's cell of Table 1 for a task of GLUE."""
    return baselines().claims[f"glue.{task}.distilbert"]


def spread_of(task: str) -> float:
    """The published standard deviation over seeds, in points."""
    return baselines().tasks[task].spread.value


def stream_of(*numbers: int) -> "numpy.random.Generator":
    """A stream of random numbers that is the same in every run."""
    import numpy

    return numpy.random.default_rng([1910, 1108, *numbers])


def rates(task: str, shift: float, draws: int, noise: float = 1.0, seeds: int = 5) -> dict[Outcome, float]:
    """Shares of the outcomes for one cell whose true score lies so far from the printed one.

    `noise` is the true spread over seeds in units of the published one.
    """
    claim, spread = claim_of(task), spread_of(task)
    studies = stream_of(CELLS.index(task), seeds, int(shift < 0)).normal(
        claim.published + shift, noise * spread, (draws, seeds)
    )
    estimates = (contrast([Term(1.0, tuple(values), spread)]) for values in studies.tolist())
    # A verdict does not depend on the forecast, and it is what takes time.
    counted = Counter(judge(claim, replace(estimate, forecast=None)).verdict for estimate in estimates)
    return {outcome: counted[outcome] / draws for outcome in Outcome}


def held(rte: float, seeds: int, draws: int, *, recorded: bool) -> float:
    """The share of studies in which a failed run keeps DistilBERT's Score from being decided.

    Args:
        rte: the true score on RTE, in points; a score is a whole number of its examples.
        seeds: fine-tuning runs per task.
        draws: how many studies.
        recorded: whether the records say which runs gave constant answers (none did).
    """
    stream, claim = stream_of(int(100 * rte), seeds), baselines().claims["glue.score.distilbert"]
    found = 0
    for _ in range(draws):
        estimate = score(_glue(stream, {"rte": rte}, seeds, recorded=recorded))
        reason = judge(claim, replace(estimate, forecast=None, notes=())).reason
        found += "failed" in reason
    return found / draws


def _glue(stream: "numpy.random.Generator", true: dict[str, float], seeds: int, *, recorded: bool) -> list[Scores]:
    """DistilBERT's scores of one study on the nine tasks, as printed but for those that are given."""
    records = []
    for task in GLUE:
        centre = true.get(task, synthetic.printed(task, "student", baselines()))
        values = stream.normal(centre, spread_of(task), seeds)
        if task in true:
            step = 100 / baselines().tasks[task].parts[0].examples
            values = (values / step).round() * step
        made = synthetic.recorded(task, "student", tuple(values.tolist()), baselines())
        records += [one if recorded else one.model_copy(update={"constant": None}) for one in made]
    host = Host(name="made")
    evidence = Evidence(schema_=SCHEMA, suite_version="0", created="now", host=host, measurements=tuple(records))
    pool = Pool([("made", evidence)])
    return [find_scores(pool, baselines(), task, "student", None) for task in GLUE]


def study(stream: "numpy.random.Generator", seeds: int) -> list[Measurement]:
    """The records of one study in which every printed value is true."""
    made: list[Measurement] = []
    for role in ROLE_NAMES:
        for task in synthetic.tasks_of(role):
            values = stream.normal(synthetic.printed(task, role, baselines()), spread_of(task), seeds)
            made += synthetic.recorded(task, role, tuple(values.tolist()), baselines())
    launches = stream.normal(0.0, LAUNCH_NOISE, LAUNCHES)

    def ratio(bound: float, pair: int) -> float:
        true = DEPTH_GAIN if bound == 1 else 668 / 410
        return float(true * (1 + launches[pair // 40]) * (1 + stream.normal(0.0, PAIR_NOISE)))

    return [*made, *synthetic.counts(baselines(), wrong=False), *synthetic.times(baselines(), ratio, LAUNCHES)]


def judged(seeds: int, number: int) -> dict[str, str]:
    """The verdicts on one simulated study, by claim: it runs in a process of its own, as `pytest claims/` does."""
    import pytest

    with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(io.StringIO()):
        path = Path(folder) / "study.json"
        synthetic.keep(path, study(stream_of(seeds, number), seeds))
        os.chdir(ROOT)
        options = ["--evidence", str(path), "--results", folder, "-q", "-p", "no:cacheprovider"]
        code = pytest.main(["claims/", *options])
        if code not in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED):
            raise SystemExit(f"study {number} ended with exit code {int(code)}: its records could not be judged.")
        verdicts = json.loads((Path(folder) / "verdicts.json").read_text())["verdicts"]
    return {name: verdict["verdict"] for name, verdict in verdicts.items()}


def studies(number: int, seeds: int) -> list[dict[str, str]]:
    """The verdicts on so many studies, on all cores; each process judges one study and ends."""
    import pytest  # noqa: F401 - imported once here, the processes are forked

    found = []
    with multiprocessing.get_context("fork").Pool(maxtasksperchild=1) as workers:
        for verdicts in workers.imap(partial(judged, seeds), range(number), chunksize=1):
            found.append(verdicts)
            print(f"\r{seeds} seeds: {len(found)} of {number} studies", end="", file=sys.stderr, flush=True)
    print(file=sys.stderr)
    return found


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table."""
    lines = [head, ["---"] * len(head), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def whole_studies(number: int, seeds: Sequence[int]) -> str:
    """How many of the paper's claims come out how on average, and how often the headlines are reproduced."""
    rows = []
    for count in seeds:
        of_paper = [
            {name: word for name, word in verdicts.items() if baselines().claims[name].source == "paper"}
            for verdicts in studies(number, count)
        ]
        tally = Counter(word for verdicts in of_paper for word in verdicts.values())
        means = [f"{tally[outcome.value] / number:.1f}" for outcome in SHOWN]
        shares = [
            f"{sum(verdicts[name] == Outcome.REPRODUCED.value for verdicts in of_paper) / number:.0%}"
            for name in HEADLINES
        ]
        rows.append([str(count), *means, *shares])
    return table(["seeds", *(outcome.value for outcome in SHOWN), *(f"`{name}`" for name in HEADLINES)], rows)


def single_cells(draws: int, seeds: Sequence[int]) -> str:
    """Mean and worst share over the cells but WNLI's: wrong answers at the margin, right ones at the printed value."""
    rows = []
    for count in seeds:
        edges = {task: claim_of(task).margin.value for task in CELLS}
        outside = [rates(task, edges[task] + BEYOND, draws, seeds=count)[Outcome.REPRODUCED] for task in CELLS]
        inside = [rates(task, BEYOND - edges[task], draws, seeds=count)[Outcome.NOT_REPRODUCED] for task in CELLS]
        right = [rates(task, 0.0, draws, seeds=count)[Outcome.REPRODUCED] for task in CELLS]
        rows.append(
            [
                str(count),
                *(f"{sum(shares) / len(shares):.1%}, at worst {max(shares):.1%}" for shares in (outside, inside)),
                f"{sum(right) / len(right):.1%}, at worst {min(right):.1%}",
            ]
        )
    head = ["seeds", "just outside: reproduced", "just inside: not reproduced", "as printed: reproduced"]
    return table(head, rows)


def failed_runs(draws: int, seeds: Sequence[int]) -> str:
    """How often runs that score like a constant answer keep the Score open, if DistilBERT's true RTE is 56.2."""
    rows = [
        [str(count), *(f"{held(56.2, count, draws, recorded=recorded):.1%}" for recorded in (True, False))]
        for count in seeds
    ]
    return table(["seeds", "predictions on record", "not on record"], rows)


def main() -> None:
    """Simulate, judge and print the tables."""
    parser = Parser(prog="python -m benchmarks.power", description=__doc__.splitlines()[0])
    parser.add_argument(
        "--studies", type=as_count, default=300, metavar="N", help="whole studies (default: %(default)s)"
    )
    parser.add_argument(
        "--draws", type=as_count, default=2000, metavar="N", help="draws of a cell (default: %(default)s)"
    )
    parser.add_argument(
        "--seeds", type=as_count, nargs="+", default=[1, 5, 20], metavar="N", help="seeds (default: 1 5 20)"
    )
    options = parser.parse_args()
    print(f"{options.studies} studies, the paper's claims by verdict, and how often these are reproduced:\n")
    print(whole_studies(options.studies, options.seeds))
    print(f"{options.draws} draws of each cell of Table 1 but WNLI's:\n")
    print(single_cells(options.draws, options.seeds))
    print(f"Studies in which a failed run keeps the Score open, {options.draws} draws, true RTE 56.2:\n")
    print(failed_runs(options.draws, options.seeds))


if __name__ == "__main__":
    main()
