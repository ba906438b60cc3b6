"""All that match: counted on the page, confirmed, done step by step; by script, by clicks, and by a caller of the API."""

from __future__ import annotations

import pytest

from dispatcher.client.bulk import BulkRuns
from dispatcher.models import RunState
from dispatcher.models.records import RunFilter
from dispatcher.web.access import loopback
from tests.web.conftest import OWN, PORT, browser_of
from tests.web.pages import Document, page, sent


@pytest.fixture
def waiting(site):
    site.client.create_work_pool("nightly", type="process", job_variables={"command": "true"})
    site.client.create_work_queue("nightly", "slow")
    site.client.create_runs([{"pool": "nightly", "tags": ("backfill",)} for _ in range(7)])
    site.client.create_runs([{"pool": "nightly"} for _ in range(2)])


@pytest.fixture
def small_steps(monkeypatch):
    """Steps of three runs."""
    step = BulkRuns.bulk_step
    monkeypatch.setattr(BulkRuns, "bulk_step", lambda self, work, cursor="", **_: step(self, work, cursor, limit=3))


def states(site, **where):
    return sorted(run.state for run in site.wiring.store.runs(RunFilter(**where), limit=1000))


def fields(document):
    """What the form of the next step sends."""
    made = {}
    for tag, attrs in document.tags:
        if tag == "input" and attrs.get("type") == "hidden":
            made.setdefault(attrs["name"], []).append(attrs["value"])
    return made


def test_the_page_counts_before_and_shows_how_far_the_work_has_come(site, waiting, small_steps):
    asked = page(site, "runs", "bulk", action="cancel", tag="backfill")
    assert "Cancel 7 runs" in asked.words
    assert "7 ○ scheduled" in asked.words
    assert states(site) == [RunState.SCHEDULED] * 9

    seen = []
    while form := fields(asked):
        asked = Document(sent(site, "runs", "bulk", **form).text)
        seen.append(asked.words.partition(" done")[0].rpartition("Progress ")[2])
    assert seen == ["3 of 7", "6 of 7", "7 of 7"]
    assert "That was all" in asked.words
    assert states(site, tag="backfill") == [RunState.CANCELLED] * 7
    assert states(site, states=frozenset({RunState.SCHEDULED})) == [RunState.SCHEDULED] * 2
    [entry, *_] = site.client.log().items
    assert (entry.actor, entry.via, entry.verb, entry.noun, entry.runs) == ("ada", "page", "cancel", "runs", 7)


def test_work_that_was_left_in_the_middle_is_repeated_from_the_page(site, waiting, small_steps):
    form = fields(page(site, "runs", "bulk", action="cancel", pool="nightly"))
    sent(site, "runs", "bulk", **form)
    again = page(site, "runs", "bulk", action="cancel", pool="nightly")
    assert "Cancel 6 runs" in again.words
    for _ in range(2):
        again = Document(sent(site, "runs", "bulk", **fields(again)).text)
    assert states(site) == [RunState.CANCELLED] * 9


def test_the_page_moves_starts_and_retries_all_that_match(site, waiting):
    assert "into the queue slow" in page(site, "runs", "bulk", action="move", pool="nightly", to="slow").words
    sent(site, "runs", "bulk", **fields(page(site, "runs", "bulk", action="move", pool="nightly", to="slow")))
    assert len(states(site, queue="slow")) == 9
    started = sent(site, "runs", "bulk", **fields(page(site, "runs", "bulk", action="start-now", state="SCHEDULED")))
    assert "nothing was left to do for 9" in Document(started.text).words
    sent(site, "runs", "bulk", **fields(page(site, "runs", "bulk", action="cancel", since="1h")))
    sent(site, "runs", "bulk", **fields(page(site, "runs", "bulk", action="retry", state=["CANCELLED", "FAILED"])))
    assert states(site) == [RunState.CANCELLED] * 9 + [RunState.SCHEDULED] * 9


def test_the_list_of_runs_offers_work_on_all_that_match_its_filter(site, waiting):
    listed = page(site, "runs", tag="backfill", state="SCHEDULED", since="24h")
    assert listed.every("form", "action").count("/runs/bulk") == 2
    assert fields(listed)["since"] == ["24h", "24h"]
    assert fields(listed)["state"] == ["SCHEDULED", "SCHEDULED"]


