"""Placeholders: what `{{ name }}` means in a template, and the one pass that fills them.

The grammar and the table of outcomes are Prefect's, so that its templates work unmodified: a name is made of letters, digits
and `_ . - [ ] $`, blanks around it do not count, and everything else between braces is plain text. There are no filters and no
expressions. Intended differences from Prefect:

* Text is filled in one pass: a filled value is never read again, so `{{ }}` in a value is copied byte for byte.
* An object or list inside text is an error (Prefect prints its Python form); null inside text leaves nothing.
* Values are looked up only in the mapping that is passed in: `{{ $NAME }}`, `{{ prefect.blocks... }}` and
  `{{ prefect.variables... }}` never have a value.
* A path steps into objects and lists, not into the letters of a text.
* The keys of objects are sorted, so that equal inputs give equal bytes.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from enum import Enum
from functools import lru_cache
from typing import Any, Final, Literal, NamedTuple, TypeAlias

from dispatcher.errors import RenderError

MAX_DEPTH = 64
"""How deep objects and lists may nest, in a template and in a value."""

_PLACEHOLDER = re.compile(r"\{\{\s*+([\w.\-\[\]$]++)\s*+\}\}")
PREFECT_BLOCKS, PREFECT_VARIABLES = "prefect.blocks.", "prefect.variables."
_RESOLVED_BY_PREFECT = (PREFECT_BLOCKS, PREFECT_VARIABLES)
_NEVER_LOOKED_UP = ("$", *_RESOLVED_BY_PREFECT)
_CACHED_LENGTH = 512


class Missing(Enum):
    """The type of `MISSING`: an enumeration with one member, so that copies and pickles are the same object."""

    MISSING = "MISSING"

    def __repr__(self) -> str:
        return "MISSING"

    def __bool__(self) -> bool:
        """False, as None is; `is MISSING` distinguishes it from null, zero and empty text."""
        return False


MISSING: Final = Missing.MISSING
"""The value of a placeholder that has none: the key or item that holds it is dropped."""

Steps: TypeAlias = tuple[str | int, ...]


Filler: TypeAlias = Callable[[Mapping[str, Any]], Any]
"""Returns a template filled from values."""


class Slot(NamedTuple):
    """A placeholder in a parsed text."""

    name: str
    steps: Steps
    """Keys and indices from the outermost value inwards; empty for a name that is never looked up."""


class Placeholder(NamedTuple):
    """A placeholder and its place in a template."""

    name: str
    path: str
    """Dotted names and `[index]`, as `task_definition.containerDefinitions[0].image`."""
    alone: bool
    """Whether it is the whole text, so that its value keeps its type."""


def is_looked_up(name: str) -> bool:
    """False for the names that Prefect looks up elsewhere: in the environment, blocks, variables."""
    return not name.startswith(_NEVER_LOOKED_UP)


def unresolved(value: Any) -> tuple[Placeholder, ...]:
    """The placeholders in a value that Prefect's workers would fill from blocks and variables. They are not filled here."""
    return tuple(placeholder for placeholder in placeholders(value) if placeholder.name.startswith(_RESOLVED_BY_PREFECT))


def steps(name: str) -> Steps:
    """The way to a value: `a[0].b`, like `a.0.b`, is the key `a`, the index 0, the key `b`."""
    return tuple(_step(part) for part in name.replace("[", ".").replace("]", "").split("."))


def lookup(name: str, values: Mapping[str, Any]) -> Any:
    """The value of a placeholder with this name, or `MISSING`."""
    return _value_at(steps(name), values) if is_looked_up(name) else MISSING


def placeholders(template: Any) -> tuple[Placeholder, ...]:
    """Every placeholder in a template, in its order; keys have none. Raises `RenderError` when it nests too deep."""
    return tuple(_placeholders(template, "", MAX_DEPTH))


def joined(path: str, step: str | int) -> str:
    """`path` with one more step, in the form in which faults and placeholders name their place."""
    if isinstance(step, int):
        return f"{path}[{step}]"
    return f"{path}.{step}" if path else step


def fill(template: Any, values: Mapping[str, Any]) -> Any:
    """A copy of `template` with its placeholders filled from `values`; neither is changed or shared.

    `"{{ x }}"` alone becomes the value with its type, or `MISSING`; inside text it becomes text as Python prints it (`True`,
    `1.5`). A key or item whose value is `MISSING` is dropped; an object or list that becomes empty stays. Keys are not filled.
    Raises `RenderError` for an object or list inside text, for a value that JSON does not have, and beyond `MAX_DEPTH`.
    """
    return filler(template)(values)


def replaced(value: Any, value_of: Callable[[str], Any]) -> Any:
    """A copy of `value` with each placeholder replaced by `value_of(name)`; where that is `MISSING`, the placeholder stays.

    Texts are read in one pass, as in `fill`. Inside text an object or list appears as JSON.
    """
    if isinstance(value, str):
        return _replaced_text(value, value_of) if "{{" in value else value
    if isinstance(value, Mapping):
        return {key: replaced(inner, value_of) for key, inner in value.items()}
    return [replaced(inner, value_of) for inner in value] if isinstance(value, list) else value


def filler(template: Any) -> Filler:
    """`fill` for a template that is filled many times: it is read once. Raises the same errors as `fill`."""
    return _filler(template, MAX_DEPTH)


def plain_copy(value: Any) -> Any:
    """A deep copy in plain dicts, lists and scalars, keys sorted. Raises `RenderError` if it is not JSON or nests too deep."""
    return _copy(value, MAX_DEPTH)


