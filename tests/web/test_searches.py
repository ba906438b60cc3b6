"""Runs by a filter of which no index has everything: searched among so many runs a page, and the page says how far."""

from __future__ import annotations

from datetime import timedelta

import pytest

from dispatcher.client import cursors
from dispatcher.models import RunState
from dispatcher.models.records import RunFilter
from tests.builders import a_run
from tests.web.pages import Document, page
from tests.web.test_reasons import walked

FILTER = {"queue": "slow", "name": "run-"}
QUERY = "queue=slow&name=run-"


@pytest.fixture
def waiting(site, pool, monkeypatch):
    """Thirty runs, newest first: every tenth waits in the queue `slow`; five are looked at for a page."""
    monkeypatch.setattr(cursors, "SEARCHED_AT_ONCE", 5)
    site.client.create_work_queue("nightly", "slow")
    now = site.client.clock.now()
    runs = [
        a_run("nightly", "slow" if number % 10 == 7 else "default", name=f"run-{number:02}", created_at=at, due_at=at)
        for number in range(30)
        for at in [now - timedelta(minutes=number)]
    ]
    site.wiring.store.restore(runs=runs)
    return runs


def test_a_search_that_stopped_says_how_far_it_came_and_goes_on_with_a_link(site, waiting):
    document, shown, words = page(site, "runs", **FILTER), [], []
    for _ in range(7):
        shown.append([text for text in document.text if text.startswith("run-")])
        words.append(document.words)
        following = [address for address in document.every("a", "href") if "cursor=" in address]
        document = Document(site.browser.get(following[0]).text) if following else None
        if document is None:
            break
    assert [names for names in shown if names] == [["run-07"], ["run-17"], ["run-27"]]
    assert all("The search has come to the runs that were created" in text for text in words[:-1])
    assert "No run matches of those that were looked at so far: search further." in words[0]
    assert "The search has come" not in words[-1]
    assert document is None


def test_the_api_finds_the_same_runs_as_the_page(site, waiting):
    pages = walked(site, f"{QUERY}&limit=2")
    assert [name for names in pages for name in names] == ["run-07", "run-17", "run-27"]
    assert [] in pages


def test_work_on_all_that_match_goes_through_empty_steps_to_the_end(site, waiting):
    work = site.client.bulk("cancel", RunFilter(queue="slow", name="run-"))
    assert site.client.bulk_count(work).total == 3
    steps = [step.done for step in site.client.bulk_steps(work)]
    assert (sum(steps), steps[0]) == (3, 0)
    cancelled = [run.name for run in site.client.runs(states=[RunState.CANCELLED])]
    assert cancelled == ["run-07", "run-17", "run-27"]
