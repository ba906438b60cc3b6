"""A receiver of webhooks on this machine, over a real socket."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Event, Thread


class Inbox(HTTPServer):
    """Keeps what it gets, each as its path, headers and body, and answers with `status`."""

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Receiver)
        self.status, self.got = 200, []
        self.hang_up = Event()
        self.drips = False
        self.url = f"http://127.0.0.1:{self.server_port}/hook"


class Receiver(BaseHTTPRequestHandler):
    server: Inbox

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.got.append((self.path, {name.lower(): value for name, value in self.headers.items()}, body))
        self.drip() if self.server.drips else self.answer()

    def answer(self):
        self.send_response(self.server.status)
        self.send_header("Location", "/elsewhere")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def drip(self):
        """An answer whose head has no end: a byte at a time until the inbox hangs up."""
        self.wfile.write(b"HTTP/1.1 200 OK\r\nX-Slow: ")
        while not self.server.hang_up.wait(0.02):
            self.wfile.write(b".")

    def log_message(self, *_):
        pass


@contextmanager
def an_inbox() -> Iterator[Inbox]:
    """An inbox that is open inside the `with` block."""
    with Inbox() as server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.hang_up.set()
        server.shutdown()
        thread.join()
