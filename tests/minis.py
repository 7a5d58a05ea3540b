"""Miniature BERT models in folders of their own, so that a timed run takes seconds."""

from pathlib import Path
from typing import Any


def save(folder: Path, *, layers: int, width: int = 64, weights: float | None = None, **changes: Any) -> str:
    """Save a configuration, and weights that are all one value if one is given; returns the folder's path."""
    from transformers import BertConfig, BertForSequenceClassification

    sizes = {"hidden_size": width, "num_attention_heads": 2, "intermediate_size": 4 * width, "vocab_size": 30522}
    config = BertConfig(num_hidden_layers=layers, **{**sizes, **changes})
    folder.mkdir()
    config.save_pretrained(folder)
    if weights is not None:
        config.num_labels = 1
        model = BertForSequenceClassification(config)
        for parameter in model.parameters():
            parameter.data.fill_(weights)
        model.save_pretrained(folder)
    return str(folder)
