"""The Cloud Run provider. The first call imports Google's SDK."""

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
"""The observed quota WritePerMinutePerProjectRegion of a new project; https://cloud.google.com/run/quotas names none. For a
project with a larger quota set, for example, `writes_per_minute=180`.
"""

JOBS_PER_REGION = 1000
"""The default quota of jobs in a project and region, and so the longest list:
https://cloud.google.com/run/quotas.
"""

LOOKUP_LAG = 5.0
"""An allowance for lists that lag behind a create; Google documents no bound."""

PLACES_AT_ONCE = 16
"""The most places that one call asks concurrently; further places wait."""

Result = TypeVar("Result")


class CloudRunProvider:
    """Runs jobs on Cloud Run.

    `credentials` are the settings' entries by name: `{"project": ..., "service_account": (one to impersonate)}`, or with
    `"external_account"` (a workload identity federation: the content of Google's credential file of that type). A job's project
    is the first of: its configuration's, its entry's, `project`, the host's own. `writes_per_minute` is the project's quota;
    half of it is for starting jobs, half for deleting them. `owner` distinguishes the jobs of several dispatchers that share a
    project. `lookup_lag` is how long a new job may stay hidden, in seconds: lower it only against an emulator. A sweep measures
    by the clock `now` how long ago a job ended. `endpoint` (or CLOUD_RUN_EMULATOR_HOST) is the address of an emulator.
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
        self._regions = Regions(Place, credentials or {}, endpoint=endpoint, project=project, seconds=call_timeout)
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
        """The limits follow from the write quota. A job can be found by its name until it is deleted."""
        return self._limits

    def needs(self, configuration: Mapping[str, Any]) -> Needs:
        """Credentials, project, region; CPUs, MiB, GPUs of the tasks that run at once. Raises `ConfigurationError`."""
        return needs_of(configuration)

    def submit(self, job: Job) -> Outcome:
        """Create and start the job in one call."""
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
        """The job of that name, in any state. Raises `CallFailed`."""
        region = self._regions.asked(job.configuration)
        return submission_of(job, region.place) if region.has(job.name) else None

    def observe(self, submissions: Sequence[Submission]) -> Mapping[str, Observation]:
        """One list of jobs per place, and a look at each failed job. A place that does not answer delays no other."""
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
        """Request the execution's end; it is not an error if it has ended or is gone. Raises `CallFailed`."""
        region = self._regions.at(Place.from_handle(submission.handle))
        region.cancel(submission.name, submission.handle["execution"])

    def discard(self, submissions: Sequence[Submission]) -> frozenset[str]:
        """Delete ended jobs, up to the write quota of half a minute; jobs that their template keeps count as gone."""
        gone = {submission.name for submission in submissions if "keep" in submission.handle}
        left = [submission for submission in submissions if submission.name not in gone]
        groups = by_place(Place, left[: self._deletes])
        return frozenset(gone.union(*at_once(self._discard, groups.items())))

    def _discard(self, place: Place, group: Sequence[Submission]) -> set[str]:
        gone: set[str] = set()
        with suppress(CallFailed):  # jobs that are not returned as gone are passed in again
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
        # The list is read whole before the first deletion: a list skips items if others disappear while it is read.
        return tuple(region.delete(list(islice(leftovers, self._deletes))))

    def strays(self, configuration: Mapping[str, Any], known_names: frozenset[str]) -> tuple[str, ...]:
        """Reads one list of this owner's jobs. Raises `CallFailed` when the list could not be read to its end."""
        listed = live(self._regions.of(configuration).jobs(), owner=self._owner)
        return tuple(sorted(name for name in listed if name not in known_names))


def submission_of(job: Job, place: Place) -> Submission:
    """The submission of a job; it is known before the job exists."""
    execution = execution_name(job.name)
    kept = {"keep": "true"} if is_kept(job) else {}
    handle = {**place.handle(), "execution": execution, "logs": place.logs(job.name, execution), **kept}
    return Submission(name=job.name, handle=handle, url=place.console(execution))


def at_once(
    work: Callable[[Place, Sequence[Submission]], Result], groups: Iterable[tuple[Place, list[Submission]]]
) -> list[Result]:
    """The results of `work` for each place's submissions; every place has the whole time of one call."""
    items = list(groups)
    if len(items) < 2:
        return [work(place, group) for place, group in items]
    with ThreadPoolExecutor(min(PLACES_AT_ONCE, len(items)), thread_name_prefix="cloud-run-place") as executor:
        return list(executor.map(lambda item: work(*item), items))
