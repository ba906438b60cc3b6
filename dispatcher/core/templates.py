"""Base job templates: from a pool's template and the variables of three levels to one job configuration.

The levels are the pool's defaults, the deployment's variables and the run's own; a later one wins. Rules that Prefect does not
have, or has differently (all its other rules are kept):

* `env` is merged name by name over the levels; null removes a name, even one that the template itself sets. Its values are
  plain text: numbers and booleans become text as in JSON (`true`), and placeholders in them are not filled. `env: null` sets
  nothing, like an empty `env:` in a YAML file. Every `{{ env }}`, however deep, sees the merged names.
* Every other variable is replaced whole. Null leaves it out, even if there is a default or a value of the deployment.
* A dotted name sets one field at its own level: `env.NAME`, or `d.a` for the field `a` of the variable `d`. So a run's value
  wins over its deployment's in every spelling. Within one level the undotted spelling wins over the dotted one.
* `{{ dispatcher.run_id }}` and the like are the dispatcher's own values (`dispatcher.core.own_values`), `{{ parameters.day }}`
  and the like the run's parameters (`dispatcher.core.parameters`). The job configuration and the defaults may name them.
* A default that refers to a Prefect block (`{"$ref": {"block_document_id": ...}}`) is left out where the variable names
  credentials: blocks stay in Prefect, and without a name the host's own identity is used.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cached_property, reduce
from itertools import chain
from typing import Any

from dispatcher.core.own_values import OWN, PARAMETERS, SAMPLES, Reserved, names_own, with_own
from dispatcher.core.placeholders import MAX_DEPTH, MISSING, Filler, Placeholder, fill, filler, joined, lookup, placeholders
from dispatcher.errors import RenderError

__all__ = ["MISSING", "Placeholder", "Renderer", "defaults", "fill", "is_block_reference", "joined", "lookup", "names_block",
           "nest", "placeholders", "render", "resolve", "texts", "with_defaults"]  # fmt: skip

ENVIRONMENT = "env"
NONE: Mapping[str, Any] = {}


class Renderer:
    """Renders the runs of one base job template, which is read once."""

    def __init__(self, base_job_template: Mapping[str, Any]) -> None:
        self._template = base_job_template

    def render(
        self,
        job_variables: Mapping[str, Any],
        *,
        deployment_variables: Mapping[str, Any] | None = None,
        own: Mapping[str, Any] = SAMPLES,
        parameters: Mapping[str, Any] = NONE,
    ) -> dict[str, Any]:
        """See `render`."""
        reserved = _reserved(self._template, own, parameters)
        levels = (_of_run(self._defaults, reserved), nest(deployment_variables or {}), nest(job_variables))
        merged = _merged_environment(levels)
        configuration: dict[str, Any] = self._filler({**_values(levels, merged), **reserved})
        if isinstance(self._template["job_configuration"].get(ENVIRONMENT), Mapping):
            configuration[ENVIRONMENT] = texts({**configuration[ENVIRONMENT], **(merged or {})})
        return configuration

    @cached_property
    def _defaults(self) -> Mapping[str, Any]:
        return defaults(self._template["variables"])

    @cached_property
    def _filler(self) -> Filler:
        return filler(self._template["job_configuration"])


def render(
    base_job_template: Mapping[str, Any],
    job_variables: Mapping[str, Any],
    *,
    deployment_variables: Mapping[str, Any] | None = None,
    own: Mapping[str, Any] = SAMPLES,
    parameters: Mapping[str, Any] = NONE,
) -> dict[str, Any]:
    """The filled job configuration, before the provider reads it. Equal inputs give equal bytes; the result shares no object
    with them.

    `own` are the dispatcher's own values of the run, or samples if there is no run yet. `parameters` are all
    parameters of the run.

    Raises `RenderError`, but never for input that `dispatcher.validation` accepts.
    """
    renderer = Renderer(base_job_template)
    return renderer.render(job_variables, deployment_variables=deployment_variables, own=own, parameters=parameters)


def resolve(
    base_job_template: Mapping[str, Any],
    job_variables: Mapping[str, Any],
    *,
    deployment_variables: Mapping[str, Any] | None = None,
    parameters: Mapping[str, Any] = NONE,
) -> dict[str, Any]:
    """The value of each variable for a job; variables without a value are left out."""
    low = _of_run(defaults(base_job_template["variables"]), _reserved(base_job_template, SAMPLES, parameters))
    levels = low, nest(deployment_variables or {}), nest(job_variables)
    return _values(levels, _merged_environment(levels))


def nest(variables: Mapping[str, Any]) -> dict[str, Any]:
    """One level's variables, with dotted names turned into nested objects.

    Raises `RenderError` for a name with an empty part, and where two spellings cannot both be meant.
    """
    dotted = sorted(name for name in variables if "." in name)
    if not dotted:
        return dict(variables)
    plain = {name: value for name, value in variables.items() if "." not in name and (name, value) != (ENVIRONMENT, None)}
    return reduce(_over, [*(_unfolded(name, variables[name]) for name in dotted), plain])


def defaults(variables: Mapping[str, Any]) -> dict[str, Any]:
    """The pool's level: every default except null and references to Prefect blocks."""
    values = {
        name: schema["default"]
        for name, schema in (variables.get("properties") or {}).items()
        if isinstance(schema, Mapping) and schema.get("default") is not None
    }
    left_out = [name for name, value in values.items() if is_block_reference(value)]
    return {
        name: value
        for name, value in values.items()
        if name not in left_out or not names_block(variables["properties"][name], variables)
    }


