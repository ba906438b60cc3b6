"""What Resource Manager answered, as an outcome. Pure; the table below is read from the top.

What is wrong with the *job* is `Rejected`. What the subscription, the region or the dispatcher's own host lacks for now (a
rate, a quota, capacity, a token) is `Throttled`, so that it does not crash a backlog. Everything after which a group may be
there is `Unknown`.
"""

from __future__ import annotations

import re

from providers.base import Rejected, Throttled, Unknown


class ArmFailure(Exception):
    """A call that gave no usable answer, or an error for one."""

    def __init__(
        self, message: str, *, status: int | None = None, code: str = "", retry_after: float | None = None, sent: bool = True
    ) -> None:
        super().__init__(f"{code}: {message}" if code else message)
        self.status = status
        """The HTTP status; None when no answer was understood."""
        self.code = code
        self.message = message
        self.retry_after = retry_after
        """Seconds, when Azure said."""
        self.sent = sent
        """False when there was no token to send anything with."""

    @property
    def is_gone(self) -> bool:
        """The group is not there, nor is what it would be in."""
        return self.status == 404 and self.code in GONE_CODES

    @property
    def is_transitioning(self) -> bool:
        """The group is there, and on its way from one state to another."""
        return self.status == 409 and self.code == "ContainerGroupTransitioning"

    @property
    def is_throttled(self) -> bool:
        """Too many calls; Azure wants fewer of them for a while."""
        return self.status == 429 or self.code in THROTTLED_CODES


GONE_CODES = frozenset({"ResourceNotFound", "ResourceGroupNotFound", "ContainerGroupNotFound", "NotFound"})
"""A 404 without one of these is not Resource Manager's word on a group."""
THROTTLED_CODES = frozenset(
    {"TooManyRequests", "ResourceRequestsThrottled", "SubscriptionRequestsThrottled", "RequestsThrottled"}
)
QUOTA_CODES = frozenset({"ContainerGroupQuotaReached", "QuotaExceeded", "SubscriptionQuotaExceeded", "InsufficientCapacity"})
ALREADY_THERE = frozenset({"ContainerGroupTransitioning", "InvalidContainerGroupUpdate"})
"""Refusals of a PUT which say that a group of that name is there already."""
REFUSED_CONFLICTS = frozenset(
    {"MissingSubscriptionRegistration", "ResourceGroupBeingDeleted", "ReadOnlyDisabledSubscription", "InvalidResourceLocation"}
    | {"ScopeLocked", "SubscriptionNotRegistered"}
)
"""409s that are no conflict with a group of ours."""
HINTS = {
    "AuthorizationFailed": "give the dispatcher's identity a role on the resource group that may write container groups",
    "InaccessibleImage": "check the image's name, and image_registry where the registry is private",
    "InvalidAuthenticationToken": "check the tenant and the client of aci_credentials",
    "LinkedAuthorizationFailed": "let the dispatcher's identity join the subnets and assign the identities that the job names",
    "LocationNotAvailableForResourceType": "Container Instances are not offered in this location; set another",
    "LocationRequired": "set location",
    "MissingSubscriptionRegistration": "register it once: az provider register --namespace Microsoft.ContainerInstance",
    "RequestDisallowedByPolicy": "an Azure Policy forbids it; ask whoever owns the subscription",
    "ResourceGroupNotFound": "check resource_group_name and subscription_id",
    "SubscriptionNotFound": "check subscription_id, and that aci_credentials belong to its tenant",
}
_QUOTA = re.compile(r"quota '?[\w ]*'? exceeded|exceed\w* .*quota|not available in the location", re.IGNORECASE)
_AGAIN = re.compile(r"try again after '?(\d+(?:\.\d+)?)'? ?seconds", re.IGNORECASE)


def outcome_of(failure: ArmFailure) -> Rejected | Throttled | Unknown:
    """What a failed PUT means, but for the codes of `ALREADY_THERE`; or a failed call before it."""
    words = worded(failure)
    if not failure.sent:
        return Throttled(reason=f"no token for Azure: {words}")
    if failure.is_throttled or _is_quota(failure):
        return Throttled(reason=words, retry_after=retry_after(failure))
    if (
        failure.code == "RegistryErrorResponse"
    ):  # the registry's trouble, often its own rate limit: other images are not held up
        return Throttled(reason=words, retry_after=retry_after(failure), hold=None)
    if failure.status == 401:
        return Throttled(reason=words)
    if failure.status is None or failure.status >= 500 or failure.status in (408, 412) or failure.status < 400:
        return Unknown(cause=words)
    if failure.status == 409 and failure.code not in REFUSED_CONFLICTS:
        return Unknown(cause=words)
    return Rejected(reason=words)


def retry_after(failure: ArmFailure) -> float | None:
    """Seconds, from the header or else from Azure's sentence."""
    if failure.retry_after is not None:
        return failure.retry_after
    found = _AGAIN.search(failure.message)
    return float(found[1]) if found else None


def worded(failure: ArmFailure) -> str:
    """Azure's own words, and what to do about them."""
    hint = HINTS.get(failure.code)
    return f"{failure} ({hint})" if hint else str(failure)


def _is_quota(failure: ArmFailure) -> bool:
    """Quota and capacity come as 400, 409 or 503, told apart by code and words; other 503s are no answer."""
    if failure.code in QUOTA_CODES:
        return True
    is_refusal = failure.status is not None and 400 <= failure.status < 500
    return failure.code == "ServiceUnavailable" and (is_refusal or _QUOTA.search(failure.message) is not None)
