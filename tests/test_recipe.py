"""measure.recipe: both recipes are whole for every task and model, and what is missing or at odds is said."""

import json
import shutil
from collections.abc import Callable
from dataclasses import MISSING, fields
from pathlib import Path
from typing import Any

import pytest

from judge.baselines import FIELDS, RecipeName, load_baselines
from judge.claims import Role
from judge.files import Mistake
from measure.recipe import OF_ANSWERS, Protocol, Recipe, protocol_of
from measure.tasks import TASKS
from tests.project import ROOT

BASELINES = load_baselines(ROOT / "baselines")
ABOUT = {"seeds", "number_of_seeds", "aggregate", "lower_case", "precision"}


def changed(tmp_path: Path, change: Callable[[Any], Any], task: str = "rte") -> Protocol:
    """The paper's recipe for a task, after the settings in recipes.json were changed."""
    folder = tmp_path / "baselines"
    shutil.copytree(ROOT / "baselines", folder)
    raw = json.loads((folder / "recipes.json").read_text(encoding="utf-8"))
    change(raw["recipes"]["paper"]["settings"])
    (folder / "recipes.json").write_text(json.dumps(raw), encoding="utf-8")
    return protocol_of(load_baselines(folder), "paper", TASKS[task], "teacher")


@pytest.mark.parametrize("role", ["teacher", "student"])
@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("name", ["paper", "prior-study"])
def test_both_recipes_are_whole_for_every_task_and_model(name: RecipeName, task: str, role: Role) -> None:
    protocol = protocol_of(BASELINES, name, TASKS[task], role)
    for field in fields(Recipe):
        value = getattr(protocol.recipe, field.name)
        if field.default is MISSING:
            assert type(value) is field.type, field.name
        else:
            assert (value is not None) == (task == "squad"), field.name
    stated = BASELINES.recipes[name].fields(TASKS[task].judged[0], role)
    assert protocol.recipe.values() == {key: field.value for key, field in stated.items() if key not in ABOUT}
    assert (protocol.name, protocol.seeds) == (name, (42, 43, 44, 45, 46) if name == "paper" else (42,))
    assert protocol.lower_case is not (name == "prior-study" and task in ("imdb", "squad"))
    assert protocol.precision == ("fp32" if name == "prior-study" else "bf16 or fp32")


def test_the_data_may_hold_what_a_recipe_has_and_nothing_else() -> None:
    assert set(FIELDS) == {field.name for field in fields(Recipe)} | ABOUT
    assert set(OF_ANSWERS) == {field.name for field in fields(Recipe) if field.default is not MISSING}


@pytest.mark.parametrize("field", [field.name for field in fields(Recipe)] + ["seeds", "lower_case", "precision"])
def test_a_missing_field_is_named(field: str, tmp_path: Path) -> None:
    def leave_out(settings: Any) -> None:
        for setting in settings:
            setting["values"].pop(field, None)

    with pytest.raises(Mistake) as mistake:
        changed(tmp_path, leave_out, "squad")
    assert all(word in str(mistake.value) for word in ("baselines/recipes.json, /recipes/paper", "SQuAD v1.1", field))


def test_a_classifier_needs_nothing_that_is_for_answers(tmp_path: Path) -> None:
    recipe = changed(tmp_path, lambda settings: settings.pop(3)).recipe
    assert recipe.values() == protocol_of(BASELINES, "paper", TASKS["rte"], "teacher").recipe.values()
    assert not set(OF_ANSWERS) & recipe.values().keys()


def test_scores_of_one_run_cannot_have_two_recipes(tmp_path: Path) -> None:
    more = {"tasks": ["squad_f1"], "values": {"epochs": {"value": 3, "assumed": "a test"}}}
    with pytest.raises(Mistake) as mistake:
        changed(tmp_path, lambda settings: settings.append(more), "squad")
    said = str(mistake.value)
    assert all(word in said for word in ("baselines/recipes.json, /recipes/paper", "squad_em", "squad_f1"))


def test_a_later_setting_wins_and_one_of_the_other_model_does_not_count(tmp_path: Path) -> None:
    def add(settings: Any) -> None:
        for role, batch in (("teacher", 8), ("student", 4)):
            settings.append({"tasks": ["rte"], "role": role, "values": {"batch_size": {"value": batch, "stated": "x"}}})

    assert changed(tmp_path, add).recipe.batch_size == 8


def test_a_number_is_the_same_with_and_without_a_point(tmp_path: Path) -> None:
    whole = {"value": 1, "assumed": "a test"}
    recipe = changed(tmp_path, lambda settings: settings[0]["values"].update(max_grad_norm=whole)).recipe
    assert json.dumps(recipe.values()) == json.dumps(
        protocol_of(BASELINES, "paper", TASKS["rte"], "teacher").recipe.values()
    )
