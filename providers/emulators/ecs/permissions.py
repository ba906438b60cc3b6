"""Checks requests that are signed with an assumed role's credentials against the policies of the role.

moto's own enforcement checks only actions. Here a policy's resources and conditions count too, for the dispatcher's calls:
https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonelasticcontainerservice.html, and likewise for
DynamoDB. Resource policies are checked for roles and functions; boundaries, session policies and policies of organisations are
not checked.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from moto.iam.models import iam_backends
from moto.sts.models import sts_backends

from providers.emulators.ecs import functions, resource_policies
from providers.emulators.ecs.errors import EcsError
from providers.emulators.web import HttpRequest

PARTITION = "aws"
TASKS = "ecs-tasks.amazonaws.com"
_KEY = re.compile(r"Credential=([^/]+)/")


@dataclass(frozen=True, slots=True)
class Need:
    """One right that a request needs on all `resources`, with `context` for the conditions."""

    action: str
    resources: tuple[str, ...] = ("*",)
    """ARNs; `*` if AWS has no narrower resource, so that only `"Resource": "*"` allows it."""
    context: Mapping[str, str] = field(default_factory=dict)


class Permissions:
    """The rights of the roles of one account."""

    def __init__(self, account: str) -> None:
        self.account = account

    def check(self, request: HttpRequest, needs: Iterable[Need], *, code: str) -> None:
        """Raise an EcsError with that `code` if the role that signed the request lacks one of the rights.

        Requests that are signed with any other credentials than an assumed role's may do everything.
        """
        signer = self._signer(request)
        if signer is None:
            return
        role, caller, statements = signer
        for need in needs:
            for resource in need.resources:
                if need.action == "lambda:InvokeFunction" and resource_policies.admits(resource, role):
                    continue  # within one account, either policy is enough
                _demand(caller, statements, need, resource, code)
                if need.action == "sts:AssumeRole" and not resource_policies.trusts(resource, role):
                    raise _refusal(caller, need, resource, code, "because the role's trust policy does not allow it")

    def _signer(self, request: HttpRequest) -> tuple[str, str, list[Mapping[str, Any]]] | None:
        """The signer: the role's ARN, the session's ARN, and the statements of the role's policies."""
        signed = _KEY.search(request.headers.get("authorization", ""))
        sts, iam = sts_backends[self.account][PARTITION], iam_backends[self.account][PARTITION]
        session = sts.get_assumed_role_from_access_key(signed.group(1)) if signed else None
        if session is None:
            return None
        role = session.role_arn.rpartition("/")[2]
        documents = [iam.get_role_policy(role, name)[1] for name in iam.list_role_policies(role)]
        attached = iam.list_attached_role_policies(role)[0]
        documents += [version.document for policy in attached for version in policy.versions if version.is_default]
        caller = f"arn:{PARTITION}:sts::{self.account}:assumed-role/{role}/{session.session_name}"
        statements = [statement for document in documents for statement in _listed(json.loads(document)["Statement"])]
        return session.role_arn, caller, statements


def needs(service: str, operation: str, body: Mapping[str, Any], where: Where) -> Iterator[Need]:
    """The rights that a request needs; `body` is empty for a service that uses neither JSON nor forms."""
    if service == "sts":
        if operation == "AssumeRole":
            yield Need("sts:AssumeRole", (body["RoleArn"],))
        return
    invoked = functions.invoked(operation)
    if invoked:
        yield Need("lambda:InvokeFunction", (where.arn("lambda", f"function:{invoked}"),))
        return
    if service == "ecs":
        yield from _ecs(operation, body, where)
    elif service == "secretsmanager":
        yield Need(f"{service}:{operation}", (where.arn(service, f"secret:{body['SecretId']}"),))
    elif service == "dynamodb":
        yield from _dynamodb(operation, body, where)
    else:
        yield Need(f"{service}:{operation}")


@dataclass(frozen=True, slots=True)
class Where:
    """The common parts of ARNs."""

    account: str
    region: str
    task_tags: Callable[[str], Mapping[str, str]] = lambda _task: {}
    """The tags of a task, by its ARN."""

    def arn(self, service: str, resource: str) -> str:
        """An ARN of that service; an existing ARN stays unchanged."""
        return resource if resource.startswith("arn:") else f"arn:{PARTITION}:{service}:{self.region}:{self.account}:{resource}"

    def role(self, role: str) -> str:
        """The ARN of a role."""
        return role if role.startswith("arn:") else f"arn:{PARTITION}:iam::{self.account}:role/{role}"


