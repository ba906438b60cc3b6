"""The credentials for pulling images: entries of the dispatcher's credentials, which name a password and never hold one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from providers.places import HostLacks

KEYS = frozenset({"username", "password_env", "registry_url"})


class Registries:
    """The entries by name: `{"username": ..., "password_env": ..., "registry_url": ...}`, checked when they are used."""

    def __init__(self, entries: Mapping[str, Mapping[str, Any]], environment: Mapping[str, str]) -> None:
        self._entries, self._environment = entries, environment

    def credentials(self, name: str | None) -> dict[str, str] | None:
        """The credentials that the engine sends to the registry; None without a name. Raises `HostLacks`, which repeats no
        name: it may be a key.
        """
        if name is None:
            return None
        entry = self._entries.get(name)
        if entry is None:
            names = ", ".join(sorted(self._entries)) or "none"
            raise HostLacks(
                f"registry_credentials: does not name an entry of DISPATCHER_CREDENTIALS (its entries: {names}); add it there"
            )
        if surplus := sorted(entry.keys() - KEYS):
            raise HostLacks(
                f"credentials.{name}: has unknown keys: {', '.join(surplus)}; the keys are {', '.join(sorted(KEYS))}"
            )
        if missing := sorted(key for key in KEYS if not isinstance(entry.get(key), str) or not entry[key]):
            raise HostLacks(f"credentials.{name}: give {', '.join(missing)}")
        password = self._environment.get(entry["password_env"])
        if not password:
            raise HostLacks(f"credentials.{name}: the environment variable {entry['password_env']} is not set on this host")
        return {"username": entry["username"], "password": password, "serveraddress": entry["registry_url"]}
