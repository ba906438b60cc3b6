"""The operations' names and paths, from the vendor's API description."""

from __future__ import annotations

import re
from dataclasses import dataclass

_SUBSCRIPTION = r"/subscriptions/(?P<subscription>[^/]+)"
_RESOURCE_GROUP = _SUBSCRIPTION + r"/resourceGroups/(?P<resource_group>[^/]+)"
_PROVIDER = r"/providers/Microsoft\.ContainerInstance"
_GROUPS = _PROVIDER + r"/containerGroups"
_GROUP = _RESOURCE_GROUP + _GROUPS + r"/(?P<name>[^/]+)"
_LOCATION = _SUBSCRIPTION + _PROVIDER + r"/locations/(?P<location>[^/]+)"

_ROUTES = (
    ("PUT", _GROUP, "ContainerGroups_CreateOrUpdate"),
    ("PATCH", _GROUP, "ContainerGroups_Update"),
    ("GET", _GROUP, "ContainerGroups_Get"),
    ("DELETE", _GROUP, "ContainerGroups_Delete"),
    ("POST", _GROUP + "/stop", "ContainerGroups_Stop"),
    ("POST", _GROUP + "/start", "ContainerGroups_Start"),
    ("POST", _GROUP + "/restart", "ContainerGroups_Restart"),
    ("GET", _GROUP + r"/containers/(?P<container>[^/]+)/logs", "Containers_ListLogs"),
    ("GET", _RESOURCE_GROUP + _GROUPS, "ContainerGroups_ListByResourceGroup"),
    ("GET", _SUBSCRIPTION + _GROUPS, "ContainerGroups_List"),
    ("GET", _LOCATION + "/usages", "Location_ListUsage"),
    ("GET", _LOCATION + r"/operations/(?P<operation>[^/]+)", "Operations_Get"),
    ("GET", _RESOURCE_GROUP, "ResourceGroups_Get"),
)
_COMPILED = [(method, re.compile(path + "/?", re.IGNORECASE), operation) for method, path, operation in _ROUTES]


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One call with its parsed path."""

    operation: str
    subscription: str
    resource_group: str = ""
    name: str = ""
    container: str = ""
    location: str = ""
    token: str = ""
    """The id of an asynchronous operation."""

    @property
    def key(self) -> tuple[str, str, str]:
        """The key of a group; Resource Manager ignores case."""
        return self.subscription.lower(), self.resource_group.lower(), self.name.lower()


def route(method: str, path: str) -> Call | None:
    """The call of a request; None for an unknown path."""
    for verb, pattern, operation in _COMPILED:
        if method == verb and (match := pattern.fullmatch(path)):
            parts = match.groupdict()
            return Call(operation=operation, token=parts.pop("operation", ""), **parts)
    return None
