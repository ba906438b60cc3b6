"""The SDK's names for connection failures. The provider's conclusions follow from these names."""

from __future__ import annotations

import urllib3.exceptions as wire

_NAMES: tuple[tuple[type[Exception], str], ...] = (
    (wire.SSLError, "SSLError"),
    (wire.NewConnectionError, "EndpointConnectionError"),
    (wire.ProxyError, "ProxyConnectionError"),
    (wire.ConnectTimeoutError, "ConnectTimeoutError"),
    (wire.ReadTimeoutError, "ReadTimeoutError"),
    (wire.HTTPError, "ConnectionClosedError"),
)
"""The failures in the order in which `botocore.httpsession.URLLib3Session.send` checks them."""


def name_of_failure(error: Exception) -> str:
    """The SDK's name for a failure of urllib3."""
    return next(name for kind, name in _NAMES if isinstance(error, kind))
