"""Checks requests against the published messages and the service's known rules."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from providers.emulators.google_errors import TYPES, Refusal
from providers.vertex_ai.schema import MESSAGES

_LABEL_KEY = re.compile(r"[a-z][a-z0-9_-]{0,62}")
_LABEL_VALUE = re.compile(r"[a-z0-9_-]{0,63}")
_DURATION = re.compile(r"\d+(\.\d{1,9})?s")
MAX_LABELS, MAX_DISPLAY_NAME = 64, 128


def check_job(job: Any) -> None:
    """Raise `Refusal` with all wrong fields of a new job."""
    faults = list(_faults(job, "CustomJob", "custom_job"))
    if not faults:
        faults = list(_broken_rules(job))
    if faults:
        listed = " ".join(f"{number}.Field: {field}; Message: {text}" for number, (field, text) in enumerate(faults, start=1))
        violations = [{"field": field, "description": text} for field, text in faults]
        detail = {"@type": TYPES + "BadRequest", "fieldViolations": violations}
        raise Refusal("INVALID_ARGUMENT", f"List of found errors: {listed}", detail)


def _faults(value: Any, of: Any, path: str) -> Iterator[tuple[str, str]]:
    if isinstance(of, str) and of in MESSAGES:
        if not isinstance(value, dict):
            yield path, "Proto field is not an object"
            return
        for key, item in value.items():
            if key not in MESSAGES[of]:
                yield f"{path}.{key}", "Cannot find field."
            else:
                yield from _faults(item, MESSAGES[of][key], f"{path}.{key}")
    elif isinstance(of, list):
        for index, item in enumerate(value if isinstance(value, list) else [value]):
            yield from _faults(item, of[0], f"{path}[{index}]")
    elif isinstance(of, Mapping):
        for key, item in value.items() if isinstance(value, dict) else [("", None)]:
            yield from _faults(item, of["*"], f"{path}.{key}")
    elif not _is(value, of):
        yield path, f"Invalid value: {value!r:.80}"


def _is(value: Any, of: Any) -> bool:
    if isinstance(of, tuple):
        return value in of or (isinstance(value, int) and 0 <= value < len(of))  # Google's own client sends numbers
    if of in ("int32", "int64"):
        is_text = of == "int64" and isinstance(value, str) and value.isdecimal()  # as protobuf writes it
        return is_text or (isinstance(value, int) and not isinstance(value, bool))
    if of == "boolean":
        return isinstance(value, bool)
    return isinstance(value, str) and (of != "google-duration" or _DURATION.fullmatch(value) is not None)


def _broken_rules(job: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    name, labels, spec = job.get("displayName", ""), job.get("labels", {}), job.get("jobSpec", {})
    if not 0 < len(name) <= MAX_DISPLAY_NAME:
        yield "custom_job.display_name", "must be 1 to 128 characters"
    if len(labels) > MAX_LABELS or not all(_LABEL_KEY.fullmatch(k) and _LABEL_VALUE.fullmatch(v) for k, v in labels.items()):
        yield "custom_job.labels", "invalid labels"
    pools = spec.get("workerPoolSpecs", [])
    if not pools:
        yield "custom_job.job_spec.worker_pool_specs", "must not be empty"
    for index, pool in enumerate(pools):
        path = f"custom_job.job_spec.worker_pool_specs[{index}]"
        if len({"containerSpec", "pythonPackageSpec"} & pool.keys()) != 1:
            yield path, "exactly one of container_spec and python_package_spec must be set"
        elif "containerSpec" in pool and not pool["containerSpec"].get("imageUri"):
            yield f"{path}.container_spec.image_uri", "must be set"
        if not pool.get("machineSpec", {}).get("machineType") and "persistentResourceId" not in spec:
            yield f"{path}.machine_spec.machine_type", "must be set"
        if int(pool.get("replicaCount", 0)) < 1:
            yield f"{path}.replica_count", "must be at least 1"