def with_defaults(base_job_template: Mapping[str, Any], job_variables: Mapping[str, Any]) -> dict[str, Any]:
    """The template with these values as the defaults of its variables; the names of `env` are added to those it has.

    The variables have passed `dispatcher.validation` with this template: each of them is declared.
    """
    schema = base_job_template["variables"]
    values = nest(job_variables)
    if isinstance(values.get(ENVIRONMENT), Mapping):
        values[ENVIRONMENT] = {**(defaults(schema).get(ENVIRONMENT) or {}), **values[ENVIRONMENT]}
    properties = {
        name: {**declared, "default": values[name]} if name in values else declared
        for name, declared in schema["properties"].items()
    }
    return {**base_job_template, "variables": {**schema, "properties": properties}}


def texts(environment: Mapping[str, Any]) -> dict[str, str]:
    """Environment variables as text, sorted by name, without those that are null."""
    return {name: _text(name, environment[name]) for name in sorted(environment) if environment[name] is not None}


def is_block_reference(value: Any) -> bool:
    """Whether Prefect stores this value in place of a block: a document id, or a `{{ prefect.blocks... }}` placeholder."""
    if isinstance(value, Mapping):
        reference = value.get("$ref")
        return isinstance(reference, Mapping) and "block_document_id" in reference
    return isinstance(value, str) and any(placeholder.name.startswith("prefect.blocks.") for placeholder in placeholders(value))


def names_block(schema: Any, variables: Mapping[str, Any]) -> bool:
    """True when a variable's schema refers to a Prefect block type: it then takes the name of a settings entry.

    `variables` is the whole schema, in whose `definitions` or `$defs` the reference ends. Only one step of `$ref` is
    followed from each alternative, which is all that Prefect writes.
    """
    parts = [schema, *chain.from_iterable(_alternatives(schema))] if isinstance(schema, Mapping) else []
    return any(_is_block(part) or _is_block(_definition(part, variables)) for part in parts)


def _reserved(template: Mapping[str, Any], own: Mapping[str, Any], parameters: Mapping[str, Any]) -> Reserved:
    """The values that no variable can override. A template that was saved before parameters existed may have a variable named
    `parameters`, and keeps it.
    """
    declared = template["variables"].get("properties") or {}
    return {OWN: own} if PARAMETERS in declared else {OWN: own, PARAMETERS: parameters}


def _of_run(values: Mapping[str, Any], own: Reserved) -> Mapping[str, Any]:
    """The pool's level for one run: reserved values are filled into the defaults, and a default that becomes empty is
    dropped.
    """
    named = {name: with_own(value, own) for name, value in values.items() if names_own(value)}
    return {name: value for name, value in {**values, **named}.items() if value is not MISSING} if named else values


def _values(levels: Iterable[Mapping[str, Any]], environment: Mapping[str, Any] | None) -> dict[str, Any]:
    values = {name: value for level in levels for name, value in level.items()}
    values[ENVIRONMENT] = None if environment is None else texts(environment)
    return {name: value for name, value in values.items() if value is not None}


def _merged_environment(levels: Iterable[Mapping[str, Any]]) -> dict[str, Any] | None:
    """The names of all levels, with null for each name to remove; None if no level sets an environment."""
    environments = [level[ENVIRONMENT] for level in levels if level.get(ENVIRONMENT) is not None]
    if not all(isinstance(environment, Mapping) for environment in environments):
        raise RenderError("env: must be an object of names and texts")
    return {name: value for environment in environments for name, value in environment.items()} if environments else None


def _text(name: str, value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (str, int, float)):
        return str(value)
    raise RenderError(f"env.{name}: must be text, a number or a boolean; an environment variable holds nothing else")


def _unfolded(name: str, value: Any) -> dict[str, Any]:
    """`a.b.c` as nested objects; everything after `env.` is one name, with its dots."""
    parts = name.split(".", 1) if name.startswith(f"{ENVIRONMENT}.") else name.split(".")
    if not all(parts):
        raise RenderError(f"{name!r} has an empty part between its dots; write it as `variable.field`")
    if len(parts) > MAX_DEPTH:
        raise RenderError(f"{name[:80]!r} nests more than {MAX_DEPTH} levels deep; flatten it")
    return reduce(lambda inner, part: {part: inner}, reversed(parts), value)


def _over(low: dict[str, Any], high: Mapping[str, Any], path: str = "") -> dict[str, Any]:
    """Both spellings merged; fields of `high` win. Every level that both have becomes a new object."""
    merged = dict(low)
    for name, value in high.items():
        merged[name] = _either(low[name], value, joined(path, name)) if name in low else value
    return merged


def _either(low: Any, high: Any, path: str) -> Any:
    if isinstance(low, Mapping) and isinstance(high, Mapping):
        return _over(dict(low), high, path)
    if isinstance(low, Mapping) or isinstance(high, Mapping):
        raise RenderError(f"{path}: is given both whole and in parts (dotted names); give it one way")
    return high


def _alternatives(schema: Mapping[str, Any]) -> Iterable[list[Any]]:
    return (schema[word] for word in ("allOf", "anyOf", "oneOf") if isinstance(schema.get(word), list))


def _definition(schema: Any, variables: Mapping[str, Any]) -> Any:
    """What a `$ref` to `#/definitions/X` or `#/$defs/X` points at."""
    reference = schema.get("$ref") if isinstance(schema, Mapping) else None
    if not isinstance(reference, str):
        return None
    _, _, way = reference.partition("#/")
    shelf, _, name = way.partition("/")
    return (variables.get(shelf) or {}).get(name) if shelf in ("definitions", "$defs") else None


def _is_block(schema: Any) -> bool:
    return isinstance(schema, Mapping) and isinstance(schema.get("block_type_slug"), str)
