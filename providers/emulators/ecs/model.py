"""Requests checked against botocore's model of ECS: required members, types, ranges, enum values, and no unknown members.

ECS itself ignores unknown members; the emulator refuses them, because a misspelt one is a bug that nothing else would show.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Any

import botocore.loaders
from botocore.model import ListShape, MapShape, OperationModel, ServiceModel, Shape, StringShape, StructureShape
from botocore.validate import ParamValidator

from providers.emulators.ecs.errors import EcsError, invalid
from providers.emulators.web import HttpRequest


@cache
def service_model() -> ServiceModel:
    """The model of ECS in the installed botocore."""
    return ServiceModel(botocore.loaders.Loader().load_service_model("ecs", "service-2"), "ecs")


@cache
def _operation(name: str) -> OperationModel | None:
    model = service_model()
    return model.operation_model(name) if name in model.operation_names else None


_validator = ParamValidator()


def parse(request: HttpRequest) -> dict[str, Any]:
    """The body of a request. Raises an EcsError if it is not a JSON object."""
    try:
        body = request.json()
    except ValueError as error:
        raise EcsError("SerializationException", f"the body is not JSON: {error}") from error
    if not isinstance(body, dict):
        raise EcsError("SerializationException", "the body is not a JSON object")
    return body


def check_request(operation: str, request: dict[str, Any]) -> None:
    """Raises an EcsError that lists all faults, or reports an unknown operation."""
    model = _operation(operation)
    if model is None:
        raise EcsError("UnknownOperationException", f"ECS has no operation {operation!r}")
    if model.input_shape is None:
        return
    report = _validator.validate(request, model.input_shape)
    if report.has_errors():
        raise invalid(report.generate_report())
    faults = list(_wrong_values(request, model.input_shape, ""))
    if faults:
        raise invalid("; ".join(faults))


def _wrong_values(value: Any, shape: Shape, path: str) -> Iterator[str]:
    """The faults that botocore does not check: enum values, which it leaves to the service, and booleans, which are numbers in
    Python.
    """
    if value is None:
        return
    if isinstance(shape, StructureShape):
        for name, member in value.items():
            yield from _wrong_values(member, shape.members[name], f"{path}.{name}".lstrip("."))
    elif isinstance(shape, ListShape):
        for index, member in enumerate(value):
            yield from _wrong_values(member, shape.member, f"{path}[{index}]")
    elif isinstance(shape, MapShape):
        for name, member in value.items():
            yield from _wrong_values(member, shape.value, f"{path}.{name}")
    elif isinstance(shape, StringShape) and shape.enum and value not in shape.enum:
        yield f"{path}: {value!r} is none of {', '.join(shape.enum)}"
    elif isinstance(value, bool) and shape.type_name in ("integer", "long", "float", "double"):
        yield f"{path}: {str(value).lower()} is not a number"
