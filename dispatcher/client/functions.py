"""Deployments of Python functions: the runner is their command, and the function's signature declares their parameters."""

from __future__ import annotations

import inspect
import shlex
from collections.abc import Callable, Iterable, Mapping
from datetime import timedelta
from functools import partial
from typing import Any, Never

from dispatcher.client.arguments import UNSET, without_unset
from dispatcher.client.checks import signature_schema
from dispatcher.client.local import PROCESS, RUNNER, command_here, tick_until_stopped
from dispatcher.client.simulations import Simulations
from dispatcher.errors import Fault, InvalidInput, NotFound
from dispatcher.models import DEFAULT_QUEUE, Deployment, OnCollision, Schedule

Target = str | Callable[..., Any]

LOCAL = "local"
"""The pool in which functions are served."""

DEFAULTS: Mapping[str, Any] = {
    "retry": None,
    "hooks": (),
    "concurrency_limit": None,
    "on_collision": OnCollision.WAIT,
    "max_waiting": None,
    "expires_after": None,
    "priority": 0,
    "weight": 1,
}
"""Further fields of a deployment that `deploy` sets, with their values where they are left out."""


class Functions(Simulations):
    """What people do with functions."""

    def deploy(
        self,
        target: Target,
        *,
        name: str,
        pool: str,
        image: str | None = None,
        queue: str = DEFAULT_QUEUE,
        cron: str | None = None,
        interval: timedelta | None = None,
        rrule: str | None = None,
        timezone: str = "UTC",
        schedules: Iterable[Schedule] = UNSET,
        job_variables: Mapping[str, Any] | None = None,
        parameters: Mapping[str, Any] | None = None,
        description: str | None = None,
        **more: Any,
    ) -> Deployment:
        """Create the deployment of a function, or change an existing one to what is passed; its pause stays as it is.

        `target` is `etl:main` (imported here, and in the job), or the function itself. Its runs take the parameters of its
        signature. The job's command is `python -m dispatcher.job etl:main`, unless `job_variables` have one; `image` is where
        the function and this package are installed. In a pool of type process, jobs have this interpreter, this directory and
        the places where modules are looked for now. `schedules` go beside the one of `cron`, `interval` or `rrule`. `more` are
        further fields of `create_deployment`.

        Raises `InvalidInput`, `NotFound` (pool or queue).
        """
        text, function = resolved(target)
        fields = {
            "pool": pool,
            "queue": queue,
            "job_variables": self._variables(pool, text, image, job_variables or {}),
            "parameters": parameters or {},
            "parameter_openapi_schema": signature_schema(function),
            "description": _first_line(function) if description is None else description,
            "schedules": [*_schedules(cron, interval, rrule, timezone), *([] if schedules is UNSET else schedules)],
            "tags": (),
            **without_unset(**more),
        }
        try:
            self.deployment(name)
        except NotFound:
            return self.create_deployment(name, **fields)
        return self.update_deployment(name, **{**DEFAULTS, **fields})

    def _variables(self, pool: str, target: str, image: str | None, own: Mapping[str, Any]) -> Mapping[str, Any]:
        owner = self.work_pool(pool)
        declared = owner.base_job_template["variables"].get("properties", {})
        ours = _runner(owner.type, target, own, declared) | ({} if image is None else {"image": image})
        faults = [
            Fault(
                name,
                f"the template of work pool {pool!r} has no variable {name}; add it, so that a function can be deployed there",
            )
            for name in ours
            if name not in declared
        ]
        if faults:
            raise InvalidInput("deployment", faults)
        return {**ours, **own}

    def serve(
        self, target: Target, *, name: str, pool: str = LOCAL, limit: int | None = None, every: float = 2.0, **more: Any
    ) -> None:
        """Deploy a function to this machine, and run its runs until Ctrl-C: each in a process with this interpreter.

        `pool` is of type process, and is created with the concurrency `limit` if there is none. It alone is ticked, every so
        many seconds. `more` is what `deploy` takes. Call it in the main thread under `if __name__ == "__main__":`; jobs import
        the module too. Jobs that run at Ctrl-C go on, and the next call sees their end. Raises `InvalidInput`.
        """
        text, function = resolved(target)
        self._local_pool(pool, limit)
        self.deploy(target if isinstance(target, str) else function, name=name, pool=pool, **more)
        print(
            f"Serving {text} as {name!r} in work pool {pool!r}. Try: dispatcher deployment run {name}. Ctrl-C ends it.",
            flush=True,
        )
        tick_until_stopped(self.store, pool, every)

    def _local_pool(self, name: str, limit: int | None) -> None:
        try:
            pool = self.work_pool(name)
        except NotFound:
            pool = self.create_work_pool(name, type=PROCESS, concurrency_limit=limit)
        if pool.type != PROCESS:
            words = f"is of type {pool.type}, and functions are served by a pool of type {PROCESS}; name another"
            raise InvalidInput("function", [Fault("pool", f"{name!r} {words}")])


def resolved(target: Target) -> tuple[str, Callable[..., Any]]:
    """The name of a function, and the function. Raises `InvalidInput` where there is none, or its module cannot be imported."""
    from dispatcher.ticking.seam import attempted  # noqa: PLC0415 - of no use to other commands

    return attempted(partial(_resolved, target), partial(_refuse, target))


def _resolved(target: Target) -> tuple[str, Callable[..., Any]]:
    from dispatcher.job.targets import TargetError, load, target_of  # noqa: PLC0415 - likewise

    try:
        return (target, load(target)) if isinstance(target, str) else (target_of(target), target)
    except TargetError as problem:
        raise InvalidInput("function", [Fault("target", str(problem))]) from None


def _refuse(target: Target, problem: Exception) -> Never:
    """Raise `InvalidInput` for what the module of a function raises when it is imported."""
    if isinstance(problem, InvalidInput):
        raise problem
    words = f"importing {target} raised {type(problem).__name__}: {problem}"
    raise InvalidInput("function", [Fault("target", words)]) from problem


def _runner(pool_type: str, target: str, own: Mapping[str, Any], declared: Iterable[str]) -> dict[str, Any]:
    """The variables that make a job the runner of a function. With a command of one's own, how it starts is one's own too."""
    if pool_type != PROCESS or "command" in own:
        return {"command": shlex.join(["python", *RUNNER, target])}
    return {name: value for name, value in command_here(target).items() if name == "command" or name in declared}


def _schedules(cron: str | None, interval: timedelta | None, rrule: str | None, timezone: str) -> list[Schedule]:
    kinds = {"cron": cron, "interval": interval, "rrule": rrule}
    rules: dict[str, Any] = {kind: value for kind, value in kinds.items() if value is not None}
    return [Schedule(slug=kind, timezone=timezone, **{kind: value}) for kind, value in rules.items()]


def _first_line(function: Callable[..., Any]) -> str:
    """The first line of the docstring."""
    return (inspect.getdoc(function) or "").partition("\n")[0].strip()
