"""The n-best span search against an obvious one, on made logits and on the real data."""

import re
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from judge.files import Mistake
from measure.finetuning.spans import best_answers

MIRROR = Path(__file__).parents[2] / "shared" / "hub-mirror"
TEXT = "a b c d e f g h i j"
OUTSIDE = [-1, -1]


def window(first: int, tokens: int, before: int = 2, after: int = 1) -> list[list[int]]:
    """Offsets of a window on TEXT: so many of its letters, between tokens that are not of the context."""
    return [OUTSIDE] * before + [[2 * i, 2 * i + 1] for i in range(first, first + tokens)] + [OUTSIDE] * after


def answers(windows: list[Any], starts: Any, ends: Any, n_best: int = 20, longest: int = 30, row: str = "r") -> str:
    """The answer to the one question that all the windows belong to."""
    features = {"example_id": [row] * len(windows), "offset_mapping": windows}
    return best_answers(features, starts, ends, {row: TEXT}, n_best, longest)[row]


def logits(tokens: int, **at: float) -> Any:
    """Zeros for a window of [CLS] [SEP] `tokens` letters [SEP], but for the letters named."""
    row = np.zeros(tokens + 3, dtype=np.float32)
    for letter, value in at.items():
        row[2 + ord(letter) - ord("a")] = value
    return row


def test_the_span_with_the_highest_sum_is_cut_from_the_context() -> None:
    assert answers([window(0, 6)], [logits(6, b=3, c=2)], [logits(6, d=3, e=2)]) == "b c d"


def test_a_span_that_ends_before_it_starts_is_passed_over() -> None:
    assert answers([window(0, 6)], [logits(6, d=5, b=2)], [logits(6, b=5, e=1)]) == "b"


def test_a_span_outside_the_context_is_passed_over() -> None:
    starts, ends = logits(6, b=1), logits(6, c=1)
    for place in (0, 1, -1):
        starts[place] = ends[place] = 50
    assert answers([window(0, 6)], [starts], [ends]) == "b c"


def test_a_span_longer_than_allowed_is_passed_over() -> None:
    starts, ends = [logits(6, a=3, d=1)], [logits(6, f=3, b=1)]
    assert answers([window(0, 6)], starts, ends) == "a b c d e f"
    assert answers([window(0, 6)], starts, ends, longest=6) == "a b c d e f"
    assert answers([window(0, 6)], starts, ends, longest=5) == "a b"
    assert answers([window(0, 6)], starts, ends, longest=1) == "a"


def test_with_one_best_start_and_end_only_their_span_is_tried() -> None:
    assert answers([window(0, 6)], [logits(6, b=3)], [logits(6, d=3)], n_best=1) == "b c d"
    assert answers([window(0, 6)], [logits(6, d=3, a=2)], [logits(6, b=3, f=2)], n_best=1) == ""
    assert answers([window(0, 6)], [logits(6, d=3, a=2)], [logits(6, b=3, f=2)], n_best=2) == "a b"


def test_no_valid_span_in_any_window_gives_the_empty_text() -> None:
    assert answers([[OUTSIDE] * 4, [OUTSIDE] * 3], [np.ones(4), np.ones(3)], [np.ones(4), np.ones(3)]) == ""


def test_the_best_window_decides_wherever_it_stands() -> None:
    windows, low, high = [window(0, 4), window(4, 4)], logits(4, b=1), logits(4, b=2)
    assert answers(windows, [low, high], [low, high]) == "f"
    assert answers(windows, [high, low], [high, low]) == "b"


def test_windows_of_several_questions_may_stand_in_any_order() -> None:
    features = {"example_id": ["x", "y", "x"], "offset_mapping": [window(0, 4), window(2, 4), window(4, 4)]}
    rows = [logits(4, b=1), logits(4, a=9), logits(4, c=2)]
    found = best_answers(features, rows, rows, {"y": TEXT, "x": TEXT.upper()}, 20, 30)
    assert list(found.items()) == [("y", "c"), ("x", "G")]


