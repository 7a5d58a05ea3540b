"""STS-B's development set, on which the paper timed its models: the lengths of its pairs, and the pairs themselves."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from judge.files import Mistake, first_line
from measure.hub import find_config

CONFIG, SPLIT = "stsb", "validation"
EXAMPLES = 1500


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


def load_pairs(files: Sequence[Path], rows: int = EXAMPLES, limit: int | None = None) -> list[tuple[str, str]]:
    """The sentence pairs of the development set in their order.

    Args:
        files: its parquet files.
        rows: how many pairs they must hold.
        limit: how many of them to take; None for all.

    Raises:
        Mistake: they hold another number of pairs.
    """
    from pyarrow import parquet

    found = [row for file in files for row in _rows(parquet, file)]
    if len(found) != rows:
        folder = files[0].parents[1]
        raise Mistake(
            f"{folder} has {len(found):,} pairs in {CONFIG}'s {SPLIT} split, not {rows:,}: download it again."
        )
    return found[:limit]


def load_tokenizer(model: str, mirror: Path | None, revision: str | None = None) -> Callable[..., Any]:
    """The tokenizer of a model: from its own folder, the mirror, the hub's cache or the hub.

    Raises:
        Absent: none of them holds one.
        Mistake: there is no such model, it has code of its own, or the files are broken.
    """
    folder = find_config(model, revision, mirror, tokenizer=True).folder
    from transformers import AutoTokenizer

    try:
        tokenizer: Callable[..., Any] = AutoTokenizer.from_pretrained(
            str(folder), local_files_only=True, trust_remote_code=False
        )
    except Exception as error:  # the tokenizers library raises no class of its own
        raise Mistake(f"the tokenizer of {model} cannot be loaded ({first_line(error)}): save it again.") from None
    return tokenizer


def _rows(parquet: Any, file: Path) -> list[tuple[str, str]]:
    table = parquet.read_table(file, columns=["sentence1", "sentence2"]).to_pydict()
    return list(zip(table["sentence1"], table["sentence2"], strict=True))
