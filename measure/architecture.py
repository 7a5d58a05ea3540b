"""What an architecture is made of: layers, widths and parameters, counted on torch's meta device without weights.

torch and transformers are imported when something is counted.
"""

import copy
import json
import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from judge.baselines import ModelCard
from judge.files import Mistake, first_line

HEADS = {
    "encoder": "AutoModel",
    "classification": "AutoModelForSequenceClassification",
    "question_answering": "AutoModelForQuestionAnswering",
}
# Which types of model transformers has a head for.
MAPPINGS = {
    "AutoModelForSequenceClassification": "MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING",
    "AutoModelForQuestionAnswering": "MODEL_FOR_QUESTION_ANSWERING_MAPPING",
    "AutoModelForMaskedLM": "MODEL_FOR_MASKED_LM_MAPPING",
    "AutoModelForCausalLM": "MODEL_FOR_CAUSAL_LM_MAPPING",
}


class Counts(dict[str, int]):
    """Counts by name. Asking for one that this kind of model does not have raises a Mistake that says so."""

    def __init__(self, kind: str, counts: Mapping[str, int]) -> None:
        super().__init__(counts)
        self.kind = kind

    def __missing__(self, name: str) -> int:
        if name in HEADS:
            raise Mistake(no_head(self.kind, HEADS[name]))
        raise Mistake(f"a model of type {self.kind} has no {name} to be counted: give another encoder.")


def pinned_config(card: ModelCard) -> Any:
    """The transformers configuration of one of the paper's two models, from baselines/models.json."""
    from transformers import AutoConfig

    values = dict(card.config)
    return AutoConfig.for_model(str(values.pop("model_type")), **values)


def config_in(folder: Path, name: str, **changes: Any) -> Any:
    """The configuration in a folder of the model that the user calls `name`, with values changed. No code of it is run.

    Raises:
        Mistake: it cannot be had, transformers knows no such architecture, or it is no encoder's.
    """
    read_config(folder, name)
    return _loaded(str(folder), name, local_files_only=True, **changes)


def read_config(folder: Path, name: str) -> dict[str, Any]:
    """The values of a folder's config.json as they stand there.

    Raises:
        Mistake: it is no JSON, or not the configuration of a model that transformers knows.
    """
    path = folder / "config.json"
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        raise Mistake(f"{path} is no JSON: save the model there again.") from None
    if not isinstance(values, dict) or not isinstance(values.get("model_type"), str):
        raise Mistake(f"{path} says no model_type: save the model there again with a recent version of transformers.")
    from transformers import CONFIG_MAPPING, __version__

    if values["model_type"] not in CONFIG_MAPPING:
        reason = f"transformers {__version__} knows no model of type {values['model_type']!r}"
        raise Mistake(f"the configuration of {name} cannot be had ({reason}): give a model of a type that it knows.")
    return values


def _loaded(place: str, name: str, **options: Any) -> Any:
    from transformers import AutoConfig

    try:
        config = AutoConfig.from_pretrained(place, trust_remote_code=False, **options)
    except Exception as error:  # also of the checks that transformers makes of values, which have classes of their own
        raise Mistake(
            f"the configuration of {name} cannot be had ({first_line(error)}): give a folder with it."
        ) from None
    check_encoder(config, name)
    return config


def check_encoder(config: Any, name: str) -> None:
    """Refuse what is no encoder of text, by its configuration.

    Raises:
        Mistake: it has a decoder, is one, or reads something else than text.
    """
    predicts = has_head(config, "AutoModelForCausalLM") and not has_head(config, "AutoModelForMaskedLM")
    if getattr(config, "is_encoder_decoder", False):
        what = "an encoder with a decoder"
    elif predicts or getattr(config, "is_decoder", False):
        what = "a decoder, which predicts the next token"
    elif not any(has_head(config, auto) for auto in MAPPINGS):
        what = "no model of text with a head for classification or questions"
    else:
        return
    raise Mistake(
        f"{name} is of type {config.model_type}, {what}: this suite compares encoders, give one such as BERT."
    )


def has_head(config: Any, auto: str) -> bool:
    """Whether transformers has the class for this type of model; `auto` as AutoModelForQuestionAnswering."""
    import transformers

    return type(config) in getattr(transformers, MAPPINGS[auto])


def no_head(kind: str, auto: str) -> str:
    """The sentence that says that transformers has no such class for a type of model."""
    task = "question answering" if auto == HEADS["question_answering"] else "classification"
    return f"transformers has no head for {task} on a model of type {kind}: leave such tasks out with --tasks."


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
    elif not re.fullmatch(r"[\w.-]+(/[\w.-]+)?(@[\w.][\w./-]*)?", model) or model.startswith("."):
        raise Mistake(f"{model} is neither a folder here nor a hub id such as owner/name: check the spelling.")


