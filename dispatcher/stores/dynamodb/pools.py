"""Pools: the configuration is one item, and the values that every claim changes are another, so that a claim writes little."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from dispatcher.core.automations import Watch
from dispatcher.errors import StoreError
from dispatcher.models import LogEntry, PoolHold, Share, WorkPool
from dispatcher.models.records import ChangeHolds
from dispatcher.stores import refusals
from dispatcher.stores.dynamodb import keys
from dispatcher.stores.dynamodb.clearing import clear, is_leaving
from dispatcher.stores.dynamodb.items import (
    USED,
    Item,
    beat,
    pool_in,
    pool_item,
    readable,
    text_in,
    ticked_item,
    typed,
    used_in,
)
from dispatcher.stores.dynamodb.keys import Key
from dispatcher.stores.dynamodb.log import Log, entries_of
from dispatcher.stores.dynamodb.requests import Table
from dispatcher.stores.dynamodb.run_writes import MAX_ACTIONS, Actions
from dispatcher.stores.dynamodb.watches import watches_in
from dispatcher.stores.dynamodb.withdrawing import Withdrawal
from dispatcher.stores.rows import POOL

MAX_QUEUES = 45
"""The most queues of a pool: one transaction must be able to replace all of them by as many others."""


@dataclass(frozen=True, slots=True)
class StoredPool:
    """A pool as it was read."""

    pool: WorkPool
    used: Mapping[str, int]
    """Slots in use, by queue."""
    has_lanes: bool
    """Whether runs of the pool may wait in lanes."""
    turn: str
    """The token of the last claim or change of the pool. A write that depends on this reading names it in a condition."""
    watches: Sequence[Watch] = ()
    """What all automations look at."""
    config: Item | None = None
    """The item with its configuration."""


class Pools:
    """Reads and changes pools."""

    def __init__(self, table: Table, log: Log) -> None:
        self._table, self._log = table, log

    def names(self) -> Sequence[str]:
        """Every pool's name, in order."""
        return sorted(text_in(item, "sk") for item in self._table.query(keys.NAMES) if not is_leaving(item))

    def all(self) -> Sequence[WorkPool]:
        """Every pool, by name."""
        return [stored.pool for stored in self._read(self.names())[0].values()]

    def read(self, name: str) -> StoredPool | None:
        """One pool."""
        return self._read([name])[0].get(name)

    def heartbeat(self, name: str, now: datetime) -> None:
        """Note that the pool is being ticked; a claim that had nothing to claim does this, too."""
        self._table.update(keys.slots(name), **beat(now).update)

    def hold(self, name: str, change: ChangeHolds) -> tuple[PoolHold, ...]:
        """See `Store.hold`: written on the condition that the holds have not changed since they were read."""
        codec = POOL.codecs["holds"]
        for _ in self._table.rounds(f"holds of work pool {name!r} were not changed"):
            slots = self._table.items([keys.slots(name)]).get(keys.slots(name))
            if slots is None:
                break
            stored = slots.get("holds")
            with readable("holds"):
                before: tuple[PoolHold, ...] = codec.decode(text_in(slots, "holds")) if stored else ()
            after = change(before)
            if after == before or self._table.update(keys.slots(name), **_replacing(stored, typed(codec.encode(after)))):
                return after
        return ()

    def save(self, pool: WorkPool, expected_version: int | None, entry: LogEntry | None) -> WorkPool:
        """See `Store.save_pool`."""
        for _ in self._table.rounds(f"work pool {pool.name!r} was not saved"):
            token = self._table.new_token()
            saved, actions = self.saving(pool, expected_version, token)
            if not self._table.transact({**actions, **changed(token), **self._log.actions(entries_of(entry))}, token):
                return saved
        raise AssertionError  # the rounds end by an error

    def saving(
        self, pool: WorkPool, expected_version: int | None, token: str, withdrawn: Sequence[Withdrawal] = ()
    ) -> tuple[WorkPool, Actions]:
        """The pool as it will be read, and the actions that save it. Raises what `Store.save_pool` raises.

        Runs that the same transaction notes as `withdrawn` do not keep their queue.
        """
        if len(pool.queues) > MAX_QUEUES:
            raise StoreError(f"work pool {pool.name!r} has {len(pool.queues)} queues: one in DynamoDB has at most {MAX_QUEUES}")
        return (
            self._create(pool, token) if expected_version is None else self._replace(pool, expected_version, token, withdrawn)
        )

    def restore(self, pool: WorkPool) -> None:
        """See `Store.restore`: it is written unchanged, with the fields that ticks write; an existing one is left alone."""
        if self.read(pool.name):
            return
        clear(self._table, pool.name)
        token = self._table.new_token()
        self._table.transact(_new(pool, ticked_item(pool), token), token)

    def delete(self, name: str, expected_version: int, entry: LogEntry | None) -> None:
        """See `Store.delete_pool`. The pool is gone at once; its deployments and runs are deleted piece by piece, and never
        come back.
        """
        for _ in self._table.rounds(f"work pool {name!r} was not deleted"):
            stored = self.read(name)
            if stored is None and clear(self._table, name):
                return  # an interrupted deletion
            token = self._table.new_token()
            actions = self._leave(_expected(stored, name, expected_version), token)
            if not self._table.transact({**actions, **changed(token), **self._log.actions(entries_of(entry))}, token):
                clear(self._table, name)
                return

    def leaving(self, name: str, expected_version: int, token: str, withdrawn: Sequence[Withdrawal] = ()) -> Actions:
        """The actions that delete a pool, except what `clear` deletes afterwards. Raises what `Store.delete_pool` raises.

        Runs that are `withdrawn` before do not keep the pool.
        """
        return self._leave(_expected(self.read(name), name, expected_version), token, withdrawn)

    def has_waiting(self, pool: str, queue: str, withdrawn: Sequence[Withdrawal] = ()) -> bool:
        """Whether a run of the queue is SCHEDULED and not withdrawn."""
        going = [withdrawal for withdrawal in withdrawn if (pool, queue) in withdrawal.queues]
        waiting = self._table.query(keys.waiting(pool, queue), page=None if going else 1)
        return any(not any(withdrawal.covers(entry) for withdrawal in going) for entry in waiting)

    def gates(self, pairs: Sequence[tuple[str, str]]) -> Mapping[tuple[str, str], str]:
        """For each of these queues that exists: the token of the transaction that last let a run begin to wait in it."""
        items = self._table.items([keys.gate(*pair) for pair in pairs])
        return {pair: text_in(items[keys.gate(*pair)], "filled") for pair in pairs if keys.gate(*pair) in items}

    # Below

    def _read(self, names: Sequence[str]) -> tuple[Mapping[str, StoredPool], Sequence[Watch]]:
        """The pools of these names that exist, and what automations look at.

        If the two items of a pool do not fit together, it is read again.
        """
        pools: dict[str, StoredPool] = {}
        watches: Sequence[Watch] = ()
        left = list(names)
        for _ in self._table.rounds("pools were not read"):
            needed = [key(name) for name in left for key in (keys.config, keys.slots, keys.lanes)]
            items = self._table.items([*needed, *([keys.WATCHES] if left else [])])
            watches = watches_in(items)
            lanes = {name for name in left if keys.lanes(name) in items}
            pairs = {name: (items.get(keys.config(name)), items.get(keys.slots(name))) for name in left}
            fitting = {name: pair for name, pair in pairs.items() if _fit(*pair)}
            pools.update((name, _stored(*pair, watches, has_lanes=name in lanes)) for name, pair in fitting.items())
            left = [name for name, pair in pairs.items() if pair != (None, None) and not _fit(*pair)]
            if not left:
                break
        return {name: pools[name] for name in names if name in pools}, watches

    def _create(self, pool: WorkPool, token: str) -> tuple[WorkPool, Actions]:
        stored, watches = self._read([pool.name])
        if stored:
            raise refusals.pool_exists(pool.name)
        clear(self._table, pool.name)
        saved = _saved(pool, 1, holds=(), last_tick_at=None, ticked_hours=(), automated=_is_looked_at(pool.name, watches))
        return saved, _new(saved, {}, token)

    def _replace(
        self, pool: WorkPool, expected_version: int, token: str, withdrawn: Sequence[Withdrawal]
    ) -> tuple[WorkPool, Actions]:
        stored = _expected(self.read(pool.name), pool.name, expected_version)
        old, new = ({queue.name for queue in owner.queues} for owner in (stored.pool, pool))
        gates = self._gates_of_idle(stored, [queue.name for queue in stored.pool.queues if queue.name not in new], withdrawn)
        saved = _saved(pool, expected_version + 1, **_ticked(stored.pool), automated=stored.pool.automated)
        actions: Actions = {
            keys.config(pool.name): _put_config(saved, expected_version, stored.config),
            keys.slots(pool.name): _new_turn(token, stored.turn, saved.version, list(old - new)),
            **{key: _close_gate(filled) for key, filled in gates.items()},
            **{keys.gate(pool.name, queue): _new_gate(token) for queue in sorted(new - old)},
            **_lanes(saved),
        }
        return saved, actions

    def _leave(self, stored: StoredPool, token: str, withdrawn: Sequence[Withdrawal] = ()) -> Actions:
        """The step that deletes the pool. Its name stays reserved until everything of the pool is deleted."""
        pool = stored.pool
        gates = self.gates([(pool.name, queue.name) for queue in pool.queues])
        if stored.used or any(self.has_waiting(pool.name, queue.name, withdrawn) for queue in pool.queues):
            raise refusals.pool_busy(pool.name)
        turn = {"ConditionExpression": "turn = :turn", "ExpressionAttributeValues": {":turn": {"S": stored.turn}}}
        return {
            keys.config(pool.name): ("Delete", {}),
            keys.slots(pool.name): ("Delete", turn),
            keys.name(pool.name): ("Put", {"Item": {"leaving": {"S": token}}}),
            **{keys.gate(*pair): _close_gate(filled) for pair, filled in gates.items()},
        }

    def _gates_of_idle(self, stored: StoredPool, queues: Sequence[str], withdrawn: Sequence[Withdrawal]) -> Mapping[Key, str]:
        """The gates of queues that are to be deleted. Raises `Conflict` if not all runs of a queue have ended.

        The gates are read before the runs behind them: a run that comes in between changes its gate.
        """
        pool = stored.pool.name
        gates = self.gates([(pool, queue) for queue in queues]) if queues else {}
        for queue in queues:
            if stored.used.get(queue) or self.has_waiting(pool, queue, withdrawn):
                raise refusals.queue_busy(pool, queue)
        return {keys.gate(*pair): filled for pair, filled in gates.items()}


