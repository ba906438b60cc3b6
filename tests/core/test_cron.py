"""Cron expressions against an oracle that shares nothing with them: it looks at each day, field by field, as croniter does."""

import random
from datetime import UTC, datetime, timedelta

import pytest

from dispatcher.core.cron import ALIASES, cron, reading
from dispatcher.core.schedules import windows_due
from dispatcher.errors import ScheduleError
from dispatcher.models import Schedule
from dispatcher.validation.cron_rules import cron_fault

BEGIN = datetime(2026, 1, 28, 13, 7, tzinfo=UTC)
DAY = timedelta(days=1)
BOUNDS = ((0, 59), (0, 23), (1, 31), (1, 12), (0, 6))


def item(chance, low, high):
    number = chance.randint(low, high)
    other = chance.randint(low, high)
    first, last = sorted((number, other))
    several = (f"{first}-{last}", f"{first}-{last}/{chance.randint(1, 4)}", f"{number},{other}")
    return chance.choice(["*", "*", str(number), f"*/{chance.randint(1, high)}", f"{number}/{chance.randint(1, 9)}", *several])


def expression(chance):
    return " ".join(item(chance, *bounds) for bounds in BOUNDS)


def named(text, low, high):
    numbers = set()
    for part in text.split(","):
        base, _, step = part.partition("/")
        first, dash, last = base.partition("-")
        begin, end = (low, high) if base == "*" else (int(first), int(last) if dash else high if step else int(first))
        numbers |= set(range(begin, end + 1, int(step or 1)))
    return numbers


def oracle(text, day_or, days):
    """Every window within so many days after `BEGIN`."""
    fields = text.split()
    minutes, hours, dates, months, weekdays = (named(field, *bounds) for field, bounds in zip(fields, BOUNDS, strict=True))
    both = "*" not in (fields[2], fields[4])
    times = []
    for number in range(days):
        day = BEGIN.replace(hour=0, minute=0) + number * DAY
        on_date, on_weekday = day.day in dates, day.isoweekday() % 7 in weekdays
        is_due = (on_date or on_weekday) if both and day_or else (on_date and on_weekday)
        if is_due and day.month in months:
            times += [day.replace(hour=hour, minute=minute) for hour in sorted(hours) for minute in sorted(minutes)]
    return [at for at in times if at > BEGIN]


@pytest.mark.parametrize("day_or", [True, False])
def test_an_expression_has_the_same_windows_as_in_the_oracle_or_is_refused(day_or):
    chance, equal, refused = random.Random(14), 0, 0
    for _ in range(750):
        text = expression(chance)
        if cron_fault(text, day_or=day_or):
            refused += 1
            continue
        schedule = Schedule(slug="s", cron=text, day_or=day_or)
        expected = oracle(text, day_or, 40)
        assert list(windows_due(schedule, BEGIN, BEGIN.replace(hour=0, minute=0) + 40 * DAY - timedelta(minutes=1))) == expected
        equal += 1
    assert equal > 400 > refused


@pytest.mark.parametrize(
    ("text", "day_or", "days"),
    [
        ("0 0 */10 * 1", True, [1, 2, 9, 11, 16, 21, 23, 30, 31]),
        ("0 0 */10 * 1", False, []),
        ("0 0 1-14 * 1", False, [2, 9]),
        ("0 0 1-31 * 1", False, [2, 9, 16, 23, 30]),
        ("0 0 13 * 1-7", True, [13]),
        ("0 0 13 * 0-6", True, [13]),
        ("0 0 13 * 1-6", True, [day for day in range(1, 32) if day == 13 or day % 7 != 1]),
        ("0 0 2-31 * 1", False, [2, 9, 16, 23, 30]),
        ("0 0 2-31 * 0", True, [*range(1, 32)]),
        ("0 0 2-31 * 0", False, [8, 15, 22, 29]),
        ("0 0 2-31 * *", True, [*range(2, 32)]),
        ("0 0 1-30 * *", True, [*range(1, 31)]),
        ("0 0 L * *", True, [31]),
        ("0 0 LW * *", True, [31]),
        ("0 0 * * 5L", True, [27]),
        ("0 0 * * L5", True, [27]),
        ("0 0 * * MON#2", True, [9]),
        ("0 0 * * 1#2,L5", True, [9, 27]),
        ("0 0 8-14 * 1#2", False, [9]),
    ],
)
def test_an_expression_is_due_on_the_expected_days_of_march_2026(text, day_or, days):
    march = datetime(2026, 3, 1, tzinfo=UTC)
    due = windows_due(
        Schedule(slug="s", cron=text, day_or=day_or), march - timedelta(seconds=1), march + 31 * DAY - timedelta(1) / 2
    )
    assert [at.day for at in due] == days
    refused = ("0 0 13 * 1-7", "0 0 13 * 0-6", "0 0 * * 5L")
    assert (cron_fault(text, day_or=day_or) is None) is (text not in refused)


def test_either_day_field_is_enough_by_default():
    assert cron("0 0 1 * 1").day_or is True


@pytest.mark.parametrize("alias", ALIASES)
def test_an_alias_is_the_expression_that_it_stands_for(alias):
    assert cron_fault(alias, day_or=True) is None
    for spelled in (alias, f" {alias.upper()} "):
        until = BEGIN + 800 * DAY
        due, expected = (windows_due(Schedule(slug="s", cron=text), BEGIN, until) for text in (spelled, ALIASES[alias]))
        assert list(due) == list(expected)


def test_cron_with_a_step_and_another_day_field_is_explained_in_words():
    assert reading("0 0 */2 * 1", day_or=True) == (
        "cron '0 0 */2 * 1' is due on days of the month */2 or of the week 1; --no-day-or asks for both, as Debian's cron does."
    )
    assert "*/2 and of the week 1; --day-or is content with one." in (reading("0 0 */2 * 1", day_or=False) or "")
    for plain in ("0 0 1 * 1", "0 0 */2 * *", "*/2 * * * *"):
        assert reading(plain, day_or=True) is None


@pytest.mark.parametrize("text", ["", "* * * *", "60 * * * *", "@reboot", "0 0 15W * *", "0 0 * * x"])
def test_an_unreadable_expression_raises_a_schedule_error(text):
    with pytest.raises(ScheduleError, match="cannot be read"):
        cron(text)
