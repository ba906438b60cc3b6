"""Hides secrets before anything is shown: by their names, and by what a pool's template calls secret.

A template calls a variable secret with `writeOnly`, or with the format `password`. `dispatcher.core.redaction` has the rules.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from dispatcher.core.parameters import as_json
from dispatcher.core.redaction import redacted, secret_texts, without
from dispatcher.models import Automation, Deployment, Run, RunOf, WorkPool

if TYPE_CHECKING:
    from dispatcher.protocols import SharedStore


def of_pools(
    pools: Iterable[WorkPool],
    deployments: Iterable[Deployment] = (),
    runs: Iterable[Run] = (),
    automations: Iterable[Automation] = (),
) -> frozenset[str]:
    """The secret texts of pools' templates, and of variables and parameters that others set for them."""
    deployments, runs = list(deployments), list(runs)
    levels = [(deployment.pool, variables) for deployment in deployments for variables in _levels(deployment)]
    owners = {deployment.name: deployment.pool for deployment in deployments}
    actions = [then.run for automation in automations for then in automation.then if then.run is not None]
    levels += [(owners.get(action.deployment, ""), action.job_variables) for action in actions]
    levels += [(run.pool, run.job_variables) for run in runs]
    texts = (
        secret_texts(pool.base_job_template, *(variables for owner, variables in levels if owner == pool.name))
        for pool in pools
    )
    return frozenset().union(*texts, *(_of_parameters(deployment, runs, actions) for deployment in deployments))


def secret_parameters(deployment: Deployment | None, *levels: Mapping[str, Any]) -> frozenset[str]:
    """The values of parameters that the deployment's schema calls secret, as they are and as they stand in JSON."""
    if deployment is None or not deployment.parameter_openapi_schema:
        return frozenset()
    texts = secret_texts({"variables": deployment.parameter_openapi_schema}, deployment.parameters, *levels)
    return texts | {as_json(text)[1:-1] for text in texts}


def of_runs(store: SharedStore, runs: Iterable[Run], deployments: Iterable[Deployment] = ()) -> frozenset[str]:
    """The secret texts of runs, their deployments and their pools."""
    runs = list(runs)
    sources = [store.deployment(name) for name in {run.deployment for run in runs} if name is not None]
    deployments = [source for source in (*sources, *deployments) if source is not None]
    pools = [store.pool(name) for name in {run.pool for run in runs} | {deployment.pool for deployment in deployments}]
    return of_pools([pool for pool in pools if pool is not None], deployments, runs)


def _of_parameters(deployment: Deployment, runs: Iterable[Run], actions: Iterable[RunOf]) -> frozenset[str]:
    own = [run.parameters for run in runs if run.deployment == deployment.name]
    own += [action.parameters for action in actions if action.deployment == deployment.name]
    return secret_parameters(deployment, *(schedule.parameters for schedule in deployment.schedules), *own)


def of_automations(store: SharedStore, automations: Iterable[Automation]) -> frozenset[str]:
    """The secret texts that automations set for the runs that they make."""
    automations = list(automations)
    names = {then.run.deployment for automation in automations for then in automation.then if then.run is not None}
    deployments = [deployment for name in sorted(names) if (deployment := store.deployment(name))]
    pools = [pool for name in sorted({deployment.pool for deployment in deployments}) if (pool := store.pool(name))]
    return of_pools(pools, deployments, automations=automations)


def _levels(deployment: Deployment) -> list[Mapping[str, Any]]:
    """The job variables of a deployment, and those that its schedules bring."""
    return [deployment.job_variables, *(schedule.job_variables for schedule in deployment.schedules)]


def hide(texts: frozenset[str], value: Any) -> Any:
    """A copy without secrets: these texts, and everything that looks like one."""
    return redacted(without(texts, value))
