"""Deployments and their schedules: edited as forms, shown as a plan before, and what became of their runs."""

from __future__ import annotations

import re
from datetime import timedelta
from html import unescape

import pytest

from dispatcher.models import RunState, Schedule
from dispatcher.web.pages.deployments import LISTED
from dispatcher.web.pages.words import NOTHING
from tests.builders import HOUR, MINUTE, a_live_run, a_run
from tests.web.pages import Document, page, sent

AT = "@entry/"


@pytest.fixture
def etl(site, pool):
    """A deployment with a schedule and a secret."""
    site.client.create_work_queue("nightly", "critical")
    return site.client.create_deployment(
        "etl",
        pool="nightly",
        tags=["finance"],
        description="Every night",
        expires_after=HOUR,
        schedules=[Schedule(slug="daily", cron="0 2 * * *")],
        job_variables={"command": "true", "env": {"API_TOKEN": "hunter2"}},
    )


def form_of(document):
    """What a browser sends of the last form of a page, without its buttons."""
    fields, name = {}, None
    for tag, attrs in document.tags:
        if tag == "form":
            fields = {}
        if tag == "input" and "name" in attrs and attrs.get("type") not in ("checkbox", "search"):
            fields[attrs["name"]] = attrs.get("value", "")
        if tag == "select":
            name = attrs["name"]
            fields[name] = ""
        if tag == "option" and "selected" in attrs:
            fields[name] = attrs["value"]
    return fields


def edited(site, *parts, confirmed="", query=None, **changes):
    """Send the form of a page with some fields changed; their names are those of the fields."""
    shown = site.browser.get("/" + "/".join(parts), params=query or {}, headers={"Accept": "text/html"})
    fields = form_of(Document(shown.text)) | texts_of(shown.text) | {f"v:{AT}{name}": value for name, value in changes.items()}
    return sent(site, *parts, **fields, **({"confirmed": "yes"} if confirmed else {}))


def texts_of(html):
    """The text areas of a page."""
    return {
        name: unescape(text).removeprefix("\n")
        for name, text in re.findall(r'<textarea id="[^"]*" name="([^"]*)"[^>]*>(.*?)</textarea>', html, re.DOTALL)
    }


def test_an_untouched_form_changes_nothing(site, etl):
    assert "Nothing would change" in Document(edited(site, "deployments", "etl", "edit").text).words
    edited(site, "deployments", "etl", "edit", confirmed=True)
    assert site.client.deployment("etl") == etl
    daily = {"slug": "daily"}
    assert "Nothing would change" in Document(edited(site, "deployments", "etl", "schedule", query=daily).text).words


def test_a_change_is_shown_before_it_is_made_and_empty_fields_have_their_defaults(site, etl):
    changes = {"queue": "critical", "concurrency_limit": "3", "tags": "", "expires_after": "15m"}
    shown = Document(edited(site, "deployments", "etl", "edit", **changes).text).words
    for words in ("queue default critical", f"concurrency_limit {NOTHING} 3", "expires_after"):
        assert words in shown, shown
    assert site.client.deployment("etl") == etl, "nothing has changed yet"
    assert edited(site, "deployments", "etl", "edit", confirmed=True, **changes).status_code == 303
    after = site.client.deployment("etl")
    assert (after.queue, after.concurrency_limit, after.tags, after.expires_after) == ("critical", 3, (), 15 * MINUTE)
    assert (after.description, after.job_variables) == ("Every night", etl.job_variables)
    assert after.schedules == etl.schedules


def test_the_weight_of_a_deployment_is_changed_as_its_limit_is(site, etl):
    assert "weight 1 3" in Document(edited(site, "deployments", "etl", "edit", weight="3").text).words
    assert site.client.deployment("etl").weight == 1, "nothing has changed yet"
    assert edited(site, "deployments", "etl", "edit", weight="101", confirmed=True).status_code == 422
    assert edited(site, "deployments", "etl", "edit", weight="3", confirmed=True).status_code == 303
    assert site.client.deployment("etl").weight == 3


def test_secrets_are_neither_shown_nor_lost(site, etl):
    answer = edited(site, "deployments", "etl", "edit", description="Another")
    assert "hunter2" not in answer.text
    assert "(hidden)" in answer.text
    confirm = form_of(Document(answer.text.partition('name="confirmed"')[0]))
    assert sent(site, "deployments", "etl", "edit", confirmed="yes", **confirm).status_code == 303
    after = site.client.deployment("etl")
    assert (after.description, after.job_variables["env"]) == ("Another", {"API_TOKEN": "hunter2"})


