"""Secrets by reference, in two ways.

* A Key Vault URI (`https://<vault>/secrets/<name>`): Azure reads the secret with a user-assigned identity of the group.
* The name of an entry of the dispatcher's credentials: the environment variable that it names is read at the call and sent as a
  secure value, which Azure never returns. If Azure's own model has a field for a secret (`workspaceKey`, `storageAccountKey`,
  `password`, `secureValue`, the values of a secret volume), a template writes such a name there.

The secrets themselves never appear in a template, a store or an outcome.
"""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from providers.base import ConfigurationError
from providers.container_instance.entries import CredentialEntries
from providers.values import mapping

SECRET_FIELDS = frozenset({"password", "secureValue", "storageAccountKey", "workspaceKey"})
"""The fields of Azure's model that take a secret's value. The values of a volume's `secret` also do, in base64."""
_KEY_VAULT = re.compile(r"https://[\w.-]+/secrets/[\w-]+(/\w+)?/?")


@dataclass(slots=True, kw_only=True)
class Secrets:
    """Resolves the secret references of one job, and collects the declarations that its group needs for them."""

    entries: CredentialEntries
    identity: str | None
    """The resource id of the identity that reads Key Vault."""
    declared: dict[str, dict[str, str]] = field(default_factory=dict)

    def variable(self, name: str, reference: Any) -> dict[str, str]:
        """An environment variable whose value is read from `reference`."""
        path = f"secrets.{name}"
        if _is_key_vault(reference):
            return {"name": name, "secureValueReference": self._declare(reference, path)}
        return {"name": name, "secureValue": self.entries.named_secret(reference, path)}

    def password(self, reference: Any, path: str) -> dict[str, str]:
        """A registry's password, read from `reference`."""
        if _is_key_vault(reference):
            return {"passwordReference": self._declare(reference, path)}
        return {"password": self.entries.named_secret(reference, path)}

    def filled(self, value: Any, path: str) -> Any:
        """`value` with secrets in place of the names in its secret fields."""
        if isinstance(value, Mapping):
            return {key: self._filled_field(key, item, f"{path}.{key}") for key, item in value.items()}
        if isinstance(value, list):
            return [self.filled(item, f"{path}[{index}]") for index, item in enumerate(value)]
        return value

    def _filled_field(self, key: str, value: Any, path: str) -> Any:
        if key in SECRET_FIELDS:
            return self.entries.named_secret(value, path)
        if key == "secret":
            return {name: self._encoded(item, f"{path}.{name}") for name, item in mapping(value, path).items()}
        return self.filled(value, path)

    def _encoded(self, reference: Any, path: str) -> str:
        return b64encode(self.entries.named_secret(reference, path).encode()).decode()

    def _declare(self, uri: str, path: str) -> str:
        if not self.identity:
            raise ConfigurationError(
                f"{path}: Key Vault is read with a user-assigned identity of the group; add one to identities"
            )
        name = next((name for name, item in self.declared.items() if item["secretReferenceUri"] == uri), None)
        if name is None:
            name = f"secret-{len(self.declared) + 1}"
            self.declared[name] = {"name": name, "identity": self.identity, "secretReferenceUri": uri}
        return name


def _is_key_vault(reference: Any) -> bool:
    return isinstance(reference, str) and _KEY_VAULT.fullmatch(reference) is not None
