"""How values are written into columns, the same for every SQL store; DynamoDB writes the same columns as attributes.

Times are whole microseconds since the epoch, and ids are 32 hex digits, so that columns sort like their values. JSON is
compact text. Its keys are sorted, so that equal values are equal text; templates keep the order that their author chose.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Generic, TypeVar
from uuid import UUID

from dispatcher.models import RunState

T = TypeVar("T")

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class Codec:
    """How one kind of value is written and read back; None is NULL in every column."""

    encode: Callable[[Any], Any]
    decode: Callable[[Any], Any]


@dataclass(frozen=True, slots=True)
class NounTable(Generic[T]):
    """A noun and its columns, in the order in which statements read them."""

    noun: Callable[..., T]
    codecs: Mapping[str, Codec]
    """By field."""
    older_names: Mapping[str, str] = field(default_factory=dict)
    """By field: its column, if the column still has the field's earlier name."""
    names: Sequence[str] = field(init=False)
    """The names of the columns."""
    _fields: Mapping[str, tuple[str, Callable[[Any], Any] | None]] = field(init=False)
    """By column: its field, and the decoder if the value is stored in another form."""

    def __post_init__(self) -> None:
        """Computed once for each noun, not for each row."""
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
        """The noun in a row, with the fields that are stored elsewhere."""
        fields = {
            name: value if value is None or decode is None else decode(value)
            for value, (name, decode) in zip(row, self._fields.values(), strict=True)
        }
        return self.noun(**fields, **rest)

    def filled(self, noun: T) -> dict[str, Any]:
        """The columns of a noun that are not None."""
        return {name: value for name, value in self.encode(noun).items() if value is not None}

    def of_filled(self, columns: Mapping[str, Any], **rest: Any) -> T:
        """The noun of `filled`, with the fields that are stored elsewhere; a missing field has its default."""
        return self.noun(**self.decode_fields(columns), **rest)

    def encode_fields(self, fields: Mapping[str, Any]) -> dict[str, Any]:
        """Some fields, encoded for their columns."""
        codecs, older = self.codecs, self.older_names
        return {older.get(name, name): value if value is None else codecs[name].encode(value) for name, value in fields.items()}

    def decode_fields(self, columns: Mapping[str, Any]) -> dict[str, Any]:
        """The fields in some columns."""
        fields: dict[str, Any] = {}
        for column, value in columns.items():
            name, decode = self._fields[column]
            fields[name] = value if value is None or decode is None else decode(value)
        return fields


def microseconds(time: datetime) -> int:
    """A time in its stored form."""
    return (time - _EPOCH) // _MICROSECOND


def time_of(stored: int) -> datetime:
    """The time from its stored form."""
    return _EPOCH + timedelta(microseconds=stored)


def _same(value: Any) -> Any:
    return value


def _printable(text: str) -> str:
    """Foreign text without the characters that a database cannot hold: lone surrogates and NUL."""
    return text.encode("utf-8", "replace").decode().replace("\0", "\N{REPLACEMENT CHARACTER}")


as_json = json.JSONEncoder(separators=(",", ":"), sort_keys=True).encode
"""A value as text: equal values give equal text."""
_json_in_order = json.JSONEncoder(separators=(",", ":")).encode


def many(decode: Callable[[Any], Any]) -> Callable[[str], Any]:
    """Reads a list into something immutable. Most lists are empty, and are not parsed."""
    empty = decode([])
    return lambda stored: empty if stored == "[]" else decode(json.loads(stored))


PLAIN = Codec(_same, _same)
TEXT = Codec(_printable, _same)
FLAG = Codec(bool, bool)
TIME = Codec(microseconds, time_of)
ID = Codec(lambda value: value.hex, lambda stored: UUID(hex=str(stored)))
STATE = Codec(lambda value: value.value, RunState)
JSON = Codec(as_json, json.loads)
TEMPLATE = Codec(_json_in_order, json.loads)
TAGS = Codec(as_json, many(tuple))
LENGTH = Codec(lambda value: value // _MICROSECOND, lambda stored: timedelta(microseconds=stored))
STATES = Codec(sorted, lambda stored: frozenset(map(RunState, stored)))
TIMES = Codec(
    lambda value: as_json({name: microseconds(time) for name, time in value.items()}),
    lambda stored: {name: time_of(time) for name, time in json.loads(stored).items()},
)
"""Times by name."""


HOUR_DIGITS = 5
HOURS = Codec(
    lambda hours: "".join(f"{hour:0{HOUR_DIGITS}x}" for hour in hours),
    lambda stored: tuple(int(stored[at : at + HOUR_DIGITS], 16) for at in range(0, len(stored), HOUR_DIGITS)),
)
"""A sequence of hours since 1970, all with the same number of hexadecimal digits, so that a statement can replace one of
them."""


def in_json(codec: Codec) -> Codec:
    """The same in a column of its own, as text."""
    return Codec(lambda value: as_json(codec.encode(value)), lambda stored: codec.decode(json.loads(stored)))


def nested(table: NounTable[Any]) -> Codec:
    """A noun in a column of another: an object of its fields that are not None."""
    return Codec(lambda noun: as_json(table.filled(noun)), lambda stored: table.of_filled(json.loads(stored)))


def several(table: NounTable[Any]) -> Codec:
    """A tuple of nouns in a column of another."""
    return Codec(
        lambda nouns: as_json([table.filled(noun) for noun in nouns]),
        many(lambda stored: tuple(table.of_filled(noun) for noun in stored)),
    )
