"""Refusals of Resource Manager: a status, a code and a message in its error envelope."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any

from providers.emulators.faults import FaultKind, InjectedFault
from providers.emulators.web import Response

STATUSES = {
    "AuthorizationFailed": 403,
    "ContainerGroupTransitioning": 409,
    "InvalidAuthenticationToken": 401,
    "MissingSubscriptionRegistration": 409,
    "RegistryErrorResponse": 409,
    "RequestDisallowedByPolicy": 403,
    "ResourceGroupNotFound": 404,
    "ResourceNotFound": 404,
    "ResourceRequestsThrottled": 429,
    "ServiceUnavailable": 409,
    "SubscriptionNotFound": 404,
    "TooManyRequests": 429,
}
"""The HTTP statuses of a fault's own codes; any other code is a 400."""

QUOTAS = frozenset({"ContainerGroups", "StandardCores", "StandardSpotCores", "V100Cores"})
"""The details that a fault of missing capacity may have."""

_DETAIL = re.compile(r"(?:(\d{3}) )?(\w+): (.+)", re.DOTALL)


class Refusal(Exception):
    """An error answer of Resource Manager. `retry_after` is whole seconds."""

    def __init__(self, status: int, code: str, message: str, *, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.status, self.code, self.message = status, code, message
        self.retry_after = None if retry_after is None else max(1, math.ceil(retry_after))

    def response(self) -> Response:
        """The HTTP response."""
        headers = {} if self.retry_after is None else {"Retry-After": str(self.retry_after)}
        return Response.json({"error": {"code": self.code, "message": self.message}}, status=self.status, headers=headers)


def invalid(message: str, code: str = "InvalidRequestContent") -> Refusal:
    """A request that cannot be used."""
    return Refusal(400, code, message)


def transitioning(name: str) -> Refusal:
    """The group is between two states; Azure asks for ten seconds between operations."""
    return Refusal(
        409, "ContainerGroupTransitioning", f"The container group '{name}' is still transitioning, please retry later."
    )


def not_found(resource: str, resource_group: str) -> Refusal:
    """There is no such group."""
    message = f"The Resource '{resource}' under resource group '{resource_group}' was not found."
    return Refusal(404, "ResourceNotFound", message)


def over_quota(quota: str, location: str, limit: float, usage: float, requested: float) -> Refusal:
    """A subscription's quota in a region is used up."""
    message = (
        f"Resource type 'Microsoft.ContainerInstance/containerGroups' container group quota '{quota}' exceeded in region "
        f"'{location}'. Limit: '{limit:g}', Usage: '{usage:g}' Requested: '{requested:g}'."
    )
    return Refusal(409, "ContainerGroupQuotaReached", message)


def not_available(location: str, properties: Mapping[str, Any]) -> Refusal:
    """The region lacks the size, system or network that the group requests, permanently or at the moment."""
    requests = [container["properties"]["resources"]["requests"] for container in properties["containers"]]
    cpu, memory = sum(item["cpu"] for item in requests), sum(item["memoryInGB"] for item in requests)
    message = (
        f"The requested resource is not available in the location '{location}' at this moment. Please retry with a different "
        f"resource request or in another location. Resource requested: '{cpu:g}' CPU '{memory:g}' GB memory "
        f"'{properties['osType']}' OS{' virtual network' if properties.get('subnetIds') else ''}"
    )
    return Refusal(409, "ServiceUnavailable", message)


def no_capacity(location: str) -> Refusal:
    """The region is full until running groups end. The words are assumed; the status and the code are Azure's."""
    message = f"There is no capacity for container groups of this size in '{location}' at this time. Please retry later."
    return Refusal(409, "ServiceUnavailable", message)


def throttled(action: str, limit: float, seconds: float, retry_after: float) -> Refusal:
    """Too many requests of one kind in a span of time."""
    span = f"{int(seconds) // 3600:02}:{int(seconds) % 3600 // 60:02}:{int(seconds) % 60:02}"
    message = (
        f"Number of requests for action 'Microsoft.ContainerInstance/containerGroups/{action}' exceeded the limit of "
        f"'{limit:g}' for time interval '{span}'. Please try again after '{max(1, math.ceil(retry_after))}' seconds."
    )
    return Refusal(429, "ResourceRequestsThrottled", message, retry_after=retry_after)


def of_fault(fault: InjectedFault, location: str, properties: Mapping[str, Any]) -> Refusal:
    """The refusal of a fault; its detail may be a quota, `Code: message` or `409 Code: message`."""
    if detail := _DETAIL.fullmatch(fault.detail):
        status, code, message = detail.groups()
        return Refusal(int(status) if status else STATUSES.get(code, 400), code, message)
    if fault.kind is FaultKind.THROTTLE:
        return Refusal(429, "TooManyRequests", "The request is being throttled.", retry_after=17)
    if fault.kind is FaultKind.NO_CAPACITY and fault.detail == "size":
        return not_available(location, properties)
    if fault.kind is FaultKind.NO_CAPACITY:
        return over_quota(fault.detail, location, 10, 10, 1) if fault.detail in QUOTAS else no_capacity(location)
    if fault.kind is FaultKind.REFUSE:
        return Refusal(400, "InaccessibleImage", "The image in container group is not accessible. Please check the image.")
    return Refusal(500, "InternalServerError", "Encountered an internal server error.")
