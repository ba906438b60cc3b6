"""The whole configuration at once: plan what a file would change, apply it, and export what is stored.

    plan = dispatcher.plan({"pools": {"nightly": {"type": "process", "concurrency_limit": 2}}})
    for change in plan.changes: ...
    dispatcher.apply(plan)

What a configuration names becomes as the configuration says: a field that is left out gets its default, a queue that is left
out is deleted. Pauses stay when the configuration does not mention them. Pools, deployments and automations that it does not
name stay too, except with `prune`. A configuration with an `owner` sees only what that owner has: everything else stays as it
is, also with `prune`, and a change of it is refused, unless `take_over` says otherwise.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from dispatcher.client.arguments import default_base_job_template
from dispatcher.client.automations import Automations
from dispatcher.client.checks import read_configuration
from dispatcher.client.configuration_checks import faults_of, foreign_faults, over_faults
from dispatcher.client.pools import WAITING
from dispatcher.client.runs import FIRINGS_SEARCHED
from dispatcher.core.changes import Action, Change, Configuration, Noun, changes, digest, sparse
from dispatcher.core.drift import Drift, attributed, drift, is_switch, with_notes
from dispatcher.core.redaction import HIDDEN, hidden_at
from dispatcher.core.room import with_room
from dispatcher.core.windows import goes_with_deployment, is_withdrawn, saving
from dispatcher.errors import Conflict, Fault, InvalidInput
from dispatcher.models import DEFAULT_QUEUE, Automation, Deployment, Run, WorkPool, WorkQueue
from dispatcher.models.records import Reconfiguration, RunFilter

SUBJECT = "configuration"

Key = tuple[str, str]
"""The kind (`work pool` or `deployment`) and the name of a noun."""

NOT_WHOLE = (
    f"holds {HIDDEN}, which stands for a secret in what was shown or exported: put the value there (export --show-secrets), "
    "or better a reference to it"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What a configuration would change, decided from one reading of the store."""

    stored: Configuration
    target: Configuration
    """The configuration after the plan is applied, including what the file does not name."""
    changes: tuple[Change, ...]
    unnamed: tuple[Key, ...]
    """Kind and name of what the owner has in the store and the file does not name; it stays."""
    owner: str = ""
    """Whose configuration it is; empty: nobody's."""
    named: frozenset[Key] = frozenset()
    """Kind and name of what the file names."""
    drift: tuple[Drift, ...] = ()
    """What people and automations changed since the last apply, of what the owner has."""

    @property
    def hash(self) -> str:
        """The hash of the stored configuration, as far as the owner sees it. `apply(expect=...)` refuses when it differs."""
        return digest(_part(self.stored, self._sees))

    @property
    def hash_after(self) -> str:
        """The same after the plan is applied."""
        return digest(_part(self.target, self._sees))

    def _sees(self, key: Key, noun: Noun) -> bool:
        return noun.owner == self.owner or key in self.named


