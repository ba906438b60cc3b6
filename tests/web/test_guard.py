"""The guard: whoever is not let in learns nothing and changes nothing."""

from __future__ import annotations

import pytest

from dispatcher.environment.settings import Settings
from dispatcher.errors import SettingsError
from dispatcher.models.records import RunFilter
from dispatcher.web.access import Access, Headers, ProxyHeader, behind_proxy, loopback, origin_fault
from tests.web.conftest import BASE, OWN, PORT, browser_of

SECRET = "a-secret-of-the-proxy"
PROXY = {"X-Dispatcher-Proxy-Secret": SECRET}
NEW_POOL = {"name": "new", "type": "process"}


def contents(wiring):
    store = wiring.store
    return store.pools(), store.deployments(), store.runs(RunFilter(), limit=1000)


@pytest.fixture
def proxied(wiring):
    identify = ProxyHeader(header="x-email", secret=SECRET)
    access = Access(identify=identify, hosts=frozenset({"pools.example.com"}), editors=["ada@example.com", "*@ops.example.com"])
    return browser_of(wiring, access, "https://pools.example.com")


@pytest.mark.parametrize("host", ["evil.example", f"127.0.0.1:{PORT + 1}", f"localhost.:{PORT}", "127.0.0.1", ""])
def test_a_foreign_host_is_refused(site, host):
    answer = site.browser.get("/api/v1/pools", headers={"Host": host})
    assert answer.status_code == 421


@pytest.mark.parametrize("host", [f"localhost:{PORT}", f"[::1]:{PORT}"])
def test_this_machine_is_served_under_its_own_names(site, host):
    assert site.browser.get("/api/v1/pools", headers={"Host": host}).status_code == 200


def test_two_hosts_are_refused(site):
    headers = [("Host", f"127.0.0.1:{PORT}"), ("Host", "evil.example")]
    assert site.browser.get("/api/v1/pools", headers=headers).status_code == 421


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://127.0.0.1:3000"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Sec-Fetch-Site": "none", "Origin": BASE},
        {},
    ],
)
def test_a_change_that_another_page_sends_is_refused(site, wiring, headers):
    before = contents(wiring)
    answer = site.browser.post("/api/v1/pools", json=NEW_POOL, headers=headers)
    assert answer.status_code == 403
    assert contents(wiring) == before


@pytest.mark.parametrize("headers", [OWN, {"Sec-Fetch-Site": "same-origin", "Origin": "null"}])
def test_a_change_that_our_own_page_sends_is_made(site, headers):
    assert site.browser.post("/api/v1/pools", json=NEW_POOL, headers=headers).status_code == 201


def test_another_site_may_link_to_a_page_and_load_nothing():
    def headers(**values):
        return Headers([(b"sec-fetch-site", b"cross-site"), *((f"sec-fetch-{key}".encode(), values[key]) for key in values)])

    assert origin_fault("GET", headers(mode=b"navigate", dest=b"document"), "http") is None
    assert origin_fault("GET", headers(mode=b"navigate", dest=b"iframe"), "http") is not None
    assert origin_fault("GET", headers(mode=b"no-cors", dest=b"image"), "http") is not None


def test_the_token_of_the_first_address_works_once(wiring):
    access, sessions = loopback(PORT, name="ada")
    token, first, second = sessions.token, browser_of(wiring, access), browser_of(wiring, access)

    assert first.get("/api/v1/pools").status_code == 401
    assert first.get("/sign-in", params={"token": token}).status_code == 200
    assert first.get("/sign-in", params={"token": token}).status_code == 200  # signed in already
    assert second.get("/sign-in", params={"token": token}).status_code == 403
    assert (first.get("/api/v1/pools").status_code, second.get("/api/v1/pools").status_code) == (200, 401)


@pytest.mark.parametrize("token", ["", "wrong", "é"])
def test_a_wrong_token_is_refused(wiring, token):
    access, sessions = loopback(PORT, name="ada")
    assert browser_of(wiring, access).get("/sign-in", params={"token": token}).status_code == 403
    assert sessions.token is not None


def test_the_cookie_is_for_our_own_pages_alone(wiring):
    access, sessions = loopback(PORT, name="ada")
    cookie = browser_of(wiring, access).get("/sign-in", params={"token": sessions.token}).headers["set-cookie"]
    assert cookie.startswith(f"dispatcher_{PORT}=")
    assert sessions.token is None
    assert {part.strip().lower() for part in cookie.split(";")[1:]} == {"httponly", "path=/", "samesite=strict"}


def test_a_read_only_server_refuses_every_change_and_plans(wiring):
    access, sessions = loopback(PORT, name="ada", read_only=True)
    browser = browser_of(wiring, access)
    browser.get("/sign-in", params={"token": sessions.token})

    assert browser.post("/api/v1/pools", json=NEW_POOL, headers=OWN).status_code == 403
    plan = browser.post("/api/v1/plan", json={"configuration": {"pools": {"new": {"type": "process"}}}}, headers=OWN)
    assert [change["action"] for change in plan.json()["changes"]] == ["create"]
    assert not wiring.store.pools()


