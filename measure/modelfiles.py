"""Which files make a model: its configuration, its weights as safetensors, its tokenizer's; and no code."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from judge.files import Mistake

CONFIG = "config.json"
WEIGHTS = ("model.safetensors", "model.safetensors.index.json")
PICKLES = ("pytorch_model.bin", "pytorch_model.bin.index.json")
# Without one of these there is no tokenizer, whatever else is said of it.
VOCABULARIES = ("tokenizer.json", "vocab.txt", "vocab.json", "spiece.model", "sentencepiece.bpe.model")
# What decides how text becomes tokens. A download that is interrupted has no vocabulary yet.
TOKENIZER = ("tokenizer_config.json", "special_tokens_map.json", "added_tokens.json", "merges.txt", *VOCABULARIES)
# One of these says how letters and accents are taken, which a list of words alone leaves open.
SURE = ("tokenizer.json", "tokenizer_config.json")


def read_json(path: Path) -> Any:
    """The content of a JSON file, whether or not an editor began it with a byte order mark.

    Raises:
        OSError, ValueError, RecursionError: it cannot be read, or is not JSON.
    """
    return json.loads(path.read_text(encoding="utf-8-sig"))


def weights_in(folder: Path) -> list[str]:
    """Names of the files that hold the weights, all of which are there; none otherwise."""
    if (folder / WEIGHTS[0]).is_file():
        return [WEIGHTS[0]]
    parts = sorted(parts_named(folder))
    return [*parts, WEIGHTS[1]] if parts and all((folder / name).is_file() for name in parts) else []


def parts_named(folder: Path) -> set[str]:
    """Names of the files that the weights are spread over; none where the index does not say."""
    try:
        names = set(read_json(folder / WEIGHTS[1])["weight_map"].values())
    except (OSError, ValueError, LookupError, TypeError, AttributeError):
        return set()
    # A name that leads out of the folder is none of its files.
    plain = all(isinstance(name, str) and Path(name).name == name and name.endswith(".safetensors") for name in names)
    return names if plain else set()


def refuse_code(folder: Path, model: str, names: Iterable[str]) -> None:
    """Raise Mistake where a model comes with code of its own; no file of it is run anyway."""
    for name in names:
        try:
            told = read_json(folder / name)
        except (OSError, ValueError):
            continue  # who loads it says so
        if isinstance(told, dict) and told.get("auto_map"):
            raise Mistake(
                f"{model} has code of its own (auto_map in its {name}), and this suite runs none that comes with a "
                "model: give one of an architecture that transformers has."
            )
