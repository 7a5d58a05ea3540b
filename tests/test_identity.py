"""measure.identity: a model has one identity wherever its files came from, and another as soon as it does otherwise."""

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from judge.files import Mistake
from measure.configuration import LEFT_OUT
from measure.hub import Files, digest_of, find_model
from measure.identity import model_identity, tokenizer_form
from measure.jobs import Job
from measure.scored import measurements_of
from tests.finetuned import job, run, with_rows
from tests.hubclient import connected
from tests.madedata import miniature, roberta, write_task

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")
pytest.importorskip("accelerate")

NAME = "someone/student"
# What another version of transformers, or another way to save the same model, leaves in config.json.
VOLATILE: dict[str, Any] = {
    "_name_or_path": "/home/someone/student",
    "transformers_version": "4.11.0",
    "architectures": ["BertForMaskedLM"],
    "dtype": None,
    "torch_dtype": "float32",
    "id2label": {"0": "no", "1": "yes", "2": "perhaps"},
    "label2id": {"no": 0, "yes": 1, "perhaps": 2},
    "num_labels": 3,
    "problem_type": "single_label_classification",
    "finetuning_task": "mnli",
}


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A miniature BERT with a list of words for a tokenizer."""
    return Path(miniature(tmp_path_factory.mktemp("identity") / "student"))


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    write_task(folder, "wnli", rows=40)
    return folder


@pytest.fixture
def copy(model: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(model, tmp_path / "copy"))


def identity_of(folder: Path | str) -> str:
    return model_identity(find_model(str(folder), None, None))


def rewrite(folder: Path, **changes: Any) -> None:
    """Change config.json; None removes a key. Keys come in another order and without spaces."""
    path = folder / "config.json"
    values = {**json.loads(path.read_text()), **changes}
    values = {name: value for name, value in values.items() if name not in changes or value is not None}
    path.write_text(json.dumps(dict(reversed(values.items())), separators=(",", ":")))


def save_again(folder: Path) -> None:
    """What a hub may hold beside the list of words: the same tokenizer as other versions save it."""
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    tokenizer("a call before", truncation=True, max_length=7, padding="max_length")
    tokenizer.save_pretrained(folder)
    special = {name: str(getattr(tokenizer, name)) for name in ("unk_token", "sep_token", "pad_token", "cls_token")}
    (folder / "special_tokens_map.json").write_text(json.dumps(special))
    (folder / "added_tokens.json").write_text("{}")


def job_on(model: str, data: Path, **more: Any) -> Job:
    return with_rows(job("wnli", model, data, epochs=1, max_length=32, **more), 40)


def test_the_same_pair_has_one_key_as_a_folder_in_a_mirror_and_from_the_hub(
    model: Path, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mirror = Path(shutil.copytree(data, tmp_path / "mirror"))
    shutil.copytree(model, mirror / NAME)
    served = Path(shutil.copytree(model, tmp_path / "served"))
    save_again(served)
    rewrite(served, **VOLATILE)
    own, mirrored = job_on(str(model), data), job_on(NAME, mirror)
    with connected(tmp_path, monkeypatch) as hub:
        hub.add(NAME, served)
        fetched, again = job_on(NAME, data), job_on(NAME, data)
    names = [{name for name, _ in made.model.paths} for made in (own, mirrored, fetched)]
    assert names[0] == names[1] < names[2]
    assert {"tokenizer.json", "special_tokens_map.json"} <= names[2]
    assert fetched.model.folder.is_relative_to(tmp_path / "hub")
    assert fetched.model.digest != own.model.digest, "files and bytes are others"
    assert len({made.key for made in (own, mirrored, fetched, again)}) == 1
    assert len({made.family for made in (own, mirrored, replace(fetched, seed=3))}) == 1


def test_what_one_came_out_with_is_found_for_the_other_and_recorded_as_the_same_model(
    model: Path, copy: Path, data: Path, tmp_path: Path
) -> None:
    from measure.store import Store

    save_again(copy)
    rewrite(copy, **VOLATILE)
    store = Store(tmp_path / "cache")
    one, other = job_on(str(model), data), job_on(str(copy), data)
    result = run(one, store)
    assert store.find(other.key) == result
    first, second = (measurements_of([made], [result], 1)[0].model for made in (one, other))
    assert first.digest == second.digest == model_identity(one.model)
    assert first.id != second.id


def change_weight(folder: Path) -> None:
    import safetensors.torch as files

    values = files.load_file(folder / "model.safetensors")
    values["encoder.layer.0.output.dense.weight"][0, 0] += 2**-20
    files.save_file(values, folder / "model.safetensors", {"format": "pt"})


def change_word(folder: Path) -> None:
    words = (folder / "vocab.txt").read_text()
    (folder / "vocab.txt").write_text(words.replace("word7\n", "word77\n"))


def configure_tokenizer(folder: Path, **changes: Any) -> None:
    path = folder / "tokenizer_config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


OTHERWISE: dict[str, Callable[[Path], Any]] = {
    "a weight": change_weight,
    "a word": change_word,
    "two words in each other's place": lambda folder: (folder / "vocab.txt").write_text(
        (folder / "vocab.txt").read_text().replace("red\nblue\n", "blue\nred\n")
    ),
    "capitals": lambda folder: configure_tokenizer(folder, do_lower_case=False),
    "accents": lambda folder: configure_tokenizer(folder, strip_accents=False),
    "a special token": lambda folder: configure_tokenizer(folder, sep_token="[MASK]"),
    "a token of its own": lambda folder: configure_tokenizer(folder, extra_special_tokens=["word9"]),
    "the side that is cut": lambda folder: configure_tokenizer(folder, truncation_side="left"),
    "the side that is padded": lambda folder: configure_tokenizer(folder, padding_side="left"),
    "no mask of what is padded": lambda folder: configure_tokenizer(folder, model_input_names=["input_ids"]),
    "dropout": lambda folder: rewrite(folder, hidden_dropout_prob=0.2),
    "an activation": lambda folder: rewrite(folder, hidden_act="relu"),
    "a norm": lambda folder: rewrite(folder, layer_norm_eps=1e-5),
    "a value that nobody knows": lambda folder: rewrite(folder, of_a_later_version=True),
}


@pytest.mark.parametrize("change", OTHERWISE.values(), ids=OTHERWISE)
def test_what_changes_a_run_changes_the_identity(change: Callable[[Path], Any], model: Path, copy: Path) -> None:
    assert identity_of(copy) == identity_of(model)
    change(copy)
    assert identity_of(copy) != identity_of(model)


@pytest.mark.parametrize("name", VOLATILE)
def test_what_is_left_out_of_the_configuration_changes_nothing(name: str, model: Path, copy: Path) -> None:
    assert set(VOLATILE) == set(LEFT_OUT)
    rewrite(copy, **{name: VOLATILE[name]})
    assert identity_of(copy) == identity_of(model)


# What remains of a tokenizer that was saved again.
SAVED = {
    "all of it": [
        "tokenizer.json",
        "tokenizer_config.json",
        "special_tokens_map.json",
        "added_tokens.json",
        "vocab.txt",
    ],
    "the new form": ["tokenizer.json", "tokenizer_config.json"],
    "words and settings": ["vocab.txt", "tokenizer_config.json", "special_tokens_map.json"],
}


@pytest.mark.parametrize("names", SAVED.values(), ids=SAVED)
@pytest.mark.parametrize("lower", [True, False], ids=["uncased", "cased"])
def test_a_tokenizer_is_the_same_however_it_was_saved(
    names: list[str], lower: bool, copy: Path, tmp_path: Path
) -> None:
    configure_tokenizer(copy, do_lower_case=lower)
    saved = Path(shutil.copytree(copy, tmp_path / "saved"))
    save_again(saved)
    for name in set(SAVED["all of it"]) - set(names):
        (saved / name).unlink()
    assert {path.name for path in saved.iterdir()} == {"config.json", "model.safetensors", *names}
    one, other = (transformers.AutoTokenizer.from_pretrained(folder) for folder in (copy, saved))
    assert tokenizer_form(one) == tokenizer_form(other)
    assert one("Answer Red ?", "wOrd1")["input_ids"] == other("Answer Red ?", "wOrd1")["input_ids"]
    assert identity_of(saved) == identity_of(copy)


def test_a_byte_level_tokenizer_has_an_identity_too(tmp_path: Path) -> None:
    one, same = tmp_path / "one", tmp_path / "same"
    roberta(one)
    shutil.copytree(one, same)
    save_again(same)
    assert identity_of(same) == identity_of(one)
    merges = json.loads((same / "tokenizer.json").read_text())
    merges["model"]["merges"].reverse()
    (same / "tokenizer.json").write_text(json.dumps(merges))
    assert identity_of(same) != identity_of(one)


def test_weights_are_those_that_are_loaded_and_not_what_lies_beside(model: Path, copy: Path) -> None:
    (copy / "other.safetensors").write_bytes(b"of another program")
    (copy / "optimizer.bin").write_bytes(b"of its training")
    (copy / "model.safetensors.index.json").write_text('{"weight_map": {"a": "other.safetensors"}}')
    assert identity_of(copy) == identity_of(model)


def test_of_weights_in_parts_every_part_counts(copy: Path) -> None:
    transformers.BertModel.from_pretrained(copy).save_pretrained(copy, max_shard_size="60KB")
    (copy / "model.safetensors").unlink(missing_ok=True)
    parts = sorted(copy.glob("model-*.safetensors"))
    assert len(parts) > 1
    whole = identity_of(copy)
    (copy / "model-00009-of-00009.safetensors").write_bytes(b"left over")
    index = json.loads((copy / "model.safetensors.index.json").read_text())
    (copy / "model.safetensors.index.json").write_text(json.dumps({**index, "metadata": {}}))
    assert identity_of(copy) == whole
    seen = {whole}
    for part in parts:
        content = part.read_bytes()
        part.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
        seen.add(identity_of(copy))
        part.write_bytes(content)
    assert len(seen) == 1 + len(parts)


def test_files_are_read_once_for_all_jobs_of_a_model(model: Path, data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    counted: list[int] = []

    def digest(paths: Any) -> str:
        counted.append(len(paths))
        return digest_of(paths)

    monkeypatch.setattr("measure.identity.digest_of", digest)
    made = job_on(str(model), data)
    keys = {replace(made, seed=seed).key for seed in range(20)}
    assert (len(keys), len(counted)) == (20, 1)
    assert len({replace(made, seed=seed).family for seed in range(20)}) == 1
    assert len(counted) == 1
    # Another look at the folder is another question: it may have been changed.
    assert job_on(str(model), data).key == made.key
    assert len(counted) == 2


def test_a_key_does_not_change_in_the_middle_of_a_run(copy: Path, data: Path) -> None:
    made = job_on(str(copy), data)
    before = made.key
    change_weight(copy)
    assert made.key == before
    assert job_on(str(copy), data).key != before


def test_what_cannot_be_loaded_is_a_sentence_before_anything_is_trained(copy: Path, data: Path) -> None:
    (copy / "config.json").write_text("{")
    with pytest.raises(Mistake, match=r"\bconfig\.json\b.*\bJSON\b"):
        assert job_on(str(copy), data).key


def test_files_that_are_not_there_are_no_part_of_it() -> None:
    assert model_identity(Files("a", None, ())) == model_identity(Files("b", "c", ()))
