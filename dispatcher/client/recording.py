"""Every change that the client makes in its store, each with its entry of the log.

This is the only place of the client that calls a verb of the store which changes something, so that no change is left out; but
for `relocation`, whose runs move with their deployment, which has an entry.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID

from dispatcher.client.actors import of_process
from dispatcher.client.secrets import hide, of_pools
from dispatcher.core.changes import Change, Configuration, changes, shape
from dispatcher.core.pauses import noted
from dispatcher.environment.clock import Clock
from dispatcher.models import Actor, Automation, Deployment, LogEntry, Run, WorkPool
from dispatcher.models.lanes import priority_of
from dispatcher.models.records import Move, Reconfiguration, Requeue

if TYPE_CHECKING:
    from dispatcher.protocols import PeopleStore

LONGEST_VALUE = 300
"""The most characters, as JSON, of a value in an entry. Longer ones are cut."""
LONGEST_ENTRY = 3000
"""The most characters, as JSON, of the fields of an entry. Further fields are counted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorder:
    """Changes a store, and writes the log."""

    store: PeopleStore
    clock: Clock
    actor: Actor | None
    """None: who runs this process."""
    kept: timedelta | None
    """For how long an entry is kept; None: for ever."""

    def entry(self, verb: str, noun: str, name: str, *, id: UUID | None = None, **details: Any) -> LogEntry:  # noqa: A002 - the field
        """A new entry, of now."""
        now, actor = self.clock.now(), self.actor or of_process()
        until = None if self.kept is None else now + self.kept
        who: dict[str, Any] = {"actor": actor.name, "via": actor.via, "kept_until": until}
        return LogEntry(id=id or self.clock.new_id(), changed_at=now, verb=verb, noun=noun, name=name, **who, **details)

    def save_pool(self, pool: WorkPool, before: WorkPool | None) -> WorkPool:
        """Create a pool, or replace it as it was read before."""
        entry = self._of_nouns(_only(before), _only(pool))
        pool = noted(before, pool, self.clock.now())
        return self.store.save_pool(pool, expected_version=before.version if before else None, entry=entry)

    def delete_pool(self, pool: WorkPool) -> None:
        """Delete a pool as it was read."""
        entry = self._of_nouns(_only(pool), Configuration())
        self.store.delete_pool(pool.name, expected_version=pool.version, entry=entry)

    def save_deployment(self, deployment: Deployment, before: Deployment | None, owner: WorkPool, now: datetime) -> Deployment:
        """Create a deployment, or replace it as it was read before."""
        entry = self._of_nouns(_only(before), _only(deployment), owner)
        version = before.version if before else None
        return self.store.save_deployment(deployment, expected_version=version, now=now, entry=entry)

    def delete_deployment(self, deployment: Deployment) -> None:
        """Delete a deployment."""
        self.store.delete_deployment(deployment.name, entry=self._of_nouns(_only(deployment), Configuration()))

    def save_automation(self, automation: Automation, before: Automation | None) -> Automation:
        """Create an automation, or replace it as it was read before."""
        entry = self._of_nouns(_only(before), _only(automation))
        return self.store.save_automation(automation, expected_version=before.version if before else None, entry=entry)

    def delete_automation(self, automation: Automation) -> None:
        """Delete an automation."""
        self.store.delete_automation(automation.name, entry=self._of_nouns(_only(automation), Configuration()))

    def rename_deployment(self, change: Reconfiguration, old: str, new: str) -> None:
        """Carry out the change that gives a deployment another name."""
        fields = ({"path": "name", "action": "change", "before": old, "after": new},)
        entry = self.entry("change", "deployment", new, fields=fields)
        self.store.reconfigure(replace(change, entries=(entry,)))

    def reconfigure(
        self, change: Reconfiguration, stored: Configuration, target: Configuration, parts: Iterable[Change], note: str
    ) -> None:
        """Carry out a change of many pools and deployments, with an entry for each of them."""
        secrets = _secrets(stored, target)
        entries = tuple(self._of_change(part, secrets, note) for part in parts)
        before = {pool.name: pool for pool in stored.pools}
        pools = tuple(noted(before.get(pool.name), pool, change.now) for pool in change.pools)
        self.store.reconfigure(replace(change, pools=pools, entries=entries))

    def add_runs(self, runs: Sequence[Run], entry: LogEntry | None = None) -> frozenset[UUID]:
        """Add new runs. A run is the record of its own creation, so only work on old runs (`retry`) has an entry."""
        return self.store.add_runs(runs, entry=entry)

    def move(self, moves: Sequence[Move], entry: LogEntry | None = None) -> frozenset[UUID]:
        """Move runs."""
        return self.store.move(moves, entry=entry)

    def cancel(self, run: Run, move: Move) -> bool:
        """Cancel one run; False if it has changed since it was read."""
        return bool(self.move([move], self.of_run("cancel", run, {"state": (run.state.value, move.to.value)})))

    def requeue_all(self, changes: Sequence[Requeue], entry: LogEntry) -> frozenset[UUID]:
        """Change where waiting runs stand; those that have changed since they were read stay as they are."""
        return self.store.requeue(changes, entry=entry)

    def requeue(self, run: Run, change: Requeue, verb: str) -> bool:
        """Change where a waiting run stands; False if it has changed since it was read."""
        due_at, priority = change.changes.get("due_at", run.due_at), priority_of(change.changes.get("lane", run.lane))
        after = {"queue": change.queue, "priority": priority, "due_at": due_at.isoformat()}
        before = {"queue": run.queue, "priority": run.priority, "due_at": run.due_at.isoformat()}
        fields = {path: (before[path], after[path]) for path in before if before[path] != after[path]}
        return bool(self.store.requeue([change], entry=self.of_run(verb, run, fields)))

    def of_run(self, verb: str, run: Run, changed: Mapping[str, tuple[Any, Any]]) -> LogEntry:
        """The entry of a change of one run: what changed, from what to what."""
        fields = tuple(
            {"path": path, "action": "change", "before": before, "after": after} for path, (before, after) in changed.items()
        )
        return self.entry(verb, "run", str(run.id), fields=fields, note=run.name)

    def _of_nouns(self, before: Configuration, after: Configuration, *owners: WorkPool) -> LogEntry | None:
        """The entry of a change of one noun; None if nothing that people configure has changed."""
        differences = changes(before, after)
        secrets = _secrets(before, after, Configuration(pools=owners)) if differences else frozenset()
        return self._of_change(differences[0], secrets, "") if differences else None

    def _of_change(self, change: Change, secrets: frozenset[str], note: str) -> LogEntry:
        fields = tuple(_bounded(hide(secrets, shape(change)["fields"])))
        return self.entry(change.action.value, change.noun, change.name, fields=fields, note=note)


