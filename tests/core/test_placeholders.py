"""How deep a value may nest, what is cached, and how much of a value a fault shows."""

import re

import pytest

from dispatcher.core import placeholders
from dispatcher.core.placeholders import MAX_DEPTH, MISSING, fill, joined, nests_too_deep, plain_copy, replaced
from dispatcher.errors import RenderError


def nested(kinds, depth, inner="{{ a }}"):
    """Objects and lists in turn, so many around a text."""
    for level in range(depth):
        inner = {"k": inner} if kinds[level % len(kinds)] is dict else [inner]
    return inner


KINDS = pytest.mark.parametrize("kinds", [(dict,), (list,), (dict, list)], ids=["objects", "lists", "both"])
READERS = pytest.mark.parametrize(
    "read",
    [lambda value: fill(value, {"a": 1}), lambda value: fill("{{ a }}", {"a": value}), plain_copy, placeholders.placeholders],
    ids=["fill", "fill from a value", "plain_copy", "placeholders"],
)


@KINDS
@READERS
def test_every_reader_takes_a_value_up_to_the_depth_limit_and_none_deeper(read, kinds):
    assert read(nested(kinds, MAX_DEPTH))
    with pytest.raises(RenderError, match=f"nest more than {MAX_DEPTH} levels deep"):
        read(nested(kinds, MAX_DEPTH + 1))


@KINDS
@pytest.mark.parametrize("levels", [0, 1, 2, 7])
def test_a_value_that_nests_too_deep_is_noticed(kinds, levels):
    depths = range(12)
    assert [nests_too_deep(nested(kinds, depth), levels) for depth in depths] == [depth > levels for depth in depths]


@KINDS
def test_a_value_nests_too_deep_where_a_template_may_not_hold_it(kinds):
    assert [nests_too_deep(nested(kinds, MAX_DEPTH + more)) for more in (0, 1, 3000)] == [False, True, True]


def test_one_branch_that_nests_too_deep_makes_the_value_too_deep():
    assert nests_too_deep({"flat": 1, "deep": [[1]], "last": "x"}, 2) is True
    assert nests_too_deep({"flat": 1, "deep": [[1]], "last": "x"}, 3) is False


@pytest.mark.parametrize(("length", "is_whole"), [(10, True), (77, True), (78, True), (79, False), (200, False)])
def test_a_fault_shows_at_most_eighty_characters_of_a_text(length, is_whole):
    text = "{{ a }}".ljust(length, "x")
    shown = repr(text) if is_whole else f"{repr(text)[:77]}..."
    assert len(shown) <= 80
    with pytest.raises(RenderError, match=f"inside the text {re.escape(shown)}; let it stand alone"):
        fill(text, {"a": []})


def test_short_texts_are_read_once_and_long_ones_are_not_kept():
    """A template's texts are filled for every run; a long one would stay in memory for the sake of one placeholder."""
    longest = placeholders._CACHED_LENGTH
    for length, kept in ((longest, 1), (longest + 1, 0)):
        placeholders._parse_cached.cache_clear()
        text = "{{ a }}".ljust(length, "x")
        assert [piece.name for piece in placeholders.placeholders([text, text])] == ["a", "a"]
        assert placeholders._parse_cached.cache_info()[::3] == (kept, kept), "hits, and how many are kept"


@pytest.mark.parametrize(("path", "step", "place"), [("", "a", "a"), ("a", "b", "a.b"), ("", 0, "[0]"), ("a", 12, "a[12]")])
def test_a_place_is_named_by_dots_and_indices(path, step, place):
    assert joined(path, step) == place


VALUES = {"a": 1, "b": "two", "c": [1, "x"], "d": {"k": None}, "e": None, "f": "{{ a }}", "x.y[0]": True}


@pytest.mark.parametrize(
    ("value", "outcome"),
    [
        ("{{ a }}", 1),
        ("{{b}}", "two"),
        ("{{ c }}", [1, "x"]),
        ("{{ e }}", None),
        ("{{ x.y[0] }}", True),
        ("{{ none }}", "{{ none }}"),
        ("{{none}}", "{{none}}"),
        ("{{ f }}", "{{ a }}"),
        ("-{{ a }}-{{b}}-", "-1-two-"),
        (" {{ a }}", " 1"),
        ("{{ c }}{{ d }}", '[1, "x"]{"k": null}'),
        ("{{ e }}!{{ x.y[0] }}", "null!true"),
        ("{{ a }}{{none}}", "1{{none}}"),
        ("{{ f }}.", "{{ a }}."),
        ("no { a } and {{ a b }}", "no { a } and {{ a b }}"),
        ({"{{ a }}": ["{{ a }}", {"k": "{{ b }}"}], "n": 5, "o": None}, {"{{ a }}": [1, {"k": "two"}], "n": 5, "o": None}),
    ],
)
def test_a_placeholder_is_replaced_by_what_its_name_stands_for_or_stays_as_it_is_written(value, outcome):
    assert replaced(value, lambda name: VALUES.get(name, MISSING)) == outcome
