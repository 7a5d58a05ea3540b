"""The prior study's own statements, from its README against its own result files: does it print what it measured?"""

import math
from collections.abc import Iterator

import pytest

from fixtures.verdict import Bench
from judge.claims import Role, Source
from judge.evidence import Evidence, Measurement

pytestmark = pytest.mark.fast

# The metric that each row of the study's GLUE table prints; ours has more.
PRINTED = {
    "CoLA": "glue.cola.matthews_correlation",
    "MNLI": "glue.mnli.accuracy",
    "MRPC": "glue.mrpc.f1",
    "QNLI": "glue.qnli.accuracy",
    "QQP": "glue.qqp.f1",
    "RTE": "glue.rte.accuracy",
    "SST-2": "glue.sst2.accuracy",
    "STS-B": "glue.stsb.pearson",
    "WNLI": "glue.wnli.accuracy",
}
COLUMNS: dict[str, Role] = {"BERT": "teacher", "DistilBERT": "student"}


def recorded(results: Evidence, quantity: str, role: Role) -> float:
    """The one value that the study's files hold of a quantity."""
    [found] = [m for m in results.measurements if m.quantity == quantity and m.model.role == role]
    return found.values[0]


def runs(results: Evidence) -> Iterator[tuple[str, Measurement]]:
    """One measurement for each fine-tuning run, with the run's name."""
    seen = set()
    for measurement in results.measurements:
        task = measurement.quantity.rsplit(".", 1)[0].removesuffix("_mismatched")
        if measurement.recipe and (task, measurement.model.role) not in seen:
            seen.add((task, measurement.model.role))
            yield f"{task} {measurement.model.role}", measurement


@pytest.mark.claim("prior.size")
def test_39_percent_fewer_parameters(study_results: Evidence, verdict: Bench) -> None:
    """The study's DistilBERT has 39 % fewer parameters than its BERT-base."""
    teacher, student = (recorded(study_results, "architecture.classification", role) for role in COLUMNS.values())
    verdict(100 * (1 - student / teacher), teacher=teacher, student=student)


@pytest.mark.claim("prior.speed")
def test_197_times_as_fast_on_a_gpu(study_results: Evidence, verdict: Bench) -> None:
    """The study's DistilBERT is 1.97 times as fast as its BERT-base."""
    teacher, student = (recorded(study_results, "speed.gpu_full_pass", role) for role in COLUMNS.values())
    verdict(teacher / student, teacher=teacher, student=student)


@pytest.mark.claim("prior.glue")
def test_glue_table_prints_the_results(study: Source, study_results: Evidence, verdict: Bench) -> None:
    """Every cell of the study's GLUE table is the rounded value of its result files."""
    table, wrong = study.tables["glue"], []
    for task, quantity in PRINTED.items():
        for column, role in COLUMNS.items():
            value = recorded(study_results, quantity, role)
            if abs(table.number(task, column) - value) > 0.0005 + 1e-12:
                wrong.append(f"{task} {column}: printed {table.rows[task][column]}, recorded {value:.6f}")
    verdict(len(wrong), notes=wrong)


@pytest.mark.parametrize(
    "quantity",
    [
        pytest.param("squad.exact_match", marks=pytest.mark.claim("prior.squad_em"), id="em"),
        pytest.param("squad.f1", marks=pytest.mark.claim("prior.squad_f1"), id="f1"),
    ],
)
def test_squad_table_prints_the_results(quantity: str, study_results: Evidence, verdict: Bench) -> None:
    """The study's SQuAD figures are those of its result files."""
    verdict(recorded(study_results, quantity, "teacher"))


@pytest.mark.claim("prior.uncased")
def test_models_are_uncased(study: Source, study_results: Evidence, verdict: Bench) -> None:
    """All of the study's models were fine-tuned from the uncased checkpoints."""
    vocabulary = study.figures["uncased_vocabulary"]
    cased = [name for name, run in runs(study_results) if run.model.config["vocab_size"] != vocabulary]
    verdict(len(cased), notes=[f"not uncased: {', '.join(cased)}"])


@pytest.mark.claim("prior.epochs")
def test_fine_tuning_took_3_epochs(study: Source, study_results: Evidence, verdict: Bench) -> None:
    """All of the study's models were fine-tuned for 3 epochs."""
    epochs = {name: run.recipe.values["epochs"] for name, run in runs(study_results) if run.recipe}
    other = {name: value for name, value in epochs.items() if value != study.figures["epochs"]}
    verdict(len(other), notes=[f"{name}: {value} epochs" for name, value in other.items()])


@pytest.mark.claim("prior.retention")
def test_study_retains_97_percent(study_results: Evidence, verdict: Bench) -> None:
    """The study's DistilBERT retains about 97 % of its BERT-base's performance."""
    scores = {column: [] for column in COLUMNS}  # type: dict[str, list[float]]
    tasks = sorted({m.quantity.split(".")[1].removesuffix("_mismatched") for m in _glue(study_results)})
    for column, role in COLUMNS.items():
        for task in tasks:
            of_task = [m for m in _glue(study_results) if m.model.role == role and _task(m) == task]
            scores[column].append(100 * math.fsum(m.values[0] for m in of_task) / len(of_task))
    teacher, student = (math.fsum(values) / len(values) for values in scores.values())
    wnli = tasks.index("wnli")
    without = [math.fsum(values) - values[wnli] for values in scores.values()]
    notes = [f"without WNLI: {100 * without[1] / without[0]:.1f} %"]
    verdict(100 * student / teacher, notes=notes, teacher=teacher, student=student)


def _glue(results: Evidence) -> list[Measurement]:
    return [m for m in results.measurements if m.quantity.startswith("glue.")]


def _task(measurement: Measurement) -> str:
    return measurement.quantity.split(".")[1].removesuffix("_mismatched")
