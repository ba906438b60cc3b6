"""Checks job variables against a template, before a deployment or a run is stored."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from dispatcher.core.placeholders import plain_copy
from dispatcher.core.templates import ENVIRONMENT, NONE, defaults, nest, resolve
from dispatcher.errors import Fault, InvalidVariables, RenderError
from dispatcher.validation.environments import environment_faults
from dispatcher.validation.json_values import json_faults
from dispatcher.validation.messages import did_you_mean, got, one_line
from dispatcher.validation.schemas import VariablesSchema, compiled
from dispatcher.validation.templates import names_parameters, render_faults

MAX_BYTES = 128 * 1024

Level = Mapping[str, Any]


def check_job_variables(
    template: Mapping[str, Any],
    variables: Mapping[str, Any],
    *,
    deployment_variables: Mapping[str, Any] | None = None,
    parameters: Mapping[str, Any] = NONE,
    partial: bool = False,
) -> None:
    """Raise `InvalidVariables` with every fault of the variables, laid over the deployment's and the pool's defaults.

    `template` has passed `check_base_job_template`. Variables that pass here render. `partial` is for variables that others may
    still override: a required variable may be missing, and nothing is rendered. `parameters` are all parameters of the run.
    """
    levels = [deployment_variables or {}, variables]
    source = None if partial else "here, in the deployment or as the pool's default"
    _check(template, levels, source, parameters)


def check_deployment_variables(
    template: Mapping[str, Any], variables: Mapping[str, Any], *, scheduled: bool, parameters: Mapping[str, Any] = NONE
) -> None:
    """Raise `InvalidVariables` with every fault of a deployment's own variables, laid over the pool's defaults.

    With `scheduled` some of its schedules have no job variables: their runs bring none, so all that are required must be there.
    For other deployments a run, or a schedule, may still set them: they may be missing, and nothing is rendered.
    """
    source = "here or as the pool's default: the runs of a schedule without job variables bring none of their own"
    _check(template, [variables, {}], source if scheduled else None, parameters)


def _check(template: Mapping[str, Any], levels: Sequence[Level], source: str | None, parameters: Level) -> None:
    """`source` says where a missing variable may come from; None accepts missing variables."""
    faults = [fault for level in levels for fault in _shape_faults(level)] or _faults(template, levels, source, parameters)
    if faults:
        raise InvalidVariables("job variables", one_line(faults))


def _shape_faults(level: Any) -> list[Fault]:
    if not isinstance(level, Mapping):
        return [Fault("", f"must be an object of names and values{got(level)}")]
    return json_faults(level, max_bytes=MAX_BYTES)


def _faults(template: Mapping[str, Any], levels: Sequence[Level], source: str | None, parameters: Level) -> list[Fault]:
    unclear = [fault for level in levels for fault in _name_faults(level)]
    if unclear:
        return unclear
    nested = [nest(level) for level in levels]
    schema = compiled(template["variables"])
    faults = [fault for level in nested for fault in _level_faults(schema, level)]
    values = _checkable(template, nested, parameters)
    if source is None:  # what a run says by its parameters is not known yet
        values = {name: value for name, value in values.items() if not _awaits_parameters(template, nested, name)}
    faults += schema.faults({name: value for name, value in values.items() if name in schema.names or schema.is_open})
    faults += _missing(schema, values, nested, source)
    faults = list(dict.fromkeys(faults))
    return faults if faults or source is None else render_faults(template, nested[1], nested[0], parameters)


def _name_faults(level: Level) -> list[Fault]:
    """The faults of dotted names: of each name alone, then of all together."""
    if not any("." in name for name in level):
        return []
    faults = [fault for name, value in level.items() for fault in _nesting_faults({name: value})]
    return faults or _nesting_faults(level)


def _nesting_faults(level: Level) -> list[Fault]:
    try:
        return json_faults(nest(level), max_bytes=2 * MAX_BYTES)
    except RenderError as error:
        return [Fault("", str(error))]


def _level_faults(schema: VariablesSchema, level: Level) -> Iterator[Fault]:
    for name in level:
        if name not in schema.names and not schema.is_open:
            fix = did_you_mean(name, schema.names) or "; remove it, or declare it under the template's `variables`"
            yield Fault(name, f"is not a variable of this pool's template{fix}")
    yield from environment_faults(level.get(ENVIRONMENT), ENVIRONMENT)


def _awaits_parameters(template: Mapping[str, Any], levels: Sequence[Level], name: str) -> bool:
    """Whether the value is the template's default, and parameters fill it."""
    return not any(name in level for level in levels) and names_parameters(defaults(template["variables"]).get(name))


def _checkable(template: Mapping[str, Any], levels: Sequence[Level], parameters: Level) -> dict[str, Any]:
    """The values of a job, without an environment whose faults are already reported."""
    sound = all(not [*environment_faults(level.get(ENVIRONMENT), ENVIRONMENT)] for level in levels)
    deployment, run = levels if sound else [{**level, ENVIRONMENT: None} for level in levels]
    values = resolve(template, run, deployment_variables=deployment, parameters=parameters)
    return {name: plain_copy(value) for name, value in values.items()}


def _missing(schema: VariablesSchema, values: Level, levels: Sequence[Level], source: str | None) -> Iterator[Fault]:
    for name in schema.required:
        if name in values:
            continue
        if any(name in level for level in levels):
            yield Fault(name, "is required and must not be null; give it a value")
        elif source is not None:
            yield Fault(name, f"is required and missing; give it a value {source}")
