"""What a container group shows of its job. Pure: the JSON of a GET becomes an observation.

The group's own state decides; provisioning says only why a group never ran. Provisioning states other than Succeeded and Failed
are not to be relied on, and a group whose node is being repaired runs again elsewhere: neither is an end.
https://learn.microsoft.com/azure/container-instances/container-state
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from providers.base import JobState, Observation

REPAIRED = frozenset({"Unhealthy", "Repairing"})
MAX_REASON = 2000
"""Characters; a run keeps no more."""
NO_VIEW: Mapping[str, Any] = {}


def observation_of(group: Mapping[str, Any], container: str = "") -> Observation:
    """The state of a group's job; `container` names the one that does the work, otherwise it is the first."""
    properties = group.get("properties") or {}
    main = _main(properties.get("containers") or (), container)
    state = (properties.get("instanceView") or NO_VIEW).get("state")
    provisioning = properties.get("provisioningState")
    if provisioning in REPAIRED:
        return _going(JobState.RUNNING, main, f"Azure is repairing the group ({provisioning})")
    if state in ("Succeeded", "Failed", "Stopped"):
        return _ended(state, properties, main)
    if state == "Running" or main.get("state") == "Running":
        return _going(JobState.RUNNING, main, "")
    if provisioning == "Failed":
        reason = _words(properties, main) or "Azure gave no reason"
        return Observation(state=JobState.CRASHED, reason=f"provisioning failed: {reason}"[:MAX_REASON])
    return _going(JobState.STARTING, main, _words(properties, main))


def never_ran(group: Mapping[str, Any]) -> bool:
    """True while nothing of the group has run: then it can be deleted without stopping anything."""
    containers = (group.get("properties") or {}).get("containers") or ()
    state = ((group.get("properties") or {}).get("instanceView") or NO_VIEW).get("state")
    return state in (None, "Pending") and not any(_current(item).get("startTime") for item in containers)


def with_log(seen: Observation, log: str) -> Observation:
    """`seen` with the last lines of a log after its reason, as many as fit."""
    opening = f"{seen.reason}. The last lines of its log:\n" if seen.reason else "The last lines of its log:\n"
    room = MAX_REASON - len(opening)
    kept = log.strip()[-room:] if room > 0 else ""
    return replace(seen, reason=opening + kept) if kept else seen


def _ended(state: str, properties: Mapping[str, Any], main: Mapping[str, Any]) -> Observation:
    telling = _telling(properties, main) if state == "Failed" else main
    exit_code = telling.get("exitCode")
    kind, reason = JobState.SUCCEEDED, ""
    if state == "Stopped":
        kind, reason = JobState.STOPPED, _detail(main) or "the container group was stopped"
    elif state == "Failed" and exit_code:
        kind, reason = JobState.FAILED, _exit_words(exit_code, telling, main)
    elif state == "Failed":
        kind, reason = JobState.CRASHED, _words(properties, main) or "the container group failed; Azure gave no reason"
    return Observation(
        state=kind,
        exit_code=exit_code,
        reason=reason[:MAX_REASON],
        started_at=_time(main.get("startTime")),
        ended_at=_time(main.get("finishTime")),
    )


def _telling(properties: Mapping[str, Any], main: Mapping[str, Any]) -> Mapping[str, Any]:
    """The container whose exit code explains a failure: the main one, otherwise the first that did not end with 0."""
    if main.get("exitCode"):
        return main
    others = (_named_current(item) for item in properties.get("containers") or ())
    return next((item for item in others if item.get("exitCode")), NO_VIEW)


def _exit_words(exit_code: int, telling: Mapping[str, Any], main: Mapping[str, Any]) -> str:
    where = "" if telling is main else f" of container {telling.get('container')}"
    detail = _detail(telling)
    return f"exit code {exit_code}{where}" + (f" ({detail})" if detail else "")


def _going(state: JobState, main: Mapping[str, Any], reason: str) -> Observation:
    return Observation(state=state, reason=reason[:MAX_REASON], started_at=_time(main.get("startTime")))


def _main(containers: Iterable[Mapping[str, Any]], name: str) -> Mapping[str, Any]:
    listed = list(containers)
    named = [item for item in listed if item.get("name") == name]
    return _named_current((named or listed)[0]) if listed else NO_VIEW


def _named_current(container: Mapping[str, Any]) -> Mapping[str, Any]:
    return {**_current(container), "container": container.get("name"), "events": _view(container).get("events") or ()}


def _current(container: Mapping[str, Any]) -> Mapping[str, Any]:
    return _view(container).get("currentState") or NO_VIEW


def _view(container: Mapping[str, Any]) -> Mapping[str, Any]:
    return (container.get("properties") or {}).get("instanceView") or NO_VIEW


def _detail(current: Mapping[str, Any]) -> str:
    detail = str(current.get("detailStatus") or "")
    return "" if detail in ("Completed", "Error") else detail


def _words(properties: Mapping[str, Any], main: Mapping[str, Any]) -> str:
    """What Azure said last: warnings of the group before those of the container; else its last event, else its status."""
    events = [*((properties.get("instanceView") or NO_VIEW).get("events") or ()), *(main.get("events") or ())]
    warnings = [event for event in events if event.get("type") != "Normal"]
    told = [f"{str(event.get('name', '')).rstrip('.')}: {event.get('message', '')}" for event in (warnings or events)[-3:]]
    return "; ".join([*([_detail(main)] if _detail(main) else []), *told])


def _time(value: Any) -> datetime | None:
    try:
        return datetime.fromisoformat(value) if value else None
    except (TypeError, ValueError):
        return None
