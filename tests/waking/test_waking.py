"""A wake by command, by URL and by Lambda: what is sent, and that nothing waits for the tick."""

from __future__ import annotations

import json
import socket
import sys
from subprocess import Popen
from threading import Event

import pytest

from dispatcher.environment.settings import Settings
from dispatcher.errors import SettingsError
from dispatcher.waking import MAX_POOLS, NotWoken, from_setting
from dispatcher.wiring import wire
from tests.delivery.inbox import an_inbox

PATIENCE = 60.0
"""Seconds for what happens, however busy the machine is."""


def patient(text):
    """A wake with time for a command, a connection and a refusal on a busy machine."""
    return from_setting(text, seconds=PATIENCE, refusal_seconds=PATIENCE)


def test_without_the_setting_nothing_is_started():
    from_setting(None)(["batch"])
    from_setting("")(["batch"])


def test_a_url_gets_the_event_of_a_tick_of_each_pool():
    with an_inbox() as inbox:
        patient(inbox.url + "?code=key")(["batch", "nightly", "batch"])
    assert [path for path, _, _ in inbox.got] == ["/hook?code=key"] * 2
    assert [json.loads(body) for _, _, body in inbox.got] == [{"pool": "batch"}, {"pool": "nightly"}]
    assert {headers["content-type"] for _, headers, _ in inbox.got} == {"application/json"}


def test_a_url_that_answers_when_its_tick_is_over_is_not_waited_for():
    with socket.create_server(("127.0.0.1", 0)) as server:
        from_setting(f"http://127.0.0.1:{server.getsockname()[1]}/tick", seconds=PATIENCE)(["batch"])
        connection, _ = server.accept()
        with connection, connection.makefile("rb") as request:
            assert request.read().endswith(b'{"pool": "batch"}'), "it was sent, and the connection is closed"


@pytest.mark.parametrize("status", [302, 403, 500])
def test_a_refusal_is_reported_and_no_redirect_is_followed(status):
    with an_inbox() as inbox:
        inbox.status = status
        with pytest.raises(NotWoken, match=f"it answered {status}"):
            patient(inbox.url)(["batch"])
    assert len(inbox.got) == 1


def test_a_url_where_nobody_listens_is_reported():
    with an_inbox() as inbox:
        url = inbox.url
    with pytest.raises(NotWoken, match="no answer"):
        from_setting(url)(["batch"])


def test_one_wake_starts_a_bounded_number_of_ticks():
    with an_inbox() as inbox:
        patient(inbox.url)([f"pool-{number}" for number in range(MAX_POOLS + 5)])
    assert len(inbox.got) == MAX_POOLS


def test_a_command_is_started_with_the_name_of_each_pool(monkeypatch):
    started, ended = [], Event()

    class Watched(Popen):
        def __init__(self, words, **options):
            started.append(words)
            super().__init__(words, **options)

        def wait(self, timeout=None):
            code = super().wait(timeout)
            ended.set()
            return code

    monkeypatch.setattr("dispatcher.waking.command.subprocess.Popen", Watched)
    patient(f"command:{sys.executable} -c 'pass' --pool={{pool}}")(["bat ch; rm"])
    assert started == [[sys.executable, "-c", "pass", "--pool=bat ch; rm"]], "no shell reads the name"
    assert ended.wait(PATIENCE), "no zombie is left"


def test_a_command_that_is_not_there_is_reported():
    with pytest.raises(NotWoken, match="nosuch"):
        patient("command:/nonexistent/nosuch {pool}")(["batch"])


@pytest.mark.parametrize(
    "text", ["push-dispatcher", "http://dispatcher.example/tick", "command:", "command:dispatcher 'tick", "lambda:", "ftp://x"]
)
def test_a_setting_that_starts_nothing_is_refused_by_name(text):
    with pytest.raises(SettingsError, match=r"^DISPATCHER_WAKE: "):
        from_setting(text)


@pytest.mark.parametrize("text", ["push-dispatcher", "http://dispatcher.example/tick", "ftp://x"])
def test_an_invalid_url_is_refused_with_the_settings(text):
    with pytest.raises(SettingsError, match=r"^DISPATCHER_WAKE: give lambda:NAME, "):
        Settings.from_environment({"HOME": "/home/somebody", "DISPATCHER_WAKE": text})


def test_the_clients_of_people_wake_and_those_of_a_function_do_not():
    with an_inbox() as inbox:
        wired = wire(Settings(store="memory://", wake=inbox.url))
        wired.client.create_work_pool("batch", type="process", job_variables={"command": "true"})
        wired.client.create_run(pool="batch")
        assert inbox.got == []
        wired.client_with().create_run(pool="batch")
    assert [json.loads(body) for _, _, body in inbox.got] == [{"pool": "batch"}]
