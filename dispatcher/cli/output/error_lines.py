"""Errors as lines for standard error: the field, what is wrong, and what to do."""

from __future__ import annotations

import re
from collections.abc import Iterator

import click

from dispatcher.core.redaction import HIDDEN, is_secret
from dispatcher.errors import DispatcherError, Fault, InvalidInput
from providers.base import ProviderError


def lines(problem: Exception) -> Iterator[str]:
    """One line for each fault."""
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
            yield f"unexpected {name}: {_one_line(str(problem))}; a bug in push-dispatcher; --verbose shows the traceback"


def _faults(problem: InvalidInput) -> Iterator[str]:
    """Faults name their field; the subject is added if the command has another one."""
    elsewhere = f" ({problem.subject})" if "would no longer fit" in problem.subject else ""
    for fault in map(_discreet, problem.faults):
        yield _one_line(f"{fault}{elsewhere}" if fault.path else f"{problem.subject}: {fault}{elsewhere}")


def _discreet(fault: Fault) -> Fault:
    """A fault, without its value if the name of the field says that the value is secret."""
    secret = is_secret(fault.path.rpartition(".")[2])
    return Fault(fault.path, _GOT.sub(f"({HIDDEN})", fault.message)) if secret else fault


_GOT = re.compile(r"\(got .*\)")


def _one_line(text: str) -> str:
    return " ".join(text.split())


def is_expected(problem: Exception) -> bool:
    """Whether a person can fix a problem; otherwise it is a bug."""
    return isinstance(problem, DispatcherError | ProviderError | click.ClickException | OSError)
