"""Runs by a filter of which no index has everything: searched among so many runs a page, and the page says how far."""

from __future__ import annotations

import re
from datetime import timedelta
from urllib.parse import urlencode

import pytest

from dispatcher.client import cursors
from dispatcher.client.cursors import WrongCursor
from dispatcher.models import RunState
from dispatcher.models.records import RunFilter
from tests.builders import a_run
from tests.web.pages import Document, page
from tests.web.test_bulk import fields
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
    counts = list(site.client.bulk_counts(work))
    assert [count.is_exact for count in counts] == [False] * (len(counts) - 1) + [True]
    assert (counts[0].total, counts[-1].total, len(counts) >= 7) == (0, 3, True)
    steps = [step.done for step in site.client.bulk_steps(work)]
    assert (sum(steps), steps[0]) == (3, 0)
    cancelled = [run.name for run in site.client.runs(states=[RunState.CANCELLED])]
    assert cancelled == ["run-07", "run-17", "run-27"]


def test_the_page_counts_step_by_step_and_asks_for_consent_only_with_the_exact_number(site, waiting):
    address = f"/runs/bulk?action=cancel&{QUERY}"
    titles = []
    while True:
        text = site.browser.get(address).text
        titles.append(re.search("<h1>(.*?)</h1>", text)[1])
        if "data-counts" not in text:
            break
        assert "data-steps" not in text, "nothing is offered before all are counted"
        address = f"/runs/bulk?{urlencode(fields(Document(text)), doseq=True)}"
    assert (titles[0], titles[-1], len(titles) >= 7) == ("Cancel at least 0 runs", "Cancel 3 runs", True)
    assert fields(Document(text))["total"] == ["3"]


def test_the_api_counts_step_by_step_with_the_numbers_so_far(site, waiting):
    body, totals = {"action": "cancel", "dry_run": True, "filter": {"queue": "slow", "name": "run-"}}, []
    while body:
        answer = site.ok("POST", "/runs/bulk", body)
        totals.append((answer["matching"]["total"], answer["matching"]["exact"]))
        body = answer["next"]
    assert totals[0] == (0, False)
    assert totals[-1] == (3, True)
    assert [exact for _, exact in totals].count(True) == 1


@pytest.mark.parametrize("cursor", ["x", "W10", "WyJhIiwgMSwge31d"])
def test_a_cursor_of_another_count_is_refused(site, waiting, cursor):
    assert site.browser.get("/runs/bulk", params={"action": "cancel", **FILTER, "counted": cursor}).status_code == 400
    counted = site.client.bulk_count(site.client.bulk("cancel", RunFilter(queue="slow", name="run-")))
    other = site.client.bulk("cancel", RunFilter(queue="default", name="run-"))
    with pytest.raises(WrongCursor):
        site.client.bulk_count(other, counted.cursor)
