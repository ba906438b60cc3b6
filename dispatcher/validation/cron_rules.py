"""What is wrong with a cron expression, field by field, with what to write instead.

Expressions that other programs read differently are also refused. Prefect's croniter takes `13-13` for every day and `*/1` for
a restriction, and ends steps over weekdays at 6 instead of 7. An expression that passes here means the same in Prefect.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from dispatcher.core.cron import ALIASES, cron, fields_of
from dispatcher.errors import ScheduleError
from dispatcher.validation.messages import did_you_mean, got

MAX_EXPRESSION = 500

_MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
_WEEKDAYS = ("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT")


class _Field(NamedTuple):
    name: str
    low: int
    high: int
    names: tuple[str, ...] = ()

    def number(self, text: str) -> int | None:
        """The value of a name or number."""
        if text in self.names:
            return self.names.index(text) + self.low
        return int(text) if re.fullmatch(r"[0-9]{1,4}", text) else None


_FIELDS = (
    _Field("minute", 0, 59),
    _Field("hour", 0, 23),
    _Field("day of the month", 1, 31),
    _Field("month", 1, 12, _MONTHS),
    _Field("day of the week", 0, 7, _WEEKDAYS),
)
_DAY, _WEEKDAY = _FIELDS[2], _FIELDS[4]


def cron_fault(expression: str, *, day_or: bool) -> str | None:
    """What is wrong with an expression, or None. `schedules` checks whether it has windows."""
    if expression.strip().startswith("@") and expression.strip().lower() not in ALIASES:
        near = did_you_mean(expression.strip().lower(), ALIASES)
        return f"must be five fields, or one of {', '.join(sorted(ALIASES))}{near}{got(expression[:80])}"
    try:
        fields = fields_of(expression[: MAX_EXPRESSION + 1])
    except ScheduleError:
        return f"must have five fields, as `30 6 * * 1-5`{got(expression[:80])}"
    if len(expression) > MAX_EXPRESSION:
        return f"must have at most {MAX_EXPRESSION} characters{got(expression[:80])}"
    problem = next((fault for field, text in zip(_FIELDS, fields, strict=True) for fault in _field_faults(field, text)), None)
    problem = problem or _days_fault(fields[2], fields[4], day_or=day_or)
    if problem is None:
        try:
            cron(expression, day_or)
        except ScheduleError as error:
            return str(error)
    return problem and f"is not a cron expression that can be read: {problem}{got(expression[:80])}"


def _field_faults(field: _Field, text: str) -> Iterator[str]:
    for item in text.split(","):
        fault = _special_fault(field, item) if re.search(r"[?#LWHR]", _nameless(field, item)) else _item_fault(field, item)
        if fault:
            yield f"{field.name} {item!r} {fault}"


def _nameless(field: _Field, item: str) -> str:
    return "" if any(name in item for name in field.names) and "#" not in item else item


def _special_fault(field: _Field, item: str) -> str | None:
    """Only `L`, `LW`, `L5` and `1#2` are read; other extensions of cron are not."""
    if item == "?":
        return "is not read; write *"
    if field == _DAY:
        if item in ("L", "LW"):
            return None
        return "is not read; L is the last day of a month, LW its last weekday, and a plain day is a number from 1 to 31"
    if field != _WEEKDAY:
        return f"is not read; write numbers from {field.low} to {field.high}"
    day, _, number = item.partition("#")
    if re.fullmatch(r"[0-7]L", item):
        return f"is another day in other crons: write L{item[0]} for the last such day of a month"
    if re.fullmatch(r"L[0-7]", item) or (field.number(day) in range(8) and number in ("1", "2", "3", "4", "5")):
        return None
    return "is not read; write L5 for the last Friday of a month, 1#2 for its second Monday (the number from 1 to 5)"


def _item_fault(field: _Field, item: str) -> str | None:
    base, slash, step = item.partition("/")
    first, dash, last = base.partition("-")
    low, high = (field.low, field.high) if base == "*" else (field.number(first), field.number(last if dash else first))
    if low is None or high is None or (slash and not re.fullmatch(r"[0-9]{1,4}", step)):
        return f"is not read; write *, a number, a range as {field.low}-{field.high}, a step as */2, or several with commas"
    if not field.low <= low <= field.high or not field.low <= high <= field.high:
        return f"is out of range: must be from {field.low} to {field.high}"
    if low > high:
        return f"runs backwards: write {first}-{field.high},{field.low}-{last}"
    if dash and low == high:
        return f"is a range of one, which other crons read as all: write {first}"
    if slash:
        return _step_fault(field, base, low, high if base == "*" or dash else field.high, int(step))
    return None


def _step_fault(field: _Field, base: str, low: int, high: int, step: int) -> str | None:
    is_weekday = field == _WEEKDAY
    reach = high - low - (is_weekday and base == "*")  # Sunday is 0 and 7
    if step == 0:
        return "has a step of 0: must be 1 or more"
    if step > reach:
        instead = " (an interval takes any length)" if field.name in ("minute", "hour") else ""
        return f"has a step that leads out of the field, so that only {low} would be left: write {low}{instead}"
    if is_weekday and base != "*" and "-" not in base and (7 - low) % step == 0:
        return f"counts on to 7, which other crons do not: write {','.join(str(day % 7) for day in range(low, 8, step))}"
    return None


def _days_fault(day: str, weekday: str, *, day_or: bool) -> str | None:
    """Ambiguous days: a field that names all days without `*`, and an n-th weekday together with other days."""
    numbered = [item for item in weekday.split(",") if "#" in item or "L" in item]
    if numbered and len(numbered) < weekday.count(",") + 1:
        return f"{_WEEKDAY.name} {weekday!r} has days with and without a number: write them as two schedules"
    if not day_or or "*" in (day, weekday):
        return None
    if numbered:
        return (
            f"{_WEEKDAY.name} {numbered[0]!r} beside the {_DAY.name} {day!r}, of which others ask for both: "
            "ask for both as well (--no-day-or), or write two schedules"
        )
    read = cron(f"0 0 {day} * {weekday}")
    for field, text, restricts in ((_DAY, day, read.has_days), (_WEEKDAY, weekday, read.has_weekdays)):
        if not restricts:
            return f"{field.name} {text!r} names all: write *"
    return None
