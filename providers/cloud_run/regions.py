"""The regions of Cloud Run. The first one imports Google's SDK."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from providers.cloud_run.place import Place, place_names
from providers.google.accounts import AccountEntry, PlaceNames
from providers.google.regions import GoogleRegions

if TYPE_CHECKING:
    from providers.cloud_run.connection import Connection
    from providers.cloud_run.region import Region


class Regions(GoogleRegions[Place, "Connection", "Region"]):
    """The regions of one provider."""

    emulator_variable = "CLOUD_RUN_EMULATOR_HOST"

    def _names(self, configuration: Mapping[str, Any]) -> PlaceNames:
        return place_names(configuration)

    def _connect(self, account: AccountEntry) -> Connection:
        from providers.cloud_run.connection import Connection  # noqa: PLC0415 - Google's SDK is imported on first use

        return Connection(account, self._endpoint)

    def _region(self, place: Place, connection: Connection, end: float) -> Region:
        from providers.cloud_run.region import Region  # noqa: PLC0415 - Google's SDK is imported on first use

        return Region(place, connection, end)
