"""What a pool did in the last days, and what it would have done under other limits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from http import HTTPStatus
from typing import Any

from starlette.responses import Response

from dispatcher.client import PoolPlan, Simulation
from dispatcher.client.simulations import PARTS, Outcome
from dispatcher.core.usage import usage
from dispatcher.errors import Fault, InvalidInput
from dispatcher.models import WorkPool
from dispatcher.web import simulating
from dispatcher.web.pages.charts import Chart, chart, highest
from dispatcher.web.pages.pools import planned
from dispatcher.web.pages.visit import Visit

HOURS = (1, 6, 24, 72, 168)
"""How far a reader can look back."""
DAY = 24
MOST_RUNS = 5_000
"""The most ended runs in one chart of slots. The last ones to end are shown."""


def slots(visit: Visit) -> Response:
    """Who held the slots of a pool."""
    hours, pool = _hours(visit), visit.client.work_pool(visit.path("pool"))
    since = visit.client.clock.now() - timedelta(hours=hours)
    shown = visit.client.slots_over_time(pool.name, since=since, limit=MOST_RUNS)
    drawn = chart(_in_order(pool, shown.queues), shown.begin, shown.end, limit=pool.concurrency_limit)
    return visit.render("slots.html", pool=pool, slots=shown, chart=drawn, hours=hours, choices=HOURS)


def what_if(visit: Visit) -> Response:
    """The waits of past runs under the limits in the address, and under the present limits."""
    pool, query = visit.client.work_pool(visit.path("pool")), visit.request.query_params
    hours, fields = _hours(visit), {name: query.getlist(name) for name in query if name != "hours"}
    made, faults = None, tuple[Fault, ...]()
    try:
        made = planned(visit, fields) if fields else None
    except InvalidInput as problem:
        faults = problem.faults
    values: dict[str, Any] = {"pool": pool, "fields": fields, "faults": faults, "hours": hours, "choices": HOURS}
    if made is not None:
        values |= _compared(visit, made, hours)
    status = HTTPStatus.UNPROCESSABLE_ENTITY if faults else HTTPStatus.OK
    return visit.render("what_if.html", status=status, plan=made, most=simulating.MOST_REPLAYED, **values)


def _compared(visit: Visit, plan: PoolPlan, hours: int) -> dict[str, Any]:
    end = visit.client.clock.now()
    begin = end - timedelta(hours=hours)
    simulation = simulating.simulated(visit.client, plan, begin, visit.pages.tick_interval)
    waits = zip(simulation.before.queues, simulation.after.queues, strict=True)
    return {"simulation": simulation, "waits": list(waits), "charts_drawn": _charts(simulation, plan, begin, end)}


def _charts(simulation: Simulation, plan: PoolPlan, begin: datetime, end: datetime) -> Sequence[tuple[str, Chart]]:
    """The slots under both sets of limits, to the same scale. Under lower limits jobs end later: at most twice the time is
    drawn.
    """
    ends = [outcome.ended_at or end for outcome in (simulation.before, simulation.after)]
    until = min(max(end, *ends), end + (end - begin))

    def used(pool: WorkPool, outcome: Outcome) -> Mapping[str, Sequence[float]]:
        return _in_order(pool, usage(outcome.holds, begin, until, parts=PARTS))

    sides = (("Now", plan.before, simulation.before), ("After", plan.after, simulation.after))
    drawn = [(name, pool, used(pool, outcome)) for name, pool, outcome in sides]
    top = max(highest(queues, pool.concurrency_limit) for _, pool, queues in drawn)
    return [(name, chart(queues, begin, until, limit=pool.concurrency_limit, top=top)) for name, pool, queues in drawn]


def _in_order(pool: WorkPool, queues: Mapping[str, Sequence[float]]) -> Mapping[str, Sequence[float]]:
    """The queues by priority; those that the pool no longer has come last."""
    names = [queue.name for queue in pool.queues]
    return {name: queues[name] for name in (*names, *sorted(queues.keys() - set(names))) if name in queues}


def _hours(visit: Visit) -> int:
    text = visit.query("hours")
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 4 and int(text) in HOURS else DAY
