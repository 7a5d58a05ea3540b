"""measure.requests and measure.jobs: what options ask for becomes jobs, and a key for each that says what it is."""

import itertools
import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from judge.baselines import load_baselines
from judge.claims import ROLE_NAMES, Role
from judge.files import Mistake
from measure.hub import Absent
from measure.jobs import Job
from measure.requests import ROLES, Request, parse_seeds, parse_tasks, precision_on
from measure.tasks import TASKS
from tests.madedata import VOCABULARY, write_task
from tests.project import ROOT

pytest.importorskip("pyarrow", reason="data sets are parquet files")
BASELINES = load_baselines(ROOT / "baselines")
WNLI, IMDB = TASKS["wnli"], TASKS["imdb"]
ALL_TASKS = ",".join(TASKS)


def model_in(folder: Path, config: Any, weights: bytes = b"weights") -> Path:
    folder.mkdir(parents=True)
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "vocab.txt").write_text("\n".join(VOCABULARY) + "\n")
    (folder / "tokenizer_config.json").write_text(json.dumps({"tokenizer_class": "BertTokenizer"}))
    (folder / "model.safetensors").write_bytes(weights)
    return folder


@pytest.fixture(scope="module")
def mirror(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A mirror with WNLI and the paper's two models, whose weights nobody reads."""
    folder = tmp_path_factory.mktemp("mirror")
    write_task(folder, "wnli")
    for role in ROLES:
        card = getattr(BASELINES.models, role)
        model_in(folder / card.id, card.config, role.encode())
    return folder


def request_of(mirror: Path | None, **changes: Any) -> Request:
    fields = {"own": {}, "recipe": "paper", "tasks": tuple(TASKS), "fetch": False, **changes}
    return Request(BASELINES, mirror=mirror, **fields)


def refused(action: Callable[..., Any], *arguments: Any) -> str:
    with pytest.raises(Mistake) as mistake:
        action(*arguments)
    said = str(mistake.value)
    assert "\n" not in said
    assert said.endswith(".")
    return said


@pytest.mark.parametrize(
    ("text", "names"),
    [
        (None, tuple(TASKS)),
        ("rte", ("rte",)),
        ("wnli, cola", ("cola", "wnli")),
        ("squad,", ("squad",)),
    ],
)
def test_tasks_are_read_from_a_list(text: str | None, names: tuple[str, ...]) -> None:
    assert parse_tasks(text) == names


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("imbd", ("'imbd'", ALL_TASKS)),
        ("squad_em", ("'squad_em'", ALL_TASKS)),
        ("RTE", ("'RTE'", ALL_TASKS)),
        ("rte;cola", ("'rte;cola'", ALL_TASKS)),
        ("rte,cola,rte", ("'rte'", "twice")),
        ("", (ALL_TASKS,)),
        (" , ", (ALL_TASKS,)),
    ],
)
def test_tasks_that_cannot_be_are_refused_in_a_sentence(text: str, words: tuple[str, ...]) -> None:
    said = refused(parse_tasks, text)
    assert all(word in said for word in ("--tasks", *words))


@pytest.mark.parametrize(
    ("text", "seeds"),
    [
        (None, None),
        ("5", 5),
        ("100", 100),
        (" 3 ", 3),
        ("42,", (42,)),
        ("42,43", (42, 43)),
        ("44, 0,", (44, 0)),
        ("4000000000,1", (4_000_000_000, 1)),
    ],
)
def test_seeds_are_how_many_or_which(text: str | None, seeds: Any) -> None:
    assert parse_seeds(text) == seeds


@pytest.mark.parametrize(
    ("text", "words"),
    [
        *((text, (text if text.strip() else repr(text), "42,43,44")) for text in (
            "", " ", ",", ",,", "five", "-1", "+3", "1.5", "1e2", "٣", "²", "42,-1", "42,,43", ",42", "42,x", "4 2",
            "1_0",
        )),
        ("0", ("0", "100")),
        ("101", ("101", "100")),
        ("42,43,42", ("42", "twice")),
        ("1,01", ("1", "twice")),
        ("4000000001,", ("4,000,000,000",)),
        ("9" * 5000, ("4,000,000,000",)),
        ("1," + "9" * 5000, ("4,000,000,000",)),
    ],
)  # fmt: skip
def test_seeds_that_cannot_be_are_refused_in_a_sentence(text: str, words: tuple[str, ...]) -> None:
    said = refused(parse_seeds, text)
    assert all(re.search(rf"(?<!\w){re.escape(word)}(?!\w)", said) for word in ("--seeds", *words))


