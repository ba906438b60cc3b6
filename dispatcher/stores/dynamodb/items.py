"""Nouns as items: the columns of `stores.rows` as DynamoDB's typed attributes. None is stored as no attribute."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple, TypeVar
from uuid import UUID

from dispatcher.core import ticks
from dispatcher.core.transitions import TAKEN_OVER_IN
from dispatcher.errors import StoreUnavailable
from dispatcher.models import Deployment, Run, RunState, WorkPool
from dispatcher.stores.codecs import NounTable, microseconds
from dispatcher.stores.dynamodb import keys
from dispatcher.stores.dynamodb.answers import ODD
from dispatcher.stores.dynamodb.definition import EXPIRES_AT
from dispatcher.stores.dynamodb.keys import Key
from dispatcher.stores.rows import DEPLOYMENT, POOL, QUEUE, RUN, SMALL_RUN

T = TypeVar("T")

Item = dict[str, Mapping[str, Any]]

USED = "used/"
"""The prefix, before a queue's name, of the attribute in the slots item that counts the queue's slots in use."""
MAX_BYTES = 390_000
"""The most bytes of a run. A DynamoDB item holds 400 kB (409,600 bytes), including its keys and names."""

_TICKED = ("holds", "last_tick_at")
_MINUTES = tuple(f"{minute:02}" for minute in range(ticks.MINUTES))
"""The attributes of the slots item that say in which hour each minute of the hour last had a tick."""
_LONG_AGO = datetime.min.replace(tzinfo=UTC)
_OVERHEAD = 100
"""What AWS adds to an item's size when it stores it. It is billed, but does not count against the limit."""


@dataclass(frozen=True, slots=True)
class Stored:
    """A run as it was read."""

    run: Run
    revision: str
    """The token of the transaction that wrote it."""


@dataclass(frozen=True, slots=True)
class RunEntry:
    """A run's entry, in the partition of its state. Ticks find the run by its entry."""

    key: Key
    item: Item


class Beat(NamedTuple):
    """The parts of an update that notes a heartbeat."""

    assigned: str
    names: Mapping[str, str]
    values: Item

    @property
    def update(self) -> dict[str, Any]:
        """An update that only notes the heartbeat, if the pool exists."""
        return {
            "UpdateExpression": f"SET {self.assigned}",
            "ConditionExpression": "attribute_exists(pk)",
            "ExpressionAttributeNames": self.names,
            "ExpressionAttributeValues": self.values,
        }


def typed(value: Any) -> Mapping[str, Any]:
    """An attribute."""
    if isinstance(value, bool):
        return {"BOOL": value}
    return {"N": repr(value)} if isinstance(value, int | float) else {"S": value}


@contextmanager
def readable(subject: str) -> Iterator[None]:
    """Raise `StoreUnavailable` for an item without the expected attribute, or with another kind of value in it."""
    try:
        yield
    except ODD as problem:
        words = f"{type(problem).__name__}: {problem}"
        raise StoreUnavailable(f"DynamoDB: an item cannot be read: {subject}: {words}: try again") from problem


def plain(attribute: Mapping[str, Any]) -> Any:
    """The value of an attribute."""
    [(kind, value)] = attribute.items()
    if kind != "N":
        return value
    return int(value) if value.lstrip("-").isdecimal() else float(value)


def text_in(item: Item, name: str) -> str:
    """The text of an attribute that always exists. Raises `StoreUnavailable` if it is missing."""
    text = item.get(name, {}).get("S")
    if text is None:
        raise StoreUnavailable(f"DynamoDB: an item came without the text {name!r}: try again")
    return str(text)


def number_in(item: Item, name: str) -> int:
    """The whole number of an attribute that always exists. Raises `StoreUnavailable` if it is missing."""
    with readable(name):
        return int(item[name]["N"])


def encode(table: NounTable[Any], noun: Any) -> Item:
    """The attributes of a noun."""
    return {name: typed(value) for name, value in table.encode(noun).items() if value is not None}


def decode(table: NounTable[T], item: Item, **rest: Any) -> T:
    """The noun in an item, with the fields that are stored elsewhere; fields that older code did not write have their
    defaults.
    """
    with readable(table.noun.__name__):
        return table.of_filled({name: plain(item[name]) for name in table.names if name in item}, **rest)