def nests_too_deep(value: Any, levels: int = MAX_DEPTH) -> bool:
    """Whether objects and lists nest more than `levels` deep. Works without recursion."""
    row = [value]
    for _ in range(levels + 1):
        row = [child for inner in row for _, child in _children(inner)]
        if not row:
            return False
    return True


def _step(part: str) -> str | int:
    """An index if it reads as a number, as in Prefect: a key like `"1"` cannot be reached."""
    try:
        return int(part)
    except ValueError:
        return part


def _value_at(way: Steps, values: Any) -> Any:
    for step in way:
        try:
            values = values[step] if not isinstance(values, str) else MISSING
        except (KeyError, IndexError, TypeError):
            return MISSING
    return values


def _parse(text: str) -> tuple[str | Slot, ...]:
    """Plain text and slots in turn; empty pieces are left out."""
    pieces: list[str | Slot] = []
    for position, piece in enumerate(_PLACEHOLDER.split(text)):
        if position % 2:
            pieces.append(Slot(piece, steps(piece) if is_looked_up(piece) else ()))
        elif piece:
            pieces.append(piece)
    return tuple(pieces)


_parse_cached = lru_cache(maxsize=4096)(_parse)


def _pieces(text: str) -> tuple[str | Slot, ...]:
    return _parse_cached(text) if len(text) <= _CACHED_LENGTH else _parse(text)


def _placeholders(template: Any, path: str, room: int) -> Iterator[Placeholder]:
    if isinstance(template, str):
        pieces = _pieces(template) if "{{" in template else ()
        yield from (Placeholder(piece.name, path, len(pieces) == 1) for piece in pieces if isinstance(piece, Slot))
        return
    for step, child in _children(template):
        _check_room(room)
        yield from _placeholders(child, joined(path, step), room - 1)


def _children(value: Any) -> Sequence[tuple[str | int, Any]]:
    if isinstance(value, Mapping):
        return list(value.items())
    return list(enumerate(value)) if isinstance(value, list) else []


def _filler(template: Any, room: int) -> Filler:
    kind = type(template)
    if kind is str:
        return _text_filler(template)
    if kind is dict:
        _check_room(room)
        return _object_filler([(key, _filler(template[key], room - 1)) for key in sorted(template)])
    if kind is list:
        _check_room(room)
        return _list_filler([_filler(item, room - 1) for item in template])
    return _constant(template) if template is None or kind in _SCALARS else _filler(_plain(template), room)


def _constant(value: Any) -> Filler:
    return lambda _values: value


def _object_filler(fields: Sequence[tuple[str, Filler]]) -> Filler:
    def filled(values: Mapping[str, Any]) -> dict[str, Any]:
        return {key: value for key, of_key in fields if (value := of_key(values)) is not MISSING}

    return filled


def _list_filler(items: Sequence[Filler]) -> Filler:
    def filled(values: Mapping[str, Any]) -> list[Any]:
        return [value for item in items if (value := item(values)) is not MISSING]

    return filled


def _text_filler(text: str) -> Filler:
    pieces = _pieces(text) if "{{" in text else (text,)
    if len(pieces) == 1:
        [only] = pieces
        return _constant(only) if isinstance(only, str) else _slot_filler(only.steps)
    return lambda values: "".join([piece if isinstance(piece, str) else _as_text(piece, values, text) for piece in pieces])


def _replaced_text(text: str, value_of: Callable[[str], Any]) -> Any:
    alone = _PLACEHOLDER.fullmatch(text)
    if alone:
        value = value_of(alone[1])
        return text if value is MISSING else value
    return _PLACEHOLDER.sub(lambda match: _shown(value_of(match[1]), match[0]), text)


def _shown(value: Any, written: str) -> str:
    if value is MISSING:
        return written
    return value if isinstance(value, str) else json.dumps(value)


def _slot_filler(way: Steps) -> Filler:
    if len(way) != 1:
        return lambda values: _copy(_value_at(way, values), MAX_DEPTH) if way else MISSING
    [name] = way  # most placeholders are plain names, so this case is fast
    return lambda values: _copy(values[name], MAX_DEPTH) if name in values else MISSING  # type: ignore[index]


def _value(slot: Slot, values: Mapping[str, Any]) -> Any:
    return _value_at(slot.steps, values) if slot.steps else MISSING


def _as_text(slot: Slot, values: Mapping[str, Any], text: str) -> str:
    value = _value(slot, values)
    if value is None or value is MISSING:
        return ""
    if isinstance(value, (str, int, float)):
        return str(value)
    kind: Literal["an object", "a list"] = "an object" if isinstance(value, Mapping) else "a list"
    raise RenderError(f"{{{{ {slot.name} }}}} is {kind} and cannot stand inside the text {_short(text)}; let it stand alone")


def _copy(value: Any, room: int) -> Any:
    kind = type(value)
    if kind is str or value is None or value is MISSING or kind in _SCALARS:
        return value
    _check_room(room)
    if kind is dict:
        return {key: _copy(value[key], room - 1) for key in sorted(value)}
    if kind is list:
        return [_copy(item, room - 1) for item in value]
    return _copy(_plain(value), room)


def _plain(value: Any) -> Any:
    """A value of a subclass (another mapping, an enumeration of texts) as the plain type that JSON knows."""
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, list):
        return list(value)
    if isinstance(value, str):
        return str.__str__(value)
    if isinstance(value, (int, float)):
        return int(value) if isinstance(value, int) else float(value)
    raise RenderError(f"{_short(value)} is a {type(value).__name__}, which JSON has no place for")


def _check_room(room: int) -> None:
    if room <= 0:
        raise RenderError(f"objects and lists nest more than {MAX_DEPTH} levels deep; flatten them")


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."


_SCALARS = frozenset({bool, int, float})
