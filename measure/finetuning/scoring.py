"""A fine-tuned model's predictions on a task's evaluation splits, and what they score."""

import math
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from judge.files import Mistake
from measure.finetuning.features import rows_of, tokens_of
from measure.finetuning.metrics import Unscorable, score
from measure.finetuning.room import give_back_memory, memory_is_short
from measure.finetuning.spans import best_answers
from measure.finetuning.trainer import columns_of
from measure.jobs import Job
from measure.store import Store

# The share of one answer from which on a model says nothing of its input.
ONE_ANSWER = 0.99
NOT_FINITE = "its outputs are not finite numbers, so nothing was scored"


@dataclass
class Scored:
    """Metrics as fractions and numbers of examples by quantity, predictions by split, and remarks for the record.

    A prediction is a class, a number, or {"id", "prediction_text"} of a question. `constant` says that a model that
    ignores its input could have given nearly all predictions of a split.
    """

    metrics: dict[str, float] = field(default_factory=dict)
    examples: dict[str, int] = field(default_factory=dict)
    predictions: dict[str, list[Any]] = field(default_factory=dict)
    remarks: tuple[str, ...] = ()
    constant: bool = False


def score_splits(job: Job, trainer: Any, tokenizer: Any, store: Store) -> Scored:
    """Predict and score every evaluation split of a job's task; outputs that are not finite give metrics of NaN."""
    scored = Scored()
    for split in job.task.evaluation:
        tokens = tokens_of(job, split, tokenizer, store, training=False)
        logits = _logits(job, trainer, columns_of(trainer.model, tokens))
        rows = rows_of(job, split, store)
        scored.examples |= {quantity: len(rows) for _, quantity in split.quantities}
        if not all(np.isfinite(part).all() for part in (logits if isinstance(logits, tuple) else [logits])):
            scored.metrics |= {quantity: math.nan for _, quantity in split.quantities}
            scored.remarks = (NOT_FINITE,)
            continue
        predicted, references = _answers(job, rows, tokens, logits)
        try:
            found = score(job.task, predicted, references)
        except Unscorable as error:
            raise Mistake(str(error)) from None
        scored.metrics |= {quantity: found[metric] for metric, quantity in split.quantities}
        scored.predictions[split.name] = predicted
        scored.constant |= nearly_constant(predicted, references)
    return scored


def _logits(job: Job, trainer: Any, rows: Any) -> Any:
    """What the model says of each row; the batch is halved as long as memory is short, which changes no prediction."""
    device = trainer.args.device.type
    while True:
        try:
            return trainer.predict(rows).predictions
        except (MemoryError, RuntimeError) as error:
            if not memory_is_short(error):
                raise
        if trainer.args.per_device_eval_batch_size == 1:
            raise Mistake(f"one example of {job} is too much for the memory of {device}: use a larger device.")
        trainer.args.per_device_eval_batch_size //= 2
        give_back_memory(device)


def nearly_constant(predicted: list[Any], references: list[Any]) -> bool:
    """Whether at least 99 % of the predictions are one and the same answer.

    Numbers count as the same within 1 % of the range of the references: a regression that has collapsed still moves a
    little with its input. One prediction says nothing.
    """
    if len(predicted) < 2:
        return False
    if isinstance(predicted[0], float):
        values = np.asarray(predicted)
        near = np.abs(values - np.median(values)) <= 0.01 * np.ptp(np.asarray(references, dtype=np.float64))
        return bool(near.mean() >= ONE_ANSWER)
    answers = Counter(value["prediction_text"] if isinstance(value, dict) else value for value in predicted)
    return answers.most_common(1)[0][1] >= ONE_ANSWER * len(predicted)


def _answers(job: Job, rows: Any, tokens: Any, logits: Any) -> tuple[list[Any], list[Any]]:
    """Predictions and references of a split, as the task's metric takes them."""
    if job.task.kind == "question answering":
        recipe = job.protocol.recipe
        contexts = dict(zip(rows["id"], rows["context"], strict=True))
        found = best_answers(tokens, logits[0], logits[1], contexts, recipe.n_best or 1, recipe.max_answer_length or 1)
        texts = [{"id": name, "prediction_text": found[name]} for name in rows["id"]]
        return texts, [{"id": row["id"], "answers": row["answers"]} for row in rows]
    values = np.asarray(logits, dtype=np.float64)
    if job.task.kind == "regression":
        return values[:, 0].tolist(), list(rows["label"])
    return values.argmax(axis=-1).tolist(), list(rows["label"])
