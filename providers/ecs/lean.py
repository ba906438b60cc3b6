"""RunTask and DescribeTasks with little overhead per request.

A call through the SDK's client costs 2.9 ms of CPU, most of it in the validation, the events, the preparation and the parsing
around the request. A tick consists of these two calls, so this module makes them lean:

* The SDK itself builds the first request of each operation but does not send it. Its address (region, partition, FIPS, dual
  stack, `AWS_ENDPOINT_URL_ECS`) and its headers are used for all later requests.
* Each request is signed (`providers.signature`) with the session's self-refreshing credentials.
* The SDK's HTTP session provides the connections, with its CA bundle, timeouts and pool. Errors are those of the SDK.
* Each request is one write to an open connection, and its answer is read as a whole (`providers.exchange`).
* The SDK's parser reads each refusal, which is raised as the client would raise it.

The parameters have been fitted to the SDK's model of the operation (`shapes`), so nothing is sent that the client would refuse.
Calls that cannot be sent in this way (another signer, a proxy, a stub that replaces the network) go through the client.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Any
from urllib.parse import quote, urlsplit
from uuid import uuid4

import botocore.exceptions as sdk
import urllib3.exceptions as wire
from botocore.awsrequest import AWSPreparedRequest, AWSResponse, HeadersDict
from botocore.compat import HTTPHeaders
from botocore.handlers import add_recursion_detection_header
from botocore.parsers import create_parser
from botocore.utils import normalize_url_path

from providers.ecs.answers import Garbled
from providers.ecs.sdk import SdkService, bounded, fresh_credentials, has_fresh_credentials, translated
from providers.ecs.wire import name_of_failure
from providers.exchange import exchange
from providers.once import Once
from providers.signature import ALGORITHM, Addressee, Keys, signed

SAMPLES: Mapping[str, tuple[str, Mapping[str, Any]]] = {
    "run_task": ("RunTask", {"taskDefinition": "sample", "clientToken": "sample"}),
    "describe_tasks": ("DescribeTasks", {"tasks": ["sample"]}),
}
"""The lean operations by their Python names: their AWS names, and parameters for a sample request of the SDK."""
OF_ONE_REQUEST = frozenset(
    {"authorization", "x-amz-date", "x-amz-security-token", "content-length", "amz-sdk-invocation-id", "x-amzn-trace-id"}
)
"""Headers that differ in each request."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pattern:
    """The common parts and the address of all requests of an operation."""

    operation: str
    url: str
    signed: Mapping[str, str]
    """The signed headers."""
    unsigned: Mapping[str, str]
    addressee: Addressee
    connections: Any
    """The pool (urllib3) of connections to this address."""
    target: str
    """The target of the request line."""


class Unlike:
    """The SDK sends an operation in another way than this module supports, so its client makes the calls."""


class LeanService(SdkService):
    """An `SdkService` whose calls of `SAMPLES` are lean."""

    def __init__(self, client: Any, seconds: float, session: Any, patterns: Once[str, Pattern | Unlike] | None = None) -> None:
        super().__init__(client, seconds)
        self._session = session
        self._patterns: Once[str, Pattern | Unlike] = patterns or Once()

    def hurried(self, seconds: float) -> LeanService:
        """The same service with at most this many seconds per call."""
        return LeanService(self._client, min(seconds, self._seconds), self._session, self._patterns)

    def ask(self, operation: str, **parameters: Any) -> Mapping[str, Any]:
        """See `SdkService.ask`."""
        pattern = self._pattern(operation) if operation in SAMPLES else Unlike()
        if isinstance(pattern, Unlike):
            return super().ask(operation, **parameters)
        return translated(operation, lambda: self._answer(pattern, operation, parameters))

    def _pattern(self, operation: str) -> Pattern | Unlike:
        """The pattern of an operation's requests."""
        find = partial(bounded, self._seconds, operation, partial(pattern_of, self._client, operation))
        return self._patterns.get(operation, find)

    def _credentials(self, operation: str) -> Any:
        """The current keys. If a service must be asked for them, that call is bounded too."""
        if has_fresh_credentials(self._session):
            return self._session.get_credentials().get_frozen_credentials()
        return bounded(self._seconds, operation, lambda: fresh_credentials(self._session))

    def _answer(self, pattern: Pattern, operation: str, parameters: Mapping[str, Any]) -> Mapping[str, Any]:
        body, credentials = json.dumps(parameters).encode(), self._credentials(operation)
        request = signed_request(pattern, body, credentials, datetime.now(UTC))
        response = self._sent(pattern, request)
        if response["status_code"] >= 300:
            raise refusal_of(self._client, pattern.operation, response)
        content = json.loads(response["body"])
        if not isinstance(content, Mapping):
            raise Garbled(f"{operation}: the answer is not an object")
        return content

    def _sent(self, pattern: Pattern, request: LeanRequest) -> dict[str, Any]:
        """The answer, in the form that the SDK's parser reads. Listeners to these two events of the SDK are called."""
        events, name = self._client.meta.events, pattern.operation
        stubs = (answer for _, answer in events.emit(f"before-send.ecs.{name}", request=request) if answer is not None)
        stub = next(stubs, None)
        response = (
            _exchanged(pattern, request, self._seconds)
            if stub is None
            else _in_parts(stub.status_code, stub.headers, stub.content)
        )
        events.emit(f"before-parse.ecs.{name}", response_dict=response, operation_model=None, customized_response_dict={})
        return response


