"""Authentication and authorisation of callers: tokens and RBAC, from the objects that the server stores.

https://kubernetes.io/docs/reference/access-authn-authz/rbac/
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from providers.emulators.kubernetes.kinds import ACCESS_REVIEW, ObjectKind
from providers.emulators.kubernetes.refusals import Refusal, forbidden

ADMIN = "system:admin"
Objects = Mapping[tuple[str, str, str], Mapping[str, Any]]
"""By kind, namespace and name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Attributes:
    """The attributes of a request, in the terms of a Role's rule."""

    verb: str
    kind: ObjectKind
    part: str
    namespace: str
    name: str

    @property
    def resource(self) -> str:
        """`pods/log`."""
        return f"{self.kind.plural}/{self.part}" if self.part else self.kind.plural


class Authorization:
    """Tokens and the rights of their bearers. Without `enforced` everybody is the administrator."""

    def __init__(self, *, enforced: bool) -> None:
        self.enforced = enforced
        self.admin_token = secrets.token_urlsafe(16)
        self._users = {self.admin_token: ADMIN}

    def token_for(self, namespace: str, service_account: str) -> str:
        """A new token of a service account."""
        token = secrets.token_urlsafe(16)
        self._users[token] = f"system:serviceaccount:{namespace}:{service_account}"
        return token

    def revoke(self, token: str) -> None:
        """Stop accepting a token."""
        self._users.pop(token, None)

    def user(self, authorization: str) -> str:
        """The caller's user. Raises `Refusal` (401).

        A caller without a token is the administrator, because kubectl sends no token without TLS.
        """
        if not self.enforced or not authorization:
            return ADMIN
        user = self._users.get(authorization.removeprefix("Bearer "))
        if user is None:
            raise Refusal("Unauthorized", "Unauthorized")
        return user

    def check(self, user: str, attributes: Attributes, objects: Objects) -> None:
        """Raise `Refusal` (403) in the API server's words, unless a rule allows it."""
        if attributes.kind is ACCESS_REVIEW or self.allows(user, attributes, objects):
            return
        where = f' in the namespace "{attributes.namespace}"' if attributes.namespace else " at the cluster scope"
        resource = f'resource "{attributes.resource}" in API group "{attributes.kind.group}"{where}'
        words = f'User "{user}" cannot {attributes.verb} {resource}'
        raise forbidden(attributes.kind, attributes.name, words)

    def allows(self, user: str, attributes: Attributes, objects: Objects) -> bool:
        """Whether a rule allows it."""
        return user == ADMIN or any(_covers(rule, attributes) for rule in _rules(user, attributes.namespace, objects))


def _rules(user: str, namespace: str, objects: Objects) -> Iterator[Mapping[str, Any]]:
    for (kind, home, _), binding in objects.items():
        if kind not in ("RoleBinding", "ClusterRoleBinding") or (kind == "RoleBinding" and home != namespace):
            continue
        if _binds(binding, user, home):
            role = binding["roleRef"]
            holder = objects.get((role["kind"], home if role["kind"] == "Role" else "", role["name"]))
            yield from (holder or {}).get("rules") or ()


def _binds(binding: Mapping[str, Any], user: str, home: str) -> bool:
    names: Iterable[str] = (
        f"system:serviceaccount:{subject.get('namespace', home)}:{subject['name']}"
        if subject["kind"] == "ServiceAccount"
        else subject["name"]
        for subject in binding.get("subjects") or ()
    )
    return user in names


def _covers(rule: Mapping[str, Any], attributes: Attributes) -> bool:
    def has(key: str, value: str) -> bool:
        return value in rule.get(key, ()) or "*" in rule.get(key, ())

    named = rule.get("resourceNames")
    return (
        has("verbs", attributes.verb)
        and has("apiGroups", attributes.kind.group)
        and has("resources", attributes.resource)
        and (not named or attributes.name in named)
    )
