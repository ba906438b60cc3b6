"""One API server: its calls and answers. The first call loads urllib3.

Kubernetes' Python clients would add nothing to a JSON request here: see the provider's README.
"""

from __future__ import annotations

import json
import ssl
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from providers.base import CallFailed
from providers.deadlines import NoAnswerInTime, within
from providers.kubernetes.endpoints import Cluster
from providers.kubernetes.identities import Proof
from providers.places import HostLacks
from providers.sending import NeverSent, never_sent

if TYPE_CHECKING:
    from urllib3 import PoolManager

JSON = "application/json"
MERGE_PATCH = "application/merge-patch+json"
MAX_CONNECTIONS = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """An answer of the server. `value` is its JSON, or None."""

    status: int
    value: Any
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    """By lower-case name."""

    @property
    def is_status(self) -> bool:
        """Whether it is a refusal in Kubernetes' own form, not a gateway's."""
        return isinstance(self.value, Mapping) and self.value.get("kind") == "Status" and self.value.get("status") == "Failure"

    @property
    def reason(self) -> str:
        """Kubernetes' reason of a refusal, such as `AlreadyExists`; the HTTP status alone is ambiguous."""
        return str(self.value.get("reason") or "") if self.is_status else ""

    @property
    def message(self) -> str:
        """Kubernetes' message of a refusal; may be empty."""
        return str(self.value.get("message") or "").strip() if self.is_status else ""

    @property
    def details(self) -> Mapping[str, Any]:
        """The details of a refusal."""
        details = self.value.get("details") if self.is_status else None
        return details if isinstance(details, Mapping) else {}

    @property
    def retry_after(self) -> float | None:
        """Seconds to wait, if the server named them."""
        for value in (self.headers.get("retry-after"), self.details.get("retryAfterSeconds")):
            try:
                return max(float(value), 0.0) if value is not None else None
            except (TypeError, ValueError):
                continue
        return None

    def is_absence_of(self, name: str) -> bool:
        """True when the answer is that there is no object of this name."""
        return self.status == 404 and self.reason == "NotFound" and self.details.get("name") == name

    def unexpected(self, action: str) -> CallFailed:
        """The error for an unusable answer."""
        return CallFailed(f"{action}: status {self.status}: {self.message or 'no words that can be understood'}")


class Connection:
    """The state of one cluster between calls, for any number of threads."""

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster
        self._lock = threading.Lock()
        self._pool: PoolManager | None = None
        self._certificate = ""

    def pool(self, proof: Proof) -> PoolManager:
        """Connections that show the proof's certificate. Raises `HostLacks`."""
        with self._lock:
            if self._pool is None or self._certificate != proof.certificate:
                self._pool, self._certificate = _pool(self.cluster, proof), proof.certificate
            return self._pool


