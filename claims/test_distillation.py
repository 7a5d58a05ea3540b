"""Distillation (section 4.2, Table 4): what each part of the triple loss and the initialisation contribute."""

import itertools
import math

import pytest

from fixtures.scores import ScoreBook
from fixtures.verdict import Bench
from judge.baselines import GLUE
from judge.cells import combined
from judge.claims import Role
from judge.rule import Part
from judge.statistics import Estimate

pytestmark = pytest.mark.slow

# In the order of Table 4's figures, the worst first.
ABLATIONS: tuple[Role, ...] = ("student_random_init", "student_no_ce", "student_no_cosine", "student_no_mlm")
LOSSES: dict[str, Role] = {"CE": "student_no_ce", "cosine": "student_no_cosine"}


def difference(scores: ScoreBook, one: Role, other: Role) -> Estimate:
    """GLUE Score of one student less that of another, in points."""
    scores.ask(GLUE, one, other)
    ones, others = scores.glue(one), scores.glue(other)
    return combined([(1 / len(ones), s) for s in ones] + [(-1 / len(others), s) for s in others])


@pytest.mark.parametrize(
    "role",
    [
        pytest.param(role, marks=pytest.mark.claim(f"distillation.{role.removeprefix('student_')}"))
        for role in ABLATIONS
    ],
)
def test_ablation_costs_what_table_4_prints(role: Role, scores: ScoreBook, verdict: Bench) -> None:
    """A student pre-trained without one of its parts loses what Table 4 prints."""
    verdict(difference(scores, role, "student"))


@pytest.mark.claim("distillation.order")
def test_ablations_are_in_the_printed_order(scores: ScoreBook, verdict: Bench) -> None:
    """Each part left out costs more than the next: initialisation, CE, cosine, MLM."""
    ladder: tuple[Role, ...] = (*ABLATIONS, "student")
    parts = [
        Part(f"{low} to {high}", difference(scores, high, low), (0, math.inf))
        for low, high in itertools.pairwise(ladder)
    ]
    verdict(parts)


@pytest.mark.claim("distillation.losses")
def test_both_distillation_losses_matter_more_than_the_mlm_loss(scores: ScoreBook, verdict: Bench) -> None:
    """Leaving out the distillation loss or the cosine loss costs more than leaving out the MLM loss."""
    parts = [
        Part(f"without {name}", difference(scores, "student_no_mlm", role), (0, math.inf))
        for name, role in LOSSES.items()
    ]
    verdict(parts)


@pytest.mark.gpu
@pytest.mark.claim("distillation.compute")
def test_distillation_takes_720_gpu_hours(verdict: Bench) -> None:
    """The distillation took 8 V100s about 90 hours."""
    verdict.cannot_run()
