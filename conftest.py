"""Where pytest users look first: the suite's options, its header, what is collected, and the plugins it is made of."""

from __future__ import annotations

from pathlib import Path

import pytest

from fixtures.collected import expected, problem
from fixtures.opening import header, open_ledger
from fixtures.options import OPTIONS
from fixtures.outcomes import PROBLEM, NotReproduced, claim_id
from fixtures.settings import settings_of

__all__ = ["OPTIONS"]  # as a reader of this file looks for them here

pytest_plugins = [
    "fixtures.options",
    "fixtures.verdict",
    "fixtures.printed",
    "fixtures.architecture",
    "fixtures.checkpoints",
    "fixtures.scores",
    "fixtures.benchmark_entries",
    "fixtures.latency",
    "fixtures.preflight",
    "fixtures.rehearsal",
]
ROOT = Path(__file__).parent


@pytest.hookimpl(tryfirst=True)
def pytest_sessionstart(session: pytest.Session) -> None:
    """Find every mistake in options, baselines and evidence before the first claim and before xdist's workers."""
    if not hasattr(session.config, "workerinput") and expected(session.config, ROOT):
        open_ledger(session.config)


def pytest_report_header(config: pytest.Config) -> list[str]:
    """What changes a verdict."""
    return header(config)


def pytest_report_collectionfinish(config: pytest.Config) -> list[str]:
    """The same, where claims were collected by a path that does not tell."""
    return [] if config.get_verbosity() < 0 or config.option.no_header else header(config)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """What was collected decides: where claims are among it, check options and marks, and keep their verdicts.

    The known contradictions are expected to fail, strictly and for no other reason.
    """
    claims = [item for item in items if claim_id(item) is not None]
    if not claims:
        return
    worker = hasattr(config, "workerinput")
    if not worker:
        open_ledger(config)
    known = settings_of(config).baselines.claims
    problems = {item: text for item in claims if (text := problem(item, known.get(str(claim_id(item)))))}
    for item in claims:
        claim = known.get(str(claim_id(item)))
        if claim and claim.contradiction:
            item.add_marker(pytest.mark.xfail(reason=claim.contradiction.reason, strict=True, raises=NotReproduced))
    if worker:  # which cannot end the run with a sentence: there the claim's setup fails
        for item, text in problems.items():
            item.stash[PROBLEM] = text
    elif problems:
        raise pytest.UsageError("\n".join(problems.values()))
