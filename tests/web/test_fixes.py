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
BACK = f"back=%2Fruns%2F{RUN.id}"
LIMIT_OF_POOL, LIMIT_OF_QUEUE = "/pools/a%20b/plan limit of a b", "/pools/a%20b/plan limit of low"
LEADS_TO = {
    Reason.POOL_PAUSED: [f"/pools/a%20b/plan?version=3&paused=no&{BACK}"],
    Reason.QUEUE_PAUSED: [f"/pools/a%20b/plan?version=3&queue=low&paused=no&{BACK}"],
    Reason.POOL_LIMIT_ZERO: [LIMIT_OF_POOL],
    Reason.POOL_FULL: [LIMIT_OF_POOL],
    Reason.EARLIER_RUNS: [LIMIT_OF_POOL],
    Reason.FAIR_SHARE: [LIMIT_OF_POOL, "/pools/a%20b/plan weight of low"],
    Reason.QUEUE_LIMIT_ZERO: [LIMIT_OF_QUEUE],
    Reason.QUEUE_FULL: [LIMIT_OF_QUEUE],
    Reason.HIGHER_QUEUES: [f"/pools/a%20b/plan?version=3&order=low&order=default&{BACK}"],
    Reason.DEPLOYMENT_SHARE: [LIMIT_OF_QUEUE, f"/deployments/etl/edit?{BACK}"],
    Reason.DEPLOYMENT_FULL: [f"/deployments/etl/edit?{BACK}"],
    Reason.UNRENDERABLE: [f"/pools/a%20b/template?{BACK}"],
    Reason.NOT_DUE: [f"/runs/{RUN.id}/start-now"],
    Reason.RETRY_DELAY: [f"/runs/{RUN.id}/start-now"],
    Reason.RUN_HELD: [f"/runs/{RUN.id}/start-now"],
}


def addresses(run, reason, pool):
    made = fixes(run, Explanation(reason=reason, text="", fix=""), pool)
    return [
        f"{fix.address} {fix.asks} of {dict(fix.fields).get('queue', pool.name)}" if fix.asks else fix.address for fix in made
    ]


@pytest.mark.parametrize("reason", list(Reason))
def test_each_reason_has_the_fixes_that_the_pages_know(reason):
    assert addresses(RUN, reason, POOL) == LEADS_TO.get(reason, [])
    assert addresses(RUN, reason, None) == []
    assert addresses(RUN, reason, replace(POOL, mirror=Mirror(source="prefect", revision="1"))) == []


def test_a_run_that_failed_can_be_run_again_and_one_that_did_not_needs_no_fix():
    ended = {state: addresses(replace(RUN, state=state), Reason.ENDED, POOL) for state in RunState if state.is_terminal}
    again = [f"/runs/{RUN.id}/retry"]
    assert ended == {RunState.COMPLETED: [], RunState.FAILED: again, RunState.CRASHED: again, RunState.CANCELLED: []}
    assert addresses(replace(RUN, deployment=None), Reason.DEPLOYMENT_SHARE, POOL) == [LIMIT_OF_QUEUE]
    assert addresses(replace(RUN, queue="gone"), Reason.QUEUE_FULL, POOL) == []


def test_a_paused_pool_is_resumed_from_the_page_of_a_run_that_waits_after_its_plan_was_shown(site, pool):
    run = site.client.create_run(pool="nightly", job_variables={"command": "true"})
    paused = site.client.update_work_pool("nightly", paused=True)
    shown = page(site, "runs", str(run.id))
    asked = url("pools", "nightly", "plan", version=paused.version, paused="no", back=url("runs", str(run.id)))
    assert "dispatcher work-pool resume nightly Resume the pool" in shown.words
    assert asked in shown.every("a", "href")
    assert "paused true false" in Document(site.browser.get(asked).text).words
    planned = Document(site.browser.get(asked).text)
    hidden = {attrs["name"]: attrs["value"] for tag, attrs in planned.tags if tag == "input" and "value" in attrs}
    assert url("runs", str(run.id)) in planned.every("a", "href")
    assert sent(site, "pools", "nightly", "change", **hidden).headers["location"] == url("runs", str(run.id))
    assert not site.client.work_pool("nightly").paused
    assert "Resume the pool" not in page(site, "runs", str(run.id)).words


