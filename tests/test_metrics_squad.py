"""measure/finetuning/answers.py: SQuAD's exact match and F1, by hand, by property, and against the definition."""

import string
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from measure.finetuning.answers import exact_match, f1, normalise

# Words that the rules treat in some way, and any text whatever.
WORDS = (
    "a",
    "an",
    "the",
    "The",
    "cat",
    "Cat.",
    "dog",
    "and",
    "theme",
    "U.S.",
    "\u2013",
    "“cat”",
    "...",
    "the-cat",
    "naïve",
)
answers = st.lists(st.sampled_from(WORDS), max_size=6).map(" ".join) | st.text(max_size=12)
several = st.lists(answers, min_size=1, max_size=4)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("The Cat", "cat"),
        ("a cat and an owl", "cat and owl"),
        ("  too \t many\n\nspaces ", "too many spaces"),
        ("Theme of another banana", "theme of another banana"),  # articles as whole words alone
        ("U.S.", "us"),
        ("A.", ""),  # the full stop goes first, then the article
        ("the-cat", "thecat"),  # and so the article is no word any more
        ("the cat's", "cats"),
        ("10,000", "10000"),
        ("$5 (five)", "5 five"),
        ("“the” cat", "“ ” cat"),  # only ASCII punctuation goes, and an article leaves a space
        ("1985\u20131990", "1985\u20131990"),
        ("the\u2013cat", "\u2013cat"),  # a dash of typography ends a word
        ("\u0391\u039d ÉTÉ", "\u03b1\u03bd été"),  # Greek letters are no article
        ("la\u00a0the\u2003casa", "la casa"),  # spaces of any width
        ("thé", "thé"),
        ("the the a", ""),
        ("!?.", ""),
        ("", ""),
        (string.punctuation, ""),
    ],
)
def test_an_answer_is_normalised(text: str, expected: str) -> None:
    assert normalise(text) == expected


@pytest.mark.parametrize(
    ("prediction", "golds", "matches", "overlap"),
    [
        ("The Norman dynasty.", ["Norman dynasty"], 1, 1),
        ("Norman", ["the Norman dynasty"], 0, 2 / 3),
        ("in the 10th and 11th centuries", ["10th and 11th centuries"], 0, 8 / 9),
        ("Denver Broncos", ["Carolina Panthers", "Denver", "the Broncos of Denver"], 0, 0.8),  # the best gold counts
        ("Denver Broncos", ["Carolina Panthers", "denver broncos!"], 1, 1),
        ("cat cat dog", ["cat dog dog"], 0, 2 / 3),  # tokens count as often as they occur on both sides
        ("dog cat", ["cat dog"], 0, 1),  # and in any order
        ("owl", ["cat", "dog"], 0, 0),
        ("“cat”", ["cat"], 0, 0),
        ("", ["cat"], 0, 0),
        ("cat", [""], 0, 0),
        ("", [""], 1, 0),  # no common token, though both are the same
        ("the", ["."], 1, 0),
        ("the", [".", "cat"], 1, 0),
        (None, ["cat"], 0, 0),
        (None, [""], 0, 0),
    ],
)
def test_an_answer_is_scored(prediction: str | None, golds: list[str], matches: float, overlap: float) -> None:
    assert exact_match(prediction, golds) == matches
    assert f1(prediction, golds) == pytest.approx(overlap, abs=1e-15)


@given(prediction=answers, golds=several)
def test_f1_is_the_harmonic_mean_of_precision_and_recall_of_the_best_gold(prediction: str, golds: list[str]) -> None:
    def plainly(text: str) -> list[str]:
        """The definition word by word, without a regular expression."""
        kept = "".join(letter for letter in text.lower() if letter not in string.punctuation)
        words, word = [], ""
        for letter in kept + " ":
            if letter.isalnum() or letter == "_":
                word += letter
            else:
                words += [" " if word in ("a", "an", "the") else word, letter]
                word = ""
        return "".join(words).split()

    best = 0.0
    for gold in golds:
        one, other = plainly(prediction), plainly(gold)
        same = sum(min(count, Counter(other)[token]) for token, count in Counter(one).items())
        if same:
            precision, recall = same / len(one), same / len(other)
            best = max(best, 2 * precision * recall / (precision + recall))
    assert f1(prediction, golds) == pytest.approx(best, abs=1e-12)
    assert exact_match(prediction, golds) == any(plainly(prediction) == plainly(gold) for gold in golds)


@given(one=answers, other=answers)
def test_scores_of_one_gold_are_symmetric(one: str, other: str) -> None:
    assert f1(one, [other]) == f1(other, [one])
    assert exact_match(one, [other]) == exact_match(other, [one])


@given(prediction=answers, golds=several)
def test_an_exact_match_has_f1_1_unless_nothing_is_left_of_it(prediction: str, golds: list[str]) -> None:
    assert 0 <= f1(prediction, golds) <= 1
    if normalise(prediction):
        assert exact_match(prediction, golds) <= f1(prediction, golds)
    else:
        assert f1(prediction, golds) == 0


@given(prediction=answers, golds=several, more=answers)
def test_another_gold_answer_never_costs_anything(prediction: str, golds: list[str], more: str) -> None:
    assert f1(prediction, [*golds, more]) >= f1(prediction, golds)
    assert exact_match(prediction, [more, *golds]) >= exact_match(prediction, golds)
    assert f1(prediction, golds[::-1]) == f1(prediction, golds)


@given(words=st.lists(st.sampled_from(["cat", "dog", "naïve", "1985\u20131990"]), min_size=1, max_size=5))
def test_case_punctuation_articles_and_spaces_change_nothing(words: list[str]) -> None:
    plain, dressed = " ".join(words), "The  " + ", a ".join(words).upper() + "!\n"
    assert exact_match(dressed, [plain]) == f1(dressed, [plain]) == 1


@given(text=answers)
def test_normalised_text_has_single_spaces_no_ascii_punctuation_and_no_articles(text: str) -> None:
    found = normalise(text)
    assert found == " ".join(found.split())
    assert not set(found) & set(string.punctuation)
    assert not {"a", "an", "the"} & set(found.split())
