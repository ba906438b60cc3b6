"""Writes of runs, and the transactions that carry them out.

A run is written whole, on the condition that it has not changed since it was read (`revision`), together with everything that
depends on it: its entry (`items.entry_of`), the slots item of its pool if it takes or gives back a slot, and the gate of its
queue if it begins to wait. None of these is ever written alone.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from dispatcher.core.automations import Watch, owed_since
from dispatcher.models import Run
from dispatcher.stores.dynamodb import keys
from dispatcher.stores.dynamodb.items import (
    USED,
    Item,
    RunEntry,
    Stored,
    beat,
    entries_of,
    entry_of,
    expiry,
    is_run,
    run_in,
    run_item,
    size,
    typed,
)
from dispatcher.stores.dynamodb.keys import Key
from dispatcher.stores.dynamodb.requests import Table
from dispatcher.stores.dynamodb.watches import watches_in

MAX_ACTIONS = 100
MAX_TRANSACTION_BYTES = 3_500_000
"""The most bytes in a transaction. AWS allows 4 MB, and may count the replaced items as well."""

Action = tuple[str, Mapping[str, Any]]
Actions = dict[Key, Action]


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """A claim's condition on its pool: the slots item has not changed since it was read. The claim's write also notes the
    heartbeat.
    """

    pool: str
    expected: str
    now: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class RunWrite:
    """A run before and after a write; `before` is None for a new run."""

    before: Stored | None
    after: Run

    @property
    def old_entry(self) -> RunEntry | None:
        """The run's entry before."""
        return entry_of(self.before.run) if self.before else None

    @property
    def old_entries(self) -> dict[Key, Item]:
        """All its entries before."""
        return entries_of(self.before.run) if self.before else {}

    @property
    def slot(self) -> int:
        """1 when the run takes a slot, -1 when it gives one back."""
        held = self.before is not None and self.before.run.state.holds_slot
        return int(self.after.state.holds_slot) - int(held)

    @property
    def gate(self) -> Key | None:
        """The gate that the write touches, if the run begins to wait or its position in its queue changes."""
        new, old = entry_of(self.after), self.old_entry
        waits = new is not None and new.key[0] == keys.waiting(self.after.pool, self.after.queue)
        moves_in = waits and (old is None or new is None or old.key != new.key)
        return keys.gate(self.after.pool, self.after.queue) if moves_in else None

    @property
    def touched(self) -> set[Key]:
        """Every item that the change writes."""
        entries = {*self.old_entries, *entries_of(self.after)}
        others = {self.gate} if self.gate else set()
        return {keys.run(self.after.id), *entries, *others, *({keys.slots(self.after.pool)} if self.slot else ())}


class RunWriter:
    """Reads runs, and carries out changes of them."""

    def __init__(self, table: Table, history: timedelta) -> None:
        self._table, self._history = table, history
        self.watches: Sequence[Watch] = []
        """What automations look at, as of the last `read` with `for_ends`."""

    def read(self, ids: Sequence[UUID], *, for_ends: bool = False) -> Mapping[UUID, Stored]:
        """The runs of these ids that exist, as they are now. `for_ends`: also read what automations look at."""
        items = self._table.items([*([keys.WATCHES] if for_ends else []), *(keys.run(run_id) for run_id in ids)])
        if for_ends:
            self.watches = watches_in(items)
        stored = [run_in(item) for key, item in items.items() if is_run(key)]
        return {entry.run.id: entry for entry in stored}

    def owing(self, before: Stored, after: Run) -> Run:
        """The run after a change; if it has ended, with its mark for automations."""
        owed = owed_since(before.run, after.state, after.ended_at, self.watches)
        return after if owed == after.automate_at else replace(after, automate_at=owed)

    def commit(
        self, changes: Sequence[RunWrite], token: str, turn: Turn | None = None, also: Actions | None = None
    ) -> frozenset[Key]:
        """Write all changes in one transaction, or none. If none, returns the items that were not as expected. `also`: further
        actions of the transaction.
        """
        return self._table.transact({**self.actions(changes, token, turn), **(also or {})}, token)

    def actions(self, changes: Sequence[RunWrite], token: str, turn: Turn | None = None) -> Actions:
        """The actions that carry out the changes."""
        actions: Actions = {}
        for change in changes:
            actions[keys.run(change.after.id)] = self._run_action(change, token)
        for change in changes:
            actions.update(_entry_actions(change))
            if change.gate:
                actions[change.gate] = gate_action(token)
        return actions | _slots_actions(changes, token, turn)

    def weight(self, run: Run) -> int:
        """The size of the run's item in bytes."""
        return size(run_item(run, "0" * 36, run.created_at))

    def batches(
        self, changes: Sequence[RunWrite], turn: Turn | None = None, also: Sequence[Key] = ()
    ) -> Iterator[Sequence[RunWrite]]:
        """The changes in order, in batches that each fit into one transaction together with `also`."""
        always = {*also, *([keys.slots(turn.pool)] if turn else [])}
        batch: list[RunWrite] = []
        touched, weight = set(always), 0
        for change in changes:
            more, heavier = touched | change.touched, weight + self._both(change)
            if batch and (len(more) > MAX_ACTIONS or heavier > MAX_TRANSACTION_BYTES):
                yield batch
                batch, more, heavier = [], always | change.touched, self._both(change)
            batch.append(change)
            touched, weight = more, heavier
        if batch:
            yield batch

    def _both(self, change: RunWrite) -> int:
        before = self.weight(change.before.run) if change.before else 0
        return before + self.weight(change.after) + 2000  # entries, gates, slots

    def _run_action(self, change: RunWrite, token: str) -> Action:
        item = run_item(change.after, token, expiry(change.after, self._table.clock.now(), self._history))
        if change.before is None:
            return "Put", {"Item": item, "ConditionExpression": "attribute_not_exists(pk)"}
        values = {":revision": {"S": change.before.revision}}
        return "Put", {"Item": item, "ConditionExpression": "revision = :revision", "ExpressionAttributeValues": values}


