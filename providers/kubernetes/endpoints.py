"""How one cluster is reached: its address, its certificates, and the identity for its calls."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from urllib.parse import urlsplit

from providers.kubernetes.identities import Identity
from providers.places import HostLacks

DEFAULT_NAMESPACE = "default"


@dataclass(frozen=True, slots=True, kw_only=True)
class Cluster:
    """The address of one cluster, and the identity for its calls."""

    server: str
    ca: str = ""
    """CA certificates as PEM; if empty, the certificates that this machine trusts."""
    verify: bool = True
    tls_server_name: str = ""
    identity: Identity
    namespace: str = DEFAULT_NAMESPACE
    proxy: str = ""


def usable_server(server: str, path: str) -> str:
    """An address without a slash at its end. Raises `HostLacks`."""
    parts = urlsplit(server)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.password:
        raise HostLacks(f"{path}: give https://host:port, and no password")
    return server.rstrip("/")


def decoded(data: str, path: str) -> str:
    """The text that base64 encodes. Raises `HostLacks`."""
    try:
        return base64.b64decode(data, validate=True).decode()
    except ValueError:
        raise HostLacks(f"{path}: is not base64 of a text") from None
