"""What fine-tuning costs in arithmetic, bytes and seconds, by formula: nothing is loaded and no torch is imported.

The formula is the usual one: a linear weight costs 2 FLOPs for each token forward, attention 4 * length * width for
each token and layer, and training is three times the forward pass (forward, and two products backward). Embeddings
(a look-up), layer norms, softmax and the head, which sees one token of an example, are left out: under 1 % together.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from judge.files import Mistake
from measure.recipe import Recipe
from measure.tasks import FineTuned

# Bytes of a parameter: weight, gradient, and AdamW's two moments. Autocast to bf16 keeps all four in fp32, and a copy.
WEIGHT, GRADIENT, ADAM, BF16_COPY = 4, 4, 8, 2
# Bytes of an activation that is kept for the backward pass, on average: autocast keeps norms and residuals in fp32.
ELEMENT: dict[str, int] = {"fp32": 4, "bf16": 3}
BACKWARD = 3
# SQuAD's contexts are cut into overlapping windows, and a window is what is trained on: counted with the uncased
# vocabulary at 384 tokens and a stride of 128. 10,784 windows of the 10,570 validation rows are the same ratio to 1 %.
WINDOWS = 88_524 / 87_599
# What transformers' Trainer takes for each step beside the model: collating, callbacks, logging (measured on a CPU).
TRAINER_SECONDS = 0.005
# A forward pass has a third of a training step's arithmetic, and of the time that does not depend on it, at most.
FORWARD_SHARE = 1 / 3
# MB of the splits that a task needs, as parquet on the hub: the data set's card gives the size with the unlabelled test
# split, which is taken off by its share of the bytes. IMDb and SQuAD as the hub lists the files.
DOWNLOAD = {
    "cola": 0.3,
    "mnli": 54.5,
    "mrpc": 0.7,
    "qnli": 18.4,
    "qqp": 37.4,
    "rte": 0.6,
    "sst2": 3.2,
    "stsb": 0.7,
    "wnli": 0.05,
    "imdb": 41.5,
    "squad": 16.3,
}


@dataclass(frozen=True)
class Shape:
    """What costs depend on: layers, width, attention heads, and counts of parameters.

    `linear` counts the weights of the linear layers that every token passes, all layers together; `classification`
    counts every parameter of the model with a head of two classes, `question_answering` with a head for spans.
    """

    layers: int
    width: int
    heads: int
    linear: int
    classification: int
    question_answering: int

    def parameters(self, task: FineTuned) -> int:
        """Every parameter of the model with the head that a task needs; a further class costs one row."""
        if task.kind == "question answering":
            return self.question_answering
        return self.classification + (task.outputs - 2) * (self.width + 1)


def shape_of(config: Any) -> Shape:
    """The shape of a BERT or DistilBERT, from its configuration as an object of transformers or as plain values.

    Raises:
        Mistake: another architecture, or a value is missing: `shape_from` takes what measure.architecture counted.
    """
    kind = _value(config, "model_type")
    if kind not in ("bert", "distilbert"):
        raise Mistake(f"the cost of a model of type {kind} is not known by formula: count its parameters instead.")
    width, layers = _value(config, "hidden_size", "dim"), _value(config, "num_hidden_layers", "n_layers")
    inner = _value(config, "intermediate_size", "hidden_dim")
    rows = _value(config, "vocab_size") + _value(config, "max_position_embeddings")
    if kind == "bert":
        rows += _value(config, "type_vocab_size")
    linear = layers * (4 * width**2 + 2 * width * inner)
    # A layer's biases (four of attention, two around the inner layer) and its two norms; the embeddings have one norm.
    small = layers * (4 * width + inner + width + 4 * width) + 2 * width
    body, square, head = rows * width + linear + small, width**2 + width, 2 * width + 2
    # BERT's pooler belongs to the body and is left out for spans; DistilBERT's square layer belongs to the classifier.
    heads = _value(config, "num_attention_heads", "n_heads")
    return Shape(layers, width, heads, linear, body + square + head, body + head)


def shape_from(counts: Mapping[str, int]) -> Shape:
    """The shape of any encoder, from what `measure.architecture.describe` counted.

    `counts["linear"]` are the weights that a token is multiplied with, those of shared layers as often as they are
    used. Where transformers has no such head for a type of model, its parameters are those of a head of one layer.
    """
    width = counts["width"]
    classification = counts.get("classification", counts["encoder"] + 2 * width + 2)
    spans = counts.get("question_answering", counts["encoder"] - counts["pooler"] + 2 * width + 2)
    return Shape(counts["layers"], width, counts["heads"], counts["linear"], classification, spans)


def forward(shape: Shape, tokens: float, length: float) -> float:
    """FLOPs of one forward pass over so many tokens, in examples of `length` tokens each."""
    return tokens * (2 * shape.linear + 4 * length * shape.width * shape.layers)


def training(shape: Shape, tokens: float, length: float) -> float:
    """FLOPs of forward and backward over so many tokens; the optimiser's are memory traffic, not arithmetic."""
    return BACKWARD * forward(shape, tokens, length)


