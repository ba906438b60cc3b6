"""One configuration for several environments: overlays on a base, and variables that a file declares.

    dispatcher apply -f base.yaml --overlay production.yaml --var IMAGE_TAG=1.4.2

An overlay changes the base: mappings merge, lists and plain values replace, and null removes. `${NAME}` stands for a value if
the file declares the name at its top; any other `${...}` is plain text, for example in a shell script.

    variables:
      IMAGE_TAG:            # has to be given
      REGION: eu-central-1  # a default
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from dispatcher.cli.input.yaml_files import Document, FilePosition
from dispatcher.core.placeholders import joined
from dispatcher.errors import Fault, InvalidInput

VARIABLES = "variables"
"""The key at the top of a file that declares its variables, with their defaults."""
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_REFERENCE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")


def laid_over(base: Document, overlay: Document) -> Document:
    """The base, changed by the overlay. Each value's position is in the file that it comes from."""
    places, above = dict(base.places), dict(overlay.value) if isinstance(overlay.value, Mapping) else overlay.value
    declared = above.pop(VARIABLES, None) if isinstance(above, dict) else None
    value = _merged(base.value, above, "", places, overlay.places)
    if isinstance(declared, Mapping) and isinstance(value, dict):  # here null declares a variable instead of removing one
        value[VARIABLES] = {**value.get(VARIABLES, {}), **declared}
        places.update((path, place) for path, place in overlay.places.items() if _is_within(path, VARIABLES))
    return Document(value, places)


def _merged(base: Any, overlay: Any, path: str, places: dict[str, FilePosition], new: Mapping[str, FilePosition]) -> Any:
    if not (isinstance(base, Mapping) and isinstance(overlay, Mapping)):
        _moved(path, places, new)
        return _without_nulls(overlay)
    merged = dict(base)
    for key, value in overlay.items():
        inner = joined(path, key)
        if value is None:
            merged.pop(key, None)
        elif key in base:
            merged[key] = _merged(base[key], value, inner, places, new)
        else:
            _moved(inner, places, new)
            merged[key] = _without_nulls(value)
    return merged


def _without_nulls(value: Any) -> Any:
    """A part that an overlay adds to a base without it: its nulls have nothing to remove."""
    if not isinstance(value, Mapping):
        return value
    return {key: _without_nulls(inner) for key, inner in value.items() if inner is not None}


def _moved(path: str, places: dict[str, FilePosition], new: Mapping[str, FilePosition]) -> None:
    """Set the positions of everything at and below a path to those in the overlay."""
    for old in [old for old in places if _is_within(old, path)]:
        del places[old]
    places.update((inner, place) for inner, place in new.items() if _is_within(inner, path))


def _is_within(path: str, outer: str) -> bool:
    return path == outer or path.startswith((f"{outer}.", f"{outer}[")) or not outer


def values_of_options(assignments: Sequence[str]) -> dict[str, str]:
    """`NAME=VALUE` of the command line, by name. Raises `InvalidInput`."""
    values: dict[str, str] = {}
    for assignment in assignments:
        name, equals, value = assignment.partition("=")
        if not equals or not _NAME.fullmatch(name):
            raise InvalidInput("variables", [Fault("--var", f"{assignment!r}: give NAME=VALUE")])
        values[name] = value
    return values


def filled(document: Document, variables: Mapping[str, str]) -> Document:
    """The configuration with each `${NAME}` in its values replaced once, and without the declarations.

    A value has the type of the variable's default, or is text without a default. Raises `InvalidInput` for a variable without a
    value, and for a value of an undeclared variable.
    """
    declared = document.value.get(VARIABLES, {}) if isinstance(document.value, Mapping) else {}
    if not isinstance(declared, Mapping):
        raise InvalidInput(VARIABLES, [Fault(_located(VARIABLES, document), "must be an object: the default of each, or null")])
    faults = [
        Fault("--var", f"{name}: no file declares it under `{VARIABLES}`") for name in sorted(variables.keys() - declared)
    ]
    values: dict[str, Any] = {}
    for name, default in declared.items():
        try:
            values[name] = _value(name, default, variables.get(name))
        except ValueError as problem:
            faults.append(Fault(_located(joined(VARIABLES, name), document), str(problem)))
    if faults:
        raise InvalidInput(VARIABLES, faults)
    if VARIABLES not in (document.value if isinstance(document.value, Mapping) else ()):
        return document
    rest = {key: value for key, value in document.value.items() if key != VARIABLES}
    return Document(_replaced(rest, values), document.places)


def _value(name: str, default: Any, text: str | None) -> Any:
    """A variable's value. Raises `ValueError` that says which values are allowed."""
    if not _NAME.fullmatch(name):
        raise ValueError("must be letters, digits and underscores, a digit not first")
    if isinstance(default, Mapping | list):
        raise ValueError("must be text, a number, true, false or null")  # noqa: TRY004 - a fault of the file
    if text is None:
        if default is None:
            raise ValueError(f"has no value: give --var {name}=VALUE")
        return default
    return text if default is None or isinstance(default, str) else _typed(default, text)


def _typed(default: Any, text: str) -> Any:
    if isinstance(default, bool):
        if text not in ("true", "false"):
            raise ValueError(f"must be true or false, as its default is; --var gives {text!r}")
        return text == "true"
    try:
        return int(text) if isinstance(default, int) else float(text)
    except ValueError:
        kind = "a whole number" if isinstance(default, int) else "a number"
        raise ValueError(f"must be {kind}, as its default is; --var gives {text!r}") from None


def _replaced(value: Any, values: Mapping[str, Any]) -> Any:
    if isinstance(value, Mapping):
        return {key: _replaced(inner, values) for key, inner in value.items()}
    if isinstance(value, list):
        return [_replaced(inner, values) for inner in value]
    if not isinstance(value, str):
        return value
    alone = _REFERENCE.fullmatch(value)
    if alone and alone[1] in values:
        return values[alone[1]]
    return _REFERENCE.sub(lambda match: _as_text(values[match[1]]) if match[1] in values else match[0], value)


def _as_text(value: Any) -> str:
    return {True: "true", False: "false"}[value] if isinstance(value, bool) else str(value)


def _located(path: str, document: Document) -> str:
    place = document.place(path)
    return f"{place}: {path}" if place else path
