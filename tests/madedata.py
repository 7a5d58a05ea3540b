"""Made data for tests: what the rehearsal makes, with as many rows as a test wants."""

from pathlib import Path
from typing import Any

from measure.made import BERT, CUES, DISTILBERT, NEUTRAL, VOCABULARY, made_rows, miniature, write_split
from measure.tasks import TASKS

__all__ = ["BERT", "CUES", "DISTILBERT", "NEUTRAL", "VOCABULARY", "made_rows", "miniature", "write_split", "write_task"]


def write_task(mirror: Path, name: str, *, rows: int | None = None) -> None:
    """Write a task's splits, with as many rows as the official ones have or with `rows`."""
    task = TASKS[name]
    for split in task.splits:
        write_split(mirror, task, split, list(made_rows(task, rows or split.rows, split.name)))


def byte_level(folder: Path) -> int:
    """Save a byte-level tokenizer, as RoBERTa's is, that was trained on the words of made data; returns its tokens."""
    import tokenizers
    from tokenizers import decoders, models, pre_tokenizers, processors, trainers
    from transformers import PreTrainedTokenizerFast

    special = {"bos_token": "<s>", "pad_token": "<pad>", "eos_token": "</s>", "unk_token": "<unk>"}
    made = tokenizers.Tokenizer(models.BPE())
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = decoders.ByteLevel()
    words = [f" {word}" for word in (*NEUTRAL, *CUES, "answer", "?")] * 3
    made.train_from_iterator(
        words,
        trainers.BpeTrainer(
            vocab_size=400,
            special_tokens=list(special.values()),
            initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
            show_progress=False,
        ),
    )
    made.post_processor = processors.RobertaProcessing(("</s>", 2), ("<s>", 0), add_prefix_space=False)
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=made,
        cls_token="<s>",
        sep_token="</s>",
        model_input_names=["input_ids", "attention_mask"],
        **special,
    )
    tokenizer.save_pretrained(folder)
    return len(tokenizer)


def roberta(folder: Path, **changes: Any) -> str:
    """Save a miniature of RoBERTa's kind: byte-level tokens, one token type, positions behind the padding token's."""
    import torch
    from transformers import RobertaConfig, RobertaModel

    sizes = {"vocab_size": byte_level(folder), "type_vocab_size": 1, "max_position_embeddings": 130, **BERT}
    config = RobertaConfig(**{**sizes, "bos_token_id": 0, "pad_token_id": 1, "eos_token_id": 2, **changes})
    with torch.random.fork_rng():
        torch.manual_seed(7)
        RobertaModel(config).save_pretrained(folder)
    return str(folder)
