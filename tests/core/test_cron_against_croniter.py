"""1,500 random expressions mean what croniter, Prefect's reader, makes of them, or are refused with a reason."""

import random
from datetime import UTC, datetime, timedelta
from itertools import islice

import pytest
from croniter import CroniterError, croniter

from dispatcher.core.schedules import windows_due
from dispatcher.models import Schedule
from dispatcher.validation.cron_rules import cron_fault

SEED, EXPRESSIONS, WINDOWS = 5, 1500, 6
# In a month of 31 days with another behind it: after a shorter one, croniter passes over days.
BEGIN, YEARS = datetime(2026, 7, 2, 22, 7, tzinfo=UTC), timedelta(days=366 * 30)
MONTHS, DAYS = ("jan", "FEB", "mar", "dec"), ("sun", "MON", "fri", "SAT")
BOUNDS = ((0, 59), (0, 23), (1, 31), (1, 12), (0, 7))


def item(chance: random.Random, position: int) -> str:
    """One part of a field, usual or odd."""
    low, high = BOUNDS[position]
    first, second = chance.randint(low, high), chance.randint(low, high)
    step, (least, most) = chance.randint(1, 12), sorted((first, second))
    forms = ["*", str(first), str(first), f"{least}-{most}", f"{first}-{second}"]
    forms += [f"*/{step}", f"{least}-{most}/{step}", f"{first}/{step}"]
    forms += {2: ["L", "15W", "?"], 3: list(MONTHS), 4: [*DAYS, "mon-fri", "fri-mon", "5#2", "L5", "5L"]}.get(position, [])
    return chance.choice(forms)


def expression(chance: random.Random) -> str:
    fields = [",".join(item(chance, position) for _ in range(chance.choice((1, 1, 1, 2)))) for position in range(5)]
    for position in range(5):
        if chance.random() < (0.2 if position < 2 else 0.6):
            fields[position] = "*"
    return " ".join(fields)


@pytest.mark.parametrize("day_or", [True, False])
def test_an_expression_has_the_same_windows_as_in_prefect_or_is_refused(day_or):
    chance, read, different = random.Random(SEED), 0, []
    for _ in range(EXPRESSIONS):
        text = expression(chance)
        fault = cron_fault(text, day_or=day_or)
        if fault is not None:
            assert len(fault) > 20, text
            continue
        ours = list(islice(windows_due(Schedule(slug="s", cron=text, day_or=day_or), BEGIN, BEGIN + YEARS), WINDOWS))
        try:
            theirs = list(islice(croniter(text, BEGIN, day_or=day_or, ret_type=datetime).all_next(datetime), len(ours)))
        except CroniterError as problem:
            theirs = [str(problem)]
        read += bool(ours)
        if ours != theirs:
            different.append((text, ours[:2], theirs[:2]))
    assert not different
    assert read > EXPRESSIONS / 3
