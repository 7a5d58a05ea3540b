"""What comes as a pre-trained model: what is fine-tuned, and what is refused in a sentence before anything is."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from judge.files import Mistake
from measure.hub import find_model
from measure.store import Store
from measure.tasks import TASKS
from tests.finetuned import job, run
from tests.madedata import VOCABULARY, byte_level, miniature, write_task

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")
pytest.importorskip("accelerate")


@pytest.fixture(scope="module")
def mirror(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("mirror")
    write_task(folder, "wnli")
    return folder


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A miniature BERT."""
    return Path(miniature(tmp_path / "model"))


def load(folder: Path, task: str = "wnli", length: int = 128) -> tuple[Any, tuple[str, ...]]:
    """What `run` does before it trains."""
    from measure.finetuning.pretrained import check_vocabulary, load_model, load_tokenizer

    files = find_model(str(folder), None, None)
    tokenizer = load_tokenizer(files)
    model, remarks = load_model(files, TASKS[task], length)
    check_vocabulary(files, tokenizer, model)
    return model, remarks


def resave(folder: Path, kind: str, **changes: Any) -> Path:
    """Save the model of a folder again, as one with another head."""
    getattr(transformers, kind).from_pretrained(folder, **changes).save_pretrained(folder)
    return folder


def reconfigure(folder: Path, **changes: Any) -> None:
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


@pytest.mark.parametrize(
    "kind", ["BertModel", "BertForMaskedLM", "BertForPreTraining", "BertForNextSentencePrediction"]
)
@pytest.mark.parametrize("task", ["mnli", "stsb", "squad"])
def test_what_was_pre_trained_gets_a_new_head(kind: str, task: str, folder: Path) -> None:
    resave(folder, kind)
    body = transformers.BertModel.from_pretrained(folder).state_dict()
    model, remarks = load(folder, task)
    head = model.qa_outputs if task == "squad" else model.classifier
    assert (head.out_features, remarks) == ({"mnli": 3, "stsb": 1, "squad": 2}[task], ())
    found = model.bert.state_dict()
    assert all(torch.equal(found[name], body[name]) for name in found if not name.startswith("pooler."))


@pytest.mark.parametrize("kind", ["DistilBertModel", "DistilBertForMaskedLM"])
def test_distilbert_is_as_good(kind: str, tmp_path: Path) -> None:
    folder = resave(Path(miniature(tmp_path / "model", "distilbert")), kind)
    assert load(folder)[1] == load(folder, "squad")[1] == ()


def test_weights_saved_in_half_precision_are_trained_in_single(folder: Path) -> None:
    transformers.BertModel.from_pretrained(folder).half().save_pretrained(folder)
    assert json.loads((folder / "config.json").read_text())["dtype"] == "float16"
    model, _ = load(folder)
    assert {parameter.dtype for parameter in model.parameters()} == {torch.float32}


def test_a_head_of_the_right_width_is_used_and_said(folder: Path, mirror: Path, tmp_path: Path) -> None:
    resave(folder, "BertForSequenceClassification", num_labels=2)
    own = transformers.BertForSequenceClassification.from_pretrained(folder).classifier.weight
    model, remarks = load(folder)
    assert torch.equal(model.classifier.weight, own)
    [said] = remarks
    assert all(word in said for word in ("head", "seeds")), said
    result = run(job("wnli", str(folder), mirror, limit=8, epochs=1), Store(tmp_path / "store"))
    assert result.provenance.notes == remarks


def test_a_head_of_another_width_is_refused(folder: Path) -> None:
    resave(folder, "BertForSequenceClassification", num_labels=3)
    with pytest.raises(Mistake, match=r"\bhead\b.*\b2\b.*SST-2"):
        load(folder, "sst2")
    assert load(folder, "squad")[1] == (), "for a question it is another head"


