"""Checks that an answer comes from DynamoDB and answers the request.

Status 200 alone proves nothing: a gateway, a sign-in page or a broken proxy answers 200 as well, and the SDK reads any such
body as an answer without content. Every request here asks for `ReturnConsumedCapacity`, which costs nothing, and an answer
counts only if it contains that, with the name of the table. Only a service that carried the request out sends that. If a body
comes with a checksum (DynamoDB always sends one, `x-amz-crc32`), the two must match. The SDK uses the checksum only to decide
on a retry, and accepts the body of its last attempt unchecked.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any
from zlib import crc32

ECHO: Mapping[str, Any] = {"ReturnConsumedCapacity": "TOTAL"}
"""The parameter that makes an answer name its table."""

ODD = (AttributeError, KeyError, IndexError, TypeError, ValueError, RecursionError)
"""The exceptions that an answer of another shape causes, in the SDK and here."""

_KINDS: Mapping[str, type] = {"S": str, "N": str, "BOOL": bool}
"""The kinds of attributes that we write, and the SDK's Python type for each."""
_ECHOES = frozenset({"get_item", "put_item", "update_item", "query", "scan", "batch_get_item", "transact_write_items"})


class OddAnswer(Exception):
    """There was an answer, but it is not DynamoDB's answer to this request."""


def check_sum(response_dict: Mapping[str, Any], **_: Any) -> None:
    """For the SDK's `before-parse`: raises `OddAnswer` for a body that differs from what DynamoDB sent."""
    expected = response_dict["headers"].get("x-amz-crc32")
    if expected is not None and expected != str(crc32(response_dict["body"])):
        raise OddAnswer("its checksum is not that of its body")


def with_echo(operation: str, request: Mapping[str, Any]) -> dict[str, Any]:
    """The parameters of a request, with the ones that make its answer recognisable."""
    return {**request, **ECHO} if operation in _ECHOES else dict(request)


def expect(operation: str, table: str, request: Mapping[str, Any], answer: Mapping[str, Any]) -> None:
    """Raises `OddAnswer` for an answer that is not DynamoDB's, or whose items cannot be read."""
    try:
        whole = _names(operation, table, answer) and _is_whole(operation, table, request, answer)
    except ODD as problem:
        raise OddAnswer(f"{type(problem).__name__}: {problem}") from problem
    if not whole:
        raise OddAnswer("it lacks the consumed capacity that was requested")


def _names(operation: str, table: str, answer: Mapping[str, Any]) -> bool:
    """Whether the answer is about the table."""
    match operation:
        case "describe_table":
            return bool(answer["Table"]["TableName"] == table)
        case "create_table":
            return bool(answer["TableDescription"]["TableName"] == table)
        case "describe_time_to_live":
            return isinstance(answer["TimeToLiveDescription"]["TimeToLiveStatus"], str)
        case "update_time_to_live":
            return isinstance(answer["TimeToLiveSpecification"]["AttributeName"], str)
        case "batch_get_item" | "transact_write_items":
            consumed = answer["ConsumedCapacity"]
            return bool(consumed) and all(capacity["TableName"] == table for capacity in consumed)
    return bool(answer["ConsumedCapacity"]["TableName"] == table)


def _is_whole(operation: str, table: str, request: Mapping[str, Any], answer: Mapping[str, Any]) -> bool:
    """Whether it has the members that such an answer always has."""
    match operation:
        case "query" | "scan":
            count, next_page = answer["Count"], answer.get("LastEvaluatedKey")
            if type(count) is not int or not _is_key(next_page):
                return False
            return request.get("Select") == "COUNT" or (len(answer["Items"]) == count and _are_items(answer["Items"]))
        case "batch_get_item":
            left = answer.get("UnprocessedKeys", {})
            return _are_items(answer["Responses"][table]) and _are_items(left[table]["Keys"] if left else ())
        case "get_item":
            return "Item" not in answer or _is_item(answer["Item"])
        case "describe_table":
            return isinstance(answer["Table"]["TableStatus"], str)
    return True


def _are_items(items: Iterable[Any]) -> bool:
    return all(map(_is_item, items))


def _is_key(key: Any) -> bool:
    return key is None or (bool(key) and _is_item(key))


def _is_item(item: Any) -> bool:
    """Every attribute has one kind, and a value of that kind."""
    for attribute in item.values():
        [(kind, value)] = attribute.items()
        if kind in _KINDS and type(value) is not _KINDS[kind]:
            return False
        if kind == "N":
            float(value)
    return True