def _ecs(operation: str, body: Mapping[str, Any], where: Where) -> Iterator[Need]:
    cluster = where.arn("ecs", f"cluster/{body.get('cluster', 'default').rpartition('/')[2]}")
    name = cluster.rpartition("/")[2]
    action, in_cluster = f"ecs:{operation}", {"ecs:cluster": cluster}
    match operation:
        case "RunTask":
            definition = where.arn("ecs", f"task-definition/{body['taskDefinition'].rpartition('/')[2]}")
            yield Need(action, (definition,), in_cluster)
            yield from _tags(operation, body, where.arn("ecs", f"task/{name}/*"))
            yield from _roles(body.get("overrides", {}), where)
        case "RegisterTaskDefinition":
            definition = where.arn("ecs", f"task-definition/{body['family']}:*")
            yield Need(action, (definition,))
            yield from _tags(operation, body, definition)
            yield from _roles(body, where)
        case "DescribeTasks":
            yield Need(action, tuple(_task(task, name, where) for task in body["tasks"]), in_cluster)
        case "StopTask":
            task = _task(body["task"], name, where)
            tags = {f"aws:ResourceTag/{key}": value for key, value in where.task_tags(task).items()}
            yield Need(action, (task,), {**in_cluster, **tags})
        case "ListTasks":
            yield Need(action, (where.arn("ecs", f"container-instance/{name}/*"),), in_cluster)
        case _:
            yield Need(action)


def _task(task: str, cluster: str, where: Where) -> str:
    return where.arn("ecs", task if task.startswith("arn:") else f"task/{cluster}/{task}")


def _tags(operation: str, body: Mapping[str, Any], resource: str) -> Iterator[Need]:
    if body.get("tags"):
        yield Need("ecs:TagResource", (resource,), {"ecs:CreateAction": operation})


def _roles(body: Mapping[str, Any], where: Where) -> Iterator[Need]:
    roles = tuple(where.role(body[member]) for member in ("executionRoleArn", "taskRoleArn") if body.get(member))
    if roles:
        yield Need("iam:PassRole", roles, {"iam:PassedToService": TASKS})


_PARTS = {
    "ConditionCheck": "ConditionCheckItem",
    "Delete": "DeleteItem",
    "Get": "GetItem",
    "Put": "PutItem",
    "Update": "UpdateItem",
}
"""The members of a transaction and the rights that they need."""


def _dynamodb(operation: str, body: Mapping[str, Any], where: Where) -> Iterator[Need]:
    if operation in ("TransactWriteItems", "TransactGetItems"):  # need only the rights of their parts
        for item in body["TransactItems"]:
            ((part, request),) = item.items()
            yield Need(f"dynamodb:{_PARTS[part]}", (_table(request["TableName"], where),))
        return
    tables = list(body["RequestItems"]) if "RequestItems" in body else [body[name] for name in ("TableName",) if name in body]
    index = f"/index/{body['IndexName']}" if "IndexName" in body else ""
    yield Need(f"dynamodb:{operation}", tuple(_table(table, where) + index for table in tables) or ("*",))


def _table(table: str, where: Where) -> str:
    return where.arn("dynamodb", table if table.startswith("arn:") else f"table/{table}")


def _demand(caller: str, statements: Iterable[Mapping[str, Any]], need: Need, resource: str, code: str) -> None:
    speaking = [statement["Effect"] for statement in statements if _speaks(statement, need, resource)]
    if "Deny" in speaking or "Allow" not in speaking:
        why = (
            "with an explicit deny in an identity-based policy"
            if "Deny" in speaking
            else f"because no identity-based policy allows the {need.action} action"
        )
        raise _refusal(caller, need, resource, code, why)


def _refusal(caller: str, need: Need, resource: str, code: str, why: str) -> EcsError:
    return EcsError(code, f"User: {caller} is not authorized to perform: {need.action} on resource: {resource} {why}")


def _speaks(statement: Mapping[str, Any], need: Need, resource: str) -> bool:
    """Whether a statement applies to that right. Raises ValueError for an unsupported element."""
    unknown = statement.keys() - {"Sid", "Effect", "Action", "Resource", "Condition"}
    if unknown:
        raise ValueError(f"the emulator does not know {', '.join(sorted(unknown))} in a policy")
    return (
        any(_pattern(action.lower()).fullmatch(need.action.lower()) for action in _listed(statement["Action"]))
        and any(_pattern(allowed).fullmatch(resource) for allowed in _listed(statement["Resource"]))
        and all(_holds(operator, tests, need.context) for operator, tests in statement.get("Condition", {}).items())
    )


def _holds(operator: str, tests: Mapping[str, Any], context: Mapping[str, str]) -> bool:
    if operator == "Null":
        return all((key not in context) == (value == "true") for key, values in tests.items() for value in _listed(values))
    if operator not in ("StringEquals", "StringLike", "ArnEquals", "ArnLike"):
        raise ValueError(f"the emulator does not know the condition {operator}")
    exact = operator == "StringEquals"
    return all(
        key in context
        and any(value == context[key] if exact else _pattern(value).fullmatch(context[key]) for value in _listed(values))
        for key, values in tests.items()
    )


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


@cache
def _pattern(text: str) -> re.Pattern[str]:
    """IAM's wildcards: `*` is any text, `?` one character."""
    return re.compile("".join({"*": ".*", "?": "."}.get(character, re.escape(character)) for character in text), re.DOTALL)
