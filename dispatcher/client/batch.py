"""Runs that are created together: what they have in common is read and checked once."""

from __future__ import annotations

import marshal
from collections.abc import Mapping
from hashlib import blake2b
from typing import Any

from dispatcher.client.checks import check_job_variables, coerced_variables
from dispatcher.client.deployments import Deployments
from dispatcher.models import Deployment, WorkPool

NO_VARIABLES: Mapping[str, Any] = {}


class Batch:
    """The pools, deployments and job variables of the runs of one call."""

    def __init__(self, dispatcher: Deployments) -> None:
        self._dispatcher, self._jobs = dispatcher, dispatcher.jobs
        self._pools: dict[str, WorkPool] = {}
        self._deployments: dict[str, Deployment] = {}
        self._variables: dict[tuple[str, str | None, int], tuple[Any, Any]] = {}
        self._sound = set[bytes]()

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

    def variables(self, pool: WorkPool, deployment: Deployment | None, brought: Any) -> Mapping[str, Any]:
        """A run's own job variables, converted to the template's types. Raises `InvalidVariables`."""
        brought = NO_VARIABLES if brought is None else brought
        key = pool.name, deployment.name if deployment else None, id(brought)
        if key not in self._variables:  # keeps the object alive, so that no other object gets its id
            self._variables[key] = brought, self._checked(pool, deployment, brought)
        variables: Mapping[str, Any] = self._variables[key][1]
        return variables

    def _checked(self, pool: WorkPool, deployment: Deployment | None, brought: Any) -> Any:
        variables = coerced_variables(pool.base_job_template, brought)
        inherited = deployment.job_variables if deployment else None
        mark = _mark(pool.name, deployment.name if deployment else None, variables)
        if mark is None or mark not in self._sound:
            check_job_variables(pool.base_job_template, variables, deployment_variables=inherited)
            self._jobs.check_run(pool, variables, deployment_variables=inherited)
        if mark is not None:
            self._sound.add(mark)
        return variables


def _mark(*parts: Any) -> bytes | None:
    """A key that is the same for equal values of the same types. None for a value with other than JSON's types.

    `marshal` distinguishes exact types; in JSON, the keys 1 and "1" are the same.
    """
    try:
        return blake2b(marshal.dumps(parts, 0), digest_size=16).digest()
    except ValueError:
        return None
