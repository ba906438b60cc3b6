"""Connections to an engine other than TCP: a local socket, or an ssh program. Importing this module loads the SDK.

The SDK's own connections have faults: its socket connection leaks a descriptor at each failure, and its ssh connection needs
paramiko and ignores ssh's configuration. As in the Docker CLI, one `ssh HOST docker system dial-stdio` carries one connection.
"""

from __future__ import annotations

import socket
import subprocess
from collections.abc import Callable
from typing import Any, cast
from urllib.parse import urlsplit

from docker.transport.unixconn import UnixHTTPAdapter
from urllib3.connection import HTTPConnection
from urllib3.connectionpool import HTTPConnectionPool

OPTIONS = ("-o", "BatchMode=yes")
"""Options that stop ssh from prompting: nobody could answer."""

KEPT_WORDS = 4096
END_SECONDS = 0.5


class SocketConnection(HTTPConnection):
    """One connection to a local socket."""

    def __init__(self, url: str, timeout: float) -> None:
        super().__init__("localhost", timeout=timeout)
        self._path = urlsplit(url).netloc + urlsplit(url).path

    def connect(self) -> None:
        """Connect, or raise OSError and leave nothing open."""
        dialled = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        dialled.settimeout(self.timeout)
        try:
            dialled.connect(self._path)
        except OSError:
            dialled.close()
            raise
        self.sock = dialled


class SshConnection(HTTPConnection):
    """One connection through an ssh program."""

    def __init__(self, url: str, timeout: float) -> None:
        super().__init__("localhost", timeout=timeout)
        self._command = ssh_command(url)
        self._ssh: subprocess.Popen[bytes] | None = None
        self._words = ""

    def connect(self) -> None:
        """Start ssh with our socket as its input and output. Raises OSError if the program is missing: nothing was sent."""
        ours, theirs = socket.socketpair()
        try:
            self._ssh = subprocess.Popen(  # noqa: S603 - the host is checked and follows `--`
                self._command,
                stdin=theirs.fileno(),
                stdout=theirs.fileno(),
                stderr=subprocess.PIPE,
                start_new_session=True,
            )
        except OSError:
            ours.close()
            raise
        finally:
            theirs.close()
        ours.settimeout(self.timeout)
        self.sock = ours

    def getresponse(self) -> Any:
        """The answer. If ssh has ended instead, the error contains its output."""
        try:
            return super().getresponse()
        except ConnectionError as problem:
            raise ConnectionError(f"{problem}: {self._words or 'ssh has ended'}") from problem

    def close(self) -> None:
        """Close the connection. Ssh then ends by itself, or is killed."""
        super().close()
        ssh, self._ssh = self._ssh, None
        if ssh is None:
            return
        try:
            _, words = ssh.communicate(timeout=END_SECONDS)
        except subprocess.TimeoutExpired:
            ssh.kill()
            _, words = ssh.communicate()
        self._words = words[-KEPT_WORDS:].decode("utf-8", errors="replace").strip()


def ssh_command(url: str) -> tuple[str, ...]:
    """The ssh command of one connection; ssh's own configuration adds the rest."""
    parts = urlsplit(url)
    user = ("-l", parts.username) if parts.username else ()
    port = ("-p", str(parts.port)) if parts.port else ()
    return ("ssh", *OPTIONS, *user, *port, "--", parts.hostname or "", "docker", "system", "dial-stdio")


class DialledPool(HTTPConnectionPool):
    """Connections to one engine."""

    def __init__(self, dial: Callable[[], HTTPConnection], maxsize: int) -> None:
        super().__init__("localhost", maxsize=maxsize)
        self._dial = dial

    def _new_conn(self) -> HTTPConnection:
        return self._dial()


class DialledAdapter(UnixHTTPAdapter):  # type: ignore[misc] # the SDK has no types
    """The transport adapter of an SDK session."""

    def __init__(self, url: str, timeout: float) -> None:
        super().__init__("http+unix:///", timeout=timeout)
        kind = SshConnection if urlsplit(url).scheme == "ssh" else SocketConnection
        self._dial = lambda: kind(url, timeout)

    def get_connection(self, url: str, proxies: Any = None) -> DialledPool:  # noqa: ARG002 - the SDK's signature
        """The one pool."""
        with self.pools.lock:
            pool = self.pools.get("engine")
            if pool is None:
                pool = self.pools["engine"] = DialledPool(self._dial, self.max_pool_size)
        return cast("DialledPool", pool)
