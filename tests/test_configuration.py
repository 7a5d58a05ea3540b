"""measure.configuration and what is read with it: what config.json says a model is, and not how somebody ran it."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from judge.files import Mistake
from measure.architecture import describe
from measure.configuration import ASKED_FOR, config_in
from measure.hub import find_model
from measure.models import load as load_timed
from measure.store import Store
from measure.tokenizer import load_tokenizer
from tests.finetuned import job, run, with_rows
from tests.madedata import VOCABULARY, miniature, roberta, write_task

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")
pytest.importorskip("accelerate")

BOM = b"\xef\xbb\xbf"
# What people's config.json hold of each, where it is not transformers' default.
FLAGS: dict[str, Any] = {
    "output_hidden_states": True,
    "output_attentions": True,
    "_output_attentions": True,
    "return_dict": False,
    "torchscript": True,
    "use_cache": False,
    "attn_implementation": "eager",
    "_attn_implementation": "eager",
    "_attn_implementation_internal": "eager",
    "_attn_implementation_autoset": True,
    "experts_implementation": "eager",
    "gradient_checkpointing": True,
    "chunk_size_feed_forward": 3,
}


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A miniature DistilBERT."""
    return Path(miniature(tmp_path_factory.mktemp("plain") / "student", "distilbert"))


@pytest.fixture
def folder(plain: Path, tmp_path: Path) -> Path:
    """A copy of it, to be changed."""
    return Path(shutil.copytree(plain, tmp_path / "changed"))


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """WNLI and a regression, made."""
    folder = tmp_path_factory.mktemp("data")
    for task in ("wnli", "stsb"):
        write_task(folder, task, rows=40)
    return folder


def configure(folder: Path, **changes: Any) -> Path:
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))
    return folder


def refused(call: Callable[..., object], *arguments: Any, **options: Any) -> str:
    with pytest.raises(Mistake) as caught:
        call(*arguments, **options)
    said = str(caught.value)
    assert "\n" not in said
    return said


def state(folder: Path) -> dict[str, Any]:
    """A configuration as transformers has it in the end, but for where it was read from."""
    return {name: value for name, value in vars(config_in(folder, "mine")).items() if name != "_name_or_path"}


def test_every_way_of_running_a_model_is_in_the_table() -> None:
    assert set(FLAGS) == set(ASKED_FOR)


@pytest.mark.parametrize("flag", FLAGS)
def test_a_model_is_the_same_however_its_file_says_to_run_it(flag: str, plain: Path, folder: Path) -> None:
    configure(folder, **{flag: FLAGS[flag]})
    assert state(folder) == state(plain)
    assert find_model(str(folder), None, None).digest != find_model(str(plain), None, None).digest
    models = [load_timed(config_in(path, "mine"), str(path), "fp32", "cpu")[0] for path in (plain, folder)]
    outputs = [model(input_ids=torch.arange(7, 27)[None]) for model in models]
    assert [set(output) for output in outputs] == [{"logits"}] * 2, "what is timed computes nothing else"
    assert models[0].config._attn_implementation == models[1].config._attn_implementation


@pytest.mark.parametrize("task", ["wnli", "stsb"])
def test_a_fine_tuned_model_predicts_the_same_whatever_the_flags(
    task: str, plain: Path, folder: Path, data: Path, tmp_path: Path
) -> None:
    configure(folder, **FLAGS)
    if task == "stsb":  # as a classifier that somebody made of it says; of one number it cannot be
        configure(folder, problem_type="single_label_classification", id2label={"0": "no", "1": "yes"})
    jobs = [with_rows(job(task, str(path), data, epochs=1, max_length=32), 40) for path in (plain, folder)]
    assert jobs[0].key == jobs[1].key, "and what one came out with stands for the other"
    stores = [Store(tmp_path / name) for name in ("one", "other")]
    results = [run(made, store) for made, store in zip(jobs, stores, strict=True)]
    assert results[0].metrics == results[1].metrics
    assert stores[0].predictions(jobs[0].key) == stores[1].predictions(jobs[1].key)


