"""STS-B's development set, on which the paper timed its models: the lengths of its pairs, and the pairs themselves."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from judge.files import Mistake

DATASET, CONFIG, SPLIT = "nyu-mll/glue", "stsb", "validation"
EXAMPLES = 1500


class Absent(Exception):
    """A file that is needed is not in the mirror; the message is one sentence."""


def length_counts(baselines: Path) -> dict[int, int]:
    """How many pairs have each length in tokens, from baselines/stsb-lengths.json.

    Raises:
        Mistake: the counts are not those of 1,500 pairs.
    """
    path = baselines / "stsb-lengths.json"
    counts = {int(length): int(count) for length, count in json.loads(path.read_text())["counts"].items()}
    if sum(counts.values()) != EXAMPLES:
        raise Mistake(f"{path}, /counts: they add up to {sum(counts.values())}, not to {EXAMPLES} pairs: correct them.")
    return counts


def load_pairs(mirror: Path | None) -> list[tuple[str, str]]:
    """The 1,500 sentence pairs in their order, from a folder laid out like the hub.

    Raises:
        Absent: no mirror is given, or it does not hold the split.
        Mistake: it holds another number of pairs.
    """
    folder = mirror / DATASET if mirror else None
    if folder is None or not list((folder / CONFIG).glob(f"{SPLIT}-*.parquet")):
        raise Absent(
            f"needs {DATASET} ({CONFIG}, {SPLIT}) in a folder laid out like the hub: give it with --mirror DIR"
        )
    from pyarrow import parquet

    rows = [row for file in sorted((folder / CONFIG).glob(f"{SPLIT}-*.parquet")) for row in _rows(parquet, file)]
    if len(rows) != EXAMPLES:
        raise Mistake(f"{folder} has {len(rows)} pairs in {CONFIG}'s {SPLIT} split, not {EXAMPLES}: download it again.")
    return rows


def load_tokenizer(model: str, mirror: Path | None) -> Callable[..., Any]:
    """The tokenizer of a model: from its own folder, or from the mirror.

    Raises:
        Absent: neither holds one.
    """
    from transformers import AutoTokenizer

    folder = Path(model) if Path(model).is_dir() else (mirror / model if mirror else None)
    if folder is None or not any((folder / name).is_file() for name in ("vocab.txt", "tokenizer.json")):
        raise Absent(f"needs the tokenizer of {model} in a folder laid out like the hub: give it with --mirror DIR")
    tokenizer: Callable[..., Any] = AutoTokenizer.from_pretrained(
        str(folder), local_files_only=True, trust_remote_code=False
    )
    return tokenizer


def _rows(parquet: Any, file: Path) -> list[tuple[str, str]]:
    table = parquet.read_table(file, columns=["sentence1", "sentence2"]).to_pydict()
    return list(zip(table["sentence1"], table["sentence2"], strict=True))
