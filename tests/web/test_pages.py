"""The pages: what they show without JavaScript, what they change, and what evil values do to them: nothing."""

from __future__ import annotations

import re
import subprocess
from base64 import b64encode
from hashlib import sha384
from pathlib import Path

import playwright
import pytest

import dispatcher.web
from dispatcher.client import shapes
from dispatcher.core.ticks import LastHour
from dispatcher.models import Actor, RunState, Schedule
from dispatcher.models.records import RunFilter
from dispatcher.web.access import loopback
from dispatcher.web.pages.routes import CHANGE, READ
from dispatcher.web.pages.static import VENDORED, static_files
from dispatcher.web.pages.strips import gap_path, ticked_path
from dispatcher.web.pages.words import duration, outside, url
from providers.base import CallFailed
from providers.testing import FakeProvider
from tests.builders import HOUR, MINUTE, NOW, SECOND, a_live_run, a_run
from tests.web.conftest import BASE, OWN, PORT, browser_of
from tests.web.pages import Document, page, sent

EVIL = "a\" onmouseover='x' b,c#?{{7*7}}"
SCRIPT = "<script>document.title='evil'</script>"


@pytest.fixture
def busy(site):
    """A pool with two queues, a run that runs, some that wait, and a deployment with a schedule. All names are evil."""
    client = site.client.acting(Actor(name=SCRIPT, via="page"))
    client.create_work_pool(EVIL, type="process", concurrency_limit=1, job_variables={"command": "true"}, description=EVIL)
    client.create_work_queue(EVIL, "critical", priority=1)
    schedule = Schedule(slug="daily", cron="0 2 * * *")
    client.create_deployment(
        EVIL, pool=EVIL, tags=["<img src=x>"], schedules=[schedule], job_variables={"command": "true", "env": {"TEXT": SCRIPT}}
    )
    waiting = [client.create_run(deployment=EVIL, name=f"{EVIL} {number}", tags=["<img src=x>"]) for number in range(3)]
    now = client.clock.now()
    live = a_live_run(pool=EVIL, name=EVIL, created_at=now - HOUR, claimed_at=now - MINUTE)
    ended = a_live_run(
        pool=EVIL, state=RunState.FAILED, reason=SCRIPT, started_at=now - HOUR, ended_at=now, created_at=now - HOUR
    )
    site.wiring.store.restore(runs=[live, ended])
    return [live, ended, *waiting]


def every_page(site, busy):
    yield from (
        page(site),
        page(site, "pools", EVIL),
        page(site, "pools", EVIL, "upcoming"),
        page(site, "pools", EVIL, "template"),
    )
    yield page(site, "pools", EVIL, "plan", limit="5", version=site.client.work_pool(EVIL).version)
    yield from (page(site, "pools", EVIL, "slots"), page(site, "pools", EVIL, "what-if"))
    yield page(site, "pools", EVIL, "what-if", **{"limit": "5", "limit:critical": "1"})
    yield page(site, "pools", EVIL, "queues", site.client.work_pool(EVIL).queues[-1].name, "delete")
    yield from (page(site, "pools", EVIL, "delete"), page(site, "deployments", EVIL, "delete"))
    yield page(site, "runs")
    yield page(site, "runs", pool=EVIL, state=["FAILED", "RUNNING"], tag="<img src=x>")
    yield page(site, "runs", "new", pool=EVIL)
    yield page(site, "runs", "new", deployment=EVIL)
    yield page(site, "runs", "new", **{"from": str(busy[-1].id)})
    yield page(site, "new-pool", type="ecs:push", name=EVIL)
    yield from (page(site, "runs", str(run.id)) for run in busy)
    yield page(site, "deployments")
    yield page(site, "deployments", EVIL)
    yield from (page(site, "deployments", EVIL, "edit"), page(site, "deployments", EVIL, "schedule"))
    yield page(site, "deployments", EVIL, "schedule", slug="daily")
    yield page(site, "runs", "bulk", action="cancel", pool=EVIL)
    yield page(site, "log", pool=EVIL, actor=SCRIPT)


