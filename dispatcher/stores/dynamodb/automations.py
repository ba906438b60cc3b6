"""Automations: one item each, and one common item that says which ends and which pools they look at.

The common item (`watches`) is read together with runs that are about to end, and with a pool. So the transaction that writes an
end also marks it for the automations, and a pool that no automation looks at costs no request. An automation that is created at
that moment may miss the end.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from datetime import datetime, timedelta
from itertools import islice
from typing import Any

from dispatcher.core.automations import saving, watch_of
from dispatcher.errors import StoreError
from dispatcher.models import Automation, Firing, LogEntry
from dispatcher.models.records import FiringNotified
from dispatcher.stores import refusals
from dispatcher.stores.automation_rows import AUTOMATION, FIRING
from dispatcher.stores.dynamodb import keys
from dispatcher.stores.dynamodb.definition import EXPIRES_AT
from dispatcher.stores.dynamodb.items import Item, decode, encode, text_in, typed
from dispatcher.stores.dynamodb.keys import Key
from dispatcher.stores.dynamodb.log import Log, entries_of
from dispatcher.stores.dynamodb.pools import changed
from dispatcher.stores.dynamodb.requests import Table
from dispatcher.stores.dynamodb.run_writes import Action, Actions

MOST = 90
"""Automations that one transaction saves or deletes."""


class Automations:
    """Reads and changes automations and their firings."""

    def __init__(self, table: Table, history: timedelta, log: Log) -> None:
        self._table, self._history, self._log = table, history, log

    def all(self) -> Sequence[Automation]:
        """See `Store.automations`."""
        return [decode(AUTOMATION, item) for item in self._table.query(keys.AUTOMATIONS)]

    def read(self, name: str) -> Automation | None:
        """See `Store.automation`."""
        item = self._table.items([keys.automation(name)]).get(keys.automation(name))
        return decode(AUTOMATION, item) if item else None

    def save(self, automation: Automation, expected_version: int | None, entry: LogEntry | None) -> Automation:
        """See `Store.save_automation`."""
        for _ in self._table.rounds(f"automation {automation.name!r} was not saved"):
            token = self._table.new_token()
            saved, actions = self._changing([automation], {automation.name: expected_version}, (), token)
            if not self._table.transact({**actions, **changed(token), **self._log.actions(entries_of(entry))}, token):
                return saved[0]
        raise AssertionError  # the rounds end with an error

    def delete(self, name: str, entry: LogEntry | None) -> None:
        """See `Store.delete_automation`."""
        for _ in self._table.rounds(f"automation {name!r} was not deleted"):
            token = self._table.new_token()
            _, actions = self._changing((), {}, [name], token)
            if not self._table.transact({**actions, **changed(token), **self._log.actions(entries_of(entry))}, token):
                return

    def changing(
        self, automations: Sequence[Automation], versions: Mapping[str, int], gone: Sequence[str], token: str
    ) -> Actions:
        """The actions that save and delete these automations, and write the item of all watches."""
        if len(automations) + len(gone) > MOST:
            raise StoreError(f"{len(automations) + len(gone)} automations change: DynamoDB changes at most {MOST} at once")
        expected = {automation.name: versions.get(automation.name) for automation in automations}
        return self._changing(automations, expected, gone, token)[1] if automations or gone else {}

    def restore(self, automations: Sequence[Automation], firings: Sequence[Firing]) -> None:
        """See `Store.restore`: they are written unchanged; existing ones are left alone."""
        if automations or firings:
            self._restore(automations)
        for firing in firings:
            self._table.transact(self.recording([firing]), self._table.new_token())

    # Firings

    def firings(self, automation: str | None, limit: int) -> Sequence[Firing]:
        """See `Store.firings`."""
        firings = (decode(FIRING, item) for item in self._table.query(keys.FIRINGS))
        return list(islice((firing for firing in firings if automation in (None, firing.automation)), limit))

    def to_notify(self, pool: str, now: datetime, limit: int) -> Sequence[Firing]:
        """See `Store.firings_to_notify`."""
        entries = list(islice(self._table.query(keys.fired(pool), before=keys.after(now)), limit))
        items = self._table.items([(keys.FIRINGS, text_in(entry, "listed")) for entry in entries]) if entries else {}
        firings = [decode(FIRING, item) for item in items.values()]
        due = [firing for firing in firings if firing.notify_at is not None and firing.notify_at <= now]
        return sorted(due, key=lambda firing: (firing.notify_at, firing.id))

    def notified(self, notifications: Sequence[FiringNotified]) -> None:
        """See `Store.firing_notified`. One transaction for each."""
        for notification in notifications:
            before = notification.firing
            after = replace(
                before,
                notify_at=notification.again_at,
                notify_tries=before.notify_tries + 1,
                notified_hooks=notification.hooks,
            )
            if before.notify_at is not None:
                self._table.transact(self._replacing(before, after), self._table.new_token())

    def recording(self, firings: Sequence[Firing]) -> Actions:
        """The actions that record firings that are not recorded yet."""
        actions: Actions = {}
        for firing in firings:
            put = {"Item": self._firing_item(firing), "ConditionExpression": "attribute_not_exists(pk)"}
            actions |= {_listed(firing): ("Put", put), **_entry(firing)}
        return actions

    # Below

    def _changing(
        self, automations: Sequence[Automation], versions: Mapping[str, int | None], gone: Sequence[str], token: str
    ) -> tuple[Sequence[Automation], Actions]:
        """The automations as they will be read, and the actions that save them. Raises what the store's methods raise."""
        turn, stored = self._turn(), {automation.name: automation for automation in self.all()}
        for name in gone:
            if name not in stored:
                raise refusals.no_automation(name)
        saved = [_saved(automation, stored.get(automation.name), versions.get(automation.name)) for automation in automations]
        after = {name: automation for name, automation in stored.items() if name not in gone}
        after |= {automation.name: automation for automation in saved}
        actions: Actions = {keys.automation(name): ("Delete", _as_read(stored[name])) for name in gone}
        for automation in saved:
            put = {"Item": encode(AUTOMATION, automation), **_as_read(stored.get(automation.name))}
            actions[keys.automation(automation.name)] = "Put", put
        return saved, {**actions, keys.WATCHES: _watching(list(after.values()), turn, token)}

    def _restore(self, automations: Sequence[Automation]) -> None:
        for _ in self._table.rounds("automations were not restored"):
            turn, stored, token = (
                self._turn(),
                {automation.name: automation for automation in self.all()},
                self._table.new_token(),
            )
            new = [automation for automation in automations if automation.name not in stored][: MOST + 1]
            actions: Actions = {
                keys.automation(automation.name): ("Put", {"Item": encode(AUTOMATION, automation), **_as_read(None)})
                for automation in new[:MOST]
            }
            watching = _watching([*stored.values(), *new[:MOST]], turn, token)
            if not self._table.transact({**actions, keys.WATCHES: watching}, token) and len(new) <= MOST:
                break

    def _turn(self) -> str | None:
        """The token of the last change of an automation; None before the first."""
        item = self._table.items([keys.WATCHES]).get(keys.WATCHES)
        return text_in(item, "turn") if item else None

    def _firing_item(self, firing: Firing) -> Item:
        expires_at = int((firing.fired_at + self._history).timestamp())
        return {**encode(FIRING, firing), EXPIRES_AT: {"N": str(expires_at)}}

    def _replacing(self, before: Firing, after: Firing) -> Actions:
        values = {":read": encode(FIRING, before)["notify_at"]}
        condition = {"ConditionExpression": "notify_at = :read", "ExpressionAttributeValues": values}
        old: Actions = {key: ("Delete", {}) for key in _entry(before)}
        return {**old, **_entry(after), _listed(after): ("Put", {"Item": self._firing_item(after), **condition})}


