"""The faults of a whole configuration, each with its path in the file."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from functools import partial

from dispatcher.client.arguments import check_pool_type, missing
from dispatcher.client.automation_checks import MAX_AUTOMATIONS, automation_faults
from dispatcher.client.checks import check_base_job_template, check_windows_to_come, validate
from dispatcher.client.deployment_checks import below_variables, check_schedules, check_variables
from dispatcher.client.jobs import Jobs
from dispatcher.client.mirrors import CONFIGURED, DEPLOYED, why_not
from dispatcher.client.parameters import check_deployment_parameters
from dispatcher.core.changes import Configuration
from dispatcher.core.placeholders import joined
from dispatcher.errors import Fault, InvalidInput
from dispatcher.models import Automation, Deployment, WorkPool

PARTS = {"work pool": "pools", "deployment": "deployments", "automation": "automations"}
"""By kind: the top-level key of a file."""


def foreign_faults(named: Configuration, stored: Configuration, owner: str) -> Iterator[Fault]:
    """A fault for each named noun that another owner has, or none, and that would become this owner's."""
    before = stored.nouns
    for (kind, name), noun in named.nouns.items():
        was = before.get((kind, name))
        if was is not None and was.owner not in (noun.owner, owner):
            whose = f"belongs to owner {was.owner!r}" if was.owner else "has no owner"
            path = joined(PARTS[kind], name)
            words = f"{whose}, and this configuration is {_owner_text(owner)}: take it over (--take-over), or leave it out"
            yield Fault(path, words)


def _owner_text(owner: str) -> str:
    return f"that of {owner!r}" if owner else "nobody's"


def faults_of(named: Configuration, target: Configuration, stored: Configuration, jobs: Jobs) -> Iterator[Fault]:
    """All faults: of each noun by itself, then of the names by which they refer to each other."""
    written = {pool.name for pool in named.pools}, {deployment.name for deployment in named.deployments}
    sound = {pool.name: pool for pool in target.pools if pool.name not in written[0]}
    for pool in named.pools:
        faults = list(_pool_faults(pool, jobs))
        yield from faults
        if not faults:
            sound[pool.name] = pool
    pools = {pool.name: pool for pool in target.pools}
    deleted = {pool.name for pool in stored.pools} - pools.keys()
    for deployment in named.deployments:
        root = joined("deployments", deployment.name)
        slugs = {"schedules": [schedule.slug for schedule in deployment.schedules]}
        yield from _by_names(_under(root, partial(validate, deployment)), root, slugs | _hook_names(deployment))
        yield from _place_faults(deployment, pools, deleted, sound, jobs)
    for deployment in target.deployments:
        if deployment.name not in written[1] and deployment.pool in deleted:
            words = f"would be deleted, but deployment {deployment.name!r} of another owner uses it"
            yield Fault(joined("pools", deployment.pool), words)
        elif deployment.name not in written[1]:
            yield from _unnamed_faults(deployment, sound, jobs)
    if len(target.automations) > MAX_AUTOMATIONS:
        yield Fault("automations", f"must be at most {MAX_AUTOMATIONS}, those in the store included")
    for automation in named.automations:
        yield from _automation_faults(automation, target, sound)


def _automation_faults(automation: Automation, target: Configuration, sound: Mapping[str, WorkPool]) -> Iterator[Fault]:
    """Its own faults, or else the faults of the names in it. Job variables are not checked if the pool has faults."""
    root = joined("automations", automation.name)
    own = list(_under(root, partial(validate, automation)))
    yield from own
    if not own:
        pools = {pool.name: sound.get(pool.name) or replace(pool, base_job_template={}) for pool in target.pools}
        deployments = {deployment.name: deployment for deployment in target.deployments}
        for fault in automation_faults(automation, pools, deployments):
            yield Fault(joined(root, fault.path), fault.message)


def over_faults(named: Configuration, stored: Configuration, now: datetime) -> Iterator[Fault]:
    """New or changed schedules that have no window to come. Checked only when there are no other faults."""
    before = {deployment.name: deployment for deployment in stored.deployments}
    for deployment in named.deployments:
        root = joined("deployments", deployment.name)
        slugs = {"schedules": [schedule.slug for schedule in deployment.schedules]}
        check = partial(check_windows_to_come, deployment, before.get(deployment.name), now)
        yield from _by_names(_under(root, check), root, slugs)


