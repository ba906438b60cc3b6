"""Templates, from a pool to a sandbox."""

from __future__ import annotations

import pytest

from dispatcher.core.templates import render
from dispatcher.validation import check_base_job_template, check_job_variables
from providers import registry
from providers.base import Accepted, Job
from providers.modal import ModalProvider
from providers.modal.checking import ELSEWHERE, NO_EFFECT, READ, check
from providers.modal.request import read

PREFECTS_SHAPE = {
    "job_configuration": {
        name: "{{ " + name + " }}"
        for name in (
            "command env labels name modal_credentials cpu memory gpu timeout image secrets pip_packages".split()  # noqa: SIM905 - a row of names
        )
    },
    "variables": {
        "type": "object",
        "properties": {
            "command": {"type": "string"},
            "env": {"type": "object", "additionalProperties": {"type": "string"}},
            "labels": {"type": "object", "additionalProperties": {"type": "string"}},
            "name": {"type": "string"},
            "modal_credentials": {"type": "string"},
            "cpu": {"type": "number"},
            "memory": {"type": "integer"},
            "gpu": {"type": "string"},
            "timeout": {"type": "integer"},
            "image": {"anyOf": [{"type": "object", "properties": {"tag": {"type": "string"}, "secret": {"type": "string"}}}]},
            "secrets": {"type": "array", "items": {"type": "string"}},
            "pip_packages": {"type": "array", "items": {"type": "string"}},
        },
    },
}
"""What a `modal:push` pool exports: one flat field for each variable."""

VARIABLES = {
    "command": "python job.py",
    "env": {"A": "1"},
    "labels": {"team": "data"},
    "cpu": 0.25,
    "memory": 512,
    "timeout": 120,
    "image": {"tag": "ghcr.io/team/job:1", "secret": "registry"},
    "secrets": ["database"],
    "pip_packages": ["httpx"],
}


@pytest.mark.parametrize("template", [registry.default_template("modal:push"), PREFECTS_SHAPE], ids=["ours", "prefect's"])
def test_a_template_is_accepted_and_a_run_of_it_becomes_a_sandbox(template, provider, emulator):
    check_base_job_template(template)
    check_job_variables(template, VARIABLES)
    outcome = provider.submit(Job(name="r1", configuration=render(template, VARIABLES)))
    assert isinstance(outcome, Accepted), outcome
    (request,) = emulator.calls.requests("SandboxCreateV2")
    definition = request["definition"]
    assert definition["entrypoint_args"] == ["python", "job.py"]
    assert (definition["resources"]["milli_cpu"], definition["resources"]["memory_mb"]) == (250, 512)
    assert definition["timeout_secs"] == 120
    assert len(definition["secret_ids"]) == 1


def test_the_default_template_renders_without_any_variable():
    spec = read(Job(name="r1", configuration=render(registry.default_template("modal:push"), {})))
    assert spec.place.app == "push-dispatcher"
    assert spec.options["timeout"] == 3600
    assert spec.image.tag == "python:3.12-slim"


def test_every_variable_of_the_default_template_reaches_the_configuration():
    template = registry.default_template("modal:push")
    assert set(template["variables"]["properties"]) == set(template["job_configuration"]) == READ | set(NO_EFFECT)


MARKERS = {
    "name": ("marker-name", []),
    "command": ("marker --command", ["'marker', '--command'"]),
    "env": ({"MARKER": "plain-marker"}, ["'MARKER': 'plain-marker'"]),
    "labels": ({"marker": "label-marker"}, ["label-marker"]),
    "modal_credentials": ("marker", []),
    "app": ("marker-app", ["marker-app"]),
    "modal_environment": ("staging", ["'environment_name': 'staging'"]),
    "image": ({"tag": "marker.io/image:1", "secret": "registry", "add_python": "3.12"}, ["marker.io/image:1", "STATIC_CREDS"]),
    "pip_packages": (["marker-package"], ["marker-package"]),
    "secrets": (["database"], ["'deployment_name': 'database'"]),
    "cpu": (1.375, ["'milli_cpu': 1375"]),
    "memory": (1234, ["'memory_mb': 1234"]),
    "gpu": ("A10:3", ["'gpu_type': 'A10'", "'count': 3"]),
    "timeout": (4321, ["'timeout_secs': 4321"]),
    "region": ("marker-region", ["marker-region"]),
    "cloud": ("aws", ["'cloud_provider_str': 'aws'"]),
    "workdir": ("/marker", ["'workdir': '/marker'"]),
}
"""A value for each variable, and how it shows in what Modal is asked."""


@pytest.mark.parametrize(
    ("template", "variable"),
    [
        *(("ours", name) for name in registry.default_template("modal:push")["variables"]["properties"]),
        *(("prefect's", name) for name in PREFECTS_SHAPE["variables"]["properties"]),
    ],
)
def test_a_marker_is_found_in_what_modal_is_asked_or_its_absence_has_a_reason(emulator, signed_in, template, variable):
    entries = {"marker": {"token_id_env": "MODAL_TOKEN_ID", "token_secret_env": "MODAL_TOKEN_SECRET"}}
    value, words = MARKERS[variable]
    rendered = render(registry.default_template("modal:push") if template == "ours" else PREFECTS_SHAPE, {variable: value})
    assert check(rendered).faults == ()
    outcome = ModalProvider(server_url=emulator.url, credentials=entries).submit(Job(name="r1", configuration=rendered))
    assert isinstance(outcome, Accepted), outcome
    asked = str([emulator.calls.requests(operation) for operation in emulator.calls.counts])
    assert all(word in asked for word in words), asked
    assert bool(words) is not (variable in ELSEWHERE or variable in NO_EFFECT)
