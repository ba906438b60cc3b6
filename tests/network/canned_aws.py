"""Answers for an unmodified client of the AWS SDK, without a network: for tests that need thousands of them."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import count
from typing import Any

from botocore.awsrequest import AWSResponse, HeadersDict

from tests.network.faults import Answer


class _Raw:
    def __init__(self, body: bytes) -> None:
        self._body = body

    def stream(self, **_: Any) -> Iterator[bytes]:
        yield self._body


@contextmanager
def answering(client: Any, answers: Sequence[Answer]) -> Iterator[None]:
    """Nothing is sent: the client's requests get these answers in turn, and the last of them for ever."""
    turns = count()

    def answer(request: Any, **_: Any) -> AWSResponse:
        canned = answers[min(next(turns), len(answers) - 1)]
        return AWSResponse(request.url, canned.status, HeadersDict(canned.headers), _Raw(canned.body))

    client.meta.events.register("before-send", answer)
    try:
        yield
    finally:
        client.meta.events.unregister("before-send", answer)
