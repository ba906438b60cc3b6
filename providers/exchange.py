"""One HTTP exchange over a connection that stays open, bounded as a whole.

`http.client` and urllib3 take 0.6 ms of CPU for a small exchange, and a thread that bounds it takes more. Here urllib3 makes
the connection, with its addresses, certificates and timeouts, and keeps it. An exchange is then one write and the reads that
the answer needs, and each read waits no longer than the remaining time. So only connecting needs a thread.

It reads HTTP/1.1 as API servers speak it (RFC 9112): a length, chunks, or the end of the connection. Anything else is no
answer.
"""

from __future__ import annotations

import re
import ssl
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import urllib3.exceptions as wire
from urllib3.util import Timeout

from providers.deadlines import NoAnswerInTime, within

MOST_HEAD = 2**16
MOST_BODY = 2**26
"""Bytes. DynamoDB's largest answers have 16 MB."""
_STATUS = re.compile(rb"HTTP/1\.([01]) ([1-5]\d\d)(?: [^\r\n]*)?\Z")
_CHUNK = re.compile(rb"([0-9a-fA-F]{1,8})[ \t]*(?:;[^\r\n]*)?\Z")
_BODILESS = frozenset({204, 304})


@dataclass(frozen=True, slots=True)
class Answered:
    """An answer, read to its end."""

    status: int
    headers: Mapping[str, str]
    """By their names in small letters."""
    body: bytes


def exchange(pool: Any, target: str, headers: Mapping[str, str], body: bytes, seconds: float) -> Answered:
    """POST over a connection of a urllib3 pool to one host, without a proxy in between.

    Raises `NoAnswerInTime` after `seconds`, and the same `urllib3.exceptions` as `urlopen`.
    """
    until = time.monotonic() + seconds
    message = _message(pool, target, headers, body)
    connection = pool._get_conn()  # noqa: SLF001 - there is no public way to a connection; one that was closed meanwhile is seen
    kept = None
    try:
        if connection.sock is None:
            within(seconds, lambda: _connect(pool, connection))
        answer, reusable = _exchanged(connection.sock, message, until)
        kept = connection if reusable else None
    except TimeoutError as error:
        raise NoAnswerInTime(f"no whole answer within {seconds:g} s") from error
    except OSError as error:
        raise wire.ProtocolError("Connection aborted.", error) from error
    finally:
        if kept is None:
            connection.close()
        pool._put_conn(kept)  # noqa: SLF001 - as above
    return answer


def _connect(pool: Any, connection: Any) -> None:
    connection.timeout = Timeout.resolve_default_timeout(pool.timeout.connect_timeout)
    try:
        connection.connect()
    except ssl.SSLError as error:
        raise wire.SSLError(error) from error


def _message(pool: Any, target: str, headers: Mapping[str, str], body: bytes) -> bytes:
    port = "" if pool.port in (None, {"http": 80, "https": 443}[pool.scheme]) else f":{pool.port}"
    host = f"[{pool.host}]" if ":" in pool.host else pool.host
    fields = {"Host": f"{host}{port}", "Accept-Encoding": "identity", **headers, "Content-Length": str(len(body))}
    lines = [f"POST {target} HTTP/1.1", *(f"{name}: {value}" for name, value in fields.items())]
    head = "\r\n".join(lines)
    if head.count("\r") != len(fields) or head.count("\n") != len(fields):
        raise ValueError("a header's value ends its line")
    return head.encode("latin-1") + b"\r\n\r\n" + body


def _exchanged(sock: Any, message: bytes, until: float) -> tuple[Answered, bool]:
    """The answer, and whether the connection can be used again."""
    sock.settimeout(_seconds_left(until))
    sock.sendall(message)
    incoming = _Incoming(sock, until)
    version, status, headers = _head(incoming)
    while status < 200:  # announces the answer
        version, status, headers = _head(incoming)
    ends, body = _body(incoming, status, headers)
    reusable = ends and version == b"1" and "close" not in headers.get("connection", "").lower() and incoming.is_read
    return Answered(status, headers, body), reusable