def _pool_faults(pool: WorkPool, jobs: Jobs) -> Iterator[Fault]:
    root = joined("pools", pool.name)
    if pool.mirror is not None:
        yield Fault(root, why_not(pool, CONFIGURED))
        return
    unknown = list(_under(root, lambda: check_pool_type(pool.type)))
    yield from unknown
    if not unknown:
        yield from _under(joined(root, "base_job_template"), partial(_check_template, pool, jobs))
    queues = {"queues": [queue.name for queue in pool.queues]}
    yield from _by_names(_under(root, lambda: validate(pool)), root, queues | _hook_names(pool))


def _place_faults(
    deployment: Deployment, pools: Mapping[str, WorkPool], deleted: set[str], sound: Mapping[str, WorkPool], jobs: Jobs
) -> Iterator[Fault]:
    """Faults of a deployment's pool, queue and variables. Its variables are not checked when the pool has faults."""
    root, owner = joined("deployments", deployment.name), pools.get(deployment.pool)
    if owner is None:
        why = "; it is not in the configuration, so that prune would delete it" if deployment.pool in deleted else ""
        yield Fault(joined(root, "pool"), missing("work pool", deployment.pool, pools) + why)
    elif owner.mirror is not None:
        yield Fault(joined(root, "pool"), why_not(owner, DEPLOYED))
    elif owner.queue(deployment.queue) is None:
        names = [queue.name for queue in owner.queues]
        yield Fault(joined(root, "queue"), missing("work queue", deployment.queue, names, of=deployment.pool))
    if owner is not None and deployment.pool in sound:
        yield from _value_faults(deployment, owner, root, jobs)


def _value_faults(deployment: Deployment, owner: WorkPool, root: str, jobs: Jobs) -> Iterator[Fault]:
    """Faults of a deployment's parameters, then of its job variables, because these may depend on parameters."""
    slugs = {"schedules": [schedule.slug for schedule in deployment.schedules]}
    faults = list(_by_names(_under(root, partial(check_deployment_parameters, owner, deployment)), root, slugs))
    yield from faults
    if not faults:
        for fault in _under("", partial(check_variables, owner, deployment, jobs)):
            yield Fault(joined(root, below_variables(fault.path)), fault.message)
        yield from _by_names(_under(root, partial(check_schedules, owner, deployment, jobs)), root, slugs)


def _unnamed_faults(deployment: Deployment, sound: Mapping[str, WorkPool], jobs: Jobs) -> Iterator[Fault]:
    """Faults of a deployment that is not named: its queue would be deleted, or it would not fit a changed template."""
    owner = sound.get(deployment.pool)
    if owner is None:
        return
    root, whose = joined("pools", deployment.pool), f"deployment {deployment.name!r}, which the configuration does not name"
    if owner.queue(deployment.queue) is None:
        yield Fault(
            joined(root, "queues"),
            f"{deployment.queue!r} would be deleted, but it is the queue of {whose}: name both, or neither",
        )
    try:
        check_deployment_parameters(owner, deployment)
        check_variables(owner, deployment, jobs, quiet=True)
        check_schedules(owner, deployment, jobs, quiet=True)
    except InvalidInput as problem:
        faults = "; ".join(str(fault) for fault in problem.faults)
        yield Fault(joined(root, "base_job_template"), f"{whose}, would no longer fit: {faults}")


def _check_template(pool: WorkPool, jobs: Jobs) -> None:
    check_base_job_template(pool.base_job_template)
    jobs.check_pool(pool)


def _under(root: str, check: Callable[[], None]) -> Iterator[Fault]:
    """The faults that a check raises, with paths from the root."""
    try:
        check()
    except InvalidInput as problem:
        for fault in problem.faults:
            yield Fault(joined(root, fault.path) if fault.path else root, fault.message)


def _hook_names(noun: WorkPool | Deployment) -> dict[str, list[str]]:
    return {"hooks": [hook.name for hook in noun.hooks]}


def _by_names(faults: Iterable[Fault], root: str, names: Mapping[str, Sequence[str]]) -> Iterator[Fault]:
    """The faults with names instead of indices in their paths, as the file has them."""
    for fault in faults:
        path = fault.path
        for field, identities in names.items():
            path = _by_name(path, joined(root, field), identities)
        yield Fault(path, fault.message)


def _by_name(path: str, root: str, names: Sequence[str]) -> str:
    """`queues[1].priority` as `queues.critical.priority`, `schedules[0].cron` as `schedules.daily.cron`."""
    for number, name in enumerate(names):
        head = f"{root}[{number}]"
        if path.startswith(head):
            return joined(root, name) + path.removeprefix(head)
    return path
