"""Runs that are created together: what they have in common is read and checked once."""

from __future__ import annotations

import marshal
from collections.abc import Mapping
from hashlib import blake2b
from typing import Any, TypeAlias

from dispatcher.client.checks import check_job_variables, coerced_parameters, coerced_variables
from dispatcher.client.deployments import Deployments
from dispatcher.client.parameters import check_run_parameters, environment_of
from dispatcher.client.priorities import front_priority
from dispatcher.models import Deployment, WorkPool

Values: TypeAlias = tuple[Mapping[str, Any], Mapping[str, Any]]
"""Job variables, and parameters."""

NONE: Mapping[str, Any] = {}


class Batch:
    """The pools, deployments, job variables and parameters of the runs of one call."""

    def __init__(self, dispatcher: Deployments) -> None:
        self._dispatcher, self._jobs = dispatcher, dispatcher.jobs
        self._pools: dict[str, WorkPool] = {}
        self._deployments: dict[str, Deployment] = {}
        self._values: dict[tuple[str, str | None, int, int], tuple[Any, Any]] = {}
        self._sound = set[bytes]()
        self._fronts: dict[tuple[str, str], int] = {}

    def pool(self, name: str) -> WorkPool:
        """A work pool. Raises `NotFound`."""
        if name not in self._pools:
            self._pools[name] = self._dispatcher.work_pool(name)
        return self._pools[name]

    def deployment(self, name: str) -> Deployment:
        """A deployment. Raises `NotFound`."""
        if name not in self._deployments:
            self._deployments[name] = self._dispatcher.deployment(name)
        return self._deployments[name]

    def front(self, pool: str, queue: str) -> int:
        """The priority in front of a queue, the same for all runs of the call. Raises `Conflict`."""
        if (pool, queue) not in self._fronts:
            now = self._dispatcher.clock.now()
            self._fronts[pool, queue] = front_priority(self._dispatcher.store, pool, queue, now)
        return self._fronts[pool, queue]

    def values(self, pool: WorkPool, deployment: Deployment | None, variables: Any, parameters: Any) -> Values:
        """A run's own job variables, converted to the template's types, and its own parameters, likewise by the schema.

        Raises `InvalidVariables`.
        """
        brought = NONE if variables is None else variables, NONE if parameters is None else parameters
        key = pool.name, deployment.name if deployment else None, id(brought[0]), id(brought[1])
        if key not in self._values:  # keeps the objects alive, so that no other object gets their ids
            self._values[key] = brought, self._checked(pool, deployment, *brought)
        values: Values = self._values[key][1]
        return values

    def _checked(self, pool: WorkPool, deployment: Deployment | None, variables: Any, parameters: Any) -> Values:
        variables = coerced_variables(pool.base_job_template, variables)
        parameters = coerced_parameters(deployment.parameter_openapi_schema if deployment else NONE, parameters)
        mark = _mark(pool.name, deployment.name if deployment else None, variables, parameters)
        if mark is None or mark not in self._sound:
            self._check(pool, deployment, variables, parameters)
        if mark is not None:
            self._sound.add(mark)
        return variables, parameters

    def _check(self, pool: WorkPool, deployment: Deployment | None, variables: Any, parameters: Any) -> None:
        whole = check_run_parameters(pool, deployment, parameters, variables)
        levels: dict[str, Any] = {
            "deployment_variables": deployment.job_variables if deployment else None,
            "parameters": whole,
        }
        check_job_variables(pool.base_job_template, variables, **levels)
        self._jobs.check_run(pool, variables, environment=environment_of(pool, deployment, whole), **levels)


def _mark(*parts: Any) -> bytes | None:
    """A key that is the same for equal values of the same types. None for a value with other than JSON's types.

    `marshal` distinguishes exact types; in JSON, the keys 1 and "1" are the same.
    """
    try:
        return blake2b(marshal.dumps(parts, 0), digest_size=16).digest()
    except ValueError:
        return None
