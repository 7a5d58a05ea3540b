"""An evaluation block for a model card: the `model-index` that the hub reads from the head of a model's README.md.

Scores alone, never verdicts: a card says what a model scores, and whether that agrees with a paper is not its metric.
The hub's newer .eval_results/ files are for data sets on its own list of benchmarks, and none of these is on it.
"""

import json
import re
import statistics
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from judge.baselines import Baselines
from judge.claims import Role
from judge.datasets import pinned, split
from judge.evidence import Evidence, Measurement
from judge.files import write
from judge.pool import Found, Pool
from judge.scores import NotRecorded, Scores, find_scores
from judge.verdicts import BadMeasurement
from report.badges import plain

FOLDER = "model-cards"
HEAD = (
    "# What fine-tuned copies of {name} score, for its model card: put it between the two lines of --- at the top of\n"
    "# README.md in the model's repository.\n"
)
ROLES: tuple[Role, Role] = ("teacher", "student")
# The hub's names: of tasks, and of metrics by the last word of a quantity. SQuAD's metrics are in points there.
# Exact match and F1 are two scores to the paper and one task to the hub.
LABELS = {"squad_em": "SQuAD v1.1", "squad_f1": "SQuAD v1.1"}
TASK_TYPES = {"squad_em": "question-answering", "squad_f1": "question-answering"}
METRICS = {
    "accuracy": ("accuracy", "Accuracy"),
    "f1": ("f1", "F1"),
    "matthews_correlation": ("matthews_correlation", "Matthews correlation"),
    "pearson": ("pearsonr", "Pearson correlation"),
    "spearman": ("spearmanr", "Spearman correlation"),
    "exact_match": ("exact_match", "Exact match"),
}
Entry = dict[str, Any]


def write_model_cards(folder: Path, files: Sequence[tuple[str, Evidence]], baselines: Baselines) -> list[Path]:
    """Write FOLDER/model-cards/NAME.yml for every model with scores that a card may show; the files written.

    Raises:
        Mistake: two files disagree, or the folder cannot be written to.
    """
    written = []
    for name, text in model_cards(files, baselines).items():
        written.append(folder / FOLDER / f"{name}.yml")
        write(written[-1], text)
    return written


def model_cards(files: Sequence[tuple[str, Evidence]], baselines: Baselines) -> dict[str, str]:
    """The YAML of each model's block, by a name for its file.

    A score is shown if this suite measured it (`engine`) by a recipe of baselines/recipes.json on all examples of the
    pinned data set, of a model whose revision or digest is known. So neither the prior study's numbers, nor those of a
    part of the data, nor a rehearsal's, which are never evidence, can be on a card.

    Args:
        files: evidence, each with the name of its file.
        baselines: tasks, recipes and official numbers of examples.

    Raises:
        Mistake: two files have two values for one measurement.
    """
    pool = Pool(sorted(files, key=lambda file: file[0]))
    models = {
        (m.model.id, m.model.role) for _, evidence in files for m in evidence.measurements if m.model.role in ROLES
    }
    cards: dict[str, str] = {}
    for model, role in sorted(models):
        entries = [entry for task in baselines.tasks for entry in _entries(pool, baselines, task, role, model)]
        if entries:
            name = _file_name(model)
            cards[f"{name}-{role}" if name in cards else name] = _yaml(_name(model), _grouped(entries))
    return cards


def _entries(pool: Pool, baselines: Baselines, task: str, role: Role, model: str) -> Iterator[tuple[Entry, Entry]]:
    """A task's metrics as the hub has them: what was measured on, and the metric."""
    try:
        scores = find_scores(pool, baselines, task, role, {model: ""})
    except (NotRecorded, BadMeasurement):
        return
    if not all(_fit(record.first, baselines) for record in scores.records):
        return
    about = baselines.tasks[task]
    for record in scores.records:
        quantity, data = record.first.quantity, record.first.dataset
        assert data is not None
        label = LABELS.get(task, about.label) + (", mismatched" if "mismatched" in quantity else "")
        yield (
            {
                "task": {"type": TASK_TYPES.get(task, "text-classification"), "name": label},
                "dataset": {
                    "type": data.id,
                    "name": f"{'GLUE ' * quantity.startswith('glue.')}{label}",
                    **({"config": data.config} if data.config else {}),
                    "split": data.split,
                    "revision": data.revision,
                },
            },
            _metric(record, scores),
        )


