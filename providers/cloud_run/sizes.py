"""CPUs and memory in Cloud Run's units, and their allowed combinations.

https://cloud.google.com/run/docs/configuring/jobs/cpu and https://cloud.google.com/run/docs/configuring/jobs/memory-limits
"""

from __future__ import annotations

import re
from typing import Any

from providers.values import text

MEMORY_BY_CPU = {1: (512, 4096), 2: (512, 8192), 4: (2048, 16384), 6: (4096, 24576), 8: (4096, 32768)}
"""The allowed MiB for a number of CPUs, without a GPU."""

_CPU = re.compile(r"(\d{1,9}(?:\.\d{1,9})?)(m?)")
_MEMORY = re.compile(r"(\d{1,15}(?:\.\d{1,9})?)(G|Gi|M|Mi|K|Ki|k)?")
_MEBIBYTES = {
    "G": 1000**3 / 1024**2,
    "Gi": 1024.0,
    "M": 1000**2 / 1024**2,
    "Mi": 1.0,
    "K": 1000 / 1024**2,
    "k": 1000 / 1024**2,
    "Ki": 1 / 1024,
    None: 1 / 1024**2,
}


def amount(dimension: str, value: Any) -> float | None:
    """The CPUs, MiB or GPUs (by the dimension's name) of a written limit; None if it is not an amount."""
    return mebibytes(value) if dimension == "memory" else cpus(value)


def cpus(value: Any) -> float | None:
    """CPUs, or GPUs, of `1`, `"2"`, `"1000m"`."""
    match = None if isinstance(value, bool) else _CPU.fullmatch(text(value))
    return float(match[1]) / (1000 if match[2] else 1) if match else None


def mebibytes(value: Any) -> float | None:
    """MiB of `"512Mi"`, `"2G"` or a number of bytes."""
    match = None if isinstance(value, bool) else _MEMORY.fullmatch(text(value))
    return float(match[1]) * _MEBIBYTES[match[2]] if match else None


def size_fault(given_cpu: Any, given_memory: Any) -> tuple[str, str] | None:
    """The limit (`cpu` or `memory`) that Cloud Run refuses for a job without a GPU, and why; None if it accepts both."""
    number, memory = cpus(given_cpu), mebibytes(given_memory)
    if number not in MEMORY_BY_CPU:
        return "cpu", f"give 1, 2, 4, 6 or 8, as '1' or '1000m', not {given_cpu!r:.80}"
    if memory is None:
        return "memory", f"give an amount such as 512Mi or 2G, not {given_memory!r:.80}"
    least, most = MEMORY_BY_CPU[int(number)]
    if not least <= memory <= most:
        return "memory", f"{int(number)} CPU go with {least} to {most} MiB, not with {given_memory}"
    return None
