"""STS-B's development set, on which the paper timed its models: the lengths of its pairs, and the pairs themselves."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from judge.files import Mistake
from measure.hub import find_config
from measure.tokenizer import load_tokenizer as tokenizer_in

CONFIG, SPLIT = "stsb", "validation"
EXAMPLES = 1500


def length_counts(baselines: Path) -> dict[int, int]:
    """How many pairs have each length in tokens, from baselines/stsb-lengths.json.

    Raises:
        Mistake: the counts are not those of 1,500 pairs.
    """
    path = baselines / "stsb-lengths.json"
    raw = json.loads(path.read_text(encoding="utf-8-sig"))["counts"]
    counts = {int(length): int(count) for length, count in raw.items()}
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


def load_tokenizer(model: str, mirror: Path | None, revision: str | None = None) -> Any:
    """The tokenizer of a model: from its own folder, the mirror, the hub's cache or the hub.

    Raises:
        Absent: none of them holds one.
        Mistake: there is no such model, it has code of its own, or the files are broken.
    """
    return tokenizer_in(find_config(model, revision, mirror, tokenizer=True).folder, model)


def _rows(parquet: Any, file: Path) -> list[tuple[str, str]]:
    table = parquet.read_table(file, columns=["sentence1", "sentence2"]).to_pydict()
    return list(zip(table["sentence1"], table["sentence2"], strict=True))