def changed(token: str, expected: str | None = None) -> Actions:
    """What every change of a pool or a deployment writes. A change of many nouns expects the token that it has read (empty for
    none); other changes expect nothing.
    """
    update: dict[str, Any] = {"UpdateExpression": "SET changed = :token", "ExpressionAttributeValues": {":token": {"S": token}}}
    if expected == "":
        update["ConditionExpression"] = "attribute_not_exists(pk)"
    elif expected is not None:
        update["ConditionExpression"] = "changed = :expected"
        update["ExpressionAttributeValues"][":expected"] = {"S": expected}
    return {keys.CONFIGURATION: ("Update", update)}


def _replacing(stored: Mapping[str, Any] | None, holds: Mapping[str, Any]) -> Mapping[str, Any]:
    """The request that replaces the holds that were read."""
    condition = "holds = :read" if stored else "attribute_not_exists(holds)"
    return {
        "UpdateExpression": "SET holds = :holds",
        "ConditionExpression": f"attribute_exists(pk) AND {condition}",
        "ExpressionAttributeValues": {":holds": holds, **({":read": stored} if stored else {})},
    }


def _new(pool: WorkPool, ticked: Item, token: str) -> Actions:
    """The actions that create a pool."""
    slots: Item = {"version": typed(pool.version), "turn": {"S": token}, **ticked}
    items = {keys.config(pool.name): pool_item(pool), keys.slots(pool.name): slots, keys.name(pool.name): {}}
    actions: Actions = {
        key: ("Put", {"Item": item, "ConditionExpression": "attribute_not_exists(pk)"}) for key, item in items.items()
    }
    return actions | {keys.gate(pool.name, queue.name): _new_gate(token) for queue in pool.queues} | _lanes(pool)


