"""What is ticked in a list: worked on at once, within a bound, and each one that is refused is said with its reason."""

from __future__ import annotations

from datetime import timedelta
from uuid import uuid4

import pytest
from starlette.testclient import TestClient

from dispatcher.client import Dispatcher
from dispatcher.models import RunState, Schedule
from dispatcher.models.records import Move
from dispatcher.web.access import loopback
from dispatcher.web.app import create_app
from dispatcher.web.clients import ClientLender
from dispatcher.web.pages.runs import MAX_SELECTED
from tests.builders import a_live_run
from tests.web.conftest import BASE, OWN, PORT, browser_of
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


def test_a_refused_run_is_reported_with_its_reason_and_the_others_are_done(site, waiting, completed):
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
def test_an_invalid_selection_of_runs_is_refused_whole(site, waiting, fields, words):
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


@pytest.fixture
def deployments(site, pool):
    """Three, each with a schedule."""
    for name in ("a", "b", "c"):
        site.client.create_deployment(
            name, pool="nightly", job_variables=COMMAND, schedules=[Schedule(slug="s", cron="0 2 * * *")]
        )
    return ["a", "b", "c"]


def paused(site):
    return [record.name for record in site.client.deployments() if record.paused]


def test_selected_deployments_are_paused_and_resumed(site, deployments):
    assert "Paused: 2" in Document(sent(site, "deployments", action="pause", deployment=["a", "c"]).text).words
    assert paused(site) == ["a", "c"]
    assert "Resumed: 1" in Document(sent(site, "deployments", action="resume", deployment="c").text).words
    assert paused(site) == ["a"]
    [entry, *_] = site.client.log().items
    assert (entry.actor, entry.via, entry.noun, entry.name) == ("ada", "page", "deployment", "c")


def test_a_refused_deployment_is_reported_with_its_reason_and_the_others_are_done(site, deployments):
    answer = Document(sent(site, "deployments", action="pause", deployment=["a", "gone", "b"]).text)
    assert "Paused: 2" in answer.words
    assert "Not done: 1 gone : deployment 'gone' does not exist" in answer.words
    assert paused(site) == ["a", "b"]


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"action": "pause"}, "deployment : nothing is selected"),
        ({"action": "delete", "deployment": ["a"]}, "action : must be one of pause, resume"),
        ({"action": "pause", "deployment": [f"d{number}" for number in range(201)]}, "select at most 200 at once, not 201"),
    ],
)
def test_an_invalid_selection_of_deployments_is_refused_whole(site, deployments, fields, words):
    answer = sent(site, "deployments", **fields)
    assert (answer.status_code, words in Document(answer.text).words) == (422, True)
    assert paused(site) == []


def test_the_way_back_leads_to_the_same_page_of_deployments(site, deployments):
    [address] = [text for text in page(site, "deployments", **{"from": "b"}).every("form", "action") if "from=" in text]
    answer = site.browser.post(address, data={"action": "pause", "deployment": "c"}, headers=OWN)
    assert address in Document(answer.text).every("a", "href")


def test_a_reader_is_offered_no_selection_and_is_refused(wiring, site, deployments, waiting):
    access, sessions = loopback(PORT, name="eve", read_only=True)
    reader = browser_of(wiring, access)
    reader.get("/sign-in", params={"token": sessions.token})
    for noun, chosen in (("run", ids(waiting[0])), ("deployment", ["a"])):
        assert f'name="{noun}"' not in reader.get(f"/{noun}s").text
        answer = reader.post(f"/{noun}s", data={"action": "cancel", noun: chosen}, headers=OWN)
        assert answer.status_code == 403
    assert (paused(site), site.client.run(waiting[0].id)) == ([], waiting[0])


@pytest.mark.parametrize(("action", "state"), [("cancel", "PENDING"), ("start-now", "SCHEDULED"), ("retry", "CRASHED")])
def test_many_selected_runs_start_one_tick_of_their_pool(wiring, site, waiting, action, state):
    ended = {"ended_at": site.client.clock.now()} if state == "CRASHED" else {}
    if state != "SCHEDULED":
        wiring.store.move([Move.of(run, RunState(state), **ended) for run in waiting])
    woken = []
    clients = ClientLender(lambda: Dispatcher(wiring.store, wake=woken.append), wiring.dispatch.providers)
    access, sessions = loopback(PORT, name="ada")
    browser = TestClient(create_app(wiring.settings, access=access, wiring=wiring, clients=clients), base_url=BASE)
    browser.get("/sign-in", params={"token": sessions.token})
    answer = browser.post("/runs", data={"action": action, "to": "slow", "run": ids(*waiting)}, headers=OWN)
    assert ": 3 " in Document(answer.text).words
    assert woken == [["nightly"]]
