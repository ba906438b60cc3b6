"""The rules of a schedule that annotations cannot say.

cronsim and dateutil (extra `schedules`) are imported on first use: the door opens without them for who has no schedule.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime, timedelta
from zoneinfo import available_timezones

from dispatcher.errors import Fault
from dispatcher.models import Schedule
from dispatcher.validation.wording import did_you_mean, got

MAX_EXPRESSION = 500
SHORTEST_INTERVAL = timedelta(minutes=1)
LONGEST_INTERVAL = timedelta(days=3660)

_KINDS = ("cron", "interval", "rrule")
_FREQUENCIES = frozenset({"DAILY", "WEEKLY", "MONTHLY", "YEARLY"})
_SAMPLE = datetime(2020, 1, 1)  # noqa: DTZ001 - a wall clock time, as the rules are read


def schedule_faults(schedule: Schedule) -> Iterator[Fault]:
    """What is wrong with a schedule whose fields have the right types."""
    given = [kind for kind in _KINDS if getattr(schedule, kind) is not None]
    if len(given) != 1:
        yield Fault("cron", f"exactly one of cron, interval and rrule must be given (got {' and '.join(given) or 'none'})")
    if schedule.timezone not in (zones := available_timezones()):
        near = did_you_mean(schedule.timezone, zones) if zones else "; none is here: pip install tzdata"
        yield Fault("timezone", f"is no zone of the tz database{got(schedule.timezone)}{near}")
    for kind, fault in (
        ("cron", schedule.cron is not None and _cron_fault(schedule.cron)),
        ("interval", schedule.interval is not None and _interval_fault(schedule.interval)),
        ("rrule", schedule.rrule is not None and _rule_fault(schedule.rrule)),
    ):
        if fault:
            yield Fault(kind, fault)


def _cron_fault(cron: str) -> str | None:
    from cronsim import CronSim, CronSimError  # noqa: PLC0415 - only for who has a cron schedule

    if len(cron) > MAX_EXPRESSION or len(cron.split()) != 5:
        return f"must have five fields, as `30 6 * * 1-5`{got(cron[:80])}"
    try:
        next(CronSim(cron, _SAMPLE))
    except CronSimError as error:
        return f"is no cron expression: {error}{got(cron[:80])}"
    except StopIteration:
        return f"never comes{got(cron[:80])}"
    return None


def _interval_fault(interval: timedelta) -> str | None:
    if SHORTEST_INTERVAL <= interval <= LONGEST_INTERVAL:
        return None
    return f"must be from one minute to {LONGEST_INTERVAL.days} days (got {interval.total_seconds():g} seconds)"


def _rule_fault(rule: str) -> str | None:
    from dateutil.rrule import rrulestr  # noqa: PLC0415 - only for who has a recurrence rule

    if len(rule) > MAX_EXPRESSION or not re.fullmatch(r"[A-Za-z0-9=;,+:-]+", rule) or ":" in rule:
        return f"must be the parts of one RRULE, as `FREQ=WEEKLY;BYDAY=MO`, without DTSTART{got(rule[:80])}"
    parts = dict(part.upper().partition("=")[::2] for part in rule.split(";"))
    if parts.get("FREQ") not in _FREQUENCIES:
        return f"must have a FREQ of DAILY, WEEKLY, MONTHLY or YEARLY; take an interval or cron for less{got(rule[:80])}"
    if parts.get("INTERVAL") == "0":
        return f"must have an INTERVAL of 1 or more{got(rule[:80])}"
    if parts.get("UNTIL", "").endswith("Z"):
        return f"must give UNTIL on the wall clock of the time zone, without Z{got(rule[:80])}"
    try:
        rrulestr(rule, dtstart=_SAMPLE)
    except ValueError as error:
        return f"is no recurrence rule: {error}{got(rule[:80])}"
    return None
