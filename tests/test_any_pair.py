"""Any encoder that transformers knows: counted, costed, loaded and fine-tuned, beside one with another tokenizer."""

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from judge.files import Mistake
from measure.architecture import describe
from measure.configuration import config_in
from measure.flops import activation_bytes, forward, shape_from
from measure.hub import find_model
from measure.jobs import Job
from measure.store import Store
from measure.tasks import TASKS
from tests.finetuned import job, run, with_rows
from tests.madedata import VOCABULARY, miniature, roberta, write_task

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

TINY = {"num_hidden_layers": 3, "hidden_size": 32, "num_attention_heads": 4, "intermediate_size": 64, "vocab_size": 99}
NARROW = {"embedding_size": 16}
# Every kind of encoder that must be counted: changes of TINY for it.
KINDS: dict[str, dict[str, Any]] = {
    "bert": {},
    "distilbert": {},
    "roberta": {"type_vocab_size": 1},
    "xlm-roberta": {},
    "camembert": {},
    "albert": {"num_hidden_layers": 12, **NARROW},
    "electra": NARROW,
    "mpnet": {},
    "deberta": {"relative_attention": True, "pos_att_type": ["c2p", "p2c"], "max_relative_positions": 20},
    "deberta-v2": {"relative_attention": True, "pos_att_type": ["c2p", "p2c"], "max_relative_positions": 20},
    "mobilebert": {"embedding_size": 16, "intra_bottleneck_size": 16},
    "convbert": NARROW,
    "roformer": NARROW,
    "nystromformer": {"num_landmarks": 4, "segment_means_seq_len": 64},
    "megatron-bert": {},
    "funnel": {"block_sizes": [1, 1, 1], "d_head": 8, "d_inner": 64},
    "modernbert": {"pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2, "cls_token_id": 1, "sep_token_id": 2},
    "fnet": {},
    "squeezebert": {"embedding_size": 32},
    "xlm": {"pad_index": 0},
    "flaubert": {"pad_index": 0},
    "ibert": {},
    "rembert": {"input_embedding_size": 16, "output_embedding_size": 16},
}
# transformers' own names, where a type does not take the common ones when it is made.
NAMES = {
    "distilbert": {
        "num_hidden_layers": "n_layers",
        "hidden_size": "dim",
        "num_attention_heads": "n_heads",
        "intermediate_size": "hidden_dim",
    },
    "funnel": {"hidden_size": "d_model", "num_attention_heads": "n_head"},
    "xlm": {"num_hidden_layers": "n_layers", "hidden_size": "emb_dim", "num_attention_heads": "n_heads"},
}
NAMES["flaubert"] = NAMES["xlm"]
NOT_TAKEN = {"funnel": {"num_hidden_layers", "intermediate_size"}, "fnet": {"num_attention_heads"}}


def tiny(kind: str) -> Any:
    """A tiny configuration of a kind of encoder."""
    names, left_out = NAMES.get(kind, {}), NOT_TAKEN.get(kind, ())
    values = {names.get(name, name): value for name, value in TINY.items() if name not in left_out}
    return transformers.AutoConfig.for_model(kind, **{**values, **KINDS[kind]})


def built(config: Any, auto: str) -> Any:
    """The same model with real weights on the processor."""
    config.num_labels = 2
    config.architectures = []
    with torch.random.fork_rng():
        return getattr(transformers, auto).from_config(config)


def stored(model: Any) -> int:
    """Values that are to be stored: by where they lie in memory, so that what is shared counts once."""
    values = [value for value in model.state_dict(keep_vars=True).values() if isinstance(value, torch.nn.Parameter)]
    lying = {value.data_ptr(): value.numel() for value in values}
    return sum(lying.values())


@pytest.mark.parametrize("kind", KINDS)
def test_an_encoder_is_counted_without_weights_as_with_them(kind: str) -> None:
    config = tiny(kind)
    counts = describe(config)
    encoder = built(tiny(kind), "AutoModel")
    assert counts["encoder"] == stored(encoder)
    assert counts["classification"] == stored(built(tiny(kind), "AutoModelForSequenceClassification"))
    assert counts["question_answering"] == stored(built(tiny(kind), "AutoModelForQuestionAnswering"))
    assert (counts["width"], counts["vocabulary"]) == (32, 99)
    assert counts["layers"] == KINDS[kind].get("num_hidden_layers", 3)
    assert counts["heads"] == (0 if kind == "fnet" else 4)
    named = {name: parameter.numel() for name, parameter in encoder.named_parameters()}
    assert counts["pooler"] == sum(number for name, number in named.items() if ".pooler." in f".{name}")
    # The configuration is the caller's: nothing is written into it.
    assert config.to_dict() == tiny(kind).to_dict()


def test_shared_layers_are_weights_once_and_work_for_each_layer() -> None:
    deep, shallow = tiny("albert"), tiny("albert")
    shallow.num_hidden_layers = 1
    many, one = describe(deep), describe(shallow)
    assert (many["layers"], one["layers"]) == (12, 1)
    assert many["encoder"] == one["encoder"]
    layer = 4 * 32**2 + 2 * 32 * 64
    assert (many["linear"], one["linear"]) == (12 * layer + 16 * 32, layer + 16 * 32)


@pytest.mark.parametrize("kind", ["bert", "distilbert", "roberta", "albert", "electra", "mpnet", "squeezebert", "fnet"])
def test_work_is_what_a_forward_pass_does(kind: str) -> None:
    from torch.utils.flop_counter import FlopCounterMode

    counts, length = describe(tiny(kind)), 24
    config = tiny(kind)
    config._attn_implementation = "eager"  # the counter knows no fused attention on a processor
    encoder = built(config, "AutoModel").eval()
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        encoder(input_ids=torch.full((1, length), 5))
    shape = shape_from(counts)
    # A pooler's work is a token's, and a Fourier transform is none of the products that are counted.
    attention = 0 if kind == "fnet" else 1
    expected = forward(shape, length, length * attention) + 2 * 32**2 * (counts["pooler"] > 0)
    assert counter.get_total_flops() == pytest.approx(expected, rel=0.001)


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_has_a_shape_that_costs_can_be_told_from(kind: str) -> None:
    shape = shape_from(describe(tiny(kind)))
    assert 0 < shape.linear < 12 * shape.classification
    for task in ("rte", "squad", "stsb"):
        assert shape.parameters(TASKS[task]) > 0
    assert math.isfinite(activation_bytes(shape, 100, 10, "fp32"))


@pytest.mark.parametrize("task", ["mnli", "squad"])
@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind not in ("xlm", "flaubert")])
def test_a_checkpoint_of_every_kind_is_loaded_whole(kind: str, task: str, tmp_path: Path) -> None:
    from measure.finetuning.pretrained import check_vocabulary, load_model, load_tokenizer

    folder = checkpoint(tmp_path / "model", kind)
    files = find_model(str(folder), None, None)
    model, remarks = load_model(files, TASKS[task], 24)
    check_vocabulary(files, load_tokenizer(files), model)
    assert remarks == (), "its head is a new one"
    kept = transformers.AutoModel.from_pretrained(folder).state_dict()
    found = model.base_model.state_dict()
    assert len(found) > 10
    assert all(torch.equal(found[name], kept[name]) for name in found if name in kept and "pooler" not in name)
    assert {name for name in found if name not in kept and "pooler" not in name} == set()


