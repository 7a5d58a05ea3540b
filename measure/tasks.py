"""The eleven tasks that are fine-tuned: where their rows lie, what a row holds, and how many there must be.

Metrics, spreads and trivial scores are what the judge needs and stand in baselines/tasks.json, under the names in
`judged`; a test holds the two together. Counts of rows are those of the official releases.
"""

from dataclasses import dataclass
from typing import Literal

from judge.datasets import GLUE, IMDB, SQUAD

Kind = Literal["classification", "regression", "question answering"]

PAIR = ("sentence1", "sentence2")
ENTAILMENT = ("entailment", "not_entailment")
ACCURACY = ("accuracy",)


@dataclass(frozen=True)
class Split:
    """A split of a data set: its name on the hub, its official number of rows, and what is measured on it.

    `quantities` names what evidence calls each metric, by the metric's own name; it is empty for training.
    """

    name: str
    rows: int
    quantities: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class FineTuned:
    """A task: its data set, pinned; the text columns; the label column with its classes in order; its size in tokens.

    `tokens` is the mean number of tokens of a training example, specials included, truncated at the paper recipe's
    length. `padded` is how many a batch processes for each of them when it is padded to its longest example, at the
    recipe's batch size. Both serve `--plan` alone; `counted` says whether they were counted on the real text.
    """

    name: str
    label: str
    dataset: str
    revision: str
    config: str
    columns: tuple[str, ...]
    classes: tuple[str, ...]
    train: Split
    evaluation: tuple[Split, ...]
    judged: tuple[str, ...]
    kind: Kind = "classification"
    tokens: float = 0.0
    padded: float = 0.0
    counted: bool = True

    @property
    def outputs(self) -> int:
        """Width of the head: one number for each class, one for regression, start and end of an answer."""
        return {"classification": len(self.classes), "regression": 1, "question answering": 2}[self.kind]

    @property
    def splits(self) -> tuple[Split, ...]:
        """Every split that a job needs."""
        return (self.train, *self.evaluation)

    @property
    def needed(self) -> tuple[str, ...]:
        """The columns that a row must have."""
        return (*self.columns, "answers", "id") if self.kind == "question answering" else (*self.columns, "label")


def _measured(split: str, rows: int, task: str, metrics: tuple[str, ...]) -> Split:
    return Split(split, rows, tuple((metric, f"{task}.{metric}") for metric in metrics))


def _glue(
    name: str,
    label: str,
    columns: tuple[str, ...],
    classes: tuple[str, ...],
    rows: tuple[int, int],
    metrics: tuple[str, ...] = ACCURACY,
    **more: object,
) -> FineTuned:
    train, evaluation = Split("train", rows[0]), _measured("validation", rows[1], f"glue.{name}", metrics)
    fields: dict[str, object] = {"evaluation": (evaluation,), "judged": (name,), **more}
    return FineTuned(name, label, *GLUE, name, columns, classes, train, **fields)  # type: ignore[arg-type]


_ALL = (
    _glue(
        "cola",
        "CoLA",
        ("sentence",),
        ("unacceptable", "acceptable"),
        (8551, 1043),
        ("matthews_correlation",),
        tokens=11.3,
        padded=2.04,
    ),
    _glue(
        "mnli",
        "MNLI",
        ("premise", "hypothesis"),
        ("entailment", "neutral", "contradiction"),
        (392702, 0),
        evaluation=(
            _measured("validation_matched", 9815, "glue.mnli", ACCURACY),
            _measured("validation_mismatched", 9832, "glue.mnli_mismatched", ACCURACY),
        ),
        tokens=39.0,
        padded=2.36,
        counted=False,
    ),
    _glue(
        "mrpc",
        "MRPC",
        PAIR,
        ("not_equivalent", "equivalent"),
        (3668, 408),
        ("accuracy", "f1"),
        tokens=53.0,
        padded=1.50,
    ),
    _glue(
        "qnli", "QNLI", ("question", "sentence"), ENTAILMENT, (104743, 5463), tokens=50.9, padded=2.03, counted=False
    ),
    _glue(
        "qqp",
        "QQP",
        ("question1", "question2"),
        ("not_duplicate", "duplicate"),
        (363846, 40430),
        ("accuracy", "f1"),
        tokens=30.7,
        padded=2.25,
        counted=False,
    ),
    _glue("rte", "RTE", PAIR, ENTAILMENT, (2490, 277), tokens=66.6, padded=1.92),
    _glue("sst2", "SST-2", ("sentence",), ("negative", "positive"), (67349, 872), tokens=13.2, padded=3.02),
    _glue(
        "stsb", "STS-B", PAIR, (), (5749, 1500), ("pearson", "spearman"), kind="regression", tokens=27.8, padded=2.49
    ),
    _glue("wnli", "WNLI", PAIR, ENTAILMENT[::-1], (635, 71), tokens=36.5, padded=2.16),
    FineTuned(
        "imdb",
        "IMDb",
        *IMDB,
        "plain_text",
        ("text",),
        ("neg", "pos"),
        Split("train", 25000),
        (_measured("test", 25000, "imdb", ACCURACY),),
        ("imdb",),
        tokens=274.6,
        padded=1.86,
    ),
    FineTuned(
        "squad",
        "SQuAD v1.1",
        *SQUAD,
        "plain_text",
        ("question", "context"),
        (),
        Split("train", 87599),
        (_measured("validation", 10570, "squad", ("exact_match", "f1")),),
        ("squad_em", "squad_f1"),
        kind="question answering",
        tokens=170.8,
        padded=1.71,
    ),
)
TASKS = {task.name: task for task in _ALL}
# Small enough for a laptop with patience, or minutes of a GPU: five of GLUE's nine.
CHEAP = ("cola", "mrpc", "rte", "stsb", "wnli")


def task_of(judged: str) -> FineTuned:
    """The task whose fine-tuning gives a judged score, as `squad` for `squad_em`."""
    return next(task for task in _ALL if judged in task.judged)
