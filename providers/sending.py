"""Distinguishes a request that was never sent from one that got no answer.

A refused connection, a name that does not resolve, a proxy that denies the connection and a failed TLS handshake prove that the
server did not see the request. Any later failure proves nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from types import TracebackType

from providers.base import CallFailed

CONNECTING = (
    ("urllib3/connection.py", "connect"),
    ("asyncio/base_events.py", "create_connection"),
    ("providers/docker/dialling.py", "connect"),
)
"""Files and functions (of urllib3, asyncio and our own) that make a connection and send no part of a request."""


class NeverSent(CallFailed):
    """No part of the request has left this host."""


def never_sent(error: BaseException) -> bool:
    """True when `error` was raised while the connection was being made, so no part of the request has left this host."""
    return any(_was_connecting(link.__traceback__) for link in _chain(error))


def _was_connecting(trace: TracebackType | None) -> bool:
    while trace is not None:
        code = trace.tb_frame.f_code
        if any(code.co_name == name and code.co_filename.replace("\\", "/").endswith(file) for file, name in CONNECTING):
            return True
        trace = trace.tb_next
    return False


def _chain(error: BaseException) -> Iterator[BaseException]:
    """The error and its causes; the Azure SDK keeps the first cause in its own attribute."""
    seen: set[int] = set()
    waiting: list[BaseException | None] = [error]
    while waiting:
        link = waiting.pop()
        if isinstance(link, BaseException) and id(link) not in seen:
            seen.add(id(link))
            waiting += [link.__cause__, link.__context__, getattr(link, "inner_exception", None)]
            yield link
