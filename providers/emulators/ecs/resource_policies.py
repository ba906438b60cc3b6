"""Resource policies: who may assume a role, and who may start a function.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic.html
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from moto.awslambda.models import lambda_backends
from moto.iam.models import iam_backends


def trusts(role: str, caller: str) -> bool:
    """Whether the trust policy of a role, by its ARN, lets another role assume it. False if the role does not exist."""
    account, partition = role.split(":")[4], role.split(":")[1]
    for existing in iam_backends[account][partition].get_roles():
        if existing.arn == role:
            return _names(json.loads(existing.assume_role_policy_document).get("Statement", ()), "sts:AssumeRole", caller)
    return False


def admits(function: str, caller: str) -> bool:
    """Whether the policy of a function, by its ARN, lets a role start it. False if the function does not exist."""
    account, region, name = function.split(":")[4], function.split(":")[3], function.split(":")[6]
    for existing in lambda_backends[account][region].list_functions():
        if existing.function_name == name:
            return _names(existing.policy.statements if existing.policy else (), "lambda:InvokeFunction", caller)
    return False


def _names(statements: Iterable[Mapping[str, Any]], action: str, caller: str) -> bool:
    account = caller.split(":")[4]
    accepted = {caller, account, f"arn:aws:iam::{account}:root"}
    return any(
        statement["Effect"] == "Allow" and action in _listed(statement["Action"]) and accepted & set(_principals(statement))
        for statement in statements
    )


def _principals(statement: Mapping[str, Any]) -> list[str]:
    principal = statement["Principal"]
    return _listed(principal.get("AWS", []) if isinstance(principal, Mapping) else principal)


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]
