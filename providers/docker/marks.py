"""Marks beside a container: empty volumes that record requests to start or stop it. Docker itself keeps no such record.

    NAME.start    created before a start is sent: without it nobody has tried to start the container
    NAME.stop     created before a stop is sent: an end by a signal was requested

A label cannot be added to an existing container, and a file cannot be written into one whose root is read-only. A volume is
created by one call that is safe to repeat, survives a restart of the engine, and is removed with the container.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from providers.base import CallFailed
from providers.docker.engine import Engine
from providers.docker.request import NAME_LABEL

MARK_LABEL = "push-dispatcher/mark"


class Mark(StrEnum):
    """A request that was made of a container."""

    START = "start"
    STOP = "stop"


def leave(engine: Engine, name: str, mark: Mark) -> datetime:
    """Leave a mark. Returns when it was first left. Raises `CallFailed`."""
    volume = {"Name": volume_name(name, mark), "Driver": "local", "Labels": {NAME_LABEL: name, MARK_LABEL: mark}}
    answer = engine.post("/volumes/create", volume)
    if answer.status != 201 or not _is_mark(answer.value, name, mark):
        raise answer.unexpected(f"{name}: the mark of a {mark} could not be left")
    return _created_at(answer.value)


def is_left(engine: Engine, name: str, mark: Mark) -> bool:
    """Whether a mark was left. Raises `CallFailed`."""
    answer = engine.get(f"/volumes/{volume_name(name, mark)}")
    if answer.status == 404 and name in answer.message:
        return False
    if answer.status != 200 or not _is_mark(answer.value, name, mark):
        raise answer.unexpected(f"{name}: its mark of a {mark} cannot be read")
    return True


def remove(engine: Engine, name: str) -> bool:
    """Remove all marks of a job; True if none is left. Raises `CallFailed`."""
    answers = [engine.delete(f"/volumes/{volume_name(name, mark)}") for mark in Mark]
    return all(answer.status == 204 or (answer.status == 404 and name in answer.message) for answer in answers)


def marked(engine: Engine) -> Iterator[tuple[str, datetime]]:
    """The names of all jobs with a mark, each with the time at which it was left. Raises `CallFailed`."""
    answer = engine.get("/volumes", filters={"label": [MARK_LABEL]})
    if answer.status != 200 or not isinstance(answer.value, Mapping) or "Volumes" not in answer.value:
        raise answer.unexpected("the engine's volumes cannot be listed")
    for volume in answer.value["Volumes"] or ():
        name = volume.get("Labels", {}).get(NAME_LABEL) if isinstance(volume, Mapping) else None
        if any(_is_mark(volume, str(name), mark) for mark in Mark):
            yield str(name), _created_at(volume)


def volume_name(name: str, mark: Mark) -> str:
    """The name of the volume that is the mark."""
    return f"{name}.{mark}"


def _created_at(volume: Mapping[str, Any]) -> datetime:
    try:
        return datetime.fromisoformat(str(volume.get("CreatedAt"))).astimezone(UTC)
    except ValueError:
        raise CallFailed("the engine does not say when a volume was made") from None


def _is_mark(volume: Any, name: str, mark: Mark) -> bool:
    return isinstance(volume, Mapping) and volume.get("Name") == volume_name(name, mark)
