"""The files of baselines/: what was printed, typed here a second time, and what is said of a mistake in them."""

import json
import math
import re
import shutil
import string
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from judge.baselines import FIELDS, Baselines, load_baselines
from judge.files import Mistake

FOLDER = Path(__file__).parents[1] / "baselines"
MIRROR = Path(__file__).parents[2] / "shared" / "hub-mirror"
INFINITY = math.inf

# Typed from the paper, not copied from the data: a row's name, then its cells from left to right.
TABLES = {
    "table1": {
        "ELMo": "68.7 44.1 68.6 76.6 71.1 86.2 53.4 91.5 70.4 56.3",
        "BERT-base": "79.5 56.3 86.7 88.6 91.8 89.6 69.3 92.7 89.0 53.5",
        "DistilBERT": "77.0 51.3 82.2 87.5 89.2 88.5 59.9 91.3 86.9 56.3",
    },
    "table2": {"BERT-base": "93.46 81.2/88.5", "DistilBERT": "92.82 77.7/85.8", "DistilBERT (D)": "- 79.1/86.9"},
    "table3": {"ELMo": "180 895", "BERT-base": "110 668", "DistilBERT": "66 410"},
    "table4": {
        "∅ - Lcos - Lmlm": "-2.96",
        "Lce - ∅ - Lmlm": "-1.46",
        "Lce - Lcos - ∅": "-0.31",
        "Triple loss + random weights initialization": "-3.69",
    },
}
COLUMNS = {
    "table1": ["Score", "CoLA", "MNLI", "MRPC", "QNLI", "QQP", "RTE", "SST-2", "STS-B", "WNLI"],
    "table2": ["IMDb (acc.)", "SQuAD (EM/F1)"],
    "table3": ["# param. (Millions)", "Inf. time (seconds)"],
    "table4": ["Variation on GLUE macro-score"],
}
SPREADS = {"cola": 1.5, "mnli": 0.29, "mrpc": 1.6, "qnli": 0.75, "qqp": 0.54, "rte": 2.2, "sst2": 0.42, "stsb": 0.6}
SPREADS |= {"wnli": 6.4, "imdb": 0.18, "squad_em": 0.5, "squad_f1": 0.5}
CELLS = {"cola": 3.0, "mnli": 1.0, "mrpc": 3.2, "qnli": 1.5, "qqp": 1.1, "rte": 4.4, "sst2": 1.0, "stsb": 1.2}
CELLS |= {"wnli": 12.8}
BOUNDS = {
    "size.teacher": (109, 111),
    "size.student": (65, 67),
    "size.reduction": (39.273, 40.727),
    "glue.retention": (96.5, INFINITY),
    "glue.score.bert": (77.9, 81.1),
    "glue.score.distilbert": (75.4, 78.6),
    **{f"speed.{name}": (1.595, INFINITY) for name in ("cpu", "cpu_full_pass")},
    **{f"speed.gpu_{name}": (1.595, INFINITY) for name in ("batch1", "batch32", "full_pass")},
    "imdb.bert": (92.96, 93.96),
    "imdb.distilbert": (92.32, 93.32),
    **{f"speed.depth{name}": (1.0, INFINITY) for name in ("", "_gpu_batch1", "_gpu_batch32")},
    "glue.retention_without_wnli": (95.4, INFINITY),
    # Upper bounds get the rounding of their last printed digit and no more.
    "imdb.gap": (-INFINITY, 0.65),
    "squad.em.bert": (80.2, 82.2),
    "squad.f1.bert": (87.5, 89.5),
    "squad.em.distilbert": (76.7, 78.7),
    "squad.f1.distilbert": (84.8, 86.8),
    "squad.em.distilbert_d": (78.1, 80.1),
    "squad.f1.distilbert_d": (85.9, 87.9),
    "squad.gap": (-INFINITY, 3.95),
    "squad.gap_d": (-INFINITY, 3.05),
    "squad.d_gain": (0.0, INFINITY),
    "text.d_gain": (0.0, INFINITY),
    "text.faster_than_elmo": (1.0, INFINITY),
    "distillation.losses": (0.0, INFINITY),
    "distillation.no_ce": (-4.56, -1.36),
    "distillation.no_cosine": (-3.06, 0.14),
    "distillation.no_mlm": (-1.91, 1.29),
    "distillation.random_init": (-5.29, -2.09),
}


@pytest.fixture(scope="module")
def baselines() -> Baselines:
    return load_baselines(FOLDER)


