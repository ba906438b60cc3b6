"""Times on pages: the reader's, with UTC for whoever has no scripts."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from playwright.sync_api import expect

from dispatcher.environment.settings import Settings
from dispatcher.web.pages.words import advice, exactly, instant, timed
from dispatcher.wiring import wire
from tests.web.browsing import a_browser, visiting
from tests.web.pages import sent
from tests.web.serving import a_day, fill

WHEN = datetime(2030, 1, 2, 3, 4, 5, tzinfo=UTC)
INSIDE = 'datetime="2030-01-02T03:04:05+00:00" title="2030-01-02 03:04:05 UTC"'


def test_a_time_is_in_utc_and_says_whether_it_stands_in_a_sentence():
    assert instant(WHEN) == f"<time {INSIDE}>2030-01-02 03:04:05 UTC</time>"
    assert exactly(WHEN) == f'<time {INSIDE} data-exact="yes">2030-01-02 03:04:05 UTC</time>'
    assert instant(None) == "&ndash;"


def test_a_sentence_has_its_times_and_commands_marked_and_everything_else_escaped():
    assert timed("not before 2030-01-02T03:04:05+00:00 <b>") == f"not before {exactly(WHEN)} &lt;b&gt;"
    assert timed("a tick, by `dispatcher tick <x>`") == "a tick, by <code>dispatcher tick &lt;x&gt;</code>"
    assert advice("dispatcher work-pool resume 'a b'") == "<code>dispatcher work-pool resume &#39;a b&#39;</code>"
    assert advice("wait") == "wait"


@pytest.mark.parametrize(("offset", "hour"), [({}, 3), ({"offset": "0"}, 3), ({"offset": "120"}, 1), ({"offset": "-330"}, 8)])
def test_a_time_that_was_typed_is_one_of_the_readers_zone(site, pool, offset, hour):
    fields = {"pool": "nightly", "half": "form", "v:command": "true", "due": "2030-01-02T03:04"}
    created = sent(site, "runs", "new", **fields, **offset)
    due = site.client.run(created.headers["location"].rpartition("/")[2]).due_at
    assert due == WHEN.replace(hour=hour, minute=34 if hour == 8 else 4, second=0)


@pytest.mark.parametrize("offset", ["x", "99999", "1e3", "9" * 400])
def test_an_invalid_offset_is_refused_beside_the_field(site, pool, offset):
    fields = {"pool": "nightly", "half": "form", "v:command": "true", "due": "2030-01-02T03:04", "offset": offset}
    refused = sent(site, "runs", "new", **fields)
    assert (refused.status_code, "must be a time" in refused.text) == (422, True)
    assert site.client.runs(pool="nightly") == []


@pytest.mark.long
def test_charts_and_typed_times_are_in_the_zone_of_the_browser(tmp_path):
    wiring = wire(Settings.from_environment({"HOME": str(tmp_path), "DISPATCHER_STORE": "memory://"}))
    fill(wiring)
    begin = wiring.client.clock.now().replace(minute=0, second=0, microsecond=0) - timedelta(hours=23)
    a_day(wiring, begin)
    with a_browser() as browser, visiting(browser, wiring) as signed_in:
        page = signed_in(timezone_id="Asia/Kolkata", locale="en-GB")
        page.goto("/pools/nightly/slots?hours=24")
        expect(page.get_by_text("times in Asia/")).to_be_visible()
        label = page.locator("text[data-time]").first
        moment = datetime.fromisoformat(label.get_attribute("data-time")) + timedelta(hours=5, minutes=30)
        expect(label).to_contain_text(f"{moment:%H:%M}")
        page.goto("/runs/new?pool=nightly")
        page.get_by_label("Due (Asia/").fill("2030-01-02T08:34")
        page.get_by_role("button", name="Create the run", exact=True).click()
        expect(page.locator("h1")).to_contain_text("scheduled")
        run = wiring.client.run(page.url.rpartition("/")[2])
        assert run.due_at == WHEN.replace(second=0)
    wiring.close()
