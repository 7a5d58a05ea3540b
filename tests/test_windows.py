"""SQuAD rows as windows: where the answer is, at borders, in Unicode, and on the real data."""

import copy
import re
import string
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from judge.files import Mistake

datasets = pytest.importorskip("datasets", reason="windows are made with datasets")
transformers = pytest.importorskip("transformers", reason="windows are made with transformers")

import tokenizers  # noqa: E402

from measure.finetuning.windows import OUTSIDE, evaluation_windows, misplaced_answers, training_windows  # noqa: E402

MIRROR = Path(__file__).parents[2] / "shared" / "hub-mirror"
SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
VOCABULARY = [*SPECIAL, *string.ascii_lowercase, *(f"##{letter}" for letter in string.ascii_lowercase), "the", ",", "."]
# Four tokens of context beside the question "q r", of which two stand in the next window too.
LETTERS, LENGTH, STRIDE = "a b c d e f g h i j", 9, 2
CLS = (0, 0)


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A tiny one of BERT's kind, lower-casing: every letter, alone and inside a word, and few other tokens."""
    path = tmp_path_factory.mktemp("tokenizer") / "vocab.txt"
    path.write_text("\n".join(VOCABULARY) + "\n", encoding="utf-8")
    return transformers.BertTokenizerFast(vocab=str(path))


@pytest.fixture(scope="module")
def real_tokenizer() -> Any:
    folder = MIRROR / "google-bert" / "bert-base-uncased"
    if not folder.is_dir():
        pytest.skip("needs BERT's vocabulary in the mirror of the hub")
    return transformers.AutoTokenizer.from_pretrained(str(folder), local_files_only=True)


@pytest.fixture(scope="module")
def real_rows(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[Any]]:
    """Every 250th row of SQuAD's training set: 351."""
    path = MIRROR / "rajpurkar" / "squad" / "plain_text" / "train-00000-of-00001.parquet"
    if not path.is_file():
        pytest.skip("needs SQuAD in the mirror of the hub")
    rows = datasets.Dataset.from_parquet(str(path), cache_dir=str(tmp_path_factory.mktemp("cache")))
    return rows.select(range(0, len(rows), 250))[:]


def made(*rows: tuple[str, str, str, int]) -> dict[str, list[Any]]:
    """Rows of a question, a context, and an answer with its start."""
    return {
        "id": [f"row-{i}" for i in range(len(rows))],
        "question": [row[0] for row in rows],
        "context": [row[1] for row in rows],
        "answers": [{"text": [row[2]], "answer_start": [row[3]]} for row in rows],
    }


def asked(context: str, answer: str, question: str = "q r") -> dict[str, list[Any]]:
    return made((question, context, answer, context.index(answer)))


def places(windows: dict[str, list[Any]]) -> list[tuple[int, int]]:
    return list(zip(windows["start_positions"], windows["end_positions"], strict=True))


def texts(rows: dict[str, list[Any]], tokenizer: Any, max_length: int, doc_stride: int) -> list[str | None]:
    """The text between the learnt positions of every window, None where they say [CLS]."""
    learnt = training_windows(rows, tokenizer, max_length, doc_stride)
    seen = evaluation_windows(rows, tokenizer, max_length, doc_stride)
    assert learnt["input_ids"] == seen["input_ids"]
    contexts = dict(zip(rows["id"], rows["context"], strict=True))
    return [
        None if place == CLS else contexts[row][offsets[place[0]][0] : offsets[place[1]][1]]
        for place, row, offsets in zip(places(learnt), seen["example_id"], seen["offset_mapping"], strict=True)
    ]


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ("a", [(4, 4), CLS, CLS, CLS]),
        ("a b c d", [(4, 7), CLS, CLS, CLS]),
        ("c d", [(6, 7), (4, 5), CLS, CLS]),
        ("b c d", [(5, 7), CLS, CLS, CLS]),
        ("d e", [CLS, (5, 6), CLS, CLS]),
        ("e", [CLS, (6, 6), (4, 4), CLS]),
        ("d e f g", [CLS, CLS, CLS, CLS]),
        ("j", [CLS, CLS, CLS, (7, 7)]),
        ("g h i j", [CLS, CLS, CLS, (4, 7)]),
    ],
)
def test_an_answer_is_learnt_in_every_window_that_has_all_of_it(answer, expected, tokenizer) -> None:
    windows = training_windows(asked(LETTERS, answer), tokenizer, LENGTH, STRIDE)
    assert places(windows) == expected


