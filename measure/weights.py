"""Weights of a folder in a class of transformers: every one below the head comes from the file, or it is refused.

torch and transformers come late.
"""

from pathlib import Path
from typing import Any

from judge.files import Mistake, refuse_lfs_pointers
from measure.modelfiles import weights_in

ADAPTER = "adapter_config.json"


def load_weights(
    auto: str, config: Any, folder: Path, name: str, *, dtype: Any, attention: str | None = None
) -> tuple[Any, dict[str, Any]]:
    """A model with the weights of a folder, and what transformers reports of the loading.

    The head may be new or of another size than the file's; what that means is for the caller to say. What is raised
    where loading itself fails differs with the cause: memory, a damaged file, values of the configuration.

    Args:
        auto: the class, as AutoModelForSequenceClassification.
        config: the configuration to build it from.
        folder: where its safetensors lie.
        name: what the user calls the model.
        dtype: the precision, as torch has it.
        attention: the attention implementation; None for the best that the family has.

    Raises:
        Mistake: the files are pointers of Git LFS or an adapter, or the weights are not those of the configuration.
    """
    import transformers

    refuse_lfs_pointers(folder / file for file in weights_in(folder))
    if (folder / ADAPTER).is_file():
        raise Mistake(f"{name} holds an adapter ({ADAPTER}): merge it into its model's weights and save the whole.")
    model, loaded = getattr(transformers, auto).from_pretrained(
        str(folder),
        config=config,
        dtype=dtype,
        attn_implementation=attention,
        use_safetensors=True,
        local_files_only=True,
        trust_remote_code=False,
        ignore_mismatched_sizes=True,  # a head may differ, and for the rest there is a sentence
        output_loading_info=True,
    )
    body = f"{model.base_model_prefix}."
    resized = sorted(key for key in resized_in(loaded) if key.startswith(body))
    missing = sorted(key for key in loaded["missing_keys"] if key.startswith(body) and ".pooler." not in key)
    wrong = resized + missing + _left_over(model, body, loaded)
    if wrong:
        raise Mistake(
            f"the weights of {name} are not those of its config.json ({len(wrong)} do not fit, first {wrong[0]}): "
            "save model and configuration together."
        )
    return model, loaded


def resized_in(loaded: dict[str, Any]) -> list[str]:
    """Names of the weights that have another size in the file."""
    return sorted(key for key, *_ in loaded["mismatched_keys"])


def require_positions(model: Any, tokens: int, name: str, what: str) -> None:
    """Refuse a model that reads fewer tokens than it would be given.

    Args:
        model: with its weights.
        tokens: in the longest input.
        name: what the user calls the model.
        what: the rest of the sentence, as "and the recipe asks for 128 on WNLI".

    Raises:
        Mistake: it does.
    """
    positions = most_tokens(model)
    if positions is not None and positions < tokens:
        raise Mistake(f"{name} reads {positions} tokens at most, {what}: give a model with more positions.")


def most_tokens(model: Any) -> int | None:
    """How many tokens a model reads at most; None where there is no limit."""
    positions = getattr(model.config, "max_position_embeddings", None)
    if not isinstance(positions, int) or positions < 1:  # relative ones have no end
        return None
    # RoBERTa and its like count positions from behind the number of their padding token.
    first = getattr(getattr(model.base_model, "embeddings", None), "padding_idx", None)
    return positions if first is None else positions - first - 1


def _left_over(model: Any, body: str, loaded: dict[str, Any]) -> list[str]:
    """Weights of the file that belong below the head and have no place there, as those of a thirteenth layer."""
    parts = {name for name, _ in model.base_model.named_children()}
    unused = sorted(key for key in loaded["unexpected_keys"] if key.removeprefix(body).split(".")[0] in parts)
    return [key for key in unused if not key.endswith("position_ids")]  # a constant that old checkpoints hold
