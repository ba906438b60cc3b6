"""Resolves a configuration or a handle to its region: a place, and the calls there as one identity."""

from __future__ import annotations

import os
import time
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Generic, Self, TypeVar

from providers.base import CallFailed, ConfigurationError
from providers.google.accounts import AccountEntry, PlaceNames, place_names
from providers.google.connections import Connections, HasProject, with_scheme
from providers.places import filled


@dataclass(frozen=True, slots=True, kw_only=True)
class GooglePlace:
    """Everything that is needed to address a call."""

    project: str
    region: str
    credentials: str | None = None
    """The name of an entry of the dispatcher's credentials; None is the host's own identity."""

    def handle(self) -> dict[str, str]:
        """The place as a part of a submission's handle."""
        return filled({"project": self.project, "region": self.region, "credentials": self.credentials})

    @classmethod
    def from_handle(cls, handle: Mapping[str, str]) -> Self:
        """The place that a handle names."""
        return cls(project=handle["project"], region=handle["region"], credentials=handle.get("credentials"))


Place = TypeVar("Place", bound=GooglePlace)
Connection = TypeVar("Connection", bound=HasProject)
Region = TypeVar("Region")


class GoogleRegions(ABC, Generic[Place, Connection, Region]):
    """The regions of one provider; the first one imports Google's libraries. Safe to use from several threads."""

    emulator_variable: ClassVar[str]
    """The variable with the `host:port` of an emulator, used if no endpoint is set."""

    def __init__(
        self,
        place: type[Place],
        entries: Mapping[str, Mapping[str, Any]],
        *,
        endpoint: str | None,
        project: str | None,
        seconds: float,
    ) -> None:
        self._place, self._seconds = place, seconds
        self._endpoint = with_scheme(endpoint or os.environ.get(self.emulator_variable))
        self._connections: Connections[Connection] = Connections(entries, self._connect, project=project)

    def of(self, configuration: Mapping[str, Any]) -> Region:
        """The region in which a configuration puts jobs.

        Raises `ConfigurationError`, `AccountLacks`, or another `CallFailed` when the host's identity could not be obtained.
        """
        end = time.monotonic() + self._seconds
        names = self._names(configuration)
        connection, project, region = self._connections.of(names, end)
        return self._region(self._place(project=project, region=region, credentials=names.credentials), connection, end)

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
            return self._region(place, self._connections.named(place.credentials, end), end)
        except ConfigurationError as problem:
            raise CallFailed(str(problem)) from problem

    def _names(self, configuration: Mapping[str, Any]) -> PlaceNames:
        return place_names(configuration)

    @abstractmethod
    def _connect(self, account: AccountEntry) -> Connection:
        """Make the connection of an account."""

    @abstractmethod
    def _region(self, place: Place, connection: Connection, end: float) -> Region:
        """The calls in a place; `end` is a time of the monotonic clock."""