def test_a_window_has_the_whole_question_and_a_piece_of_the_context(tokenizer) -> None:
    windows = training_windows(asked(LETTERS, "a"), tokenizer, LENGTH, STRIDE)
    pieces = ["a b c d", "c d e f", "e f g h", "g h i j"]
    assert [tokenizer.decode(ids) for ids in windows["input_ids"]] == [f"[CLS] q r [SEP] {at} [SEP]" for at in pieces]
    assert windows["token_type_ids"] == [[0, 0, 0, 0, 1, 1, 1, 1, 1]] * 4
    assert set(windows) == {"input_ids", "token_type_ids", "start_positions", "end_positions"}


def test_windows_are_not_padded(tokenizer) -> None:
    windows = training_windows(made(("q", "a b", "a", 0), ("q r s", "a b c d e", "e", 8)), tokenizer, 10, 1)
    assert [len(ids) for ids in windows["input_ids"]] == [6, 10, 8]


def test_evaluation_windows_say_whose_they_are_and_where_their_tokens_stand(tokenizer) -> None:
    rows = asked(LETTERS, "a") | {"id": ["one"], "answers": [None]}
    windows = evaluation_windows(rows, tokenizer, LENGTH, STRIDE)
    assert windows["example_id"] == ["one"] * 4
    assert windows["offset_mapping"][1] == [OUTSIDE] * 4 + [(4, 5), (6, 7), (8, 9), (10, 11)] + [OUTSIDE]
    assert set(windows) == {"input_ids", "token_type_ids", "example_id", "offset_mapping"}


def test_token_types_are_those_of_berts_own_tokenizer(tokenizer) -> None:
    rows = made(("q", "a b c", "b", 2), ("the q , r", "the a . b", "b", 8))
    own = tokenizer(rows["question"], rows["context"])
    assert evaluation_windows(rows, tokenizer, 32, 2)["token_type_ids"] == own["token_type_ids"]


def test_spaces_before_a_question_change_nothing(tokenizer) -> None:
    # One that makes a token of every space: unstripped, such a question would leave no room.
    spacious = copy.deepcopy(tokenizer)
    spacious.backend_tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.Split(" ", "isolated")
    assert len(spacious("  q")["input_ids"]) == 5
    for kind in (tokenizer, spacious):
        spaced = asked("a b c", "c", question=" \t\n" + " " * 500 + "q r")
        plain = training_windows(asked("a b c", "c"), kind, 12, STRIDE)
        assert training_windows(spaced, kind, 12, STRIDE) == plain


@pytest.mark.parametrize(
    ("context", "answer"),
    [
        ("Beyoncé, née à Houston", "Beyoncé"),
        ("l'idée naïve d'Élodie a coûté", "Élodie"),
        ("o cafe\u0301s e o voo\u0302", "cafe\u0301s"),
        ("the capital 北京市 is north of 南京", "北京"),
        ("😀 a 👩‍🚀 in space", "👩‍🚀"),
        ("Москва and Київ", "Київ"),
        ("non\u00a0breaking\u2009spaces 20,980 £", "20,980"),
    ],
)
def test_an_answer_in_any_script_is_recovered_letter_by_letter(context, answer, tokenizer) -> None:
    assert texts(asked(context, answer), tokenizer, 64, 8) == [answer]