def _fit(measurement: Measurement, baselines: Baselines) -> bool:
    """Whether a card may show it. find_scores has checked numbers, seeds and examples."""
    data, recipe, pin = measurement.dataset, measurement.recipe, pinned(measurement.quantity)
    return (
        data is not None
        and pin is not None
        and (data.id, data.revision, data.split) == (*pin, split(measurement.quantity))
        and recipe is not None
        and recipe.name in baselines.recipes
        and bool(measurement.engine)
        and bool(measurement.model.revision or measurement.model.digest)
    )


def _metric(record: Found, scores: Scores) -> Entry:
    """The mean over seeds, as the verdict has it, or the median where a run failed."""
    kind, title = METRICS[record.first.quantity.rsplit(".", 1)[1]]
    values, seeds = list(record.values.values()), [seed for seed in record.values if seed is not None]
    middle = "median" if scores.failed else "mean"
    value = statistics.median(values) if scores.failed else statistics.fmean(values)
    several = f", {middle} of {len(values)} seeds" if len(values) > 1 else f", seed {seeds[0]}" if seeds else ""
    recipe = record.first.recipe.name if record.first.recipe else ""
    scale = 1 if record.first.quantity.startswith("squad.") else 100
    return {"type": kind, "value": round(value / scale, 6), "name": f"{title}{several}, recipe {recipe!r}"}


def _grouped(entries: Sequence[tuple[Entry, Entry]]) -> list[Entry]:
    """Metrics of the same task, data and split under one head."""
    groups: dict[str, Entry] = {}
    metrics: dict[str, list[Entry]] = {}
    for head, metric in entries:
        key = json.dumps(head, sort_keys=True)
        groups.setdefault(key, head)
        metrics.setdefault(key, []).append(metric)
    return [{**head, "metrics": metrics[key]} for key, head in groups.items()]


def _yaml(name: str, results: Sequence[Entry]) -> str:
    """The block as YAML. Every text is in double quotes, as JSON writes it, so that nothing in it means anything."""
    lines = ["model-index:", f"- name: {_scalar(name)}", "  results:"]
    for result in results:
        for number, (key, value) in enumerate(result.items()):
            lines.append(f"  {'  ' if number else '- '}{key}:")
            items = value if isinstance(value, list) else [value]
            mark = "- " if isinstance(value, list) else ""
            for item in items:
                pairs = [f"{part}: {_scalar(said)}" for part, said in item.items()]
                lines.append(f"      {mark}{pairs[0]}")
                lines += [f"      {' ' * len(mark)}{pair}" for pair in pairs[1:]]
    return HEAD.format(name=plain(name)) + "\n".join(lines) + "\n"


def _scalar(value: object) -> str:
    """A number as YAML 1.1 takes it, which knows no exponent without a point, or a text in quotes."""
    if isinstance(value, float):
        return f"{value:.6f}" if abs(value) < 1e-4 else repr(value)
    return json.dumps(plain(str(value)), ensure_ascii=False)


def _name(model: str) -> str:
    """What the card calls the model: its hub id, or the last part of a folder's path, which is nobody's business."""
    return model if re.fullmatch(r"[\w.-]+/[\w.-]+", model) else Path(model).name or "model"


def _file_name(model: str) -> str:
    return re.sub(r"[^A-Za-z0-9._-]+", "--", _name(model)).lstrip(".-") or "model"