def test_equal_scores_go_to_the_earliest_window_the_earliest_start_and_the_shortest_span() -> None:
    windows, flat = [window(3, 4), window(0, 4)], [np.zeros(7), np.zeros(7)]
    assert answers(windows, flat, flat) == "d"
    assert answers(windows, [logits(4, b=1, c=1)] * 2, [logits(4, c=1, d=1)] * 2) == "e f"
    # The cut between n best and the rest is made by place too: [CLS], [SEP] and the first letter come first.
    assert answers(windows, flat, flat, n_best=3) == "d"
    assert answers(windows, flat, flat, n_best=2) == ""


@pytest.mark.parametrize("filling", [-100.0, 1e9, np.nan])
def test_padding_never_wins(filling: float) -> None:
    windows, own = [window(0, 6), window(6, 4)], [logits(6, b=1, c=1), logits(4, a=2)]
    padded = np.full((2, 40), filling, dtype=np.float32)
    for i, row in enumerate(own):
        padded[i, : len(row)] = row
    assert answers(windows, padded, padded, n_best=4) == answers(windows, own, own, n_best=4) == "g"


def test_half_precision_is_added_without_rounding() -> None:
    # In float16 2048 + 1 is 2048, and the earlier of two equal spans would win.
    starts, ends = logits(4, a=2048, c=2048).astype(np.float16), logits(4, a=0, d=1).astype(np.float16)
    assert answers([window(0, 4)], [starts], [ends], longest=2) == "c d"


def refused(features: Any, starts: Any, ends: Any, contexts: Any, n_best: int, longest: int) -> str:
    """The sentence with which bad input is refused."""
    with pytest.raises(Mistake) as caught:
        best_answers(features, starts, ends, contexts, n_best, longest)
    said = str(caught.value)
    assert said.endswith(".")
    assert "\n" not in said
    return said


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("which", [0, 1])
def test_logits_that_are_not_numbers_are_refused(value: float, which: int) -> None:
    rows = [[logits(4)], [logits(4)]]
    rows[which][0][0] = value
    features = {"example_id": ["r"], "offset_mapping": [window(0, 4)]}
    said = refused(features, rows[0], rows[1], {"r": TEXT}, 20, 30)
    assert all(word in said for word in ("'r'", "finite"))


def test_windows_logits_and_contexts_that_do_not_belong_together_are_refused() -> None:
    features, row = {"example_id": ["r"], "offset_mapping": [window(0, 4)]}, [logits(4)]
    for found, more in (
        (r"\b1 windows\b.*\b2\b.*\b1\b", (row * 2, row, {"r": TEXT}, 20, 30)),
        (r"'r'.*\b7 tokens\b.*\(6,\)", ([logits(3)], row, {"r": TEXT}, 20, 30)),
        (r"\b1\b.*'s'", (row, row, {"r": TEXT, "s": TEXT}, 20, 30)),
        (r"\b1\b.*'r'", (row, row, {}, 20, 30)),
        (r"\bn_best 0\b.*\bmax_answer_length 30\b", (row, row, {"r": TEXT}, 0, 30)),
        (r"\bn_best 20\b.*\bmax_answer_length 0\b", (row, row, {"r": TEXT}, 20, 0)),
    ):
        assert re.search(found, refused(features, *more))


def searched(windows: list[Any], starts: Any, ends: Any, n_best: int, longest: int) -> str:
    """The same by trying every span of every window."""
    found = []
    for w, offsets in enumerate(windows):
        tokens = range(len(offsets))
        best_starts = sorted(tokens, key=lambda t: (-starts[w][t], t))[:n_best]
        best_ends = sorted(tokens, key=lambda t: (-ends[w][t], t))[:n_best]
        for first in tokens:
            for last in range(first, min(len(offsets), first + longest)):
                if OUTSIDE not in offsets[first : last + 1] and first in best_starts and last in best_ends:
                    score = float(starts[w][first]) + float(ends[w][last])
                    found.append((-score, w, first, last - first, TEXT[offsets[first][0] : offsets[last][1]]))
    return min(found)[-1] if found else ""


@st.composite
def searches(draw: st.DrawFn) -> tuple[Any, ...]:
    """One to three windows with small whole logits, so that sums are exact and ties are common."""
    shape = st.tuples(st.integers(0, 4), st.integers(0, 6), st.integers(0, 2), st.integers(0, 2))
    windows = [window(*draw(shape)) for _ in range(draw(st.integers(1, 3)))]
    row = [st.lists(st.integers(-3, 3), min_size=len(at), max_size=len(at)) for at in windows]
    starts, ends = ([np.array(draw(one), dtype=np.float32) for one in row] for _ in range(2))
    return windows, starts, ends, draw(st.integers(1, 5)), draw(st.integers(1, 5))


