"""The hostile network does what its scripts say."""

import http.client
import json
import socket
import urllib.error
import urllib.request
from collections.abc import Iterator

import pytest

from providers.emulators.web import HttpRequest, Response, WebServer
from tests.network.faults import Answer, Call, Chance, Fault, always, junked, nth
from tests.network.json_paths import GONE, paths, replaced
from tests.network.proxy import HttpProxy
from tests.network.wire import TcpProxy


class FarSide:
    """Counts what arrives."""

    def __init__(self) -> None:
        self.bodies: list[bytes] = []
        self.server = WebServer(None, self.answer)

    def answer(self, request: HttpRequest) -> Response:
        self.bodies.append(request.body)
        return Response.json({"number": len(self.bodies), "said": request.body.decode(), "list": [1, 2]})


@pytest.fixture
def far_side() -> Iterator[FarSide]:
    far_side = FarSide()
    far_side.server.start()
    yield far_side
    far_side.server.stop()


@pytest.fixture
def proxy(far_side: FarSide) -> Iterator[HttpProxy]:
    with HttpProxy(far_side.server.url) as proxy:
        yield proxy


def ask(proxy: HttpProxy, body: bytes = b"hello", timeout: float = 5.0) -> tuple[int, bytes]:
    request = urllib.request.Request(f"{proxy.url}/path?query=1", data=body)
    try:
        with urllib.request.urlopen(request, timeout=timeout) as reply:
            return reply.status, reply.read()
    except urllib.error.HTTPError as refusal:
        with refusal:
            return refusal.code, refusal.read()


def test_an_exchange_that_passes_is_unchanged_and_recorded(proxy, far_side):
    status, body = ask(proxy)
    assert (status, json.loads(body)) == (200, {"number": 1, "said": "hello", "list": [1, 2]})
    [exchange] = proxy.exchanges
    assert (exchange.call.action, exchange.call.body, exchange.answer.body) == ("POST /path", b"hello", body)


@pytest.mark.parametrize(("fault", "arrived"), [(Fault.CUT_BEFORE, 0), (Fault.CUT_AFTER, 1), (Fault.HALF, 1)])
def test_a_broken_connection_counts_as_no_answer(proxy, far_side, fault, arrived):
    proxy.script = always(fault)
    with pytest.raises((OSError, http.client.HTTPException)):
        ask(proxy)
    assert len(far_side.bodies) == arrived


def test_a_silent_proxy_never_answers(proxy):
    proxy.script = always(Fault.SILENT)
    with pytest.raises(TimeoutError):
        ask(proxy, timeout=0.3)


def test_a_dripping_answer_arrives_byte_by_byte(proxy, far_side):
    proxy.script = always(Fault.DRIP)
    with urllib.request.urlopen(f"{proxy.url}/path", timeout=60) as reply:
        assert [reply.read(1) for _ in range(3)] == [b" "] * 3
    assert len(far_side.bodies) == 1


@pytest.mark.parametrize(
    ("fault", "status", "begins"),
    [
        (Fault.HTML_200, 200, b"<html>"),
        (Fault.HTML_503, 503, b"<html>"),
        (Fault.GATEWAY, 503, b'{"error"'),
        (Fault.OBJECT, 200, b"{}"),
        (Fault.EMPTY, 200, b""),
    ],
)
def test_a_foreign_answer_reaches_the_caller_and_the_far_side_gets_no_request(proxy, far_side, fault, status, begins):
    proxy.script = always(fault)
    answered, body = ask(proxy)
    assert (answered, body[: len(begins)], far_side.bodies) == (status, begins, [])


def test_a_repeated_request_arrives_twice(proxy, far_side):
    proxy.script = nth(2, Fault.REPEATED)
    assert [json.loads(ask(proxy)[1])["number"] for _ in range(3)] == [1, 3, 4]


def test_an_answer_is_replaced_or_changed_in_one_place(proxy, far_side):
    proxy.script = always(Answer(status=404, body=b"gone"))
    assert ask(proxy) == (404, b"gone")
    proxy.script = always(junked(("list", 0), None))
    assert json.loads(ask(proxy)[1])["list"] == [None, 2]


def test_a_closed_port_refuses_and_is_the_same_port_afterwards(proxy, far_side):
    ask(proxy)
    with proxy.refusing(), pytest.raises(urllib.error.URLError) as refused:
        ask(proxy)
    assert isinstance(refused.value.reason, ConnectionRefusedError)
    assert ask(proxy)[0] == 200


def test_random_faults_follow_from_the_seed_and_can_be_switched_off():
    def drawn() -> list[object]:
        chance = Chance(7, {Fault.CUT_AFTER: 0.2, Fault.DRIP: 0.2})
        return [chance(Call(number=number)) for number in range(50)]

    assert drawn() == drawn()
    assert {Fault.CUT_AFTER, Fault.DRIP, None} == set(drawn())
    chance = Chance(7, {Fault.DRIP: 1.0})
    chance.calm()
    assert chance(Call(number=1)) is None


def test_every_place_of_a_json_text_is_found_and_can_be_changed():
    value = {"a": {"b": [{"c": 1}, 2]}, "d": None}
    assert list(paths(value)) == [("a",), ("a", "b"), ("a", "b", 0), ("a", "b", 0, "c"), ("d",)]
    assert json.loads(replaced(json.dumps(value).encode(), ("a", "b", 0), GONE)) == {"a": {"b": [2]}, "d": None}


def test_a_tcp_proxy_passes_bytes_or_injects_its_fault(far_side):
    port = int(far_side.server.url.rpartition(":")[2])
    request = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
    with TcpProxy(port) as wire:
        for fault, expected in (
            (None, b"HTTP/1.1 200"),
            (Fault.CUT_BEFORE, b""),
            (Fault.CUT_AFTER, b""),
            (Fault.HALF, b"HTTP/"),
        ):
            wire.script = always(fault)
            with socket.create_connection(("127.0.0.1", wire.port), timeout=60) as client:
                client.sendall(request)
                assert client.recv(12)[: len(expected) or 12] == expected, fault
