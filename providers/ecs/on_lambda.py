"""ECS from within AWS Lambda, without the SDK: a cold function pays a fifth of what botocore costs to load.

Lambda puts the keys of the function's role into its environment. Where nothing else is asked for (`lambda_host` says when), the
address and the signature follow from the region and these keys alone, and all that is left is a POST of JSON. Whatever this
module does not know about leads to the SDK: another partition, FIPS, dual stack, a proxy, a profile, a role to assume.
https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
"""

from __future__ import annotations

import hmac
import json
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from hashlib import sha256
from http.client import responses
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import urllib3
from urllib3.util.retry import Retry

from providers.deadlines import within
from providers.ecs.answers import Garbled
from providers.ecs.outcomes import AwsFailure, Fault, retry_seconds, texts_of
from providers.ecs.wire import name_of_failure

KEYS = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")
ADDRESSES = ("AWS_ENDPOINT_URL_ECS", "AWS_ENDPOINT_URL")
"""Variables that name another address, in the SDK's order."""
ASKS_FOR_MORE = re.compile(
    r"AWS_(USE_.*|PROFILE|DEFAULT_PROFILE|CONFIG_FILE|SHARED_CREDENTIALS_FILE|CA_BUNDLE|DATA_PATH|IGNORE_.*|DEFAULTS_MODE"
    r"|AUTH_SCHEME_PREFERENCE|BEARER_TOKEN_.*|ROLE_ARN|WEB_IDENTITY_TOKEN_FILE)|REQUESTS_CA_BUNDLE|(HTTPS?|ALL)_PROXY",
    re.IGNORECASE,
)
"""Variables that ask for something that only the SDK knows how to do."""
REGION = re.compile(r"(?!us-gov-|us-iso)(us|eu|ap|sa|ca|me|af|il|mx)-[a-z]+-\d")
"""Regions of the partition `aws`."""
TARGET = "AmazonEC2ContainerServiceV20141113"
CONTENT_TYPE = "application/x-amz-json-1.1"
SIGNED = "content-type;host;x-amz-date;x-amz-security-token;x-amz-target"
_ODD = (AttributeError, LookupError, RecursionError, TypeError, ValueError)


@dataclass(frozen=True, slots=True, kw_only=True)
class LambdaHost:
    """Where the calls of a function go."""

    region: str
    url: str


def lambda_host(environment: Mapping[str, str], region: str | None) -> LambdaHost | None:
    """The host that this is, where it is Lambda and asks for nothing else; None leaves the calls to the SDK."""
    if "AWS_LAMBDA_FUNCTION_NAME" not in environment or not all(environment.get(key) for key in KEYS):
        return None
    if region is None or not REGION.fullmatch(region):
        return None
    if any(value and ASKS_FOR_MORE.fullmatch(name) for name, value in environment.items()):
        return None
    if any(Path("~/.aws", name).expanduser().exists() for name in ("config", "credentials")):
        return None
    addresses = (environment[name] for name in ADDRESSES if environment.get(name))
    url = next(addresses, f"https://ecs.{region}.amazonaws.com").rstrip("/")
    return LambdaHost(region=region, url=url) if not urlsplit(url).path else None


class LambdaService:
    """ECS as the function's own role sees it (see `Service`)."""

    def __init__(self, host: LambdaHost, seconds: float, pool: Any) -> None:
        self._host, self._seconds, self._pool = host, seconds, pool

    @property
    def region(self) -> str:
        """Where its calls go to."""
        return self._host.region

    def hurried(self, seconds: float) -> LambdaService:
        """The same with no more time than this for a call."""
        return LambdaService(self._host, min(seconds, self._seconds), self._pool)

    def ask(self, operation: str, **parameters: Any) -> Mapping[str, Any]:
        """See `Service.ask`."""
        name, body = operation.title().replace("_", ""), json.dumps(parameters).encode()
        return within(self._seconds, lambda: self._answer(name, body))

    def _answer(self, name: str, body: bytes) -> Mapping[str, Any]:
        try:
            headers = signed_headers(self._host, name, body, os.environ, datetime.now(UTC))
            response = self._pool.urlopen(
                "POST", self._host.url + "/", body=body, headers=headers, retries=Retry(total=False), redirect=False
            )
        except urllib3.exceptions.HTTPError as error:
            raise AwsFailure(_unanswered(error, name)) from error
        if response.status >= 300:
            raise AwsFailure(refusal(name, response.status, response.headers, response.data))
        try:
            content = json.loads(response.data)
        except _ODD as error:
            raise Garbled(f"{name}: the answer cannot be read: {type(error).__name__}: {error}") from error
        if not isinstance(content, Mapping):
            raise Garbled(f"{name}: the answer is no object")
        return content


