"""What a pre-trained model is to a run, wherever its files came from: what they say and do, not their bytes.

The hub's cache may hold a tokenizer.json beside the vocabulary that a mirror has alone, and whoever saves a model again
writes another version into config.json: the same model all the same, and what is stored for one is for the other.
"""

import hashlib
import json
from typing import Any

from measure.architecture import read_config
from measure.hub import Files, digest_of
from measure.modelfiles import VOCABULARIES

# Keys of config.json that change nothing about a run, and why.
LEFT_OUT = {
    "_name_or_path": "where it was saved from",
    "transformers_version": "what it was saved with",
    "architectures": "the class it was saved as, and a run takes the class with its task's head",
    "dtype": "the precision it was saved in: a run loads it in fp32, and the weights are their own witness",
    "torch_dtype": "the older name of dtype",
    "id2label": "names of classes, which a run makes anew for its task; the head's weights are looked at as weights",
    "label2id": "the same names the other way round",
    "num_labels": "the width of the head, which a run sets for its task",
    "problem_type": "which loss is taken, which a run sets for its task",
    "finetuning_task": "what it was fine-tuned on, in words that nothing reads",
}


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
    return {name: value for name, value in read_config(files.folder, files.id).items() if name not in LEFT_OUT}


def _tokenizer(files: Files) -> dict[str, Any]:
    """How it cuts text, and how a batch is padded with it."""
    from measure.finetuning.pretrained import load_tokenizer

    tokenizer = load_tokenizer(files)
    padding = {name: getattr(tokenizer, name) for name in ("padding_side", "pad_token_id", "pad_token_type_id")}
    padding["masked"] = "attention_mask" in tokenizer.model_input_names
    return tokenizer_form(tokenizer) | {"padded": padding}
