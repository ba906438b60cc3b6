"""A small HTTP/1.1 server for emulators. An application is a function from `HttpRequest` to `Response`.

The control API is served in front of it. Connections are kept alive, with one thread each. It needs only the standard library.
"""

from __future__ import annotations

import contextlib
import json
import logging
import socket
import sys
import threading
import urllib.parse
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar

from providers.emulators import control
from providers.emulators.base import Emulator


class AnswerLost(Exception):
    """Raised by an application to give no answer: the client's connection breaks."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpRequest:
    """One HTTP request, read to its end."""

    method: str
    path: str
    """The decoded path, without the query."""
    raw_query: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    """The headers by lower-case name."""
    body: bytes = b""

    @property
    def query(self) -> dict[str, str]:
        """The query's parameters; if a name is repeated, the last one wins."""
        return dict(urllib.parse.parse_qsl(self.raw_query, keep_blank_values=True))

    def json(self) -> Any:
        """The body as JSON; `{}` if it is empty. Raises ValueError."""
        return json.loads(self.body) if self.body else {}


@dataclass(frozen=True, slots=True, kw_only=True)
class Response:
    """One HTTP answer; its length is added when it is sent."""

    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""

    @classmethod
    def json(cls, value: Any, *, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
        """An answer in JSON; `headers` may name another content type."""
        return cls(
            status=status, headers={"Content-Type": "application/json", **(headers or {})}, body=json.dumps(value).encode()
        )


Application = Callable[[HttpRequest], Response]


class WebServer:
    """Serves `application` (None: only the control API) on `host` and `port` (0: a free one)."""

    def __init__(self, emulator: Emulator, application: Application | None, *, host: str = "127.0.0.1", port: int = 0) -> None:
        self._emulator, self._application = emulator, application
        self._address = (host, port)
        self._server: _HttpServer | None = None
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Start listening, and answer from its own threads."""
        handler = type("BoundHandler", (_Handler,), {"application": staticmethod(self._answer)})
        self._server = _HttpServer(self._address, handler)
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Close the socket and all connections; a second call does nothing."""
        if self._server is None or self._thread is None:
            return
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
        self._server.drop_connections()
        self._server = None

    @property
    def url(self) -> str:
        """`http://host:port`."""
        if self._server is None:
            raise RuntimeError("the emulator is not started: use it in a `with`, or call start() first")
        host, port = self._server.server_address[:2]
        return f"http://{host!s}:{port}"

    def _answer(self, request: HttpRequest) -> Response:
        if request.path == control.PREFIX or request.path.startswith(control.PREFIX + "/"):
            return self._control(request)
        if self._application is None:
            return Response.json({"error": "this port serves the control surface alone"}, status=404)
        return self._application(request)

    def _control(self, request: HttpRequest) -> Response:
        try:
            body = request.json()
        except ValueError as error:
            return Response.json({"error": f"the body is not JSON: {error}"}, status=400)
        status, answer = control.answer(self._emulator, request.method, request.path, request.query, body)
        return Response.json(answer, status=status)


def _failure(problem: str) -> bytes:
    """A complete HTTP answer, after which the connection is closed."""
    body = json.dumps({"error": problem}).encode()
    headers = f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\nConnection: close"
    return f"HTTP/1.1 500 Internal Server Error\r\n{headers}\r\n\r\n".encode() + body


class _HttpServer(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, address: tuple[str, int], handler: type[BaseHTTPRequestHandler]) -> None:
        self._open: set[socket.socket] = set()
        super().__init__(address, handler)

    def process_request(self, request: Any, client_address: Any) -> None:
        self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        self._open.discard(request)
        super().shutdown_request(request)

    def drop_connections(self) -> None:
        """Close the kept connections: a stopped server must not answer on them."""
        for connection in list(self._open):
            self.shutdown_request(connection)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Answer 500 and log an exception of the emulator itself. A disconnected client is not logged."""
        error = sys.exception()
        if not isinstance(error, ConnectionError | TimeoutError):
            logging.getLogger(__name__).error("an emulator failed to answer %s", client_address, exc_info=error)
            with contextlib.suppress(OSError):
                request.sendall(_failure(f"the emulator failed: {type(error).__name__}: {error}"))


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1  # one packet per answer
    application: ClassVar[Application]

    def handle_one_request(self) -> None:
        self.raw_requestline = self.rfile.readline(65537)
        if not self.raw_requestline:
            self.close_connection = True
        elif self.parse_request():
            self._respond()

    def handle_expect_100(self) -> bool:
        """Flush the answer: the client waits for it before it sends the body."""
        super().handle_expect_100()
        self.wfile.flush()
        return True

    def _respond(self) -> None:
        try:
            response = type(self).application(self._read())
        except AnswerLost:
            self.close_connection = True
            return
        self.send_response_only(response.status)
        for name, value in response.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(response.body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(response.body)
        self.wfile.flush()

    def _read(self) -> HttpRequest:
        path, _, query = self.path.partition("?")
        length = int(self.headers.get("Content-Length") or 0)
        return HttpRequest(
            method=self.command,
            path=urllib.parse.unquote(path),
            raw_query=query,
            headers={name.lower(): value for name, value in self.headers.items()},
            body=self.rfile.read(length) if length else b"",
        )
