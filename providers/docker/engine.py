"""One engine: its calls and answers. The first call loads the SDK.

The SDK makes the connections (sockets, TLS, contexts); requests are our own. The SDK's methods wait longer than asked (`stop`),
and hide the status that shows a call's effect (a start is answered with 204 or 304).
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from providers.base import CallFailed
from providers.deadlines import NoAnswerInTime, within
from providers.docker.hosts import Host
from providers.places import HostLacks
from providers.sending import NeverSent, never_sent

if TYPE_CHECKING:
    from docker import APIClient

NEWEST = (1, 44)
"""The API version that is used; it is the oldest that Engine 29 serves. An older engine is called in its own version."""

OLDEST = (1, 40)
"""Of Docker 19.03."""

PING = "/_ping"


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """An answer of the engine. `value` is its JSON, or None."""

    status: int
    value: Any
    body: bytes

    @property
    def message(self) -> str:
        """The engine's own message of a refusal; empty without one."""
        words = self.value.get("message") if isinstance(self.value, Mapping) else None
        return words.strip() if isinstance(words, str) else ""

    def unexpected(self, action: str) -> CallFailed:
        """The error for an unusable answer."""
        return CallFailed(f"{action}: status {self.status}: {self.message or 'no words that can be understood'}")


class Connection:
    """The state of one engine between calls, for any number of threads: its session, version and identity."""

    def __init__(self, host: Host, timeout: float) -> None:
        self.host, self.timeout = host, timeout
        self._lock = threading.Lock()
        self._session: APIClient | None = None
        self.version = ""
        self.identity: str | None = None

    def session(self) -> APIClient:
        """The SDK's session. Raises `HostLacks`."""
        with self._lock:
            if self._session is None:
                self._session = _session(self.host, self.timeout)
            return self._session

    def engine(self) -> Engine:
        """The engine for one operation, which takes no longer than the timeout as a whole."""
        return Engine(self, time.monotonic() + self.timeout)


class Engine:
    """One engine until a deadline (`time.monotonic`). Calls raise `NeverSent`, or `CallFailed` without a usable answer."""

    def __init__(self, connection: Connection, deadline: float) -> None:
        self._connection, self._deadline = connection, deadline

    @property
    def host(self) -> Host:
        """Its host."""
        return self._connection.host

    @property
    def has_time(self) -> bool:
        """Whether there is time for another call."""
        return time.monotonic() < self._deadline

    def get(self, path: str, **query: Any) -> Answer:
        """Read an object."""
        return self._call("GET", path, query)

    def post(self, path: str, body: Any = None, **query: Any) -> Answer:
        """Create or change an object."""
        return self._call("POST", path, query, body)

    def upload(self, path: str, content: bytes, **query: Any) -> Answer:
        """Upload a tar file."""
        return self._call("POST", path, query, content)

    def delete(self, path: str, **query: Any) -> Answer:
        """Remove an object."""
        return self._call("DELETE", path, query)

    def identity(self, *, afresh: bool = False) -> str:
        """The engine's id, which survives restarts; empty if the engine has none."""
        remembered = self._connection.identity
        if remembered is not None and not afresh:
            return remembered
        answer = self.get("/info")
        identity = answer.value.get("ID") if answer.status == 200 and isinstance(answer.value, Mapping) else None
        if not isinstance(identity, str):
            raise answer.unexpected("the engine does not give its id")
        self._connection.identity = identity
        return identity

    def stream(self, path: str, *, headers: Mapping[str, str], read_timeout: float, **query: Any) -> Iterator[Answer | bytes]:
        """The answer of a long POST, then its lines as they arrive. Only the time between two lines is bounded."""
        url = f"{self._base()}/v{self._version()}{path}"
        timeouts = (self._connection.timeout, read_timeout)
        with (
            _errors(),
            self._connection.session().post(url, params=query, headers=headers, stream=True, timeout=timeouts) as response,
        ):
            if response.status_code != 200:
                yield _answer(response)
                return
            yield Answer(status=200, value=None, body=b"")
            yield from response.iter_lines()

    def _call(self, method: str, path: str, query: Mapping[str, Any], body: Any = None) -> Answer:
        return self._bounded(method, f"/v{self._version()}{path}", query, body)

    def _bounded(self, method: str, path: str, query: Mapping[str, Any], body: Any = None) -> Answer:
        """The thread that waits for a silent engine stays behind; its call may take effect later."""
        seconds = self._deadline - time.monotonic()
        if seconds <= 0:
            raise CallFailed(f"{self.host.url}: the engine used up the time of the call")

        def send() -> Answer:
            with _errors():
                parameters = {name: _parameter(value) for name, value in query.items() if value is not None}
                url = self._base() + path
                session = self._connection.session()
                payload = {"data": body} if isinstance(body, bytes) else {"json": body}
                return _answer(session.request(method, url, params=parameters, timeout=seconds, **payload))

        try:
            return within(seconds, send)
        except NoAnswerInTime as problem:
            raise CallFailed(f"{self.host.url}: {problem}") from problem

    def _version(self) -> str:
        """The API version that both sides speak; read once."""
        if not self._connection.version:
            answer = self._bounded("GET", PING, {})
            if answer.status != 200 or not isinstance(answer.value, tuple):
                raise answer.unexpected(f"{self.host.url}: this is not a Docker engine")
            newest = answer.value
            if newest < OLDEST:
                raise CallFailed(
                    f"{self.host.url}: the engine is too old: its API is {_dotted(newest)}, before {_dotted(OLDEST)}"
                )
            self._connection.version = _dotted(min(newest, NEWEST))
        return self._connection.version

    def _base(self) -> str:
        return str(self._connection.session().base_url)


