"""SQuAD v1.1 (section 4.1, Table 2): "DistilBERT is within 3.9 points of the full BERT"."""

import math

import pytest

from fixtures.scores import ScoreBook
from fixtures.verdict import Bench
from judge.cells import cell
from judge.claims import Role
from judge.glue import gap
from judge.rule import Part

pytestmark = pytest.mark.slow

MODELS: dict[str, Role] = {"bert": "teacher", "distilbert": "student", "distilbert_d": "student_d"}
METRICS = {"em": "exact match", "f1": "F1"}
CELLS = [
    pytest.param(metric, role, marks=pytest.mark.claim(f"squad.{metric}.{name}"), id=f"{metric}-{name}")
    for name, role in MODELS.items()
    for metric in METRICS
]


@pytest.mark.parametrize(("metric", "role"), CELLS)
def test_cell_of_table_2(metric: str, role: Role, scores: ScoreBook, verdict: Bench) -> None:
    """The model's exact match and F1 are those printed in Table 2; (D) is distilled twice."""
    verdict(cell(scores(f"squad_{metric}", role), verdict.claim.bounds))


@pytest.mark.parametrize(
    "role",
    [
        pytest.param("student", marks=pytest.mark.claim("squad.gap"), id="distilbert"),
        pytest.param("student_d", marks=pytest.mark.claim("squad.gap_d"), id="distilbert_d"),
    ],
)
def test_student_is_close_to_bert(role: Role, scores: ScoreBook, verdict: Bench) -> None:
    """DistilBERT is within 3.9 points of BERT-base in both metrics, and within 3 when distilled twice."""
    scores.ask([f"squad_{metric}" for metric in METRICS], "teacher", role)
    parts = [
        Part(label, gap(scores(f"squad_{metric}", "teacher"), scores(f"squad_{metric}", role)), verdict.claim.bounds)
        for metric, label in METRICS.items()
    ]
    verdict(parts)


@pytest.mark.claim("squad.d_gain")
def test_a_second_distillation_gains(scores: ScoreBook, verdict: Bench) -> None:
    """DistilBERT distilled twice is ahead of DistilBERT in both metrics."""
    scores.ask([f"squad_{metric}" for metric in METRICS], "student", "student_d")
    parts = [
        Part(label, gap(scores(f"squad_{metric}", "student_d"), scores(f"squad_{metric}", "student")), (0, math.inf))
        for metric, label in METRICS.items()
    ]
    verdict(parts)