@pytest.mark.parametrize(
    ("context", "answer", "learnt"),
    [("the atheist", "the", "the"), ("north. athe", "north.", "north."), ("a +b+ c", "+b", "+b")],
)
def test_an_answer_that_ends_inside_a_word_is_cut_between_its_tokens(context, answer, learnt, tokenizer) -> None:
    assert texts(asked(context, answer), tokenizer, 32, 2) == [learnt]


def test_an_answer_that_begins_inside_a_token_is_learnt_with_all_of_it(tokenizer) -> None:
    assert texts(made(("q", "a the b", "he b", 3)), tokenizer, 32, 2) == ["the b"]


def test_an_accent_apart_from_its_letter_is_lost_at_the_end_of_an_answer(tokenizer) -> None:
    # The tokenizer drops it and leaves no offset; inside an answer it stays.
    assert texts(asked("o cafe\u0301 e", "cafe\u0301"), tokenizer, 64, 8) == ["cafe"]


def test_an_answer_of_which_the_tokenizer_keeps_nothing_is_not_learnt(tokenizer) -> None:
    assert texts(made(("q", "a \u200b b", "\u200b", 2)), tokenizer, 32, 2) == [None]


def test_a_context_without_tokens_gives_one_window_without_places(tokenizer) -> None:
    windows = evaluation_windows(made(("q", "", "", 0), ("q", "\u200b", "", 0)), tokenizer, 32, 2)
    assert windows["offset_mapping"] == [[OUTSIDE] * 4] * 2


def test_windows_of_a_data_set_are_the_same_whatever_the_batch(tokenizer) -> None:
    rows = made(*(("q r", LETTERS, letter, LETTERS.index(letter)) for letter in "acegj"))
    for function in (training_windows, evaluation_windows):
        whole = function(rows, tokenizer, LENGTH, STRIDE)
        mapped = datasets.Dataset.from_dict(rows).map(
            partial(function, tokenizer=tokenizer, max_length=LENGTH, doc_stride=STRIDE),
            batched=True,
            batch_size=2,
            remove_columns=list(rows),
        )
        stored = mapped[:]
        assert set(stored) == set(whole)
        assert stored["input_ids"] == whole["input_ids"]
        assert [len(ids) for ids in stored["input_ids"]] == [LENGTH] * 20
        assert places(stored) == places(whole) if function is training_windows else True
    assert stored["offset_mapping"][1][4] == [4, 5]


def test_of_several_answers_the_first_is_learnt(tokenizer) -> None:
    rows = made(("q", "a b c", "c", 4))
    rows["answers"] = [{"text": ["b", "a"], "answer_start": [2, 0]}]
    assert texts(rows, tokenizer, 32, 2) == ["b"]


def refused(function: Any, *values: Any) -> str:
    """The sentence with which bad input is refused."""
    with pytest.raises(Mistake) as caught:
        function(*values)
    said = str(caught.value)
    assert said.endswith(".")
    assert "\n" not in said
    return said


@pytest.mark.parametrize("function", [training_windows, evaluation_windows])
def test_a_question_that_leaves_no_room_is_named(function, tokenizer) -> None:
    rows = made(("q", "a b c", "a", 0), ("q " * 40, "a b c", "a", 0))
    said = refused(function, rows, tokenizer, 32, 2)
    assert all(word in said for word in ("'row-1'", "40", "max_length 32"))


def test_a_question_that_leaves_just_too_little_room_is_refused_before_the_tokenizer_panics(tokenizer, capfd) -> None:
    # Seven tokens of context have room for 6 or 5 in a window; of these, 5 are to be shared with the next.
    assert len(training_windows(asked("a b c d e f g", "a", "q " * 11), tokenizer, 20, 5)["input_ids"]) == 2
    said = refused(training_windows, asked("a b c d e f g", "a", "q " * 12), tokenizer, 20, 5)
    assert all(word in said for word in ("'row-0'", "12", "max_length 20"))
    assert capfd.readouterr().err == ""


