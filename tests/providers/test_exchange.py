"""One HTTP exchange over an open connection: what counts as an answer, and that it ends in time."""

from __future__ import annotations

import pytest
import urllib3.exceptions as wire

from providers import exchange as exchanging
from providers.deadlines import NoAnswerInTime
from providers.exchange import Answered, exchange

HEADERS = {"X-Amz-Target": "RunTask"}


class Sock:
    """A connection that answers in these parts, and closes at their end; an exception among them is raised."""

    def __init__(self, *parts):
        self.parts, self.sent, self.timeouts = list(parts), [], []

    def settimeout(self, seconds):
        self.timeouts.append(seconds)

    def sendall(self, data):
        self.sent.append(data)

    def recv(self, _most):
        part = self.parts.pop(0) if self.parts else b""
        if isinstance(part, Exception):
            raise part
        return part


class Connection:
    def __init__(self, sock):
        self.sock, self.made = None, sock

    def connect(self):
        self.sock = self.made

    def close(self):
        self.sock = None


class Pool:
    """As much of urllib3's pool as is used."""

    scheme, host, port = "https", "ecs.example.com", 443

    def __init__(self, *parts):
        self.sock = Sock(*parts)
        self.idle = [Connection(self.sock)]
        self.timeout = wire_timeout()

    def _get_conn(self):
        return self.idle.pop()

    def _put_conn(self, connection):
        self.idle.append(connection)


def wire_timeout():
    return exchanging.Timeout(connect=1.0)


def answer_of(*parts, seconds=10.0):
    return exchange(Pool(*parts), "/", HEADERS, b"{}", seconds)


def test_the_request_goes_out_in_one_piece():
    pool = Pool(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")
    exchange(pool, "/", HEADERS, b"body", 10.0)
    assert pool.sock.sent == [
        b"\r\n".join(
            [
                b"POST / HTTP/1.1",
                b"Host: ecs.example.com",
                b"Accept-Encoding: identity",
                b"X-Amz-Target: RunTask",
                b"Content-Length: 4",
                b"",
                b"body",
            ]
        )
    ]


@pytest.mark.parametrize(("port", "host"), [(8080, "ecs.example.com:8080"), (None, "ecs.example.com")])
def test_a_port_of_its_own_stands_beside_the_host(port, host):
    pool = Pool(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
    pool.port = port
    exchange(pool, "/", HEADERS, b"", 10.0)
    assert f"\r\nHost: {host}\r\n".encode() in pool.sock.sent[0]


ANSWERS = {
    "a length": [b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nX-A: 1\r\n\r\nhello"],
    "byte by byte": [bytes([byte]) for byte in b"HTTP/1.1 200 OK\r\ncontent-length:5\r\nx-a:  1 \r\n\r\nhello"],
    "chunks": [
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nX-A: 1\r\n\r\n2\r\nhe",
        b"\r\n3;x=y\r\nllo\r\n0\r\nT: 1\r\n\r\n",
    ],
    "the end of the connection": [b"HTTP/1.0 200 OK\r\nX-A: 1\r\n\r\nhel", b"lo"],
    "an announcement": [b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.1 200\r\nX-A: 1\r\nContent-Length: 5\r\n\r\nhello"],
}


@pytest.mark.parametrize("parts", ANSWERS.values(), ids=ANSWERS)
def test_an_answer_is_read_to_its_end(parts):
    answered = answer_of(*parts)
    assert (answered.status, answered.headers["x-a"], answered.body) == (200, "1", b"hello")


def test_an_answer_without_content_has_no_body():
    assert answer_of(b"HTTP/1.1 204 No Content\r\n\r\n") == Answered(204, {}, b"")


def test_a_header_that_comes_twice_has_both_values():
    headers = answer_of(b"HTTP/1.1 200 OK\r\nA: 1\r\nContent-Length: 0\r\nA: 2\r\n\r\n").headers
    assert headers["a"] == "1, 2"


NONE = {
    "nothing": [],
    "half a head": [b"HTTP/1.1 200 OK\r\nContent-"],
    "half a body": [b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhel"],
    "half a chunk": [b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhel"],
    "chunks without an end": [b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n"],
    "a chunk that goes on": [b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhello\r\n0\r\n\r\n"],
    "a chunk of no size": [b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-1\r\nhello\r\n"],
    "another protocol": [b"SSH-2.0-OpenSSH_9.6\r\n\r\n\r\n\r\n"],
    "a status that is none": [b"HTTP/1.1 2000 OK\r\n\r\n"],
    "a header that is none": [b"HTTP/1.1 200 OK\r\nnonsense\r\n\r\n"],
    "a length that is none": [b"HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\nhello"],
    "two lengths": [b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 4\r\n\r\nhello"],
    "too great a length": [b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n"],
    "a head without an end": [b"HTTP/1.1 200 OK\r\nX: " + b"x" * 2**17],
    "a broken connection": [ConnectionResetError("reset")],
}


@pytest.mark.parametrize("parts", NONE.values(), ids=NONE)
def test_a_malformed_answer_is_an_error_and_closes_the_connection(parts):
    pool = Pool(*parts)
    with pytest.raises(wire.ProtocolError):
        exchange(pool, "/", HEADERS, b"{}", 10.0)
    assert pool.idle == [None]


KEPT = {
    "a length": (True, b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"),
    "it says that it closes": (False, b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: Close\r\n\r\n"),
    "an older protocol": (False, b"HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n"),
    "more than was asked for": (False, b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\nHTTP/1.1 200 OK\r\n"),
    "no length": (False, b"HTTP/1.1 200 OK\r\n\r\n"),
}


@pytest.mark.parametrize(("kept", "part"), KEPT.values(), ids=KEPT)
def test_a_connection_is_used_again_only_where_nothing_is_left_on_it(kept, part):
    pool = Pool(part)
    exchange(pool, "/", HEADERS, b"{}", 10.0)
    assert [connection is not None for connection in pool.idle] == [kept]


def test_one_deadline_covers_the_whole_exchange(monkeypatch):
    now = iter(range(100))
    monkeypatch.setattr(exchanging.time, "monotonic", lambda: float(next(now)))
    with pytest.raises(NoAnswerInTime, match="within 10 s"):
        answer_of(*ANSWERS["byte by byte"])


def test_a_read_waits_for_no_longer_than_what_is_left(monkeypatch):
    now = iter([0.0, 0.0, 2.0, 5.0])
    monkeypatch.setattr(exchanging.time, "monotonic", lambda: next(now))
    pool = Pool(b"HTTP/1.1 200 OK\r\n", b"Content-Length: 0\r\n\r\n")
    exchange(pool, "/", HEADERS, b"{}", 10.0)
    assert pool.sock.timeouts == [10.0, 8.0, 5.0]


def test_a_read_that_uses_up_the_time_limit_counts_as_no_answer():
    with pytest.raises(NoAnswerInTime):
        answer_of(TimeoutError())


def test_a_value_cannot_end_its_line():
    with pytest.raises(ValueError, match="ends its line"):
        exchange(Pool(), "/", {"A": "1\r\nB: 2"}, b"", 10.0)
