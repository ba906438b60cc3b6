"""The shared parts of a deployment's runs (task definition, launch, network), computed once for all of them; pure."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from providers.ecs.definition import DEFAULT_CONTAINER, Facts, drafted, existing_definition, facts_of, template_compatibilities
from providers.ecs.launch import Launch, Network, launch_of, network_of
from providers.ecs.rules import note_beside_existing, note_keys, note_network
from providers.remarks import Notes
from providers.values import mapping

_OF_THE_RUN = frozenset({"name", "command", "env", "labels"})
"""Keys of a configuration that belong to a single run; `task_run_request` has them as `tags` and `containerOverrides`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Blueprint:
    """The basis of a request, without the parts of a single run."""

    facts: Facts
    launch: Launch
    network: Network | None


def blueprint_of(configuration: Mapping[str, Any], region: str) -> tuple[Mapping[str, Any], Blueprint]:
    """The parameters of RegisterTaskDefinition and the blueprint, for a configuration with its own definition.

    Raises `ConfigurationError` naming every field at fault.
    """
    return _worked_out(_shared(configuration), region)


def blueprint_for_existing(facts: Facts, configuration: Mapping[str, Any]) -> Blueprint:
    """The blueprint for a configuration that names an existing definition. Raises `ConfigurationError` naming the field at
    fault.
    """
    request = mapping(configuration.get("task_run_request"), "task_run_request")
    launch = launch_of(request, facts.compatibilities)
    return Blueprint(facts=facts, launch=launch, network=network_of(configuration, facts.network_mode, launch))


def check_existing(configuration: Mapping[str, Any]) -> None:
    """Raise `ConfigurationError` for settings that conflict with an existing definition, before that is looked up."""
    _check_existing(_shared(configuration))


def note_shared(configuration: Mapping[str, Any], notes: Notes) -> None:
    """Note the remarks on a configuration's keys before its values are used."""
    note_keys(configuration, notes)
    note_network(configuration, notes)
    if existing_definition(configuration):
        note_beside_existing(configuration, notes)


def draft(configuration: Mapping[str, Any], region: str, notes: Notes) -> tuple[Mapping[str, Any], Blueprint]:
    """Like `blueprint_of`, but faults are noted in `notes`. Raises only if nothing further can be derived."""
    launch = launch_of(
        mapping(configuration.get("task_run_request"), "task_run_request"), template_compatibilities(configuration)
    )
    definition = drafted(configuration, launch, region, notes)
    facts = facts_of(definition) if not notes.faults else Facts(containers=(DEFAULT_CONTAINER,), network_mode="awsvpc")
    network = notes.attempt(lambda: network_of(configuration, facts.network_mode, launch))
    return definition, Blueprint(facts=facts, launch=launch, network=network)


def _shared(configuration: Mapping[str, Any]) -> str:
    """The shared parts of a deployment's runs as JSON, in which 1 and true differ."""
    request = mapping(configuration.get("task_run_request"), "task_run_request")
    overrides = mapping(request.get("overrides"), "task_run_request.overrides")
    shared = {
        **_without(_OF_THE_RUN, configuration),
        "task_run_request": {
            **_without({"tags"}, request),
            "overrides": _without({"containerOverrides"}, overrides),
        },
    }
    return json.dumps(shared)


@lru_cache(maxsize=256)
def _worked_out(shared: str, region: str) -> tuple[Mapping[str, Any], Blueprint]:
    configuration, notes = json.loads(shared), Notes()
    note_shared(configuration, notes)
    notes.refuse()
    worked_out = draft(configuration, region, notes)
    notes.refuse()
    return worked_out


@lru_cache(maxsize=256)
def _check_existing(shared: str) -> None:
    notes = Notes()
    note_shared(json.loads(shared), notes)
    notes.refuse()


def _without(keys: frozenset[str] | set[str], content: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in content.items() if key not in keys}
