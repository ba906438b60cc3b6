"""Lists that follow what happens, in a real browser: what somebody has ticked, focused or scrolled to stays."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from dispatcher.environment.settings import Settings
from dispatcher.models import Schedule
from dispatcher.web.pages.runs import PAGE
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
def visitor(chromium, wiring):
    with served(wiring) as address:
        visitor = Visitor(chromium, address)
        yield visitor
        visitor.close()
    assert visitor.wrong == []


@pytest.fixture
def page(visitor):
    return visitor()


def created(wiring, *names, **fields):
    return [wiring.client.create_run(pool="nightly", name=name, **fields) for name in names]


def box(page, name):
    return page.get_by_label(f"Select {name}", exact=True)


def row(page, name):
    return page.locator("tbody tr").filter(has=page.get_by_role("link", name=name, exact=True))


def seen_live(page, address):
    page.goto(address)
    expect(page.get_by_text("● live")).to_be_visible()


def names(page):
    return page.locator("tbody th").all_inner_texts()


def test_runs_come_move_and_go_while_the_ticked_ones_stay_ticked(page, wiring):
    first, second = created(wiring, "first", "second")
    seen_live(page, "/runs?pool=nightly&state=SCHEDULED")
    box(page, "first").check()
    created(wiring, "third")
    expect(row(page, "third")).to_be_visible()
    assert names(page) == ["third", "second", "first"]
    assert [box(page, name).is_checked() for name in ("third", "second", "first")] == [False, False, True]
    wiring.client.cancel_run(second.id)
    expect(row(page, "second")).to_have_count(0)
    wiring.client.cancel_run(first.id)
    expect(row(page, "first")).to_contain_text("no longer in this list")
    created(wiring, "fourth")
    expect(row(page, "fourth")).to_be_visible()
    expect(row(page, "first").get_by_text("no longer in this list")).to_have_count(1)
    expect(box(page, "first")).to_be_checked()
    box(page, "first").uncheck()
    page.get_by_placeholder("Find").focus()
    created(wiring, "fifth")
    expect(row(page, "fifth")).to_be_visible()
    expect(row(page, "first")).to_have_count(0)


def test_what_is_ticked_is_what_is_done(page, wiring):
    runs = created(wiring, "first", "second")
    seen_live(page, "/runs")
    box(page, "first").check()
    created(wiring, "third", "fourth")
    expect(row(page, "fourth")).to_be_visible()
    page.get_by_role("group", name="The selected runs").get_by_role("button", name="Cancel").click()
    expect(page.get_by_role("heading", name="Cancelled: 1")).to_be_visible()
    assert [wiring.client.run(run.id).state for run in runs] == ["CANCELLED", "SCHEDULED"]


def test_the_box_above_ticks_all_and_is_cleared_by_a_run_that_comes(page, wiring):
    created(wiring, "first", "second")
    seen_live(page, "/runs")
    page.get_by_label("Select all that are shown").check()
    created(wiring, "third")
    expect(row(page, "third")).to_be_visible()
    expect(page.get_by_label("Select all that are shown")).not_to_be_checked()
    assert [box(page, name).is_checked() for name in ("third", "second", "first")] == [False, True, True]
    page.get_by_label("Select all that are shown").check()
    expect(box(page, "third")).to_be_checked()


def test_the_focus_stays_on_its_run_also_when_that_falls_off_the_page(page, wiring):
    created(wiring, "old")
    seen_live(page, "/runs")
    page.get_by_role("link", name="old", exact=True).focus()
    created(wiring, *(f"new-{number}" for number in range(PAGE)))
    expect(row(page, f"new-{PAGE - 1}")).to_be_visible()
    expect(page.get_by_role("link", name="old", exact=True)).to_be_focused()
    page.keyboard.press("k")
    expect(page.get_by_role("link", name="new-0", exact=True)).to_be_focused()
    page.keyboard.press("x")
    expect(box(page, "new-0")).to_be_checked()


def test_what_somebody_reads_stays_under_their_eyes(page, wiring):
    created(wiring, *(f"old-{number}" for number in range(PAGE)))
    seen_live(page, "/runs")
    row(page, "old-20").scroll_into_view_if_needed()
    before = row(page, "old-20").bounding_box()["y"]
    created(wiring, "new-0", "new-1", "new-2")
    expect(row(page, "new-2")).to_have_count(1)
    assert abs(row(page, "old-20").bounding_box()["y"] - before) < 3


def test_the_link_to_older_runs_goes_on_where_the_list_ends_by_now(page, wiring):
    created(wiring, *(f"old-{number}" for number in range(PAGE + 1)))
    seen_live(page, "/runs")
    created(wiring, "new-0", "new-1")
    expect(row(page, "new-1")).to_be_visible()
    page.get_by_role("link", name="Older runs →").click()
    expect(row(page, "old-0")).to_be_visible()
    assert names(page) == ["old-2", "old-1", "old-0"]


def test_what_is_typed_and_chosen_beside_the_list_stays(page, wiring):
    created(wiring, "first")
    seen_live(page, "/runs")
    page.get_by_label("move into the queue").fill("et")
    page.get_by_label("Name begins with").fill("fir")
    page.get_by_label("failed").check()
    created(wiring, "second")
    expect(row(page, "second")).to_be_visible()
    expect(page.get_by_label("move into the queue")).to_have_value("et")
    expect(page.get_by_label("Name begins with")).to_have_value("fir")
    expect(page.get_by_label("failed")).to_be_checked()


def test_nothing_moves_while_a_button_of_the_mouse_is_down(page, wiring):
    created(wiring, "first")
    seen_live(page, "/runs")
    place = box(page, "first").bounding_box()
    page.mouse.move(place["x"] + 5, place["y"] + 5)
    page.mouse.down()
    created(wiring, "second")
    other = page.context.new_page()
    seen_live(other, "/runs")
    expect(row(other, "second")).to_be_visible()
    assert names(page) == ["first"]
    page.mouse.up()
    expect(row(page, "second")).to_be_visible()
    assert [box(page, name).is_checked() for name in ("second", "first")] == [False, True]


def test_an_empty_list_fills_and_can_be_worked_on(page, wiring):
    seen_live(page, "/runs")
    group = page.get_by_role("group", name="The selected runs")
    expect(page.get_by_text("No run yet.")).to_be_visible()
    expect(group).to_be_hidden()
    created(wiring, "first")
    expect(row(page, "first")).to_be_visible()
    expect(group).to_be_visible()
    expect(page.get_by_text("All that match this filter:")).to_be_visible()


def test_a_list_that_has_to_be_searched_is_read_once(page, wiring):
    created(wiring, "first")
    for address in ("/runs?name=fi", "/runs?reason=exit"):
        page.goto(address)
        expect(page.get_by_role("heading", name="Runs")).to_be_visible()
        expect(page.locator("[data-live]")).to_have_count(0)
        expect(page.get_by_text("This list is not live")).to_be_visible()


def test_the_list_is_read_again_where_no_stream_comes_through(visitor, page, wiring):
    created(wiring, "first")
    page.route("**/live*", lambda route: route.fulfill(status=503, body="<p>too busy</p>", content_type="text/html"))
    page.goto("/runs")
    box(page, "first").check()
    created(wiring, "second")
    expect(row(page, "second")).to_be_visible()
    expect(box(page, "first")).to_be_checked()
    expect(page.locator(".live")).to_have_text("● read again every 5 s")
    visitor.wrong.clear()  # the refused streams
    page.unroute_all()


def test_deployments_come_and_are_paused_while_a_ticked_one_stays_ticked(page, wiring):
    daily = Schedule(slug="daily", cron="0 2 * * *")
    wiring.client.create_deployment("b c", pool="nightly", schedules=[daily])
    seen_live(page, "/deployments")
    box(page, "b c").check()
    wiring.client.create_deployment("a", pool="nightly")
    expect(row(page, "a")).to_be_visible()
    expect(box(page, "b c")).to_be_checked()
    wiring.client.pause_deployment("b c")
    expect(row(page, "b c")).to_contain_text("paused")
    expect(box(page, "b c")).to_be_checked()
    page.get_by_role("button", name="Resume the selected").click()
    expect(page.get_by_role("heading", name="Resumed: 1")).to_be_visible()


def test_the_page_of_a_deployment_follows_its_runs_and_open_details_stay_open(page, wiring):
    wiring.client.create_deployment("etl", pool="nightly")
    seen_live(page, "/deployments/etl")
    page.get_by_text("As JSON").click()
    run = wiring.client.create_run(deployment="etl", name="first")
    last = page.locator("section[aria-labelledby=last]")
    expect(last).to_contain_text("first")
    expect(last).to_contain_text("scheduled")
    wiring.client.cancel_run(run.id)
    expect(last).to_contain_text("cancelled before it was submitted")
    assert page.locator("details").evaluate("details => details.open")
