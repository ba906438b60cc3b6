"""Lambda's asynchronous invocations: accepted and kept for a test to read, because nothing runs the function here.

A policy must allow the qualified ARN if the request has a qualifier, and otherwise the unqualified one.
https://docs.aws.amazon.com/lambda/latest/api/API_Invoke.html
"""

from __future__ import annotations

import re
import urllib.parse
from collections import deque
from dataclasses import dataclass, field
from typing import Any

from moto.awslambda.models import lambda_backends

from providers.emulators.ecs.errors import EcsError
from providers.emulators.web import HttpRequest, Response

_INVOKE = re.compile(r"POST /2015-03-31/functions/(.+)/invocations(?:\?.*?Qualifier=([^&]+))?")
_ARN = re.compile(r"arn:[^:]+:lambda:[^:]+:\d+:function:")
KEPT = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Invocation:
    """One accepted invocation."""

    function: str
    """The function's name, with the request's qualifier if it had one."""
    event: Any
    region: str = "us-east-1"


@dataclass(frozen=True, slots=True)
class LambdaFunctions:
    """The functions of one account, and their invocations, oldest first."""

    account: str
    invocations: deque[Invocation] = field(default_factory=lambda: deque(maxlen=KEPT))

    def take(self, name: str, request: HttpRequest, region: str) -> Response:
        """Accept an invocation. Raises EcsError for a synchronous invocation and for a function that does not exist."""
        if request.headers.get("x-amz-invocation-type") != "Event":
            raise EcsError("InvalidParameterValueException", "The emulator takes asynchronous invocations (Event) alone.")
        function = name.partition(":")[0]
        if function not in {existing.function_name for existing in lambda_backends[self.account][region].list_functions()}:
            arn = f"arn:aws:lambda:{region}:{self.account}:function:{name}"
            raise EcsError("ResourceNotFoundException", f"Function not found: {arn}", status=404)
        self.invocations.append(Invocation(function=name, event=request.json(), region=region))
        return Response(status=202)


def invoked(operation: str) -> str | None:
    """The function that a request to Lambda invokes, with its qualifier after a colon; None for any other request."""
    match = _INVOKE.fullmatch(operation)
    if match is None:
        return None
    name = _ARN.sub("", match.group(1))
    return f"{name}:{urllib.parse.unquote(match.group(2))}" if match.group(2) else name