def progressing(automation: Automation) -> Actions:
    """The actions that note an automation's progress if it has not changed since it was read."""
    update = {
        "UpdateExpression": "SET progress = :progress, revision = :next",
        "ConditionExpression": "#version = :version AND revision = :revision",
        "ExpressionAttributeNames": {"#version": "version"},
        "ExpressionAttributeValues": {
            ":progress": encode(AUTOMATION, automation)["progress"],
            ":next": typed(automation.revision + 1),
            ":version": typed(automation.version),
            ":revision": typed(automation.revision),
        },
    }
    return {keys.automation(automation.name): ("Update", update)}


def _watching(automations: Sequence[Automation], turn: str | None, token: str) -> Action:
    """The action that writes the item of all watches if it has not changed since it was read."""
    watches = [{**asdict(watch), "end_states": sorted(watch.end_states)} for watch in map(watch_of, automations)]
    item: Item = {"watches": {"S": json.dumps(watches, separators=(",", ":"))}, "turn": {"S": token}}
    if turn is None:
        return "Put", {"Item": item, "ConditionExpression": "attribute_not_exists(pk)"}
    return "Put", {
        "Item": item,
        "ConditionExpression": "turn = :turn",
        "ExpressionAttributeValues": {":turn": {"S": turn}},
    }


def _saved(automation: Automation, stored: Automation | None, expected_version: int | None) -> Automation:
    """The automation to save. Raises what `Store.save_automation` raises."""
    if expected_version is None and stored:
        raise refusals.automation_exists(automation.name)
    if expected_version is not None and not stored:
        raise refusals.no_automation(automation.name)
    if stored and expected_version is not None and stored.version != expected_version:
        raise refusals.automation_changed(automation.name, expected_version, stored.version)
    saved = saving(automation, stored)
    return decode(AUTOMATION, encode(AUTOMATION, saved))


def _as_read(stored: Automation | None) -> Mapping[str, Any]:
    """The condition that an automation has not changed since it was read, or is still not there."""
    if stored is None:
        return {"ConditionExpression": "attribute_not_exists(pk)"}
    return {
        "ConditionExpression": "#version = :version AND revision = :revision",
        "ExpressionAttributeNames": {"#version": "version"},
        "ExpressionAttributeValues": {":version": typed(stored.version), ":revision": typed(stored.revision)},
    }


def _listed(firing: Firing) -> Key:
    return keys.FIRINGS, keys.newest_first(firing.fired_at, firing.id)


def _entry(firing: Firing) -> Actions:
    """The entry by which ticks find a firing whose hooks are not notified yet."""
    if firing.notify_at is None:
        return {}
    item: Item = {"listed": {"S": _listed(firing)[1]}}
    return {(keys.fired(firing.pool), keys.at(firing.notify_at, firing.id)): ("Put", {"Item": item})}
