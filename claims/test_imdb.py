"""IMDb (section 4.1, Table 2): "only 0.6% point behind BERT in test accuracy"."""

import pytest

from fixtures.scores import ScoreBook
from fixtures.verdict import Bench
from judge.cells import cell
from judge.claims import Role
from judge.glue import gap

pytestmark = pytest.mark.slow


@pytest.mark.parametrize(
    "role",
    [
        pytest.param("teacher", marks=pytest.mark.claim("imdb.bert"), id="bert"),
        pytest.param("student", marks=pytest.mark.claim("imdb.distilbert"), id="distilbert"),
    ],
)
def test_accuracy_of_table_2(role: Role, scores: ScoreBook, verdict: Bench) -> None:
    """The model's test accuracy on IMDb is the one printed in Table 2."""
    verdict(cell(scores("imdb", role), verdict.claim.bounds))


@pytest.mark.claim("imdb.gap")
def test_student_is_06_point_behind(scores: ScoreBook, verdict: Bench) -> None:
    """DistilBERT is at most 0.6 point behind BERT-base."""
    scores.ask(["imdb"], "teacher", "student")
    verdict(gap(scores("imdb", "teacher"), scores("imdb", "student")))
