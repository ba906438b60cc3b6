"""Parameters: what a job is to do. The deployment declares them; a schedule or the creator of a run gives values.

A deployment states a JSON Schema (`parameter_openapi_schema`, Prefect's word) and values; a schedule and a run bring values of
their own. Each parameter is replaced whole: the schema's default, then the deployment's value, then the run's. Null is a value.

A job gets them as environment variables: all of them as JSON in `DISPATCHER_PARAMETERS`, and each text, number and boolean also
as `DISPATCHER_PARAMETER_<NAME>`, if its name is fit for a variable. A base job template may name them as placeholders (`{{
parameters.day }}`), wherever it may name the dispatcher's own values. The claim pins them.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from dispatcher.core.own_values import PARAMETERS, names_own
from dispatcher.core.placeholders import placeholders, plain_copy, steps
from dispatcher.core.plain_schemas import decided, is_open
from dispatcher.core.redaction import ALL_PARAMETERS
from dispatcher.core.templates import defaults
from dispatcher.models import Deployment, Run

ONE = "DISPATCHER_PARAMETER_"
"""The prefix of the environment variables that hold one parameter."""

_IN_ENVIRONMENTS = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def merged(deployment: Deployment | None, own: Mapping[str, Any]) -> dict[str, Any]:
    """The parameters of a run whose own values are `own`."""
    if deployment is None:
        return plain_copy(own) if own else {}
    values = {**schema_defaults(deployment.parameter_openapi_schema), **deployment.parameters, **own}
    return plain_copy(values) if values else {}


def schema_defaults(schema: Mapping[str, Any]) -> dict[str, Any]:
    """The default values of a schema."""
    properties = schema.get("properties") or {}
    return {name: part["default"] for name, part in properties.items() if isinstance(part, Mapping) and "default" in part}


def parameters_of(run: Run, deployment: Deployment | None) -> Mapping[str, Any]:
    """The parameters of a run: those that its claim has pinned, or would pin now."""
    if run.job is None:
        return merged(deployment, run.parameters)
    pinned: Mapping[str, Any] = json.loads(run.job.environment.get(ALL_PARAMETERS, "{}"))
    return pinned


def misfits(deployment: Deployment, values: Mapping[str, Any]) -> Iterator[str]:
    """Why parameters do not fit their deployment's schema, one line per fault, without a library.

    What a tick cannot decide (`core.plain_schemas.OPEN`: patterns and other rare keywords) is left to the job.
    """
    schema = deployment.parameter_openapi_schema
    declared = schema.get("properties") or {}
    for name in schema.get("required") or ():
        if name not in values:
            yield f"parameters.{name} is required and missing"
    for name, value in values.items() if schema else ():
        if name not in declared and not is_open(schema):
            yield f"parameters.{name} is not a parameter of it"
        elif name in declared and decided(declared[name], plain_copy(value), schema) is False:
            yield f"parameters.{name} does not fit its schema ({dict(in_words(schema))[name]})"


def in_words(schema: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Each parameter that a schema declares, with what it takes: `integer, default 10`."""
    required = schema.get("required") or ()
    for name, part in (schema.get("properties") or {}).items():
        declared = part if isinstance(part, Mapping) else {}
        words = [" or ".join(types_of(declared)) or "anything"]
        words += ["required"] if name in required and "default" not in declared else []
        words += [f"default {as_json(declared['default'])}"] if "default" in declared else []
        yield name, ", ".join(words)


def parameter_environment(values: Mapping[str, Any]) -> dict[str, str]:
    """The environment variables of a job with these parameters; empty if there are no parameters."""
    if not values:
        return {}
    texts = {variable: _text(value) for name, value in values.items() if (variable := variable_of(name))}
    return {ALL_PARAMETERS: as_json(values), **{variable: text for variable, text in texts.items() if text is not None}}


def as_json(values: Any) -> str:
    """JSON as a job gets it: equal values give equal text."""
    return json.dumps(values, ensure_ascii=False, separators=(",", ":"), sort_keys=True)


def variable_of(name: str) -> str | None:
    """The environment variable of one parameter; None if the name is not fit for a variable."""
    return f"{ONE}{name.upper()}" if _IN_ENVIRONMENTS.fullmatch(name) else None


def named_in(template: Mapping[str, Any], levels: Iterable[Mapping[str, Any]] = ()) -> dict[str, str]:
    """The parameters that a template's placeholders name, each with one such placeholder.

    `levels` are job variables that override defaults: the placeholders of an overridden default do not count.
    """
    overridden = {name.partition(".")[0] for level in levels if isinstance(level, Mapping) for name in level}
    texts = [template["job_configuration"]]
    texts += [value for name, value in defaults(template["variables"]).items() if name not in overridden and names_own(value)]
    return {name: placeholder for text in texts for name, placeholder in _named(text)}


def _named(text: Any) -> Iterator[tuple[str, str]]:
    for placeholder in placeholders(text):
        root, *rest = steps(placeholder.name)
        if root == PARAMETERS and rest:
            yield str(rest[0]), placeholder.name


def types_of(declared: Any) -> list[str]:
    """The types that a schema names; empty if it names none."""
    if not isinstance(declared, Mapping):
        return []
    kinds = declared.get("type")
    if kinds is None:
        return [kind for part in declared.get("anyOf") or () for kind in types_of(part)]
    return kinds if isinstance(kinds, list) else [str(kinds)]


def _text(value: Any) -> str | None:
    """A scalar as text, as JSON has it; None for everything else."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if isinstance(value, str | int | float) else None