def _entry_actions(change: RunWrite) -> Actions:
    old, new = change.old_entries, entries_of(change.after)
    actions: Actions = {key: ("Delete", {}) for key in old.keys() - new.keys()}
    return actions | {key: ("Put", {"Item": item}) for key, item in new.items() if old.get(key) != item}


def gate_action(token: str) -> Action:
    """The action that writes a gate, if the queue exists."""
    return "Update", {
        "UpdateExpression": "SET filled = :token",
        "ConditionExpression": "attribute_exists(pk)",
        "ExpressionAttributeValues": {":token": {"S": token}},
    }


def _slots_actions(changes: Sequence[RunWrite], token: str, turn: Turn | None) -> Actions:
    """The slots that each pool's runs take and give back, and the pool's new turn.

    Taking a slot ends the turn of all claims under way, because they have not counted it. Giving one back does not: those
    claims have only counted one too many.
    """
    counts: dict[str, Counter[str]] = {}
    for change in changes:
        if change.slot:
            counts.setdefault(change.after.pool, Counter())[change.after.queue] += change.slot
    taken = {change.after.pool for change in changes if change.slot > 0}
    pools = dict.fromkeys([*counts, *([turn.pool] if turn else [])])
    return {
        keys.slots(pool): _slots_action(
            counts.get(pool, Counter()),
            token if pool in taken or (turn and turn.pool == pool) else None,
            turn if turn and turn.pool == pool else None,
        )
        for pool in pools
    }


def with_slots(saving: Action, counting: Action) -> Action:
    """One update of a pool's slots item: the write that saves the pool, and the slots that its runs take and give back."""
    (_, saved), (_, counted) = saving, counting
    added = counted["UpdateExpression"].partition("ADD ")[2].replace("#q", "#count")
    names = {name.replace("#q", "#count"): attribute for name, attribute in counted["ExpressionAttributeNames"].items()}
    return "Update", {
        "UpdateExpression": f"{saved['UpdateExpression']} ADD {added}",
        "ConditionExpression": saved["ConditionExpression"],
        "ExpressionAttributeNames": {**saved["ExpressionAttributeNames"], **names},
        "ExpressionAttributeValues": {**counted["ExpressionAttributeValues"], **saved["ExpressionAttributeValues"]},
    }


def _slots_action(counts: Mapping[str, int], token: str | None, turn: Turn | None) -> Action:
    names = {f"#q{number}": f"{USED}{queue}" for number, queue in enumerate(counts)}
    values: dict[str, Any] = {f":n{number}": typed(count) for number, count in enumerate(counts.values())}
    added = ", ".join(f"#q{number} :n{number}" for number in range(len(counts)))
    assigned = ["turn = :token"] if token else []
    condition = "attribute_exists(pk)"
    if token:
        values[":token"] = {"S": token}
    if turn:
        heartbeat = beat(turn.now)
        assigned.append(heartbeat.assigned)
        names |= heartbeat.names
        values |= {**heartbeat.values, ":turn": {"S": turn.expected}}
        condition = "turn = :turn"
    expression = " ".join([*([f"SET {', '.join(assigned)}"] if assigned else []), *([f"ADD {added}"] if added else [])])
    action = {"UpdateExpression": expression, "ConditionExpression": condition, "ExpressionAttributeValues": values}
    return "Update", {**action, "ExpressionAttributeNames": names} if names else action