@pytest.mark.parametrize("table", TABLES)
def test_every_figure_is_the_printed_one(table: str, baselines: Baselines) -> None:
    rows = baselines.paper.tables[table].rows
    assert {row: " ".join(cells.values()) for row, cells in rows.items()} == TABLES[table]
    assert all(list(cells) == COLUMNS[table] for cells in rows.values())


def test_figures_of_the_running_text_are_the_printed_ones(baselines: Baselines) -> None:
    figures = baselines.paper.figures
    assert (figures["squad_d_f1"], figures["squad_d_em"]) == (79.8, 70.4)
    assert (figures["distilbert_v100s"], figures["distilbert_hours"]) == (8, 90)
    assert figures["roberta_v100s"] * figures["roberta_hours"] == 24_576


def test_the_misprint_is_corrected_beside_the_cell_and_not_in_it(baselines: Baselines) -> None:
    [misprint] = baselines.paper.misprints
    assert misprint.corrected == 84.7
    assert baselines.paper.printed(misprint.cell) == 86.7


def test_every_claim_quotes_a_sentence_and_says_where_it_stands(baselines: Baselines) -> None:
    assert len(baselines.claims) == len(baselines.paper.claims) + len(baselines.study.claims) > 60
    for claim in baselines.claims.values():
        assert len(claim.sentence.split()) > 3, claim.id
        assert claim.where.strip(), claim.id


def test_every_margin_has_a_reason_and_a_date_of_the_change_log(baselines: Baselines) -> None:
    released = re.findall(
        r"^## .*\((\d{4}-\d\d-\d\d)\)$", (FOLDER.parent / "CHANGELOG.md").read_text("utf-8"), re.MULTILINE
    )
    for claim in baselines.claims.values():
        assert len(claim.margin.reason.split()) > 1, claim.id
        assert claim.margin.fixed_on in released, f"{claim.id}: a changed margin is a line of the change log"


@pytest.mark.parametrize("name", BOUNDS)
def test_bounds_are_those_of_the_design(name: str, baselines: Baselines) -> None:
    assert baselines.claims[name].bounds == pytest.approx(BOUNDS[name], abs=1e-9)


@pytest.mark.parametrize("task", CELLS)
@pytest.mark.parametrize("model", ["bert", "distilbert"])
def test_margin_of_a_glue_cell_is_two_spreads_and_at_least_a_point(task: str, model: str, baselines: Baselines) -> None:
    margin = baselines.claims[f"glue.{task}.{model}"].margin.value
    assert margin == pytest.approx(max(1.0, 2 * SPREADS[task]))
    assert round(margin, 1) == CELLS[task]


def test_text_claims_may_differ_by_rounding_alone(baselines: Baselines) -> None:
    printed = [claim for claim in baselines.claims.values() if not claim.about and claim.id != "text.elmo"]
    assert len(printed) == 24
    for claim in printed:
        assert claim.margin.value in (0, claim.precision / 2), claim.id
        assert claim.margin.value == 0 or claim.rule == "exact", claim.id


def test_the_bound_without_wnli_follows_from_the_printed_cells(baselines: Baselines) -> None:
    rows = [[float(cell) for cell in TABLES["table1"][row].split()[1:-1]] for row in ("DistilBERT", "BERT-base")]
    assert all(len(row) == 8 for row in rows)
    claim = baselines.claims["glue.retention_without_wnli"]
    assert claim.published == round(100 * sum(rows[0]) / sum(rows[1]), 1) == 95.9
    corrected = 100 * sum(rows[0]) / (sum(rows[1]) - 86.7 + 84.7)
    assert f"{corrected:.1f} %" == "96.2 %"
    assert "96.2 %" in (claim.reading or "")
    assert claim.margin.value == baselines.claims["glue.retention"].margin.value


@pytest.mark.parametrize("name", ["gpu_batch1", "gpu_batch32", "gpu_full_pass"])
def test_speed_on_a_gpu_is_called_an_extension_where_it_is_shown(name: str, baselines: Baselines) -> None:
    claim = baselines.claims[f"speed.{name}"]
    assert all("exten" in text for text in (claim.title, claim.where))
    assert claim.setting is not None
    assert claim.setting["device"] == "cuda"


