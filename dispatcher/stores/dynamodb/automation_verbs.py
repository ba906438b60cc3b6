"""The store's methods for automations."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from dispatcher.models import Automation, Firing, LogEntry
from dispatcher.models.records import Automated, FiringNotified
from dispatcher.stores.dynamodb.automating import Automating
from dispatcher.stores.dynamodb.automations import Automations


class AutomationVerbs:
    """The store's methods for automations, except those about runs whose ends automations must look at."""

    _automations: Automations
    _automating: Automating

    def automations(self) -> Sequence[Automation]:
        """See `Store.automations`."""
        return self._automations.all()

    def automation(self, name: str) -> Automation | None:
        """See `Store.automation`."""
        return self._automations.read(name)

    def save_automation(
        self, automation: Automation, *, expected_version: int | None, entry: LogEntry | None = None
    ) -> Automation:
        """See `Store.save_automation`."""
        return self._automations.save(automation, expected_version, entry)

    def delete_automation(self, name: str, *, entry: LogEntry | None = None) -> None:
        """See `Store.delete_automation`."""
        self._automations.delete(name, entry)

    def firings(self, automation: str | None, *, limit: int) -> Sequence[Firing]:
        """See `Store.firings`."""
        return self._automations.firings(automation, limit)

    def automate(self, automated: Automated) -> bool:
        """See `Store.automate`."""
        return self._automating.automate(automated)

    def firings_to_notify(self, pool: str, now: datetime, *, limit: int) -> Sequence[Firing]:
        """See `Store.firings_to_notify`."""
        return self._automations.to_notify(pool, now, limit)

    def firing_notified(self, notifications: Sequence[FiringNotified]) -> None:
        """See `Store.firing_notified`."""
        self._automations.notified(notifications)

    def prune_firings(self, before: datetime, *, limit: int) -> int:  # noqa: ARG002 - DynamoDB does it, by `expires_at`
        """See `Store.prune_firings`: DynamoDB deletes them after `history`."""
        return 0
