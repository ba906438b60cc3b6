"""What has happened to a run so far, attempt by attempt, and how long each step took. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from dispatcher.models import Attempt, Run, RunState


@dataclass(frozen=True, slots=True, kw_only=True)
class TimelineEntry:
    """One thing that happened, or will."""

    event: str
    """created, scheduled, claimed, submitted, started or ended."""
    at: datetime
    attempt: int
    """The number in the name of its job. Refusals raise it too, so numbers may be missing."""
    wait: timedelta | None = None
    """Time since the entry before; None for the first. Zero if clocks disagree on which came first."""
    state: RunState | None = None
    """The terminal state, if the event is an end."""
    reason: str = ""
    """The reason, if the event is an end."""


def timeline(run: Run) -> tuple[TimelineEntry, ...]:
    """Every entry of a run in the order of its attempts: those that ended and were followed by another, then the current one.

    For a later attempt, the due time is known only while it is the current attempt.
    """
    entries: list[TimelineEntry] = []
    latest = None
    for entry in _entries(run):
        wait = None if latest is None else max(timedelta(0), entry.at - latest)
        latest = entry.at if latest is None else max(entry.at, latest)
        entries.append(replace(entry, wait=wait))
    return tuple(entries)


def _entries(run: Run) -> Iterator[TimelineEntry]:
    first = run.past[0].number if run.past else run.attempt
    yield TimelineEntry(event="created", at=run.created_at, attempt=first)
    yield TimelineEntry(event="scheduled", at=run.scheduled_at, attempt=first)
    for attempt in run.past:
        yield from _attempt(attempt, attempt.number)
    if run.past:
        yield TimelineEntry(event="scheduled", at=run.due_at, attempt=run.attempt)
    yield from _attempt(run, run.attempt)


def _attempt(times: Run | Attempt, number: int) -> Iterator[TimelineEntry]:
    for event, at in (("claimed", times.claimed_at), ("submitted", times.submitted_at), ("started", times.started_at)):
        if at is not None:
            yield TimelineEntry(event=event, at=at, attempt=number)
    if times.ended_at is not None:
        yield TimelineEntry(event="ended", at=times.ended_at, attempt=number, state=times.state, reason=times.reason)
