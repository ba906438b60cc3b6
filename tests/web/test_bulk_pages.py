"""Work on many runs in a real browser, while its steps are stopped or not answered."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

from dispatcher.environment.settings import Settings
from dispatcher.models import RunState
from dispatcher.models.records import LogFilter, RunFilter
from dispatcher.wiring import wire
from tests.builders import a_run
from tests.web.browsing import PATIENCE, Visitor, a_browser
from tests.web.serving import served

pytestmark = pytest.mark.long

MANY = 650
"""Runs that take four steps."""


@pytest.fixture
def wiring(tmp_path):
    made = wire(Settings.from_environment({"HOME": str(tmp_path), "DISPATCHER_STORE": "memory://"}))
    made.client.create_work_pool("nightly", type="process", job_variables={"command": "true"})
    now = made.client.clock.now()
    made.store.restore(runs=waiting_runs(MANY, now))
    yield made
    made.close()


def waiting_runs(number, now):
    return [a_run(pool="nightly", due_at=now, scheduled_at=now, created_at=now) for _ in range(number)]


@pytest.fixture
def page(wiring):
    with a_browser() as browser, served(wiring) as address:
        visitor = Visitor(browser, address)
        yield visitor()
        visitor.close()


def waiting(wiring):
    return len(wiring.client.runs(pool="nightly", states=[RunState.SCHEDULED], limit=1000))


def test_a_step_that_is_not_answered_ends_the_work_until_somebody_goes_on(page, wiring):
    steps = []

    def second_fails(route):
        steps.append(route)
        if len(steps) == 2:
            route.fulfill(status=503, body="<main id=content><p>The store is away.</p></main>", content_type="text/html")
        else:
            route.continue_()

    page.route("**/runs/bulk", second_fails)
    page.goto("/runs/bulk?action=cancel&pool=nightly")
    page.get_by_role("button", name=f"Cancel {MANY} runs").click()
    expect(page.get_by_role("alert")).to_contain_text("This step was not answered. The store is away.")
    expect(page.get_by_text("200 of 650 done")).to_be_visible()
    assert (len(steps), waiting(wiring)) == (2, MANY - 200)
    page.get_by_role("button", name="Continue").click()
    expect(page.get_by_text("650 of 650 done. That was all.")).to_be_visible()
    expect(page.get_by_role("alert")).to_have_count(0)
    assert waiting(wiring) == 0


def test_work_is_stopped_between_two_steps_and_goes_on(page, wiring):
    held = []

    def hold_the_second(route):
        held.append(route)
        if len(held) != 2:
            route.continue_()

    page.route("**/runs/bulk", hold_the_second)
    page.goto("/runs/bulk?action=cancel&pool=nightly")
    page.get_by_role("button", name=f"Cancel {MANY} runs").click()
    expect(page.get_by_text("200 of 650 done")).to_be_visible()
    page.get_by_role("button", name="Stop").click()
    held[1].continue_()
    expect(page.get_by_text("400 of 650 done")).to_be_visible()
    expect(page.get_by_role("button", name="Stop")).to_be_hidden()
    assert waiting(wiring) == MANY - 400
    page.get_by_role("button", name="Continue").click()
    expect(page.get_by_text("That was all.")).to_be_visible()
    assert waiting(wiring) == 0


def test_ten_thousand_are_cancelled_though_the_page_is_closed_in_the_middle(page, wiring):
    steps, store, whole = [], wiring.store, 10_000
    store.restore(runs=waiting_runs(whole - MANY, wiring.client.clock.now()))

    def hold_the_middle(route):
        steps.append(route)
        if len(steps) != 26:
            route.continue_()

    page.context.route("**/runs/bulk", hold_the_middle)
    page.goto("/runs/bulk?action=cancel&pool=nightly")
    page.get_by_role("button", name=re.compile("^Cancel .* runs$")).click()
    expect(page.get_by_text("5,000 of 10,000 done")).to_be_visible(timeout=10 * PATIENCE)
    page.close()
    cancelled = RunFilter(pool="nightly", states=frozenset({RunState.CANCELLED}))
    assert whole // 2 <= store.count(cancelled, limit=whole) <= whole // 2 + 200  # the step that was held may be done yet

    again = page.context.new_page()
    again.goto("/runs/bulk?action=cancel&pool=nightly")
    again.get_by_role("button", name=re.compile("^Cancel .* runs$")).click()
    expect(again.get_by_text("That was all.")).to_be_visible(timeout=10 * PATIENCE)
    assert store.count(cancelled, limit=whole + 1) == whole
    assert sum(entry.runs for entry in store.log(LogFilter(noun="runs"), limit=10)) == whole  # none twice