@pytest.mark.parametrize(
    ("recipe", "asked", "seeds"),
    [
        ("paper", None, (42, 43, 44, 45, 46)),
        ("paper", 3, (42, 43, 44)),
        ("paper", 5, (42, 43, 44, 45, 46)),
        ("paper", 8, (42, 43, 44, 45, 46, 47, 48, 49)),
        ("paper", (7, 3), (7, 3)),
        ("prior-study", None, (42,)),
        ("prior-study", 3, (42, 43, 44)),
    ],
)
def test_a_number_of_seeds_begins_with_the_recipes(recipe: Any, asked: Any, seeds: tuple[int, ...]) -> None:
    request = request_of(None, recipe=recipe, seeds=asked)
    assert request.seeds_of(request.protocol(WNLI, "student")) == seeds


def test_a_hundred_seeds_are_different_and_begin_with_those_that_fewer_would_be() -> None:
    protocol = replace(request_of(None).protocol(WNLI, "student"), seeds=(9, 2, 5))
    asked = [request_of(None, seeds=number).seeds_of(protocol) for number in range(1, 101)]
    assert all(len(set(seeds)) == number for number, seeds in enumerate(asked, 1))
    assert all(more[:-1] == fewer for fewer, more in itertools.pairwise(asked))
    assert max(asked[-1]) < 2**32


def test_there_is_a_job_for_each_seed_of_a_task_and_model(mirror: Path) -> None:
    jobs = request_of(mirror, seeds=2, limit=16).jobs(WNLI, "student", "cpu")
    assert [(job.task.name, job.role, job.seed, job.limit, job.precision) for job in jobs] == [
        ("wnli", "student", 42, 16, "fp32"),
        ("wnli", "student", 43, 16, "fp32"),
    ]
    for job in jobs:
        assert all(word in str(job) for word in ("distilbert-base-uncased", "WNLI", str(job.seed)))
        assert "/" not in str(job)
    assert jobs[0].model.paths[-1][1].parent == mirror / "distilbert" / "distilbert-base-uncased"


