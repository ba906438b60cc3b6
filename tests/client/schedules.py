"""Schedules of deployments, and the runs that a tick makes of them."""

from __future__ import annotations

from dispatcher.client import Dispatcher
from dispatcher.core.windows import WindowLimits, materialisation
from dispatcher.models import RetryPolicy, Run, RunState, Schedule
from tests.builders import MINUTE, NOW

DATE = {"command": "date"}


EVERY_TEN = Schedule(slug="ten", interval=10 * MINUTE, anchor=NOW)


HOURLY = Schedule(slug="hourly", cron="0 * * * *")


TWICE = RetryPolicy(attempts=2, delay=MINUTE)


def tick(dispatcher: Dispatcher) -> list[Run]:
    """Make runs of what is near, as a tick does; the runs that wait, by time."""
    now = dispatcher.clock.now()
    for deployment in dispatcher.store.scheduled("pool", now, limit=10):
        assert dispatcher.store.materialise(materialisation(deployment, now, WindowLimits())) is not None
    return sorted(dispatcher.runs(states={RunState.SCHEDULED}, limit=1000), key=lambda run: run.due_at)


def minutes(runs) -> list[float]:
    return [(run.due_at - NOW) / MINUTE for run in runs]
