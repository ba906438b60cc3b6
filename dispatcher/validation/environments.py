"""The rules for a job's environment, at every level and in the template itself."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from dispatcher.core.placeholders import joined
from dispatcher.errors import Fault
from dispatcher.validation.messages import got

RESERVED = "DISPATCHER_"
"""The prefix of the dispatcher's own names; jobs can rely on them because nobody else can set them."""


def environment_faults(environment: Any, path: str) -> Iterator[Fault]:
    """Faults of the `env` of one level; a null `env` sets nothing and is valid."""
    if environment is None:
        return
    if not isinstance(environment, Mapping):
        yield Fault(path, f"must be an object of names and texts{got(environment)}")
        return
    for name, value in environment.items():
        yield from _variable_faults(name, value, joined(path, name))


def _variable_faults(name: str, value: Any, path: str) -> Iterator[Fault]:
    if not name:
        yield Fault(path, "has an empty name; name the environment variable")
    elif "=" in name or not name.isprintable():
        yield Fault(path, "has a name with `=` or a control character in it, which no environment takes; rename it")
    elif name.startswith(RESERVED):
        yield Fault(path, f"is the dispatcher's own; choose a name that does not begin with {RESERVED}")
    if isinstance(value, (Mapping, list)):
        yield Fault(path, f"must be text, a number or a boolean, or null to remove the name{got(value)}")
