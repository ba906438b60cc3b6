"""Automations in SQL: part of `sql_store`."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from contextlib import AbstractContextManager
from datetime import datetime
from typing import Any

from dispatcher.core import transitions
from dispatcher.core.automations import saving
from dispatcher.errors import Conflict, NotFound
from dispatcher.models import Automation, Firing, LogEntry, Run
from dispatcher.models.records import Automated, FiringNotified, Reconfiguration
from dispatcher.stores import refusals, sql_log
from dispatcher.stores import sql_configuration as configuration
from dispatcher.stores.automation_rows import AUTOMATION, FIRING, watch_columns
from dispatcher.stores.rows import RUN
from dispatcher.stores.sql_configuration import required
from dispatcher.stores.transaction import Call, Row, Transaction


class SqlTransactions(ABC):
    """The transactions that a database gives."""

    @abstractmethod
    def _reading(self) -> AbstractContextManager[Transaction]:
        """A transaction in which all statements see the same state."""

    @abstractmethod
    def _writing(self) -> AbstractContextManager[Transaction]:
        """A transaction that writes. It is committed at its end, and rolled back on any exception."""

    def _read(self, *calls: Call) -> Sequence[Sequence[Row]]:
        """The rows of each of these statements, as of one moment."""
        with self._reading() as transaction:
            return [cursor.fetchall() for cursor in transaction.last(*calls)]

    def _write(self, *calls: Call) -> Sequence[int]:
        """Run these statements in one transaction; returns how many rows each has changed."""
        with self._writing() as transaction:
            return [cursor.rowcount for cursor in transaction.last(*calls)]


class SqlAutomations(SqlTransactions):
    """The verbs about automations."""

    def automations(self) -> Sequence[Automation]:
        """See `Store.automations`."""
        [rows] = self._read(("automations", {}))
        return [AUTOMATION.decode(row) for row in rows]

    def automation(self, name: str) -> Automation | None:
        """See `Store.automation`."""
        [rows] = self._read(("automation", {"name": name}))
        return AUTOMATION.decode(rows[0]) if rows else None

    def save_automation(
        self, automation: Automation, *, expected_version: int | None, entry: LogEntry | None = None
    ) -> Automation:
        """See `Store.save_automation`."""
        with self._writing() as transaction:
            save_automation(transaction, automation, expected_version)
            sql_log.note(transaction, entry)
            return required(_automation_in(transaction, automation.name))

    def delete_automation(self, name: str, *, entry: LogEntry | None = None) -> None:
        """See `Store.delete_automation`."""
        with self._writing() as transaction:
            delete_automation(transaction, name)
            sql_log.note(transaction, entry)

    def firings(self, automation: str | None, *, limit: int) -> Sequence[Firing]:
        """See `Store.firings`."""
        call: Call = ("firings", {"limit": limit})
        if automation is not None:
            call = ("firings_of_automation", {"automation": automation, "limit": limit})
        [rows] = self._read(call)
        return [FIRING.decode(row) for row in rows]

    # One tick

    def to_automate(self, pool: str, now: datetime, *, limit: int) -> Sequence[Run]:
        """See `Store.to_automate`."""
        [rows] = self._read(("to_automate", {"pool": pool, "now": now, "limit": limit}))
        return [RUN.decode(row) for row in rows]

    def automate(self, automated: Automated) -> bool:
        """See `Store.automate`. The run's mark is cleared last, so that its row is locked after the rows that are saved."""
        transitions.check(automated.moves)
        try:
            with self._writing() as transaction:
                _automate(transaction, automated)
        except (Conflict, NotFound):
            return False
        return True

    def due_count(self, pool: str, queue: str, now: datetime, *, limit: int) -> int:
        """See `Store.due_count`."""
        [[row]] = self._read(("due_count", {"pool": pool, "queue": queue, "now": now, "limit": limit}))
        return int(row[0])

    def firings_to_notify(self, pool: str, now: datetime, *, limit: int) -> Sequence[Firing]:
        """See `Store.firings_to_notify`."""
        [rows] = self._read(("firings_to_notify", {"pool": pool, "now": now, "limit": limit}))
        return [FIRING.decode(row) for row in rows]

    def firing_notified(self, notifications: Sequence[FiringNotified]) -> None:
        """See `Store.firing_notified`."""
        if notifications:
            self._write(*map(_noting, sorted(notifications, key=lambda notification: notification.firing.id)))

    def prune_firings(self, before: datetime, *, limit: int) -> int:
        """See `Store.prune_firings`."""
        [count] = self._write(("prune_firings", {"before": before, "limit": limit}))
        return count


