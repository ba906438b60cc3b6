"""DynamoDB's write transactions, with fixes for moto: it forgets tokens, does not report consumed capacity, and copies the
table for each action.
"""

from __future__ import annotations

import copy
import json
import threading
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import moto.dynamodb.models as dynamodb

from providers.emulators.web import HttpRequest, Response

TARGET = "DynamoDB_20120810.TransactWriteItems"


class Transactions:
    """Answers TransactWriteItems: repeating a completed transaction changes nothing. Not safe for concurrent calls."""

    def __init__(self) -> None:
        self._done: dict[str, tuple[bytes, Response]] = {}

    def answer(self, request: HttpRequest, carry_out: Callable[[HttpRequest], Response]) -> Response:
        """The answer, new or remembered; using a token again for another request is refused."""
        token = str(json.loads(request.body).get("ClientRequestToken", ""))
        body, answer = self._done.get(token, (request.body, None))
        if body != request.body:
            return _mismatch()
        if answer is None:
            with _snapshots.transaction(json.loads(request.body)["TransactItems"]):
                answer = _with_consumption(request, carry_out(request))
            if token and answer.status == 200:
                self._done[token] = (body, answer)
        return answer

    def reset(self) -> None:
        """Forget every token. DynamoDB itself forgets one after ten minutes."""
        self._done.clear()


class _Snapshots:
    """Replaces the module `copy` in moto's DynamoDB: it copies only the items that a transaction names, once.

    All copies are made before the first action, and replace the table if the transaction fails. So a transaction's cost depends
    on the items that it touches, not on the size of the table.
    """

    def __init__(self) -> None:
        self._thread = threading.local()

    @contextmanager
    def transaction(self, actions: Iterable[Mapping[str, Any]]) -> Iterator[None]:
        self._thread.tables, self._thread.actions = {}, [operation for action in actions for operation in action.values()]
        try:
            yield
        finally:
            del self._thread.tables, self._thread.actions

    def deepcopy(self, thing: Any) -> Any:
        tables: dict[int, Any] | None = getattr(self._thread, "tables", None)
        if tables is None or not isinstance(thing, dynamodb.Table):
            return copy.deepcopy(thing)
        if id(thing) not in tables:
            tables[id(thing)] = _snapshot(thing, self._thread.actions)
        return tables[id(thing)]


def _snapshot(table: Any, actions: Iterable[Mapping[str, Any]]) -> Any:
    """A snapshot of the table: the items that the actions name are copied, and all others are shared."""
    if not table.has_range_key:
        return copy.deepcopy(table)
    kept = copy.copy(table)
    kept.items = copy.copy(table.items)
    for operation in actions:
        key = operation.get("Item", operation.get("Key", {}))
        if operation.get("TableName") != table.name or not key.keys() >= {table.hash_key_attr, table.range_key_attr}:
            continue
        partition, place = dynamodb.DynamoType(key[table.hash_key_attr]), dynamodb.DynamoType(key[table.range_key_attr])
        if partition in table.items:
            if kept.items[partition] is table.items[partition]:
                kept.items[partition] = copy.copy(table.items[partition])
            if place in kept.items[partition]:
                kept.items[partition][place] = copy.deepcopy(table.items[partition][place])
    return kept


_snapshots = _Snapshots()
dynamodb.copy = _snapshots


def _with_consumption(request: HttpRequest, answer: Response) -> Response:
    """Add the consumed capacity of each table if it was requested, and a checksum of the new body as AWS sends it."""
    content = json.loads(request.body)
    if answer.status != 200 or content.get("ReturnConsumedCapacity", "NONE") == "NONE":
        return answer
    tables = sorted({str(operation["TableName"]) for action in content["TransactItems"] for operation in action.values()})
    consumed = [{"TableName": table, "CapacityUnits": 2.0 * len(content["TransactItems"])} for table in tables]
    body = json.dumps({**json.loads(answer.body), "ConsumedCapacity": consumed}).encode()
    kept = {name: value for name, value in answer.headers.items() if name.lower() != "x-amz-crc32"}
    return replace(answer, body=body, headers={**kept, "x-amz-crc32": str(zlib.crc32(body))})


def _mismatch() -> Response:
    words = "The request uses the same client token as a previous, but non-identical request."
    body = {"__type": "com.amazonaws.dynamodb.v20120810#IdempotentParameterMismatchException", "message": words}
    return Response.json(body, status=400, headers={"Content-Type": "application/x-amz-json-1.0"})
