"""One connection per identity, subscription and API version. The region of each resource group is read once."""

from __future__ import annotations

import os
from importlib.util import find_spec
from typing import TYPE_CHECKING

from providers.base import ProviderUnavailable
from providers.container_instance.entries import CredentialEntries
from providers.container_instance.group import API_VERSION
from providers.container_instance.place import Place
from providers.once import Once

if TYPE_CHECKING:
    from azure.core.credentials import TokenCredential

    from providers.container_instance.arm import Arm

ENDPOINT_VARIABLE = "AZURE_RESOURCE_MANAGER_ENDPOINT"
"""The variable with the URL of another Resource Manager than the public cloud's: a national cloud's or an emulator's."""


def require_sdk() -> None:
    """Raises `ProviderUnavailable` when the SDK is not installed; imports none of it."""
    try:
        missing = find_spec("azure.mgmt.containerinstance") is None or find_spec("azure.identity") is None
    except ModuleNotFoundError:
        missing = True
    if missing:
        raise ProviderUnavailable(
            "Azure Container Instances need the Azure SDK, which is not installed: pip install 'push-dispatcher[azure]'"
        )


class Connections:
    """Connections by place. Safe to use from several threads; the first connection imports the SDK."""

    def __init__(self, entries: CredentialEntries, endpoint: str | None) -> None:
        self._entries, self._endpoint = entries, endpoint
        self._arms: Once[tuple[str, str, str], Arm] = Once()
        self._regions: Once[Place, str] = Once()

    def arm(self, place: Place, api_version: str = API_VERSION) -> Arm:
        """The connection of a place. Raises `ConfigurationError` if its credentials cannot be used."""
        key = (place.subscription_id, place.credentials, api_version)
        return self._arms.get(key, lambda: self._made(place, api_version))

    def region(self, place: Place) -> str:
        """The resource group's own region. Raises `ArmFailure`."""
        return self._regions.get(place, lambda: self.arm(place).region(place.resource_group))

    def _made(self, place: Place, api_version: str) -> Arm:
        from providers.container_instance.arm import Arm  # noqa: PLC0415 - imports the SDK, on first use

        endpoint = self._endpoint or os.environ.get(ENDPOINT_VARIABLE)
        return Arm(place.subscription_id, self._credential(place, endpoint), endpoint=endpoint, api_version=api_version)

    def _credential(self, place: Place, endpoint: str | None) -> TokenCredential | None:
        """None for an endpoint without TLS: a token could be stolen on the way, and an emulator needs none."""
        identity = self._entries.identity(place.credentials)
        if endpoint is not None and endpoint.startswith("http://"):
            return None
        from providers.container_instance.identity import LazyCredential  # noqa: PLC0415 - imports the SDK, on first use

        keyed = "client_secret_env" in identity
        secret = self._entries.secret(identity, "client_secret_env", "aci_credentials") if keyed else None
        return LazyCredential(identity, secret)
