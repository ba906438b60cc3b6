"""The effects and answers of calls on CustomJobs. The book has the jobs' states; calls hold its lock."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from providers.emulators.google_errors import TYPES, Refusal
from providers.emulators.jobs import Book, EndCause, StartedJob
from providers.emulators.vertex_ai.checks import check_job
from providers.emulators.vertex_ai.filters import parsed
from providers.vertex_ai.schema import OUTPUT

MAX_PAGE = 100
MINUTE = 60.0
NAME = "push_dispatcher_name"
"""The label with the name of a dispatcher's job; another caller's job is named by its display name."""


@dataclass(slots=True, kw_only=True)
class Detail:
    """The detail of a job in the book."""

    body: Mapping[str, Any]
    lines: list[str] = field(default_factory=list)
    """Its output, for Cloud Logging."""
    deleted: bool = False


class Service:
    """Jobs of every project and region. `lag` is how many seconds a list lags behind a create."""

    def __init__(self, book: Book, now: Callable[[], float], *, lag: float, seed: int) -> None:
        self._book, self._now, self._seed = book, now, seed
        self.lag = lag
        self.capacity: int | None = None
        self.per_minute: int | None = None
        """Creates and deletes a minute, for a project and region; None: no limit."""
        self.reset()

    def reset(self) -> None:
        """Forget the spent quota and restart the numbering."""
        self._random = random.Random(self._seed)  # noqa: S311 - repeatable numbers, not a secret
        self._windows: dict[tuple[str, int], int] = {}

    def create(self, parent: str, body: Any) -> dict[str, Any]:
        """Create a job even if the name exists: the service accepts no names."""
        self._spend(parent)
        sent = {key: value for key, value in body.items() if key not in OUTPUT} if isinstance(body, dict) else body
        check_job(sent)
        if self.capacity is not None and self._book.live >= self.capacity:
            raise out_of_quota("custom_model_training_cpus")
        main = sent["jobSpec"]["workerPoolSpecs"][0]
        container = main.get("containerSpec") or main["pythonPackageSpec"]
        timeout = sent["jobSpec"].get("scheduling", {}).get("timeout")
        job = self._book.start(
            f"{parent}/customJobs/{self._random.randrange(10**18, 10**19)}",
            sent.get("labels", {}).get(NAME) or sent["displayName"],
            command=[*container.get("command", []), *container.get("args", [])],
            environment={item["name"]: item.get("value", "") for item in container.get("env", [])},
            timeout=float(timeout.removesuffix("s")) if timeout else None,
            detail=Detail(body=sent),
        )
        return self.message(job)

    def get(self, name: str) -> StartedJob:
        """A job by its full name. Raises `Refusal`."""
        job = self._book.get(name)
        if job is None or job.detail.deleted:
            raise Refusal("NOT_FOUND", f"The CustomJob {name} does not exist.")
        return job

    def page(self, parent: str, query: Mapping[str, str]) -> dict[str, Any]:
        """One page of a list, newest first; `{}` when it is empty, as protobuf writes it."""
        test = parsed(query.get("filter", ""))
        size = min(int(query.get("pageSize") or MAX_PAGE), MAX_PAGE)
        start = int(query.get("pageToken") or 0)
        jobs = [job for job in self._book.all() if self._is_listed(job, parent)]
        rows = [row for row in map(self.message, reversed(jobs)) if test(row)]
        mask = set(filter(None, query.get("readMask", "").split(",")))
        page = [{key: value for key, value in row.items() if not mask or key in mask} for row in rows[start : start + size]]
        more = {"nextPageToken": str(start + size)} if len(rows) > start + size else {}
        return {**({"customJobs": page} if page else {}), **more}

    def cancel(self, name: str) -> dict[str, Any]:
        """Request a job's end."""
        job = self.get(name)
        if not job.live:
            raise Refusal("FAILED_PRECONDITION", f"The CustomJob {name} has ended and cannot be cancelled.")
        self._book.stop(job, "cancelled")
        return {}

    def delete(self, name: str) -> dict[str, Any]:
        """Delete an ended job."""
        self._spend(name.partition("/customJobs/")[0])
        job = self.get(name)
        if job.live:
            raise Refusal("FAILED_PRECONDITION", f"The CustomJob {name} has not ended; cancel it first.")
        job.detail.deleted = True
        operation = f"{numbered(name)}/operations/{self._random.randrange(10**18, 10**19)}"
        return {"name": operation, "done": True, "response": {"@type": "type.googleapis.com/google.protobuf.Empty"}}

    def entries(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """The newest log entries of the job in the filter."""
        condition = str(body.get("filter", ""))
        for job in self._book.all():
            if f'"{job.identifier.rpartition("/")[2]}"' in condition:
                lines = list(reversed(job.detail.lines))[: int(body.get("pageSize", 50))]
                return {"entries": [{"textPayload": line} for line in lines]} if lines else {}
        return {}

    def message(self, job: StartedJob) -> dict[str, Any]:
        """A job with its output fields; its name contains the project's number."""
        body: dict[str, Any] = json.loads(json.dumps(job.detail.body))
        times = {"createTime": job.created_at, "startTime": job.started_at, "endTime": job.ended_at}
        body |= {key: _text(value) for key, value in times.items() if value is not None}
        body |= {"name": numbered(job.identifier), "state": state_of(job), "updateTime": _text(self._now())}
        return body | ({"error": error} if (error := _error_of(job)) else {})

    def _is_listed(self, job: StartedJob, parent: str) -> bool:
        is_there = job.identifier.startswith(f"{parent}/customJobs/") and not job.detail.deleted
        return is_there and self._now() >= job.created_at + self.lag

    def _spend(self, parent: str) -> None:
        if self.per_minute is None:
            return
        minute = int(self._now() // MINUTE)
        spent = self._windows.get((parent, minute), 0)
        if spent >= self.per_minute:
            raise over_rate(MINUTE - self._now() % MINUTE)
        self._windows[parent, minute] = spent + 1


def numbered(name: str) -> str:
    """A full name with the project's number instead of its id."""
    _, project, rest = name.split("/", 2)
    return f"projects/{sum(map(ord, project)) + 100_000_000_000}/{rest}"


def state_of(job: StartedJob) -> str:
    """The service's own word."""
    if job.live:
        return "JOB_STATE_CANCELLING" if job.stopping_at is not None and job.cause is EndCause.STOPPED else job.state
    if job.cause is EndCause.EXITED:
        return "JOB_STATE_FAILED" if job.exit_code else "JOB_STATE_SUCCEEDED"
    ends = {EndCause.STOPPED: "JOB_STATE_CANCELLED", EndCause.TIMED_OUT: "JOB_STATE_EXPIRED"}
    return ends.get(job.cause or EndCause.EXITED, "JOB_STATE_FAILED")


def _error_of(job: StartedJob) -> dict[str, Any]:
    if job.live or job.cause is EndCause.TIMED_OUT or (job.cause is EndCause.EXITED and not job.exit_code):
        return {}
    if job.cause is EndCause.STOPPED:
        return {"code": 1, "message": "CANCELED"}
    if job.cause is EndCause.EXITED:
        return {"code": 3, "message": f"The replica workerpool0-0 exited with a non-zero status of {job.exit_code}."}
    return {"code": 13, "message": job.reason or "Internal error occurred for the current attempt."}


def over_rate(seconds: float | None) -> Refusal:
    """The refusal of too many submissions a minute."""
    wait = [] if seconds is None else [{"@type": TYPES + "RetryInfo", "retryDelay": f"{seconds:.3f}s"}]
    text = (
        "Quota exceeded for quota metric 'Job or LRO submission requests' and limit 'Job or LRO submission requests per minute'"
    )
    return Refusal("RESOURCE_EXHAUSTED", f"{text} of service 'aiplatform.googleapis.com'.", *wait)


def out_of_quota(metric: str) -> Refusal:
    """The refusal of more jobs than the project may have at once."""
    return Refusal("RESOURCE_EXHAUSTED", f"The following quota metrics exceed quota limits: aiplatform.googleapis.com/{metric}")


def _text(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