def connections(connect_seconds: float, read_seconds: float, count: int) -> Any:
    """A pool of connections that trusts whom the SDK trusts, and that keeps them open."""
    timeout = urllib3.Timeout(connect=connect_seconds, read=read_seconds)
    return urllib3.PoolManager(maxsize=count, timeout=timeout, cert_reqs="CERT_REQUIRED", ca_certs=_bundle())


def signed_headers(host: LambdaHost, name: str, body: bytes, environment: Mapping[str, str], now: datetime) -> dict[str, str]:
    """The headers of a request, with Signature Version 4."""
    stamp, (access, secret, token) = now.strftime("%Y%m%dT%H%M%SZ"), (environment[key] for key in KEYS)
    target, scope = f"{TARGET}.{name}", f"{stamp[:8]}/{host.region}/ecs/aws4_request"
    canonical = (
        f"POST\n/\n\ncontent-type:{CONTENT_TYPE}\nhost:{urlsplit(host.url).netloc}\nx-amz-date:{stamp}\n"
        f"x-amz-security-token:{token}\nx-amz-target:{target}\n\n{SIGNED}\n{sha256(body).hexdigest()}"
    )
    to_sign = f"AWS4-HMAC-SHA256\n{stamp}\n{scope}\n{sha256(canonical.encode()).hexdigest()}"
    signature = hmac.new(_signing_key(secret, stamp[:8], host.region), to_sign.encode(), sha256).hexdigest()
    trace = environment.get("_X_AMZN_TRACE_ID")
    return {
        "Content-Type": CONTENT_TYPE,
        "X-Amz-Target": target,
        "X-Amz-Date": stamp,
        "X-Amz-Security-Token": token,
        "Authorization": f"AWS4-HMAC-SHA256 Credential={access}/{scope}, SignedHeaders={SIGNED}, Signature={signature}",
        "User-Agent": "push-dispatcher",
        **({"X-Amzn-Trace-Id": quote(trace, safe="-=;:+&[]{}\"',")} if trace else {}),
    }


def refusal(name: str, status: int, headers: Mapping[str, str], body: bytes) -> Fault:
    """An answer with an error, read as the SDK reads it."""
    content = _error_content(status, body)
    code = str(content.get("__type") or status).partition(":")[0].rpartition("#")[2]
    message = content.get("message") or content.get("Message")
    return Fault(
        code=code,
        message=str(message or f"An error occurred ({code}) when calling the {name} operation: "),
        status=status,
        answered=True,
        operation=name,
        kinds=frozenset({"ClientError", code}),
        retry_after=retry_seconds(headers.get("retry-after")),
        resources=texts_of(content.get("resourceIds")),
    )


def _error_content(status: int, body: bytes) -> Mapping[str, Any]:
    if status >= 500 and (not body or body.strip().startswith(b"<html>")):
        return {"message": responses.get(status, "")}
    try:
        content = json.loads(body) if body else {}
    except ValueError:
        return {"message": body.decode(errors="replace")}
    return content if isinstance(content, Mapping) else {}


def _unanswered(error: Exception, name: str) -> Fault:
    code = name_of_failure(error)
    kinds = frozenset({code, "HTTPClientError", "BotoCoreError"})
    return Fault(code=code, message=str(error), status=None, answered=False, operation=name, kinds=kinds, retry_after=None)


@lru_cache(maxsize=8)
def _signing_key(secret: str, day: str, region: str) -> bytes:
    """The key of a day and a region."""
    sign: Callable[[bytes, str], bytes] = lambda key, text: hmac.new(key, text.encode(), sha256).digest()  # noqa: E731
    return sign(sign(sign(sign(f"AWS4{secret}".encode(), day), region), "ecs"), "aws4_request")


def _bundle() -> str | None:
    """The SDK's own certificates, found without importing it."""
    package = find_spec("certifi") or find_spec("botocore")
    files = [Path(place, "cacert.pem") for place in (package.submodule_search_locations or ())] if package else []
    return next((str(file) for file in files if file.exists()), None)
