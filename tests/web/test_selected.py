"""What is ticked in a list: worked on at once, within a bound, and each one that is refused is said with its reason."""

from __future__ import annotations

from datetime import timedelta
from uuid import uuid4

import pytest

from dispatcher.models import RunState
from dispatcher.web.pages.runs import MAX_SELECTED
from tests.builders import a_live_run
from tests.web.conftest import OWN
from tests.web.pages import Document, page, sent

COMMAND = {"command": "true"}


@pytest.fixture
def waiting(site, pool):
    """Three runs of tomorrow, and a queue into which they can be moved."""
    site.client.create_work_queue("nightly", "slow")
    tomorrow = site.client.clock.now() + timedelta(days=1)
    return [site.client.create_run(pool="nightly", job_variables=COMMAND, scheduled_at=tomorrow) for _ in range(3)]


@pytest.fixture
def completed(site, pool):
    """A run that has ended well."""
    now = site.client.clock.now()
    run = a_live_run(pool="nightly", name="over", state=RunState.COMPLETED, created_at=now, ended_at=now)
    site.wiring.store.restore(runs=[run])
    return run


def ids(*runs):
    return [str(run.id) for run in runs]


def test_selected_runs_are_moved_and_the_others_stay(site, waiting):
    moved = Document(sent(site, "runs", action="move", to="slow", run=ids(*waiting[:2])).text)
    assert "Moved into slow: 2" in moved.words
    assert [site.client.run(run.id).queue for run in waiting] == ["slow", "slow", "default"]


def test_a_refused_run_is_said_with_its_reason_and_the_others_are_done(site, waiting, completed):
    missing = str(uuid4())
    for action, refusal in (
        ("move", "only a waiting run (SCHEDULED) can be moved"),
        ("start-now", "only a waiting run (SCHEDULED) can be started now"),
        ("cancel", "has ended already, it is COMPLETED"),
    ):
        answer = Document(sent(site, "runs", action=action, to="slow", run=[*ids(completed, waiting[0]), missing]).text)
        assert ": 1 " in answer.words.partition("Not done: 2")[0]
        assert refusal in answer.words
        assert f"run {missing} does not exist" in answer.words
        assert f"/runs/{completed.id}" in answer.every("a", "href")
    assert site.client.run(waiting[0].id).state is RunState.CANCELLED
    assert site.client.run(completed.id) == completed


def test_a_queue_that_does_not_exist_is_refused_for_each_run(site, waiting):
    answer = Document(sent(site, "runs", action="move", to="sloow", run=ids(*waiting)).text)
    assert "Not done: 3" in answer.words
    assert "did you mean 'slow'" in answer.words


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"action": "cancel"}, "run : nothing is selected"),
        ({"action": "move", "run": ["a"]}, "to : name the queue"),
        (
            {"action": "cancel", "run": [str(number) for number in range(MAX_SELECTED + 1)]},
            "select at most 200 at once, not 201",
        ),
    ],
)
def test_a_selection_that_makes_no_sense_is_refused_whole(site, waiting, fields, words):
    answer = sent(site, "runs", **fields)
    assert (answer.status_code, words in Document(answer.text).words) == (422, True)
    assert [site.client.run(run.id) for run in waiting] == waiting


def test_a_run_that_is_ticked_twice_counts_once(site, waiting):
    assert "Cancelled: 1" in Document(sent(site, "runs", action="cancel", run=ids(waiting[0], waiting[0])).text).words


def test_the_way_back_leads_to_the_list_with_its_filter(site, waiting):
    [address] = [
        text for text in page(site, "runs", pool="nightly", state="SCHEDULED").every("form", "action") if "pool=" in text
    ]
    answer = site.browser.post(address, data={"action": "cancel", "run": ids(waiting[0])}, headers=OWN)
    assert address in Document(answer.text).every("a", "href")
