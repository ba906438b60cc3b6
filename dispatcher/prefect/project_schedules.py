"""The schedules of a deployment in a `prefect.yaml`, as ours. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from dispatcher.core.placeholders import joined
from dispatcher.errors import Fault

KINDS = ("cron", "interval", "rrule")

_CLOCK = re.compile(r"(?:(\d+) days?, )?(\d+):(\d{2}):(\d{2})")
_PART = re.compile(r"(?P<name>[A-Z]+)(?:;TZID=(?P<zone>[^:]+))?:(?P<value>.+)")

Fill = Callable[[Any, str], Any]


def schedules_of(deployment: Mapping[str, Any], path: str, fill: Fill, left_out: list[Fault]) -> dict[str, Any]:
    """By slug; what has no counterpart is added to `left_out`."""
    single, several = deployment.get("schedule"), deployment.get("schedules")
    listed = [(joined(path, "schedule"), single)] if isinstance(single, Mapping) and single else []
    for number, schedule in enumerate(several if isinstance(several, list) else ()):
        listed.append((joined(joined(path, "schedules"), number), schedule))
    read: dict[str, Any] = {}
    for where, schedule in listed:
        kind = next((kind for kind in KINDS if isinstance(schedule, Mapping) and schedule.get(kind)), None)
        if kind is None:
            left_out.append(Fault(where, "must hold exactly one of cron, interval and rrule"))
        else:
            slug = _unique(str(schedule.get("slug") or kind), read)
            if fields := _schedule(schedule, kind, where, fill, left_out):
                read[slug] = fields
    return read


def _schedule(schedule: Mapping[str, Any], kind: str, where: str, fill: Fill, left_out: list[Fault]) -> dict[str, Any]:
    """Its fields; empty for one that cannot be read."""
    rule = {"rrule": _rrule, "interval": _interval, "cron": _cron}[kind](schedule, where, left_out)
    if kind not in rule:
        return {}
    anchor = {"anchor": _moment(schedule["anchor_date"])} if schedule.get("anchor_date") and kind == "interval" else {}
    zone = {"timezone": schedule["timezone"]} if schedule.get("timezone") else {}
    active = {} if schedule.get("active") in (None, True) else {"active": schedule["active"]}
    rest = {"parameters": schedule["parameters"]} if schedule.get("parameters") else {}
    fields: dict[str, Any] = {**anchor, **zone, **rule, **active, **rest}
    return {key: fill(value, joined(where, key)) for key, value in fields.items()}


def _cron(schedule: Mapping[str, Any], _where: str, _left_out: list[Fault]) -> dict[str, Any]:
    day_or = {} if schedule.get("day_or") in (None, True) else {"day_or": schedule["day_or"]}
    return {"cron": schedule["cron"], **day_or}


def _interval(schedule: Mapping[str, Any], _where: str, _left_out: list[Fault]) -> dict[str, Any]:
    interval = schedule["interval"]
    if isinstance(interval, str) and (clock := _CLOCK.fullmatch(interval.strip())):
        days, hours, minutes, seconds = (int(part or 0) for part in clock.groups())
        interval = round(timedelta(days=days, hours=hours, minutes=minutes, seconds=seconds).total_seconds())
    if isinstance(interval, str) and interval.strip().isdigit():
        interval = int(interval)
    return {"interval": interval}


def _rrule(schedule: Mapping[str, Any], where: str, left_out: list[Fault]) -> dict[str, Any]:
    """Prefect stores a rule with its DTSTART, as lines of iCalendar, or as JSON with a time zone."""
    text, fields = str(schedule["rrule"]).strip(), dict[str, Any]()
    if text.startswith("{"):
        try:
            stored = json.loads(text)
            text, fields = stored["rrule"], {key: stored[key] for key in ("timezone",) if stored.get(key)}
        except (ValueError, KeyError):
            left_out.append(Fault(joined(where, "rrule"), "write it as the parts of one RRULE: FREQ=WEEKLY;BYDAY=MO"))
            return {}
    for line in text.split():
        part = _PART.fullmatch(line)
        if part is None or part["name"] == "RRULE":
            fields["rrule"] = part["value"] if part else line
        elif part["name"] == "DTSTART":
            fields["anchor"] = _moment(part["value"], part["zone"])
        elif part["name"] == "EXDATE":
            fields["exclude"] = [f"{day[:4]}-{day[4:6]}-{day[6:8]}" for day in part["value"].split(",")]
        else:
            left_out.append(Fault(joined(where, "rrule"), f"{line}: make a schedule of its own for it"))
    return fields


def _moment(text: Any, zone: str | None = None) -> str:
    """A time with its offset; Prefect takes one without for UTC. One on a zone's wall clock stays as it is written there."""
    try:
        moment = datetime.fromisoformat(str(text))
    except ValueError:
        return str(text)
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=_zone(zone))
    return moment.astimezone(UTC).isoformat()


def _zone(name: str | None) -> Any:
    from zoneinfo import ZoneInfo, ZoneInfoNotFoundError  # noqa: PLC0415 - few rules have one

    try:
        return ZoneInfo(name) if name else UTC
    except (ZoneInfoNotFoundError, ValueError):
        return UTC


def _unique(slug: str, read: Mapping[str, Any]) -> str:
    number, unique = 2, slug
    while unique in read:
        number, unique = number + 1, f"{slug}-{number}"
    return unique
