"""Deployments: what is run where, and with which job variables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from dispatcher.client.door import check_job_variables, validate
from dispatcher.client.pools import WAITING, WorkPools
from dispatcher.client.questions import UNSET, given, missing, text, texts
from dispatcher.errors import NotFound
from dispatcher.models import DEFAULT_QUEUE, Deployment
from dispatcher.store import RunFilter


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
    ) -> Deployment:
        """Create a deployment. Raises `NotFound` (pool or queue), `AlreadyExists` or `InvalidInput`."""
        deployment = Deployment(
            id=self.clock.new_id(),
            name=name,
            pool=pool,
            queue=queue,
            job_variables=job_variables if job_variables is not None else {},
            tags=texts(tags, "tags"),
            description=description,
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
    ) -> Deployment:
        """Change what is given; new job variables are checked with the deployment's waiting runs as well.

        Raises `NotFound`, `InvalidInput` or `Conflict`.
        """
        deployment = self.deployment(name)
        changes = given(queue=queue, job_variables=job_variables, description=description)
        if tags is not UNSET:
            changes["tags"] = texts(tags, "tags")
        changed = replace(deployment, **changes)
        if job_variables is not UNSET:
            self._check_waiting(RunFilter(deployment=name, states=WAITING), self.work_pool(changed.pool), {name: job_variables})
        return self._save_deployment(changed, deployment.version)

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
        """Delete a deployment; its runs stay, but one that waits crashes when its turn comes. Raises `NotFound`."""
        self.deployment(name)
        self.store.delete_deployment(name)

    def _save_deployment(self, deployment: Deployment, version: int | None) -> Deployment:
        validate(deployment)
        pool = self.work_pool(deployment.pool)
        self._queue(pool, deployment.queue)
        check_job_variables(pool.base_job_template, deployment.job_variables, partial=True)
        return self.store.save_deployment(deployment, expected_version=version, now=self.clock.now())
