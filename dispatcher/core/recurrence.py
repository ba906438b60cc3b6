"""Recurrence rules of RFC 5545 without DTSTART, daily or coarser: which times they name on the wall clock.

The schedule's anchor takes the place of DTSTART. A combination that the RFC forbids is read as dateutil reads it, but
validation refuses it. The search begins at the period (day, week, month, year) of the requested time. Only `COUNT` must be
counted from the anchor, once for each year.

https://www.rfc-editor.org/rfc/rfc5545#section-3.3.10
"""

from __future__ import annotations

import re
from calendar import isleap, monthrange
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from functools import lru_cache
from itertools import islice
from typing import NamedTuple, TypeVar

from dispatcher.errors import ScheduleError

WEEKDAYS = ("MO", "TU", "WE", "TH", "FR", "SA", "SU")
DAILY, WEEKLY, MONTHLY, YEARLY = "DAILY", "WEEKLY", "MONTHLY", "YEARLY"
FREQUENCIES = (DAILY, WEEKLY, MONTHLY, YEARLY)
PARTS = frozenset({"FREQ", "INTERVAL", "COUNT", "UNTIL", "WKST", "BYSETPOS", "BYMONTH", "BYMONTHDAY", "BYYEARDAY"}) | frozenset(
    {"BYWEEKNO", "BYDAY", "BYHOUR", "BYMINUTE", "BYSECOND"}
)
MOST_COUNTED = 100_000
"""The most windows and days that are counted for `COUNT`; a rule that needs more raises an error."""


Default = TypeVar("Default", int, None)
"""The type of a number, or of the default where a rule names none."""


