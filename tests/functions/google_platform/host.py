"""One instance of the function: functions-framework, as Google starts it, over HTTP."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import closing, suppress
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

PATIENCE = 60.0


class Host:
    """A process group with the source, what is installed for it, and nothing else of this machine's Python."""

    def __init__(self, build: tuple[Path, Path], environment: Mapping[str, str], log: Path) -> None:
        source, installed = build
        self.port, self.log = _free_port(), log
        own = {
            "FUNCTION_TARGET": "tick",
            "FUNCTION_SIGNATURE_TYPE": "http",
            "HOME": str(log.parent),
            "HOST": "127.0.0.1",
            "K_SERVICE": "tick",
            "PATH": os.defpath,
            "PORT": str(self.port),
            "PYTHONDONTWRITEBYTECODE": "1",
            "PYTHONPATH": str(installed),
        }
        with log.open("ab") as output:
            self._process = subprocess.Popen(
                [sys.executable, "-S", "-m", "functions_framework"],  # -S: no site-packages of this machine
                cwd=source,
                env={**own, **environment},
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        self._until_it_listens()

    def post(
        self, body: Any = b"", *, token: str | None = None, method: str = "POST", path: str = "/", **headers: str
    ) -> tuple[int, Any]:
        """Status and answer of one request; the body is bytes, or becomes JSON."""
        sent = {"Authorization": f"Bearer {token}"} if token is not None else {}
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        with closing(HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)) as connection:
            connection.request(method, path, data, {**sent, **headers})
            reply = connection.getresponse()
            self.headers = reply.headers
            return reply.status, json.loads(reply.read())

    def events(self) -> list[dict[str, Any]]:
        """What the function has logged."""
        return [json.loads(line) for line in self.log.read_text().splitlines() if line.startswith('{"')]

    def close(self) -> None:
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()

    def _until_it_listens(self) -> None:
        deadline = time.monotonic() + PATIENCE
        while not _listens(self.port):
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(timeout=0.05)
                raise AssertionError(self.log.read_text())
            assert time.monotonic() < deadline, self.log.read_text()


class RecordingPort:
    """What stands where the store would be: it counts who connects, and hangs up."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._listener.setblocking(False)
        self._seen = 0

    @property
    def url(self) -> str:
        """For DISPATCHER_STORE."""
        return f"postgresql://dispatcher@127.0.0.1:{self._listener.getsockname()[1]}/runs?connect_timeout=2&sslmode=disable"

    @property
    def connections(self) -> int:
        """How many there were so far."""
        with suppress(BlockingIOError):
            while True:
                self._listener.accept()[0].close()
                self._seen += 1
        return self._seen

    def close(self) -> None:
        self._listener.close()


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
