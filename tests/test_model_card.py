"""The block for a model card: what the hub's own library reads back, and what never gets onto a card."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]

from judge.baselines import Baselines, load_baselines
from judge.datasets import pinned, split
from judge.evidence import (
    SCHEMA,
    Dataset,
    Evidence,
    Host,
    Measurement,
    Model,
    RecipeUsed,
    read_evidence,
    write_evidence,
)
from judge.files import Mistake
from report.__main__ import main
from report.model_card import model_cards, write_model_cards
from tests.project import ROOT

SEEDS = (42, 43, 44)


@pytest.fixture(scope="module")
def baselines() -> Baselines:
    return load_baselines(ROOT / "baselines")


def measured(
    quantity: str, examples: int, values: tuple[float, ...] = (0.91, 0.92, 0.96), **changes: Any
) -> Measurement:
    pin = pinned(quantity)
    assert pin is not None
    config = quantity.split(".")[1].removesuffix("_mismatched") if quantity.startswith("glue.") else "plain_text"
    fields: dict[str, Any] = {
        "quantity": quantity,
        "model": Model(role="student", id="me/my-model", digest="abc"),
        "dataset": Dataset(id=pin.id, config=config, revision=pin.revision, split=split(quantity), examples=examples),
        "recipe": RecipeUsed(name="paper", values={"epochs": 2 if quantity.startswith("squad.") else 3}),
        "engine": "trainer/1",
        "unit": "fraction",
        "values": values,
        "seeds": SEEDS[: len(values)],
        "planned": SEEDS[: len(values)],
        "constant": (),
    }
    return Measurement(**{**fields, **changes})


def evidence(*measurements: Measurement) -> list[tuple[str, Evidence]]:
    fields = {"schema": SCHEMA, "suite_version": "0.1.0", "created": "2026-11-22", "host": Host(cpu="a processor")}
    return [("made.json", Evidence(**{**fields, "measurements": measurements}))]


def every_task(baselines: Baselines, **changes: Any) -> list[tuple[str, Evidence]]:
    parts = {part.quantity: part.examples for task in baselines.tasks.values() for part in task.parts}
    return evidence(*(measured(quantity, examples, **changes) for quantity, examples in parts.items()))


def test_the_hubs_own_library_reads_every_score_back(baselines: Baselines) -> None:
    hub = pytest.importorskip("huggingface_hub.repocard_data", reason="needs huggingface_hub")
    [(name, text)] = model_cards(every_task(baselines), baselines).items()
    assert name == "me--my-model"
    model, results = hub.model_index_to_eval_results(yaml.safe_load(text)["model-index"])
    assert model == "me/my-model"
    assert len(results) == len(baselines.parts()) == 16
    assert hub.eval_results_to_model_index(model, results) == yaml.safe_load(text)["model-index"]
    by_name = {(r.dataset_config, r.dataset_split, r.metric_type): r for r in results}
    mismatched = by_name["mnli", "validation_mismatched", "accuracy"]
    assert (mismatched.dataset_type, mismatched.dataset_name) == ("nyu-mll/glue", "GLUE MNLI, mismatched")
    assert mismatched.dataset_revision == "bcdcba79d07bc864c1c254ccfcedcce55bcc9a8c"
    assert mismatched.metric_value == pytest.approx(0.93)
    assert re.search(r"Accuracy\b.*\bmean\b.*\b3\b.*\bpaper\b", mismatched.metric_name)
    squad = by_name["plain_text", "validation", "exact_match"]
    assert (squad.task_type, squad.metric_value) == ("question-answering", pytest.approx(93.0))
    assert by_name["plain_text", "test", "accuracy"].dataset_type == "stanfordnlp/imdb"
    assert {r.metric_type for r in results if r.dataset_config == "stsb"} == {"pearsonr", "spearmanr"}
    assert all(r.verified is None for r in results)


def test_a_model_card_takes_the_block_as_it_is(baselines: Baselines) -> None:
    hub = pytest.importorskip("huggingface_hub", reason="needs huggingface_hub")
    [text] = model_cards(every_task(baselines), baselines).values()
    card = hub.ModelCard(f"---\nlicense: apache-2.0\n{text}---\n# My model\n")
    assert card.data.model_name == "me/my-model"
    assert len(card.data.eval_results) == 16


GLUE = pinned("glue.rte.accuracy")
assert GLUE is not None
DATA = {"id": GLUE.id, "config": "rte", "revision": GLUE.revision, "split": "validation", "examples": 277}
UNFIT: dict[str, dict[str, Any]] = {
    "a part of the data": {"recipe": RecipeUsed(name="paper, 50 rows of each split")},
    "no recipe": {"recipe": None},
    "not by this suite": {"engine": None},
    "a model that nobody can find again": {"model": Model(role="student", id="me/my-model")},
    "no revision": {"dataset": Dataset(**{**DATA, "revision": None})},
    "another revision": {"dataset": Dataset(**{**DATA, "revision": "other"})},
    "made data": {"dataset": Dataset(**{**DATA, "id": "made/glue"})},
    "another split": {"dataset": Dataset(**{**DATA, "split": "train"})},
    "fewer examples": {"dataset": Dataset(**{**DATA, "examples": 50})},
    "not a number": {"values": (0.9, float("nan"), 0.9)},
    "a missing seed": {"planned": (42, 43, 44, 45)},
}


@pytest.mark.parametrize("changes", UNFIT.values(), ids=list(UNFIT))
def test_what_is_not_the_real_thing_is_on_no_card(changes: dict[str, Any], baselines: Baselines) -> None:
    assert model_cards(evidence(measured("glue.rte.accuracy", 277)), baselines)
    assert model_cards(evidence(measured("glue.rte.accuracy", 277, **changes)), baselines) == {}


def test_the_evidence_at_hand_holds_no_score_measured_by_this_suite(baselines: Baselines) -> None:
    files = [(name, read_evidence(ROOT / "evidence" / name)) for name in ("cpu.json", "prior-study.json")]
    assert model_cards(files, baselines) == {}


@pytest.mark.parametrize(
    ("constant", "last", "middle", "value"),
    [
        ((44,), 0.47, "median", 0.7),  # nearly constant answers: a failed run
        ((44,), 0.69, "median", 0.7),
        (None, 146 / 277, "median", 0.7),  # predictions not on record, and the majority class's score
        ((), 146 / 277, "mean", 0.645692),
        ((), 0.47, "mean", 0.626667),  # a low score is not a failed run
        (None, 0.47, "mean", 0.626667),
    ],
)
def test_a_failed_run_is_not_averaged_away(
    constant: tuple[int, ...] | None, last: float, middle: str, value: float, baselines: Baselines
) -> None:
    made = measured("glue.rte.accuracy", 277, values=(0.7, 0.71, last), constant=constant)
    [text] = model_cards(evidence(made), baselines).values()
    [result] = yaml.safe_load(text)["model-index"][0]["results"]
    [metric] = result["metrics"]
    assert re.search(rf"Accuracy\b.*\b{middle}\b.*\b3\b.*\bpaper\b", metric.pop("name"))
    assert metric == {"type": "accuracy", "value": value}


@pytest.mark.parametrize(
    "model", ['x"\nverified: true', "<script>alert(1)</script>", "a: b # c", "{}", "\x00\u2028\u202e", "../../up", "🙂"]
)
def test_nothing_in_a_models_name_means_anything_to_yaml(model: str, baselines: Baselines, tmp_path: Path) -> None:
    files = evidence(measured("glue.rte.accuracy", 277, model=Model(role="student", id=model, digest="abc")))
    [path] = write_model_cards(tmp_path, files, baselines)
    assert path.parent == tmp_path / "model-cards"
    [entry] = yaml.safe_load(path.read_text(encoding="utf-8"))["model-index"]
    assert set(entry) == {"name", "results"}
    assert [set(result) for result in entry["results"]] == [{"task", "dataset", "metrics"}]


def test_a_folder_is_called_by_its_name_alone(baselines: Baselines) -> None:
    mine = Model(role="student", id="/home/me/secret/my-model", digest="abc")
    [(name, text)] = model_cards(evidence(measured("glue.rte.accuracy", 277, model=mine)), baselines).items()
    assert name == "my-model"
    assert "secret" not in text


def test_both_models_of_a_pair_get_a_card_and_the_same_one_whatever_the_order(baselines: Baselines) -> None:
    [(_, student)] = every_task(baselines)
    [(_, teacher)] = every_task(baselines, model=Model(role="teacher", id="me/teacher", revision="r"))
    cards = model_cards([("a.json", student), ("b.json", teacher)], baselines)
    assert sorted(cards) == ["me--my-model", "me--teacher"]
    assert model_cards([("b.json", teacher), ("a.json", student)], baselines) == cards


def test_two_files_that_disagree_make_no_card(baselines: Baselines) -> None:
    [(_, one)] = evidence(measured("glue.rte.accuracy", 277))
    [(_, other)] = evidence(measured("glue.rte.accuracy", 277, values=(0.5, 0.6, 0.7)))
    with pytest.raises(Mistake, match=r"glue\.rte\.accuracy\b.*\ba\.json\b.*\bb\.json\b"):
        model_cards([("a.json", one), ("b.json", other)], baselines)


def test_pins_and_splits_are_those_that_the_suite_evaluates_on() -> None:
    tasks = pytest.importorskip("measure.tasks")
    for task in tasks.TASKS.values():
        for part in task.evaluation:
            for _, quantity in part.quantities:
                assert pinned(quantity) == (task.dataset, task.revision)
                assert split(quantity) == part.name


def test_render_writes_the_cards_beside_the_page(
    baselines: Baselines, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("jinja2", reason="the page's templates")
    [(_, made)] = every_task(baselines)
    write_evidence(tmp_path / "made.json", made)
    (tmp_path / "results").mkdir()
    site = tmp_path / "site"
    assert main(["render", str(tmp_path / "results"), str(site), "--evidence", str(tmp_path / "made.json")]) == 0
    assert (site / "index.html").is_file()
    card = site / "model-cards" / "me--my-model.yml"
    assert str(card) in capsys.readouterr().out
    assert card.read_text() == model_cards([("made.json", made)], baselines)["me--my-model"]
