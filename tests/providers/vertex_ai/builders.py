"""Jobs to submit, rendered from our default template or from one in the shape of Prefect's."""

from __future__ import annotations

from copy import deepcopy
from datetime import UTC, datetime
from typing import Any

from dispatcher.core.templates import render
from providers import registry
from providers.base import Accepted, Job
from providers.vertex_ai import VertexAiProvider

IMAGE = "docker.io/library/busybox"
NAME = "r0123456789abcdef0123456789abcdef-1"
OURS = registry.default_template("vertex-ai")
FIRST: dict[str, Any] = {"image": IMAGE, "region": "us-central1"}


def prefects() -> dict[str, Any]:
    """In the shape that Prefect's worker exports: no `args`, no network attachment, an interval."""
    template = deepcopy(OURS)
    configuration, spec = template["job_configuration"], template["job_configuration"]["job_spec"]
    for key in ("project", "task_start_timeout_seconds"):
        del configuration[key]
    for key in ("psc_interface_config", "scheduling", "persistent_resource_id", "base_output_directory"):
        del spec[key]
    spec["worker_pool_specs"][0]["container_spec"]["args"] = []
    configuration["job_watch_poll_interval"] = "{{ job_watch_poll_interval }}"
    return template


def a_configuration(template=OURS, **variables):
    return render(template, {**FIRST, **variables})


def a_job(name=NAME, /, template=OURS, labels=None, **variables):
    configuration = a_configuration(template, **variables)
    return Job(name=name, configuration=configuration, environment={"DISPATCHER_RUN_ID": "0123"}, labels=labels or {})


def named(number, attempt=1):
    return f"r{number:032x}-{attempt}"


def a_provider(emulator, **options):
    """A provider with a quota that does not matter, on the emulator's time."""
    options = {"project": "p", "submissions_per_minute": 6000, **options}
    return VertexAiProvider(endpoint=emulator.url, now=lambda: datetime.fromtimestamp(emulator.now(), UTC), **options)


def submitted(provider, *jobs):
    """The submissions of jobs that are accepted."""
    outcomes = [provider.submit(job) for job in jobs]
    assert all(isinstance(outcome, Accepted) for outcome in outcomes), outcomes
    return [outcome.submission for outcome in outcomes]