def checkpoint(folder: Path, kind: str) -> Path:
    """A tiny pre-trained encoder with BERT's tokenizer."""
    miniature(folder)
    transformers.BertTokenizerFast.from_pretrained(folder).save_pretrained(folder)
    built(tiny(kind), "AutoModel").save_pretrained(folder)
    return folder


# What must be said of each type besides its name and what to give instead.
REFUSED = {
    "t5": "decoder",
    "bart": "decoder",
    "gpt2": "next token",
    "llama": "next token",
    "vit": "text",
    "lxmert": "num_hidden_layers",
}


@pytest.mark.parametrize("kind", REFUSED)
def test_what_is_no_encoder_is_refused_in_a_sentence(kind: str, tmp_path: Path) -> None:
    config = transformers.AutoConfig.for_model(kind)
    with pytest.raises(Mistake) as caught:
        describe(config)
    words = (kind, REFUSED[kind], "encoder", "BERT")
    assert all(word in str(caught.value) for word in words)
    assert ("next token" in str(caught.value)) == (kind in ("gpt2", "llama"))
    if kind != "lxmert":
        config.save_pretrained(tmp_path)
        with pytest.raises(Mistake) as caught:
            config_in(tmp_path, str(tmp_path))
        assert all(word in str(caught.value).replace(str(tmp_path), "the folder") for word in (*words, "the folder"))


