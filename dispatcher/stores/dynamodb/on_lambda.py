"""DynamoDB from within AWS Lambda, without the SDK (see `providers.on_lambda`)."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from functools import partial
from typing import Any

import urllib3.exceptions as wire

from dispatcher.stores.dynamodb.answers import OddAnswer, check_sum
from dispatcher.stores.dynamodb.definition import CONNECT_SECONDS, READ_SECONDS
from dispatcher.stores.dynamodb.problems import Failures
from providers.on_lambda import LambdaCaller, LambdaHost, lambda_host

TARGET = "DynamoDB_20120810"


class RefusedRequest(Exception):
    """DynamoDB refused a request; `response` has the form that the SDK gives a refusal."""

    def __init__(self, response: Mapping[str, Any]) -> None:
        super().__init__(str(response.get("Error")))
        self.response = response


class LambdaClient:
    """Replaces the SDK's client: a method for each operation, with its Python name."""

    failures = Failures(refused=RefusedRequest, unanswered=(wire.HTTPError,), unreadable=(), other=())

    def __init__(self, host: LambdaHost, connect_seconds: float, read_seconds: float, connections: int = 10) -> None:
        self._caller, self._seconds = LambdaCaller(host, connect_seconds, connections), connect_seconds + read_seconds

    def __getattr__(self, operation: str) -> Any:
        """The method of an operation."""
        if operation.startswith("_"):
            raise AttributeError(operation)
        return partial(self._ask, operation.title().replace("_", ""))

    def close(self) -> None:
        """Close the connections."""
        self._caller.close()

    def _ask(self, operation: str, **parameters: Any) -> Mapping[str, Any]:
        headers = {"Content-Type": "application/x-amz-json-1.0", "X-Amz-Target": f"{TARGET}.{operation}"}
        response = self._caller.post(headers, json.dumps(parameters).encode(), self._seconds)
        check_sum({"headers": response.headers, "body": response.body})
        if response.status >= 300:
            raise RefusedRequest(_refusal(response.status, response.body))
        content = json.loads(response.body)
        if not isinstance(content, dict):
            raise OddAnswer("it is not an object")
        return content


def client_here(region: str | None) -> LambdaClient | None:
    """The client for the function's own role; None if the SDK is needed."""
    where = region or os.environ.get("AWS_DEFAULT_REGION") or os.environ.get("AWS_REGION")
    host = lambda_host(os.environ, "dynamodb", where)
    return LambdaClient(host, CONNECT_SECONDS, READ_SECONDS) if host else None


def _refusal(status: int, body: bytes) -> Mapping[str, Any]:
    """A refusal as the SDK reads it: the code without its namespace, and the other members of the error."""
    try:
        content = json.loads(body)
    except ValueError:
        content = {}
    members = content if isinstance(content, dict) else {}
    code = str(members.get("__type") or status).partition(":")[0].rpartition("#")[2]
    message = members.get("message") or members.get("Message") or ""
    return {**members, "Error": {"Code": code, "Message": message}, "ResponseMetadata": {"HTTPStatusCode": status}}
