"""Connections by the name of their credentials, made on first use and kept."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any, Generic, Protocol, TypeVar

from providers.base import ConfigurationError
from providers.deadlines import within
from providers.google.accounts import NO_PROJECT, NO_REGION, AccountEntry, AccountLacks, PlaceNames
from providers.once import Once

STILL_LACKING = 5.0
"""Seconds for which a missing host identity is remembered, because looking for one takes seconds."""


class HasProject(Protocol):
    """A connection as one identity."""

    project: str | None
    """The host's project."""


Connection = TypeVar("Connection", bound=HasProject)


class Connections(Generic[Connection]):
    """Connections by the name of their credentials, made by `connect`. Safe to use from several threads."""

    def __init__(
        self, entries: Mapping[str, Mapping[str, Any]], connect: Callable[[AccountEntry], Connection], *, project: str | None
    ) -> None:
        self._entries, self._connect, self._project = dict(entries), connect, project
        self._connections: Once[str | None, Connection] = Once()
        self._lacking: dict[str | None, tuple[float, AccountLacks]] = {}

    def of(self, names: PlaceNames, end: float) -> tuple[Connection, str, str]:
        """The connection, project and region for a configuration; `end` is a time of the monotonic clock.

        Raises `ConfigurationError`, `AccountLacks`, or another `CallFailed` when the host's identity could not be obtained.
        """
        account = self._account(names.credentials)
        if names.region is None:
            raise AccountLacks(NO_REGION, parts=3)
        connection = self._connected(names.credentials, account, end)
        project = names.project or account.project or self._project or connection.project
        if not project:
            raise AccountLacks(NO_PROJECT, parts=2)
        return connection, project, names.region

    def named(self, name: str | None, end: float) -> Connection:
        """The connection of one entry, or of the host itself (None). Raises like `of`."""
        return self._connected(name, self._account(name), end)

    def _account(self, name: str | None) -> AccountEntry:
        if name is None:
            return AccountEntry()
        if name not in self._entries:
            names = ", ".join(sorted(self._entries)) or "none"
            raise ConfigurationError(
                f"credentials: {name!r} is not an entry of DISPATCHER_CREDENTIALS (its entries: {names}); add it there"
            )
        return AccountEntry.of(name, self._entries[name])

    def _connected(self, name: str | None, account: AccountEntry, end: float) -> Connection:
        connection = self._connections.peek(name)
        if connection is None:  # the host's identity may come from a service, which may be slow
            attempt = lambda: self._attempt(name, account)  # noqa: E731 - what `Once` makes
            connection = within(end - time.monotonic(), lambda: self._connections.get(name, attempt))
        return connection

    def _attempt(self, name: str | None, account: AccountEntry) -> Connection:
        """A connection. If the host just lacked an identity, the callers that waited do not look for it again."""
        since, problem = self._lacking.get(name, (0.0, None))
        if problem is not None and time.monotonic() - since < STILL_LACKING:
            raise AccountLacks(str(problem), parts=problem.parts)
        try:
            return self._connect(account)
        except AccountLacks as lack:
            self._lacking[name] = (time.monotonic(), lack)
            raise


def with_scheme(endpoint: str | None) -> str | None:
    """An endpoint as a URL; the bare `host:port` of an emulator becomes plain HTTP."""
    return f"http://{endpoint}" if endpoint and "://" not in endpoint else endpoint or None