@pytest.mark.parametrize("head", ["BertModel", "BertForMaskedLM", "BertForSequenceClassification"])
@pytest.mark.parametrize(
    ("changes", "first"),
    [
        ({"num_hidden_layers": 3}, "encoder.layer.2."),
        ({"num_hidden_layers": 1}, "encoder.layer.1."),
        ({"hidden_size": 32}, "embeddings.LayerNorm."),
        ({"vocab_size": len(VOCABULARY) + 1}, "embeddings.word_embeddings.weight"),
    ],
    ids=["too few layers", "too many layers", "too wide", "another vocabulary"],
)
def test_weights_that_are_not_those_of_the_configuration_are_refused(
    head: str, changes: dict[str, int], first: str, folder: Path
) -> None:
    resave(folder, head)
    reconfigure(folder, **changes)
    with pytest.raises(Mistake, match=rf"config\.json.*\b\d+\b.* (bert\.)?{re.escape(first)}"):
        load(folder)


def test_another_architectures_weights_are_refused(folder: Path, tmp_path: Path) -> None:
    other = Path(miniature(tmp_path / "other", "distilbert"))
    (other / "model.safetensors").replace(folder / "model.safetensors")
    with pytest.raises(Mistake, match=r"config\.json.* bert\."):
        load(folder)


def test_a_constant_that_old_checkpoints_hold_is_no_weight(folder: Path) -> None:
    import safetensors.torch as files

    values = files.load_file(folder / "model.safetensors")
    values["embeddings.position_ids"] = torch.arange(512)
    files.save_file(values, folder / "model.safetensors", {"format": "pt"})
    assert load(folder)[1] == ()


def _no_tokenizer(folder: Path) -> None:
    (folder / "vocab.txt").unlink()
    (folder / "tokenizer_config.json").unlink()


def gpt_like(folder: Path) -> None:
    """A byte-level tokenizer without a padding token in the vocabulary's place."""
    byte_level(folder)
    path = folder / "tokenizer_config.json"
    about = json.loads(path.read_text())
    path.write_text(json.dumps({name: value for name, value in about.items() if name != "pad_token"}))
    (folder / "vocab.txt").unlink()


CODE = r"auto_map.* config\.json.*transformers"
BROKEN: dict[str, tuple[Callable[[Path], Any], str]] = {
    "no tokenizer": (_no_tokenizer, r"tokenizer\.json.*vocab\.txt"),
    "no words": (lambda folder: (folder / "vocab.txt").unlink(), r"tokenizer\.json.*vocab\.txt"),
    "empty words": (lambda folder: (folder / "vocab.txt").write_text(""), "tokenizer"),
    "no JSON": (
        lambda folder: (folder / "tokenizer.json").write_text("{"),
        r"tokenizer.*\bloaded\b.*tokenizer\.json",
    ),
    "slow tokenizer": (
        lambda folder: (folder / "tokenizer_config.json").write_text('{"tokenizer_class": "CanineTokenizer"}'),
        r"\bfast\b.*padding.*tokenizer\.json",
    ),
    "other tokenizer": (
        lambda folder: (folder / "vocab.txt").write_text("\n".join([*VOCABULARY, "one", "more"])),
        r"\b55\b.*\b53\b",
    ),
    "no weights": (
        lambda folder: (folder / "model.safetensors").unlink(),
        r"model\.safetensors",
    ),
    "pickled weights": (
        lambda folder: (folder / "model.safetensors").rename(folder / "pytorch_model.bin"),
        "safe_serialization=True",
    ),
    "cut weights": (
        lambda folder: (folder / "model.safetensors").write_bytes((folder / "model.safetensors").read_bytes()[:1000]),
        r"weights.*\bloaded\b",
    ),
    "unknown kind": (
        lambda folder: reconfigure(folder, model_type="nothing"),
        r"transformers \d.*'nothing'",
    ),
    "code of its own": (
        lambda folder: reconfigure(folder, model_type="own", auto_map={"AutoConfig": "own.Own"}),
        CODE,
    ),
    "code of its own for a known kind": (
        lambda folder: reconfigure(folder, auto_map={"AutoModel": "own.Own"}),
        CODE,
    ),
    "a tokenizer with code": (
        lambda folder: (folder / "tokenizer_config.json").write_text(
            '{"auto_map": {"AutoTokenizer": ["own.Own", null]}}'
        ),
        r"auto_map.* tokenizer_config\.json.*transformers",
    ),
    "settings that are no JSON": (
        lambda folder: (folder / "tokenizer_config.json").write_text("{"),
        r"tokenizer.*\bloaded\b.*tokenizer\.json",
    ),
    "no padding token": (gpt_like, r"\bfast\b.*padding.*tokenizer\.json"),
    "configuration that is no JSON": (
        lambda folder: (folder / "config.json").write_text('{"model_type": "bert"'),
        r"config\.json.*\bJSON\b",
    ),
    "configuration that is a list": (
        lambda folder: (folder / "config.json").write_text("[]"),
        r"config\.json.*model_type",
    ),
    "no kind": (
        lambda folder: reconfigure(folder, model_type=None),
        r"config\.json.*model_type.*\bstr\b",
    ),
    "width that is a word": (
        lambda folder: reconfigure(folder, hidden_size="wide"),
        r"configuration.*hidden_size",
    ),
    "width that heads do not divide": (
        lambda folder: reconfigure(folder, num_attention_heads=7),
        r"/model\b.*\b7\b",
    ),
    "an encoder with a decoder": (
        lambda folder: transformers.T5Config().save_pretrained(folder),
        r"\bt5\b.*\bdecoder\b.*BERT",
    ),
    "a decoder": (
        lambda folder: reconfigure(folder, model_type="gpt2"),
        r"\bgpt2\b.*\bdecoder\b.*BERT",
    ),
    "a decoder made of an encoder": (
        lambda folder: reconfigure(folder, is_decoder=True),
        r"\bbert\b.*\bdecoder\b.*BERT",
    ),
    "no head": (
        lambda folder: reconfigure(folder, model_type="splinter"),
        r"\bhead\b.*classification.*\bsplinter\b.*--tasks",
    ),
    "an adapter": (
        lambda folder: (folder / "adapter_config.json").write_text("{}"),
        r"adapter_config\.json.*\bmerge\b",
    ),
}


