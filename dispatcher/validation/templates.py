"""Checks a base job template whenever a pool is created or its template changes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from dispatcher.core.own_values import NAMES, OWN, PARAMETERS, SAMPLES, with_own
from dispatcher.core.placeholders import MISSING, Placeholder, is_looked_up, steps
from dispatcher.core.templates import (
    ENVIRONMENT,
    NONE,
    defaults,
    is_block_reference,
    joined,
    lookup,
    placeholders,
    render,
    resolve,
    texts,
)
from dispatcher.errors import Fault, InvalidTemplate, RenderError
from dispatcher.validation.environments import environment_faults
from dispatcher.validation.json_values import json_faults
from dispatcher.validation.messages import did_you_mean, dotted, got, one_line
from dispatcher.validation.schemas import compiled

MAX_BYTES = 256 * 1024

PARTS = ("job_configuration", "variables")
LOOKED_UP = (
    "would be looked up outside the template, which is never done; declare a variable and use it instead, "
    "and give a secret by a reference that the provider resolves"
)

_PROPERTIES = "variables.properties"


def check_base_job_template(template: Any) -> None:
    """Raise `InvalidTemplate` with every fault of a base job template.

    Templates exported from Prefect pass unmodified: keys beyond the two are ignored, placeholders in keys are plain text,
    defaults that refer to Prefect blocks are accepted where the variable names credentials (and left out of jobs).
    """
    if faults := base_job_template_faults(template):
        raise InvalidTemplate("base job template", one_line(faults))


def base_job_template_faults(template: Any) -> list[Fault]:
    """What `check_base_job_template` finds."""
    return _shape_faults(template) or json_faults(template, max_bytes=MAX_BYTES) or _faults(template)


def _shape_faults(template: Any) -> list[Fault]:
    if not isinstance(template, Mapping):
        return [Fault("", f"must be an object with `job_configuration` and `variables`{got(template)}")]
    faults = [fault for key in PARTS for fault in _part_faults(template, key)]
    return [*_key_faults(template), *faults]


def _key_faults(template: Mapping[str, Any]) -> Iterator[Fault]:
    """The fault of a key that is nearly one of the two; other unknown keys only cause a warning."""
    for key in template:
        if key not in PARTS and isinstance(key, str) and (fix := did_you_mean(key, PARTS)):
            yield Fault(key, f"is not part of a base job template{fix}")


def _part_faults(template: Mapping[str, Any], key: str) -> Iterator[Fault]:
    if key not in template:
        yield Fault(key, "is missing; a base job template has both `job_configuration` and `variables`")
    elif not isinstance(template[key], Mapping):
        yield Fault(key, f"must be an object{got(template[key])}")
    elif key == "job_configuration" and not template[key]:
        yield Fault(key, "is empty; say what the provider is to run")


def _faults(template: Mapping[str, Any]) -> list[Fault]:
    from dispatcher.validation.schema_checks import schema_faults  # noqa: PLC0415 - jsonschema, for a template that is saved

    variables = template["variables"]
    broken = schema_faults(variables) or [*_declaration_faults(variables)]
    configuration = template["job_configuration"]
    faults = [*broken, *_placeholder_faults(template), *_fixed_environment_faults(configuration)]
    faults += _block_faults(configuration, "job_configuration")
    if not broken:
        faults += _default_faults(variables)
    return faults or render_faults(template, {}, {})


def _declaration_faults(variables: Mapping[str, Any]) -> Iterator[Fault]:
    if variables.get("type", "object") != "object":
        yield Fault("variables.type", f'must be "object"{got(variables["type"])}')
    properties = variables.get("properties", {})
    for name in properties:
        if name == OWN:
            words = f"is reserved for the dispatcher's own values, as {{{{ {OWN}.{NAMES[0]} }}}}; choose another name"
            yield Fault(f"{_PROPERTIES}.{name}", words)
        if name == PARAMETERS:
            words = f"is reserved for the parameters of deployments, as {{{{ {PARAMETERS}.day }}}}; choose another name"
            yield Fault(f"{_PROPERTIES}.{name}", words)
        if not name or set(".[]") & set(name):
            yield Fault(f"{_PROPERTIES}.{name}", "cannot be reached: a variable's name is not empty and has no `.`, `[` or `]`")
    for index, name in enumerate(variables.get("required", ())):
        if name not in properties:
            fix = did_you_mean(name, properties) or "; declare it under `properties`"
            yield Fault(f"variables.required[{index}]", f"{name} is not declared{fix}")


def _placeholder_faults(template: Mapping[str, Any]) -> Iterator[Fault]:
    properties = template["variables"].get("properties")
    declared = properties if isinstance(properties, Mapping) else {}
    for placeholder in placeholders(template["job_configuration"]):
        root = steps(placeholder.name)[0]
        if root == OWN:
            yield from _own_faults(placeholder.name, joined("job_configuration", placeholder.path))
        elif root != PARAMETERS and (not is_looked_up(placeholder.name) or root not in declared):
            yield Fault(joined("job_configuration", placeholder.path), _undeclared(placeholder, str(root), declared))


def _own_faults(name: str, path: str) -> Iterator[Fault]:
    """The fault of an unknown name among the dispatcher's own values."""
    value = name.removeprefix(f"{OWN}.")
    if value not in NAMES:
        fix = did_you_mean(value, NAMES) or f"; there are {', '.join(NAMES)}"
        yield Fault(path, f"{{{{ {name} }}}} is not one of the dispatcher's own values{fix}")


