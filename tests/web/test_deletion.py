"""A work pool and a deployment are deleted from their pages: what holds them and what goes with them was shown before."""

from __future__ import annotations

from datetime import timedelta

import pytest

from dispatcher.models import Mirror, QueueLonger, RunEnded, RunOf, RunState, Schedule, Target, Then, When
from dispatcher.web.access import loopback
from dispatcher.web.pages.words import url
from tests.builders import a_live_run, a_pool
from tests.web.conftest import OWN, PORT, browser_of
from tests.web.pages import Document, page, sent

COMMAND = {"command": "true"}
FAILED = RunEnded(states=frozenset({RunState.FAILED}))


@pytest.fixture
def etl(site, pool):
    """A deployment of the pool with a schedule."""
    schedule = Schedule(slug="daily", cron="0 2 * * *")
    return site.client.create_deployment("etl", pool="nightly", job_variables=COMMAND, schedules=[schedule])


@pytest.fixture
def automations(site, etl):
    """One that names the pool, one that names the deployment, one that names neither."""
    site.client.create_automation(
        "of-pool",
        when=When(longer=QueueLonger(pool="nightly", queue="default", than=5)),
        then=[Then(pause=Target(pool="nightly"))],
    )
    site.client.create_automation("of-etl", when=When(ended=FAILED), then=[Then(run=RunOf(deployment="etl"))])
    site.client.create_automation("of-all", when=When(ended=FAILED), then=[Then(retry=True)])


def linked(document, noun):
    return [address for address in document.every("a", "href") if address.startswith(f"/{noun}/")]


def test_a_pool_is_deleted_when_no_run_holds_it_any_more(site, etl, automations):
    run = site.client.create_run(pool="nightly", job_variables=COMMAND)
    assert url("pools", "nightly", "delete") in page(site, "pools", "nightly").every("a", "href")
    held = page(site, "pools", "nightly", "delete")
    assert "Its runs come first 1 ○ scheduled" in held.words
    assert linked(held, "automations") == ["/automations/of-pool"]
    assert "/deployments/etl" in linked(held, "deployments")
    assert url("pools", "nightly", "delete") not in held.every("form", "action")
    refused = sent(site, "pools", "nightly", "delete", version=site.client.work_pool("nightly").version)
    assert (refused.status_code, "has runs that have not ended" in Document(refused.text).words) == (409, True)

    site.client.cancel_run(run.id)
    free = page(site, "pools", "nightly", "delete")
    assert "1 ended run, for good" in free.words
    version = site.client.work_pool("nightly").version
    assert sent(site, "pools", "nightly", "delete", version=version - 1).status_code == 412
    gone = sent(site, "pools", "nightly", "delete", version=version)
    assert (gone.status_code, gone.headers["location"]) == (303, "/")
    assert (site.client.work_pools(), site.client.deployments(), site.client.runs()) == ([], [], [])
    assert site.browser.get(url("pools", "nightly", "delete")).status_code == 404
    [entry, *_] = site.client.log().items
    assert (entry.actor, entry.via, entry.verb, entry.noun, entry.name) == ("ada", "page", "delete", "work pool", "nightly")


def test_a_deployment_is_deleted_with_what_would_crash_named_before(site, etl, automations):
    tomorrow = site.client.clock.now() + timedelta(days=1)
    first, second = (site.client.create_run(deployment="etl", scheduled_at=tomorrow) for _ in range(2))
    assert url("deployments", "etl", "delete") in page(site, "deployments", "etl").every("a", "href")
    site.client.cancel_run(second.id)
    shown = page(site, "deployments", "etl", "delete")
    assert "1 waiting run of it would crash when due" in shown.words
    assert "Its schedules (daily)" in shown.words
    assert linked(shown, "automations") == ["/automations/of-etl"]
    assert "Delete deployment etl, and let 1 run crash" in shown.words

    version = site.client.deployment("etl").version
    site.client.create_run(deployment="etl", scheduled_at=tomorrow)
    late = sent(site, "deployments", "etl", "delete", version=version, stranded="1")
    assert (late.status_code, "2 waiting runs of it would crash" in Document(late.text).words) == (409, True)
    assert sent(site, "deployments", "etl", "delete", version=version + 1, stranded="2").status_code == 412
    assert site.client.deployment("etl") == etl

    gone = sent(site, "deployments", "etl", "delete", version=version, stranded="2")
    assert (gone.status_code, gone.headers["location"]) == (303, "/deployments")
    assert site.client.deployments() == []
    assert site.client.run(first.id).state is RunState.SCHEDULED, "as the page said, it stays"


def test_a_deployment_without_waiting_runs_is_deleted_at_once(site, etl):
    shown = page(site, "deployments", "etl", "delete")
    assert "would crash" not in shown.words
    assert sent(site, "deployments", "etl", "delete", version=etl.version, stranded="0").status_code == 303
    assert site.client.deployments() == []


def test_a_pool_with_a_long_history_is_counted_up_to_a_bound(site, pool, monkeypatch):
    monkeypatch.setattr("dispatcher.web.pages.deletion.COUNTED", 2)
    now = site.client.clock.now()
    ended = [a_live_run(pool="nightly", state=RunState.COMPLETED, created_at=now, ended_at=now) for _ in range(3)]
    site.wiring.store.restore(runs=ended)
    assert "2 or more ended runs, for good" in page(site, "pools", "nightly", "delete").words


def test_a_reader_sees_both_pages_and_deletes_nothing(wiring, site, etl):
    access, sessions = loopback(PORT, name="eve", read_only=True)
    reader = browser_of(wiring, access)
    reader.get("/sign-in", params={"token": sessions.token})
    for noun, name in (("pools", "nightly"), ("deployments", "etl")):
        shown = reader.get(url(noun, name, "delete"))
        assert (shown.status_code, 'method="post"' in shown.text) == (200, False)
        assert url(noun, name, "delete") not in reader.get(url(noun, name)).text
        assert reader.post(url(noun, name, "delete"), data={"stranded": "0"}, headers=OWN).status_code == 403
    assert (len(site.client.work_pools()), len(site.client.deployments())) == (1, 1)


def test_a_mirrored_pool_is_not_deleted_here_and_the_page_says_where(site):
    mirrored = a_pool("there", mirror=Mirror(source="prefect", revision="1"))
    site.wiring.store.save_pool(mirrored, expected_version=None)
    shown = page(site, "pools", "there", "delete")
    assert "mirrors one of Prefect: change it there" in shown.words
    assert url("pools", "there", "delete") not in shown.every("form", "action")
    assert sent(site, "pools", "there", "delete").status_code == 409
    assert [pool.name for pool in site.client.work_pools()] == ["there"]
