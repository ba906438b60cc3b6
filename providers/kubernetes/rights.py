"""The rights that the dispatcher needs in a namespace, and those that it lacks."""

from __future__ import annotations

from collections.abc import Mapping

from providers.kubernetes.api import Api

RIGHTS: Mapping[tuple[str, str], tuple[str, ...]] = {
    ("batch", "jobs"): ("create", "delete", "get", "list", "patch"),
    ("", "pods"): ("list",),
    ("", "pods/log"): ("get",),
    ("", "events"): ("list",),
}
"""The verbs by API group and resource; a Role needs no others."""

REVIEWS = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"


def missing_rights(api: Api, namespace: str) -> list[str]:
    """The rights that the dispatcher lacks, such as `create jobs`. Raises `CallFailed`."""
    return [
        f"{verb} {resource}"
        for (group, resource), verbs in RIGHTS.items()
        for verb in verbs
        if not _may(api, namespace, group, resource, verb)
    ]


def _may(api: Api, namespace: str, group: str, resource: str, verb: str) -> bool:
    name, _, part = resource.partition("/")
    attributes = {"namespace": namespace, "group": group, "resource": name, "subresource": part, "verb": verb}
    body = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SelfSubjectAccessReview",
        "spec": {"resourceAttributes": {key: value for key, value in attributes.items() if value}},
    }
    answer = api.post(REVIEWS, body)
    status = answer.value.get("status") if answer.status == 201 and isinstance(answer.value, Mapping) else None
    if not isinstance(status, Mapping) or not isinstance(status.get("allowed"), bool):
        raise answer.unexpected("the cluster does not say what the dispatcher may do")
    return bool(status["allowed"])