def _only(noun: WorkPool | Deployment | Automation | None) -> Configuration:
    """A configuration with this noun alone."""
    if isinstance(noun, Automation):
        return Configuration(automations=(noun,))
    if isinstance(noun, WorkPool):
        return Configuration(pools=(noun,))
    return Configuration() if noun is None else Configuration(deployments=(noun,))


def _secrets(*configurations: Configuration) -> frozenset[str]:
    """The secret texts of all of them, by the templates of all."""
    deployments = [deployment for configuration in configurations for deployment in configuration.deployments]
    automations = [automation for configuration in configurations for automation in configuration.automations]
    return of_pools(
        [pool for configuration in configurations for pool in configuration.pools], deployments, automations=automations
    )


def _bounded(fields: Sequence[Mapping[str, Any]]) -> Iterator[Mapping[str, Any]]:
    """The fields with short values, as many as an entry holds."""
    size = 0
    for number, field in enumerate(fields):
        short = {**field, "before": _short(field["before"]), "after": _short(field["after"])}
        size += len(json.dumps(short))
        if size > LONGEST_ENTRY:
            yield {"path": f"({len(fields) - number} more)", "action": "change", "before": None, "after": None}
            return
        yield short


def _short(value: Any) -> Any:
    written = json.dumps(value)
    return value if len(written) <= LONGEST_VALUE else f"{written[:LONGEST_VALUE]}..."
