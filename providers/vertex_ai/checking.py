"""Checks of a rendered configuration before any call: all remarks when it is saved, only the faults at a submission."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from providers.base import Checked, ConfigurationError, Finding, Job
from providers.google.accounts import NO_REGION, place_names
from providers.google.labels import clean_key
from providers.remarks import finding_of, findings_of, start_timeout_faults, unknown_keys
from providers.values import mapping
from providers.vertex_ai.needs import needs_of
from providers.vertex_ai.request import body_of

READ = frozenset(
    {"name", "command", "image", "env", "labels", "credentials", "project", "region", "job_spec"}
    | {"job_watch_poll_interval", "task_start_timeout_seconds"}
)
"""The keys of a job configuration that are read here or that Prefect's templates have."""

POLL_INTERVAL, USUAL_INTERVAL = "job_watch_poll_interval", 5.0
_NETWORK = re.compile(r"projects/[^/]+/global/networks/[^/]+")
_SOMEBODY = "r" + "0" * 32 + "-1"


def check(configuration: Mapping[str, Any]) -> Checked:
    """Everything that `submit` would reject or would accept without effect."""
    faults = list(own_faults(configuration))
    try:
        needs_of(configuration)
        body = body_of(Job(name=_SOMEBODY, configuration=configuration), "nobody")
    except ConfigurationError as problem:
        return Checked(faults=tuple(dict.fromkeys([*faults, *findings_of(problem)])))
    faults += broken_rules(body)
    return Checked(faults=tuple(dict.fromkeys(faults)), warnings=tuple(_warnings(configuration, body)))


def refused(configuration: Mapping[str, Any], body: Mapping[str, Any]) -> list[Finding]:
    """The faults for which a submission is rejected before Google is asked. A missing region is not a fault: the host's is
    used.
    """
    return [*(item for item in own_faults(configuration) if item.path != "region"), *broken_rules(body)]


def own_faults(configuration: Mapping[str, Any]) -> Iterator[Finding]:
    """The faults in a configuration's own keys."""
    yield from unknown_keys(configuration, READ)
    yield from start_timeout_faults(configuration)
    try:
        if place_names(configuration).region is None:
            yield finding_of(ConfigurationError(NO_REGION))
    except ConfigurationError as problem:
        yield finding_of(problem)


def broken_rules(body: Mapping[str, Any]) -> Iterator[Finding]:
    """Vertex AI's refusals of a job spec with well-formed fields."""
    spec = body["jobSpec"]
    if "network" in spec and not _NETWORK.fullmatch(spec["network"]):
        yield Finding(path="job_spec.network", message="give its full name, as projects/12345/global/networks/myVPC")
    if "network" in spec and "pscInterfaceConfig" in spec:
        yield Finding(path="job_spec.network", message="cannot be set together with psc_interface_config")
    for index, pool in enumerate(spec["workerPoolSpecs"]):
        path = f"job_spec.worker_pool_specs[{index}]"
        yield from _broken_rules_of_machine(pool.get("machineSpec", {}), spec, f"{path}.machine_spec")
        if not {"containerSpec", "pythonPackageSpec"} & pool.keys():
            yield Finding(path=f"{path}.container_spec", message="missing")
        if pool["replicaCount"] < 1:
            yield Finding(path=f"{path}.replica_count", message="give a number above 0")


def _broken_rules_of_machine(machine: Mapping[str, Any], spec: Mapping[str, Any], path: str) -> Iterator[Finding]:
    if "machineType" not in machine and "persistentResourceId" not in spec:
        yield Finding(path=f"{path}.machine_type", message="name the machine, such as n1-standard-4")
    accelerators = machine.get("acceleratorCount", 0)
    if machine.get("acceleratorType") and not accelerators > 0:
        yield Finding(path=f"{path}.accelerator_count", message="say how many accelerators")
    if accelerators and "acceleratorType" not in machine:
        yield Finding(path=f"{path}.accelerator_type", message="name the accelerator, such as NVIDIA_TESLA_T4")


def _warnings(configuration: Mapping[str, Any], body: Mapping[str, Any]) -> Iterator[Finding]:
    """Warnings about ignored variables whose values differ from the template's default."""
    if configuration.get(POLL_INTERVAL) not in (None, "", USUAL_INTERVAL):
        yield Finding(path=POLL_INTERVAL, message="has no effect here: nobody waits for a job, each tick looks at it")
    scheduling = body["jobSpec"]["scheduling"]
    for key, name, repeats in (
        ("disableRetries", "disable_retries", not scheduling["disableRetries"]),
        ("restartJobOnWorkerRestart", "restart_job_on_worker_restart", scheduling["restartJobOnWorkerRestart"]),
    ):
        if repeats and key in scheduling:
            message = "Vertex AI starts the command again by itself, and the run sees one attempt; give the run retries"
            yield Finding(path=f"job_spec.scheduling.{name}", message=message)
    yield from _warnings_of_waiting(configuration, scheduling)
    for label in mapping(configuration.get("labels"), "labels"):
        if not clean_key(label):
            yield Finding(path=f"labels.{label}", message="has no effect: a label of Google's has a letter in its key")


def _warnings_of_waiting(configuration: Mapping[str, Any], scheduling: Mapping[str, Any]) -> Iterator[Finding]:
    if scheduling.get("strategy") != "FLEX_START":
        if "maxWaitDuration" in scheduling:
            yield Finding(path="job_spec.scheduling.max_wait_duration", message="has no effect without strategy FLEX_START")
    elif configuration.get("task_start_timeout_seconds") is None:
        message = "a job that has not started after an hour is cancelled; FLEX_START may wait for longer, so give seconds"
        yield Finding(path="task_start_timeout_seconds", message=message)
