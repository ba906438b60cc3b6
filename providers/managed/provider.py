"""The provider of managed pools: maps a job's configuration, and hands every call to the provider behind."""

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
"""The key of a handle that says which type of provider has the job: that type may change while jobs live."""

INSTALLS = "pip_packages"
"""The key of a handle of a job that installs packages first."""

Behind = Callable[[str], Provider]


class ManagedProvider:
    """Jobs on whatever the platform team has said.

    `managed` is the setting's object; None is what `setting.default_of` says. `behind` gives the provider of a pool type; by
    default it is made with these `credentials`.
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
        self._behind = behind or partial(_made, Once(), credentials or {})
        limits = self._behind(self._managed.type).limits
        self._limits = replace(limits, pool_limit=self._managed.maximum.concurrency)

    @property
    def limits(self) -> ProviderLimits:
        """Those of the provider behind, and the platform team's maximum of live jobs in one pool."""
        return self._limits

    def needs(self, configuration: Mapping[str, Any]) -> Needs:
        """What the job needs of the provider behind."""
        return self._provider.needs(configuration_of(self._managed, configuration))

    def submit(self, job: Job) -> Outcome:
        """Submit the job that is meant to the provider behind."""
        try:
            mapped = self._mapped(job)
        except ConfigurationError as problem:
            return Rejected(reason=str(problem))
        outcome = self._provider.submit(mapped)
        if isinstance(outcome, Accepted):
            return Accepted(submission=self._marked(outcome.submission, job))
        return outcome

    def find(self, job: Job) -> Submission | None:
        """What the provider behind finds. Raises `CallFailed`."""
        try:
            submission = self._provider.find(self._mapped(job))
        except ConfigurationError as problem:
            raise CallFailed(str(problem)) from problem
        return None if submission is None else self._marked(submission, job)

    def observe(self, submissions: Sequence[Submission]) -> Mapping[str, Observation]:
        """What each provider sees of its jobs; one that cannot be used here keeps no other from being asked."""
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
        """Ask the provider that has the job to end it. Raises `CallFailed`."""
        self._holder(submission).cancel(_plain(submission))

    def discard(self, submissions: Sequence[Submission]) -> frozenset[str]:
        """Likewise for what ended jobs left."""
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
        """Likewise."""
        return self._provider.strays(place_of(self._managed), known_names)

    def logs(self, submission: Submission, tail: int = 100) -> str:
        """What the provider that has the job shows of its log. Raises `CallFailed`, also where it shows none."""
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


def _made(made: Once[str, Provider], credentials: Mapping[str, Mapping[str, Any]], type_name: str) -> Provider:
    return made.get(type_name, lambda: registry.create(type_name, credentials=credentials))


def _by_type(submissions: Sequence[Submission]) -> dict[str, list[Submission]]:
    groups: defaultdict[str, list[Submission]] = defaultdict(list)
    for submission in submissions:
        groups[str(submission.handle.get(TYPE, ""))].append(submission)
    return groups


def _marks(submission: Submission) -> dict[str, str]:
    return {key: submission.handle[key] for key in (TYPE, INSTALLS) if key in submission.handle}


def _plain(submission: Submission) -> Submission:
    """The submission as the provider behind made it."""
    handle = {key: value for key, value in submission.handle.items() if key not in (TYPE, INSTALLS)}
    return replace(submission, handle=handle)


def _explained(observation: Observation, marks: Mapping[str, str]) -> Observation:
    """The observation with a whole handle, and with the reason of an end that the wrapper made."""
    if observation.handle is not None:
        observation = replace(observation, handle={**observation.handle, **marks})
    if INSTALLS in marks and observation.exit_code == PIP_FAILED:
        observation = replace(observation, reason=f"installing pip_packages failed; {observation.reason}")
    return observation
