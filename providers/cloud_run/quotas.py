"""Which jobs a quota's refusal concerns, read from Google's message.

A rate counts calls a minute in a project and region. An allocation limits what runs there at once: executions, CPU, memory,
GPUs. Cloud Run names an allocation as `CpuAllocPerProjectRegion requested: 60000 allowed: 20000`, in thousandths of a CPU or in
bytes, or by its metric `run.googleapis.com/cpu_allocation`: https://cloud.google.com/run/quotas.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from providers.base import Hold, Needs

REASONS = frozenset({"RATE_LIMIT_EXCEEDED", "RESOURCE_QUOTA_EXCEEDED", "QUOTA_EXCEEDED"})
"""ErrorInfo reasons of a quota, whatever the error's code is."""

_ALLOCATIONS = {
    "gpu": re.compile(r"gpu\w*alloc|gpu_allocation|gpus? (allocation|per)|count of gpus", re.IGNORECASE),
    "cpu": re.compile(r"cpu\w*alloc|cpu_allocation|cpu (allocation|per)|allowable cpu", re.IGNORECASE),
    "memory": re.compile(r"mem\w*alloc|memory_allocation|memory (allocation|per)|allowable memory", re.IGNORECASE),
}
_RUNNING = re.compile(r"running|execution|jobs? per|number of jobs|instances", re.IGNORECASE)
_RATE = re.compile(r"per ?(minute|second|day)|requests", re.IGNORECASE)
_VIOLATED = re.compile(r"quota violated|PerProjectRegion requested", re.IGNORECASE)
_ASKED = re.compile(r"requested: ?(\d{1,18})\D{1,20}allowed: ?(\d{1,18})", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Info:
    """The reason and quota of a refusal, from its ErrorInfo; empty texts without one."""

    reason: str = ""
    quota: str = ""
    """The quota's limit and its metric, such as `CpuAllocPerProjectRegion run.googleapis.com/cpu_allocation`."""


def is_quota(info: Info, words: str) -> bool:
    """True for a refusal by a quota, even if its code is a different one."""
    return info.reason in REASONS or _VIOLATED.search(words) is not None


def hold(info: Info, words: str, needs: Needs) -> Hold | None:
    """The jobs that a quota's refusal concerns, by the needs of the refused job; None if it concerns that job alone."""
    if any(int(amount) > int(allowed) for amount, allowed in _ASKED.findall(words)):
        return None  # more than the whole quota
    named = info.quota or words
    if _RATE.search(named):
        return Hold(place=needs.place)
    missing = [dimension for dimension, pattern in _ALLOCATIONS.items() if pattern.search(named)]
    if missing:
        size = {dimension: needs.size[dimension] for dimension in missing if needs.size.get(dimension)}
        return Hold(place=needs.place, size=size, freed_by_end=True)
    return Hold(place=needs.place, freed_by_end=_RUNNING.search(named) is not None)
