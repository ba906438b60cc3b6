"""Lanes: the lines beside a queue in which some of its runs wait. The name of a lane says whose runs wait in it.

A run waits in a lane if its deployment has a limit or shares its queue with others (see `Deployment.lane_at`), or if its
priority is not 0. All runs of a lane have the same priority, so that time alone orders them. A lane has the name of its
deployment for priority 0, which is how a lane was always named; `%` stands in no name, and separates the priority: `etl%-5`, or
`%-5` for runs without such a deployment. Code that does not know priorities reads such a lane like that of a deployment that is
gone: by due time, without a limit.
"""

from __future__ import annotations

SEPARATOR = "%"


def lane_for(deployment: str | None, priority: int) -> str | None:
    """The lane of the runs with a priority, of a deployment that has lanes or of all others; None for the queue itself."""
    return f"{deployment or ''}{SEPARATOR}{priority}" if priority else deployment


def lanes_between(deployment: str) -> tuple[str, str]:
    """Two texts between which the names of a deployment's lanes with a priority lie, and no other lane's."""
    return f"{deployment}{SEPARATOR}", f"{deployment}{chr(ord(SEPARATOR) + 1)}"


def priority_of(lane: str | None) -> int:
    """The priority of the runs that wait in a lane, or without one in the queue itself."""
    priority = lane.partition(SEPARATOR)[2] if lane is not None else ""
    return int(priority) if priority else 0


def limited_by(lane: str | None) -> str | None:
    """The deployment of all runs of a lane, whose limit applies to them; None where there is none."""
    return lane.partition(SEPARATOR)[0] or None if lane is not None else None
