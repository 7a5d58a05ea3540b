"""index.html from verdicts, evidence and baselines: nothing is measured or judged anew, and no clock is read."""

import base64
import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from judge.baselines import Baselines, load_baselines
from judge.files import Mistake, write
from judge.verdicts import Verdict
from report.check_verdicts import verdict_findings
from report.page.answer import Answer, Count, answer, counts
from report.page.folds import Fold, fold
from report.page.origins import Recorded, measured_on, read_recorded
from report.page.plots import draw
from report.page.safe import moment, some, tidy
from report.page.sources import SHAPES, Source, read_sources
from report.page.speed import speeds
from report.page.tables import tables

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
NAME = "index.html"
MOST_FINDINGS, MOST_DIFFERING = 6, 8
# Groups in the order in which a reviewer asks, by the beginning of their claims' ids; others follow.
GROUPS = {
    "size": "Size",
    "speed": "Speed",
    "glue": "GLUE",
    "squad": "SQuAD v1.1",
    "imdb": "IMDb",
    "distillation": "Distillation",
    "architecture": "Architecture",
    "text": "The paper against itself",
    "prior": "The prior study about itself",
}


class Group(NamedTuple):
    """The claims of one file, under a heading."""

    name: str
    heading: str
    counts: list[Count]
    folds: list[Fold]


class Made(NamedTuple):
    """What was written: the file, how many claims it shows, its size in bytes, and the evidence it was made from."""

    path: Path
    claims: int
    size: int
    empty: bool
    recorded: Sequence[Recorded]


def write_page(
    results: Path,
    folder: Path,
    *,
    beside: Sequence[str] = (),
    evidence: Sequence[Path] = (),
    baselines: Path = ROOT / "baselines",
) -> Made:
    """Write the page into a folder, under a temporary name that becomes index.html once all is there.

    Args:
        results: verdicts.json of this run, or the folder that holds it; without one the page says how to make it.
        folder: where the page goes; made where it is missing.
        beside: `NAME=VERDICTS` for each other run to draw beside it.
        evidence: evidence files, or folders of them.
        baselines: the folder of what was printed.

    Raises:
        Mistake: a file cannot be read or was edited, two of them disagree, or the folder cannot be written to.
    """
    known = load_baselines(baselines)
    sources = read_sources(results, beside, known)
    recorded = read_recorded(evidence)
    text = page(sources, recorded, known)
    write(folder / NAME, text)
    return Made(folder / NAME, len(sources[0].file.verdicts), len(text.encode()), sources[0].empty, recorded)


def page(sources: Sequence[Source], recorded: Sequence[Recorded], baselines: Baselines) -> str:
    """The page as text; the same text for the same input.

    Raises:
        Mistake: Jinja2, which fills in the templates, is absent.
    """
    environment = _environment()
    style = (HERE / "page.css").read_text(encoding="utf-8")
    folds = {name: fold(name, n, sources, recorded, baselines) for n, name in enumerate(_names(sources, baselines))}
    timed = speeds([(s, v) for s in sources for name, v in s.file.verdicts.items() if name.startswith("speed.")])
    text: str = environment.get_template("page.html").render(
        style=style,
        style_digest=base64.b64encode(hashlib.sha256(style.encode()).digest()).decode(),
        answer=_answer(sources[0], baselines),
        run=sources[0],
        findings=_findings(sources, recorded, baselines),
        most_findings=MOST_FINDINGS,
        sources=sources,
        hosts={source.name: measured_on(source, recorded) for source in sources},
        shapes=SHAPES[: len(sources)],
        groups=list(_groups(folds)),
        folds=folds,
        differing=some([fold for fold in folds.values() if fold.differs], MOST_DIFFERING),
        speeds=timed,
        drawn=draw(folds, timed),
        tables=tables(baselines, sources),
        recorded=recorded,
        edition=baselines.digest,
    )
    return text


def _answer(source: Source, baselines: Baselines) -> Answer:
    """The paper's own claims decide; what the prior study says of itself is counted with its group."""
    study = {claim.id for claim in baselines.study.claims}
    paper = {name: verdict for name, verdict in source.file.verdicts.items() if name not in study}
    return answer(source, paper)


def _findings(sources: Sequence[Source], recorded: Sequence[Recorded], baselines: Baselines) -> list[str]:
    """What is wrong with the files that the page is made from, as `python -m report check` says it."""
    digests = {file.digest: file.name for file in recorded}
    found = [
        finding
        for source in sources
        if not source.empty
        # Evidence is asked for of this run only: that of the others may lie elsewhere.
        for finding in verdict_findings(source.name, source.file, baselines, digests if source.first else {})
    ]
    return [f"{finding.place}: {finding.what}" for finding in found if finding.wrong]


def _names(sources: Sequence[Source], baselines: Baselines) -> list[str]:
    """Every claim that a source has a verdict on: in the order of the baselines, then in that of the files."""
    found = dict.fromkeys(name for source in sources for name in source.file.verdicts)
    return [*(name for name in baselines.claims if name in found), *(n for n in found if n not in baselines.claims)]


def _groups(folds: Mapping[str, Fold]) -> Iterator[Group]:
    found: dict[str, list[Fold]] = {name: [] for name in GROUPS}
    for name, made in folds.items():
        found.setdefault(name.partition(".")[0], []).append(made)
    for name, members in found.items():
        if members:
            yield Group(name, GROUPS.get(name, name), counts(_verdicts(members)), members)


def _verdicts(folds: Iterable[Fold]) -> list[Verdict]:
    return [fold.verdict for fold in folds]


def _environment() -> Any:
    # Late and optional: whoever judges needs no page.
    try:
        from jinja2 import Environment, FileSystemLoader, StrictUndefined
    except ImportError:
        raise Mistake('the page is made by Jinja2, which is not installed: pip install -e ".[report]"') from None
    environment = Environment(
        loader=FileSystemLoader(HERE / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=tidy,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["moment"] = moment
    return environment
