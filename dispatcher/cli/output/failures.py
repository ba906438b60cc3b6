"""The edge of the command line: whatever goes wrong becomes one line per fault on standard error, and an exit code.

0    done
1    refused, or something could not be done: the lines say what and where, and nothing was changed
2    the command line itself is wrong; of `plan`: there is something to change
130  Ctrl-C
"""

from __future__ import annotations

import errno
import os
import re
import sys
import traceback
from collections.abc import Callable, Iterator

import click

from dispatcher.core.redaction import HIDDEN, is_secret
from dispatcher.errors import DispatcherError, Fault, InvalidInput
from providers.base import ProviderError

REFUSED, WRONG_USAGE, INTERRUPTED = 1, 2, 130


def exit_code_of(act: Callable[[], object], *, verbose: Callable[[], bool]) -> int:
    """Do `act`; the exit code that it comes to. What went wrong has been printed."""
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
        for line in lines(problem):
            click.echo(f"error: {line}", err=True)
        if verbose() and not _is_expected(problem):
            traceback.print_exception(problem)
        return WRONG_USAGE if isinstance(problem, click.UsageError) else REFUSED
    return 0


def lines(problem: Exception) -> Iterator[str]:
    """One line for each fault: the field, what is wrong, what to do."""
    match problem:
        case InvalidInput():
            yield from _faults(problem)
        case DispatcherError() | ProviderError():
            yield _one_line(str(problem))
        case click.UsageError():
            path = problem.ctx.command_path if problem.ctx else "dispatcher"
            yield f"{_one_line(problem.format_message())} See `{path} --help`."
        case click.ClickException():
            yield _one_line(problem.format_message())
        case OSError() if problem.filename:
            yield f"{problem.filename}: {problem.strerror}"
        case ModuleNotFoundError() if (problem.name or "").partition(".")[0] == "rich":
            yield "tables need rich, which is not installed: pip install 'push-dispatcher[cli]', or use --json"
        case ModuleNotFoundError() if (problem.name or "").partition(".")[0] == "yaml":
            yield "configuration files need PyYAML, which is not installed: pip install 'push-dispatcher[cli]'"
        case ModuleNotFoundError() if (problem.name or "").partition(".")[0] in ("cronsim", "tzdata"):
            yield f"schedules need {problem.name}, which is not installed: pip install 'push-dispatcher[schedules]'"
        case ModuleNotFoundError() if (problem.name or "").partition(".")[0] == "packaging":
            yield "building a package needs packaging, which is not installed: pip install 'push-dispatcher[package]'"
        case _:
            name = type(problem).__name__
            yield f"unexpected {name}: {_one_line(str(problem))}; this is a fault of ours, --verbose shows where"


def _faults(problem: InvalidInput) -> Iterator[str]:
    """Faults name their field; a subject is told where it is not what the command itself is about."""
    elsewhere = f" ({problem.subject})" if "would no longer fit" in problem.subject else ""
    for fault in map(_discreet, problem.faults):
        yield _one_line(f"{fault}{elsewhere}" if fault.path else f"{problem.subject}: {fault}{elsewhere}")


def _discreet(fault: Fault) -> Fault:
    """A fault without the value that was given, where its field's name says that it is a secret."""
    secret = is_secret(fault.path.rpartition(".")[2])
    return Fault(fault.path, _GIVEN.sub(f"({HIDDEN})", fault.message)) if secret else fault


_GIVEN = re.compile(r"\(got .*\)")


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _is_expected(problem: Exception) -> bool:
    return isinstance(problem, DispatcherError | ProviderError | click.ClickException | OSError)


def _closed_pipe() -> int:
    """Whoever read has seen enough. Nothing may be flushed into the pipe at exit, which would complain."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 0
