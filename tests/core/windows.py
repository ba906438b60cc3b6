"""Deployments with schedules, and what ticks make of their windows."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime

from dispatcher.core.windows import (
    WindowLimits,
    materialisation,
    reached,
    saving,
)
from dispatcher.models import Deployment, Run, Schedule
from dispatcher.models.records import MATERIALISED_AT_ONCE
from tests.builders import HOUR, MINUTE, NOW, a_deployment

LIMITS = WindowLimits()


DAY = 24 * HOUR


def every(minutes: int, slug: str = "s", **fields) -> Schedule:
    return Schedule(slug=slug, interval=minutes * MINUTE, anchor=NOW, **fields)


def saved(*schedules: Schedule, **fields) -> Deployment:
    """A deployment that was created at NOW."""
    return saving(None, a_deployment(schedules=schedules, **fields), NOW).deployment


def ticked(
    deployment: Deployment, now: datetime, limits: WindowLimits = LIMITS, most: int = 1000
) -> tuple[Deployment, list[Run]]:
    """What a tick at `now` makes of it, in at most so many steps."""
    runs: list[Run] = []
    while most and deployment.windows_at is not None and deployment.windows_at <= now:
        step = materialisation(deployment, now, limits)
        assert len(step.runs) <= MATERIALISED_AT_ONCE
        runs += step.runs
        deployment = replace(deployment, **reached(step))
        most -= 1
    return deployment, runs


def minutes(runs: Iterable[Run]) -> list[int]:
    """When they are due, in minutes after NOW."""
    return [round((run.scheduled_at - NOW) / MINUTE) for run in runs]
