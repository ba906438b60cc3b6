"""Deployments: what is run where, with which job variables, when, and what is tried again."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from dispatcher.client.door import check_deployment_variables, check_windows_to_come, settled_variables, validate
from dispatcher.client.pools import WAITING, WorkPools
from dispatcher.client.questions import UNSET, anchored, given, items, missing, plain_policy, text, texts
from dispatcher.core.scheduling import is_withdrawn, saving
from dispatcher.errors import NotFound
from dispatcher.models import DEFAULT_QUEUE, Deployment, Hook, RetryPolicy, Schedule, WorkPool
from dispatcher.records import RunFilter


class Deployments(WorkPools):
    """What people do with deployments."""

    # Deployments

    def create_deployment(
        self,
        name: str,
        *,
        pool: str,
        queue: str = DEFAULT_QUEUE,
        job_variables: Mapping[str, Any] | None = None,
        tags: Sequence[str] = (),
        description: str = "",
        schedules: Iterable[Schedule] = (),
        retry: RetryPolicy | None = None,
        hooks: Iterable[Hook] = (),
        paused: bool = False,
    ) -> Deployment:
        """Create a deployment; its schedules begin now. Raises `NotFound` (pool or queue), `AlreadyExists` or `InvalidInput`.

        Where a schedule makes runs, the job variables have to be whole: such a run brings none of its own.
        """
        deployment = Deployment(
            id=self.clock.new_id(),
            name=name,
            pool=pool,
            queue=queue,
            job_variables=job_variables if job_variables is not None else {},
            tags=texts(tags, "tags"),
            description=description,
            schedules=items(schedules, "schedules"),
            retry=retry,
            hooks=items(hooks, "hooks"),
            paused=paused,
            created_at=self.clock.now(),
        )
        return self._save_deployment(deployment, None)

    def update_deployment(
        self,
        name: str,
        *,
        queue: str = UNSET,
        job_variables: Mapping[str, Any] = UNSET,
        tags: Sequence[str] = UNSET,
        description: str = UNSET,
        schedules: Iterable[Schedule] = UNSET,
        retry: RetryPolicy | None = UNSET,
        hooks: Iterable[Hook] = UNSET,
        paused: bool = UNSET,
    ) -> Deployment:
        """Change what is given; new job variables are checked with the deployment's waiting runs as well.

        `schedules` and `hooks` replace all that were; a schedule that stays as it was goes on from where it was. Runs to come
        are made anew where a schedule changes, or what its runs take from the deployment. Raises `NotFound`, `InvalidInput` or
        `Conflict`.
        """
        deployment = self.deployment(name)
        changes = given(queue=queue, job_variables=job_variables, description=description, retry=retry, paused=paused)
        if tags is not UNSET:
            changes["tags"] = texts(tags, "tags")
        changes |= {name: items(value, name) for name, value in given(schedules=schedules, hooks=hooks).items()}
        changed, pool = self._checked_deployment(replace(deployment, **changes))
        if job_variables is not UNSET:
            where, now = RunFilter(deployment=name, states=WAITING), self.clock.now()
            gone = saving(deployment, changed, now).withdrawn
            self._check_waiting(where, pool, {name: changed.job_variables}, goes=lambda run: is_withdrawn(run, gone, now))
        return self.store.save_deployment(changed, expected_version=deployment.version, now=self.clock.now())

    def deployments(self, pool: str | None = None) -> Sequence[Deployment]:
        """Every deployment (of one pool), by name."""
        return self.store.deployments(pool)

    def deployment(self, name: str) -> Deployment:
        """One deployment. Raises `NotFound`."""
        deployment = self.store.deployment(text(name, "deployment"))
        if deployment is None:
            raise NotFound(missing("deployment", name, [known.name for known in self.store.deployments()]))
        return deployment

    def delete_deployment(self, name: str) -> None:
        """Delete a deployment and the runs to come of its schedules. Raises `NotFound`.

        Other runs of it stay, but one that waits crashes when its turn comes.
        """
        self.deployment(name)
        self.store.delete_deployment(name)

    def _save_deployment(self, deployment: Deployment, version: int | None) -> Deployment:
        checked, _ = self._checked_deployment(deployment)
        return self.store.save_deployment(checked, expected_version=version, now=self.clock.now())

    def _checked_deployment(self, deployment: Deployment) -> tuple[Deployment, WorkPool]:
        """A deployment that can be saved, with its pool. Raises `NotFound` or `InvalidInput`."""
        schedules = tuple(map(anchored, deployment.schedules))
        deployment = replace(deployment, schedules=schedules, retry=plain_policy(deployment.retry))
        validate(deployment)
        check_windows_to_come(deployment, self.store.deployment(deployment.name), self.clock.now())
        pool = self.work_pool(deployment.pool)
        self._queue(pool, deployment.queue)
        deployment = replace(deployment, job_variables=settled_variables(pool.base_job_template, deployment.job_variables))
        scheduled = bool(deployment.active_schedules)
        check_deployment_variables(pool.base_job_template, deployment.job_variables, scheduled=scheduled)
        self.jobs.check_deployment(pool, deployment.job_variables, scheduled=scheduled)
        return deployment, pool
