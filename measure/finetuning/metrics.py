"""The metrics of the eleven tasks as `evaluate.Metric`s that need no network and write no file.

GLUE's metrics are those of the benchmark (Wang et al., 2018, arXiv:1804.07461, section 3 and its evaluation code),
SQuAD's those of the v1.1 script. Every value is a fraction: 0 to 1, or -1 to 1 for correlations. A task with two
metrics gets both; taking their mean, as the paper does, is left to the judge.
"""

import inspect
import math
from collections.abc import Callable, Sequence
from typing import Any

import evaluate
import numpy as np
from datasets import Features, List, Value
from numpy.typing import NDArray
from scipy import stats

from measure.finetuning.answers import exact_match, f1
from measure.tasks import FineTuned

# Predictions that differ by less than this, relative to the largest, differ by rounding alone: they count as constant.
ROUNDING = 1e-12


class Unscorable(Exception):
    """Predictions or references that no metric can be taken of: one sentence that says what is wrong with them."""


class OfflineMetric(evaluate.Metric):  # type: ignore[misc]
    """An `evaluate.Metric` that keeps its examples in memory and checks them before it takes them.

    `add_batch`, `add` and `compute` are those of `evaluate`, except that they raise `Unscorable` for an empty input,
    unequal lengths and values that are no answer to the task.
    """

    def __init__(self) -> None:
        super().__init__(keep_in_memory=True)

    def add_batch(self, *, predictions: Any = None, references: Any = None) -> None:
        """Take one prediction and one reference for each of some examples, in the same order.

        Raises:
            Unscorable: there is none, there are more of one than of the other, or one is not as the class says.
        """
        for what, values in (("predictions", predictions), ("references", references)):
            if values is None:
                raise Unscorable(f"The {what} are missing: give one for each example.")
        if len(predictions) != len(references):
            raise Unscorable(
                f"The predictions are {len(predictions)} and the references {len(references)}: give as many of each."
            )
        if not len(predictions):
            raise Unscorable("There is nothing to score: give at least one example.")
        taken, right = self._checked(predictions, references)
        super().add_batch(predictions=taken, references=right)

    def add(self, *, prediction: Any = None, reference: Any = None) -> None:
        """Take one example. Raises `Unscorable` as `add_batch` does."""
        self.add_batch(predictions=[prediction], references=[reference])

    def compute(self, *, predictions: Any = None, references: Any = None) -> dict[str, float]:
        """The values by metric, over what was added and what is given here; what was added is then forgotten.

        Raises:
            Unscorable: nothing was added or given, or as `add_batch`.
        """
        if predictions is None and references is None and not len(self):
            raise Unscorable("There is nothing to score: give at least one example.")
        values = super().compute(predictions=predictions, references=references)
        return {name: float(value) for name, value in values.items()}

    def _features(self) -> Features:
        raise NotImplementedError

    def _checked(self, predictions: Any, references: Any) -> tuple[list[Any], list[Any]]:
        raise NotImplementedError

    def _info(self) -> evaluate.MetricInfo:
        return evaluate.MetricInfo(description=inspect.getdoc(self) or "", citation="", features=self._features())

    def _build_data_dir(self) -> str:
        # The base class creates a folder in the user's cache here, which nothing in memory needs.
        return str(self._data_dir_root)


class Accuracy(OfflineMetric):
    """`accuracy`: the share of examples whose predicted class is the labelled one.

    Predictions and references are whole numbers below `classes`, one for each example.
    """

    def __init__(self, classes: int = 2) -> None:
        self._classes = classes
        super().__init__()

    def _features(self) -> Features:
        return Features({"predictions": Value("int64"), "references": Value("int64")})

    def _checked(self, predictions: Any, references: Any) -> tuple[list[int], list[int]]:
        known = self._classes
        return _classes("prediction", predictions, known), _classes("reference", references, known)

    def _compute(self, *, predictions: list[int], references: list[int]) -> dict[str, float]:
        return {"accuracy": float(np.mean(np.equal(predictions, references)))}


