"""A port that lets clients in or refuses them, and stays the same meanwhile."""

from __future__ import annotations

import socket
import threading
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress


class Listener(ABC):
    """Serves each client on a thread of its own. A context manager."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._open: set[socket.socket] = set()
        self._socket = _bound(0)
        self.port = int(self._socket.getsockname()[1])
        self.stopped = threading.Event()
        self.refusals = 0
        """How often the port began to refuse."""

    def __enter__(self):
        self.admit()
        return self

    def __exit__(self, *_exception: object) -> None:
        self.stopped.set()
        _closed(self._socket)
        self.drop()

    def admit(self) -> None:
        """Let clients in."""
        self._socket.listen(128)
        threading.Thread(target=self._accept, args=(self._socket,), daemon=True).start()

    def refuse(self) -> None:
        """Refuse every connection, and break those that are open. Nobody else gets the port."""
        _closed(self._socket)
        self.drop()
        self._socket = _bound(self.port)
        self.refusals += 1

    @contextmanager
    def refusing(self) -> Iterator[None]:
        """Nobody is let in meanwhile."""
        self.refuse()
        yield
        self.admit()

    def drop(self) -> None:
        """Break every open connection."""
        with self._lock:
            connections, self._open = self._open, set()
        for connection in connections:
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    @abstractmethod
    def serve(self, client: socket.socket) -> None:
        """Speak with one client; its connection is closed afterwards."""

    def _accept(self, listening: socket.socket) -> None:
        with suppress(OSError):
            while True:
                client, _ = listening.accept()
                client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                threading.Thread(target=self._safely, args=(client,), daemon=True).start()

    def _safely(self, client: socket.socket) -> None:
        with self._lock:
            self._open.add(client)
        with suppress(OSError), closing(client):
            self.serve(client)
        with self._lock:
            self._open.discard(client)


def _bound(port: int) -> socket.socket:
    """A socket that has its port and does not listen: whoever connects is refused."""
    made = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    made.bind(("127.0.0.1", port))
    return made


def _closed(listening: socket.socket) -> None:
    with suppress(OSError):
        listening.shutdown(socket.SHUT_RDWR)
    listening.close()
