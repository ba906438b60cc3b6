"""`dispatcher serve` as it is started and stopped, in a process of its own."""

from __future__ import annotations

import json
import os
import signal
import urllib.error
import urllib.request
from contextlib import contextmanager

import pytest

from dispatcher.models import RunState
from tests.cli.conftest import Cli

SLOW = """
import os
from select import select
from providers.process.provider import ProcessProvider
submit = ProcessProvider.submit
def slow(self, job):
    os.write({begun}, b"x")
    while not select([{go}], [], [], 0.1)[0]:  # a signal that comes just before a read would wait for its end
        pass
    os.read({go}, 1)
    return submit(self, job)
ProcessProvider.submit = slow
"""
"""A submission that takes as long as the test wants, and says when it has begun."""
WITHOUT = "sys.modules['prometheus_client'] = None"


@pytest.fixture
def cli(tmp_path):
    cli = Cli(tmp_path)
    cli.ok("work-pool", "create", "nightly", "--type", "process")
    return cli


def runs(cli, count):
    cli.ok("run", "create", "--pool", "nightly", "-jv", "command=true", "--count", str(count))


@contextmanager
def serving(cli, *options, **arguments):
    """The process, and where it listens."""
    with cli.process("serve", "--port", "0", *options, **arguments) as process:
        try:
            yield process, logged(process, "serve.began")["url"]
        finally:
            process.kill()


def logged(process, event):
    """The next event of this name."""
    for line in process.stderr:
        fields = json.loads(line)
        if fields["event"] == event:
            return fields
    raise AssertionError(f"it ended before {event}")


def get(url):
    try:
        with urllib.request.urlopen(url, timeout=30) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as refused:
        return refused.code, refused.read().decode()


def stop(process, url):
    """Send the first signal, and see that it has come."""
    process.send_signal(signal.SIGTERM)
    while "about to end" not in get(f"{url}/healthz")[1]:
        pass


def ended(process):
    out, errors = process.communicate(timeout=60)
    return process.returncode, out, [json.loads(line)["event"] for line in errors.splitlines()]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_serve_ticks_answers_requests_and_ends_cleanly_on_a_signal(cli, number):
    runs(cli, 1)
    with serving(cli, "--every", "0.1") as (process, url):
        while get(f"{url}/healthz")[0] != 200:
            logged(process, "tick.pool")
        assert 'dispatcher_run_admissions_total{dispatcher_pool_name="nightly"' in get(f"{url}/metrics")[1]
        process.send_signal(number)
        code, out, events = ended(process)
    assert (code, events[-1]) == (0, "serve.ended")
    assert out.startswith("Stopped after ")


def test_a_wake_starts_a_tick_of_its_pool_at_once(cli, monkeypatch):
    with serving(cli, "--every", "3600") as (process, url):
        logged(process, "tick.idle")
        monkeypatch.setenv("DISPATCHER_WAKE", f"{url}/wake")
        runs(cli, 1)
        assert logged(process, "tick.pool")["claimed"] == 1


def test_a_stop_midway_records_what_is_under_way_and_begins_nothing_more(cli):
    runs(cli, 40)
    with in_the_middle(cli) as (process, url, begun, go):
        stop(process, url)
        os.write(go, b"x" * 40)
        code, _, events = ended(process)
        under_way = 1 + os.read(begun, 40).count(b"x")
    _, stored = cli.stored()
    assert (code, events[-1]) == (0, "serve.ended")
    assert sum(run.submission is not None for run in stored) == under_way < 10
    assert {run.state for run in stored if not run.submission} == {RunState.SCHEDULED}


def test_a_second_signal_ends_the_process_at_once(cli):
    runs(cli, 1)
    with in_the_middle(cli) as (process, url, *_):
        stop(process, url)
        process.send_signal(signal.SIGTERM)
        process.wait(timeout=60)
    assert process.returncode == 128 + signal.SIGTERM
    [run] = cli.stored()[1]
    assert (run.state, run.submission) == (RunState.PENDING, None), "the next tick after its lease looks it up"


@contextmanager
def in_the_middle(cli):
    """A process in the middle of its first submissions, where they are counted, and where they are let go on."""
    (begun, begins), (waits, go) = os.pipe(), os.pipe()
    before = SLOW.format(begun=begins, go=waits)
    try:
        with serving(cli, before=before, pass_fds=(begins, waits)) as (process, url):
            os.read(begun, 1)
            os.write(begins, b".")  # so that a read finds something in any case
            yield process, url, begun, go
    finally:
        for descriptor in (begun, begins, waits, go):
            os.close(descriptor)


def test_without_the_metrics_library_serve_still_ticks(cli):
    runs(cli, 1)
    with serving(cli, before=WITHOUT) as (process, url):
        assert logged(process, "tick.pool")["claimed"] == 1
        assert get(f"{url}/metrics")[0] == 501


def test_a_port_that_is_taken_is_reported_in_one_line_and_nothing_is_ticked(cli):
    runs(cli, 1)
    with serving(cli, "--every", "3600") as (process, url):
        logged(process, "tick.pool")
        runs(cli, 1)
        place = url.removeprefix("http://")
        taken = cli("serve", "--port", place.partition(":")[2])
    assert taken.exit_code == 1
    assert taken.errors == (f"error: --host, --port: cannot listen at {place}: Address already in use",)
    assert [run.state for run in cli.stored()[1]].count(RunState.SCHEDULED) == 1


def test_a_store_that_is_away_is_a_problem_of_each_tick_and_no_end(cli, monkeypatch):
    monkeypatch.setattr(Cli, "environment", {**cli.environment, "DISPATCHER_STORE": "postgresql://nobody@127.0.0.1:1/none"})
    with serving(cli, "--every", "0.1") as (process, url):
        first, second = (logged(process, "serve.tick_failed")["problem"] for _ in range(2))
        status, body = get(f"{url}/healthz")
        process.send_signal(signal.SIGTERM)
        code, _, events = ended(process)
    assert first == second
    assert (status, json.loads(body)["reason"]) == (503, f"no tick has succeeded yet: {first}")
    assert (code, events[-1]) == (0, "serve.ended")


AUTH = {
    "DISPATCHER_UI_AUTH": "header:X-User",
    "DISPATCHER_UI_PROXY_SECRET": "s" * 32,
    "DISPATCHER_UI_HOSTS": "pools.example.com",
}


def test_serve_shows_the_page_to_people_whom_the_proxy_names(cli, monkeypatch):
    for name, value in AUTH.items():
        monkeypatch.setenv(name, value)
    with cli.process("serve", "--port", "0", "--ui", "--ui-port", "0", "--every", "3600") as process:
        try:
            page = logged(process, "serve.began")["page"]
            known = {"Host": "pools.example.com", "X-User": "ada", "X-Dispatcher-Proxy-Secret": "s" * 32}
            request = urllib.request.Request(f"{page}/api/v1/pools", headers=known)
            with urllib.request.urlopen(request, timeout=30) as answer:
                assert [pool["name"] for pool in json.loads(answer.read())] == ["nightly"]
            assert get(f"{page}/")[0] == 421, "without the proxy nobody gets in"
            process.send_signal(signal.SIGTERM)
            code, _, events = ended(process)
        finally:
            process.kill()
    assert (code, events[-1]) == (0, "serve.ended")


def test_the_page_is_not_served_where_nobody_knows_who_asks(cli):
    said = cli.alone("serve", "--port", "0", "--ui", "--ui-port", "0")
    assert said.exit_code == 1
    assert "DISPATCHER_UI_AUTH" in said.errors[0]
