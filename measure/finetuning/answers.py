"""How an answer to a question is scored against the gold answers, as the SQuAD v1.1 evaluation defines it.

Rajpurkar et al., 2016 (arXiv:1606.05250), section 6.1, and the evaluation script published with the data set. Only
ASCII punctuation is removed: a dash or a quotation mark of typography stays a part of its token.
"""

import re
import string
from collections import Counter
from collections.abc import Sequence

_PUNCTUATION = str.maketrans("", "", string.punctuation)
_ARTICLES = re.compile(r"\b(?:a|an|the)\b")


def normalise(text: str) -> str:
    """The text as answers are compared: lower case, no ASCII punctuation, no articles, single spaces.

    The order matters and is the published one: punctuation goes before articles, so that "the-end" becomes the token
    "theend" and keeps its article, and an article leaves a space behind.
    """
    return " ".join(_ARTICLES.sub(" ", text.lower().translate(_PUNCTUATION)).split())


def exact_match(prediction: str | None, golds: Sequence[str]) -> float:
    """1 where the prediction equals a gold answer once both are normalised, else 0; no prediction (None) scores 0."""
    if prediction is None:
        return 0.0
    return float(normalise(prediction) in {normalise(gold) for gold in golds})


def f1(prediction: str | None, golds: Sequence[str]) -> float:
    """The best F1 of the prediction's tokens against those of a gold answer, 0 to 1; no prediction (None) scores 0.

    Without a common token it is 0, even where both sides normalise to nothing and match exactly. The dev set has
    three questions with such a gold answer: a full stop.
    """
    if prediction is None:
        return 0.0
    tokens = normalise(prediction).split()
    return max(_overlap(tokens, normalise(gold).split()) for gold in golds)


def _overlap(one: list[str], other: list[str]) -> float:
    """The harmonic mean of precision and recall, which comes down to 2 common / (all of one + all of the other)."""
    common = (Counter(one) & Counter(other)).total()
    return 2 * common / (len(one) + len(other)) if common else 0.0
