"""The state of a job, read from its container group. Pure: the JSON of a GET becomes an observation.

**The main container decides.** Its end and exit code are the job's, whatever the group's state is: a sidecar may keep running
or end later with 137, and Azure may keep calling a group `Running` in which nothing runs. Only a group that somebody stopped
counts as stopped, unless our own tag says that its main container had ended before (see `observing`).

If the main container shows no end, the group's own state decides; the provisioning state only explains why a group never ran.
Provisioning states other than Succeeded and Failed are not reliable, and a group whose node is being repaired runs again
elsewhere: neither is an end while a repair may still take place. Azure calls a group Succeeded when its containers ended with
0, so 0 is the exit code if the group shows none.
https://learn.microsoft.com/azure/container-instances/container-state

Every function that takes a group raises `ArmFailure` if the group does not have Azure's structure.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from datetime import datetime
from functools import wraps
from typing import Any, ParamSpec, TypeVar

from providers.base import JobState, Observation
from providers.container_instance.answers import ArmFailure
from providers.container_instance.tags import ENDED_TAG, REPAIR_TAG
from providers.signals import exit_words, state_of_exit

REPAIRED = frozenset({"Unhealthy", "Repairing"})
ENDED = frozenset({"Succeeded", "Failed", "Stopped"})
OUT_OF_MEMORY = "OOMKilled"
"""Azure's words for a container that exceeded its own memory limit."""
REPEATING = frozenset({"Always", "OnFailure"})
"""Restart policies under which a container runs again after its end."""
MAX_REASON = 2000
"""The most characters of a reason that a run keeps."""

Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")


def _understood(read: Callable[Parameters, Result]) -> Callable[Parameters, Result]:
    """Wraps `read`: its exceptions for a group with another structure become an `ArmFailure`."""

    @wraps(read)
    def reading(*arguments: Parameters.args, **named: Parameters.kwargs) -> Result:
        try:
            return read(*arguments, **named)
        except (AttributeError, LookupError, TypeError, ValueError) as problem:
            raise ArmFailure(f"a container group that cannot be read: {problem}") from problem

    return reading


@_understood
def observation_of(group: Mapping[str, Any], container: str = "", *, is_given_up: bool = False) -> Observation:
    """The state of a group's job; `container` names its main container, by default the first.

    With `is_given_up`, a group that Azure is still repairing is read as if there were no repair, and counts as crashed if it
    has not ended.
    """
    properties = _properties(group)
    main, state, provisioning = _main(properties, container), _state(properties), properties["provisioningState"]
    repair = f"Azure is repairing the group ({provisioning})" if provisioning in REPAIRED else ""
    if repair and not is_given_up:
        return _going(JobState.RUNNING, main, repair)
    by_itself = state != "Stopped" or ENDED_TAG in (group.get("tags") or {})
    if by_itself and _has_ended(properties, main):
        return _ended(_state_of_exit(main), _exit_words(main), main)
    if state in ENDED:
        return _ended_by_group(state, properties, main)
    if repair:
        return Observation(state=JobState.CRASHED, reason=repair, started_at=_time(main.get("startTime")))
    if state == "Running" or main.get("state") == "Running":
        return _going(JobState.RUNNING, main, "")
    if provisioning == "Failed":
        reason = _words(properties, main) or "Azure gave no reason"
        return Observation(state=JobState.CRASHED, reason=f"provisioning failed: {reason}"[:MAX_REASON])
    return _going(JobState.STARTING, main, _words(properties, main))


@_understood
def is_repairing(group: Mapping[str, Any]) -> bool:
    """True while Azure moves the group to another node."""
    return _properties(group)["provisioningState"] in REPAIRED


@_understood
def repairing_since(group: Mapping[str, Any]) -> datetime | None:
    """When an observation first noted a repair; None if none did."""
    return _time((group.get("tags") or {}).get(REPAIR_TAG))


@_understood
def is_over(group: Mapping[str, Any]) -> bool:
    """True when Azure reports that the whole group has ended."""
    properties = _properties(group)
    return _state(properties) in ENDED and properties["provisioningState"] not in REPAIRED


@_understood
def nothing_runs(group: Mapping[str, Any]) -> bool:
    """True when every container has ended and none will run again."""
    properties = _properties(group)
    return all(_has_ended(properties, _current(item)) for item in properties.get("containers") or ())


@_understood
def never_ran(group: Mapping[str, Any]) -> bool:
    """True while no part of the group has run, so deleting it stops nothing."""
    properties = _properties(group)
    started = any(_current(item).get("startTime") for item in properties.get("containers") or ())
    return _state(properties) in (None, "Pending") and not started


def with_log(seen: Observation, log: str) -> Observation:
    """`seen` with as many of the log's last lines after its reason as fit."""
    opening = f"{seen.reason}. The last lines of its log:\n" if seen.reason else "The last lines of its log:\n"
    room = MAX_REASON - len(opening)
    kept = log.strip()[-room:] if room > 0 else ""
    return replace(seen, reason=opening + kept) if kept else seen