def test_hostile_values_appear_as_plain_text_on_every_page(site, busy):
    seen = 0
    for document in every_page(site, busy):
        seen += 1
        assert document.open == []
        assert [attrs for tag, attrs in document.tags if tag == "script" and "src" not in attrs] == []
        assert [
            name for _, attrs in document.tags for name in attrs if name == "style" or name.startswith(("on", "hx-on"))
        ] == []
        assert [attrs for tag, attrs in document.tags if tag == "img"] == []
        addresses = document.every("a", "href") + document.every("form", "action")
        assert [address for address in addresses if not re.match(r"/[^/\\]|/$|https://|#", address)] == []
        ids = [attrs["id"] for _, attrs in document.tags if "id" in attrs]
        assert len(ids) == len(set(ids))
    assert seen == 29


def test_every_field_has_a_label(site, busy):
    for document in every_page(site, busy):
        labels, inside, named = set(document.every("label", "for")), 0, 0
        for tag, attrs in document.tags:
            inside += tag == "label" and "for" not in attrs
            if tag in ("input", "textarea", "select") and attrs.get("type") != "hidden":
                named += "aria-label" not in attrs and attrs.get("id") not in labels
        assert named <= inside


def test_every_link_of_a_page_leads_somewhere(site, busy):
    addresses = {address for document in every_page(site, busy) for address in document.every("a", "href")}
    broken = [address for address in addresses if address.startswith("/") and site.browser.get(address).status_code != 200]
    assert broken == []


def test_no_read_changes_anything(site, busy):
    def contents():
        store = site.wiring.store
        return store.pools(), store.deployments(), store.runs(RunFilter(), limit=1000)

    before = contents()
    for _ in every_page(site, busy):
        pass
    assert contents() == before


def test_the_overview_shows_a_paused_pool_first(site, pool):
    site.client.create_work_pool("a-calm-one", type="process")
    site.client.create_run(pool="nightly", job_variables={"command": "true"})
    site.client.update_work_pool("nightly", paused=True)
    document = page(site)
    assert re.search(r"nightly is paused since \S+ \S+ UTC ; due runs: 1", document.words)
    assert document.words.index("nightly process") < document.words.index("a-calm-one process")
    assert "pool paused" in document.words


def test_the_overview_leads_to_the_last_hour_of_each_pool(site, pool):
    [address] = [address for address in page(site).every("a", "href") if "hours" in address]
    assert address == "/pools/nightly/slots?hours=1"
    shown = Document(site.browser.get(address).text)
    assert [attrs["value"] for tag, attrs in shown.tags if tag == "option" and "selected" in attrs] == ["1"]


def test_overview_and_pool_draw_the_minutes_of_the_last_hour_that_had_a_tick(site, pool):
    now = site.client.clock.now().replace(second=30)
    for minutes in range(60, -1, -1):
        if not 20 <= minutes < 40:
            site.wiring.store.heartbeat("nightly", now - minutes * MINUTE)
    documents, hour = [page(site), page(site, "pools", "nightly")], site.client.picture("nightly").last_hour
    [(begin, end)] = hour.gaps
    assert end - begin == 20 * MINUTE
    for document in documents:
        assert f"none from {begin:%H:%M} to {end:%H:%M} UTC ▲ no tick from" in document.words
        [ticked, gap] = [attrs["d"] for tag, attrs in document.tags if tag == "path"]
        assert ticked.count("M") in (39, 40)
        assert re.fullmatch(r"M\d+ 13H\d+V16H\d+z", gap)
    shape = site.ok("GET", "/pools/nightly")["ticks_last_hour"]
    assert (shape["minutes"], shape["ticked_minutes"] in (39, 40)) == (60, True)
    assert shape["gaps"] == [{"since": shapes.time(begin), "until": shapes.time(end)}]


