"""Reads from an engine: one container by its name, and the names of all running ones."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from providers.base import CallFailed, Submission
from providers.docker.engine import Engine, container_path
from providers.docker.request import NAME_LABEL, Place
from providers.docker.states import RUNNING, Container


def inspected(engine: Engine, name: str, identity: str = "") -> Container | None:
    """A container by its name or id; None if the engine says that there is none. Raises `CallFailed`."""
    reference = identity or name
    answer = engine.get(container_path(reference, "/json"))
    if answer.status == 404 and reference in answer.message:
        return None
    if answer.status != 200:
        raise answer.unexpected(name)
    return Container(answer.value, name)


def submission_of(engine: Engine, docker_host: str, name: str, identity: str) -> Submission:
    """The submission of a container. It contains the engine's id: on other hosts the same address may lead to another
    engine.
    """
    return Submission(name=name, handle={**Place(docker_host).handle(), "id": identity, "engine": engine.identity()})


def rows(engine: Engine) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """All our containers, ended or not, as (name, row), from one answer. Raises `CallFailed`."""
    answer = engine.get("/containers/json", all=True, filters={"label": [NAME_LABEL]})
    if answer.status != 200 or not isinstance(answer.value, list):
        raise answer.unexpected("the engine's containers cannot be listed")
    for row in answer.value:
        name = _name(row)
        if name is None:
            raise CallFailed("the engine's list of containers holds something that is not a container")
        yield name, row


def running_names(engine: Engine) -> frozenset[str]:
    """The names of the running containers. Raises `CallFailed`."""
    return frozenset(name for name, row in rows(engine) if row.get("State") in RUNNING)


def _name(row: Any) -> str | None:
    """The job's name from the label, if it is also the container's name."""
    names = row.get("Names") if isinstance(row, Mapping) else None
    labels = row.get("Labels") if isinstance(row, Mapping) else None
    if not isinstance(names, list) or not isinstance(labels, Mapping):
        return None
    name = labels.get(NAME_LABEL)
    return name if isinstance(name, str) and f"/{name}" in names else None
