"""The check of a rendered job configuration: it reports what `submit` would refuse, in the same words, without a call."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from providers.base import Checked, Finding, Job
from providers.ecs.blueprint import Blueprint, draft, note_shared
from providers.ecs.definition import DEFAULT_CONTAINER, Facts, existing_definition
from providers.ecs.launch import Launch, launch_of
from providers.ecs.place import place_of
from providers.ecs.request import requested
from providers.ecs.shapes import input_shape
from providers.remarks import Notes
from providers.values import mapping, name_of

NAME = "r0123456789abcdef0123456789abcdef-1"
"""A name of a job's length: it counts in the size of a request."""
NOTHING: Mapping[str, str] = {}
UNCHECKED = (
    "names and types inside task_definition and task_run_request: botocore, which knows them, is not installed"
    " (pip install 'push-dispatcher[aws]')"
)


def check(configuration: Mapping[str, Any]) -> Checked:
    """Check a configuration. Faults are what `EcsProvider.submit` rejects; roles, subnets and definitions are not looked up in
    AWS.
    """
    notes = Notes()
    try:
        _note_all(configuration, notes)
    except (AttributeError, LookupError, TypeError, ValueError) as error:
        notes.fault("", misshapen(error))
    return Checked(
        faults=tuple(dict.fromkeys(notes.faults)),
        warnings=tuple(dict.fromkeys(notes.warnings)),
        unchecked=() if input_shape("RunTask") else (UNCHECKED,),
    )


def check_environment(configuration: Mapping[str, Any], environment: Mapping[str, str]) -> tuple[Finding, ...]:
    """Why a job that passes `check` has no room for these variables: the size of all overrides together is limited."""
    notes = Notes()
    blueprint = _blueprint(configuration, "us-east-1", Notes())
    notes.attempt(lambda: _note_request(configuration, blueprint, notes, environment))
    return tuple(dict.fromkeys(notes.faults))


def misshapen(error: Exception) -> str:
    """The message for a configuration with an unforeseen shape."""
    return f"the job configuration has a shape that cannot be used: {type(error).__name__}: {error}"


def _note_all(configuration: Mapping[str, Any], notes: Notes) -> None:
    notes.attempt(lambda: note_shared(configuration, notes))
    place = notes.attempt(lambda: place_of(configuration))
    blueprint = _blueprint(configuration, (place and place.region) or "us-east-1", notes)
    of_run = Notes()
    of_run.attempt(lambda: _note_request(configuration, blueprint, of_run))
    notes.faults += of_run.faults
    notes.warnings += of_run.warnings


def _blueprint(configuration: Mapping[str, Any], region: str, notes: Notes) -> Blueprint:
    """The basis of a request. If it cannot be derived, the faults are noted and a minimal one is assumed."""
    fresh = Notes()
    if notes.attempt(lambda: existing_definition(configuration)):
        launch = fresh.attempt(lambda: launch_of(mapping(configuration.get("task_run_request"), "task_run_request"), ()))
        worked_out = None
    else:
        launch, worked_out = None, fresh.attempt(lambda: draft(configuration, region, fresh))
    notes.faults += fresh.faults
    notes.warnings += fresh.warnings
    if worked_out and not fresh.faults:
        return worked_out[1]  # type: ignore[no-any-return]
    name = configuration.get("container_name")
    facts = Facts(containers=(name if isinstance(name, str) and name else DEFAULT_CONTAINER,))
    return Blueprint(facts=facts, launch=launch or Launch(), network=None)


def _note_request(
    configuration: Mapping[str, Any], blueprint: Blueprint, notes: Notes, environment: Mapping[str, str] = NOTHING
) -> None:
    container = name_of(configuration.get("container_name"), "container_name")
    requested(
        Job(name=NAME, configuration=configuration, environment=environment),
        definition="definition",
        container=container or _first(blueprint.facts),
        facts=blueprint.facts,
        launch=blueprint.launch,
        network=None,
        notes=notes,
    )


def _first(facts: Facts) -> str:
    return DEFAULT_CONTAINER if DEFAULT_CONTAINER in facts.containers else facts.containers[0]
