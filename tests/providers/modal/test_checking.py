"""What the check says of a configuration, in the words of a submission."""

from __future__ import annotations

import sys

import pytest

from providers import registry
from providers.base import Rejected
from providers.modal.checking import check
from providers.remarks import reason_of

from .builders import a_job

CASES = [
    ({"comand": "x"}, "comand: is not a key that is read here; did you mean 'command'?"),
    ({"pipPackages": []}, "pipPackages: is not a key that is read here; did you mean 'pip_packages'?"),
    ({"image": {"tag": "x", "secrets": "s"}}, "image.secrets: is not a key that is read here; did you mean 'secret'?"),
    ({"image": {"secret": "s"}}, "image: give a reference"),
    ({"cpu": "many"}, "cpu: give a positive number"),
    ({"memory": 1.5}, "memory: give a whole number"),
    ({"timeout": 100_000}, "timeout: give a whole number from 1 to 86400"),
    ({"gpu": "H100:none"}, "gpu: give a kind of GPU"),
    ({"env": {"A-B": "1"}}, "env: 'A-B' is not a name Modal accepts"),
    ({"env": {"A": "x" * 40_000}}, "env.A: Modal takes 32768 characters at most, not 40000"),
    ({"app": "my app"}, "app: give at most 63 letters"),
    ({"modal_environment": "x" * 64}, "modal_environment: give at most 63 letters"),
    ({"workdir": "srv"}, "workdir: give an absolute path"),
    ({"modal_credentials": {"token_id": "ak-1"}}, "modal_credentials: give the name of an entry"),
]


@pytest.mark.parametrize(("fields", "words"), CASES, ids=[words.partition(": ")[0] for _, words in CASES])
def test_validation_reports_a_fault_as_the_submission_does(provider, emulator, fields, words):
    job = a_job(**fields)
    faults = check(job.configuration).faults
    assert any(f"{fault.path}: {fault.message}".startswith(words) for fault in faults), faults
    assert provider.submit(job) == Rejected(reason=reason_of(faults))
    assert not emulator.calls.counts


def test_every_fault_is_reported_at_once():
    assert len(check({"comand": "x", "image": {"tag": "x", "tags": 1}, "cpu": "many", "app": "?"}).faults) == 4


def test_a_warning_says_that_a_name_for_people_has_no_effect():
    (warning,) = check({"name": "nightly"}).warnings
    assert warning.path == "name"
    assert "the sandbox is called after its run" in warning.message


def test_a_check_leaves_the_credentials_that_a_job_names_to_the_host():
    assert check({"modal_credentials": "unknown"}).faults == ()


def test_the_check_needs_no_sdk(monkeypatch):
    monkeypatch.setitem(sys.modules, "modal", None)
    checked = registry.check("modal:push", {"comand": "x"})
    assert (len(checked.faults), checked.unchecked) == (1, ())
