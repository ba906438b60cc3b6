"""What has happened to a run so far, attempt by attempt, and how long each step took. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from dispatcher.models import Attempt, Run, RunState


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One thing that happened, or will."""

    event: str
    """created, scheduled, claimed, submitted, started or ended."""
    at: datetime
    attempt: int
    """The number in the name of its job. Refusals raise it too, so that numbers may be left out."""
    wait: timedelta | None = None
    """Since the step before; None for the first. Nothing where clocks disagree on which came first."""
    state: RunState | None = None
    """Of an end: which."""
    reason: str = ""
    """Of an end: why."""


def timeline(run: Run) -> tuple[Step, ...]:
    """Every step of a run in the order of its attempts: those that ended and were followed by another, then the current one.

    Of an attempt that follows another it is known when it was due only while it is the current one.
    """
    steps: list[Step] = []
    latest = None
    for step in _steps(run):
        wait = None if latest is None else max(timedelta(0), step.at - latest)
        latest = step.at if latest is None else max(step.at, latest)
        steps.append(replace(step, wait=wait))
    return tuple(steps)


def _steps(run: Run) -> Iterator[Step]:
    first = run.past[0].number if run.past else run.attempt
    yield Step(event="created", at=run.created_at, attempt=first)
    yield Step(event="scheduled", at=run.scheduled_at, attempt=first)
    for attempt in run.past:
        yield from _attempt(attempt, attempt.number)
    if run.past:
        yield Step(event="scheduled", at=run.due_at, attempt=run.attempt)
    yield from _attempt(run, run.attempt)


def _attempt(times: Run | Attempt, number: int) -> Iterator[Step]:
    for event, at in (("claimed", times.claimed_at), ("submitted", times.submitted_at), ("started", times.started_at)):
        if at is not None:
            yield Step(event=event, at=at, attempt=number)
    if times.ended_at is not None:
        yield Step(event="ended", at=times.ended_at, attempt=number, state=times.state, reason=times.reason)