class Configurations(Automations):
    """What people do with the whole configuration."""

    # The whole configuration

    def plan(self, configuration: Any, *, prune: bool = False, take_over: bool = False) -> Plan:
        """What a configuration, in JSON's values, would change. `prune` deletes what it does not name.

        What another owner has is refused, except with `take_over`, and never pruned.

        Raises `InvalidInput` with every fault and its path; `InvalidVariables` when waiting runs, or deployments that the
        configuration does not name, would no longer fit a changed template.
        """
        if marks := [Fault(path, NOT_WHOLE) for path in hidden_at(configuration)]:
            raise InvalidInput(SUBJECT, marks)
        stored = self._stored()
        named = with_notes(read_configuration(configuration, stored, kept=self._kept, template=_own_template), configuration)
        owner, keys = configuration.get("owner", ""), frozenset(named.nouns)
        target = _with_unnamed(named, _spared(stored, owner) if prune else stored)
        if faults := [] if take_over else list(foreign_faults(named, stored, owner)):
            raise InvalidInput(SUBJECT, faults)
        faults = list(faults_of(named, target, stored, self.jobs)) or list(over_faults(named, stored, self.clock.now()))
        if faults:
            raise InvalidInput(SUBJECT, faults)
        differences = changes(stored, target)
        self._check_with_waiting_runs(stored, target, named)
        unnamed = () if prune else tuple(_part(stored, lambda key, noun: noun.owner == owner and key not in keys).nouns)
        seen = _part(stored, lambda key, noun: noun.owner == owner or key in keys)
        plan = Plan(stored=stored, target=target, changes=differences, unnamed=unnamed, owner=owner, named=keys)
        return replace(plan, drift=self._drift(seen))

    def apply(self, plan: Plan, *, expect: str | None = None) -> Plan:
        """Apply a plan: all of it, or nothing. Only in DynamoDB a large plan takes several transactions.

        Raises `Conflict` when the stored configuration has changed since the plan was made, when its hash differs from
        `expect`, or when a pool or queue that would be deleted has runs that have not ended.
        """
        if expect is not None and expect != plan.hash:
            words = f"the stored configuration has the hash {plan.hash}, not {expect}: plan again, and look at the difference"
            raise Conflict(words)
        if plan.changes or _saved(plan):
            change, note = _reconfiguration(plan, self.clock.now()), f"apply {plan.hash_after}"
            self.recorder.reconfigure(change, plan.stored, plan.target, plan.changes, note)
            self.start_tick(with_room(plan.stored.pools, plan.target.pools, _deployments_of_both(plan)))
        return plan

    def export(self, *, owner: str | None = None) -> dict[str, Any]:
        """The stored configuration as `plan` takes it, without fields that have their default values.

        With an owner, only what that one has.
        """
        pools = {pool.name: _written(pool) for pool in self.store.pools() if pool.mirror is None}
        exported = {
            "pools": pools,
            "deployments": {deployment.name: sparse(deployment) for deployment in self.store.deployments()},
        }
        if automations := {automation.name: sparse(automation) for automation in self.store.automations()}:
            exported["automations"] = automations
        return exported if owner is None else {"owner": owner, **{kind: _owned(exported[kind], owner) for kind in exported}}

    def drift(self) -> tuple[Drift, ...]:
        """What people and automations changed since the last apply."""
        return self._drift(self._stored())

    def _drift(self, seen: Configuration) -> tuple[Drift, ...]:
        lines = list(drift(seen))
        firings = self.store.firings(None, limit=FIRINGS_SEARCHED) if any(map(is_switch, lines)) else ()
        return tuple(attributed(lines, seen, firings))

    def _stored(self) -> Configuration:
        return Configuration(
            pools=tuple(self.store.pools()),
            deployments=tuple(self.store.deployments()),
            automations=tuple(self.store.automations()),
        )

    def _kept(self) -> Mapping[str, Any]:
        return {"id": self.clock.new_id(), "created_at": self.clock.now()}

    def _check_with_waiting_runs(self, stored: Configuration, target: Configuration, named: Configuration) -> None:
        """Check waiting runs against changed templates and variables, as `update_work_pool` and `update_deployment` do."""
        pools = {pool.name: pool for pool in target.pools}
        deployments = {deployment.name: deployment for deployment in target.deployments}
        before, goes = stored.nouns, _withdrawn(stored, target, self.clock.now())
        for pool in named.pools:
            old = before.get(("work pool", pool.name))
            if isinstance(old, WorkPool) and old.base_job_template != pool.base_job_template:
                self._check_waiting(RunFilter(pool=pool.name, states=WAITING), pool, deployments, goes=goes)
        for deployment in named.deployments:
            was = before.get(("deployment", deployment.name))
            if isinstance(was, Deployment) and _values(was) != _values(deployment):
                where = RunFilter(deployment=deployment.name, states=WAITING)
                self._check_waiting(where, pools[deployment.pool], deployments, goes=goes)


def _values(deployment: Deployment) -> tuple[Any, ...]:
    """What a waiting run reads of its deployment when it is claimed."""
    return deployment.job_variables, deployment.parameters, deployment.parameter_openapi_schema


def _withdrawn(stored: Configuration, target: Configuration, now: datetime) -> Callable[[Run], bool]:
    """Whether a waiting run is deleted because its schedule is removed or changed, or its deployment is deleted."""
    after = {deployment.name: deployment for deployment in target.deployments}
    before = {deployment.name: deployment for deployment in stored.deployments}
    gone = {name: saving(before[name], after[name], now).withdrawn for name in before.keys() & after.keys()}

    def goes(run: Run) -> bool:
        name = run.deployment or ""
        if name in before and name not in after:
            return goes_with_deployment(run)
        return is_withdrawn(run, gone.get(name, frozenset()), now)

    return goes


