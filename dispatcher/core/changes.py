"""What people configure as plain values, and the difference between two configurations.

Every field of a pool, a queue or a deployment is part of the configuration, new fields too, except those that stores and ticks
write (`KEPT`). Nested nouns with names (queues in a pool) become an object by name.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import MISSING, Field, dataclass, fields, is_dataclass
from datetime import date, timedelta
from enum import Enum, StrEnum
from hashlib import sha256
from typing import Any
from uuid import UUID

from dispatcher.core.placeholders import joined
from dispatcher.models import Automation, Deployment, WorkPool

KEPT = frozenset(
    {"id", "created_at", "version", "applied", "holds", "last_tick_at", "ticked_hours", "mirror", "paused_at", "resumed_at"}
    | {"windows_until", "windows_at", "windows_left_out", "automated", "revision", "progress"}
)
"""Fields that stores, ticks and `apply` write; a configuration does not have them."""

LEFT_ALONE = frozenset({"paused", "active"})
"""Switches for operation. A configuration that does not mention a switch leaves it unchanged."""

IDENTITIES = ("name", "slug")
"""The fields that identify a noun among others of its kind."""

ABSENT: Any = type("Absent", (), {"__repr__": lambda _self: "ABSENT"})()
"""The value of a field that does not exist."""


Noun = WorkPool | Deployment | Automation

KINDS = ("work pool", "deployment", "automation")
"""In the order in which they are shown."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Configuration:
    """Everything that people configure."""

    pools: tuple[WorkPool, ...] = ()
    deployments: tuple[Deployment, ...] = ()
    automations: tuple[Automation, ...] = ()

    @property
    def nouns(self) -> dict[tuple[str, str], Noun]:
        """Everything by kind and name, in the order in which it is shown."""
        parts: Iterable[Sequence[Noun]] = (self.pools, self.deployments, self.automations)
        return {(kind, noun.name): noun for kind, nouns in zip(KINDS, parts, strict=True) for noun in nouns}


class Action(StrEnum):
    """What happens to a noun, or to a field."""

    CREATE = "create"
    CHANGE = "change"
    DELETE = "delete"


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldChange:
    """One field whose value differs."""

    path: str
    """Dotted, as `queues.critical.concurrency_limit`."""
    before: Any
    """`ABSENT` for a new field."""
    after: Any
    """`ABSENT` for a removed field."""

    @property
    def action(self) -> Action:
        """What happens to the field."""
        return Action.CREATE if self.before is ABSENT else Action.DELETE if self.after is ABSENT else Action.CHANGE


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One pool, deployment or automation that differs."""

    action: Action
    noun: str
    """One of `KINDS`."""
    name: str
    fields: tuple[FieldChange, ...] = ()
    """For a new noun the fields that differ from their defaults; for a deleted one none."""


def changes(stored: Configuration, target: Configuration) -> tuple[Change, ...]:
    """The changes from `stored` to `target`, in the order of `KINDS`, by name. Equal nouns are left out."""
    before, after = stored.nouns, target.nouns
    compared = [_change(key, before.get(key), after.get(key)) for key in sorted({**before, **after}, key=_order)]
    return tuple(change for change in compared if change)


def shape(change: Change) -> dict[str, Any]:
    """A change in JSON's values."""
    fields = [
        {"path": field.path, "action": field.action.value, "before": _shown(field.before), "after": _shown(field.after)}
        for field in change.fields
    ]
    return {"action": change.action.value, "noun": change.noun, "name": change.name, "fields": fields}


def digest(configuration: Configuration) -> str:
    """16 hex digits, the same for equal configurations. Fields that stores and ticks write do not count."""
    nouns = sorted((kind, name, plain(noun)) for (kind, name), noun in configuration.nouns.items())
    return sha256(json.dumps(nouns, sort_keys=True).encode()).hexdigest()[:16]


def plain(noun: Any) -> dict[str, Any]:
    """A noun in JSON's values, without its name and without the fields of `KEPT`."""
    return {field.name: _plain(getattr(noun, field.name)) for field in configured(type(noun))}


def sparse(noun: Any) -> dict[str, Any]:
    """A noun as `plain` has it, without fields that have their default values."""
    return {
        field.name: _sparse(getattr(noun, field.name))
        for field in configured(type(noun))
        if getattr(noun, field.name) != default_of(field)
    }


def configured(noun: type[Any]) -> list[Field[Any]]:
    """The fields of a noun that a configuration has, without its name."""
    return [field for field in fields(noun) if field.name not in KEPT and field.name != identity_of(noun)]


def identity_of(noun: Any) -> str | None:
    """The field that identifies a noun among others; None for a noun without one."""
    names = {field.name for field in fields(noun)}
    return next((name for name in IDENTITIES if name in names), None)


def default_of(field: Field[Any]) -> Any:
    """The default value of a field; `ABSENT` for a required field."""
    if field.default_factory is not MISSING:
        return field.default_factory()
    return ABSENT if field.default is MISSING else field.default


def _shown(value: Any) -> Any:
    return None if value is ABSENT else value


def _order(key: tuple[str, str]) -> tuple[int, str]:
    return KINDS.index(key[0]), key[1]


def _change(key: tuple[str, str], before: Any, after: Any) -> Change | None:
    noun, name = key
    if after is None:
        return Change(action=Action.DELETE, noun=noun, name=name)
    if before is None:
        fields = tuple(FieldChange(path=path, before=ABSENT, after=value) for path, value in sparse(after).items())
        return Change(action=Action.CREATE, noun=noun, name=name, fields=fields)
    fields = tuple(_differences(plain(before), plain(after), ""))
    return Change(action=Action.CHANGE, noun=noun, name=name, fields=fields) if fields else None


def _differences(before: Any, after: Any, path: str) -> Iterator[FieldChange]:
    """The smallest parts that differ; a list is one part."""
    if _same(before, after):
        return
    if not isinstance(before, Mapping) or not isinstance(after, Mapping) or (path and not (before and after)):
        yield FieldChange(path=path, before=before, after=after)
        return
    for name in {**before, **after}:
        yield from _differences(before.get(name, ABSENT), after.get(name, ABSENT), joined(path, name))


def _same(before: Any, after: Any) -> bool:
    """As JSON: 1, 1.0 and true are three values, and objects have no order."""
    return before is after or (
        ABSENT not in (before, after) and json.dumps(before, sort_keys=True) == json.dumps(after, sort_keys=True)
    )


def _plain(value: Any) -> Any:
    return _value(value, plain)


def _sparse(value: Any) -> Any:
    return _value(value, sparse)


def _value(value: Any, of_noun: Any) -> Any:
    if isinstance(value, tuple):
        return _items(value, of_noun)
    if is_dataclass(value):
        return of_noun(value)
    if isinstance(value, date):  # or a datetime
        return value.isoformat()
    if isinstance(value, timedelta):
        return int(value.total_seconds()) if not value.microseconds else value.total_seconds()
    if isinstance(value, Enum | UUID):
        return str(value)
    if isinstance(value, frozenset):
        return sorted(_value(element, of_noun) for element in value)
    return value


def _items(values: Iterable[Any], of_noun: Any) -> Any:
    """Nouns by their names; anything else in order."""
    items = list(values)
    identity = identity_of(type(items[0])) if items and is_dataclass(items[0]) else None
    if identity is None:
        return [_value(item, of_noun) for item in items]
    return {getattr(item, identity): of_noun(item) for item in items}
