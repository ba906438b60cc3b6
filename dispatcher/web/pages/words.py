"""How values are written on a page."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import quote, urlencode

from markupsafe import Markup

from dispatcher.client import length_of_time
from dispatcher.client.arguments import utc
from dispatcher.client.mirrors import CONFIGURED, RUN, why_not
from dispatcher.core.changes import ABSENT
from dispatcher.errors import Fault, InvalidInput
from dispatcher.models import WorkPool

NOTHING = "\N{EN DASH}"

GLYPHS: Mapping[str, str] = {
    "SCHEDULED": "○",
    "PENDING": "◪",
    "RUNNING": "■",
    "COMPLETED": "✓",
    "FAILED": "✕",
    "CRASHED": "⚡",
    "CANCELLING": "◌",
    "CANCELLED": "⊘",
    "READY": "●",
    "NOT_READY": "▲",
    "PAUSED": "‖",
}
"""The signs of states and statuses, so that colour is never the only mark."""


def url(*parts: str, **query: Any) -> str:
    """An address of ours. Every part and value is encoded, because names may contain `?`, `#` and `,`."""
    path = "/" + "/".join(quote(part, safe="") for part in parts)
    pairs = [(key, value) for key, values in query.items() for value in _listed(values)]
    return f"{path}?{urlencode(pairs)}" if pairs else path


def _listed(values: Any) -> list[str]:
    if values is None or values == "":
        return []
    return [str(value) for value in values] if isinstance(values, list | tuple | frozenset) else [str(values)]


def outside(address: str | None) -> str | None:
    """A foreign address, if a page may link to it."""
    return address if address and address.startswith("https://") and address.isprintable() and " " not in address else None


def instant(moment: datetime | None) -> Markup:
    """A time: in UTC without JavaScript, otherwise how long ago it was, or in the reader's zone."""
    return Markup("&ndash;") if moment is None else _time(moment, Markup())


def exactly(moment: datetime) -> Markup:
    """A time within a sentence, as `until 14:31`: in UTC without JavaScript, otherwise in the reader's zone."""
    return _time(moment, Markup(' data-exact="yes"'))


def _time(moment: datetime, how: Markup) -> Markup:
    words = moment.strftime("%Y-%m-%d %H:%M:%S UTC")
    made = Markup('<time datetime="{}" title="{}"{}>{}</time>')
    return made.format(moment.isoformat(timespec="seconds"), words, how, words)


def timed(text: str) -> Markup:
    """A sentence with its times (in ISO 8601, UTC) in the reader's zone, and with its commands as code."""
    made = Markup()
    for part in _SPECIAL.split(text):
        code = _CODE.fullmatch(part)
        if _TIME.fullmatch(part):
            made += exactly(datetime.fromisoformat(part))
        else:
            made += Markup("<code>{}</code>").format(code["words"]) if code else Markup("{}").format(part)
    return made


def advice(text: str) -> Markup:
    """Advice, as a sentence or as the command that does it."""
    return Markup("<code>{}</code>").format(text) if text.startswith("dispatcher ") else timed(text)


_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?\+00:00")
_SPECIAL = re.compile(rf"({_TIME.pattern}|`[^`]+`)")


def when(text: str, now: datetime, field: str) -> datetime | None:
    """The time in a typed text: ISO 8601, or how long ago it was (`24h`, `7d`, `2h ago`). Raises `InvalidInput`."""
    if not text:
        return None
    if not text[:4].isdecimal():
        with suppress(OverflowError, InvalidInput):
            return now - length_of_time(text.removesuffix(" ago"), field)
    try:
        return utc(datetime.fromisoformat(text), field)
    except ValueError:
        words = f"{text!r} is not a time; write it as 2026-01-31T08:00:00+00:00, or how long ago it was, as 24h"
        raise InvalidInput("filter", [Fault(field, words)]) from None


def linked(text: str) -> Markup:
    """A description with its Markdown links as links, and code as code."""
    made = Markup()
    for part in _MARKDOWN.split(text):
        link, code = _LINK.fullmatch(part), _CODE.fullmatch(part)
        address = outside(link["address"]) if link else None
        if link and address:
            made += Markup('<a href="{}" rel="noopener noreferrer">{}</a>').format(address, link["words"])
        elif code:
            made += Markup("<code>{}</code>").format(code["words"])
        else:
            made += part
    return made


_LINK = re.compile(r"\[(?P<words>[^\]]+)\]\((?P<address>https://[^\s()]+)\)")
_CODE = re.compile(r"`(?P<words>[^`]+)`")
_MARKDOWN = re.compile(r"(\[[^\]]+\]\(https://[^\s()]+\)|`[^`]+`)")


def elsewhere(pool: WorkPool, fix: str = CONFIGURED) -> str:
    """Where a mirrored pool, or with `fix` its runs, are changed, as a sentence; empty for any other pool."""
    words = why_not(pool, fix) if pool.mirror else ""
    return f"{words[:1].upper()}{words[1:]}." if words else ""


def runs_elsewhere(pool: WorkPool) -> str:
    """Where runs of a mirrored pool are created and cancelled, as a sentence; empty for any other pool."""
    return elsewhere(pool, RUN)


def duration(seconds: float | timedelta | None) -> str:
    """A duration in words."""
    if seconds is None:
        return NOTHING
    whole = int(seconds.total_seconds() if isinstance(seconds, timedelta) else seconds)
    for size, unit, part, small in ((86_400, "d", 3600, "h"), (3600, "h", 60, "min"), (60, "min", 1, "s")):
        if whole >= size:
            rest = whole % size // part
            return f"{whole // size} {unit}" + (f" {rest} {small}" if rest else "")
    return f"{whole} s"


def pretty(value: Any) -> str:
    """JSON for people."""
    return json.dumps(value, indent=2, ensure_ascii=False, default=str)


def field_value(value: Any) -> str:
    """A value in a plan."""
    if value is None or value is ABSENT:
        return NOTHING
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def glyph(word: str) -> str:
    """The sign of a state."""
    return GLYPHS.get(str(word), "·")


def priority_in(text: str) -> int | None:
    """The priority in a typed text; None for an empty field. Raises `InvalidInput`."""
    try:
        return int(text.strip()[:12]) if text.strip() else None
    except ValueError:
        raise InvalidInput("run", [Fault("priority", f"must be a whole number, or empty, not {text!r}")]) from None