def test_a_pool_that_nothing_has_ticked_yet_has_an_empty_strip(site, pool):
    document = page(site)
    assert "no tick is noted yet" in document.words
    assert [attrs["d"] for tag, attrs in document.tags if tag == "path"] == ["", ""]


def test_a_strip_ends_with_the_minute_that_has_just_begun():
    whole = LastHour(NOW - 59 * MINUTE, NOW, (NOW - 59 * MINUTE, NOW), ((NOW - 50 * MINUTE, NOW - 40 * MINUTE),))
    assert ticked_path(whole) == "M0 0h3v16h-3zM236 0h3v16h-3z"
    assert gap_path(whole) == "M36 13H75V16H36z"
    begun = LastHour(NOW - MINUTE, NOW + 30 * SECOND, (NOW - MINUTE,), ())
    assert (ticked_path(begun), gap_path(begun)) == ("M232 0h3v16h-3z", "")


def test_the_overview_counts_late_runs_beside_those_that_are_due(site, pool):
    now, patience = site.client.clock.now(), site.client.heartbeat
    site.wiring.store.restore(runs=[a_run(pool="nightly", due_at=moment) for moment in (now - HOUR, now - patience, now)])
    document = page(site)
    assert "3 ▲ 2 0" in document.words, "due, late, later"
    assert f"Late runs have been due for {duration(patience)} or longer" in document.words


def test_the_waterfall_says_who_holds_the_slots_and_why_the_next_run_waits(site, busy):
    document = page(site, "pools", EVIL)
    assert "1 of 1 slots held" in document.words
    assert "pool full" in document.words
    assert url("runs", str(busy[0].id)) in document.every("a", "href")
    assert document.words.index("critical") < document.words.index("default")


def test_a_pool_with_fair_shares_shows_the_weights_and_why_the_next_run_waits(site, busy):
    site.client.update_work_pool(EVIL, share="fair", concurrency_limit=2)
    site.client.update_work_queue(EVIL, "critical", weight=3)
    site.client.create_run(pool=EVIL, queue="critical")
    document = page(site, "pools", EVIL)
    assert "shared fairly between the queues, by weight" in document.words
    assert document.words.index("weight 3") < document.words.index("weight 1")
    assert "fair share" in document.words


def test_a_limit_is_changed_after_its_plan_was_shown(site, pool):
    asked = url("pools", "nightly", "plan", limit="7", version=pool.version)
    document = Document(site.browser.get(asked).text)
    assert "concurrency_limit 2 7" in document.words
    assert site.client.work_pool("nightly").concurrency_limit == 2

    assert (
        sent(site, "pools", "nightly", "change", limit="7", version=str(pool.version)).headers["location"] == "/pools/nightly"
    )
    assert site.client.work_pool("nightly").concurrency_limit == 7
    overtaken = sent(site, "pools", "nightly", "change", limit="9", version=str(pool.version))
    assert (overtaken.status_code, site.client.work_pool("nightly").concurrency_limit) == (412, 7)
    assert sent(site, "pools", "nightly", "change", limit="", version="*").status_code == 303
    assert site.client.work_pool("nightly").concurrency_limit is None


