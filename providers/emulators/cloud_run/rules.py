"""Cloud Run's refusals of a job. The source of each rule is linked beside it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from google.cloud import run_v2
from google.protobuf.json_format import ParseError

from providers.emulators.cloud_run.refusals import Refusal, invalid

MAX_NAME = 63
MAX_LABELS = 64
MAX_ENVIRONMENT = 1000
MAX_VALUE_BYTES = 32 * 1024
MAX_RETRIES = 10
MAX_TIMEOUT_SECONDS = 168 * 3600
MAX_TASKS = 10_000

MEMORY_BY_CPU = {1: (512, 4096), 2: (512, 8192), 4: (2048, 16384), 6: (4096, 24576), 8: (4096, 32768)}
"""The allowed MiB for a number of CPUs: https://cloud.google.com/run/docs/configuring/jobs/cpu."""

GPU = "nvidia.com/gpu"
GPU_CPUS = 4
"""The least CPU and memory beside a GPU: https://cloud.google.com/run/docs/configuring/jobs/gpu."""

RESERVED = ("run.googleapis.com", "cloud.googleapis.com", "serving.knative.dev", "autoscaling.knative.dev")
"""Namespaces that v2 refuses in labels and annotations (run_v2's own documentation of Job.labels)."""

_NAME = re.compile(r"[a-z]([a-z0-9-]*[a-z0-9])?")
_LABEL_KEY = re.compile(r"[a-z][a-z0-9_-]{0,62}")
_LABEL_VALUE = re.compile(r"[a-z0-9_-]{0,63}")
_INSTANCE = re.compile(r"[^:]+(:[^:]+){2,3}")
_MEMORY = re.compile(r"(\d+)(G|Gi|M|Mi)")
_MEBIBYTES = {"G": 1000**3 / 1024**2, "Gi": 1024.0, "M": 1000**2 / 1024**2, "Mi": 1.0}


def check_identifier(identifier: str) -> None:
    """A job's id: lower case, digits and hyphens, begins with a letter."""
    if len(identifier) > MAX_NAME or not _NAME.fullmatch(identifier):
        raise invalid("job_id", f"'{identifier}' is not a valid id: lower case, digits and hyphens, begins with a letter, < 64")


def check_job(job: run_v2.Job, identifier: str) -> None:
    """Check a new job; raises the first `Refusal`."""
    _check_labels("labels", job.labels)
    _check_labels("template.labels", job.template.labels)
    _check_token(job, identifier)
    task = job.template.template
    if not task.containers:
        raise invalid("template.template.containers", "at least one container is required")
    if not 0 <= task.max_retries <= MAX_RETRIES:
        raise invalid("template.template.max_retries", f"must be from 0 to {MAX_RETRIES}")
    seconds = task.timeout.total_seconds() if "timeout" in task else 600
    if not 0 < seconds <= MAX_TIMEOUT_SECONDS:
        raise invalid("template.template.timeout", f"must be more than 0 and at most {MAX_TIMEOUT_SECONDS} seconds")
    if job.template.task_count > MAX_TASKS:
        raise invalid("template.task_count", f"must be at most {MAX_TASKS}")
    for number, container in enumerate(task.containers):
        _check_container(f"template.template.containers[{number}]", container)
    _check_volumes(task)
    _check_network(task.vpc_access)


def _check_volumes(task: run_v2.TaskTemplate) -> None:
    """run_v2's own documentation of Volume and VolumeMount."""
    volumes = {volume.name: volume for volume in task.volumes}
    if len(volumes) < len(task.volumes) or "" in volumes:
        raise invalid("template.template.volumes", "every volume needs a name of its own")
    for volume in task.volumes:
        for instance in volume.cloud_sql_instance.instances:
            if not _INSTANCE.fullmatch(instance):
                raise invalid(
                    "template.template.volumes.cloud_sql_instance.instances", f"'{instance}' is not a connection name"
                )
    for container in task.containers:
        for mount in container.volume_mounts:
            _check_mount(mount, volumes)


def _check_mount(mount: run_v2.VolumeMount, volumes: Mapping[str, run_v2.Volume]) -> None:
    field = "template.template.containers.volume_mounts"
    if mount.name not in volumes:
        raise invalid(f"{field}.name", f"'{mount.name}' matches no volume")
    if "cloud_sql_instance" in volumes[mount.name]:
        if mount.mount_path not in ("", "/cloudsql"):
            raise invalid(f"{field}.mount_path", "Cloud SQL volumes are mounted at /cloudsql")
    elif not mount.mount_path.startswith("/") or ":" in mount.mount_path:
        raise invalid(f"{field}.mount_path", f"'{mount.mount_path}' must be an absolute path without ':'")


