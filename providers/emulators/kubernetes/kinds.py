"""The server's resources and its discovery documents."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

VERSION = {"major": "1", "minor": "34", "gitVersion": "v1.34.0-emulated", "platform": "linux/amd64"}


@dataclass(frozen=True, slots=True)
class ObjectKind:
    """One kind of object."""

    name: str
    plural: str
    group: str = ""
    namespaced: bool = True
    short: tuple[str, ...] = ()

    @property
    def version(self) -> str:
        """The `apiVersion` of objects."""
        return f"{self.group}/v1" if self.group else "v1"

    @property
    def qualified(self) -> str:
        """The name in refusals: `jobs.batch`."""
        return f"{self.plural}.{self.group}" if self.group else self.plural


RBAC = "rbac.authorization.k8s.io"
JOB, POD = ObjectKind("Job", "jobs", "batch"), ObjectKind("Pod", "pods", short=("po",))
NAMESPACE = ObjectKind("Namespace", "namespaces", namespaced=False, short=("ns",))
EVENT, QUOTA = ObjectKind("Event", "events", short=("ev",)), ObjectKind("ResourceQuota", "resourcequotas", short=("quota",))
ACCESS_REVIEW = ObjectKind("SelfSubjectAccessReview", "selfsubjectaccessreviews", "authorization.k8s.io", namespaced=False)
KINDS = (
    *(JOB, POD, NAMESPACE, EVENT, QUOTA, ACCESS_REVIEW),
    ObjectKind("CronJob", "cronjobs", "batch", short=("cj",)),
    ObjectKind("Deployment", "deployments", "apps", short=("deploy",)),
    ObjectKind("ConfigMap", "configmaps", short=("cm",)),
    ObjectKind("Secret", "secrets"),
    ObjectKind("ServiceAccount", "serviceaccounts", short=("sa",)),
    ObjectKind("Role", "roles", RBAC),
    ObjectKind("RoleBinding", "rolebindings", RBAC),
    ObjectKind("ClusterRole", "clusterroles", RBAC, namespaced=False),
    ObjectKind("ClusterRoleBinding", "clusterrolebindings", RBAC, namespaced=False),
)
_VERBS = ["create", "delete", "get", "list", "patch", "update"]
_BY_PATH = {(kind.group, kind.plural): kind for kind in KINDS}


def kind_at(group: str, plural: str) -> ObjectKind | None:
    """The kind that a path names."""
    return _BY_PATH.get((group, plural))


def discovery(path: str) -> dict[str, Any] | None:
    """The discovery document of a path; None for other paths."""
    groups = sorted({kind.group for kind in KINDS if kind.group})
    if path == "/version":
        return dict(VERSION)
    if path == "/api":
        return {"kind": "APIVersions", "versions": ["v1"]}
    if path == "/apis":
        return {"kind": "APIGroupList", "apiVersion": "v1", "groups": [_group(group) for group in groups]}
    for group in ("", *groups):
        if path == (f"/apis/{group}/v1" if group else "/api/v1"):
            version = f"{group}/v1" if group else "v1"
            resources = list(_resources(group))
            return {"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": version, "resources": resources}
    return None


def _group(name: str) -> dict[str, Any]:
    version = {"groupVersion": f"{name}/v1", "version": "v1"}
    return {"name": name, "versions": [version], "preferredVersion": version}


def _resources(group: str) -> Iterator[dict[str, Any]]:
    for kind in KINDS:
        if kind.group == group:
            described = {"name": kind.plural, "singularName": kind.name.lower(), "namespaced": kind.namespaced}
            yield {**described, "kind": kind.name, "verbs": _VERBS, "shortNames": list(kind.short)}
    if not group:
        yield {"name": "pods/log", "singularName": "", "namespaced": True, "kind": "Pod", "verbs": ["get"]}
        token = {"name": "serviceaccounts/token", "singularName": "", "namespaced": True, "kind": "TokenRequest"}
        yield {**token, "group": "authentication.k8s.io", "version": "v1", "verbs": ["create"]}
