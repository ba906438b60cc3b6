"""An answer of Resource Manager becomes an outcome. Pure; the first matching rule below applies.

A fault of the *job* is `Rejected`. A temporary shortage in the subscription or the region (a rate, a quota, capacity) is
`Throttled`, and holds the other jobs that would be refused. A fault that a person has to fix (no token, an unusable
subscription) is `Misconfigured`. A failure after which a group may exist is `Unknown`; before the PUT no group can exist, so
there it is `Unreachable`. A refusal without a code comes from a gateway, and refuses no job.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from providers.base import Hold, Misconfigured, Needs, Rejected, Throttled, Unknown, Unreachable


class ArmFailure(Exception):
    """A call that gave no usable answer or was answered with an error."""

    def __init__(
        self, message: str, *, status: int | None = None, code: str = "", retry_after: float | None = None, sent: bool = True
    ) -> None:
        super().__init__(f"{code}: {message}" if code else message)
        self.status = status
        """The HTTP status; None when no answer was understood."""
        self.code = code
        self.message = message
        self.retry_after = retry_after
        """Seconds to wait, if Azure named them."""
        self.sent = sent
        """False if Azure has certainly not received the call."""

    @property
    def is_gone(self) -> bool:
        """True if the group or its resource group does not exist."""
        return self.status == 404 and self.code in GONE_CODES

    @property
    def is_transitioning(self) -> bool:
        """True if the group exists and is between two states."""
        return self.status == 409 and self.code == "ContainerGroupTransitioning"

    @property
    def is_throttled(self) -> bool:
        """True if Azure refuses calls because there were too many."""
        return self.status == 429 or self.code in THROTTLED_CODES


class NoToken(ArmFailure):
    """No token could be obtained, so nothing was sent."""

    def __init__(self, message: str) -> None:
        super().__init__(message, sent=False)


GONE_CODES = frozenset({"ResourceNotFound", "ResourceGroupNotFound", "ContainerGroupNotFound", "NotFound"})
"""The codes of an absent group. A 404 with another code is not Resource Manager's answer about a group."""
THROTTLED_CODES = frozenset(
    {"TooManyRequests", "ResourceRequestsThrottled", "SubscriptionRequestsThrottled", "RequestsThrottled"}
)
QUOTA_CODES = frozenset({"ContainerGroupQuotaReached", "QuotaExceeded", "SubscriptionQuotaExceeded"})
CAPACITY_CODES = frozenset({"InsufficientCapacity", "ServiceUnavailable"})
UNUSABLE_SUBSCRIPTIONS = frozenset(
    {"SubscriptionNotFound", "MissingSubscriptionRegistration", "SubscriptionNotRegistered", "ReadOnlyDisabledSubscription"}
)
"""Faults of the subscription, or of the dispatcher's identity in it: no job can start there until somebody fixes them."""
ALREADY_THERE = frozenset({"ContainerGroupTransitioning", "InvalidContainerGroupUpdate"})
"""Refusals of a PUT because a group of that name exists already."""
REFUSED_CONFLICTS = frozenset({"ResourceGroupBeingDeleted", "InvalidResourceLocation", "ScopeLocked"})
"""Codes of 409 answers that do not mean a conflict with a group of ours."""
HINTS = {
    "AuthorizationFailed": "give the dispatcher's identity a role on the resource group that may write container groups",
    "InaccessibleImage": "check the image's name, and image_registry where the registry is private",
    "InvalidAuthenticationToken": "check the tenant and the client of aci_credentials",
    "LinkedAuthorizationFailed": "let the dispatcher's identity join the subnets and assign the identities that the job names",
    "LocationNotAvailableForResourceType": "Container Instances are not offered in this location; set another",
    "LocationRequired": "set location",
    "MissingSubscriptionRegistration": "register it once: az provider register --namespace Microsoft.ContainerInstance",
    "ReadOnlyDisabledSubscription": "the subscription is disabled; enable it, or name another",
    "RequestDisallowedByPolicy": "an Azure Policy forbids it; ask whoever owns the subscription",
    "ResourceGroupNotFound": "check resource_group_name and subscription_id",
    "SubscriptionNotRegistered": "register it once: az provider register --namespace Microsoft.ContainerInstance",
    "SubscriptionNotFound": "check subscription_id, and that aci_credentials belong to its tenant",
}
_QUOTA = re.compile(r"quota '?([\w ]*?)'? exceeded|exceed\w* .*quota", re.IGNORECASE)
_NOT_THERE = re.compile(r"not available in the location", re.IGNORECASE)
"""Azure's messages for a size, a network or a zone that this place lacks, always or at the moment. They concern this job alone.
The message continues "Retry with a different resource request or in another location".
https://learn.microsoft.com/azure/container-instances/container-instances-troubleshooting#resource-not-available-error
"""
_AGAIN = re.compile(r"try again after '?(\d+(?:\.\d+)?)'? ?seconds", re.IGNORECASE)
_QUOTAS: Mapping[str, str] = {
    "StandardCores": "cpu",
    "StandardSpotCores": "spot",
    **dict.fromkeys(("K80Cores", "P100Cores", "V100Cores"), "gpu"),
}
"""By quota: the dimension of `Needs.size` that it counts. A refusal concerns the jobs that need at least as much as the refused
one.
"""
LONGEST_WAIT = 86400.0

