"""Resolves a configuration or a handle to its place and the calls there."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from providers.base import CallFailed, ConfigurationError
from providers.google.accounts import AccountEntry, place_names
from providers.google.connections import Connections, with_scheme
from providers.vertex_ai.place import Place
from providers.vertex_ai.region import Region

if TYPE_CHECKING:
    from providers.vertex_ai.connection import Connection

EMULATOR_VARIABLE = "VERTEX_AI_EMULATOR_HOST"
"""The variable with the `host:port` of an emulator, used if no endpoint is set."""


class Regions:
    """The regions of one provider. Safe to use from several threads."""

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
        return Region(Place(project=project, region=region, credentials=names.credentials), connection, self._endpoint, end)

    def asked(self, configuration: Mapping[str, Any]) -> Region:
        """The same region for a read. Raises only `CallFailed`."""
        try:
            return self.of(configuration)
        except ConfigurationError as problem:
            raise CallFailed(str(problem)) from problem

    def at(self, place: Place) -> Region:
        """The region of a submission's place. Raises `CallFailed`."""
        end = time.monotonic() + self._seconds
        try:
            return Region(place, self._connections.named(place.credentials, end), self._endpoint, end)
        except ConfigurationError as problem:
            raise CallFailed(str(problem)) from problem

    def _connect(self, account: AccountEntry) -> Connection:
        from providers.vertex_ai.connection import Connection  # noqa: PLC0415 - google-auth is imported on first use

        return Connection(account, self._endpoint)
