"""The part of ARM's template language that container groups need: parameters with defaults, and the group's own region.

Azure does not evaluate expressions in a direct PUT, so any other expression is refused with its path instead of being sent as
text.
https://learn.microsoft.com/azure/azure-resource-manager/templates/template-expressions
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from providers.base import ConfigurationError

_PARAMETER = re.compile(r"\[\s*parameters\(\s*'([^']+)'\s*\)\s*\]")
_EXPRESSION = re.compile(r"\[\s*[A-Za-z_]\w*\(.*\).*\]", re.DOTALL)
_LITERAL_KEYS = frozenset({"command", "environmentVariables", "image", "tags"})
"""Fields that job variables fill: their values are the user's text, even if they look like expressions."""


def is_expression(value: Any) -> bool:
    """True for a text that Resource Manager would evaluate in a template."""
    return isinstance(value, str) and _EXPRESSION.fullmatch(value) is not None


def resolved(resource: Any, parameters: Mapping[str, Any]) -> Any:
    """`resource` with each parameter replaced by its default if that is a plain value."""
    if isinstance(resource, Mapping):
        return {key: item if key in _LITERAL_KEYS else resolved(item, parameters) for key, item in resource.items()}
    if isinstance(resource, list):
        return [resolved(item, parameters) for item in resource]
    return parameter(resource, parameters)


def parameter(value: Any, parameters: Mapping[str, Any]) -> Any:
    """`value`, or, if it names a parameter, that parameter's default."""
    match = _PARAMETER.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        return value
    declared = parameters.get(match[1])
    default = declared.get("defaultValue") if isinstance(declared, Mapping) else None
    return value if default is None else default


def refuse_expressions(body: Any, path: str) -> None:
    """Raises `ConfigurationError` for the first remaining expression."""
    for place in _places(body, path):
        raise ConfigurationError(
            f"{place}: an ARM expression is evaluated only where it is a parameter with a plain default; write the value itself"
        )


def _places(value: Any, path: str) -> Iterator[str]:
    if is_expression(value):
        yield path
    elif isinstance(value, Mapping):
        for key, item in value.items():
            if key not in _LITERAL_KEYS:
                yield from _places(item, f"{path}.{key}")
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _places(item, f"{path}[{index}]")
