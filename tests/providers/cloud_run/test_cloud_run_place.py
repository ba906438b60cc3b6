"""Whose credentials, which project, which region; and that nothing of Google's is loaded before it is needed."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
from google.auth.exceptions import DefaultCredentialsError

from providers import registry
from providers.base import CallFailed, ConfigurationError, Hold, JobState, Misconfigured, Rejected
from providers.cloud_run import CloudRunProvider
from providers.cloud_run.connection import Connection
from providers.google.accounts import AccountEntry
from tests.providers.cloud_run.builders import a_job, a_provider, submitted


@pytest.mark.parametrize(
    ("variables", "project"),
    [
        ({}, "p"),
        ({"credentials": "other"}, "of-entry"),
        ({"credentials": "other", "project": "of-job"}, "of-job"),
        ({"credentials": {"name": "other"}}, "of-entry"),
        ({"credentials": {"$ref": {"block_document_id": "other"}}}, "of-entry"),
        ({"credentials": {"project": "of-block"}}, "of-block"),
    ],
)
def test_the_nearest_project_wins(emulator, variables, project):
    provider = a_provider(emulator, credentials={"other": {"project": "of-entry"}})
    [submission] = submitted(provider, a_job(**variables))
    assert submission.handle["project"] == project
    assert provider.observe([submission])[submission.name].started_at is not None


def test_a_knative_body_names_its_project_as_its_namespace(emulator, provider):
    job = a_job()
    body = {"metadata": {"namespace": "of-body"}, "spec": {}}
    job = type(job)(name=job.name, configuration={"region": "r", "image": "i", "job_body": body})
    [submission] = submitted(provider, job)
    assert submission.handle["project"] == "of-body"


@pytest.mark.parametrize(
    ("variables", "words"),
    [
        ({"credentials": "nobody"}, "'nobody' is not an entry of DISPATCHER_CREDENTIALS (its entries: keys, main)"),
        ({"credentials": {"service_account_info": {"private_key": "hunter2"}}}, "secrets never stand in a template"),
        ({"region": "us/central"}, "region: name one"),
        ({"project": "a/b"}, "project: give its id"),
    ],
)
def test_an_invalid_place_is_rejected_by_its_field_without_repeating_a_key(emulator, variables, words):
    entries = {"main": {}, "keys": {}}
    provider = a_provider(emulator, credentials=entries)
    outcome = provider.submit(a_job(**variables))
    assert isinstance(outcome, Rejected)
    assert words in outcome.reason
    assert "hunter2" not in outcome.reason
    with pytest.raises(CallFailed, match=r"credentials|region|project"):
        provider.find(a_job(**variables))


def test_a_removed_entry_makes_its_jobs_unreadable(emulator):
    provider = a_provider(emulator, credentials={"main": {}})
    [submission] = submitted(provider, a_job(credentials="main"))
    seen = a_provider(emulator).observe([submission])[submission.name]
    assert seen.state is JobState.UNREADABLE
    assert "main" in seen.reason
    with pytest.raises(CallFailed, match="main"):
        a_provider(emulator).cancel(submission)
    assert a_provider(emulator).discard([submission]) == frozenset()


def test_an_entry_with_a_key_is_a_fault_of_the_dispatchers_settings(emulator):
    provider = a_provider(emulator, credentials={"keys": {"service_account_info": {"private_key": "hunter2"}}})
    outcome = provider.submit(a_job(credentials="keys"))
    assert isinstance(outcome, Misconfigured)
    assert "has unknown keys: service_account_info; the keys are" in outcome.reason
    assert "hunter2" not in outcome.reason
    assert outcome.hold == Hold(place=("keys",))


def test_without_a_region_a_job_waits_and_no_other_with_it(emulator, provider):
    outcome = provider.submit(a_job(region=None))
    assert isinstance(outcome, Misconfigured)
    assert outcome.reason.startswith("region: none is given; name one, such as us-central1, in the pool's")
    assert outcome.hold.concerns(provider.needs(a_job(region=None).configuration))
    assert not outcome.hold.concerns(provider.needs(a_job().configuration))
    with pytest.raises(CallFailed, match="region"):
        provider.find(a_job(region=None))
    with pytest.raises(ConfigurationError, match="region"):  # a pool whose runs say where
        provider.sweep({}, frozenset())


def test_jobs_without_a_project_wait_until_one_is_set(emulator, monkeypatch):
    monkeypatch.setenv("GOOGLE_CLOUD_PROJECT", "")
    outcome = a_provider(emulator, project=None).submit(a_job())
    assert isinstance(outcome, Misconfigured)
    assert outcome.reason == "project: the host has none; name one in the pool's credentials or set GOOGLE_CLOUD_PROJECT"
    assert outcome.hold == Hold(place=("", ""))


def test_a_host_without_an_identity_makes_its_runs_wait_and_says_what_to_do(monkeypatch, tmp_path):
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path / "nothing.json"))
    outcome = CloudRunProvider(project="p").submit(a_job())
    assert isinstance(outcome, Misconfigured)
    assert "the dispatcher's host has no Google identity" in outcome.reason
    assert "gcloud auth application-default login" in outcome.reason
    assert outcome.hold == Hold(place=("",))


def test_callers_in_line_do_not_ask_a_host_without_an_identity_again(monkeypatch):
    asked = []

    def nobody(**_):
        asked.append(1)
        raise DefaultCredentialsError("none")

    monkeypatch.setattr("google.auth.default", nobody)
    provider = CloudRunProvider(project="p")
    assert all(isinstance(provider.submit(a_job()), Misconfigured) for _ in range(5))
    assert asked == [1]


def test_an_entry_may_impersonate_a_service_account(monkeypatch, tmp_path):
    identity = {"type": "authorized_user", "client_id": "c", "client_secret": "s", "refresh_token": "r"}
    (tmp_path / "host.json").write_text(json.dumps(identity))
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path / "host.json"))
    monkeypatch.setenv("GOOGLE_CLOUD_PROJECT", "host")
    account = AccountEntry.of("main", {"service_account": "a@b.iam.gserviceaccount.com", "delegates": ["c@d"]})
    made = Connection(account)
    credentials = made._arguments["credentials"]
    assert (credentials._target_principal, credentials._delegates) == ("a@b.iam.gserviceaccount.com", ["c@d"])
    assert made.project == "host"


def test_an_emulator_is_found_by_its_variable(cloud_run_emulator):
    [submission] = submitted(registry.create("cloud-run:push"), a_job())
    assert submission.handle["project"] == "emulated-project"
    assert cloud_run_emulator.jobs()


@pytest.mark.parametrize("name", ["cloud-run-v2:push", "cloud-run:push", "cloud-run-v2", "cloud-run"])
def test_all_four_cloud_run_types_use_this_provider(name, emulator):
    assert isinstance(registry.create(name, options={"endpoint": emulator.url}), CloudRunProvider)


def test_the_pace_follows_the_quota(emulator):
    [rate] = a_provider(emulator, writes_per_minute=180).limits.submit_rates
    assert rate.burst + 60 * rate.per_second <= 180
    [rate] = CloudRunProvider(endpoint=emulator.url).limits.submit_rates
    assert (rate.burst, rate.per_second) == (3, 0.25)


def test_nothing_of_googles_is_imported_before_the_first_call():
    script = (
        "import sys; before = set(sys.modules); from providers.cloud_run import CloudRunProvider; CloudRunProvider();"
        "new = set(sys.modules) - before;"
        "print([name for name in new if name.partition('.')[0] in ('google', 'grpc', 'requests', 'proto')])"
    )
    printed = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout
    assert printed.strip() == "[]"
