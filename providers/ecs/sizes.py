"""Sizes of tasks and containers, in the units of ECS: 1,024 CPU units to a vCPU, and MiB.

https://docs.aws.amazon.com/AmazonECS/latest/developerguide/task-cpu-memory-error.html
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

DEFAULT_CPU = 1024
DEFAULT_MEMORY = 2048

_CPU = re.compile(r"\s*(\d+|\d*\.\d+)\s*(vcpu)?s?\s*", re.IGNORECASE)
_MEMORY = re.compile(r"\s*(\d+|\d*\.\d+)\s*(gb)?\s*", re.IGNORECASE)

GIB = 1024
FARGATE: Mapping[int, Sequence[int]] = {
    256: (512, GIB, 2 * GIB),
    512: range(GIB, 4 * GIB + 1, GIB),
    1024: range(2 * GIB, 8 * GIB + 1, GIB),
    2048: range(4 * GIB, 16 * GIB + 1, GIB),
    4096: range(8 * GIB, 30 * GIB + 1, GIB),
    8192: range(16 * GIB, 60 * GIB + 1, 4 * GIB),
    16384: range(32 * GIB, 120 * GIB + 1, 8 * GIB),
}
"""CPU units -> the MiB that Fargate offers with them."""


def cpu_units(value: Any) -> float | None:
    """CPU units of `1024`, `"1024"` or `"1 vCPU"`; None for anything else."""
    return _number(value, _CPU)


def mebibytes(value: Any) -> float | None:
    """MiB of `2048`, `"2048"` or `"2 GB"`; None for anything else."""
    return _number(value, _MEMORY)


def fargate_problem(cpu: Any, memory: Any) -> tuple[str, str] | None:
    """Why Fargate has no task of this size, as the variable at fault and words; None when it has one, or when it is unclear."""
    units, mib = cpu_units(cpu), mebibytes(memory)
    if units is None or mib is None:
        return None
    if units not in FARGATE:
        offered = ", ".join(str(each) for each in FARGATE)
        return "cpu", f"Fargate has no tasks of {units:g} CPU units; it offers {offered} (1024 are one vCPU)"
    if mib not in FARGATE[int(units)]:
        return "memory", f"Fargate offers {_words(FARGATE[int(units)])} MiB with {units:g} CPU units, not {mib:g}"
    return None


def _words(offered: Sequence[int]) -> str:
    if isinstance(offered, range):
        return f"{offered[0]} to {offered[-1]} in steps of {offered.step}"
    return ", ".join(str(each) for each in offered)


def _number(value: Any, spelling: re.Pattern[str]) -> float | None:
    if isinstance(value, bool):
        return None
    if isinstance(value, int | float):
        return float(value)
    found = spelling.fullmatch(value) if isinstance(value, str) else None
    if found is None:
        return None
    return float(found[1]) * (1024 if found[2] else 1)