@pytest.mark.parametrize(
    "query",
    [{"action": "explode"}, {"action": "move"}, {"action": "cancel", "state": "FAILED"}, {"action": "cancel", "since": "soon"}],
)
def test_invalid_work_on_many_runs_is_refused_with_a_message(site, waiting, query):
    answer = site.browser.get("/runs/bulk", params=query)
    assert answer.status_code == 422
    assert sent(site, "runs", "bulk", **query).status_code == 422
    assert states(site) == [RunState.SCHEDULED] * 9


def test_a_priority_for_many_runs_is_refused_and_the_answer_says_what_to_do(site, waiting):
    answer = site.browser.get("/runs/bulk", params={"action": "move", "pool": "nightly", "to": "slow", "priority": "5"})
    assert answer.status_code == 422
    assert "change the priority of a run on its page" in Document(answer.text).words


def test_a_reader_is_not_offered_work_on_many_runs_and_is_refused(wiring, site, waiting):
    form = fields(page(site, "runs", "bulk", action="cancel", pool="nightly"))
    access, sessions = loopback(PORT, name="eve", read_only=True)
    reader = browser_of(wiring, access)
    reader.get("/sign-in", params={"token": sessions.token})
    assert "data-steps" not in reader.get("/runs/bulk?action=cancel&pool=nightly").text
    assert reader.post("/runs/bulk", data=form, headers=OWN).status_code == 403
    assert reader.post("/api/v1/runs/bulk", json={"action": "cancel"}, headers=OWN).status_code == 403
    assert states(site) == [RunState.SCHEDULED] * 9


def test_the_api_does_one_step_a_request_and_its_answer_is_the_next_request(site, waiting):
    body = {"action": "cancel", "filter": {"tag": "backfill"}, "limit": 3}
    counted = site.ok("POST", "/runs/bulk", {**body, "dry_run": True})
    assert counted["matching"] == {
        "total": 7,
        "exact": True,
        "by_state": {"CANCELLING": 0, "PENDING": 0, "RUNNING": 0, "SCHEDULED": 7},
    }
    assert (counted["step"], counted["next"]) == (None, None)
    done = []
    while body:
        answer = site.ok("POST", "/runs/bulk", body)
        done.append(answer["step"]["done"])
        body = answer["next"]
    assert done == [3, 3, 1]
    assert states(site, tag="backfill") == [RunState.CANCELLED] * 7
    [entry] = [item for item in site.ok("GET", "/log")["items"] if item["noun"] == "runs"]
    assert (entry["id"], entry["via"], entry["runs"]) == (answer["id"], "api", 7)


@pytest.mark.parametrize(
    ("body", "path"),
    [
        ({"action": "explode"}, "action"),
        ({"action": "cancel", "filters": {}}, "filters"),
        ({"action": "cancel", "filter": []}, "filter"),
        ({"action": "cancel", "filter": {"colour": "red"}}, "filter.colour"),
        ({"action": "cancel", "filter": {"state": ["SLEEPING"]}}, "filter.state"),
        ({"action": "cancel", "filter": {"since": "soon"}}, "filter.since"),
        ({"action": "cancel", "filter": {"tag": 3}}, "filter.tag"),
        ({"action": "cancel", "id": "x"}, "id"),
        ({"action": "cancel", "limit": 201}, "limit"),
        ({"action": "cancel", "as_of": "2999-01-01T00:00:00Z"}, "as_of"),
        ({"action": "cancel", "dry_run": "yes"}, "dry_run"),
        ({"action": "move"}, "queue"),
    ],
)
def test_every_fault_of_a_request_has_its_path(site, waiting, body, path):
    answer = site.api("POST", "/runs/bulk", body)
    assert (answer.status_code, [fault["path"] for fault in answer.json()["faults"]]) == (422, [path])
    assert states(site) == [RunState.SCHEDULED] * 9


def test_a_cursor_of_another_filter_is_refused(site, waiting):
    following = site.ok("POST", "/runs/bulk", {"action": "cancel", "limit": 1})["next"]
    assert site.api("POST", "/runs/bulk", {**following, "filter": {"tag": "backfill"}}).status_code == 400
