"""What a pre-trained model is to a run, wherever its files came from: what they say and do, not their bytes.

The hub's cache may hold a tokenizer.json beside the vocabulary that a mirror has alone, and whoever saves a model again
writes another version into config.json: the same model all the same, and what is stored for one is for the other.
"""

import hashlib
import json
from typing import Any

from measure.configuration import ASKED_FOR, LEFT_OUT, read_config
from measure.hub import Files, digest_of
from measure.modelfiles import VOCABULARIES


def model_identity(files: Files) -> str:
    """SHA-256, in hexadecimal, over configuration, weights and tokenizer as a run uses them.

    Computed once for each object: 440 MB are hashed in less than a second, and a key must not change in mid-run.

    Raises:
        Mistake: the configuration or the tokenizer cannot be loaded.
    """
    kept = vars(files)  # where functools keeps `digest` too; the record itself is frozen
    if "identity" not in kept:
        kept["identity"] = _identity(files)
    return str(kept["identity"])


def tokenizer_form(tokenizer: Any) -> dict[str, Any]:
    """What decides how a fast tokenizer cuts text, without what its last call left in it; plain values for JSON."""
    raw = json.loads(tokenizer.backend_tokenizer.to_str())
    outside = {name: getattr(tokenizer, name) for name in ("truncation_side", "split_special_tokens", "cls_token_id")}
    # The decoder turns tokens back into text, which nothing here asks for.
    return {name: value for name, value in raw.items() if name not in ("truncation", "padding", "decoder")} | outside


def _identity(files: Files) -> str:
    """A part that is missing counts as none here: the run says so when it asks for it."""
    names = dict(files.paths)
    # Files hold what weights are loaded from, not what lies beside; an index only says which parts there are.
    weights = [(name, path) for name, path in files.paths if name.endswith(".safetensors")]
    parts = {
        "configuration": _configuration(files) if "config.json" in names else None,
        "weights": digest_of(weights),
        "tokenizer": _tokenizer(files) if any(name in names for name in VOCABULARIES) else None,
    }
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def _configuration(files: Files) -> dict[str, Any]:
    values = read_config(files.folder, files.id)
    return {name: value for name, value in values.items() if name not in LEFT_OUT and name not in ASKED_FOR}


def _tokenizer(files: Files) -> dict[str, Any]:
    """How it cuts text, and how a batch is padded with it."""
    from measure.finetuning.pretrained import load_tokenizer

    tokenizer = load_tokenizer(files)
    padding = {name: getattr(tokenizer, name) for name in ("padding_side", "pad_token_id", "pad_token_type_id")}
    padding["masked"] = "attention_mask" in tokenizer.model_input_names
    return tokenizer_form(tokenizer) | {"padded": padding}
