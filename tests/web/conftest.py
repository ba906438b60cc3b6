"""The application over a store in memory, asked in this process as a browser or a program would ask it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from starlette.testclient import TestClient

from dispatcher.client import Dispatcher
from dispatcher.environment.settings import Settings
from dispatcher.web.access import Access, loopback
from dispatcher.web.app import create_app
from dispatcher.wiring import Wiring, wire

PORT = 4210
BASE = f"http://127.0.0.1:{PORT}"
OWN = {"Origin": BASE}
"""What a browser sends with a change that our own page asks for."""


@dataclass
class Site:
    """One server, and the store behind it."""

    wiring: Wiring
    browser: TestClient
    """Signed in."""

    @property
    def client(self) -> Dispatcher:
        return self.wiring.client

    def api(self, method: str, path: str, body: Any = None, **headers: str) -> Any:
        """The answer of the API to a request of our own page."""
        content = {} if body is None else {"json": body}
        names = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.browser.request(method, f"/api/v1{path}", headers={**OWN, **names}, **content)

    def ok(self, method: str, path: str, body: Any = None, **headers: str) -> Any:
        """The JSON of an answer that has to be a good one."""
        answer = self.api(method, path, body, **headers)
        assert answer.is_success, answer.text
        return answer.json() if answer.content else None


@pytest.fixture
def wiring(tmp_path) -> Iterator[Wiring]:
    settings = Settings.from_environment({"HOME": str(tmp_path), "DISPATCHER_STORE": "memory://"})
    made = wire(settings)
    yield made
    made.close()


def browser_of(wiring: Wiring, access: Access, base: str = BASE) -> TestClient:
    """Somebody at the server, not signed in."""
    return TestClient(create_app(wiring.settings, access=access, wiring=wiring), base_url=base, follow_redirects=False)


@pytest.fixture
def site(wiring) -> Site:
    access, sessions = loopback(PORT, name="ada")
    browser = browser_of(wiring, access)
    assert browser.get("/sign-in", params={"token": sessions.token}).status_code == 200
    return Site(wiring, browser)


@pytest.fixture
def pool(site):
    """A pool of processes."""
    return site.client.create_work_pool("nightly", type="process", concurrency_limit=2)
