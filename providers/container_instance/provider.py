"""The provider: implements `providers.base.Provider` with calls to Azure Resource Manager.

A name prevents a second start only while its group exists: a PUT on an ended group runs it again, and Azure forgets a deleted
group at once. Therefore every PUT is preceded by a look-up, an existing group of the name counts as ours, and a group is
deleted only after its end is recorded. After that its name is never used again.

One risk remains: a PUT that reaches Azure a second time after its group has ended (because a network or a proxy repeats or
delays it) runs the job again. Resource Manager offers no condition on a PUT of this type that would prevent it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from providers.base import (
    Accepted,
    CallFailed,
    ConfigurationError,
    Hold,
    Job,
    Misconfigured,
    Needs,
    Observation,
    Outcome,
    ProviderError,
    ProviderLimits,
    Rate,
    Rejected,
    Submission,
    Unreachable,
)
from providers.container_instance.answers import ALREADY_THERE, ArmFailure, outcome_of, worded
from providers.container_instance.checking import faults
from providers.container_instance.connections import Connections, require_sdk
from providers.container_instance.entries import CredentialEntries
from providers.container_instance.group import container_of, group_request, is_kept
from providers.container_instance.needs import needs
from providers.container_instance.observing import Observer, log_of
from providers.container_instance.place import Place, place_of, submission_of
from providers.container_instance.states import is_over, never_ran, observation_of
from providers.container_instance.tags import KEEP_TAG, OWN_TAG
from providers.container_instance.timing import CALL_TIMEOUT, LAST_START, Stopwatch
from providers.places import HostLacks
from providers.remarks import reason_of

PUBLISHED_RATES = (Rate(burst=100, per_second=100 / 300), Rate(burst=300, per_second=300 / 3600))
"""The creates of container groups per five minutes and per hour, for a subscription and region.

