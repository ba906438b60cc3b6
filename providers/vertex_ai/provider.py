"""The provider of CustomJobs on Vertex AI. The first call imports google-auth."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any

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
from providers.google.accounts import NO_REGION, AccountLacks, place_names
from providers.places import by_place
from providers.remarks import reason_of
from providers.vertex_ai.checking import refused
from providers.vertex_ai.needs import needs_of
from providers.vertex_ai.observation import moment
from providers.vertex_ai.place import Place
from providers.vertex_ai.region import ENDED_STATES, LIVE_STATES, Region
from providers.vertex_ai.regions import Regions
from providers.vertex_ai.request import body_of

SUBMISSIONS_PER_MINUTE = 60
"""The default quota per minute for creating and deleting jobs in a project and region:
https://cloud.google.com/vertex-ai/docs/quotas.
"""

LOOKUP_LAG = 120.0
"""An allowance for lists that lag behind a create; Google documents no bound."""

MEMORY = timedelta(days=30)
"""How long a job is assumed to stay listed after its submission; Google documents nothing."""

SETTLING = timedelta(minutes=10)
"""How long ago a job must have ended to be swept; longer than a lease, because another process may still record the end."""


class VertexAiProvider:
    """Runs CustomJobs.

    `credentials` are the settings' entries by name, as for Cloud Run. A job's project is the first of: its configuration's,
    its entry's, `project`, the host's own. `submissions_per_minute` is the project's quota for creating and deleting. `owner`
    distinguishes the jobs of several dispatchers that share a project. `lookup_lag` is how long a new job may stay hidden from
    a list, in seconds: lower it only against an emulator. `start_deadline` is how long a job may be queued and prepared, in
    seconds. With `delete_ended` jobs are deleted after their end is recorded, within half of that quota. A sweep measures by
    the clock `now` how long ago a job ended. `endpoint` (or VERTEX_AI_EMULATOR_HOST) is the address of an emulator.
    """

    def __init__(
        self,
        *,
        credentials: Mapping[str, Mapping[str, Any]] | None = None,
        endpoint: str | None = None,
        project: str | None = None,
        submissions_per_minute: float = SUBMISSIONS_PER_MINUTE,
        owner: str = "push-dispatcher",
        call_timeout: float = 10.0,
        lookup_lag: float = LOOKUP_LAG,
        start_deadline: float = 3600.0,
        delete_ended: bool = False,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._regions = Regions(Place, credentials or {}, endpoint=endpoint, project=project, seconds=call_timeout)
        self._owner, self._now = owner, now
        creations = submissions_per_minute / 2 if delete_ended else submissions_per_minute * 0.8
        self._deletes = max(1, int(submissions_per_minute / 4)) if delete_ended else 0
        self._limits = ProviderLimits(
            submit_rates=(Rate(burst=max(1, int(submissions_per_minute / 6)), per_second=creations / 60),),
            concurrency=8,
            call_timeout=call_timeout,
            lookup_lag=lookup_lag,
            memory=MEMORY.total_seconds(),
            start_deadline=start_deadline,
            observe_batch=100,
            lingers=delete_ended,
        )

    @property
    def limits(self) -> ProviderLimits:
        """The limits follow from the submission quota. An ended job occupies nothing; it is deleted only if `delete_ended` is
        set.
        """
        return self._limits

    def needs(self, configuration: Mapping[str, Any]) -> Needs:
        """Credentials, project, region; CPUs, and accelerators by type. Raises `ConfigurationError`."""
        return needs_of(configuration)

    def submit(self, job: Job) -> Outcome:
        """Create the job unless the list contains one of its name. Vertex AI itself would create a second one."""
        place: tuple[str, ...] = ()
        try:
            needs = needs_of(job.configuration)
            place = needs.place
            body = body_of(job, self._owner)
            if faults := refused(job.configuration, body):
                return Rejected(reason=reason_of(faults))
            region = self._regions.of(job.configuration)
        except ConfigurationError as problem:
            return Rejected(reason=str(problem))
        except AccountLacks as problem:
            return Misconfigured(reason=str(problem), hold=Hold(place=place[: problem.parts]))
        except CallFailed as problem:  # before anything was sent
            return Unreachable(cause=str(problem))
        return region.submit(job.name, body, needs)

    def find(self, job: Job) -> Submission | None:
        """The job that is labelled with the name; if there are several, the oldest. Raises `CallFailed`."""
        region = self._regions.asked(job.configuration)
        identifier = region.find(job.name)
        return region.submission(job.name, identifier) if identifier else None

    def observe(self, submissions: Sequence[Submission]) -> Mapping[str, Observation]:
        """One list of the live jobs per place, and a look at each of the others."""
        seen: dict[str, Observation] = {}
        for place, group in by_place(Place, submissions).items():
            try:
                seen |= self._regions.at(place).observe({submission.name: submission.handle["job_id"] for submission in group})
            except CallFailed as problem:
                seen |= unreadable(group, problem)
        return seen

    def cancel(self, submission: Submission) -> None:
        """Request the job's end; it is not an error if it has ended or is gone. Raises `CallFailed`."""
        self._regions.at(Place.from_handle(submission.handle)).cancel(submission.name, submission.handle["job_id"])

    def discard(self, submissions: Sequence[Submission]) -> frozenset[str]:
        """Delete ended jobs if `delete_ended` is set; otherwise they count as gone."""
        if not self._limits.lingers:
            return frozenset(submission.name for submission in submissions)
        gone: set[str] = set()
        for place, group in by_place(Place, submissions[: self._deletes]).items():
            with suppress(CallFailed):  # jobs that are not returned as gone are passed in again
                region = self._regions.at(place)
                gone |= {job.name for job in group if region.delete(job.handle["job_id"])}
        return frozenset(gone)

    def sweep(self, configuration: Mapping[str, Any], keep: frozenset[str]) -> tuple[str, ...]:
        """With `delete_ended`, delete jobs of this owner that ended minutes ago and that no store remembers.

        Raises `ConfigurationError` when `configuration` names no region, and `CallFailed`.
        """
        if place_names(configuration).region is None:
            raise ConfigurationError(NO_REGION)
        if not self._limits.lingers:
            return ()
        region = self._regions.of(configuration)
        leftovers = self._orphans(region, keep)
        return tuple(name for name, identifier in leftovers[: self._deletes] if region.delete(identifier))

    def strays(self, configuration: Mapping[str, Any], known_names: frozenset[str]) -> tuple[str, ...]:
        """Reads one list of this owner's live jobs. Raises `CallFailed` when it could not be read to its end."""
        live = self._regions.of(configuration).ours(self._owner, LIVE_STATES)
        return tuple(sorted(name for name, _, _ in live if name not in known_names))

    def logs(self, submission: Submission, tail: int = 100) -> str:
        """The last lines in Cloud Logging, which lags by some seconds. Raises `CallFailed`."""
        if tail <= 0:
            return ""
        return self._regions.at(Place.from_handle(submission.handle)).log(submission.handle["job_id"], tail)

    def _orphans(self, region: Region, keep: frozenset[str]) -> list[tuple[str, str]]:
        """The names and numbers of orphaned jobs. The list is read whole before the first deletion, which changes it."""
        settled = self._now() - SETTLING
        listed = region.ours(self._owner, ENDED_STATES)
        return [
            (name, identifier)
            for name, identifier, row in listed
            if name not in keep and (ended := moment(row.get("endTime"))) is not None and ended <= settled
        ]
