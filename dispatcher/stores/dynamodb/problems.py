"""What DynamoDB's refusals mean: repeat the request, a condition did not hold, or a message for the user."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from dispatcher.errors import StoreError, StoreSchemaError
from dispatcher.stores.dynamodb.definition import SCHEMA_VERSION

TRANSIENT = frozenset(
    {
        "InternalServerError",
        "InternalFailure",
        "ServiceUnavailable",
        "ServiceUnavailableException",
        "ServerException",
        "RequestTimeout",
        "RequestTimeoutException",
        "LimitExceededException",
        "ProvisionedThroughputExceededException",
        "RequestLimitExceeded",
        "ThrottlingException",
        "Throttling",
        "TransactionConflictException",
        "TransactionInProgressException",
    }
)
"""Error codes after which the same request, with the same token, may succeed."""

PASSING = frozenset({"None", "TransactionConflict", "ThrottlingError", "ProvisionedThroughputExceeded"})
"""Reasons of a cancelled transaction that pass by themselves. AWS names a throttle or a conflict at the item concerned."""

_ACCESS = ("AccessDenied", "UnrecognizedClient", "InvalidSignature", "ExpiredToken", "InvalidClientTokenId", "MissingAuth")


@dataclass(frozen=True, slots=True, kw_only=True)
class Failures:
    """The exceptions that a client raises, by their meaning."""

    refused: type[Exception]
    """DynamoDB refused the request: the error's `response` says why."""
    unanswered: tuple[type[Exception], ...]
    """There was no answer, or only a part of one."""
    unreadable: tuple[type[Exception], ...]
    """The answer cannot be read."""
    other: tuple[type[Exception], ...]
    """Nothing was sent, and repeating it would not help."""


class NoClient(Exception):
    """The SDK cannot make its client, for example without a region."""


class AlreadyThere(Exception):
    """The table that should be created exists already."""


class NoSuchTable(StoreError):
    """The table does not exist."""


class ConditionFailed(Exception):
    """A condition did not hold. `positions`: the positions of the refused actions, with the items at their keys."""

    def __init__(self, items: Mapping[int, Mapping[str, Any]]) -> None:
        super().__init__(f"conditions at {sorted(items)}")
        self.items = items


def code_of(response: Mapping[str, Any]) -> str:
    """The error's code. A failure of the server without a code counts as temporary."""
    code = str(response.get("Error", {}).get("Code", ""))
    if code in TRANSIENT:
        return code
    status = response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    return "InternalServerError" if status >= 500 else code


def failed_conditions(response: Mapping[str, Any], code: str) -> ConditionFailed | None:
    """The conditions that did not hold, if that is why the request was refused. Reasons come in the order of their actions."""
    if code == "ConditionalCheckFailedException":
        return ConditionFailed({0: response.get("Item", {})})
    if code != "TransactionCanceledException":
        return None
    failed = {
        number: reason.get("Item") or {}
        for number, reason in enumerate(response.get("CancellationReasons", []))
        if reason.get("Code") == "ConditionalCheckFailed"
    }
    return ConditionFailed(failed) if failed else None


def passes(response: Mapping[str, Any], code: str) -> bool:
    """Whether the same request may succeed after a while."""
    if code != "TransactionCanceledException":
        return code in TRANSIENT
    return {reason.get("Code", "None") for reason in response.get("CancellationReasons", [])} <= PASSING


def refused(table: str, response: Mapping[str, Any], code: str) -> StoreError:
    """One line about a refusal that does not pass by itself."""
    words = _words(response)
    if code == "ResourceNotFoundException":
        return NoSuchTable(
            f"there is no DynamoDB table {table!r} in this account and region, or it lacks its index: "
            "make it with Terraform (infra/modules) or `dispatcher store migrate apply`"
        )
    if code.startswith(_ACCESS):
        return StoreError(f"DynamoDB table {table!r}: AWS refuses access ({code}): {words}")
    return StoreError(f"DynamoDB table {table!r}: {code}: {words}")


def wrong_schema(table: str, version: int) -> StoreSchemaError | None:
    """The error of a table whose items this code does not know."""
    if version == SCHEMA_VERSION:
        return None
    fix = "update push-dispatcher" if version > SCHEMA_VERSION else "run `dispatcher store migrate apply`"
    return StoreSchemaError(f"DynamoDB table {table!r} has schema version {version}, this code knows {SCHEMA_VERSION}: {fix}")


def _words(response: Mapping[str, Any]) -> str:
    message = str(response.get("Error", {}).get("Message") or "no words")
    reasons: Sequence[Mapping[str, Any]] = response.get("CancellationReasons", [])
    details = [str(reason.get("Message")) for reason in reasons if reason.get("Code", "None") not in PASSING]
    return " ".join([message, *details[:3]]).replace("\n", " ")
