"""The regions of Vertex AI. The first one imports google-auth."""

from __future__ import annotations

from typing import TYPE_CHECKING

from providers.google.accounts import AccountEntry
from providers.google.regions import GoogleRegions
from providers.vertex_ai.place import Place
from providers.vertex_ai.region import Region

if TYPE_CHECKING:
    from providers.vertex_ai.connection import Connection


class Regions(GoogleRegions[Place, "Connection", Region]):
    """The regions of one provider."""

    emulator_variable = "VERTEX_AI_EMULATOR_HOST"

    def _connect(self, account: AccountEntry) -> Connection:
        from providers.vertex_ai.connection import Connection  # noqa: PLC0415 - google-auth is imported on first use

        return Connection(account, self._endpoint)

    def _region(self, place: Place, connection: Connection, end: float) -> Region:
        return Region(place, connection, self._endpoint, end)