def test_what_a_kind_has_not_is_a_sentence_where_it_is_asked_for() -> None:
    counts = describe(transformers.AutoConfig.for_model("splinter", **TINY))
    with pytest.raises(Mistake) as caught:
        counts["classification"]
    assert all(word in str(caught.value) for word in ("classification", "splinter", "--tasks"))
    assert "classification" not in counts
    assert shape_from(counts).classification == counts["encoder"] + 2 * 32 + 2
    small = {name: value for name, value in TINY.items() if name != "vocab_size"}
    reads_characters = describe(
        transformers.AutoConfig.for_model("canine", num_hash_functions=2, num_hash_buckets=64, **small)
    )
    assert reads_characters["encoder"] > 0
    with pytest.raises(Mistake, match=r"\bcanine\b.*\bvocabulary\b"):
        reads_characters["vocabulary"]


def test_values_that_do_not_go_together_are_said_in_a_sentence() -> None:
    config = transformers.BertConfig(**{**TINY, "num_attention_heads": 5})
    with pytest.raises(Mistake, match=r"\bbert\b.*\b5\b.*config\.json"):
        describe(config)


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """A teacher that reads words and a student that reads bytes, and has no token types."""
    folder = tmp_path_factory.mktemp("pair")
    return {"teacher": miniature(folder / "bert"), "student": roberta(folder / "roberta", num_hidden_layers=1)}


@pytest.fixture(scope="module")
def mirror(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("mirror")
    for task in ("mrpc", "squad"):
        write_task(folder, task, rows=400)
    return folder


def jobs_of(task: str, pair: dict[str, str], mirror: Path, **recipe: Any) -> list[Job]:
    return [with_rows(job(task, pair[role], mirror, role=role, **recipe), 400) for role in ("teacher", "student")]


def tokens_in(store: Store, made: Job) -> list[list[int]]:
    from measure.finetuning.features import tokens_of
    from measure.finetuning.pretrained import load_tokenizer

    rows = tokens_of(made, made.task.train, load_tokenizer(made.model), store, training=True)
    return [list(ids) for ids in rows["input_ids"]]


def test_a_pair_with_unlike_tokenizers_is_fine_tuned_on_pairs_of_sentences(
    pair: dict[str, str], mirror: Path, tmp_path: Path
) -> None:
    store = Store(tmp_path / "cache")
    jobs = jobs_of("mrpc", pair, mirror, epochs=4, learning_rate=2e-3)
    results = [run(made, store) for made in jobs]
    for result in results:
        assert result.metrics["glue.mrpc.accuracy"] > 0.75
        assert math.isfinite(result.metrics["glue.mrpc.f1"])
    words, pieces = (tokens_in(store, made) for made in jobs)
    assert len(words) == len(pieces) == 400
    assert max(map(max, words)) < len(VOCABULARY) <= max(map(max, pieces))
    assert {ids[0] for ids in words} == {VOCABULARY.index("[CLS]")}
    assert {ids[0] for ids in pieces} == {0}


@pytest.mark.full
def test_a_pair_with_unlike_tokenizers_answers_questions(pair: dict[str, str], mirror: Path, tmp_path: Path) -> None:
    store = Store(tmp_path / "cache")
    jobs = jobs_of("squad", pair, mirror, epochs=3, learning_rate=2e-3, max_length=48, doc_stride=8)
    for made in jobs:
        result = run(made, store)
        assert math.isfinite(result.metrics["squad.f1"])
        rows = store.predictions(made.key)["validation"]
        assert len(rows) == 400
        # Answers are cut out of the context, so whichever tokens they were found by, they are words of it.
        assert any(row["prediction_text"] for row in rows)
    words, pieces = (tokens_in(store, made) for made in jobs)
    assert words != pieces
    assert jobs[0].key != jobs[1].key


def test_seeds_and_roles_share_the_tokens_and_other_tokenizers_do_not(
    pair: dict[str, str], mirror: Path, tmp_path: Path
) -> None:
    store = Store(tmp_path / "cache")
    teacher, student = jobs_of("mrpc", pair, mirror)
    for made in (
        teacher,
        student,
        replace(teacher, seed=2),
        replace(student, seed=2),
        replace(teacher, role="student"),
    ):
        tokens_in(store, made)
    # One file of rows, and one of tokens for each of the two tokenizers.
    assert len(list((store.folder / "features").glob("*.arrow"))) == 3
