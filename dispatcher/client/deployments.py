"""Deployments: what runs where, with which job variables, when, and with which retries."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

from dispatcher.client.arguments import UNSET, in_utc, items, missing, plain_policy, text, texts, without_unset
from dispatcher.client.checks import check_windows_to_come, validate
from dispatcher.client.deployment_checks import check_schedules, check_variables, coerced
from dispatcher.client.mirrors import DEPLOYED, check_own
from dispatcher.client.parameters import check_deployment_parameters
from dispatcher.client.pools import MAX_RECHECKED, WAITING, WorkPools
from dispatcher.client.relocation import keep, queue_in, take_along
from dispatcher.client.versions import check_version
from dispatcher.core.automations import with_renamed
from dispatcher.core.changes import Configuration, FieldChange, changes
from dispatcher.core.room import gives_deployment_room, may_start
from dispatcher.core.windows import goes_with_deployment, is_withdrawn, saving
from dispatcher.errors import AlreadyExists, NotFound
from dispatcher.models import DEFAULT_QUEUE, Deployment, Hook, OnCollision, RetryPolicy, Schedule, WorkPool
from dispatcher.models.records import Reconfiguration, RunFilter

PASSED_ON = frozenset({"job_variables", "parameters", "parameter_openapi_schema"})
"""The fields whose new values have to suit the runs that wait."""


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
        parameters: Mapping[str, Any] | None = None,
        parameter_openapi_schema: Mapping[str, Any] | None = None,
        tags: Sequence[str] = (),
        description: str = "",
        schedules: Iterable[Schedule] = (),
        retry: RetryPolicy | None = None,
        hooks: Iterable[Hook] = (),
        concurrency_limit: int | None = None,
        on_collision: OnCollision = OnCollision.WAIT,
        max_waiting: int | None = None,
        expires_after: timedelta | None = None,
        priority: int = 0,
        weight: int = 1,
        paused: bool = False,
    ) -> Deployment:
        """Create a deployment; its schedules begin now. Raises `NotFound` (pool or queue), `AlreadyExists` or `InvalidInput`.

        With an active schedule the job variables and the parameters must be complete, because a scheduled run has none of its
        own, except those of its schedule. `dispatcher.models.Deployment` says what each field means.
        """
        deployment = Deployment(
            id=self.clock.new_id(),
            name=name,
            pool=pool,
            queue=queue,
            job_variables=job_variables if job_variables is not None else {},
            parameters=parameters if parameters is not None else {},
            parameter_openapi_schema=parameter_openapi_schema if parameter_openapi_schema is not None else {},
            tags=texts(tags, "tags"),
            description=description,
            schedules=items(schedules, "schedules"),
            retry=retry,
            hooks=items(hooks, "hooks"),
            concurrency_limit=concurrency_limit,
            on_collision=on_collision,
            max_waiting=max_waiting,
            expires_after=expires_after,
            priority=priority,
            weight=weight,
            paused=paused,
            created_at=self.clock.now(),
        )
        return self._save_deployment(deployment, None)

    def update_deployment(
        self,
        name: str,
        *,
        pool: str = UNSET,
        queue: str = UNSET,
        job_variables: Mapping[str, Any] = UNSET,
        parameters: Mapping[str, Any] = UNSET,
        parameter_openapi_schema: Mapping[str, Any] = UNSET,
        tags: Sequence[str] = UNSET,
        description: str = UNSET,
        schedules: Iterable[Schedule] = UNSET,
        retry: RetryPolicy | None = UNSET,
        hooks: Iterable[Hook] = UNSET,
        concurrency_limit: int | None = UNSET,
        on_collision: OnCollision = UNSET,
        max_waiting: int | None = UNSET,
        expires_after: timedelta | None = UNSET,
        priority: int = UNSET,
        weight: int = UNSET,
        paused: bool = UNSET,
    ) -> Deployment:
        """Change the fields that are passed. New job variables and parameters are also checked with the waiting runs.

        `schedules` and `hooks` replace all existing ones. A schedule that has not changed continues where it was. When a
        schedule changes, or a field that its runs copy from the deployment, its future runs are created again. With another
        `pool`, waiting runs move too and get new ids (see `dispatcher.client.relocation`): into the queue of the same name,
        or else into `default`. Raises `NotFound`, `InvalidInput` or `Conflict`.
        """
        fields = without_unset(
            pool=pool,
            queue=queue,
            job_variables=job_variables,
            parameters=parameters,
            parameter_openapi_schema=parameter_openapi_schema,
            tags=tags,
            description=description,
            schedules=schedules,
            retry=retry,
            hooks=hooks,
            concurrency_limit=concurrency_limit,
            on_collision=on_collision,
            max_waiting=max_waiting,
            expires_after=expires_after,
            paused=paused,
            priority=priority,
            weight=weight,
        )
        deployment = self.deployment(name)
        changed, owner = self._changed_deployment(deployment, fields)
        saved = self._recorded(changed, deployment, owner)
        if pool is not UNSET:
            self._take_along(deployment, saved, owner)
        return saved

    def plan_deployment(self, name: str, **fields: Any) -> tuple[FieldChange, ...]:
        """What `update_deployment` would change with these fields, checked as it checks them. Changes nothing.

        Raises `NotFound` or `InvalidInput`.
        """
        deployment = self.deployment(name)
        changed, _ = self._changed_deployment(deployment, fields)
        changed_nouns = changes(Configuration(deployments=(deployment,)), Configuration(deployments=(changed,)))
        return changed_nouns[0].fields if changed_nouns else ()

    def _changed_deployment(self, deployment: Deployment, fields: Mapping[str, Any]) -> tuple[Deployment, WorkPool]:
        """The checked deployment with other values of these fields, and its pool. Raises `NotFound` or `InvalidInput`."""
        values = dict(fields)
        if "pool" in values and "queue" not in values:
            values["queue"] = queue_in(self.work_pool(values["pool"]), deployment)
        if "tags" in values:
            values["tags"] = texts(values["tags"], "tags")
        values |= {name: items(values[name], name) for name in ("schedules", "hooks") if name in values}
        changed, owner = self._checked_deployment(replace(deployment, **values))
        if values.keys() & PASSED_ON or changed.pool != deployment.pool:
            where, now = RunFilter(deployment=deployment.name, states=WAITING), self.clock.now()
            gone = saving(deployment, changed, now).withdrawn
            self._check_waiting(where, owner, {changed.name: changed}, goes=lambda run: is_withdrawn(run, gone, now))
        return changed, owner

    def rename_deployment(self, name: str, new_name: str) -> Deployment:
        """Rename a deployment. Its waiting runs move to the new name and get new ids, and automations name it by that.

        Its schedules continue from now. Raises `NotFound`, `AlreadyExists`, `InvalidInput` or `Conflict`.
        """
        deployment, now = self.deployment(name), self.clock.now()
        if self.store.deployment(text(new_name, "name")) is not None:
            raise AlreadyExists(f"name: deployment {new_name!r} already exists; choose another")
        changed, owner = self._checked_deployment(replace(deployment, name=new_name, version=0))
        automations = self.store.automations()
        keep(self.store, deployment, now)
        self.recorder.rename_deployment(
            Reconfiguration(
                pools_read={pool.name: pool.version for pool in self.store.pools()},
                deployments_read={other.name: other.version for other in self.store.deployments()},
                now=now,
                deployments=(changed,),
                deployments_gone=(name,),
                automations_read={automation.name: automation.version for automation in automations},
                automations=tuple(renamed for old in automations if (renamed := with_renamed(old, name, new_name)) != old),
            ),
            name,
            new_name,
        )
        saved = self.only_at().deployment(new_name)
        self._take_along(deployment, saved, owner)
        return saved

    def stranded_runs(self, name: str) -> int:
        """How many waiting runs would crash if the deployment were deleted: all except those that schedules made and nobody
        has claimed or moved. Raises `NotFound`.
        """
        where = RunFilter(deployment=self.deployment(name).name, states=WAITING)
        return sum(not goes_with_deployment(run) for run in self.store.runs(where, limit=MAX_RECHECKED))

    def deployments(self, pool: str | None = None) -> Sequence[Deployment]:
        """Every deployment, or every one of a pool, by name."""
        return self.store.deployments(pool)

    def deployment(self, name: str) -> Deployment:
        """One deployment. Raises `NotFound`."""
        deployment = self.store.deployment(text(name, "deployment"))
        if deployment is None:
            raise NotFound(missing("deployment", name, [other.name for other in self.store.deployments()]))
        check_version(deployment, self.deployment_version)
        return deployment

    def delete_deployment(self, name: str) -> None:
        """Delete a deployment and the waiting runs that its schedules made and nobody claimed. Raises `NotFound`.

        Its other runs stay. One that waits crashes when it is claimed.
        """
        self.recorder.delete_deployment(self.deployment(name))

    def _save_deployment(self, deployment: Deployment, before: Deployment | None) -> Deployment:
        checked, owner = self._checked_deployment(deployment)
        return self._recorded(checked, before, owner)

    def _recorded(self, deployment: Deployment, before: Deployment | None, owner: WorkPool) -> Deployment:
        """The saved deployment. Start a tick of its pool when the change gives it room."""
        saved = self.recorder.save_deployment(deployment, before, owner, self.clock.now())
        if before is not None and before.pool == saved.pool and gives_deployment_room(before, saved, owner):
            self.start_tick([owner.name])
        return saved

    def _take_along(self, before: Deployment, after: Deployment, owner: WorkPool) -> None:
        """Move the waiting runs, and start a tick of their pool if one of them may start there."""
        now = self.clock.now()
        moved = take_along(self.store, before, after, owner, now)
        self.start_tick([owner.name] if any(may_start(run, owner, now) for run in moved) else [])

    def _checked_deployment(self, deployment: Deployment) -> tuple[Deployment, WorkPool]:
        """The checked deployment, ready to be saved, and its pool. Raises `NotFound` or `InvalidInput`."""
        schedules = tuple(map(in_utc, deployment.schedules))
        deployment = replace(deployment, schedules=schedules, retry=plain_policy(deployment.retry))
        validate(deployment)
        check_windows_to_come(deployment, self.store.deployment(deployment.name), self.clock.now())
        pool = self.work_pool(deployment.pool)
        check_own(pool, DEPLOYED)
        self._queue(pool, deployment.queue)
        deployment = coerced(pool, deployment)
        check_deployment_parameters(pool, deployment)
        check_variables(pool, deployment, self.jobs)
        check_schedules(pool, deployment, self.jobs)
        return deployment, pool
