"""What the check says of a process, and that a submission rejects it in the same words."""

from __future__ import annotations

import json

import pytest

from dispatcher.core.templates import render
from providers import registry
from providers.base import Accepted, Finding, Job, Needs, Rejected
from providers.process.configuration import NO_EFFECT, request_of
from tests.providers.garbage import garbage

NAME = "r0123456789abcdef0123456789abcdef-1"

FAULTS = [
    ({"commnd": ["true"], "command": ["true"]}, "commnd", "is not a key that is read here; did you mean 'command'?"),
    ({"command": ["true"], "working_directory": "/"}, "working_directory", "did you mean 'working_dir'?"),
    ({}, "command", "a process needs one; give the job variable `command`"),
    ({"command": "sh -c 'open"}, "command", "cannot be split into words"),
    ({"command": ["true"], "env": {"A": [1]}}, "env.A", "give text, a number or a boolean, not [1]"),
    ({"command": ["true"], "working_dir": "here"}, "working_dir", "is relative"),
    ({"command": ["true"], "task_start_timeout_seconds": "60"}, "task_start_timeout_seconds", "give seconds, a number above 0"),
    ({"command": ["true"], "labels": {"a": {}}}, "labels.a", "give text"),
]


@pytest.mark.parametrize(("configuration", "path", "words"), FAULTS, ids=[path for _, path, _ in FAULTS])
def test_validation_reports_a_fault_in_the_words_of_the_submission(harness, configuration, path, words):
    [fault] = registry.check("process", configuration).faults
    assert fault.path == path
    assert words in fault.message
    outcome = harness.provider.submit(Job(name=NAME, configuration=configuration))
    assert isinstance(outcome, Rejected)
    assert outcome.reason == f"{fault.path}: {fault.message}"


@pytest.mark.parametrize(
    ("configuration", "path", "words"),
    [
        ({"command": ["no-such-program-4711"]}, "command", "is not on the PATH"),
        ({"command": ["/no/such/program"]}, "command", "is not an executable file"),
        ({"command": ["true"], "working_dir": "/no/such/place"}, "working_dir", "is not a directory on this machine"),
    ],
)
def test_a_missing_file_is_only_a_warning_because_ticks_may_run_elsewhere(harness, configuration, path, words):
    checked = registry.check("process", configuration)
    [warning] = checked.warnings
    assert (checked.faults, warning.path) == ((), path)
    assert words in warning.message
    outcome = harness.provider.submit(Job(name=NAME, configuration=configuration))
    assert isinstance(outcome, Rejected)
    assert outcome.reason == f"{path}: {warning.message}"


def test_a_field_without_effect_causes_a_warning():
    checked = registry.check("process", {"command": ["true"], "stream_output": False})
    assert checked.faults == ()
    assert checked.warnings == (Finding(path="stream_output", message=NO_EFFECT["stream_output"]),)


def test_a_usual_process_has_no_remarks():
    configuration = render(registry.default_template("process"), {"command": "sh -c true", "env": {"A": True}, "name": "n"})
    checked = registry.check("process", configuration)
    assert (checked.faults, checked.warnings, checked.unchecked) == ((), (), ())
    assert registry.needs("process", configuration) == Needs()
    assert registry.check("process", {**configuration, "task_start_timeout_seconds": 60}) == checked


def test_the_check_agrees_with_the_submission_for_any_configuration(harness):
    usual = {
        "command": ["true"],
        "env": {"A": "1"},
        "labels": {"l": "x"},
        "working_dir": "/",
        "name": "n",
        "stream_output": True,
    }
    for number, configuration in enumerate(garbage(usual)):
        outcome = harness.provider.submit(Job(name=f"r{number:032x}-1", configuration=configuration))
        checked = registry.check("process", configuration)
        absent = any(warning.message != NO_EFFECT["stream_output"] for warning in checked.warnings)
        assert isinstance(outcome, Accepted) == (checked.faults == () and not absent), configuration


def test_every_declared_variable_is_found_in_what_is_started_or_says_why_not(tmp_path):
    template = registry.default_template("process")
    markers = {
        "name": ("marker-name", "marker-name"),
        "command": (["true", "marker-command"], "marker-command"),
        "env": ({"MARKER_ENV": "marker"}, "'MARKER_ENV': 'marker'"),
        "labels": ({"marker": "label"}, "'marker': 'label'"),
        "working_dir": (str(tmp_path), str(tmp_path)),
        "stream_output": (False, "stream_output=False"),
    }
    assert set(markers) == set(template["variables"]["properties"])
    configuration = render(template, {name: value for name, (value, _) in markers.items()})
    shown = str(request_of(Job(name=NAME, configuration=json.loads(json.dumps(configuration))), {"PATH": "/bin:/usr/bin"}))
    assert {name for name, (_, text) in markers.items() if text not in shown} == set(NO_EFFECT)


def test_booleans_and_numbers_in_the_environment_are_written_as_in_json():
    job = Job(name=NAME, configuration={"command": ["true"], "env": {"A": True, "B": False, "C": 1.5}})
    environment = request_of(job, {"PATH": "/bin:/usr/bin"}).environment
    assert {name: environment[name] for name in "ABC"} == {"A": "true", "B": "false", "C": "1.5"}
