"""Clients for concurrent requests. A store serves one thread at a time, so each request borrows a client."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from starlette.types import Scope

from dispatcher.client import Dispatcher
from dispatcher.models import Actor
from dispatcher.wiring import Wiring
from providers.base import Provider

KEPT = 8
"""How many unused clients, each with its own connection, are kept."""


@dataclass
class ClientLender:
    """Lends clients, and makes new ones while all are lent."""

    make: Callable[[], Dispatcher]
    providers: Callable[[str], Provider]
    """Returns the provider of a pool type; it is used only to read logs."""
    _idle: deque[Dispatcher] = field(default_factory=deque)

    @contextmanager
    def lent(self, scope: Scope | None = None, via: str = "page") -> Iterator[Dispatcher]:
        """A client for one request. Its changes are made in the name of the sender that the guard has identified."""
        client = self._take()
        actor = (scope or {}).get("state", {}).get("actor")
        try:
            yield client.acting(Actor(name=actor, via=via)) if actor else client
        finally:
            if len(self._idle) < KEPT:
                self._idle.append(client)
            else:
                client.store.close()

    def close(self) -> None:
        """Release the connections of clients that nobody uses."""
        while self._idle:
            self._idle.pop().store.close()

    def _take(self) -> Dispatcher:
        try:
            return self._idle.pop()
        except IndexError:
            return self.make()


def clients_of(wiring: Wiring) -> ClientLender:
    """Clients, each with its own store, except that they share a store in memory."""
    return ClientLender(lambda: wiring.client_with(wiring.store_for_thread()), wiring.dispatch.providers)
