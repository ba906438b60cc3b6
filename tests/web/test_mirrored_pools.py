"""The pages of a pool that mirrors one of another system: what is set there is shown, and no form is that would be refused."""

from __future__ import annotations

import pytest

from dispatcher.models import Mirror
from tests.builders import a_live_run, a_pool, a_queue, a_run
from tests.web.pages import page, sent

CHANGED_THERE = "Work pool 'there' mirrors one of Prefect: change it there, and the next tick takes the change over."
RUN_THERE = "Work pool 'there' mirrors one of Prefect: create, cancel and retry runs there."


@pytest.fixture
def runs(site):
    """A run that waits, and one that holds a slot, of a mirrored pool."""
    mirror = Mirror(source="prefect", revision="1", problem="variables: must be an object")
    pool = a_pool("there", limit=5, queues=[a_queue("high", 1, 3), a_queue("default", 2)], mirror=mirror)
    site.wiring.store.save_pool(pool, expected_version=None)
    fields = {"pool": "there", "queue": "high", "source_id": "abc"}
    runs = [a_run(**fields), a_live_run(**fields)]
    site.wiring.store.restore(runs=runs)
    return runs


def forms_of(shown):
    """Where the forms of a page lead, without those that only read."""
    return [action for action in shown.every("form", "action") if action not in ("/find", "/runs")]


def test_the_pages_say_where_the_pool_is_changed_and_have_no_form(site, runs):
    for part in ((), ("queues", "high", "delete"), ("delete",)):
        shown = page(site, "pools", "there", *part)
        assert (CHANGED_THERE in shown.words, forms_of(shown), shown.every("a", "data-plan")) == (True, [], [])
    template = page(site, "pools", "there", "template")
    assert CHANGED_THERE in template.words
    assert (template.every("fieldset", "disabled"), template.every("button", "name")) == ([None], [])
    waterfall = page(site, "pools", "there")
    assert "1 of 5 slots held" in waterfall.words
    assert "1 of 3 slots" in waterfall.words
    assert "What was last read there is not used: variables: must be an object" in waterfall.words


def test_the_limits_of_a_mirrored_pool_are_tried_and_not_changed(site, runs):
    tried = page(site, "pools", "there", "what-if", limit=1)
    assert CHANGED_THERE in tried.words
    assert "Show what this would change" not in tried.words
    planned = page(site, "pools", "there", "plan", limit=1)
    assert "concurrency_limit 5 1" in planned.words
    assert forms_of(planned) == []
    assert sent(site, "pools", "there", "change", limit="1").status_code == 409
    assert site.client.work_pool("there").concurrency_limit == 5
    assert site.ok("POST", "/pools/there/simulate", {"concurrency_limit": 1})["runs"] == 0


def test_the_runs_of_a_mirrored_pool_say_where_they_are_cancelled(site, runs):
    for run in runs:
        shown = page(site, "runs", str(run.id))
        assert RUN_THERE in shown.words
        assert forms_of(shown) == []
        assert f"/runs/new?from={run.id}" not in shown.every("a", "href")
    new = page(site, "runs", "new", pool="there")
    assert (RUN_THERE in new.words, forms_of(new)) == (True, [])
