"""`--wide`, in its own module so that parsing a command line does not import rich."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

from dispatcher.cli.context import Context

Function = TypeVar("Function", bound=Callable[..., Any])


def wide_option(function: Function) -> Function:
    """`--wide`."""
    words = "Show whole ids, names and reasons, however wide the table gets."
    return click.option("--wide", is_flag=True, expose_value=False, is_eager=True, callback=_note, help=words)(function)


def _note(ctx: click.Context, _option: click.Parameter, value: bool) -> None:  # noqa: FBT001 - click's own signature
    ctx.ensure_object(Context).wide = value
