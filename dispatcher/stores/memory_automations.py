"""Automations and their firings in a dictionary. A caller of a method whose name begins with _ must hold the lock."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from dispatcher.core import transitions
from dispatcher.core.automations import saving
from dispatcher.errors import DispatcherError
from dispatcher.models import Automation, Firing, LogEntry, Run
from dispatcher.models.records import Automated, FiringNotified, Reconfiguration
from dispatcher.stores import refusals
from dispatcher.stores.apart import apart
from dispatcher.stores.memory_state import MemoryState


class MemoryAutomations(MemoryState, ABC):
    """The verbs about automations."""

    def automations(self) -> Sequence[Automation]:
        """See `Store.automations`."""
        with self._lock:
            return [apart(automation) for _, automation in sorted(self._automations.items())]

    def automation(self, name: str) -> Automation | None:
        """See `Store.automation`."""
        with self._lock:
            return apart(self._automations[name]) if name in self._automations else None

    def save_automation(
        self, automation: Automation, *, expected_version: int | None, entry: LogEntry | None = None
    ) -> Automation:
        """See `Store.save_automation`."""
        with self._lock:
            stored = self._automations.get(automation.name)
            if expected_version is None and stored:
                raise refusals.automation_exists(automation.name)
            if expected_version is not None and not stored:
                raise refusals.no_automation(automation.name)
            if stored and expected_version is not None and stored.version != expected_version:
                raise refusals.automation_changed(automation.name, expected_version, stored.version)
            saved = apart(saving(automation, stored))
            self._automations[automation.name] = saved
            self._note(entry)
            return apart(saved)

    def delete_automation(self, name: str, *, entry: LogEntry | None = None) -> None:
        """See `Store.delete_automation`."""
        with self._lock:
            if self._automations.pop(name, None) is None:
                raise refusals.no_automation(name)
            self._note(entry)

    def firings(self, automation: str | None, *, limit: int) -> Sequence[Firing]:
        """See `Store.firings`."""
        with self._lock:
            chosen = [firing for firing in self._firings.values() if automation in (None, firing.automation)]
            by_id = sorted(chosen, key=lambda firing: firing.id)
            return sorted(by_id, key=lambda firing: firing.fired_at, reverse=True)[:limit]

    # One tick

    def to_automate(self, pool: str, now: datetime, *, limit: int) -> Sequence[Run]:
        """See `Store.to_automate`."""
        with self._lock:
            owing = [(run.automate_at, run.id) for run in self._of(pool) if run.automate_at and run.automate_at <= now]
            return [apart(self._runs[run_id]) for _, run_id in sorted(owing)[:limit]]

    def automate(self, automated: Automated) -> bool:
        """See `Store.automate`."""
        transitions.check(automated.moves)
        with self._lock:
            before = self._pools.copy(), self._deployments.copy(), self._runs.copy(), self._automations.copy()
            try:
                done = self._automate(automated)
            except DispatcherError:
                done = False
            if not done:
                self._pools, self._deployments, self._runs, self._automations = before
            return done

    def due_count(self, pool: str, queue: str, now: datetime, *, limit: int) -> int:
        """See `Store.due_count`."""
        with self._lock:
            return min(limit, sum(run.due_at <= now for run in self._waiting(pool, queue)))

    def firings_to_notify(self, pool: str, now: datetime, *, limit: int) -> Sequence[Firing]:
        """See `Store.firings_to_notify`."""
        with self._lock:
            due = [firing for firing in self._firings.values() if firing.pool == pool and is_due(firing, now)]
            return sorted(due, key=lambda firing: (firing.notify_at, firing.id))[:limit]

    def firing_notified(self, notifications: Sequence[FiringNotified]) -> None:
        """See `Store.firing_notified`."""
        with self._lock:
            for notification in notifications:
                stored = self._firings.get(notification.firing.id)
                if stored is not None and stored.notify_at is not None and stored.notify_at == notification.firing.notify_at:
                    self._firings[stored.id] = replace(
                        stored,
                        notify_at=notification.again_at,
                        notify_tries=stored.notify_tries + 1,
                        notified_hooks=notification.hooks,
                    )

    def prune_firings(self, before: datetime, *, limit: int) -> int:
        """See `Store.prune_firings`."""
        with self._lock:
            old = [firing for firing in self._firings.values() if firing.fired_at < before]
            by_id = sorted(old, key=lambda firing: firing.id, reverse=True)
            forgotten = sorted(by_id, key=lambda firing: firing.fired_at)[:limit]
            for firing in forgotten:
                del self._firings[firing.id]
            return len(forgotten)

    # Below

    @abstractmethod
    def _save_automated(self, automated: Automated) -> None:
        """Carry out what automations do: save pools and deployments, add runs, apply moves. Raises what these verbs raise."""

    def _automate(self, automated: Automated) -> bool:
        """Write what automations do. If something has changed since it was read, returns False or raises; the caller then
        undoes everything.
        """
        if not self._takes_back(automated.run) or not all(map(self._progress, automated.progressed)):
            return False
        if any(firing.id in self._firings for firing in automated.firings):
            return False
        self._save_automated(automated)
        self._firings.update((firing.id, firing) for firing in automated.firings)
        return True

    def _reconfigure_automations(self, change: Reconfiguration) -> None:
        """The automations of a change of many nouns. Raises what the verbs raise."""
        present = {name: automation.version for name, automation in self._automations.items()}
        if change.automations_read not in (None, present):
            raise refusals.configuration_changed()
        for name in change.automations_gone:
            self.delete_automation(name)
        for automation in change.automations:
            self.save_automation(automation, expected_version=(change.automations_read or {}).get(automation.name))

    def _takes_back(self, run: Run | None) -> bool:
        """Clear the run's mark for automations. False if the mark has changed since it was read."""
        if run is None:
            return True
        stored = self._runs.get(run.id)
        if stored is None or stored.automate_at is None or stored.automate_at != run.automate_at:
            return False
        self._runs[run.id] = replace(stored, automate_at=None)
        return True

    def _progress(self, automation: Automation) -> bool:
        stored = self._automations.get(automation.name)
        if stored is None or (stored.version, stored.revision) != (automation.version, automation.revision):
            return False
        self._automations[automation.name] = apart(
            replace(stored, progress=automation.progress, revision=automation.revision + 1)
        )
        return True

    def _automated_work(self, now: datetime) -> set[str]:
        """The pools in which automations have something to do."""
        pools = {run.pool for run in self._runs.values() if run.automate_at and run.automate_at <= now}
        pools |= {firing.pool for firing in self._firings.values() if is_due(firing, now)}
        watches = [(pool, watch) for watch in self._watches() for pool in self._pools if watch.concerns(pool)]
        return {pool for pool, watch in watches if watch.looks or pool in pools}


def is_due(firing: Firing, now: datetime) -> bool:
    """Whether hooks must be notified of the firing now."""
    return firing.notify_at is not None and firing.notify_at <= now