def save_automation(transaction: Transaction, automation: Automation, expected_version: int | None) -> None:
    """See `Store.save_automation`."""
    _expect(transaction, automation.name, expected_version)
    saved = saving(automation, _automation_in(transaction, automation.name))
    verb = "add_automation" if expected_version is None else "replace_automation"
    if not transaction.change(verb, **_parameters(saved)):
        raise refusals.automation_exists(automation.name)


def delete_automation(transaction: Transaction, name: str) -> None:
    """See `Store.delete_automation`."""
    if not transaction.change("delete_automation", name=name):
        raise refusals.no_automation(name)


def reconfigure(transaction: Transaction, change: Reconfiguration) -> None:
    """The automations of a change, after its pools and deployments."""
    for name in change.automations_gone:
        delete_automation(transaction, name)
    for automation in change.automations:
        save_automation(transaction, automation, (change.automations_read or {}).get(automation.name))


def check_read(transaction: Transaction, change: Reconfiguration) -> None:
    """Raise `Conflict` if an automation has changed since it was read."""
    if change.automations_read is not None and change.automations_read != dict(transaction.rows("automation_versions")):
        raise refusals.configuration_changed()


def restore(transaction: Transaction, automations: Sequence[Automation], firings: Sequence[Firing]) -> None:
    """See `Store.restore`."""
    transaction.change_each("add_automation", [_parameters(automation) for automation in automations])
    transaction.change_each("add_firing", [FIRING.encode(firing) for firing in firings])


def _automate(transaction: Transaction, automated: Automated) -> None:
    """Raises `Conflict` or `NotFound` for anything that has changed since it was read."""
    for pool in automated.pools:
        configuration.save_pool(transaction, pool, pool.version)
    for pool_name in dict.fromkeys(run.pool for run in automated.runs):
        transaction.row("keep_pool", pool=pool_name)
    for deployment in automated.deployments:
        configuration.save_deployment(transaction, deployment, deployment.version, automated.now)
    for pool_name, queue in dict.fromkeys((run.pool, run.queue) for run in automated.runs):
        configuration.require_queue(transaction, pool_name, queue)
    for automation in sorted(automated.progressed, key=lambda automation: automation.name):
        progress = AUTOMATION.encode_fields({"progress": automation.progress})
        versions = {"version": automation.version, "revision": automation.revision}
        _expect_one(transaction.change("progress", name=automation.name, **versions, **progress))
    if automated.run is not None:
        _expect_one(transaction.change("take_back", id=automated.run.id, automate_at=automated.run.automate_at))
    for added in transaction.change_each("add_firing", [FIRING.encode(firing) for firing in automated.firings]):
        _expect_one(added)
    configuration.add(transaction, automated.runs)
    configuration.apply(transaction, sorted(automated.moves, key=lambda move: move.run_id))
    for entry in automated.entries:
        sql_log.note(transaction, entry)


def _expect_one(count: int) -> None:
    if count != 1:
        raise Conflict("what the automations looked at was changed in between")


def _expect(transaction: Transaction, name: str, version: int | None) -> None:
    row = transaction.row("automation_version", name=name)
    if version is None and row is not None:
        raise refusals.automation_exists(name)
    if version is not None and row is None:
        raise refusals.no_automation(name)
    if version is not None and row is not None and row[0] != version:
        raise refusals.automation_changed(name, version, row[0])


def _automation_in(transaction: Transaction, name: str) -> Automation | None:
    row = transaction.row("automation", name=name)
    return AUTOMATION.decode(row) if row else None


def _parameters(automation: Automation) -> dict[str, Any]:
    return {**AUTOMATION.encode(automation), **watch_columns(automation)}


def _noting(notification: FiringNotified) -> Call:
    return (
        "firing_notified",
        {
            "id": notification.firing.id,
            "notify_at": notification.firing.notify_at,
            "again_at": notification.again_at,
            **FIRING.encode_fields({"notified_hooks": notification.hooks}),
        },
    )
