"""What an architecture is made of: layers, widths and parameters, counted on torch's meta device without weights.

torch and transformers are imported when something is counted.
"""

import copy
import math
from collections.abc import Mapping
from typing import Any

from judge.files import Mistake, first_line
from measure.configuration import HEADS, check_encoder, has_head, no_head
from measure.modelfiles import CONFIG


class Counts(dict[str, int]):
    """Counts by name. Asking for one that this kind of model does not have raises a Mistake that says so."""

    def __init__(self, kind: str, counts: Mapping[str, int]) -> None:
        super().__init__(counts)
        self.kind = kind

    def __missing__(self, name: str) -> int:
        if name in HEADS:
            raise Mistake(no_head(self.kind, HEADS[name]))
        raise Mistake(f"a model of type {self.kind} has no {name} to be counted: give another encoder.")


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
            f"correct {_path(config)}."
        ) from None


def _number(config: Any, name: str, default: int | None = None) -> int:
    """A value that the configuration has under transformers' common name, or under one that it maps to that."""
    value = getattr(config, name, default)
    if isinstance(value, bool) or not isinstance(value, int):
        raise Mistake(
            f"the configuration of a model of type {config.model_type} has no number {name}, so it is none of the "
            "encoders of text that this suite compares: give one such as BERT."
        )
    if default is None and value < 1:
        raise Mistake(f"{_path(config)} describes a model with {name} {value}, and there is none below 1: correct it.")
    return value


def _path(config: Any) -> str:
    """The file that a configuration was read from, where it was."""
    return f"{config.name_or_path}/{CONFIG}" if config.name_or_path else CONFIG


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