def activation_bytes(shape: Shape, tokens: float, length: float, precision: str, *, scores: bool = True) -> float:
    """Bytes kept for the backward pass of one micro-batch, within a quarter; embeddings and head are left out.

    A layer keeps its input, queries, keys (and both once more, scaled), values, what attention gives, the inputs of
    two norms and of the inner layer, twice the inner width around its activation, and two dropout masks of a byte
    (after Korthikanti et al. 2022). With `scores` it keeps the attention probabilities before and after dropout and a
    mask too, which a fused attention kernel does not: an upper estimate on a GPU.
    """
    inner = (shape.linear / shape.layers - 4 * shape.width**2) / (2 * shape.width)
    size = ELEMENT[precision]
    kept = size * (10 * shape.width + 2 * inner) + 2 * shape.width
    return tokens * shape.layers * (kept + (shape.heads * length * (2 * size + 1) if scores else 0))


def memory_bytes(shape: Shape, parameters: int, batch: int, length: float, precision: str) -> float:
    """Bytes that a training step of one micro-batch needs, roughly: 16 for each parameter (18 with autocast, which
    copies the weights), and the activations.
    """
    held = (WEIGHT + GRADIENT + ADAM + (BF16_COPY if precision == "bf16" else 0)) * parameters
    return held + activation_bytes(shape, batch * length, length, precision)


def checkpoint_bytes(parameters: int, *, resumable: bool = False) -> int:
    """Bytes of a checkpoint on disk: fp32 weights, and AdamW's state in one that training can go on from."""
    return (WEIGHT + (ADAM if resumable else 0)) * parameters


@dataclass(frozen=True)
class Calibration:
    """How fast a device trains one model: seconds of a step = `fixed` + its FLOPs / `rate`.

    `samples` are what was timed, as (batch, length, seconds of a step). A step is forward, backward, clipping and
    AdamW; AdamW's time depends on the parameters alone and so is part of `fixed`, as are kernel launches. What
    transformers' Trainer adds is not timed; measure.plan adds it. `note` says so where the fit was degenerate.
    """

    device: str
    precision: str
    samples: tuple[tuple[int, int, float], ...]
    rate: float
    fixed: float
    note: str = ""

    def seconds(self, steps: float, flops: float) -> float:
        """Seconds for so many optimiser steps that take so many FLOPs in all."""
        return steps * self.fixed + flops / self.rate


