"""Reads the bodies of requests, within bounds."""

from __future__ import annotations

import json
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qsl

from starlette.requests import Request

from dispatcher.web.answers import Refused

MAX_BYTES = 1024 * 1024
MAX_BYTES_OF_RUNS = 10 * MAX_BYTES
"""Of a list of new runs."""
MAX_FIELDS = 1000
JSON, FORM = "application/json", "application/x-www-form-urlencoded"


async def json_body(request: Request, most: int = MAX_BYTES) -> Any:
    """The JSON value of a body. Raises `Refused`."""
    raw = await _body(request, JSON, most)
    try:
        return json.loads(raw, parse_constant=_no_constant)
    except (ValueError, RecursionError) as problem:
        reason = "it nests too deeply" if isinstance(problem, RecursionError) else str(problem)
        raise Refused(HTTPStatus.BAD_REQUEST, "not-json", f"the body is not JSON: {reason}") from None


async def form_body(request: Request) -> dict[str, list[str]]:
    """The fields of a form, each with all of its values. Raises `Refused`."""
    raw = await _body(request, FORM, MAX_BYTES)
    try:
        pairs = parse_qsl(raw.decode(), keep_blank_values=True, max_num_fields=MAX_FIELDS, errors="strict")
    except ValueError as problem:
        raise Refused(HTTPStatus.BAD_REQUEST, "not-a-form", f"the body is not a form: {problem}") from None
    fields: dict[str, list[str]] = {}
    for name, value in pairs:
        fields.setdefault(name, []).append(value.replace("\r\n", "\n"))
    return fields


async def _body(request: Request, kind: str, most: int) -> bytes:
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != kind:
        raise Refused(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "media-type", f"send the body as {kind}")
    parts, size = list[bytes](), 0
    async for part in request.stream():
        size += len(part)
        if size > most:
            raise Refused(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "too-large", f"a body may have at most {most} bytes")
        parts.append(part)
    return b"".join(parts)


def _no_constant(name: str) -> Any:
    words = f"{name} is not a value of JSON"
    raise ValueError(words)
