"""One story in a real browser: a pool is made, filled, watched, changed, emptied and looked back at, while ticks run.

`DISPATCHER_PICTURES=.github/pages python -m pytest tests/web/test_story.py -k pictures` takes the pictures of the README anew.
"""

from __future__ import annotations

import os
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from playwright.sync_api import expect

from dispatcher.environment.settings import Settings
from dispatcher.models import RunState
from dispatcher.ticking import tick
from dispatcher.wiring import wire
from providers.testing import FakeProvider
from tests.builders import MINUTE
from tests.web.browsing import a_browser, picture, visiting
from tests.web.serving import a_day, fill

pytestmark = pytest.mark.long

PICTURES = Path(".github/pages")
SHOTS = os.environ.get("DISPATCHER_PICTURES")
MOST_BYTES = 60_000


class Provider(FakeProvider):
    """Its jobs write a line, and whatever is added to `more`."""

    more = ""

    def logs(self, submission, tail=100):
        return f"{submission.name} says hello\n{self.more}"


class World:
    """A store, its ticks, and the jobs that they start."""

    def __init__(self, directory):
        self.provider = Provider()
        made = wire(Settings.from_environment({"HOME": str(directory), "DISPATCHER_STORE": "memory://"}))
        self.wiring = replace(made, dispatch=replace(made.dispatch, providers=lambda _type: self.provider))
        self.client = self.wiring.client

    def tick(self):
        report = tick(self.wiring.dispatch, self.client.clock.now() + MINUTE)
        assert [pool.problem for pool in report.pools if pool.problem] == []

    def finish(self, exit_code=0):
        """End the job that was started first, of those that are live."""
        job = next(job for job in self.provider.jobs if job.is_live)
        self.provider.finish(job.job.name, exit_code)
        return job.job.name


@pytest.fixture(scope="module")
def chromium():
    with a_browser() as browser:
        yield browser


@pytest.fixture
def world(tmp_path):
    made = World(tmp_path)
    yield made
    made.wiring.close()


def plan_made(page):
    """Make the change whose plan is shown."""
    page.get_by_role("dialog").get_by_role("button", name="Make this change").press("Enter")
    page.wait_for_load_state()


def create_run(page, queue, command):
    page.goto("/runs/new?pool=story")
    page.get_by_label("Queue").select_option(queue)
    page.locator("[name='v:command']").fill(command)
    page.get_by_role("button", name="Create the run", exact=True).click()
    expect(page.locator("h1")).to_contain_text("scheduled")


def test_a_pool_is_made_watched_changed_and_emptied(chromium, world):
    with visiting(chromium, world.wiring) as signed_in:
        page, watch = signed_in(), signed_in()
        make_a_pool(page)
        for queue in ("critical", "critical", "etl"):
            create_run(page, queue, f"echo {queue}")
        watch.goto("/pools/story")
        watch_it_move(watch, world)
        change_a_limit_and_the_order(page, watch, world)
        read_why_a_run_waits(page, world)
        cancel_all_that_wait(page, world)
        follow_the_logs(page, world)
        retry_a_run(page, world)
        pause_the_pool(page)
        read_the_log(page)


def make_a_pool(page):
    page.goto("/new-pool?type=process")
    page.get_by_label("Name", exact=True).fill("story")
    page.get_by_label("Limit").fill("1")
    page.locator("[name='v:command']").fill("echo hello")
    page.get_by_role("button", name="Create the pool", exact=True).click()
    expect(page.get_by_text("of 1 slots held")).to_be_visible()
    page.goto("/pools/story/template")
    page.locator("[name='v:command']").fill("echo good morning")
    page.get_by_role("button", name="Show what would change").click()
    expect(page.get_by_text("Nothing has changed yet")).to_be_visible()
    page.get_by_role("button", name="Make this change").click()
    for count, queue in enumerate(("critical", "etl"), start=1):
        expect(page.locator(".lane")).to_have_count(count)
        page.get_by_label("New queue").fill(queue)
        page.get_by_role("button", name="Add it").click()
    expect(page.locator(".lane")).to_have_count(3)


def watch_it_move(watch, world):
    """The page is not loaded again: what moves comes by the live stream."""
    lane = watch.locator(".lane[data-queue=critical]")
    expect(lane).to_contain_text("2 due")
    world.tick()
    expect(lane.locator(".slot.PENDING")).to_have_count(1)
    expect(lane).to_contain_text("1 due")
    world.tick()
    expect(lane.locator(".slot.RUNNING")).to_have_count(1)
    world.finish(exit_code=3)
    world.tick()
    expect(lane).to_contain_text("0 due")
    expect(lane.locator(".slot.PENDING")).to_have_count(1)


