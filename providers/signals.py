"""What the signal that ended a job says of the job.

A signal that the system raises for what a program itself did (a bad address, an abort) is the program's failure. SIGKILL,
SIGTERM and their like come from outside: somebody, or the kernel that is short of memory, ended the job, which has crashed.
Where a cloud itself says that a job has passed its own memory limit, that is the job's failure.
"""

from __future__ import annotations

import signal

from providers.base import JobState

FROM_OUTSIDE = frozenset({signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGKILL, signal.SIGTERM})

_TOLD_BY_EXIT_CODE = frozenset({signal.SIGKILL, signal.SIGTERM})


def is_from_outside(number: int) -> bool:
    """True for a signal that a program does not bring on itself."""
    return number in FROM_OUTSIDE


def signal_in(exit_code: int | None) -> int:
    """The signal that an exit code stands for, as in a shell: 9 for 137 and 15 for 143; 0 for every other.

    A process that was ended by a signal has no exit code. A shell, or a container's first process, that saw its child end so
    exits with 128 and the number; of the others nobody knows whether a program meant its 129 or 130.
    """
    number = (exit_code or 0) - 128
    return number if number in _TOLD_BY_EXIT_CODE else 0


def state_of_exit(exit_code: int | None) -> JobState:
    """What an exit code says of a job that ended by itself: CRASHED where it stands for a signal from outside."""
    if not exit_code:
        return JobState.SUCCEEDED
    return JobState.CRASHED if is_from_outside(signal_in(exit_code)) else JobState.FAILED


def exit_words(exit_code: int) -> str:
    """An exit code in words, with the signal that it stands for."""
    number = signal_in(exit_code)
    return f"exit code {exit_code} ({signal_name(number)})" if number else f"exit code {exit_code}"


def signal_name(number: int) -> str:
    """`SIGKILL` for 9; a number that has no name says so."""
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
