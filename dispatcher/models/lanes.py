"""Lanes: places beside a queue in which some of its runs wait. The name of a lane says whose runs wait in it.

A run waits in a lane if its deployment has a limit or shares its queue with others (see `Deployment.lane_at`), or if its
priority is not 0. All runs of a lane have the same priority, so that time alone orders them. For priority 0, as in older code,
a lane has the name of its deployment. Other priorities follow after `%`, which no name contains: `etl%-5`, or `%-5` for runs
without such a deployment. Code that does not know priorities reads such a lane like the lane of a deleted deployment: by due
time, without a limit.
"""

from __future__ import annotations

SEPARATOR = "%"


def lane_for(deployment: str | None, priority: int) -> str | None:
    """The lane of runs with this priority, of a deployment that has lanes, or (for None) of all others; None for the queue
    itself.
    """
    return f"{deployment or ''}{SEPARATOR}{priority}" if priority else deployment


def lanes_between(deployment: str) -> tuple[str, str]:
    """Two texts between which exactly the names of a deployment's lanes with a priority lie."""
    return f"{deployment}{SEPARATOR}", f"{deployment}{chr(ord(SEPARATOR) + 1)}"


def priority_of(lane: str | None) -> int:
    """The priority of the runs that wait in a lane, or (for None) in the queue itself."""
    priority = lane.partition(SEPARATOR)[2] if lane is not None else ""
    return int(priority) if priority else 0


def limited_by(lane: str | None) -> str | None:
    """The deployment whose limit applies to all runs of a lane; None if there is none."""
    return lane.partition(SEPARATOR)[0] or None if lane is not None else None
