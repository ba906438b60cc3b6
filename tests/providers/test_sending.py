"""Which errors prove that a request was never sent."""

import asyncio
import socket
import ssl
import threading
from contextlib import contextmanager

import pytest
import requests
import urllib3

from providers.sending import never_sent


@contextmanager
def in_the_background(work):
    thread = threading.Thread(target=work)
    thread.start()
    yield
    thread.join()


def failing(call) -> Exception:
    with pytest.raises(Exception) as caught:  # noqa: PT011 - each library has its own
        call()
    return caught.value


@pytest.fixture
def nobody():
    """A port that nobody listens at."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield taken.getsockname()[1]


@pytest.fixture
def rude():
    """A port that takes connections and drops each after what was sent on it."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener


def test_a_refused_connection_was_never_sent_whichever_library_asked(nobody):
    assert never_sent(failing(lambda: requests.get(f"http://127.0.0.1:{nobody}", timeout=5)))
    assert never_sent(failing(lambda: urllib3.PoolManager().request("GET", f"http://127.0.0.1:{nobody}", retries=False)))
    assert never_sent(failing(lambda: asyncio.run(connected(nobody))))


async def connected(port, **options):
    await asyncio.get_running_loop().create_connection(asyncio.Protocol, "127.0.0.1", port, **options)


def test_a_handshake_that_fails_was_never_sent(rude):
    def hang_up():
        connection, _ = rude.accept()
        connection.close()

    for call in (
        lambda port: requests.get(f"https://127.0.0.1:{port}", timeout=5),
        lambda port: asyncio.run(connected(port, ssl=ssl.create_default_context(), server_hostname="localhost")),
    ):
        with in_the_background(hang_up):
            assert never_sent(failing(lambda call=call: call(rude.getsockname()[1])))


def test_a_connection_that_breaks_after_it_was_made_proves_nothing(rude):
    def read_and_hang_up():
        connection, _ = rude.accept()
        connection.recv(65536)
        connection.close()

    with in_the_background(read_and_hang_up):
        assert not never_sent(failing(lambda: requests.post(f"http://127.0.0.1:{rude.getsockname()[1]}", timeout=5)))


def test_an_error_outside_the_network_does_not_prove_that_nothing_was_sent():
    assert not never_sent(ValueError("?"))
