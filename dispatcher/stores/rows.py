"""How the nouns are written into columns, the same for every SQL store.

Times are whole microseconds since the epoch and ids 32 hex digits, so that the order of columns is the order of values. JSON is
compact text: with sorted keys, so that equal values are equal text, but for templates, which keep the order their author gave.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any, Generic, TypeVar
from uuid import UUID

from dispatcher.models import (
    Attempt,
    CatchUp,
    Cause,
    Deployment,
    HoldKind,
    Hook,
    LogEntry,
    Mirror,
    OnCollision,
    PinnedJob,
    PoolHold,
    RetryPolicy,
    Run,
    RunState,
    Schedule,
    Share,
    WhenRepeated,
    WhenSkipped,
    WorkPool,
    WorkQueue,
)
from providers.base import Submission

T = TypeVar("T")

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class Codec:
    """How one kind of value is written and read back; None is NULL in every column."""

    encode: Callable[[Any], Any]
    decode: Callable[[Any], Any]


@dataclass(frozen=True, slots=True)
class Table(Generic[T]):
    """A noun and its columns, in the order in which statements read them."""

    noun: Callable[..., T]
    codecs: Mapping[str, Codec]
    """By field."""
    older_names: Mapping[str, str] = field(default_factory=dict)
    """By field: the column, where it kept a name that the field had earlier."""
    names: Sequence[str] = field(init=False)
    """The names of the columns."""
    _fields: Mapping[str, tuple[str, Callable[[Any], Any] | None]] = field(init=False)
    """By column: its field, and what decodes a value that is not stored as it is."""

    def __post_init__(self) -> None:
        """Once for each noun, and not for each row that is read."""
        columns = {self.older_names.get(name, name): (name, codec) for name, codec in self.codecs.items()}
        fields = {column: (name, None if codec is PLAIN else codec.decode) for column, (name, codec) in columns.items()}
        object.__setattr__(self, "names", tuple(columns))
        object.__setattr__(self, "_fields", fields)

    @property
    def columns(self) -> str:
        """The columns, as a statement reads them."""
        return ", ".join(self.names)

    @property
    def values(self) -> str:
        """The parameters, as a statement writes them."""
        return ", ".join(f":{name}" for name in self.names)

    def encode(self, noun: T) -> dict[str, Any]:
        """The parameters that write a noun."""
        return self.encode_fields({name: getattr(noun, name) for name in self.codecs})

    def decode(self, row: Sequence[Any], **rest: Any) -> T:
        """The noun in a row, with the fields that stand elsewhere."""
        return self.noun(**self.decode_fields(dict(zip(self.names, row, strict=True))), **rest)

    def filled(self, noun: T) -> dict[str, Any]:
        """The columns of a noun that are not None."""
        return {name: value for name, value in self.encode(noun).items() if value is not None}

    def of_filled(self, columns: Mapping[str, Any], **rest: Any) -> T:
        """The noun of `filled`, with the fields that stand elsewhere; what is not there is as it is by default."""
        return self.noun(**self.decode_fields(columns), **rest)

    def encode_fields(self, fields: Mapping[str, Any]) -> dict[str, Any]:
        """Some fields, as their columns are written."""
        codecs, older = self.codecs, self.older_names
        return {older.get(name, name): value if value is None else codecs[name].encode(value) for name, value in fields.items()}

    def decode_fields(self, columns: Mapping[str, Any]) -> dict[str, Any]:
        """The fields that stand in some columns."""
        fields: dict[str, Any] = {}
        for column, value in columns.items():
            name, decode = self._fields[column]
            fields[name] = value if value is None or decode is None else decode(value)
        return fields


def microseconds(time: datetime) -> int:
    """A time as it is stored."""
    return (time - _EPOCH) // _MICROSECOND


def _time(stored: int) -> datetime:
    return _EPOCH + timedelta(microseconds=stored)


def _same(value: Any) -> Any:
    return value


def _printable(text: str) -> str:
    """Foreign text without what a database cannot hold: lone surrogates and NUL."""
    return text.encode("utf-8", "replace").decode().replace("\0", "\N{REPLACEMENT CHARACTER}")


_json = json.JSONEncoder(separators=(",", ":"), sort_keys=True).encode
_json_in_order = json.JSONEncoder(separators=(",", ":")).encode


def _many(decode: Callable[[Any], Any]) -> Callable[[str], Any]:
    """Reads a list into something immutable. Most lists are empty, and are not parsed."""
    empty = decode([])
    return lambda stored: empty if stored == "[]" else decode(json.loads(stored))


PLAIN = Codec(_same, _same)
TEXT = Codec(_printable, _same)
FLAG = Codec(bool, bool)
TIME = Codec(microseconds, _time)
ID = Codec(lambda value: value.hex, lambda stored: UUID(hex=str(stored)))
STATE = Codec(lambda value: value.value, RunState)
JSON = Codec(_json, json.loads)
TEMPLATE = Codec(_json_in_order, json.loads)
TAGS = Codec(_json, _many(tuple))
LENGTH = Codec(lambda value: value // _MICROSECOND, lambda stored: timedelta(microseconds=stored))
STATES = Codec(sorted, lambda stored: frozenset(map(RunState, stored)))
TIMES = Codec(
    lambda value: _json({name: microseconds(time) for name, time in value.items()}),
    lambda stored: {name: _time(time) for name, time in json.loads(stored).items()},
)
"""Times by name."""


SUBMISSION = Codec(
    lambda submission: {"handle": submission.handle, "name": submission.name, "url": submission.url},
    lambda stored: Submission(**stored),
)
PINNED_JOB = Codec(
    lambda job: {"configuration": job.configuration, "environment": job.environment, "labels": job.labels},
    lambda stored: PinnedJob(**stored),
)


def _in_json(codec: Codec) -> Codec:
    """The same in a column of its own, as text."""
    return Codec(lambda value: _json(codec.encode(value)), lambda stored: codec.decode(json.loads(stored)))


def _nested(table: Table[Any]) -> Codec:
    """A noun in a column of another: an object of those of its fields that are not None."""
    return Codec(lambda noun: _json(table.filled(noun)), lambda stored: table.of_filled(json.loads(stored)))


def _several(table: Table[Any]) -> Codec:
    """A tuple of nouns in a column of another."""
    return Codec(
        lambda nouns: _json([table.filled(noun) for noun in nouns]),
        _many(lambda stored: tuple(table.of_filled(noun) for noun in stored)),
    )


SCHEDULE = Table(
    Schedule,
    {
        "slug": PLAIN,
        "cron": PLAIN,
        "day_or": Codec(lambda either: None if either else False, bool),  # not written where it is as it always was
        "interval": LENGTH,
        "rrule": PLAIN,
        "timezone": PLAIN,
        "anchor": TIME,
        "when_skipped": Codec(str, WhenSkipped),
        "when_repeated": Codec(str, WhenRepeated),
        "start": TIME,
        "end": TIME,
        "exclude": Codec(
            lambda days: [day.isoformat() for day in days] or None, lambda days: tuple(map(date.fromisoformat, days))
        ),
        "spread": Codec(lambda length: LENGTH.encode(length) or None, LENGTH.decode),
        "job_variables": Codec(lambda variables: variables or None, dict),
        "parameters": Codec(lambda parameters: parameters or None, dict),
        "active": FLAG,
        "catch_up": Codec(str, CatchUp),
        "catch_up_limit": PLAIN,
    },
)
RETRY = Table(RetryPolicy, {"attempts": PLAIN, "delay": LENGTH, "backoff": PLAIN, "states": STATES}, {"states": "ends"})
ATTEMPT = Table(
    Attempt,
    {
        "number": PLAIN,
        "state": STATE,
        "reason": TEXT,
        "claimed_at": TIME,
        "submitted_at": TIME,
        "started_at": TIME,
        "ended_at": TIME,
        "exit_code": PLAIN,
        "submission": SUBMISSION,
        "lingers": FLAG,
    },
)

HOOK = Table(Hook, {"name": PLAIN, "states": STATES, "late_after": LENGTH}, {"states": "ends"})

PLACES = Codec(
    lambda value: {queue: [microseconds(due_at), run_id.hex] for queue, (due_at, run_id) in value.items()},
    lambda stored: {queue: (_time(due_at), UUID(hex=run_id)) for queue, (due_at, run_id) in stored.items()},
)
"""Positions, by queue."""

HOLD = Table(
    PoolHold,
    {
        "place": Codec(list, tuple),
        "size": Codec(dict, dict),
        "freed_by_end": FLAG,
        "until": TIME,
        "reason": TEXT,
        "kind": Codec(str, HoldKind),
        "passed": PLACES,
    },
)

MIRROR = Table(Mirror, {"source": PLAIN, "revision": PLAIN, "problem": TEXT})

POOL = Table(
    WorkPool,
    {
        "name": PLAIN,
        "id": ID,
        "type": PLAIN,
        "concurrency_limit": PLAIN,
        "paused": FLAG,
        "description": TEXT,
        "hooks": _several(HOOK),
        "created_at": TIME,
        "version": PLAIN,
        "holds": _several(HOLD),
        "last_tick_at": TIME,
        "mirror": _nested(MIRROR),
        "applied": JSON,
        "share": Codec(str, Share),
        "owner": PLAIN,
        "base_job_template": TEMPLATE,
    },
)
"""All of a pool but its queues."""

QUEUE = Table(
    WorkQueue,
    {"name": PLAIN, "priority": PLAIN, "concurrency_limit": PLAIN, "paused": FLAG, "description": TEXT, "weight": PLAIN},
)
"""A queue; the name of its pool stands before it."""

DEPLOYMENT = Table(
    Deployment,
    {
        "name": PLAIN,
        "id": ID,
        "pool": PLAIN,
        "queue": PLAIN,
        "job_variables": JSON,
        "parameters": JSON,
        "parameter_openapi_schema": TEMPLATE,
        "tags": TAGS,
        "description": TEXT,
        "schedules": _several(SCHEDULE),
        "paused": FLAG,
        "retry": _nested(RETRY),
        "hooks": _several(HOOK),
        "concurrency_limit": PLAIN,
        "on_collision": Codec(str, OnCollision),
        "max_waiting": PLAIN,
        "expires_after": LENGTH,
        "owner": PLAIN,
        "applied": JSON,
        "created_at": TIME,
        "version": PLAIN,
        "windows_until": TIMES,
        "windows_at": TIME,
        "windows_left_out": PLAIN,
    },
)

CAUSE = Table(Cause, {"automation": PLAIN, "run": ID, "depth": PLAIN})

SMALL_RUN = Table(
    Run,
    {
        "id": ID,
        "name": PLAIN,
        "pool": PLAIN,
        "queue": PLAIN,
        "deployment": PLAIN,
        "created_at": TIME,
        "scheduled_at": TIME,
        "schedule": PLAIN,
        "retry": _nested(RETRY),
        "source_id": PLAIN,
        "notify_states": Codec(lambda ends: _json(sorted(ends)), _many(STATES.decode)),
        "due_at": TIME,
        "expires_at": TIME,
        "lane": PLAIN,
        "state": STATE,
        "reason": TEXT,
        "attempt": PLAIN,
        "fence": PLAIN,
        "ended_attempts": PLAIN,
        "refusals": PLAIN,
        "not_before": TIME,
        "claimed_at": TIME,
        "lease_until": TIME,
        "start_within": PLAIN,
        "submission": _in_json(SUBMISSION),
        "ending": STATE,
        "lingers": FLAG,
        "submitted_at": TIME,
        "started_at": TIME,
        "ended_at": TIME,
        "exit_code": PLAIN,
        "notify_at": TIME,
        "notify_tries": PLAIN,
        "notified_hooks": Codec(lambda hooks: _json(sorted(hooks)), _many(frozenset)),
        "past": _several(ATTEMPT),
    },
    {"notify_states": "notify_ends", "ended_attempts": "ends", "expires_at": "start_by"},
)
"""A run without its long texts, as `live` and `lingering` answer it."""

RUN = Table(
    Run,
    {
        **SMALL_RUN.codecs,
        "tags": TAGS,
        "job_variables": JSON,
        "parameters": JSON,
        "job": _in_json(PINNED_JOB),
        "cause": _nested(CAUSE),
        "automate_at": TIME,
    },
    SMALL_RUN.older_names,
)
"""A run, whole."""

LOG_ENTRY = Table(
    LogEntry,
    {
        "id": ID,
        "changed_at": TIME,
        "actor": TEXT,
        "via": PLAIN,
        "verb": PLAIN,
        "noun": PLAIN,
        "name": TEXT,
        "fields": TAGS,
        "note": TEXT,
        "runs": PLAIN,
        "kept_until": TIME,
    },
)

COLUMNS: Mapping[str, str] = {
    "pool": POOL.columns,
    "pool_values": POOL.values,
    "queue": QUEUE.columns,
    "queue_values": QUEUE.values,
    "deployment": DEPLOYMENT.columns,
    "deployment_values": DEPLOYMENT.values,
    "run": RUN.columns,
    "run_values": RUN.values,
    "small_run": SMALL_RUN.columns,
    "log_entry": LOG_ENTRY.columns,
    "log_entry_values": LOG_ENTRY.values,
}
"""What the nouns in `sql/statements.sql` stand for."""
