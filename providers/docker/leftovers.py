"""Removes ended containers, their anonymous volumes and their marks."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta

from providers.base import JOB_NAME, CallFailed
from providers.docker import marks
from providers.docker.engine import Engine, container_path
from providers.docker.lookup import inspected, rows
from providers.docker.states import RUNNING

SETTLED = timedelta(hours=1)
"""How long ago a container must have ended before a sweep removes it: another process may still have to record its end."""

SWEPT_AT_ONCE = 1000


def discarded(engine: Engine, names: Sequence[str]) -> frozenset[str]:
    """Remove containers with their marks, as far as the time allows. Returns the names that are gone."""
    gone: set[str] = set()
    for name in names:
        try:
            if engine.has_time and _removed(engine, name) and marks.remove(engine, name):
                gone.add(name)
        except CallFailed:
            break
    return frozenset(gone)


def swept(engine: Engine, keep: frozenset[str], now: datetime) -> tuple[str, ...]:
    """Remove ended or unstarted containers that no store knows. Returns their names. Raises `CallFailed` when the list
    fails.
    """
    listed = dict(rows(engine))
    idle = sorted(name for name, row in listed.items() if row.get("State") not in RUNNING)
    forgotten = [name for name in idle if name not in keep and JOB_NAME.fullmatch(name)][:SWEPT_AT_ONCE]
    removed = tuple(_swept(engine, forgotten, now))
    for name, left_at in list(marks.marked(engine)):
        if name not in listed and now - left_at > SETTLED and engine.has_time:
            marks.remove(engine, name)
    return removed


def _swept(engine: Engine, names: Sequence[str], now: datetime) -> Iterator[str]:
    for name in names:
        if not engine.has_time:
            return
        if _is_settled(engine, name, now) and _removed(engine, name) and marks.remove(engine, name):
            yield name


def _is_settled(engine: Engine, name: str, now: datetime) -> bool:
    container = inspected(engine, name)
    if container is None or container.is_live or not container.is_ours:
        return False
    since = container.ended_at or container.created_at
    return since is not None and now - since > SETTLED


def _removed(engine: Engine, name: str) -> bool:
    """Remove a container and its anonymous volumes; True if no such container is left. A running container stays."""
    answer = engine.delete(container_path(name), v=True)
    if answer.status == 204 or (answer.status == 404 and name in answer.message):
        return True
    return answer.status == 409 and "already in progress" in answer.message
