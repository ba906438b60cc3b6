"""What is read of a job configuration, what is left aside on purpose, and what cannot take effect together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from providers.ecs.findings import Notes, nearest
from providers.ecs.values import mapping, pruned

READ = frozenset(
    {"command", "env", "labels", "secrets", "aws_credentials", "cluster", "container_name", "execution_role_arn"}
    | {"network_configuration", "subnets", "security_groups", "assign_public_ip", "vpc_id"}
    | {"configure_cloudwatch_logs", "cloudwatch_logs_options", "cloudwatch_logs_prefix", "stream_output"}
    | {"task_definition", "task_definition_arn", "task_run_request", "task_start_timeout_seconds"}
    | {"prefect_api_key_secret_arn", "prefect_api_auth_string_secret_arn"}
)
"""Keys of a job configuration that have an effect; `task_start_timeout_seconds` has it in the dispatcher."""
NO_EFFECT: Mapping[str, tuple[Sequence[Any], str]] = {
    "name": ((), "a task of ECS has no name of its own; give a label for one that its page shows"),
    "task_watch_poll_interval": ((5, 0), "nobody polls for one task: each tick looks at all of them"),
    "auto_deregister_task_definition": ((False,), "a definition is found again by its content, and kept for the next run"),
    "match_latest_revision_in_family": ((False,), "a definition is found by its content, whatever the newest in a family is"),
}
"""Keys that Prefect's worker reads and that mean nothing here: the values that ask for nothing, and the reason."""
NETWORK = frozenset({"subnets", "securityGroups", "assignPublicIp"})
"""The content of awsvpcConfiguration."""
_STILL_READ = frozenset({"containerDefinitions", "executionRoleArn"})
"""Of a task definition that is left aside for an existing one."""


def note_keys(configuration: Mapping[str, Any], notes: Notes) -> None:
    """Note the keys that are not read, and those that have no effect."""
    for key, value in configuration.items():
        if key in NO_EFFECT:
            _note_without_effect(key, value, notes)
        elif key not in READ:
            notes.fault(str(key), f"the ECS provider does not read it; {nearest(str(key), READ)}")
    for path, content in networks(configuration):
        for key in content:
            if key not in NETWORK:
                notes.fault(f"{path}.{key}", f"is no field of ECS's awsvpcConfiguration; {nearest(str(key), NETWORK)}")


def networks(configuration: Mapping[str, Any]) -> list[tuple[str, Mapping[str, Any]]]:
    """The contents of awsvpcConfiguration with their places, whether they come wrapped or not; the first is used."""
    request = mapping(configuration.get("task_run_request"), "task_run_request")
    found = []
    for path, value in (
        ("network_configuration", configuration.get("network_configuration")),
        ("task_run_request.networkConfiguration", request.get("networkConfiguration")),
    ):
        given = mapping(pruned(value), path)
        wrapped = given.keys() == {"awsvpcConfiguration"}
        inner = f"{path}.awsvpcConfiguration" if wrapped else path
        if content := mapping(given["awsvpcConfiguration"] if wrapped else given, inner):
            found.append((inner, content))
    return found


def note_network(configuration: Mapping[str, Any], notes: Notes) -> None:
    """Note the variables of a network that others take the place of."""
    found = networks(configuration)
    first, given = found[0] if found else ("", {})
    for path, _ in found[1:]:
        notes.warn(path, f"has no effect: {first} takes its place")
    beside = (("subnets", "subnets"), ("security_groups", "securityGroups"), ("assign_public_ip", "assignPublicIp"))
    for variable, field in beside:
        other = configuration.get(variable)
        if field in given and other not in (None, "", [], given[field]):
            notes.warn(variable, f"has no effect: {first}.{field} takes its place")
    if configuration.get("vpc_id") and ("subnets" in given or configuration.get("subnets")):
        notes.warn("vpc_id", "has no effect: its subnets would be looked up, and subnets are given")


def note_beside_existing(configuration: Mapping[str, Any], notes: Notes) -> None:
    """Note what would shape a task definition, where an existing one is named: ECS runs that one as it is."""
    why = "an existing task definition is run as it is (task_definition_arn)"
    for key in ("secrets", "prefect_api_key_secret_arn", "prefect_api_auth_string_secret_arn", "configure_cloudwatch_logs"):
        if configuration.get(key):
            notes.fault(key, f"cannot take effect: {why}; leave it out, or put it into that definition")
    definition: Mapping[str, Any] = pruned(mapping(configuration.get("task_definition"), "task_definition"))
    overrides = mapping(
        mapping(configuration.get("task_run_request"), "task_run_request").get("overrides"), "task_run_request.overrides"
    )
    containers = definition.get("containerDefinitions")
    for container in containers if isinstance(containers, list) else ():
        _note_container(container, why, notes)
    for key in sorted(definition.keys() - _STILL_READ):
        if not overrides.get(key):
            notes.warn(f"task_definition.{key}", f"has no effect: {why}")


def _note_container(container: Any, why: str, notes: Notes) -> None:
    if not isinstance(container, Mapping):
        return
    if container.get("image"):
        notes.fault("image", f"cannot take effect: {why}; leave out one of the two (null takes a default away)")
    if others := sorted(container.keys() - {"name", "image"}):
        notes.warn(f"task_definition.containerDefinitions: {', '.join(others)}", f"has no effect: {why}")


def _note_without_effect(key: str, value: Any, notes: Notes) -> None:
    asks_for_nothing, reason = NO_EFFECT[key]
    if value not in (None, "", *asks_for_nothing):
        notes.warn(key, f"has no effect: {reason}")
