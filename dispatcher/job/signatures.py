"""What parameters a function takes, by its signature."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any, get_type_hints

EMPTY = inspect.Parameter.empty
_MANY = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)


@dataclass(frozen=True, kw_only=True)
class TakenParameter:
    """One parameter."""

    name: str
    annotation: Any = EMPTY
    default: Any = EMPTY
    by_position: bool = False
    """Whether it can be passed by its position only."""


@dataclass(frozen=True, kw_only=True)
class Signature:
    """The parameters of a function."""

    taken: Sequence[TakenParameter]
    takes_others: bool
    """Whether it has a `**name` for every other parameter."""


class SignatureError(Exception):
    """A signature that cannot be read."""


def signature_of(function: Callable[..., Any]) -> Signature:
    """Read a signature. Raises `SignatureError` for one that has none, or names a type that is not there."""
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError) as problem:
        raise SignatureError(f"its parameters are unknown: {problem}") from None
    parameters = signature.parameters.values()
    annotations = {
        parameter.name: _annotation(function, parameter) for parameter in parameters if parameter.annotation is not EMPTY
    }
    taken = [
        TakenParameter(
            name=parameter.name,
            annotation=annotations.get(parameter.name, EMPTY),
            default=parameter.default,
            by_position=parameter.kind is inspect.Parameter.POSITIONAL_ONLY,
        )
        for parameter in parameters
        if parameter.kind not in _MANY
    ]
    return Signature(taken=taken, takes_others=any(parameter.kind is inspect.Parameter.VAR_KEYWORD for parameter in parameters))


def _annotation(function: Callable[..., Any], parameter: inspect.Parameter) -> Any:
    """The annotation as a type, also where it is written as a text (`from __future__ import annotations`)."""
    whole = inspect.unwrap(function)
    spaces = getattr(whole, "__globals__", None) or getattr(type(whole).__call__, "__globals__", {})
    try:
        return get_type_hints(SimpleNamespace(__annotations__={"it": parameter.annotation}), spaces, include_extras=True)["it"]
    except (NameError, AttributeError, TypeError, SyntaxError) as problem:
        words = f"parameters.{parameter.name}: its annotation {parameter.annotation!r} cannot be read: {problem}"
        raise SignatureError(f"{words}; import its type when the program runs, not for type checking alone") from None
