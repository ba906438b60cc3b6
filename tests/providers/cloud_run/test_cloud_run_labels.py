"""Whatever labels come in, Google's rules hold for what goes out."""

from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st

from providers.google.labels import MAX_LABELS, labels_of

LABELS = st.dictionaries(st.text(max_size=80), st.text(max_size=80), max_size=80)


@given(LABELS, LABELS)
def test_any_labels_come_out_valid(own, others):
    labels = labels_of(own, "Owner", others)
    assert len(labels) <= MAX_LABELS
    assert all(re.fullmatch(r"[a-z][a-z0-9_-]{0,62}", key) for key in labels)
    assert all(re.fullmatch(r"[a-z0-9_-]{0,63}", value) for value in labels.values())


def test_the_owner_and_the_dispatcher_win_over_the_template():
    labels = labels_of({"a/b": "own"}, "me", {"a-b": "other", "managed-by": "other", "c": 1}, None)
    assert labels == {"managed-by": "me", "a-b": "own", "c": "1"}


def test_the_dispatchers_own_labels_stay_when_there_are_too_many():
    labels = labels_of({"z": "own"}, "me", {f"a{number}": "" for number in range(100)})
    assert len(labels) == MAX_LABELS
    assert labels["z"] == "own"


def test_a_key_without_a_letter_is_left_out():
    assert labels_of({"123": "x", "1a": "y"}, "me") == {"managed-by": "me", "a": "y"}
