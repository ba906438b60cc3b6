"""Whose Modal it is, and how long a client is kept."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from dataclasses import replace

import pytest

from providers.base import Accepted, CallFailed, Hold, JobState, Misconfigured
from providers.emulators.modal import ModalEmulator
from providers.modal import ModalProvider

from .builders import a_job
from .conftest import NOW

ENTRIES = {"team": {"token_id_env": "TEAM_ID", "token_secret_env": "TEAM_SECRET"}, "half": {"token_id_env": "TEAM_ID"}}


@pytest.fixture
def team(emulator, signed_in, monkeypatch):
    emulator.tokens["ak-team"] = "as-team"
    monkeypatch.setenv("TEAM_ID", "ak-team")
    monkeypatch.setenv("TEAM_SECRET", "as-team")
    return ModalProvider(server_url=emulator.url, credentials=ENTRIES)


def test_a_pool_may_name_an_entry_whose_token_stands_in_the_environment(team, emulator, monkeypatch):
    monkeypatch.delenv("MODAL_TOKEN_ID")
    job = a_job(modal_credentials="team")
    outcome = team.submit(job)
    assert isinstance(outcome, Accepted)
    assert outcome.submission.handle["credentials"] == "team"
    assert "ak-team" not in str(outcome)
    assert "as-team" not in str(outcome)
    assert team.observe([outcome.submission]).keys() == {job.name}


def test_a_provider_holds_clients_of_several_accounts(team, emulator):
    assert isinstance(team.submit(a_job(1, modal_credentials="team")), Accepted)
    assert isinstance(team.submit(a_job(2)), Accepted)
    assert emulator.calls["AppGetOrCreate"] == 2


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("nobody", "'nobody' is not an entry of DISPATCHER_CREDENTIALS .its entries: half, team."),
        ("half", "half.token_secret_env must name an environment variable that is set"),
    ],
)
def test_an_entry_that_cannot_be_used_is_named(team, emulator, name, message):
    outcome = team.submit(a_job(modal_credentials=name))
    assert isinstance(outcome, Misconfigured)
    assert outcome.hold == Hold(place=(name,))
    with pytest.raises(CallFailed, match=message):
        team.find(a_job(modal_credentials=name))
    assert not emulator.calls.counts


def test_a_run_whose_credentials_are_gone_does_not_disturb_the_others(team, emulator):
    mine, other = (team.submit(a_job(number, modal_credentials="team")).submission for number in (1, 2))
    gone = replace(mine, handle={**mine.handle, "credentials": "gone"})
    with pytest.raises(CallFailed, match="'gone' is not an entry of DISPATCHER_CREDENTIALS"):
        team.cancel(gone)
    seen = team.observe([gone, other])
    assert [seen[submission.name].state for submission in (gone, other)] == [JobState.UNREADABLE, JobState.RUNNING]


def test_a_token_that_is_not_valid_is_a_fault_of_the_host(team, monkeypatch):
    monkeypatch.setenv("TEAM_SECRET", "as-wrong")
    outcome = team.submit(a_job(modal_credentials="team"))
    assert isinstance(outcome, Misconfigured)
    assert "check MODAL_TOKEN_ID" in outcome.reason
    assert "as-wrong" not in outcome.reason


def test_without_a_server_url_the_environment_says_where_modal_is(emulator, signed_in):
    assert isinstance(ModalProvider().submit(a_job()), Accepted)


def test_without_any_token_the_run_waits_and_modals_words_say_why(emulator, signed_in, monkeypatch):
    monkeypatch.delenv("MODAL_TOKEN_ID")
    monkeypatch.delenv("MODAL_TOKEN_SECRET")
    outcome = ModalProvider().submit(a_job())
    assert isinstance(outcome, Misconfigured)
    assert "Token missing" in outcome.reason


class Clock:
    def __init__(self):
        self.now = NOW

    def __call__(self):
        return self.now


def test_a_client_is_kept_between_invocations_and_renewed_after_a_long_sleep(emulator, signed_in):
    clock = Clock()
    provider = ModalProvider(server_url=emulator.url, clock=clock)
    for seconds, lookups in ((0, 1), (60, 1), (119, 1), (121, 2), (60, 2), (3600, 3), (-60, 4)):
        clock.now += seconds
        provider.find(a_job(int(clock.now)))
        assert isinstance(provider.submit(a_job(int(clock.now))), Accepted)
        assert emulator.calls["AppGetOrCreate"] == lookups, seconds


def test_objects_that_are_gone_are_looked_up_again(emulator, signed_in):
    provider = ModalProvider(server_url=emulator.url)
    assert isinstance(provider.submit(a_job(1)), Accepted)
    emulator.reset()
    assert isinstance(provider.submit(a_job(2)), Accepted)
    assert isinstance(provider.submit(a_job(3, gpu="T4")), Accepted)
    emulator.reset()
    assert isinstance(provider.submit(a_job(4, gpu="T4")), Accepted)


def run(script, emulator, **environment):
    """A script of its own process, so that imports and forks are its own."""
    done = subprocess.run(
        [sys.executable, "-c", script],
        env={"PATH": "/usr/bin:/bin", **emulator.environment(), **environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_importing_the_provider_loads_no_sdk(emulator):
    script = """
