"""Parameters of RunTask; pure, and the same bytes on every repeat.

https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_RunTask.html
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from providers.base import ConfigurationError, Job
from providers.ecs.definition import Facts, execution_role, existing_definition, tidy_container, without_plain
from providers.ecs.launch import Launch
from providers.ecs.needs import cpu_units, mebibytes
from providers.ecs.rules import note_override_sizes, note_task_size
from providers.ecs.shapes import fitted, listed, pairs, pruned
from providers.remarks import Notes
from providers.values import command, compact, mapping, objects

MAX_OVERRIDES = 8192
"""The most characters of `overrides` as JSON."""


def run_task_request(
    job: Job, *, definition: str, container: str, facts: Facts, launch: Launch, network: Mapping[str, Any] | None
) -> dict[str, Any]:
    """Parameters of RunTask for `job`, whose main container is `container` of the task definition `definition`.

    `facts` are those of the definition. Raises `ConfigurationError` naming every field at fault.
    """
    notes = Notes()
    request = requested(
        job, definition=definition, container=container, facts=facts, launch=launch, network=network, notes=notes
    )
    notes.refuse()
    return request


def requested(
    job: Job,
    *,
    definition: str,
    container: str,
    facts: Facts,
    launch: Launch,
    network: Mapping[str, Any] | None,
    notes: Notes,
) -> dict[str, Any]:
    """Like `run_task_request`, but faults are noted in `notes`. Raises only for a request of an unusable shape."""
    template = mapping(job.configuration.get("task_run_request"), "task_run_request")
    _check_count(template)
    overrides = _shared_overrides(job.configuration, template)
    shared: dict[str, Any] = {key: value for key, value in template.items() if key not in _BUILT}
    if cluster := template.get("cluster") or job.configuration.get("cluster"):
        shared["cluster"] = cluster
    if network is not None:
        shared["networkConfiguration"] = network
    shared.update(launch.parameters, taskDefinition=definition, count=1, overrides=overrides)
    own: dict[str, Any] = {"clientToken": job.name, "startedBy": job.name}
    own["overrides"] = {"containerOverrides": _containers(job, template, container, facts, notes)}
    if tags := tags_of(job.labels, job.configuration, template.get("tags")):
        own["tags"] = tags
    _leave_sizes_of_many(own["overrides"]["containerOverrides"][0], overrides, facts)
    request = _merged(_fitted_shared(json.dumps(shared)), own, notes)
    if not notes.faults:
        _note_sizes(request["overrides"], facts, launch, notes)
        _check_size(request["overrides"])
    return request


@lru_cache(maxsize=256)
def _fitted_shared(shared: str) -> tuple[Mapping[str, Any], Notes]:
    """The shared part of a deployment's requests, fitted once for all of them, and the notes about it."""
    notes = Notes()
    return fitted("RunTask", pruned(json.loads(shared)), "task_run_request", notes, frozenset()), notes


def _merged(shared: tuple[Mapping[str, Any], Notes], own: Mapping[str, Any], notes: Notes) -> dict[str, Any]:
    """The whole request, from the shared part and the run's own part."""
    common, remarks = shared
    notes.faults += remarks.faults
    notes.warnings += remarks.warnings
    fit = fitted("RunTask", own, "task_run_request", notes, frozenset({"taskDefinition"}))
    return {**common, **fit, "overrides": {**common.get("overrides", {}), **fit["overrides"]}}


_BUILT = frozenset(
    {"cluster", "tags", "networkConfiguration", "launchType", "capacityProviderStrategy", "taskDefinition", "count"}
    | {"clientToken", "startedBy", "overrides"}
)
"""The parameters that are not copied unchanged."""


def _check_count(template: Mapping[str, Any]) -> None:
    if template.get("count") not in (None, 1, "1"):
        raise ConfigurationError("task_run_request.count: a run is one task; leave it out, or give 1")


def _shared_overrides(configuration: Mapping[str, Any], template: Mapping[str, Any]) -> dict[str, Any]:
    overrides = mapping(template.get("overrides"), "task_run_request.overrides")
    overrides.pop("containerOverrides", None)
    if existing_definition(configuration):
        definition = mapping(configuration.get("task_definition"), "task_definition")
        if role := execution_role(definition, configuration):
            overrides["executionRoleArn"] = role
    return overrides


def _containers(job: Job, template: Mapping[str, Any], container: str, facts: Facts, notes: Notes) -> list[dict[str, Any]]:
    overrides = mapping(template.get("overrides"), "task_run_request.overrides").get("containerOverrides")
    return notes.attempt(lambda: _container_overrides(job, overrides, container, facts)) or [{"name": container}]


