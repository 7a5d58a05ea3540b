"""Architecture (section 3): "The token-type embeddings and the pooler are removed while the number of layers is reduced
by a factor of 2." Counted on the real architectures, without weights.
"""

import pytest

from fixtures.architecture import Counts
from fixtures.verdict import Bench

pytestmark = pytest.mark.fast


@pytest.mark.claim("architecture.layers")
def test_half_the_layers(architecture: Counts, verdict: Bench) -> None:
    """DistilBERT has half of BERT-base's layers."""
    teacher, student = architecture("teacher", "layers"), architecture("student", "layers")
    verdict(teacher / student, teacher=teacher, student=student)


@pytest.mark.parametrize(
    "part",
    [
        pytest.param("pooler", marks=pytest.mark.claim("architecture.pooler")),
        pytest.param("token_types", marks=pytest.mark.claim("architecture.token_types")),
    ],
)
def test_part_is_removed(part: str, architecture: Counts, verdict: Bench) -> None:
    """DistilBERT has no pooler and no token-type embeddings."""
    verdict(architecture("student", part), teacher=architecture("teacher", part))


@pytest.mark.parametrize(
    "size",
    [
        pytest.param("width", marks=pytest.mark.claim("architecture.width")),
        pytest.param("heads", marks=pytest.mark.claim("architecture.heads")),
        pytest.param("vocabulary", marks=pytest.mark.claim("architecture.vocabulary")),
    ],
)
def test_same_as_the_teacher(size: str, architecture: Counts, verdict: Bench) -> None:
    """DistilBERT has BERT-base's hidden size, number of attention heads and vocabulary size."""
    teacher, student = architecture("teacher", size), architecture("student", size)
    verdict(student / teacher, teacher=teacher, student=student)
