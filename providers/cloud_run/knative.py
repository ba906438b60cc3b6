"""Translates bodies of the v1 API (Knative), which Prefect's `cloud-run` templates contain, to v2.

https://cloud.google.com/run/docs/reference/rest/v1/namespaces.jobs and
https://cloud.google.com/run/docs/reference/rest/v2/projects.locations.jobs
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from providers.base import ConfigurationError, Finding
from providers.remarks import unknown_keys
from providers.values import mapping, objects, text

SYSTEM = ("run.googleapis.com/", "cloud.googleapis.com/", "serving.knative.dev/", "autoscaling.knative.dev/")
"""Namespaces that v2 refuses in annotations and labels: v2 has fields for their content."""

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
"""Annotations of an exported job that mean nothing for a new one."""

INSTANCES = "cloudSqlInstances"
"""The key under which a translated body keeps the Cloud SQL instances of its annotation, which are a volume in v2."""

KEYS: Mapping[str, frozenset[str]] = {
    "": frozenset({"apiVersion", "kind", "metadata", "spec", "status"}),
    "metadata": frozenset({"name", "namespace", "labels", "annotations"})
    | {"uid", "generation", "creationTimestamp", "resourceVersion", "selfLink"},
    "spec": frozenset({"template"}),
    "spec.template": frozenset({"metadata", "spec"}),
    "spec.template.metadata": frozenset({"name", "labels", "annotations", "creationTimestamp"}),
    "spec.template.spec.template": frozenset({"metadata", "spec"}),
}
"""The keys of a body down to its execution, by path; the keys below are v2's after translation."""

V2_PATHS = (
    ("job_body.template.template", "job_body.spec.template.spec.template.spec"),
    ("job_body.template", "job_body.spec.template.spec"),
)
"""Paths of v2 and the v1 paths that they come from, the longest first."""

_EGRESS = {"all-traffic": "ALL_TRAFFIC", "private-ranges-only": "PRIVATE_RANGES_ONLY"}
GCSFUSE = "gcsfuse.run.googleapis.com"
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


def strangers(body: Mapping[str, Any]) -> Iterator[Finding]:
    """A remark on each key that the translation does not read."""
    for path, keys in KEYS.items():
        part: Any = body
        for key in filter(None, path.split(".")):
            part = part.get(key) if isinstance(part, Mapping) else None
        yield from unknown_keys(part if isinstance(part, Mapping) else {}, keys, f"job_body.{path}".rstrip("."))


def written_at(path: str) -> str:
    """The v1 path of the value at `path` in v2."""
    for new, old in V2_PATHS:
        if path.startswith(new):
            return old + path.removeprefix(new)
    return path


def _annotations(metadata: Mapping[str, Any]) -> dict[str, Any]:
    return mapping(metadata.get("annotations"), "metadata.annotations")


def _labels(metadata: Mapping[str, Any]) -> dict[str, Any]:
    labels = mapping(metadata.get("labels"), "metadata.labels")
    return {key: value for key, value in labels.items() if not key.startswith(SYSTEM)}


def _settings(annotations: dict[str, Any]) -> dict[str, Any]:
    """The fields that correspond to annotations; those of the task are under `task`."""
    take = {key.removeprefix("run.googleapis.com/"): key for key in annotations if key.startswith("run.googleapis.com/")}
    read = {short: annotations.pop(key) for short, key in take.items() if key not in OUTPUT_ONLY}
    job = {"launchStage": read.pop("launch-stage", None), "client": read.pop("client-name", None)}
    job[INSTANCES] = read.pop("cloudsql-instances", None)
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
        raise ConfigurationError(f"job_body.metadata.annotations: {path}: is not JSON: {problem}") from None


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
    """`valueFrom.secretKeyRef{name, key}` becomes `valueSource.secretKeyRef{secret, version}`."""
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
        bucket = _bucket(mapping(volume.pop("csi"), "volumes: csi"))
        return {**volume, "gcs": bucket}
    return volume


def _bucket(driver: dict[str, Any]) -> dict[str, Any]:
    """A bucket that v1 mounts by a CSI driver."""
    attributes = mapping(driver.get("volumeAttributes"), "volumes: csi.volumeAttributes")
    if driver.get("driver") != GCSFUSE or set(attributes) - {"bucketName", "mountOptions"}:
        raise ConfigurationError(f"job_body: volumes: csi: only {GCSFUSE} with bucketName and mountOptions can be translated")
    options = [option for option in text(attributes.get("mountOptions") or "").split(",") if option]
    return {"bucket": attributes.get("bucketName"), "readOnly": driver.get("readOnly", False), "mountOptions": options}
