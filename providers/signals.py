"""How to read the signal that ended a job.

If the program itself caused the signal (a bad address, an abort), the job has failed. SIGKILL, SIGTERM and similar signals come
from outside: somebody ended the job, or the kernel was short of memory, so the job has crashed. If a cloud reports that a job
exceeded its own memory limit, the job has failed.
"""

from __future__ import annotations

import signal

from providers.base import JobState

FROM_OUTSIDE = frozenset({signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGKILL, signal.SIGTERM})

_SHOWN_BY_EXIT_CODE = frozenset({signal.SIGKILL, signal.SIGTERM})


def is_from_outside(number: int) -> bool:
    """True for a signal that a program does not cause itself."""
    return number in FROM_OUTSIDE


def signal_in(exit_code: int | None) -> int:
    """The signal that an exit code stands for, as in a shell: 9 for 137 and 15 for 143; 0 for every other.

    A process that a signal ended has no exit code. A shell, or a container's first process, reports such an end of its child by
    exiting with 128 plus the number. Other codes (129, 130) are ambiguous: the program may have chosen them itself.
    """
    number = (exit_code or 0) - 128
    return number if number in _SHOWN_BY_EXIT_CODE else 0


def state_of_exit(exit_code: int | None) -> JobState:
    """The state of a job that ended by itself with this exit code: CRASHED if the code stands for a signal from outside."""
    if not exit_code:
        return JobState.SUCCEEDED
    return JobState.CRASHED if is_from_outside(signal_in(exit_code)) else JobState.FAILED


def exit_words(exit_code: int) -> str:
    """An exit code in words, with the signal that it stands for."""
    number = signal_in(exit_code)
    return f"exit code {exit_code} ({signal_name(number)})" if number else f"exit code {exit_code}"


def signal_name(number: int) -> str:
    """`SIGKILL` for 9; an unnamed number is described as such."""
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