def _properties(group: Mapping[str, Any]) -> Mapping[str, Any]:
    properties = _object(group["properties"])
    if not isinstance(properties["provisioningState"], str):
        raise TypeError("provisioningState is not text")
    return properties


def _state(properties: Mapping[str, Any]) -> str | None:
    state = _object(properties.get("instanceView")).get("state")
    if not (state is None or isinstance(state, str)):
        raise TypeError("the state is not text")
    return state


def _has_ended(properties: Mapping[str, Any], container: Mapping[str, Any]) -> bool:
    """Whether a container has ended for good."""
    return (
        container.get("state") == "Terminated" and "exitCode" in container and properties.get("restartPolicy") not in REPEATING
    )


def _ended_by_group(state: str, properties: Mapping[str, Any], main: Mapping[str, Any]) -> Observation:
    if state == "Stopped":
        return _ended(JobState.STOPPED, _detail(main) or "the container group was stopped", main)
    if state == "Succeeded":
        return _ended(JobState.SUCCEEDED, "", main)
    if main.get("exitCode"):
        return _ended(_state_of_exit(main), _exit_words(main), main)
    others = [_exit_words(item) for item in _named_currents(properties) if item.get("exitCode")]
    words = "; ".join([*others[:1], *filter(None, [_words(properties, main)])])
    return _ended(JobState.CRASHED, words or "the container group failed; Azure gave no reason", main)


def _state_of_exit(main: Mapping[str, Any]) -> JobState:
    return JobState.FAILED if main.get("detailStatus") == OUT_OF_MEMORY else state_of_exit(main["exitCode"])


def _ended(state: JobState, reason: str, main: Mapping[str, Any]) -> Observation:
    return Observation(
        state=state,
        exit_code=main.get("exitCode", 0 if state is JobState.SUCCEEDED else None),
        reason="" if state is JobState.SUCCEEDED else reason[:MAX_REASON],
        started_at=_time(main.get("startTime")),
        ended_at=_time(main.get("finishTime")),
    )


def _exit_words(container: Mapping[str, Any]) -> str:
    where = f" of container {container.get('container')}" if container.get("is_other") else ""
    detail, code = _detail(container), int(container.get("exitCode") or 0)
    return f"exit code {code}{where} ({detail})" if detail else f"{exit_words(code)}{where}"


def _going(state: JobState, main: Mapping[str, Any], reason: str) -> Observation:
    return Observation(state=state, reason=reason[:MAX_REASON], started_at=_time(main.get("startTime")))


def _main(properties: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    listed = list(_named_currents(properties))
    named = [item for item in listed if item["container"] == name]
    return {**(named or listed)[0], "is_other": False} if listed else {}


def _named_currents(properties: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """The current state of each container, with its name and its events."""
    for item in properties.get("containers") or ():
        details = {"container": item.get("name"), "events": _view(item).get("events") or (), "is_other": True}
        yield {**_current(item), **details}


def _current(container: Mapping[str, Any]) -> Mapping[str, Any]:
    """A container's current state; its exit code, if any, is a whole number."""
    state = _object(_view(container).get("currentState"))
    code = state.get("exitCode")
    if code is None:
        return {key: value for key, value in state.items() if key != "exitCode"}
    if isinstance(code, bool) or not isinstance(code, int):
        raise TypeError(f"the exit code is {type(code).__name__}")
    return state


def _view(container: Mapping[str, Any]) -> Mapping[str, Any]:
    return _object(_object(container.get("properties")).get("instanceView"))


def _object(value: Any) -> Mapping[str, Any]:
    """`value` as an object; null counts as an empty one."""
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise TypeError(f"{type(value).__name__} in place of an object")
    return value


def _detail(current: Mapping[str, Any]) -> str:
    detail = str(current.get("detailStatus") or "")
    return "" if detail in ("Completed", "Error") else detail


def _words(properties: Mapping[str, Any], main: Mapping[str, Any]) -> str:
    """Azure's latest message: the first of a warning of the group, one of the container, its last event, its status."""
    events = [*(_object(properties.get("instanceView")).get("events") or ()), *(main.get("events") or ())]
    warnings = [event for event in events if event.get("type") != "Normal"]
    sentences = [f"{str(event.get('name', '')).rstrip('.')}: {event.get('message', '')}" for event in (warnings or events)[-3:]]
    return "; ".join([*([_detail(main)] if _detail(main) else []), *sentences])


def _time(value: Any) -> datetime | None:
    """A time with its zone; None for any other value."""
    try:
        moment = datetime.fromisoformat(value) if value else None
    except (TypeError, ValueError):
        return None
    return moment if moment is not None and moment.tzinfo is not None else None
