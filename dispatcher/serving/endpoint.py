"""What `dispatcher serve` answers over HTTP: is it healthy, what has it measured, and a wake.

    GET  /healthz   200 while ticks succeed, 503 with the reason otherwise
    GET  /metrics   the measurements, as Prometheus reads them
    POST /wake      202: a tick begins at once, of {"pool": NAME} or of every pool (see `dispatcher.waking`)

Nobody has to sign in. It listens on this machine alone unless `--host` says otherwise; then a Host that is not this machine's
is refused, so that no web page of somebody's browser can read it through a name of its own. A wake that a browser sends for a
page of another origin is refused anywhere.
"""

from __future__ import annotations

import json
import socket
import socketserver
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import BoundedSemaphore, Thread
from typing import Any
from urllib.parse import urlsplit

from dispatcher.environment.addresses import is_loopback
from dispatcher.serving.health import Health
from dispatcher.serving.turns import EVERY_POOL

MAX_BODY = 64 * 1024
AT_ONCE = 32
"""Connections; more are closed at once."""
SECONDS = 5.0
"""For each read from a client."""
JSON = "application/json"

Metrics = Callable[[str], tuple[bytes, str]]
"""By the Accept header, the page of metrics and its type."""


class NotServed(Exception):
    """A request that is not done; the status and the words of the answer."""

    def __init__(self, status: HTTPStatus, problem: str) -> None:
        super().__init__(problem)
        self.status = status


@dataclass(frozen=True, kw_only=True)
class Answers:
    """What the endpoint answers from."""

    health: Health
    wake: Callable[[str], None]
    metrics: Metrics | None = None


class Handler(BaseHTTPRequestHandler):
    """One request."""

    server: Server
    server_version, sys_version = "push-dispatcher", ""
    timeout = SECONDS

    def do_GET(self) -> None:
        """Health and metrics."""
        self._answer({"/healthz": self._health, "/metrics": self._metrics})

    def do_POST(self) -> None:
        """A wake."""
        self._answer({"/wake": self._wake})

    def _answer(self, pages: dict[str, Callable[[], None]]) -> None:
        try:
            self._check_host()
            pages.get(urlsplit(self.path).path, self._nothing)()
        except NotServed as refused:
            self._send_json(refused.status, {"error": str(refused)})
        except ValueError:  # no Host or path that could be read
            self._send_json(HTTPStatus.BAD_REQUEST, {"error": "the request cannot be read"})

    def _nothing(self) -> None:
        raise NotServed(HTTPStatus.NOT_FOUND, "there is GET /healthz, GET /metrics and POST /wake")

    def _check_host(self) -> None:
        host = urlsplit(f"//{self.headers.get('Host', '')}").hostname or ""
        if self.server.is_local and not is_loopback(host):
            raise NotServed(HTTPStatus.FORBIDDEN, "the Host of the request is not this machine")

    def _health(self) -> None:
        health = self.server.answers.health
        fault = health.fault()
        status = HTTPStatus.SERVICE_UNAVAILABLE if fault else HTTPStatus.OK
        self._send_json(status, {"healthy": not fault, "reason": fault, "within_seconds": health.within})

    def _metrics(self) -> None:
        if self.server.answers.metrics is None:
            raise NotServed(
                HTTPStatus.NOT_IMPLEMENTED,
                "metrics need prometheus_client, which is not installed: pip install 'push-dispatcher[serve]'",
            )
        page, kind = self.server.answers.metrics(self.headers.get("Accept", ""))
        self._send(HTTPStatus.OK, page, kind)

    def _wake(self) -> None:
        if self.headers.get("Origin"):
            raise NotServed(HTTPStatus.FORBIDDEN, "a web page may not wake the dispatcher")
        pool = pool_of(self._body())
        self.server.answers.wake(pool)
        self._send_json(HTTPStatus.ACCEPTED, {"pool": pool or None})

    def _body(self) -> bytes:
        length = self.headers.get("Content-Length", "" if "Transfer-Encoding" in self.headers else "0")
        if not length.isdecimal():
            raise NotServed(HTTPStatus.LENGTH_REQUIRED, "send a Content-Length")
        if len(length) > 9 or int(length) > MAX_BODY:
            raise NotServed(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"the body is larger than {MAX_BODY // 1024} KiB")
        return self.rfile.read(int(length))

    def _send_json(self, status: HTTPStatus, shape: dict[str, Any]) -> None:
        self._send(status, json.dumps(shape).encode() + b"\n", JSON)

    def _send(self, status: HTTPStatus, body: bytes, kind: str) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Cache-Control", "no-store")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *arguments: Any) -> None:  # noqa: A002 - the name is the library's
        """Log nothing: a probe every few seconds is not an event."""


def pool_of(body: bytes) -> str:
    """The pool that a wake is for. Raises `NotServed`."""
    if not body.strip():
        return EVERY_POOL
    try:
        event = json.loads(body)
    except (ValueError, RecursionError):
        raise NotServed(HTTPStatus.BAD_REQUEST, "the body is not JSON") from None
    if event == {}:
        return EVERY_POOL
    if not isinstance(event, dict) or event.keys() != {"pool"} or not isinstance(event["pool"], str) or not event["pool"]:
        raise NotServed(HTTPStatus.BAD_REQUEST, 'send nothing, {} or {"pool": NAME}')
    return str(event["pool"])


class Server(ThreadingHTTPServer):
    """The server: a thread for each connection, for a bounded number of them."""

    daemon_threads = True
    block_on_close = False
    request_queue_size = AT_ONCE

    def __init__(self, host: str, port: int, answers: Answers) -> None:
        self.address_family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self.is_local, self.answers = is_loopback(host), answers
        self._free = BoundedSemaphore(AT_ONCE)
        super().__init__((host, port), Handler)

    def server_bind(self) -> None:
        """As `HTTPServer` does, but without asking a name server for a name of this machine."""
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = self.server_address[:2]  # type: ignore[assignment]

    def process_request(self, request: Any, client_address: Any) -> None:
        """Answer in a thread, if not too many are at work."""
        if self._free.acquire(blocking=False):
            super().process_request(request, client_address)
        else:
            self.shutdown_request(request)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """The work of that thread."""
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._free.release()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of a client that went away."""

    @property
    def url(self) -> str:
        """Where it listens."""
        host, port = self.server_address[:2]
        return f"http://[{host!s}]:{port}" if self.address_family == socket.AF_INET6 else f"http://{host!s}:{port}"


@contextmanager
def listening(host: str, port: int, answers: Answers) -> Iterator[Server]:
    """A server that answers meanwhile. Port 0 is any free one. Raises OSError when it cannot listen there."""
    with Server(host, port, answers) as server:
        thread = Thread(target=server.serve_forever, name="endpoint", kwargs={"poll_interval": 0.1}, daemon=True)
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()
