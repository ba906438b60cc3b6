"""The control API under `/_emulator`, for tests in another process. `emulators.base` lists its paths.

`answer` implements it as one function, so that any server can offer it; `Remote` is its client.
"""

from __future__ import annotations

import json
import urllib.parse
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Any

from providers.emulators.base import Emulator

PREFIX = "/_emulator"

Query = Mapping[str, str]
Body = Mapping[str, Any]


def answer(emulator: Emulator, method: str, path: str, query: Query, body: Body) -> tuple[int, dict[str, Any]]:
    """The status and the JSON answer of one control request; 404 for an unknown path, 400 for an invalid body."""
    route = _ROUTES.get((method, path.removeprefix(PREFIX).strip("/")))
    if route is None:
        return 404, {"error": f"{method} {path} is not part of the control surface"}
    try:
        return 200, route(emulator, query, body)
    except (KeyError, TypeError, ValueError) as error:
        return 400, {"error": f"{type(error).__name__}: {error}"}


def _about(emulator: Emulator, _query: Query, _body: Body) -> dict[str, Any]:
    return {
        "name": emulator.name,
        "url": emulator.url,
        "environment": emulator.environment(),
        "live": emulator.book.live,
        "peak_live": emulator.peak_live,
    }


def _jobs(emulator: Emulator, _query: Query, _body: Body) -> dict[str, Any]:
    with emulator.book.lock:
        jobs = [asdict(job) for job in emulator.jobs()]
        return {"jobs": jobs, "live": emulator.book.live, "peak_live": emulator.peak_live, "starts": emulator.starts}


def _calls(emulator: Emulator, query: Query, _body: Body) -> dict[str, Any]:
    counts = {"counts": emulator.calls.counts}
    return {**counts, "requests": emulator.calls.requests(query["operation"])} if "operation" in query else counts


def _events(emulator: Emulator, _query: Query, _body: Body) -> dict[str, Any]:
    return {"events": list(emulator.events())}


def _finish(emulator: Emulator, _query: Query, body: Body) -> dict[str, Any]:
    emulator.finish(body["name"], int(body.get("exit_code", 0)))
    return {}


def _faults(emulator: Emulator, _query: Query, body: Body) -> dict[str, Any]:
    emulator.faults.add(**body)
    return {}


def _advance(emulator: Emulator, _query: Query, body: Body) -> dict[str, Any]:
    emulator.advance(float(body["seconds"]))
    return {"now": emulator.now()}


def _settings(emulator: Emulator, _query: Query, body: Body) -> dict[str, Any]:
    emulator.change_settings(body)
    return {}


def _reset(emulator: Emulator, _query: Query, _body: Body) -> dict[str, Any]:
    emulator.reset()
    return {}


_ROUTES: dict[tuple[str, str], Callable[[Emulator, Query, Body], dict[str, Any]]] = {
    ("GET", ""): _about,
    ("GET", "jobs"): _jobs,
    ("GET", "calls"): _calls,
    ("GET", "events"): _events,
    ("POST", "finish"): _finish,
    ("POST", "faults"): _faults,
    ("POST", "advance"): _advance,
    ("POST", "settings"): _settings,
    ("POST", "reset"): _reset,
}


class Remote:
    """An emulator in another process, reached over its control API. Raises urllib's HTTPError for a 400 or 404."""

    def __init__(self, control_url: str, *, timeout: float = 30.0) -> None:
        self._url, self._timeout = control_url.rstrip("/") + PREFIX, timeout

    def get(self, path: str = "", **query: str) -> Any:
        """Read the emulator itself (with an empty `about`), or its jobs, calls or events."""
        return self._ask("GET", path + (f"?{urllib.parse.urlencode(query)}" if query else ""), None)

    def post(self, path: str, **body: Any) -> Any:
        """Post one of finish, faults, advance, settings, reset."""
        return self._ask("POST", path, json.dumps(body).encode())

    def _ask(self, method: str, path: str, data: bytes | None) -> Any:
        request = urllib.request.Request(  # noqa: S310 - the caller's own emulator
            f"{self._url}/{path}", data=data, method=method, headers={"Content-Type": "application/json"}
        )
        with urllib.request.urlopen(request, timeout=self._timeout) as reply:  # noqa: S310 - as above
            return json.load(reply)