https://learn.microsoft.com/azure/container-instances/container-instances-resource-and-quota-limits
"""
READS_PER_SWEEP = 50
LOOKUP_LAG = 60.0
"""Resource Manager replicates between regions: a read elsewhere may miss a fresh group."""


class ContainerInstanceProvider:
    """Azure container groups, one PUT each.

    `credentials` maps the names that a template's `aci_credentials`, `image_registry` and `secrets` may take to entries such as
    `{"tenant_id": ..., "client_id": ..., "client_secret_env": "NAME_OF_A_VARIABLE"}`, `{"client_id": ...}` of a managed
    identity, `{"tenant_id": ..., "client_id": ..., "aws_audience": "api://AzureADTokenExchange"}` of an identity federated with
    AWS, or `{"value_env": "NAME_OF_A_VARIABLE"}`; without a name the host's own identity is used. `endpoint` is a national
    cloud's Resource Manager or an emulator's. `submit_rates` is for subscriptions with raised quotas. A sweep skips groups that
    ended less than `sweep_after` seconds ago by `clock`: they may belong to another dispatcher that has not observed them yet.
    `lookup_lag` is how long a new group may stay hidden, in seconds: if it is too short, a group that shows up late may be
    started twice, so lower it only against an emulator. A group that Azure has been repairing for `repair_after` seconds is
    given up. Raises `ProviderUnavailable` without the SDK.
    """

    def __init__(
        self,
        *,
        credentials: Mapping[str, Mapping[str, Any]] | None = None,
        endpoint: str | None = None,
        submit_rates: tuple[Rate, ...] = PUBLISHED_RATES,
        concurrency: int = 8,
        deletes_per_call: int = 20,
        sweep_after: float = 3600.0,
        lookup_lag: float = LOOKUP_LAG,
        repair_after: float = 1800.0,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._limits = ProviderLimits(
            submit_rates=submit_rates,
            concurrency=concurrency,
            call_timeout=CALL_TIMEOUT,
            lookup_lag=lookup_lag,
            start_deadline=240.0,  # Prefect's default of task_start_timeout_seconds
            observe_batch=4,  # one call each, so that a batch fits into the time; batches are observed concurrently
            lingers=True,
        )
        require_sdk()
        self._entries = CredentialEntries(credentials or {})
        self._connections = Connections(self._entries, endpoint)
        self._deletes_per_call, self._sweep_after = deletes_per_call, timedelta(seconds=sweep_after)
        self._repair_after = timedelta(seconds=repair_after)
        self._clock, self._monotonic = clock, monotonic

    @property
    def limits(self) -> ProviderLimits:
        """Azure's published defaults, except what the constructor changes.

        `memory` is None because a group exists until we delete it, and we do so only after its end is recorded.
        """
        return self._limits

    def needs(self, configuration: Mapping[str, Any]) -> Needs:
        """See `providers.container_instance.needs`."""
        return needs(configuration)

    def submit(self, job: Job) -> Outcome:
        """A GET, and if no group exists, a PUT with the remaining time."""
        watch = Stopwatch(self._monotonic)
        try:
            submission, wants = self._submission(job), needs(job.configuration)
            return self._submit(job, submission, wants, watch)
        except ConfigurationError as error:
            return Rejected(reason=reason_of(faults(job.configuration)) or str(error))

    def _submit(self, job: Job, submission: Submission, wants: Needs, watch: Stopwatch) -> Outcome:
        place = Place.from_handle(submission.handle)
        try:
            if self._exists(place, job.name):
                return Accepted(submission=submission)
        except HostLacks as problem:
            return Misconfigured(reason=str(problem), hold=Hold(place=wants.place[:1]))
        except ArmFailure as failure:
            return outcome_of(failure, wants, sent_put=False)
        if broken := faults(job.configuration):
            return Rejected(reason=reason_of(broken))
        try:
            request = group_request(job, self._entries)
            location = request.location or self._connections.region(place)
        except HostLacks as problem:
            return Misconfigured(reason=str(problem), hold=None)
        except ArmFailure as failure:
            return outcome_of(failure, wants, sent_put=False)
        spent = watch.spent
        if spent > LAST_START:
            return Unreachable(cause=f"nothing was started: Azure took {spent:.0f} s to answer a look-up")
        body = {"location": location, **request.body}
        return self._put(submission, body, wants, api_version=request.api_version, seconds=CALL_TIMEOUT - spent)

    def find(self, job: Job) -> Submission | None:
        """Find the job by its name, which is the group's."""
        try:
            place, submission = place_of(job.configuration), self._submission(job)
            exists = self._exists(place, job.name)
        except (ConfigurationError, ArmFailure) as error:
            raise CallFailed(f"find {job.name}: {_words(error)}") from error
        return submission if exists else None

    def observe(self, submissions: Sequence[Submission]) -> Mapping[str, Observation]:
        """One GET per job, because Azure's lists show no states. Jobs that do not fit into the time or the rate are omitted."""
        watch = Stopwatch(self._monotonic)
        return Observer(self._connections, watch, clock=self._clock, repair_after=self._repair_after).observe(submissions)

    def cancel(self, submission: Submission) -> None:
        """Stop a running group; delete a group that never ran, because nothing else would end it."""
        place = Place.from_handle(submission.handle)
        try:
            arm = self._connections.arm(place)
            group = arm.get(place.resource_group, submission.name)
            if never_ran(group):
                arm.delete(place.resource_group, submission.name)
            elif not is_over(group):
                arm.stop(place.resource_group, submission.name)
        except (ConfigurationError, ArmFailure) as error:
            if not (isinstance(error, ArmFailure) and error.is_gone):
                raise CallFailed(f"cancel {submission.name}: {_words(error)}") from error

    def logs(self, submission: Submission, tail: int = 100) -> str:
        """The last lines that the job wrote; empty before it ran and once its group is gone. Raises `CallFailed`."""
        try:
            return log_of(self._connections, submission, tail)
        except (ConfigurationError, ArmFailure) as error:
            if isinstance(error, ArmFailure) and (error.is_gone or error.status == 409):
                return ""
            raise CallFailed(f"logs of {submission.name}: {_words(error)}") from error

    def discard(self, submissions: Sequence[Submission]) -> frozenset[str]:
        """Delete as many groups as Azure's rate allows. Groups that must stay count as gone."""
        kept = frozenset(submission.name for submission in submissions if submission.handle.get("keep"))
        groups = [(Place.from_handle(item.handle), item.name) for item in submissions if item.name not in kept]
        return kept | frozenset(self._delete(groups))

    def sweep(self, configuration: Mapping[str, Any], keep: frozenset[str]) -> tuple[str, ...]:
        """Delete our ended groups that no store knows. Raises `CallFailed` when they could not be listed."""
        place = place_of(configuration)
        ours = [group.name for group in self._own_groups(place) if group.name not in keep and KEEP_TAG not in group.tags]
        return tuple(self._delete(self._ended(place, ours)))

    def strays(self, configuration: Mapping[str, Any], known_names: frozenset[str]) -> tuple[str, ...]:
        """Reads one list, and each unknown group with a GET. Raises `CallFailed` when there are too many to read."""
        place = place_of(configuration)
        names = sorted(group.name for group in self._own_groups(place) if group.name not in known_names)
        if len(names) > READS_PER_SWEEP:
            raise CallFailed(f"{len(names)} groups are not known, more than can be looked at ({READS_PER_SWEEP}): sweep first")
        return tuple(name for name in names if self._is_live(place, name))

    def _own_groups(self, place: Place) -> list[Any]:
        try:
            listed = self._connections.arm(place).list(place.resource_group)
        except ArmFailure as error:
            raise CallFailed(f"list of container groups: {_words(error)}") from error
        return [group for group in listed if group.tags.get(OWN_TAG) == group.name]

    def _is_live(self, place: Place, name: str) -> bool:
        try:
            return not observation_of(self._connections.arm(place).get(place.resource_group, name)).state.is_end
        except ArmFailure as failure:
            if failure.is_gone:
                return False
            raise CallFailed(f"{name}: {_words(failure)}") from failure

    @staticmethod
    def _submission(job: Job) -> Submission:
        place = place_of(job.configuration)
        return submission_of(job.name, place, container=container_of(job), keep=is_kept(job))

    def _exists(self, place: Place, name: str) -> bool:
        try:
            self._connections.arm(place).get(place.resource_group, name)
        except ArmFailure as failure:
            if failure.is_gone:
                return False
            raise
        return True

    def _put(
        self, submission: Submission, body: Mapping[str, Any], wants: Needs, *, api_version: str, seconds: float
    ) -> Outcome:
        place = Place.from_handle(submission.handle)
        try:
            self._connections.arm(place, api_version).put(place.resource_group, submission.name, body, seconds=seconds)
        except ArmFailure as failure:
            return Accepted(submission=submission) if failure.code in ALREADY_THERE else outcome_of(failure, wants)
        return Accepted(submission=submission)

    def _ended(self, place: Place, names: Sequence[str]) -> list[tuple[Place, str]]:
        """The names whose groups ended long ago. Each call reads a bounded number of groups; the minute decides which."""
        watch = Stopwatch(self._monotonic)
        first = int(self._clock().timestamp() // 60) * READS_PER_SWEEP % max(1, len(names))
        turns = [*names[first:], *names[:first]][:READS_PER_SWEEP]
        return [(place, name) for name in turns if not watch.is_over and self._has_long_ended(place, name)]

    def _has_long_ended(self, place: Place, name: str) -> bool:
        try:
            seen = observation_of(self._connections.arm(place).get(place.resource_group, name))
        except ArmFailure:
            return False
        return seen.state.is_end and (seen.ended_at is None or self._clock() - seen.ended_at >= self._sweep_after)

    def _delete(self, groups: Sequence[tuple[Place, str]]) -> list[str]:
        """Delete up to this many groups. It stops when Azure throttles or the time is over."""
        gone: list[str] = []
        watch = Stopwatch(self._monotonic)
        for place, name in groups[: self._deletes_per_call]:
            if watch.is_over:
                break
            try:
                self._connections.arm(place).delete(place.resource_group, name)
            except ConfigurationError:
                continue
            except ArmFailure as failure:
                if failure.is_throttled or failure.status is None:
                    break
                if not failure.is_gone:
                    continue
            gone.append(name)
        return gone


def _words(error: ProviderError | ArmFailure) -> str:
    return worded(error) if isinstance(error, ArmFailure) else str(error)
