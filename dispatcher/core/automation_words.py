"""Automations in words: what one waits for, and what it does then. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import Any

from dispatcher.core.automations import subject
from dispatcher.models import RunEnded, RunOf, Target, Then, When


def condition(when: When) -> str:
    """What an automation waits for, as a clause."""
    if when.ended is not None:
        return _ended(when.ended)
    if when.late is not None:
        return f"a run{subject(when.late)} waits for {_length(when.late.by)} beyond its due time"
    if when.held is not None:
        longer = f" for {_length(when.held.longer_than)}" if when.held.longer_than else ""
        return f"work pool {when.held.pool!r} is held{longer}"
    if when.not_ticked is not None:
        return f"work pool {when.not_ticked.pool!r} is not ticked for {_length(when.not_ticked.longer_than)}"
    if when.longer is not None:
        return f"more than {when.longer.than} runs of work queue {when.longer.queue!r} of {when.longer.pool!r} are due"
    return ""


def deed(then: Then) -> str:
    """What an automation does, as a clause."""
    match then:
        case Then(pause=Target() as target):
            return f"pause {target_in_words(target)}"
        case Then(resume=Target() as target):
            return f"resume {target_in_words(target)}"
        case Then(run=RunOf() as action):
            return _run(action)
        case Then(retry=True):
            return "run it again"
        case Then(cancel=True):
            return "cancel the late runs"
    return f"notify hook {then.notify!r}"


def target_in_words(target: Target) -> str:
    """What is paused or resumed, with its kind."""
    if target.deployment is not None:
        return f"deployment {target.deployment!r}"
    if target.queue is not None:
        return f"work queue {target.queue!r} of {target.pool!r}"
    return f"work pool {target.pool!r}"


def _ended(ended: RunEnded) -> str:
    states, of = " or ".join(sorted(ended.states)), subject(ended)
    if ended.of_last is not None:
        return f"{ended.count} of the last {ended.of_last} runs{of} ended {states}"
    return f"{ended.count} runs{of} in a row ended {states}" if ended.count > 1 else f"a run{of} ended {states}"


def _run(action: RunOf) -> str:
    values = [*_names("", action.job_variables), *_names("", action.from_run)]
    values += [*_names("parameters.", action.parameters), *_names("parameters.", action.parameters_from_run)]
    return f"run deployment {action.deployment!r}{' with ' if values else ''}{', '.join(values)}"


def _names(before: str, values: Mapping[str, Any]) -> Iterator[str]:
    """The names of values. The values themselves may be secret or long, and those of the ended run are not known yet."""
    return (f"{before}{name}" for name in values)


def _length(length: timedelta) -> str:
    minutes, seconds = divmod(int(length.total_seconds()), 60)
    return f"{minutes} min {seconds} s" if minutes and seconds else f"{minutes} min" if minutes else f"{seconds} s"