@pytest.mark.parametrize("pruned", [{"0": [0]}, {"0": [], "1": [1]}])
def test_a_model_whose_heads_are_pruned_is_refused_and_not_counted_whole(pruned: Any, folder: Path) -> None:
    configure(folder, pruned_heads=pruned)
    said = refused(config_in, folder, "mine")
    assert all(word in said for word in (str(folder / "config.json"), "pruned_heads", "before its heads were pruned"))


@pytest.mark.parametrize("pruned", [{}, {"0": []}, None])
def test_a_model_of_which_no_head_is_pruned_is_counted(pruned: Any, plain: Path, folder: Path) -> None:
    configure(folder, pruned_heads=pruned)
    assert describe(config_in(folder, "mine")) == describe(config_in(plain, "mine"))


def test_a_quantized_model_is_refused(folder: Path) -> None:
    configure(folder, quantization_config={"quant_method": "bitsandbytes", "load_in_8bit": True})
    said = refused(config_in, folder, "mine")
    assert all(word in said for word in (str(folder / "config.json"), "quantization_config", "fp32"))


@pytest.mark.parametrize("value", ["2", 2.5, True, None, [2]])
@pytest.mark.parametrize("field", ["n_layers", "dim", "vocab_size"])
def test_a_value_of_a_wrong_type_is_named_with_its_field_and_file(field: str, value: Any, folder: Path) -> None:
    configure(folder, **{field: value})
    said = refused(config_in, folder, "mine")
    assert all(word in said for word in (f"{folder / 'config.json'}, /{field}", json.dumps(value), "int", "correct"))


@pytest.mark.parametrize("value", [3, None, ["bert"]])
def test_so_is_a_type_of_model_that_is_none(value: Any, folder: Path) -> None:
    configure(folder, model_type=value)
    said = refused(config_in, folder, "mine")
    assert all(word in said for word in (f"{folder / 'config.json'}, /model_type", json.dumps(value), "str", "correct"))


@pytest.mark.parametrize(
    "changes", [{"n_layers": 0}, {"n_layers": -1}, {"n_heads": 7}, {"dropout": "much"}, {"activation": 3}]
)
def test_a_value_that_no_model_can_have_is_refused_with_the_file(changes: dict[str, Any], folder: Path) -> None:
    configure(folder, **changes)
    said = refused(lambda: describe(config_in(folder, "mine")))
    [(_, value)] = changes.items()
    assert all(word in said for word in (str(folder / "config.json"), str(value), "correct"))


def test_a_byte_order_mark_changes_nothing(plain: Path, folder: Path, data: Path) -> None:
    path = folder / "config.json"
    path.write_bytes(BOM + path.read_bytes())
    assert describe(config_in(folder, "mine")) == describe(config_in(plain, "mine"))
    jobs = [with_rows(job("wnli", str(each), data), 40) for each in (plain, folder)]
    assert jobs[0].key == jobs[1].key
    assert load_tokenizer(folder, "mine")("red")["input_ids"] == load_tokenizer(plain, "mine")("red")["input_ids"]
    assert load_timed(config_in(folder, "mine"), str(folder), "fp32", "cpu")[1] == "real"
    path.write_bytes(BOM + json.dumps({"model_type": "bert", "auto_map": {"AutoModel": "own.Own"}}).encode())
    assert "auto_map" in refused(find_model, str(folder), None, None), "nor does it hide code"


def test_a_byte_order_mark_that_a_library_trips_over_is_called_one(folder: Path) -> None:
    path = folder / "tokenizer_config.json"
    path.write_bytes(BOM + path.read_bytes())
    said = refused(load_tokenizer, folder, "mine")
    assert all(word in said for word in (str(path), "byte order mark", "UTF-8"))


