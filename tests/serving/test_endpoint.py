"""What the endpoint answers, and to whom."""

from __future__ import annotations

import json
import socket
from contextlib import closing
from http.client import HTTPConnection

import pytest

from dispatcher.serving.endpoint import AT_ONCE, MAX_BODY, Answers, listening
from dispatcher.serving.health import Health
from dispatcher.waking import from_setting


class Asked:
    """An endpoint, and what it was asked for."""

    def __init__(self, **answers):
        self.health, self.woken = Health(60), []
        self.answers = Answers(health=self.health, wake=self.woken.append, **answers)

    def ask(self, method, path, body=None, **headers):
        with closing(HTTPConnection("127.0.0.1", self.server.server_port, timeout=10)) as connection:
            connection.request(method, path, body, headers)
            answer = connection.getresponse()
            return answer.status, answer.read()


@pytest.fixture
def asked():
    asked = Asked(metrics=lambda accept: (b"a 1\n", f"text/plain; of={accept}"))
    with listening("127.0.0.1", 0, asked.answers) as asked.server:
        yield asked


def test_health_is_503_with_the_reason_until_a_tick_has_succeeded(asked):
    status, body = asked.ask("GET", "/healthz")
    assert (status, json.loads(body)["reason"]) == (503, "no tick has succeeded yet: the next one has not begun")
    asked.health.succeeded()
    status, body = asked.ask("GET", "/healthz")
    assert (status, json.loads(body)) == (200, {"healthy": True, "reason": "", "within_seconds": 60})


def test_metrics_are_a_page_of_the_type_that_was_asked_for(asked):
    assert asked.ask("GET", "/metrics", Accept="text/plain") == (200, b"a 1\n")


def test_without_the_library_metrics_say_what_to_install():
    asked = Asked()
    with listening("127.0.0.1", 0, asked.answers) as asked.server:
        status, body = asked.ask("GET", "/metrics")
    assert status == 501
    assert "pip install 'push-dispatcher[serve]'" in json.loads(body)["error"]


@pytest.mark.parametrize(("body", "pool"), [(None, ""), (b"{}", ""), (b'{"pool": "nightly"}', "nightly")])
def test_a_wake_concerns_one_pool_or_every_pool(asked, body, pool):
    assert asked.ask("POST", "/wake", body) == (202, json.dumps({"pool": pool or None}).encode() + b"\n")
    assert asked.woken == [pool]


def test_a_wake_by_the_setting_reaches_the_endpoint(asked):
    from_setting(f"{asked.server.url}/wake")(["nightly", "daily"])
    assert asked.woken == ["nightly", "daily"]


@pytest.mark.parametrize(
    ("body", "headers", "status"),
    [
        (b"[]", {}, 400),
        (b"{", {}, 400),
        (b"[" * 20_000, {}, 400),
        (b'{"pool": ""}', {}, 400),
        (b'{"pool": 1}', {}, 400),
        (b'{"pool": "a", "b": 1}', {}, 400),
        (None, {"Origin": "https://page.example"}, 403),
        (None, {"Content-Length": str(MAX_BODY + 1)}, 413),
        (None, {"Content-Length": "9" * 5000}, 413),
        (None, {"Content-Length": "-1"}, 411),
        (None, {"Transfer-Encoding": "chunked"}, 411),
    ],
)
def test_any_other_wake_is_refused(asked, body, headers, status):
    assert asked.ask("POST", "/wake", body, **headers)[0] == status
    assert asked.woken == []


@pytest.mark.parametrize(("method", "path"), [("GET", "/"), ("GET", "/wake"), ("POST", "/healthz"), ("GET", "/metrics/x")])
def test_any_other_path_or_method_is_not_found(asked, method, path):
    assert asked.ask(method, path)[0] == 404


@pytest.mark.parametrize("path", ["/healthz", "/metrics"])
def test_on_loopback_another_host_is_refused_because_a_web_page_could_have_that_name(asked, path):
    assert asked.ask("GET", path, Host="page.example")[0] == 403
    assert asked.ask("GET", path, Host="localhost:8765")[0] != 403
    assert asked.ask("GET", path, Host="[::1]:8765")[0] != 403
    assert asked.ask("GET", path, Host="[")[0] in (400, 403)


def test_any_host_name_is_accepted_on_an_address_other_than_loopback():
    asked = Asked(metrics=lambda _: (b"", "text/plain"))
    with listening("0.0.0.0", 0, asked.answers) as asked.server:
        assert asked.ask("GET", "/metrics", Host="dispatcher.cluster.local")[0] == 200


def test_connections_that_say_nothing_are_bounded_and_free_their_places(asked):
    silent = [socket.create_connection(("127.0.0.1", asked.server.server_port)) for _ in range(AT_ONCE)]
    late = socket.create_connection(("127.0.0.1", asked.server.server_port))
    late.settimeout(10)
    assert late.recv(1) == b"", "one too many is closed at once"
    for connection in (*silent, late):
        connection.close()
    status = 0
    while status != 503:
        try:
            status, _ = asked.ask("GET", "/healthz")
        except OSError:  # the threads have not yet seen that their clients went away
            continue
