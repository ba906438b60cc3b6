"""The answer to the creation of a Job becomes an outcome. One table, read from the top.

| answer | outcome |
| --- | --- |
| 401 | the cluster does not accept the dispatcher's token or certificate: its runs wait |
| 403 `exceeded quota` | the namespace waits until a Job is deleted |
| 403 `cannot create resource` | the dispatcher lacks a right: its runs wait |
| 409 `Conflict` | another creation changed a quota meanwhile: this Job is tried again |
| 429 | no run starts on the cluster for as long as the server says |
| 500 `failed calling webhook`, 504, any other 5xx | unknown: a Job may have been created |
| 400, 403, 404, 405, 413, 422 in Kubernetes' own form | refused for good, in its words; webhooks answer with any of them |
| anything else | unknown |
"""

from __future__ import annotations

from providers.base import Hold, Misconfigured, Outcome, Rejected, Throttled
from providers.kubernetes.api import Answer

FOR_GOOD = frozenset({400, 403, 404, 405, 406, 410, 413, 415, 422})

LACKS_RIGHT = "cannot create resource"
"""Kubernetes' words for a missing right: https://kubernetes.io/docs/reference/access-authn-authz/authorization/."""


def refusal(answer: Answer, place: tuple[str, str]) -> Outcome:
    """The outcome of a creation that created nothing. Raises `CallFailed` for an answer that leaves this open."""
    words = answer.message or answer.reason
    if answer.status == 429 and (answer.is_status or answer.retry_after is not None):
        reason = words or "the cluster has too many requests under way"
        return Throttled(reason=reason, retry_after=answer.retry_after, hold=Hold(place=place[:1]))
    if not answer.is_status or not words:
        raise answer.unexpected("the Job")
    if answer.status == 401:
        reason = f"the cluster does not accept the dispatcher's identity: {words}"
        return Misconfigured(reason=reason, hold=Hold(place=place[:1]))
    if answer.status == 403 and "exceeded quota" in words:
        return Throttled(reason=words, hold=Hold(place=place, freed_by_end=True))
    if answer.status == 403 and LACKS_RIGHT in words:
        return Misconfigured(reason=f"{words}: give it the Role of infra/kubernetes", hold=Hold(place=place))
    if answer.status == 409 and answer.reason == "Conflict":
        return Throttled(reason=words, hold=None)
    if answer.status in FOR_GOOD:
        return Rejected(reason=words)
    raise answer.unexpected("the Job")
