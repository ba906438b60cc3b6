"""Cron expressions: which days and times of day they name on the wall clock.

cronsim reads the fields and says which days match. This module walks over the calendar, so that the walk begins and ends where
the caller says. `day_or` means the same as in Prefect (and in croniter): where both day fields are restricted, a day must match
either of them (True) or both (False). A field that names all its values, as `*`, `*/1` or `1-31`, is not restricted. Unlike in
Debian's cron, a step (`*/2`) restricts a field like any other list.

https://man7.org/linux/man-pages/man5/crontab.5.html
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import lru_cache
from typing import TYPE_CHECKING

from dispatcher.errors import ScheduleError

if TYPE_CHECKING:
    from cronsim import CronSim

ALIASES = {
    "@hourly": "0 * * * *",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@weekly": "0 0 * * 0",
    "@monthly": "0 0 1 * *",
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
}

_SAMPLE = datetime.min  # noqa: DTZ901 - a wall clock time, as the fields are read
_DAY = timedelta(days=1)
_LAST_WEEKDAY = re.compile(r"\bL([0-7])\b")
"""Croniter's spelling (`L5`) of cronsim's `5L`, the last Friday of the month. Validation accepts only croniter's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cron:
    """A parsed expression."""

    minutes: tuple[int, ...]
    hours: tuple[int, ...]
    months: frozenset[int]
    days: CronSim
    """Says which days of the month and of the week match."""
    has_days: bool
    """Days of the month are restricted."""
    has_weekdays: bool
    day_or: bool
    follows_elapsed_time: bool
    """See `core.schedules`."""

    def walls(self, after: datetime, before: datetime) -> Iterator[datetime]:
        """The times of the expression from `after` (included) to `before` (excluded), ascending."""
        for day in self._days(after.date(), before.date()):
            for hour in self.hours:
                if hour < after.hour and day == after.date():
                    continue
                for minute in self.minutes:
                    wall = datetime(day.year, day.month, day.day, hour, minute)  # noqa: DTZ001 - a wall clock time
                    if after <= wall < before:
                        yield wall

    def _days(self, day: date, last: date) -> Iterator[date]:
        while day <= last:
            if day.month not in self.months:
                day = day.replace(day=28) + 4 * _DAY
                day = day.replace(day=1)
                continue
            if self._names(day):
                yield day
            day += _DAY

    def _names(self, day: date) -> bool:
        if self.has_days and self.has_weekdays and self.day_or:
            return self.days.match_dom(day) or self.days.match_dow(day)
        return (not self.has_days or self.days.match_dom(day)) and (not self.has_weekdays or self.days.match_dow(day))


@lru_cache(maxsize=256)
def cron(expression: str, day_or: bool = True) -> Cron:  # noqa: FBT001, FBT002 - a key of the cache
    """Read an expression of five fields, or one of `ALIASES`. Raises `ScheduleError`."""
    from cronsim import CronSim, CronSimError  # noqa: PLC0415 - only for who has a cron schedule

    fields = fields_of(expression)
    minute, hour, day, month, weekday = fields
    weekday = _LAST_WEEKDAY.sub(r"\1L", weekday)
    try:
        days = CronSim(f"{minute} {hour} {day} * {weekday}", _SAMPLE)  # any month: cronsim refuses day 30 of February
        months = CronSim(f"0 0 * {month} *", _SAMPLE).months
    except CronSimError as error:
        raise ScheduleError(f"cron {expression!r} cannot be read: {error}") from None
    return Cron(
        minutes=tuple(sorted(days.minutes)),
        hours=tuple(sorted(days.hours)),
        months=frozenset(months),
        days=days,
        has_days=not days.days >= set(range(1, 32)),
        has_weekdays=not {number % 7 for number in days.weekdays if isinstance(number, int)} >= set(range(7)),
        day_or=day_or,
        follows_elapsed_time=minute.startswith("*") or hour.startswith("*"),
    )


def reading(expression: str, *, day_or: bool) -> str | None:
    """How an expression with both day fields is read where one of them has a step: Debian's cron then requires both."""
    _, _, day, _, weekday = fields_of(expression)
    if "*" in (day, weekday) or not (day.startswith("*") or weekday.startswith("*")):
        return None
    days = f"days of the month {day} {'or' if day_or else 'and'} of the week {weekday}"
    other = "--no-day-or asks for both, as Debian's cron does" if day_or else "--day-or is content with one"
    return f"cron {expression!r} is due on {days}; {other}."


def fields_of(expression: str) -> list[str]:
    """The five fields of an expression or an alias, in capitals. Raises `ScheduleError`."""
    fields = ALIASES.get(expression.strip().lower(), expression).upper().split()
    if len(fields) != 5:
        raise ScheduleError(f"cron {expression!r} cannot be read: it must have five fields")
    return fields
