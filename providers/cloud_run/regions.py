"""Resolves a configuration or a handle to its place and the connection to it."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from providers.base import CallFailed, ConfigurationError
from providers.cloud_run.place import Place, place_names
from providers.google.accounts import AccountEntry
from providers.google.connections import Connections, with_scheme

if TYPE_CHECKING:
    from providers.cloud_run.connection import Connection
    from providers.cloud_run.region import Region

EMULATOR_VARIABLE = "CLOUD_RUN_EMULATOR_HOST"
"""The variable with the `host:port` of an emulator, used if no endpoint is set."""


class Regions:
    """The regions of one provider; the first one imports Google's SDK. Safe to use from several threads."""

    def __init__(
        self, entries: Mapping[str, Mapping[str, Any]], *, endpoint: str | None, project: str | None, seconds: float
    ) -> None:
        self._endpoint = with_scheme(endpoint or os.environ.get(EMULATOR_VARIABLE))
        self._connections: Connections[Connection] = Connections(entries, self._connect, project=project)
        self._seconds = seconds

    def of(self, configuration: Mapping[str, Any]) -> Region:
        """The region in which a configuration puts jobs.

        Raises `ConfigurationError`, `AccountLacks`, or another `CallFailed` when the host's identity could not be obtained.
        """
        end = time.monotonic() + self._seconds
        names = place_names(configuration)
        connection, project, region = self._connections.of(names, end)
        return self._region(Place(project=project, region=region, credentials=names.credentials), connection, end)

    def at(self, place: Place) -> Region:
        """The region of a submission's place. Raises `CallFailed`."""
        end = time.monotonic() + self._seconds
        try:
            return self._region(place, self._connections.named(place.credentials, end), end)
        except ConfigurationError as problem:
            raise CallFailed(str(problem)) from problem

    def _region(self, place: Place, connection: Connection, end: float) -> Region:
        from providers.cloud_run.region import Region  # noqa: PLC0415 - Google's SDK is imported on first use

        return Region(place, connection, end)

    def _connect(self, account: AccountEntry) -> Connection:
        from providers.cloud_run.connection import Connection  # noqa: PLC0415 - Google's SDK is imported on first use

        return Connection(account, self._endpoint)
