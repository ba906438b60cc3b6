"""From a configuration, or a handle, to the place it means and the connection that reaches it."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from providers.base import CallFailed, ConfigurationError
from providers.cloud_run.place import NO_PROJECT, NO_REGION, Account, HostLacks, Place, place_names
from providers.deadlines import within
from providers.once import Once

if TYPE_CHECKING:
    from providers.cloud_run.connection import Connection
    from providers.cloud_run.region import Region

EMULATOR_VARIABLE = "CLOUD_RUN_EMULATOR_HOST"
"""`host:port` of an emulator, when no endpoint is given."""

STILL_LACKING = 5.0
"""Seconds for which a host that had no identity is taken to have none: to look for one takes seconds by itself."""


class Regions:
    """Connections by the name of their credentials, made on first use and kept. Safe to use from several threads."""

    def __init__(
        self, entries: Mapping[str, Mapping[str, Any]], *, endpoint: str | None, project: str | None, seconds: float
    ) -> None:
        self._entries = dict(entries)
        self._endpoint = with_scheme(endpoint or os.environ.get(EMULATOR_VARIABLE))
        self._project = project
        self._seconds = seconds
        self._connections: Once[str | None, Connection] = Once()
        self._lacking: dict[str | None, tuple[float, HostLacks]] = {}

    def of(self, configuration: Mapping[str, Any]) -> Region:
        """Where a configuration puts jobs.

        Raises `ConfigurationError`, `HostLacks`, or another `CallFailed` when the host's identity could not be had.
        """
        end = time.monotonic() + self._seconds
        names = place_names(configuration)
        account = self._account(names.credentials)
        if names.region is None:
            raise HostLacks(NO_REGION, parts=3)
        connection = self._connect(names.credentials, account, end)
        project = names.project or account.project or self._project or connection.project
        if not project:
            raise HostLacks(NO_PROJECT, parts=2)
        return self._region(Place(project=project, region=names.region, credentials=names.credentials), connection, end)

    def at(self, place: Place) -> Region:
        """A place that a submission names. Raises `CallFailed`."""
        end = time.monotonic() + self._seconds
        try:
            return self._region(place, self._connect(place.credentials, self._account(place.credentials), end), end)
        except ConfigurationError as problem:
            raise CallFailed(str(problem)) from problem

    def _region(self, place: Place, connection: Connection, end: float) -> Region:
        from providers.cloud_run.region import Region  # noqa: PLC0415 - Google's SDK is imported on first use

        return Region(place, connection, end)

    def _account(self, name: str | None) -> Account:
        if name is None:
            return Account()
        if name not in self._entries:
            names = ", ".join(sorted(self._entries)) or "none"
            raise ConfigurationError(f"credentials: no entry is named {name!r}; there are: {names}")
        return Account.of(name, self._entries[name])

    def _connect(self, name: str | None, account: Account, end: float) -> Connection:
        connection = self._connections.peek(name)
        if connection is None:  # who the host is may be asked of a service, which may be slow to say
            connection = within(end - time.monotonic(), lambda: self._connect_first(name, account))
        return connection

    def _connect_first(self, name: str | None, account: Account) -> Connection:
        from providers.cloud_run.connection import Connection  # noqa: PLC0415 - Google's SDK is imported on first use

        return self._connections.get(name, lambda: self._attempt(name, lambda: Connection(account, self._endpoint)))

    def _attempt(self, name: str | None, connect: Callable[[], Connection]) -> Connection:
        """A connection; what the host lacked a moment ago is not looked for again by each caller that waited."""
        since, problem = self._lacking.get(name, (0.0, None))
        if problem is not None and time.monotonic() - since < STILL_LACKING:
            raise HostLacks(str(problem), parts=problem.parts)
        try:
            return connect()
        except HostLacks as lack:
            self._lacking[name] = (time.monotonic(), lack)
            raise


def with_scheme(endpoint: str | None) -> str | None:
    """An endpoint as a URL: an emulator's `host:port` speaks plain HTTP."""
    return f"http://{endpoint}" if endpoint and "://" not in endpoint else endpoint or None
