"""Values from the command line, and from the files that it names. Each error names the option, or file, line and column."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable
from datetime import date, datetime
from pathlib import Path
from typing import Any, TypeVar

import click

from dispatcher.cli.input import completion
from dispatcher.core.redaction import HIDDEN, hidden_at
from dispatcher.core.written import Typed, from_json
from dispatcher.errors import Fault, InvalidInput, InvalidVariables

STANDARD_INPUT = "-"

Function = TypeVar("Function", bound=Callable[..., Any])


NOT_WHOLE = f"holds {HIDDEN}, which stands for a secret in what was shown: give the value, or better a reference to it"


def pool_option(function: Function) -> Function:
    """`--pool`, which every command on a queue needs."""
    words = "The work pool of the queue."
    return click.option("-p", "--pool", required=True, metavar="POOL", help=words, shell_complete=completion.pools)(function)


def pools_option(function: Function) -> Function:
    """`--pool`, which a command that ticks may repeat."""
    words = "Only this work pool; repeat it for more."
    option = click.option("-p", "--pool", "pools", multiple=True, metavar="POOL", help=words, shell_complete=completion.pools)
    return option(function)


def type_option(function: Function) -> Function:
    """`--type`, the provider type of a pool."""
    words = "The type of the pool, which names its provider: process, docker, kubernetes, ecs:push, cloud-run-v2:push, ..."
    return click.option("-t", "--type", "pool_type", required=True, metavar="TYPE", help=words)(function)


def template(source: str | None) -> Any:
    """The base job template from a file, or from standard input for `-`; None without a file."""
    return None if source is None else read_json(source, "base_job_template")


def read_json(source: str, field: str) -> Any:
    """The JSON of a file, or of standard input for `-`. Raises `InvalidInput` with the line."""
    name = "standard input" if source == STANDARD_INPUT else source
    return parse_json(read_text(source, name, field), name, field)


def parse_json(text: str, name: str, field: str) -> Any:
    """JSON text as a value whose numbers keep their spelling. Raises `InvalidInput` with the line and column of `name`."""
    try:
        return from_json(text)
    except json.JSONDecodeError as problem:
        words = f"{name}, line {problem.lineno}, column {problem.colno}: is not JSON: {problem.msg}"
    except ValueError as problem:
        words = f"{name}: is not JSON: {problem}"
    except RecursionError:
        words = f"{name}: nests too deeply; flatten it"
    raise InvalidInput("input", [Fault(field, words)])


def job_variables(source: str | None, pairs: Iterable[str]) -> dict[str, Any]:
    """`--job-variables`, overridden by each `--job-variable`. Raises `InvalidInput`."""
    return _merged(source, dict(job_variable(pair) for pair in pairs), "job_variables", "job variables")


def parameters(source: str | None, pairs: Iterable[str]) -> dict[str, Any]:
    """`--params`, overridden by each `--param`; the schema decides the type of a value. Raises `InvalidInput`."""
    return _merged(source, dict(_parameter(pair) for pair in pairs), "parameters", "parameters")


def _parameter(pair: str) -> tuple[str, Typed]:
    name, equals, value = pair.partition("=")
    if not equals or not name.strip():
        raise InvalidVariables("parameters", [Fault("param", f"{pair!r} is not name=value; write it as day=2026-01-31")])
    return name.strip(), Typed(value)


def _merged(source: str | None, typed: dict[str, Any], field: str, subject: str) -> dict[str, Any]:
    whole = {} if source is None else _whole(source, field)
    if not isinstance(whole, dict):
        raise InvalidVariables(subject, [Fault(field, "must be an object of names and values")])
    merged = {**whole, **typed}
    if marks := [Fault(path, NOT_WHOLE) for path in hidden_at(merged)]:
        raise InvalidVariables(subject, marks)
    return merged


def job_variable(pair: str) -> tuple[str, Typed]:
    """`name=value`. The value keeps its spelling; the variable's schema decides its type. Raises `InvalidInput`."""
    name, equals, value = pair.partition("=")
    if not equals or not name.strip():
        fault = Fault("job_variable", f"{pair!r} is not name=value; write it as cpu=256")
        raise InvalidVariables("job variables", [fault])
    return name.strip(), Typed(value)


def moment(text: str | None, field: str = "at", *, rule: str = "write it as 2026-01-31T08:00:00+00:00") -> datetime | None:
    """A time in ISO 8601. Raises `InvalidInput`; the client checks later whether it has a zone."""
    if text is None:
        return None
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        raise InvalidInput("run", [Fault(field, f"{text!r} is not a time; {rule}")]) from None


def day(text: str, field: str) -> date:
    """A day in ISO 8601. Raises `InvalidInput`."""
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise InvalidInput("schedule", [Fault(field, f"{text!r} is not a day; write it as 2026-12-25")]) from None


def schema(source: str | None) -> Any:
    """`--parameter-schema`: JSON, or a file with it; None without it. Raises `InvalidInput`."""
    return None if source is None else _whole(source, "parameter_openapi_schema")


def _whole(source: str, field: str) -> Any:
    """JSON on the command line, or in a file, with or without an `@` before its name."""
    if source.lstrip().startswith("{"):
        return parse_json(source, "the argument", field)
    return read_json(source.removeprefix("@"), field)


def read_text(source: str, name: str, field: str) -> str:
    """The text of a file, or of standard input for `-`. Raises `InvalidInput` that names it."""
    try:
        data = sys.stdin.buffer.read() if source == STANDARD_INPUT else Path(source).read_bytes()
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as problem:
        before = problem.object[: problem.start]
        line, column = before.count(b"\n") + 1, problem.start - before.rfind(b"\n")
        words = f"{name}, line {line}, column {column}: is not UTF-8; save the file in that encoding"
    except OSError as problem:
        words = f"{name}: {problem.strerror}; name a file that can be read, or - for standard input"
    except ValueError as problem:  # the name is not valid for a file
        words = f"{name!r}: {problem}"
    raise InvalidInput("input", [Fault(field, words)])