class AccuracyAndF1(Accuracy):
    """`accuracy`, and `f1` of class 1: 2 TP / (2 TP + FP + FN), and 0 without a true positive (MRPC, QQP)."""

    def _compute(self, *, predictions: list[int], references: list[int]) -> dict[str, float]:
        tp, fp, fn, _ = _confusion(predictions, references)
        score = 2 * tp / (2 * tp + fp + fn) if tp else 0.0
        return {**super()._compute(predictions=predictions, references=references), "f1": score}


class MatthewsCorrelation(Accuracy):
    """`matthews_correlation` of two classes (CoLA), -1 to 1; 0 where predictions or references are all the same."""

    def _compute(self, *, predictions: list[int], references: list[int]) -> dict[str, float]:
        # Python's integers: the product is exact, however many examples there are.
        tp, fp, fn, tn = _confusion(predictions, references)
        product = (tp + fp) * (tp + fn) * (tn + fp) * (tn + fn)
        return {"matthews_correlation": (tp * tn - fp * fn) / math.sqrt(product) if product else 0.0}


class PearsonAndSpearman(OfflineMetric):
    """`pearson` and `spearman`: the correlation of predictions with references, and that of their ranks (STS-B).

    Both are undefined where all predictions are the same and recorded as 0.0 then: a constant answer says nothing,
    and 0.0 is its score in baselines/tasks.json. References that are all the same are an error, as are predictions
    or references that are no finite numbers.
    """

    def _features(self) -> Features:
        return Features({"predictions": Value("float64"), "references": Value("float64")})

    def _checked(self, predictions: Any, references: Any) -> tuple[list[float], list[float]]:
        return _numbers("prediction", predictions), _numbers("reference", references)

    def _compute(self, *, predictions: list[float], references: list[float]) -> dict[str, float]:
        predicted, labelled = _scaled(predictions), _scaled(references)
        if _constant(labelled):
            raise Unscorable(f"The references are all {references[0]:g}: a correlation needs some that differ.")
        if _constant(predicted):
            return {"pearson": 0.0, "spearman": 0.0}
        return {
            "pearson": float(stats.pearsonr(predicted, labelled).statistic),
            "spearman": float(stats.spearmanr(predictions, references).statistic),
        }


class ExactMatchAndF1(OfflineMetric):
    """`exact_match` and `f1`: the mean over all questions of the answer's score, as SQuAD v1.1 defines it.

    Both have the form of `evaluate`'s own metric for SQuAD. A prediction is {"id", "prediction_text"}, where the text
    is None for a question without an answer, which scores 0 in both; a reference is {"id", "answers"} of the same
    question, where "answers" is the data set's column: its "text" holds one or more gold answers.
    """

    def _features(self) -> Features:
        # A list of no or one text: the library takes no None in a column of texts.
        return Features({"predictions": List(Value("string")), "references": List(Value("string"))})

    def _checked(self, predictions: Any, references: Any) -> tuple[list[list[str]], list[list[str]]]:
        taken = [_text(i, prediction) for i, prediction in enumerate(predictions)]
        right = [_golds(i, reference) for i, reference in enumerate(references)]
        for i, (prediction, reference) in enumerate(zip(predictions, references, strict=True)):
            if prediction["id"] != reference["id"]:
                raise Unscorable(
                    f"Prediction {i} answers {_short(prediction['id'])} and reference {i} is of "
                    f"{_short(reference['id'])}: give both in the same order."
                )
        return taken, right

    def _compute(self, *, predictions: list[list[str]], references: list[list[str]]) -> dict[str, float]:
        answers = [(text[0] if text else None, golds) for text, golds in zip(predictions, references, strict=True)]
        return {
            "exact_match": math.fsum(exact_match(*answer) for answer in answers) / len(answers),
            "f1": math.fsum(f1(*answer) for answer in answers) / len(answers),
        }


_METRICS: dict[tuple[str, ...], Callable[[], OfflineMetric]] = {
    ("accuracy", "f1"): AccuracyAndF1,
    ("matthews_correlation",): MatthewsCorrelation,
    ("pearson", "spearman"): PearsonAndSpearman,
    ("exact_match", "f1"): ExactMatchAndF1,
}


