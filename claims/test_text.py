"""The paper against itself: what follows from its printed tables alone. No model, no measurement, no tolerance to argue
about. Where a sentence contradicts a table, the verdict is "not reproduced", expected and never hidden.
"""

import math

import pytest

from fixtures.verdict import Bench
from judge.claims import Source

pytestmark = pytest.mark.fast

TASKS = ("CoLA", "MNLI", "MRPC", "QNLI", "QQP", "RTE", "SST-2", "STS-B", "WNLI")


def row(paper: Source, model: str) -> list[float]:
    """The nine task cells of a model in Table 1."""
    return [paper.tables["table1"].number(model, task) for task in TASKS]


def squad_gaps(paper: Source, model: str) -> tuple[float, float]:
    """How far a model is behind BERT-base in EM and in F1, Table 2."""
    table, column = paper.tables["table2"], "SQuAD (EM/F1)"
    teacher, student = table.numbers("BERT-base", column), table.numbers(model, column)
    return teacher[0] - student[0], teacher[1] - student[1]


@pytest.mark.parametrize(
    "model",
    [
        pytest.param("ELMo", marks=pytest.mark.claim("text.score.elmo"), id="elmo"),
        pytest.param("BERT-base", marks=pytest.mark.claim("text.score.bert"), id="bert"),
        pytest.param("DistilBERT", marks=pytest.mark.claim("text.score.distilbert"), id="distilbert"),
    ],
)
def test_score_is_the_mean_of_its_cells(model: str, paper: Source, verdict: Bench) -> None:
    """The Score of each row of Table 1 is the mean of the nine task cells."""
    cells = row(paper, model)
    notes = []
    for misprint in paper.misprints:
        if misprint.cell.row == model:
            mended = math.fsum(cells) - paper.printed(misprint.cell) + misprint.corrected
            notes.append(f"with {misprint.corrected} on {misprint.cell.column}: {mended / 9:.2f}; {misprint.reason}")
    verdict(math.fsum(cells) / len(cells), notes=notes, numbers=dict(zip(TASKS, cells, strict=True)))


@pytest.mark.claim("text.retention")
def test_97_percent_follows_from_the_printed_scores(paper: Source, verdict: Bench) -> None:
    """DistilBERT retains 97 % of BERT's performance."""
    teacher, student = (paper.tables["table1"].number(model, "Score") for model in ("BERT-base", "DistilBERT"))
    without = [math.fsum(row(paper, model)[:-1]) for model in ("BERT-base", "DistilBERT")]
    mended = without[0] - paper.printed(paper.misprints[0].cell) + paper.misprints[0].corrected
    notes = [
        f"without WNLI, from the printed cells: {100 * without[1] / without[0]:.1f} %",
        f"without WNLI, with {paper.misprints[0].corrected} for the misprinted cell: {100 * without[1] / mended:.1f} %",
    ]
    verdict(100 * student / teacher, notes=notes, teacher=teacher, student=student)


@pytest.mark.claim("text.size")
def test_40_percent_follows_from_the_printed_counts(paper: Source, verdict: Bench) -> None:
    """DistilBERT has 40 % fewer parameters than BERT."""
    teacher, student = (paper.tables["table3"].number(m, "# param. (Millions)") for m in ("BERT-base", "DistilBERT"))
    verdict(100 * (1 - student / teacher), teacher=teacher, student=student)


@pytest.mark.claim("text.speed")
def test_60_percent_faster_follows_from_the_printed_seconds(paper: Source, verdict: Bench) -> None:
    """DistilBERT is 60 % faster than BERT."""
    teacher, student = (paper.tables["table3"].number(m, "Inf. time (seconds)") for m in ("BERT-base", "DistilBERT"))
    notes = [f"read as time saved it is {100 * (1 - student / teacher):.1f} %"]
    verdict(teacher / student, notes=notes, teacher=teacher, student=student)


@pytest.mark.claim("text.elmo")
def test_on_par_with_elmo_on_every_task(paper: Source, verdict: Bench) -> None:
    """DistilBERT is on par with or better than ELMo on all nine tasks."""
    leads = [d - e for d, e in zip(row(paper, "DistilBERT"), row(paper, "ELMo"), strict=True)]
    verdict(min(leads), numbers=dict(zip(TASKS, leads, strict=True)))