def test_every_claim_about_time_says_how_it_is_taken(baselines: Baselines) -> None:
    untimed = {claim.id for claim in baselines.paper.claims if claim.id.startswith("speed.") and claim.setting is None}
    assert untimed == {"speed.phone"}
    for claim in baselines.paper.claims:
        if claim.setting is not None:
            assert ("gpu" in claim.marks) == (claim.setting["device"] == "cuda"), claim.id
            assert {"device", "batch"} <= claim.setting.keys(), claim.id


def test_what_a_verdict_rests_on_follows_from_the_claim(baselines: Baselines) -> None:
    counted = Counter(claim.basis for claim in baselines.claims.values())
    assert counted == {"measured": 62, "text": 17, "study": 8}
    assert {c.basis for c in baselines.study.claims} == {"study"}
    assert all((c.basis == "text") is not bool(c.about) for c in baselines.paper.claims)


def test_only_the_known_contradictions_are_marked_so(baselines: Baselines) -> None:
    marked = {claim.id for claim in baselines.claims.values() if claim.contradiction}
    paper = {"text.score.bert", "text.elmo_stsb", "text.squad_d_em", "text.squad_d_f1", "text.squad_d_sentence"}
    assert marked == paper | {"prior.glue", "prior.uncased", "prior.epochs", "prior.retention"}


def test_spreads_are_the_published_ones(baselines: Baselines) -> None:
    assert {name: task.spread.value for name, task in baselines.tasks.items()} == SPREADS
    assert {name for name, task in baselines.tasks.items() if task.spread.assumed} == {"squad_em", "squad_f1"}


@pytest.mark.parametrize("role", ["teacher", "student"])
@pytest.mark.parametrize("task", SPREADS)
def test_paper_recipe_has_the_values_of_the_protocol(task: str, role: Any, baselines: Baselines) -> None:
    fields = baselines.recipes["paper"].fields(task, role)
    squad = task.startswith("squad")
    assert fields["learning_rate"].value == (3e-5 if squad else 2e-5)
    assert fields["batch_size"].value == (12 if squad else 32)
    assert fields["epochs"].value == (2 if squad else 3)
    assert fields["max_length"].value == (384 if squad else 512 if task == "imdb" else 128)
    assert ("doc_stride" in fields, squad and fields["doc_stride"].value) == (squad, squad and 128)
    assert fields["number_of_seeds"].value == len(fields["seeds"].value) == 5


def test_paper_recipe_states_only_what_table_1_states(baselines: Baselines) -> None:
    for task in SPREADS:
        fields = baselines.recipes["paper"].fields(task, "student")
        stated = {name: field.stated for name, field in fields.items() if field.stated}
        caption = dict.fromkeys(("number_of_seeds", "aggregate"), "Table 1, caption")
        assert stated == (caption if task in CELLS else {}), task


@pytest.mark.parametrize("task", SPREADS)
def test_prior_recipe_has_what_its_result_files_say(task: str, baselines: Baselines) -> None:
    recipe = baselines.recipes["prior-study"]
    teacher, student = recipe.fields(task, "teacher"), recipe.fields(task, "student")
    glue = {"mnli": (16, 32), "qqp": (16, 32)}.get(task, (32, 64))
    elsewhere = {"imdb": (16, 16), "squad_em": (12, 12), "squad_f1": (12, 12)}
    assert (teacher["batch_size"].value, student["batch_size"].value) == elsewhere.get(task, glue)
    assert teacher["epochs"].value == student["epochs"].value == {"wnli": 5, "squad_em": 2, "squad_f1": 2}.get(task, 3)
    assert teacher["lower_case"].value is (task in CELLS)
    assert (teacher["number_of_seeds"].value, teacher["seeds"].value) == (1, (42,))


def test_every_value_of_a_recipe_names_one_authority(baselines: Baselines) -> None:
    for recipe in baselines.recipes.values():
        for field in (field for setting in recipe.settings for field in setting.values.values()):
            assert [bool(field.stated), bool(field.assumed)].count(True) == 1


@pytest.mark.parametrize("role", ["teacher", "student"])
def test_configuration_is_the_published_one(role: str, baselines: Baselines) -> None:
    card = getattr(baselines.models, role)
    published = _mirrored(f"{card.id}/config.json")
    expected = {key: value for key, value in json.loads(published.read_text()).items() if key != "architectures"}
    assert card.config == expected
    assert {key: type(value) for key, value in card.config.items()} == {k: type(v) for k, v in expected.items()}


