"""Bodies of the v1 API (Knative), as Prefect's `cloud-run` templates have them, translated to v2.

https://cloud.google.com/run/docs/reference/rest/v1/namespaces.jobs and
https://cloud.google.com/run/docs/reference/rest/v2/projects.locations.jobs
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from providers.base import ConfigurationError
from providers.cloud_run.values import mapping, objects, text

SYSTEM = ("run.googleapis.com/", "cloud.googleapis.com/", "serving.knative.dev/", "autoscaling.knative.dev/")
"""Namespaces that v2 refuses in annotations and labels: what they said has a field of its own there."""

OUTPUT_ONLY = frozenset(
    {
        "client.knative.dev/user-image",
        "run.googleapis.com/client-version",
        "run.googleapis.com/creator",
        "run.googleapis.com/lastModifier",
        "run.googleapis.com/operation-id",
        "run.googleapis.com/ingress",
        "serving.knative.dev/creator",
        "serving.knative.dev/lastModifier",
    }
)
"""Annotations that an exported job carries and that mean nothing for a new one."""

_EGRESS = {"all-traffic": "ALL_TRAFFIC", "private-ranges-only": "PRIVATE_RANGES_ONLY"}
_RENAMED = {"serviceAccountName": "serviceAccount", "timeoutSeconds": "timeout"}


def is_knative(body: Mapping[str, Any]) -> bool:
    """True for a body of the v1 API."""
    return not {"apiVersion", "metadata", "spec"}.isdisjoint(body)


def translated(body: Mapping[str, Any]) -> dict[str, Any]:
    """The same job for v2. Raises `ConfigurationError` for an annotation that v2 has no place for."""
    metadata = mapping(body.get("metadata"), "metadata")
    outer = mapping(mapping(body.get("spec"), "spec").get("template"), "spec.template")
    inner = mapping(outer.get("metadata"), "spec.template.metadata")
    execution = mapping(outer.get("spec"), "spec.template.spec")
    task = mapping(mapping(execution.pop("template", None), "spec.template.spec.template").get("spec"), "task spec")
    annotations = {**_annotations(metadata), **_annotations(inner)}
    job = _settings(annotations)
    job["labels"] = _labels(metadata)
    job["template"] = {**execution, "labels": _labels(inner), "template": {**_task(task), **job.pop("task")}}
    return job


def _annotations(metadata: Mapping[str, Any]) -> dict[str, Any]:
    return mapping(metadata.get("annotations"), "metadata.annotations")


def _labels(metadata: Mapping[str, Any]) -> dict[str, Any]:
    labels = mapping(metadata.get("labels"), "metadata.labels")
    return {key: value for key, value in labels.items() if not key.startswith(SYSTEM)}


def _settings(annotations: dict[str, Any]) -> dict[str, Any]:
    """Annotations as the fields they became; what belongs to the task is under `task`."""
    take = {key.removeprefix("run.googleapis.com/"): key for key in annotations if key.startswith("run.googleapis.com/")}
    read = {short: annotations.pop(key) for short, key in take.items() if key not in OUTPUT_ONLY}
    job = {"launchStage": read.pop("launch-stage", None), "client": read.pop("client-name", None)}
    task = {"vpcAccess": _network(read), "encryptionKey": read.pop("encryption-key", None)}
    if generation := read.pop("execution-environment", None):
        task["executionEnvironment"] = f"EXECUTION_ENVIRONMENT_{text(generation).upper()}"
    if read:
        names = ", ".join(f"run.googleapis.com/{name}" for name in sorted(read))
        raise ConfigurationError(f"job_body.metadata.annotations: {names}: cannot be translated; write the body for v2")
    own = {key: text(value) for key, value in annotations.items() if not key.startswith(SYSTEM) and key not in OUTPUT_ONLY}
    return {**job, "annotations": own, "task": {key: value for key, value in task.items() if value}}


def _network(read: dict[str, Any]) -> dict[str, Any]:
    network = {"connector": read.pop("vpc-access-connector", None)}
    if interfaces := read.pop("network-interfaces", None):
        network["networkInterfaces"] = _json(interfaces, "run.googleapis.com/network-interfaces")
    if egress := read.pop("vpc-access-egress", None):
        network["egress"] = _EGRESS.get(egress, egress)
    return {key: value for key, value in network.items() if value}


def _json(value: Any, path: str) -> Any:
    try:
        return json.loads(value) if isinstance(value, str) else value
    except ValueError as problem:
        raise ConfigurationError(f"job_body.metadata.annotations: {path}: is no JSON: {problem}") from None


def _task(spec: Mapping[str, Any]) -> dict[str, Any]:
    task = {_RENAMED.get(key, key): value for key, value in spec.items()}
    task["containers"] = [_container(item) for item in objects(spec.get("containers"), "containers")]
    if "volumes" in task:
        task["volumes"] = [_volume(item) for item in objects(spec["volumes"], "volumes")]
    if "nodeSelector" in task:
        selector = mapping(spec["nodeSelector"], "nodeSelector")
        task["nodeSelector"] = {key.removeprefix("run.googleapis.com/"): value for key, value in selector.items()}
    return task


def _container(container: Mapping[str, Any]) -> dict[str, Any]:
    if not isinstance(container.get("env"), list):
        return dict(container)
    return {**container, "env": [_variable(item) for item in objects(container["env"], "env")]}


def _variable(variable: dict[str, Any]) -> dict[str, Any]:
    """`valueFrom.secretKeyRef{name, key}` is `valueSource.secretKeyRef{secret, version}`."""
    source = mapping(variable.pop("valueFrom", None), "env: valueFrom")
    if "secretKeyRef" not in source:
        return variable | ({"valueFrom": source} if source else {})
    key = mapping(source["secretKeyRef"], "env: secretKeyRef")
    return {**variable, "valueSource": {"secretKeyRef": {"secret": key.get("name"), "version": text(key.get("key", "latest"))}}}


def _volume(volume: dict[str, Any]) -> dict[str, Any]:
    if "secret" in volume:
        secret = mapping(volume["secret"], "volumes: secret")
        items = [{"version": text(item.pop("key")), **item} for item in objects(secret.get("items"), "items")]
        rest = {key: value for key, value in secret.items() if key not in {"secretName", "items"}}
        return {**volume, "secret": {**rest, "secret": secret.get("secretName"), "items": items}}
    if "emptyDir" in volume:
        directory = mapping(volume["emptyDir"], "volumes: emptyDir")
        return {**volume, "emptyDir": {**directory, "medium": text(directory.get("medium", "Memory")).upper()}}
    if "csi" in volume:
        driver = mapping(volume.pop("csi"), "volumes: csi")
        attributes = mapping(driver.get("volumeAttributes"), "volumes: csi.volumeAttributes")
        return {**volume, "gcs": {"bucket": attributes.get("bucketName"), "readOnly": bool(driver.get("readOnly"))}}
    return volume