def pattern_of(client: Any, operation: str) -> Pattern | Unlike:
    """The pattern of the SDK's own requests of an operation; nothing is sent."""
    sample = _sample(client, operation)
    headers = {name: _text(value) for name, value in sample.headers.items()} if sample else {}
    algorithm, _, signature = headers.get("Authorization", "").partition(" ")
    if sample is None or algorithm != ALGORITHM:
        return Unlike()
    fields = dict(part.strip().split("=", 1) for part in signature.split(","))
    _, _, region, service, _ = fields["Credential"].rsplit("/", 4)
    if has_proxy(client, sample.url):
        return Unlike()
    covered = frozenset(fields["SignedHeaders"].split(";"))
    kept = {name: value for name, value in headers.items() if name.lower() not in OF_ONE_REQUEST}
    address = urlsplit(sample.url)
    return Pattern(
        operation=SAMPLES[operation][0],
        url=sample.url,
        signed={name: value for name, value in kept.items() if name.lower() in covered},
        unsigned={name: value for name, value in kept.items() if name.lower() not in covered},
        addressee=Addressee(
            host=address.netloc, region=region, service=service, path=quote(normalize_url_path(address.path), safe="/~")
        ),
        connections=_connections(client, sample.url),
        target=address.path or "/",
    )


def signed_request(pattern: Pattern, body: bytes, credentials: Any, now: datetime) -> LeanRequest:
    """A signed request that is ready to be sent."""
    keys = Keys(credentials.access_key, credentials.secret_key, credentials.token)
    headers = signed(pattern.signed, body, pattern.addressee, keys, now)
    headers.update(pattern.unsigned)
    headers["amz-sdk-invocation-id"] = str(uuid4())
    headers["Content-Length"] = str(len(body))
    add_recursion_detection_header({"headers": headers})
    return LeanRequest(url=pattern.url, headers=headers, body=body)


def _exchanged(pattern: Pattern, request: LeanRequest, seconds: float) -> dict[str, Any]:
    """The whole answer. Raises the exceptions of the SDK's own session, and `NoAnswerInTime`."""
    try:
        response = exchange(pattern.connections, pattern.target, request.headers, request.body, seconds)
    except wire.HTTPError as error:
        failure: Any = getattr(sdk, name_of_failure(error))
        raise failure(endpoint_url=request.url, error=error) from error
    return _in_parts(response.status, HeadersDict(response.headers), response.body)


def _in_parts(status: int, headers: Any, body: bytes) -> dict[str, Any]:
    return {"status_code": status, "headers": headers, "body": body}


def has_proxy(client: Any, url: str) -> bool:
    """Whether the client's session reaches this address through a proxy."""
    session = client._endpoint.http_session  # noqa: SLF001 - neither it nor its parts are public
    return session._proxy_config.proxy_url_for(url) is not None  # noqa: SLF001


def _connections(client: Any, url: str) -> Any:
    """The connection pool for this address in the client's session, set up as the session does."""
    session = client._endpoint.http_session  # noqa: SLF001 - as above
    pool = session._get_connection_manager(url, None).connection_from_url(url)  # noqa: SLF001
    session._setup_ssl_cert(pool, url, session._verify)  # noqa: SLF001
    return pool


def refusal_of(client: Any, name: str, response: dict[str, Any]) -> Exception:
    """The error that the SDK's client raises for an answer with this status."""
    model = client.meta.service_model
    operation, parser = model.operation_model(name), create_parser(model.resolved_protocol)
    parsed = parser.parse(response, operation.output_shape)
    code = parsed.get("Error", {}).get("Code")
    if shape := model.shape_for_error_code(code):
        parsed.update(parser.parse(response, shape))
    error: Exception = client.exceptions.from_code(code)(parsed, name)
    return error


@dataclass(slots=True, kw_only=True)
class LeanRequest:
    """A request in the form that listeners to the SDK's events read. The SDK's own class costs ten times as much."""

    url: str
    headers: dict[str, str]
    body: bytes
    method: str = "POST"


def _sample(client: Any, operation: str) -> AWSPreparedRequest | None:
    """The SDK's request of an operation; None if a listener answers it before it is sent."""
    name, parameters = SAMPLES[operation]
    samples: list[AWSPreparedRequest] = []
    thread = threading.get_ident()

    def take(request: AWSPreparedRequest, **_: Any) -> AWSResponse | None:
        if threading.get_ident() != thread:
            return None
        samples.append(request)
        answer = AWSResponse(request.url, 200, HTTPHeaders(), None)
        answer._content = b"{}"  # type: ignore[attr-defined]  # noqa: SLF001 - as if it had been read
        return answer

    event = f"before-send.ecs.{name}"
    client.meta.events.register_last(event, take)
    try:
        getattr(client, operation)(**parameters)
    finally:
        client.meta.events.unregister(event, take)
    return samples[0] if samples else None


def _text(value: str | bytes) -> str:
    return value.decode() if isinstance(value, bytes) else value
