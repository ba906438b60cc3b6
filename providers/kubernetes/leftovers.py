"""Deletes ended Jobs and their pods, which count against quotas."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any

from providers.base import JOB_NAME, CallFailed
from providers.kubernetes.api import Answer, Api
from providers.kubernetes.labels import NAME_LABEL
from providers.kubernetes.lookup import checked_name, jobs_path, listed, name_label
from providers.kubernetes.states import BatchJob

SETTLED = timedelta(hours=1)
"""How long ago a Job must have ended before a sweep deletes it: another process may still have to record its end."""

SWEPT_AT_ONCE = 1000


def remove(api: Api, namespace: str, name: str, uid: str, *, policy: str = "Background") -> bool:
    """Delete a Job and its pods; True when no Job of this uid is left. Raises `CallFailed`."""
    body: dict[str, Any] = {"kind": "DeleteOptions", "apiVersion": "v1", "propagationPolicy": policy}
    if uid:
        body["preconditions"] = {"uid": uid}
    answer = api.delete(jobs_path(namespace, name), body)
    if answer.is_absence_of(name):
        return True
    if answer.status == 409 and answer.reason == "Conflict" and answer.details.get("name") == name:
        return True  # another Job has the name, so the one with this uid is gone
    if answer.status not in (200, 202):
        raise answer.unexpected(f"{name}: could not be deleted")
    return _is_gone(answer, name)


def _is_gone(answer: Answer, name: str) -> bool:
    """Whether the answer is a success for this name, or shows the Job while a finalizer delays its deletion."""
    value = answer.value if isinstance(answer.value, Mapping) else {}
    if value.get("kind") == "Status" and value.get("status") == "Success":
        details = value.get("details")
        return isinstance(details, Mapping) and details.get("name") == name
    if value.get("kind") != "Job":
        raise answer.unexpected(f"{name}: could not be deleted")
    checked_name(value, name)
    return not value["metadata"].get("finalizers")


def swept(api: Api, namespace: str, keep: frozenset[str], now: datetime) -> tuple[str, ...]:
    """Delete the ended Jobs that no store knows. Returns their names. Raises `CallFailed` when Jobs cannot be listed."""
    forgotten = [job for job in ours(api, namespace) if job.name not in keep and _is_settled(job, now)][:SWEPT_AT_ONCE]
    return tuple(_swept(api, namespace, forgotten))


def _swept(api: Api, namespace: str, jobs: list[BatchJob]) -> Iterator[str]:
    for job in jobs:
        if not api.has_time:
            return
        try:
            if remove(api, namespace, job.name, job.uid):
                yield job.name
        except CallFailed:
            return


def ours(api: Api, namespace: str) -> list[BatchJob]:
    """All Jobs of dispatchers, sorted by name. Raises `CallFailed`."""
    jobs = []
    for job in listed(api, jobs_path(namespace), "JobList", NAME_LABEL):
        name = name_label(job)
        checked_name(job, name)
        if JOB_NAME.fullmatch(name):
            jobs.append(BatchJob(job))
    return sorted(jobs, key=lambda job: job.name)


def _is_settled(job: BatchJob, now: datetime) -> bool:
    return job.is_over and job.ended_at is not None and now - job.ended_at >= SETTLED
