"""Runs by their recorded reason: searched among so many runs a page, and the page says among how many."""

from __future__ import annotations

from datetime import timedelta

import pytest

from dispatcher.client import cursors
from dispatcher.models import RunState
from tests.builders import a_live_run
from tests.web.pages import Document, page


@pytest.fixture
def ended(site, pool, monkeypatch):
    """Thirty runs, newest first: every tenth was lost; five are searched for a page."""
    monkeypatch.setattr(cursors, "SEARCHED", 5)
    now = site.client.clock.now()
    for number in range(30):
        at = now - timedelta(minutes=number)
        reason = "Exit 137 (out of memory)" if number % 10 == 7 else "exit 1"
        fields = {"name": f"run-{number:02}", "reason": reason, "state": RunState.FAILED, "created_at": at, "ended_at": at}
        site.wiring.store.restore(runs=[a_live_run(pool="nightly", **fields)])


def walked(site, query):
    """The names of the runs on each page of the API's list."""
    shown, following = [], ""
    while following is not None:
        answer = site.ok("GET", f"/runs?{query}&cursor={following}")
        shown.append([run["name"] for run in answer["items"]])
        following = answer["next"]
    return shown


def test_a_reason_is_found_page_by_page_and_each_says_how_many_were_searched(site, ended):
    document, shown = page(site, "runs", reason="out of MEMORY", state="FAILED"), []
    for _ in range(6):
        shown.append([text for text in document.text if text.startswith("run-")])
        assert "Of 5 runs that match the rest of the filter" in document.words
        following = [address for address in document.every("a", "href") if "cursor=" in address]
        document = Document(site.browser.get(following[0]).text) if following else None
    assert shown == [[], ["run-07"], [], ["run-17"], [], ["run-27"]]
    assert document is None


def test_the_api_finds_the_same_runs_as_the_page(site, ended):
    assert [name for names in walked(site, "reason=memory&limit=1") for name in names] == ["run-07", "run-17", "run-27"]


def test_a_page_that_is_full_is_followed_by_the_next_run(site, ended):
    pages = walked(site, "reason=exit&limit=2")
    assert [name for names in pages for name in names] == [f"run-{number:02}" for number in range(30)]
    assert max(len(names) for names in pages) == 2


def test_work_on_all_that_match_is_not_offered_and_refused_with_a_reason(site, ended):
    listed = page(site, "runs", reason="exit")
    assert "/runs/bulk" not in listed.every("form", "action")
    assert "tick runs, or leave the reason out" in listed.words
    answer = site.browser.get("/runs/bulk", params={"action": "retry", "reason": "exit"})
    assert (answer.status_code, "a reason cannot select all" in answer.text) == (422, True)


def test_a_list_without_a_reason_says_what_one_is(site, ended):
    assert "why it ended, was refused or waits to be retried" in page(site, "runs").words
    assert "No run matches" in page(site, "runs", reason="memory", state="COMPLETED").words