def _own_template(pool_type: str) -> Mapping[str, Any]:
    """The default template of a type. An unknown type is reported later, with its path."""
    try:
        return default_base_job_template(pool_type)
    except InvalidInput:
        return {}


def _deployments_of_both(plan: Plan) -> Sequence[tuple[Deployment, Deployment]]:
    """The deployments that there are before and after the plan."""
    stored = {deployment.name: deployment for deployment in plan.stored.deployments}
    return [(stored[after.name], after) for after in plan.target.deployments if after.name in stored]


def _saved(plan: Plan) -> list[Noun]:
    """The nouns that `apply` saves: those that change, and the named ones whose note of what was applied differs."""
    stored, changed = plan.stored.nouns, {(change.noun, change.name) for change in plan.changes}
    return [
        noun
        for key, noun in plan.target.nouns.items()
        if key in changed or (key in plan.named and stored[key].applied != noun.applied)
    ]


def _part(whole: Configuration, belongs: Callable[[Key, Noun], bool]) -> Configuration:
    """The pools and deployments that belong to a part of the configuration."""
    return Configuration(
        pools=tuple(pool for pool in whole.pools if belongs(("work pool", pool.name), pool)),
        deployments=tuple(noun for noun in whole.deployments if belongs(("deployment", noun.name), noun)),
        automations=tuple(noun for noun in whole.automations if belongs(("automation", noun.name), noun)),
    )


def _spared(stored: Configuration, owner: str) -> Configuration:
    """What `prune` spares, whether it is named or not: the pools that a source keeps, and what others own."""
    return _part(stored, lambda _key, noun: noun.owner != owner or (isinstance(noun, WorkPool) and noun.mirror is not None))


def _owned(nouns: Mapping[str, Any], owner: str) -> dict[str, Any]:
    """What one owner has, without saying so at each."""
    mine = {name: noun for name, noun in nouns.items() if noun.get("owner", "") == owner}
    return {name: {key: value for key, value in noun.items() if key != "owner"} for name, noun in mine.items()}


def _with_unnamed(named: Configuration, stored: Configuration) -> Configuration:
    """The named nouns, and the stored ones that are not named."""
    pools = {pool.name: pool for pool in (*stored.pools, *named.pools)}
    deployments = {deployment.name: deployment for deployment in (*stored.deployments, *named.deployments)}
    automations = {automation.name: automation for automation in (*stored.automations, *named.automations)}
    return Configuration(
        pools=tuple(pools.values()), deployments=tuple(deployments.values()), automations=tuple(automations.values())
    )


def _reconfiguration(plan: Plan, now: datetime) -> Reconfiguration:
    saved = _saved(plan)
    gone = [change for change in plan.changes if change.action is Action.DELETE]
    return Reconfiguration(
        pools_read={pool.name: pool.version for pool in plan.stored.pools},
        deployments_read={deployment.name: deployment.version for deployment in plan.stored.deployments},
        now=now,
        pools=tuple(noun for noun in saved if isinstance(noun, WorkPool)),
        deployments=tuple(noun for noun in saved if isinstance(noun, Deployment)),
        pools_gone=tuple(change.name for change in gone if change.noun == "work pool"),
        deployments_gone=tuple(change.name for change in gone if change.noun == "deployment"),
        automations_read={automation.name: automation.version for automation in plan.stored.automations},
        automations=tuple(noun for noun in saved if isinstance(noun, Automation)),
        automations_gone=tuple(change.name for change in gone if change.noun == "automation"),
    )


def _written(pool: WorkPool) -> dict[str, Any]:
    """A pool as people write it, without the default template of its type and an unchanged default queue."""
    written = sparse(pool)
    if written["base_job_template"] == _own_template(pool.type):
        del written["base_job_template"]
    if pool.queues == (WorkQueue(name=DEFAULT_QUEUE, priority=1),):
        del written["queues"]
    ordered = [name for name in _ORDER if name in written]
    return {name: written[name] for name in [*ordered, *(written.keys() - _ORDER.keys())]}


_ORDER = dict.fromkeys(("type", "description", "concurrency_limit", "paused", "queues", "hooks", "base_job_template"))
"""The fields in the order of a reader's interest, long ones last."""