class Api:
    """One API server until a deadline (`time.monotonic`).

    Calls raise `NeverSent`, or `CallFailed` without a usable answer. If the host lacks a file or a variable, `post` raises
    `HostLacks`, and the others `CallFailed`: then the state of every job is unknown.
    """

    def __init__(self, connection: Connection, deadline: float) -> None:
        self._connection, self._deadline = connection, deadline

    @property
    def cluster(self) -> Cluster:
        """Its cluster."""
        return self._connection.cluster

    @property
    def has_time(self) -> bool:
        """Whether there is time for another call."""
        return time.monotonic() < self._deadline

    def get(self, path: str, **query: Any) -> Answer:
        """Read an object or a list."""
        return self._call_or_fail("GET", path, query)

    def post(self, path: str, body: Mapping[str, Any], **query: Any) -> Answer:
        """Create an object."""
        return self._call("POST", path, query, body)

    def patch(self, path: str, body: Mapping[str, Any]) -> Answer:
        """Change some fields (RFC 7386)."""
        return self._call_or_fail("PATCH", path, {}, body, content_type=MERGE_PATCH)

    def delete(self, path: str, body: Mapping[str, Any]) -> Answer:
        """Delete an object."""
        return self._call_or_fail("DELETE", path, {}, body)

    def _call_or_fail(
        self, method: str, path: str, query: Mapping[str, Any], body: Any = None, *, content_type: str = JSON
    ) -> Answer:
        try:
            return self._call(method, path, query, body, content_type=content_type)
        except HostLacks as problem:
            raise CallFailed(str(problem)) from problem

    def _call(self, method: str, path: str, query: Mapping[str, Any], body: Any = None, *, content_type: str = JSON) -> Answer:
        """The thread that waits for a silent server stays behind; its call may take effect later."""
        seconds = self._deadline - time.monotonic()
        if seconds <= 0:
            raise CallFailed(f"{self.cluster.server}: the cluster used up the time of the call")
        url = f"{self.cluster.server}{path}" + (f"?{urlencode(query)}" if query else "")

        def send() -> Answer:
            with _errors(self.cluster.server):
                return self._sent(method, url, body, content_type, seconds)

        try:
            return within(seconds, send)
        except NoAnswerInTime as problem:
            raise CallFailed(f"{self.cluster.server}: {problem}") from problem

    def _sent(self, method: str, url: str, body: Any, content_type: str, seconds: float) -> Answer:
        proof = self.cluster.identity.proof()
        headers = {"Accept": JSON, "User-Agent": "push-dispatcher", **proof.headers}
        if body is not None:
            headers["Content-Type"] = content_type
        payload = None if body is None else json.dumps(body).encode()
        pool = self._connection.pool(proof)
        response = pool.request(method, url, body=payload, headers=headers, timeout=seconds, retries=False, redirect=False)
        if response.status == 401:
            self.cluster.identity.renew()
        return _answer(response)


def _answer(response: Any) -> Answer:
    try:
        value = json.loads(response.data)
    except ValueError:
        value = None
    headers = {str(name).lower(): str(text) for name, text in response.headers.items()}
    return Answer(status=response.status, value=value, body=response.data, headers=headers)


def _pool(cluster: Cluster, proof: Proof) -> PoolManager:
    import urllib3  # noqa: PLC0415 - checking a configuration does not need it

    options: dict[str, Any] = {"maxsize": MAX_CONNECTIONS, "retries": False}
    if cluster.server.startswith("https:"):
        options["ssl_context"] = _context(cluster, proof)
        if cluster.tls_server_name:
            options["server_hostname"] = options["assert_hostname"] = cluster.tls_server_name
    try:
        return urllib3.ProxyManager(cluster.proxy, **options) if cluster.proxy else urllib3.PoolManager(**options)
    except (ValueError, urllib3.exceptions.HTTPError) as problem:
        raise HostLacks(f"cluster_config: proxy-url: {problem}") from problem


def _context(cluster: Cluster, proof: Proof) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cadata=cluster.ca or None)
        if not cluster.verify:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        if proof.certificate:
            _show(context, proof)
    except (ssl.SSLError, ValueError, OSError) as problem:
        raise HostLacks(f"cluster_config: {cluster.server}: its certificates cannot be used: {problem}") from problem
    return context


def _show(context: ssl.SSLContext, proof: Proof) -> None:
    """OpenSSL reads certificates only from files; they are deleted when this returns."""
    with tempfile.TemporaryDirectory(prefix="dispatcher-") as directory:
        certificate, key = Path(directory) / "cert.pem", Path(directory) / "key.pem"
        certificate.write_text(proof.certificate)
        key.touch(mode=0o600)
        key.write_text(proof.key)
        context.load_cert_chain(certificate, key)


@contextmanager
def _errors(server: str) -> Iterator[None]:
    from urllib3.exceptions import HTTPError  # noqa: PLC0415 - as above

    try:
        yield
    except (HTTPError, OSError) as problem:
        kind = NeverSent if never_sent(problem) else CallFailed
        raise kind(f"the cluster {server} could not be asked: {problem}") from problem
