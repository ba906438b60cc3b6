"""Documented refusals of Cloud Run that the types of a job's fields do not express.

https://cloud.google.com/run/docs/create-jobs, https://cloud.google.com/run/quotas and run_v2's own documentation.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from providers.base import Finding
from providers.cloud_run.cloudsql import PATH
from providers.cloud_run.sizes import cpus, size_fault

MAX_RETRIES = 10
MAX_TASKS = 10_000
MAX_SECONDS = 168 * 3600
MAX_VARIABLES = 1000
MAX_VALUE_BYTES = 32 * 1024
GPU = "nvidia.com/gpu"
GPU_CPUS = 4
"""The least CPU and memory beside a GPU: https://cloud.google.com/run/docs/configuring/jobs/gpu."""

TASK = "job_body.template.template"


def broken_rules(body: Mapping[str, Any]) -> Iterator[Finding]:
    """The faults of a body that `body_of` made. Values of a wrong type are skipped: the type check reports them."""
    execution = body["template"]
    task = execution["template"]
    yield from _counts(execution, task)
    yield from _network(task.get("vpcAccess") or {})
    yield from _volumes(task)
    containers = task["containers"]
    for number, container in enumerate(containers):
        path = f"{TASK}.containers[{number}]"
        if not container.get("image") and "sourceCode" not in container:
            yield Finding(path=f"{path}.image", message="name the container image to run")
        yield from _variables(container, f"{path}.env")
    if len(containers) == 1:  # Cloud Run adds up the sizes of several containers by its own rules
        yield from _sizes(containers[0], f"{TASK}.containers[0].resources.limits")


def _counts(execution: Mapping[str, Any], task: Mapping[str, Any]) -> Iterator[Finding]:
    if not 0 <= task["maxRetries"] <= MAX_RETRIES:
        yield Finding(path=f"{TASK}.maxRetries", message=f"give 0 to {MAX_RETRIES}, not {task['maxRetries']}")
    tasks = _number(execution.get("taskCount", 1))
    if tasks is not None and not 1 <= tasks <= MAX_TASKS:
        yield Finding(path="job_body.template.taskCount", message=f"give 1 to {MAX_TASKS}, not {tasks}")
    if "timeout" in task and not 0 < float(task["timeout"].removesuffix("s")) <= MAX_SECONDS:
        yield Finding(path=f"{TASK}.timeout", message=f"give more than 0 and at most {MAX_SECONDS} s, not {task['timeout']}")


def _number(value: Any) -> int | None:
    return int(value) if isinstance(value, int) or (isinstance(value, str) and value.isdecimal() and len(value) < 20) else None


def _network(network: Mapping[str, Any]) -> Iterator[Finding]:
    interfaces = network.get("networkInterfaces")
    if network.get("connector") and interfaces:
        yield Finding(path=f"{TASK}.vpcAccess", message="give a connector or network interfaces, not both")
    if isinstance(interfaces, list) and len(interfaces) > 1:
        yield Finding(path=f"{TASK}.vpcAccess.networkInterfaces", message="Cloud Run takes one network interface")


def _volumes(task: Mapping[str, Any]) -> Iterator[Finding]:
    volumes = [item for item in task.get("volumes") or [] if isinstance(item, Mapping)]
    names = [item.get("name") for item in volumes]
    for number, volume in enumerate(volumes):
        path = f"{TASK}.volumes[{number}]"
        if not volume.get("name") or names.index(volume["name"]) != number:
            yield Finding(path=f"{path}.name", message="every volume needs a name of its own")
    sockets = {volume.get("name") for volume in volumes if "cloudSqlInstance" in volume}
    for number, container in enumerate(task["containers"]):
        for place, mount in enumerate(container.get("volumeMounts") or []):
            if isinstance(mount, Mapping):
                path = f"{TASK}.containers[{number}].volumeMounts[{place}]"
                yield from _mount(mount, path, names, is_cloudsql=mount.get("name") in sockets)


def _mount(mount: Mapping[str, Any], path: str, volumes: list[Any], *, is_cloudsql: bool) -> Iterator[Finding]:
    where = mount.get("mountPath")
    if mount.get("name") not in volumes:
        yield Finding(path=f"{path}.name", message=f"there is no volume {mount.get('name')!r:.80}")
    elif is_cloudsql and where not in (None, "", PATH):
        yield Finding(path=f"{path}.mountPath", message=f"Cloud SQL instances are mounted at {PATH}, not at {where!r:.80}")
    elif not is_cloudsql and (not isinstance(where, str) or not where.startswith("/") or ":" in where):
        yield Finding(path=f"{path}.mountPath", message=f"give a whole path without a colon, not {where!r:.80}")


def _variables(container: Mapping[str, Any], path: str) -> Iterator[Finding]:
    variables = container.get("env") or []
    if len(variables) > MAX_VARIABLES:
        yield Finding(path=path, message=f"Cloud Run takes {MAX_VARIABLES} variables, not {len(variables)}")
    for variable in variables:
        name, value = variable.get("name"), variable.get("value")
        if not name or "=" in str(name):
            yield Finding(path=path, message=f"{name!r:.80} cannot be the name of a variable")
        if isinstance(value, str) and len(value.encode(errors="replace")) > MAX_VALUE_BYTES:
            yield Finding(
                path=f"{path}.{name}", message=f"is longer than the {MAX_VALUE_BYTES // 1024} KiB that Cloud Run takes"
            )


def _sizes(container: Mapping[str, Any], path: str) -> Iterator[Finding]:
    limits = (container.get("resources") or {}).get("limits") or {}
    cpu, memory = limits.get("cpu", "1000m"), limits.get("memory", "512Mi")
    if GPU not in limits:
        if fault := size_fault(cpu, memory):
            yield Finding(path=f"{path}.{fault[0]}", message=fault[1])
    elif not cpus(limits[GPU]):
        yield Finding(path=f"{path}.{GPU}", message=f"give how many GPUs, not {limits[GPU]!r:.80}")
    elif (cpus(cpu) or 0) < GPU_CPUS:
        yield Finding(path=f"{path}.cpu", message=f"a GPU goes with {GPU_CPUS} CPU and more, not with {cpu!r:.80}")
