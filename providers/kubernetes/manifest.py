"""A rendered configuration becomes a Job. No call is made here, and a repeat gives the same Job."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from providers.base import ConfigurationError, Finding, Job
from providers.kubernetes.labels import NAME_LABEL, clean_labels
from providers.kubernetes.rules import LEAST_TTL, broken_rules
from providers.kubernetes.shape import shape_faults
from providers.remarks import Unusable, start_timeout_faults, unknown_keys
from providers.values import command, mapping, named_texts, objects, scalar_text, sequence, without_nulls

READ = frozenset(
    {"name", "command", "env", "labels", "namespace", "job_manifest", "cluster_config", "stream_output"}
    | {"job_watch_timeout_seconds", "pod_watch_timeout_seconds", "task_start_timeout_seconds"}
)
"""The keys of a job configuration that are read here; the dispatcher itself reads the last one, for every type."""

PATH, SPEC, POD = "job_manifest", "job_manifest.spec", "job_manifest.spec.template.spec"
MAIN_CONTAINER = "job"
"""The name of the main container if the manifest sets none."""

ONCE: Mapping[str, Any] = {"backoffLimit": 0, "completions": 1, "parallelism": 1, "podReplacementPolicy": "Failed"}
"""The fields that make a Job run its pod once; a manifest with other values is refused (`rules`)."""

MISPLACED = ("completions", "parallelism")
"""Fields of a Job that Prefect's template puts into the pod, where Kubernetes has no such fields."""

OURS = ("name", "generateName", "namespace")
"""Keys of the metadata that are replaced: the name is the dispatcher's, and the namespace is part of the address."""


def manifest_of(job: Job) -> dict[str, Any]:
    """The Job, without its namespace. Raises `ConfigurationError` that names the field."""
    if faults := own_faults(job.configuration):
        raise Unusable(faults)
    manifest = _built(job)
    if faults := [*shape_faults(manifest, path=PATH), *_root_faults(manifest)]:
        raise Unusable(faults)
    if faults := list(broken_rules(manifest["spec"], SPEC)):
        raise Unusable(faults)
    return manifest


def own_faults(configuration: Mapping[str, Any]) -> list[Finding]:
    """The faults in a configuration's own keys."""
    return [*unknown_keys(configuration, READ), *start_timeout_faults(configuration)]


def _built(job: Job) -> dict[str, Any]:
    configuration = job.configuration
    manifest = mapping(without_nulls(configuration.get("job_manifest")), PATH)
    metadata = mapping(manifest.get("metadata"), f"{PATH}.metadata")
    own = named_texts(metadata.get("labels"), f"{PATH}.metadata.labels")
    chosen = {**named_texts(configuration.get("labels"), "labels"), **own}
    labels = {**clean_labels(chosen), **clean_labels(job.labels), NAME_LABEL: job.name}
    named = {key: value for key, value in metadata.items() if key not in OURS}
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        **manifest,
        "metadata": {**named, "name": job.name, "labels": labels},
        "spec": _spec(mapping(manifest.get("spec"), SPEC), job, labels),
    }


def _spec(spec: dict[str, Any], job: Job, labels: Mapping[str, str]) -> dict[str, Any]:
    template = mapping(spec.get("template"), f"{SPEC}.template")
    metadata = mapping(template.get("metadata"), f"{SPEC}.template.metadata")
    pod = mapping(template.get("spec"), POD)
    moved = {field: pod.pop(field) for field in MISPLACED if field in pod}
    pod = {"restartPolicy": "Never", **pod, "containers": _containers(pod.get("containers"), job)}
    own = named_texts(metadata.get("labels"), f"{SPEC}.template.metadata.labels")
    template |= {"metadata": {**metadata, "labels": {**own, **labels}}, "spec": pod}
    spec = {**ONCE, **moved, **spec, "template": template}
    ttl = spec.get("ttlSecondsAfterFinished")
    if isinstance(ttl, int) and 0 <= ttl < LEAST_TTL:
        spec["ttlSecondsAfterFinished"] = LEAST_TTL
    return spec


def _containers(value: Any, job: Job) -> list[dict[str, Any]]:
    containers = objects(value, f"{POD}.containers")
    if not containers:
        raise ConfigurationError(f"{POD}.containers: is missing; its first one is the run's container")
    return [_main(containers[0], job), *containers[1:]]


def _main(container: dict[str, Any], job: Job) -> dict[str, Any]:
    path = f"{POD}.containers[0]"
    if not container.get("image"):
        raise ConfigurationError(f"{path}.image: a container needs one; give the job variable `image`")
    made = {"name": MAIN_CONTAINER, **container}
    arguments = container.get("args", job.configuration.get("command"))
    made.pop("args", None)
    if words := command(arguments, f"{path}.args"):
        made["args"] = words
    if isinstance(container.get("command"), str):
        made["command"] = command(container["command"], f"{path}.command")
    made["env"] = _environment(container.get("env"), job, f"{path}.env")
    return made


def _environment(value: Any, job: Job, path: str) -> list[dict[str, Any]]:
    """The environment, each name once: the dispatcher's value wins, then the manifest's, then the one in the variable `env`."""
    entries = {name: {"name": name, "value": text} for name, text in named_texts(job.configuration.get("env"), "env").items()}
    entries |= {str(entry["name"]): entry for entry in _entries(value, path)}
    entries |= {name: {"name": name, "value": text} for name, text in job.environment.items()}
    for name in entries:
        if not name or "=" in name or "\0" in name:
            raise ConfigurationError(f"{path}: {name!r} cannot be the name of a variable")
    return list(entries.values())


def _entries(value: Any, path: str) -> Iterable[dict[str, Any]]:
    """Environment variables: an object of texts, or a list in Kubernetes' form (`name` with `value` or `valueFrom`)."""
    if isinstance(value, Mapping):
        return [{"name": name, "value": text} for name, text in named_texts(value, path).items()]
    entries = objects(sequence(value, path), path)
    for index, entry in enumerate(entries):
        if not isinstance(entry.get("name"), str):
            raise ConfigurationError(f"{path}[{index}].name: is missing; give a name")
        if "value" in entry:
            entry["value"] = scalar_text(entry["value"], f"{path}[{index}].value")
    return entries


def _root_faults(manifest: Mapping[str, Any]) -> Iterable[Finding]:
    for field, constant in (("apiVersion", "batch/v1"), ("kind", "Job")):
        if manifest[field] != constant:
            yield Finding(path=f"{PATH}.{field}", message=f"give {constant}")
