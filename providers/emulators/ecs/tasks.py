"""RunTask, DescribeTasks, ListTasks and StopTask on a book of jobs."""

from __future__ import annotations

import base64
import itertools
import threading
import uuid
from collections.abc import Callable, Mapping
from typing import Any

from providers.emulators.ecs import rules, shape
from providers.emulators.ecs.aws import Aws
from providers.emulators.ecs.errors import invalid
from providers.emulators.ecs.placement import Placement, place
from providers.emulators.ecs.shape import Task
from providers.emulators.ecs.tokens import ClientTokens, FirstAnswer, fingerprint
from providers.emulators.jobs import Book, Ending, StartedJob

KEPT_SECONDS = 3600.0
"""How long a stopped task can be described: exactly the hour that ECS promises."""
MAXIMUM_DESCRIBED = 100
MAXIMUM_PAGE = 100

Request = Mapping[str, Any]
Answer = dict[str, Any]


class Tasks:
    """The tasks of one account, in every region and cluster."""

    def __init__(self, book: Book, aws: Aws) -> None:
        self._book, self._aws = book, aws
        self._tokens = ClientTokens()
        self._known: dict[str, dict[str, StartedJob]] = {}
        """The tasks by cluster and id, in the order of their starts, without those that ECS has forgotten."""
        self._stopped: dict[str, StartedJob] = {}
        """Stopped tasks that will be forgotten, in the order of their ends."""
        self.visibility_lag = 0.0
        """How long a new task stays hidden from DescribeTasks and ListTasks, in seconds."""
        self.instances = True
        """False: tasks can be placed only on Fargate."""
        self.started_by_alone = False
        """True: ListTasks refuses `desiredStatus` beside `startedBy`, by a strict reading of its documentation."""

    def run(
        self, region: str, request: Request, *, now: float, room: float, no_room: str, ending: Callable[[], Ending | None]
    ) -> Answer:
        """Start up to `count` tasks while fewer than `room` are live; a known token gives its first answer again.

        Tasks without room become failures with the reason `no_room`; each started task may get an `ending`.
        """
        rules.check_alone(request)
        cluster = self._aws.cluster(region, request.get("cluster", "default"))
        key = (cluster.arn, request.get("clientToken") or str(uuid.uuid4()))
        with self._book.lock:
            self._forget(now)
            first = self._tokens.recall(key, request, now)
            if first is not None:
                return _again(first)
            placement = self._place(region, cluster, request)
            count = request.get("count", 1)
            placed = int(max(0, min(count, room - self._book.live)))
            jobs = [self._start_one(placement, ending()) for _ in range(placed)]
            failures = [{"reason": no_room}] * (count - placed)
            self._tokens.keep(key, FirstAnswer(fingerprint=fingerprint(request), tasks=jobs, failures=failures, at=now))
            return {"tasks": [shape.task(job, tags=True) for job in jobs], "failures": failures}

    def _place(self, region: str, cluster: Any, request: Request) -> Placement:
        placement = place(self._aws, region, cluster, request)
        if not self.instances and placement.task.launch_type != "FARGATE":
            raise invalid("No Container Instances were found in your cluster.")
        return placement

    def _start_one(self, placement: Placement, ending: Ending | None) -> StartedJob:
        identifier = uuid.uuid4().hex
        arn = f"{placement.task.cluster.replace(':cluster/', ':task/')}/{identifier}"
        job = self._book.start(
            arn,
            placement.name,
            command=placement.command,
            environment=placement.environment,
            ending=ending,
            detail=placement.task,
        )
        self._known.setdefault(placement.task.cluster, {})[identifier] = job
        return job

    def describe(self, region: str, request: Request, *, now: float) -> Answer:
        """Up to a hundred tasks by id or ARN; a missing or not yet visible one is a failure."""
        references = request["tasks"]
        if not 1 <= len(references) <= MAXIMUM_DESCRIBED:
            raise invalid(f"Tasks must have between 1 and {MAXIMUM_DESCRIBED} items.")
        cluster = self._aws.cluster(region, request.get("cluster", "default")).arn
        tags = "TAGS" in request.get("include", ())
        with self._book.lock:
            self._forget(now)
            jobs = {reference: self._visible(cluster, reference, now) for reference in references}
            tasks = [shape.task(job, tags=tags) for job in jobs.values() if job is not None]
            missing = [{"arn": _arn(cluster, reference), "reason": "MISSING"} for reference, job in jobs.items() if job is None]
            return {"tasks": tasks, "failures": missing}

    def list(self, region: str, request: Request, *, now: float) -> Answer:
        """One page of the ARNs of the tasks that match the filters; by default, tasks with the desired status RUNNING."""
        size = request.get("maxResults", MAXIMUM_PAGE)
        if not 1 <= size <= MAXIMUM_PAGE:
            raise invalid(f"maxResults must be between 1 and {MAXIMUM_PAGE}.")
        self._check_filters(request)
        cluster = self._aws.cluster(region, request.get("cluster", "default")).arn
        after = _position(request.get("nextToken"))
        with self._book.lock:
            self._forget(now)
            visible = (job for job in self._known.get(cluster, {}).values() if job.created_at + self.visibility_lag <= now)
            page = list(
                itertools.islice((job.identifier for job in visible if _matches(job, request)), after, after + size + 1)
            )
        answer: Answer = {"taskArns": page[:size]}
        return {**answer, "nextToken": _token(after + size)} if len(page) > size else answer

    def stop(self, region: str, request: Request, *, now: float) -> Answer:
        """Ask a task to stop; its tags are removed at once."""
        cluster = self._aws.cluster(region, request.get("cluster", "default")).arn
        with self._book.lock:
            self._forget(now)
            job = self._known.get(cluster, {}).get(_identifier(request["task"]))
            if job is None or _arn(cluster, request["task"]) != job.identifier:
                raise invalid("The referenced task was not found.")
            self._book.stop(job, request.get("reason", ""))
            job.detail.tags = []
            return {"task": shape.task(job, tags=False)}

    @property
    def lock(self) -> threading.RLock:
        """The book's lock: held while a task is read or changed."""
        return self._book.lock

    def ended(self, job: StartedJob) -> None:
        """A callback that gets every end, in order."""
        self._stopped[job.identifier] = job

    def find(self, arn: str) -> StartedJob | None:
        """A task by its ARN, while ECS knows it."""
        self._book.settle()
        return self._known.get(_cluster(arn), {}).get(_identifier(arn))

    def tags(self, arn: str) -> dict[str, str]:
        """The tags of a task; empty if it was asked to stop or ECS does not know it."""
        with self._book.lock:
            job = self.find(arn)
            return {tag["key"]: tag.get("value", "") for tag in job.detail.tags} if job else {}

    def counts(self, cluster: str) -> tuple[int, int]:
        """The numbers of running and pending tasks of a cluster."""
        with self._book.lock:
            self._book.settle()
            live = [job for job in self._known.get(cluster, {}).values() if job.live]
            pending = sum(1 for job in live if job.started_at is None)
            return len(live) - pending, pending

    def reset(self) -> None:
        """Forget every task and token."""
        with self._book.lock:
            self._tokens.reset()
            self._known.clear()
            self._stopped.clear()

    def _check_filters(self, request: Request) -> None:
        beside = {"family", "serviceName", "launchType", "containerInstance"} | (
            {"desiredStatus"} if self.started_by_alone else set()
        )
        if "startedBy" in request and beside & request.keys():
            raise invalid("When startedBy is specified it must be the only filter.")

    def _visible(self, cluster: str, reference: str, now: float) -> StartedJob | None:
        job = self._known.get(cluster, {}).get(_identifier(reference))
        if job is None or job.created_at + self.visibility_lag > now:
            return None
        return job if _arn(cluster, reference) == job.identifier else None

    def _forget(self, now: float) -> None:
        """Carry out everything that is due, and drop tasks that stopped too long ago."""
        self._book.settle()
        while self._stopped:
            arn, job = next(iter(self._stopped.items()))
            if job.ended_at is not None and now < job.ended_at + KEPT_SECONDS:
                return
            del self._stopped[arn]
            self._known.get(job.detail.cluster, {}).pop(_identifier(arn), None)


