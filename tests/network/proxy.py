"""A hostile HTTP/1.1 network between an unmodified SDK and the server that it believes to speak with.

    with HttpProxy(emulator.url) as proxy:
        proxy.script = nth(2, Fault.CUT_AFTER, only=lambda call: call.action == "RunTask")
        EcsProvider(endpoint_url=proxy.url, ...)

Which fault meets which call is said by a script (`tests.network.faults`); `refuse` and `admit` close and open the port itself.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException
from http.server import BaseHTTPRequestHandler
from itertools import count
from socket import socket
from typing import Any, ClassVar
from urllib.parse import urlsplit

from tests.network.faults import UNASKED, Act, Answer, Call, Fault, Script, passing, unasked
from tests.network.listening import Listener

DRIP_SECONDS = 0.05
"""Between two bytes of an answer that drips: far less than any read waits for."""
DRIP_BYTES = 4000
"""White space before a dripping body: together more than three minutes."""
FAR_SIDE_SECONDS = 60.0

_NOT_PASSED_ON = frozenset({"connection", "keep-alive", "transfer-encoding", "content-length"})


@dataclass(frozen=True, slots=True)
class Exchange:
    """One call, and what came back from the far side; None where nothing was sent to it."""

    call: Call
    act: Act
    answer: Answer | None


class HttpProxy(Listener):
    """Stands between clients and `upstream`."""

    def __init__(self, upstream: str, script: Script = passing) -> None:
        super().__init__()
        self.script = script
        self.exchanges: list[Exchange] = []
        """All that passed, in the order of their ends."""
        self.upstream = urlsplit(upstream)
        self.numbers = count(1)

    @property
    def url(self) -> str:
        """Where clients find the far side."""
        return f"http://127.0.0.1:{self.port}"

    def serve(self, client: socket) -> None:
        """See `Listener.serve`."""
        bound = type("BoundHandler", (_Handler,), {"proxy": self})
        with closing(HTTPConnection(str(self.upstream.hostname), self.upstream.port, timeout=FAR_SIDE_SECONDS)) as far_side:
            bound.far_side = far_side
            bound(client, ("", 0), None)

    def note(self, call: Call, act: Act, answer: Answer | None) -> None:
        """Keep what happened."""
        self.exchanges.append(Exchange(call, act, answer))


class _Cut(Exception):
    """The client's connection is to break."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1
    proxy: ClassVar[HttpProxy]
    far_side: ClassVar[HTTPConnection]

    def handle_one_request(self) -> None:
        self.raw_requestline = self.rfile.readline(65537)
        if not self.raw_requestline or not self.parse_request():
            self.close_connection = True
            return
        call = self._call()
        try:
            self._carry(call, self.proxy.script(call))
        except (_Cut, OSError, HTTPException):
            self.close_connection = True

    def _call(self) -> Call:
        headers = {name.lower(): value for name, value in self.headers.items()}
        length = int(headers.get("content-length") or 0)
        return Call(
            number=next(self.proxy.numbers),
            method=self.command,
            path=self.path,
            headers=headers,
            body=self.rfile.read(length) if length else b"",
        )

    def _carry(self, call: Call, act: Act) -> None:
        answer = self._asked(call, act)
        self.proxy.note(call, act, answer)
        if act in (Fault.CUT_BEFORE, Fault.CUT_AFTER):
            raise _Cut
        if act is Fault.SILENT:
            self.proxy.stopped.wait(FAR_SIDE_SECONDS)
            raise _Cut
        reply = unasked(act) if isinstance(act, Fault) and act in UNASKED else act if isinstance(act, Answer) else answer
        assert reply is not None
        if callable(act):
            reply = act(reply)
        self._send(reply, act)

    def _asked(self, call: Call, act: Act) -> Answer | None:
        """What the far side answers; None where it is not asked."""
        if isinstance(act, Answer) or act is Fault.CUT_BEFORE or act in UNASKED:
            return None
        if act is Fault.REPEATED:
            self._ask(call)
        return self._ask(call)

    def _ask(self, call: Call) -> Answer:
        headers = {name: value for name, value in call.headers.items() if name not in _NOT_PASSED_ON}
        if call.body or call.method in ("POST", "PUT", "PATCH"):
            headers["content-length"] = str(len(call.body))
        try:
            self.far_side.request(call.method, call.path, body=call.body or None, headers=headers)
            reply = self.far_side.getresponse()
            body = reply.read()
        except BaseException:
            self.far_side.close()
            raise
        kept = {name.lower(): value for name, value in reply.getheaders() if name.lower() not in _NOT_PASSED_ON}
        return Answer(status=reply.status, headers=kept, body=body)

    def _send(self, answer: Answer, act: Act) -> None:
        slow = act is Fault.DRIP
        body = b" " * DRIP_BYTES + answer.body if slow else answer.body
        self.wfile.write(_head(answer.status, answer.headers, len(body)))
        self.wfile.flush()
        if slow:
            self._drip(body)
        elif act is Fault.HALF:
            self.wfile.write(body[: len(body) // 2])
            self.wfile.flush()
            raise _Cut
        else:
            if self.command != "HEAD":
                self.wfile.write(body)
            self.wfile.flush()

    def _drip(self, body: bytes) -> None:
        for place in range(len(body)):
            if self.proxy.stopped.wait(DRIP_SECONDS):
                raise _Cut
            self.wfile.write(body[place : place + 1])
            self.wfile.flush()

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class's name
        """Silent."""


def _head(status: int, headers: Mapping[str, str], length: int) -> bytes:
    lines = [f"HTTP/1.1 {status} Answer", *(f"{name}: {value}" for name, value in headers.items())]
    if status != 204:
        lines.append(f"content-length: {length}")
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")


def on_a_thread(call: Any, seconds: float = 10.0) -> Any:
    """What a call answers or raises, on a thread of its own. Fails when it has not ended after `seconds`."""
    came: list[Any] = []

    def make() -> None:
        try:
            came.append((call(), None))
        except BaseException as problem:  # noqa: BLE001 - handed on
            came.append((None, problem))

    thread = threading.Thread(target=make, daemon=True)
    thread.start()
    thread.join(seconds)
    assert came, f"the call hangs: it did not end within {seconds:g} s"
    [(result, problem)] = came
    if problem is not None:
        raise problem
    return result
