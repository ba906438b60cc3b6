"""Checks of a managed job before any call. They are complete only if `DISPATCHER_MANAGED` is set on the checking machine."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from typing import Any

from providers import registry
from providers.base import Checked, ConfigurationError, Finding, Needs
from providers.managed.mapping import configuration_of
from providers.managed.setting import Maximum, managed_of
from providers.managed.vocabulary import READ, wish_of
from providers.remarks import findings_of


def needs_of(configuration: Mapping[str, Any]) -> Needs:
    """What the job needs from the provider behind; empty if that provider is unknown here."""
    managed = managed_of(os.environ)
    return registry.needs(managed.type, configuration_of(managed, configuration)) if managed else Needs()


def check(configuration: Mapping[str, Any]) -> Checked:
    """Everything that `submit` would reject or would accept without effect.

    Without the setting (on an author's machine) only the vocabulary is checked; its limits are checked when a run is submitted.
    """
    warnings = tuple(_warnings(configuration))
    try:
        managed = managed_of(os.environ)
        if managed is None:
            wish_of(configuration, Maximum())
            return Checked(warnings=warnings)
        checked = registry.check(managed.type, configuration_of(managed, configuration))
    except ConfigurationError as problem:
        return Checked(faults=findings_of(problem), warnings=warnings)
    return Checked(faults=tuple(_behind(managed.type, checked.faults)), warnings=warnings, unchecked=checked.unchecked)


def _behind(type_name: str, faults: tuple[Finding, ...]) -> Iterator[Finding]:
    """Faults of the configuration behind, in the type's own words; the author did not write that configuration."""
    for fault in faults:
        is_the_authors = fault.path in READ
        message = fault.message if is_the_authors else f"{type_name}: {fault.path}: {fault.message}"
        yield Finding(path=fault.path if is_the_authors else "", message=message)


def _warnings(configuration: Mapping[str, Any]) -> Iterator[Finding]:
    """Warnings about unknown keys. Prefect's template of this type is for its own cloud, so its additional keys are not
    faults.
    """
    for key in sorted(configuration.keys() - READ):
        if configuration[key] not in (None, "", {}, []):
            yield Finding(path=str(key), message="has no effect in managed pools here")
