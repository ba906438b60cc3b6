"""How many runs match a filter, counted in steps of bounded cost. A step's cursor holds what was counted before it."""

from __future__ import annotations

import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from dispatcher.client import cursors
from dispatcher.client.cursors import cursor_at, position_in, wrong_cursor
from dispatcher.models import RunState
from dispatcher.models.records import Cursor, RunFilter

if TYPE_CHECKING:
    from dispatcher.protocols import PeopleStore


@dataclass(frozen=True, slots=True, kw_only=True)
class Count:
    """How many runs match, as far as they were counted."""

    by_state: Mapping[RunState, int]
    cursor: str | None = None
    """Where the next step of the count begins; None: all are counted."""

    @property
    def is_exact(self) -> bool:
        """False: there may be more."""
        return self.cursor is None

    @property
    def total(self) -> int:
        """In all states."""
        return sum(self.by_state.values())


def count_step(store: PeopleStore, where: RunFilter, cursor: str) -> Count:
    """One step of a count, state by state: it looks at `SEARCHED_AT_ONCE` runs of each state at most. Raises `WrongCursor`."""
    states = sorted(where.states if where.states is not None else RunState)
    by_state, begun, position = _in_cursor(where, cursor) if cursor else (dict.fromkeys(states, 0), states[:1], None)
    for state in [state for state in states if not begun or state >= begun[0]]:
        of_state = replace(where, states=frozenset({state}), after=position)
        number, until = store.tally(of_state, most=cursors.SEARCHED_AT_ONCE)
        by_state[state] += number
        if until is not None:
            return Count(by_state=by_state, cursor=_cursor(where, by_state, state, until))
        position = None
    return Count(by_state=by_state)


def count_steps(store: PeopleStore, where: RunFilter) -> Iterator[Count]:
    """A count after each of its steps; the last one is exact."""
    count = count_step(store, where, "")
    yield count
    while count.cursor is not None:
        count = count_step(store, where, count.cursor)
        yield count


def _cursor(where: RunFilter, by_state: Mapping[RunState, int], state: RunState, until: Cursor) -> str:
    words = json.dumps([cursor_at(where, until), state, by_state])
    return urlsafe_b64encode(words.encode()).decode().rstrip("=")


def _in_cursor(where: RunFilter, cursor: str) -> tuple[dict[RunState, int], list[RunState], Cursor]:
    """The numbers of a cursor, the state in which the count goes on, and where in it."""
    try:
        at, state, numbers = json.loads(urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
        by_state = {RunState(name): _number(number) for name, number in numbers.items()}
        begun = RunState(state)
        position = position_in(where, at)
    except (ValueError, TypeError, AttributeError, RecursionError):
        raise wrong_cursor() from None
    if by_state.keys() != (where.states if where.states is not None else frozenset(RunState)) or begun not in by_state:
        raise wrong_cursor()
    return by_state, [begun], position


def _number(value: Any) -> int:
    if not isinstance(value, int) or value < 0:
        raise ValueError(value)
    return value
