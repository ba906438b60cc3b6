"""Whether what an automation names exists, and whether its runs could start: checked when it is saved."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from dispatcher.client.arguments import missing
from dispatcher.client.checks import check_job_variables
from dispatcher.client.mirrors import CONFIGURED, why_not
from dispatcher.core.placeholders import joined
from dispatcher.errors import Fault, InvalidVariables
from dispatcher.models import Automation, Deployment, RunOf, Target, Then, WorkPool

MAX_AUTOMATIONS = 500
"""A tick of a pool at which any of them looks reads all of them."""

Pools = Mapping[str, WorkPool]
Deployments = Mapping[str, Deployment]


def automation_faults(automation: Automation, pools: Pools, deployments: Deployments) -> Iterator[Fault]:
    """Every name that does not exist, and job variables that do not fit. The automation has been validated."""
    when = automation.when
    for field in ("ended", "late", "held", "not_ticked", "longer"):
        condition = getattr(when, field)
        if condition is not None:
            names = {name: getattr(condition, name, None) for name in ("deployment", "pool", "queue")}
            yield from _name_faults(f"when.{field}", Target(**names), pools, deployments)
    for index, then in enumerate(automation.then):
        yield from _deed_faults(f"then[{index}]", then, pools, deployments)


def _deed_faults(root: str, then: Then, pools: Pools, deployments: Deployments) -> Iterator[Fault]:
    for verb, target in (("pause", then.pause), ("resume", then.resume)):
        if target is not None:
            yield from _name_faults(f"{root}.{verb}", target, pools, deployments)
            pool = pools.get(target.pool or "")
            if pool is not None and pool.mirror is not None:
                yield Fault(f"{root}.{verb}.pool", why_not(pool, CONFIGURED))
    if then.run is not None:
        yield from _run_faults(f"{root}.run", then.run, pools, deployments)


def _name_faults(root: str, names: Target, pools: Pools, deployments: Deployments) -> Iterator[Fault]:
    if names.deployment is not None and names.deployment not in deployments:
        yield Fault(f"{root}.deployment", missing("deployment", names.deployment, deployments))
    pool = pools.get(names.pool) if names.pool is not None else None
    if names.pool is not None and pool is None:
        yield Fault(f"{root}.pool", missing("work pool", names.pool, pools))
    if names.queue is not None and pool is not None and pool.queue(names.queue) is None:
        queues = [queue.name for queue in pool.queues]
        yield Fault(f"{root}.queue", missing("work queue", names.queue, queues, of=pool.name))


def _run_faults(root: str, action: RunOf, pools: Pools, deployments: Deployments) -> Iterator[Fault]:
    """Values from the run that ended are not known yet: a run that does not fit them crashes with the reason."""
    deployment = deployments.get(action.deployment)
    if deployment is None:
        yield Fault(f"{root}.deployment", missing("deployment", action.deployment, deployments))
        return
    pool = pools.get(deployment.pool)
    if pool is None or not pool.base_job_template:
        return
    try:
        check_job_variables(
            pool.base_job_template,
            action.job_variables,
            deployment_variables=deployment.job_variables,
            partial=bool(action.from_run),
        )
    except InvalidVariables as problem:
        for fault in problem.faults:
            path = joined(f"{root}.job_variables", fault.path) if fault.path else f"{root}.job_variables"
            yield Fault(path, fault.message)
    properties = pool.base_job_template.get("variables", {}).get("properties") or {}
    for name in action.from_run:
        if name.partition(".")[0] not in properties:
            yield Fault(f"{root}.from_run.{name}", missing("job variable", name, properties, of=pool.name))
