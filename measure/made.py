"""Miniature models, and data sets in the hub's layout that they learn in seconds: made here, no network, nobody's data.

Every row tells its label by one coloured word among neutral ones; a question asks for the colour after "answer".
"""

import json
import random
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from measure.tasks import FineTuned, Split

NEUTRAL = [f"word{number}" for number in range(40)]
CUES = ["red", "blue", "green", "gold", "grey", "pink"]
VOCABULARY = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "answer", "?", *NEUTRAL, *CUES]
# The paper's two architectures, with half the layers in the student as there.
BERT = {"hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 128}
DISTILBERT = {"dim": 64, "n_layers": 1, "n_heads": 2, "hidden_dim": 128}


def miniature(folder: Path, kind: str = "bert", vocabulary: Path | None = None, **changes: Any) -> str:
    """Save a pre-training checkpoint of BERT or DistilBERT with random weights and a tokenizer; returns its folder.

    Args:
        folder: made where missing.
        kind: bert or distilbert.
        vocabulary: a vocab.txt; None for the words that made data consist of.
        changes: of the configuration.
    """
    import torch
    from transformers import BertConfig, BertModel, DistilBertConfig, DistilBertModel

    words = vocabulary.read_text(encoding="utf-8").splitlines() if vocabulary else VOCABULARY
    makers = {"bert": (BertConfig, BertModel, BERT), "distilbert": (DistilBertConfig, DistilBertModel, DISTILBERT)}
    config, model, sizes = makers[kind]
    with torch.random.fork_rng():
        torch.manual_seed(7)
        made = model(config(**{**sizes, "vocab_size": len(words), **changes}))
    made.save_pretrained(folder)
    (folder / "vocab.txt").write_text("\n".join(words) + "\n", encoding="utf-8")
    about = {"do_lower_case": True, "model_max_length": 512, "tokenizer_class": "BertTokenizer"}
    (folder / "tokenizer_config.json").write_text(json.dumps(about), encoding="utf-8")
    return str(folder)


def write_split(mirror: Path, task: FineTuned, split: Split, rows: Sequence[dict[str, Any]]) -> Path:
    """Write one split as the hub has it: one parquet file, whose path is returned."""
    import pyarrow
    from pyarrow import parquet

    folder = mirror / task.dataset / task.config
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{split.name}-00000-of-00001.parquet"
    parquet.write_table(pyarrow.Table.from_pylist(list(rows)), path)
    return path


def made_rows(task: FineTuned, number: int, salt: str) -> Iterator[dict[str, Any]]:
    """So many rows of a task, the same for the same `salt`: its columns, and `label` or `answers`."""
    chance = random.Random(f"{task.name} {salt}")
    for index in range(number):
        if task.kind == "question answering":
            yield _question(chance, index)
            continue
        label = chance.randrange(len(task.classes) or len(CUES))
        texts = {column: _sentence(chance) for column in task.columns}
        texts[task.columns[-1]] = _sentence(chance, CUES[label])
        yield {**texts, "label": float(label) if task.kind == "regression" else label, "idx": index}


def _sentence(chance: random.Random, cue: str | None = None) -> str:
    words = [chance.choice(NEUTRAL) for _ in range(chance.randrange(3, 9))]
    if cue:
        words.insert(chance.randrange(len(words) + 1), cue)
    return " ".join(words)


def _question(chance: random.Random, index: int) -> dict[str, Any]:
    before, after, cue = _sentence(chance), _sentence(chance), chance.choice(CUES)
    context = f"{before} answer {cue} {after}"
    start = len(before) + len(" answer ")
    return {
        "id": f"made-{index}",
        "title": "made",
        "question": "answer ?",
        "context": context,
        "answers": {"text": [cue], "answer_start": [start]},
    }
