"""The mark of a cancel: an empty volume beside the container. Docker itself keeps no trace of who stopped what.

A label cannot be added to a container, and a file in it cannot be written where its root is read-only. A volume is made by one
call that is safe to repeat, outlives a restart of the engine, and is removed with the container.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from providers.base import CallFailed
from providers.docker.engine import Engine
from providers.docker.request import NAME_LABEL

STOP_LABEL = "push-dispatcher/stop"
SUFFIX = ".stop"


def left_mark(engine: Engine, name: str) -> datetime:
    """Leave the mark; when it was first left. Raises `CallFailed`."""
    labels = {NAME_LABEL: name, STOP_LABEL: "true"}
    answer = engine.post("/volumes/create", {"Name": name + SUFFIX, "Driver": "local", "Labels": labels})
    if answer.status != 201 or not _is_mark(answer.value, name):
        raise answer.unexpected(f"{name}: the mark of a cancel could not be left")
    return created_at(answer.value)


def is_marked(engine: Engine, name: str) -> bool:
    """Whether somebody asked the dispatcher for the container's end. Raises `CallFailed`."""
    answer = engine.get(f"/volumes/{name}{SUFFIX}")
    if answer.status == 404 and name in answer.message:
        return False
    if answer.status != 200 or not _is_mark(answer.value, name):
        raise answer.unexpected(f"{name}: its mark cannot be read")
    return True


def marks(engine: Engine) -> Mapping[str, datetime]:
    """The names of all jobs that have one, with when it was left. Raises `CallFailed`."""
    answer = engine.get("/volumes", filters={"label": [STOP_LABEL]})
    volumes = answer.value.get("Volumes") if answer.status == 200 and isinstance(answer.value, Mapping) else ()
    if volumes == ():
        raise answer.unexpected("the engine's volumes cannot be listed")
    names = [(str(volume.get("Name", "")).removesuffix(SUFFIX), volume) for volume in volumes or ()]
    return {name: created_at(volume) for name, volume in names if _is_mark(volume, name)}


def removed_mark(engine: Engine, name: str) -> bool:
    """Remove the mark; True when there is none (any more). Raises `CallFailed`."""
    answer = engine.delete(f"/volumes/{name}{SUFFIX}")
    return answer.status == 204 or (answer.status == 404 and name in answer.message)


def created_at(volume: Mapping[str, Any]) -> datetime:
    """When a volume was made. Raises `CallFailed` when the answer does not say."""
    try:
        return datetime.fromisoformat(str(volume.get("CreatedAt"))).astimezone(UTC)
    except ValueError:
        raise CallFailed("the engine does not say when a volume was made") from None


def _is_mark(volume: Any, name: str) -> bool:
    return isinstance(volume, Mapping) and volume.get("Name") == name + SUFFIX
