"""The configuration of a model: what its config.json says it is, without the options it was once run with.

transformers comes late.
"""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from judge.baselines import ModelCard
from judge.files import Mistake, first_line
from measure.modelfiles import CONFIG, read_json

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
# Keys that say what else a model returns, or how it computes the same: a run asks for what it needs itself.
ASKED_FOR = {
    "output_hidden_states": "a forward pass that keeps every layer's output is slower, and scoring takes it for logits",
    "output_attentions": "the same of attention probabilities, for which transformers also takes its slowest attention",
    "_output_attentions": "the name that transformers keeps it under",
    "return_dict": "without it outputs have no names",
    "torchscript": "the same, for an exporter that is gone",
    "use_cache": "for decoders that predict token after token",
    "attn_implementation": "which attention kernel computes the same numbers",
    "_attn_implementation": "an older name of it",
    "_attn_implementation_internal": "another",
    "_attn_implementation_autoset": "who chose it",
    "experts_implementation": "which kernel computes a mixture of experts",
    "gradient_checkpointing": "the same gradients in less memory and more time",
    "chunk_size_feed_forward": "the same feed-forward layers in slices",
}
# Keys that make another model of it, which transformers would pass over in silence.
UNSUPPORTED = {
    "pruned_heads": (
        "attention heads are pruned, and this version of transformers keeps them all: neither size nor speed would be "
        "the pruned model's",
        "give the model before its heads were pruned",
    ),
    "quantization_config": (
        "its weights are quantized, and claims are about fp32",
        "give the model before it was quantized",
    ),
}


def pinned_config(card: ModelCard) -> Any:
    """The transformers configuration of one of the paper's two models, from baselines/models.json."""
    from transformers import AutoConfig

    values = dict(card.config)
    return AutoConfig.for_model(str(values.pop("model_type")), **values)


def config_in(folder: Path, name: str, **changes: Any) -> Any:
    """The configuration in a folder of the model that the user calls `name`, with values changed. No code of it is run.

    Raises:
        Mistake: it cannot be used, transformers knows no such architecture, or it is not an encoder's.
    """
    values = read_config(folder, name)
    from transformers import CONFIG_MAPPING

    kept = {key: value for key, value in values.items() if key not in LEFT_OUT and key not in ASKED_FOR}
    try:
        config = CONFIG_MAPPING[values["model_type"]].from_dict(kept | changes)
    except Exception as error:  # also of the checks that transformers makes of values, which have classes of their own
        raise Mistake(_unusable(error, values, folder / CONFIG, name)) from None
    config.name_or_path = str(folder)
    check_encoder(config, name)
    return config


def read_config(folder: Path, name: str) -> dict[str, Any]:
    """The values of a folder's config.json as they stand there.

    Raises:
        Mistake: it is not JSON, not the configuration of a model that transformers knows, or of one that it would not
            build as it says.
    """
    path = folder / CONFIG
    try:
        values = read_json(path)
    except (OSError, ValueError, RecursionError):
        raise Mistake(f"{path} is not JSON: save the model there again.") from None
    if not isinstance(values, dict) or "model_type" not in values:
        raise Mistake(f"{path} says no model_type: save the model there again with a recent version of transformers.")
    if not isinstance(values["model_type"], str):
        kind = json.dumps(values["model_type"])
        raise Mistake(f'{path}, /model_type is {kind} and must be of type str, such as "bert": correct it.')
    for key, (what, how) in UNSUPPORTED.items():
        if _says_something(values.get(key)):
            raise Mistake(f"{path} has {key}: {what}; {how}.")
    from transformers import CONFIG_MAPPING, __version__

    if values["model_type"] not in CONFIG_MAPPING:
        reason = f"transformers {__version__} knows no model of type {values['model_type']!r}"
        raise Mistake(f"the configuration of {name} cannot be had ({reason}): give a model of a type that it knows.")
    return values


def check_encoder(config: Any, name: str) -> None:
    """Refuse a model whose configuration is not that of a text encoder.

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


def _says_something(value: Any) -> bool:
    """Whether a value, or one inside it, is more than an empty list: {"0": []} prunes nothing."""
    return any(map(_says_something, value.values())) if isinstance(value, dict) else bool(value)


def _unusable(error: Exception, values: Mapping[str, Any], path: Path, name: str) -> str:
    """The sentence on values that transformers refuses, with the one at fault where it says which."""
    cause = first_line(error.__cause__ or error)
    named = re.search(r"'(\w+)'", first_line(error))
    if named and named[1] in values:
        types = " or ".join(dict.fromkeys(re.findall(r"expected (\w+)", cause)))
        reason = f"must be of type {types}" if types else f"is refused ({cause})"
        value = json.dumps(values[named[1]])
        return f"the configuration of {name} cannot be used: {path}, /{named[1]} is {value} and {reason}: correct it."
    return f"the configuration of {name} cannot be used ({cause}): correct {path}."
