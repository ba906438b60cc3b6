"""A configuration as people write it: its models, derived from the fields of `dispatcher.models`, its faults, its JSON Schema.

    pools:
      nightly:                          # WorkPool
        type: ecs:push
        queues:
          critical: {priority: 1}       # WorkQueue
        hooks:
          ops: {states: [FAILED]}         # Hook
    deployments:
      etl:                              # Deployment
        pool: nightly
        schedules:
          daily: {cron: 30 6 * * *}     # Schedule
        retry: {attempts: 3}            # RetryPolicy
    automations:
      breaker:                          # Automation
        when: {ended: {states: [CRASHED], deployment: etl, count: 3}}
        then: [{pause: {deployment: etl}}]

Nouns of one kind are an object by name. Fields that stores and ticks maintain are not part of a configuration.
"""

from __future__ import annotations

import ast
import inspect
import json
from collections.abc import Iterator, Mapping
from dataclasses import MISSING, is_dataclass
from functools import cache
from types import NoneType
from typing import Annotated, Any, Literal, get_args, get_origin, get_type_hints

from annotated_types import Len
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, WithJsonSchema, create_model

from dispatcher import models
from dispatcher.core.changes import LEFT_ALONE, configured, identity_of
from dispatcher.core.placeholders import joined
from dispatcher.errors import Fault
from dispatcher.models import Automation, Deployment, Hook, Name, Owner, RetryPolicy, RunEnded, RunState, WorkPool, WorkQueue
from dispatcher.validation.json_values import json_faults
from dispatcher.validation.messages import did_you_mean, got
from dispatcher.validation.nouns import NAME_RULE, sentence
from dispatcher.validation.time_types import WRITTEN

MAX_BYTES = 16 * 1024 * 1024

SCHEMA_DIALECT = "https://json-schema.org/draft/2020-12/schema"

VARIABLES: Mapping[str, Any] = {
    "description": "Names that `${NAME}` stands for in this file's values, each with its default; null: --var has to give it.",
    "type": "object",
    "additionalProperties": {"type": ["string", "number", "boolean", "null"]},
}
"""What the command line replaces before a configuration is read."""
OWNER = (
    "Whose pools and deployments these are, where one does not say it itself. Those of other owners are left as they are: "
    "neither changed, nor listed, nor deleted by --prune."
)
ASIDE = "x-"
"""Top-level keys with this prefix belong to the author; they hold anchors."""

_TEMPLATE = WithJsonSchema(
    {
        "anyOf": [
            {
                "type": "object",
                "properties": {"job_configuration": {"type": "object"}, "variables": {"type": "object"}},
                "required": ["job_configuration", "variables"],
            },
            {"type": "string", "description": "A JSON or YAML file, seen from the folder of this one."},
        ]
    }
)
_WRITTEN: Mapping[tuple[type[Any], str], tuple[Any, str]] = {
    (WorkPool, "base_job_template"): (
        Annotated[Any, _TEMPLATE],
        "Inline, or the path of a file; left out: the default base job template of the pool's type.",
    ),
    (WorkPool, "queues"): (None, "By name; `default` is always among them, last where nothing else is said."),
    (WorkQueue, "priority"): (None, "Unique in its pool; 1 is served first. Left out: after all others, in the order given."),
    (RetryPolicy, "states"): (
        Annotated[frozenset[Literal[RunState.FAILED, RunState.CRASHED]], Len(1)],
        "FAILED (ended with an error), CRASHED (lost, stopped from outside, or not started in time); left out: both.",
    ),
    (Hook, "states"): (
        frozenset[Literal[RunState.COMPLETED, RunState.FAILED, RunState.CRASHED, RunState.CANCELLED]],
        "The terminal states that notify the hook; a retried run notifies only of its last end. Left out: FAILED and CRASHED.",
    ),
    (RunEnded, "states"): (
        Annotated[frozenset[Literal[RunState.COMPLETED, RunState.FAILED, RunState.CRASHED, RunState.CANCELLED]], Len(1)],
        "The terminal states; a run that is retried counts by its last attempt.",
    ),
}
"""Fields with another type than in `dispatcher.models` (None: the same type) or another description. All are optional but for
`REQUIRED`."""