@given(searches())
def test_the_search_finds_what_trying_every_span_finds(case: tuple[Any, ...]) -> None:
    assert answers(*case) == searched(*case)


def test_the_whole_development_set_takes_well_under_a_minute() -> None:
    random = np.random.default_rng(0)
    offsets = [OUTSIDE] * 14 + [[5 * i, 5 * i + 4] for i in range(369)] + [OUTSIDE]
    ids = [str(i) for i in range(1000)]
    starts, ends = random.normal(size=(2, 1000, 384)).astype(np.float32)
    features, contexts = {"example_id": ids, "offset_mapping": [offsets] * 1000}, dict.fromkeys(ids, "x" * 2000)
    began = time.perf_counter()
    best_answers(features, starts, ends, contexts, 20, 30)
    # A tenth of it in a tenth of half a minute.
    assert time.perf_counter() - began < 3


@pytest.mark.parametrize(("max_length", "doc_stride"), [(384, 128), (160, 64)])
def test_perfect_logits_give_the_gold_answers_of_the_real_data(max_length, doc_stride, tmp_path) -> None:
    datasets = pytest.importorskip("datasets", reason="reads SQuAD")
    transformers = pytest.importorskip("transformers", reason="makes the windows")
    from measure.finetuning.windows import evaluation_windows, training_windows

    folder = MIRROR / "google-bert" / "bert-base-uncased"
    path = MIRROR / "rajpurkar" / "squad" / "plain_text" / "validation-00000-of-00001.parquet"
    if not (folder.is_dir() and path.is_file()):
        pytest.skip("needs SQuAD and BERT's vocabulary in the mirror of the hub")
    tokenizer = transformers.AutoTokenizer.from_pretrained(str(folder), local_files_only=True)
    rows = datasets.Dataset.from_parquet(str(path), cache_dir=str(tmp_path))
    rows = rows.select(range(0, len(rows), 30))
    learnt = training_windows(rows[:], tokenizer, max_length, doc_stride)
    windows = rows.map(
        lambda batch: evaluation_windows(batch, tokenizer, max_length, doc_stride),
        batched=True,
        remove_columns=rows.column_names,
    )
    assert len(windows) == len(learnt["input_ids"])
    assert (len(windows) > len(rows) * 1.3) == (max_length < 384)
    starts, ends = _certain(learnt, "start_positions"), _certain(learnt, "end_positions")
    found = best_answers(windows, starts, ends, dict(zip(rows["id"], rows["context"], strict=True)), 20, 30)
    gold = {row: answer["text"][0] for row, answer in zip(rows["id"], rows["answers"], strict=True)}
    borders = [_at_borders(tokenizer, row) for row in rows]
    # An answer between borders of tokens comes back as it was written; others, and long ones, are few.
    assert [found[row["id"]] for row, at in zip(rows, borders, strict=True) if at] == [
        gold[row["id"]] for row, at in zip(rows, borders, strict=True) if at
    ]
    assert sum(borders) > len(rows) * 0.98


def _certain(learnt: dict[str, list[Any]], column: str) -> list[Any]:
    """Logits of a model that is sure of the gold place, and of [CLS] where a window has not all of the answer."""
    rows = [np.zeros(len(ids), dtype=np.float32) for ids in learnt["input_ids"]]
    for row, place in zip(rows, learnt[column], strict=True):
        row[place] = 10
    return rows


def _at_borders(tokenizer: Any, row: dict[str, Any]) -> bool:
    """Whether the gold answer is made of whole tokens, at most 30."""
    offsets = tokenizer(row["context"], add_special_tokens=False, return_offsets_mapping=True)["offset_mapping"]
    start = row["answers"]["answer_start"][0]
    end = start + len(row["answers"]["text"][0])
    inside = [(a, b) for a, b in offsets if a < end and b > start]
    return inside[0][0] == start and inside[-1][1] == end and len(inside) <= 30
