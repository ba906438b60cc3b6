"""Calls to AWS from within AWS Lambda, without the SDK: on a cold start this takes a fifth of the time of loading botocore.

Lambda puts the keys of the function's role into its environment. If the configuration needs nothing else (see `lambda_host`),
the address and the signature follow from the region and these keys, and a call is one POST. Everything else goes through the
SDK: another partition, FIPS, dual stack, a proxy, a profile, a role to assume.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import urllib3

from providers.exchange import Answered, exchange
from providers.signature import Addressee, Keys, signed

KEYS = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")
ASKS_FOR_MORE = re.compile(
    r"AWS_(USE_.*|PROFILE|DEFAULT_PROFILE|CONFIG_FILE|SHARED_CREDENTIALS_FILE|CA_BUNDLE|DATA_PATH|IGNORE_.*|DEFAULTS_MODE"
    r"|AUTH_SCHEME_PREFERENCE|BEARER_TOKEN_.*|ROLE_ARN|WEB_IDENTITY_TOKEN_FILE|ACCOUNT_ID.*)|REQUESTS_CA_BUNDLE"
    r"|(HTTPS?|ALL)_PROXY",
    re.IGNORECASE,
)
"""Variables that request something only the SDK can do."""
REGION = re.compile(r"(?!us-gov-|us-iso)(us|eu|ap|sa|ca|me|af|il|mx)-[a-z]+-\d")
"""Regions of the partition `aws`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LambdaHost:
    """The address of one service, for the calls of a function."""

    service: str
    region: str
    url: str


def lambda_host(environment: Mapping[str, str], service: str, region: str | None) -> LambdaHost | None:
    """This host, if it is a Lambda function that needs nothing else; None: the calls go through the SDK."""
    if "AWS_LAMBDA_FUNCTION_NAME" not in environment or not all(environment.get(key) for key in KEYS):
        return None
    if region is None or not REGION.fullmatch(region):
        return None
    if any(value and ASKS_FOR_MORE.fullmatch(name) for name, value in environment.items()):
        return None
    if any(Path("~/.aws", name).expanduser().exists() for name in ("config", "credentials")):
        return None
    variables = (f"AWS_ENDPOINT_URL_{service.upper()}", "AWS_ENDPOINT_URL")
    addresses = (environment[name] for name in variables if environment.get(name))
    url = next(addresses, f"https://{service}.{region}.amazonaws.com").rstrip("/")
    return LambdaHost(service=service, region=region, url=url) if not urlsplit(url).path else None


class LambdaCaller:
    """POSTs to one service, signed by the function's role. Safe to use from several threads."""

    def __init__(self, host: LambdaHost, connect_seconds: float, connections: int) -> None:
        self.host = host
        timeout = urllib3.Timeout(connect=connect_seconds)
        self._manager = urllib3.PoolManager(maxsize=connections, timeout=timeout, cert_reqs="CERT_REQUIRED", ca_certs=_bundle())
        self._pool = self._manager.connection_from_url(host.url)

    def post(self, headers: Mapping[str, str], body: bytes, seconds: float) -> Answered:
        """Make a POST. Raises `NoAnswerInTime` after `seconds`, and the exceptions of `urllib3.exceptions`."""
        all_headers = signed_headers(self.host, headers, body, os.environ, datetime.now(UTC))
        return exchange(self._pool, "/", all_headers, body, seconds)

    def close(self) -> None:
        """Close the connections."""
        self._manager.clear()


def signed_headers(
    host: LambdaHost, headers: Mapping[str, str], body: bytes, environment: Mapping[str, str], now: datetime
) -> Mapping[str, str]:
    """All headers of a request: these, and a signature that covers them."""
    addressee = Addressee(host=urlsplit(host.url).netloc, region=host.region, service=host.service)
    trace = environment.get("_X_AMZN_TRACE_ID")
    return {
        **signed(headers, body, addressee, Keys(*(environment[key] for key in KEYS)), now),
        "User-Agent": "push-dispatcher",
        **({"X-Amzn-Trace-Id": quote(trace, safe="-=;:+&[]{}\"',")} if trace else {}),
    }


def _bundle() -> str | None:
    """The SDK's own certificates, found without importing it."""
    package: Any = find_spec("certifi") or find_spec("botocore")
    files = [Path(place, "cacert.pem") for place in (package.submodule_search_locations or ())] if package else []
    return next((str(file) for file in files if file.exists()), None)
