"""fixtures.needs: which fine-tuned models every claim of the baselines asks for."""

from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import pytest

from fixtures.needs import needs
from fixtures.outcomes import NotRun
from fixtures.settings import Settings
from judge.baselines import GLUE, load_baselines
from judge.claims import Role
from measure.requests import Request
from measure.tasks import TASKS
from tests.project import ROOT

BASELINES = load_baselines(ROOT / "baselines")
BOTH = ("teacher", "student")


def settings_of(tasks: Sequence[str] = tuple(TASKS), pool: Any = None, **own: str) -> Any:
    """Settings with the parts that decide what a claim needs, and the real ones' way of looking a claim up."""
    request = Request(BASELINES, own, None, "paper", tuple(tasks))
    made = SimpleNamespace(baselines=BASELINES, own=own, pool=pool, request=request)
    made.claim = lambda name: Settings.claim(made, name)
    return made


def item_of(claim: str | None) -> Any:
    mark = None if claim is None else pytest.mark.claim(claim).mark
    return SimpleNamespace(get_closest_marker=lambda name: mark if name == "claim" else None)


def needed(claim: str | None, settings: Any = None) -> set[tuple[str, Role]]:
    return needs(settings or settings_of(), item_of(claim))


def pairs(tasks: Sequence[str], roles: Sequence[str]) -> set[Any]:
    return {(task, role) for task in tasks for role in roles}


EXPECTED = {
    **{f"glue.{task}.bert": pairs([task], ["teacher"]) for task in GLUE},
    **{f"glue.{task}.distilbert": pairs([task], ["student"]) for task in GLUE},
    "glue.score.bert": pairs(GLUE, ["teacher"]),
    "glue.score.distilbert": pairs(GLUE, ["student"]),
    "glue.retention": pairs(GLUE, BOTH),
    # The guard is the teacher's whole Score, so WNLI is fine-tuned for it too.
    "glue.retention_without_wnli": pairs(GLUE, BOTH),
    "glue.elmo": pairs(GLUE, ["student"]),
    "imdb.bert": pairs(["imdb"], ["teacher"]),
    "imdb.distilbert": pairs(["imdb"], ["student"]),
    "imdb.gap": pairs(["imdb"], BOTH),
    **{f"squad.{metric}.bert": pairs(["squad"], ["teacher"]) for metric in ("em", "f1")},
    **{f"squad.{metric}.distilbert": pairs(["squad"], ["student"]) for metric in ("em", "f1")},
    "squad.gap": pairs(["squad"], BOTH),
    "squad.gap_d": set(),  # nothing here distils DistilBERT (D)
    "squad.d_gain": set(),
}


@pytest.mark.parametrize("claim", sorted(BASELINES.claims))
def test_every_claim_needs_the_models_that_it_is_about_on_the_tasks_of_its_group(claim: str) -> None:
    assert needed(claim) == EXPECTED.get(claim, set())


def test_what_is_expected_here_are_claims() -> None:
    assert set(EXPECTED) <= set(BASELINES.claims)
    groups = {"glue", "imdb", "squad"}
    others = {name for name in BASELINES.claims if name.split(".")[0] in groups} - set(EXPECTED)
    assert others == {"squad.em.distilbert_d", "squad.f1.distilbert_d"}, "nothing here distils twice"


def test_all_claims_together_need_every_task_of_both_models() -> None:
    assert set().union(*map(needed, BASELINES.claims)) == pairs(TASKS, BOTH)


def test_what_is_no_claim_or_not_measured_needs_nothing() -> None:
    assert needed(None) == set()
    assert needed("glue.typo") == set()
    assert needed("glue.retention", settings_of(pool="evidence")) == set()


@pytest.mark.parametrize("own", [{"teacher": "mine"}, {"student": "mine"}, {"teacher": "mine", "student": "yours"}])
def test_a_pair_of_ones_own_needs_only_what_is_said_of_it(own: dict[str, str]) -> None:
    settings = settings_of(**own)
    for name, claim in BASELINES.claims.items():
        applies = claim.any_pair is not None or not set(claim.about) & set(own)
        assert needed(name, settings) == (EXPECTED.get(name, set()) if applies else set()), name
        if not applies:
            with pytest.raises(NotRun):
                settings.claim(name)
    every = set().union(*(needed(name, settings) for name in BASELINES.claims))
    assert every == pairs(TASKS, BOTH), "a ratio or a gap holds for any pair"


def test_a_claim_of_which_a_task_is_left_out_needs_nothing() -> None:
    settings = settings_of(("cola", "imdb"))
    assert needed("glue.cola.bert", settings) == {("cola", "teacher")}
    assert needed("imdb.gap", settings) == pairs(["imdb"], BOTH)
    for name in ("glue.rte.bert", "glue.retention", "glue.score.distilbert", "squad.gap"):
        assert needed(name, settings) == set()