def _undeclared(placeholder: Placeholder, root: str, declared: Mapping[str, Any]) -> str:
    name = f"{{{{ {placeholder.name} }}}}"
    if not is_looked_up(placeholder.name):
        return f"{name} {LOOKED_UP}"
    fix = did_you_mean(root, declared) or f"; declare it under `{_PROPERTIES}`"
    return f"{name} uses the undeclared variable {root}{fix}"


def _block_faults(value: Any, path: str) -> Iterator[Fault]:
    if isinstance(value, Mapping) and is_block_reference(value):
        yield Fault(path, "refers to a Prefect block, and blocks are not looked up; name an entry of the settings' credentials")
        return
    children = value.items() if isinstance(value, Mapping) else enumerate(value) if isinstance(value, list) else ()
    for step, child in children:
        yield from _block_faults(child, joined(path, step))


def _fixed_environment_faults(configuration: Mapping[str, Any]) -> Iterator[Fault]:
    """Faults of a fixed `env`, whose names the merged environment overrides. `env` may also be one placeholder."""
    if isinstance(configuration.get(ENVIRONMENT), Mapping):
        yield from environment_faults(configuration[ENVIRONMENT], f"job_configuration.{ENVIRONMENT}")


def _default_faults(variables: Mapping[str, Any]) -> list[Fault]:
    filled = {name: with_own(raw, {OWN: SAMPLES}) for name, raw in defaults(variables).items() if not names_parameters(raw)}
    values = {name: value for name, value in filled.items() if value is not MISSING}
    faults = [*environment_faults(values.get(ENVIRONMENT), _default_path([ENVIRONMENT]))]
    environment = values.pop(ENVIRONMENT, None)
    if environment is not None and not faults:
        values[ENVIRONMENT] = texts(environment)
    faults += _looked_up_faults(defaults(variables))
    return faults + compiled(variables).faults(values, _default_path, whole=False)


def names_parameters(default: Any) -> bool:
    """Whether only a run says what the default is."""
    return any(steps(placeholder.name)[0] == PARAMETERS for placeholder in placeholders(default))


def _looked_up_faults(values: Mapping[str, Any]) -> Iterator[Fault]:
    """Placeholders that Prefect would look up and that would be plain text here, and unknown ones of the dispatcher."""
    for name, value in values.items():
        root = f"{_PROPERTIES}.{name}.default"
        for placeholder in placeholders(value):
            path = joined(root, placeholder.path) if placeholder.path else root
            if steps(placeholder.name)[0] == OWN:
                yield from _own_faults(placeholder.name, path)
            elif not is_looked_up(placeholder.name):
                yield Fault(path, f"{{{{ {placeholder.name} }}}} {LOOKED_UP}")


def _default_path(path: list[str | int]) -> str:
    return dotted(path[1:], f"{_PROPERTIES}.{path[0]}.default")


def render_faults(
    template: Mapping[str, Any], run: Mapping[str, Any], deployment: Mapping[str, Any], parameters: Mapping[str, Any] = NONE
) -> list[Fault]:
    """Why variables and parameters that pass all other checks do not render."""
    try:
        render(template, run, deployment_variables=deployment, parameters=parameters)
    except RenderError as error:
        return _unfit(template, run, deployment, parameters) or [Fault("job_configuration", str(error))]
    return []


def _unfit(
    template: Mapping[str, Any], run: Mapping[str, Any], deployment: Mapping[str, Any], parameters: Mapping[str, Any]
) -> list[Fault]:
    """Every object and list that the template puts inside text; rendering reports only the first."""
    values = {PARAMETERS: parameters, **resolve(template, run, deployment_variables=deployment, parameters=parameters)}
    return [
        Fault(
            placeholder.name, f"must be text or a number: job_configuration.{placeholder.path} has it inside text{got(value)}"
        )
        for placeholder in placeholders(template["job_configuration"])
        if not placeholder.alone and isinstance(value := lookup(placeholder.name, values), (Mapping, list))
    ]