REQUIRED = frozenset({(RunEnded, "states")})


NOUNS: Mapping[str, type[Any]] = {"pools": WorkPool, "deployments": Deployment, "automations": Automation}
"""The top-level keys of a file."""


class ConfigurationEntry(BaseModel):
    """The base of all models of nouns: unknown keys are refused."""

    model_config = ConfigDict(extra="forbid")


def configuration_schema() -> dict[str, Any]:
    """The JSON Schema of a configuration file (draft 2020-12)."""
    schema = TypeAdapter(file_model()).json_schema()
    aside = {f"^{ASIDE}": {"description": "Your own: a place for anchors."}, "^variables$": VARIABLES}
    return {"$schema": SCHEMA_DIALECT, **schema, "title": "push-dispatcher configuration", "patternProperties": aside}


def configuration_faults(value: Any) -> list[Fault]:
    """Every unknown key and every value of a wrong type; empty if `entries` can read the configuration."""
    if not isinstance(value, Mapping):
        return [Fault("", f"must be an object with `pools`, `deployments` and `automations`{got(value)}")]
    if faults := json_faults(value, max_bytes=MAX_BYTES):
        return faults
    try:
        file_model().model_validate_json(_text(value), strict=True)
    except ValidationError as error:
        return list(_faults(error, file_model()))
    return []


def entry_faults(noun: type[Any], value: Any) -> list[Fault]:
    """The same for one noun without a name."""
    if not isinstance(value, Mapping):
        return [Fault("", f"must be an object{got(value)}")]
    if faults := json_faults(value, max_bytes=MAX_BYTES):
        return faults
    model: type[ConfigurationEntry] = entry_model(noun)  # type: ignore[arg-type]  # a class can be hashed
    try:
        model.model_validate_json(json.dumps(value), strict=True)
    except ValidationError as error:
        return list(_faults(error, model))
    return []


def entries(value: Mapping[str, Any]) -> BaseModel:
    """A configuration without faults, as models."""
    return file_model().model_validate_json(_text(value), strict=True)


@cache
def file_model() -> type[BaseModel]:
    """The whole file."""
    nouns: dict[str, Any] = {name: (_by_name(noun), Field({}, description=_first_line(noun))) for name, noun in NOUNS.items()}
    nouns["owner"] = (Owner, Field("", description=OWNER))
    return create_model("Configuration", __base__=ConfigurationEntry, **nouns)


@cache
def entry_model(noun: type[Any]) -> type[ConfigurationEntry]:
    """The model of one noun, without its name."""
    hints, words = get_type_hints(noun, include_extras=True), _docstrings().get(noun.__name__, {})
    entry_fields = {field.name: _field(noun, field, hints[field.name], words) for field in configured(noun)}
    return create_model(noun.__name__, __base__=ConfigurationEntry, __doc__=_first_line(noun), **entry_fields)


def _field(noun: type[Any], field: Any, hint: Any, words: Mapping[str, str]) -> Any:
    text = words.get(field.name, "").replace("None means", "null means")
    written, description = _WRITTEN.get((noun, field.name), (None, text))
    if field.name in LEFT_ALONE:
        description = f"{description} Left out: as it is."
    kind = written or _kind(hint)
    optional = (noun, field.name) in _WRITTEN.keys() - REQUIRED
    required = field.default is MISSING and field.default_factory is MISSING and not optional
    if required:
        return (kind, Field(description=description))
    default = None if field.default is MISSING else field.default
    shown = default if isinstance(default, str | int | float | NoneType) and (noun, field.name) not in _WRITTEN else None
    extra = {} if shown is None else {"default": shown}
    return (kind, Field(None, description=description, validate_default=False, json_schema_extra=_default(extra)))


def _default(extra: dict[str, Any]) -> Any:
    """Write the default into the schema only; the model has to know whether a key was written."""

    def write_default(schema: dict[str, Any]) -> None:
        schema.pop("default", None)
        schema.pop("title", None)
        schema.update(extra)

    return write_default


