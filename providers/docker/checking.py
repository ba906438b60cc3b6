"""Checks of a rendered configuration before the engine is asked; without the SDK."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from providers.base import Checked, ConfigurationError, Finding, Job, Needs
from providers.docker.request import READ, docker_host_of, image_of, own_faults, request_of
from providers.remarks import START_TIMEOUT, finding_of

_SOMEBODY = "r" + "0" * 32 + "-1"

NO_EFFECT = {
    "auto_remove": "has no effect here: the dispatcher removes the container itself, once its end is recorded",
    "stream_output": "has no effect here: the output is always kept in the container's log (`dispatcher run logs`)",
    "container_wait_timeout": "has no effect here: nobody waits for a container, each tick looks at it",
}
"""Variables of the template that are accepted but change nothing, each with the reason."""

_DEFAULTS = {"auto_remove": False, "stream_output": True}


def needs_of(configuration: Mapping[str, Any]) -> Needs:
    """The place is the engine and the image, so only jobs that need the same image wait for its pull.

    Raises `ConfigurationError`.
    """
    return Needs(place=(docker_host_of(configuration), image_of(configuration)))


def check(configuration: Mapping[str, Any]) -> Checked:
    """Everything that `submit` would reject without asking the engine or would accept without effect."""
    faults = own_faults(configuration)
    keys = {key: value for key, value in configuration.items() if key in READ and key != START_TIMEOUT}
    try:
        request_of(Job(name=_SOMEBODY, configuration=keys))
    except ConfigurationError as problem:
        faults.append(finding_of(problem))
    return Checked(faults=tuple(faults), warnings=tuple(_warnings(configuration)))


def _warnings(configuration: Mapping[str, Any]) -> Iterator[Finding]:
    """Warnings about ignored variables whose values differ from the template's default."""
    for name, words in NO_EFFECT.items():
        value = configuration.get(name)
        if value not in (None, "") and value != _DEFAULTS.get(name):
            yield Finding(path=name, message=words)