def _container_overrides(job: Job, overrides: Any, container: str, facts: Facts) -> list[dict[str, Any]]:
    """The container overrides, the main container's first, so that the task alone shows which container is the main one."""
    path, words = "task_run_request.overrides.containerOverrides", command(job.configuration.get("command"), "command")
    tidy = [tidy_container(item, f"{path}[{index}]") for index, item in enumerate(objects(overrides, path)) if item]
    main = next((item for item in tidy if item.get("name", container) == container), {})
    others = [item for item in tidy if item is not main]
    main["name"] = container
    if words:
        main["command"] = words
    if environment := _environment(job, main):
        main["environment"] = listed(environment)
    secrets = dict(zip(facts.containers, facts.secrets, strict=False))
    return [_plainly(item, secrets.get(item.get("name", ""), frozenset())) for item in (main, *others)]


def _plainly(override: dict[str, Any], secrets: frozenset[str]) -> dict[str, Any]:
    """The override without variables that the container has as secrets: a secret wins, and ECS accepts a name only once."""
    return without_plain(override, secrets) if secrets else override


def _environment(job: Job, main: Mapping[str, Any]) -> dict[str, str]:
    own = {item["name"]: item["value"] for item in main.get("environment", ())}
    return {**own, **pairs(job.configuration.get("env"), "env"), **job.environment}


def _leave_sizes_of_many(main: dict[str, Any], overrides: Mapping[str, Any], facts: Facts) -> None:
    """Drop an override that gives one of several containers the whole task's sizes, as templates for one container do; the
    container keeps its own sizes.
    """
    if len(facts.containers) < 2:
        return
    for key, read, of_definition in (("cpu", cpu_units, facts.cpu), ("memory", mebibytes, facts.memory)):
        whole = read(overrides.get(key) or of_definition)
        if whole is not None and read(main.get(key)) == whole:
            del main[key]


def _note_sizes(overrides: Mapping[str, Any], facts: Facts, launch: Launch, notes: Notes) -> None:
    cpu, memory = overrides.get("cpu") or facts.cpu, overrides.get("memory") or facts.memory
    note_task_size(cpu, memory, launch, notes)
    path = "task_run_request.overrides.containerOverrides"
    note_override_sizes(overrides["containerOverrides"], cpu, memory, path, notes)


def _check_size(overrides: Mapping[str, Any]) -> None:
    size = len(compact(overrides))
    if size > MAX_OVERRIDES:
        environment = overrides["containerOverrides"][0].get("environment", ())
        largest = max(environment, key=lambda item: len(item["value"]), default={"name": "-", "value": ""})
        raise ConfigurationError(
            f"overrides: {size} characters of JSON, and ECS takes {MAX_OVERRIDES}; the largest variable is"
            f" {largest['name']} with {len(largest['value'])}. Pass a place to read it from instead of the value"
        )


MAX_TAGS = 50
MAX_KEY = 128
MAX_VALUE = 256
_FORBIDDEN = re.compile(r"[^\w .:/=+\-@]")
_RESERVED = re.compile(r"^aws:", re.IGNORECASE)


def tags_of(job_labels: Mapping[str, str], configuration: Mapping[str, Any], tags: Any) -> list[dict[str, str]]:
    """The tags of a task. The dispatcher's labels take precedence over the configuration's, and those over the request's tags.
    If there are more than 50, the first 50 in that order stay.
    """
    chosen: dict[str, str] = {}
    labels = pairs(configuration.get("labels"), "labels")
    for source in (job_labels, labels, pairs(tags, "task_run_request.tags", key="key")):
        _add(chosen, source)
    return listed(chosen, key="key")


def _add(chosen: dict[str, str], source: Mapping[str, str]) -> None:
    for label in sorted(source):
        key = clean_key(label)
        if key and key not in chosen and len(chosen) < MAX_TAGS:
            chosen[key] = clean(source[label])[:MAX_VALUE]


@lru_cache(maxsize=4096)
def clean(label: str) -> str:
    """`label` with hyphens in place of the characters that a tag may not have and of the colon in the reserved prefix
    `aws:`.
    """
    return _RESERVED.sub("aws-", _FORBIDDEN.sub("-", label))


@lru_cache(maxsize=1024)
def clean_key(label: str) -> str:
    """A cleaned key, which has its own maximal length and no surrounding spaces."""
    return clean(label.strip()).strip()[:MAX_KEY]
