"""A wake by a POST to the URL of a function."""

from __future__ import annotations

import json
from http import HTTPStatus
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from urllib.parse import urlsplit

from dispatcher.waking import NotWoken


class Url:
    """A function's URL. It answers when its tick is over, so a wake waits only as long as a refusal takes."""

    def __init__(self, url: str, seconds: float, refusal_seconds: float) -> None:
        self._parts = urlsplit(url)
        self._seconds, self._refusal_seconds = seconds, refusal_seconds

    def __call__(self, pool: str) -> None:
        """Send the event of a tick of the pool. Raises `NotWoken`."""
        try:
            status = self._post(json.dumps({"pool": pool}).encode())
        except (OSError, HTTPException, ValueError) as problem:
            raise NotWoken(f"no answer ({type(problem).__name__})") from None
        if status >= 300:
            raise NotWoken(f"it answered {status}")

    def _post(self, body: bytes) -> int:
        parts = self._parts
        kind = HTTPSConnection if parts.scheme == "https" else HTTPConnection
        connection = kind(parts.hostname or "", parts.port, timeout=self._seconds)
        headers = {"Content-Type": "application/json", "User-Agent": "push-dispatcher"}
        path = f"{parts.path or '/'}?{parts.query}" if parts.query else parts.path or "/"
        try:
            connection.request("POST", path, body, headers)
            connection.sock.settimeout(self._refusal_seconds)
            return connection.getresponse().status
        except TimeoutError:
            if connection.sock is None:  # it could not even connect
                raise
            return HTTPStatus.ACCEPTED
        finally:
            connection.close()
