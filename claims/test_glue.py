"""GLUE (section 4, Table 1): "DistilBERT retains 97% of BERT performance"."""

import pytest

from fixtures.outcomes import NotRun
from fixtures.scores import ScoreBook
from fixtures.verdict import Bench
from judge.baselines import GLUE
from judge.cells import cell
from judge.claims import Role
from judge.glue import decidable_tasks, on_par_with_elmo, retention, score
from judge.scores import NotRecorded
from judge.verdicts import Verdict

pytestmark = pytest.mark.slow

MODELS: dict[str, Role] = {"bert": "teacher", "distilbert": "student"}
CELLS = [
    pytest.param(task, role, marks=pytest.mark.claim(f"glue.{task}.{name}"), id=f"{task}-{name}")
    for task in GLUE
    for name, role in MODELS.items()
]
SCORES = [pytest.param(role, marks=pytest.mark.claim(f"glue.score.{name}"), id=name) for name, role in MODELS.items()]


@pytest.mark.parametrize(("task", "role"), CELLS)
def test_cell_of_table_1(task: str, role: Role, scores: ScoreBook, verdict: Bench) -> None:
    """The model's score on the task is the one printed in Table 1."""
    measured = scores(task, role)
    notes = [
        f"with the likely correct {misprint.corrected} for the printed {verdict.claim.published}: {misprint.reason}"
        for misprint in scores.baselines.paper.misprints
        if misprint.cell == verdict.claim.cell
    ]
    if task == "mnli":
        matched = list(measured.records[0].values.values())
        notes.append(f"matched alone: {sum(matched) / len(matched):.2f}")
    verdict(cell(measured, verdict.claim.bounds), notes=notes)


@pytest.mark.parametrize("role", SCORES)
def test_score_of_table_1(role: Role, scores: ScoreBook, verdict: Bench) -> None:
    """The mean of the model's nine scores is the Score printed in Table 1."""
    verdict(score(scores.glue(role)))


def guard(scores: ScoreBook, verdict: Bench) -> tuple[Verdict | None, list[str]]:
    """The verdict on the teacher's own Score, which a student's share of it needs; a note where there is none."""
    if not verdict.teacher_is_the_papers:
        return None, ["the teacher is your own: no printed Score says whether it is a weak one"]
    try:
        return verdict.decide(score(scores.glue("teacher")), claim="glue.score.bert"), []
    except (NotRun, NotRecorded):
        return None, ["the teacher has no Score over all nine tasks that would say whether it is a weak one"]


@pytest.mark.claim("glue.retention")
def test_student_retains_97_percent(scores: ScoreBook, verdict: Bench) -> None:
    """DistilBERT's GLUE Score is at least 97 % of BERT-base's."""
    scores.ask(GLUE, "teacher", "student")
    teachers, students = scores.glue("teacher"), scores.glue("student")
    teachers_own, notes = guard(scores, verdict)
    verdict(retention(teachers, students, verdict.claim), guard=teachers_own, notes=notes)


@pytest.mark.claim("glue.retention_without_wnli")
def test_student_retains_what_the_cells_print_without_wnli(scores: ScoreBook, verdict: Bench) -> None:
    """DistilBERT's mean over the eight GLUE tasks but WNLI is at least 95.9 % of BERT-base's."""
    tasks = decidable_tasks(scores.baselines)
    scores.ask(tasks, "teacher", "student")
    teachers, students = scores.glue("teacher", tasks), scores.glue("student", tasks)
    teachers_own, notes = guard(scores, verdict)
    verdict(retention(teachers, students, verdict.claim), guard=teachers_own, notes=notes)


@pytest.mark.claim("glue.elmo")
def test_student_is_on_par_with_elmo(scores: ScoreBook, verdict: Bench) -> None:
    """DistilBERT is on par with or better than ELMo on all nine tasks."""
    verdict(on_par_with_elmo(scores.glue("student"), scores.baselines))