class Nth(NamedTuple):
    """`2MO`, `-1FR` or `MO`, whose number is 0."""

    number: int
    weekday: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """A parsed rule."""

    anchor: datetime
    frequency: str
    interval: int
    count: int | None = None
    until: datetime | None = None
    week_start: int
    months: frozenset[int] = frozenset()
    weeks: frozenset[int] = frozenset()
    year_days: frozenset[int] = frozenset()
    month_days: frozenset[int] = frozenset()
    weekdays: frozenset[Nth] = frozenset()
    hours: tuple[int, ...]
    minutes: tuple[int, ...]
    seconds: tuple[int, ...]
    positions: tuple[int, ...] = ()

    def walls(self, after: datetime, before: datetime) -> Iterator[datetime]:
        """The times of the rule, `after` included and `before` excluded, ascending."""
        if self.count == 0:
            return
        last = self._last(before)
        for wall in self._endless(max(after, self.anchor), before):
            if last is not None and wall > last:
                return
            yield wall

    def _last(self, before: datetime) -> datetime | None:
        """The end by `UNTIL` or `COUNT`, or `before` if that is earlier."""
        if self.count is None:
            return self.until
        counted = _last_counted(replace(self, count=None), self.count, before.year)
        return min(filter(None, (self.until, counted)), default=None)

    def _endless(self, after: datetime, before: datetime) -> Iterator[datetime]:
        """The times of the rule without regard to `UNTIL` and `COUNT`."""
        for first, past in self._periods(after.date(), before.date()):
            yield from (wall for wall in self._named(first, past, after) if after <= wall < before)

    def _named(self, first: date, past: date, after: datetime) -> Iterator[datetime]:
        """The times of a period; days before `after` may be left out."""
        if self.positions:
            return self._at_positions([*self._days(first, past)])
        return self._times(self._days(max(first, after.date()), past), after)

    def _periods(self, day: date, last: date) -> Iterator[tuple[date, date]]:
        """Each period as its first day and the day after its last, beginning with the period that contains `day`."""
        origin = self._period_of(self.anchor.date())
        number = (self._period_of(day) - origin) // self.interval
        while (begin := origin + number * self.interval) <= self._period_of(last):
            yield max(self._begin(begin), self._earliest), self._begin(begin + 1)
            number += 1

    @property
    def _earliest(self) -> date:
        """The first day of the period. The anchor's week begins at the anchor, as in dateutil; a month or year is whole."""
        return self.anchor.date() if self.frequency == WEEKLY else date.min

    def _period_of(self, day: date) -> int:
        if self.frequency == DAILY:
            return day.toordinal()
        if self.frequency == WEEKLY:
            return (day.toordinal() - 1 - self.week_start) // 7
        return day.year if self.frequency == YEARLY else day.year * 12 + day.month - 1

    def _begin(self, period: int) -> date:
        if self.frequency == DAILY:
            return date.fromordinal(period)
        if self.frequency == WEEKLY:
            return date.fromordinal(max(1, period * 7 + 1 + self.week_start))
        return date(period, 1, 1) if self.frequency == YEARLY else date(period // 12, period % 12 + 1, 1)

    def _days(self, day: date, past: date) -> Iterator[date]:
        for ordinal in range(day.toordinal(), past.toordinal()):
            day = date.fromordinal(ordinal)
            if self._names(day):
                yield day

    def _names(self, day: date) -> bool:
        return (
            (not self.months or day.month in self.months)
            and (not self.month_days or not self.month_days.isdisjoint(_from_both_ends(day.day, _days_in_month(day))))
            and (not self.weekdays or any(nth in self.weekdays for nth in self._weekday_numbers(day)))
            and (not self.year_days or not self.year_days.isdisjoint(_from_both_ends(_day_of_year(day), _days_in_year(day))))
            and (not self.weeks or not self.weeks.isdisjoint(self._weeks_of(day)))
        )

    def _weekday_numbers(self, day: date) -> tuple[Nth, ...]:
        """`MO`, `2MO` and `-3MO`: in the month, or in the year if no month is named."""
        weekday = day.weekday()
        if self.frequency == YEARLY and not self.months:
            number, length = _day_of_year(day), _days_in_year(day)
        else:
            number, length = day.day, _days_in_month(day)
        return Nth(0, weekday), Nth((number + 6) // 7, weekday), Nth(-((length - number) // 7 + 1), weekday)

    def _weeks_of(self, day: date) -> tuple[int, int]:
        middle = date.fromordinal(day.toordinal() - (day.weekday() - self.week_start) % 7 + 3)
        number = (_day_of_year(middle) + 6) // 7
        last = date(middle.year, 12, 28)  # is in the last week whose middle lies in the year
        last_middle = date.fromordinal(last.toordinal() - (last.weekday() - self.week_start) % 7 + 3)
        return _from_both_ends(number, (_day_of_year(last_middle) + 6) // 7)

    def _times(self, days: Iterator[date], after: datetime) -> Iterator[datetime]:
        for day in days:
            for hour in self.hours:
                if hour >= after.hour or day != after.date():
                    yield from (self._wall(day, hour, minute, second) for minute in self.minutes for second in self.seconds)

    def _at_positions(self, days: Sequence[date]) -> Iterator[datetime]:
        """The times of a period that `BYSETPOS` selects."""
        in_a_day = len(self.hours) * len(self.minutes) * len(self.seconds)
        numbers = {position - 1 if position > 0 else len(days) * in_a_day + position for position in self.positions}
        positions = sorted(number for number in numbers if 0 <= number < len(days) * in_a_day)
        return (self._at(days[number // in_a_day], number % in_a_day) for number in positions)

    def _at(self, day: date, number: int) -> datetime:
        rest, second = divmod(number, len(self.seconds))
        hour, minute = divmod(rest, len(self.minutes))
        return self._wall(day, self.hours[hour], self.minutes[minute], self.seconds[second])

    @staticmethod
    def _wall(day: date, hour: int, minute: int, second: int) -> datetime:
        return datetime(day.year, day.month, day.day, hour, minute, second)  # noqa: DTZ001 - a wall clock time


@lru_cache(maxsize=256)
def rule(text: str, anchor: datetime) -> Rule:
    """Read the parts of a rule; `anchor` is a wall clock time. Raises `ScheduleError` with the part that is wrong."""
    parts = parts_of(text)
    if unknown := parts.keys() - PARTS:
        raise ScheduleError(f"{min(unknown)} is not part of a recurrence rule that is daily or coarser")
    if parts.get("FREQ") not in FREQUENCIES:
        raise ScheduleError("FREQ must be DAILY, WEEKLY, MONTHLY or YEARLY; take an interval or cron for less")
    made = Rule(
        anchor=anchor.replace(microsecond=0),
        frequency=parts["FREQ"],
        interval=_number(parts, "INTERVAL", 1, least=1),
        count=_number(parts, "COUNT", None, least=0),
        until=_until(parts),
        week_start=_weekday("WKST", parts.get("WKST", "MO")),
        months=frozenset(_numbers(parts, "BYMONTH")),
        weeks=frozenset(_numbers(parts, "BYWEEKNO")) - {0},
        year_days=frozenset(_numbers(parts, "BYYEARDAY")) - {0},
        month_days=frozenset(_numbers(parts, "BYMONTHDAY")) - {0},
        weekdays=frozenset(_nths(parts)),
        hours=_clock(parts, "BYHOUR", anchor.hour, 23),
        minutes=_clock(parts, "BYMINUTE", anchor.minute, 59),
        seconds=_clock(parts, "BYSECOND", anchor.second, 59),
        positions=tuple(position for position in _numbers(parts, "BYSETPOS") if position),
    )
    return _with_anchors_day(made, parts)


def parts_of(text: str) -> Mapping[str, str]:
    """The parts of a rule by name, in capitals. Raises `ScheduleError`."""
    parts: dict[str, str] = {}
    for part in text.upper().split(";"):
        name, _, value = part.partition("=")
        if not value:
            raise ScheduleError(f"{part or ';'} is not part of a rule; each is NAME=VALUE, as FREQ=DAILY")
        if name in parts:
            raise ScheduleError(f"{name} is given twice; give it once")
        parts[name] = value
    return parts


def _with_anchors_day(made: Rule, parts: Mapping[str, str]) -> Rule:
    """The rule with the anchor's day if no part names a day."""
    if not parts.keys().isdisjoint({"BYDAY", "BYMONTHDAY", "BYYEARDAY", "BYWEEKNO"}) or made.frequency == DAILY:
        return made
    if made.frequency == WEEKLY:
        return replace(made, weekdays=frozenset({Nth(0, made.anchor.weekday())}))
    months = made.months or frozenset({made.anchor.month} if made.frequency == YEARLY else ())
    return replace(made, months=months, month_days=frozenset({made.anchor.day}))


def _number(parts: Mapping[str, str], name: str, default: Default, *, least: int) -> int | Default:
    text = parts.get(name)
    if text is None:
        return default
    if not re.fullmatch(r"[0-9]{1,9}", text) or int(text) < least:
        raise ScheduleError(f"{name} must be a whole number of {least} or more, not {text}")
    return int(text)


def _numbers(parts: Mapping[str, str], name: str) -> list[int]:
    texts = parts[name].split(",") if name in parts else []
    for text in texts:
        if not re.fullmatch(r"[+-]?[0-9]{1,3}", text):
            raise ScheduleError(f"{name} must be whole numbers with commas, not {parts[name]}")
    return [int(text) for text in texts]


def _clock(parts: Mapping[str, str], name: str, default: int, most: int) -> tuple[int, ...]:
    numbers = sorted(set(_numbers(parts, name))) or [default]
    if numbers[0] < 0 or numbers[-1] > most:
        raise ScheduleError(f"{name} must be from 0 to {most}, not {parts[name]}")
    return tuple(numbers)


def _nths(parts: Mapping[str, str]) -> Iterator[Nth]:
    for text in parts["BYDAY"].split(",") if "BYDAY" in parts else ():
        match = re.fullmatch(r"([+-]?[0-9]{1,2})?([A-Z]{2})", text)
        if match is None:
            raise ScheduleError(f"BYDAY must be weekdays as MO, 2MO or -1FR, not {text}")
        number = int(match[1] or 0) if parts["FREQ"] in (MONTHLY, YEARLY) else 0
        yield Nth(number, _weekday("BYDAY", match[2]))


def _weekday(name: str, text: str) -> int:
    if text not in WEEKDAYS:
        raise ScheduleError(f"{name} must be of {', '.join(WEEKDAYS)}, not {text}")
    return WEEKDAYS.index(text)


def _until(parts: Mapping[str, str]) -> datetime | None:
    text = parts.get("UNTIL")
    if text is None:
        return None
    try:
        until = datetime.fromisoformat(text)
    except ValueError:
        raise ScheduleError(f"UNTIL must be a time, as 20271231T235959, not {text}") from None
    if until.tzinfo is not None:
        raise ScheduleError("UNTIL must be on the wall clock of the time zone, without Z or an offset")
    return until


@lru_cache(maxsize=256)
def _last_counted(endless: Rule, count: int, year: int) -> datetime | None:
    """The time at which `COUNT` is reached, or None if it is not reached by the end of a year. Raises `ScheduleError`."""
    begin, end = endless.anchor, datetime(year + 1, 1, 1)  # noqa: DTZ001 - a wall clock time
    if count > MOST_COUNTED or (end - begin).days > MOST_COUNTED:
        raise ScheduleError(f"COUNT cannot be counted: more than {MOST_COUNTED} windows or days from where the rule begins")
    return next(islice(endless.walls(begin, end), count - 1, None), None)


def _from_both_ends(number: int, length: int) -> tuple[int, int]:
    return number, number - length - 1


def _day_of_year(day: date) -> int:
    return day.toordinal() - date(day.year, 1, 1).toordinal() + 1


def _days_in_year(day: date) -> int:
    return 366 if isleap(day.year) else 365


def _days_in_month(day: date) -> int:
    return monthrange(day.year, day.month)[1]
