"""Pools and deployments in a dictionary. A caller of a method whose name begins with _ must hold the lock."""

from __future__ import annotations

from abc import ABC
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from dispatcher.core import windows
from dispatcher.errors import DispatcherError
from dispatcher.models import Deployment, LogEntry, WorkPool
from dispatcher.models.records import Reconfiguration
from dispatcher.stores import refusals
from dispatcher.stores.apart import apart
from dispatcher.stores.memory_automations import MemoryAutomations


class MemoryConfiguration(MemoryAutomations, ABC):
    """The verbs with which people change pools and deployments."""

    def pools(self) -> Sequence[WorkPool]:
        """See `Store.pools`."""
        with self._lock:
            return [self._seen(pool) for _, pool in sorted(self._pools.items())]

    def pool(self, name: str) -> WorkPool | None:
        """See `Store.pool`."""
        with self._lock:
            return self._seen(self._pools[name]) if name in self._pools else None

    def save_pool(self, pool: WorkPool, *, expected_version: int | None, entry: LogEntry | None = None) -> WorkPool:
        """See `Store.save_pool`."""
        with self._lock:
            ticked = self._before_saving(pool, expected_version)
            saved = replace(
                pool,
                version=(expected_version or 0) + 1,
                queues=tuple(sorted(pool.queues, key=lambda queue: queue.priority)),
                holds=ticked.holds,
                last_tick_at=ticked.last_tick_at,
                ticked_hours=ticked.ticked_hours,
                automated=False,
            )
            self._pools[pool.name] = apart(saved)
            self._note(entry)
            return self._seen(saved)

    def delete_pool(self, name: str, *, expected_version: int, entry: LogEntry | None = None) -> None:
        """See `Store.delete_pool`."""
        with self._lock:
            self._expected_pool(name, expected_version)
            if any(not run.state.is_terminal for run in self._of(name)):
                raise refusals.pool_busy(name)
            del self._pools[name]
            for owned in self._deployments.values():
                if owned.pool == name:
                    self._withdraw(owned, None)
            self._deployments = {key: owned for key, owned in self._deployments.items() if owned.pool != name}
            self._runs = {key: run for key, run in self._runs.items() if run.pool != name}
            self._note(entry)

    def deployments(self, pool: str | None = None) -> Sequence[Deployment]:
        """See `Store.deployments`."""
        with self._lock:
            return [apart(deployment) for _, deployment in sorted(self._deployments.items()) if pool in (None, deployment.pool)]

    def deployment(self, name: str) -> Deployment | None:
        """See `Store.deployment`."""
        with self._lock:
            return self._deployment(name)

    def save_deployment(
        self, deployment: Deployment, *, expected_version: int | None, now: datetime, entry: LogEntry | None = None
    ) -> Deployment:
        """See `Store.save_deployment`."""
        with self._lock:
            stored = self._deployments.get(deployment.name)
            if expected_version is None and stored:
                raise refusals.deployment_exists(deployment.name)
            if expected_version is not None and not stored:
                raise refusals.no_deployment(deployment.name)
            if stored and expected_version is not None and stored.version != expected_version:
                raise refusals.deployment_changed(deployment.name, expected_version, stored.version)
            self._require_queue(deployment.pool, deployment.queue)
            updated = replace(deployment, version=(expected_version or 0) + 1)
            saving = windows.saving(stored, updated, now)
            if stored:
                self._withdraw(stored, saving.withdrawn, now)
            self._deployments[deployment.name] = apart(saving.deployment)
            self._note(entry)
            return apart(saving.deployment)

    def delete_deployment(self, name: str, *, entry: LogEntry | None = None) -> None:
        """See `Store.delete_deployment`."""
        with self._lock:
            stored = self._deployments.pop(name, None)
            if stored is None:
                raise refusals.no_deployment(name)
            self._withdraw(stored, None)
            self._note(entry)

    def reconfigure(self, change: Reconfiguration) -> None:
        """See `Store.reconfigure`: one verb after the other; if one is refused, all are undone."""
        with self._lock:
            before = self._pools.copy(), self._deployments.copy(), self._runs.copy(), self._automations.copy()
            try:
                self._reconfigure(change)
            except DispatcherError:
                self._pools, self._deployments, self._runs, self._automations = before
                raise

    def _reconfigure(self, change: Reconfiguration) -> None:
        read = change.pools_read, change.deployments_read
        if read != (_versions(self._pools), _versions(self._deployments)):
            raise refusals.configuration_changed()
        for name in change.deployments_gone:
            self.delete_deployment(name)
        for deployment in change.deployments:  # runs that are deleted with their schedules may wait in a queue that is deleted
            if stored := self._deployments.get(deployment.name):
                self._withdraw(stored, windows.saving(stored, deployment, change.now).withdrawn, change.now)
        for pool in change.pools:
            self.save_pool(pool, expected_version=change.pools_read.get(pool.name))
        for deployment in change.deployments:
            version = change.deployments_read.get(deployment.name)
            self.save_deployment(deployment, expected_version=version, now=change.now)
        for name in change.pools_gone:
            self.delete_pool(name, expected_version=change.pools_read[name])
        self._reconfigure_automations(change)
        for entry in change.entries:
            self._note(entry)


def _versions(nouns: Mapping[str, WorkPool] | Mapping[str, Deployment]) -> Mapping[str, int]:
    return {name: noun.version for name, noun in nouns.items()}
