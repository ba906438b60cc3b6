"""How far the clocks of a zone are from UTC: stretches of time in which the offset does not change.

The zone's rules give an offset for an instant but no list of changes, so the changes of a year are searched once and kept.
Since 1970 no zone had two changes within six days: the search asks for the offset of every third day, and then finds a change
to the second.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo

FIRST = datetime(1970, 1, 1)  # noqa: DTZ001 - UTC, as all times without a zone here
LAST = datetime(9998, 1, 1)  # noqa: DTZ001
"""No window lies outside of these: `datetime` ends soon after, and adding a zone's offset must not pass its end."""

FURTHEST = timedelta(hours=26)
"""More than any zone's clocks ever differed from UTC, or were moved by at once."""

_APART = timedelta(days=3)
_SECOND = timedelta(seconds=1)


class Stretch(NamedTuple):
    """Time in which a zone's clocks are not moved: what they show is UTC + `offset`."""

    begin: datetime
    """What the clocks show first."""
    end: datetime
    """What they would show at its end, when they are moved."""
    offset: timedelta


def stretches(zone: ZoneInfo, begin: datetime, end: datetime) -> Iterator[Stretch]:
    """The stretches of the time from `begin` to `end` (excluded), both in UTC without a zone; lazy."""
    offset = _offset(zone, begin)
    for year in range(begin.year, end.year + 1):
        for at, moved in _changes(zone, year):
            if begin < at < end:
                yield Stretch(begin + offset, at + offset, offset)
                begin, offset = at, moved
    yield Stretch(begin + offset, end + offset, offset)


def first_not_shown(zone: ZoneInfo, at: datetime) -> datetime:
    """The earliest time that the clocks have neither shown nor skipped before `at`, an instant in UTC."""
    return max(stretch.end for stretch in stretches(zone, at - FURTHEST, at))


@lru_cache(maxsize=1024)
def _changes(zone: ZoneInfo, year: int) -> tuple[tuple[datetime, timedelta], ...]:
    """When the clocks are moved in a year, and their offset from then on."""
    before, end = datetime(year, 1, 1), datetime(year + 1, 1, 1)  # noqa: DTZ001
    offset, changes = _offset(zone, before), []
    while before < end:
        after = min(before + _APART, end)
        moved = _offset(zone, after)
        if moved != offset:
            changes.append((_change(zone, before, after), moved))
        before, offset = after, moved
    return tuple(changes)


def _change(zone: ZoneInfo, before: datetime, after: datetime) -> datetime:
    """The first second at which the clocks are no longer what they were `before`."""
    offset = _offset(zone, before)
    while after - before > _SECOND:
        middle = before + (after - before) // (2 * _SECOND) * _SECOND
        before, after = (middle, after) if _offset(zone, middle) == offset else (before, middle)
    return after


def _offset(zone: ZoneInfo, at: datetime) -> timedelta:
    return zone.fromutc(at.replace(tzinfo=zone)).utcoffset() or timedelta()
