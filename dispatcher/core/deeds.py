"""What automations do when they act. Pure: the result is written in one transaction (`Store.automate`).

If an automation cannot act (its deployment is gone, a chain is too long), the record of the firing says so, and the other
automations still act.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid5

from dispatcher.core.automation_words import target_in_words
from dispatcher.core.automations import Look
from dispatcher.core.changes import ABSENT
from dispatcher.core.creation import copied
from dispatcher.core.names import with_end
from dispatcher.core.notifications import at_creation
from dispatcher.core.parameters import merged, misfits, parameters_of
from dispatcher.core.pauses import noted
from dispatcher.core.placeholders import joined
from dispatcher.core.retries import name_of_retry
from dispatcher.core.transitions import cancelled
from dispatcher.models import (
    Cause,
    Deployment,
    Firing,
    LogEntry,
    Paused,
    Run,
    RunOf,
    Target,
    Then,
    WorkPool,
    WorkQueue,
)
from dispatcher.models.lanes import lane_for
from dispatcher.models.records import Automated, Move

RETRY_LIMIT = 10
"""The longest chain of runs that `retry` makes."""

CANCELLED_AT_ONCE = 25
"""The most late runs that one look cancels; the next looks cancel the rest."""

FROM_RUN = ("id", "name", "state", "exit_code", "scheduled_at", "deployment")
"""What a new run can take from the run that ended."""

TIME_OF_RUN = "scheduled_at"
"""The only one of them that is a time, in UTC."""

FROM_PARTS = ("job_variables", "parameters")
"""The mappings of a run from which it can take a value: `job_variables.NAME`."""


MISFITS_SHOWN = 5
"""The most faults of parameters that a record names."""


class NotDone(Exception):
    """Something that an automation cannot do. Carries one line."""


@dataclass(slots=True)
class Deeds:
    """What all automations do on one occasion. Each sees what the automations before it have done."""

    pool: str
    """The pool whose tick it is."""
    now: datetime
    read_pool: Callable[[str], WorkPool | None]
    read_deployment: Callable[[str], Deployment | None]
    pools: dict[str, WorkPool] = field(default_factory=dict)
    deployments: dict[str, Deployment] = field(default_factory=dict)
    runs: dict[UUID, Run] = field(default_factory=dict)
    moves: dict[UUID, Move] = field(default_factory=dict)
    firings: list[Firing] = field(default_factory=list)
    entries: list[LogEntry] = field(default_factory=list)
    history: timedelta | None = None
    """How long an entry of the log is kept; None: for ever."""

    def act(self, look: Look) -> Firing:
        """Do what an automation does; returns its record."""
        did, problems, paused, hooks = list[str](), list[str](), list[Paused](), list[str]()
        for number, then in enumerate(look.automation.then):
            try:
                did.append(self._perform(then, look, number, paused, hooks))
            except NotDone as problem:
                problems.append(str(problem))
        run = look.runs[0] if look.automation.when.ended and look.runs else None
        firing = Firing(
            id=look.firing_id,
            automation=look.automation.name,
            pool=self.pool,
            fired_at=self.now,
            because=look.because or "",
            run=run.id if run else None,
            did=tuple(did),
            problems=tuple(problems),
            paused=tuple(paused),
            hooks=tuple(dict.fromkeys(hooks)),
            notify_at=self.now if hooks else None,
        )
        self.firings.append(firing)
        return firing

    def copy(self) -> Deeds:
        """A copy on which an automation acts: if it fails half-way, the copy is dropped."""
        return replace(
            self,
            pools=dict(self.pools),
            deployments=dict(self.deployments),
            runs=dict(self.runs),
            moves=dict(self.moves),
            firings=list(self.firings),
            entries=list(self.entries),
        )

    def whole(self, looks: Iterable[Look], run: Run | None) -> Automated:
        """All results, as one transaction writes them; `run` is the run whose end was looked at."""
        return Automated(
            run=run,
            progressed=tuple(look.automation for look in looks if look.progressed),
            firings=tuple(self.firings),
            runs=tuple(self.runs.values()),
            moves=tuple(self.moves.values()),
            pools=tuple(self.pools.values()),
            deployments=tuple(self.deployments.values()),
            entries=tuple(self.entries),
            now=self.now,
        )

    def _perform(self, then: Then, look: Look, number: int, paused: list[Paused], hooks: list[str]) -> str:
        match then:
            case Then(pause=Target() as target):
                return self._switched(target, look, paused, to=True)
            case Then(resume=Target() as target):
                return self._switched(target, look, paused, to=False)
            case Then(run=RunOf() as action):
                return self._ran(action, look, number)
            case Then(retry=True):
                return self._retried(look, number)
            case Then(cancel=True):
                return self._cancelled(look)
            case Then(notify=str() as hook):
                hooks.append(hook)
                return f"notified hook {hook!r}"
        raise NotDone("it has nothing to do")

    # Pausing

    def _switched(self, target: Target, look: Look, done: list[Paused], *, to: bool) -> str:
        words = target_in_words(target)
        version = self._switch(target, to)
        verb = "paused" if to else "resumed"
        if version is None:
            return f"left {words} as it was: it was {verb} already"
        done.append(Paused(target=target, paused=to, version=version))
        path = "paused" if target.queue is None else joined(joined("queues", target.queue), "paused")
        field = {"action": "change", "path": path, "before": not to, "after": to}
        noun, name = ("deployment", target.deployment) if target.deployment is not None else ("work pool", target.pool or "")
        self._note(look, "change", noun, name, fields=(field,))
        return f"{verb} {words}"

    def _switch(self, target: Target, paused: bool) -> int | None:  # noqa: FBT001 - a value
        """The noun's version afterwards; None where nothing changes."""
        if target.deployment is not None:
            deployment = self._deployment(target.deployment)
            if deployment.paused is paused:
                return None
            self.deployments[deployment.name] = replace(deployment, paused=paused)
            return deployment.version + 1
        pool = self._pool(target.pool or "")
        changed = replace(pool, paused=paused) if target.queue is None else _with_queue(pool, target.queue, paused)
        if changed == pool:
            return None
        if pool.mirror is not None:
            raise NotDone(f"work pool {pool.name!r} is configured by its source ({pool.mirror.source})")
        self.pools[pool.name] = noted(pool, changed, self.now)
        return pool.version + 1

    # Runs

    def _ran(self, action: RunOf, look: Look, number: int) -> str:
        deployment = self._deployment(action.deployment)
        cause = _cause(look, action.chain_limit)
        taken = self._run_values(action.from_run, look)
        parameters = {**action.parameters, **self._taken_parameters(action, deployment, look)}
        if unfit := list(misfits(deployment, merged(deployment, parameters))):
            raise NotDone(f"made no run of deployment {deployment.name!r}: {'; '.join(unfit[:MISFITS_SHOWN])}")
        identity, pool = uuid5(look.firing_id, f"run/{number}"), self._pool_of(deployment)
        run = Run(
            id=identity,
            name=with_end(deployment.name, f"-{identity.hex[:8]}"),
            job_variables={**action.job_variables, **{name: value for name, value in taken.items() if value is not None}},
            parameters=parameters,
            tags=tuple(dict.fromkeys((*deployment.tags, *action.tags))),
            created_at=self.now,
            scheduled_at=self.now,
            cause=cause,
            **copied(deployment, self.now, pool.hooks, share=pool.share_in(deployment.queue)),
        )
        self.runs[run.id] = run
        return f"made run {run.name!r} of deployment {deployment.name!r}"

    def _retried(self, look: Look, number: int) -> str:
        [old] = look.runs
        pool, deployment = self._pool(old.pool), self.read_deployment(old.deployment) if old.deployment else None
        if pool.queue(old.queue) is None:
            raise NotDone(f"no work queue named {old.queue!r} in work pool {old.pool!r}")
        self._refuse_mirrored(look.runs, "retry")
        run = Run(
            id=uuid5(look.firing_id, f"retry/{number}"),
            name=name_of_retry(old),
            pool=old.pool,
            queue=old.queue,
            deployment=old.deployment,
            job_variables=old.job_variables,
            parameters=old.parameters,
            tags=old.tags,
            created_at=self.now,
            scheduled_at=old.scheduled_at,
            retry=old.retry,
            cause=_cause(look, RETRY_LIMIT),
            due_at=self.now,
            expires_at=self.now + old.expires_after if old.expires_after else None,
            lane=deployment.lane_at(old.priority, pool.share_in(old.queue)) if deployment else lane_for(None, old.priority),
            **at_creation((*pool.hooks, *(deployment.hooks if deployment else ())), self.now),
        )
        self.runs[run.id] = run
        field = {"path": "retry", "action": "create", "before": None, "after": str(run.id)}
        self._note(look, "retry", "run", str(old.id), fields=(field,), runs=1)
        return f"made run {run.name!r}, which runs {old.name!r} again"

    def _cancelled(self, look: Look) -> str:
        self._refuse_mirrored(look.runs, "cancel")
        runs = look.runs[:CANCELLED_AT_ONCE]
        moves = [cancelled(run, self.now) for run in runs]
        self.moves |= {move.run_id: move for move in moves if move}
        self._note(look, "cancel", "runs", f"pool {self.pool}", runs=sum(move is not None for move in moves))
        return f"cancelled {len(runs)} runs: {', '.join(repr(run.name) for run in runs[:10])}"

    def _refuse_mirrored(self, runs: Sequence[Run], verb: str) -> None:
        """Refuse for mirrored pools, where the source decides what runs: it would send a cancelled run again, and knows nothing
        of our retries.
        """
        if any(run.source_id is not None for run in runs):
            pool = self._pool(runs[0].pool)
            if pool.mirror is not None:
                raise NotDone(f"runs of work pool {pool.name!r} are those of {pool.mirror.source}: {verb} them there")

    def _note(self, look: Look, verb: str, noun: str, name: str, **details: Any) -> None:
        """Note in the log what an automation changes. Runs that it creates need no entry: they record it themselves."""
        self.entries.append(
            LogEntry(
                id=uuid5(look.firing_id, f"log/{len(self.entries)}"),
                changed_at=self.now,
                actor=look.automation.name,
                via="automation",
                verb=verb,
                noun=noun,
                name=name,
                note=look.because or "",
                kept_until=self.now + self.history if self.history is not None else None,
                **details,
            )
        )

    # What is read

    def _taken_parameters(self, action: RunOf, deployment: Deployment, look: Look) -> Mapping[str, Any]:
        """Parameters taken from the run that ended. A time becomes a date where the schema says so."""
        taken = dict(self._run_values(action.parameters_from_run, look))
        declared = deployment.parameter_openapi_schema.get("properties") or {}
        for name in taken.keys() & declared.keys():
            if action.parameters_from_run[name] == TIME_OF_RUN and takes_date(declared[name]):
                taken[name] = taken[name][: len("2030-01-01")]
        return taken

    def _run_values(self, paths: Mapping[str, str], look: Look) -> Mapping[str, Any]:
        """Values of the run that ended, by name; values that it does not have are left out."""
        if not look.runs or not paths:
            return {}
        run = look.runs[0]
        source = self.read_deployment(run.deployment) if run.deployment else None
        parts = {"job_variables": run.job_variables, "parameters": parameters_of(run, source)}
        values = {name: _value_of(run, parts, path) for name, path in paths.items()}
        return {name: value for name, value in values.items() if value is not ABSENT}

    def _pool(self, name: str) -> WorkPool:
        pool = self.pools.get(name) or self.read_pool(name)
        if pool is None:
            raise NotDone(f"no work pool named {name!r}")
        return pool

    def _pool_of(self, deployment: Deployment) -> WorkPool:
        pool = self._pool(deployment.pool)
        if pool.queue(deployment.queue) is None:
            raise NotDone(f"no work queue named {deployment.queue!r} in work pool {pool.name!r}")
        return pool

    def _deployment(self, name: str) -> Deployment:
        deployment = self.deployments.get(name) or self.read_deployment(name)
        if deployment is None:
            raise NotDone(f"no deployment named {name!r}")
        return deployment


