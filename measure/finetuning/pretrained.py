"""A pre-trained model with a fresh head for a task, and its tokenizer, from files that are at hand."""

from typing import Any

import torch

from judge.files import Mistake, first_line
from measure.configuration import config_in, has_head, no_head
from measure.finetuning.room import memory_is_short
from measure.hub import Files
from measure.tasks import FineTuned
from measure.tokenizer import load_tokenizer as tokenizer_in
from measure.weights import load_weights, require_positions, resized_in

HEADS = {
    "classification": "AutoModelForSequenceClassification",
    "regression": "AutoModelForSequenceClassification",
    "question answering": "AutoModelForQuestionAnswering",
}
OWN_HEAD = "its head came with the checkpoint, so seeds change the data order and dropout only"


def load_tokenizer(files: Files) -> Any:
    """The model's fast tokenizer.

    Raises:
        Mistake: its files are missing or broken, or it is a slow one, which keeps no offsets.
    """
    tokenizer = tokenizer_in(files.folder, files.id)
    if not tokenizer.is_fast or tokenizer.pad_token_id is None:
        raise Mistake(f"the tokenizer of {files.id} is no fast one with a padding token: save one as tokenizer.json.")
    return tokenizer


def load_model(files: Files, task: FineTuned, max_length: int) -> tuple[Any, tuple[str, ...]]:
    """The model in fp32 with the head that the task needs, and remarks for the record.

    Args:
        files: configuration and safetensors.
        task: how wide the head must be.
        max_length: the longest input in tokens.

    Raises:
        Mistake: it is no encoder, has no such head, its weights cannot be loaded, are not this architecture's or have a
            head of another width, or it reads fewer tokens than asked.
    """
    auto = HEADS[task.kind]
    config = config_in(files.folder, files.id, num_labels=task.outputs)
    config.problem_type = "regression" if task.kind == "regression" else None
    if not has_head(config, auto):
        raise Mistake(no_head(config.model_type, auto))
    try:
        model, loaded = load_weights(auto, config, files.folder, files.id, dtype=torch.float32)
    except Mistake:
        raise
    except Exception as error:  # also safetensors' own, which is no class of the language's, where a file was cut
        if memory_is_short(error):
            raise
        raise Mistake(f"the weights of {files.id} cannot be loaded ({first_line(error)}): check the folder.") from None
    require_positions(model, max_length, files.id, f"and the recipe asks for {max_length} on {task.label}")
    return model, _check_head(files, task, model, loaded)


def check_vocabulary(files: Files, tokenizer: Any, model: Any) -> None:
    """Refuse a tokenizer with tokens that the model has no embedding for, before a batch holds one.

    Raises:
        Mistake: the tokenizer is another model's.
    """
    tokens, known = len(tokenizer), len(model.get_input_embeddings().weight)
    if tokens > known:
        raise Mistake(
            f"the tokenizer of {files.id} has {tokens:,} tokens and its weights know {known:,}: save model and "
            "tokenizer together."
        )


def _check_head(files: Files, task: FineTuned, model: Any, loaded: dict[str, Any]) -> tuple[str, ...]:
    """Refuse a head of another width than the task's, and remark on one that came with the checkpoint."""
    if resized_in(loaded):
        raise Mistake(
            f"{files.id} has a head of another width than the {task.outputs} that {task.label} needs: give the model "
            "as it was before it was fine-tuned."
        )
    fresh = any(not key.startswith(f"{model.base_model_prefix}.") for key in loaded["missing_keys"])
    return () if fresh else (OWN_HEAD,)
