"""What is wrong with a recurrence rule, part by part, with what to write instead.

RFC 5545 forbids some combinations, and dateutil ignores or drops the part that does not fit; both are refused here.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import datetime

from dispatcher.core.recurrence import DAILY, FREQUENCIES, PARTS, WEEKLY, YEARLY, parts_of, rule
from dispatcher.errors import ScheduleError
from dispatcher.validation.messages import did_you_mean, got

MAX_RULE = 500

_SAMPLE = datetime(2020, 1, 1)  # noqa: DTZ001 - a wall clock time, as the rules are read
_RANGES = {"BYMONTH": 12, "BYMONTHDAY": 31, "BYYEARDAY": 366, "BYWEEKNO": 53, "BYSETPOS": 366}
_FROM_BEHIND = frozenset({"BYMONTHDAY", "BYYEARDAY", "BYWEEKNO", "BYSETPOS"})
_OTHERS = frozenset(_RANGES.keys() | {"BYDAY", "BYHOUR", "BYMINUTE", "BYSECOND"}) - {"BYSETPOS"}


def rule_fault(text: str) -> str | None:
    """What is wrong with a rule, or None. `schedules` checks whether it has windows."""
    fault = _text_fault(text)
    if fault is None:
        try:
            parts = parts_of(text)
            fault = next(_unknown(parts), None)
            rule(text, _SAMPLE)
        except ScheduleError as error:
            fault = fault or str(error)
        else:
            fault = next(_faults(parts), None)
    return fault and f"{fault}{got(text[:80])}"


def _text_fault(text: str) -> str | None:
    """For what Prefect stores beside the rule itself, the fault says where it goes here."""
    example = "must be the parts of one RRULE, as `FREQ=WEEKLY;BYDAY=MO`"
    if len(text) > MAX_RULE:
        return f"{example}, in at most {MAX_RULE} characters"
    for word, fix in (
        ("DTSTART", "without DTSTART: give its time as the anchor (--anchor-date) and its zone as the timezone"),
        ("EXDATE", "without EXDATE: name the days that are left out in `exclude` (--exclude)"),
        ("RDATE", "without RDATE: make a schedule of its own for each such time, or a run by hand"),
        ("EXRULE", "without EXRULE: say by BYMONTH, BYDAY and the like what is left"),
        ("RRULE", "without the word RRULE; give a second rule as a second schedule"),
    ):
        if re.search(rf"\b{word}\b", text.upper()):
            return f"{example}, {fix}"
    return None if re.fullmatch(r"[A-Za-z0-9=;,+:-]+", text) and ":" not in text else example


def _unknown(parts: Mapping[str, str]) -> Iterator[str]:
    for name in sorted(parts.keys() - PARTS):
        yield f"{name} is not part of a recurrence rule that can be read{did_you_mean(name, PARTS)}"
    if parts.get("FREQ") not in FREQUENCIES:
        yield "must have a FREQ of DAILY, WEEKLY, MONTHLY or YEARLY; take an interval or cron for less"


def _faults(parts: Mapping[str, str]) -> Iterator[str]:
    yield from _range_faults(parts)
    yield from _place_faults(parts["FREQ"], parts)
    yield from _weekday_faults(parts["FREQ"], parts)
    if "," in parts.get("BYSECOND", ""):
        yield "BYSECOND must be one second: windows are at least a minute apart"
    if parts.get("COUNT", "").strip("0") == "" and "COUNT" in parts:
        yield "COUNT=0 never comes; leave COUNT out for no end, or take the schedule away"
    if "COUNT" in parts and "UNTIL" in parts:
        yield "COUNT and UNTIL exclude each other; give the one that is meant"
    if "BYSETPOS" in parts and parts.keys().isdisjoint(_OTHERS):
        yield "BYSETPOS chooses among what another part names; add BYDAY, BYMONTHDAY or the like"


def _range_faults(parts: Mapping[str, str]) -> Iterator[str]:
    for name, most in _RANGES.items():
        for number in map(int, parts[name].split(",") if name in parts else ()):
            signed = f"from 1 to {most}" + (f", or -{most} to -1 from the end" if name in _FROM_BEHIND else "")
            if not 0 < abs(number) <= most or (number < 0 and name not in _FROM_BEHIND):
                yield f"{name}={number} names nothing: must be {signed}"


def _place_faults(frequency: str, parts: Mapping[str, str]) -> Iterator[str]:
    if "BYWEEKNO" in parts and frequency != YEARLY:
        yield f"BYWEEKNO goes with FREQ=YEARLY alone, not with {frequency}"
    if "BYYEARDAY" in parts and frequency != YEARLY:
        yield f"BYYEARDAY goes with FREQ=YEARLY alone, not with {frequency}"
    if "BYMONTHDAY" in parts and frequency == WEEKLY:
        yield "BYMONTHDAY goes with FREQ=DAILY, MONTHLY or YEARLY, not with WEEKLY"


def _weekday_faults(frequency: str, parts: Mapping[str, str]) -> Iterator[str]:
    texts = parts["BYDAY"].split(",") if "BYDAY" in parts else []
    numbered = [text for text in texts if len(text) > 2]
    if not numbered:
        return
    if frequency in (DAILY, WEEKLY):
        instead = "the plain day, with INTERVAL for every second week" if frequency == WEEKLY else "the plain day"
        yield f"BYDAY={numbered[0]}: a number goes with FREQ=MONTHLY or YEARLY; write {numbered[0][-2:]}, {instead}"
    if len(numbered) < len(texts):
        yield "BYDAY has days with and without a number; write them as two schedules"
    if "BYWEEKNO" in parts:
        yield f"BYDAY={numbered[0]}: no number goes with BYWEEKNO; write {numbered[0][-2:]}"
    most = 53 if frequency == YEARLY and "BYMONTH" not in parts else 5
    for text in numbered:
        if not 0 < abs(int(text[:-2])) <= most:
            yield f"BYDAY={text} names nothing: the number must be from 1 to {most}, or -{most} to -1 from the end"