def fitted(shape: Shape, device: str, precision: str, samples: Sequence[tuple[int, int, float]]) -> Calibration:
    """The line through timed training steps, by least squares, with neither part negative.

    A negative fixed part becomes zero, and the line then runs through the origin. If a longer step was not slower (a
    device that waits for launches, or a disturbed measurement), the rate cannot be told: the mean time is then taken
    as fixed and the best achieved rate as the rate, which forecasts up to twice too much and never too little.

    Raises:
        ValueError: no samples, or one without time.
    """
    work = [training(shape, batch * length, length) for batch, length, _ in samples]
    times = [seconds for *_, seconds in samples]
    if not samples or min(times) <= 0:
        raise ValueError("a calibration needs steps that took time")
    middle, mean = sum(work) / len(work), sum(times) / len(times)
    spread = sum((flops - middle) ** 2 for flops in work)
    slope = sum((f - middle) * (t - mean) for f, t in zip(work, times, strict=True)) / spread if spread else 0.0
    if slope <= 0:
        best = max(f / t for f, t in zip(work, times, strict=True))
        note = "a longer step was not slower: the times are upper estimates"
        return Calibration(device, precision, tuple(samples), best, mean, note)
    if (fixed := mean - slope * middle) < 0:
        fixed = 0.0
        slope = sum(f * t for f, t in zip(work, times, strict=True)) / sum(f * f for f in work)
    return Calibration(device, precision, tuple(samples), 1 / slope, fixed)


@dataclass(frozen=True)
class JobCost:
    """What fine-tuning one model on one task with one seed costs, and scoring it.

    `rows` are those of an epoch (windows for SQuAD), `steps` of the optimiser, `tokens` those processed in training,
    padding included; `training` and `evaluation` are FLOPs, `batches` those of the evaluation, `memory` the bytes of
    an undivided training step, `checkpoint` and `resumable` bytes on disk, without and with the optimiser's state.
    """

    rows: int
    steps: int
    tokens: float
    training: float
    evaluation: float
    batches: int
    memory: float
    checkpoint: int
    resumable: int

    @property
    def flops(self) -> float:
        """Training and evaluation."""
        return self.training + self.evaluation

    def seconds(self, calibration: Calibration) -> float:
        """Seconds on the device that was timed, with the Trainer's share; without loading and saving."""
        steps = calibration.seconds(self.steps + FORWARD_SHARE * self.batches, self.flops)
        return steps + TRAINER_SECONDS * (self.steps + self.batches)


def job_cost(
    task: FineTuned, recipe: Recipe, shape: Shape, precision: str, *, padding: bool = True, limit: int | None = None
) -> JobCost:
    """What one job costs. Attention is counted at the mean length, at most 2 % too little (IMDb).

    Args:
        task: its rows, and the mean length of its examples.
        recipe: batch, epochs and the length that examples are cut to.
        shape: the model's.
        precision: fp32 or bf16, for the memory alone.
        padding: count what a batch that is padded to its longest example processes, not its real tokens alone.
        limit: how many rows of each split are used; None for all.
    """
    length = min(task.tokens * (task.padded if padding else 1.0), recipe.max_length)
    rows = _rows(task, task.train.rows, limit)
    scored = sum(_rows(task, split.rows, limit) for split in task.evaluation)
    tokens, parameters = rows * length * recipe.epochs, shape.parameters(task)
    return JobCost(
        rows=rows,
        steps=recipe.steps(rows),
        tokens=tokens,
        training=training(shape, tokens, length),
        evaluation=forward(shape, scored * length, length),
        batches=math.ceil(scored / recipe.batch_size),
        memory=memory_bytes(shape, parameters, recipe.batch_size, length, precision),
        checkpoint=checkpoint_bytes(parameters),
        resumable=checkpoint_bytes(parameters, resumable=True),
    )


def _rows(task: FineTuned, rows: int, limit: int | None) -> int:
    """Rows that are used of a split, as windows where the task cuts them."""
    used = rows if limit is None else min(limit, rows)
    return math.ceil(used * WINDOWS - 1e-6) if task.kind == "question answering" else used


def _value(config: Any, *names: str) -> Any:
    """The first of the names that the configuration has: BERT's name, then DistilBERT's."""
    for name in names:
        found = config.get(name) if isinstance(config, Mapping) else getattr(config, name, None)
        if found is not None:
            return found
    raise Mistake(f"the model's configuration has no {names[0]}: give one of transformers' making.")
