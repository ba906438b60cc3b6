"""The API server's refusals before it stores a Job: unknown fields and invalid values.

https://kubernetes.io/docs/reference/kubernetes-api/workload-resources/job-v1/
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from providers.emulators.kubernetes.kinds import JOB
from providers.emulators.kubernetes.refusals import Refusal, invalid
from providers.kubernetes.shape import shape_faults
from providers.remarks import UNKNOWN_KEY

LONGEST_NAME = 63
"""A Job's name becomes the value of a label of its pods."""
LARGEST = 1_500_000
"""The most bytes of one object."""

_NAME = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
_LABEL = re.compile(r"(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?")
_KEY = re.compile(r"([a-z0-9]([-a-z0-9.]*[a-z0-9])?/)?([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]")
_CONTAINER = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?")
_QUANTITY = re.compile(r"\d+(\.\d+)?(m|k|Ki|M|Mi|G|Gi|T|Ti|E|Ei|P|Pi)?")
_UNCHANGEABLE = ("completions", "selector", "template", "completionMode", "podFailurePolicy", "managedBy")

Problem = tuple[str, str]


def check_shape(job: Any, *, strict: bool) -> None:
    """Raise `Refusal` (400) for a body that is not a Job; unknown fields count if the caller requests strict validation."""
    faults = list(shape_faults(job)) if isinstance(job, Mapping) else [None]
    if None in faults:
        raise Refusal("BadRequest", "the object provided is unrecognized: it is not a Job")
    unknown = [fault for fault in faults if fault and fault.message.startswith(UNKNOWN_KEY)]
    wrong = [fault for fault in faults if fault and fault not in unknown and fault.message != "missing"]
    if wrong:
        words = ", ".join(f"{fault.path}: {fault.message}" for fault in wrong)
        raise Refusal("BadRequest", f'Job in version "v1" cannot be handled as a Job: json: cannot unmarshal: {words}')
    if strict and unknown:
        words = ", ".join(f'unknown field "{fault.path}"' for fault in unknown)
        raise Refusal("BadRequest", f'Job in version "v1" cannot be handled as a Job: strict decoding error: {words}')


def check_job(job: Mapping[str, Any]) -> None:
    """Raise `Refusal` (422) with all violations of the rules."""
    name = str(job["metadata"].get("name") or "")
    if problems := [*_metadata(job["metadata"]), *_spec(job.get("spec") or {})]:
        raise invalid(JOB, name, problems)


def check_change(before: Mapping[str, Any], after: Mapping[str, Any]) -> None:
    """Raise `Refusal` (422) for a change of an immutable field."""
    changed = [field for field in _UNCHANGEABLE if before["spec"].get(field) != after["spec"].get(field)]
    if changed:
        raise invalid(JOB, before["metadata"]["name"], [(f"spec.{field}", "field is immutable") for field in changed])
    if after["metadata"].get("uid") != before["metadata"]["uid"]:
        raise invalid(JOB, before["metadata"]["name"], [("metadata.uid", "field is immutable")])
    check_job(after)


def _metadata(metadata: Mapping[str, Any]) -> Iterator[Problem]:
    name = str(metadata.get("name") or "")
    if not name:
        yield "metadata.name", "Required value: name or generateName is required"
    elif not _NAME.fullmatch(name):
        yield "metadata.name", f'Invalid value: "{name}": a lowercase RFC 1123 subdomain must consist of lower case characters'
    elif len(name) > LONGEST_NAME:
        yield "spec.template.labels", f'Invalid value: "{name}": must be no more than {LONGEST_NAME} bytes'
    yield from _labels(metadata.get("labels"), "metadata.labels")


def _labels(labels: Any, path: str) -> Iterator[Problem]:
    for key, value in (labels or {}).items():
        if not _KEY.fullmatch(key) or len(key.rpartition("/")[2]) > 63:
            yield path, f'Invalid value: "{key}": name part must consist of alphanumeric characters'
        if not _LABEL.fullmatch(value) or len(value) > 63:
            yield path, f'Invalid value: "{value}": a valid label must be at most 63 alphanumeric characters'


def _spec(spec: Mapping[str, Any]) -> Iterator[Problem]:
    if "template" not in spec:
        yield "spec.template", "Required value"
        return
    for field in ("backoffLimit", "completions", "parallelism", "activeDeadlineSeconds", "ttlSecondsAfterFinished"):
        if (spec.get(field) or 0) < 0:
            yield f"spec.{field}", f"Invalid value: {spec[field]}: must be greater than or equal to 0"
    template = spec["template"] or {}
    yield from _labels((template.get("metadata") or {}).get("labels"), "spec.template.metadata.labels")
    pod = template.get("spec") or {}
    if pod.get("restartPolicy") not in ("Never", "OnFailure"):
        yield "spec.template.spec.restartPolicy", f'Unsupported value: "{pod.get("restartPolicy")}": "OnFailure", "Never"'
    containers = pod.get("containers") or []
    if not containers:
        yield "spec.template.spec.containers", "Required value"
    names = [container.get("name") for container in containers]
    for index, container in enumerate(containers):
        yield from _container(container, names[:index], f"spec.template.spec.containers[{index}]")


def _container(container: Mapping[str, Any], before: list[Any], path: str) -> Iterator[Problem]:
    name = str(container.get("name") or "")
    if not _CONTAINER.fullmatch(name) or len(name) > 63:
        yield f"{path}.name", f'Invalid value: "{name}": a lowercase RFC 1123 label'
    if name in before:
        yield f"{path}.name", f'Duplicate value: "{name}"'
    if not str(container.get("image") or "").strip():
        yield f"{path}.image", "Required value"
    if container.get("imagePullPolicy") not in (None, "Always", "IfNotPresent", "Never"):
        yield f"{path}.imagePullPolicy", f'Unsupported value: "{container["imagePullPolicy"]}"'
    for index, variable in enumerate(container.get("env") or ()):
        variable_name = variable.get("name") or ""
        if not variable_name or "=" in variable_name or not variable_name.isprintable():
            yield f"{path}.env[{index}].name", f'Invalid value: "{variable_name}"'
        if variable.get("value") and variable.get("valueFrom"):
            yield f"{path}.env[{index}].valueFrom", "Invalid value: may not be specified when `value` is not empty"
    yield from _resources(container.get("resources") or {}, path)


def _resources(resources: Mapping[str, Any], path: str) -> Iterator[Problem]:
    for kind in ("limits", "requests"):
        for dimension, amount in (resources.get(kind) or {}).items():
            if not _QUANTITY.fullmatch(str(amount)):
                yield f"{path}.resources.{kind}[{dimension}]", f'Invalid value: "{amount}": quantities must match a pattern'