def change_a_limit_and_the_order(page, watch, world):
    page.goto("/pools/story")
    page.get_by_label("Limit", exact=True).first.fill("2")
    page.get_by_role("button", name="Preview").first.press("Enter")
    plan_made(page)
    expect(watch.get_by_text("of 2 slots held")).to_be_visible()
    page.drag_and_drop(".lane[data-queue=critical] .handle", ".lane[data-queue=default]", target_position={"x": 200, "y": 4})
    plan_made(page)
    expect(page.locator(".lane h2").first).to_contain_text("critical")
    handle = page.get_by_role("button", name="Move etl")
    handle.focus()
    for key in ("Home", "Enter"):
        page.keyboard.press(key)
    plan_made(page)
    expect(watch.locator(".lane h2").first).to_contain_text("etl")
    names = [queue.name for queue in world.client.work_pool("story").queues]
    assert names == ["etl", "critical", "default"]


def read_why_a_run_waits(page, world):
    for queue in ("critical", "etl", "etl"):
        world.client.create_run(pool="story", queue=queue)
    world.tick()
    world.tick()
    page.goto("/pools/story")
    page.locator(".lane[data-queue=etl] .lane-reason a").first.click()
    why = page.locator("section[aria-labelledby=why]")
    expect(why).to_contain_text("pool full")
    why.locator("p", has_text="held by").get_by_role("link").first.click()
    expect(page.locator("h1")).to_contain_text("running")


def cancel_all_that_wait(page, world):
    page.goto("/runs?pool=story&state=SCHEDULED")
    waiting = len(world.client.runs(pool="story", states=[RunState.SCHEDULED]))
    page.get_by_role("button", name="Cancel…").click()
    expect(page.locator("h1")).to_have_text(f"Cancel {waiting} runs")
    expect(page.get_by_role("button", name="Stop")).to_be_hidden()  # nothing has begun
    page.get_by_role("button", name=f"Cancel {waiting} runs").click()
    expect(page.get_by_text("That was all.")).to_be_visible()
    assert world.client.runs(pool="story", states=[RunState.SCHEDULED]) == []


def follow_the_logs(page, world):
    """The page is not loaded again; what the job writes appears, and with the run's end the page stops asking."""
    [run] = world.client.runs(pool="story", queue="critical", states=[RunState.RUNNING])
    page.goto(f"/runs/{run.id}?logs=1")
    log = page.locator("section[aria-labelledby=logs]")
    expect(log.locator(".badge")).to_have_text("followed")
    expect(log.locator("pre")).to_contain_text("says hello")
    world.provider.more = "half of it is done"
    expect(log.locator("pre")).to_contain_text("half of it is done")
    world.provider.finish(run.submission.name)
    world.tick()
    expect(log.locator(".badge")).to_have_count(0)


def retry_a_run(page, world):
    [failed] = world.client.runs(pool="story", states=[RunState.FAILED])
    page.goto(f"/runs/{failed.id}?logs=1")
    expect(page.locator("section[aria-labelledby=logs] pre")).to_contain_text("says hello")
    page.get_by_role("button", name="Retry").click()
    expect(page.locator("h1")).to_contain_text("scheduled")


def pause_the_pool(page):
    page.goto("/pools/story")
    page.get_by_role("link", name="Pause", exact=True).first.click()
    plan_made(page)
    expect(page.locator(".summary.paused")).to_be_visible()
    page.goto("/")
    expect(page.locator(".banner")).to_contain_text("story is paused")


def read_the_log(page):
    page.goto("/log?pool=story")
    rows = page.locator("main tbody tr")
    expect(rows.first).to_contain_text("pause")
    for words in ("concurrency_limit", "queues.etl.priority", "base_job_template"):
        expect(page.locator("main tbody")).to_contain_text(words)
    expect(rows.first).to_contain_text("ada")


SHOWN = {
    "overview": "/",
    "pool": "/pools/nightly",
    "run": "/runs?pool=nightly&queue=etl&state=SCHEDULED",
    "what-if": "/pools/nightly/what-if?hours=24&limit=10&limit:critical=8&limit:etl=4&limit:reports=2",
}
LOOKS = {
    "light": {"color_scheme": "light", "viewport": {"width": 1280, "height": 800}},
    "dark": {"color_scheme": "dark", "viewport": {"width": 1280, "height": 800}},
    "narrow": {"color_scheme": "light", "viewport": {"width": 400, "height": 800}},
}


def test_pictures_of_the_pages_are_small(chromium, world):
    fill(world.wiring)
    a_day(world.wiring, world.client.clock.now() - timedelta(hours=23))
    sizes = {}
    with visiting(chromium, world.wiring) as signed_in:
        for look, options in LOOKS.items():
            page = signed_in(**options)
            for name, path in SHOWN.items():
                page.goto(path)
                if name == "run":
                    page.locator("tbody th a").first.click()
                if name == "what-if":
                    page.evaluate("document.querySelector('#waits').scrollIntoView()")
                taken = picture(page)
                sizes[f"{name}-{look}"] = len(taken)
                if SHOTS:
                    Path(SHOTS, f"{name}-{look}.webp").write_bytes(taken)
    assert {name: size for name, size in sizes.items() if size > MOST_BYTES} == {}
    stored = {file.stem: file.stat().st_size for file in PICTURES.glob("*.webp")}
    assert stored.keys() == sizes.keys()
    assert max(stored.values()) <= MOST_BYTES
