"""`--yes`, for commands that delete: nothing is deleted without consent.

Without `--yes`, a command asks the person at the terminal. Without a terminal (a pipeline, a cron job), it refuses.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any, TypeVar

import click

from dispatcher.errors import Fault, InvalidInput

Function = TypeVar("Function", bound=Callable[..., Any])


def yes_option(function: Function) -> Function:
    """`--yes`."""
    words = "Delete without asking; needed where there is no terminal to ask at."
    return click.option("-y", "--yes", is_flag=True, help=words)(function)


def consent(action: str, *, yes: bool) -> None:
    """Ask for consent to `action`, such as "delete work pool 'nightly'", and return only with it.

    Raises `InvalidInput` without a terminal, and `click.Abort` if the person says no.
    """
    if yes:
        return
    if not sys.stdin.isatty():
        words = f"needed to {action}: there is no terminal to ask at; nothing was changed"
        raise InvalidInput("request", [Fault("--yes", words)])
    click.confirm(f"{action[:1].upper()}{action[1:]}?", abort=True, err=True)
