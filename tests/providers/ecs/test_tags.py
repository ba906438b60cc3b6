from __future__ import annotations

import re
import unicodedata

from hypothesis import given
from hypothesis import strategies as st

from providers.ecs.request import tags_of

TEXTS = st.text(max_size=300) | st.sampled_from(["aws:x", "AWS:x", " aws:x", "aws:", ""])
LABELS = st.dictionaries(TEXTS, TEXTS, max_size=70)


def is_allowed(text):
    return all(unicodedata.category(c)[0] in "LNZ" or c in "_.:/=+-@" for c in text)


@given(LABELS, LABELS, LABELS)
def test_any_labels_become_tags_that_aws_takes(of_job, of_configuration, of_request):
    tags = tags_of(of_job, {"labels": of_configuration}, of_request)
    keys = [tag["key"] for tag in tags]
    assert len(keys) == len(set(keys)) <= 50
    for tag in tags:
        assert 1 <= len(tag["key"]) <= 128
        assert len(tag["value"]) <= 256
        assert is_allowed(tag["key"] + tag["value"])
        assert not re.match("aws:", tag["key"], re.IGNORECASE)
        assert not re.match("aws:", tag["value"], re.IGNORECASE)


def test_the_dispatchers_labels_win_and_outlive_the_cut():
    crowd = {f"a{number}": "x" for number in range(60)}
    tags = {tag["key"]: tag["value"] for tag in tags_of({"z": "ours", "a1": "ours"}, {"labels": crowd}, None)}
    assert len(tags) == 50
    assert (tags["z"], tags["a1"]) == ("ours", "ours")


def test_labels_of_the_configuration_win_over_tags_of_the_request_in_either_shape():
    assert tags_of({}, {"labels": {"a": "1"}}, [{"key": "a", "value": "2"}, {"key": "b", "value": "3"}]) == [
        {"key": "a", "value": "1"},
        {"key": "b", "value": "3"},
    ]


def test_invalid_characters_of_a_tag_become_hyphens():
    assert tags_of({"aws:x": "AWS:y", "a|b": "c\nd"}, {}, None) == [
        {"key": "a-b", "value": "c-d"},
        {"key": "aws-x", "value": "aws-y"},
    ]
