"""The generated part of README.md: what is verified and what came out, from verdict files alone.

    python -m report.readme results/here/verdicts.json results/prior/verdicts.json

The first file is what this suite recorded on a machine of ours, judged; the second the prior study, judged. `--check`
only says whether README.md is up to date.
"""

import sys
from collections.abc import Mapping
from pathlib import Path

from judge.commandline import Parser, as_path
from judge.files import Mistake, write
from judge.verdicts import Outcome, Verdict
from report.given import read_verdicts
from report.message import measured, number, settle
from report.table import BASES, counts
from report.whose import require_the_papers_pair

BEGIN, END = "<!-- verdicts: begin -->", "<!-- verdicts: end -->"
HEADLINES = (
    "size.reduction",
    "speed.cpu",
    "speed.gpu_full_pass",
    "glue.retention",
    "glue.retention_without_wnli",
    "glue.score.bert",
    "glue.score.distilbert",
    "glue.elmo",
    "squad.em.bert",
    "squad.f1.bert",
    "text.retention",
    "text.score.bert",
    "text.elmo_stsb",
    "text.squad_d_sentence",
)
Verdicts = Mapping[str, Verdict]


def section(here: Verdicts, prior: Verdicts) -> str:
    """The generated Markdown: counts, the headline claims, and every claim in a fold."""
    groups = {basis: [v for v in here.values() if v.basis == basis] for basis in BASES}
    lines = [
        f"- {len(groups['measured'])} claims that are measured. By this suite, on a CPU: {counts(groups['measured'])}. "
        f"By the prior study, with one seed: {counts([prior[v.id] for v in groups['measured']])}.",
        f"- {len(groups['text'])} claims that are read from the paper's own text: {counts(groups['text'])}.",
        f"- {len(groups['study'])} claims of the prior study about itself: {counts(groups['study'])}.",
        "",
        *_table([name for name in HEADLINES if name in here], here, prior),
        "",
        "<details><summary>Every claim</summary>",
        "",
        *_table(list(here), here, prior),
        "",
        "</details>",
    ]
    return "\n".join(lines)


def updated(readme: str, here: Verdicts, prior: Verdicts) -> str:
    """README text with its generated part made anew.

    Raises:
        Mistake: the two marks between which it stands are not there.
    """
    if BEGIN not in readme or END not in readme:
        raise Mistake(f"README.md lacks the lines {BEGIN} and {END}: put them where the verdicts belong.")
    before, rest = readme.split(BEGIN, 1)
    return f"{before}{BEGIN}\n{section(here, prior)}\n{END}{rest.split(END, 1)[1]}"


def _table(names: list[str], here: Verdicts, prior: Verdicts) -> list[str]:
    head = ["| claim | printed | this suite, on a CPU | the prior study |", "|---|---|---|---|"]
    return head + [
        f"| {here[name].title} (`{name}`) | {number(here[name], here[name].published)} | "
        f"{_cell(here[name])} | {_cell(prior[name]) if here[name].basis == 'measured' else ''} |"
        for name in names
    ]


def _cell(verdict: Verdict) -> str:
    """`**inconclusive**, 95.03 % [92.47, 97.66]; unlike recipes; about 7 seeds would settle it`."""
    if verdict.verdict is Outcome.NOT_RUN:
        return "not run"
    word = f"**{verdict.verdict}**" + (" (the text contradicts itself)" if verdict.contradiction else "")
    said = [word, measured(verdict)] if verdict.value is not None else [word]
    tail = [*verdict.marks, settle(verdict) if verdict.verdict is Outcome.INCONCLUSIVE else ""]
    return "; ".join([", ".join(said), *(part for part in tail if part)])


def _of_the_paper(path: Path) -> Verdicts:
    file = read_verdicts(path)
    require_the_papers_pair(file, "judge the evidence without --student and --teacher", str(path))
    return file.verdicts


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise Mistake(f"{path} cannot be read ({error.strerror}): run this in the project's folder.") from None


def main(arguments: list[str]) -> int:
    """Write or check README.md; 0, 1 where it is out of date, 2 with a sentence where that cannot be told."""
    parser = Parser(prog="python -m report.readme", description=__doc__.splitlines()[0])
    parser.add_argument(
        "here", type=as_path, help="verdicts.json, or its folder, of a run with --evidence evidence/cpu.json"
    )
    parser.add_argument("prior", type=as_path, help="the same of a run with --evidence evidence/prior-study.json")
    parser.add_argument("--check", action="store_true", help="write nothing; exit with 1 if README.md is out of date")
    options = parser.parse_args(arguments)
    path = Path("README.md")
    try:
        here, prior = (_of_the_paper(file) for file in (options.here, options.prior))
        if missing := [name for name, v in here.items() if v.basis == "measured" and name not in prior]:
            raise Mistake(f"{options.prior} has no verdict on {missing[0]}: judge evidence/prior-study.json again.")
        old = _text(path)
        new = updated(old, here, prior)
        if options.check:
            print("README.md is up to date." if new == old else "README.md is out of date: run this without --check.")
            return int(new != old)
        write(path, new)
    except Mistake as error:
        print(error, file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
