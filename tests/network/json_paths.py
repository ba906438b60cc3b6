"""Every place of a JSON text, and junk for each of them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

Path = tuple[str | int, ...]


class _Gone:
    def __repr__(self) -> str:
        return "GONE"


GONE: Any = _Gone()
"""Stands for: the place is not there at all."""

JUNK: tuple[Any, ...] = (GONE, None, 7, "junk", {}, [], {"junk": [None]}, True)


def paths(value: Any) -> Iterator[Path]:
    """Every place below the top of a JSON value, outer places first; of a list the first item."""
    items = value.items() if isinstance(value, dict) else enumerate(value[:1]) if isinstance(value, list) else ()
    for key, inner in items:
        yield (key,)
        yield from ((key, *rest) for rest in paths(inner))


def junk_for(value: Any) -> Iterator[Any]:
    """What a place may hold instead of `value`: something of each other type, or nothing."""
    return (junk for junk in JUNK if type(junk) is not type(value) or (junk != value and isinstance(value, dict | list)))


def at(value: Any, path: Path) -> Any:
    """What stands at a place."""
    for key in path:
        value = value[key]
    return value


def replaced(body: bytes, path: Path, junk: Any) -> bytes:
    """The text with one place changed. Without a path it is changed as a whole."""
    if not path:
        return json.dumps(junk).encode()
    value = json.loads(body)
    place = at(value, path[:-1])
    if junk is GONE:
        del place[path[-1]]
    else:
        place[path[-1]] = junk
    return json.dumps(value).encode()
