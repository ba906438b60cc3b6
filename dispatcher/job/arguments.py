"""The arguments of a call, out of the parameters of a run."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from difflib import get_close_matches
from typing import Any

from dispatcher.job.signatures import EMPTY, Signature, signature_of

VARIABLE = "DISPATCHER_PARAMETERS"
"""The environment variable with all parameters, as JSON."""


class WrongParameters(Exception):
    """Parameters with which the function cannot be called. Its text has a line for each fault, which begins with a path."""


def parameters_in(environment: Mapping[str, str]) -> dict[str, Any]:
    """The parameters of this run; none without the variable. Raises `WrongParameters`."""
    try:
        values = json.loads(environment.get(VARIABLE) or "{}")
    except ValueError as problem:
        raise WrongParameters(f"parameters: {VARIABLE} is not JSON: {problem}") from None
    if not isinstance(values, dict):
        raise WrongParameters(f"parameters: {VARIABLE} must be an object of names and values")
    return values


def arguments_for(function: Callable[..., Any], values: Mapping[str, Any]) -> tuple[Sequence[Any], Mapping[str, Any]]:
    """The arguments of a call, by position and by name; converted by the annotations where pydantic is there.

    Raises `WrongParameters`, `SignatureError`.
    """
    signature = signature_of(function)
    faults, converted = list(_name_faults(signature, values)), dict(values)
    for taken in signature.taken:
        if taken.name in values and taken.annotation is not EMPTY:
            converted[taken.name], wrong = _converted(taken.name, taken.annotation, values[taken.name])
            faults += wrong
    if faults:
        raise WrongParameters("\n".join(faults))
    return _positional(signature, converted), converted


def _positional(signature: Signature, values: dict[str, Any]) -> list[Any]:
    """Take what is passed by position out of the values: those before the first that is left out."""
    arguments = []
    for taken in signature.taken:
        if not taken.by_position or taken.name not in values:
            break
        arguments.append(values.pop(taken.name))
    return arguments


def _name_faults(signature: Signature, values: Mapping[str, Any]) -> Iterator[str]:
    names = [taken.name for taken in signature.taken]
    for taken in signature.taken:
        if taken.default is EMPTY and taken.name not in values:
            yield f"parameters.{taken.name}: is required and missing"
    for name in values:
        if name not in names and not signature.takes_others:
            near = get_close_matches(name, names, n=1)
            yield f"parameters.{name}: is not a parameter of the function" + (f"; did you mean {near[0]}?" if near else "")


def _converted(name: str, annotation: Any, value: Any) -> tuple[Any, list[str]]:
    """The value as its annotation says, and its faults."""
    try:
        from pydantic import TypeAdapter, ValidationError  # noqa: PLC0415 - only where something is annotated
    except ModuleNotFoundError:
        return value, []
    try:
        return TypeAdapter(annotation).validate_json(json.dumps(value)), []
    except ValidationError as problem:
        return value, [f"{_path(name, error['loc'])}: {error['msg']}" for error in problem.errors(include_url=False)]


def _path(name: str, steps: Sequence[int | str]) -> str:
    return f"parameters.{name}" + "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in steps)