import sys
from providers.modal import ModalProvider
ModalProvider()
assert not {"modal", "grpclib", "google.protobuf"} & set(sys.modules)
"""
    run(script, emulator)


def test_a_missing_sdk_says_what_to_install(emulator):
    script = """
import sys
sys.modules["modal"] = None
from providers.base import Job
from providers.modal import ModalProvider
print(ModalProvider().submit(Job(name="r1", configuration={})).reason)
"""
    assert "pip install 'push-dispatcher[modal]'" in run(script, emulator)


def test_the_provider_works_inside_modal_without_a_token(emulator):
    script = """
from providers.base import Job
from providers.modal import ModalProvider
print(ModalProvider().submit(Job(name="r1", configuration={"command": "true"})))
"""
    without = {"MODAL_IS_REMOTE": "1", "MODAL_TOKEN_ID": "", "MODAL_TOKEN_SECRET": "", "MODAL_TASK_ID": "ta-1"}
    assert run(script, emulator, **without).startswith("Accepted")
    assert emulator.starts == {"r1": 1}


def test_a_forked_child_opens_a_client_of_its_own(emulator):
    script = """
import json, os, sys
from providers.base import Accepted, Job
from providers.modal import ModalProvider

def job(name):
    return Job(name=name, configuration={"command": "true"})

provider = ModalProvider()
first = provider.submit(job("r1"))
child = os.fork()
if child == 0:
    found = provider.submit(job("r2"))
    sys.stdout.flush()
    os._exit(0 if isinstance(found, Accepted) else 1)
_, status = os.waitpid(child, 0)
third = provider.submit(job("r3"))
print(json.dumps([isinstance(first, Accepted), status, isinstance(third, Accepted)]))
"""
    assert json.loads(run(script, emulator)) == [True, 0, True]


def test_a_call_works_in_a_thread_that_runs_an_event_loop(emulator, signed_in):
    async def inside():
        return ModalProvider(server_url=emulator.url).submit(a_job())

    assert isinstance(asyncio.run(inside()), Accepted)


def test_another_process_finds_and_ends_what_this_one_started(emulator, signed_in):
    submission = ModalProvider(server_url=emulator.url).submit(a_job()).submission
    script = f"""
from providers.base import Submission
from providers.modal import ModalProvider
ModalProvider().cancel(Submission(name={submission.name!r}, handle={dict(submission.handle)!r}))
"""
    run(script, emulator)
    assert not emulator.jobs()[0].live


def test_two_providers_of_one_name_start_one_job(signed_in):
    with ModalEmulator(clock=lambda: NOW) as emulator:
        outcomes = [ModalProvider(server_url=emulator.url).submit(a_job()) for _ in range(2)]
        assert outcomes[0] == outcomes[1]
        assert emulator.starts == {a_job().name: 1}
