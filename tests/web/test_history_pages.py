"""Slots over time, and past runs under other limits, as pages."""

from __future__ import annotations

import re
from datetime import timedelta
from urllib.parse import parse_qsl, urlsplit

import pytest

from dispatcher.models import RunState
from dispatcher.web import simulating
from dispatcher.web.pages import history
from dispatcher.web.pages.charts import FLOOR, HEIGHT, OTHERS, chart
from dispatcher.web.pages.words import url
from tests.builders import HOUR, MINUTE, NOW, a_live_run
from tests.web.conftest import OWN
from tests.web.pages import Document, page, sent


@pytest.fixture
def past(site, pool):
    """Two runs of an hour in each of two queues, all due three hours ago, and one run that is live."""
    site.client.create_work_queue("nightly", "etl", priority=1)
    now = site.client.clock.now()
    begin = now - 3 * HOUR
    times = {"due_at": begin, "claimed_at": begin, "submitted_at": begin, "started_at": begin, "ended_at": begin + HOUR}
    ended = [
        a_live_run(pool="nightly", queue=queue, state=RunState.COMPLETED, created_at=begin, **times)
        for queue in ("etl", "default", "etl", "default")
    ]
    live = a_live_run(pool="nightly", queue="etl", claimed_at=now - HOUR)
    site.wiring.store.restore(runs=[*ended, live])
    return ended


def test_the_slots_of_a_pool_are_drawn_by_queue_and_shown_as_numbers(site, past):
    shown = page(site, "pools", "nightly", "slots", hours="6")
    assert shown.every("svg", "aria-label") == ["Slots by queue over time"]
    assert [kind for kind in shown.every("path", "class") if kind] == ["queue-0", "queue-1"]
    assert "by every attempt of 5 runs" in shown.words
    assert "etl, most 2.0" in shown.words
    assert shown.every("line", "class").count("limit") == 1


def test_only_so_many_runs_are_read_and_the_page_says_so(site, past, monkeypatch):
    assert "ended last" not in page(site, "pools", "nightly", "slots").words
    monkeypatch.setattr(history, "MOST_RUNS", 2)
    monkeypatch.setattr(simulating, "MOST_REPLAYED", 2)
    assert "ended last were read" in page(site, "pools", "nightly", "slots").words
    assert "Only the 2 runs that ended last were replayed" in page(site, "pools", "nightly", "what-if", limit="1").words


def test_the_api_answers_what_past_runs_would_have_waited(site, past):
    body = {"concurrency_limit": 1, "order": ["default", "etl"], "queues": {"etl": {"concurrency_limit": None}}}
    simulation = site.ok("POST", "/pools/nightly/simulate", body)
    assert (simulation["runs"], simulation["is_cut"], simulation["interval_seconds"]) == (4, False, 60.0)
    assert (simulation["before"]["most_slots"], simulation["after"]["most_slots"]) == (2, 1)
    assert {queue["name"]: queue["longest"] for queue in simulation["after"]["queues"]} == {"default": 3600.0, "etl": 10800.0}
    assert site.client.work_pool("nightly").concurrency_limit == 2, "nothing was changed"


@pytest.mark.parametrize(
    ("field", "value", "fault"),
    [
        ("hours", 0, "hours"),
        ("hours", True, "hours"),
        ("every_seconds", "60", "every_seconds"),
        ("queues", {"etl": 3}, "queues"),
        ("queues", {"etl": {"paused": True}}, "paused"),
        ("queues", {"etl": {"concurrency_limit": -1}}, "concurrency_limit"),
        ("order", "etl", "order"),
        ("order", ["etl"], "order"),
        ("paused", True, "paused"),
    ],
)
def test_the_api_names_what_is_wrong_with_a_simulation(site, past, field, value, fault):
    answer = site.api("POST", "/pools/nightly/simulate", {field: value})
    assert answer.status_code == 422
    assert [fault in item["path"] for item in answer.json()["faults"]] == [True], answer.text


