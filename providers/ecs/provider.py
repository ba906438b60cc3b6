"""The provider: implements `providers.base.Provider` with calls to ECS."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from providers.base import (
    Accepted,
    CallFailed,
    ConfigurationError,
    Job,
    Needs,
    Observation,
    Outcome,
    ProviderError,
    ProviderLimits,
    Rate,
    Rejected,
    Submission,
    Throttled,
    Unknown,
    Unreachable,
    unreadable,
)
from providers.deadlines import within
from providers.ecs.answers import check_stopped, failures_of, started_task
from providers.ecs.checking import misshapen
from providers.ecs.clients import Clients
from providers.ecs.lookup import find_task, live_names
from providers.ecs.needs import needs_of
from providers.ecs.observation import missing, read_tasks
from providers.ecs.outcomes import (
    AwsFailure,
    conflicting_task,
    fault_of,
    outcome_before_launch,
    outcome_of_error,
    outcome_of_failures,
    says_inactive,
)
from providers.ecs.place import Place, place_of, submission_of
from providers.ecs.preparation import Preparation, Prepared
from providers.ecs.service import AwsService
from providers.places import by_place
from providers.values import name_of

LAUNCHES_PER_SECOND = 20.0
"""Fargate's default for an account and region. https://docs.aws.amazon.com/AmazonECS/latest/developerguide/throttling.html"""
LAUNCH_BURST = 100
LOOKUP_LAG = 60.0
"""ECS is eventually consistent, "up to minutes": the documentation of RunTask advises to wait and retry for up to five minutes.
https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_RunTask.html"""
CALL_BURST = 20
DESCRIBED_AT_ONCE = 100
UNFORESEEN = (AttributeError, LookupError, TypeError, ValueError)
"""The exceptions that an unforeseen shape of a configuration causes."""
STOP_REASON = "Cancelled by push-dispatcher"


class EcsProvider:
    """ECS tasks, one RunTask call each.

    `credentials` maps the names that a template's `aws_credentials` may take to entries such as
    `{"role_arn": ..., "external_id": ..., "region": ...}` or `{"profile": ...}`; without a name the host's own identity is
    used, as by the AWS command line. `launches_per_second` is for accounts with raised quotas. `lookup_lag` is how long a new
    task may stay hidden, in seconds: a shorter one frees slots sooner, but a task that shows up later may be started twice, so
    lower it only against an emulator. `lean=False` sends RunTask and DescribeTasks through the SDK's client, like all other
    calls.
    """

    def __init__(
        self,
        *,
        credentials: Mapping[str, Mapping[str, Any]] | None = None,
        endpoint_url: str | None = None,
        region: str | None = None,
        launches_per_second: float = LAUNCHES_PER_SECOND,
        concurrency: int = 16,
        call_timeout: float = 10.0,
        lookup_lag: float = LOOKUP_LAG,
        lean: bool = True,
    ) -> None:
        self._limits = ProviderLimits(
            submit_rates=_rates(launches_per_second),
            concurrency=concurrency,
            call_timeout=call_timeout,
            lookup_lag=lookup_lag,
            memory=3600.0,  # a stopped task is shown for an hour
            start_deadline=300.0,  # Prefect's default of task_start_timeout_seconds
            observe_batch=DESCRIBED_AT_ONCE,
        )
        self._clients = Clients(
            credentials=credentials or {},
            endpoint_url=endpoint_url,
            region=region,
            call_timeout=call_timeout,
            connections=max(concurrency, 10),
            lean=lean,
        )
        self._preparation = Preparation(self._clients, call_timeout)

    @property
    def limits(self) -> ProviderLimits:
        """AWS's published defaults, except for the constructor's arguments."""
        return self._limits

    def needs(self, configuration: Mapping[str, Any]) -> Needs:
        """The credentials, region and capacity of a task, and its cpu, memory, gpu and eni: see `needs_of`."""
        return needs_of(configuration)

    def submit(self, job: Job) -> Outcome:
        """Make one RunTask call with `clientToken` and `startedBy` = `job.name`."""
        try:
            prepared = self._preparation.prepare(job)
        except ConfigurationError as error:
            return Rejected(reason=str(error))
        except AwsFailure as failure:
            return outcome_before_launch(failure, needs_of(job.configuration))
        except ProviderError as error:
            return Unreachable(cause=str(error))
        except UNFORESEEN as error:
            return Rejected(reason=misshapen(error))
        return self._run(job, prepared)

    def find(self, job: Job) -> Submission | None:
        """Find the task by `startedBy`, which is the job's name: see `lookup`."""
        try:
            place = self._clients.located(place_of(job.configuration))
            ecs = self._clients.client("ecs", place)
            arn = within(self._limits.call_timeout, lambda: find_task(ecs, place, job.name))
        except (ProviderError, *UNFORESEEN) as error:
            raise _failed("find", error) from error
        container = name_of(job.configuration.get("container_name"), "container_name")
        return submission_of(job.name, arn, place, container) if arn else None

    def observe(self, submissions: Sequence[Submission]) -> Mapping[str, Observation]:
        """DescribeTasks for up to 100 tasks, per identity, region and cluster. No call is begun after the time of one
        operation.
        """
        seen: dict[str, Observation] = {}
        latest = time.monotonic() + self._limits.call_timeout
        for place, batch in _batches(submissions):
            if (left := latest - time.monotonic()) > 0:
                seen.update(self._observe_batch(place, batch, left))
        return seen

    def cancel(self, submission: Submission) -> None:
        """StopTask: SIGTERM, and SIGKILL after the container's `stopTimeout`."""
        try:
            place, task = Place.from_handle(submission.handle), submission.handle["task"]
            _stop(self._clients.client("ecs", self._clients.located(place)), place, task)
        except AwsFailure as failure:
            if not _says_gone(failure):
                raise _failed("cancel", failure) from failure
        except (ProviderError, LookupError) as error:
            raise _failed("cancel", error) from error

    def discard(self, submissions: Sequence[Submission]) -> frozenset[str]:
        """Nothing stays behind: ECS forgets stopped tasks by itself."""
        return frozenset(submission.name for submission in submissions)

    def sweep(self, configuration: Mapping[str, Any], keep: frozenset[str]) -> tuple[str, ...]:  # noqa: ARG002 - protocol
        """Nothing to remove."""
        return ()

    def strays(self, configuration: Mapping[str, Any], known_names: frozenset[str]) -> tuple[str, ...]:
        """Reads the cluster's tasks with ListTasks and DescribeTasks: `startedBy` holds a job's name."""
        try:
            place = self._clients.located(place_of(configuration))
            ecs = self._clients.client("ecs", place)
            names = within(self._limits.call_timeout, lambda: live_names(ecs, place))
        except ConfigurationError:
            raise
        except (ProviderError, *UNFORESEEN) as error:
            raise _failed("list", error) from error
        return tuple(sorted(names - known_names))

    def _run(self, job: Job, prepared: Prepared) -> Outcome:
        try:
            answer = prepared.ecs.ask("run_task", **prepared.request)
            task = started_task(answer, job.name)
            failures = () if task else failures_of(answer)
        except AwsFailure as failure:
            return self._not_run(job, prepared, failure)
        except CallFailed as error:
            return Unknown(cause=str(error))
        return _accepted(job, prepared, *task) if task else outcome_of_failures(failures, needs_of(job.configuration))

    def _not_run(self, job: Job, prepared: Prepared, error: AwsFailure) -> Outcome:
        if arn := conflicting_task(error):
            return _accepted(job, prepared, arn)
        if says_inactive(error):
            self._preparation.forget(prepared)
            if prepared.request["taskDefinition"] != prepared.remembered:  # ours: the next submission registers it again
                return Throttled(reason=fault_of(error).words, hold=None)
        return outcome_of_error(error, needs_of(job.configuration))

    def _observe_batch(self, place: Place, batch: Sequence[Submission], seconds: float) -> dict[str, Observation]:
        try:
            tasks = [submission.handle["task"] for submission in batch]
            ecs = self._clients.client("ecs", self._clients.located(place)).hurried(seconds)
            return read_tasks(ecs.ask("describe_tasks", **place.where, tasks=tasks), batch)
        except AwsFailure as failure:
            if failure.fault.code == "ClusterNotFoundException":  # a cluster with live tasks cannot be deleted
                return {submission.name: missing() for submission in batch}
            return unreadable(batch, _failed("observe", failure))
        except (ProviderError, LookupError) as error:  # an unreadable batch concerns only its own jobs
            return unreadable(batch, _failed("observe", error))


