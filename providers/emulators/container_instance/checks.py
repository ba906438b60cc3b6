"""Azure's checks before an operation: API versions, names, and bodies against its model and rules."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from providers.emulators.container_instance.refusals import Refusal, invalid
from providers.emulators.container_instance.shapes import GROUP, faults

API_VERSIONS = frozenset(
    {
        "2021-09-01",
        "2021-10-01",
        "2022-09-01",
        "2022-10-01-preview",
        "2023-05-01",
        "2024-05-01-preview",
        "2024-10-01-preview",
        "2024-11-01-preview",
        "2025-09-01",
        "2026-06-01-preview",
        "2026-07-01",
    }
)
"""The supported API versions of Microsoft.ContainerInstance."""

_NAME = re.compile(r"[a-z0-9]([a-z0-9]|-(?!-)){0,61}[a-z0-9]|[a-z0-9]")
_ENVIRONMENT_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_TAG_NAME = re.compile(r"[^<>%&\\?/]{1,512}")
_CHANGEABLE = frozenset(
    {"image", "command", "environmentVariables", "ports", "volumeMounts", "livenessProbe", "readinessProbe"}
)
"""The fields of a running group's container that an update may change; the container restarts."""


def check_api_version(version: str | None) -> str:
    """The requested version. Raises `Refusal` if it is missing or unsupported."""
    if version is None:
        message = "The api-version query parameter (?api-version=) is required for all requests."
        raise invalid(message, "MissingApiVersionParameter")
    if version not in API_VERSIONS:
        message = f"No registered resource provider found for API version '{version}' for type 'containerGroups'."
        raise invalid(message, "NoRegisteredProviderFound")
    return version


def check_group(name: str, body: Any, api_version: str) -> None:
    """Raises `Refusal` for the first fault of a PUT."""
    if not _NAME.fullmatch(name):
        raise invalid(
            f"The container group name '{name}' must match [a-z0-9]([-a-z0-9]*[a-z0-9])?, 1 to 63.", "InvalidResourceName"
        )
    if isinstance(body, dict) and not body.get("location"):
        raise invalid("The location property is required for this definition.", "LocationRequired")
    if problems := faults(body, GROUP, api_version):
        message = f"The request content was invalid and could not be deserialized: {'; '.join(problems)}"
        raise invalid(message)
    check_tags(body.get("tags") or {})
    for problem in _problems(body["properties"]):
        raise problem


def check_tags(tags: Mapping[str, str]) -> None:
    """Raises `Refusal` for tags that Azure does not accept."""
    if len(tags) > 50:
        raise invalid("The resource has more than 50 tags.", "InvalidTagCount")
    for name, value in tags.items():
        if not _TAG_NAME.fullmatch(name):
            raise invalid(
                f"The tag name '{name}' has reserved characters '<,>,%,&,\\,?,/' or is too long.", "InvalidTagNameCharacters"
            )
        if len(value or "") > 256:
            raise invalid(f"The value of tag '{name}' is longer than 256 characters.", "InvalidTagValueLength")


def _problems(properties: Mapping[str, Any]) -> Iterator[Refusal]:
    containers = properties["containers"]
    if not 1 <= len(containers) <= 60:
        yield invalid(f"A container group has 1 to 60 containers; {len(containers)} were given.", "InvalidContainerCount")
    if len(properties.get("volumes") or []) > 20:
        yield invalid("A container group has at most 20 volumes.", "InvalidVolumeCount")
    secrets = {secret["name"] for secret in properties.get("secretReferences") or []}
    names = [container["name"] for container in containers]
    if len(set(names)) < len(names):
        yield invalid("The names of the containers of a group must differ.", "DuplicateContainerName")
    volumes = {volume["name"] for volume in properties.get("volumes") or []}
    for container in containers:
        yield from _container_problems(container, secrets)
        yield from _mount_problems(container, volumes)
    yield from _size_problems(properties)
    yield from _system_problems(properties)
    if properties.get("priority") == "Spot" and (properties.get("subnetIds") or properties.get("ipAddress")):
        yield invalid("A container group of priority Spot can have no virtual network and no IP address.", "SpotNotSupported")
    for registry in properties.get("imageRegistryCredentials") or []:
        yield from _registry_problems(registry)


