"""The options for parameters, which several commands share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

from dispatcher.cli.input import values

Function = TypeVar("Function", bound=Callable[..., Any])


def parameter_options(function: Function) -> Function:
    """`--params` and `--param`, Prefect's words."""
    whole = "Parameters: a JSON object, @ and a file with one, or - for standard input."
    single = "A parameter; repeat it for more. Its schema decides what the text means; null is a value."
    function = click.option("--params", "parameters", metavar="JSON|@FILE", help=whole)(function)
    return click.option("--param", "parameter_pairs", multiple=True, metavar="NAME=VALUE", help=single)(function)


def parameters_taken(fields: dict[str, Any]) -> dict[str, Any]:
    """Take `parameter_options` out of a command's options. Raises `InvalidInput`."""
    return values.parameters(fields.pop("parameters"), fields.pop("parameter_pairs"))


def schema_option(function: Function) -> Function:
    """`--parameter-schema`."""
    words = "What parameters its runs take: a JSON Schema with defaults, or @ and a file with one."
    return click.option("--parameter-schema", metavar="JSON|@FILE", help=words)(function)