def _lanes(pool: WorkPool) -> Actions:
    """The action that notes that runs of the pool may wait in lanes, if deployments share a queue."""
    is_shared = any(queue.share is Share.FAIR for queue in pool.queues)
    return {keys.lanes(pool.name): ("Put", {"Item": {}})} if is_shared else {}


def _ticked(pool: WorkPool) -> dict[str, Any]:
    """The attributes that only ticks write."""
    return {name: getattr(pool, name) for name in ("holds", "last_tick_at", "ticked_hours")}


def _fit(config: Item | None, slots: Item | None) -> bool:
    return config is not None and slots is not None and config.get("version") == slots.get("version")


def _is_looked_at(pool: str, watches: Sequence[Watch]) -> bool:
    return any(watch.concerns(pool) for watch in watches)


def _stored(config: Item | None, slots: Item | None, watches: Sequence[Watch], *, has_lanes: bool) -> StoredPool:
    assert config is not None  # noqa: S101 - `_fit` has looked
    assert slots is not None  # noqa: S101 - as above
    pool = pool_in(config, slots)
    automated = _is_looked_at(pool.name, watches)
    return StoredPool(replace(pool, automated=automated), used_in(slots), has_lanes, text_in(slots, "turn"), watches, config)


def _expected(stored: StoredPool | None, name: str, version: int) -> StoredPool:
    if stored is None:
        raise refusals.no_pool(name)
    if stored.pool.version != version:
        raise refusals.pool_changed(name, version, stored.pool.version)
    return stored


