"""Automations: what is done, without anybody asking for it, when something happens to runs, pools or queues."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from dispatcher.client.arguments import UNSET, items, missing, text, without_unset
from dispatcher.client.automation_checks import MAX_AUTOMATIONS, automation_faults
from dispatcher.client.bulk import BulkRuns
from dispatcher.client.checks import validate
from dispatcher.client.versions import check_version
from dispatcher.errors import AlreadyExists, Fault, InvalidInput, NotFound
from dispatcher.models import Automation, Firing, Then, When

MAX_FIRINGS = 1000


class Automations(BulkRuns):
    """What people do with automations. Ticks let them act."""

    # Automations

    def create_automation(
        self, name: str, *, when: When, then: Iterable[Then], description: str = "", paused: bool = False
    ) -> Automation:
        """Create an automation; what happened before does not count. Raises `AlreadyExists` or `InvalidInput`."""
        automation = Automation(
            id=self.clock.new_id(),
            name=name,
            when=when,
            then=items(then, "then"),
            description=description,
            paused=paused,
            created_at=self.clock.now(),
        )
        stored = self.store.automations()
        if len(stored) >= MAX_AUTOMATIONS:
            raise InvalidInput("automation", [Fault("name", f"there are {len(stored)} automations, which is the most")])
        if name in {other.name for other in stored}:
            raise AlreadyExists(f"name: automation {name!r} already exists; choose another")
        return self._save_automation(automation, None)

    def update_automation(
        self,
        name: str,
        *,
        when: When = UNSET,
        then: Iterable[Then] = UNSET,
        description: str = UNSET,
        paused: bool = UNSET,
    ) -> Automation:
        """Change the fields that are passed. With another `when` it counts anew.

        Raises `NotFound`, `InvalidInput` or `Conflict`.
        """
        automation = self.automation(name)
        changes = without_unset(when=when, description=description, paused=paused)
        if then is not UNSET:
            changes["then"] = items(then, "then")
        return self._save_automation(replace(automation, **changes), automation)

    def pause_automation(self, name: str) -> Automation:
        """Pause an automation: it does nothing, and does not catch up later. Raises `NotFound`."""
        return self.update_automation(name, paused=True)

    def resume_automation(self, name: str) -> Automation:
        """Resume an automation from now on. Raises `NotFound`, or `InvalidInput` where something that it names is gone."""
        return self.update_automation(name, paused=False)

    def automations(self) -> Sequence[Automation]:
        """Every automation, by name."""
        return self.store.automations()

    def automation(self, name: str) -> Automation:
        """One automation. Raises `NotFound`."""
        automation = self.store.automation(text(name, "automation"))
        if automation is None:
            raise NotFound(missing("automation", name, [other.name for other in self.store.automations()]))
        check_version(automation, self.automation_version)
        return automation

    def delete_automation(self, name: str) -> None:
        """Delete an automation. The effects of its actions and their records stay. Raises `NotFound`."""
        self.recorder.delete_automation(self.automation(name))

    def firings(self, automation: str | None = None, *, limit: int = 50) -> Sequence[Firing]:
        """What automations (or one of them) did, and why, newest first. Raises `InvalidInput`."""
        if not 1 <= limit <= MAX_FIRINGS:
            raise InvalidInput("firings", [Fault("limit", f"must be from 1 to {MAX_FIRINGS}, not {limit}")])
        return self.store.firings(automation, limit=limit)

    def _save_automation(self, automation: Automation, before: Automation | None) -> Automation:
        validate(automation)
        pools, deployments = self.store.pools(), self.store.deployments()
        faults = list(
            automation_faults(automation, {pool.name: pool for pool in pools}, {other.name: other for other in deployments})
        )
        if faults:
            raise InvalidInput(f"automation {automation.name!r}", faults)
        return self.recorder.save_automation(automation, before)
