"""Where pytest users look first: the suite's options, its header, what is collected, and the plugins it is made of."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from fixtures.collected import problem, untested
from fixtures.ledger import Ledger
from fixtures.outcomes import PROBLEM, NotReproduced, claim_id
from fixtures.settings import OPTION, settings_of
from judge.files import Mistake
from measure.host import SUITE_VERSION, versions

pytest_plugins = [
    "fixtures.verdict",
    "fixtures.printed",
    "fixtures.architecture",
    "fixtures.checkpoints",
    "fixtures.scores",
    "fixtures.latency",
    "fixtures.preflight",
    "fixtures.rehearsal",
]
ROOT = Path(__file__).parent
OPTIONS: dict[str, dict[str, Any]] = {
    "--runslow": {
        "action": "store_true",
        "default": False,
        "help": "also run the claims marked slow, which time or fine-tune models. Default: %(default)s",
    },
    "--rehearse": {
        "action": "store_true",
        "default": False,
        "help": "run the whole slow path in minutes, with miniature models on little data: is all ready for --runslow? "
        "Nothing of it is a result. Default: %(default)s",
    },
    "--plan": {
        "action": "store_true",
        "default": False,
        "help": "print what --runslow would fine-tune, how long it takes on this device, and what it needs, then stop. "
        "Default: %(default)s",
    },
    "--tasks": {
        "metavar": "LIST",
        "help": "fine-tune for these tasks only, with commas between; cola,mrpc,rte,stsb,wnli is the cheap set. "
        "Default: all 11",
    },
    "--recipe": {
        "choices": ["paper", "prior-study"],
        "default": "paper",
        "metavar": "{paper,prior-study}",
        "help": "how to fine-tune, from baselines/recipes.json. Default: %(default)s",
    },
    "--seeds": {
        "metavar": "N|LIST",
        "help": "how many of the recipe's seeds to run, as 5, or which ones, as 42,43. Default: the recipe's",
    },
    "--cache": {
        "metavar": "DIR",
        "help": "where fine-tuned models and their scores are kept between runs. "
        "Default: distilbert-claims in the user's cache folder",
    },
    "--keep-checkpoints": {
        "choices": ["none", "last", "all"],
        "default": "last",
        "metavar": "{none,last,all}",
        "help": "whose weights stay in the cache beside the scores: nobody's, the last seed's of each model and task, "
        "or everybody's. Default: %(default)s",
    },
    "--evidence": {
        "action": "append",
        "metavar": "FILE",
        "help": "judge this file of recorded measurements, or all in this folder, and measure nothing; can be "
        "repeated. Default: measure",
    },
    "--record": {
        "metavar": "FILE",
        "help": "write what was measured to this file, or add it there, to be judged elsewhere. Default: not recorded",
    },
    "--results": {
        "metavar": "DIR",
        "help": "the folder that verdicts.json is written to. Default: results",
    },
    "--inconclusive": {
        "choices": ["skip", "fail", "side"],
        "default": "skip",
        "metavar": "{skip,fail,side}",
        "help": "what an inconclusive claim does to the run: skip it, fail it, or decide it by the side of the bound "
        "on which its value fell, which the verdict then says. Default: %(default)s",
    },
    "--threads": {
        "type": int,
        "default": 1,
        "metavar": "N",
        "help": "threads that models may use while they are timed on a CPU. Default: %(default)s",
    },
    "--latency-budget": {
        "type": float,
        "default": 12.0,
        "metavar": "SECONDS",
        "help": "how long to time one pair of models; it fixes the number of pairs before the first. "
        "Default: %(default)s",
    },
    "--mirror": {
        "metavar": "DIR",
        "help": "a folder that holds models and data as OWNER/NAME folders, as `python -m measure.mirror DIR` makes it "
        "for hosts without network. Default: the hub",
    },
    "--teacher": {
        "metavar": "ID",
        "help": "a teacher of your own: its folder, or its hub id as OWNER/NAME or OWNER/NAME@REVISION. "
        "Default: BERT-base",
    },
    "--student": {
        "metavar": "ID",
        "help": "a student of your own: its folder, or its hub id as OWNER/NAME or OWNER/NAME@REVISION. "
        "Default: DistilBERT",
    },
}


def pytest_addoption(parser: pytest.Parser) -> None:
    """All options stand in one group of --help; an option is here only once it works."""
    group = parser.getgroup("claims", OPTION)
    for name, settings in OPTIONS.items():
        group.addoption(name, **settings)


def pytest_configure(config: pytest.Config) -> None:
    """Paths are resolved here, since the workers of xdist may run elsewhere."""
    for name in ("record", "results", "mirror", "cache"):
        if config.getoption(name):
            setattr(config.option, name, str(Path(config.getoption(name)).resolve()))


@pytest.hookimpl(tryfirst=True)
def pytest_sessionstart(session: pytest.Session) -> None:
    """Find every mistake in options, baselines and evidence before the first claim and before xdist's workers."""
    config = session.config
    if hasattr(config, "workerinput") or not _has_claims(config):
        return
    try:
        settings = settings_of(config)
        if config.option.plan and getattr(config.option, "tx", None):
            raise Mistake("--plan is made by one process: leave -n out.")
        if not config.option.collectonly:
            command = " ".join(["pytest", *map(str, config.invocation_params.args)])
            config.pluginmanager.register(Ledger(settings, command), "claims-ledger")
    except Mistake as mistake:
        raise pytest.UsageError(str(mistake)) from None


def pytest_report_header(config: pytest.Config) -> list[str]:
    """What changes a verdict: the suite, the edition of the paper's data, the models, the evidence, the versions."""
    if not _has_claims(config):
        return []
    settings = settings_of(config)
    models = [f"{role} {settings.named(role)}" for role in ("teacher", "student")]
    source = f"judged from {', '.join(settings.evidence)}" if settings.evidence else "measured here"
    slow = "a rehearsal" if settings.rehearse else f"{'with' if settings.runslow else 'without'} --runslow"
    installed = versions()
    shown = [f"{name} {installed[name]}" for name in ("torch", "transformers", "scipy") if name in installed]
    return [
        f"paper claims: suite {SUITE_VERSION}, paper.json {settings.baselines.digest[:12]}, {source}, {slow}",
        f"models: {', '.join(models)}; {', '.join(shown)}",
    ]


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(session: pytest.Session, config: pytest.Config, items: list[pytest.Item]) -> None:
    """Check ids and marks both ways, and expect the known contradictions, strictly and for no other reason."""
    claims = [item for item in items if claim_id(item) is not None]
    if not claims:
        return
    known = settings_of(config).baselines.claims
    problems = {item: text for item in claims if (text := problem(item, known.get(str(claim_id(item)))))}
    for item in claims:
        claim = known.get(str(claim_id(item)))
        if claim and claim.contradiction:
            item.add_marker(pytest.mark.xfail(reason=claim.contradiction.reason, strict=True, raises=NotReproduced))
    if hasattr(config, "workerinput"):  # a worker cannot end the run with a sentence: there the claim's setup fails
        for item, text in problems.items():
            item.stash[PROBLEM] = text
        return
    said = [*problems.values(), *untested(session, ROOT, {str(claim_id(item)) for item in claims}, set(known))]
    if said:
        raise pytest.UsageError("\n".join(said))


def _has_claims(config: pytest.Config) -> bool:
    """Whether this run's arguments reach the folder of claims; `pytest tests/` is none of our business."""
    paths = [Path(str(argument).split("::")[0]).absolute() for argument in config.args]
    claims = ROOT / "claims"
    return any(path == claims or path in claims.parents or claims in path.parents for path in paths)
