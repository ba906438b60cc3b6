"""CPUs and memory, rounded up to the next pair that a platform offers, never down."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from providers.base import ConfigurationError

FARGATE: Mapping[float, Sequence[int]] = {
    256: (512, 1024, 2048),
    512: range(1024, 4097, 1024),
    1024: range(2048, 8193, 1024),
    2048: range(4096, 16385, 1024),
    4096: range(8192, 30721, 1024),
    8192: range(16384, 61441, 4096),
    16384: range(32768, 122881, 8192),
}
"""CPU units and the MiB allowed with them:
https://docs.aws.amazon.com/AmazonECS/latest/developerguide/task-cpu-memory-error.html
"""

CLOUD_RUN: Mapping[float, Sequence[int]] = {
    1: range(512, 4097, 256),
    2: range(512, 8193, 256),
    4: range(2048, 16385, 256),
    6: range(4096, 24577, 256),
    8: range(4096, 32769, 256),
}
"""CPUs and MiB: https://cloud.google.com/run/docs/configuring/jobs/memory-limits"""

VERTEX: Mapping[str, tuple[int, int]] = {
    **{f"n1-standard-{cpus}": (cpus, cpus * 3840) for cpus in (4, 8, 16, 32, 64, 96)},
    **{f"n1-highmem-{cpus}": (cpus, cpus * 6656) for cpus in (2, 4, 8, 16, 32, 64, 96)},
}
"""Machine types of custom training with their CPUs and MiB:
https://cloud.google.com/vertex-ai/docs/training/configure-compute
"""


def pair(steps: Mapping[float, Sequence[int]], cpu: float | None, memory: float | None) -> tuple[float, int]:
    """The smallest pair with at least this much of both. Raises `ConfigurationError` that names the size that is too large."""
    for cpus in sorted(steps):
        if cpus < (cpu or 0):
            continue
        enough = [amount for amount in steps[cpus] if amount >= (memory or 0)]
        if enough:
            return cpus, enough[0]
    most = max(steps)
    if (cpu or 0) > most:
        raise ConfigurationError(f"cpu: is more than this platform gives to one job ({_cores(steps, most):g} cores)")
    raise ConfigurationError(f"memory: is more than this platform gives to one job ({max(steps[most])} MiB)")


def machine(cpu: float | None, memory: float | None) -> str:
    """The smallest machine type with at least this much of both. Raises `ConfigurationError`."""
    enough = [(size, name) for name, size in VERTEX.items() if size[0] >= (cpu or 0) and size[1] >= (memory or 0)]
    if not enough:
        field = "cpu" if (cpu or 0) > 96 else "memory"
        raise ConfigurationError(f"{field}: is more than any machine of this platform has")
    return min(enough)[1]


def tenths(value: float) -> float:
    """A number rounded up to a tenth."""
    return math.ceil(round(value * 10, 6)) / 10


def _cores(steps: Mapping[float, Sequence[int]], cpus: float) -> float:
    return cpus / 1024 if steps is FARGATE else cpus