@pytest.mark.parametrize("actor", ["ada@example.com", "ADA@example.com", "bob@ops.example.com"])
def test_an_editor_behind_the_proxy_may_change_things(proxied, actor):
    assert proxied.post("/api/v1/pools", json=NEW_POOL, headers={**PROXY, "X-Email": actor}).status_code == 201


@pytest.mark.parametrize("actor", ["eve@example.com", "@ops.example.com", "ada@example.com.evil.example", "ada"])
def test_others_behind_the_proxy_may_read(proxied, wiring, actor):
    who = {**PROXY, "X-Email": actor}
    assert proxied.get("/api/v1/pools", headers=who).status_code == 200
    assert proxied.post("/api/v1/pools", json=NEW_POOL, headers=who).status_code == 403
    assert not wiring.store.pools()


@pytest.mark.parametrize(
    "headers",
    [
        [("X-Email", "ada@example.com")],
        [("X-Email", "ada@example.com"), ("X-Dispatcher-Proxy-Secret", "wrong")],
        [("X-Email", "ada@example.com"), *PROXY.items(), *PROXY.items()],
        [("X-Email", "ada@example.com"), ("X-Email", "eve@example.com"), *PROXY.items()],
        [("X-Email", ""), *PROXY.items()],
        [("X-Email", "ada\x1b[31m"), *PROXY.items()],
        [*PROXY.items()],
    ],
)
def test_a_name_without_the_proof_of_the_proxy_counts_for_nothing(proxied, headers):
    assert proxied.get("/api/v1/pools", headers=headers).status_code == 401


def test_a_browser_behind_the_proxy_is_checked_for_its_origin(proxied):
    who = {**PROXY, "X-Email": "ada@example.com", "Cookie": "session=1"}
    assert proxied.post("/api/v1/pools", json=NEW_POOL, headers=who).status_code == 403
    own = {**who, "Origin": "https://pools.example.com"}
    assert proxied.post("/api/v1/pools", json=NEW_POOL, headers=own).status_code == 201


def test_every_change_of_the_api_is_refused_to_a_reader(proxied, wiring):
    """Taken from the document, so that no new operation is forgotten."""
    who = {**PROXY, "X-Email": "eve@example.com"}
    paths = proxied.get("/api/v1/openapi.json", headers=who).json()["paths"]
    changes = [(method, path) for path, methods in paths.items() for method in methods if method not in ("get", "parameters")]
    alone = {"/plan", "/preview-job", "/preview-schedule"}
    of_one = {"/pools/{pool}/simulate", "/pools/{pool}/plan", "/deployments/{deployment}/plan"}
    reading = {("post", path) for path in alone | of_one}
    assert len(changes) > 12
    assert reading <= set(changes)
    for method, path in set(changes) - reading:
        assert proxied.request(method, f"/api/v1{path}", headers=who, json={}).status_code == 403, (method, path)
    assert not wiring.store.pools()


@pytest.mark.parametrize("path", ["/api/v1/pools", "/api/v1/nothing", "/nothing", "/sign-in?token=wrong"])
def test_every_answer_carries_the_headers_of_a_careful_server(site, path):
    headers = site.browser.get(path).headers
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["x-frame-options"] == "DENY"
    assert headers["referrer-policy"] == "same-origin"
    assert headers["cache-control"] == "no-store"
    assert "default-src 'none'" in headers["content-security-policy"]
    assert "unsafe" not in headers["content-security-policy"]


def test_anybody_may_ask_whether_the_server_is_there(wiring):
    access, _ = loopback(PORT, name="ada")
    assert browser_of(wiring, access).get("/api/v1/health").json() == {"status": "ok"}


def test_without_the_settings_of_a_proxy_nothing_is_served(tmp_path):
    with pytest.raises(SettingsError, match="DISPATCHER_UI_AUTH"):
        behind_proxy(Settings.from_environment({"HOME": str(tmp_path)}))


@pytest.mark.parametrize(
    ("left_out", "value"),
    [("AUTH", "basic"), ("AUTH", "header:"), ("PROXY_SECRET", ""), ("PROXY_SECRET", "short"), ("HOSTS", "")],
)
def test_incomplete_settings_of_a_proxy_are_refused_by_name(tmp_path, left_out, value):
    given = {"AUTH": "header:X-Email", "PROXY_SECRET": SECRET, "HOSTS": "pools.example.com", left_out: value}
    environment = {"HOME": str(tmp_path), **{f"DISPATCHER_UI_{name}": text for name, text in given.items()}}
    with pytest.raises(SettingsError, match=f"DISPATCHER_UI_{left_out}") as raised:
        Settings.from_environment(environment)
    assert SECRET not in str(raised.value)
