"""The ticks of the last hour as a strip: a bar for each minute with a tick. The template writes the SVG."""

from __future__ import annotations

from datetime import datetime, timedelta

from dispatcher.core.ticks import MINUTES, LastHour

STEP, BAR, HEIGHT, EDGE = 4, 3, 16, 3
"""The width of a minute and of its bar, the height of the strip, and of the line below a gap."""
_MINUTE = timedelta(minutes=1)


def ticked_path(hour: LastHour) -> str:
    """The minutes with a tick."""
    return "".join(f"M{_right(hour, minute)} 0h{BAR}v{HEIGHT}h-{BAR}z" for minute in hour.minutes)


def gap_path(hour: LastHour) -> str:
    """The gaps: a line along the bottom, so that they can be seen without colour."""
    lines = [(_right(hour, begin), _right(hour, end)) for begin, end in hour.gaps]
    return "".join(f"M{left} {HEIGHT - EDGE}H{right - 1}V{HEIGHT}H{left}z" for left, right in lines)


def _right(hour: LastHour, minute: datetime) -> int:
    """The x position at which a minute begins; the minute that has just begun is the last."""
    return STEP * (MINUTES - hour.length + (minute - hour.since) // _MINUTE)