def _with_queue(pool: WorkPool, name: str, paused: bool) -> WorkPool:  # noqa: FBT001 - a value
    if pool.queue(name) is None:
        raise NotDone(f"no work queue named {name!r} in work pool {pool.name!r}")
    return replace(pool, queues=tuple(_switched(queue, name, paused) for queue in pool.queues))


def _switched(queue: WorkQueue, name: str, paused: bool) -> WorkQueue:  # noqa: FBT001 - a value
    return replace(queue, paused=paused) if queue.name == name else queue


def _cause(look: Look, limit: int) -> Cause:
    """The cause of a new run. Raises `NotDone` if the chain would become too long."""
    run = look.runs[0] if look.automation.when.ended and look.runs else None
    depth = 1 + (run.cause.depth if run and run.cause else 0)
    if depth > limit:
        raise NotDone(f"made no run: {limit} runs have already been made one because of another (`chain_limit`)")
    return Cause(automation=look.automation.name, run=run.id if run else None, depth=depth)


def takes_date(declared: Any) -> bool:
    """Whether a schema takes a date without a time."""
    return isinstance(declared, Mapping) and declared.get("format") == "date"


def _value_of(run: Run, parts: Mapping[str, Mapping[str, Any]], path: str) -> Any:
    root, _, name = path.partition(".")
    if root in parts:
        return _below(parts[root], name.split("."))
    value = getattr(run, root)
    if value is None:
        return ABSENT
    return value if isinstance(value, int) and not isinstance(value, bool) else _text(value)


def _text(value: Any) -> str:
    return value.isoformat() if isinstance(value, datetime) else str(value)


def _below(value: Any, path: Sequence[str]) -> Any:
    for name in path:
        value = value.get(name, ABSENT) if isinstance(value, Mapping) else ABSENT
    return value


# Notifications


def identity(firing: Firing, hook: str) -> UUID:
    """The id of the notification of one hook: the same for every try, so that a receiver can ignore repeats."""
    return uuid5(firing.id, hook)


def firing_notification(firing: Firing, hook: str, now: datetime) -> Mapping[str, Any]:
    """The notification's body, in JSON's values."""
    data = {
        "hook": hook,
        "automation": firing.automation,
        "pool": firing.pool,
        "run": str(firing.run) if firing.run else None,
        "fired_at": firing.fired_at.isoformat(timespec="milliseconds"),
        "because": firing.because,
        "did": list(firing.did),
        "problems": list(firing.problems),
    }
    return {"type": "automation.fired", "timestamp": now.isoformat(), "data": data}