def _size_problems(properties: Mapping[str, Any]) -> Iterator[Refusal]:
    requests = [container["properties"]["resources"]["requests"] for container in properties["containers"]]
    if cpus(properties) > 31:
        yield invalid("The container group asks for more than 31 CPUs.", "ResourceRequestsTooHigh")
    if sum(request["memoryInGB"] for request in requests) > 240:
        yield invalid("The container group asks for more than 240 GB of memory.", "ResourceRequestsTooHigh")
    if properties.get("subnetIds") and any(request.get("gpu") for request in requests):
        yield invalid("A container group in a virtual network can have no GPU.", "GpuNotSupportedInVirtualNetwork")


def _system_problems(properties: Mapping[str, Any]) -> Iterator[Refusal]:
    """The limits of Windows: https://learn.microsoft.com/azure/container-instances/container-instances-container-groups."""
    if properties["osType"] != "Windows":
        return
    if len(properties["containers"]) > 1:
        yield invalid("A container group of Windows has one container.", "MultipleContainersNotSupported")
    if properties.get("subnetIds"):
        yield invalid("A container group of Windows can be in no virtual network.", "OsTypeNotSupportedInVirtualNetwork")


def _mount_problems(container: Mapping[str, Any], volumes: set[str]) -> Iterator[Refusal]:
    for mount in container["properties"].get("volumeMounts") or []:
        if mount["name"] not in volumes:
            message = f"The volume '{mount['name']}' that container '{container['name']}' mounts is not defined."
            yield invalid(message, "VolumeMountNotDefined")


def _container_problems(container: Mapping[str, Any], secrets: set[str]) -> Iterator[Refusal]:
    name, properties = container["name"], container["properties"]
    if not _NAME.fullmatch(name):
        yield invalid(f"The container name '{name}' is invalid.", "InvalidContainerName")
    if not properties["image"].strip():
        yield invalid(f"The image of container '{name}' is empty.", "InvalidImageName")
    requests = properties["resources"]["requests"]
    if requests["cpu"] <= 0 or requests["memoryInGB"] <= 0:
        yield invalid(f"The resource requests of container '{name}' must be above zero.", "InvalidResourceRequests")
    for variable in properties.get("environmentVariables") or []:
        yield from _variable_problems(name, variable, secrets)


def _variable_problems(container: str, variable: Mapping[str, Any], secrets: set[str]) -> Iterator[Refusal]:
    code = "InvalidEnvironmentVariable"
    if not _ENVIRONMENT_NAME.fullmatch(variable["name"]):
        yield invalid(f"The environment variable name '{variable['name']}' in container '{container}' is invalid.", code)
    keys = [key for key in ("value", "secureValue", "secureValueReference") if variable.get(key) is not None]
    if len(keys) > 1:
        yield invalid(f"The environment variable '{variable['name']}' has more than one value: {', '.join(keys)}.", code)
    reference = variable.get("secureValueReference")
    if reference is not None and reference not in secrets:
        yield invalid(f"The secret reference '{reference}' of '{variable['name']}' is not defined.", "InvalidSecretReference")


def _registry_problems(registry: Mapping[str, Any]) -> Iterator[Refusal]:
    if "://" in registry["server"]:
        yield invalid(
            f"The image registry server '{registry['server']}' must not name a protocol.", "InvalidImageRegistryServer"
        )
    by_password = registry.get("username") and (registry.get("password") or registry.get("passwordReference"))
    if not by_password and not registry.get("identity"):
        message = f"The image registry '{registry['server']}' needs a user name and password, or an identity."
        yield invalid(message, "InvalidImageRegistryCredential")


def check_update(name: str, running: Mapping[str, Any], body: Mapping[str, Any]) -> None:
    """Raises `Refusal` for a change that requires a running group to be deleted first."""
    if _fixed(running) != _fixed(body):
        message = (
            f"The updates on container group '{name}' are invalid. Its OS type, restart policy, network, CPU, memory and GPU "
            "cannot be changed: delete it first and then create a new one."
        )
        raise invalid(message, "InvalidContainerGroupUpdate")


def _fixed(properties: Mapping[str, Any]) -> dict[str, Any]:
    keys = ("osType", "restartPolicy", "subnetIds", "sku", "priority", "ipAddress")
    kept: dict[str, Any] = {key: properties.get(key) for key in keys}
    for container in properties["containers"]:
        kept[f"container {container['name']}"] = {k: v for k, v in container["properties"].items() if k not in _CHANGEABLE}
    return kept


def cpus(properties: Mapping[str, Any]) -> float:
    """The CPUs that a group requests."""
    return float(sum(container["properties"]["resources"]["requests"]["cpu"] for container in properties["containers"]))
