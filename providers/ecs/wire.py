"""How a connection can fail, by the names that the SDK gives: what the provider concludes follows from these names."""

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
"""In the order in which `botocore.httpsession.URLLib3Session.send` checks them."""


def name_of_failure(error: Exception) -> str:
    """The SDK's name for a failure of urllib3."""
    return next(name for kind, name in _NAMES if isinstance(error, kind))
