"""The Lambda runtime API of one sandbox (https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html)."""

from __future__ import annotations

import json
import queue
import threading
import uuid
from concurrent.futures import Future
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

PREFIX = "/2018-06-01/runtime/"
ARN = "arn:aws:lambda:us-east-1:123456789012:function:push-dispatcher"


class FunctionError(Exception):
    """What the function raised, as the runtime reports it."""

    def __init__(self, report: dict[str, Any]) -> None:
        self.type, self.message = report["errorType"], report["errorMessage"]
        super().__init__(f"{self.type}: {self.message}")


@dataclass
class Invocation:
    """One event on its way through the sandbox."""

    event: Any
    deadline: float
    """Seconds since the epoch at which the platform ends it."""
    request_id: str = field(default_factory=lambda: str(uuid.uuid4()))
    answer: Future[Any] = field(default_factory=Future)


class RuntimeApi:
    """Hands out invocations to the one runtime that asks, and takes its answers."""

    def __init__(self) -> None:
        self._waiting: queue.SimpleQueue[Invocation | None] = queue.SimpleQueue()
        self._running: dict[str, Invocation] = {}
        self.initialised: Future[None] = Future()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02})
        self._thread.start()

    @property
    def address(self) -> str:
        """For AWS_LAMBDA_RUNTIME_API."""
        return f"127.0.0.1:{self._server.server_port}"

    def put(self, invocation: Invocation) -> None:
        self._running[invocation.request_id] = invocation
        self._waiting.put(invocation)

    def next(self) -> Invocation | None:
        """The next event; the first time that this is asked, the function's module has been imported."""
        if not self.initialised.done():
            self.initialised.set_result(None)
        return self._waiting.get()

    def take(self, path: str, body: Any) -> None:
        """An answer, an error, or an error before the first event."""
        if path == "init/error":
            self.initialised.set_exception(FunctionError(body))
            return
        _, request_id, kind = path.split("/")
        answer = self._running.pop(request_id).answer
        if kind == "error":
            answer.set_exception(FunctionError(body))
        else:
            answer.set_result(body)

    def close(self) -> None:
        self._waiting.put(None)
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


def _handler(api: RuntimeApi) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            assert self.path == f"{PREFIX}invocation/next", self.path
            invocation = api.next()
            if invocation is None:
                self.close_connection = True
                return
            headers = {
                "Lambda-Runtime-Aws-Request-Id": invocation.request_id,
                "Lambda-Runtime-Deadline-Ms": str(int(1000 * invocation.deadline)),
                "Lambda-Runtime-Invoked-Function-Arn": ARN,
            }
            self._say(200, json.dumps(invocation.event).encode(), headers)

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            api.take(self.path.removeprefix(PREFIX), json.loads(body))
            self._say(202, b'{"status": "OK"}', {})

        def _say(self, status: int, body: bytes, headers: dict[str, str]) -> None:
            self.send_response(status)
            for name, value in {**headers, "Content-Type": "application/json", "Content-Length": str(len(body))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            """Not here."""

    return Handler
