"""What a page says when there is nothing to show, and how the words of schemas are read."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dispatcher.web.pages.forms import Form
from dispatcher.web.pages.pool_template import defaults_of, with_defaults
from tests.builders import TEMPLATE
from tests.web.pages import page

JSON = st.recursive(st.none() | st.booleans() | st.integers() | st.text(), st.lists, max_leaves=5)


@pytest.mark.parametrize(
    ("path", "words", "filtered"),
    [("runs", "No run yet.", {"pool": "x"}), ("log", "No change yet.", {"actor": "x"})],
)
def test_an_empty_list_says_whether_a_filter_made_it_so(site, path, words, filtered):
    assert words in page(site, path).words
    shown = page(site, path, **filtered).words
    assert (words in shown, "Leave out a part of the filter." in shown) == (False, True)


def test_a_pool_that_nothing_ticks_says_what_to_do(site, pool):
    asked = "Nothing ticks this pool, so that its runs wait. Start a tick with dispatcher tick , or look at dispatcher doctor"
    assert asked in page(site, "pools", "nightly").words
    site.wiring.store.heartbeat("nightly", site.client.clock.now())
    assert "Nothing ticks this pool" not in page(site, "pools", "nightly").words


def test_the_name_of_a_class_is_not_used_as_a_label():
    titles = {
        "retry": "RetryPolicy",
        "on_collision": "OnCollision",
        "cpu": "CPU",
        "image": "Image name",
        "arn": "Arn",
        "bare": None,
    }
    properties = {name: {"type": "string", **({"title": title} if title else {})} for name, title in titles.items()}
    drawn = Form({"type": "object", "properties": properties}).draw({})
    labels = {field.path: field.label for field in drawn.fields}
    readable = {"cpu": "CPU", "image": "Image name", "arn": "Arn", "bare": "bare"}
    assert labels == {"retry": "Retry", "on_collision": "On collision", **readable}


@given(default=JSON)
def test_new_defaults_keep_the_order_of_a_template(default):
    schema = {"default": "old", "type": "string", "title": "The command"}
    template = {**TEMPLATE, "variables": {"properties": {"command": schema, "env": {"type": "object"}}, "type": "object"}}
    _, values = defaults_of(template)
    assert json.dumps(with_defaults(template, values)) == json.dumps(template)
    changed = with_defaults(template, {"command": default})
    assert list(changed["variables"]["properties"]["command"]) == ["default", "type", "title"]
    assert list(with_defaults(template, {})["variables"]["properties"]["command"]) == ["type", "title"]