Refusal = Rejected | Throttled | Misconfigured | Unreachable | Unknown


def outcome_of(failure: ArmFailure, needs: Needs, *, sent_put: bool = True) -> Refusal:
    """The outcome of a failed PUT (except for the codes in `ALREADY_THERE`); without `sent_put`, of a failed call before it."""
    words = worded(failure)
    if isinstance(failure, NoToken):
        reason = f"no token for Azure: {words}; check aci_credentials, or the identity of the dispatcher's host"
        return Misconfigured(reason=reason, hold=Hold(place=needs.place[:1]))
    if not failure.sent:
        return Unreachable(cause=words)
    if failure.status == 401 or failure.code in UNUSABLE_SUBSCRIPTIONS:
        return Misconfigured(reason=words, hold=Hold(place=needs.place[:2]))
    if refusal := _passing(failure, needs, words):
        return refusal
    if _is_no_answer(failure) or not failure.code or (not sent_put and _is_nobodys(failure)):
        return Unknown(cause=words) if sent_put else Unreachable(cause=words)
    return Rejected(reason=words)


def retry_after(failure: ArmFailure) -> float | None:
    """Seconds to wait, from the header or else from Azure's message; a day at most."""
    if failure.retry_after is not None:
        return min(failure.retry_after, LONGEST_WAIT)
    match = _AGAIN.search(failure.message)
    return min(float(match[1]), LONGEST_WAIT) if match else None


def worded(failure: ArmFailure) -> str:
    """Azure's own message, and the fix."""
    hint = HINTS.get(failure.code)
    return f"{failure} ({hint})" if hint else str(failure)


def _passing(failure: ArmFailure, needs: Needs, words: str) -> Throttled | None:
    """The outcome of a temporary refusal, and the other jobs that it concerns.

    Refusals by a quota or for capacity are 400, 409 or 503, distinguished by code and message; other 503s are no answer.
    """
    wait = retry_after(failure)
    if failure.is_throttled:
        return Throttled(reason=words, retry_after=wait, hold=Hold(place=needs.place[:2]))
    # A registry's failure is often its own rate limit, so jobs with other images are not held.
    if failure.code == "RegistryErrorResponse" or (failure.code in CAPACITY_CODES and _NOT_THERE.search(failure.message)):
        return Throttled(reason=words, retry_after=wait, hold=None)
    quota = _QUOTA.search(failure.message)
    if failure.code in QUOTA_CODES or (failure.code == "ServiceUnavailable" and quota):
        size = _quota_size(quota[1] or "" if quota else "", needs)
        return Throttled(reason=words, retry_after=wait, hold=Hold(place=needs.place, size=size, freed_by_end=True))
    is_refusal = failure.status is not None and 400 <= failure.status < 500
    if failure.code == "InsufficientCapacity" or (failure.code == "ServiceUnavailable" and is_refusal):
        hold = Hold(place=needs.place, size=_scarce(needs), freed_by_end=True)
        return Throttled(reason=words, retry_after=wait, hold=hold)
    return None


def _is_no_answer(failure: ArmFailure) -> bool:
    """True if a group may have been started in spite of the refusal."""
    if failure.status is None or failure.status >= 500 or failure.status in (408, 412) or failure.status < 400:
        return True
    return failure.status == 409 and failure.code not in REFUSED_CONFLICTS


def _is_nobodys(failure: ArmFailure) -> bool:
    """True if a look-up's 404 is not Resource Manager's: a gateway in between does not know the path."""
    return failure.status == 404 and failure.code not in GONE_CODES


def _quota_size(name: str, needs: Needs) -> Mapping[str, float]:
    """The smallest size that a quota concerns; empty for a quota of groups, which concerns every job."""
    dimension = _QUOTAS.get(name, "")
    return {dimension: needs.size[dimension]} if dimension in needs.size else {}


def _scarce(needs: Needs) -> Mapping[str, float]:
    """The resource that a place lacks; GPUs and Spot machines have separate capacity."""
    special = {name: needs.size[name] for name in ("gpu", "spot") if name in needs.size}
    return special or dict(needs.size)
