"""A pre-trained model with a fresh head for a task, and its tokenizer, from files that are at hand."""

from typing import Any

import torch
import transformers
from transformers import AutoTokenizer

from judge.files import Mistake, first_line
from measure.architecture import config_in, has_head, no_head
from measure.finetuning.room import memory_is_short
from measure.hub import Files
from measure.tasks import FineTuned

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
    config = config_in(files.folder, files.id)
    try:
        tokenizer = AutoTokenizer.from_pretrained(
            str(files.folder), config=config, local_files_only=True, trust_remote_code=False
        )
    except Exception as error:  # the tokenizers library raises no class of its own
        raise Mistake(
            f"the tokenizer of {files.id} cannot be loaded ({first_line(error)}): save it there as tokenizer.json."
        ) from None
    # Without its files the library makes one that knows special tokens only, to which every word is unknown.
    if len(tokenizer) <= len(tokenizer.all_special_ids):
        raise Mistake(f"{files.id} has no tokenizer: save it beside the weights, as tokenizer.json or vocab.txt.")
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
    folder, auto = str(files.folder), HEADS[task.kind]
    config = config_in(files.folder, files.id, num_labels=task.outputs)
    config.problem_type = "regression" if task.kind == "regression" else None
    _check_usable(files, config, auto)
    try:
        model, loaded = getattr(transformers, auto).from_pretrained(
            folder,
            config=config,
            dtype=torch.float32,
            use_safetensors=True,
            local_files_only=True,
            trust_remote_code=False,
            ignore_mismatched_sizes=True,  # they are refused below, in a sentence
            output_loading_info=True,
        )
    except Exception as error:  # also safetensors' own, which is no class of the language's, where a file was cut
        if memory_is_short(error):
            raise
        raise Mistake(f"the weights of {files.id} cannot be loaded ({first_line(error)}): check the folder.") from None
    positions = _positions(model, max_length)
    if positions < max_length:
        raise Mistake(
            f"{files.id} reads {positions} tokens at most, and the recipe asks for {max_length} on {task.label}."
        )
    return model, _check_loaded(files, task, model, loaded)


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


def _check_usable(files: Files, config: Any, auto: str) -> None:
    """Refuse what has no such head, and weights that are only a change of another model's."""
    if not has_head(config, auto):
        raise Mistake(no_head(config.model_type, auto))
    if (files.folder / "adapter_config.json").is_file():
        raise Mistake(
            f"{files.id} holds an adapter (adapter_config.json): merge it into its model's weights and save the whole."
        )


def _positions(model: Any, unlimited: int) -> int:
    """How many tokens a model reads at most."""
    positions = getattr(model.config, "max_position_embeddings", None)
    if not isinstance(positions, int) or positions < 1:  # relative ones have no end
        return unlimited
    # RoBERTa and its like count positions from behind the number of their padding token.
    first = getattr(getattr(model.base_model, "embeddings", None), "padding_idx", None)
    return positions if first is None else positions - first - 1


def _check_loaded(files: Files, task: FineTuned, model: Any, loaded: dict[str, Any]) -> tuple[str, ...]:
    """Every weight below the head came from the file, and the head did not, or has the right width."""
    body = f"{model.base_model_prefix}."
    resized = sorted(key for key, *_ in loaded["mismatched_keys"])
    missing = sorted(key for key in loaded["missing_keys"] if key.startswith(body) and ".pooler." not in key)
    wrong = [key for key in resized if key.startswith(body)] + missing + _left_over(model, body, loaded)
    if wrong:
        raise Mistake(
            f"the weights of {files.id} are not those of its config.json ({len(wrong)} do not fit, first {wrong[0]}): "
            "save model and configuration together."
        )
    if resized:
        raise Mistake(
            f"{files.id} has a head of another width than the {task.outputs} that {task.label} needs: give the model "
            "as it was before it was fine-tuned."
        )
    fresh = any(not key.startswith(body) for key in loaded["missing_keys"])
    return () if fresh else (OWN_HEAD,)


def _left_over(model: Any, body: str, loaded: dict[str, Any]) -> list[str]:
    """Weights of the file that belong below the head and have no place there, as those of a thirteenth layer."""
    parts = {name for name, _ in model.base_model.named_children()}
    unused = sorted(key for key in loaded["unexpected_keys"] if key.removeprefix(body).split(".")[0] in parts)
    return [key for key in unused if not key.endswith("position_ids")]  # a constant that old checkpoints hold
