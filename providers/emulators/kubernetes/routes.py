"""A request becomes a call of the API: an operation and its object."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from providers.emulators.kubernetes.kinds import NAMESPACE, ObjectKind, kind_at
from providers.emulators.web import HttpRequest

_PATH = re.compile(
    r"/(?:api/v1|apis/(?P<group>[\w.-]+)/v1)"
    r"(?:/namespaces/(?P<namespace>[^/]+)(?=/))?"
    r"/(?P<plural>[a-z]+)(?:/(?P<name>[^/]+))?(?:/(?P<part>[a-z]+))?"
)
_VERBS = {"POST": "create", "PATCH": "patch", "PUT": "update", "DELETE": "delete"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One operation."""

    verb: str
    """The verb, as in a Role."""
    kind: ObjectKind
    namespace: str = ""
    name: str = ""
    part: str = ""
    query: Mapping[str, str] = field(default_factory=dict)
    content_type: str = ""
    body: bytes = b""

    @property
    def operation(self) -> str:
        """The operation's name in faults and counts: `CreateJob`, `ListPods`, `GetPodLog`."""
        plural = "s" if self.verb == "list" else ""
        return f"{self.verb.capitalize()}{self.kind.name}{plural}{self.part.capitalize()}"


def route(request: HttpRequest) -> Call | None:
    """The call; None for an unknown path."""
    match = _PATH.fullmatch(request.path)
    kind = kind_at(match["group"] or "", match["plural"]) if match else None
    if match is None or kind is None or request.query.get("watch") in ("true", "1"):
        return None
    verb = _VERBS.get(request.method) or ("get" if match["name"] else "list")
    if request.method not in (*_VERBS, "GET") or (verb not in ("create", "list") and not match["name"]):
        return None
    namespace = "" if kind is NAMESPACE or not kind.namespaced else match["namespace"] or ""
    return Call(
        verb=verb,
        kind=kind,
        namespace=namespace,
        name=match["name"] or "",
        part=match["part"] or "",
        query=request.query,
        content_type=request.headers.get("content-type", ""),
        body=request.body,
    )
