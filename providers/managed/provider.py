"""The provider of managed pools: it maps a job's configuration and delegates every call to the provider behind."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from providers import registry
from providers.base import (
    Accepted,
    CallFailed,
    ConfigurationError,
    Job,
    Needs,
    Observation,
    Outcome,
    Provider,
    ProviderError,
    ProviderLimits,
    ProviderUnavailable,
    ReadsLogs,
    Rejected,
    Submission,
    unreadable,
)
from providers.managed.mapping import configuration_of, place_of
from providers.managed.setting import Managed, default_of
from providers.managed.wrapping import PIP_FAILED
from providers.once import Once

TYPE = "managed_by"
"""The key of a handle that names the provider type that runs the job: the setting may change while jobs live."""

INSTALLS = "pip_packages"
"""The key in the handle of a job that installs packages first."""

Behind = Callable[[str], Provider]


class ManagedProvider:
    """Jobs on the platform team's pool type.

    `managed` is the setting's object; None is `setting.default_of`. `behind` returns the provider of a pool type; by default
    that is created with these `credentials`.
    """

    def __init__(
        self,
        *,
        credentials: Mapping[str, Mapping[str, Any]] | None = None,
        managed: Mapping[str, Any] | None = None,
        behind: Behind | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        host = os.environ if environment is None else environment
        try:
            self._managed = Managed.of(managed) if managed else default_of(host)
        except ConfigurationError as problem:
            raise ProviderUnavailable(str(problem)) from problem
        self._behind = behind or partial(_provider_of, Once(), credentials or {})
        limits = self._behind(self._managed.type).limits
        self._limits = replace(limits, pool_limit=self._managed.maximum.concurrency)

    @property
    def limits(self) -> ProviderLimits:
        """The limits of the provider behind, with the platform team's limit of live jobs in one pool."""
        return self._limits

    def needs(self, configuration: Mapping[str, Any]) -> Needs:
        """What the job needs from the provider behind."""
        return self._provider.needs(configuration_of(self._managed, configuration))

    def submit(self, job: Job) -> Outcome:
        """Submit the mapped job to the provider behind."""
        try:
            mapped = self._mapped(job)
        except ConfigurationError as problem:
            return Rejected(reason=str(problem))
        outcome = self._provider.submit(mapped)
        if isinstance(outcome, Accepted):
            return Accepted(submission=self._marked(outcome.submission, job))
        return outcome

    def find(self, job: Job) -> Submission | None:
        """The submission that the provider behind finds. Raises `CallFailed`."""
        try:
            submission = self._provider.find(self._mapped(job))
        except ConfigurationError as problem:
            raise CallFailed(str(problem)) from problem
        return None if submission is None else self._marked(submission, job)

    def observe(self, submissions: Sequence[Submission]) -> Mapping[str, Observation]:
        """Each provider's observations of its jobs. A provider that is unusable here does not affect the others."""
        seen: dict[str, Observation] = {}
        for name, group in _by_type(submissions).items():
            try:
                observed = self._behind(name).observe([_plain(submission) for submission in group])
            except (ProviderError, KeyError) as problem:
                seen |= unreadable(group, problem)
                continue
            marks = {submission.name: _marks(submission) for submission in group}
            seen |= {job: _explained(observation, marks[job]) for job, observation in observed.items() if job in marks}
        return seen

    def cancel(self, submission: Submission) -> None:
        """Cancel the job at the provider that runs it. Raises `CallFailed`."""
        self._holder(submission).cancel(_plain(submission))

    def discard(self, submissions: Sequence[Submission]) -> frozenset[str]:
        """Discard ended jobs at the providers that ran them."""
        gone: set[str] = set()
        for name, group in _by_type(submissions).items():
            try:
                gone |= self._behind(name).discard([_plain(submission) for submission in group])
            except ProviderError:
                continue
        return frozenset(gone)

    def sweep(self, configuration: Mapping[str, Any], keep: frozenset[str]) -> tuple[str, ...]:  # noqa: ARG002 - one place
        """Sweep the place of managed pools, whatever a job's own configuration says."""
        return self._provider.sweep(place_of(self._managed), keep)

    def strays(self, configuration: Mapping[str, Any], known_names: frozenset[str]) -> tuple[str, ...]:  # noqa: ARG002 - as above
        """The live jobs in the place of managed pools."""
        return self._provider.strays(place_of(self._managed), known_names)

    def logs(self, submission: Submission, tail: int = 100) -> str:
        """The job's log from the provider that runs it. Raises `CallFailed`, also if that provider shows no logs."""
        holder = self._holder(submission)
        if not isinstance(holder, ReadsLogs):
            raise CallFailed(f"logs of {submission.handle.get(TYPE)} jobs cannot be read here; see the run's link")
        return holder.logs(_plain(submission), tail)

    @property
    def _provider(self) -> Provider:
        return self._behind(self._managed.type)

    def _holder(self, submission: Submission) -> Provider:
        try:
            return self._behind(str(submission.handle.get(TYPE, self._managed.type)))
        except ProviderUnavailable as problem:
            raise CallFailed(str(problem)) from problem

    def _mapped(self, job: Job) -> Job:
        return replace(job, configuration=configuration_of(self._managed, job.configuration))

    def _marked(self, submission: Submission, job: Job) -> Submission:
        installs = {INSTALLS: "true"} if job.configuration.get(INSTALLS) else {}
        return replace(submission, handle={**submission.handle, TYPE: self._managed.type, **installs})


def _provider_of(made: Once[str, Provider], credentials: Mapping[str, Mapping[str, Any]], type_name: str) -> Provider:
    return made.get(type_name, lambda: registry.create(type_name, credentials=credentials))


def _by_type(submissions: Sequence[Submission]) -> dict[str, list[Submission]]:
    groups: defaultdict[str, list[Submission]] = defaultdict(list)
    for submission in submissions:
        groups[str(submission.handle.get(TYPE, ""))].append(submission)
    return groups


def _marks(submission: Submission) -> dict[str, str]:
    return {key: submission.handle[key] for key in (TYPE, INSTALLS) if key in submission.handle}


def _plain(submission: Submission) -> Submission:
    """The provider behind's own submission."""
    handle = {key: value for key, value in submission.handle.items() if key not in (TYPE, INSTALLS)}
    return replace(submission, handle=handle)


def _explained(observation: Observation, marks: Mapping[str, str]) -> Observation:
    """The observation with a complete handle, and with a reason if installing packages failed."""
    if observation.handle is not None:
        observation = replace(observation, handle={**observation.handle, **marks})
    if INSTALLS in marks and observation.exit_code == PIP_FAILED:
        observation = replace(observation, reason=f"installing pip_packages failed; {observation.reason}")
    return observation