def describe(config: Any) -> Counts:
    """Count the parts of the architecture that a configuration describes.

    Returns:
        `layers`, `width` (of what goes from layer to layer), `heads` (0 without attention) and `vocabulary`; parameters
        of the `encoder` (AutoModel), with a `classification` head for two labels and with a `question_answering` head,
        where transformers has them; parameters of `pooler`, `token_types` and all `embeddings`; `linear`, weights that
        a token is multiplied with, all layers together, those of a layer that is used several times as often as it is
        used.

    Raises:
        Mistake: no encoder, or one that cannot be built from this configuration.
    """
    check_encoder(config, config.name_or_path or "the model")
    encoder = _built(config, HEADS["encoder"])
    shapes = {name: parameter.shape for name, parameter in encoder.named_parameters()}
    counts = {
        "layers": _number(config, "num_hidden_layers"),
        "width": _number(config, "hidden_size"),
        # Fourier transforms in attention's place, as in FNet, have none.
        "heads": _number(config, "num_attention_heads", 0),
        "vocabulary": _vocabulary(encoder),
        "pooler": sum(math.prod(shape) for name, shape in shapes.items() if "pooler" in name),
        "token_types": sum(math.prod(shape) for name, shape in shapes.items() if "token_type" in name),
        "embeddings": sum(math.prod(shape) for name, shape in shapes.items() if "embeddings" in name),
        "linear": _linear(encoder, config),
        "encoder": sum(map(math.prod, shapes.values())),
    }
    for head, auto in list(HEADS.items())[1:]:
        if has_head(config, auto):
            counts[head] = sum(parameter.numel() for parameter in _built(config, auto).parameters())
    return Counts(config.model_type, {name: count for name, count in counts.items() if count is not None})


def narrowed(config: Any, layers: int) -> Any:
    """The same kind of model with so many layers, as wide as it can be without more parameters than it has now.

    The number of attention heads stays, and so does the inner width of a layer relative to its own.
    """
    budget, heads, ratio = _encoder_size(config), config.num_attention_heads, _inner(config) / config.hidden_size
    for width in range(config.hidden_size, 0, -heads):
        made = copy.deepcopy(config)
        made.num_hidden_layers, made.hidden_size = layers, width
        setattr(made, _inner_name(config), round(ratio * width))
        if _encoder_size(made) <= budget:
            return made
    raise Mistake(f"a model of type {config.model_type} cannot be made so narrow: leave this claim out.")


def _encoder_size(config: Any) -> int:
    return sum(parameter.numel() for parameter in _built(config, HEADS["encoder"]).parameters())


def _inner_name(config: Any) -> str:
    return "hidden_dim" if hasattr(config, "hidden_dim") else "intermediate_size"


def _inner(config: Any) -> int:
    return int(getattr(config, _inner_name(config)))


def _built(config: Any, auto: str) -> Any:
    """A model without memory for its weights; tied ones and those of shared layers are one parameter."""
    import torch
    import transformers

    # transformers writes into a configuration, and models must not share it.
    config = copy.deepcopy(config)
    config.num_labels = 2
    # Where a type has several encoders (Funnel), transformers goes through these names and trips over None.
    config.architectures = config.architectures or []
    try:
        with torch.device("meta"):
            return getattr(transformers, auto).from_config(config)
    except Exception as error:  # whatever a model's own code makes of values that do not go together
        raise Mistake(
            f"a model of type {config.model_type} cannot be built from its configuration ({first_line(error)}): "
            "correct config.json."
        ) from None


def _number(config: Any, name: str, default: int | None = None) -> int:
    """A value that the configuration has under transformers' common name, or under one that it maps to that."""
    value = getattr(config, name, default)
    if isinstance(value, bool) or not isinstance(value, int):
        raise Mistake(
            f"the configuration of a model of type {config.model_type} has no number {name}, so it is none of the "
            "encoders of text that this suite compares: give one such as BERT."
        )
    return value


def _vocabulary(encoder: Any) -> int | None:
    """Rows of the table of tokens; None where there is no such table, as in CANINE, which reads characters."""
    try:
        return int(encoder.get_input_embeddings().weight.shape[0])
    except (NotImplementedError, AttributeError):
        return None


def _linear(encoder: Any, config: Any) -> int:
    """Weights that every token is multiplied with: matrices that are neither tables to look up nor the pooler's."""
    # ALBERT has fewer sets of weights than layers, and goes through each of them several times.
    sets = getattr(config, "num_hidden_groups", None)
    times = config.num_hidden_layers / sets if sets else 1
    total = 0.0
    for path, module in encoder.named_modules():
        if "Embedding" in type(module).__name__ or "pooler" in path:
            continue
        weights = sum(parameter.numel() for parameter in module.parameters(recurse=False) if parameter.ndim > 1)
        total += weights * (times if "layer_groups" in path else 1)
    return round(total)
