"""Evidence made for tests: every measurement a claim can be judged on, at what was printed or well outside it."""

from collections.abc import Callable, Iterator
from pathlib import Path

from judge.baselines import GLUE, Baselines, load_baselines
from judge.claims import ROLE_NAMES, Role
from judge.datasets import pinned, split
from judge.evidence import SCHEMA, Dataset, Evidence, Host, Measurement, Model, RecipeUsed, write_evidence
from judge.statistics import Pair
from tests.project import ROOT

SEEDS = (1, 2, 3, 4, 5)
SCATTER = (-0.1, -0.05, 0.0, 0.05, 0.1)
BACKENDS = ("fp32_sdpa", "int8")
ABLATIONS: dict[Role, float] = {
    "student_random_init": -3.69,
    "student_no_ce": -2.96,
    "student_no_cosine": -1.46,
    "student_no_mlm": -0.31,
}
# The printed order turned round, each step well above the noise of five seeds.
TURNED: dict[Role, float] = {
    "student_random_init": 10.0,
    "student_no_ce": 7.5,
    "student_no_cosine": 5.0,
    "student_no_mlm": 2.5,
}
COUNTS = {"layers": 12, "width": 768, "heads": 12, "vocabulary": 30522, "pooler": 0, "token_types": 0}
HALF = {"layers": 6, "encoder": 66_000_000, "classification": 66_500_000, "question_answering": 66_000_000}
WHOLE = {"encoder": 110_000_000, "classification": 110_500_000, "question_answering": 110_000_000}
OUTSIDE = {"layers": 12, "width": 512, "heads": 8, "vocabulary": 30000, "pooler": 590592, "token_types": 1536}
HEAVY = {"encoder": 90_000_000, "classification": 90_000_000, "question_answering": 400_000_000}


def model(role: Role, baselines: Baselines) -> Model:
    """The paper's own model for teacher and student, a made one for the other roles."""
    if role in ("teacher", "student"):
        card = baselines.models.teacher if role == "teacher" else baselines.models.student
        return Model(role=role, id=card.id, revision=card.revision)
    return Model(role=role, id=f"made/{role}")


def printed(task: str, role: Role, baselines: Baselines) -> float:
    """The printed cell of a task for a role; an ablation's is the student's and the printed difference."""
    if role in ABLATIONS:
        return printed(task, "student", baselines) + ABLATIONS[role]
    name = {"teacher": "bert", "student": "distilbert", "student_d": "distilbert_d"}[role]
    if task.startswith("squad_"):
        return baselines.claims[f"squad.{task.removeprefix('squad_')}.{name}"].published
    return baselines.claims[f"{'imdb' if task == 'imdb' else f'glue.{task}'}.{name}"].published


def outside(task: str, role: Role, baselines: Baselines) -> float:
    """Well outside the cell's margin: the teacher above, the students below, the ablations in the wrong order."""
    if role in ABLATIONS:
        return outside(task, "student", baselines) + TURNED[role]
    if role == "student_d":
        return outside(task, "student", baselines) - 1.0
    if task == "wnli":
        return 90.0 if role == "teacher" else 20.0
    if (task, role) == ("rte", "student"):
        return 54.0  # below its margin and still above the majority class: no failed run
    name = "glue." + task if task in GLUE else task.replace("squad_", "squad.")
    claim = baselines.claims[f"{name}.{'bert' if role == 'teacher' else 'distilbert'}"]
    away = claim.margin.value + baselines.tasks[task].spread.value + 0.5
    return printed(task, role, baselines) + (away if role == "teacher" else -away)


def recorded(task: str, role: Role, values: tuple[float, ...], baselines: Baselines) -> Iterator[Measurement]:
    """A whole record of each metric of a task, all with these values in points, one for each of the seeds 1, 2, ..."""
    seeds = tuple(range(1, len(values) + 1))
    for part in baselines.tasks[task].parts:
        data = pinned(part.quantity)
        assert data is not None
        yield Measurement(
            quantity=part.quantity,
            model=model(role, baselines),
            dataset=Dataset(id=data.id, revision=data.revision, split=split(part.quantity), examples=part.examples),
            recipe=RecipeUsed(name="paper", values={"epochs": 2 if task.startswith("squad_") else 3}),
            unit="percent",
            values=tuple(min(100.0, value) for value in values),
            seeds=seeds,
            planned=seeds,
            constant=(),
        )


