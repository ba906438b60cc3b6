"""The schema of parameters that a Python function takes, from its signature."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from pydantic import ConfigDict, Field, PydanticUserError, TypeAdapter, create_model
from pydantic.errors import PydanticSchemaGenerationError
from pydantic.json_schema import GenerateJsonSchema

from dispatcher.errors import Fault, InvalidInput
from dispatcher.job.signatures import EMPTY, Signature, SignatureError, TakenParameter, signature_of

_REFUSALS = (PydanticSchemaGenerationError, PydanticUserError, TypeError, NameError)


class _Quiet(GenerateJsonSchema):
    """A default that is not JSON is left out without a warning, because the function has it."""

    ignored_warning_kinds = frozenset({"skipped-choice", "non-serializable-default"})  # type: ignore[assignment]


def signature_schema(function: Callable[..., Any]) -> Mapping[str, Any]:
    """A JSON Schema of the function's parameters. Raises `InvalidInput` for one that JSON cannot hold."""
    try:
        signature = signature_of(function)
    except SignatureError as problem:
        raise InvalidInput("function", [Fault("target", str(problem))]) from None
    if faults := [fault for taken in signature.taken if (fault := _fault(taken))]:
        raise InvalidInput("function", faults)
    return {"type": "object", "properties": {}, **_model(signature).model_json_schema(schema_generator=_Quiet)}


def _model(signature: Signature) -> Any:
    """A model with a field for each parameter. Only the aliases are their names: those of fields are not free."""
    fields: Any = {f"field_{number}": _field(taken) for number, taken in enumerate(signature.taken)}
    config = ConfigDict(extra="allow" if signature.takes_others else "forbid")
    return create_model("Parameters", __config__=config, **fields)


def _field(taken: TakenParameter) -> tuple[Any, Any]:
    default = ... if taken.default is EMPTY else taken.default
    return _type(taken), Field(default, alias=taken.name)


def _type(taken: TakenParameter) -> Any:
    return Any if taken.annotation is EMPTY else taken.annotation


def _fault(taken: TakenParameter) -> Fault | None:
    try:
        TypeAdapter(_type(taken)).json_schema(schema_generator=_Quiet)
    except _REFUSALS as problem:
        words = str(problem).splitlines()[0].partition(". Set `arbitrary")[0]
        return Fault(f"parameters.{taken.name}", f"JSON holds no value of its type: {words}")
    return None
