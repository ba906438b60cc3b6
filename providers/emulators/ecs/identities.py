"""IAM's quotas on policies, which moto lacks: white space does not count, and the sizes cannot be raised.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html
"""

from __future__ import annotations

import re
import urllib.parse
from collections.abc import Mapping
from typing import Any

from moto.iam.models import iam_backends

from providers.emulators.ecs.errors import EcsError
from providers.emulators.web import HttpRequest

INLINE = 10_240
"""The most characters of all inline policies of one role."""
MANAGED = 6_144
"""The most characters of one managed policy."""
TRUST = 2_048
"""The most characters of a role's trust policy; the quota's default."""
ATTACHED = 10
"""The most managed policies of one role; the quota's default."""


def check_sizes(request: HttpRequest, account: str) -> None:
    """Raise IAM's refusal as an EcsError if a request would exceed a quota."""
    if b"Policy" not in request.body or "urlencoded" not in request.headers.get("content-type", ""):
        return
    body = dict(urllib.parse.parse_qsl(request.body.decode()))
    match body.get("Action"):
        case "PutRolePolicy":
            _check_inline(body, account)
        case "CreatePolicy" | "CreatePolicyVersion" if size(body["PolicyDocument"]) > MANAGED:
            raise _exceeded(f"Cannot exceed quota for PolicySize: {MANAGED}")
        case "CreateRole" if size(body["AssumeRolePolicyDocument"]) > TRUST:
            raise _exceeded(f"Cannot exceed quota for ACLSizePerRole: {TRUST}")
        case "AttachRolePolicy" if len(_iam(account).list_attached_role_policies(body["RoleName"])[0]) >= ATTACHED:
            raise _exceeded(f"Cannot exceed quota for PoliciesPerRole: {ATTACHED}")


def size(document: str) -> int:
    """Characters of a policy as IAM counts them."""
    return len(re.sub(r"\s", "", document))


def _check_inline(body: Mapping[str, str], account: str) -> None:
    role, name = body["RoleName"], body["PolicyName"]
    iam = _iam(account)
    others = [iam.get_role_policy(role, other)[1] for other in iam.list_role_policies(role) if other != name]
    if sum(map(size, [*others, body["PolicyDocument"]])) > INLINE:
        raise _exceeded(f"Maximum policy size of {INLINE} bytes exceeded for role {role}")


def _iam(account: str) -> Any:
    return iam_backends[account]["aws"]


def _exceeded(message: str) -> EcsError:
    return EcsError("LimitExceeded", message, status=409)
