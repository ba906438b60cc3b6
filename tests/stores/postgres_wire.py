"""What may stand between a store and its PostgreSQL server: a connection that breaks, and a pooler in transaction mode."""

import select
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from itertools import cycle
from typing import Any

Breaks = Callable[[int, bytes], bool]
"""Whether the connection breaks at a request: its number, and what is sent."""


class _Proxy:
    """Listens on a free port, and serves each client on a thread of its own."""

    def __init__(self, server_port: int) -> None:
        self._server_port = server_port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                _at_once(client)
                threading.Thread(target=self._safely, args=(client,), daemon=True).start()

    def _safely(self, client: socket.socket) -> None:
        with suppress(OSError), closing(client):
            self._serve(client)

    def _connect(self) -> socket.socket:
        return _at_once(socket.create_connection(("127.0.0.1", self._server_port)))

    def _serve(self, client: socket.socket) -> None:
        raise NotImplementedError


class Cutter(_Proxy):
    """Counts what a client sends, and breaks the connection where the test asks for it."""

    def __init__(self, server_port: int, *, delay: float = 0.0) -> None:
        """`delay`: seconds by which what the client sends arrives later."""
        super().__init__(server_port)
        self._delay = delay
        self.requests = self.trips = self.statements = 0
        """What the client has sent in one piece; how often it asked for all answers so far, which is a round trip; and the
        statements in what it sent."""
        self.has_cut = False
        self._breaks: Breaks | None = None
        self._passed_on = False

    def cut(self, breaks: Breaks, *, passed_on: bool) -> None:
        """Break once, at the next request that is fit: before the server sees it, or after it has answered."""
        self.requests, self.has_cut, self._breaks, self._passed_on = 0, False, breaks, passed_on

    def restore(self) -> None:
        """Break no further request."""
        self._breaks = None

    def _serve(self, client: socket.socket) -> None:
        with closing(self._connect()) as server:
            unread, begun = bytearray(), False
            while True:
                ready, _, _ = select.select([client, server], [], [])
                for side in ready:
                    data = side.recv(1 << 16)
                    if not data or (side is client and self._breaks_at(data, server)):
                        return
                    if side is client:
                        kinds = _messages_in(unread, data) if begun else []
                        self.statements += sum(kind in b"PQ" for kind in kinds)
                        self.trips += sum(kind in b"SQ" for kind in kinds)
                        begun = True  # what comes first is not a message like the others
                    if side is client and self._delay:
                        time.sleep(self._delay)
                    (server if side is client else client).sendall(data)

    def _breaks_at(self, data: bytes, server: socket.socket) -> bool:
        self.requests += 1
        if self._breaks is None or not self._breaks(self.requests, data):
            return False
        self._breaks, self.has_cut = None, True
        if self._passed_on:
            server.sendall(data)
            server.settimeout(1)  # a message of which this is a part has no answer yet
            with suppress(TimeoutError):
                server.recv(1 << 16)
        return True


class Pooler(_Proxy):
    """Gives every transaction another connection to the server, as PgBouncer may in transaction mode."""

    def __init__(self, server_port: int, connections: int = 3) -> None:
        super().__init__(server_port)
        self._connections = connections
        self.switches = 0

    def _serve(self, client: socket.socket) -> None:
        startup = _startup(client)
        servers = [self._connect() for _ in range(self._connections)]
        try:
            for server in servers:
                server.sendall(startup)
            greetings = [_until_ready(server) for server in servers]
            client.sendall(greetings[0])
            if greetings[0][:1] != b"E":
                self._relay(client, cycle(servers))
        finally:
            for server in servers:
                server.close()

    def _relay(self, client: socket.socket, servers: Iterator[socket.socket]) -> None:
        while data := client.recv(1 << 16):
            self.switches += 1
            server = next(servers)
            server.sendall(data)
            self._transaction(client, server)

    def _transaction(self, client: socket.socket, server: socket.socket) -> None:
        """Until the server says that it is idle."""
        while True:
            ready, _, _ = select.select([client, server], [], [])
            if client in ready:
                data = client.recv(1 << 16)
                if not data:
                    return
                server.sendall(data)
            if server in ready:
                kind, message = _message(server)
                client.sendall(message)
                if kind == b"Z" and message[-1:] == b"I":
                    return


def _messages_in(unread: bytearray, data: bytes) -> list[bytes]:
    """The kinds of the client's messages that are whole now; the rest stays `unread`.

    Parse and Query bring a statement; Sync and Query ask for the answers to all that was sent.
    """
    unread += data
    kinds = []
    while len(unread) >= 5 and len(unread) > (length := struct.unpack_from("!I", unread, 1)[0]):
        kinds.append(bytes(unread[:1]))
        del unread[: length + 1]
    return kinds


def _at_once(side: socket.socket) -> socket.socket:
    """Nothing is held back to be sent along with more."""
    side.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return side


def _startup(client: socket.socket) -> bytes:
    length = _exactly(client, 4)
    return length + _exactly(client, struct.unpack("!I", length)[0] - 4)


def _message(server: socket.socket) -> tuple[bytes, bytes]:
    head = _exactly(server, 5)
    return head[:1], head + _exactly(server, struct.unpack("!I", head[1:])[0] - 4)


def _until_ready(server: socket.socket) -> bytes:
    """All that the server says before it takes requests, or an error."""
    said = b""
    while True:
        kind, message = _message(server)
        said += message
        if kind in (b"Z", b"E"):
            return said


def _exactly(side: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size:
        more: Any = side.recv(size - len(data))
        if not more:
            raise ConnectionError("the other side has gone")
        data += more
    return data