def keyed(key: Key, item: Item) -> Item:
    """An item with its key."""
    return {**key_of(key), **item}


def key_of(key: Key) -> Item:
    """A key as requests name it."""
    return {"pk": {"S": key[0]}, "sk": {"S": key[1]}}


def key_in(item: Item) -> Key:
    """The key of an item that was read."""
    return text_in(item, "pk"), text_in(item, "sk")


def size(item: Item) -> int:
    """The size of an item in bytes, as AWS counts it: names and values."""
    return _OVERHEAD + sum(len(name.encode()) + _weight(value) for name, value in item.items())


def unknown(item: Item | None, names: Iterable[str]) -> Item:
    """All attributes except these. Newer code has written them, so they are kept when the item is written anew."""
    own = {*names, "pk", "sk"}
    return {name: value for name, value in (item or {}).items() if name not in own}


def pool_item(pool: WorkPool, before: Item | None = None) -> Item:
    """The configuration of a pool with its queues, and with attributes that newer code has written into the item `before`."""
    ticked = (*_TICKED, "ticked_hours")
    item = {name: value for name, value in encode(POOL, pool).items() if name not in ticked}
    queues = {queue["name"]: queue for queue in _queues_in(before)} if before else {}
    written = [{**queues.get(queue.name, {}), **QUEUE.encode(queue)} for queue in pool.queues]
    kept = unknown(before, (*POOL.names, "queues"))
    return {**kept, **item, "queues": {"S": json.dumps(written, separators=(",", ":"))}}


def pool_in(config: Item, slots: Item) -> WorkPool:
    """The pool in its two items."""
    with readable("queues"):
        stored = _queues_in(config)
        queues = tuple(QUEUE.of_filled({name: queue[name] for name in QUEUE.names if name in queue}) for queue in stored)
    ticked = {name: slots[name] for name in _TICKED if name in slots}
    return decode(POOL, {**config, **ticked}, queues=queues, ticked_hours=_hours_in(slots))


def _queues_in(config: Item) -> Sequence[Mapping[str, Any]]:
    queues: Sequence[Mapping[str, Any]] = json.loads(text_in(config, "queues"))
    return queues


def ticked_item(pool: WorkPool) -> Item:
    """What ticks have written about a pool, as the slots item holds it."""
    item = encode(POOL, pool)
    hours = {name: typed(hour) for name, hour in zip(_MINUTES, pool.ticked_hours or (), strict=False) if hour != ticks.NEVER}
    return {**{name: item[name] for name in _TICKED if name in item}, **hours}


def beat(now: datetime) -> Beat:
    """A heartbeat, as part of an update of the slots item."""
    hour, minute = ticks.place(now)
    values = {":now": typed(microseconds(now)), ":hour": typed(hour)}
    return Beat("last_tick_at = :now, #minute = :hour", {"#minute": _MINUTES[minute]}, values)


def _hours_in(slots: Item) -> tuple[int, ...]:
    if not any(name in slots for name in _MINUTES):
        return ()
    return tuple(number_in(slots, name) if name in slots else ticks.NEVER for name in _MINUTES)


def deployment_in(item: Item | None) -> Deployment | None:
    """The deployment in its item; None without an item, and for a deleted one whose item stays until its runs are withdrawn."""
    return None if item is None or "leaving" in item else decode(DEPLOYMENT, item)


def used_in(slots: Item) -> Mapping[str, int]:
    """Slots in use, by queue; queues that hold none are left out."""
    counts = {name.removeprefix(USED): number_in(slots, name) for name in slots if name.startswith(USED)}
    return {queue: count for queue, count in counts.items() if count}


def run_item(run: Run, revision: str, expires_at: datetime | None) -> Item:
    """The item of a whole run; DynamoDB may delete it at `expires_at`."""
    item = encode(RUN, run)
    item |= {"revision": {"S": revision}, "listed": {"S": keys.newest_first(run.created_at, run.id)}}
    return {**item, EXPIRES_AT: {"N": str(int(expires_at.timestamp()))}} if expires_at else item


