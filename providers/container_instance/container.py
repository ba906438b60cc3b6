"""The container that does the work: image, command, variables, sizes."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from providers.base import ConfigurationError, Job
from providers.container_instance.expressions import is_expression
from providers.container_instance.secret_values import Secrets
from providers.values import command, mapping, named_texts, number, optional_text, required_text, sequence

DEFAULT_CPU = 1
DEFAULT_MEMORY = 1
"""GB; both are Prefect's defaults."""
SECURE_VARIABLES = frozenset({"PREFECT_API_KEY", "PREFECT_API_AUTH_STRING"})
"""Variables whose values Azure must not show."""
SECRET_VALUES = frozenset({"secureValue", "secureValueReference"})
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_PATH = "arm_template.resources[0].properties.containers"


def main_container(job: Job, container: Mapping[str, Any], secrets: Secrets) -> dict[str, Any]:
    """The first container of a template, with the configuration's fields, which take precedence as in Prefect."""
    properties = mapping(container.get("properties"), f"{_PATH}[0].properties")
    configuration = job.configuration
    properties["image"] = required_text(configuration.get("image") or properties.get("image"), "image")
    properties.pop("command", None)
    if words := command_of(configuration, mapping(container.get("properties"), _PATH)):
        properties["command"] = words
    properties["resources"] = _resources(
        configuration, mapping(properties.get("resources"), f"{_PATH}[0].properties.resources")
    )
    properties["environmentVariables"] = _variables(job, properties.get("environmentVariables"), secrets)
    return {**container, "name": container_name(job, container), "properties": properties}


def container_name(job: Job, container: Mapping[str, Any]) -> str:
    """The container's own name, or the job's name if the template sets none."""
    name = optional_text(container.get("name"), f"{_PATH}[0].name")
    return job.name if not name or is_expression(name) else name


def command_of(configuration: Mapping[str, Any], properties: Mapping[str, Any]) -> list[str]:
    """The whole command: the entrypoint, if any, and the command's words. If both are missing, the image's own command
    applies.
    """
    words = command(configuration.get("command") or properties.get("command"), "command")
    entrypoint = optional_text(configuration.get("entrypoint"), "entrypoint")
    return [entrypoint, *words] if entrypoint else words


def _resources(configuration: Mapping[str, Any], container: dict[str, Any]) -> dict[str, Any]:
    requests = mapping(container.get("requests"), f"{_PATH}[0].properties.resources.requests")
    requests["cpu"] = number(configuration.get("cpu") or requests.get("cpu") or DEFAULT_CPU, "cpu")
    requests["memoryInGB"] = number(configuration.get("memory") or requests.get("memoryInGB") or DEFAULT_MEMORY, "memory")
    if gpu := _gpu(configuration):
        requests["gpu"] = gpu
    return {**container, "requests": requests}


def _gpu(configuration: Mapping[str, Any]) -> dict[str, Any]:
    count, sku = configuration.get("gpu_count"), optional_text(configuration.get("gpu_sku"), "gpu_sku")
    if not count:
        return {}
    if not sku:
        raise ConfigurationError("gpu_sku: is missing, although gpu_count asks for a GPU; name the GPU")
    return {"count": number(count, "gpu_count"), "sku": sku}


def _variables(job: Job, value: Any, secrets: Secrets) -> list[dict[str, Any]]:
    """Environment variables, each name once; later sources win: the template, the configuration's `env`, secrets, the
    dispatcher.

    A secret takes precedence over a plain value of the same name, whichever source sets it.
    """
    path = f"{_PATH}[0].properties.environmentVariables"
    listed = [mapping(item, f"{path}[{index}]") for index, item in enumerate(sequence(value, path))]
    variables = {required_text(item.get("name"), f"{path}.name"): _written(item, path) for item in listed}
    plain = {name: _plain(name, value) for name, value in named_texts(job.configuration.get("env"), "env").items()}
    variables |= {name: item for name, item in plain.items() if not SECRET_VALUES & variables.get(name, {}).keys()}
    references = mapping(job.configuration.get("secrets"), "secrets")
    variables |= {name: secrets.variable(name, item) for name, item in references.items() if item is not None}
    variables |= {name: _plain(name, value) for name, value in job.environment.items()}
    for name in variables:
        if not _VARIABLE.fullmatch(name):
            raise ConfigurationError(f"env: {name!r} is not a name Azure accepts; use letters, digits and _, no digit first")
    return [variables[name] for name in sorted(variables)]


def _written(item: dict[str, Any], path: str) -> dict[str, Any]:
    """A template's variable, with its value converted to text as in JSON."""
    value = item.get("value")
    return item if value is None else {**item, **named_texts({"value": value}, path)}


def _plain(name: str, value: str) -> dict[str, str]:
    return {"name": name, "secureValue" if name in SECURE_VARIABLES else "value": value}
