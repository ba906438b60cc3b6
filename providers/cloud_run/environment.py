"""The environment of the main container: plain values and references to secrets, one per name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from providers.base import ConfigurationError
from providers.values import mapping, objects, text

SECRET_KEYS = ("secrets", "env_from_secrets")
"""The keys under which a configuration names secrets; the second is Prefect's."""

PREFECT_SECRETS = {"prefect_api_key_secret": "PREFECT_API_KEY", "prefect_api_auth_string_secret": "PREFECT_API_AUTH_STRING"}
"""The keys under which Prefect's templates name its client's own secrets, and the variables that they become."""

Variables = dict[str, dict[str, Any] | None]


def environment_of(variables: Any, configuration: Mapping[str, Any], own: Mapping[str, str]) -> list[dict[str, Any]]:
    """The container's `env`: its own (`variables`) < the configuration's `env` < references to secrets < `own`.

    If a name has both a plain value and a secret, the secret wins. A null removes a name. The secrets of Prefect's client also
    replace the corresponding variables in `own`.
    """
    plain, secrets = plain_of(variables, configuration), secrets_of(variables, configuration)
    signed_in = {name for name in PREFECT_SECRETS.values() if secrets.get(name)}
    chosen = plain | secrets
    chosen |= {name: {"name": name, "value": value} for name, value in own.items() if name not in signed_in}
    return [variable for variable in chosen.values() if variable is not None]


def plain_of(variables: Any, configuration: Mapping[str, Any]) -> Variables:
    """The plain values that the container and the configuration set, by name."""
    return variables_of(variables, "job_body: env") | variables_of(configuration.get("env"), "env")


def secrets_of(variables: Any, configuration: Mapping[str, Any]) -> Variables:
    """All references to secrets, by the variables that they fill."""
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
    """Variables by name, from a list in Cloud Run's form or an object of texts. A plain value does not replace a reference."""
    if not isinstance(value, list | tuple):
        values = mapping(value, path)
        return {name: None if value is None else {"name": name, "value": text(value)} for name, value in values.items()}
    variables: Variables = {}
    for item in objects(value, path):
        name = item.get("name", "")
        if not isinstance(name, str):
            raise ConfigurationError(f"{path}: {name!r:.80} cannot be the name of a variable")
        if "valueSource" not in (variables.get(name) or {}) or "valueSource" in item:
            variables[name] = _variable(item)
    return variables


def _variable(item: Mapping[str, Any]) -> dict[str, Any]:
    if item.get("valueSource"):
        return {key: value for key, value in item.items() if key != "value"}
    return {**item, "value": text(item["value"])} if item.get("value") is not None else dict(item)


def _secret(name: str, value: Any, path: str) -> dict[str, Any] | None:
    """`{secret, version}`, or as text `secret`, `secret:version` or a version's full name.

    Without a version, the job uses the latest version at its start.
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
