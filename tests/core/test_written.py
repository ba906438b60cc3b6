"""Values that keep the words in which they were written, until a schema says what they are."""

from typing import Any

import pytest

from dispatcher.core.placeholders import MAX_DEPTH
from dispatcher.core.written import MAX_VALUES, Typed, WrittenInteger, WrittenNumber, from_json, holds_words, without_words


def test_numbers_in_json_keep_their_words():
    whole, other = from_json("[83415, 1.50]")
    assert (type(whole), whole, whole.words) == (WrittenInteger, 83415, "83415")
    assert (type(other), other, other.words) == (WrittenNumber, 1.5, "1.50")


@pytest.mark.parametrize("words", ["NaN", "Infinity", "-Infinity"])
def test_a_number_that_json_does_not_have_is_refused(words: str):
    with pytest.raises(ValueError, match=f"{words} is not a number that JSON has"):
        from_json(words)


@pytest.mark.parametrize(
    ("value", "undecided"),
    [
        (Typed("5"), True),
        (from_json("5"), True),
        (from_json('{"size": [1.5]}'), True),
        ([{"name": Typed("5")}, "text"], True),
        ([Typed("5"), {"name": "text"}], True),
        (5, False),
        ("5", False),
        ([{"name": ["5", 5, 1.5, None]}], False),
    ],
)
def test_typed_words_are_found_anywhere_in_a_value(value: Any, undecided: bool):
    assert holds_words(value) is undecided


def nested(depth: int) -> Any:
    return Typed("5") if depth == 0 else [nested(depth - 1)]


def test_typed_words_are_searched_to_twice_the_depth_of_a_template():
    assert holds_words(nested(2 * MAX_DEPTH))
    assert not holds_words(nested(2 * MAX_DEPTH + 1))


def test_words_are_looked_for_in_no_more_values_than_a_template_may_hold():
    fits = [Typed("5"), *[0] * (MAX_VALUES - 2)]
    assert holds_words(fits)
    assert not holds_words([*fits, 0])


def test_removing_the_typed_words_leaves_plain_values():
    value = without_words({"typed": Typed("5"), "read": from_json("[5, 1.5]"), "plain": [True, None]})
    assert value == {"typed": "5", "read": [5, 1.5], "plain": [True, None]}
    assert [type(plain) for plain in (value["typed"], *value["read"])] == [str, int, float]
