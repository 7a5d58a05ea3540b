"""Size (abstract, section 4.1, Table 3): "reduce the size of a BERT model by 40%"."""

import pytest

from fixtures.architecture import Counts
from fixtures.verdict import Bench
from judge.statistics import between

pytestmark = pytest.mark.fast

BYTES = {"fp32": 4, "fp16": 2, "int8": 1}


@pytest.mark.claim("size.teacher")
def test_teacher_has_110_million_parameters(parameters: Counts, verdict: Bench) -> None:
    """BERT-base has 110 million parameters."""
    count = parameters("teacher")
    verdict(count / 1e6, encoder=count)


@pytest.mark.claim("size.student")
def test_student_has_66_million_parameters(parameters: Counts, verdict: Bench) -> None:
    """DistilBERT has 66 million parameters."""
    count = parameters("student")
    verdict(count / 1e6, encoder=count)


@pytest.mark.claim("size.reduction")
def test_student_has_40_percent_fewer_parameters(parameters: Counts, verdict: Bench) -> None:
    """DistilBERT has 40 % fewer parameters than BERT-base."""

    def reduction(head: str) -> float:
        return 100 * (1 - parameters("student", head) / parameters("teacher", head))

    encoders = reduction("encoder")
    heads = {"classification": "classification", "question_answering": "question-answering"}
    notes = [f"with a {heads[head]} head: {reduction(head):.2f} %" for head in heads if parameters.has(head)]
    verdict(encoders, notes=notes, teacher=parameters("teacher"), student=parameters("student"))


@pytest.mark.claim("size.mobile")
def test_whole_model_weighs_207_megabytes(parameters: Counts, verdict: Bench) -> None:
    """DistilBERT as an application on a phone weighs 207 MB, at a precision that the paper does not state."""
    count = parameters("student", "question_answering")
    weights = {name: count * size / 1e6 for name, size in BYTES.items()}
    estimate = between(weights["fp32"], weights["int8"], weights["fp32"], range_of="precisions")
    notes = [f"{name}: {size:.1f} MB" for name, size in weights.items()]
    if parameters.has("embeddings"):
        embeddings = parameters("student", "embeddings")
        mixed = embeddings * BYTES["fp16"] + (count - embeddings) * BYTES["fp32"]
        notes.append(
            f"a second reading that no source states: half-precision embeddings and fp32 layers weigh "
            f"{mixed / 1e6:.1f} MB, which is {mixed / 2**20:.1f} MiB"
        )
    verdict(estimate.with_(hold=_undecidable(weights, verdict.claim.bounds)), notes=notes, parameters=count)


def _undecidable(weights: dict[str, float], bounds: tuple[float, float]) -> str | None:
    """A size between the smallest and the largest admitted precision can be neither confirmed nor refuted."""
    if weights["int8"] < bounds[0] and bounds[1] < weights["fp32"]:
        return "the precision of the phone's file is not stated, and no uniform one gives this size: it lies between"
    return None
