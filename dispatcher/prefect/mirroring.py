"""Pools and queues of the server become ours. Nothing is checked or written while they have not changed there."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from hashlib import sha256
from typing import Any
from uuid import UUID

from dispatcher.core.transitions import end
from dispatcher.environment.settings import PREFECT_IMAGE
from dispatcher.errors import InvalidInput
from dispatcher.models import DEFAULT_QUEUE, Mirror, RunState, WorkPool, WorkQueue
from dispatcher.models.records import RunFilter
from dispatcher.protocols import Store
from providers import registry

Shown = Mapping[str, Any]
"""A pool or a queue as the server shows it."""

ProblemOf = Callable[[WorkPool], str]
"""Why a pool cannot be used; empty when it can."""

NAME = "prefect"
"""What mirrored pools carry as their source."""

COMMAND = "prefect flow-run execute"
"""The command that Prefect's workers run, unless a job variable names another."""

WITHOUT_PREFECT = frozenset({"python:3.12-slim"})
"""The images that our default templates start from: no flow can run in them."""

SECRETS_BY_NAME = "azure-container-instance"
"""The types whose jobs take secrets by names of `DISPATCHER_CREDENTIALS`."""
SECRETS: Mapping[str, Any] = {
    "title": "Secrets",
    "type": "object",
    "additionalProperties": {"type": "string"},
    "description": "Environment variables that are secret, by names of the dispatcher's credentials or addresses in a vault.",
}

GONE = "Prefect does not have it any more, or its type is not served"

MOST = 1000
"""How many runs of a deleted queue one tick withdraws."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ForJobs:
    """What every job of a flow run needs, unless its template sets it."""

    api_url: str
    """The server, as jobs reach it."""
    image: str = PREFECT_IMAGE


class Mirroring:
    """Brings our pools in line with the server's."""

    def __init__(
        self,
        store: Store,
        jobs: ForJobs,
        new_id: Callable[[], UUID],
        problem_of: ProblemOf | None = None,
        fill: Callable[[Any], Any] = lambda template: template,
    ) -> None:
        """`fill` replaces the server's variables in a template."""
        self._store, self._jobs, self._new_id, self._problem_of = store, jobs, new_id, problem_of or problem_in
        self._fill = fill

    def mirror(
        self, record: Mapping[str, Any], queues: Sequence[Mapping[str, Any]], now: datetime
    ) -> tuple[WorkPool | None, str]:
        """Our pool for one of the server's, and why it is not exactly that. Raises `StoreError` or `Conflict`."""
        name = str(record.get("name"))
        stored = self._store.pool(name)
        if stored is not None and (stored.mirror is None or stored.mirror.source != NAME):
            return None, f"work pool {name!r}: a pool of our own has this name; rename one of the two"
        pool, revision = self._mirrored_pool(record, queues, now)
        if stored is not None and stored.mirror is not None and stored.mirror.revision == revision:
            return stored, stored.mirror.problem
        if stored is not None and stored.type != pool.type:
            return None, f"work pool {name!r} was {stored.type} and is {pool.type} in Prefect: give it another name there"
        problem = self._template_problem(stored, pool)
        if problem and stored is None:
            return None, f"work pool {name!r} is not served: {problem}"
        return self._saved(stored, pool, Mirror(source=NAME, revision=revision, problem=problem), now), problem

    def pause_missing(self, names: Sequence[str]) -> Sequence[str]:
        """Pause the mirrored pools that the server does not have any more; `names` are those that it has."""
        missing = [
            pool for pool in self._store.pools() if pool.mirror and pool.mirror.source == NAME and pool.name not in names
        ]
        for pool in missing:
            mirror = Mirror(source=NAME, revision="", problem=GONE)
            if not pool.paused or pool.mirror != mirror:
                self._store.save_pool(replace(pool, paused=True, mirror=mirror), expected_version=pool.version)
        return [f"Prefect: work pool {pool.name!r} is paused: {GONE}" for pool in missing]

    def _mirrored_pool(
        self, record: Mapping[str, Any], queues: Sequence[Mapping[str, Any]], now: datetime
    ) -> tuple[WorkPool, str]:
        template = self._fill(record.get("base_job_template")) or _default_template(str(record.get("type")))
        pool = WorkPool(
            id=self._new_id(),  # the same pool in another store has another
            name=str(record.get("name")),
            type=str(record.get("type")),
            base_job_template=adapted(template, self._jobs, str(record.get("type"))),
            queues=_queues(queues),
            concurrency_limit=record.get("concurrency_limit"),
            paused=bool(record.get("is_paused")),
            description=str(record.get("description") or ""),
            created_at=now,
        )
        return pool, _revision(pool)

    def _template_problem(self, stored: WorkPool | None, pool: WorkPool) -> str:
        """A template in use is not checked again, so that a pause comes through even if checks have become stricter since."""
        in_use = stored is not None and stored.base_job_template == pool.base_job_template
        return "" if in_use else self._problem_of(pool)

    def _saved(self, stored: WorkPool | None, pool: WorkPool, mirror: Mirror, now: datetime) -> WorkPool:
        if stored is None:
            return self._store.save_pool(replace(pool, mirror=mirror), expected_version=None)
        self._withdraw(stored, {queue.name for queue in pool.queues}, now)
        template = stored.base_job_template if mirror.problem else pool.base_job_template
        whole = replace(pool, id=stored.id, created_at=stored.created_at, base_job_template=template, mirror=mirror)
        return self._store.save_pool(whole, expected_version=stored.version)

    def _withdraw(self, stored: WorkPool, queues: set[str], now: datetime) -> None:
        """End the runs that wait in deleted queues: their flow runs are in another queue now, or in none."""
        for queue in stored.queues:
            if queue.name not in queues:
                where = RunFilter(pool=stored.name, queue=queue.name, states=frozenset({RunState.SCHEDULED}))
                runs = self._store.runs(where, limit=MOST)
                reason = "its work queue was deleted in Prefect"
                if moves := [end(run, RunState.CANCELLED, reason, now, notifies=False) for run in runs]:
                    self._store.move(moves)