def _check_network(access: run_v2.VpcAccess) -> None:
    """https://cloud.google.com/run/docs/configuring/connecting-vpc."""
    if access.connector and access.network_interfaces:
        raise invalid("template.template.vpc_access", "a connector and network interfaces exclude each other")
    if len(access.network_interfaces) > 1:
        raise invalid("template.template.vpc_access.network_interfaces", "only one is supported")


def _check_token(job: run_v2.Job, identifier: str) -> None:
    token = job.start_execution_token or job.run_execution_token
    if token and (len(identifier) + len(token) >= MAX_NAME or not re.fullmatch(r"[a-z0-9-]*[a-z0-9]", token)):
        raise invalid("start_execution_token", "job id and token together must have fewer than 63 characters of [a-z0-9-]")


def _check_labels(field: str, labels: Mapping[str, str]) -> None:
    """https://cloud.google.com/resource-manager/docs/labels-overview#requirements (ASCII only here)."""
    if len(labels) > MAX_LABELS:
        raise invalid(field, f"{len(labels)} labels, at most {MAX_LABELS} are allowed")
    for key, value in labels.items():
        if key.startswith(RESERVED):
            raise invalid(field, f"'{key}' is in a reserved namespace")
        if not _LABEL_KEY.fullmatch(key) or not _LABEL_VALUE.fullmatch(value):
            raise invalid(field, f"'{key}: {value}': lower case, digits, '_' and '-', at most 63, keys begin with a letter")


def _check_container(field: str, container: run_v2.Container) -> None:
    if not container.image:
        raise invalid(f"{field}.image", "Required field not provided")
    _check_environment(f"{field}.env", container)
    _check_resources(f"{field}.resources.limits", container.resources.limits)


def _check_environment(field: str, container: run_v2.Container) -> None:
    names = [variable.name for variable in container.env]
    if len(names) > MAX_ENVIRONMENT or len(set(names)) != len(names) or not all(names):
        raise invalid(field, f"names must be unique and not empty, at most {MAX_ENVIRONMENT}")
    for variable in container.env:
        if len(variable.value.encode()) > MAX_VALUE_BYTES:
            raise invalid(f"{field}[{variable.name}]", "longer than 32 KiB")
        if "value_source" in variable and not variable.value_source.secret_key_ref.secret:
            raise invalid(f"{field}[{variable.name}].value_source.secret_key_ref.secret", "Required field not provided")


def _check_resources(field: str, limits: Mapping[str, str]) -> None:
    cpus = _cpus(field, limits.get("cpu", "1000m"))
    mebibytes = _mebibytes(field, limits.get("memory", "512Mi"))
    least, most = MEMORY_BY_CPU[cpus]
    if limits.get(GPU) and cpus < GPU_CPUS:
        raise invalid(f"{field}.cpu", f"a GPU needs at least {GPU_CPUS} CPU")
    if not least <= mebibytes <= most:
        raise invalid(f"{field}.memory", f"{cpus} CPU go with {least} to {most} MiB")


def _cpus(field: str, text: str) -> int:
    number = text.removesuffix("000m") if text.endswith("m") else text
    if not number.isdigit() or int(number) not in MEMORY_BY_CPU:
        raise invalid(f"{field}.cpu", f"'{text}' is not one of {', '.join(map(str, MEMORY_BY_CPU))}, as '1' or '1000m'")
    return int(number)


def _mebibytes(field: str, text: str) -> float:
    match = _MEMORY.fullmatch(text)
    if match is None:
        raise invalid(f"{field}.memory", f"'{text}' is not an amount of memory, such as 512Mi")
    return int(match[1]) * _MEBIBYTES[match[2]]


def parse_job(body: bytes) -> run_v2.Job:
    """The body as a job."""
    return parse_message(run_v2.Job, body)


def parse_message(kind: Any, body: bytes) -> Any:
    """The body as one of Google's own messages; an unknown field or a wrong type is refused with its path."""
    try:
        return kind.from_json(body or b"{}", ignore_unknown_fields=False)
    except (ParseError, TypeError, ValueError) as error:
        raise Refusal("INVALID_ARGUMENT", f"Invalid JSON payload received. {error}") from None
