"""Any text as a schedule: validation says what is wrong with it, or the schedule has windows and a tick makes runs of them."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import islice, pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from dispatcher.core.schedules import windows_due
from dispatcher.core.windows import LOOKED_AHEAD, WindowLimits, materialisation, saving
from dispatcher.errors import InvalidInput
from dispatcher.models import Schedule
from dispatcher.validation import check_windows_to_come, validate
from tests.builders import NOW, a_deployment

WORDS = st.sampled_from(
    [
        "*",
        "*/2",
        "*/90",
        "0",
        "7",
        "31",
        "60",
        "1-5",
        "5-1",
        "13-13",
        "L",
        "LW",
        "5L",
        "L5",
        "1#2",
        "15W",
        "MON",
        "JAN",
        "?",
        "x",
    ]
)
CRON = st.one_of(
    st.lists(WORDS, min_size=4, max_size=6).map(" ".join),
    st.lists(st.lists(WORDS, min_size=1, max_size=3).map(",".join), min_size=5, max_size=5).map(" ".join),
    st.sampled_from(["@daily", "@reboot", "@HOURLY"]),
    st.text(max_size=30),
)
NUMBERS = st.lists(st.integers(-400, 400), min_size=1, max_size=3).map(lambda numbers: ",".join(map(str, numbers)))
SMALL = st.lists(st.integers(-1, 13), min_size=1, max_size=3).map(lambda numbers: ",".join(map(str, numbers)))
PART = st.one_of(
    st.tuples(st.sampled_from(["BYMONTH", "BYMONTHDAY", "BYHOUR", "BYMINUTE", "BYSECOND", "BYSETPOS"]), SMALL),
    st.tuples(st.sampled_from(["BYYEARDAY", "BYWEEKNO", "BYMONTHDAY", "INTERVAL", "COUNT", "BYEASTER"]), NUMBERS),
    st.tuples(st.just("BYDAY"), st.sampled_from(["MO", "2MO", "-1FR,MO", "53SU", "0MO", "XX", "MO,TU,WE"])),
    st.tuples(st.just("UNTIL"), st.sampled_from(["20200101", "20991231T235959", "20991231T235959Z", "x", "99991231"])),
    st.tuples(st.just("WKST"), st.sampled_from(["SU", "MO", "X"])),
)
RULE = st.one_of(
    st.builds(
        lambda frequency, parts: ";".join(["FREQ=" + frequency, *("=".join(part) for part in parts)]),
        st.sampled_from(["DAILY", "WEEKLY", "MONTHLY", "YEARLY", "HOURLY"]),
        st.lists(PART, max_size=3),
    ),
    st.text(max_size=30),
)
MOMENT = st.one_of(st.none(), st.datetimes(timezones=st.just(UTC)))
FIELDS = st.one_of(
    st.builds(lambda cron, day_or: {"cron": cron, "day_or": day_or}, CRON, st.booleans()),
    st.builds(lambda rrule: {"rrule": rrule}, RULE),
    st.builds(lambda interval: {"interval": interval}, st.timedeltas()),
)
ZONE = st.sampled_from(["UTC", "Europe/Berlin", "America/New_York", "Pacific/Kiritimati", "Factory", "utc"])


@settings(max_examples=150, deadline=None)
@given(FIELDS, MOMENT, ZONE)
def test_every_valid_schedule_has_windows_a_minute_apart_that_become_runs(fields, anchor, zone):
    schedule = Schedule(slug="s", anchor=anchor and anchor.replace(microsecond=0), timezone=zone, **fields)
    deployment = a_deployment(schedules=(schedule,))
    try:
        validate(schedule)
        check_windows_to_come(deployment, None, NOW)
    except InvalidInput:
        return
    due = list(islice(windows_due(schedule, NOW, NOW + 10 * LOOKED_AHEAD), 3))
    assert due
    assert all(later - earlier >= timedelta(minutes=1) for earlier, later in pairwise(due))
    made = replace(saving(None, deployment, NOW).deployment, windows_until={"s": due[0] - timedelta(seconds=1)})
    runs = materialisation(made, due[0], WindowLimits()).runs
    assert runs[0].scheduled_at == due[0]
    assert runs[0].scheduled_at > datetime(2030, 1, 1, tzinfo=UTC)
