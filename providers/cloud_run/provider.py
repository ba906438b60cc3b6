"""The Cloud Run provider. Google's SDK is imported by the first call."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import UTC, datetime
from itertools import islice
from typing import Any, TypeVar

from providers.base import (
    CallFailed,
    ConfigurationError,
    Hold,
    Job,
    Misconfigured,
    Needs,
    Observation,
    Outcome,
    ProviderLimits,
    Rate,
    Rejected,
    Submission,
    Unreachable,
    unreadable,
)
from providers.cloud_run.checking import refused
from providers.cloud_run.needs import needs_of
from providers.cloud_run.place import Place, place_names
from providers.cloud_run.regions import Regions
from providers.cloud_run.rendering import body_of, execution_name, is_kept
from providers.cloud_run.tidying import live, orphans
from providers.google.accounts import NO_REGION, AccountLacks
from providers.places import by_place
from providers.remarks import reason_of

WRITES_PER_MINUTE = 30
"""What a fresh project was seen to have of the quota WritePerMinutePerProjectRegion; https://cloud.google.com/run/quotas
names none. A project that has more says so: `writes_per_minute=180`.
"""

JOBS_PER_REGION = 1000
"""The most jobs that a project and region hold unless raised, and so what one list shows: https://cloud.google.com/run/quotas."""

LOOKUP_LAG = 5.0
"""An allowance for lists that are behind a create; Google states no bound."""

PLACES_AT_ONCE = 16
"""Places that one call asks at the same time; a place beyond that waits for one of them."""

Result = TypeVar("Result")


