"""What a claim pins: the rendered job, with the dispatcher's own variables and labels. A repeated submission uses only this."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any
from uuid import UUID

from dispatcher.core.own_values import own_environment, own_labels, own_values
from dispatcher.core.parameters import merged, parameter_environment
from dispatcher.core.templates import Renderer
from dispatcher.errors import DispatcherError, RenderError
from dispatcher.models import Deployment, PinnedJob, Run, WorkPool, submission_name
from dispatcher.models.records import Decision, Grant, Snapshot
from providers.base import Job, Needs

START_DEADLINE_KEY = "task_start_timeout_seconds"
"""The key in a job configuration for the time that a job may take to start; Prefect's name."""


class Pinning:
    """Renders each run of one claim at most once, for its needs and for its pin."""

    def __init__(
        self,
        snapshot: Snapshot,
        start_deadline: float | None,
        needs: Callable[[Mapping[str, Any]], Needs] = lambda _configuration: Needs(),
    ) -> None:
        self._snapshot, self._start_deadline, self._needs = snapshot, start_deadline, needs
        self._renderer = Renderer(snapshot.pool.base_job_template)
        self._grants: dict[UUID, Grant] = {}

    def needs(self, run: Run) -> Needs:
        """What the job needs from its provider. A run that cannot be rendered needs nothing, so that no hold keeps it back."""
        try:
            return self._needs(self._grant(run).job.configuration)
        except DispatcherError:
            return Needs()

    def decide(self, admitted: Sequence[Run]) -> Decision:
        """Pin the admitted runs. A run that cannot be rendered crashes with the reason and does not stop the others."""
        grants, crashes = [], []
        for run in admitted:
            try:
                grants.append(self._grant(run))
            except DispatcherError as problem:
                crashes.append((run, str(problem)))
        return Decision(grants=tuple(grants), crashes=tuple(crashes))

    def _grant(self, run: Run) -> Grant:
        if run.id not in self._grants:
            self._grants[run.id] = pin(self._snapshot, run, self._start_deadline, self._renderer)
        return self._grants[run.id]


def pin(snapshot: Snapshot, run: Run, start_deadline: float | None, renderer: Renderer) -> Grant:
    """Render one run's job from its pool's template (the renderer's), its deployment and its own variables.

    Raises `RenderError` if no job can be rendered from them.
    """
    own, deployment = own_values(run), _deployment(snapshot, run)
    inherited, parameters = deployment.job_variables if deployment else None, merged(deployment, run.parameters)
    configuration = renderer.render(run.job_variables, deployment_variables=inherited, own=own, parameters=parameters)
    start_within = configuration.get(START_DEADLINE_KEY, start_deadline)
    environment = {**own_environment(own), **parameter_environment(parameters)}
    return Grant(
        run=run,
        job=PinnedJob(configuration=configuration, environment=environment, labels=own_labels(own)),
        start_within=float(start_within) if isinstance(start_within, int | float) else None,
    )


def _none_due(_queue: str, _limit: int, _after: object = None, _lane: object = None) -> Sequence[Run]:
    return ()


def fault_of(pool: WorkPool, run: Run, deployment: Callable[[str], Deployment | None]) -> str:
    """Why a claim could not render the run; empty if it could."""
    snapshot = Snapshot(pool=pool, in_use={}, due=_none_due, deployment=deployment)
    return "".join(words for _, words in Pinning(snapshot, None).decide([run]).crashes)


def configuration_of(pool: WorkPool, run: Run, deployment: Callable[[str], Deployment | None]) -> Mapping[str, Any] | None:
    """The job configuration that a claim would pin; None if it could not render one."""
    snapshot = Snapshot(pool=pool, in_use={}, due=_none_due, deployment=deployment)
    grants = Pinning(snapshot, None).decide([run]).grants
    return grants[0].job.configuration if grants else None


def job_of(run: Run) -> Job:
    """The job that a claim pinned."""
    pinned = run.job or PinnedJob(configuration={})
    return Job(
        name=submission_name(run.id, run.attempt),
        configuration=pinned.configuration,
        environment=pinned.environment,
        labels=pinned.labels,
    )


def _deployment(snapshot: Snapshot, run: Run) -> Deployment | None:
    if run.deployment is None:
        return None
    deployment = snapshot.deployment(run.deployment)
    if deployment is None:
        raise RenderError(f"deployment {run.deployment!r} no longer exists, and the run needs its job variables")
    return deployment