def test_revisions_are_the_pinned_ones(baselines: Baselines) -> None:
    teacher, student = baselines.models.teacher, baselines.models.student
    assert (teacher.id, teacher.revision[:12]) == ("google-bert/bert-base-uncased", "86b5e0934494")
    assert (student.id, student.revision[:12]) == ("distilbert/distilbert-base-uncased", "12040accade4")


def test_trivial_score_of_qnli_is_its_majority_class(baselines: Baselines) -> None:
    assert baselines.tasks["qnli"].trivial.value == 50.54
    assert 0 <= 50.54 - 100 * 2761 / 5463 < 1e-4


@pytest.mark.parametrize("task", ["cola", "mrpc", "qnli", "rte", "sst2", "stsb", "wnli", "imdb", "squad_em"])
def test_examples_and_trivial_score_follow_from_the_data(task: str, baselines: Baselines) -> None:
    answers = _answers(task)
    known = baselines.tasks[task]
    assert {part.examples for part in known.parts} == {len(answers)}
    # Rounded up, so that a run which does just that counts as failed.
    assert 0 <= known.trivial.value - _trivial(task, answers) < 1e-4


def _mirrored(path: str) -> Path:
    if not MIRROR.is_dir():
        pytest.skip("needs the published files beside the checkout, in ../shared/hub-mirror")
    return MIRROR / path


def _answers(task: str) -> list[Any]:
    """The right answer of every example that the task is scored on."""
    parquet = pytest.importorskip("pyarrow.parquet", reason="needs pyarrow to read the published data sets")
    folders = {"imdb": "stanfordnlp/imdb/plain_text/test", "squad_em": "rajpurkar/squad/plain_text/validation"}
    path = _mirrored(folders.get(task, f"nyu-mll/glue/{task}/validation") + "-00000-of-00001.parquet")
    column = "answers" if task.startswith("squad") else "label"
    return parquet.read_table(path, columns=[column])[column].to_pylist()


def _trivial(task: str, answers: list[Any]) -> float:
    """The best score, in points, without a look at the input."""
    if task == "squad_em":
        # The empty answer is right where a gold one has nothing but punctuation and articles, which do not count.
        empty = re.compile(rf"(?:[{re.escape(string.punctuation)}\s]|\b(?:a|an|the)\b)*", re.IGNORECASE)
        right = [answer for answer in answers if any(map(empty.fullmatch, answer["text"]))]
        assert len(right) == 3
        return 100 * len(right) / len(answers)
    if task in ("cola", "stsb"):
        assert len(set(answers)) > 1
        return 0.0  # what a correlation with a constant counts as
    share = max(Counter(answers).values()) / len(answers)
    if task == "mrpc":
        assert Counter(answers).most_common(1)[0][0] == 1
        return 100 * (share + 2 * share / (1 + share)) / 2
    return 100 * share


def _claim(raw: Any, name: str = "size.student") -> Any:
    return next(claim for claim in raw["claims"] if claim["id"] == name)


def _rename(record: Any, old: str, new: str) -> None:
    record[new] = record.pop(old)


