"""Entries of the dispatcher's credentials: identities, registry passwords, secret values. They name secrets and hold none."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from typing import Any

from providers.base import ConfigurationError
from providers.places import HostLacks

ENTRY_KEYS = frozenset(
    {"tenant_id", "client_id", "client_secret_env", "token_file", "aws_audience", "username", "password_env", "value_env"}
    | {"registry_url", "identity"}
)
"""`*_env` are names of environment variables on the dispatcher's host; their values are read at the call."""


class CredentialEntries:
    """The entries by name. An entry is checked only when it is used, because others may belong to other clouds."""

    def __init__(self, entries: Mapping[str, Mapping[str, Any]], environment: Mapping[str, str] | None = None) -> None:
        self._environment = os.environ if environment is None else environment
        self._entries = entries

    def entry(self, name: str, path: str, *, may_hold_secret: bool = False) -> Mapping[str, Any]:
        """An entry. Raises `HostLacks` if it does not exist or has other keys.

        With `may_hold_secret` an error does not repeat an unknown name, which may be a password.
        """
        if name not in self._entries:
            shown = "what is written there" if may_hold_secret else repr(name)
            names = ", ".join(sorted(self._entries)) or "none"
            raise HostLacks(f"{path}: {shown} is not an entry of DISPATCHER_CREDENTIALS (its entries: {names}); add it there")
        return _checked(name, self._entries[name])

    def identity(self, credentials: str) -> Mapping[str, Any]:
        """The identity that a `Place` names: an entry, an object in the template, or the host's own if it names none."""
        if not credentials:
            return {}
        if credentials.startswith("{"):
            entry: dict[str, Any] = json.loads(credentials)
            return entry
        return self.entry(credentials, "aci_credentials")

    def named_secret(self, name: Any, path: str) -> str:
        """The secret in the variable that an entry's `value_env` or `password_env` names. Errors never repeat the
        entry's name.
        """
        if not isinstance(name, str):
            raise ConfigurationError(f"{path}: give the name of an entry of the dispatcher's credentials")
        entry = self.entry(name, path, may_hold_secret=True)
        return self.secret(entry, "value_env" if "value_env" in entry else "password_env", path)

    def secret(self, entry: Mapping[str, Any], key: str, path: str) -> str:
        """The value of the environment variable that `entry[key]` names. Raises `HostLacks`."""
        variable = entry.get(key)
        if not variable:
            raise HostLacks(f"{path}: the named entry of the dispatcher's credentials has no {key}")
        if not isinstance(variable, str) or not self._environment.get(variable):
            raise HostLacks(f"{path}: the environment variable {variable} of the dispatcher's host is not set")
        return self._environment[variable]


def _checked(name: str, entry: Mapping[str, Any]) -> Mapping[str, Any]:
    if surplus := sorted(entry.keys() - ENTRY_KEYS):
        raise HostLacks(
            f"credentials.{name}: has unknown keys: {', '.join(surplus)}; the keys are {', '.join(sorted(ENTRY_KEYS))}."
            " A secret is named by an environment variable, not written down."
        )
    return entry