def container_path(name: str, part: str = "") -> str:
    """The path of a container, or of one of its subresources."""
    return f"/containers/{quote(name, safe='')}{part}"


def _session(host: Host, timeout: float) -> APIClient:
    """A session of the SDK; because the version is set, it makes no call of its own."""
    from docker import APIClient  # noqa: PLC0415 - checking a configuration does not need the SDK
    from docker.errors import DockerException  # noqa: PLC0415 - likewise
    from docker.tls import TLSConfig  # noqa: PLC0415 - likewise

    from providers.docker.dialling import DialledAdapter  # noqa: PLC0415 - likewise

    tls: Any = False
    if host.tls:
        pair = (host.cert_file, host.key_file) if host.cert_file else None
        tls = TLSConfig(client_cert=pair, ca_cert=host.ca_file or None, verify=host.verify)
    url = host.url if host.scheme == "tcp" else "tcp://engine.invalid:1"
    try:
        session = APIClient(base_url=url, version=_dotted(OLDEST), timeout=timeout, tls=tls)
    except DockerException as problem:
        raise HostLacks(f"docker_host: {host.url}: {problem}") from problem
    session.trust_env = False  # REQUESTS_CA_BUNDLE would replace the entry's own certificate
    if host.scheme != "tcp":
        session.mount("http://", DialledAdapter(host.url, timeout))
    return session


@contextmanager
def _errors() -> Iterator[None]:
    from docker.errors import DockerException  # noqa: PLC0415 - as above
    from requests.exceptions import RequestException  # noqa: PLC0415 - as above

    try:
        yield
    except (RequestException, DockerException, OSError) as problem:
        kind = NeverSent if never_sent(problem) else CallFailed
        raise kind(f"the Docker engine could not be asked: {problem}") from problem


def _answer(response: Any) -> Answer:
    """An answer. An engine's answer carries its API version; without it the answer comes from somebody else."""
    version = _version_of(response.headers.get("Api-Version"))
    if version is None:
        raise CallFailed(f"status {response.status_code} from something that is not a Docker Engine")
    if response.request.path_url.endswith(PING):
        return Answer(status=response.status_code, value=version, body=b"")
    try:
        value = json.loads(response.content)
    except ValueError:
        value = None
    return Answer(status=response.status_code, value=value, body=response.content)


def _version_of(text: str | None) -> tuple[int, int] | None:
    major, _, minor = (text or "").partition(".")
    return (int(major), int(minor)) if major.isdecimal() and minor.isdecimal() else None


def _dotted(version: tuple[int, int]) -> str:
    return f"{version[0]}.{version[1]}"


def _parameter(value: Any) -> Any:
    if isinstance(value, bool):
        return "1" if value else "0"
    return json.dumps(value) if isinstance(value, Mapping) else value
