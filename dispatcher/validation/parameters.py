"""Checks the parameters of deployments, schedules and runs, and the schema that a deployment states for them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from dispatcher.core.parameters import as_json, named_in, schema_defaults, variable_of
from dispatcher.core.placeholders import joined, plain_copy
from dispatcher.errors import Fault, InvalidVariables
from dispatcher.validation.json_values import json_faults
from dispatcher.validation.messages import did_you_mean, dotted, got, one_line
from dispatcher.validation.schemas import VariablesSchema, compiled

PARAMETERS = "parameters"
SCHEMA = "parameter_openapi_schema"

MAX_SCHEMA_BYTES = 64 * 1024
MAX_BYTES = 32 * 1024
"""The most bytes of all parameters of a run as JSON: one environment variable holds them, and no platform takes longer ones."""

Values = Mapping[str, Any]


def check_parameter_schema(schema: Any) -> None:
    """Raise `InvalidVariables` with every fault of a deployment's schema, its defaults included."""
    if faults := parameter_schema_faults(schema):
        raise InvalidVariables("parameter schema", one_line(faults))


def parameter_schema_faults(schema: Any) -> list[Fault]:
    """What `check_parameter_schema` finds. An empty schema states nothing and is valid."""
    from dispatcher.validation.schema_checks import schema_faults  # noqa: PLC0415 - jsonschema, for a schema that is saved

    if not isinstance(schema, Mapping):
        return [Fault(SCHEMA, f"must be a JSON Schema, an object{got(schema)}")]
    if faults := json_faults(schema, max_bytes=MAX_SCHEMA_BYTES):
        return [_below(SCHEMA, fault) for fault in faults]
    faults = schema_faults(schema, SCHEMA, nullable=False) if schema else []
    return faults or [*_declaration_faults(schema)] or _default_faults(schema)


def check_parameters(
    schema: Values, levels: Sequence[Values], template: Values, variables: Sequence[Values], *, partial: bool
) -> None:
    """Raise `InvalidVariables` with every fault of parameters, with paths that begin with `parameters`.

    `schema` is the deployment's, which has passed `check_parameter_schema`; each of the `levels` overrides the one before.
    Parameters that the placeholders of the pool's `template` name must be there too, apart from those in defaults that the job
    `variables` override. `partial` is for values that others may still add to: then nothing is missing.
    """
    faults = [fault for level in levels for fault in _shape_faults(level)] or _faults(schema, levels)
    if not faults and not partial:
        values = {**schema_defaults(schema), **{name: value for level in levels for name, value in level.items()}}
        faults = [*_missing(schema, values), *_size_faults(values)]
        faults += [fault for fault in _unfilled(template, variables, values) if fault.path not in {f.path for f in faults}]
    if faults:
        raise InvalidVariables(PARAMETERS, one_line(faults))


def _shape_faults(level: Any) -> list[Fault]:
    if not isinstance(level, Mapping):
        return [Fault(PARAMETERS, f"must be an object of names and values{got(level)}")]
    return [_below(PARAMETERS, fault) for fault in json_faults(level, max_bytes=MAX_BYTES)]


def _faults(schema: Values, levels: Sequence[Values]) -> list[Fault]:
    """Names and values. Values that are missing are looked for elsewhere."""
    values = {name: plain_copy(value) for level in levels for name, value in level.items()}
    declared = _compiled(schema)
    faults = [*_name_faults(values)]
    if schema and not declared.is_open:
        faults += [_unknown(name, declared) for name in values if name not in declared.names]
    accepted = {name: value for name, value in values.items() if name in declared.names or declared.is_open}
    return faults + declared.faults({**schema_defaults(schema), **accepted}, _place)


def _missing(schema: Values, values: Values) -> Iterator[Fault]:
    for name in _compiled(schema).required:
        if name not in values:
            yield Fault(_place([name]), "is required and missing; give it a value here, or in the deployment")


def _unfilled(template: Values, variables: Sequence[Values], values: Values) -> Iterator[Fault]:
    """Parameters that the template of the pool names, and that have no value."""
    if PARAMETERS in (template["variables"].get("properties") or {}):
        return
    for name, placeholder in named_in(template, variables).items():
        if name not in values:
            words = (
                f"is missing, and the pool's template has {{{{ {placeholder} }}}}; give it a value here, or in the deployment"
            )
            yield Fault(_place([name]), words)


def _size_faults(values: Values) -> Iterator[Fault]:
    size = len(as_json(values).encode())
    if size > MAX_BYTES:
        words = f"{size} bytes as JSON, and jobs get at most {MAX_BYTES}; pass a place to read large values from"
        yield Fault(PARAMETERS, words)


def _declaration_faults(schema: Values) -> Iterator[Fault]:
    if schema.get("type", "object") != "object":
        yield Fault(f"{SCHEMA}.type", f'must be "object"{got(schema["type"])}')
    properties = schema.get("properties", {})
    for fault in _name_faults(properties):
        yield Fault(f"{SCHEMA}.properties{fault.path.removeprefix(PARAMETERS)}", fault.message)
    for index, name in enumerate(schema.get("required", ())):
        if name not in properties:
            fix = did_you_mean(name, properties) or "; declare it under `properties`"
            yield Fault(f"{SCHEMA}.required[{index}]", f"{name} is not declared{fix}")


def _name_faults(names: Values) -> Iterator[Fault]:
    """Names that no placeholder reaches, or that would share an environment variable."""
    holders: dict[str, str] = {}
    for name in names:
        variable = variable_of(name) or name
        if not name or set(".[]") & set(name):
            yield Fault(_place([name]), "cannot be reached: a parameter's name is not empty and has no `.`, `[` or `]`")
        elif variable in holders:
            words = f"shares the environment variable {variable} with {holders[variable]}; rename one of them"
            yield Fault(_place([name]), words)
        holders.setdefault(variable, name)


def _default_faults(schema: Values) -> list[Fault]:
    properties = f"{SCHEMA}.properties"
    return _compiled(schema).faults(
        schema_defaults(schema), lambda path: dotted(path[1:], f"{properties}.{path[0]}.default"), whole=False
    )


def _unknown(name: str, declared: VariablesSchema) -> Fault:
    names = ", ".join(sorted(declared.names))
    fix = did_you_mean(name, declared.names) or (f"; there are {names}" if names else "; it has none")
    return Fault(_place([name]), f"is not a parameter of this deployment{fix}")


def _compiled(schema: Values) -> VariablesSchema:
    return compiled(schema, nullable=False)


def _place(path: list[str | int]) -> str:
    return dotted(path, PARAMETERS)


def _below(root: str, fault: Fault) -> Fault:
    return Fault(joined(root, fault.path) if fault.path else root, fault.message)