def cased(folder: Path) -> Path:
    """With capitals in its words, and without a file that says what to make of them."""
    words = [word.capitalize() if word.isalpha() else word for word in VOCABULARY]
    (folder / "vocab.txt").write_text("\n".join(words) + "\n")
    (folder / "tokenizer_config.json").unlink()
    return folder


@pytest.mark.parametrize("about", [None, {"model_max_length": 512}], ids=["words alone", "nothing on casing"])
def test_a_cased_model_that_does_not_say_so_is_not_lower_cased(about: Any, folder: Path) -> None:
    cased(folder)
    if about:
        (folder / "tokenizer_config.json").write_text(json.dumps(about))
    said = refused(load_tokenizer, folder, "mine")
    path = folder / "tokenizer_config.json"
    assert all(word in said for word in (str(folder / "vocab.txt"), '{"do_lower_case": false}', str(path)))
    for lower, token in ((False, VOCABULARY.index("red")), (True, VOCABULARY.index("[UNK]"))):
        path.write_text(json.dumps({"do_lower_case": lower}))
        assert load_tokenizer(folder, "mine")("Red")["input_ids"][1] == token, "as it is told"


def test_an_uncased_model_need_not_say_so(folder: Path) -> None:
    (folder / "tokenizer_config.json").unlink()
    assert load_tokenizer(folder, "mine")("Red")["input_ids"][1] == VOCABULARY.index("red")


def test_an_encoder_is_timed_whatever_head_it_was_fine_tuned_with(folder: Path) -> None:
    model = transformers.DistilBertForSequenceClassification.from_pretrained(folder, num_labels=2)
    model.save_pretrained(folder)
    timed, weights = load_timed(config_in(folder, "mine"), str(folder), "fp32", "cpu")
    assert (weights, timed.classifier.out_features) == ("real", 1)
    kept = model.distilbert.state_dict()
    assert all(torch.equal(value, kept[name]) for name, value in timed.distilbert.state_dict().items())


@pytest.mark.parametrize("changes", [{"dim": 32}, {"n_layers": 2}, {"vocab_size": 60}])
def test_weights_below_the_head_that_do_not_fit_are_refused(changes: dict[str, int], folder: Path) -> None:
    configure(folder, **changes)
    said = refused(load_timed, config_in(folder, "mine"), str(folder), "fp32", "cpu")
    assert all(word in said for word in (str(folder), "config.json", "save model and configuration together"))


@pytest.mark.parametrize("weights", [True, False], ids=["real", "random"])
@pytest.mark.parametrize("kind", ["distilbert", "roberta"])
def test_a_model_that_reads_less_than_it_is_timed_on_is_refused(weights: bool, kind: str, tmp_path: Path) -> None:
    make = roberta if kind == "roberta" else miniature
    positions = {"max_position_embeddings": 42 if kind == "roberta" else 40}
    folder = make(tmp_path / "short", **({"kind": kind} if make is miniature else {}), **positions)
    config = config_in(Path(folder), "short")
    given = folder if weights else None
    said = refused(load_timed, config, given, "fp32", "cpu", longest=87)
    assert all(word in said.replace(folder, "short") for word in ("short", " 40 ", " 87"))
    from measure.backends import build

    said = refused(build, "fp32_eager", config, given, [12, 87], 1)
    assert all(word in said.replace(folder, "short") for word in ("short", " 40 ", " 87"))
    model, _ = load_timed(config, given, "fp32", "cpu", longest=40)
    assert model(input_ids=torch.full((1, 40), 9)).logits.shape == (1, 1)


def test_the_longest_example_is_told_in_tokens(plain: Path) -> None:
    from measure.models import longest_of

    tokenizer = load_tokenizer(plain, "mine")
    assert longest_of([("red", "blue"), ("red gold", "blue pink grey")], tokenizer) == 8
    assert longest_of([("red " * 600, "blue")], tokenizer) == 512
