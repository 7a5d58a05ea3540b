"""What an architecture is made of: layers, widths and parameters, counted on torch's meta device without weights.

torch and transformers are imported when something is counted.
"""

import re
from pathlib import Path
from typing import Any

from judge.baselines import ModelCard
from judge.files import Mistake

HEADS = {
    "encoder": "AutoModel",
    "classification": "AutoModelForSequenceClassification",
    "question_answering": "AutoModelForQuestionAnswering",
}
LAYER = re.compile(r"\.(?:layers?|h|block)\.(\d+)\.")


def pinned_config(card: ModelCard) -> Any:
    """The transformers configuration of one of the paper's two models, from baselines/models.json."""
    from transformers import AutoConfig

    values = dict(card.config)
    return AutoConfig.for_model(str(values.pop("model_type")), **values)


def load_config(model: str) -> Any:
    """The configuration of a model of the user's own: a folder with config.json, or a hub id. No remote code is run.

    Raises:
        Mistake: it cannot be had, or transformers knows no such architecture.
    """
    from transformers import AutoConfig

    check_folder(model)
    try:
        return AutoConfig.from_pretrained(model, trust_remote_code=False, local_files_only=Path(model).is_dir())
    except (OSError, ValueError, KeyError) as error:
        first = str(error).strip().splitlines()[0].rstrip(".")
        raise Mistake(f"the configuration of {model} cannot be had ({first}): give a folder with it.") from None


def check_folder(model: str) -> None:
    """Refuse what is plainly no model, before anything is imported.

    Raises:
        Mistake: a folder without config.json, a file, or a path at which there is nothing.
    """
    path = Path(model)
    if path.is_dir():
        if not (path / "config.json").is_file():
            raise Mistake(f"{model} is a folder without a config.json: give the folder that the model was saved to.")
    elif path.exists():
        raise Mistake(f"{model} is a file: give the folder that the model was saved to, or a hub id.")
    elif not re.fullmatch(r"[\w.-]+(/[\w.-]+)?", model) or model.startswith("."):
        raise Mistake(f"{model} is neither a folder here nor a hub id such as owner/name: check the spelling.")


def describe(config: Any) -> dict[str, int]:
    """Count the parts of the architecture that a configuration describes.

    Returns:
        `layers`, `width`, `heads`, `vocabulary`; parameters of the `encoder` (AutoModel), with a `classification`
        head for two labels and with a `question_answering` head; parameters of `pooler` and `token_types`.
    """
    config.num_labels = 2
    shapes = _shapes(config, HEADS["encoder"])
    layers = [int(found.group(1)) for name in shapes if (found := LAYER.search(f".{name}"))]
    vocabulary, width = next(shape for name, shape in shapes.items() if "word_embeddings" in name or "wte" in name)
    facts = {
        "layers": max(layers) + 1,
        "width": width,
        "heads": config.num_attention_heads,
        "vocabulary": vocabulary,
        "pooler": _count({n: s for n, s in shapes.items() if "pooler" in n}),
        "token_types": _count({n: s for n, s in shapes.items() if "token_type" in n}),
    }
    return facts | {head: _count(_shapes(config, auto)) for head, auto in HEADS.items()}


def _shapes(config: Any, auto: str) -> dict[str, tuple[int, ...]]:
    """Shape of every parameter by name, each tensor once: tied weights are not counted twice."""
    import torch
    import transformers

    with torch.device("meta"):
        model = getattr(transformers, auto).from_config(config)
    return {name: tuple(parameter.shape) for name, parameter in model.named_parameters()}


def _count(shapes: dict[str, tuple[int, ...]]) -> int:
    import math

    return sum(math.prod(shape) for shape in shapes.values())