def test_past_runs_are_replayed_under_other_limits_and_become_a_plan(site, past):
    fields = {"limit": "1", "limit:etl": "", "limit:default": "", "position:etl": "2", "position:default": "1"}
    shown = page(site, "pools", "nightly", "what-if", **fields)
    assert "Waiting times of 4 runs" in shown.words
    assert "Most slots at the same time: 2 → 1" in shown.words
    assert "etl 2 0 s → 2 h 30 min 0 s → 2 h 57 min 0 s → 3 h 0 → 0" in shown.words, shown.words
    assert len(shown.every("svg", "role")) == 2
    plan = next(address for address in shown.every("a", "href") if "/plan?" in address)
    proposed = Document(site.browser.get(plan).text)
    assert "concurrency_limit" in proposed.words
    assert "queues.default.priority" in proposed.words
    assert site.client.work_pool("nightly").concurrency_limit == 2, "nothing has changed yet"
    sent(site, "pools", "nightly", "change", **dict(parse_qsl(urlsplit(plan).query, keep_blank_values=True)))
    after = site.client.work_pool("nightly")
    assert (after.concurrency_limit, [queue.name for queue in after.queues]) == (1, ["default", "etl"])


def test_a_field_that_is_not_a_number_is_named_beside_what_was_typed(site, past):
    for field in ("limit", "limit:etl", "position:etl"):
        answer = site.browser.get(url("pools", "nightly", "what-if", **{field: "many"}), headers=OWN)
        assert answer.status_code == 422
        assert "whole number" in answer.text
        assert 'value="many"' in answer.text


def test_simulations_take_turns(site, past, monkeypatch):
    monkeypatch.setattr(simulating, "PATIENCE", 0.01)
    with simulating.SIMULATING:
        assert site.browser.get(url("pools", "nightly", "what-if", limit="1")).status_code == 503
    assert site.browser.get(url("pools", "nightly", "what-if", limit="1")).status_code == 200


def test_a_chart_is_as_high_as_its_slots_and_its_limit():
    drawn = chart({"etl": [1.0, 2.0], "reports": [0.0, 2.0]}, NOW, NOW + HOUR, limit=8)
    assert [area.queue for area in drawn.areas] == ["etl", "reports"]
    assert drawn.limit == 8.0, "the limit is the highest number"
    assert [row for _, row in drawn.rows] == [(1.0, 0.0), (2.0, 2.0)]
    assert drawn.slots[0] == (FLOOR, 0)
    far = chart({"etl": [1.0]}, NOW, NOW + HOUR, limit=100)
    assert far.limit is None, "a limit far above what is used would press the drawing flat"
    empty = chart({}, NOW, NOW + MINUTE, limit=None)
    assert (empty.areas, empty.rows, empty.height) == ((), (), HEIGHT)


def test_many_queues_share_the_last_colour():
    queues = {f"queue-{number}": [float(number)] for number in range(1, 10)}
    drawn = chart(queues, NOW, NOW + timedelta(days=1), limit=None)
    assert [area.queue for area in drawn.areas] == ["queue-5", "queue-6", "queue-7", "queue-8", "queue-9", OTHERS]
    assert drawn.areas[-1].most == 1 + 2 + 3 + 4


@pytest.mark.parametrize(("now", "after"), [(8, 2), (2, 8), (8, ""), (2, 90)])
def test_both_charts_of_a_replay_have_the_same_scale(site, past, now, after):
    site.client.update_work_pool("nightly", concurrency_limit=now)
    shown = site.browser.get(url("pools", "nightly", "what-if", hours=24, limit=after or " "))
    numbers = re.findall(r'y="([0-9.]+)" text-anchor="end">(\d+)<', shown.text)
    half = len(numbers) // 2
    assert half > 1
    assert numbers[:half] == numbers[half:]
