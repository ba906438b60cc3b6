"""What a job needs from Vertex AI, read from its configuration alone."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from providers.base import ConfigurationError, Needs
from providers.google.accounts import place_names
from providers.values import mapping, objects, text

CPU = "cpu"
_CPUS = re.compile(r"[a-z0-9]+-[a-z]+-(\d{1,4})(?:-.*)?")
"""`n1-standard-4`; a suffix after the number (`-lssd`) is ignored. Machine types that are named by GPU (`a2-highgpu-1g`) do not
show their CPUs.
"""


def needs_of(configuration: Mapping[str, Any]) -> Needs:
    """Credentials, project and region (empty where the configuration leaves them to the host); CPUs, and accelerators by type.

    The size covers all replicas of all worker pools. Raises `ConfigurationError`.
    """
    names = place_names(configuration)
    spec = mapping(configuration.get("job_spec"), "job_spec")
    size: Counter[str] = Counter()
    for pool in objects(_of(spec, "worker_pool_specs"), "job_spec.worker_pool_specs"):
        replicas = _count(_of(pool, "replica_count"), "replica_count", 1)
        for dimension, amount in _machine(mapping(_of(pool, "machine_spec"), "job_spec.worker_pool_specs[].machine_spec")):
            size[dimension] += replicas * amount
    place = (names.credentials or "", names.project or "", names.region or "")
    return Needs(place=place, size={dimension: float(amount) for dimension, amount in size.items() if amount > 0})


def _machine(machine: Mapping[str, Any]) -> Iterator[tuple[str, int]]:
    kind, accelerator = _of(machine, "machine_type"), _of(machine, "accelerator_type")
    if isinstance(kind, str) and (match := _CPUS.fullmatch(kind)):
        yield CPU, int(match[1])
    if isinstance(accelerator, str) and accelerator:
        yield accelerator.lower(), _count(_of(machine, "accelerator_count"), "accelerator_count", 1)


def _of(fields: Mapping[str, Any], name: str) -> Any:
    """A field in either spelling."""
    first, *others = name.split("_")
    return fields.get(name, fields.get(first + "".join(word.title() for word in others)))


def _count(value: Any, field: str, otherwise: int) -> int:
    if value in (None, ""):
        return otherwise
    if isinstance(value, bool) or not re.fullmatch(r"\d{1,9}", text(value)):
        raise ConfigurationError(f"job_spec.worker_pool_specs: {field}: give a whole number")
    return int(value)