def _again(first: FirstAnswer) -> Answer:
    """The answer to a repeat: running tasks in full, and little about stopped ones."""
    tasks = [shape.task(job, tags=True) if job.live else _stub(job) for job in first.tasks]
    return {"tasks": tasks, "failures": list(first.failures)}


def _stub(job: StartedJob) -> dict[str, Any]:
    return {"taskArn": job.identifier, "lastStatus": job.state, "desiredStatus": "STOPPED"}


def _matches(job: StartedJob, request: Request) -> bool:
    """Whether a task matches the filters; no task of the emulator belongs to a service or an instance."""
    detail: Task = job.detail
    desired = "RUNNING" if job.stopping_at is None else "STOPPED"
    return (
        request.get("desiredStatus", "RUNNING") == desired
        and request.get("startedBy", detail.started_by) == detail.started_by
        and request.get("family", detail.family) == detail.family
        and request.get("launchType", detail.launch_type) == detail.launch_type
        and not {"serviceName", "containerInstance"} & request.keys()
    )


def _identifier(reference: str) -> str:
    return reference.rpartition("/")[2]


def _cluster(arn: str) -> str:
    return arn.rpartition("/")[0].replace(":task/", ":cluster/")


def _arn(cluster: str, reference: str) -> str:
    """A task's ARN, from its ARN or its id."""
    return reference if reference.startswith("arn:") else f"{cluster.replace(':cluster/', ':task/')}/{reference}"


def _token(position: int) -> str:
    return base64.urlsafe_b64encode(f"tasks:{position}".encode()).decode()


def _position(token: str | None) -> int:
    if token is None:
        return 0
    try:
        return int(base64.urlsafe_b64decode(token).decode().removeprefix("tasks:"))
    except ValueError:
        raise invalid("Invalid token") from None
