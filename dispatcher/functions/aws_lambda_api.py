"""The HTTP API on AWS Lambda: set a function's handler to `dispatcher.functions.aws_lambda_api.handler`.

It understands the requests of a function URL (`AuthType: AWS_IAM`), of an HTTP API and of a REST API of API Gateway. The
caller is the ARN that IAM has authenticated (`arn:aws:sts::123456789012:assumed-role/deploy/session`), or the subject of a JWT
that an HTTP API has checked. Give it a function of its own: it needs the store, and no right to start tasks. Its package is
made with `dispatcher package --api`. Give nobody else the right to invoke it: a direct invocation can name any caller.

https://docs.aws.amazon.com/lambda/latest/dg/urls-invocation.html#urls-payloads
https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-lambda.html
"""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any
from urllib.parse import quote, urlencode

from dispatcher.errors import Fault, InvalidInput
from dispatcher.functions.aws_lambda import environment
from dispatcher.functions.http_api import ApiRequest, ApiResponse, HttpApi

Event = Mapping[str, Any]


def handler(event: Event, context: object) -> dict[str, Any]:  # noqa: ARG001 - the platform's signature
    """Answer one request. Raises `InvalidInput` for an event that is none."""
    response = _api().answer(request_of(event))
    return answer_of(response, event)


def request_of(event: Event) -> ApiRequest:
    """The request in an event. Raises `InvalidInput`."""
    context = event.get("requestContext") if isinstance(event, Mapping) else None
    if not isinstance(context, Mapping) or not ("http" in context or "httpMethod" in event):
        raise InvalidInput("event", [Fault("requestContext", "is not a request of a function URL or of API Gateway")])
    body = event.get("body") or ""
    content = b64decode(body) if event.get("isBase64Encoded") else body.encode()
    if "http" in context:
        cookies = event.get("cookies") or []
        headers = [*(event.get("headers") or {}).items(), *([("cookie", "; ".join(cookies))] if cookies else [])]
        return ApiRequest(
            method=context["http"]["method"],
            path=_without_stage(event["rawPath"], context),
            query=event.get("rawQueryString") or "",
            headers=headers,
            body=content,
            caller=_caller(context.get("authorizer") or {}),
        )
    return ApiRequest(
        method=event["httpMethod"],
        path=quote(event["path"]),
        query=urlencode(event.get("multiValueQueryStringParameters") or {}, doseq=True),
        headers=list(_every(event.get("multiValueHeaders") or {})),
        body=content,
        caller=(context.get("identity") or {}).get("userArn") or None,
    )


def answer_of(response: ApiResponse, event: Event) -> dict[str, Any]:
    """The answer as the sender of the event takes it."""
    answer = {"statusCode": int(response.status), "body": response.body.decode(), "isBase64Encoded": False}
    if "http" in event["requestContext"]:
        return {**answer, "headers": dict(response.headers)}
    many: dict[str, list[str]] = {}
    for name, value in response.headers:
        many.setdefault(name, []).append(value)
    return {**answer, "multiValueHeaders": many}


def _caller(authorizer: Event) -> str | None:
    """Who was authenticated: by IAM, or by the token that an HTTP API has checked."""
    by_iam, by_token = authorizer.get("iam") or {}, authorizer.get("jwt") or {}
    return by_iam.get("userArn") or (by_token.get("claims") or {}).get("sub") or None


def _without_stage(path: str, context: Event) -> str:
    """A named stage of an HTTP API is the first part of the path."""
    stage = context.get("stage", "$default")
    return path.removeprefix(f"/{stage}") if stage != "$default" and path.startswith(f"/{stage}/") else path


def _every(headers: Event) -> Iterator[tuple[str, str]]:
    for name, values in headers.items():
        yield from ((name, value) for value in values)


@cache
def _api() -> HttpApi:
    return HttpApi(environment())
