"""What an engine has: one container by its name, and the names of all that run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from providers.base import CallFailed, Submission
from providers.docker.engine import Engine, container_path
from providers.docker.request import NAME_LABEL, Place
from providers.docker.states import RUNNING, Container


def inspected(engine: Engine, name: str, identity: str = "") -> Container | None:
    """A container by its name, or by its id; None when the engine says that there is none. Raises `CallFailed`."""
    reference = identity or name
    answer = engine.get(container_path(reference, "/json"))
    if answer.status == 404 and reference in answer.message:
        return None
    if answer.status != 200:
        raise answer.unexpected(name)
    return Container(answer.value, name)


def submission_of(engine: Engine, docker_host: str, name: str, identity: str) -> Submission:
    """The submission of a container. `engine` distinguishes its engine from those that the same address may mean on other
    hosts.
    """
    return Submission(name=name, handle={**Place(docker_host).handle(), "id": identity, "engine": engine.identity()})


def rows(engine: Engine) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Every container of ours, ended or not, as (name, row). Docker gives all in one answer. Raises `CallFailed`."""
    answer = engine.get("/containers/json", all=True, filters={"label": [NAME_LABEL]})
    if answer.status != 200 or not isinstance(answer.value, list):
        raise answer.unexpected("the engine's containers cannot be listed")
    for row in answer.value:
        name = _name(row)
        if name is None:
            raise CallFailed("the engine's list of containers holds something else")
        yield name, row


def running_names(engine: Engine) -> frozenset[str]:
    """The names of those that run. Raises `CallFailed`."""
    return frozenset(name for name, row in rows(engine) if row.get("State") in RUNNING)


def _name(row: Any) -> str | None:
    """Its label's name, where that is its name too."""
    names = row.get("Names") if isinstance(row, Mapping) else None
    labels = row.get("Labels") if isinstance(row, Mapping) else None
    if not isinstance(names, list) or not isinstance(labels, Mapping):
        return None
    name = labels.get(NAME_LABEL)
    return name if isinstance(name, str) and f"/{name}" in names else None
