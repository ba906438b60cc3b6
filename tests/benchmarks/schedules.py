"""What it costs to make one new window of a schedule a run, in CPU, and how many days are looked at for it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from statistics import mean
from unittest.mock import patch

from dispatcher.core.recurrence import Rule
from dispatcher.core.windows import WindowLimits, materialisation, reached, saving
from dispatcher.models import Deployment, Schedule
from tests.benchmarks.figures import Figure, Result, Target
from tests.benchmarks.measuring import Options, in_turns
from tests.builders import a_deployment

BEGIN = datetime(2026, 10, 1, 0, 0, 30, tzinfo=UTC)
ZONES = ("UTC", "Europe/Berlin", "Pacific/Apia", "Africa/Casablanca")

KINDS = {
    "cron */10 * * * *": (Schedule(slug="s", cron="*/10 * * * *"), 0.5),
    "cron * * * * *": (Schedule(slug="s", cron="* * * * *"), 0.5),
    "cron 30 6 * * 1-5": (Schedule(slug="s", cron="30 6 * * 1-5"), 0.5),
    "every 10 minutes": (Schedule(slug="s", interval=timedelta(minutes=10)), 0.5),
    "every day": (Schedule(slug="s", interval=timedelta(days=1)), 0.5),
    "rule FREQ=DAILY": (Schedule(slug="s", rrule="FREQ=DAILY;BYHOUR=6"), 1.0),
    "rule FREQ=DAILY;COUNT=20000": (Schedule(slug="s", rrule="FREQ=DAILY;BYHOUR=6;COUNT=20000"), 1.0),
    "rule FREQ=MONTHLY;BYDAY=-1FR": (Schedule(slug="s", rrule="FREQ=MONTHLY;BYDAY=-1FR"), 1.0),
}


def measure(options: Options) -> Result:
    """Steady steps: a deployment goes on from window to window; the first step, which makes many runs, is not counted."""
    steps = 20 if options.quick else 100
    sides = {kind: _cost(schedule, steps) for kind, (schedule, _) in KINDS.items()}
    samples = in_turns(options.runs, sides)
    return Result(
        "schedules",
        "One step of a schedule",
        [
            *(Figure(f"{kind}, CPU", "ms", samples[kind], Target("<=", bound)) for kind, (_, bound) in KINDS.items()),
            *(
                Figure(f"{kind}, days looked at", "", (_days(schedule),))
                for kind, (schedule, _) in KINDS.items()
                if schedule.rrule
            ),
        ],
        [f"mean of {steps} steps in each of {', '.join(ZONES)}; a step finds the new window and makes its run"],
    )


def _cost(schedule: Schedule, steps: int) -> Callable[[], float]:
    """Milliseconds of CPU of one step, over all zones."""
    return lambda: mean(_one(deployment, steps) for deployment in _deployments(schedule))


def _one(deployment: Deployment, steps: int) -> float:
    deployment = _next(deployment)
    begin = time.thread_time()
    for _ in range(steps):
        deployment = _next(deployment)
    return 1000 * (time.thread_time() - begin) / steps


def _next(deployment: Deployment) -> Deployment:
    """What a tick makes of it at the moment at which it asks for one."""
    assert deployment.windows_at is not None
    now = max(BEGIN, deployment.windows_at)
    return replace(deployment, **reached(materialisation(deployment, now, WindowLimits())))


def _days(schedule: Schedule) -> float:
    [deployment, *_] = _deployments(schedule)
    deployment = _next(_next(deployment))
    with patch.object(Rule, "_names", autospec=True, side_effect=Rule._names) as names:
        _next(deployment)
    return float(names.call_count)


def _deployments(schedule: Schedule) -> Iterator[Deployment]:
    for zone in ZONES:
        yield saving(None, a_deployment(schedules=(replace(schedule, timezone=zone),)), BEGIN).deployment