def tasks_of(role: Role) -> tuple[str, ...]:
    """The tasks that the paper prints scores of a role for."""
    return {
        "teacher": (*GLUE, "imdb", "squad_em", "squad_f1"),
        "student": (*GLUE, "imdb", "squad_em", "squad_f1"),
        "student_d": ("squad_em", "squad_f1"),
        "student_narrow": (),
    }.get(role, GLUE)


def scores(baselines: Baselines, wrong: bool) -> Iterator[Measurement]:
    """Five seeds of every task for every role that the paper prints it for."""
    for role in ROLE_NAMES:
        for task in tasks_of(role):
            centre = (outside if wrong else printed)(task, role, baselines)
            yield from recorded(task, role, tuple(centre + off for off in SCATTER), baselines)


def counts(baselines: Baselines, wrong: bool) -> Iterator[Measurement]:
    """Layers, widths and parameters of both models."""
    student = COUNTS | HALF | (OUTSIDE | HEAVY if wrong else {})
    teacher = COUNTS | WHOLE | {"pooler": 590592, "token_types": 1536} | ({"encoder": 120_000_000} if wrong else {})
    roles: list[tuple[Role, dict[str, int]]] = [("teacher", teacher), ("student", student)]
    for role, facts in roles:
        for name, value in facts.items():
            made = model(role, baselines)
            yield Measurement(quantity=f"architecture.{name}", model=made, unit="count", values=(value,))


def steady(wrong: bool) -> Callable[[float, int], float]:
    """The ratio of a pair of times: what is true, or a quarter below every bound, with a little scatter.

    The scatter repeats after seven pairs, so that no launch of forty is like another.
    """

    def ratio(bound: float, pair: int) -> float:
        return (0.75 * bound if wrong else max(1.02 * bound, 668 / 410)) * (1 + pair % 7 / 500)

    return ratio


def times(baselines: Baselines, draw: Callable[[float, int], float], launches: int = 5) -> Iterator[Measurement]:
    """Launches of forty pairs for each quantity of speed; `draw` makes a pair's ratio of a bound and its number."""
    timed = [claim for claim in baselines.paper.claims if claim.setting is not None]
    for claim in timed:
        names = [f"{claim.id}.{name}" for name in BACKENDS] if claim.id == "speed.cpu_backends" else [claim.id]
        narrow = claim.id.startswith("speed.depth")
        setting = {name: value for name, value in (claim.setting or {}).items() if name != "precision"}
        for quantity in names:
            for launch in range(launches):
                pairs: list[Pair] = [
                    ("teacher" if i % 2 else "student", draw(claim.bounds[0], 40 * launch + i), 1.0) for i in range(40)
                ]
                yield Measurement(
                    quantity=quantity,
                    model=model("student", baselines),
                    versus=model("student_narrow" if narrow else "teacher", baselines),
                    precision="fp32",
                    unit="seconds",
                    how=setting,
                    pairs=tuple(pairs),
                    launch=launch,
                )


def write(path: Path, *, wrong: bool = False) -> None:
    """Write evidence for every claim about a model: at the printed values, or well outside every margin."""
    baselines = load_baselines(ROOT / "baselines")
    keep(path, [*scores(baselines, wrong), *counts(baselines, wrong), *times(baselines, steady(wrong))])


def keep(path: Path, measurements: list[Measurement]) -> None:
    """Write measurements as a file of evidence of a host of their own."""
    host = Host(name="made")
    evidence = Evidence(
        schema_=SCHEMA, suite_version="0", created="2026-01-01", host=host, measurements=tuple(measurements)
    )
    write_evidence(path, evidence)
