"""Secrets by reference: ECS reads their values when it starts the container; we only ever see ARNs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from providers.base import ConfigurationError
from providers.ecs.values import listed, mapping, name_of, pairs

DISPATCHERS = "DISPATCHER_"
PREFECT_VARIABLES = {
    "PREFECT_API_KEY": "prefect_api_key_secret_arn",
    "PREFECT_API_AUTH_STRING": "prefect_api_auth_string_secret_arn",
}
"""Two secrets that newer Prefect templates have variables of their own for."""


def secrets_of(configuration: Mapping[str, Any]) -> dict[str, str]:
    """Names of environment variables, and the ARNs that their values are read from."""
    prefect = {name: configuration.get(variable) for name, variable in PREFECT_VARIABLES.items()}
    return pairs(prefect, "secrets") | pairs(configuration.get("secrets"), "secrets", value="valueFrom")


def add_secrets(definition: Mapping[str, Any], main: dict[str, Any], configuration: Mapping[str, Any]) -> None:
    """Put the secrets into the main container, in place of plain variables of the same names."""
    secrets = secrets_of(configuration)
    if not secrets:
        return
    if own := sorted(name for name in secrets if name.startswith(DISPATCHERS)):
        raise ConfigurationError(f"secrets: {', '.join(own)}: names that begin with {DISPATCHERS} are the dispatcher's own")
    if not definition.get("executionRoleArn"):
        raise ConfigurationError("secrets: ECS reads them with the execution role; give execution_role_arn a role that may")
    kept = {item["name"]: item["valueFrom"] for item in main.get("secrets", ())}
    main["secrets"] = listed({**kept, **secrets}, value="valueFrom")
    if environment := [item for item in main.pop("environment", ()) if item["name"] not in secrets]:
        main["environment"] = environment


def execution_role(definition: Mapping[str, Any], configuration: Mapping[str, Any]) -> str | None:
    """The role that pulls images, writes logs and reads secrets, wherever it is given."""
    request = mapping(configuration.get("task_run_request"), "task_run_request")
    override = mapping(request.get("overrides"), "task_run_request.overrides").get("executionRoleArn")
    role = definition.get("executionRoleArn") or configuration.get("execution_role_arn") or override
    return name_of(role, "execution_role_arn")
