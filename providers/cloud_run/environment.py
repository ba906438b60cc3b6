"""The environment of the main container: plain values and references to secrets, one per name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from providers.base import ConfigurationError
from providers.cloud_run.values import mapping, objects, text

SECRET_KEYS = ("secrets", "env_from_secrets")
"""Where a configuration names secrets; the second is Prefect's word."""


def environment_of(given: Any, configuration: Mapping[str, Any], own: Mapping[str, str]) -> list[dict[str, Any]]:
    """The container's `env`: its own (`given`) < the configuration's `env` < its secrets < the dispatcher's own variables.

    A null takes a name away.
    """
    chosen = _named(given, "job_body: env")
    chosen |= _named(configuration.get("env"), "env")
    for key in SECRET_KEYS:
        chosen |= {name: _secret(name, value, key) for name, value in mapping(configuration.get(key), key).items()}
    chosen |= {name: {"name": name, "value": value} for name, value in own.items()}
    return [variable for variable in chosen.values() if variable is not None]


def _named(given: Any, path: str) -> dict[str, dict[str, Any] | None]:
    """A list of Cloud Run's own variables, or an object of texts, by name."""
    if isinstance(given, list | tuple):
        return {item.get("name", ""): _variable(item) for item in objects(given, path)}
    values = mapping(given, path)
    return {name: None if value is None else {"name": name, "value": text(value)} for name, value in values.items()}


def _variable(item: Mapping[str, Any]) -> dict[str, Any]:
    return {**item, "value": text(item["value"])} if item.get("value") is not None else dict(item)


def _secret(name: str, value: Any, path: str) -> dict[str, Any] | None:
    """`{secret, version}`, or as text `secret`, `secret:version` or a version's full name.

    Without a version it is the latest when the job starts.
    """
    if value is None:
        return None
    reference = mapping(value, f"{path}.{name}") if not isinstance(value, str) else _split(value)
    if not reference.get("secret") or set(reference) - {"secret", "version"}:
        raise ConfigurationError(f"{path}.{name}: give {{secret, version}} of Secret Manager, the value never stands here")
    selected = {"secret": text(reference["secret"]), "version": text(reference.get("version") or "latest")}
    return {"name": name, "valueSource": {"secretKeyRef": selected}}


def _split(value: str) -> dict[str, str]:
    secret, _, version = value.partition("/versions/" if "/versions/" in value else ":")
    return {"secret": secret, "version": version}