def _saved(pool: WorkPool, version: int, **kept: Any) -> WorkPool:
    """The pool as it will be read; `kept` are the fields that its owner does not write."""
    queues = tuple(sorted(pool.queues, key=lambda queue: queue.priority))
    saved = replace(pool, version=version, queues=queues, **kept)
    return replace(saved, **POOL.decode_fields(POOL.encode_fields({"base_job_template": saved.base_job_template})))


def _put_config(pool: WorkPool, expected_version: int, before: Item | None) -> tuple[str, Mapping[str, Any]]:
    values = {":expected": typed(expected_version)}
    names = {"#version": "version"}
    return "Put", {
        "Item": pool_item(pool, before),
        "ConditionExpression": "#version = :expected",
        "ExpressionAttributeNames": names,
        "ExpressionAttributeValues": values,
    }


def _new_turn(token: str, expected: str, version: int, gone: Sequence[str]) -> tuple[str, Mapping[str, Any]]:
    """The slots item of a changed pool: it ends the turn of claims under way, and drops the counters of deleted queues."""
    names = {f"#q{number}": f"{USED}{queue}" for number, queue in enumerate(gone)}
    removed = f" REMOVE {', '.join(names)}" if names else ""
    return "Update", {
        "UpdateExpression": f"SET turn = :token, #version = :version{removed}",
        "ConditionExpression": "turn = :turn",
        "ExpressionAttributeNames": {"#version": "version", **names},
        "ExpressionAttributeValues": {":token": {"S": token}, ":version": typed(version), ":turn": {"S": expected}},
    }


def _new_gate(token: str) -> tuple[str, Mapping[str, Any]]:
    return "Put", {"Item": {"filled": {"S": token}}}


def _close_gate(filled: str) -> tuple[str, Mapping[str, Any]]:
    return "Delete", {"ConditionExpression": "filled = :filled", "ExpressionAttributeValues": {":filled": {"S": filled}}}


assert 2 * MAX_QUEUES + 6 <= MAX_ACTIONS  # noqa: S101 - a constant among constants
