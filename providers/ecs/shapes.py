"""Converts values to the types of the ECS API. Every conversion is derived from the API's service model.

Templates are JSON that people wrote and placeholders filled, so some values are numbers where the API takes text (`gpu: 1`) or
text where it takes numbers (`containerPort: "8080"`). A value with one clear meaning is converted; any other is a fault that
names its field. The model is a file of botocore, which is not imported; without it nothing is converted or refused.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache, cached_property
from typing import Any

from providers.aws_data import sdk_model
from providers.remarks import Notes, nearest
from providers.values import EMPTY, compact, kind, mapping, objects, text

_VALUES, _LABELS = frozenset({"value", "valueFrom"}), frozenset({"type", "name"})
"""A list item that contains only these keys sets nothing, because a placeholder had no value. It is removed."""
_BOOLEANS: Mapping[str, bool] = {"true": True, "false": False}


def fitted(operation: str, parameters: Mapping[str, Any], path: str, notes: Notes, without: frozenset[str]) -> dict[str, Any]:
    """The parameters of an operation in the types of its model; `without` are the parameters that will be added later.

    Faults go to `notes`, with `path` before their names.
    """
    shape = input_shape(operation)
    if shape is None or _fits_unchanged(parameters, shape, without):
        return dict(parameters)
    fit: dict[str, Any] = _structure(parameters, shape, path, notes, without)
    return fit


@cache
def input_shape(operation: str) -> Shape | None:
    """The input of an operation in the service model; None if botocore is not installed."""
    model = sdk_model("ecs")
    return Shape(model["shapes"], model["operations"][operation]["input"]["shape"]) if model else None


class Shape:
    """One shape of the model, with the names of `botocore.model`."""

    def __init__(self, shapes: Mapping[str, Any], name: str) -> None:
        self.name, self._shapes, self._shape = name, shapes, shapes[name]
        self.type_name: str = self._shape["type"]
        self.required_members: Sequence[str] = self._shape.get("required", ())
        self.enum: Sequence[str] = self._shape.get("enum", ())
        self.least: float | None = self._shape.get("min")

    @cached_property
    def members(self) -> Mapping[str, Shape]:
        """The members of a structure, by name."""
        return {name: Shape(self._shapes, member["shape"]) for name, member in self._shape.get("members", {}).items()}

    @cached_property
    def member(self) -> Shape:
        """The shape of a list's items."""
        return Shape(self._shapes, self._shape["member"]["shape"])

    @cached_property
    def value(self) -> Shape:
        """The shape of a map's values."""
        return Shape(self._shapes, self._shape["value"]["shape"])


def _fit(value: Any, shape: Any, path: str, notes: Notes) -> Any:
    fit: Callable[[Any, Any, str, Notes], Any] | None = _FITS.get(shape.type_name)
    return fit(value, shape, path, notes) if fit else value


def _structure(value: Any, shape: Any, path: str, notes: Notes, without: frozenset[str] = frozenset()) -> Any:
    if not isinstance(value, Mapping):
        return _refused(value, "an object", path, notes)
    fit = {}
    for name, item in value.items():
        if name not in shape.members:
            notes.fault(f"{path}.{name}", f"ECS does not know {name}; {nearest(name, shape.members)}")
            continue
        fit[name] = _fit(item, shape.members[name], f"{path}.{name}", notes)
        if fit[name] == [] and item:
            del fit[name]
    for name in shape.required_members:
        if name not in value and name not in without:
            notes.fault(f"{path}.{name}", "is missing, and ECS needs it")
    return fit


def _list(value: Any, shape: Any, path: str, notes: Notes) -> Any:
    if not isinstance(value, list | tuple):
        return _refused(value, "a list", path, notes)
    if (texts := _texts(shape.member)) and texts.fit(value):
        return list(value)
    kept = [(index, item) for index, item in enumerate(value) if not _sets_nothing(item, shape.member)]
    return [_fit(item, shape.member, f"{path}[{index}]", notes) for index, item in kept]


def _fits_unchanged(value: Any, shape: Shape, without: frozenset[str] = frozenset()) -> bool:
    """True for a value that needs no conversion, remark or removal, as most values."""
    kind_of = type(value)
    if shape.type_name == "structure":
        return kind_of is dict and _members_fit_unchanged(value, shape, without)
    if shape.type_name == "list":
        return kind_of is list and _items_fit_unchanged(value, shape.member)
    if shape.type_name == "string":
        return kind_of is str and not shape.enum and len(value) >= (shape.least or 0)
    return shape.type_name == "integer" and kind_of is int and (shape.least is None or value >= shape.least)


def _members_fit_unchanged(value: Mapping[str, Any], shape: Shape, without: frozenset[str]) -> bool:
    members = shape.members
    return all(name in value or name in without for name in shape.required_members) and all(
        name in members and _fits_unchanged(item, members[name]) for name, item in value.items()
    )


def _items_fit_unchanged(items: Sequence[Any], shape: Shape) -> bool:
    if texts := _texts(shape):
        return texts.fit(items)
    return all(_fits_unchanged(item, shape) and not _sets_nothing(item, shape) for item in items)