# What is done to paper.json, and what is said about it besides the name of the file.
MISTAKES: dict[str, tuple[Callable[[Any], Any], tuple[str, ...]]] = {
    "misspelt key": (
        lambda raw: _rename(_claim(raw), "published", "publised"),
        ("{place}/publised", "size.student", "'published'"),
    ),
    "misspelt key of a margin": (
        lambda raw: _rename(_claim(raw)["margin"], "reason", "reson"),
        ("{place}/margin/reson", "size.student", "'reason'"),
    ),
    "margin without a reason": (
        lambda raw: _claim(raw)["margin"].pop("reason"),
        ("{place}/margin/reason", "size.student", "'reason'"),
    ),
    "margin with an empty reason": (
        lambda raw: _claim(raw)["margin"].update(reason=" "),
        ("{place}/margin/reason", "size.student"),
    ),
    "missing key": (
        lambda raw: _claim(raw).pop("where"),
        ("{place}/where", "size.student", "'where'"),
    ),
    "both fast and slow": (
        lambda raw: _claim(raw).update(marks=["fast", "slow"]),
        ("{place}", "size.student", "'marks'", "fast", "slow"),
    ),
    "contradiction of a measured claim": (
        lambda raw: _claim(raw).update(contradiction={"reason": "it failed"}),
        ("{place}", "size.student", "'about'", "contradiction"),
    ),
    "id twice": (
        lambda raw: _claim(raw).update(id="size.teacher"),
        ("'size.teacher'", "twice"),
    ),
    "published is not in the cell": (
        lambda raw: _claim(raw).update(published=67),
        ("'size.student'", "67.0", "table3", "66.0"),
    ),
    "published is not a number": (
        lambda raw: _claim(raw).update(published=math.nan),
        ("{place}/published", "size.student", "finite"),
    ),
    "unknown rule": (
        lambda raw: _claim(raw).update(rule="around"),
        ("{place}/rule", "size.student", "'exact'", "'within'", "'at_least'", "'at_most'"),
    ),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_mistake_is_named_with_file_place_and_claim(name: str, tmp_path: Path) -> None:
    change, words = MISTAKES[name]
    folder, raw = _copy(tmp_path)
    place = f"/claims/{raw['claims'].index(_claim(raw))}"
    change(raw)
    (folder / "paper.json").write_text(json.dumps(raw), encoding="utf-8")
    said = _complaint(folder)
    assert all(word in said for word in (str(folder / "paper.json"), *(w.replace("{place}", place) for w in words)))


def test_a_claim_whose_cell_is_not_there_is_named_with_the_cell(tmp_path: Path) -> None:
    folder, raw = _copy(tmp_path)
    _claim(raw)["cell"].update(row="GPT")
    (folder / "paper.json").write_text(json.dumps(raw), encoding="utf-8")
    said = _complaint(folder)
    cell = ("table3", "GPT", "# param. (Millions)")
    assert all(word in said for word in (str(folder / "paper.json"), "size.student", *cell))


@pytest.mark.parametrize("task", SPREADS)
def test_a_task_that_the_paper_scores_must_be_there(task: str, tmp_path: Path) -> None:
    folder, raw = _copy(tmp_path, "tasks.json")
    del raw["tasks"][task]
    (folder / "tasks.json").write_text(json.dumps(raw), encoding="utf-8")
    said = _complaint(folder)
    assert all(word in said for word in (str(folder / "tasks.json"), "/tasks", f"'{task}'"))


def test_the_recipe_of_the_paper_must_be_there(tmp_path: Path) -> None:
    folder, raw = _copy(tmp_path, "recipes.json")
    del raw["recipes"]["paper"]
    (folder / "recipes.json").write_text(json.dumps(raw), encoding="utf-8")
    said = _complaint(folder)
    assert all(word in said for word in (str(folder / "recipes.json"), "/recipes", "'paper'"))


@pytest.mark.parametrize("recipe", ["paper", "prior-study"])
def test_a_recipe_speaks_of_no_unknown_task(recipe: str, tmp_path: Path) -> None:
    folder, raw = _copy(tmp_path, "recipes.json")
    raw["recipes"][recipe]["settings"][1]["tasks"].append("imbd")
    (folder / "recipes.json").write_text(json.dumps(raw), encoding="utf-8")
    place = f"/recipes/{recipe}/settings/1/tasks"
    said = _complaint(folder)
    assert all(word in said for word in (str(folder / "recipes.json"), place, "'imbd'", "tasks.json"))


# What is put into a recipe, and what is said of it besides the place: the value, and what is allowed.
VALUES: dict[str, tuple[str, Any, tuple[str, ...]]] = {
    "misspelt": ("learning_rat", 2e-5, ("'learning_rat'", "'learning_rate'")),
    "unknown": ("colour", "blue", ("'colour'",)),
    "number as text": ("learning_rate", "2e-5", ('"2e-5"', " 0", " 1")),
    "truth as number": ("learning_rate", True, ("true", " 0", " 1")),
    "rate of nothing": ("learning_rate", 0.0, ("0.0", " 0", " 1")),
    "not a number": ("learning_rate", math.nan, ("NaN", " 0", " 1")),
    "no batch": ("batch_size", 0, (" 0", " 1")),
    "half a row": ("batch_size", 12.5, ("12.5", " 1")),
    "less than nothing": ("epochs", -1, ("-1", " 1")),
    "nothing": ("epochs", None, ()),
    "negative decay": ("weight_decay", -0.01, ("-0.01", " 0", " 1")),
    "infinite": ("max_grad_norm", math.inf, ("Infinity", " 0", " 1,000,000")),
    "seed twice": ("seeds", [42, 43, 42], ("[42, 43, 42]", " 0", " 4,000,000,000")),
    "negative seed": ("seeds", [-1], ("[-1]", " 0", " 4,000,000,000")),
    "no seed": ("seeds", [], ("[]", " 0", " 4,000,000,000")),
    "seed beyond numpy": ("seeds", [2**32], ("[4294967296]", " 0", " 4,000,000,000")),
    "seed alone": ("seeds", 42, (" 42", " 0", " 4,000,000,000")),
    "half precision": ("precision", "fp16", ('"fp16"', '"fp32"', '"bf16"')),
    "number as truth": ("lower_case", 1, (" 1", "true", "false")),
    "name of nothing": ("optimizer", 3, (" 3", " name")),
    "stride of the whole": ("doc_stride", 128, ("128", "max_length", "cola")),
}


@pytest.mark.parametrize("name", VALUES)
def test_an_impossible_value_of_a_recipe_is_named_with_its_place(name: str, tmp_path: Path) -> None:
    field, value, words = VALUES[name]
    folder, raw = _copy(tmp_path, "recipes.json")
    raw["recipes"]["paper"]["settings"][1]["values"][field] = {"value": value, "assumed": "a test"}
    (folder / "recipes.json").write_text(json.dumps(raw), encoding="utf-8")
    said = _complaint(folder)
    place = "/recipes/paper/settings/1/values" + (f"/{field}" if field in FIELDS else "")
    assert all(word in said for word in (str(folder / "recipes.json"), place, *words)), said


@pytest.mark.parametrize(("length", "place"), [(128, 1), (129, None)])
def test_lengths_of_two_settings_must_fit_each_other(length: int, place: int | None, tmp_path: Path) -> None:
    folder, raw = _copy(tmp_path, "recipes.json")
    settings = raw["recipes"]["prior-study"]["settings"]
    settings[:] = [
        {"tasks": ["squad_em"], "values": {"max_length": {"value": 128, "assumed": "a test"}}},
        {"tasks": ["squad_em"], "role": "student", "values": {"doc_stride": {"value": 128, "assumed": "a test"}}},
        {"tasks": ["squad_em"], "values": {"max_length": {"value": length, "assumed": "a test"}}},
    ]
    (folder / "recipes.json").write_text(json.dumps(raw), encoding="utf-8")
    if place is None:
        assert load_baselines(folder).recipes["prior-study"]
    else:
        said = _complaint(folder)
        assert f"/recipes/prior-study/settings/{place}/values/doc_stride" in said
        assert "128" in said


def test_a_slash_in_a_key_is_escaped_in_its_pointer(tmp_path: Path) -> None:
    folder, raw = _copy(tmp_path, "recipes.json")
    raw["recipes"]["paper"]["settings"][0]["values"]["steps/s~"] = {"value": 1}
    (folder / "recipes.json").write_text(json.dumps(raw), encoding="utf-8")
    said = _complaint(folder)
    place = "/recipes/paper/settings/0/values/steps~1s~0"
    assert all(word in said for word in (str(folder / "recipes.json"), place, "'stated'", "'assumed'"))


def test_what_is_not_json_is_named_with_line_and_column(tmp_path: Path) -> None:
    folder, _ = _copy(tmp_path)
    (folder / "paper.json").write_text('{\n  "title": }', encoding="utf-8")
    said = _complaint(folder)
    assert all(word in said for word in (str(folder / "paper.json"), "JSON", "line 2", "column 12"))


def test_an_id_of_the_paper_cannot_be_the_studys_too(tmp_path: Path) -> None:
    folder, _ = _copy(tmp_path)
    path = folder / "prior-study.json"
    path.write_text(path.read_text(encoding="utf-8").replace('"prior.size"', '"text.size"'), encoding="utf-8")
    said = _complaint(folder)
    assert all(word in said for word in (str(path), "'text.size'", "paper.json"))


def test_digest_tells_editions_of_the_paper_apart(tmp_path: Path, baselines: Baselines) -> None:
    folder, raw = _copy(tmp_path)
    assert load_baselines(folder).digest == baselines.digest
    (folder / "paper.json").write_text(json.dumps(raw), encoding="utf-8")
    assert load_baselines(folder).digest != baselines.digest


def _copy(tmp_path: Path, name: str = "paper.json") -> tuple[Path, Any]:
    folder = tmp_path / "baselines"
    shutil.copytree(FOLDER, folder)
    return folder, json.loads((folder / name).read_text(encoding="utf-8"))


def _complaint(folder: Path) -> str:
    with pytest.raises(Mistake) as mistake:
        load_baselines(folder)
    assert "\n" not in str(mistake.value)
    return str(mistake.value)