def metric_for(task: FineTuned) -> OfflineMetric:
    """The metric that gives what is measured on a task's evaluation splits, by the names in `Split.quantities`.

    Raises:
        Unscorable: no metric here gives what is asked for.
    """
    asked = tuple(name for name, _ in task.evaluation[0].quantities)
    if asked == ("accuracy",):
        return Accuracy(len(task.classes))
    if asked not in _METRICS:
        raise Unscorable(f"{task.label} is measured in {' and '.join(asked)}, which no metric of this suite gives.")
    return _METRICS[asked]()


def score(task: FineTuned, predictions: Any, references: Any) -> dict[str, float]:
    """The task's metrics over one evaluation split, as fractions by the names in `Split.quantities`.

    Args:
        task: what was predicted.
        predictions: one for each example: its class, its number (regression), or {"id", "prediction_text"}.
        references: one for each example, in the same order: its class, its number, or {"id", "answers"}.

    Raises:
        Unscorable: empty, of unequal lengths, of a class that the task does not have, not finite, or of other ids.
    """
    metric = metric_for(task)
    try:
        metric.add_batch(predictions=predictions, references=references)
        return metric.compute()
    except Unscorable as error:
        raise Unscorable(f"{task.label}: {str(error)[0].lower()}{str(error)[1:]}") from None


def _confusion(predictions: Sequence[int], references: Sequence[int]) -> tuple[int, int, int, int]:
    """True positives, false positives, false negatives and true negatives of class 1."""
    counts = np.bincount(2 * np.asarray(predictions) + np.asarray(references), minlength=4).tolist()
    return counts[3], counts[2], counts[1], counts[0]


def _classes(what: str, values: Any, classes: int) -> list[int]:
    found = _vector(what, values)
    if found.dtype.kind not in "iu":
        raise Unscorable(f"The {what}s are {found.dtype}, not whole numbers: give the class of each example.")
    wrong = np.flatnonzero((found < 0) | (found >= classes))
    if wrong.size:
        i = wrong[0]
        raise Unscorable(f"{what.capitalize()} {i} is class {found[i]}, and the classes are 0 to {classes - 1}.")
    return [int(value) for value in found]


def _numbers(what: str, values: Any) -> list[float]:
    found = _vector(what, values)
    if found.dtype.kind not in "iuf":
        raise Unscorable(f"The {what}s are {found.dtype}, not numbers: give one number for each example.")
    wrong = np.flatnonzero(~np.isfinite(found))
    if wrong.size:
        raise Unscorable(f"{what.capitalize()} {wrong[0]} is {found[wrong[0]]}: a correlation needs finite numbers.")
    return [float(value) for value in found]


def _vector(what: str, values: Any) -> NDArray[Any]:
    try:
        found = np.asarray(values)
    except (TypeError, ValueError, RuntimeError):
        raise Unscorable(f"The {what}s are no array of numbers: give one number for each example.") from None
    if found.ndim != 1:
        raise Unscorable(f"The {what}s have the shape {found.shape}: give one number for each example.")
    return found


def _text(i: int, prediction: Any) -> list[str]:
    """The text predicted, or nothing, in a list."""
    match prediction:
        case {"id": str(), "prediction_text": None}:
            return []
        case {"id": str(), "prediction_text": str(text)}:
            return [text]
    raise Unscorable(
        f'Prediction {i} is {_short(prediction)}: give {{"id", "prediction_text"}}, with None for no text.'
    )


def _golds(i: int, reference: Any) -> list[str]:
    match reference:
        case {"id": str(), "answers": {"text": [_, *_] as texts}} if all(isinstance(text, str) for text in texts):
            return list(texts)
    raise Unscorable(f'Reference {i} is {_short(reference)}: give {{"id", "answers"}}, whose "text" has a gold answer.')


def _scaled(values: Sequence[float]) -> NDArray[np.float64]:
    """The values over a power of two, which loses no digit and keeps their squares from overflow and underflow."""
    found = np.asarray(values, dtype=np.float64)
    return np.ldexp(found, -int(np.frexp(np.abs(found).max())[1]))


def _constant(values: NDArray[np.float64]) -> bool:
    return bool(np.ptp(values) <= ROUNDING * np.abs(values).max())


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 40 else f"{text[:40]}..."
