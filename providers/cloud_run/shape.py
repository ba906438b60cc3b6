"""Checks a job's body against Google's own messages, field by field. Imports Google's SDK.

The messages know every field and its type. A value of another type with the same meaning (`"3"`, 3 for a text, `"true"`) is
converted. Every other value is a fault with its path, and all faults are reported.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from difflib import get_close_matches
from typing import Any

from google.cloud import run_v2
from google.protobuf.descriptor import FieldDescriptor as Field

from providers.base import Finding
from providers.remarks import unknown_key
from providers.values import text

_WHOLE = {Field.TYPE_INT32: 31, Field.TYPE_INT64: 63}
"""The types of whole numbers, and their bits."""


def shaped(body: Mapping[str, Any]) -> tuple[dict[str, Any], list[Finding]]:
    """The body in the types of `run_v2.Job`, and its values that do not fit."""
    faults: list[Finding] = []
    message = _message(body, run_v2.Job.pb().DESCRIPTOR, "job_body", faults)
    return message, faults


def _message(value: Any, descriptor: Any, path: str, faults: list[Finding]) -> Any:
    if descriptor.full_name.startswith("google.protobuf."):  # a duration or a time: text in JSON
        return value
    if not isinstance(value, Mapping):
        faults.append(Finding(path=path, message=f"give an object, not {value!r:.80}"))
        return {}
    fields = {field.json_name: field for field in descriptor.fields}
    faults += [unknown_key(path, key, fields) for key in value if key not in fields]
    return {key: _field(item, fields[key], f"{path}.{key}", faults) for key, item in value.items() if key in fields}


def _field(value: Any, field: Any, path: str, faults: list[Finding]) -> Any:
    if field.message_type is not None and field.message_type.GetOptions().map_entry:
        if isinstance(value, Mapping):
            values = field.message_type.fields_by_name["value"]
            return {key: _one(item, values, f"{path}.{key}", faults) for key, item in value.items()}
    elif not field.is_repeated:
        return _one(value, field, path, faults)
    elif isinstance(value, list | tuple):
        return [_one(item, field, f"{path}[{index}]", faults) for index, item in enumerate(value)]
    kind = "a list" if field.is_repeated and field.message_type is None else "an object or a list of them"
    faults.append(Finding(path=path, message=f"give {kind}, not {value!r:.80}"))
    return value


def _one(value: Any, field: Any, path: str, faults: list[Finding]) -> Any:
    if field.message_type is not None:
        return _message(value, field.message_type, path, faults)
    try:
        return _SCALARS.get(field.type, _unchanged)(value, field)
    except ValueError as problem:
        faults.append(Finding(path=path, message=str(problem)))
        return value


def _unchanged(value: Any, _: Any) -> Any:
    return value


def _text(value: Any, _: Any) -> str:
    if isinstance(value, Mapping | list | tuple):
        raise ValueError(f"give a text, not {value!r:.80}")  # noqa: TRY004 - a fault like those of other types
    return text(value)


def _whole(value: Any, field: Any) -> int:
    if isinstance(value, bool) or not re.fullmatch(r"-?\d{1,19}(\.0+)?", str(value)):
        raise ValueError(f"give a whole number, not {value!r:.80}")
    number = int(str(value).partition(".")[0])
    if not -(1 << _WHOLE[field.type]) <= number < 1 << _WHOLE[field.type]:
        raise ValueError(f"{number} is out of range")
    return number


def _flag(value: Any, _: Any) -> bool:
    if value in (True, False):
        return bool(value)
    if str(value).lower() not in ("true", "false"):
        raise ValueError(f"give true or false, not {value!r:.80}")
    return str(value).lower() == "true"


def _chosen(value: Any, field: Any) -> Any:
    names = [item.name for item in field.enum_type.values if item.number]
    if value in names or (isinstance(value, int) and value in field.enum_type.values_by_number):
        return value
    word = str(value).upper()
    near = [name for name in names if name.endswith(f"_{word}")] or get_close_matches(word, names, n=1, cutoff=0.5)
    hint = f"did you mean {near[0]}?" if near else f"give one of {', '.join(names)}"
    raise ValueError(f"{value!r:.80} is not one of its values; {hint}")


_SCALARS: Mapping[int, Callable[[Any, Any], Any]] = {
    Field.TYPE_STRING: _text,
    Field.TYPE_BOOL: _flag,
    Field.TYPE_ENUM: _chosen,
    **dict.fromkeys(_WHOLE, _whole),
}