def _head(incoming: _Incoming) -> tuple[bytes, int, dict[str, str]]:
    first, *lines = incoming.through(b"\r\n\r\n", MOST_HEAD).split(b"\r\n")
    status = _STATUS.match(first)
    if status is None:
        raise wire.ProtocolError(f"no status line of HTTP: {first[:80]!r}")
    headers: dict[str, str] = {}
    for line in lines:
        name, colon, value = line.decode("latin-1").partition(":")
        if not colon or not name or name[0].isspace():
            raise wire.ProtocolError(f"no header of HTTP: {line[:80]!r}")
        key, text = name.strip().lower(), value.strip()
        headers[key] = f"{headers[key]}, {text}" if key in headers else text
    return status[1], int(status[2]), headers


def _body(incoming: _Incoming, status: int, headers: Mapping[str, str]) -> tuple[bool, bytes]:
    """Whether the body says where it ends, and the body."""
    if status in _BODILESS:
        return True, b""
    if "chunked" in headers.get("transfer-encoding", "").lower():
        return True, _chunks(incoming)
    if "content-length" not in headers:
        return False, incoming.rest(MOST_BODY)
    length = headers["content-length"]
    if not length.isdecimal() or int(length) > MOST_BODY:
        raise wire.ProtocolError(f"no length of a body: {length[:80]!r}")
    return True, incoming.exactly(int(length))


def _chunks(incoming: _Incoming) -> bytes:
    parts: list[bytes] = []
    while True:
        size = _CHUNK.match(line := incoming.through(b"\r\n", MOST_HEAD))
        if size is None or sum(map(len, parts)) + (length := int(size[1], 16)) > MOST_BODY:
            raise wire.ProtocolError(f"no chunk of a body: {line[:80]!r}")
        if length == 0:
            break
        parts.append(incoming.exactly(length))
        if incoming.exactly(2) != b"\r\n":
            raise wire.ProtocolError("no end of a chunk")
    while incoming.through(b"\r\n", MOST_HEAD):  # trailers
        pass
    return b"".join(parts)


class _Incoming:
    """The incoming bytes of a connection, until a deadline."""

    def __init__(self, sock: Any, until: float) -> None:
        self._sock, self._until = sock, until
        self._bytes = b""

    @property
    def is_read(self) -> bool:
        """Whether all received bytes have been consumed."""
        return not self._bytes

    def through(self, mark: bytes, most: int) -> bytes:
        """The bytes before the mark. The mark is read too."""
        while (end := self._bytes.find(mark)) < 0 and len(self._bytes) <= most:
            self._bytes += self._next_part()
        if not 0 <= end <= most:
            raise wire.ProtocolError(f"no {mark!r} within {most} bytes")
        part, self._bytes = self._bytes[:end], self._bytes[end + len(mark) :]
        return part

    def exactly(self, count: int) -> bytes:
        """Exactly this many bytes."""
        parts, left = [self._bytes], count - len(self._bytes)
        while left > 0:
            parts.append(self._next_part())
            left -= len(parts[-1])
        whole = b"".join(parts)
        self._bytes = whole[count:]
        return whole[:count]

    def rest(self, most: int) -> bytes:
        """Everything until the connection ends."""
        parts, length = [self._bytes], len(self._bytes)
        while length <= most and (part := self._received()):
            parts.append(part)
            length += len(part)
        if length > most:
            raise wire.ProtocolError(f"no end of a body within {most} bytes")
        return b"".join(parts)

    def _next_part(self) -> bytes:
        if part := self._received():
            return part
        raise wire.ProtocolError("Connection aborted.", ConnectionResetError("it was closed before the end of the answer"))

    def _received(self) -> bytes:
        self._sock.settimeout(_seconds_left(self._until))
        part: bytes = self._sock.recv(2**16)
        return part


def _seconds_left(until: float) -> float:
    left = until - time.monotonic()
    if left <= 0:
        raise TimeoutError
    return left
