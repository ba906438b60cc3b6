"""A sandbox becomes an observation. Pure: it makes no call.

The public interface has only an exit code: 124 for a time-out, 137 for a termination *or* an OOM kill, and any code, even 0,
for a container that never started. The SDK's own object also has the status. It is used if this version of the SDK has it;
otherwise exit codes alone decide.
"""

from __future__ import annotations

from typing import Any

from providers.base import JobState, Observation
from providers.signals import exit_words, state_of_exit

TIMED_OUT = 124
KILLED = 137

CRASHES = {
    "INIT_FAILURE": "the container could not be started",
    "INTERNAL_FAILURE": "Modal lost the container",
    "MEMORY_MANAGER_EVICTION": "Modal evicted the container for its memory",
    "MEMORY_THRASHING_EVICTION": "Modal evicted the container for its memory",
}
"""Ends that the job did not cause."""

FAILURES = {
    "KERNEL_OOM_KILL": "out of memory: give it more `memory`",
    "TIMEOUT": "timed out: Modal ended it after its `timeout`",
    "IDLE_TIMEOUT": "Modal ended it because it was idle",
}


def observe(sandbox: Any) -> Observation:
    """The state of a sandbox at the time of its look-up."""
    result = _result(sandbox)
    code = sandbox.returncode
    if code is None:
        return Observation(state=JobState.RUNNING)
    if result is None:
        return _by_code(code)
    status = _status(result)
    words = str(result.exception).strip()
    if status in CRASHES:
        return Observation(state=JobState.CRASHED, reason=_join(CRASHES[status], words))
    if status == "TERMINATED":
        return Observation(state=JobState.STOPPED, exit_code=KILLED, reason=words or "terminated")
    if status in FAILURES:
        exit_code = TIMED_OUT if status == "TIMEOUT" else code or KILLED
        return Observation(state=JobState.FAILED, exit_code=exit_code, reason=_join(FAILURES[status], words))
    if status == "FAILURE" and code == 0:  # contradictory fields do not count as a success
        return Observation(state=JobState.FAILED, reason=words or "Modal calls it a failure, and gives the exit code 0")
    return _by_itself(code, words)


def _by_itself(code: int, words: str = "") -> Observation:
    if code == 0:
        return Observation(state=JobState.SUCCEEDED, exit_code=0)
    return Observation(state=state_of_exit(code), exit_code=code, reason=words or exit_words(code))


def _by_code(code: int) -> Observation:
    if code == TIMED_OUT:
        return Observation(state=JobState.FAILED, exit_code=code, reason=FAILURES["TIMEOUT"])
    if code == KILLED:
        return Observation(state=JobState.STOPPED, exit_code=code, reason="terminated, or out of memory")
    return _by_itself(code)


def _result(sandbox: Any) -> Any:
    """The SDK's own record of the end; None if this version of the SDK keeps it elsewhere."""
    inner = [value for name, value in vars(sandbox).items() if name.startswith("_sync_original")]
    return getattr(getattr(inner[0], "_impl", None), "result", None) if inner else None


def _status(result: Any) -> str:
    kind = type(result).DESCRIPTOR.fields_by_name["status"].enum_type
    return str(kind.values_by_number[result.status].name).removeprefix("GENERIC_STATUS_")


def _join(text: str, words: str) -> str:
    return f"{text}: {words}" if words else text
