"""The keys of all items. Names contain neither `/` nor control characters, so `/` separates them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import UUID

Key = tuple[str, str]
"""`pk` and `sk` of an item."""

SCHEMA: Key = ("SCHEMA", "SCHEMA")
CONFIGURATION: Key = ("CONFIGURATION", "CONFIGURATION")
"""The item that every change of a pool or a deployment writes."""
NAMES = "POOLS"
"""The partition with one small item for each pool, by its name."""
DEPLOYMENTS = "DEPLOYMENTS"
"""The partition of the deployments, by their names."""

MONTHS = "LOG"
"""The partition with one small item for each month in which the log of changes has entries."""
AUTOMATIONS = "AUTOMATIONS"
"""The partition of the automations, by their names."""
WATCHES: Key = ("WATCHES", "WATCHES")
"""The item that says what all automations look at."""
FIRINGS = "FIRINGS"
"""The partition of the firings of automations, newest first."""

WINDOWS = "WINDOWS"
"""The sort key of the item that says when the deployments of a pool are due."""

LANE = "lane/"
"""The prefix of a lane's name in the sort keys of waiting runs. Sorts after every time."""

LEAST_ID = UUID(int=0)

AFTER_WINDOWS = f"{WINDOWS}0"
"""Sorts after the last item of a pool. All its items but the configuration lie between `lanes` and here."""

_FIRST = datetime.min.replace(tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_NEVER = "never"
"""Sorts after every time."""


def name(pool: str) -> Key:
    """The pool's entry among the names."""
    return NAMES, pool


def config(pool: str) -> Key:
    """The configuration of a pool."""
    return f"POOL/{pool}", "CONFIG"


def slots(pool: str) -> Key:
    """The slots in use of a pool, and what ticks write."""
    return f"POOL/{pool}", "SLOTS"


def gate(pool: str, queue: str) -> Key:
    """The gate of a queue: every run that begins to wait in the queue writes it."""
    return f"POOL/{pool}", f"QUEUE/{queue}"


def windows(pool: str) -> Key:
    """When the deployments of a pool are due."""
    return f"POOL/{pool}", WINDOWS


def lanes(pool: str) -> Key:
    """The item that exists once runs of the pool may wait in lanes."""
    return f"POOL/{pool}", "LANES"


def deployment(deployment_name: str) -> Key:
    """A deployment."""
    return DEPLOYMENTS, deployment_name


def run(run_id: UUID) -> Key:
    """A run, whole."""
    return f"RUN/{run_id.hex}", "RUN"


def waiting(pool: str, queue: str) -> str:
    """The partition of the entries of runs that wait in a queue."""
    return f"DUE/{pool}/{queue}"


def in_lane(lane: str | None, position: str = "") -> str:
    """The sort key of a waiting run's entry. Entries of the queue itself come first, then the entries of its lanes, lane by
    lane.
    """
    return position if lane is None else f"{LANE}{lane}/{position}"


def after_lane(lane: str) -> str:
    """A sort key that sorts after all of a lane: 0 follows /."""
    return f"{LANE}{lane}0"


def lane_of(sort_key: str) -> str | None:
    """The lane of a waiting run's entry."""
    return sort_key.removeprefix(LANE).partition("/")[0] if sort_key.startswith(LANE) else None


def expiring(pool: str) -> str:
    """The partition of the entries of waiting runs that expire."""
    return f"EXPIRES/{pool}"


def claimed(pool: str) -> str:
    """The partition of the entries of runs that hold a slot and have no submission."""
    return f"CLAIMED/{pool}"


def live(pool: str) -> str:
    """The partition of the entries of runs that hold a slot and have a submission."""
    return f"LIVE/{pool}"


def lingering(pool: str) -> str:
    """The partition of the entries of ended runs that linger at their provider."""
    return f"LINGERS/{pool}"


def notifications(pool: str) -> str:
    """The partition of the entries of runs with a notification to deliver."""
    return f"NEWS/{pool}"


def month_of(time: datetime) -> str:
    """The month of a time, in UTC, by which the log of changes is divided."""
    return f"{time.astimezone(UTC):%Y-%m}"


def log_of(month: str) -> str:
    """The partition of the log's entries of a month."""
    return f"LOG/{month}"


def log(time: datetime, entry_id: UUID) -> Key:
    """An entry of the log."""
    return log_of(month_of(time)), newest_first(time, entry_id)


def automation(name: str) -> Key:
    """An automation."""
    return AUTOMATIONS, name


def owed(pool: str) -> str:
    """The partition of the entries of runs whose ends automations must look at."""
    return f"OWED/{pool}"


def fired(pool: str) -> str:
    """The partition of the entries of firings with hooks to notify."""
    return f"FIRED/{pool}"


def at(time: datetime | None, run_id: UUID | None = None) -> str:
    """A sort key by time, then id. Without an id, it sorts before all keys of that time. None sorts last."""
    moment = _NEVER if time is None else f"{_ticks(time):018d}"
    return moment if run_id is None else f"{moment}#{run_id.hex}"


def after(time: datetime) -> str:
    """A sort key that sorts after all keys of that time, and before all later ones."""
    return f"{_ticks(time):018d}~"


def just_before(sort_key: str) -> str:
    """A sort key directly before this one: it sorts after all earlier keys and equals none of them."""
    return f"{sort_key[:-1]}{chr(ord(sort_key[-1]) - 1)}~"


def newest_first(time: datetime, run_id: UUID) -> str:
    """A sort key by which the latest time comes first, then the smaller id."""
    return f"{10**18 - _ticks(time):018d}#{run_id.hex}"


def listed_at(sort_key: str) -> tuple[datetime, UUID]:
    """The time and the id in a `newest_first` key."""
    time, _, run_id = sort_key.partition("#")
    return _FIRST + (10**18 - int(time)) * _MICROSECOND, UUID(hex=run_id)


def listed_between(since: datetime | None, until: datetime | None, after: tuple[datetime, UUID] | None) -> tuple[str, str]:
    """The bounds of `newest_first` keys of runs that were created at `since` or later, before `until`, and that come after the
    run `after`. No key equals a bound.
    """
    starts = [f"{10**18 - _ticks(until):018d}~"] if until else []
    starts += [f"{newest_first(*after)}~"] if after else []
    return max(starts, default="#"), f"{10**18 - _ticks(since):018d}~" if since else "~"


def _ticks(time: datetime) -> int:
    return (time - _FIRST) // _MICROSECOND
