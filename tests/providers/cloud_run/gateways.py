"""What may stand between Google's client and Cloud Run: gateways that answer by themselves, and servers that never finish."""

from __future__ import annotations

import json
import socket
import threading
from contextlib import contextmanager

from providers.emulators.web import Response, WebServer


class Gateway:
    """Passes requests on to an emulator, unless `answer` (request -> response, or None) has an answer of its own.

    `change` (request, response -> response) may alter what the emulator answered.
    """

    def __init__(self, emulator):
        self.emulator = emulator
        self.answer = lambda request: None
        self.change = lambda request, response: response
        self.server = WebServer(emulator, self._answer)

    @property
    def url(self):
        return self.server.url

    def now(self):
        return self.emulator.now()

    def _answer(self, request):
        own = self.answer(request)
        return own if own is not None else self.change(request, self.emulator._answer(request))


@contextmanager
def a_gateway(emulator):
    gateway = Gateway(emulator)
    gateway.server.start()
    try:
        yield gateway
    finally:
        gateway.server.stop()


def saying(body, status=200, content_type="application/json"):
    """An answer with this body: bytes, text, or a value for JSON."""
    encoded = body if isinstance(body, bytes) else (body if isinstance(body, str) else json.dumps(body)).encode()
    return Response(status=status, headers={"Content-Type": content_type}, body=encoded)


@contextmanager
def a_server(behaviour):
    """A TCP server that does as `behaviour(connection, stopped)` says with each connection; yields its port."""
    stopped = threading.Event()
    listener = socket.create_server(("127.0.0.1", 0))
    threads = []

    def serve():
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            threads.append(threading.Thread(target=attend, args=(connection,), daemon=True))
            threads[-1].start()

    def attend(connection):
        with connection:
            try:
                behaviour(connection, stopped)
            except OSError:
                return

    accepting = threading.Thread(target=serve, daemon=True)
    accepting.start()
    try:
        yield listener.getsockname()[1]
    finally:
        stopped.set()
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        accepting.join()
        for thread in threads:
            thread.join()


def drip(connection, stopped):
    """Read the request, and answer a byte at a time for ever."""
    connection.recv(65536)
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 1000000\r\n\r\n")
    while not stopped.wait(0.01):
        connection.sendall(b" ")


def hang_up(connection, stopped):
    """Close the connection before a word was said."""