@pytest.mark.claim("text.elmo_stsb")
def test_19_points_over_elmo_on_stsb(paper: Source, verdict: Bench) -> None:
    """DistilBERT is up to 19 points better than ELMo, on STS-B."""
    elmo, bert, distilbert = (paper.tables["table1"].number(m, "STS-B") for m in ("ELMo", "BERT-base", "DistilBERT"))
    notes = [f"BERT-base's lead over ELMo on STS-B is {bert - elmo:.1f}, perhaps what was meant"]
    verdict(distilbert - elmo, notes=notes, elmo=elmo, distilbert=distilbert)


@pytest.mark.claim("text.imdb")
def test_06_point_behind_bert_on_imdb(paper: Source, verdict: Bench) -> None:
    """DistilBERT is 0.6 point behind BERT on IMDb."""
    teacher, student = (paper.tables["table2"].number(m, "IMDb (acc.)") for m in ("BERT-base", "DistilBERT"))
    verdict(teacher - student, teacher=teacher, student=student)


@pytest.mark.claim("text.squad_gap")
def test_within_39_points_on_squad(paper: Source, verdict: Bench) -> None:
    """DistilBERT is within 3.9 points of BERT on SQuAD."""
    em, f1 = squad_gaps(paper, "DistilBERT")
    verdict(max(em, f1), em=em, f1=f1)


@pytest.mark.parametrize(
    "part",
    [
        pytest.param(0, marks=pytest.mark.claim("text.squad_d_em"), id="em"),
        pytest.param(1, marks=pytest.mark.claim("text.squad_d_f1"), id="f1"),
    ],
)
def test_figures_after_two_distillations_are_those_of_table_2(part: int, paper: Source, verdict: Bench) -> None:
    """DistilBERT distilled twice reaches 79.8 F1 and 70.4 EM."""
    verdict(paper.tables["table2"].number("DistilBERT (D)", "SQuAD (EM/F1)", part))


@pytest.mark.claim("text.squad_d_table")
def test_within_3_points_after_two_distillations_by_the_table(paper: Source, verdict: Bench) -> None:
    """DistilBERT distilled twice is within 3 points of BERT on SQuAD, by the figures of Table 2."""
    em, f1 = squad_gaps(paper, "DistilBERT (D)")
    verdict(max(em, f1), em=em, f1=f1)


@pytest.mark.claim("text.squad_d_sentence")
def test_within_3_points_after_two_distillations_by_the_sentence(paper: Source, verdict: Bench) -> None:
    """DistilBERT distilled twice is within 3 points of BERT on SQuAD, by the sentence's own figures."""
    em, f1 = paper.tables["table2"].numbers("BERT-base", "SQuAD (EM/F1)")
    em, f1 = em - paper.figures["squad_d_em"], f1 - paper.figures["squad_d_f1"]
    verdict(max(em, f1), em=em, f1=f1)


@pytest.mark.claim("text.d_gain")
def test_a_second_distillation_gains_by_the_table(paper: Source, verdict: Bench) -> None:
    """DistilBERT distilled twice is ahead of DistilBERT in EM and in F1, by the figures of Table 2."""
    once, twice = squad_gaps(paper, "DistilBERT"), squad_gaps(paper, "DistilBERT (D)")
    em, f1 = (behind - less for behind, less in zip(once, twice, strict=True))
    verdict(min(em, f1), em=em, f1=f1)


@pytest.mark.claim("text.faster_than_elmo")
def test_smaller_and_faster_than_elmo(paper: Source, verdict: Bench) -> None:
    """DistilBERT has fewer parameters and takes fewer seconds than ELMo."""
    table = paper.tables["table3"]
    parameters, seconds = (
        table.number("ELMo", column) / table.number("DistilBERT", column)
        for column in ("# param. (Millions)", "Inf. time (seconds)")
    )
    verdict(min(parameters, seconds), parameters=parameters, seconds=seconds)


@pytest.mark.claim("text.compute")
def test_cheaper_to_pretrain_than_roberta(paper: Source, verdict: Bench) -> None:
    """DistilBERT took fewer GPU-hours to pre-train than RoBERTa."""
    figures = paper.figures
    student = figures["distilbert_v100s"] * figures["distilbert_hours"]
    roberta = figures["roberta_v100s"] * figures["roberta_hours"]
    verdict(student / roberta, distilbert_gpu_hours=student, roberta_gpu_hours=roberta)
