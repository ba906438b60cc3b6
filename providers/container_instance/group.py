"""The body of the PUT: the first container group of an ARM template, completed from the configuration's fields.

https://learn.microsoft.com/azure/templates/microsoft.containerinstance/containergroups
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from providers.base import Job
from providers.container_instance.container import container_name, main_container
from providers.container_instance.entries import CredentialEntries
from providers.container_instance.expressions import refuse_expressions, resolved
from providers.container_instance.needs import location_of
from providers.container_instance.place import first_group
from providers.container_instance.secret_values import Secrets
from providers.container_instance.tags import tags_of
from providers.values import mapping, optional_text, required_text, sequence, texts, without_nulls

API_VERSION = "2023-05-01"
"""The API version, unless a template names another or a field needs a newer one."""
SECRETS_API_VERSION = "2025-09-01"
"""The first stable API version with Key Vault references."""
_PATH = "arm_template.resources[0]"
_SCHEME = re.compile(r"^https?://", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupRequest:
    """The parts of a job's PUT."""

    body: dict[str, Any]
    """The body without the location."""
    location: str
    """Empty if nothing names a location: then the resource group's applies."""
    api_version: str


def group_request(job: Job, entries: CredentialEntries) -> GroupRequest:
    """The container group of a job. Raises `ConfigurationError` naming the field at fault."""
    resource = _resource(job.configuration)
    identities = texts(job.configuration.get("identities"), "identities")
    secrets = Secrets(entries=entries, identity=identities[0] if identities else None)
    properties: dict[str, Any] = secrets.filled(
        mapping(resource.get("properties"), f"{_PATH}.properties"), f"{_PATH}.properties"
    )
    properties["containers"] = _containers(job, properties, secrets)
    if registry := _registry(job.configuration.get("image_registry"), entries, secrets):
        properties["imageRegistryCredentials"] = [registry]
        identities += [registry["identity"]] if "identity" in registry else []
    _add_placement(properties, job.configuration)
    if secrets.declared:
        references = sequence(properties.get("secretReferences"), f"{_PATH}.properties.secretReferences")
        properties["secretReferences"] = [*references, *secrets.declared.values()]
    body = _body(job, resource, properties, identities)
    refuse_expressions(body, _PATH)
    return GroupRequest(
        body=body, location=location_of(job.configuration, resource), api_version=_api_version(resource, properties)
    )


def container_of(job: Job) -> str:
    """The name of the main container. Raises `ConfigurationError`."""
    properties = mapping(_resource(job.configuration).get("properties"), f"{_PATH}.properties")
    containers = _template_containers(properties)
    return container_name(job, containers[0] if containers else {})


def is_kept(job: Job) -> bool:
    """True if the group must stay after its end (Prefect's `keep_container_group`)."""
    return bool(job.configuration.get("keep_container_group"))


def _resource(configuration: Mapping[str, Any]) -> dict[str, Any]:
    """The first container group among the template's resources, without nulls and with its parameters filled in."""
    group = first_group(configuration)
    template = mapping(configuration.get("arm_template"), "arm_template")
    resource: dict[str, Any] = resolved(without_nulls(group), mapping(template.get("parameters"), "arm_template.parameters"))
    return resource


def _containers(job: Job, properties: Mapping[str, Any], secrets: Secrets) -> list[dict[str, Any]]:
    containers = _template_containers(properties)
    return [main_container(job, containers[0] if containers else {}, secrets), *containers[1:]]


def _template_containers(properties: Mapping[str, Any]) -> list[dict[str, Any]]:
    path = f"{_PATH}.properties.containers"
    return [mapping(item, f"{path}[{index}]") for index, item in enumerate(sequence(properties.get("containers"), path))]


def _registry(value: Any, entries: CredentialEntries, secrets: Secrets) -> dict[str, str]:
    """Prefect's DockerRegistry or ACRManagedIdentity. A password is the name of an entry or a Key Vault URI."""
    if not value:
        return {}
    path = "image_registry"
    named = isinstance(value, str)
    fields = {"password": value, **entries.entry(value, path)} if named else mapping(value, path)
    server = _SCHEME.sub("", required_text(fields.get("registry_url"), f"{path}.registry_url")).rstrip("/")
    if identity := optional_text(fields.get("identity"), f"{path}.identity"):
        return {"server": server, "identity": identity}
    username = required_text(fields.get("username"), f"{path}.username")
    return {"server": server, "username": username, **secrets.password(fields.get("password"), f"{path}.password")}


def _add_placement(properties: dict[str, Any], configuration: Mapping[str, Any]) -> None:
    properties.setdefault("osType", "Linux")
    properties.setdefault("restartPolicy", "Never")
    if priority := optional_text(configuration.get("priority"), "priority"):
        properties["priority"] = priority
    if subnets := texts(configuration.get("subnet_ids"), "subnet_ids"):
        properties["subnetIds"] = [{"id": subnet} for subnet in subnets]
    if servers := texts(configuration.get("dns_servers"), "dns_servers"):
        dns = mapping(properties.get("dnsConfig"), f"{_PATH}.properties.dnsConfig")
        properties["dnsConfig"] = {**dns, "nameServers": servers}


def _body(job: Job, resource: Mapping[str, Any], properties: dict[str, Any], identities: list[str]) -> dict[str, Any]:
    body: dict[str, Any] = {"tags": tags_of(job, mapping(resource.get("tags"), f"{_PATH}.tags"), keep=is_kept(job))}
    if identity := _identity(mapping(resource.get("identity"), f"{_PATH}.identity"), identities):
        body["identity"] = identity
    if zones := texts(resource.get("zones"), f"{_PATH}.zones"):
        body["zones"] = zones
    return {**body, "properties": properties}


def _identity(identity: dict[str, Any], identities: list[str]) -> dict[str, Any]:
    if not identities:
        return identity
    assigned = {
        **mapping(identity.get("userAssignedIdentities"), f"{_PATH}.identity"),
        **{identity: {} for identity in identities},
    }
    is_system = "SystemAssigned" in str(identity.get("type", ""))
    return {"type": "SystemAssigned, UserAssigned" if is_system else "UserAssigned", "userAssignedIdentities": assigned}


def _api_version(resource: Mapping[str, Any], properties: Mapping[str, Any]) -> str:
    version = optional_text(resource.get("apiVersion"), f"{_PATH}.apiVersion")
    return max(API_VERSION, version, SECRETS_API_VERSION if properties.get("secretReferences") else "")
