"""From the logits of starts and ends to the text of an answer: the n-best span search of SQuAD v1.1.

In each window the `n_best` highest starts are combined with the `n_best` highest ends, chosen among all tokens of the
window, the question's and special ones too. A span that ends before it starts, is too long, or begins or ends outside
the context is discarded. The score of a span is the sum of its two logits. Equal logits and scores are decided by
place: the earliest window, the earliest start, the shortest span.

This is the protocol of transformers' run_qa.py and, but for one rule, of the older run_squad.py: there a start counted
only in that window in which its token has most context around it. run_qa.py can do that too but is not asked to; here
it is not done. Where run_qa.py says "empty" for want of a valid span, the answer here is "".
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from judge.files import Mistake

Logits = Sequence[NDArray[Any]] | NDArray[Any]
Floats = NDArray[np.float64]
Places = NDArray[np.int64]


class Columns(Protocol):
    """Columns by name: a datasets.Dataset, or a dictionary of lists."""

    def __getitem__(self, name: str, /) -> Iterable[Any]: ...


def best_answers(
    features: Columns,
    start_logits: Logits,
    end_logits: Logits,
    contexts: Mapping[str, str],
    n_best: int,
    max_answer_length: int,
) -> dict[str, str]:
    """The best answer to every question, over all its windows; the module's own words say which is best.

    Args:
        features: the columns `example_id` and `offset_mapping` of measure.finetuning.windows.evaluation_windows.
        start_logits: for each window a row of one number for each token; what follows these is padding, never read.
        end_logits: the same for ends.
        contexts: the context of every question, by the row's id.
        n_best: how many starts and ends of a window are considered.
        max_answer_length: the most tokens of an answer.

    Returns:
        A text for every id of `contexts`, in that order, cut from the context as it is written there.

    Raises:
        Mistake: a logit is not a finite number, or windows, logits and contexts do not belong together.
    """
    if n_best < 1 or max_answer_length < 1:
        raise Mistake(f"n_best {n_best} and max_answer_length {max_answer_length} must be 1 or more: mend the recipe.")
    ids, offsets = list(features["example_id"]), features["offset_mapping"]
    _check_sizes(ids, start_logits, end_logits, contexts)
    best: dict[str, tuple[float, str]] = {}
    for example, mapping, starts, ends in zip(ids, offsets, start_logits, end_logits, strict=True):
        places = np.asarray(mapping, dtype=np.int64).reshape(-1, 2)
        known = best.get(example, (-np.inf, ""))
        found = _best_span(
            _own(starts, len(places), example),
            _own(ends, len(places), example),
            places[:, 0] >= 0,
            n_best,
            max_answer_length,
        )
        # Only a higher score replaces what an earlier window gave.
        if found and found[0] > known[0]:
            score, first, last = found
            best[example] = score, contexts[example][places[first, 0] : places[last, 1]]
    return {example: best.get(example, (0.0, ""))[1] for example in contexts}


def _best_span(
    starts: Floats, ends: Floats, inside: NDArray[np.bool_], n_best: int, longest: int
) -> tuple[float, int, int] | None:
    """Score, first and last token of a window's best span, or None where no span is valid.

    Args:
        starts: one logit for each token of the window.
        ends: the same for ends.
        inside: for each token whether it is of the context.
        n_best: how many starts and ends are considered.
        longest: the most tokens of a span.
    """
    first, last = _highest(starts, n_best), _highest(ends, n_best)
    length = last[None, :] - first[:, None] + 1
    valid = (length >= 1) & (length <= longest) & inside[first][:, None] & inside[last][None, :]
    if not valid.any():
        return None
    scores = np.where(valid, starts[first][:, None] + ends[last][None, :], -np.inf)
    # Both are sorted by place, so that the first of several maxima starts earliest and, after that, is shortest.
    row, column = np.unravel_index(np.argmax(scores), scores.shape)
    return float(scores[row, column]), int(first[row]), int(last[column])


def _highest(logits: Floats, n_best: int) -> Places:
    """The places of the `n_best` highest logits, of equal ones the earliest, sorted by place."""
    return np.sort(np.argsort(-logits, kind="stable")[:n_best])


def _own(logits: NDArray[Any], tokens: int, example: str) -> Floats:
    """The logits of a window's own tokens, without padding, in double precision."""
    own = np.asarray(logits[:tokens], dtype=np.float64)
    if own.shape != (tokens,):
        raise Mistake(
            f"a window of SQuAD row {example!r} has {tokens} tokens and logits of shape {own.shape}: the model was run "
            "on other windows; evaluate it again."
        )
    if not np.isfinite(own).all():
        raise Mistake(
            f"the model gives logits that are not finite numbers for SQuAD row {example!r}: its training has diverged; "
            "train it again, in float32 if it was in less."
        )
    return own


def _check_sizes(ids: list[str], starts: Logits, ends: Logits, contexts: Iterable[str]) -> None:
    """Windows, logits and contexts must be of the same rows, or an answer would be missing without a word."""
    if not len(ids) == len(starts) == len(ends):
        raise Mistake(
            f"there are {len(ids)} windows, {len(starts)} rows of start logits and {len(ends)} of end logits: "
            "evaluate the model again on all windows."
        )
    if unlike := set(ids) ^ set(contexts):
        raise Mistake(
            f"{len(unlike)} SQuAD rows (one is {min(unlike)!r}) have windows but no context, or a context but no "
            "windows: make the windows again from the rows that are scored."
        )
