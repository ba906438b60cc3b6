"""What can be said of a managed job before any call, as far as `DISPATCHER_MANAGED` is set where it is asked."""

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
    """What the job needs of the provider behind; nothing where it is not known here which that is."""
    managed = managed_of(os.environ)
    return registry.needs(managed.type, configuration_of(managed, configuration)) if managed else Needs()


def check(configuration: Mapping[str, Any]) -> Checked:
    """All that `submit` would reject, and what it would accept without effect.

    Where the setting is not there (an author's own machine), the vocabulary alone is checked, and its bounds when a run is
    submitted.
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
    """Faults of the configuration behind, which the author has not written, in the type's own words."""
    for fault in faults:
        is_the_authors = fault.path in READ
        message = fault.message if is_the_authors else f"{type_name}: {fault.path}: {fault.message}"
        yield Finding(path=fault.path if is_the_authors else "", message=message)


def _warnings(configuration: Mapping[str, Any]) -> Iterator[Finding]:
    """Prefect's template of this type is its cloud's alone, so what it has beside is no error."""
    for key in sorted(configuration.keys() - READ):
        if configuration[key] not in (None, "", {}, []):
            yield Finding(path=str(key), message="has no effect in managed pools here")
