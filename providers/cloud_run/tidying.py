"""Which jobs a sweep may delete."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from typing import Any

from providers.base import JOB_NAME
from providers.cloud_run.observation import ended_at, has_ended
from providers.google.labels import KEEP, OWNER, clean_value

SETTLING = timedelta(minutes=10)
"""How long ago a job must have ended to count as an orphan; longer than a lease.

Until then another invocation may still record its end, and its name blocks a late repeat of its submission.
"""


def orphans(jobs: Iterable[Any], *, owner: str, keep: frozenset[str], now: datetime) -> Iterator[tuple[str, str]]:
    """The name and etag of each ended job of `owner` that no store remembers and no template keeps."""
    for job in jobs:
        name = job.name.rpartition("/")[2]
        if name in keep or not JOB_NAME.fullmatch(name) or KEEP in job.labels or job.labels.get(OWNER) != clean_value(owner):
            continue
        if has_ended(job) and _is_settled(job, now):
            # With the etag, a job that somebody restarts after it was listed is not deleted.
            yield name, job.etag


def live(jobs: Iterable[Any], *, owner: str) -> Iterator[str]:
    """The name of every job of `owner` that has not ended."""
    for job in jobs:
        name = job.name.rpartition("/")[2]
        if JOB_NAME.fullmatch(name) and job.labels.get(OWNER) == clean_value(owner) and not has_ended(job):
            yield name


def _is_settled(job: Any, now: datetime) -> bool:
    ended = ended_at(job)
    return ended is not None and now - ended >= SETTLING
