"""Job configurations that nobody should write."""

from collections.abc import Iterator, Mapping, Sequence
from copy import deepcopy
from typing import Any

JUNK: Sequence[Any] = (None, True, -1, 1.5, "", "{{ x }}", "\x00", "é" * 5000, [], {}, [[]], [None], {"a": {"b": []}})


def garbage(configuration: Mapping[str, Any], depth: int = 3) -> Iterator[dict[str, Any]]:
    """Configurations that nobody should write: junk, one kind after the other, in every place down to the level `depth`."""
    yield {}
    yield {"nonsense": "nonsense"}
    for number, path in enumerate(_paths(configuration, depth)):
        for turn in range(3):  # every place gets three kinds of junk, and neighbours get others
            yield _replaced(configuration, path, JUNK[(3 * number + turn) % len(JUNK)])


def junk_at_every_place(value: Any) -> Iterator[Any]:
    """`value` with each of its parts replaced by each kind of junk, one at a time."""
    for path in list(_paths(value, depth=12)):
        for junk in JUNK:
            yield _replaced(value, path, junk)


def _paths(value: Any, depth: int) -> Iterator[tuple[Any, ...]]:
    items = value.items() if isinstance(value, Mapping) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        yield (key,)
        if depth > 1:
            yield from ((key, *rest) for rest in _paths(inner, depth - 1))


def _replaced(configuration: Mapping[str, Any], path: Sequence[Any], junk: Any) -> dict[str, Any]:
    copy = deepcopy(dict(configuration))
    place: Any = copy
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = deepcopy(junk)
    return copy
