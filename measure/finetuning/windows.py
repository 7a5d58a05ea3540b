"""SQuAD rows cut into windows that a model can read: the whole question, then as much of the context as fits.

A context too long for `max_length` gives several windows, of which each repeats the last `doc_stride` tokens of the one
before: how transformers' run_qa.py reads its option of that name. (run_squad.py, older, moved on by `doc_stride`
tokens; on SQuAD v1.1 either way 99 % of the rows need one window.) Questions are not shortened, as in run_qa.py.

Rows come as datasets.Dataset.map(batched=True) hands them over: a list for each of the columns id, question, context
and answers, the last of {"text": [...], "answer_start": [...]}. Windows go back in the same way and are not padded:
a batch is padded when it is known.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Mapping, Sequence
from itertools import compress, count
from typing import Any

from transformers import BatchEncoding, PreTrainedTokenizerFast

from judge.files import Mistake

Rows = Mapping[str, Sequence[Any]]
Windows = dict[str, list[Any]]
# The offsets of a token that is not of the context.
OUTSIDE = (-1, -1)


def training_windows(rows: Rows, tokenizer: PreTrainedTokenizerFast, max_length: int, doc_stride: int) -> Windows:
    """Windows with the place of the answer, for the loss over starts and ends.

    Args:
        rows: a batch of rows; of several answers the first is learnt.
        tokenizer: a fast one that puts a [CLS] token into every window.
        max_length: the most tokens of a window, special ones included.
        doc_stride: how many tokens of the context two windows in a row share.

    Returns:
        `input_ids`, `token_type_ids` (0 up to the context, 1 from there on), `start_positions` and `end_positions`:
        the first and the last token of the answer, or both the index of [CLS] where the window has not all of it.

    Raises:
        Mistake: an answer is missing or does not stand at its `answer_start`, a question leaves no room for windows,
            or the tokenizer is not one that can tell where its tokens come from.
    """
    if misplaced := misplaced_answers(rows):
        raise Mistake(
            f"{len(misplaced):,} of {len(rows['id']):,} SQuAD rows (the first has id {misplaced[0]!r}) have no answer, "
            "or one that does not stand at its answer_start in the context: use the data set at its pinned revision."
        )
    encoded = _encode(rows, tokenizer, max_length, doc_stride)
    windows = _inputs(encoded) | {"start_positions": [], "end_positions": []}
    for i, row in enumerate(encoded["overflow_to_sample_mapping"]):
        answer = rows["answers"][row]
        start = answer["answer_start"][0]
        context = _context(encoded.sequence_ids(i))
        place = _answer_tokens(encoded["offset_mapping"][i], context, start, start + len(answer["text"][0]))
        none = encoded["input_ids"][i].index(tokenizer.cls_token_id)
        first, last = place or (none, none)
        windows["start_positions"].append(first)
        windows["end_positions"].append(last)
    return windows


def evaluation_windows(rows: Rows, tokenizer: PreTrainedTokenizerFast, max_length: int, doc_stride: int) -> Windows:
    """Windows with what it takes to turn a span of tokens into text (measure.finetuning.spans); answers are not read.

    Args:
        rows: a batch of rows.
        tokenizer: a fast one.
        max_length: the most tokens of a window, special ones included.
        doc_stride: how many tokens of the context two windows in a row share.

    Returns:
        `input_ids`, `token_type_ids` (0 up to the context, 1 from there on), `example_id`, the row's id, and
        `offset_mapping`: for each token where in the context it begins and ends, in characters, or OUTSIDE.

    Raises:
        Mistake: a question leaves no room for windows, or the tokenizer is not fast.
    """
    encoded = _encode(rows, tokenizer, max_length, doc_stride)
    windows = _inputs(encoded) | {"example_id": [], "offset_mapping": []}
    for i, row in enumerate(encoded["overflow_to_sample_mapping"]):
        context, offsets = _context(encoded.sequence_ids(i)), encoded["offset_mapping"][i]
        before, after = context.start, len(offsets) - context.stop
        windows["example_id"].append(rows["id"][row])
        windows["offset_mapping"].append([OUTSIDE] * before + offsets[context.start : context.stop] + [OUTSIDE] * after)
    return windows


def misplaced_answers(rows: Rows) -> list[str]:
    """The ids of rows without an answer, or with one whose text does not stand at its `answer_start` in the context."""
    columns = zip(rows["id"], rows["context"], rows["answers"], strict=True)
    return [row for row, context, answers in columns if not _stands_there(context, **answers)]


def _stands_there(context: str, text: Sequence[str], answer_start: Sequence[int]) -> bool:
    """Whether there are answers and each stands in the context where it should."""
    return 0 < len(text) == len(answer_start) and all(
        words and start >= 0 and context.startswith(words, start)
        for words, start in zip(text, answer_start, strict=True)
    )


def _encode(rows: Rows, tokenizer: PreTrainedTokenizerFast, max_length: int, doc_stride: int) -> BatchEncoding:
    # Spaces before a question carry nothing, and some tokenizers make tokens of them.
    questions = [question.lstrip() for question in rows["question"]]
    contexts = list(rows["context"])
    _check_tokenizer(tokenizer)
    _check_room(rows["id"], questions, contexts, tokenizer, max_length, doc_stride)
    encoded: BatchEncoding = tokenizer(
        questions,
        contexts,
        truncation="only_second",
        max_length=max_length,
        stride=doc_stride,
        return_overflowing_tokens=True,
        return_offsets_mapping=True,
        return_token_type_ids=False,
        return_attention_mask=False,
        padding=False,
    )
    return encoded


def _check_tokenizer(tokenizer: PreTrainedTokenizerFast) -> None:
    if not tokenizer.is_fast or tokenizer.cls_token_id is None or tokenizer.padding_side != "right":
        raise Mistake(
            f"the tokenizer {type(tokenizer).__name__} is not a fast one with a [CLS] token and padding on the right, "
            "which question answering needs: give a model with a BERT-like one."
        )


def _check_room(
    ids: Sequence[str],
    questions: list[str],
    contexts: list[str],
    tokenizer: PreTrainedTokenizerFast,
    max_length: int,
    doc_stride: int,
) -> None:
    """Find what the tokenizer would answer with a panic: windows that share all that they can hold of the context."""
    room = max_length - tokenizer.num_special_tokens_to_add(pair=True)
    if not 0 <= doc_stride < room:
        raise Mistake(
            f"doc_stride {doc_stride} does not fit max_length {max_length}: two windows in a row may share 0 to "
            f"{room - 1} tokens; change one of them in the recipe."
        )
    long = [room - length <= doc_stride for length in _lengths(tokenizer, questions)]
    for i in compress(count(), long):
        # A long question is no trouble beside a context that fits as it is.
        question, context = _lengths(tokenizer, [questions[i], contexts[i]])
        if question + context > room:
            raise Mistake(
                f"the question of SQuAD row {ids[i]!r} has {question} tokens and leaves no room for windows of "
                f"max_length {max_length} that share {doc_stride} tokens: raise max_length in the recipe."
            )


def _lengths(tokenizer: PreTrainedTokenizerFast, texts: list[str]) -> list[int]:
    """Tokens in each text, without special ones."""
    if not texts:
        return []
    encoded = tokenizer(
        texts, add_special_tokens=False, return_token_type_ids=False, return_attention_mask=False, verbose=False
    )
    return [len(tokens) for tokens in encoded["input_ids"]]


def _inputs(encoded: BatchEncoding) -> Windows:
    """What the model reads; token types are made here, since not every tokenizer gives them."""
    tokens = encoded["input_ids"]
    contexts = [_context(encoded.sequence_ids(i)).start for i in range(len(tokens))]
    types = [[0] * start + [1] * (len(ids) - start) for ids, start in zip(tokens, contexts, strict=True)]
    return {"input_ids": tokens, "token_type_ids": types}


def _context(sequence: list[int | None]) -> range:
    """The places of the context's tokens, which stand together; where it has none, the empty range at the end."""
    tokens = sequence.count(1)
    first = sequence.index(1) if tokens else len(sequence)
    return range(first, first + tokens)


def _answer_tokens(offsets: Sequence[tuple[int, int]], context: range, start: int, end: int) -> tuple[int, int] | None:
    """First and last token that has a character of the answer [start, end), if the window reaches around all of it."""
    if not context or offsets[context.start][0] > start or offsets[context.stop - 1][1] < end:
        return None
    first = bisect_right(offsets, start, context.start, context.stop, key=lambda token: token[1])
    last = bisect_left(offsets, end, context.start, context.stop, key=lambda token: token[0]) - 1
    return (first, last) if first <= last else None
