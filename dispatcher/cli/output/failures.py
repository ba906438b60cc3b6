"""The edge of the command line: every error becomes one line per fault on standard error, and an exit code.

0    done
1    refused, or something could not be done: the lines say what and where, and nothing was changed
2    the command line itself is wrong; for `plan`: there is something to change
130  Ctrl-C
"""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Callable

import click

REFUSED, WRONG_USAGE, INTERRUPTED = 1, 2, 130


def exit_code_of(act: Callable[[], object], *, verbose: Callable[[], bool]) -> int:
    """Call `act`, print its error if it raises one, and return the exit code."""
    try:
        act()
        sys.stdout.flush()
    except (click.Abort, KeyboardInterrupt):
        return INTERRUPTED
    except click.exceptions.Exit as asked:
        return asked.exit_code
    except BrokenPipeError:
        return _closed_pipe()
    except Exception as problem:  # noqa: BLE001 - the outermost edge: a person gets a line, never a traceback
        if isinstance(problem, OSError) and problem.errno == errno.EPIPE:
            return _closed_pipe()
        _print(problem, verbose=verbose())
        return WRONG_USAGE if isinstance(problem, click.UsageError) else REFUSED
    return 0


def _print(problem: Exception, *, verbose: bool) -> None:
    from dispatcher.cli.output.error_lines import is_expected, lines  # noqa: PLC0415 - a command that succeeds needs no words

    for line in lines(problem):
        click.echo(f"error: {line}", err=True)
    if verbose and not is_expected(problem):
        import traceback  # noqa: PLC0415 - likewise

        traceback.print_exception(problem)


def _closed_pipe() -> int:
    """The reader has closed the pipe. Python must not flush into it at exit, because that would raise an error."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 0
