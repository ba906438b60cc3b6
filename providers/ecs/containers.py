"""The containers of a task definition, and their overrides."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from providers.base import ConfigurationError
from providers.ecs.values import command, listed, objects, pairs, pruned

DEFAULT_CONTAINER = "prefect"
"""Prefect's name for the container that does the work; templates made for it rely on the name."""
_COMMANDS = frozenset({"command", "entryPoint"})


def complete_containers(definition: dict[str, Any], wanted: str | None) -> dict[str, Any]:
    """Tidy the definition's containers in place, and give back the one that does the work."""
    path = "task_definition.containerDefinitions"
    given = objects(definition.get("containerDefinitions"), path)
    definition["containerDefinitions"] = [tidy_container(item, f"{path}[{index}]") for index, item in enumerate(given)]
    return _main(definition["containerDefinitions"], wanted)


def main_container(names: Sequence[str], wanted: str | None) -> str:
    """The name of the container that does the work: the one asked for, else `prefect`, else the first."""
    if wanted and wanted not in names:
        raise ConfigurationError(f"container_name: {wanted!r} is not in the task definition, which has {', '.join(names)}")
    return wanted or (DEFAULT_CONTAINER if DEFAULT_CONTAINER in names else names[0])


def tidy_container(container: Mapping[str, Any], path: str) -> dict[str, Any]:
    """A container (or an override of one) with lists where people write objects or text, and nothing empty.

    Where a name is given plainly and as a secret, the secret stays.
    """
    tidy: dict[str, Any] = pruned(container)
    for key in tidy.keys() & _COMMANDS:
        tidy[key] = command(tidy[key], f"{path}.{key}")
    for key, value in (("environment", "value"), ("secrets", "valueFrom")):
        if key in tidy:
            tidy[key] = listed(pairs(tidy[key], f"{path}.{key}", value=value), value=value)
    return without_plain(tidy, {item["name"] for item in tidy.get("secrets", ())})


def without_plain(container: dict[str, Any], secrets: Collection[str]) -> dict[str, Any]:
    """The container without plain variables of these names; ECS takes a name once only."""
    if secrets and "environment" in container:
        container["environment"] = [item for item in container["environment"] if item["name"] not in secrets]
    return {key: value for key, value in container.items() if value or key not in ("environment", "secrets")}


def _main(containers: list[dict[str, Any]], wanted: str | None) -> dict[str, Any]:
    """The main container among `containers`: one without a name is given it; where there is none at all, one is added."""
    if not containers:
        containers.append({})
    names = [container["name"] for container in containers if "name" in container]
    name = main_container(names, wanted) if len(names) == len(containers) else wanted or DEFAULT_CONTAINER
    main = next((item for item in containers if item.get("name") == name), None)
    if main is None:
        main = next(item for item in containers if "name" not in item)
        main["name"] = name
    return main