class _Texts:
    """A structure of texts only (a variable, a tag). A run has dozens of them."""

    def __init__(self, shape: Shape) -> None:
        self._members = shape.members.keys()
        self._filled = tuple(name for name, member in shape.members.items() if member.least)

    def fit(self, items: Iterable[Any]) -> bool:
        """True for items that need no conversion or refusal."""
        for item in items:  # loops, because generators would take three times as long
            if type(item) is not dict or item.keys() != self._members:
                return False
            for item_text in item.values():
                if type(item_text) is not str:
                    return False
            for name in self._filled:
                if not item[name]:
                    return False
        return True


@cache
def _texts(shape: Shape) -> _Texts | None:
    """The check whether such structures contain only texts; None for any other shape."""
    if shape.type_name != "structure" or any(member.type_name != "string" or member.enum for member in shape.members.values()):
        return None
    return _Texts(shape)


def _sets_nothing(item: Any, shape: Any) -> bool:
    if shape.type_name != "structure" or not isinstance(item, Mapping):
        return False
    return bool(_VALUES & shape.members.keys()) and bool(item) and item.keys() <= _LABELS


def _map(value: Any, shape: Any, path: str, notes: Notes) -> Any:
    if not isinstance(value, Mapping):
        return _refused(value, "an object", path, notes)
    return {str(name): _fit(item, shape.value, f"{path}.{name}", notes) for name, item in value.items()}


def _string(value: Any, shape: Any, path: str, notes: Notes) -> Any:
    if isinstance(value, bool | int | float):
        value = compact(value)
    if not isinstance(value, str):
        return _refused(value, "text", path, notes)
    if shape.enum and value not in shape.enum:
        notes.warn(path, f"{value!r} is not one of the values that ECS is known to take: {', '.join(shape.enum)}")
    _check_least(len(value), "characters", shape, path, notes)
    return value


def _integer(value: Any, shape: Any, path: str, notes: Notes) -> Any:
    number = _number(value)
    if number is None or not number.is_integer():
        return _refused(value, "a whole number", path, notes)
    _check_least(number, "", shape, path, notes)
    return int(value) if isinstance(value, str | int) and not isinstance(value, bool) and _is_plain(value) else int(number)


def _float(value: Any, shape: Any, path: str, notes: Notes) -> Any:
    number = _number(value)
    if number is None:
        return _refused(value, "a number", path, notes)
    _check_least(number, "", shape, path, notes)
    return number


def _boolean(value: Any, _shape: Any, path: str, notes: Notes) -> Any:
    if isinstance(value, str):
        value = _BOOLEANS.get(value.strip().lower(), value)
    return value if isinstance(value, bool) else _refused(value, "true or false", path, notes)


def _number(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None


def _is_plain(value: Any) -> bool:
    return isinstance(value, int) or value.strip().lstrip("+-").isdecimal()


def _check_least(amount: float, unit: str, shape: Any, path: str, notes: Notes) -> None:
    least = shape.least
    if least is not None and amount < least:
        notes.fault(path, f"give {least} {unit}".rstrip() + " or more")


def _refused(value: Any, expected: str, path: str, notes: Notes) -> Any:
    shown = repr(value)[:80] if isinstance(value, int | float | str) and not isinstance(value, bool) else kind(value)
    notes.fault(path, f"give {expected}, not {shown}")
    return value


_FITS: Mapping[str, Callable[[Any, Any, str, Notes], Any]] = {
    "structure": _structure,
    "list": _list,
    "map": _map,
    "string": _string,
    "integer": _integer,
    "long": _integer,
    "float": _float,
    "double": _float,
    "boolean": _boolean,
}


VERBATIM = frozenset({"environment", "dockerLabels", "labels", "options", "secrets", "tags"})
"""Under these keys an empty text is a meaningful value."""


def pairs(content: Any, path: str, *, key: str = "name", value: str = "value") -> dict[str, str]:
    """Names and texts from an object or from a list of objects `{key: ..., value: ...}`; a null removes its name."""
    if isinstance(content, list | tuple):
        unset = "" if value == "value" else None
        items: Iterable[tuple[Any, Any]] = ((item.get(key), item.get(value, unset)) for item in objects(content, path))
    else:
        items = mapping(content, path).items()
    return {text(name): text(item) for name, item in items if name and item is not None}


def listed(named: Mapping[str, str], *, key: str = "name", value: str = "value") -> list[dict[str, str]]:
    """`[{key: ..., value: ...}]`, sorted by name so that a repeat is byte-identical."""
    return [{key: name, value: named[name]} for name in sorted(named)]


def pruned(value: Any) -> Any:
    """A deep copy without nulls and empty objects, lists and texts, which the API refuses as values."""
    kind_of = type(value)
    if kind_of is str:
        return value
    if kind_of is dict or isinstance(value, Mapping):
        return {key: kept for key, item in value.items() if (kept := item if key in VERBATIM else pruned(item)) not in EMPTY}
    if isinstance(value, list | tuple):
        return [kept for item in value if (kept := pruned(item)) not in EMPTY or kept == ""]
    return value
