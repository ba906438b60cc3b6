"""DynamoDB's write transactions, where moto falls short: it forgets tokens, does not report what was consumed, and copies the
table once for each action.
"""

from __future__ import annotations

import copy
import json
import threading
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import moto.dynamodb.models as dynamodb

from providers.emulators.web import Request, Response

TARGET = "DynamoDB_20120810.TransactWriteItems"


class Transactions:
    """Answers TransactWriteItems: a repeat of one that was carried out changes nothing. One at a time, please."""

    def __init__(self) -> None:
        self._done: dict[str, tuple[bytes, Response]] = {}

    def answer(self, request: Request, carry_out: Callable[[Request], Response]) -> Response:
        """The answer, new or old; a token's second use for something else is refused."""
        token = str(json.loads(request.body).get("ClientRequestToken", ""))
        body, answer = self._done.get(token, (request.body, None))
        if body != request.body:
            return _mismatch()
        if answer is None:
            with _once.transaction():
                answer = _with_consumption(request, carry_out(request))
            if token and answer.status == 200:
                self._done[token] = (body, answer)
        return answer

    def reset(self) -> None:
        """Forget every token. DynamoDB itself forgets one after ten minutes."""
        self._done.clear()


class _CopiedOnce:
    """Stands for the module `copy` in moto's DynamoDB: within a transaction it copies each table once."""

    def __init__(self) -> None:
        self._thread = threading.local()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        self._thread.tables = {}
        try:
            yield
        finally:
            del self._thread.tables

    def deepcopy(self, thing: Any) -> Any:
        tables: dict[int, Any] | None = getattr(self._thread, "tables", None)
        if tables is None or not isinstance(thing, dynamodb.Table):
            return copy.deepcopy(thing)
        if id(thing) not in tables:
            tables[id(thing)] = copy.deepcopy(thing)
        return tables[id(thing)]


_once = _CopiedOnce()
dynamodb.copy = _once  # all copies are made before the first action, so one is as good as many


def _with_consumption(request: Request, answer: Response) -> Response:
    """Report the consumed capacity of each table, where that was asked for, with a checksum of the new body as AWS sends it."""
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