@pytest.mark.parametrize(("breaks", "said"), BROKEN.values(), ids=BROKEN)
def test_what_cannot_be_fine_tuned_is_refused_in_a_sentence(
    breaks: Callable[[Path], Any], said: str, folder: Path
) -> None:
    load(folder)
    breaks(folder)
    with pytest.raises(Mistake, match=said) as caught:
        load(folder)
    text = str(caught.value)
    assert "\n" not in text
    assert text.endswith(".")
    assert text.count(". ") == 0, "one sentence"
    assert folder.name in text or "splinter" in text


def roberta(folder: Path, positions: int) -> Path:
    """A miniature of RoBERTa's kind, which knows one token type and counts positions from behind its padding token."""
    kept = Path(miniature(folder))
    sizes = {"hidden_size": 64, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 64}
    config = transformers.RobertaConfig(
        vocab_size=len(VOCABULARY), type_vocab_size=1, max_position_embeddings=positions, pad_token_id=0, **sizes
    )
    transformers.RobertaModel(config).save_pretrained(kept)
    return kept


def test_a_model_that_reads_fewer_tokens_than_the_recipe_asks_for_is_refused(tmp_path: Path) -> None:
    bert = Path(miniature(tmp_path / "bert", max_position_embeddings=127))
    with pytest.raises(Mistake, match=r"\b127\b.*\b128\b.*WNLI"):
        load(bert)
    assert load(bert, length=127)[1] == ()
    other = roberta(tmp_path / "roberta", 128)
    with pytest.raises(Mistake, match=r"\b127\b.*\b128\b.*WNLI"):
        load(other)
    model, _ = load(other, length=127)
    assert model(input_ids=torch.full((1, 127), 9)).logits.shape == (1, 2)


def test_a_model_without_token_types_is_fine_tuned_too(mirror: Path, tmp_path: Path) -> None:
    own = roberta(tmp_path / "roberta", 130)
    result = run(job("wnli", str(own), mirror, limit=40, epochs=1), Store(tmp_path / "store"))
    assert (result.provenance.steps, result.splits) == (2, {"validation": 40})


def test_a_model_is_fine_tuned_as_the_task_asks_whatever_it_did_before(folder: Path) -> None:
    resave(folder, "BertForSequenceClassification", num_labels=3, problem_type="multi_label_classification")
    model, _ = load(folder, "mnli")
    assert (model.config.problem_type, model.config.num_labels) == (None, 3)
    resave(folder, "BertForSequenceClassification", num_labels=1, ignore_mismatched_sizes=True)
    assert load(folder, "stsb")[0].config.problem_type == "regression"
