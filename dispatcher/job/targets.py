"""Functions by name: `etl:main`, `package.module:Class.method`, `jobs/etl.py:main`."""

from __future__ import annotations

import importlib
import inspect
import os
import sys
from collections.abc import Callable
from difflib import get_close_matches
from pathlib import Path
from types import ModuleType
from typing import Any

MAIN = "__main__"


class TargetError(Exception):
    """A name of no function."""


def load(target: str) -> Callable[..., Any]:
    """Import a function. Raises `TargetError`, or whatever its module raises.

    Modules are looked for in the current directory first; a file is imported from its own.
    """
    source, colon, name = target.rpartition(":")
    if not (source and colon and name) or source.startswith("."):
        raise TargetError(f"{target!r} names no function; write MODULE:FUNCTION, as etl:main")
    value: Any = _module(source)
    for step in name.split("."):
        value = _attribute(value, step, source)
    if not callable(value):
        raise TargetError(f"{target} is not a function (it is of type {type(value).__name__})")
    return value  # type: ignore[no-any-return]


def target_of(function: Callable[..., Any]) -> str:
    """The name by which another process imports the function. Raises `TargetError` for one that has none."""
    module, name = getattr(function, "__module__", None), getattr(function, "__qualname__", "<")
    if module == MAIN:
        module = _name_of_main()
    if not module or "<" in name:
        raise TargetError(f"{name} cannot be imported by its name; define it at the top of a module")
    return f"{module}:{name}"


def _name_of_main() -> str | None:
    main = sys.modules[MAIN]
    if main.__spec__ is not None:
        return main.__spec__.name.removesuffix(f".{MAIN}")
    path = getattr(main, "__file__", None)
    return Path(path).stem if path else None


def _module(source: str) -> ModuleType:
    path = Path(source)
    directory, name = (path.parent, path.stem) if path.suffix == ".py" else (Path(), source)
    where = os.path.abspath(directory)
    if where not in sys.path:
        sys.path.insert(0, where)
    importlib.invalidate_caches()
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as problem:
        if not f"{name}.".startswith(f"{problem.name}."):
            raise
        raise TargetError(f"there is no module {name} in {where}, nor where Python looks for modules") from None


def _attribute(value: Any, name: str, source: str) -> Any:
    try:
        return getattr(value, name)
    except AttributeError:
        near = get_close_matches(name, [other for other, item in vars(value).items() if inspect.isroutine(item)], n=1)
        hint = f"; did you mean {near[0]}?" if near else ""
        raise TargetError(f"{source} has no {name}{hint}") from None
