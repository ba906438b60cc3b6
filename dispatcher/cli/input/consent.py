"""`--yes`, for commands that delete: nothing is deleted without consent.

Without `--yes`, a person at a terminal is asked; anything else (a pipeline, a cron job) is refused.
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


def consent(what: str, *, yes: bool) -> None:
    """Go on only where `what`, an order such as "delete work pool 'nightly'", is agreed to.

    Raises `InvalidInput` where nobody can be asked, `click.Abort` for a no.
    """
    if yes:
        return
    if not sys.stdin.isatty():
        words = f"needed to {what}: there is no terminal to ask at; nothing was changed"
        raise InvalidInput("request", [Fault("--yes", words)])
    click.confirm(f"{what[:1].upper()}{what[1:]}?", abort=True, err=True)