def _rates(launches_per_second: float) -> tuple[Rate, ...]:
    """The buckets of task launches and of RunTask calls; a raised quota raises the bursts to a second's worth at least."""
    if launches_per_second <= 0:
        raise ConfigurationError(f"launches_per_second: give a number above 0, not {launches_per_second!r}")
    second = int(launches_per_second)
    return (
        Rate(burst=max(LAUNCH_BURST, second), per_second=launches_per_second),
        Rate(burst=max(CALL_BURST, second), per_second=launches_per_second),
    )


def _accepted(job: Job, prepared: Prepared, arn: str, cluster: str | None = None) -> Accepted:
    place = replace(prepared.place, cluster=cluster or prepared.place.cluster)
    return Accepted(submission=submission_of(job.name, arn, place, prepared.container))


def _batches(submissions: Iterable[Submission]) -> Iterable[tuple[Place, list[Submission]]]:
    for place, group in by_place(Place, submissions).items():
        for start in range(0, len(group), DESCRIBED_AT_ONCE):
            yield place, group[start : start + DESCRIBED_AT_ONCE]


def _failed(action: str, error: Exception) -> CallFailed:
    words = str(error) if isinstance(error, CallFailed) else fault_of(error).words
    return CallFailed(f"ecs {action}: {words}")


def _stop(ecs: AwsService, place: Place, task: str) -> None:
    """Stop a task. A stopping task has already lost its tags, so a role that may stop only tagged tasks is denied a repeat."""
    try:
        check_stopped(ecs.ask("stop_task", **place.where, task=task, reason=STOP_REASON), task)
    except AwsFailure as failure:
        if failure.fault.code != "AccessDeniedException" or not _is_stopping(ecs, place, task):
            raise


def _is_stopping(ecs: AwsService, place: Place, task: str) -> bool:
    answer = ecs.ask("describe_tasks", **place.where, tasks=[task])
    return any(description.get("desiredStatus") == "STOPPED" for description in answer.get("tasks", ()))


def _says_gone(failure: AwsFailure) -> bool:
    """True if the task or its cluster no longer exists."""
    fault = failure.fault
    return fault.code == "ClusterNotFoundException" or (
        fault.code in {"InvalidParameterException", "ClientException"} and "task was not found" in fault.message.lower()
    )