def test_a_long_question_is_no_trouble_beside_a_context_that_fits(tokenizer) -> None:
    assert places(training_windows(asked("a b c", "c", "q " * 14), tokenizer, 20, 5)) == [(18, 18)]


@pytest.mark.parametrize(("stride", "highest"), [(17, 16), (200, 16), (-1, 16)])
def test_a_stride_that_does_not_fit_is_refused(stride, highest, tokenizer) -> None:
    said = refused(training_windows, asked(LETTERS, "a"), tokenizer, 20, stride)
    assert all(word in said for word in (f"doc_stride {stride}", "max_length 20", f" {highest} "))


@pytest.mark.parametrize(
    "answers",
    [
        {"text": ["b"], "answer_start": [0]},
        {"text": ["c"], "answer_start": [-1]},
        {"text": ["c"], "answer_start": [40]},
        {"text": [""], "answer_start": [0]},
        {"text": [], "answer_start": []},
        {"text": ["a", "b"], "answer_start": [0, 3]},
        {"text": ["a", "b"], "answer_start": [0]},
    ],
)
def test_answers_that_do_not_stand_in_the_context_are_counted_and_refused(answers, tokenizer) -> None:
    rows = made(("q", "a b c", "a", 0), ("q", "a b c", "a", 0))
    assert misplaced_answers(rows) == []
    rows["answers"][1] = answers
    assert misplaced_answers(rows) == ["row-1"]
    assert re.search(r"\b1\b.*\b2\b.*'row-1'.*\banswer_start\b", refused(training_windows, rows, tokenizer, 32, 2))


def test_a_tokenizer_that_cannot_say_where_tokens_come_from_is_refused(tokenizer) -> None:
    plain = transformers.PreTrainedTokenizerFast(tokenizer_object=tokenizer.backend_tokenizer)
    said = refused(evaluation_windows, asked(LETTERS, "a"), plain, LENGTH, STRIDE)
    assert all(word in said for word in (type(plain).__name__, "[CLS]"))


@pytest.mark.parametrize(("max_length", "doc_stride"), [(384, 128), (96, 32)])
def test_every_answer_of_the_real_data_is_recovered_where_a_window_has_it(
    max_length, doc_stride, real_rows, real_tokenizer
) -> None:
    rows = real_rows
    learnt = training_windows(rows, real_tokenizer, max_length, doc_stride)
    seen = evaluation_windows(rows, real_tokenizer, max_length, doc_stride)
    number = {row: i for i, row in enumerate(rows["id"])}
    recovered, unlike, found = 0, 0, set()
    for place, row, offsets in zip(places(learnt), seen["example_id"], seen["offset_mapping"], strict=True):
        i = number[row]
        answer, start = rows["answers"][i]["text"][0], rows["answers"][i]["answer_start"][0]
        touched = [t for t, (a, b) in enumerate(offsets) if a >= 0 and a < start + len(answer) and b > start]
        # The tokens before and after the answer, or the borders of the text, show that none of it is missing.
        whole = bool(touched) and offsets[touched[0]][0] <= start and offsets[touched[-1]][1] >= start + len(answer)
        assert place == ((touched[0], touched[-1]) if whole else CLS)
        if whole:
            found.add(row)
            text = rows["context"][i][offsets[place[0]][0] : offsets[place[1]][1]]
            recovered, unlike = recovered + (text == answer), unlike + (text != answer)
            assert answer in text
    assert recovered >= len(real_rows["id"]) * 0.97
    # Answers cut inside a token, as "20,980" out of a longer number, are recovered with the rest of it.
    assert unlike <= recovered * 0.02
    # An answer no longer than what two windows share lies in one of them; few are longer than 32 tokens.
    assert len(found) >= len(number) * 0.98
    assert (len(found) == len(number)) or max_length < 384