def adapted(template: Any, jobs: ForJobs, pool_type: str) -> Any:
    """A base job template in which everything that a flow run's job needs has a default; what is set stays."""
    template = _with_secrets(template) if pool_type.startswith(SECRETS_BY_NAME) else template
    variables = template.get("variables") if isinstance(template, Mapping) else None
    properties = variables.get("properties") if isinstance(variables, Mapping) else None
    if not isinstance(variables, Mapping) or not isinstance(properties, Mapping):
        return template
    filled = {name: _filled(name, schema, jobs) for name, schema in properties.items()}
    required = [name for name in variables.get("required") or () if name not in ("command", "image", "env")]
    return {**template, "variables": {**variables, "properties": filled, **({"required": required} if required else {})}}


def _with_secrets(template: Any) -> Any:
    """Prefect's templates have no place for the reference to the key: its workers send the key itself."""
    variables, configuration = (_mapping(_mapping(template).get(part)) for part in ("variables", "job_configuration"))
    properties = variables.get("properties")
    if not isinstance(properties, Mapping) or "secrets" in properties or "secrets" in configuration:
        return template
    return {
        **template,
        "variables": {**variables, "properties": {**properties, "secrets": SECRETS}},
        "job_configuration": {**configuration, "secrets": "{{ secrets }}"},
    }


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _filled(name: str, schema: Any, jobs: ForJobs) -> Any:
    own: Mapping[str, Any] = {"command": COMMAND, "image": jobs.image}
    if not isinstance(schema, Mapping):
        return schema
    default = schema.get("default")
    if name == "env":
        return {**schema, "default": {"PREFECT_API_URL": jobs.api_url, **(default if isinstance(default, Mapping) else {})}}
    is_open = not default or (name == "image" and default in WITHOUT_PREFECT)
    return {**schema, "default": own[name]} if name in own and is_open else schema


def _default_template(pool_type: str) -> Mapping[str, Any]:
    return registry.default_template(pool_type)


def _queues(queues: Sequence[Mapping[str, Any]]) -> tuple[WorkQueue, ...]:
    """In order of priority, with distinct numbers; the server allows ties, and its default queue may have another name."""
    mirrored: list[WorkQueue] = []
    for queue in sorted(queues, key=lambda queue: (int(queue.get("priority") or 1), str(queue.get("name")))):
        above = mirrored[-1].priority if mirrored else 0
        mirrored.append(
            WorkQueue(
                name=str(queue.get("name")),
                priority=max(above + 1, int(queue.get("priority") or 1)),
                concurrency_limit=queue.get("concurrency_limit"),
                paused=bool(queue.get("is_paused")),
                description=str(queue.get("description") or ""),
            )
        )
    if all(queue.name != DEFAULT_QUEUE for queue in mirrored):
        mirrored.append(WorkQueue(name=DEFAULT_QUEUE, priority=mirrored[-1].priority + 1 if mirrored else 1))
    return tuple(mirrored)


def _revision(pool: WorkPool) -> str:
    """A digest of everything that is mirrored."""
    queues = [(queue.name, queue.priority, queue.concurrency_limit, queue.paused, queue.description) for queue in pool.queues]
    parts = [pool.type, pool.base_job_template, pool.concurrency_limit, pool.paused, pool.description, queues]
    return sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:16]


def problem_in(pool: WorkPool) -> str:
    """Why the pool would be refused if somebody saved it here. Loads the libraries of validation: only for what has changed."""
    from dispatcher.client.checks import check_base_job_template, validate  # noqa: PLC0415 - a tick validates nothing else

    try:
        validate(pool)
        check_base_job_template(pool.base_job_template)
        warnings_in(pool)
    except InvalidInput as problem:
        return str(problem)
    return ""


def warnings_in(pool: WorkPool) -> Sequence[str]:
    """The warnings that saving the pool here would show: credentials blocks, fields without effect. Raises `InvalidInput`."""
    from dispatcher.client.jobs import Jobs  # noqa: PLC0415 - likewise

    warnings = list[str]()
    Jobs(warn=warnings.append).check_pool(pool)
    return warnings
