"""The data sets that scores are taken on: their ids on the hub, pinned, and the split of each scored quantity."""

from typing import NamedTuple


class Pinned(NamedTuple):
    """A data set of the hub at the revision that this suite evaluates on."""

    id: str
    revision: str


GLUE = Pinned("nyu-mll/glue", "bcdcba79d07bc864c1c254ccfcedcce55bcc9a8c")
SQUAD = Pinned("rajpurkar/squad", "7b6d24c440a36b6815f21b70d25016731768db1f")
IMDB = Pinned("stanfordnlp/imdb", "e6281661ce1c48d982bc483cf8a173c1bbeb5d31")
BY_TASK = {"glue": GLUE, "squad": SQUAD, "imdb": IMDB}
SPLITS = {
    "glue.mnli.accuracy": "validation_matched",
    "glue.mnli_mismatched.accuracy": "validation_mismatched",
    "imdb.accuracy": "test",
}


def pinned(quantity: str) -> Pinned | None:
    """The data set of a scored quantity, as `glue.sst2.accuracy`; None for what is not a score."""
    return BY_TASK.get(quantity.split(".")[0])


def split(quantity: str) -> str:
    """The split that a scored quantity is taken on: the labelled one that the paper used."""
    return SPLITS.get(quantity, "validation")
