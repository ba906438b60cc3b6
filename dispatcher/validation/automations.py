"""The rules of automations that annotations cannot say."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields
from datetime import timedelta
from typing import Any

from dispatcher.core.deeds import FROM_PARTS, FROM_RUN
from dispatcher.errors import Fault
from dispatcher.models import (
    TERMINAL_STATES,
    Automation,
    PoolHeld,
    PoolNotTicked,
    QueueLonger,
    RunEnded,
    RunLate,
    RunOf,
    Target,
    Then,
    When,
)
from dispatcher.validation.hooks import ENDS_RULE

PARTS = (When, RunEnded, RunLate, PoolHeld, PoolNotTicked, QueueLonger, Then, Target, RunOf)

FROM_FIELDS = {"from_run": "job_variables", "parameters_from_run": "parameters"}
"""By field that takes values from a run: the field with the values that are fixed."""

MAX_DEEDS = 5
SHORTEST_SILENCE = timedelta(minutes=1)
LONGEST_PATIENCE = timedelta(days=30)
TARGET_RULE = "must be a deployment, or a pool, or a queue with its pool"


def part_faults(part: Any) -> Iterator[Fault]:
    """What is wrong with an automation, or a part of one, whose fields have the right types."""
    match part:
        case When() | Then():
            yield from _one_faults(part)
        case RunEnded():
            yield from _ended_faults(part)
        case RunLate(by=length) if not timedelta(0) < length <= LONGEST_PATIENCE:
            yield _length_fault("by", "longer than 0", length)
        case PoolHeld(longer_than=length) if not timedelta(0) <= length <= LONGEST_PATIENCE:
            yield _length_fault("longer_than", "0 or longer", length)
        case PoolNotTicked(longer_than=length) if not SHORTEST_SILENCE <= length <= LONGEST_PATIENCE:
            yield _length_fault("longer_than", "one minute or longer", length)
        case Target() if not _is_one_target(part):
            yield Fault("", TARGET_RULE)
        case RunOf():
            yield from _run_faults(part)
        case Automation():
            yield from _whole_faults(part)


def _length_fault(field: str, least: str, length: timedelta) -> Fault:
    return Fault(field, f"must be {least} and at most {LONGEST_PATIENCE.days} days (got {length.total_seconds():g} seconds)")


def _one_faults(part: When | Then) -> Iterator[Fault]:
    """An automation waits for one thing, and each step of it does one."""
    names = [field.name for field in fields(part)]
    chosen = [name for name in names if getattr(part, name) not in (None, False)]
    if len(chosen) != 1:
        yield Fault("", f"must hold exactly one of {', '.join(names)} (got {', '.join(chosen) or 'none'})")


def _ended_faults(ended: RunEnded) -> Iterator[Fault]:
    if strange := ended.states - TERMINAL_STATES:
        yield Fault("states", f"{ENDS_RULE} (got {', '.join(sorted(strange))})")
    if not ended.states:
        yield Fault("states", "must hold a terminal state: otherwise the automation would never act")
    if ended.of_last is not None and ended.of_last < ended.count:
        yield Fault("of_last", f"must be `count` or more ({ended.count}): otherwise the automation would never act")


def _is_one_target(target: Target) -> bool:
    if target.deployment is not None:
        return target.pool is None and target.queue is None
    return target.pool is not None


def _run_faults(action: RunOf) -> Iterator[Fault]:
    for field, own in FROM_FIELDS.items():
        for name, path in getattr(action, field).items():
            root, dot, rest = path.partition(".")
            if (root not in FROM_RUN or dot) and (root not in FROM_PARTS or not rest):
                plain, parts = ", ".join(FROM_RUN), " or ".join(f"{part}.NAME" for part in FROM_PARTS)
                yield Fault(f"{field}.{name}", f"must be one of {plain}, {parts} (got {path!r})")
            if name in getattr(action, own):
                yield Fault(f"{field}.{name}", f"is in `{own}` too: leave one of them out")


def _whole_faults(automation: Automation) -> Iterator[Fault]:
    """What does not fit together."""
    if not 0 < len(automation.then) <= MAX_DEEDS:
        yield Fault("then", f"must hold 1 to {MAX_DEEDS} steps (got {len(automation.then)})")
    for index, then in enumerate(automation.then):
        root = f"then[{index}]"
        if then.cancel and automation.when.late is None:
            yield Fault(f"{root}.cancel", "cancels the runs that are late: it needs `when: {late: ...}`")
        if automation.when.ended is not None:
            continue
        if then.retry:
            yield Fault(f"{root}.retry", "runs again what ended: it needs `when: {ended: ...}`")
        for field in FROM_FIELDS if then.run is not None else ():
            if getattr(then.run, field):
                yield Fault(f"{root}.run.{field}", "takes values of the run that ended: it needs `when: {ended: ...}`")
