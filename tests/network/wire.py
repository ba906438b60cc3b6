"""A hostile network below any protocol: it sees chunks of bytes, and knows nothing of what they mean."""

from __future__ import annotations

import select
import socket
from contextlib import closing
from itertools import count

from tests.network.faults import Act, Call, Fault, Script, passing
from tests.network.listening import Listener
from tests.network.proxy import DRIP_SECONDS

CHUNK = 1 << 16


class TcpProxy(Listener):
    """Stands before a port. A call is a chunk that a client sends: `body` is what is in it.

    A `HALF` answer is half of the first chunk that comes back; after `SILENT` and `DRIP` the connection stays so.
    """

    def __init__(self, port: int, script: Script = passing) -> None:
        super().__init__()
        self.script = script
        self._far_port = port
        self._numbers = count(1)

    def serve(self, client: socket.socket) -> None:
        """See `Listener.serve`."""
        with closing(socket.create_connection(("127.0.0.1", self._far_port))) as far_side:
            far_side.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            state: Act = None
            while True:
                ready, _, _ = select.select([client, far_side], [], [])
                if client in ready:
                    data = client.recv(CHUNK)
                    if not data:
                        return
                    state = state or self.script(Call(number=next(self._numbers), body=data))
                    if state is Fault.CUT_BEFORE:
                        return
                    far_side.sendall(data)
                if far_side in ready and not self._answered(client, far_side.recv(CHUNK), state):
                    return

    def _answered(self, client: socket.socket, data: bytes, state: Act) -> bool:
        """Hand an answer on; False when the connection is to break."""
        if not data or state is Fault.CUT_AFTER:
            return False
        if state is Fault.HALF:
            client.sendall(data[: len(data) // 2])
            return False
        if state is Fault.DRIP:
            return self._dripped(client, data)
        if state is not Fault.SILENT:
            client.sendall(data)
        return True

    def _dripped(self, client: socket.socket, data: bytes) -> bool:
        for place in range(len(data)):
            if self.stopped.wait(DRIP_SECONDS):
                return False
            client.sendall(data[place : place + 1])
        return True
