"""The log of changes on the page and in the API: who did it is the guard's word, and every way in leaves its own."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest

from dispatcher.client import shapes
from dispatcher.models import Actor
from dispatcher.web.access import Access, ProxyHeader
from tests.web.conftest import OWN, browser_of
from tests.web.pages import Document, page, sent

PROXY = {"X-Dispatcher-Proxy-Secret": "a secret of the proxy"}


def test_a_change_by_the_api_and_one_by_the_page_are_of_whoever_is_signed_in(site, pool):
    site.ok("PATCH", "/pools/nightly", {"concurrency_limit": 5}, If_Match="*")
    run = site.client.create_run(pool="nightly", job_variables={"command": "true"})
    sent(site, "runs", str(run.id), "cancel")

    items = site.ok("GET", "/log")["items"]
    assert [(item["actor"], item["via"], item["verb"], item["noun"]) for item in items[:2]] == [
        ("ada", "page", "cancel", "run"),
        ("ada", "api", "change", "work pool"),
    ]
    assert items[1]["fields"] == [{"path": "concurrency_limit", "action": "change", "before": 2, "after": 5}]
    assert items == [shapes.log_entry(entry) for entry in site.client.log().items]


def test_behind_a_proxy_the_name_is_that_of_the_header(wiring, pool):
    access = Access(identify=ProxyHeader(header="x-email", secret="a secret of the proxy"), hosts=frozenset({"testserver"}))
    browser = browser_of(wiring, access, "http://testserver")
    headers = {**PROXY, "X-Email": "eve@example.com", "If-Match": "*"}
    assert browser.patch("/api/v1/pools/nightly", json={"paused": True}, headers=headers).status_code == 200
    [entry, _] = wiring.client.log().items
    assert (entry.actor, entry.via) == ("eve@example.com", "api")


@pytest.fixture
def history(site, pool):
    """Sixty changes of a pool by ada, then one of a deployment by bob."""
    client = site.client.acting(Actor(name="ada", via="cli"))
    for number in range(60):
        client.update_work_pool("nightly", concurrency_limit=10 + number)
    other = site.client.acting(Actor(name="bob", via="function"))
    other.create_deployment("etl", pool="nightly", job_variables={"command": "true"})


def test_the_page_shows_who_changed_what_from_what_to_what(site, history):
    words = page(site, "log").words
    assert "bob function create deployment etl" in words
    assert "ada cli change work pool nightly concurrency_limit : 68 → 69" in words


def test_the_address_of_the_page_filters(site, history):
    assert "work pool" not in page(site, "log", deployment="etl").words.partition("Note")[2]
    assert "bob" not in page(site, "log", actor="ada").words
    assert "No change matches" in page(site, "log", run="f" * 32).words
    assert "bob" in page(site, "log", since="24h").words
    later = site.client.clock.now() + timedelta(minutes=5)
    assert "No change matches" in page(site, "log", since=later.isoformat()).words


def test_older_changes_are_one_link_away_on_the_page(site, history):
    first = page(site, "log", pool="nightly")
    [older] = [address for address in first.every("a", "href") if "cursor=" in address]
    second = Document(site.browser.get(older).text)
    changed = re.findall(r"concurrency_limit : (?:\d+ → )?(\d+)", first.words + " " + second.words)
    assert changed == [str(number) for number in (*range(69, 9, -1), 2)]
    assert not [address for address in second.every("a", "href") if "cursor=" in address]


def test_the_api_pages_by_cursors_that_belong_to_their_filter(site, history):
    seen, cursor = [], ""
    while cursor is not None:
        answer = site.ok("GET", f"/log?pool=nightly&limit=25&cursor={cursor}")
        seen += answer["items"]
        cursor = answer["next"]
    assert len(seen) == len({item["id"] for item in seen}) == 61
    first = site.api("GET", "/log?actor=ada&limit=1")
    assert first.headers["link"].endswith('rel="next"')
    other = site.api("GET", f"/log?actor=bob&cursor={first.json()['next']}")
    assert (other.status_code, other.json()["type"].rpartition(":")[2]) == (400, "cursor")


@pytest.mark.parametrize("query", ["pool=a&deployment=b", "since=yesterday", "until=2026-01-01T00:00:00", "limit=0"])
def test_a_wrong_filter_is_refused_in_words(site, query):
    answer = site.api("GET", f"/log?{query}")
    assert answer.status_code == 422
    assert answer.json()["faults"]


def test_the_pages_of_pool_run_and_deployment_lead_to_their_changes(site, history):
    run = site.client.create_run(deployment="etl")
    for parts, query in (
        (("pools", "nightly"), "pool=nightly"),
        (("deployments", "etl"), "deployment=etl"),
        (("runs", str(run.id)), f"run={run.id}"),
    ):
        assert f"/log?{query}" in page(site, *parts).every("a", "href")


def test_nobody_can_log_a_change_under_another_name(site, pool):
    answer = site.browser.patch(
        "/api/v1/pools/nightly?actor=eve", json={"paused": True, "actor": "eve"}, headers={**OWN, "If-Match": "*"}
    )
    assert answer.status_code == 422
    assert site.api("PATCH", "/pools/nightly?actor=eve", {"paused": True}, If_Match="*").is_success
    assert site.client.log().items[0].actor == "ada"


def test_the_page_leaves_out_what_changed_later(site, history):
    at = site.client.clock.now() + timedelta(minutes=5)
    assert "bob" in page(site, "log", until=at.isoformat()).words
    shown = page(site, "log", until="24h")
    assert "No change matches" in shown.words
    assert "24h" in shown.every("input", "value")
