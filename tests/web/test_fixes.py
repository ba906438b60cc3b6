"""The buttons beside the reason why a run waits."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from dispatcher.core.reasons import Explanation, Reason
from dispatcher.models import Mirror, RunState
from dispatcher.web.access import loopback
from dispatcher.web.pages.fixes import fixes
from dispatcher.web.pages.words import url
from tests.builders import HOUR, MINUTE, a_live_run, a_pool, a_queue, a_run
from tests.web.conftest import PORT, browser_of
from tests.web.pages import Document, page, sent

POOL = replace(a_pool("a b", queues=[a_queue("low", 7), a_queue("default", 9)]), version=3)
RUN = a_run("a b", "low", deployment="etl")
LEADS_TO = {
    Reason.POOL_PAUSED: ["/pools/a%20b/plan?version=3&paused=no"],
    Reason.QUEUE_PAUSED: ["/pools/a%20b/plan?version=3&queue=low&paused=no"],
    Reason.POOL_LIMIT_ZERO: ["/pools/a%20b#pool-limit"],
    Reason.POOL_FULL: ["/pools/a%20b#pool-limit"],
    Reason.EARLIER_RUNS: ["/pools/a%20b#pool-limit"],
    Reason.FAIR_SHARE: ["/pools/a%20b#pool-limit", "/pools/a%20b#queue-7"],
    Reason.QUEUE_LIMIT_ZERO: ["/pools/a%20b#queue-7"],
    Reason.QUEUE_FULL: ["/pools/a%20b#queue-7"],
    Reason.HIGHER_QUEUES: ["/pools/a%20b#queue-7"],
    Reason.DEPLOYMENT_SHARE: ["/pools/a%20b#queue-7", "/deployments/etl/edit"],
    Reason.DEPLOYMENT_FULL: ["/deployments/etl/edit"],
    Reason.UNRENDERABLE: ["/pools/a%20b/template"],
    Reason.NOT_DUE: [f"/runs/{RUN.id}/start-now"],
    Reason.RETRY_DELAY: [f"/runs/{RUN.id}/start-now"],
    Reason.RUN_HELD: [f"/runs/{RUN.id}/start-now"],
}


def addresses(run, reason, pool):
    return [fix.address for fix in fixes(run, Explanation(reason=reason, text="", fix=""), pool)]


@pytest.mark.parametrize("reason", list(Reason))
def test_each_reason_has_the_fixes_that_the_pages_know(reason):
    assert addresses(RUN, reason, POOL) == LEADS_TO.get(reason, [])
    assert addresses(RUN, reason, None) == []
    assert addresses(RUN, reason, replace(POOL, mirror=Mirror(source="prefect", revision="1"))) == []


def test_a_run_that_failed_can_be_run_again_and_one_that_did_not_needs_no_fix():
    ended = {state: addresses(replace(RUN, state=state), Reason.ENDED, POOL) for state in RunState if state.is_terminal}
    again = [f"/runs/{RUN.id}/retry"]
    assert ended == {RunState.COMPLETED: [], RunState.FAILED: again, RunState.CRASHED: again, RunState.CANCELLED: []}
    assert addresses(replace(RUN, deployment=None), Reason.DEPLOYMENT_SHARE, POOL) == ["/pools/a%20b#queue-7"]
    assert addresses(replace(RUN, queue="gone"), Reason.QUEUE_FULL, POOL) == ["/pools/a%20b"]


def test_a_paused_pool_is_resumed_from_the_page_of_a_run_that_waits_after_its_plan_was_shown(site, pool):
    run = site.client.create_run(pool="nightly", job_variables={"command": "true"})
    paused = site.client.update_work_pool("nightly", paused=True)
    shown = page(site, "runs", str(run.id))
    asked = url("pools", "nightly", "plan", version=paused.version, paused="no")
    assert "dispatcher work-pool resume nightly Resume the pool" in shown.words
    assert asked in shown.every("a", "href")
    assert "paused true false" in Document(site.browser.get(asked).text).words
    assert sent(site, "pools", "nightly", "change", version=str(paused.version), paused="no").status_code == 303
    assert not site.client.work_pool("nightly").paused
    assert "Resume the pool" not in page(site, "runs", str(run.id)).words


def test_where_a_fix_leads_there_is_the_field(site, pool):
    site.client.create_work_queue("nightly", "etl", priority=4, concurrency_limit=0)
    run = site.client.create_run(pool="nightly", queue="etl", job_variables={"command": "true"})
    assert "/pools/nightly#queue-4" in page(site, "runs", str(run.id)).every("a", "href")
    fields = [attrs for tag, attrs in page(site, "pools", "nightly").tags if tag == "input" and "id" in attrs]
    assert {attrs["id"]: attrs["name"] for attrs in fields if attrs["id"] in ("pool-limit", "queue-4")} == {
        "pool-limit": "limit",
        "queue-4": "limit",
    }


def test_a_run_of_tomorrow_and_one_that_failed_have_buttons_and_a_reader_has_none(site, wiring, pool):
    client, now = site.client, site.client.clock.now()
    later = client.create_run(pool="nightly", job_variables={"command": "true"}, scheduled_at=now + timedelta(days=1))
    times = {"created_at": now - HOUR, "claimed_at": now - HOUR, "ended_at": now - MINUTE}
    failed = a_live_run(pool="nightly", state=RunState.FAILED, job_variables={"command": "true"}, **times)
    wiring.store.restore(runs=[failed])
    access, sessions = loopback(PORT, name="bob", read_only=True)
    reader = browser_of(wiring, access)
    reader.get("/sign-in", params={"token": sessions.token})
    for run, label, action in ((later, "Make it due now", "start-now"), (failed, "Run it again", "retry")):
        assert label in page(site, "runs", str(run.id)).words
        assert label not in Document(reader.get(url("runs", str(run.id))).text).words
        assert sent(site, "runs", str(run.id), action).status_code == 303
    assert client.run(later.id).due_at < later.due_at
    assert len(client.runs(pool="nightly")) == 3
