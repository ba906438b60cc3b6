"""The pages in a real browser."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect

from dispatcher.client import cursors
from dispatcher.environment.settings import Settings
from dispatcher.models import RunState
from dispatcher.wiring import wire
from tests.web.browsing import a_browser, visiting
from tests.web.serving import fill

pytestmark = pytest.mark.long

PATHS = (
    *("/", "/pools/nightly", "/pools/gpu", "/pools/nightly/upcoming", "/pools/nightly/template", "/pools/nightly/plan?limit=5"),
    *("/pools/nightly/slots", "/pools/nightly/what-if", "/pools/nightly/what-if?limit=2&limit:etl=1", "/log?pool=nightly"),
    "/runs/bulk?action=cancel&pool=nightly",
    *("/pools/nightly/delete", "/deployments/etl-daily/delete"),
    *("/pools/nightly/queues/etl/delete", "/pools/nightly/queues/default/delete"),
    *(
        "/runs",
        "/runs?pool=nightly&state=FAILED",
        "/runs?reason=exit",
        "/runs/new?pool=nightly",
        "/deployments",
        "/deployments/etl-daily",
    ),
    *("/deployments/etl-daily/edit", "/deployments/etl-daily/schedule", "/deployments/etl-daily/schedule?slug=daily"),
    *("/automations", "/automations/breaker"),
    *("/new-pool?type=ecs:push", "/help"),
)
SHOTS = os.environ.get("DISPATCHER_SCREENSHOTS")
"""A directory for pictures of the pages; without it, none are taken."""


BEGUN = """new Promise(done => {
  const look = () => setTimeout(() => typeof htmx === "undefined" ? look() : setTimeout(() => setTimeout(done)));
  look();
})"""
"""Waits until htmx is there, and has had the time to begin."""


@pytest.fixture(scope="module")
def chromium():
    with a_browser() as browser:
        yield browser


@pytest.fixture
def wiring(tmp_path):
    made = wire(Settings.from_environment({"HOME": str(tmp_path), "DISPATCHER_STORE": "memory://"}))
    fill(made)
    yield made
    made.close()


@pytest.fixture
def signed_in(chromium, wiring):
    """Makes pages that are signed in. What a page logs, and what it asks of others, fails the test."""
    with visiting(chromium, wiring) as visitor:
        yield visitor


def shoot(page, name):
    if SHOTS:
        page.screenshot(path=Path(SHOTS) / f"{name}.png")


def a_waiting_run(wiring):
    """The address of a run whose position can be changed."""
    return f"/runs/{wiring.client.create_run(pool='gpu', job_variables={'command': 'true'}).id}"


def a_run_of_a_paused_pool(wiring):
    """The address of a run that has a fix."""
    return f"/runs/{wiring.client.runs(pool='batch')[0].id}"


def an_ended_run(wiring):
    """The address of a run with a whole timeline."""
    return f"/runs/{wiring.client.runs(deployment='etl-daily')[0].id}"


@pytest.mark.parametrize(("scheme", "width"), [("light", 1280), ("dark", 1280), ("light", 400)])
def test_no_page_has_a_fault_of_accessibility_or_scrolls_sideways(signed_in, wiring, scheme, width):
    page, axe, found = signed_in(color_scheme=scheme, viewport={"width": width, "height": 800}), Axe(), {}
    for path in (*PATHS, a_waiting_run(wiring), a_run_of_a_paused_pool(wiring), an_ended_run(wiring)):
        page.goto(path)
        results = axe.run(page)
        if results.violations_count:
            found[path] = results.generate_report()
        if page.evaluate("document.documentElement.scrollWidth") > width:
            found[path] = "scrolls sideways"
        shoot(page, f"{path.strip('/').partition('?')[0].replace('/', '-') or 'overview'}-{scheme}-{width}")
    assert found == {}


def test_a_limit_is_changed_and_seen_by_another_page_at_once(signed_in, wiring):
    page, other = signed_in(), signed_in()
    other.goto("/pools/nightly")
    expect(other.get_by_text("of 20 slots held")).to_be_visible()
    page.goto("/pools/nightly")
    page.get_by_label("Limit", exact=True).first.fill("7")
    page.get_by_role("button", name="Preview").first.press("Enter")
    expect(page.get_by_role("heading", name="What would change")).to_be_visible()
    assert wiring.client.work_pool("nightly").concurrency_limit == 20
    page.get_by_role("button", name="Make this change").press("Enter")
    expect(page.get_by_text("of 7 slots held")).to_be_visible()
    expect(other.get_by_text("of 7 slots held")).to_be_visible()


def test_a_page_is_live_also_when_the_script_of_the_stream_comes_late(signed_in):
    page, held = signed_in(), []
    page.route("**/static/hx-sse*", lambda route: held.append(route))  # noqa: PLW0108 - Playwright marks what it calls
    page.goto("/", wait_until="commit")
    page.evaluate(BEGUN)
    held[0].continue_()
    expect(page.get_by_text("● live")).to_be_visible()


def test_typed_text_stays_while_the_page_changes(signed_in, wiring):
    page = signed_in()
    page.goto("/pools/nightly")
    field = page.get_by_label("Limit of etl")
    field.fill("123")
    wiring.client.update_work_pool("nightly", concurrency_limit=9)
    other = signed_in()
    other.goto("/pools/nightly")
    expect(other.get_by_text("of 9 slots held")).to_be_visible()
    expect(field).to_have_value("123")


def test_a_share_that_somebody_chooses_stays_while_the_page_changes_and_is_shown_as_a_plan(signed_in, wiring):
    page, other = signed_in(), signed_in()
    page.goto("/pools/gpu")
    choice = page.get_by_label("Share of default")
    choice.select_option("fair")
    page.get_by_label("Weight of default").fill("5")
    wiring.client.update_work_pool("gpu", concurrency_limit=9)
    other.goto("/pools/gpu")
    expect(other.get_by_text("of 9 slots held")).to_be_visible()
    expect(choice).to_have_value("fair")
    page.reload()
    choice.select_option("fair")
    page.get_by_label("Weight of default").fill("5")
    page.get_by_role("button", name="Preview").last.press("Enter")
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("queues.default.share")
    expect(dialog).to_contain_text("queues.default.weight")
    dialog.get_by_role("button", name="Make this change").press("Enter")
    expect(page.get_by_text("shared fairly between deployments")).to_be_visible()
    queue = wiring.client.work_queue("gpu", "default")
    assert (queue.share, queue.weight) == ("fair", 5)


def test_a_queue_is_moved_and_paused_by_keyboard(signed_in, wiring):
    page = signed_in()
    page.goto("/pools/nightly")
    page.get_by_role("link", name="Serve etl before critical").press("Enter")
    page.get_by_role("button", name="Make this change").press("Enter")
    expect(page.locator(".lane h2").first).to_contain_text("etl")
    page.get_by_role("link", name="Pause etl").press("Enter")
    page.get_by_role("button", name="Make this change").press("Enter")
    expect(page.locator(".lane").first).to_contain_text("paused")
    queue = wiring.client.work_pool("nightly").queues[0]
    assert (queue.name, queue.paused) == ("etl", True)


def test_a_pool_is_resumed_from_the_page_of_a_run_that_waits_for_it(signed_in, wiring):
    page = signed_in()
    page.goto(a_run_of_a_paused_pool(wiring))
    page.get_by_role("link", name="Resume the pool").press("Enter")
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("paused")
    assert wiring.client.work_pool("batch").paused
    dialog.get_by_role("button", name="Make this change").press("Enter")
    page.wait_for_url("**/runs/*")
    expect(page.locator("section[aria-labelledby=why]")).not_to_contain_text("pool paused")
    assert not wiring.client.work_pool("batch").paused


def order_of(page):
    return [page.locator(".lane").nth(index).get_attribute("data-queue") for index in range(page.locator(".lane").count())]


def test_a_queue_is_dragged_and_its_plan_is_shown_before_it_moves(signed_in, wiring):
    page = signed_in()
    page.goto("/pools/nightly")
    assert order_of(page) == ["critical", "etl", "reports", "default"]
    page.drag_and_drop(".lane[data-queue=etl] .handle", ".lane[data-queue=critical]", target_position={"x": 200, "y": 4})
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_role("heading", name="What would change")).to_be_visible()
    expect(dialog).to_contain_text("queues.etl.priority")
    assert order_of(page)[:2] == ["etl", "critical"]
    assert wiring.client.work_pool("nightly").queues[0].name == "critical", "nothing has changed yet"
    shoot(page, "plan-light-1280")
    page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    expect(page.locator(".lane").first, "put back").to_have_attribute("data-queue", "critical")
    assert order_of(page)[:2] == ["critical", "etl"]


def test_a_queue_is_moved_by_the_arrow_keys_on_its_handle(signed_in, wiring):
    page = signed_in()
    page.goto("/pools/nightly")
    handle = page.get_by_role("button", name="Move reports")
    handle.focus()
    for key in ("ArrowUp", "ArrowUp", "Escape", "Home", "Enter"):
        page.keyboard.press(key)
    page.get_by_role("dialog").get_by_role("button", name="Make this change").press("Enter")
    expect(page.locator(".lane h2").first).to_contain_text("reports")
    assert [queue.name for queue in wiring.client.work_pool("nightly").queues][:2] == ["reports", "critical"]


def test_keyboard_shortcuts_open_pages_and_the_theme_is_kept(signed_in):
    page = signed_in()
    page.goto("/")
    page.keyboard.press("g")
    page.keyboard.press("d")
    page.wait_for_url("**/deployments")
    for _ in range(2):
        page.keyboard.press("t")
    page.goto("/runs")
    assert page.locator("html").get_attribute("data-theme") == "dark"
    page.get_by_label("Find by id").fill("etl-daily")
    page.keyboard.press("Enter")
    page.wait_for_url("**/deployments/etl-daily")


def test_the_pages_can_be_read_and_used_without_javascript(signed_in, wiring):
    page = signed_in(java_script_enabled=False)
    for path in PATHS:
        assert page.goto(path).status == 200
        assert page.locator("h1").inner_text()
    page.goto("/runs/new?pool=gpu")
    page.get_by_role("button", name="Create the run", exact=True).click()
    assert "scheduled" in page.locator("h1").inner_text()
    page.get_by_label("Priority").fill("-2")
    page.get_by_role("button", name="Move it").click()
    assert "priority -2" in page.locator("main").inner_text()
    page.get_by_role("button", name="Cancel").click()
    assert "cancelled" in page.locator("h1").inner_text()
    page.goto(a_run_of_a_paused_pool(wiring))
    page.get_by_role("link", name="Resume the pool").click()
    page.get_by_role("button", name="Make this change").click()
    assert not wiring.client.work_pool("batch").paused
    page.goto("/pools/nightly")
    page.get_by_role("link", name="Delete etl").click()
    assert page.get_by_role("heading", name="Its runs come first").is_visible()
    assert wiring.client.runs(pool="gpu")[0].state == "CANCELLED"


@pytest.mark.parametrize("scripts", [True, False])
def test_ticked_runs_are_moved_with_and_without_javascript(signed_in, wiring, scripts):
    page = signed_in(java_script_enabled=scripts, viewport={"width": 400, "height": 800})
    page.goto("/runs?pool=nightly&queue=etl&state=SCHEDULED")
    boxes = page.get_by_role("checkbox", name="Select nightly")
    assert boxes.count() == 9
    for index in range(2):
        boxes.nth(index).check()
    page.get_by_label("move into the queue", exact=True).fill("reports")
    page.evaluate("scrollTo(0, 0)")
    page.get_by_role("button", name="Move", exact=True).click()
    expect(page.get_by_role("heading", name="Moved into reports: 2")).to_be_visible()
    if scripts:  # axe is one
        assert Axe().run(page).violations_count == 0
    page.get_by_role("link", name="Back to the list").click()
    expect(boxes).to_have_count(7)
    assert len(wiring.client.runs(pool="nightly", queue="reports")) == 7


def test_the_box_above_the_list_ticks_all_that_are_shown(signed_in):
    page = signed_in()
    page.goto("/runs?pool=nightly&queue=etl&state=SCHEDULED")
    page.get_by_role("checkbox", name="Select all that are shown").check()
    boxes = page.get_by_role("checkbox", name="Select nightly")
    assert [boxes.nth(index).is_checked() for index in range(boxes.count())] == [True] * 9


@pytest.mark.parametrize("scripts", [True, False])
def test_a_deployment_and_a_pool_are_deleted_with_and_without_javascript(signed_in, wiring, scripts):
    page = signed_in(java_script_enabled=scripts, viewport={"width": 400, "height": 800})
    page.goto("/deployments/etl-daily")
    page.get_by_role("link", name="Delete…").click()
    page.get_by_role("button", name="Delete deployment etl-daily").click()
    page.wait_for_url("**/deployments")
    page.goto("/pools/gpu")
    page.get_by_role("link", name="Delete the pool…").click()
    page.get_by_role("button", name="Delete work pool gpu").click()
    expect(page.get_by_role("heading", name="Work pools")).to_be_visible()
    assert [pool.name for pool in wiring.client.work_pools()] == ["batch", "nightly"]
    assert wiring.client.deployments() == []


@pytest.mark.parametrize("scripts", [True, False])
def test_ticked_deployments_are_paused_with_and_without_javascript(signed_in, wiring, scripts):
    wiring.client.create_deployment("hourly", pool="gpu")
    page = signed_in(java_script_enabled=scripts, viewport={"width": 400, "height": 800})
    page.goto("/deployments")
    page.get_by_role("checkbox", name="Select etl-daily").check()
    page.get_by_role("button", name="Pause the selected").click()
    expect(page.get_by_role("heading", name="Paused: 1")).to_be_visible()
    if scripts:  # axe is one
        assert Axe().run(page).violations_count == 0
    page.get_by_role("link", name="Back to the list").click()
    expect(page.get_by_text("‖ paused")).to_have_count(1)
    assert [record.name for record in wiring.client.deployments() if record.paused] == ["etl-daily"]


@pytest.mark.parametrize("path", ["/runs", "/deployments"])
def test_buttons_for_selected_runs_stay_in_reach_on_a_narrow_screen(signed_in, path):
    page = signed_in(viewport={"width": 400, "height": 800})
    page.goto(path)
    page.locator("main tbody tr").first.scroll_into_view_if_needed()
    for button in page.locator(".bar button").all():
        box = button.bounding_box()
        x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
        assert button.evaluate("(button, at) => document.elementFromPoint(...at) === button", [x, y])


def test_a_count_of_several_steps_goes_on_by_itself_and_waits_with_the_exact_number(signed_in, wiring, monkeypatch):
    monkeypatch.setattr(cursors, "SEARCHED_AT_ONCE", 3)
    wiring.client.create_runs([{"pool": "gpu", "name": f"counted-{n}", "job_variables": {"command": "x"}} for n in range(8)])
    page = signed_in()
    page.goto("/runs/bulk?action=cancel&pool=gpu&name=counted&queue=default")
    expect(page.locator("h1")).to_have_text("Cancel 8 runs")
    expect(page.locator("form[data-steps] .primary")).to_have_text("Cancel 8 runs")
    assert wiring.client.runs(name="counted", states=[RunState.CANCELLED]) == []
