"""Whether what an automation names exists, and whether its runs could start: checked when it is saved."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from dispatcher.client.arguments import missing
from dispatcher.client.checks import check_job_variables, check_parameter_schema
from dispatcher.client.mirrors import CONFIGURED, RUN, why_not
from dispatcher.client.parameters import check_action_parameters
from dispatcher.core.deeds import FROM_PARTS
from dispatcher.core.own_values import PARAMETERS
from dispatcher.core.parameters import merged, types_of
from dispatcher.core.placeholders import joined
from dispatcher.core.plain_schemas import is_open
from dispatcher.errors import Fault, InvalidVariables
from dispatcher.models import Automation, Deployment, RunOf, Target, Then, When, WorkPool

MAX_AUTOMATIONS = 500
"""A tick of a pool at which any of them looks reads all of them."""

CONDITIONS = ("ended", "late", "held", "not_ticked", "longer")
"""What an automation may look at."""

Pools = Mapping[str, WorkPool]
Deployments = Mapping[str, Deployment]


def automation_faults(automation: Automation, pools: Pools, deployments: Deployments) -> Iterator[Fault]:
    """The faults of an automation: names that do not exist, job variables that do not fit. It has been validated before."""
    when = automation.when
    for field in CONDITIONS:
        condition = getattr(when, field)
        if condition is not None:
            names = {name: getattr(condition, name, None) for name in ("deployment", "pool", "queue")}
            yield from _name_faults(f"when.{field}", Target(**names), pools, deployments)
    for index, then in enumerate(automation.then):
        yield from _deed_faults(f"then[{index}]", then, automation.when, pools, deployments)


def _deed_faults(root: str, then: Then, when: When, pools: Pools, deployments: Deployments) -> Iterator[Fault]:
    for verb, target in (("pause", then.pause), ("resume", then.resume)):
        if target is not None:
            yield from _name_faults(f"{root}.{verb}", target, pools, deployments)
            pool = pools.get(target.pool or "")
            if pool is not None and pool.mirror is not None:
                yield Fault(f"{root}.{verb}.pool", why_not(pool, CONFIGURED))
    for verb, is_wanted in (("retry", then.retry), ("cancel", then.cancel)):
        pool = _watched_pool(when, pools) if is_wanted else None
        if pool is not None and pool.mirror is not None:
            yield Fault(f"{root}.{verb}", why_not(pool, RUN))
    if then.run is not None:
        yield from _run_faults(f"{root}.run", then.run, when, pools, deployments)


def _watched_pool(when: When, pools: Pools) -> WorkPool | None:
    """The pool that is named by what an automation looks at."""
    conditions = (getattr(when, field) for field in CONDITIONS)
    names = [name for condition in conditions if (name := getattr(condition, "pool", None)) is not None]
    return pools.get(names[0]) if names else None


def _name_faults(root: str, names: Target, pools: Pools, deployments: Deployments) -> Iterator[Fault]:
    if names.deployment is not None and names.deployment not in deployments:
        yield Fault(f"{root}.deployment", missing("deployment", names.deployment, deployments))
    pool = pools.get(names.pool) if names.pool is not None else None
    if names.pool is not None and pool is None:
        yield Fault(f"{root}.pool", missing("work pool", names.pool, pools))
    if names.queue is not None and pool is not None and pool.queue(names.queue) is None:
        queues = [queue.name for queue in pool.queues]
        yield Fault(f"{root}.queue", missing("work queue", names.queue, queues, of=pool.name))


def _run_faults(root: str, action: RunOf, when: When, pools: Pools, deployments: Deployments) -> Iterator[Fault]:
    """Job variables from the run that ended are not known yet: a run that does not fit them crashes with the reason."""
    deployment = deployments.get(action.deployment)
    if deployment is None:
        yield Fault(f"{root}.deployment", missing("deployment", action.deployment, deployments))
        return
    pool = pools.get(deployment.pool)
    if pool is None or not pool.base_job_template:
        return
    faults = list(_parameter_faults(action, when, pool, deployment, deployments))
    for fault in faults or _variable_faults(action, pool, deployment):
        yield Fault(joined(root, fault.path), fault.message)


def _variable_faults(action: RunOf, pool: WorkPool, deployment: Deployment) -> Iterator[Fault]:
    try:
        check_job_variables(
            pool.base_job_template,
            action.job_variables,
            deployment_variables=deployment.job_variables,
            parameters=merged(deployment, action.parameters),
            partial=bool(action.from_run or action.parameters_from_run),
        )
    except InvalidVariables as problem:
        for fault in problem.faults:
            yield Fault(joined("job_variables", fault.path) if fault.path else "job_variables", fault.message)
    properties = pool.base_job_template.get("variables", {}).get("properties") or {}
    for name in action.from_run:
        if name.partition(".")[0] not in properties:
            yield Fault(joined("from_run", name), missing("job variable", name, properties, of=pool.name))


def _parameter_faults(
    action: RunOf, when: When, pool: WorkPool, deployment: Deployment, deployments: Deployments
) -> Iterator[Fault]:
    """Check fixed values in full, values of the ended run by type. A tick checks them all before it creates a run."""
    try:
        check_parameter_schema(deployment.parameter_openapi_schema)
    except InvalidVariables:
        return  # its deployment's own fault
    try:
        check_action_parameters(pool, deployment, action)
    except InvalidVariables as problem:
        yield from problem.faults
    source = deployments.get(when.ended.deployment or "") if when.ended else None
    for name, path in action.parameters_from_run.items():
        if words := _misfit(name, path, deployment, source):
            yield Fault(joined("parameters_from_run", name), words)


def _misfit(name: str, path: str, deployment: Deployment, source: Deployment | None) -> str:
    """Why a parameter cannot take a value of the run that ended; empty if it can, as far as is known.

    `source`: the deployment whose run ended, where the automation names one.
    """
    schema = deployment.parameter_openapi_schema
    declared = schema.get("properties") or {}
    if name not in declared:
        return missing("parameter", name, declared, of=deployment.name) if schema and not is_open(schema) else ""
    root, _, inner = path.partition(".")
    schema_of_source = source.parameter_openapi_schema if source and root == PARAMETERS else {}
    parameters = schema_of_source.get("properties") or {}
    if schema_of_source and inner.partition(".")[0] not in parameters and not is_open(schema_of_source):
        return missing("parameter", inner, parameters, of=source.name if source else None)
    return _mismatch(types_of(declared[name]), types_of(parameters.get(inner) or {}) or _types_of_run(root), path)


def _types_of_run(root: str) -> list[str]:
    """The types of what a run that ended gives by itself; empty for its job variables and parameters."""
    return [] if root in FROM_PARTS else ["integer"] if root == "exit_code" else ["string"]


def _mismatch(takes: Sequence[str], brings: Sequence[str], path: str) -> str:
    numbers = {"integer", "number"}
    both = set(takes) & set(brings) or (numbers & set(takes) and numbers & set(brings))
    return "" if both or not takes or not brings else f"takes {' or '.join(takes)}, and `{path}` is {' or '.join(brings)}"