def _kind(hint: Any) -> Any:
    """The type of a field in a file: nouns become models, and several nouns become an object by name."""
    arguments = get_args(hint)
    if get_origin(hint) is tuple and arguments and is_dataclass(arguments[0]):
        noun: Any = arguments[0]
        return _by_name(noun) if identity_of(noun) else tuple[entry_model(noun), ...]  # type: ignore[misc]  # made at run time
    if is_dataclass(hint):
        return entry_model(hint)  # type: ignore[arg-type]  # a class
    if NoneType in arguments and any(is_dataclass(argument) for argument in arguments):
        [noun] = [argument for argument in arguments if argument is not NoneType]
        return entry_model(noun) | None
    kinds = [argument for argument in arguments if argument is not NoneType] or [hint]
    if len(kinds) == 1 and kinds[0] in WRITTEN:
        return WRITTEN[kinds[0]] | None if NoneType in arguments else WRITTEN[kinds[0]]
    return hint


def _by_name(noun: Any) -> Any:
    return dict[Name, entry_model(noun)]  # type: ignore[misc]  # made at run time


def _text(value: Mapping[str, Any]) -> str:
    return json.dumps({name: inner for name, inner in value.items() if not name.startswith(ASIDE)})


def _faults(error: ValidationError, model: Any) -> Iterator[Fault]:
    for detail in error.errors(include_url=False):
        steps = [step for step in detail["loc"] if step != "[key]"]
        path = ""
        for step in steps:
            path = joined(path, step)
        field = next((step for step in reversed(steps) if isinstance(step, str)), "")
        if detail["type"] == "extra_forbidden":
            yield Fault(path, f"is not a key here{_nearest(model, steps)}")
        elif detail["type"] == "missing":
            yield Fault(path, "is missing; give it a value")
        elif "[key]" in detail["loc"]:
            yield Fault(path, f"as a name {NAME_RULE}")
        else:
            yield Fault(path, sentence(_holder(model, steps, field), field, detail) + got(detail["input"]))


def _nearest(model: Any, steps: list[Any]) -> str:
    """The closest valid key for an unknown one, or all valid keys."""
    names = list(_below(model, steps[:-1]).model_fields)
    return did_you_mean(str(steps[-1]), names) or f"; the keys are {', '.join(names)}"


def _holder(model: Any, steps: list[Any], field: str) -> str:
    """The noun that has the field at this path."""
    outer = steps[: len(steps) - steps[::-1].index(field) - 1] if field in steps else []
    return getattr(_below(model, outer), "__name__", "")


def _below(model: Any, steps: list[Any]) -> Any:
    for step in steps:
        model = _inner(model, step)
    return model


def _inner(model: Any, step: Any) -> Any:
    """One step down: the model of a field, or of the values of a dictionary."""
    inner = [argument for argument in get_args(model) if argument is not ...]
    hint: Any = model.model_fields[step].annotation if hasattr(model, "model_fields") else inner[-1]
    arguments = [argument for argument in get_args(hint) if argument is not NoneType]
    if isinstance(hint, type) and issubclass(hint, BaseModel):
        return hint
    return arguments[0] if len(arguments) == 1 else hint


def _first_line(noun: type[Any]) -> str:
    return (inspect.getdoc(noun) or "").partition("\n")[0]


@cache
def _docstrings() -> Mapping[str, Mapping[str, str]]:
    """The docstrings of the fields of each noun; empty if the source is not available."""
    try:
        sources = [inspect.getsource(noun) for noun in vars(models).values() if isinstance(noun, type) and is_dataclass(noun)]
    except OSError:
        return {}
    nouns = (noun for source in sources for noun in ast.parse(source).body)
    return {noun.name: dict(_described(noun)) for noun in nouns if isinstance(noun, ast.ClassDef)}


def _described(noun: ast.ClassDef) -> Iterator[tuple[str, str]]:
    for field, words in zip(noun.body, noun.body[1:], strict=False):
        match field, words:
            case ast.AnnAssign(target=ast.Name(id=name)), ast.Expr(value=ast.Constant(value=str(text))):
                yield name, " ".join(text.split())