class CloudRunProvider:
    """Runs jobs on Cloud Run.

    `credentials` are the settings' entries by name: `{"project": ..., "service_account": (one to impersonate)}`, or with
    `"external_account"` (another cloud's word for who the host is, as Google writes it in a file of that type). A job's
    project is the first of: its configuration's, its entry's, `project`, the host's own. `writes_per_minute` is the project's
    quota; half of it goes to starting jobs, half to deleting them. `owner` distinguishes the jobs of several dispatchers that
    share a project. `lookup_lag` is how long a new job may stay hidden, in seconds: lower it only against an emulator. `now`
    is the time by which a sweep measures how long a job has been over. `endpoint` (or
    CLOUD_RUN_EMULATOR_HOST) is an emulator.
    """

    def __init__(
        self,
        *,
        credentials: Mapping[str, Mapping[str, Any]] | None = None,
        endpoint: str | None = None,
        project: str | None = None,
        writes_per_minute: float = WRITES_PER_MINUTE,
        owner: str = "push-dispatcher",
        call_timeout: float = 10.0,
        lookup_lag: float = LOOKUP_LAG,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._regions = Regions(credentials or {}, endpoint=endpoint, project=project, seconds=call_timeout)
        self._owner, self._now = owner, now
        self._deletes = max(1, int(writes_per_minute / 2))
        self._limits = ProviderLimits(
            submit_rates=(Rate(burst=max(1, int(writes_per_minute / 10)), per_second=writes_per_minute / 120),),
            concurrency=8,
            call_timeout=call_timeout,
            lookup_lag=lookup_lag,
            start_deadline=900.0,
            observe_batch=JOBS_PER_REGION,
            lingers=True,
        )

    @property
    def limits(self) -> ProviderLimits:
        """Paced by the write quota. A job is found by its name for as long as it is not deleted."""
        return self._limits

    def needs(self, configuration: Mapping[str, Any]) -> Needs:
        """Credentials, project, region; CPUs, MiB, GPUs of the tasks that run at once. Raises `ConfigurationError`."""
        return needs_of(configuration)

    def submit(self, job: Job) -> Outcome:
        """Make the job and start it, in one call."""
        place: tuple[str, ...] = ()
        try:
            needs = needs_of(job.configuration)
            place = needs.place
            region = self._regions.of(job.configuration)
            body = body_of(job, region.place, self._owner)
            if faults := refused(job.configuration, body):
                return Rejected(reason=reason_of(faults))
        except ConfigurationError as problem:
            return Rejected(reason=str(problem))
        except AccountLacks as problem:
            return Misconfigured(reason=str(problem), hold=Hold(place=place[: problem.parts]))
        except CallFailed as problem:  # before anything was sent
            return Unreachable(cause=str(problem))
        return region.submit(submission_of(job, region.place), body, needs)

    def find(self, job: Job) -> Submission | None:
        """The job of that name, whatever became of it. Raises `CallFailed`."""
        try:
            region = self._regions.of(job.configuration)
        except ConfigurationError as problem:
            raise CallFailed(str(problem)) from problem
        return submission_of(job, region.place) if region.has(job.name) else None

    def observe(self, submissions: Sequence[Submission]) -> Mapping[str, Observation]:
        """One list of jobs a place, and a look at each that failed; a place that does not answer keeps no other waiting."""
        groups = by_place(Place, submissions)
        seen: dict[str, Observation] = {}
        for observed in at_once(self._observe, groups.items()):
            seen |= observed
        return seen

    def _observe(self, place: Place, group: Sequence[Submission]) -> dict[str, Observation]:
        try:
            return self._regions.at(place).observe({submission.name: submission.handle["execution"] for submission in group})
        except CallFailed as problem:
            return unreadable(group, problem)

    def cancel(self, submission: Submission) -> None:
        """Ask the execution to end; one that has ended, or is gone, is no error. Raises `CallFailed`."""
        region = self._regions.at(Place.from_handle(submission.handle))
        region.cancel(submission.name, submission.handle["execution"])

    def discard(self, submissions: Sequence[Submission]) -> frozenset[str]:
        """Delete ended jobs, as many as the write quota of half a minute; those that their template keeps count as gone."""
        gone = {submission.name for submission in submissions if "keep" in submission.handle}
        left = [submission for submission in submissions if submission.name not in gone]
        groups = by_place(Place, left[: self._deletes])
        return frozenset(gone.union(*at_once(self._discard, groups.items())))

    def _discard(self, place: Place, group: Sequence[Submission]) -> set[str]:
        gone: set[str] = set()
        with suppress(CallFailed):  # what is not named as gone is asked for again
            gone.update(self._regions.at(place).delete((submission.name, "") for submission in group))
        return gone

    def sweep(self, configuration: Mapping[str, Any], keep: frozenset[str]) -> tuple[str, ...]:
        """Delete jobs of this owner that ended minutes ago and that nobody remembers.

        Raises `ConfigurationError` when `configuration` names no region, and `CallFailed`.
        """
        if place_names(configuration).region is None:
            raise ConfigurationError(NO_REGION)
        region = self._regions.of(configuration)
        leftovers = orphans(region.jobs(), owner=self._owner, keep=keep, now=self._now())
        # All are found before the first is deleted: a list whose items go away while it is read skips some.
        return tuple(region.delete(list(islice(leftovers, self._deletes))))

    def strays(self, configuration: Mapping[str, Any], known_names: frozenset[str]) -> tuple[str, ...]:
        """By one list of the jobs of this owner. Raises `CallFailed` when it could not be read to its end."""
        listed = live(self._regions.of(configuration).jobs(), owner=self._owner)
        return tuple(sorted(name for name in listed if name not in known_names))


def submission_of(job: Job, place: Place) -> Submission:
    """Where a job lives, which is known before it does."""
    execution = execution_name(job.name)
    kept = {"keep": "true"} if is_kept(job) else {}
    handle = {**place.handle(), "execution": execution, "logs": place.logs(job.name, execution), **kept}
    return Submission(name=job.name, handle=handle, url=place.console(execution))


def at_once(
    work: Callable[[Place, Sequence[Submission]], Result], groups: Iterable[tuple[Place, list[Submission]]]
) -> list[Result]:
    """What `work` makes of each place's submissions; every place has the whole time of one call."""
    items = list(groups)
    if len(items) < 2:
        return [work(place, group) for place, group in items]
    with ThreadPoolExecutor(min(PLACES_AT_ONCE, len(items)), thread_name_prefix="cloud-run-place") as executor:
        return list(executor.map(lambda item: work(*item), items))
