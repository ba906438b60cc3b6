"""Simulations for the page and the API: one at a time, with a bounded number of runs, so that they never block the server."""

from __future__ import annotations

from datetime import datetime, timedelta
from http import HTTPStatus
from threading import Lock

from dispatcher.client import Dispatcher, PoolPlan, Simulation
from dispatcher.web.answers import Refused

MOST_REPLAYED = 20_000
"""The most runs of one simulation. A simulation takes seconds, and runs only on request."""
PATIENCE = 10.0
"""Seconds for which one simulation waits for another."""

SIMULATING = Lock()
"""Held by the one simulation that runs."""


def simulated(client: Dispatcher, plan: PoolPlan, since: datetime, interval: timedelta) -> Simulation:
    """The waits of past runs before and after a plan. Raises `Refused` while others simulate."""
    if not SIMULATING.acquire(timeout=PATIENCE):
        raise Refused(HTTPStatus.SERVICE_UNAVAILABLE, "busy", "other simulations are running; try again in a few seconds")
    try:
        return client.simulate(plan.before, plan.after, since=since, interval=interval, limit=MOST_REPLAYED)
    finally:
        SIMULATING.release()
