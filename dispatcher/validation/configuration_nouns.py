"""Makes nouns from a configuration, with stored values for fields that the configuration does not name."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from typing import Any, get_args, get_origin, get_type_hints

from dispatcher.core.changes import ABSENT, KEPT, LEFT_ALONE, Configuration, default_of, identity_of
from dispatcher.core.placeholders import joined
from dispatcher.core.queues import last_priority
from dispatcher.core.written import holds_words, without_words
from dispatcher.errors import Fault, InvalidInput
from dispatcher.models import DEFAULT_QUEUE, Automation, Deployment, RetryPolicy, WorkPool, WorkQueue
from dispatcher.validation.coercion import coerced_parameters, coerced_schema, coerced_template, coerced_variables
from dispatcher.validation.configuration import ConfigurationEntry, configuration_faults, entries, entry_faults, entry_model
from dispatcher.validation.messages import one_line
from dispatcher.validation.templates import base_job_template_faults


@dataclass(frozen=True, slots=True, kw_only=True)
class NewNouns:
    """The first values of a new noun."""

    kept: Callable[[], Mapping[str, Any]]
    """Values of fields that stores maintain: a new id, the time of creation."""
    template: Callable[[str], Mapping[str, Any]]
    """The default base job template of a pool type."""


TEMPLATE, VARIABLES = "base_job_template", "job_variables"
PARAMETERS, SCHEMA = "parameters", "parameter_openapi_schema"

_NOTHING_KEPT = NewNouns(kept=dict, template=lambda _type: {})


def read_configuration(value: Any, stored: Configuration, new: NewNouns) -> Configuration:
    """The nouns of a configuration, merged with the stored ones.

    Raises `InvalidInput` with every unknown key and every value of a wrong type. Whether the nouns fit together is checked
    elsewhere.
    """
    value = _settled(value, stored, new)
    if faults := configuration_faults(value):
        raise InvalidInput("configuration", one_line(faults))
    read: Any = entries(value)
    nouns = stored.nouns
    pools = [
        _pool(name, entry, nouns.get(("work pool", name)), new, _owner(entry, read.owner)) for name, entry in read.pools.items()
    ]
    deployments = [
        _built(Deployment, name, entry, nouns.get(("deployment", name)), new, **_owner(entry, read.owner))
        for name, entry in read.deployments.items()
    ]
    automations = [
        _built(Automation, name, entry, nouns.get(("automation", name)), new, **_owner(entry, read.owner))
        for name, entry in read.automations.items()
    ]
    return Configuration(pools=tuple(pools), deployments=tuple(deployments), automations=tuple(automations))


def read_retry(value: Any, field: str) -> RetryPolicy:
    """A retry policy out of JSON's values, as a configuration holds one. Raises `InvalidInput` with paths under `field`."""
    if faults := entry_faults(RetryPolicy, value):
        raise InvalidInput(
            "retry policy",
            one_line(Fault(joined(field, fault.path) if fault.path else field, fault.message) for fault in faults),
        )
    entry = entry_model(RetryPolicy).model_validate_json(json.dumps(value), strict=True)
    policy: RetryPolicy = _built(RetryPolicy, None, entry, None, _NOTHING_KEPT)
    return policy


def _settled(value: Any, stored: Configuration, new: NewNouns) -> Any:
    """The configuration, with every value that keeps its spelling converted by the schema of its template."""
    if not isinstance(value, Mapping) or not holds_words(value):
        return value
    pools, deployments = _entries(value, "pools"), _entries(value, "deployments")
    settled = {
        name: {**pool, TEMPLATE: coerced_template(pool.get(TEMPLATE))} for name, pool in pools.items() if TEMPLATE in pool
    }
    templates: dict[str, Any] = {pool.name: pool.base_job_template for pool in stored.pools}
    for name, pool in (pools | settled).items():
        templates[name] = pool.get(TEMPLATE) or (new.template(pool["type"]) if isinstance(pool.get("type"), str) else None)
    for name, written in deployments.items():
        deployments[name] = deployment = _with_parameters(written)
        template = templates.get(str(deployment.get("pool")))
        if VARIABLES in deployment and template is not None and not base_job_template_faults(template):
            deployments[name] = {**deployment, VARIABLES: coerced_variables(template, deployment[VARIABLES])}
        if template is not None and not base_job_template_faults(template):
            deployments[name] = _with_schedules(deployments[name], template)
    automations = _with_values(_entries(value, "automations"), deployments, templates, stored)
    changed: dict[str, Mapping[str, Any]] = {"pools": settled, "deployments": deployments, "automations": automations}
    return without_words({key: {**part, **changed[key]} if changed.get(key) else part for key, part in value.items()})


def _with_parameters(deployment: Mapping[str, Any]) -> Mapping[str, Any]:
    """The deployment, with its schema of parameters and all values of parameters converted by it."""
    settled, schema = dict(deployment), {}
    if SCHEMA in settled:
        settled[SCHEMA] = schema = coerced_schema(settled[SCHEMA])
    if PARAMETERS in settled:
        settled[PARAMETERS] = coerced_parameters(schema, settled[PARAMETERS])
    schedules = {
        slug: {**schedule, PARAMETERS: coerced_parameters(schema, schedule[PARAMETERS])}
        for slug, schedule in _entries(settled, "schedules").items()
        if PARAMETERS in schedule
    }
    return {**settled, "schedules": {**settled["schedules"], **schedules}} if schedules else settled


