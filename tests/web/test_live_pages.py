"""Live pages in a real browser, also where no stream comes through and while the store does not answer."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from dispatcher.environment.settings import Settings
from dispatcher.errors import StoreUnavailable
from dispatcher.wiring import wire
from tests.web.browsing import Visitor, a_browser
from tests.web.serving import served

pytestmark = pytest.mark.long


@pytest.fixture(scope="module")
def chromium():
    with a_browser() as browser:
        yield browser


@pytest.fixture
def wiring(tmp_path):
    made = wire(Settings.from_environment({"HOME": str(tmp_path), "DISPATCHER_STORE": "memory://"}))
    made.client.create_work_pool("nightly", type="process", concurrency_limit=20, job_variables={"command": "true"})
    made.client.create_work_queue("nightly", "etl", concurrency_limit=0)
    yield made
    made.close()


@pytest.fixture
def page(chromium, wiring):
    with served(wiring) as address:
        visitor = Visitor(chromium, address)
        yield visitor()
        visitor.close()


@pytest.fixture
def away(monkeypatch, wiring):
    """Lets the store go away, and come back."""
    patches = pytest.MonkeyPatch()

    def refuse(*_arguments, **_fields):
        raise StoreUnavailable("store memory: cannot be reached: see that the server runs")

    def turn(is_away: bool) -> None:
        if is_away:
            for verb in ("pool", "pools"):
                patches.setattr(wiring.store, verb, refuse)
        else:
            patches.undo()

    yield turn
    patches.undo()


def test_the_page_of_a_run_follows_it(page, wiring):
    run = wiring.client.create_run(pool="nightly", queue="etl")
    page.goto(f"/runs/{run.id}")
    why = page.locator("section[aria-labelledby=why]")
    expect(why).to_contain_text("queue limit zero")
    expect(page.get_by_text("● live")).to_be_visible()
    wiring.client.update_work_pool("nightly", paused=True)
    expect(why).to_contain_text("pool paused")
    wiring.client.cancel_run(run.id)
    expect(page.locator("h1")).to_contain_text("cancelled")
    expect(page.get_by_role("button", name="Retry")).to_be_visible()


def test_the_priority_that_somebody_types_for_a_run_stays(page, wiring):
    run = wiring.client.create_run(pool="nightly", queue="etl")
    page.goto(f"/runs/{run.id}")
    expect(page.get_by_text("● live")).to_be_visible()
    page.get_by_label("Priority").fill("-7")
    wiring.client.update_work_pool("nightly", paused=True)
    other = page.context.new_page()
    other.goto(f"/runs/{run.id}")
    expect(other.locator("section[aria-labelledby=why]")).to_contain_text("pool paused")
    expect(page.get_by_label("Priority")).to_have_value("-7")
    page.get_by_role("button", name="Move it").click()
    expect(page.locator("section[aria-labelledby=why]")).to_contain_text("pool paused")
    assert wiring.client.run(run.id).priority == -7


def test_a_page_is_read_again_where_no_stream_comes_through(page, wiring):
    page.route("**/live*", lambda route: route.fulfill(status=503, body="<p>too busy</p>", content_type="text/html"))
    page.goto("/pools/nightly")
    wiring.client.update_work_pool("nightly", concurrency_limit=9)
    expect(page.get_by_text("of 9 slots held")).to_be_visible()
    expect(page.locator(".live")).to_have_text("● read again every 5 s")
    expect(page.get_by_text("too busy")).to_have_count(0)


def test_a_page_keeps_what_it_shows_while_the_store_is_away(page, wiring, away):
    page.goto("/pools/nightly")
    expect(page.get_by_text("● live")).to_be_visible()
    away(True)
    expect(page.locator(".live")).to_contain_text("trying again. Store memory: cannot be reached")
    expect(page.get_by_text("of 20 slots held")).to_be_visible()
    away(False)
    wiring.client.update_work_pool("nightly", concurrency_limit=9)
    expect(page.get_by_text("of 9 slots held")).to_be_visible()
    expect(page.locator(".live")).to_have_text("● live")


def test_a_page_reloads_by_itself_when_the_store_answers_again(page, away):
    away(True)
    answer = page.goto("/pools/nightly")
    assert (answer.status, answer.headers["retry-after"]) == (503, "5")
    expect(page.get_by_role("heading", name="The store does not answer")).to_be_visible()
    away(False)
    expect(page.get_by_text("of 20 slots held")).to_be_visible()
