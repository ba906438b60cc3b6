"""An inspection of a container becomes an observation."""

from __future__ import annotations

import re
import signal
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from providers.base import CallFailed, JobState, Observation
from providers.docker.request import NAME_LABEL
from providers.signals import exit_words, signal_in, state_of_exit

RUNNING = frozenset({"running", "paused", "restarting"})
ENDED = frozenset({"exited", "dead", "removing"})

UNUSUAL = {
    126: ": as a rule a command that cannot be executed; see the log",
    127: ": as a rule a command that is not in the image; see the log",
    255: ": its own, or Docker's for a container that was gone when the engine came back",
}
"""Exit codes that the program may not have chosen: Docker's init process, like a shell, exits with 126 or 127 if it cannot run
the command.
"""

MEMORY = ", or by the kernel for passing its memory limit, which the engine does not always notice"
"""The kernel kills with SIGKILL. The engine learns the cause from an event, and misses one that comes right after the start."""

_MOMENT = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?(Z|[+-]\d\d:\d\d)")


class Container:
    """One inspected container. Raises `CallFailed` for an answer about no container or another one."""

    def __init__(self, answer: Any, name: str) -> None:
        state = answer.get("State") if isinstance(answer, Mapping) else None
        if not isinstance(answer, Mapping) or not isinstance(state, Mapping) or answer.get("Name") != f"/{name}":
            raise CallFailed(f"{name}: the engine's answer is not about this container")
        configuration = answer.get("Config")
        self.name = name
        self.id, self.status = _text(answer.get("Id"), "Id"), _text(state.get("Status"), "State.Status")
        self.created_at = moment(answer.get("Created"), "Created")
        self.error = str(state.get("Error") or "")
        self.started_at = moment(state.get("StartedAt"), "StartedAt")
        self._configuration = configuration if isinstance(configuration, Mapping) else {}
        self._state = state

    @property
    def is_ours(self) -> bool:
        """True if a dispatcher created it for the job of this name."""
        labels = self._configuration.get("Labels")
        return isinstance(labels, Mapping) and labels.get(NAME_LABEL) == self.name

    @property
    def was_started(self) -> bool:
        """True once its command ran; Docker records a start before it answers."""
        return self.started_at is not None or self.status != "created"

    @property
    def start_failed(self) -> bool:
        """True if the engine tried to start it and failed: nothing ever ran."""
        return not self.was_started and bool(self.error)

    @property
    def is_live(self) -> bool:
        """True while it runs."""
        return self.status in RUNNING

    @property
    def stop_signal(self) -> str:
        """The signal that stops it, from its configuration or its image."""
        return str(self._configuration.get("StopSignal") or "SIGTERM")

    @property
    def has_tty(self) -> bool:
        """True if its log has no frames."""
        return self._configuration.get("Tty") is True

    @property
    def exit_code(self) -> int:
        """The exit code. Raises `CallFailed` if the answer contains none."""
        code = self._state.get("ExitCode")
        if isinstance(code, bool) or not isinstance(code, int):
            raise CallFailed(f"{self.name}: the engine's answer holds no exit code")
        return code

    @property
    def ended_at(self) -> datetime | None:
        """When it ended, but never before its start: Docker's times of a very short job can be in the wrong order by a
        few ms.
        """
        ended = moment(self._state.get("FinishedAt"), "FinishedAt")
        return max(ended, self.started_at) if ended and self.started_at else ended

    @property
    def ran_out_of_memory(self) -> bool:
        """True if the kernel killed one of its processes for the memory limit; the container may have continued."""
        return self._state.get("OOMKilled") is True

    @property
    def may_have_been_stopped(self) -> bool:
        """True if it ended like a stopped container; only the mark of a cancel proves a stop."""
        return self.status in ENDED and bool(signal_in(self.exit_code)) and not self.ran_out_of_memory


def observation_of(container: Container, *, stopped: bool) -> Observation:
    """The observation of a container; `stopped`: somebody asked the dispatcher for its end."""
    if container.is_live:
        return Observation(state=JobState.RUNNING, started_at=container.started_at)
    if container.start_failed:
        reason = f"the container could not be started: {container.error}"
        return Observation(state=JobState.CRASHED, reason=reason, ended_at=container.created_at)
    if container.status == "created":
        return Observation(state=JobState.STARTING)
    if container.status not in ENDED:
        raise CallFailed(f"{container.name}: the engine reports a state that is not known here")
    state, reason = _end(container, stopped=stopped)
    return Observation(
        state=state,
        exit_code=container.exit_code,
        reason=reason,
        started_at=container.started_at,
        ended_at=container.ended_at,
    )


def _end(container: Container, *, stopped: bool) -> tuple[JobState, str]:
    words = exit_words(container.exit_code)
    if container.exit_code == 0:
        return JobState.SUCCEEDED, ""
    if container.ran_out_of_memory:
        return JobState.FAILED, f"out of memory (OOMKilled): it passed its memory limit; {words}"
    if stopped and container.may_have_been_stopped:
        return JobState.STOPPED, f"stopped on request ({words})"
    if container.may_have_been_stopped:
        words += ": killed by somebody else than the dispatcher, or by a restart of the engine"
        words += MEMORY if signal_in(container.exit_code) == signal.SIGKILL else ""
    words += UNUSUAL.get(container.exit_code, "")
    state = state_of_exit(container.exit_code)
    return state, f"{words}; {container.error}" if container.error else words


def moment(value: Any, field: str) -> datetime | None:
    """A time in Docker's form; None for its zero time. Raises `CallFailed` for any other value."""
    match = _MOMENT.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        raise CallFailed(f"{field}: the engine's answer holds no time")
    if match[1].startswith("0001-"):
        return None
    whole, fraction, zone = match.groups()
    try:
        return datetime.fromisoformat(f"{whole}.{(fraction or '0')[:6].ljust(6, '0')}{zone}").astimezone(UTC)
    except ValueError:
        raise CallFailed(f"{field}: the engine's answer holds no time") from None


def _text(value: Any, field: str) -> str:
    if not isinstance(value, str) or not value:
        raise CallFailed(f"{field}: is missing in the engine's answer")
    return value