def test_shares_and_weights_are_changed_after_their_plan_was_shown(site, pool):
    site.client.create_work_queue("nightly", "etl")
    assert "Weight" not in page(site, "pools", "nightly").words, "where queues share by priority, their weights say nothing"
    version = str(pool.version + 1)
    asked = page(site, "pools", "nightly", "plan", version=version, limit="2", share="fair")
    assert "share strict fair" in asked.words
    assert sent(site, "pools", "nightly", "change", version=version, limit="2", share="fair").status_code == 303
    shown = page(site, "pools", "nightly")
    assert {"Weight of etl", "Weight of default"} <= {*shown.every("input", "aria-label")}
    assert {"Share of etl", "Share of default"} == {*shown.every("select", "aria-label")}

    fields = {
        "version": str(site.client.work_pool("nightly").version),
        "queue": "etl",
        "limit": "",
        "weight": "3",
        "share": "fair",
    }
    asked = page(site, "pools", "nightly", "plan", **fields)
    assert "queues.etl.share strict fair" in asked.words
    assert "queues.etl.weight 1 3" in asked.words
    assert site.client.work_queue("nightly", "etl").weight == 1, "nothing has changed yet"
    assert sent(site, "pools", "nightly", "change", **fields).status_code == 303
    after, queue = site.client.work_pool("nightly"), site.client.work_queue("nightly", "etl")
    assert (after.share, after.concurrency_limit, queue.share, queue.weight, queue.concurrency_limit) == (
        "fair",
        2,
        "fair",
        3,
        None,
    )
    assert sent(site, "pools", "nightly", "change", **fields).status_code == 412


@pytest.mark.parametrize(
    "fields", [{"weight": ""}, {"weight": "0"}, {"weight": "101"}, {"weight": "heavy"}, {"share": "equal"}]
)
def test_a_wrong_weight_or_share_is_refused_in_words(site, pool, fields):
    [name] = fields
    answer = sent(site, "pools", "nightly", "change", queue="default", **fields)
    assert (answer.status_code, name in answer.text) == (422, True)
    assert site.client.work_pool("nightly") == pool


def test_queues_are_paused_and_put_into_another_order(site, busy):
    assert sent(site, "pools", EVIL, "change", queue="critical", paused="yes", limit="3").status_code == 303
    queue = site.client.work_queue(EVIL, "critical")
    assert (queue.paused, queue.concurrency_limit) == (True, 3)
    assert sent(site, "pools", EVIL, "change", order=["default", "critical"]).status_code == 303
    assert [queue.name for queue in site.client.work_pool(EVIL).queues] == ["default", "critical"]


@pytest.mark.parametrize("limit", ["-1", "many", "1.5", "²", "9" * 30])
def test_a_wrong_limit_is_refused_in_words(site, pool, limit):
    answer = sent(site, "pools", "nightly", "change", limit=limit)
    assert (answer.status_code, "concurrency_limit" in answer.text) == (422, True)
    assert site.client.work_pool("nightly").concurrency_limit == 2


def test_the_schedules_of_a_deployment_are_paused(site, busy):
    assert sent(site, "deployments", EVIL, "pause", paused="yes").status_code == 303
    assert site.client.deployment(EVIL).paused
    sent(site, "deployments", EVIL, "pause", paused="no")
    assert not site.client.deployment(EVIL).paused


def test_secrets_stand_on_no_page(site):
    secret = "hunter2-and-more"
    variables = {"command": "true", "env": {"DB_PASSWORD": secret}}
    site.client.create_work_pool("nightly", type="process", job_variables=variables)
    site.client.create_deployment("etl", pool="nightly", job_variables=variables)
    run = site.client.create_run(deployment="etl", job_variables=variables)
    for parts in ((), ("pools", "nightly"), ("pools", "nightly", "template"), ("runs", str(run.id)), ("deployments", "etl")):
        assert secret not in site.browser.get(url(*parts)).text


def test_an_address_that_is_not_there_is_a_page_that_says_so(site):
    for address in (
        "/pools/nobody",
        "/runs/00000000-0000-0000-0000-000000000000",
        "/deployments/nobody",
        "/nothing",
        "/static/x.js",
    ):
        answer = site.browser.get(address)
        assert (answer.status_code, "text/html" in answer.headers["content-type"]) == (404, True)
    assert site.browser.get("/runs/not-an-id").status_code == 422