def test_the_papers_models_never_come_from_the_folder_that_the_run_is_started_in(
    mirror: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    card = BASELINES.models.student
    here = model_in(tmp_path / card.id, card.config, b"fine-tuned")
    monkeypatch.chdir(tmp_path)
    for own in ({}, {"student": card.id}):
        found = request_of(mirror, own=own).model("student")
        assert found.folder == mirror / card.id
        assert found.revision == (None if own else card.revision)
    found = request_of(mirror, own={"student": f"./{card.id}"}).model("student")
    assert (found.id, found.revision, found.folder.resolve()) == (f"./{card.id}", None, here)
    with pytest.raises(Absent, match=card.id):
        request_of(tmp_path / "empty").model("student")


def test_a_model_in_a_folder_is_called_by_the_end_of_its_name(mirror: Path, tmp_path: Path) -> None:
    own = model_in(tmp_path / "mine", {"model_type": "roberta"})
    [job] = request_of(mirror, own={"student": f"{own}/"}, seeds=1).jobs(WNLI, "student", "cpu")
    assert all(word in str(job) for word in ("mine", "WNLI", "42"))
    assert "/" not in str(job)
    assert job.model.revision is None


def test_what_a_request_cannot_have_is_said_before_anything_is_looked_for() -> None:
    def reason(role: Role = "teacher", task: Any = WNLI, **changes: Any) -> str:
        with pytest.raises(Absent) as absent:
            request_of(None, **changes).jobs(task, role, "cpu")
        return str(absent.value)

    assert "--tasks" in reason(tasks=("cola", "rte"))
    for role in ("student_d", "student_no_ce", "student_no_cosine", "student_no_mlm", "student_random_init"):
        said = reason(role)
        assert all(word in said for word in (ROLE_NAMES[role], "--evidence"))
    said = reason(task=IMDB, recipe="prior-study")
    assert all(word in said for word in ("'prior-study'", " cased", IMDB.label))


def test_the_prior_studys_cased_models_are_no_reason_against_a_model_of_ones_own() -> None:
    request = request_of(None, recipe="prior-study", own={"student": "mine"})
    request.check(IMDB, "student")
    request.check(WNLI, "teacher")
    with pytest.raises(Absent, match=TASKS["squad"].label):
        request.check(TASKS["squad"], "teacher")


@pytest.mark.parametrize(
    ("config", "has"),
    [
        ({"num_hidden_layers": 6}, r"\bnum_hidden_layers\b.*\b6\b.*\b12\b"),
        ({"vocab_size": 28996}, r"\bvocab_size\b.*\b28996\b.*\b30522\b"),
        ({"model_type": "distilbert"}, r"\bmodel_type\b.*\bdistilbert\b.*\bbert\b"),
        ({"model_type": None}, r"\bmodel_type\b.*\bNone\b.*\bbert\b"),
    ],
)
def test_another_architecture_under_the_papers_name_is_refused(config: Any, has: str, tmp_path: Path) -> None:
    card = BASELINES.models.teacher
    folder = model_in(tmp_path / card.id, {**card.config, **config})
    said = refused(request_of(tmp_path).model, "teacher")
    assert str(folder) in said
    assert all(word in said.replace(str(folder), "") for word in (card.id, "--teacher", "--student"))
    assert re.search(has, said)
    assert request_of(tmp_path, own={"teacher": str(folder)}).model("teacher").folder == folder


def test_what_a_configuration_leaves_out_is_the_default_but_its_kind_must_be_said(tmp_path: Path) -> None:
    card = BASELINES.models.teacher
    folder = model_in(tmp_path / card.id, {"model_type": "bert", "transformers_version": "5.23.0"})
    assert request_of(tmp_path).model("teacher").id == card.id
    for text in ("{}", "[]"):
        (folder / "config.json").write_text(text)
        said = refused(request_of(tmp_path).model, "teacher")
        assert all(word in said for word in (str(folder), "model_type", "None"))
    for text in ("null", "{", "\0", "3", '"bert"'):
        (folder / "config.json").write_text(text)
        said = refused(request_of(tmp_path).model, "teacher")
        assert f"{folder}/config.json" in said
        assert all(word in said.replace(str(folder), "") for word in ("JSON", card.id))


def test_files_are_looked_for_once(mirror: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    request = request_of(mirror)
    assert request.data(WNLI) is request.data(WNLI)
    assert request.model("student") is request.model("student")
    assert replace(request, fetch=True).data(WNLI) is request.data(WNLI)
    asked: list[str] = []

    def missing(task: Any, folder: Path, *, fetch: bool) -> Any:
        asked.append(f"{task.name} {fetch}")
        raise Absent("no hub")

    monkeypatch.setattr("measure.requests.find_task", missing)
    for fetch in (False, False, True, True, True):
        with pytest.raises(Absent, match="no hub"):
            replace(request, fetch=fetch).data(TASKS["rte"])
    # A download that failed is not tried again; where none was allowed, one may be later.
    assert asked == ["rte False", "rte False", "rte True"]


@pytest.mark.parametrize(
    ("device", "has", "asked", "precision"),
    [
        ("cpu", True, "bf16 or fp32", "fp32"),
        ("mps", True, "bf16 or fp32", "fp32"),
        ("cuda", True, "bf16 or fp32", "bf16"),
        ("cuda", False, "bf16 or fp32", "fp32"),
        ("cuda", True, "fp32", "fp32"),
        ("cpu", True, "bf16", "bf16"),
    ],
)
def test_bf16_is_for_a_gpu_that_has_it_where_the_recipe_leaves_it_open(
    device: str, has: bool, asked: str, precision: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch = pytest.importorskip("torch", reason="it knows the GPU")
    # A GPU without bf16 can still emulate it, slowly.
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation=True: including_emulation or has)
    protocol = replace(request_of(None).protocol(WNLI, "teacher"), precision=asked)
    assert precision_on(device, protocol) == precision


def job_of(mirror: Path, **changes: Any) -> Job:
    pytest.importorskip("transformers", reason="a key says what the tokenizer does")
    return request_of(mirror, seeds=(42,), **changes).jobs(WNLI, "teacher", "cpu")[0]


def copy_of(mirror: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(mirror, tmp_path / "elsewhere"))


def test_a_key_is_the_same_wherever_the_files_lie(mirror: Path, tmp_path: Path) -> None:
    job, copy = job_of(mirror), copy_of(mirror, tmp_path)
    assert job_of(copy).key == job.key
    own = job_of(copy, own={"teacher": str(copy / job.model.id)})
    assert (own.key, own.family) == (job.key, job.family)
    assert own.facts() == {**job.facts(), "model": str(copy / job.model.id), "revision": None}


def test_a_key_is_the_same_in_another_process(mirror: Path) -> None:
    script = (
        "import sys; from pathlib import Path; from tests.test_requests import job_of; "
        "job = job_of(Path(sys.argv[1])); print(job.key, job.family)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(mirror)], cwd=ROOT, capture_output=True, text=True, check=True, timeout=60
    )
    job = job_of(mirror)
    assert done.stdout.split() == [job.key, job.family]
    assert [len(key) for key in (job.key, job.family)] == [32, 32]


def recipe_changed(job: Job, **values: Any) -> Job:
    return replace(job, protocol=replace(job.protocol, recipe=replace(job.protocol.recipe, **values)))


CHANGES: dict[str, Callable[[Job], Job]] = {
    "seed": lambda job: replace(job, seed=43),
    "precision": lambda job: replace(job, precision="bf16"),
    "limit": lambda job: replace(job, limit=100),
    "task": lambda job: replace(job, task=TASKS["rte"]),
    **{
        name: lambda job, name=name, value=value: recipe_changed(job, **{name: value})
        for name, value in {
            "learning_rate": 3e-5, "batch_size": 16, "epochs": 2, "max_length": 64, "optimizer": "sgd",
            "schedule": "constant", "warmup_steps": 1, "weight_decay": 0.1, "max_grad_norm": 0.5, "doc_stride": 1,
            "n_best": 1, "max_answer_length": 1,
        }.items()
    },
}  # fmt: skip


def test_each_thing_that_changes_a_run_changes_its_key_and_the_seed_alone_not_its_family(mirror: Path) -> None:
    job = job_of(mirror)
    others = {name: change(job) for name, change in CHANGES.items()}
    assert set(others) >= set(job.protocol.recipe.__dataclass_fields__)
    assert len({job.key, *(other.key for other in others.values())}) == 1 + len(others)
    families = {name for name, other in others.items() if other.family != job.family}
    assert families == set(others) - {"seed"}


@pytest.mark.parametrize(
    "name",
    [
        "google-bert/bert-base-uncased/model.safetensors",
        "google-bert/bert-base-uncased/vocab.txt",
        "nyu-mll/glue/wnli/train-00000-of-00001.parquet",
        "nyu-mll/glue/wnli/validation-00000-of-00001.parquet",
    ],
)
def test_a_byte_of_weights_or_data_changes_the_key(name: str, mirror: Path, tmp_path: Path) -> None:
    copy = copy_of(mirror, tmp_path)
    with (copy / name).open("ab") as file:
        file.write(b" ")
    changed = job_of(copy)
    assert changed.key != job_of(mirror).key
    assert changed.family != job_of(mirror).family


def test_what_does_not_change_a_run_does_not_change_its_key(mirror: Path) -> None:
    job = job_of(mirror)
    renamed = replace(job, role="student", protocol=replace(job.protocol, name="prior-study", seeds=(1,)))
    assert renamed.key == job.key
    with_less = request_of(mirror, tasks=("wnli",), seeds=(42, 43)).jobs(WNLI, "teacher", "cpu")
    assert [other.family for other in with_less] == [job.family] * 2
    assert with_less[0].key == job.key