def run_in(item: Item) -> Stored:
    """The run in its item."""
    return Stored(decode(RUN, item), text_in(item, "revision"))


def small_run_in(item: Item) -> Run:
    """The run in its entry."""
    return decode(SMALL_RUN, item)


def small(run: Run) -> Run:
    """A run without its long texts."""
    return small_run_in(_small(run))


def as_read(run: Run) -> Run:
    """The run exactly as it will be read; it shares nothing mutable with the original."""
    return RUN.decode(list(RUN.encode(run).values()))


def is_run(key: Key) -> bool:
    """Whether the item of this key is a whole run."""
    return key[0].startswith("RUN/")


def entry_of(run: Run) -> RunEntry | None:
    """The entry by which ticks find the run; None if ticks have nothing left to do for it."""
    if run.state is RunState.SCHEDULED:
        return RunEntry((keys.waiting(run.pool, run.queue), keys.in_lane(run.lane, keys.at(run.due_at, run.id))), _waiting(run))
    if run.state.holds_slot and run.submission is None:
        return RunEntry((keys.claimed(run.pool), keys.at(_taken_over_at(run), run.id)), _claimed(run))
    if run.state.holds_slot:
        return RunEntry((keys.live(run.pool), run.id.hex), _small(run))
    if run.lingers:
        return RunEntry((keys.lingering(run.pool), keys.at(run.ended_at or _LONG_AGO, run.id)), _small(run))
    return None


def entries_of(run: Run) -> dict[Key, Item]:
    """All entries of a run: the one by which ticks find it, and those for its notification, its expiry and automations."""
    main = entry_of(run)
    entries = {main.key: main.item} if main else {}
    if run.notify_at is not None:
        entries[keys.notifications(run.pool), keys.at(run.notify_at, run.id)] = {}
    if run.state is RunState.SCHEDULED and run.expires_at is not None:
        entries[keys.expiring(run.pool), keys.at(run.expires_at, run.id)] = {}
    if run.automate_at is not None:
        entries[keys.owed(run.pool), keys.at(run.automate_at, run.id)] = {}
    return entries


def id_in(key: Key) -> UUID:
    """The run of an entry."""
    with readable("the run of an entry"):
        return UUID(hex=key[1].rpartition("#")[2])


def expiry(run: Run, now: datetime, history: timedelta) -> datetime | None:
    """When an ended run whose job does not linger may be deleted."""
    return (run.ended_at or now) + history if run.state.is_terminal and not run.lingers else None


def _waiting(run: Run) -> Item:
    """The attributes of a waiting run's entry: the end of its back-off, when it expires, and its schedule while it can be
    withdrawn.
    """
    times = {"not_before": run.not_before, "start_by": run.expires_at}
    held: Item = {name: typed(microseconds(time)) for name, time in times.items() if time}
    if run.fence or run.deployment is None or run.schedule is None:
        return held
    return {**held, "deployment": typed(run.deployment), "schedule": typed(run.schedule)}


def is_startable(entry: Item, now: int) -> bool:
    """Whether the run of a waiting entry is neither held back nor expired; `now` in microseconds."""
    is_free = "not_before" not in entry or number_in(entry, "not_before") <= now
    return is_free and not is_expired(entry, now)


def is_expired(entry: Item, now: int) -> bool:
    """Whether the run of a waiting entry has expired; `now` in microseconds."""
    return "start_by" in entry and number_in(entry, "start_by") <= now


def _claimed(run: Run) -> Item:
    """The attributes of a claim's entry. Its deployment (empty for none) is used for counting."""
    return {"queue": typed(run.queue), "deployment": typed(run.deployment or "")}


def _taken_over_at(run: Run) -> datetime | None:
    """When another invocation may take the claim over; never for a RUNNING run or one without `lease_until`."""
    return run.lease_until if run.state in TAKEN_OVER_IN else None


def _small(run: Run) -> Item:
    return encode(SMALL_RUN, replace(run, job=None))


def _weight(value: Mapping[str, Any]) -> int:
    [(kind, content)] = value.items()
    return len(content.encode()) if kind == "S" else len(content) // 2 + 2 if kind == "N" else 1