def test_faults_stand_beside_what_was_typed(site, etl):
    answer = edited(site, "deployments", "etl", "edit", concurrency_limit="many", queue="gone")
    assert answer.status_code == 422
    assert 'value="many"' in answer.text
    wrong = edited(site, "deployments", "etl", "schedule", query={"slug": "daily"}, cron="61 2 * * *")
    assert (wrong.status_code, 'value="61 2 * * *"' in wrong.text, "cron" in wrong.text) == (422, True, True)
    assert site.client.deployment("etl") == etl


def test_a_schedule_is_changed_added_and_removed(site, etl):
    daily = {"slug": "daily"}
    shown = edited(site, "deployments", "etl", "schedule", query=daily, cron="0 3 * * *", timezone="Europe/Berlin")
    assert "schedules.daily.cron 0 2 * * * 0 3 * * *" in Document(shown.text).words
    edited(site, "deployments", "etl", "schedule", confirmed=True, query=daily, cron="0 3 * * *", timezone="Europe/Berlin")
    [rule] = site.client.deployment("etl").schedules
    assert (rule.cron, rule.timezone, rule.slug) == ("0 3 * * *", "Europe/Berlin", "daily")
    new = {"version": "", "new_slug": "hourly", f"v:{AT}interval": "1h"}
    assert sent(site, "deployments", "etl", "schedule", **new, confirmed="yes").status_code == 303
    assert site.client.schedule("etl", "hourly").interval == HOUR
    assert "already exists" in sent(site, "deployments", "etl", "schedule", **new).text
    remove = {"version": "", "slug": "daily", "remove": "yes"}
    assert "schedules.daily" in Document(sent(site, "deployments", "etl", "schedule", **remove).text).words
    sent(site, "deployments", "etl", "schedule", **remove, confirmed="yes")
    assert [rule.slug for rule in site.client.deployment("etl").schedules] == ["hourly"]
    assert site.browser.get("/deployments/etl/schedule", params=daily).status_code == 404


def test_somebody_elses_change_is_not_overwritten(site, etl):
    fields = form_of(page(site, "deployments", "etl", "edit"))
    site.client.update_deployment("etl", description="Theirs")
    answer = sent(site, "deployments", "etl", "edit", **{**fields, f"v:{AT}description": "Mine", "confirmed": "yes"})
    assert answer.status_code == 412
    assert site.client.deployment("etl").description == "Theirs"


def test_late_and_failed_runs_and_the_results_of_each_schedule_are_shown(site, etl):
    now = site.client.clock.now()
    common = {"pool": "nightly", "deployment": "etl", "created_at": now - HOUR, "due_at": now - HOUR}
    on_time = a_live_run(name="well", state=RunState.COMPLETED, schedule="daily", claimed_at=now - HOUR, ended_at=now, **common)
    failed = a_live_run(name="badly", state=RunState.FAILED, reason="exit 3", claimed_at=now - HOUR, ended_at=now, **common)
    late = a_live_run(name="slowly", claimed_at=now - 20 * MINUTE, **common)
    cancelled = a_run(name="never", state=RunState.CANCELLED, ended_at=now, **common)
    site.wiring.store.restore(runs=[on_time, failed, late, cancelled])
    shown = page(site, "deployments", "etl")
    trouble = shown.words.partition("Late and failed")[2].partition("As JSON")[0]
    assert "Among its newest" in trouble
    assert "badly" in trouble
    assert "exit 3" in trouble
    assert "slowly ▲ late" in trouble
    assert "waited 40 min" in trouble
    assert "well" not in trouble
    assert "never" not in trouble
    assert "daily 0 2 * * * (UTC)" in shown.words
    assert "well: completed" in shown.every("a", "title")
    assert timedelta(0) < site.client.next_windows(etl.schedules[0])[0] - now


def test_a_page_lists_so_many_deployments_and_leads_to_the_others(site, pool):
    for number in range(LISTED + 1):
        site.client.create_deployment(f"etl-{number:02}", pool="nightly", job_variables={"command": "true"})
    first = page(site, "deployments")
    assert ("etl-19" in first.words, "etl-20" in first.words) == (True, False)
    [following] = [address for address in first.every("a", "href") if "from=" in address]
    second = Document(site.browser.get(following).text)
    assert ("etl-19" in second.words, "etl-20" in second.words) == (False, True)
    assert [address for address in second.every("a", "href") if "from=" in address] == []
