"""Somebody who may only read is shown no form that would be refused."""

from __future__ import annotations

import pytest

from dispatcher.models import RunState, Schedule
from dispatcher.web.access import loopback
from dispatcher.web.pages.words import url
from tests.builders import a_live_run
from tests.web.conftest import PORT, browser_of
from tests.web.pages import Document

READ_BY_FORM = {"/runs", "/find", "/log", "/new-pool"}
"""Forms that only read: they filter."""


@pytest.fixture
def reader(wiring):
    access, sessions = loopback(PORT, name="eve", read_only=True)
    browser = browser_of(wiring, access)
    browser.get("/sign-in", params={"token": sessions.token})
    return browser


@pytest.fixture
def addresses(site, pool):
    """Every page about something, also those to which no link leads a reader."""
    client = site.client
    client.create_work_queue("nightly", "etl")
    rule = Schedule(slug="daily", cron="0 2 * * *")
    client.create_deployment("etl", pool="nightly", schedules=[rule], job_variables={"command": "true"})
    run = client.create_run(pool="nightly", job_variables={"command": "true"})
    ended = a_live_run(pool="nightly", state=RunState.FAILED)
    site.wiring.store.restore(runs=[ended])
    of_pool = [("pools", "nightly", *part) for part in ((), ("template",), ("delete",), ("queues", "etl", "delete"))]
    of_deployment = [("deployments", "etl", *part) for part in ((), ("edit",), ("schedule",), ("delete",))]
    others = [("runs", str(run.id)), ("runs", str(ended.id)), ("deployments",), ("runs",), ("automations",), ("log",), ()]
    return [
        *(url(*parts) for parts in (*of_pool, *of_deployment, *others)),
        url("new-pool", type="process"),
        url("runs", "new", pool="nightly"),
        url("runs", "bulk", action="cancel", pool="nightly"),
    ]


def test_no_page_lets_a_reader_fill_in_what_would_be_refused(reader, addresses):
    for address in addresses:
        shown = Document(reader.get(address, headers={"Accept": "text/html"}).text)
        buttons = [attrs for tag, attrs in shown.tags if tag == "button" and attrs.get("type") != "button"]
        reads = [action for action in shown.every("form", "action") if action in READ_BY_FORM]
        assert len(buttons) < len(reads), address  # the search has none
        for lead in shown.every("a", "href"):
            assert not lead.startswith(("/runs/new", "/new-pool", "/runs/bulk")), (address, lead)


def test_a_reader_cannot_type_into_a_form(reader, addresses):
    for address in (url("pools", "nightly", "template"), url("deployments", "etl", "edit")):
        shown = Document(reader.get(address, headers={"Accept": "text/html"}).text)
        assert "disabled" in {name for tag, attrs in shown.tags if tag == "fieldset" for name in attrs}, address