def test_a_reader_sees_no_buttons_and_every_change_is_refused(wiring, site, busy):
    access, sessions = loopback(PORT, name="eve", read_only=True)
    reader = browser_of(wiring, access)
    reader.get("/sign-in", params={"token": sessions.token})
    for address in ("/", url("pools", EVIL), "/runs", url("deployments", EVIL)):
        document = Document(reader.get(address).text)
        assert "read only" in document.words
        assert [
            attrs for tag, attrs in document.tags if tag == "form" and attrs.get("method") == "post" and address != "/runs"
        ] == []
    for path in CHANGE:
        address = path.replace("{pool}", "x").replace("{run}", "x").replace("{deployment}", "x").replace("{automation}", "x")
        assert reader.post(address, data={}, headers=OWN).status_code == 403, path
    assert len(READ) > 8


def test_static_files_have_their_hash_in_their_address(site):
    for file in static_files().values():
        answer = site.browser.get(file.address)
        assert (answer.content, "immutable" in answer.headers["cache-control"]) == (file.content, True)
    for evil in ("/static/app.css", "/static/..%2f..%2fapp.py", "/static/%2e%2e/app.py"):
        assert site.browser.get(f"{BASE}{evil}").status_code == 404


def test_vendored_files_are_those_that_were_published():
    files = static_files()
    for name, digest in VENDORED.items():
        assert b64encode(sha384(files[name].content).digest()).decode() == digest == files[name].digest


def test_the_script_can_be_read():
    """By the Node that Playwright brings: a browser refuses the whole of a script with one wrong line."""
    node = Path(playwright.__file__).parent / "driver" / "node"
    script = Path(dispatcher.web.__file__).parent / "static" / "app.js"
    said = subprocess.run([node, "--check", script], capture_output=True, text=True, timeout=60, check=False)
    assert said.returncode == 0, said.stderr


def test_templates_hold_nothing_that_the_policy_forbids():
    folder = Path(dispatcher.web.__file__).parent
    for path in [*folder.glob("templates/*.html"), folder / "static/app.js"]:
        text = path.read_text(encoding="utf-8")
        assert not re.search(r"style=|hx-on|hx-vals|\sjs:|\son\w+=|javascript:|\|safe|eval\(|innerHTML", text), path.name


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("https://console.example.com/job", True),
        ("http://console.example.com", False),
        ("javascript:alert(1)", False),
        ("//host/x", False),
        ("\thttps://x", False),
        ("https://x y", False),
        (None, False),
    ],
)
def test_only_plain_https_addresses_become_links(address, shown):
    assert (outside(address) == address and address is not None) is shown


def test_lengths_of_time_are_shown_in_two_units():
    assert [duration(seconds) for seconds in (0, 59.9, 61, 3600, 90_000)] == ["0 s", "59 s", "1 min 1 s", "1 h", "1 d 1 h"]


def test_logs_are_followed_while_a_run_lives_and_its_provider_has_them(site, pool):
    provider = FakeProvider()
    site.wiring.dispatch.providers._made["process"] = provider
    live, ended = a_live_run(pool="nightly"), a_live_run(pool="nightly", state=RunState.FAILED, ended_at=NOW)
    site.wiring.store.restore(runs=[live, ended])
    waiting = site.client.create_run(pool="nightly", job_variables={"command": "true"})

    def part(run):
        shown = Document(site.browser.get(url("runs", str(run.id), "logs")).text)
        return shown.words, bool(shown.every("section", "data-follow"))

    assert ("There is no job yet" in part(waiting)[0], part(waiting)[1]) == (True, True)
    assert ("keeps no logs" in part(live)[0], part(live)[1]) == (True, False)
    provider.logs = lambda submission, tail: f"{submission.name} says {SCRIPT}"
    assert (f"{live.submission.name} says {SCRIPT}" in part(live)[0], part(live)[1]) == (True, True)
    assert (f"{ended.submission.name} says" in part(ended)[0], part(ended)[1]) == (True, False)
    assert page(site, "runs", str(live.id)).every("section", "data-follow") == [], "logs are read when somebody asks"
    provider.logs = broken
    assert ("cannot be read: no answer" in part(live)[0], part(live)[1]) == (True, True)


def broken(submission, tail):
    raise CallFailed("no answer")
