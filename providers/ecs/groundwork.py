"""What the runs of one deployment share: its task definition, launch and network, worked out once for all of them; pure."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from providers.ecs.definition import Facts, definition_of, facts_of, template_compatibilities
from providers.ecs.launch import Launch, launch_of
from providers.ecs.network import Network, network_of
from providers.ecs.values import mapping

_OF_THE_RUN = frozenset({"name", "command", "env", "labels"})
"""Keys of a configuration that nothing here is made of; in `task_run_request` they stand as `tags` and `containerOverrides`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Groundwork:
    """What a request is built on, beside what is the run's own."""

    facts: Facts
    launch: Launch
    network: Network | None


def groundwork_of(configuration: Mapping[str, Any], region: str) -> tuple[Mapping[str, Any], Groundwork]:
    """For a configuration that brings its own definition: that, as parameters of RegisterTaskDefinition, comes first.

    Raises `ConfigurationError` naming the field at fault.
    """
    request = mapping(configuration.get("task_run_request"), "task_run_request")
    overrides = mapping(request.get("overrides"), "task_run_request.overrides")
    shared = {
        **_without(_OF_THE_RUN, configuration),
        "task_run_request": {
            **_without({"tags"}, request),
            "overrides": _without({"containerOverrides"}, overrides),
        },
    }
    return _worked_out(json.dumps(shared), region)


def groundwork_on(facts: Facts, configuration: Mapping[str, Any]) -> Groundwork:
    """For a configuration that names an existing definition. Raises `ConfigurationError` naming the field at fault."""
    request = mapping(configuration.get("task_run_request"), "task_run_request")
    launch = launch_of(request, facts.compatibilities)
    return Groundwork(facts=facts, launch=launch, network=network_of(configuration, facts.network_mode, launch))


@lru_cache(maxsize=256)
def _worked_out(shared: str, region: str) -> tuple[Mapping[str, Any], Groundwork]:
    """From JSON, in which 1 and true are not equal."""
    configuration = json.loads(shared)
    launch = launch_of(configuration["task_run_request"], template_compatibilities(configuration))
    definition = definition_of(configuration, launch, region)
    facts = facts_of(definition)
    network = network_of(configuration, facts.network_mode, launch)
    return definition, Groundwork(facts=facts, launch=launch, network=network)


def _without(keys: frozenset[str] | set[str], given: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in given.items() if key not in keys}
