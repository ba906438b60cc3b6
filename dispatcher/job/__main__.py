"""`python -m dispatcher.job MODULE:FUNCTION`."""

from __future__ import annotations

import asyncio
import importlib
import inspect
import os
import signal
import sys
import traceback
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType

from dispatcher.job.arguments import WrongParameters, arguments_for, parameters_in
from dispatcher.job.signatures import SignatureError
from dispatcher.job.targets import TargetError, load

USAGE = "usage: python -m dispatcher.job MODULE:FUNCTION, as etl:main; its parameters are JSON in DISPATCHER_PARAMETERS"
RAISED, NOT_CALLED, INTERRUPTED, STOPPED = 1, 2, 130, 143
LARGEST = 255
"""The largest exit code."""

HERE = str(Path(__file__).parent)


def main(words: Sequence[str]) -> int:
    """Call the function, and return the exit code. Whatever it raises is printed."""
    if len(words) != 1:
        print(USAGE, file=sys.stderr)
        return NOT_CALLED
    signal.signal(signal.SIGTERM, _stop)
    try:
        _call(words[0])
    except (TargetError, SignatureError, WrongParameters) as problem:
        for line in str(problem).splitlines():
            print(f"error: {line}", file=sys.stderr)
        return NOT_CALLED
    except KeyboardInterrupt:
        return INTERRUPTED
    except Exception as error:  # noqa: BLE001 - the edge of the process: a function may raise anything
        return _report(error)
    return 0


def _call(target: str) -> None:
    function = load(target)
    arguments, by_name = arguments_for(function, parameters_in(os.environ))
    result = function(*arguments, **by_name)
    if inspect.iscoroutine(result):
        asyncio.run(result)


def _report(error: Exception) -> int:
    """Print a traceback that begins with the function's own code, and return the exit code."""
    sys.stdout.flush()
    own = error.with_traceback(_without_ours(error.__traceback__))
    traceback.print_exception(own)
    code = getattr(error, "exit_code", None)
    return code if isinstance(code, int) and 0 < code <= LARGEST else RAISED


def _without_ours(frames: TracebackType | None) -> TracebackType | None:
    """The traceback without the frames that lead to the function; all of it if there is no other."""
    rest = frames
    while rest is not None and _is_ours(rest.tb_frame.f_code.co_filename):
        rest = rest.tb_next
    return rest or frames


def _is_ours(file: str) -> bool:
    return file.startswith((HERE, "<frozen importlib")) or file == importlib.__file__


def _stop(_number: int, _frame: object) -> None:
    """End as SIGTERM ends a process, but by an exception. The first process of a container would ignore the signal."""
    sys.exit(STOPPED)


if __name__ == "__main__":
    if hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(line_buffering=True)  # a job's log is read while it runs
    sys.exit(main(sys.argv[1:]))