def _with_schedules(deployment: Mapping[str, Any], template: Mapping[str, Any]) -> Mapping[str, Any]:
    """The deployment, with the job variables of its schedules converted likewise."""
    settled = {
        slug: {**schedule, VARIABLES: coerced_variables(template, schedule[VARIABLES])}
        for slug, schedule in _entries(deployment, "schedules").items()
        if VARIABLES in schedule
    }
    return {**deployment, "schedules": {**deployment["schedules"], **settled}} if settled else deployment


def _with_values(
    automations: dict[str, Any], deployments: Mapping[str, Any], templates: Mapping[str, Any], stored: Configuration
) -> dict[str, Any]:
    """The automations, with the job variables and parameters of the runs that they make converted likewise."""
    schemas = {deployment.name: deployment.parameter_openapi_schema for deployment in stored.deployments}
    pools = {deployment.name: deployment.pool for deployment in stored.deployments}
    for name, deployment in deployments.items():
        schemas[name], pools[name] = deployment.get(SCHEMA, {}), str(deployment.get("pool"))

    def settled(then: Any) -> Any:
        action = then.get("run") if isinstance(then, Mapping) else None
        if not isinstance(action, Mapping):
            return then
        name, values = str(action.get("deployment")), dict(action)
        template = templates.get(pools.get(name, ""))
        if VARIABLES in action and template is not None and not base_job_template_faults(template):
            values[VARIABLES] = coerced_variables(template, action[VARIABLES])
        if PARAMETERS in action:
            values[PARAMETERS] = coerced_parameters(schemas.get(name, {}), action[PARAMETERS])
        return {**then, "run": values}

    return {
        name: {**automation, "then": list(map(settled, automation["then"]))}
        if isinstance(automation.get("then"), list)
        else automation
        for name, automation in automations.items()
    }


def _entries(value: Mapping[str, Any], kind: str) -> dict[str, Mapping[str, Any]]:
    nouns = value.get(kind)
    items = nouns.items() if isinstance(nouns, Mapping) else ()
    return {name: noun for name, noun in items if isinstance(noun, Mapping)}


def _owner(entry: Any, owner: str) -> dict[str, Any]:
    """The file's owner, unless the entry names one itself."""
    return {} if "owner" in entry.model_fields_set else {"owner": owner}


def _pool(name: str, entry: Any, stored: Any, new: NewNouns, overrides: dict[str, Any]) -> WorkPool:
    queues = _queues(entry.queues or {}, {queue.name: queue for queue in stored.queues} if stored else {}, new)
    overrides["queues"] = queues
    if entry.base_job_template is None:
        overrides["base_job_template"] = new.template(entry.type)
    pool: WorkPool = _built(WorkPool, name, entry, stored, new, **overrides)
    return pool


def _queues(written: Mapping[str, Any], stored: Mapping[str, WorkQueue], new: NewNouns) -> tuple[WorkQueue, ...]:
    """Queues by priority. Queues without a number follow those with one, in their order, `default` last."""
    if DEFAULT_QUEUE not in written:
        written = {**written, DEFAULT_QUEUE: entry_model(WorkQueue)()}
    numbered = [name for name, entry in written.items() if entry.priority is not None]
    placed: list[WorkQueue] = []
    for name in [*numbered, *(name for name in written if name not in numbered)]:
        priority = {} if name in numbered else {"priority": last_priority(placed)}
        placed.append(_built(WorkQueue, name, written[name], stored.get(name), new, **priority))
    return tuple(sorted(placed, key=lambda queue: queue.priority))


def _built(noun: type[Any], name: str | None, entry: Any, stored: Any, new: NewNouns, **overrides: Any) -> Any:
    """A noun from its entry, merged with the stored noun. Raises `KeyError` for a field without any value."""
    hints, kept, identity = get_type_hints(noun), new.kept(), identity_of(noun)
    values = {identity: name, **overrides} if identity else overrides
    for field in fields(noun):
        if field.name in values:
            continue
        if field.name in entry.model_fields_set and field.name not in KEPT:
            before = getattr(stored, field.name, None)
            values[field.name] = _value(getattr(entry, field.name), hints[field.name], before, new)
        elif stored is not None and field.name in KEPT | LEFT_ALONE:
            values[field.name] = getattr(stored, field.name)
        elif field.name in KEPT and field.name in kept:
            values[field.name] = kept[field.name]
        elif (default := default_of(field)) is not ABSENT:
            values[field.name] = default
    return noun(**values)


def _value(written: Any, hint: Any, stored: Any, new: NewNouns) -> Any:
    """A written value, with nouns in place of their entries."""
    nouns = [noun for noun in (hint, *get_args(hint)) if isinstance(noun, type)]
    if isinstance(written, ConfigurationEntry):
        return _built(nouns[0], None, written, stored, new)
    if isinstance(written, Mapping) and any(isinstance(entry, ConfigurationEntry) for entry in written.values()):
        identity = identity_of(nouns[0]) or ""
        before = {getattr(noun, identity): noun for noun in stored or ()}
        return tuple(_built(nouns[0], name, entry, before.get(name), new) for name, entry in written.items())
    if isinstance(written, tuple):
        return tuple(_value(entry, hint, None, new) for entry in written)
    return () if written == {} and get_origin(hint) is tuple else written
