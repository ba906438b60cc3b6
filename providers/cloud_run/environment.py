"""The environment of the main container: plain values and references to secrets, one per name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from providers.base import ConfigurationError
from providers.values import mapping, objects, text

SECRET_KEYS = ("secrets", "env_from_secrets")
"""Where a configuration names secrets; the second is Prefect's word."""

PREFECT_SECRETS = {"prefect_api_key_secret": "PREFECT_API_KEY", "prefect_api_auth_string_secret": "PREFECT_API_AUTH_STRING"}
"""Where Prefect's templates name the secret that its client signs in with, and the variable that it becomes."""

Variables = dict[str, dict[str, Any] | None]


def environment_of(variables: Any, configuration: Mapping[str, Any], own: Mapping[str, str]) -> list[dict[str, Any]]:
    """The container's `env`: its own (`variables`) < the configuration's `env` < references to secrets < `own`.

    A name that has a plain value and a secret is the secret. A null takes a name away. Of the dispatcher's `own` variables the
    ones that Prefect's client signs in with give way to their secrets.
    """
    plain, secrets = plain_of(variables, configuration), secrets_of(variables, configuration)
    signed_in = {name for name in PREFECT_SECRETS.values() if secrets.get(name)}
    chosen = plain | secrets
    chosen |= {name: {"name": name, "value": value} for name, value in own.items() if name not in signed_in}
    return [variable for variable in chosen.values() if variable is not None]


def plain_of(variables: Any, configuration: Mapping[str, Any]) -> Variables:
    """What the container and the configuration set, by name."""
    return variables_of(variables, "job_body: env") | variables_of(configuration.get("env"), "env")


def secrets_of(variables: Any, configuration: Mapping[str, Any]) -> Variables:
    """Every reference to a secret, by the variable that it fills."""
    removed = variables_of(configuration.get("env"), "env")
    secrets: Variables = {
        name: variable
        for name, variable in variables_of(variables, "job_body: env").items()
        if variable is not None and "valueSource" in variable and removed.get(name, variable) is not None
    }
    for key in SECRET_KEYS:
        secrets |= {name: _secret(name, value, f"{key}.{name}") for name, value in mapping(configuration.get(key), key).items()}
    for key, name in PREFECT_SECRETS.items():
        if configuration.get(key):
            secrets[name] = _secret(name, configuration[key], key)
    return secrets


def variables_of(value: Any, path: str) -> Variables:
    """A list of Cloud Run's own variables, or an object of texts, by name; a reference is not replaced by a plain value."""
    if not isinstance(value, list | tuple):
        values = mapping(value, path)
        return {name: None if value is None else {"name": name, "value": text(value)} for name, value in values.items()}
    variables: Variables = {}
    for item in objects(value, path):
        name = item.get("name", "")
        if not isinstance(name, str):
            raise ConfigurationError(f"{path}: {name!r:.80} cannot be a name")
        if "valueSource" not in (variables.get(name) or {}) or "valueSource" in item:
            variables[name] = _variable(item)
    return variables


def _variable(item: Mapping[str, Any]) -> dict[str, Any]:
    if item.get("valueSource"):
        return {key: value for key, value in item.items() if key != "value"}
    return {**item, "value": text(item["value"])} if item.get("value") is not None else dict(item)


def _secret(name: str, value: Any, path: str) -> dict[str, Any] | None:
    """`{secret, version}`, or as text `secret`, `secret:version` or a version's full name.

    Without a version it is the latest when the job starts.
    """
    if value is None:
        return None
    reference = mapping(value, path) if not isinstance(value, str) else _split(value)
    if not reference.get("secret") or set(reference) - {"secret", "version"}:
        raise ConfigurationError(f"{path}: give {{secret, version}} of Secret Manager, the value never stands here")
    selected = {"secret": text(reference["secret"]), "version": text(reference.get("version") or "latest")}
    return {"name": name, "valueSource": {"secretKeyRef": selected}}


def _split(value: str) -> dict[str, str]:
    secret, _, version = value.partition("/versions/" if "/versions/" in value else ":")
    return {"secret": secret, "version": version}