def test_a_limit_is_raised_on_the_page_of_the_run_that_waits_for_it(site, pool):
    site.client.create_work_queue("nightly", "etl", priority=4, concurrency_limit=0)
    run = site.client.create_run(pool="nightly", queue="etl", job_variables={"command": "true"})
    back, version = url("runs", str(run.id)), str(site.client.work_pool("nightly").version)
    shown = page(site, "runs", str(run.id))
    assert "Limit of the queue Preview" in shown.words
    names = {attrs["name"]: attrs["value"] for tag, attrs in shown.tags if tag == "input" and attrs.get("name") != "q"}
    assert names.items() >= {"version": version, "queue": "etl", "back": back, "limit": "0"}.items()
    changed = sent(site, "pools", "nightly", "change", version=version, queue="etl", limit="3", back=back)
    assert changed.headers["location"] == back
    assert site.client.work_queue("nightly", "etl").concurrency_limit == 3


def test_a_change_of_a_queue_comes_back_to_its_lane(site, pool):
    site.client.create_work_queue("nightly", "etl", priority=4)
    version = str(site.client.work_pool("nightly").version)
    changed = sent(site, "pools", "nightly", "change", version=version, queue="etl", limit="3")
    assert changed.headers["location"] == "/pools/nightly#queue-4"
    assert "queue-4" in page(site, "pools", "nightly").every("input", "id")


@pytest.mark.parametrize("back", ["//evil.example", "/\\evil.example", "https://evil.example", "runs", "/a\nb", "/\x7f"])
def test_no_form_redirects_to_a_foreign_page(site, pool, back):
    changed = sent(site, "pools", "nightly", "change", limit="7", back=back)
    assert changed.headers["location"] == "/pools/nightly"
    assert back not in page(site, "pools", "nightly", "plan", limit="8", back=back).every("a", "href")


def test_a_deployment_is_edited_for_a_run_that_waits_for_it(site, pool):
    site.client.create_deployment("etl", pool="nightly")
    back = url("runs", "abc")
    shown = page(site, "deployments", "etl", "edit", back=back)
    assert ("back", back) in [(attrs.get("name"), attrs.get("value")) for _, attrs in shown.tags]
    fields = {"back": back, "v:@entry/pool": "nightly", "v:@entry/weight": "3", "confirmed": "yes"}
    saved = sent(site, "deployments", "etl", "edit", **fields)
    assert (saved.status_code, saved.headers["location"]) == (303, back)
    assert site.client.deployment("etl").weight == 3


def test_a_change_that_came_too_late_is_planned_anew_and_says_who_was_faster(site, pool):
    version = str(pool.version)
    site.client.update_work_pool("nightly", description="Every night")
    for late in (
        site.browser.get(url("pools", "nightly", "plan", version=version, limit="7")),
        sent(site, "pools", "nightly", "change", version=version, limit="7"),
    ):
        assert late.status_code == 412
        shown = Document(late.text)
        assert "The pool was changed since you opened its page, last" in shown.words
        assert "Your change was not made." in shown.words
        assert "concurrency_limit 2 7" in shown.words
        fields = {attrs["name"]: attrs["value"] for tag, attrs in shown.tags if tag == "input" and "value" in attrs}
    assert site.client.work_pool("nightly").concurrency_limit == 2
    assert sent(site, "pools", "nightly", "change", **fields).status_code == 303
    assert site.client.work_pool("nightly").concurrency_limit == 7


def test_the_page_of_a_refusal_leads_back_to_the_form(site, pool):
    asking = {"Referer": "http://127.0.0.1:4210/pools/nightly?x=1", "Accept": "text/html"}
    refused = site.browser.get(url("pools", "nightly", "plan", limit="many"), headers=asking)
    shown = Document(refused.text)
    assert (refused.status_code, "This request is not valid" in shown.words) == (422, True)
    assert "/pools/nightly?x=1" in shown.every("a", "href")
    foreign = site.browser.get(url("pools", "gone"), headers={**asking, "Referer": "https://evil.example/x"})
    assert "https://evil.example/x" not in foreign.text


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


def test_a_wrong_filter_leads_back_to_the_list_that_was_filtered(site, pool):
    asking = {"Referer": "http://127.0.0.1:4210/runs?pool=nightly", "Accept": "text/html"}
    refused = site.browser.get(url("runs", pool="nightly", since="yesterdayish"), headers=asking)
    document = Document(refused.text)
    assert "/runs?pool=nightly" in document.every("a", "href")
    assert (
        "since : 'yesterdayish' is not a time; write it as 2026-01-31T08:00:00+00:00, or how long ago it was, as 24h"
        in document.words
    )
    again = site.browser.get(url("runs", since="x"), headers={**asking, "Referer": "http://127.0.0.1:4210/runs?since=x"})
    assert "Back" not in Document(again.text).words
