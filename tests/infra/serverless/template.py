"""The CloudFormation that would be deployed, read and resolved as CloudFormation does it."""

from __future__ import annotations

import re
import shutil

import pytest

needs_npm = pytest.mark.skipif(shutil.which("npm") is None, reason="npm is not installed, and osls comes from there")


def of_type(resources, kind):
    return [resource["Properties"] for resource in resources.values() if resource["Type"] == kind]


def statements(resources, role):
    """Those that are there whatever the parameters are."""
    (policy,) = [policy for policy in resources[role]["Properties"]["Policies"] if "Fn::If" not in policy]
    return policy["PolicyDocument"]["Statement"]


def further_statements(resources, given):
    """Those that the function has for these parameters alone."""
    policies = [resolved(policy, given) for policy in resources["FunctionRole"]["Properties"]["Policies"] if "Fn::If" in policy]
    return [statement for policy in policies if policy for statement in policy["PolicyDocument"]["Statement"]]


def listed(value):
    return value if isinstance(value, list) else [value]


CONDITIONS = {
    "HasPrefectKey": lambda given: bool(given.get("PrefectApiKeySecret")),
    "HasPrefectAuth": lambda given: bool(given.get("PrefectApiAuthStringSecret")),
    "HasVpc": lambda given: bool(given.get("Subnets")),
}


def resolved(value, given):
    """A value as CloudFormation makes it, for these parameters of the stack."""
    if isinstance(value, list):
        return [resolved(item, given) for item in value]
    if not isinstance(value, dict):
        return value
    match [*value.items()]:
        case [("Fn::If", [condition, yes, no])]:
            return resolved(yes if CONDITIONS[condition](given) else no, given)
        case [("Fn::Sub", str(text))]:
            return re.sub(r"\$\{(\w+)\}", lambda match: given.get(match[1], match[0]), text)
        case [("Ref", "AWS::NoValue")]:
            return None
        case [("Ref", name)]:
            return given.get(name, value)
    return {name: resolved(item, given) for name, item in value.items()}
