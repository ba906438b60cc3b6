"""The bar of a run's timeline: where its time went."""

from __future__ import annotations

from datetime import timedelta

from dispatcher.core.timeline import timeline
from dispatcher.models import RunState
from dispatcher.web.pages.spent import WIDTH, spent
from tests.builders import HOUR, MINUTE, NOW, SECOND, a_live_run, a_run
from tests.web.pages import page

TIMES = {
    "created_at": NOW,
    "scheduled_at": NOW + MINUTE,
    "due_at": NOW + MINUTE,
    "claimed_at": NOW + 3 * MINUTE,
    "submitted_at": NOW + 3 * MINUTE + SECOND,
    "started_at": NOW + 3 * MINUTE + 5 * SECOND,
    "ended_at": NOW + HOUR,
}


def test_the_parts_of_the_bar_follow_each_other_and_fill_it():
    drawn = spent(timeline(a_live_run(state=RunState.COMPLETED, **TIMES)))
    assert [part.kind for part in drawn.parts] == ["early", "waiting", "starting", "starting", "running"]
    ends = [round(part.x + part.width, 1) for part in drawn.parts]
    assert [part.x for part in drawn.parts[1:]] == ends[:-1]
    assert drawn.parts[0].x == 0
    assert all(part.width >= 4 for part in drawn.parts)
    assert WIDTH * 0.97 < ends[-1] <= WIDTH + 10
    running = HOUR - 3 * MINUTE - 5 * SECOND
    assert drawn.sums == {"not due yet": MINUTE, "waited": 2 * MINUTE, "starting": timedelta(seconds=5), "ran": running}


def test_nothing_is_drawn_before_anything_has_happened():
    assert spent(timeline(a_run(created_at=NOW, scheduled_at=NOW, due_at=NOW))).parts == []


def test_the_run_page_describes_its_bar_in_words(site, pool):
    run = a_live_run(pool="nightly", state=RunState.FAILED, **TIMES)
    site.wiring.store.restore(runs=[run])
    shown = page(site, "runs", str(run.id))
    assert "not due yet 1 min, waited 2 min, starting 5 s, ran 56 min 55 s" in shown.every("svg", "aria-label")
    assert "waited 2 min starting 5 s" in shown.words
