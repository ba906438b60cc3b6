"""The place of a job: a subscription, a resource group, and the identity that reaches them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from providers.base import ConfigurationError, Submission
from providers.values import mapping, required_text, sequence

GROUPS = "Microsoft.ContainerInstance/containerGroups"
INLINE_KEYS = frozenset({"tenant_id", "client_id"})
"""The keys of an object in `aci_credentials`: they name an identity and never hold its key."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A resource group, reached with a named identity."""

    subscription_id: str
    resource_group: str
    credentials: str = ""
    """The name of an entry of the credentials, or a JSON object with tenant and client id; empty for the host's own
    identity.
    """

    def resource_id(self, name: str) -> str:
        """The ARM resource id of a container group here."""
        return f"/subscriptions/{self.subscription_id}/resourceGroups/{self.resource_group}/providers/{GROUPS}/{name}"

    def handle(self) -> dict[str, str]:
        """The place as a part of a submission's handle."""
        return {
            "subscription_id": self.subscription_id,
            "resource_group": self.resource_group,
            "credentials": self.credentials,
        }

    @classmethod
    def from_handle(cls, handle: Mapping[str, str]) -> Self:
        """The place that a handle names."""
        return cls(
            subscription_id=handle["subscription_id"],
            resource_group=handle["resource_group"],
            credentials=handle.get("credentials", ""),
        )


def place_of(configuration: Mapping[str, Any]) -> Place:
    """The place that a rendered configuration names. Raises `ConfigurationError` naming the field at fault."""
    return Place(
        subscription_id=required_text(configuration.get("subscription_id"), "subscription_id"),
        resource_group=required_text(configuration.get("resource_group_name"), "resource_group_name"),
        credentials=_credentials(configuration.get("aci_credentials")),
    )


def first_group(configuration: Mapping[str, Any]) -> Mapping[str, Any]:
    """The first container group among the template's resources, unchanged; empty without a template.

    Raises `ConfigurationError` when the template has resources and none is a container group.
    """
    template = mapping(configuration.get("arm_template"), "arm_template")
    resources = sequence(template.get("resources"), "arm_template.resources")
    groups = [item for item in resources if isinstance(item, Mapping) and item.get("type", GROUPS) == GROUPS]
    if resources and not groups:
        raise ConfigurationError(f"arm_template.resources: none is of type {GROUPS}")
    return groups[0] if groups else {}


def submission_of(name: str, place: Place, *, container: str, keep: bool = False) -> Submission:
    """The submission of a job: everything that is needed to observe it again."""
    handle = {**place.handle(), "container": container}
    url = f"https://portal.azure.com/#resource{place.resource_id(name)}/overview"
    return Submission(name=name, handle=handle | ({"keep": "true"} if keep else {}), url=url)


def _credentials(value: Any) -> str:
    if not value:
        return ""
    if isinstance(value, str) and not value.lstrip().startswith("{"):
        return value.strip()
    if not isinstance(value, Mapping):
        raise ConfigurationError("aci_credentials: give the name of an entry of the dispatcher's credentials")
    identity = {key: value for key, value in value.items() if value not in (None, "", {})}
    if surplus := sorted(identity.keys() - INLINE_KEYS):
        raise ConfigurationError(
            f"aci_credentials: {', '.join(surplus)} cannot stand in a template; name an entry of the dispatcher's credentials,"
            " or give tenant_id and client_id of a managed or federated identity"
        )
    return json.dumps(identity, sort_keys=True) if identity else ""
